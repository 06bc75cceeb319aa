//! `MessagePack` as the wire uses it: arrays, text, bytes, unsigned integers and booleans only.
//!
//! Hand-written rather than derived, because a permit is evidence: text that is not UTF-8, a map
//! where an array belongs, an array of another length, a byte too many must each be an error, and
//! generic decoders let some of these pass. Only the shortest form of a header is taken, so that equal
//! values are equal bytes. Reading borrows from the input and never allocates by a
//! length that the input merely claims. Source of the format: the `MessagePack` specification.

use crate::error::DecodeError;

/// The largest integer on the wire.
pub const MAX_INT: u64 = i64::MAX as u64;

/// A cursor over encoded bytes.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            total: bytes.len(),
        }
    }

    /// How many bytes have been read.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.total - self.rest.len()
    }

    /// The error that the item at `rest` is not what was `expected`.
    const fn fault(&self, rest: &[u8], expected: &'static str) -> DecodeError {
        DecodeError {
            at: self.total - rest.len(),
            expected,
        }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(head)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn big_endian(&mut self, width: usize) -> Option<u64> {
        let bytes = self.take(width)?;
        Some(bytes.iter().fold(0, |sum, b| (sum << 8) | u64::from(*b)))
    }

    /// A length of `width` bytes that would not fit in a shorter form, whose lengths end at `shorter`.
    fn length(&mut self, width: usize, shorter: usize) -> Option<usize> {
        let length = usize::try_from(self.big_endian(width)?).ok()?;
        (length > shorter).then_some(length)
    }

    fn item<T>(
        &mut self,
        expected: &'static str,
        parse: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Result<T, DecodeError> {
        let start = self.rest;
        parse(self).ok_or_else(|| self.fault(start, expected))
    }

    /// Reads an array's header.
    ///
    /// # Errors
    /// When something else stands there.
    pub fn array(&mut self) -> Result<usize, DecodeError> {
        self.item("an array", |reader| match reader.byte()? {
            head @ 0x90..=0x9f => Some(usize::from(head & 0x0f)),
            0xdc => reader.length(2, 15),
            0xdd => reader.length(4, 0xffff),
            _ => None,
        })
    }

    /// Reads the header of an array of exactly `fields` items.
    ///
    /// # Errors
    /// When something else stands there.
    pub fn fields(&mut self, fields: usize) -> Result<(), DecodeError> {
        let start = self.rest;
        if self.array()? == fields {
            Ok(())
        } else {
            Err(self.fault(start, "an array of another length"))
        }
    }

    /// Reads text.
    ///
    /// # Errors
    /// When something else stands there, or bytes that are not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        self.item("text", |reader| {
            let length = match reader.byte()? {
                head @ 0xa0..=0xbf => usize::from(head & 0x1f),
                0xd9 => reader.length(1, 31)?,
                0xda => reader.length(2, 0xff)?,
                0xdb => reader.length(4, 0xffff)?,
                _ => return None,
            };
            std::str::from_utf8(reader.take(length)?).ok()
        })
    }

    /// Reads bytes.
    ///
    /// # Errors
    /// When something else stands there.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        self.item("bytes", |reader| {
            let length = match reader.byte()? {
                0xc4 => usize::from(reader.byte()?),
                0xc5 => reader.length(2, 0xff)?,
                0xc6 => reader.length(4, 0xffff)?,
                _ => return None,
            };
            reader.take(length)
        })
    }

    /// Reads an integer.
    ///
    /// # Errors
    /// When something else stands there, or an integer below 0 or above 2^63 - 1.
    pub fn int(&mut self) -> Result<u64, DecodeError> {
        self.item("an integer from 0 to 2^63 - 1", |reader| {
            let (value, shorter) = match reader.byte()? {
                small @ 0x00..=0x7f => return Some(u64::from(small)),
                0xcc => (reader.big_endian(1)?, 0x7f),
                0xcd => (reader.big_endian(2)?, 0xff),
                0xce => (reader.big_endian(4)?, 0xffff),
                0xcf => (reader.big_endian(8)?, 0xffff_ffff),
                _ => return None,
            };
            (value > shorter && value <= MAX_INT).then_some(value)
        })
    }

    /// Reads a boolean.
    ///
    /// # Errors
    /// When something else stands there.
    pub fn boolean(&mut self) -> Result<bool, DecodeError> {
        self.item("a boolean", |reader| match reader.byte()? {
            0xc2 => Some(false),
            0xc3 => Some(true),
            _ => None,
        })
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// When a byte is.
    pub const fn end(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.fault(self.rest, "the end"))
        }
    }
}

/// Encodes canonically: each header in its shortest form.
#[derive(Debug, Default)]
pub struct Writer {
    /// What has been written.
    pub out: Vec<u8>,
}

impl Writer {
    fn tail(&mut self, head: u8, value: usize, width: usize) {
        self.out.push(head);
        let bytes = (value as u64).to_be_bytes();
        self.out.extend(bytes.iter().skip(8 - width));
    }

    /// Writes an array's header.
    pub fn array(&mut self, length: usize) {
        match length {
            0..=15 => self.out.push(0x90 | length.to_le_bytes()[0]),
            16..=0xffff => self.tail(0xdc, length, 2),
            _ => self.tail(0xdd, length, 4),
        }
    }

    /// Writes text.
    pub fn text(&mut self, text: &str) {
        match text.len() {
            length @ 0..=31 => self.out.push(0xa0 | length.to_le_bytes()[0]),
            length @ 32..=0xff => self.tail(0xd9, length, 1),
            length @ 0x100..=0xffff => self.tail(0xda, length, 2),
            length => self.tail(0xdb, length, 4),
        }
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Writes bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        match bytes.len() {
            length @ 0..=0xff => self.tail(0xc4, length, 1),
            length @ 0x100..=0xffff => self.tail(0xc5, length, 2),
            length => self.tail(0xc6, length, 4),
        }
        self.out.extend_from_slice(bytes);
    }

    /// Writes an integer.
    pub fn int(&mut self, value: u64) {
        let bytes = value.to_be_bytes();
        let (head, width) = match value {
            0..=0x7f => (None, 1),
            0x80..=0xff => (Some(0xcc), 1),
            0x100..=0xffff => (Some(0xcd), 2),
            0x1_0000..=0xffff_ffff => (Some(0xce), 4),
            _ => (Some(0xcf), 8),
        };
        self.out.extend(head);
        self.out.extend(bytes.iter().skip(8 - width));
    }

    /// Writes a boolean.
    pub fn boolean(&mut self, value: bool) {
        self.out.push(if value { 0xc3 } else { 0xc2 });
    }
}
