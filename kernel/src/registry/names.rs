//! Interned text: each string is stored once and is a small number everywhere else.

use ahash::RandomState;
use hashbrown::HashTable;

use super::Full;

/// Where a text stands, and its group: together, since whoever looks for one needs both, and memory
/// that is far away costs more than the rest of a look-up.
#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    length: u32,
    group: u32,
}

/// A table of texts, each within a group (a kind, a resource type); equal pairs get one number.
///
/// The hash is keyed by the caller's entropy, so that nobody can choose texts that collide.
pub(crate) struct Names {
    text: String,
    entries: Vec<Entry>,
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Names {
    pub(crate) const fn new(hasher: RandomState) -> Self {
        Self {
            text: String::new(),
            entries: Vec::new(),
            table: HashTable::new(),
            hasher,
        }
    }

    pub(crate) fn get(&self, number: u32) -> &str {
        self.entry(number).map_or("", |(_, text)| text)
    }

    pub(crate) fn find(&self, group: u32, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one((group, text));
        let same = |number: &u32| self.entry(*number) == Some((group, text));
        self.table.find(hash, same).copied()
    }

    /// The number of a text, which is entered if it is new.
    pub(crate) fn intern(&mut self, group: u32, text: &str) -> Result<u32, Full> {
        if let Some(number) = self.find(group, text) {
            return Ok(number);
        }
        let number = super::next_number(self.entries.len())?;
        let length = u32::try_from(text.len()).map_err(|_| Full)?;
        self.entries.push(Entry {
            start: self.text.len(),
            length,
            group,
        });
        self.text.push_str(text);
        let Self {
            text: all,
            entries,
            table,
            hasher,
        } = self;
        table.insert_unique(hasher.hash_one((group, text)), number, |other| {
            hasher.hash_one(entry(all, entries, *other).unwrap_or_default())
        });
        Ok(number)
    }

    fn entry(&self, number: u32) -> Option<(u32, &str)> {
        entry(&self.text, &self.entries, number)
    }

    /// How many bytes it occupies.
    pub(crate) fn footprint(&self) -> usize {
        self.text.capacity()
            + self.entries.capacity() * size_of::<Entry>()
            + self.table.allocation_size()
    }
}

fn entry<'a>(text: &'a str, entries: &[Entry], number: u32) -> Option<(u32, &'a str)> {
    let Entry {
        start,
        length,
        group,
    } = *entries.get(number as usize)?;
    let found = text.get(start..start + length as usize)?;
    Some((group, found))
}
