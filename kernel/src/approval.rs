//! Approvals: signed by humans, each for one action and good once (`docs/rules.md`, section 10).

use ahash::RandomState;
use hashbrown::HashMap;

use crate::codes::{ChangeRefusal, Denial};
use crate::registry::{Kind, Number, Refused, Registry};
use crate::signing::{self, Statement};
use crate::tree::Hash;
use crate::wire::Approve;
use crate::words::principal;

/// Microseconds that an approval lasts at most.
const LONGEST: u64 = 86_400_000_000;

/// Approvals that are remembered at once.
const MOST: usize = 16_384;

type Nonce = [u8; 16];

/// An approver, and the end of what they gave.
pub(crate) type Given = (Number, u64);

/// Approvals that were given, by the digest of their action, and the nonces that are used up.
pub(crate) struct Approvals {
    instance: Nonce,
    given: HashMap<Hash, Vec<Given>, RandomState>,
    used: HashMap<(Number, Nonce), u64, RandomState>,
    /// The latest moment at which one was taken.
    latest: u64,
}

impl Approvals {
    pub(crate) fn new(instance: Nonce, hasher: &RandomState) -> Self {
        Self {
            instance,
            given: HashMap::with_hasher(hasher.clone()),
            used: HashMap::with_hasher(hasher.clone()),
            latest: 0,
        }
    }

    /// Some that nothing is ever given to.
    pub(crate) fn unused() -> Self {
        Self::new([0; 16], &RandomState::with_seeds(0, 0, 0, 0))
    }

    /// Takes one that is well formed, and forgets those that have ended.
    pub(crate) fn take(
        &mut self,
        registry: &Registry,
        approval: &Approve<'_>,
        now: u64,
    ) -> Result<(), Refused> {
        // A nonce that is forgotten has ended for good, also after a clock went back.
        let now = now.max(self.latest);
        let approver = self.signer(registry, approval)?;
        let sizes = (approval.nonce.try_into(), approval.action_digest.try_into());
        let (Ok(nonce), Ok(digest)) = sizes else {
            return Ok(()); // it would have been refused as malformed
        };
        self.may_enter((approver, nonce), approval.expires_at, now)?;
        self.enter((approver, nonce), digest, approval.expires_at, now);
        Ok(())
    }

    /// Whose approval it is, if it was signed for this kernel.
    fn signer(&self, registry: &Registry, approval: &Approve<'_>) -> Result<Number, Refused> {
        let name = approval.approver;
        let number = registry.may_approve(name)?;
        let forged = |sentence| Err(Refused::new(ChangeRefusal::ApprovalForged, sentence));
        if approval.instance != self.instance {
            return forged(
                "the approval is for another runtime, or for one before this".to_owned(),
            );
        }
        let key = registry.principal(number).and_then(|one| one.key.as_ref());
        let statement = Statement::approval(approval);
        if key.is_some_and(|key| signing::verifies(key, &statement, approval.signature)) {
            return Ok(number);
        }
        let who = principal(Kind::Human.text(), name);
        forged(format!(
            "the approval is not signed with the enrolled key of {who}"
        ))
    }

    fn may_enter(&self, nonce: (Number, Nonce), end: u64, now: u64) -> Result<(), Refused> {
        if now >= end {
            let sentence = format!("the approval ended at {end}");
            return Err(Refused::new(ChangeRefusal::ApprovalExpired, sentence));
        }
        if end - now > LONGEST {
            let sentence = format!("`expires_at` must be at most {LONGEST} microseconds from now");
            return Err(Refused::denial(Denial::Malformed, sentence));
        }
        if self.used.get(&nonce).is_some_and(|end| now < *end) {
            let sentence = "the approval was given before".to_owned();
            return Err(Refused::new(ChangeRefusal::ApprovalUsed, sentence));
        }
        if self.used.values().filter(|end| now < **end).count() >= MOST {
            let sentence =
                format!("{MOST} approvals were given and have not ended; wait for some to end");
            return Err(Refused::new(ChangeRefusal::TooMany, sentence));
        }
        Ok(())
    }

    fn enter(&mut self, nonce: (Number, Nonce), digest: Hash, end: u64, now: u64) {
        self.latest = now;
        self.used.retain(|_, end| now < *end);
        self.given.retain(|_, given| {
            given.retain(|(_, end)| now < *end);
            !given.is_empty()
        });
        self.used.insert(nonce, end);
        let given = self.given.entry(digest).or_default();
        match given.iter_mut().find(|(who, _)| *who == nonce.0) {
            Some((_, until)) => *until = end.max(*until),
            None => given.push((nonce.0, end)),
        }
    }

    /// Who of these approved the action for longest, the first of several.
    pub(crate) fn of(&self, digest: &Hash, approvers: &[Number], now: u64) -> Option<Given> {
        let given = self.given.get(digest)?;
        let live = |who: &Number| given.iter().find(|(by, end)| by == who && now < *end);
        // `max_by_key` takes the last of several.
        let found = approvers.iter().rev().filter_map(live).copied();
        found.max_by_key(|(_, end)| *end)
    }

    /// Uses up the approvals of an action.
    pub(crate) fn spend(&mut self, digest: &Hash) {
        self.given.remove(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_forgotten() {
        let mut approvals = Approvals::unused();
        for now in 0..1_000_u64 {
            let [low, high, ..] = now.to_le_bytes();
            let (mut nonce, mut digest) = ([0; 16], [0; 32]);
            nonce
                .iter_mut()
                .zip([low, high])
                .for_each(|(to, from)| *to = from);
            digest
                .iter_mut()
                .zip([low, high])
                .for_each(|(to, from)| *to = from);
            approvals.enter((0, nonce), digest, now + 10, now);
        }
        assert_eq!((approvals.used.len(), approvals.given.len()), (10, 10));
    }

    #[test]
    fn there_is_a_ceiling_until_some_have_ended() {
        let mut approvals = Approvals::unused();
        for who in (0..).take(MOST) {
            assert_eq!(approvals.may_enter((who, [0; 16]), 10, 0), Ok(()));
            approvals.used.insert((who, [0; 16]), 10);
        }
        let refused = approvals.may_enter((0, [1; 16]), 20, 9);
        assert_eq!(refused.map_err(|refused| refused.code), Err("too_many"));
        assert_eq!(approvals.may_enter((0, [1; 16]), 20, 10), Ok(()));
    }
}
