//! Whole lines: their form, their sums, and that each follows the one before it.

use std::str::from_utf8;

use memchr::memchr;

use super::{intent, outcome};
use crate::log::{Intent, Outcome};
use crate::tree::{Hash, leaf_hash};

/// How a line ends: its sum, in 64 hexadecimal digits, between these.
const TAIL: &[u8] = b",\"sum\":\"";
const END: &[u8] = b"\"}\n";
const TAIL_LENGTH: usize = 8 + 64 + 3;

/// Lines from the beginning of a piece of a log, as far as they are in order.
#[derive(Debug, Default)]
pub struct Scan {
    /// The lines.
    pub items: Vec<Item>,
    /// How many bytes they have.
    pub length: usize,
}

/// A line that is in its place and matches its sum.
#[derive(Debug)]
pub struct Item {
    /// Where it begins in the piece.
    pub line: usize,
    /// Where its record begins.
    pub from: usize,
    /// Where its record ends.
    pub to: usize,
    /// Its sum: its leaf's hash.
    pub sum: Hash,
    /// What was seen of its record.
    pub seen: Seen,
}

/// What was seen of a record.
#[derive(Debug)]
pub enum Seen {
    /// An intent that agrees with its verdict.
    Intent(Intent),
    /// An outcome in its usual form.
    Outcome(Outcome),
    /// Something else, to be read by who knows all kinds.
    Other,
}

/// Reads the lines at the beginning of `bytes` that are whole and in order. The first has to be
/// number `index`, behind a line with the sum `head`, in hex.
#[must_use]
pub fn scan(bytes: &[u8], index: u64, head: &str) -> Scan {
    let mut found = Scan::default();
    let mut head = head.to_owned();
    for number in index.. {
        let Some(rest) = bytes.get(found.length..) else {
            break;
        };
        let Some((item, length, sum)) = line(rest, found.length, number, &head) else {
            break;
        };
        found.items.push(item);
        found.length += length;
        head = sum;
    }
    found
}

/// The line at the beginning, with its length and its sum in hex.
fn line(rest: &[u8], base: usize, number: u64, head: &str) -> Option<(Item, usize, String)> {
    let length = memchr(b'\n', rest)? + 1;
    let raw = rest.get(..length)?;
    let start = format!("{{\"index\":{number},\"prev\":\"{head}\",\"record\":");
    let end = length.checked_sub(TAIL_LENGTH)?;
    let (body, tail) = raw.split_at_checked(end)?;
    let record = body.strip_prefix(start.as_bytes())?;
    let sum = tail.strip_prefix(TAIL)?.strip_suffix(END)?;
    let hash = leaf_hash(body);
    if !super::text::is_hex_of(sum, &hash) || !record.starts_with(b"{") {
        return None;
    }
    let item = Item {
        line: base,
        from: base + start.len(),
        to: base + end,
        sum: hash,
        seen: from_utf8(record).ok().map_or(Seen::Other, seen),
    };
    Some((item, length, from_utf8(sum).ok()?.to_owned()))
}

fn seen(record: &str) -> Seen {
    // Both kinds begin alike, and no other does.
    if !record.starts_with("{\"action_digest\":") {
        return Seen::Other;
    }
    let outcome = || outcome::read(record).map(Seen::Outcome);
    let intent = || intent::read(record).map(Seen::Intent);
    outcome().or_else(intent).unwrap_or(Seen::Other)
}

#[cfg(test)]
mod tests {
    use super::{Seen, scan};
    use crate::signing::hex;
    use crate::tree::leaf_hash;

    const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    fn line(index: u64, head: &str, record: &str) -> (String, String) {
        let body = format!("{{\"index\":{index},\"prev\":\"{head}\",\"record\":{record}");
        let sum = hex(&leaf_hash(body.as_bytes()));
        (format!("{body},\"sum\":\"{sum}\"}}\n"), sum)
    }

    #[test]
    fn lines_are_read_as_far_as_they_are_in_order() {
        let (one, head) = line(0, FIRST, "{}");
        let (two, head) = line(1, &head, "{\"a\":1}");
        let (late, _) = line(3, &head, "{}");
        let whole = one.clone() + &two;
        let found = scan((whole.clone() + &late).as_bytes(), 0, FIRST);
        assert_eq!(found.length, whole.len());
        let places = found.items.iter();
        let places = places.map(|item| (item.line, whole.get(item.from..item.to)));
        let expected = [(0, Some("{}")), (one.len(), Some("{\"a\":1}"))];
        assert_eq!(places.collect::<Vec<_>>(), expected);
        assert!(
            found
                .items
                .iter()
                .all(|item| matches!(item.seen, Seen::Other))
        );
        assert_eq!(scan(two.as_bytes(), 0, FIRST).length, 0);
        let torn = whole.trim_end().as_bytes();
        assert_eq!(scan(torn, 0, FIRST).length, one.len());
    }

    #[test]
    fn no_byte_of_a_line_can_be_another() {
        let (good, _) = line(0, FIRST, "{\"a\":\"b\"}");
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1;
            }
            assert_eq!(scan(&bytes, 0, FIRST).length, 0, "at {at}");
        }
        assert_eq!(scan(b"", 0, FIRST).length, 0);
    }
}
