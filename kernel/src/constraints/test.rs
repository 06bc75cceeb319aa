//! The twelve tests: what a bound must be, and when a value holds.

use std::cmp::Ordering;

use regex::Regex;

use super::arguments::read;
use super::host::Host;
use super::path::Path;
use super::pattern;
use crate::json::value::Value;

pub(super) const OPERATORS: [&str; 12] = [
    "eq",
    "one_of",
    "all_in",
    "prefix",
    "regex",
    "not_regex",
    "le",
    "ge",
    "max_len",
    "absent",
    "subpath",
    "host",
];

/// The largest integer that every reader of JSON keeps exactly.
const MAX_EXACT: f64 = 9_007_199_254_740_991.0;

type Why = &'static str;

/// A pattern, in the syntax of the `regex` crate until it is compiled.
pub(super) enum Pattern {
    Read(String),
    Compiled(Regex),
}

impl Pattern {
    fn compiled(self) -> Result<Self, Why> {
        match self {
            Self::Read(text) => Regex::new(&text)
                .map(Self::Compiled)
                .map_err(|_| pattern::TOO_LARGE),
            compiled @ Self::Compiled(_) => Ok(compiled),
        }
    }

    fn hits(&self, text: &str) -> Option<bool> {
        match self {
            Self::Read(_) => None,
            Self::Compiled(regex) => Some(regex.is_match(text)),
        }
    }
}

/// What must hold of one argument.
pub(super) enum Test {
    Equal(Value),
    OneOf(Vec<Value>),
    AllIn(Vec<Value>),
    Prefix(String),
    Whole(Pattern),
    Without(Pattern),
    AtMost(f64),
    AtLeast(f64),
    Longest(usize),
    Absent,
    Subpath(Path),
    Host(Vec<Host>),
}

impl Test {
    /// Reads a bound, which is JSON, for an operator that is known.
    pub(super) fn read(op: &str, bound: &str) -> Result<Self, Why> {
        let value = read(bound).ok_or("is not JSON, or nested deeper than 32")?;
        match op {
            "eq" if value == Value::Null => Err("must not be null"),
            "eq" => Ok(Self::Equal(value)),
            "one_of" => several(value).map(Self::OneOf),
            "all_in" => several(value).map(Self::AllIn),
            "prefix" => text(value).map(Self::Prefix),
            "regex" => Ok(Self::Whole(Pattern::Read(pattern::whole(&text(value)?)?))),
            "not_regex" => Ok(Self::Without(Pattern::Read(pattern::anywhere(&text(
                value,
            )?)?))),
            "le" => number(&value).map(Self::AtMost).ok_or("must be a number"),
            "ge" => number(&value).map(Self::AtLeast).ok_or("must be a number"),
            "max_len" => longest(&value).map(Self::Longest),
            "absent" if value == Value::Boolean(true) => Ok(Self::Absent),
            "absent" => Err("must be true"),
            "subpath" => Path::parse(&text(value)?)
                .map(Self::Subpath)
                .ok_or("must be a path without `..`"),
            _ => hosts(value).map(Self::Host),
        }
    }

    /// The same, with its pattern compiled.
    pub(super) fn compiled(self) -> Result<Self, Why> {
        match self {
            Self::Whole(pattern) => pattern.compiled().map(Self::Whole),
            Self::Without(pattern) => pattern.compiled().map(Self::Without),
            other => Ok(other),
        }
    }

    /// Whether an argument passes; a missing one passes `absent` alone.
    pub(super) fn holds(&self, value: Option<&Value>) -> bool {
        let Some(value) = value else {
            return matches!(self, Self::Absent);
        };
        match (self, value) {
            (Self::Equal(bound), _) => same(bound, value),
            (Self::OneOf(bounds), _) => is_among(value, bounds),
            (Self::AllIn(bounds), Value::Array(items)) => {
                !items.is_empty() && items.iter().all(|item| is_among(item, bounds))
            }
            (Self::Prefix(prefix), Value::Text(text)) => text.starts_with(prefix),
            (Self::Whole(pattern), Value::Text(text)) => pattern.hits(text) == Some(true),
            (Self::Without(pattern), Value::Text(text)) => pattern.hits(text) == Some(false),
            (Self::AtMost(bound), _) => number(value).is_some_and(|number| number <= *bound),
            (Self::AtLeast(bound), _) => number(value).is_some_and(|number| number >= *bound),
            (Self::Longest(most), Value::Text(text)) => text.chars().count() <= *most,
            (Self::Longest(most), Value::Array(items)) => items.len() <= *most,
            (Self::Subpath(folder), Value::Text(text)) => {
                Path::parse(text).is_some_and(|path| folder.holds(&path))
            }
            (Self::Host(hosts), Value::Text(url)) => {
                super::host::of_url(url).is_some_and(|name| hosts.iter().any(|h| h.is(&name)))
            }
            _ => false,
        }
    }

    /// What is allowed, in words; `bound` is quoted already.
    pub(super) fn allowed(&self, bound: &str) -> String {
        match self {
            Self::Equal(_) => format!("equal to {bound}"),
            Self::OneOf(_) => format!("as one of {bound}"),
            Self::AllIn(_) => format!("as a list of one or more of {bound}"),
            Self::Prefix(_) => format!("as text that begins with {bound}"),
            Self::Whole(_) => format!("as text that matches {bound} as a whole"),
            Self::Without(_) => format!("as text without a match of {bound}"),
            Self::AtMost(_) => format!("as a number of at most {bound}"),
            Self::AtLeast(_) => format!("as a number of at least {bound}"),
            Self::Longest(_) => format!("as text or a list of length {bound} at most"),
            Self::Absent => "left out".to_owned(),
            Self::Subpath(_) => format!("as a path in {bound} without `..`"),
            Self::Host(_) => format!("as a URL without user info whose host is {bound}"),
        }
    }
}

fn text(value: Value) -> Result<String, Why> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err("must be a string"),
    }
}

fn several(value: Value) -> Result<Vec<Value>, Why> {
    match value {
        Value::Array(items) if !items.is_empty() && !items.contains(&Value::Null) => Ok(items),
        _ => Err("must be a list of values, at least one and none of them null"),
    }
}

fn hosts(value: Value) -> Result<Vec<Host>, Why> {
    let listed = match value {
        Value::Array(items) if !items.is_empty() => items,
        Value::Array(_) => Vec::from([Value::Null]),
        one => Vec::from([one]),
    };
    let hosts = listed
        .into_iter()
        .map(|item| Host::parse(&text(item).ok()?));
    let hosts: Option<Vec<Host>> = hosts.collect();
    hosts.ok_or("must be a host name, `*.` and one, an IPv4 address, or a list of such")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked before"
)]
fn longest(value: &Value) -> Result<usize, Why> {
    let length = number(value).filter(|number| (0.0..=MAX_EXACT).contains(number));
    let length = length.filter(|number| number.trunc() >= *number);
    length
        .map(|number| number as usize)
        .ok_or("must be a whole number from 0 on")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a number of JSON is a double, whatever it is written as"
)]
const fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

fn is_among(value: &Value, bounds: &[Value]) -> bool {
    bounds.iter().any(|bound| same(bound, value))
}

/// Whether two values are of one type and equal; the order of members does not count.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            let find = |name: &str| right.iter().find(|(other, _)| other == name);
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, value)| find(name).is_some_and(|(_, other)| same(value, other)))
        }
        _ => match number(left).zip(number(right)) {
            Some((left, right)) => left.partial_cmp(&right) == Some(Ordering::Equal),
            None => left == right,
        },
    }
}
