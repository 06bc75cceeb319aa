//! The quick yes for lines of a log: it knows a record in its one form, and takes nothing else for one.

mod intent;
mod outcome;

use authgate_kernel::log::{Seen, scan};
use authgate_kernel::tree::leaf_hash;
use serde_json::Value;

const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const MAX_INT: u64 = (1 << 53) - 1;

/// Characters of each way of being spelled, alone and together.
const ODD: [&str; 7] = [
    "",
    "\u{1}\u{1f}\u{b}",
    "\u{8}\t\n\u{c}\r",
    "\"\"",
    "\\",
    "a\u{7f}\u{e9}\u{2028}\u{1f600}",
    "say \"\\\u{0}\u{8}\t\n\u{c}\r\u{1f}\"/",
];

/// What is seen of a record in a line of its own.
fn seen(record: &str) -> Seen {
    let body = format!("{{\"index\":0,\"prev\":\"{FIRST}\",\"record\":{record}");
    let sum = hex::encode(leaf_hash(body.as_bytes()));
    let line = format!("{body},\"sum\":\"{sum}\"}}\n");
    scan(line.as_bytes(), 0, FIRST).items.remove(0).seen
}

/// The record with one field of another value.
fn with(record: &Value, name: &str, value: Value) -> String {
    let mut other = record.clone();
    other[name] = value;
    other.to_string()
}
