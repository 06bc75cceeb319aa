//! Changes that take away: revocations, and epochs that rise (`docs/rules.md`, section 1).

use super::change::Refused;
use super::grants::Place;
use super::{Full, Kind, Number, Record, Registry};
use crate::codec::MAX_INT;
use crate::codes::Denial;
use crate::wire::{AdvanceHolderEpoch, Change, RevokeHeld, RevokeHolder};
use crate::words::{principal, resource};

impl Registry {
    pub(super) fn revoke(&mut self, id: &str) -> Result<(), Refused> {
        let Some(number) = self.grants.find(id) else {
            let sentence = format!("grant `{id}` is not there");
            return Err(Refused::denial(Denial::NoGrant, sentence));
        };
        Ok(self.end(number)?)
    }

    pub(super) fn revoke_holder(&mut self, change: &RevokeHolder<'_>) -> Result<(), Refused> {
        let holder = self.find_holder(change.holder_kind, change.holder)?;
        let held = self.holdings.take_all(holder).unwrap_or_default();
        Ok(self.end_all(held)?)
    }

    pub(super) fn revoke_held(&mut self, change: &RevokeHeld<'_>) -> Result<(), Refused> {
        let holder = self.find_holder(change.holder_kind, change.holder)?;
        let found = self.find_resource(change.rtype, change.name);
        let Some(held) = found.and_then(|resource| self.holdings.take(holder, resource)) else {
            let who = principal(change.holder_kind, change.holder);
            let what = resource(change.rtype, change.name, "");
            let sentence = format!("{who} never held a grant on {what}");
            return Err(Refused::denial(Denial::NoGrant, sentence));
        };
        Ok(self.end_all(held)?)
    }

    /// The epoch that a change leaves: the holder's if that is what it was about.
    pub(crate) fn epoch_after(&self, change: &Change<'_>) -> u64 {
        let holder = match change {
            Change::AdvanceHolderEpoch(change) => Kind::parse(change.holder_kind)
                .and_then(|kind| self.find_principal(kind, change.holder)),
            _ => None,
        };
        holder.map_or(self.epoch, |holder| self.holder_epoch(holder))
    }

    fn find_holder(&self, kind: &str, name: &str) -> Result<Number, Refused> {
        // A kind that does not parse was refused as malformed.
        self.find_enrolled(Kind::parse(kind).unwrap_or(Kind::Machine), name)
    }

    fn end_all(&mut self, grants: Vec<Number>) -> Result<(), Full> {
        grants.into_iter().try_for_each(|number| self.end(number))
    }

    /// Revokes a grant; doing it again changes nothing.
    fn end(&mut self, number: Number) -> Result<(), Full> {
        let live = self.grants.get(number).filter(|record| !record.revoked);
        let Some(place) = live.map(Record::place) else {
            return Ok(());
        };
        let before = self.best_writer(place);
        self.grants.revoke(number);
        self.reseat(place, before)
    }

    /// The grant of a place that writes longest, among those of an epoch that counts.
    pub(super) fn best_writer(&self, place: Place) -> Option<Number> {
        self.grants.best_writer(place, self.holder_epoch(place.0))
    }

    pub(super) fn reseat(&mut self, place: Place, before: Option<Number>) -> Result<(), Full> {
        let after = self.best_writer(place);
        if before == after {
            return Ok(());
        }
        self.writers.reseat(&self.grants, before, after)
    }

    pub(super) fn advance_epoch(&mut self, to: u64) -> Result<(), Refused> {
        self.epoch = above(self.epoch, to)?;
        let Self {
            writers,
            grants,
            principals,
            epoch,
            ..
        } = self;
        writers.rebuild(grants, |holder| {
            super::holder_epoch(principals, *epoch, holder)
        })?;
        Ok(())
    }

    pub(super) fn advance_holder_epoch(
        &mut self,
        change: &AdvanceHolderEpoch<'_>,
    ) -> Result<(), Refused> {
        let holder = self.find_holder(change.holder_kind, change.holder)?;
        let next = above(self.holder_epoch(holder), change.to)?;
        let held: Vec<Number> = self.holdings.all(holder).collect();
        let places = held.into_iter().filter_map(|number| {
            let place = self.grants.get(number)?.place();
            // Each place once: for the grant that has the seat.
            (self.best_writer(place) == Some(number)).then_some((place, number))
        });
        let places: Vec<(Place, Number)> = places.collect();
        if let Some(principal) = self.principals.get_mut(holder as usize) {
            principal.epoch = next;
        }
        for (place, seated) in places {
            self.reseat(place, Some(seated))?;
        }
        Ok(())
    }
}

/// The epoch to rise to: `to`, or one more if that is 0.
fn above(epoch: u64, to: u64) -> Result<u64, Refused> {
    let next = if to == 0 { epoch.saturating_add(1) } else { to };
    if next <= epoch || next > MAX_INT {
        let sentence = format!("`to` must be above the epoch {epoch}");
        return Err(Refused::denial(Denial::Malformed, sentence));
    }
    Ok(next)
}
