//! Reading fields strictly; an error names the field by its path.

use std::collections::{BTreeMap, BTreeSet};

use super::value::Value;
use crate::codec::MAX_INT;

/// A reader's answer, or the sentence that says what is wrong where.
pub(super) type Result<T> = std::result::Result<T, String>;

/// A value and where it stands.
pub(super) struct Node {
    pub(super) path: String,
    pub(super) value: Value,
}

/// An object whose fields are taken out one by one, and none of which may be left.
pub(super) struct Object {
    path: String,
    fields: BTreeMap<String, Value>,
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

impl Node {
    pub(super) const fn root(value: Value) -> Self {
        Self {
            path: String::new(),
            value,
        }
    }

    /// The error about this value.
    pub(super) fn wrong<T>(&self, why: &str) -> Result<T> {
        Err(if self.path.is_empty() {
            format!("the text {why}")
        } else {
            format!("`{}` {why}", self.path)
        })
    }

    fn pairs(self) -> Result<(String, Vec<(String, Value)>)> {
        let Value::Object(pairs) = self.value else {
            return self.wrong("must be an object");
        };
        let mut seen = BTreeSet::new();
        match pairs.iter().find(|(name, _)| !seen.insert(name.as_str())) {
            Some((name, _)) => Err(format!("`{}` is there twice", below(&self.path, name))),
            None => Ok((self.path, pairs)),
        }
    }

    /// Reads an object that has no other fields than `known`.
    pub(super) fn object(self, known: &[&str]) -> Result<Object> {
        let (path, pairs) = self.pairs()?;
        match pairs
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()))
        {
            Some((name, _)) => Err(format!("`{}` is not a known field", below(&path, name))),
            None => Ok(Object {
                path,
                fields: pairs.into_iter().collect(),
            }),
        }
    }

    /// Reads an object from names to names, in the order of the text.
    pub(super) fn mapping(self) -> Result<Vec<(String, String)>> {
        let (path, pairs) = self.pairs()?;
        let read = |(name, value): (String, Value)| {
            let node = Self {
                path: below(&path, &name),
                value,
            };
            Ok((name, node.text()?))
        };
        pairs.into_iter().map(read).collect()
    }

    pub(super) fn array<T>(self, read: impl Fn(Self) -> Result<T>) -> Result<Vec<T>> {
        let Value::Array(items) = self.value else {
            return self.wrong("must be an array");
        };
        let nodes = items.into_iter().enumerate().map(|(place, value)| Self {
            path: format!("{}[{place}]", self.path),
            value,
        });
        nodes.map(read).collect()
    }

    pub(super) fn text(self) -> Result<String> {
        match self.value {
            Value::Text(text) => Ok(text),
            _ => self.wrong("must be a string"),
        }
    }

    pub(super) fn boolean(self) -> Result<bool> {
        match self.value {
            Value::Boolean(value) => Ok(value),
            _ => self.wrong("must be true or false"),
        }
    }

    pub(super) fn integer(self) -> Result<u64> {
        match self.value {
            Value::Integer(value) if value <= MAX_INT => Ok(value),
            _ => self.wrong("must be an integer from 0 to 9223372036854775807"),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the nearest float is what the field means"
    )]
    pub(super) fn number(&self) -> Result<f64> {
        match self.value {
            Value::Integer(value) => Ok(value as f64),
            Value::Number(value) => Ok(value),
            _ => self.wrong("must be a number"),
        }
    }
}

impl Object {
    /// Takes a field that must be there.
    pub(super) fn need(&mut self, name: &str) -> Result<Node> {
        self.take(name)
            .ok_or_else(|| format!("`{}` is missing", below(&self.path, name)))
    }

    /// Takes a field if it is there.
    pub(super) fn take(&mut self, name: &str) -> Option<Node> {
        let value = self.fields.remove(name)?;
        Some(Node {
            path: below(&self.path, name),
            value,
        })
    }

    /// Takes a field and reads it, or its default.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        read: impl Fn(Node) -> Result<T>,
        default: T,
    ) -> Result<T> {
        self.take(name).map_or(Ok(default), read)
    }
}
