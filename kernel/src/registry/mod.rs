//! What the kernel knows: principals, owners, resources, grants, the epoch. All look-ups are hash
//! look-ups by borrowed keys.
//!
//! - `names`: interned text
//! - `shared`: constraints, each set of them once
//! - `grants`: grants, and who holds what
//! - `writers`: who may write where, for contested writes
//! - `holdings`: what each holder has, for revocations
//! - `change`: the changes, and when they are refused; `end`: those that take away

mod change;
mod end;
mod grants;
mod holdings;
mod names;
mod shared;
mod writers;

use ahash::RandomState;
use ed25519_dalek::VerifyingKey;

use crate::budget::Amounts;
use crate::constraints::Constraints;

pub(crate) use grants::{Grants, NONE, Record};
use holdings::Holdings;
use names::Names;
use shared::Shared;
use writers::Writers;

pub(crate) use change::Refused;

/// The number of a principal, a resource, a scope, a trust domain, or a grant (in order of entry).
pub(crate) type Number = u32;

/// The rights' bits.
pub(crate) mod right {
    pub(crate) const READ: u8 = 1;
    pub(crate) const WRITE: u8 = 2;
    pub(crate) const DELEGATE: u8 = 8;
    pub(crate) const ALL: u8 = 15;
}

/// Whether a principal is a person.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Human,
    Machine,
}

impl Kind {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "human" => Some(Self::Human),
            "machine" => Some(Self::Machine),
            _ => None,
        }
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Machine => "machine",
        }
    }

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Human => Self::Machine,
            Self::Machine => Self::Human,
        }
    }

    const fn group(self) -> u32 {
        self as u32
    }
}

/// More entries than a number can count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Full;

/// The number of the entry after `count` others; the top bit is kept free for marks.
fn next_number(count: usize) -> Result<Number, Full> {
    Number::try_from(count)
        .ok()
        .filter(|number| *number < NONE >> 1)
        .ok_or(Full)
}

/// A principal that was enrolled.
pub(crate) struct Principal {
    pub(crate) key: Option<Box<VerifyingKey>>,
    pub(crate) domain: Number,
    /// The least epoch of its grants that count, where the registry's is not above it.
    epoch: u64,
    pub(crate) owned: bool,
}

/// The nature of a resource.
#[derive(Clone, Copy, Default)]
pub(crate) struct Nature {
    pub(crate) public: bool,
    pub(crate) domain: Number,
}

/// The number of the empty trust domain.
pub(crate) const NO_DOMAIN: Number = 0;

/// The registry.
pub(crate) struct Registry {
    names: Names,
    principals: Vec<Principal>,
    types: Names,
    resources: Names,
    natures: Vec<Nature>,
    domains: Names,
    scopes: Names,
    pub(crate) grants: Grants,
    holdings: Holdings,
    constraints: Shared,
    limits: Vec<Amounts>,
    approvers: Vec<Box<[Number]>>,
    writers: Writers,
    epoch: u64,
}

impl Registry {
    /// An empty registry whose tables use `hasher`.
    pub(crate) fn new(hasher: &RandomState) -> Self {
        let names = || Names::new(hasher.clone());
        let mut domains = names();
        // The first number of any table is 0, so the empty domain is `NO_DOMAIN`.
        let _ = domains.intern(0, "");
        Self {
            names: names(),
            principals: Vec::new(),
            types: names(),
            resources: names(),
            natures: Vec::new(),
            domains,
            scopes: names(),
            grants: Grants::new(names(), hasher.clone()),
            holdings: Holdings::new(hasher.clone()),
            constraints: Shared::new(names()),
            limits: Vec::new(),
            approvers: Vec::new(),
            writers: Writers::new(hasher.clone()),
            epoch: 0,
        }
    }

    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The least epoch of a holder's grants that counts.
    pub(crate) fn holder_epoch(&self, holder: Number) -> u64 {
        holder_epoch(&self.principals, self.epoch, holder)
    }

    pub(crate) fn find_principal(&self, kind: Kind, name: &str) -> Option<Number> {
        self.names.find(kind.group(), name)
    }

    pub(crate) fn principal(&self, number: Number) -> Option<&Principal> {
        self.principals.get(number as usize)
    }

    pub(crate) fn find_resource(&self, rtype: &str, name: &str) -> Option<Number> {
        self.resources.find(self.types.find(0, rtype)?, name)
    }

    pub(crate) fn nature(&self, resource: Option<Number>) -> Nature {
        resource
            .and_then(|number| self.natures.get(number as usize).copied())
            .unwrap_or_default()
    }

    pub(crate) fn find_scope(&self, scope: &str) -> Option<Number> {
        self.scopes.find(0, scope)
    }

    pub(crate) fn scope(&self, number: Number) -> &str {
        self.scopes.get(number)
    }

    pub(crate) fn domain(&self, number: Number) -> &str {
        self.domains.get(number)
    }

    /// What a grant says about arguments; `None` if it leaves them free.
    pub(crate) fn constraints(&self, grant: &Record) -> Option<&Constraints> {
        self.constraints.get(grant.constraints)
    }

    /// What a grant may use in all; `None` if it has no budget.
    pub(crate) fn limits(&self, grant: Number) -> Option<Amounts> {
        self.limits_of(self.grants.get(grant)?)
    }

    /// The same, of a grant at hand.
    pub(crate) fn limits_of(&self, grant: &Record) -> Option<Amounts> {
        self.limits.get(grant.limits as usize).copied()
    }

    /// Whether any grant ever had a budget.
    pub(crate) const fn has_budgets(&self) -> bool {
        !self.limits.is_empty()
    }

    /// Who may give the approval that a grant asks for; `None` if it asks for none.
    pub(crate) fn approvers(&self, grant: Number) -> Option<&[Number]> {
        let number = self.grants.get(grant)?.approvers;
        self.approvers.get(number as usize).map(Box::as_ref)
    }

    /// Whether any grant ever asked for one.
    pub(crate) const fn has_approvers(&self) -> bool {
        !self.approvers.is_empty()
    }

    /// The name of a principal.
    pub(crate) fn name(&self, principal: Number) -> &str {
        self.names.get(principal)
    }

    /// Whether anybody but `known` may write to the resource at exactly this scope.
    pub(crate) fn is_contested(
        &self,
        resource: Number,
        scope: Number,
        now: u64,
        known: impl Fn(Number) -> bool,
    ) -> bool {
        self.writers
            .any_other(&self.grants, (resource, scope), now, known)
    }

    /// How many bytes the tables occupy, without the allocator's own.
    pub(crate) fn footprint(&self) -> usize {
        let names = [
            &self.names,
            &self.types,
            &self.resources,
            &self.domains,
            &self.scopes,
        ];
        names.iter().map(|names| names.footprint()).sum::<usize>()
            + self.principals.capacity() * size_of::<Principal>()
            + self.natures.capacity() * size_of::<Nature>()
            + self.grants.footprint()
            + self.holdings.footprint()
            + self.constraints.footprint()
            + self.limits.capacity() * size_of::<Amounts>()
            + self.approvers.capacity() * size_of::<Box<[Number]>>()
            + self
                .approvers
                .iter()
                .map(|one| size_of_val(&**one))
                .sum::<usize>()
            + self.writers.footprint()
    }
}

fn holder_epoch(principals: &[Principal], epoch: u64, holder: Number) -> u64 {
    let own = principals
        .get(holder as usize)
        .map_or(0, |holder| holder.epoch);
    epoch.max(own)
}

#[cfg(test)]
mod tests {
    use super::{Full, NONE, next_number};

    #[test]
    fn numbers_end_below_the_marks() {
        let most = (NONE / 2 - 1) as usize;
        assert_eq!(next_number(0), Ok(0));
        assert_eq!(next_number(most), Ok(NONE / 2 - 1));
        assert_eq!(next_number(most + 1), Err(Full));
        assert_eq!(next_number(usize::MAX), Err(Full));
    }
}
