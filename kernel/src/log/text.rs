//! JSON text in its canonical form (RFC 8785), matched and not parsed: there is one spelling.

use std::borrow::Cow;

use memchr::memchr2;

/// The largest integer that a record writes as one.
const MAX_INT: u64 = (1 << 53) - 1;

/// A cursor over the bytes of a record; what is not there as expected is `None`.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    rest: &'a [u8],
}

impl<'a> Text<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Exactly these bytes.
    pub(super) fn is(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text.as_bytes())?;
        Some(())
    }

    /// How many bytes are left.
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// Nothing more.
    pub(super) const fn ends(&self) -> Option<()> {
        if self.rest.is_empty() { Some(()) } else { None }
    }

    /// This string.
    pub(super) fn string_is(&mut self, text: &str) -> Option<()> {
        self.is("\"")?;
        if text.bytes().all(is_plain) {
            self.is(text)?;
        } else {
            for byte in text.bytes() {
                match escape(byte) {
                    None => self.rest = self.rest.strip_prefix(&[byte])?,
                    Some(spelling) => self.is(&spelling)?,
                }
            }
        }
        self.is("\"")
    }

    /// Any string, as it is written between its quotes.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        self.is("\"")?;
        let mut length = 0;
        loop {
            let rest = self.rest.get(length..)?;
            length += memchr2(b'"', b'\\', rest)?;
            if *self.rest.get(length)? == b'"' {
                break;
            }
            length += escaped(self.rest.get(length..)?)?.1;
        }
        let (text, rest) = self.rest.split_at_checked(length)?;
        let least = text.iter().fold(u8::MAX, |least, byte| least.min(*byte));
        self.rest = rest;
        self.is("\"")?;
        (least >= b' ').then_some(text)
    }

    /// The bytes of a string of lower-case hexadecimal digits.
    pub(super) fn bytes(&mut self) -> Option<Vec<u8>> {
        unhex(self.string()?)
    }

    /// A string of 64 lower-case hexadecimal digits, as it is written.
    pub(super) fn digest(&mut self) -> Option<&'a [u8]> {
        let text = self.string()?;
        let worst = text.iter().fold(0, |worst, digit| worst.max(value(*digit)));
        (text.len() == 64 && worst < NONE).then_some(text)
    }

    /// These bytes in hexadecimal digits.
    pub(super) fn hex_is(&mut self, bytes: &[u8]) -> Option<()> {
        self.is("\"")?;
        let (text, rest) = self.rest.split_at_checked(bytes.len() * 2)?;
        self.rest = is_hex_of(text, bytes).then_some(rest)?;
        self.is("\"")
    }

    /// An integer of a record.
    pub(super) fn int(&mut self) -> Option<u64> {
        let digits = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (text, rest) = self.rest.split_at_checked(digits)?;
        let number = std::str::from_utf8(text).ok()?.parse().ok()?;
        let plain = digits == 1 || text.first() != Some(&b'0');
        self.rest = rest;
        (plain && number <= MAX_INT).then_some(number)
    }

    /// This integer of a record.
    pub(super) fn int_is(&mut self, number: u64) -> Option<()> {
        (self.int()? == number).then_some(())
    }

    /// This integer of the kernel, which is a string above the largest of a record.
    pub(super) fn big_is(&mut self, number: u64) -> Option<()> {
        if number <= MAX_INT {
            return self.int_is(number);
        }
        self.string_is(&number.to_string())
    }

    /// Yes or no, as 1 or 0.
    pub(super) fn bit_is(&mut self, bit: bool) -> Option<()> {
        self.int_is(bit.into())
    }

    /// An array, `each` of whose elements is taken in turn.
    pub(super) fn list(&mut self, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.is("[")?;
        if self.is("]").is_some() {
            return Some(());
        }
        loop {
            each(self)?;
            if self.is("]").is_some() {
                return Some(());
            }
            self.is(",")?;
        }
    }

    /// An array with an element for each of these.
    pub(super) fn list_is<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T) -> Option<()>,
    ) -> Option<()> {
        let mut items = items.into_iter();
        self.list(|text| each(text, items.next()?))?;
        items.next().is_none().then_some(())
    }
}

/// Whether a byte of a string is spelled as itself.
const fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// How a byte of a string is spelled, if not as itself; the quote and the backslash are such.
fn escape(byte: u8) -> Option<Cow<'static, str>> {
    Some(match byte {
        b'"' => "\\\"".into(),
        b'\\' => "\\\\".into(),
        0x08 => "\\b".into(),
        b'\t' => "\\t".into(),
        b'\n' => "\\n".into(),
        0x0c => "\\f".into(),
        b'\r' => "\\r".into(),
        0..0x20 => format!("\\u{byte:04x}").into(),
        _ => return None,
    })
}

/// What the escape at the beginning stands for, and its length; only one in canonical form.
fn escaped(text: &[u8]) -> Option<(u8, usize)> {
    let byte = match text.get(1)? {
        b'"' => b'"',
        b'\\' => b'\\',
        b'b' => 0x08,
        b't' => b'\t',
        b'n' => b'\n',
        b'f' => 0x0c,
        b'r' => b'\r',
        b'u' => {
            let digits = std::str::from_utf8(text.get(2..6)?).ok()?;
            u8::from_str_radix(digits, 16).ok()?
        }
        _ => return None,
    };
    let spelling = escape(byte)?;
    text.starts_with(spelling.as_bytes())
        .then_some((byte, spelling.len()))
}

/// The bytes that a string stands for, given as it is written.
pub(super) fn plain(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !text.contains(&b'\\') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(length) = rest.iter().position(|byte| *byte == b'\\') {
        bytes.extend(rest.get(..length)?);
        let (byte, more) = escaped(rest.get(length..)?)?;
        bytes.push(byte);
        rest = rest.get(length + more..)?;
    }
    bytes.extend(rest);
    Some(Cow::Owned(bytes))
}

/// Instead of a value, of what is no digit: above them all.
const NONE: u8 = 16;

/// The value of a lower-case hexadecimal digit.
const fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => NONE,
    }
}

const fn digit(value: u8) -> u8 {
    if value < 10 {
        b'0' + value
    } else {
        b'a' + value - 10
    }
}

/// Whether a text is these bytes in lower-case hexadecimal digits.
pub(super) fn is_hex_of(text: &[u8], bytes: &[u8]) -> bool {
    let (pairs, rest) = text.as_chunks::<2>();
    let same = |(pair, byte): (&[u8; 2], &u8)| *pair == [digit(byte >> 4), digit(byte & 15)];
    pairs.len() == bytes.len() && rest.is_empty() && pairs.iter().zip(bytes).all(same)
}

/// The bytes of lower-case hexadecimal digits.
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    let mut bytes = Vec::with_capacity(pairs.len());
    let mut worst = 0;
    for [high, low] in pairs {
        let (high, low) = (value(*high), value(*low));
        worst = worst.max(high).max(low);
        bytes.push(high << 4 | low);
    }
    (rest.is_empty() && worst < NONE).then_some(bytes)
}
