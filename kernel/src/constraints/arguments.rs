//! The arguments of an action, read from their bytes.

use std::collections::BTreeSet;

use super::MAX_ARGS;
use crate::json::value::Value;

/// How deep lists and objects may stand in each other.
const MAX_DEPTH: usize = 32;

/// An object's members, in the order in which they were written.
pub(crate) struct Arguments(Vec<(String, Value)>);

impl Arguments {
    /// Reads a JSON object in UTF-8 without doubles, whose numbers are finite; `None` for all else.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = Some(bytes).filter(|bytes| bytes.len() <= MAX_ARGS)?;
        match read(std::str::from_utf8(bytes).ok()?)? {
            Value::Object(members) => Some(Self(members)),
            _ => None,
        }
    }

    /// The value of an argument; null is as good as missing.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let found = self.0.iter().find(|(key, _)| key == name);
        let value = found.map(|(_, value)| value);
        value.filter(|value| **value != Value::Null)
    }

    /// The arguments that are not null, with their places.
    pub(crate) fn given(&self) -> impl Iterator<Item = (usize, &str)> {
        let members = self.0.iter().enumerate();
        let given = members.filter(|(_, (_, value))| *value != Value::Null);
        given.map(|(place, (name, _))| (place, name.as_str()))
    }

    /// The name of the argument at a place.
    pub(crate) fn name(&self, place: usize) -> Option<&str> {
        self.0.get(place).map(|(name, _)| name.as_str())
    }

    /// What an argument is, in words.
    pub(crate) fn kind(&self, name: &str) -> &'static str {
        match self.get(name) {
            None | Some(Value::Null) => "missing",
            Some(Value::Boolean(_)) => "true or false",
            Some(Value::Integer(_) | Value::Number(_)) => "a number",
            Some(Value::Text(_)) => "text",
            Some(Value::Array(_)) => "a list",
            Some(Value::Object(_)) => "an object",
        }
    }
}

/// Reads one JSON value strictly.
pub(super) fn read(text: &str) -> Option<Value> {
    let value = serde_json::from_str(text).ok()?;
    is_sound(&value, MAX_DEPTH).then_some(value)
}

/// Whether no object has a name twice, and nothing is nested deeper than `room`.
fn is_sound(value: &Value, room: usize) -> bool {
    let below = room.checked_sub(1);
    match value {
        Value::Array(items) => {
            below.is_some_and(|room| items.iter().all(|item| is_sound(item, room)))
        }
        Value::Object(members) => {
            let mut seen = BTreeSet::new();
            let mut unique = members.iter().map(|(name, _)| seen.insert(name));
            unique.all(|fresh| fresh)
                && below.is_some_and(|room| members.iter().all(|(_, item)| is_sound(item, room)))
        }
        _ => true,
    }
}
