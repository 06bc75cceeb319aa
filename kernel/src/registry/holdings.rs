//! Which grants a holder has, in all and on each resource: what a revocation by holder ends.
//!
//! A list grows at its head. It is taken whole when its grants are revoked; a grant that was
//! revoked otherwise stays in it until then. So each grant is gone over at most once for each of
//! its two lists, however many there are in the registry.

use std::collections::HashMap;

use ahash::RandomState;

use super::Number;
use super::grants::NONE;

/// A holder, and a resource or `NONE` for all of them.
type Key = (Number, Number);

pub(super) struct Holdings {
    /// The newest grant of each list; `NONE` if what there was is revoked.
    heads: HashMap<Key, Number, RandomState>,
    /// By grant: the one before it among all of the holder's, and among those on the resource.
    before: Vec<[Number; 2]>,
}

impl Holdings {
    pub(super) const fn new(hasher: RandomState) -> Self {
        Self {
            heads: HashMap::with_hasher(hasher),
            before: Vec::new(),
        }
    }

    /// Enters the next grant.
    pub(super) fn enter(&mut self, holder: Number, resource: Number) {
        let number = Number::try_from(self.before.len()).unwrap_or(NONE);
        let mut push = |key| self.heads.insert(key, number).unwrap_or(NONE);
        let before = [push((holder, NONE)), push((holder, resource))];
        self.before.push(before);
    }

    /// All grants of a holder that were entered since all were taken, the newest first.
    pub(super) fn all(&self, holder: Number) -> impl Iterator<Item = Number> {
        let head = self.heads.get(&(holder, NONE)).copied();
        self.list(head.unwrap_or(NONE), 0)
    }

    /// Takes them out; `None` if there never was one.
    pub(super) fn take_all(&mut self, holder: Number) -> Option<Vec<Number>> {
        self.take_list((holder, NONE), 0)
    }

    /// Takes out those on one resource.
    pub(super) fn take(&mut self, holder: Number, resource: Number) -> Option<Vec<Number>> {
        self.take_list((holder, resource), 1)
    }

    fn take_list(&mut self, key: Key, which: usize) -> Option<Vec<Number>> {
        let head = std::mem::replace(self.heads.get_mut(&key)?, NONE);
        Some(self.list(head, which).collect())
    }

    fn list(&self, head: Number, which: usize) -> impl Iterator<Item = Number> {
        let next = move |number: &Number| {
            let before = self.before.get(*number as usize)?.get(which).copied();
            before.filter(|number| *number != NONE)
        };
        std::iter::successors(Some(head).filter(|head| *head != NONE), next)
    }

    pub(super) fn footprint(&self) -> usize {
        // An entry, and a byte of the table beside it; tables are at most seven eighths full.
        self.heads.capacity() * (size_of::<(Key, Number)>() + 1) * 8 / 7
            + self.before.capacity() * size_of::<[Number; 2]>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_what_was_entered_since_it_was_taken() {
        let mut holdings = Holdings::new(RandomState::with_seeds(1, 2, 3, 4));
        for (holder, resource) in [(7, 0), (7, 1), (8, 0), (7, 0)] {
            holdings.enter(holder, resource);
        }
        assert_eq!(holdings.take(7, 2), None);
        assert_eq!(holdings.take(7, 0), Some(vec![3, 0]));
        assert_eq!(holdings.take(7, 0), Some(Vec::new()));
        holdings.enter(7, 0);
        assert_eq!(holdings.take(7, 0), Some(vec![4]));
        assert!(holdings.all(7).eq([4, 3, 1, 0]));
        assert_eq!(holdings.take_all(7), Some(vec![4, 3, 1, 0]));
        assert_eq!(holdings.all(7).next(), None);
        assert_eq!(
            holdings.take(7, 1),
            Some(vec![1]),
            "revoked already, and gone over once"
        );
        assert_eq!(holdings.take_all(9), None);
    }
}
