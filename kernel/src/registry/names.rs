//! Interned text: each string is stored once and is a small number everywhere else.

use ahash::RandomState;
use hashbrown::HashTable;

use super::Full;

/// A table of texts, each within a group (a kind, a resource type); equal pairs get one number.
///
/// The hash is keyed by the caller's entropy, so that nobody can choose texts that collide.
pub(crate) struct Names {
    text: String,
    ends: Vec<usize>,
    groups: Vec<u32>,
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Names {
    pub(crate) const fn new(hasher: RandomState) -> Self {
        Self {
            text: String::new(),
            ends: Vec::new(),
            groups: Vec::new(),
            table: HashTable::new(),
            hasher,
        }
    }

    pub(crate) fn get(&self, number: u32) -> &str {
        span(&self.text, &self.ends, number).unwrap_or_default()
    }

    pub(crate) fn find(&self, group: u32, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one((group, text));
        let same = |number: &u32| {
            self.get(*number) == text && self.groups.get(*number as usize) == Some(&group)
        };
        self.table.find(hash, same).copied()
    }

    /// The number of a text, which is entered if it is new.
    pub(crate) fn intern(&mut self, group: u32, text: &str) -> Result<u32, Full> {
        if let Some(number) = self.find(group, text) {
            return Ok(number);
        }
        let number = super::next_number(self.ends.len())?;
        self.text.push_str(text);
        self.ends.push(self.text.len());
        self.groups.push(group);
        let Self {
            text: all,
            ends,
            groups,
            table,
            hasher,
        } = self;
        table.insert_unique(hasher.hash_one((group, text)), number, |other| {
            let group = groups.get(*other as usize).copied().unwrap_or_default();
            hasher.hash_one((group, span(all, ends, *other).unwrap_or_default()))
        });
        Ok(number)
    }

    /// How many bytes it occupies.
    pub(crate) fn footprint(&self) -> usize {
        self.text.capacity()
            + self.ends.capacity() * size_of::<usize>()
            + self.groups.capacity() * size_of::<u32>()
            + self.table.allocation_size()
    }
}

fn span<'a>(text: &'a str, ends: &[usize], number: u32) -> Option<&'a str> {
    let number = number as usize;
    let start = match number.checked_sub(1) {
        Some(before) => *ends.get(before)?,
        None => 0,
    };
    text.get(start..*ends.get(number)?)
}
