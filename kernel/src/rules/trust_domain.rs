//! `trust_domain`: actor and resource share a domain, or a cross-domain grant reaches over.

use super::Case;
use crate::registry::{NO_DOMAIN, Nature};
use crate::wire::Request;
use crate::words::{principal, resource};

/// Whether the resource is in a domain that is not the actor's.
pub(crate) fn is_foreign(case: &Case<'_>, nature: Nature) -> bool {
    let own = case
        .principal()
        .map_or(NO_DOMAIN, |principal| principal.domain);
    nature.domain != NO_DOMAIN && nature.domain != own
}

pub(crate) fn sentence(case: &Case<'_>, request: &Request<'_>, nature: Nature) -> String {
    let what = resource(request.rtype, request.name, request.scope);
    let theirs = case.registry.domain(nature.domain);
    let who = principal(case.action.kind, case.action.actor);
    let own = case
        .principal()
        .map_or("", |principal| case.registry.domain(principal.domain));
    let place = if own.is_empty() {
        "none".to_owned()
    } else {
        format!("`{own}`")
    };
    format!(
        "{what} is in trust domain `{theirs}`, {who} is in {place}; only a cross-domain grant reaches it"
    )
}
