//! Budgets: what grants may use in all, what is used, and what is reserved (`docs/rules.md`,
//! section 9).
//!
//! A call is charged to each grant of its chains that has a budget, once. It is charged in full when
//! it is permitted, and what it did not use is given back when it has ended. So no number of calls
//! at once can use more than there is.

use std::collections::BTreeSet;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::codec::MAX_INT;
use crate::registry::{Number, Registry};
use crate::wire::{Action, Grant, Settlement};

/// Calls, microseconds of wall time, bytes of output, units of cost.
pub(crate) type Amounts = [u64; 4];

/// A limit that is none.
pub(crate) const NO_LIMIT: u64 = MAX_INT;

pub(crate) const UNITS: [&str; 4] = [
    "calls",
    "microseconds of wall time",
    "bytes of output",
    "units of cost",
];

/// What a grant and all that is handed on from it may use.
pub(crate) const fn limits(grant: &Grant<'_>) -> Amounts {
    [
        grant.max_calls,
        grant.max_wall_us,
        grant.max_output_bytes,
        grant.max_cost,
    ]
}

/// What a call may use at most.
pub(crate) const fn needs(action: &Action<'_>) -> Amounts {
    [1, action.wall_us, action.output_bytes, action.cost]
}

/// A grant, and the place of the unit that it lacks.
#[derive(Clone, Copy)]
pub(crate) struct Shortage {
    grant: Number,
    unit: usize,
}

type Nonce = [u8; 16];

/// What one call is charged with until it has ended.
struct Hold {
    grants: Vec<Number>,
    amounts: Amounts,
    /// When it is given back by itself; `None` once the call may run.
    until: Option<u64>,
}

/// What is used and reserved.
pub(crate) struct Ledger {
    /// Of each grant with a budget that was ever charged.
    used: HashMap<Number, Amounts, RandomState>,
    holds: HashMap<Nonce, Hold, RandomState>,
    ends: BTreeSet<(u64, Nonce)>,
}

impl Ledger {
    pub(crate) fn new(hasher: &RandomState) -> Self {
        Self {
            used: HashMap::with_hasher(hasher.clone()),
            holds: HashMap::with_hasher(hasher.clone()),
            ends: BTreeSet::new(),
        }
    }

    /// One that nothing is ever charged to.
    pub(crate) fn unused() -> Self {
        Self::new(&RandomState::with_seeds(0, 0, 0, 0))
    }

    fn used(&self, grant: Number) -> Amounts {
        self.used.get(&grant).copied().unwrap_or_default()
    }

    /// What a grant lacks for a call.
    pub(crate) fn shortages(
        &self,
        registry: &Registry,
        grant: Number,
        needs: Amounts,
    ) -> impl Iterator<Item = Shortage> + use<> {
        let limits = registry.limits(grant).unwrap_or([NO_LIMIT; 4]);
        let left = left(limits, self.used(grant));
        let lacks = (0..).zip(limits.into_iter().zip(left).zip(needs));
        lacks
            .filter(|(_, ((limit, left), need))| *limit != NO_LIMIT && need > left)
            .map(move |(unit, _)| Shortage { grant, unit })
    }

    /// Says what is left of which budget, and what the call would need.
    pub(crate) fn sentence(
        &self,
        registry: &Registry,
        shortage: Shortage,
        needs: Amounts,
    ) -> String {
        let Shortage { grant, unit } = shortage;
        let limits = registry.limits(grant).unwrap_or([NO_LIMIT; 4]);
        let left = left(limits, self.used(grant));
        let at = |amounts: &Amounts| amounts.get(unit).copied().unwrap_or_default();
        let units = UNITS.get(unit).copied().unwrap_or_default();
        let id = registry.grants.get(grant);
        let id = id.map_or("", |record| registry.grants.id(record));
        format!(
            "grant `{id}` has {} of {} {units} left, and the call needs {}",
            at(&left),
            at(&limits),
            at(&needs)
        )
    }

    /// Charges a permitted call to its grants, each of which has a budget and was found to suffice.
    pub(crate) fn hold(&mut self, nonce: Nonce, grants: Vec<Number>, amounts: Amounts, until: u64) {
        for grant in &grants {
            let used = self.used.entry(*grant).or_default();
            *used = combined(*used, amounts, u64::saturating_add);
        }
        self.ends.insert((until, nonce));
        let until = Some(until);
        let hold = Hold {
            grants,
            amounts,
            until,
        };
        if let Some(before) = self.holds.insert(nonce, hold) {
            // The same entropy was given twice. What was held stays charged.
            if let Some(end) = before.until.filter(|end| Some(*end) != until) {
                self.ends.remove(&(end, nonce));
            }
        }
    }

    /// Gives back what is held for permits that have ended unused.
    pub(crate) fn release(&mut self, now: u64) {
        while self.ends.first().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, nonce)) = self.ends.pop_first() {
                self.settle(&nonce, [0; 4]);
            }
        }
    }

    /// Lets a call run on what is held for it; false if nothing is any more.
    pub(crate) fn start(&mut self, nonce: &Nonce) -> bool {
        let Some(hold) = self.holds.get_mut(nonce) else {
            return false;
        };
        if let Some(end) = hold.until.take() {
            self.ends.remove(&(end, *nonce));
        }
        true
    }

    /// Charges what a call used, at most what was held, and gives back the rest.
    fn settle(&mut self, nonce: &Nonce, spent: Amounts) -> bool {
        let Some(hold) = self.holds.remove(nonce) else {
            return false;
        };
        if let Some(end) = hold.until {
            self.ends.remove(&(end, *nonce));
        }
        let back = combined(hold.amounts, spent, u64::saturating_sub);
        for grant in hold.grants {
            if let Some(used) = self.used.get_mut(&grant) {
                *used = combined(*used, back, u64::saturating_sub);
            }
        }
        true
    }

    /// Settles one call; whether anything was held for it.
    pub(crate) fn settled(&mut self, settlement: &Settlement<'_>) -> bool {
        let Ok(nonce) = settlement.nonce.try_into() else {
            return false;
        };
        let runs = |hold: &Hold| hold.until.is_none();
        if !settlement.redeemed && self.holds.get(nonce).is_some_and(runs) {
            return false;
        }
        let spent = [
            1,
            settlement.wall_us,
            settlement.output_bytes,
            settlement.cost,
        ];
        self.settle(nonce, if settlement.started { spent } else { [0; 4] })
    }
}

fn combined(left: Amounts, right: Amounts, with: fn(u64, u64) -> u64) -> Amounts {
    let mut sum = left;
    for (sum, right) in sum.iter_mut().zip(right) {
        *sum = with(*sum, right);
    }
    sum
}

fn left(limits: Amounts, used: Amounts) -> Amounts {
    combined(limits, used, u64::saturating_sub)
}
