//! The dialect of patterns: small enough that every implementation reads it alike
//! (`docs/rules.md`, section 8). It is written anew in the syntax of the `regex` crate, which then
//! matches in time linear in the text.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

const MAX_BYTES: usize = 1024;
const MAX_PARTS: usize = 256;
const MAX_DEPTH: usize = 32;

type Why = &'static str;

const TOO_LONG: Why = "is no pattern: it is longer than 1024 bytes";
pub(super) const TOO_LARGE: Why =
    "is no pattern: it has more than 256 parts once its repeats are written out";
const TOO_DEEP: Why = "is no pattern: its groups nest deeper than 32";
const BRACKET: Why = "is no pattern: a bracket is not closed, or was not opened";
const NOTHING: Why = "is no pattern: a repeat follows nothing that can be repeated";
const COUNT: Why =
    "is no pattern: a count is written {N}, {N,} or {N,M}, with N at most M, and M from 1 to 256";
const ESCAPE: Why = "is no pattern: a backslash stands before one of d D w W s S b n r t or before \
                     a punctuation mark";
const CLASS: Why =
    "is no pattern: a class has nothing in it, a range backwards, or [ or - without a backslash";
const GROUP: Why = "is no pattern: a group opens with ( or (?:";

/// The pattern for a match of the whole text.
pub(super) fn whole(pattern: &str) -> Result<String, Why> {
    Ok(format!(r"\A(?:{})\z", anywhere(pattern)?))
}

/// The pattern for a match anywhere in the text.
pub(super) fn anywhere(pattern: &str) -> Result<String, Why> {
    if pattern.len() > MAX_BYTES {
        return Err(TOO_LONG);
    }
    let mut reader = Reader {
        rest: pattern.chars().peekable(),
        out: String::new(),
    };
    reader.alternatives(0)?;
    match reader.rest.next() {
        None => Ok(reader.out),
        Some(_) => Err(BRACKET),
    }
}

/// Reads a pattern and writes it anew; every method gives the number of parts that it read.
struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
}

/// What an atom is: how many parts, and whether it may be repeated.
struct Atom {
    parts: usize,
    repeats: bool,
}

const ONE: Atom = Atom {
    parts: 1,
    repeats: true,
};

impl Reader<'_> {
    fn alternatives(&mut self, depth: usize) -> Result<usize, Why> {
        let mut parts = self.sequence(depth)?;
        while self.rest.next_if_eq(&'|').is_some() {
            self.out.push('|');
            parts = few(parts + self.sequence(depth)?)?;
        }
        Ok(parts)
    }

    fn sequence(&mut self, depth: usize) -> Result<usize, Why> {
        let mut parts = 0;
        while let Some(next) = self.rest.next_if(|next| *next != '|' && *next != ')') {
            let atom = self.atom(next, depth)?;
            let times = self.repeat()?;
            if times.is_some() && !atom.repeats {
                return Err(NOTHING);
            }
            parts = few(parts + few(atom.parts * times.unwrap_or(1))?)?;
        }
        Ok(parts.max(1))
    }

    fn atom(&mut self, first: char, depth: usize) -> Result<Atom, Why> {
        match first {
            '(' => self.group(depth + 1),
            '[' => self.class(),
            '\\' => self.escape(),
            '.' => Ok(self.put("(?s:.)", ONE)),
            '^' => Ok(self.put(
                r"\A",
                Atom {
                    repeats: false,
                    ..ONE
                },
            )),
            '$' => Ok(self.put(
                r"\z",
                Atom {
                    repeats: false,
                    ..ONE
                },
            )),
            '*' | '+' | '?' | '{' => Err(NOTHING),
            ']' | '}' => Err(BRACKET),
            literal => {
                self.literal(literal);
                Ok(ONE)
            }
        }
    }

    fn put(&mut self, text: &str, atom: Atom) -> Atom {
        self.out.push_str(text);
        atom
    }

    fn literal(&mut self, character: char) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, r"\x{{{:X}}}", u32::from(character));
    }

    fn group(&mut self, depth: usize) -> Result<Atom, Why> {
        if depth > MAX_DEPTH {
            return Err(TOO_DEEP);
        }
        if self.rest.next_if_eq(&'?').is_some() && self.rest.next() != Some(':') {
            return Err(GROUP);
        }
        self.out.push_str("(?:");
        let parts = self.alternatives(depth)?;
        self.out.push(')');
        match self.rest.next() {
            Some(')') => Ok(Atom { parts, ..ONE }),
            _ => Err(BRACKET),
        }
    }

    fn escape(&mut self) -> Result<Atom, Why> {
        let set = match self.rest.next() {
            Some('b') => {
                return Ok(self.put(
                    r"(?-u:\b)",
                    Atom {
                        repeats: false,
                        ..ONE
                    },
                ));
            }
            Some('D') => "[^0-9]",
            Some('W') => "[^0-9A-Za-z_]",
            Some('S') => r"[^\x09-\x0D\x20]",
            Some(other) => {
                if let Some(set) = named(other) {
                    return Ok(self.put(&format!("[{set}]"), ONE));
                }
                self.literal(escaped(other)?);
                return Ok(ONE);
            }
            None => return Err(ESCAPE),
        };
        Ok(self.put(set, ONE))
    }

    fn class(&mut self) -> Result<Atom, Why> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut parts = 0;
        loop {
            let first = self.rest.next().ok_or(BRACKET)?;
            match first {
                ']' if parts > 0 => break,
                ']' | '[' => return Err(CLASS),
                '-' if parts > 0 && self.rest.peek() != Some(&']') => return Err(CLASS),
                '\\' => {
                    if let Some(set) = self.rest.peek().copied().and_then(named) {
                        self.rest.next();
                        self.out.push_str(set);
                    } else {
                        let first = self.class_escape()?;
                        self.range(first)?;
                    }
                }
                first => self.range(first)?,
            }
            parts += 1;
        }
        self.out.push(']');
        let parts = few(parts)?;
        Ok(Atom { parts, ..ONE })
    }

    fn class_escape(&mut self) -> Result<char, Why> {
        escaped(self.rest.next().ok_or(ESCAPE)?)
    }

    /// A character of a class, and the range that it may open.
    fn range(&mut self, first: char) -> Result<(), Why> {
        self.literal(first);
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || ahead.peek().is_none_or(|next| *next == ']') {
            return Ok(());
        }
        self.rest = ahead;
        let last = match self.rest.next() {
            Some('\\') => self.class_escape()?,
            Some('[' | '-') | None => return Err(CLASS),
            Some(last) => last,
        };
        if last < first {
            return Err(CLASS);
        }
        self.out.push('-');
        self.literal(last);
        Ok(())
    }

    /// How often the atom before stands there once a repeat is written out, if it is repeated.
    fn repeat(&mut self) -> Result<Option<usize>, Why> {
        match self.rest.next_if(|next| "*+?{".contains(*next)) {
            None => Ok(None),
            Some('{') => self.count().map(Some),
            Some(mark) => {
                self.out.push(mark);
                Ok(Some(1))
            }
        }
    }

    fn count(&mut self) -> Result<usize, Why> {
        let least = self.digits()?.ok_or(COUNT)?;
        let most = match self.rest.next_if_eq(&',') {
            None => Some(least),
            Some(_) => self.digits()?,
        };
        if self.rest.next() != Some('}') || most.is_some_and(|most| most < least.max(1)) {
            return Err(COUNT);
        }
        let end = most.map_or(String::new(), |most| most.to_string());
        let _ = write!(self.out, "{{{least},{end}}}");
        Ok(most.unwrap_or(least).max(1))
    }

    fn digits(&mut self) -> Result<Option<usize>, Why> {
        let mut number = None;
        while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
            let value = digit.to_digit(10).map_or(0, |value| value as usize);
            number = Some(number.unwrap_or(0) * 10 + value);
            if number > Some(MAX_PARTS) {
                return Err(COUNT);
            }
        }
        Ok(number)
    }
}

const fn few(parts: usize) -> Result<usize, Why> {
    if parts > MAX_PARTS {
        Err(TOO_LARGE)
    } else {
        Ok(parts)
    }
}

/// The ranges that a letter stands for.
const fn named(letter: char) -> Option<&'static str> {
    match letter {
        'd' => Some("0-9"),
        'w' => Some("0-9A-Za-z_"),
        's' => Some(r"\x09-\x0D\x20"),
        _ => None,
    }
}

/// The character that stands for itself after a backslash.
const fn escaped(character: char) -> Result<char, Why> {
    match character {
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        mark if mark.is_ascii_punctuation() => Ok(mark),
        _ => Err(ESCAPE),
    }
}
