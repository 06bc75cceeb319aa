//! Grants, numbered in order of entry, and the lists of who holds what.

use ahash::RandomState;
use hashbrown::HashTable;

use super::names::Names;
use super::{Full, Number, next_number, right};

/// No number.
pub(crate) const NONE: Number = Number::MAX;

/// One grant; its texts are numbers. Aligned so that reading one fetches one line of memory.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Record {
    pub(crate) expires_at: u64,
    pub(crate) epoch: u64,
    /// Its id's number.
    pub(crate) id: Number,
    pub(crate) holder: Number,
    pub(crate) resource: Number,
    pub(crate) scope: Number,
    /// The parent's id's number, or `NONE`. The parent may be entered later, or never.
    pub(crate) parent: Number,
    /// The next of the same holder, resource and scope, or `NONE`.
    next: Number,
    /// The number of its limits, or `NONE`.
    pub(crate) limits: Number,
    /// The number of its approvers, or `NONE`.
    pub(crate) approvers: Number,
    /// The number of its constraints, or `NONE`.
    pub(crate) constraints: Number,
    pub(crate) confidence: u32,
    pub(crate) rights: u8,
    pub(crate) cross_domain: bool,
    pub(crate) revoked: bool,
}

impl Record {
    /// Not entered yet.
    pub(crate) fn new(holder: Number, resource: Number, scope: Number) -> Self {
        Self {
            expires_at: 0,
            epoch: 0,
            id: NONE,
            holder,
            resource,
            scope,
            parent: NONE,
            next: NONE,
            limits: NONE,
            approvers: NONE,
            constraints: NONE,
            confidence: 0,
            rights: 0,
            cross_domain: false,
            revoked: false,
        }
    }

    pub(crate) const fn allows(&self, right: u8) -> bool {
        self.rights & right != 0
    }

    /// The first moment at which it is expired.
    pub(crate) const fn until(&self) -> u64 {
        match self.expires_at {
            0 => u64::MAX,
            end => end,
        }
    }

    pub(super) const fn place(&self) -> Place {
        (self.holder, self.resource, self.scope)
    }
}

/// A holder, a resource and a scope.
pub(super) type Place = (Number, Number, Number);

/// All grants.
pub(crate) struct Grants {
    ids: Names,
    /// By id's number; `NONE` for an id that is only a parent's name so far.
    by_id: Vec<Number>,
    records: Vec<Record>,
    /// The newest grant that is not revoked of each place; the others hang on it.
    held: HashTable<Number>,
    hasher: RandomState,
}

impl Grants {
    pub(crate) const fn new(ids: Names, hasher: RandomState) -> Self {
        Self {
            ids,
            by_id: Vec::new(),
            records: Vec::new(),
            held: HashTable::new(),
            hasher,
        }
    }

    pub(crate) fn get(&self, number: Number) -> Option<&Record> {
        self.records.get(number as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Number, &Record)> {
        (0..).zip(&self.records)
    }

    pub(crate) fn find(&self, id: &str) -> Option<Number> {
        self.of_id(self.ids.find(0, id)?)
    }

    /// The grant of an id's number.
    pub(crate) fn of_id(&self, id: Number) -> Option<Number> {
        self.by_id
            .get(id as usize)
            .copied()
            .filter(|number| *number != NONE)
    }

    pub(crate) fn id(&self, record: &Record) -> &str {
        self.ids.get(record.id)
    }

    pub(crate) fn id_text(&self, id: Number) -> &str {
        self.ids.get(id)
    }

    pub(crate) fn intern_id(&mut self, id: &str) -> Result<Number, Full> {
        let number = self.ids.intern(0, id)?;
        if number as usize == self.by_id.len() {
            self.by_id.push(NONE);
        }
        Ok(number)
    }

    /// The grants of a place that are not revoked, newest first.
    pub(crate) fn held(&self, place: Place) -> impl Iterator<Item = (Number, &Record)> {
        let same = |number: &Number| {
            self.get(*number)
                .is_some_and(|record| record.place() == place)
        };
        let first = self.held.find(self.hasher.hash_one(place), same).copied();
        let mut next = first.unwrap_or(NONE);
        std::iter::from_fn(move || {
            let record = self.get(next)?;
            let number = std::mem::replace(&mut next, record.next);
            Some((number, record))
        })
    }

    /// The grant of a place that writes longest, among those of at least `epoch`.
    pub(crate) fn best_writer(&self, place: Place, epoch: u64) -> Option<Number> {
        self.held(place)
            .filter(|(_, record)| record.allows(right::WRITE) && record.epoch >= epoch)
            .max_by_key(|(_, record)| record.until())
            .map(|(number, _)| number)
    }

    /// Enters a grant under an id that is free.
    pub(crate) fn enter(&mut self, id: &str, parent: &str, mut record: Record) -> Result<(), Full> {
        let number = next_number(self.records.len())?;
        record.id = self.intern_id(id)?;
        record.parent = if parent.is_empty() {
            NONE
        } else {
            self.intern_id(parent)?
        };
        let hash = self.hasher.hash_one(record.place());
        let Self {
            records,
            held,
            hasher,
            by_id,
            ..
        } = self;
        let at = |number: &Number| records.get(*number as usize).map(Record::place);
        match held.find_mut(hash, |other| at(other) == Some(record.place())) {
            Some(head) => record.next = std::mem::replace(head, number),
            None => {
                held.insert_unique(hash, number, |other| {
                    hasher.hash_one(at(other).unwrap_or(record.place()))
                });
            }
        }
        records.push(record);
        if let Some(slot) = by_id.get_mut(record.id as usize) {
            *slot = number;
        }
        Ok(())
    }

    /// Marks a grant as revoked and takes it out of its place.
    pub(crate) fn revoke(&mut self, number: Number) {
        let Some(record) = self.records.get_mut(number as usize) else {
            return;
        };
        record.revoked = true;
        let (place, after) = (record.place(), record.next);
        let before = self
            .held(place)
            .find(|(_, other)| other.next == number)
            .map(|(before, _)| before);
        let Self {
            records,
            held,
            hasher,
            ..
        } = self;
        if let Some(before) = before {
            if let Some(before) = records.get_mut(before as usize) {
                before.next = after;
            }
        } else if let Ok(mut head) = held.find_entry(hasher.hash_one(place), |head| *head == number)
        {
            if after == NONE {
                head.remove();
            } else {
                *head.get_mut() = after;
            }
        }
    }

    pub(crate) fn footprint(&self) -> usize {
        self.ids.footprint()
            + self.by_id.capacity() * size_of::<Number>()
            + self.records.capacity() * size_of::<Record>()
            + self.held.allocation_size()
    }
}
