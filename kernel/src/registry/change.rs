//! Changes of the registry, and when one is refused (`docs/rules.md`, section 1). Those that take
//! something away stand in `end.rs`.

use ed25519_dalek::VerifyingKey;

use super::{
    Full, Kind, NO_DOMAIN, NONE, Nature, Number, Principal, Record, Registry, next_number, right,
};
use crate::approval::Approvals;
use crate::budget::{self, NO_LIMIT};
use crate::chain::{self, MAX_LINKS, Terms};
use crate::codes::{ChangeRefusal, Denial};
use crate::rules::malformed;
use crate::wire::{Change, Delegate, Enrol, Grant, Own};
use crate::words::{principal, resource};

/// How many grants of one holder on one rtype, name and scope are not revoked at most.
const MAX_ALTERNATIVES: usize = 64;

/// Why a change was not made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) sentence: String,
}

impl Refused {
    pub(crate) fn denial(code: Denial, sentence: String) -> Self {
        Self {
            code: code.text(),
            sentence,
        }
    }

    pub(crate) fn new(code: ChangeRefusal, sentence: String) -> Self {
        Self {
            code: code.text(),
            sentence,
        }
    }
}

impl From<Full> for Refused {
    fn from(_: Full) -> Self {
        let sentence = "the registry is full; make a new kernel with fewer entries";
        Self::new(ChangeRefusal::TooMany, sentence.to_owned())
    }
}

impl Registry {
    /// Makes one change, whole or not at all.
    pub(crate) fn apply(
        &mut self,
        approvals: &mut Approvals,
        change: &Change<'_>,
        now: u64,
    ) -> Result<(), Refused> {
        if let Some(flaw) = malformed::in_change(change) {
            return Err(Refused::denial(Denial::Malformed, flaw));
        }
        match change {
            Change::Enrol(change) => self.enrol(change),
            Change::Own(change) => self.own(change),
            Change::Declare(change) => {
                let number = self.intern_resource(change.rtype, change.name)?;
                let domain = self.domains.intern(0, change.trust_domain)?;
                if let Some(nature) = self.natures.get_mut(number as usize) {
                    *nature = Nature {
                        public: change.public,
                        domain,
                    };
                }
                Ok(())
            }
            Change::Register(change) => {
                let holder = self.may_enter(&change.grant)?;
                self.enter(holder, &change.grant)
            }
            Change::Delegate(change) => {
                let holder = self.may_enter(&change.grant)?;
                self.may_delegate(change, now)?;
                self.enter(holder, &change.grant)
            }
            Change::Revoke(change) => self.revoke(change.grant_id),
            Change::RevokeHolder(change) => self.revoke_holder(change),
            Change::RevokeHeld(change) => self.revoke_held(change),
            Change::AdvanceEpoch(change) => self.advance_epoch(change.to),
            Change::AdvanceHolderEpoch(change) => self.advance_holder_epoch(change),
            Change::Approve(change) => approvals.take(self, change, now),
        }
    }

    fn intern_resource(&mut self, rtype: &str, name: &str) -> Result<Number, Full> {
        let rtype = self.types.intern(0, rtype)?;
        let number = self.resources.intern(rtype, name)?;
        if number as usize == self.natures.len() {
            self.natures.push(Nature {
                public: false,
                domain: NO_DOMAIN,
            });
        }
        Ok(number)
    }

    pub(super) fn find_enrolled(&self, kind: Kind, name: &str) -> Result<Number, Refused> {
        self.find_principal(kind, name).ok_or_else(|| {
            let sentence = format!("{} is not enrolled", principal(kind.text(), name));
            Refused::new(ChangeRefusal::UnknownPrincipal, sentence)
        })
    }

    /// The number of a human with a key.
    pub(crate) fn may_approve(&self, name: &str) -> Result<Number, Refused> {
        let number = self.find_enrolled(Kind::Human, name)?;
        if self.principal(number).is_some_and(|one| one.key.is_some()) {
            return Ok(number);
        }
        let who = principal(Kind::Human.text(), name);
        let sentence = format!("{who} is enrolled without a key, and cannot approve");
        Err(Refused::new(ChangeRefusal::UnknownPrincipal, sentence))
    }

    fn enrol(&mut self, change: &Enrol<'_>) -> Result<(), Refused> {
        let Some(kind) = Kind::parse(change.kind) else {
            return Ok(());
        };
        let key = change.key.try_into().ok();
        let key = key
            .and_then(|key| VerifyingKey::from_bytes(key).ok())
            .map(Box::new);
        let domain = self.domains.intern(0, change.trust_domain)?;
        let number = self.names.intern(kind.group(), change.name)?;
        match self.principals.get_mut(number as usize) {
            Some(known) if known.key == key => known.domain = domain,
            Some(_) => {
                let who = principal(change.kind, change.name);
                let sentence = format!("{who} is enrolled with another key");
                return Err(Refused::new(ChangeRefusal::Conflict, sentence));
            }
            None => self.principals.push(Principal {
                key,
                domain,
                epoch: 0,
                owned: false,
            }),
        }
        Ok(())
    }

    fn own(&mut self, change: &Own<'_>) -> Result<(), Refused> {
        let machine = self.find_enrolled(Kind::Machine, change.machine)?;
        self.find_enrolled(Kind::Human, change.owner)?;
        if let Some(machine) = self.principals.get_mut(machine as usize) {
            machine.owned = true;
        }
        Ok(())
    }

    /// The number of the holder, if a grant may be entered.
    fn may_enter(&self, grant: &Grant<'_>) -> Result<Number, Refused> {
        if self.grants.find(grant.id).is_some() {
            let sentence = format!("grant `{}` is there already", grant.id);
            return Err(Refused::new(ChangeRefusal::Conflict, sentence));
        }
        // A kind that does not parse was refused as malformed.
        let kind = Kind::parse(grant.holder_kind).unwrap_or(Kind::Machine);
        let holder = self.find_enrolled(kind, grant.holder)?;
        for name in &grant.approvers {
            self.may_approve(name)?;
        }
        let place = self
            .find_resource(grant.rtype, grant.name)
            .zip(self.find_scope(grant.scope));
        let held = place.map_or(0, |(resource, scope)| {
            self.grants.held((holder, resource, scope)).count()
        });
        if held >= MAX_ALTERNATIVES {
            let who = principal(grant.holder_kind, grant.holder);
            let what = resource(grant.rtype, grant.name, grant.scope);
            let sentence =
                format!("{who} has {MAX_ALTERNATIVES} grants on {what} already; revoke one first");
            return Err(Refused::new(ChangeRefusal::TooMany, sentence));
        }
        Ok(holder)
    }

    fn may_delegate(&self, change: &Delegate<'_>, now: u64) -> Result<(), Refused> {
        let id = change.grant.parent;
        let no_grant =
            |why: String| Refused::denial(Denial::NoGrant, format!("grant `{id}` {why}"));
        let found = self.grants.find(id);
        let Some((number, parent)) =
            found.and_then(|number| Some((number, self.grants.get(number)?)))
        else {
            return Err(no_grant("is not there".to_owned()));
        };
        if parent.revoked {
            return Err(no_grant("was revoked".to_owned()));
        }
        let by = Kind::parse(change.by_kind).and_then(|kind| self.find_principal(kind, change.by));
        if by != Some(parent.holder) {
            let who = principal(change.by_kind, change.by);
            return Err(no_grant(format!("is not held by {who}")));
        }
        let mut faults = Vec::new();
        let links = chain::walk(self, number, now, 0, &mut faults);
        if let Some(fault) = faults.first() {
            return Err(Refused::denial(fault.code(), fault.sentence(self)));
        }
        if !parent.allows(right::DELEGATE) {
            let sentence = format!("grant `{id}` may not be delegated");
            return Err(Refused::denial(Denial::ChainBroken, sentence));
        }
        if links.len() >= MAX_LINKS {
            return Err(Refused::denial(
                Denial::ChainBroken,
                chain::too_long(change.grant.id),
            ));
        }
        let child = self.terms_of_wire(&change.grant);
        let parent = Terms::of(self, parent);
        match chain::refusal((change.grant.id, &child), (id, &parent)) {
            Some(sentence) => Err(Refused::denial(Denial::Attenuation, sentence)),
            None => Ok(()),
        }
    }

    fn terms_of_wire<'a>(&self, grant: &Grant<'a>) -> Terms<'a> {
        Terms {
            resource: self.find_resource(grant.rtype, grant.name),
            scope: grant.scope,
            rights: low_bits(grant.rights),
            confidence: grant.confidence,
            expires_at: grant.expires_at,
            epoch: grant.epoch,
            cross_domain: grant.cross_domain,
            limits: budget::limits(grant),
        }
    }

    fn enter(&mut self, holder: Number, grant: &Grant<'_>) -> Result<(), Refused> {
        let resource = self.intern_resource(grant.rtype, grant.name)?;
        let scope = self.scopes.intern(0, grant.scope)?;
        let constraints = self.intern_constraints(grant)?;
        let mut record = Record::new(holder, resource, scope);
        record.constraints = constraints;
        record.limits = self.enter_limits(grant)?;
        record.approvers = self.enter_approvers(grant)?;
        record.expires_at = grant.expires_at;
        record.epoch = grant.epoch;
        record.rights = low_bits(grant.rights);
        record.confidence = u32::try_from(grant.confidence).unwrap_or(0);
        record.cross_domain = grant.cross_domain;
        let place = (holder, resource, scope);
        let before = self.best_writer(place);
        self.grants.enter(grant.id, grant.parent, record)?;
        self.holdings.enter(holder, resource);
        self.reseat(place, before)?;
        Ok(())
    }

    fn enter_limits(&mut self, grant: &Grant<'_>) -> Result<Number, Full> {
        let limits = budget::limits(grant);
        if limits == [NO_LIMIT; 4] {
            return Ok(NONE);
        }
        let number = next_number(self.limits.len())?;
        self.limits.push(limits);
        Ok(number)
    }

    fn enter_approvers(&mut self, grant: &Grant<'_>) -> Result<Number, Refused> {
        if grant.approvers.is_empty() {
            return Ok(NONE);
        }
        let number = next_number(self.approvers.len())?;
        let approvers = grant.approvers.iter().map(|name| self.may_approve(name));
        let approvers = approvers.collect::<Result<_, _>>()?;
        self.approvers.push(approvers);
        Ok(number)
    }

    fn intern_constraints(&mut self, grant: &Grant<'_>) -> Result<Number, Refused> {
        let interned = self.constraints.intern(grant)?;
        interned.map_err(|(place, why)| {
            let sentence = format!("`grant.constraints[{place}].bound` {why}");
            Refused::denial(Denial::Malformed, sentence)
        })
    }
}

/// The rights of a grant that is well formed: all of them are in the low byte.
fn low_bits(rights: u64) -> u8 {
    u8::try_from(rights).unwrap_or(0) & right::ALL
}
