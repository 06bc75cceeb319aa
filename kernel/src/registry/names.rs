//! Interned text: each string is stored once and is a small number everywhere else.

use ahash::RandomState;
use compact_str::CompactString;
use hashbrown::HashTable;

use super::Full;

/// A text and its group: together, and in place if it is no longer than 24 bytes, since memory that
/// is far away costs more than the rest of a look-up.
struct Entry {
    text: CompactString,
    group: u32,
}

impl Entry {
    fn key(&self) -> (u32, &str) {
        (self.group, &self.text)
    }
}

/// A table of texts, each within a group (a kind, a resource type); equal pairs get one number.
///
/// The hash is keyed by the caller's entropy, so that nobody can choose texts that collide.
pub(crate) struct Names {
    entries: Vec<Entry>,
    table: HashTable<u32>,
    /// By length: whether there is such a text. Of the scopes that could cover one most are of none.
    lengths: Vec<bool>,
    hasher: RandomState,
}

impl Names {
    pub(crate) const fn new(hasher: RandomState) -> Self {
        Self {
            entries: Vec::new(),
            table: HashTable::new(),
            lengths: Vec::new(),
            hasher,
        }
    }

    pub(crate) fn get(&self, number: u32) -> &str {
        self.entries
            .get(number as usize)
            .map_or("", |entry| &entry.text)
    }

    pub(crate) fn find(&self, group: u32, text: &str) -> Option<u32> {
        if !*self.lengths.get(text.len())? {
            return None;
        }
        let hash = self.hasher.hash_one((group, text));
        let same = |number: &u32| key(&self.entries, *number) == Some((group, text));
        self.table.find(hash, same).copied()
    }

    /// The number of a text, which is entered if it is new.
    pub(crate) fn intern(&mut self, group: u32, text: &str) -> Result<u32, Full> {
        if let Some(number) = self.find(group, text) {
            return Ok(number);
        }
        let number = super::next_number(self.entries.len())?;
        self.entries.push(Entry {
            text: text.into(),
            group,
        });
        if self.lengths.len() <= text.len() {
            self.lengths.resize(text.len() + 1, false);
        }
        if let Some(length) = self.lengths.get_mut(text.len()) {
            *length = true;
        }
        let Self {
            entries,
            table,
            hasher,
            ..
        } = self;
        table.insert_unique(hasher.hash_one((group, text)), number, |other| {
            hasher.hash_one(key(entries, *other).unwrap_or_default())
        });
        Ok(number)
    }

    /// How many bytes it occupies.
    pub(crate) fn footprint(&self) -> usize {
        let texts = self.entries.iter().map(|entry| &entry.text);
        let long = texts.filter(|text| text.is_heap_allocated());
        self.entries.capacity() * size_of::<Entry>()
            + long.map(CompactString::capacity).sum::<usize>()
            + self.table.allocation_size()
            + self.lengths.capacity()
    }
}

fn key(entries: &[Entry], number: u32) -> Option<(u32, &str)> {
    entries.get(number as usize).map(Entry::key)
}
