//! What redeeming remembers: nonces that are used, and roots that were verified.

use std::collections::{BTreeMap, VecDeque};

use ahash::RandomState;
use hashbrown::HashSet;

use crate::permit::Seal;

/// How many verified roots are remembered.
const MAX_SEALS: usize = 1024;

/// Used nonces, in generations by the time at which their permits expire.
pub(crate) struct Spent {
    generations: BTreeMap<u64, HashSet<[u8; 16], RandomState>>,
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
    pub(crate) fn spend(&mut self, nonce: [u8; 16], expires_at: u64, now: u64) -> bool {
        let present = now / self.width;
        if present > self.oldest {
            self.oldest = present;
            self.generations = self.generations.split_off(&present);
        }
        let generation = expires_at / self.width;
        let known = self
            .generations
            .entry(generation)
            .or_insert_with(|| HashSet::with_hasher(self.hasher.clone()));
        generation >= self.oldest && known.insert(nonce)
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
