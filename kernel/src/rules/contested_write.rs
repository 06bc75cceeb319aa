//! `contested_write`: a warning that somebody outside the justifying chain may write there too.

use super::{Case, Findings};
use crate::chain::Links;
use crate::codes::Warning;
use crate::registry::Number;
use crate::wire::Request;
use crate::words;

/// Whether a write that a grant justifies is contested.
pub(crate) fn is_contested(
    case: &Case<'_>,
    resource: Number,
    scopes: &[Number],
    links: &Links,
) -> bool {
    let holds = |grant: Number, holder| {
        let record = case.registry.grants.get(grant);
        record.is_some_and(|record| record.holder == holder)
    };
    // The actor is among them: it holds the first link.
    let known = |holder| links.iter().any(|grant| holds(grant, holder));
    scopes.iter().any(|scope| {
        case.registry
            .is_contested(resource, *scope, case.now, known)
    })
}

pub(crate) fn warn(request: &Request<'_>, findings: &mut Findings) {
    let what = words::resource(request.rtype, request.name, request.scope);
    findings.warn(
        Warning::ContestedWrite,
        format!("another holder may also write {what}"),
    );
}
