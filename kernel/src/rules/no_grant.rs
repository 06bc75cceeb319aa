//! `no_grant`: each request is public, or a grant of the actor covers it; several grants are
//! alternatives, and the best of them decides (`docs/rules.md`, section 4).

use super::{Case, Findings, trust_domain};
use crate::chain::{self, Fault, Links};
use crate::codes::Denial;
use crate::registry::{Nature, Number, Record, right};
use crate::scope::{climbs, covering};
use crate::wire::Request;
use crate::words;

/// Why a request is permitted.
pub(crate) enum Justified {
    /// Anybody may.
    Public,
    /// A grant, with its chain.
    Grant {
        confidence: u32,
        resource: Number,
        links: Links,
    },
}

/// A candidate with faults.
struct Faulty {
    number: Number,
    faults: Vec<Fault>,
    foreign: bool,
}

impl Faulty {
    fn rank(&self) -> (usize, Number) {
        (self.faults.len() + usize::from(self.foreign), self.number)
    }
}

/// Judges one request that is well formed, with the scopes that cover it and are known.
pub(crate) fn judge(
    case: &Case<'_>,
    request: &Request<'_>,
    scopes: &[Number],
    findings: &mut Findings,
) -> Option<Justified> {
    let resource = case.registry.find_resource(request.rtype, request.name);
    let nature = case.registry.nature(resource);
    let foreign = trust_domain::is_foreign(case, nature);
    let public = request.right == u64::from(right::READ) && nature.public;
    if public && !foreign && !climbs(request.scope) {
        return Some(Justified::Public);
    }
    let mut least: Option<Faulty> = None;
    if let Some((resource, actor)) = resource.zip(case.actor) {
        match choose(case, request, (actor, resource, scopes), foreign) {
            Ok(Some((confidence, links))) => {
                return Some(Justified::Grant {
                    confidence,
                    resource,
                    links,
                });
            }
            Ok(None) => {}
            Err(faulty) => least = Some(faulty),
        }
    }
    match least {
        Some(faulty) => tell(case, request, nature, &faulty, findings),
        None if public && foreign => {
            findings.deny(
                Denial::TrustDomain,
                trust_domain::sentence(case, request, nature),
            );
        }
        None => {
            let who = words::principal(case.action.kind, case.action.actor);
            let what = words::resource(request.rtype, request.name, request.scope);
            let right = words::right(request.right);
            findings.deny(
                Denial::NoGrant,
                format!("{who} holds no grant to {right} {what}"),
            );
        }
    }
    None
}

/// The numbers of the scopes that cover a request's and that some grant has.
pub(crate) fn known_scopes(case: &Case<'_>, request: &Request<'_>, found: &mut Vec<Number>) {
    found.clear();
    found.extend(covering(request.scope).filter_map(|scope| case.registry.find_scope(scope)));
}

/// The best candidate without faults, or else the one with fewest; none if there is no candidate.
fn choose(
    case: &Case<'_>,
    request: &Request<'_>,
    (actor, resource, scopes): (Number, Number, &[Number]),
    foreign: bool,
) -> Result<Option<(u32, Links)>, Faulty> {
    let right = u8::try_from(request.right).unwrap_or(0);
    let mut best: Option<(Number, &Record, Links)> = None;
    let mut least: Option<Faulty> = None;
    for scope in scopes {
        for (number, grant) in case.registry.grants.held((actor, resource, *scope)) {
            if !grant.allows(right) {
                continue;
            }
            let mut faults = Vec::new();
            let links = chain::walk(case.registry, number, case.now, case.floor(), &mut faults);
            let beyond = foreign && !grant.cross_domain;
            if faults.is_empty() && !beyond {
                let better = best.is_none_or(|(other, known, _)| {
                    grant.confidence > known.confidence
                        || (grant.confidence == known.confidence && number < other)
                });
                if better {
                    best = Some((number, grant, links));
                }
            } else if best.is_none() {
                let candidate = Faulty {
                    number,
                    faults,
                    foreign: beyond,
                };
                if least
                    .as_ref()
                    .is_none_or(|other| candidate.rank() < other.rank())
                {
                    least = Some(candidate);
                }
            }
        }
    }
    match (best, least) {
        (Some((_, grant, links)), _) => Ok(Some((grant.confidence, links))),
        (None, Some(faulty)) => Err(faulty),
        (None, None) => Ok(None),
    }
}

fn tell(
    case: &Case<'_>,
    request: &Request<'_>,
    nature: Nature,
    faulty: &Faulty,
    findings: &mut Findings,
) {
    for fault in &faulty.faults {
        findings.deny(fault.code(), fault.sentence(case.registry));
    }
    if faulty.foreign {
        findings.deny(
            Denial::TrustDomain,
            trust_domain::sentence(case, request, nature),
        );
    }
}
