//! Constraints, each set of them compiled once: a million grants may say the same.

use super::grants::NONE;
use super::names::Names;
use super::{Full, Number};
use crate::constraints::{Constraints, leaves_free, signature};
use crate::wire::Grant;

pub(super) struct Shared {
    signatures: Names,
    /// By the number of their signature.
    sets: Vec<Constraints>,
}

/// The place of a constraint that cannot be compiled, and why.
type Flaw = (usize, &'static str);

impl Shared {
    pub(super) const fn new(signatures: Names) -> Self {
        Self {
            signatures,
            sets: Vec::new(),
        }
    }

    pub(super) fn get(&self, number: Number) -> Option<&Constraints> {
        self.sets.get(number as usize)
    }

    /// The number of a well-formed grant's constraints; `NONE` if it leaves arguments free.
    pub(super) fn intern(&mut self, grant: &Grant<'_>) -> Result<Result<Number, Flaw>, Full> {
        if leaves_free(grant) {
            return Ok(Ok(NONE));
        }
        let signature = signature(grant);
        if let Some(number) = self.signatures.find(0, &signature) {
            return Ok(Ok(number));
        }
        let set = match Constraints::compile(grant) {
            Ok(set) => set,
            Err(flaw) => return Ok(Err(flaw)),
        };
        let number = self.signatures.intern(0, &signature)?;
        self.sets.push(set);
        Ok(Ok(number))
    }

    pub(super) fn footprint(&self) -> usize {
        let sets = self.sets.iter().map(Constraints::footprint);
        self.signatures.footprint()
            + self.sets.capacity() * size_of::<Constraints>()
            + sets.sum::<usize>()
    }
}
