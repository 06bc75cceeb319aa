//! The kernel: a registry, a signing key, and what was redeemed, each behind its own lock.

use std::borrow::Cow;
use std::sync::{Mutex, RwLock};

use ahash::RandomState;
use ed25519_dalek::{SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::ahead::Ahead;
use crate::approval::Approvals;
use crate::budget::Ledger;
use crate::codec::{MAX_INT, Writer};
use crate::codes::Refusal;
use crate::decide::{Moment, Stores, args_digest, decide};
use crate::error::KernelError;
use crate::permit::{Batch, Seal, verified};
use crate::redeem::{Seals, Spent};
use crate::registry::Registry;
use crate::signing::{Statement, key_id};
use crate::standing::stale;
use crate::wire::{
    Action, Change, Changed, Redeemed, Redemption, Settlement, Verdict, decode, encode,
};

/// Decides, permits and redeems; may be used by many threads at once.
pub struct Kernel {
    key: SigningKey,
    permit_ttl: u64,
    instance: [u8; 16],
    registry: RwLock<Registry>,
    spent: Mutex<Spent>,
    seals: Mutex<Seals>,
    ledger: Mutex<Ledger>,
    approvals: Mutex<Approvals>,
}

impl Kernel {
    /// Makes a kernel with an empty registry.
    ///
    /// `seed` is the signing key, and `entropy` keys the hash tables and tells this kernel from
    /// others with that key, 32 bytes each; `permit_ttl` is in microseconds.
    ///
    /// # Errors
    /// When a length or the number is out of range.
    pub fn new(seed: &[u8], entropy: &[u8], permit_ttl: u64) -> Result<Self, KernelError> {
        let seed = exact("seed", seed)?;
        let entropy = exact("entropy", entropy)?;
        in_range("permit_ttl", permit_ttl)?;
        let hasher = hasher(entropy);
        Ok(Self {
            key: SigningKey::from_bytes(seed),
            permit_ttl,
            instance: instance(entropy),
            registry: RwLock::new(Registry::new(&hasher)),
            spent: Mutex::new(Spent::new(permit_ttl, hasher.clone())),
            ledger: Mutex::new(Ledger::new(&hasher)),
            approvals: Mutex::new(Approvals::new(instance(entropy), &hasher)),
            seals: Mutex::new(Seals::new(hasher)),
        })
    }

    /// The key with which its permits verify.
    #[must_use]
    pub fn public_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// The key's short name.
    #[must_use]
    pub fn key_id(&self) -> String {
        key_id(&self.public_key())
    }

    /// Judges a list of actions; gives the list of signed verdicts.
    ///
    /// `entropy` is 32 fresh bytes for the nonces; `now` is in microseconds.
    ///
    /// # Errors
    /// When the bytes do not decode, a length or number is out of range, or a lock is poisoned.
    pub fn decide(&self, actions: &[u8], now: u64, entropy: &[u8]) -> Result<Vec<u8>, KernelError> {
        in_range("now", now)?;
        let entropy = exact("entropy", entropy)?;
        let actions: Vec<Action<'_>> = decode(actions)?;
        let moment = Moment {
            now,
            permit_ttl: self.permit_ttl,
            entropy,
            instance: &self.instance,
        };
        Ok(self.judge(&actions, moment)?.sign(&self.key))
    }

    fn judge<'a>(
        &'a self,
        actions: &'a [Action<'a>],
        moment: Moment<'a>,
    ) -> Result<Batch, KernelError> {
        let registry = self.registry.read().map_err(|_| KernelError::Poisoned)?;
        let mut batch = Batch::default();
        let mut scratch = Writer::default();
        let (mut guard, mut unused);
        let ledger = if registry.has_budgets() {
            // Held until the whole batch is decided, so that no other decision comes in between.
            guard = self.ledger.lock().map_err(|_| KernelError::Poisoned)?;
            guard.release(moment.now);
            &mut *guard
        } else {
            unused = Ledger::unused();
            &mut unused
        };
        let (mut approved, mut none);
        let approvals = if registry.has_approvers() {
            approved = self.approvals.lock().map_err(|_| KernelError::Poisoned)?;
            &mut *approved
        } else {
            none = Approvals::unused();
            &mut none
        };
        let mut stores = Stores { ledger, approvals };
        let ahead = Ahead::of(&registry, actions);
        for (index, action) in (0..).zip(actions) {
            let known = ahead.get(index as usize);
            let one = (action, index, known);
            let verdict = decide(&registry, &mut stores, one, moment, &mut scratch);
            batch.push(&verdict);
        }
        Ok(batch)
    }

    /// Uses up a list of permits; gives the list of answers.
    ///
    /// # Errors
    /// When the bytes do not decode, `now` is out of range, or a lock is poisoned.
    pub fn redeem(&self, redemptions: &[u8], now: u64) -> Result<Vec<u8>, KernelError> {
        in_range("now", now)?;
        let redemptions: Vec<Redemption<'_>> = decode(redemptions)?;
        let answers = redemptions.iter().map(|redemption| {
            let (code, sentence, budgeted) = match self.redeem_one(redemption, now)? {
                Ok(budgeted) => ("", String::new(), budgeted),
                Err((refusal, sentence)) => (refusal.text(), sentence, false),
            };
            Ok(Redeemed {
                code: code.into(),
                sentence: sentence.into(),
                budgeted,
            })
        });
        Ok(encode(&answers.collect::<Result<Vec<_>, KernelError>>()?))
    }

    /// Whether the call's end is to be settled, or why it may not start.
    fn redeem_one(
        &self,
        redemption: &Redemption<'_>,
        now: u64,
    ) -> Result<Result<bool, Refused>, KernelError> {
        let verdict = verified(redemption.permit, |seal| self.is_genuine(seal))?;
        // What another instance knew, its revocations and used nonces, is not known here.
        let ours = verdict.filter(|verdict| verdict.instance.as_ref() == self.instance);
        let Some(verdict) = ours else {
            let sentence = "the permit is not signed by this kernel";
            return Ok(Err((Refusal::Forged, sentence.to_owned())));
        };
        if let Some(refusal) = unfit(&verdict, redemption, now) {
            return Ok(Err(refusal));
        }
        // Held until the nonce is used up, so that no revocation falls in between.
        let registry = self.registry.read().map_err(|_| KernelError::Poisoned)?;
        if let Some(sentence) = stale(&registry, &verdict) {
            return Ok(Err((Refusal::Stale, sentence)));
        }
        let id = verdict.action_id;
        let nonce = verdict.nonce.as_ref().try_into();
        let mut spent = self.spent.lock().map_err(|_| KernelError::Poisoned)?;
        let fresh = |nonce: &&[u8; 16]| spent.spend(**nonce, verdict.expires_at, now);
        let Some(nonce) = nonce.ok().filter(fresh) else {
            let sentence = format!("the permit of action `{id}` was used before");
            return Ok(Err((Refusal::Replayed, sentence)));
        };
        if !is_budgeted(&registry, &verdict) {
            return Ok(Ok(false));
        }
        let mut ledger = self.ledger.lock().map_err(|_| KernelError::Poisoned)?;
        Ok(if ledger.start(nonce) {
            Ok(true)
        } else {
            let sentence =
                format!("what was reserved for the permit of action `{id}` was given back");
            Err((Refusal::Stale, sentence))
        })
    }

    /// Tells of permits that were redeemed whether the registry still stands behind them, given
    /// their verdicts: a list of sentences, each empty if it does, or why it does not.
    ///
    /// # Errors
    /// When the bytes do not decode, or a lock is poisoned.
    pub fn stale(&self, verdicts: &[u8]) -> Result<Vec<u8>, KernelError> {
        let verdicts: Vec<&[u8]> = decode(verdicts)?;
        let registry = self.registry.read().map_err(|_| KernelError::Poisoned)?;
        let told = verdicts.iter().map(|verdict| {
            let why = stale(&registry, &decode(verdict)?);
            Ok(Cow::Owned(why.unwrap_or_default()))
        });
        Ok(encode(
            &told.collect::<Result<Vec<Cow<'_, str>>, KernelError>>()?,
        ))
    }

    /// Charges what calls have used, and gives back the rest of what was reserved for them; gives
    /// the list of whether anything was.
    ///
    /// # Errors
    /// When the bytes do not decode, or a lock is poisoned.
    pub fn settle(&self, settlements: &[u8]) -> Result<Vec<u8>, KernelError> {
        let settlements: Vec<Settlement<'_>> = decode(settlements)?;
        let mut ledger = self.ledger.lock().map_err(|_| KernelError::Poisoned)?;
        let settled = settlements.iter().map(|one| ledger.settled(one));
        Ok(encode(&settled.collect::<Vec<bool>>()))
    }

    /// Whether a seal is this kernel's; one that was is remembered.
    fn is_genuine(&self, seal: &Seal) -> Result<bool, KernelError> {
        let known = self
            .seals
            .lock()
            .map_err(|_| KernelError::Poisoned)?
            .contains(seal);
        if known {
            return Ok(true);
        }
        if !seal.is_of(&self.public_key()) {
            return Ok(false);
        }
        self.seals
            .lock()
            .map_err(|_| KernelError::Poisoned)?
            .insert(seal.clone());
        Ok(true)
    }

    /// Makes a list of changes, one by one; gives the list of what became of each.
    ///
    /// # Errors
    /// When the bytes do not decode, `now` is out of range, or a lock is poisoned.
    pub fn change(&self, changes: &[u8], now: u64) -> Result<Vec<u8>, KernelError> {
        in_range("now", now)?;
        let changes: Vec<Change<'_>> = decode(changes)?;
        let mut registry = self.registry.write().map_err(|_| KernelError::Poisoned)?;
        let mut approvals = self.approvals.lock().map_err(|_| KernelError::Poisoned)?;
        let results = changes.iter().map(|change| {
            let refused = registry.apply(&mut approvals, change, now).err();
            let (code, sentence) =
                refused.map_or_else(Default::default, |why| (why.code, why.sentence));
            Changed {
                code: code.into(),
                sentence: sentence.into(),
                epoch: registry.epoch_after(change),
            }
        });
        Ok(encode(&results.collect::<Vec<_>>()))
    }

    /// Signs a log's checkpoint: the root of its tree at a size.
    ///
    /// # Errors
    /// When the root has not 32 bytes, the size is out of range, or the origin is no key name.
    pub fn sign_checkpoint(
        &self,
        origin: &str,
        size: u64,
        root: &[u8],
    ) -> Result<[u8; 64], KernelError> {
        in_range("size", size)?;
        let statement = Statement::checkpoint(origin, size, exact("root", root)?);
        Ok(statement.ok_or(KernelError::Origin)?.sign(&self.key))
    }

    /// How many bytes the registry's tables occupy.
    ///
    /// # Errors
    /// When a lock is poisoned.
    pub fn footprint(&self) -> Result<usize, KernelError> {
        let registry = self.registry.read().map_err(|_| KernelError::Poisoned)?;
        Ok(registry.footprint())
    }
}

/// Why a permit may not be used.
type Refused = (Refusal, String);

/// What forbids the use of a genuine verdict, whatever the registry says.
fn unfit(verdict: &Verdict<'_>, redemption: &Redemption<'_>, now: u64) -> Option<Refused> {
    let id = verdict.action_id;
    if !verdict.permitted {
        return Some((Refusal::Denied, format!("action `{id}` was denied")));
    }
    let digest = args_digest(redemption.args, redemption.salt);
    if verdict.tool != redemption.tool || verdict.args_digest.as_ref() != digest.as_slice() {
        let sentence = "the permit is for another call than the one it came with";
        return Some((Refusal::Mismatch, sentence.to_owned()));
    }
    let (from, to) = (verdict.issued_at, verdict.expires_at);
    if !(from..to).contains(&now) {
        let sentence =
            format!("the permit of action `{id}` is valid from {from} to {to}, not at {now}");
        return Some((Refusal::Expired, sentence));
    }
    None
}

/// Whether a verdict rests on a grant with a budget.
fn is_budgeted(registry: &Registry, verdict: &Verdict<'_>) -> bool {
    let found = verdict.chains.iter().flatten();
    let mut found = found.filter_map(|grant| registry.grants.find(grant));
    registry.has_budgets() && found.any(|grant| registry.limits(grant).is_some())
}

/// A keyed hasher: nobody without the entropy can choose keys that collide.
fn hasher(entropy: &[u8; 32]) -> RandomState {
    let (parts, _) = entropy.as_chunks::<8>();
    let mut seeds = parts.iter().map(|part| u64::from_le_bytes(*part));
    let mut seed = || seeds.next().unwrap_or_default();
    RandomState::with_seeds(seed(), seed(), seed(), seed())
}

/// What tells a kernel from another with the same key, without telling its entropy.
fn instance(entropy: &[u8; 32]) -> [u8; 16] {
    let hash = Sha256::new()
        .chain_update(b"authgate_async instance v1\0")
        .chain_update(entropy)
        .finalize();
    let mut first = [0; 16];
    first.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    first
}

fn exact<'a>(field: &'static str, bytes: &'a [u8]) -> Result<&'a [u8; 32], KernelError> {
    let length = bytes.len();
    bytes
        .try_into()
        .map_err(|_| KernelError::Length { field, length })
}

fn in_range(field: &'static str, number: u64) -> Result<(), KernelError> {
    if number > MAX_INT {
        Err(KernelError::Range(field))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::panic,
        reason = "a lock is poisoned by a panic and by nothing else"
    )]

    use super::*;
    use crate::permit::tests::bogus;

    /// A kernel of which one lock is poisoned.
    fn broken(poison: impl Fn(&Kernel) + Sync) -> Kernel {
        let Ok(kernel) = Kernel::new(&[1; 32], &[2; 32], 1) else {
            panic!("the lengths are right")
        };
        std::thread::scope(|scope| {
            assert!(scope.spawn(|| poison(&kernel)).join().is_err());
        });
        kernel
    }

    #[test]
    fn a_poisoned_registry_answers_with_an_error_for_ever() {
        let kernel = broken(|kernel| {
            let _held = kernel.registry.write();
            panic!("on purpose");
        });
        assert_eq!(
            kernel.decide(&[0x90], 0, &[0; 32]),
            Err(KernelError::Poisoned)
        );
        assert_eq!(kernel.change(&[0x90], 0), Err(KernelError::Poisoned));
    }

    #[test]
    fn a_poisoned_memory_of_seals_redeems_nothing() {
        let kernel = broken(|kernel| {
            let _held = kernel.seals.lock();
            panic!("on purpose");
        });
        let action = Action {
            id: "a",
            actor: "a",
            kind: "human",
            tool: "t",
            args: &[],
            requests: Vec::new(),
            governs_humans: Vec::new(),
            flags: 0,
            min_epoch: 0,
            proof: &[],
            wall_us: 0,
            output_bytes: 0,
            cost: 0,
            salt: &[],
        };
        let Ok(signed) = kernel.decide(&encode(&vec![action]), 0, &[0; 32]) else {
            panic!("deciding takes no seal")
        };
        let Some(permit) = signed.get(1..) else {
            panic!("a list of one has a header of one byte")
        };
        let use_up = Redemption {
            permit,
            tool: "t",
            args: &[],
            salt: &[],
        };
        assert_eq!(
            kernel.redeem(&encode(&vec![use_up]), 0),
            Err(KernelError::Poisoned)
        );
    }

    #[test]
    fn a_seal_that_was_verified_is_not_verified_again() {
        let Ok(kernel) = Kernel::new(&[1; 32], &[2; 32], 1) else {
            panic!("the lengths are right")
        };
        assert_eq!(kernel.is_genuine(&bogus(1)), Ok(false));
        if let Ok(mut seals) = kernel.seals.lock() {
            seals.insert(bogus(1));
        }
        assert_eq!(kernel.is_genuine(&bogus(1)), Ok(true));
    }
}
