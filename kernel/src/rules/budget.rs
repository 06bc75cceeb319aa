//! `budget`: the call fits into what is left of each grant of a chain that has a budget.

use super::{Case, Findings};
use crate::budget::{self, Shortage};
use crate::chain::Links;
use crate::codes::Denial;
use crate::registry::Number;

/// What the grants of a chain lack, from the first grant up.
pub(crate) fn lacking(case: &Case<'_>, links: &Links) -> Vec<Shortage> {
    let needs = budget::needs(case.action);
    let short = |grant| case.ledger.shortages(case.registry, grant, needs);
    links.iter().flat_map(short).collect()
}

/// The grants of some chains that have a budget, each once.
pub(crate) fn charged<'a>(
    case: &Case<'_>,
    chains: impl IntoIterator<Item = &'a Links>,
) -> Vec<Number> {
    let mut grants: Vec<Number> = Vec::new();
    for grant in chains.into_iter().flat_map(Links::iter) {
        if case.registry.limits(grant).is_some() && !grants.contains(&grant) {
            grants.push(grant);
        }
    }
    grants
}

pub(crate) fn tell(case: &Case<'_>, shortage: Shortage, findings: &mut Findings) {
    let needs = budget::needs(case.action);
    findings.deny(
        Denial::Budget,
        case.ledger.sentence(case.registry, shortage, needs),
    );
}
