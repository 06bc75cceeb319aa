//! `constraint`: the arguments pass every constraint of a grant and of all its ancestors.

use super::{Case, Findings};
use crate::chain::Links;
use crate::codes::Denial;
use crate::constraints::Breach;
use crate::registry::Number;

/// A grant of a chain, and what it forbids.
pub(crate) type Forbidden = (Number, Breach);

/// What the grants of a chain forbid, from the first grant up to the last one that is known.
pub(crate) fn forbidden(case: &Case<'_>, links: &Links) -> Vec<Forbidden> {
    let mut found = Vec::new();
    for number in links.iter() {
        let grant = case.registry.grants.get(number);
        if let Some(set) = grant.and_then(|grant| case.registry.constraints(grant)) {
            found.extend(set.breaches(case.args()).map(|breach| (number, breach)));
        }
    }
    found
}

pub(crate) fn tell(case: &Case<'_>, (number, breach): Forbidden, findings: &mut Findings) {
    let Some(grant) = case.registry.grants.get(number) else {
        return;
    };
    if let Some(set) = case.registry.constraints(grant) {
        let id = case.registry.grants.id(grant);
        findings.deny(Denial::Constraint, set.sentence(breach, id, case.args()));
    }
}
