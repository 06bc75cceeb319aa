//! Who may write where: the index behind contested writes.
//!
//! Each place (a resource and a scope) has one entry per holder: the moment until which the
//! longest of the holder's grants with write lasts. Entries are in order of expiry, the latest
//! first, and revoked grants and those of a past epoch are taken out when that happens. So the
//! search for a foreign writer skips at most the holders that it knows, seventeen of them, and ends
//! at the next entry: that one is foreign and decides, or it has expired and so have all others.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use ahash::RandomState;
use hashbrown::HashTable;

use super::grants::Grants;
use super::{Full, Number, next_number, right};

type Spot = (Number, Number);

/// The writers of a place that has had more than one.
struct Crowd {
    spot: Spot,
    writers: BTreeSet<(Reverse<u64>, Number)>,
}

/// A place's entry: the number of its only writer's grant, or of its crowd.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Seat(Number);

const CROWD: Number = 1 << 31;

impl Seat {
    const fn crowd(self) -> Option<usize> {
        if self.0 & CROWD == 0 {
            None
        } else {
            Some((self.0 & !CROWD) as usize)
        }
    }
}

pub(crate) struct Writers {
    seats: HashTable<Seat>,
    crowds: Vec<Crowd>,
    hasher: RandomState,
}

impl Writers {
    pub(crate) const fn new(hasher: RandomState) -> Self {
        Self {
            seats: HashTable::new(),
            crowds: Vec::new(),
            hasher,
        }
    }

    fn seat(&self, grants: &Grants, spot: Spot) -> Option<Seat> {
        let same = |seat: &Seat| spot_of(&self.crowds, grants, *seat) == Some(spot);
        self.seats.find(self.hasher.hash_one(spot), same).copied()
    }

    /// Whether anybody but `known` may write at `spot`.
    pub(crate) fn any_other(
        &self,
        grants: &Grants,
        spot: Spot,
        now: u64,
        known: impl Fn(Number) -> bool,
    ) -> bool {
        let Some(seat) = self.seat(grants, spot) else {
            return false;
        };
        if let Some(crowd) = seat.crowd() {
            return self.crowds.get(crowd).is_some_and(|crowd| {
                let live = crowd.writers.iter().take_while(|(until, _)| now < until.0);
                live.into_iter().any(|(_, holder)| !known(*holder))
            });
        }
        grants
            .get(seat.0)
            .is_some_and(|record| now < record.until() && !known(record.holder))
    }

    /// Puts `after` in the place of `before`: the grant with which one holder writes longest.
    pub(crate) fn reseat(
        &mut self,
        grants: &Grants,
        before: Option<Number>,
        after: Option<Number>,
    ) -> Result<(), Full> {
        let Some(record) = after.or(before).and_then(|number| grants.get(number)) else {
            return Ok(());
        };
        let spot = (record.resource, record.scope);
        let hash = self.hasher.hash_one(spot);
        let Self {
            seats,
            crowds,
            hasher,
        } = self;
        let found = seats.find_entry(hash, |seat| spot_of(crowds, grants, *seat) == Some(spot));
        let Ok(mut entry) = found else {
            if let Some(after) = after {
                let rehash =
                    |seat: &Seat| hasher.hash_one(spot_of(crowds, grants, *seat).unwrap_or(spot));
                seats.insert_unique(hash, Seat(after), rehash);
            }
            return Ok(());
        };
        let seat = *entry.get();
        if let Some(crowd) = seat.crowd().and_then(|crowd| crowds.get_mut(crowd)) {
            crowd.replace(grants, before, after);
        } else if before == Some(seat.0) {
            match after {
                Some(after) => *entry.get_mut() = Seat(after),
                None => drop(entry.remove()),
            }
        } else {
            let number = next_number(crowds.len())?;
            let mut crowd = Crowd {
                spot,
                writers: BTreeSet::new(),
            };
            crowd.replace(grants, None, Some(seat.0));
            crowd.replace(grants, before, after);
            crowds.push(crowd);
            *entry.get_mut() = Seat(number | CROWD);
        }
        Ok(())
    }

    /// Starts anew at another epoch; `epoch_of` is the least that counts of a holder's grants.
    pub(crate) fn rebuild(
        &mut self,
        grants: &Grants,
        epoch_of: impl Fn(Number) -> u64,
    ) -> Result<(), Full> {
        self.seats = HashTable::new();
        self.crowds = Vec::new();
        for (number, record) in grants.iter() {
            let (place, epoch) = (record.place(), epoch_of(record.holder));
            if record.allows(right::WRITE)
                && record.epoch >= epoch
                && grants.best_writer(place, epoch) == Some(number)
            {
                self.reseat(grants, None, Some(number))?;
            }
        }
        Ok(())
    }

    pub(crate) fn footprint(&self) -> usize {
        let entry = size_of::<(Reverse<u64>, Number)>();
        let crowds = self
            .crowds
            .iter()
            .map(|crowd| crowd.writers.len() * entry * 2);
        self.seats.allocation_size()
            + self.crowds.capacity() * size_of::<Crowd>()
            + crowds.sum::<usize>()
    }
}

fn spot_of(crowds: &[Crowd], grants: &Grants, seat: Seat) -> Option<Spot> {
    match seat.crowd() {
        Some(crowd) => crowds.get(crowd).map(|crowd| crowd.spot),
        None => grants
            .get(seat.0)
            .map(|record| (record.resource, record.scope)),
    }
}

impl Crowd {
    fn replace(&mut self, grants: &Grants, before: Option<Number>, after: Option<Number>) {
        let key = |number: Number| {
            let record = grants.get(number)?;
            Some((Reverse(record.until()), record.holder))
        };
        if let Some(before) = before.and_then(key) {
            self.writers.remove(&before);
        }
        self.writers.extend(after.and_then(key));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::Registry;
    use super::*;
    use crate::approval::Approvals;
    use crate::budget::NO_LIMIT;
    use crate::wire::{Change, Enrol, Grant, Register};

    /// A registry in which so many humans may write the whole of `f:x`, until different times.
    fn crowd(size: u64) -> Registry {
        let mut registry = Registry::new(&RandomState::with_seeds(1, 2, 3, 4));
        for number in 0..size {
            let (name, trust_domain) = (&format!("h{number}"), "");
            let enrol = Enrol {
                name,
                kind: "human",
                key: &[],
                trust_domain,
            };
            assert_eq!(
                registry.apply(&mut Approvals::unused(), &Change::Enrol(enrol), 0),
                Ok(())
            );
            let grant = Grant {
                id: name,
                holder: name,
                holder_kind: "human",
                rtype: "f",
                name: "x",
                scope: "",
                rights: 2,
                confidence: 0,
                expires_at: 1_000 + number,
                epoch: 0,
                parent: "",
                cross_domain: false,
                constraints: Vec::new(),
                other_args: "",
                max_calls: NO_LIMIT,
                max_wall_us: NO_LIMIT,
                max_output_bytes: NO_LIMIT,
                max_cost: NO_LIMIT,
                approvers: Vec::new(),
            };
            assert_eq!(
                registry.apply(
                    &mut Approvals::unused(),
                    &Change::Register(Register { grant }),
                    0
                ),
                Ok(())
            );
        }
        registry
    }

    /// How many entries a search looks at, and what it finds.
    fn search(registry: &Registry, now: u64, known: &[Number]) -> (usize, bool) {
        let looked = Cell::new(0);
        let is_known = |holder| {
            looked.set(looked.get() + 1);
            known.contains(&holder)
        };
        let found = registry.is_contested(0, 0, now, is_known);
        (looked.get(), found)
    }

    #[test]
    fn a_search_among_many_writers_skips_only_those_it_knows() {
        let registry = crowd(2_000);
        assert_eq!(search(&registry, 1_500, &[]), (1, true));
        assert_eq!(search(&registry, 1_500, &[1_999, 1_998, 5]), (3, true));
        assert_eq!(search(&registry, 2_998, &[1_999]), (1, false));
        assert_eq!(search(&registry, 3_000, &[]), (0, false));
    }

    #[test]
    fn a_new_epoch_leaves_no_writer_of_an_old_one() {
        let mut registry = crowd(50);
        let advance = crate::wire::AdvanceEpoch { to: 1 };
        assert_eq!(
            registry.apply(&mut Approvals::unused(), &Change::AdvanceEpoch(advance), 0),
            Ok(())
        );
        assert_eq!(search(&registry, 0, &[]), (0, false));
        assert!(registry.writers.seats.is_empty());
    }
}
