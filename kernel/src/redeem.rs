//! What redeeming remembers: nonces that are used, and roots that were verified.

use std::collections::{BTreeMap, VecDeque};

use ahash::RandomState;
use hashbrown::{HashMap, HashSet};

use crate::permit::Seal;

/// How many verified roots are remembered.
const MAX_SEALS: usize = 1024;

type Nonce = [u8; 16];

/// Used nonces with the ends of their permits, in generations by those ends.
pub(crate) struct Spent {
    generations: BTreeMap<u64, HashMap<Nonce, u64, RandomState>>,
    width: u64,
    /// The oldest generation that is remembered.
    oldest: u64,
    hasher: RandomState,
}

impl Spent {
    /// Generations span one permit's life, so that at most three are kept.
    pub(crate) fn new(permit_ttl: u64, hasher: RandomState) -> Self {
        Self {
            generations: BTreeMap::new(),
            width: permit_ttl.max(1),
            oldest: 0,
            hasher,
        }
    }

    /// Uses a nonce up; false if it was used before.
    ///
    /// If the clock went back so far that the nonce's generation is forgotten already, nobody can
    /// tell any more, and the answer is false.
    pub(crate) fn spend(&mut self, nonce: Nonce, expires_at: u64, now: u64) -> bool {
        let present = now / self.width;
        if present > self.oldest {
            self.oldest = present;
            self.generations = self.generations.split_off(&present);
        }
        let generation = expires_at / self.width;
        let is_used =
            |used: &HashMap<Nonce, u64, _>| used.get(&nonce).is_some_and(|end| now < *end);
        if generation < self.oldest || self.generations.values().any(is_used) {
            return false;
        }
        let new = || HashMap::with_hasher(self.hasher.clone());
        let used = self.generations.entry(generation).or_insert_with(new);
        used.insert(nonce, expires_at);
        true
    }
}

/// The seals that were verified last.
pub(crate) struct Seals {
    known: HashSet<Seal, RandomState>,
    order: VecDeque<Seal>,
}

impl Seals {
    pub(crate) fn new(hasher: RandomState) -> Self {
        Self {
            known: HashSet::with_hasher(hasher),
            order: VecDeque::new(),
        }
    }

    pub(crate) fn contains(&self, seal: &Seal) -> bool {
        self.known.contains(seal)
    }

    pub(crate) fn insert(&mut self, seal: Seal) {
        if !self.known.insert(seal.clone()) {
            return;
        }
        self.order.push_back(seal);
        if self.order.len() > MAX_SEALS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permit::tests::bogus;

    fn spent() -> Spent {
        Spent::new(100, RandomState::with_seeds(1, 2, 3, 4))
    }

    #[test]
    fn a_nonce_is_used_once_while_its_permit_lives() {
        let mut spent = spent();
        assert!(spent.spend([1; 16], 150, 60));
        assert!(!spent.spend([1; 16], 150, 149));
        assert!(
            !spent.spend([1; 16], 220, 149),
            "a later permit with the same nonce"
        );
        assert!(spent.spend([1; 16], 220, 150), "the first has ended");
    }

    #[test]
    fn nonces_of_ended_permits_are_forgotten() {
        let mut spent = spent();
        for now in 0..10_000_u64 {
            let [low, high, ..] = now.to_le_bytes();
            let mut nonce = [0; 16];
            nonce
                .iter_mut()
                .zip([low, high])
                .for_each(|(byte, value)| *byte = value);
            assert!(spent.spend(nonce, now + 100, now));
        }
        let kept: usize = spent.generations.values().map(HashMap::len).sum();
        assert!(kept <= 300, "{kept}");
    }

    #[test]
    fn what_is_forgotten_is_not_used_again_when_the_clock_goes_back() {
        let mut spent = spent();
        assert!(spent.spend([1; 16], 150, 60));
        assert!(spent.spend([2; 16], 950, 900));
        assert!(!spent.spend([1; 16], 150, 60));
    }

    #[test]
    fn the_last_seals_are_remembered_and_no_more() {
        let mut seals = Seals::new(RandomState::with_seeds(1, 2, 3, 4));
        for size in 0..2_000 {
            seals.insert(bogus(size));
            if size % 2 == 0 {
                seals.insert(bogus(size));
            }
        }
        assert_eq!((seals.known.len(), seals.order.len()), (1_024, 1_024));
        assert!(seals.contains(&bogus(976)) && !seals.contains(&bogus(975)));
    }
}
