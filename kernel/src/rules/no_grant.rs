//! `no_grant`: each request is public, or a grant of the actor covers it; several grants are
//! alternatives, and the best of them decides (`docs/rules.md`, section 4).

use std::cmp::Reverse;

use super::constraint::{self, Forbidden};
use super::{Case, Findings, approval, budget, trust_domain};
use crate::budget::Shortage;
use crate::chain::{self, Fault, Links};
use crate::codes::Denial;
use crate::registry::{Nature, Number, right};
use crate::scope::climbs;
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

/// A candidate without faults.
struct Sound {
    number: Number,
    confidence: u32,
    links: Links,
}

impl Sound {
    const fn rank(&self) -> (u32, Reverse<Number>) {
        (self.confidence, Reverse(self.number))
    }
}

/// A candidate with faults.
struct Faulty {
    number: Number,
    faults: Vec<Fault>,
    forbidden: Vec<Forbidden>,
    foreign: bool,
    lacking: Vec<Shortage>,
    unapproved: Vec<Number>,
}

impl Faulty {
    /// What only needs an approval comes first.
    fn rank(&self) -> (usize, usize, Number) {
        let faults = self.faults.len() + self.forbidden.len() + self.lacking.len();
        let faults = faults + usize::from(self.foreign);
        (faults, self.unapproved.len(), self.number)
    }

    const fn is_sound(&self) -> bool {
        let held = self.faults.is_empty() && self.forbidden.is_empty() && !self.foreign;
        held && self.lacking.is_empty() && self.unapproved.is_empty()
    }
}

/// Judges one request that is well formed, with the scopes that cover it and are known.
pub(crate) fn judge(
    case: &Case<'_>,
    request: &Request<'_>,
    (resource, scopes): (Option<Number>, &[Number]),
    findings: &mut Findings,
) -> Option<Justified> {
    let nature = case.registry.nature(resource);
    let foreign = trust_domain::is_foreign(case, nature);
    let public = request.right == u64::from(right::READ) && nature.public;
    if public && !foreign && !climbs(request.scope) {
        return Some(Justified::Public);
    }
    let mut least: Option<Faulty> = None;
    if let Some((resource, actor)) = resource.zip(case.actor) {
        match choose(case, request, (actor, resource, scopes), foreign) {
            Ok(Some(Sound {
                confidence, links, ..
            })) => {
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

/// The best candidate without faults, or else the one with fewest; none if there is no candidate.
fn choose(
    case: &Case<'_>,
    request: &Request<'_>,
    (actor, resource, scopes): (Number, Number, &[Number]),
    foreign: bool,
) -> Result<Option<Sound>, Faulty> {
    let right = u8::try_from(request.right).unwrap_or(0);
    let held = scopes
        .iter()
        .flat_map(|scope| case.registry.grants.held((actor, resource, *scope)));
    let mut best: Option<Sound> = None;
    let mut least: Option<Faulty> = None;
    for (number, grant) in held.filter(|(_, grant)| grant.allows(right)) {
        let mut faults = Vec::new();
        let asked = case.action.min_epoch;
        let links = chain::walk(case.registry, number, case.now, asked, &mut faults);
        let flawed = Faulty {
            number,
            faults,
            forbidden: constraint::forbidden(case, &links),
            foreign: foreign && !grant.cross_domain,
            lacking: budget::lacking(case, &links),
            unapproved: approval::lacking(case, &links),
        };
        if flawed.is_sound() {
            let sound = Sound {
                number,
                confidence: grant.confidence,
                links,
            };
            if best
                .as_ref()
                .is_none_or(|other| sound.rank() > other.rank())
            {
                best = Some(sound);
            }
        } else if least
            .as_ref()
            .is_none_or(|other| flawed.rank() < other.rank())
        {
            least = Some(flawed);
        }
    }
    match (best, least) {
        (None, Some(faulty)) => Err(faulty),
        (best, _) => Ok(best),
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
    for forbidden in &faulty.forbidden {
        constraint::tell(case, *forbidden, findings);
    }
    if faulty.foreign {
        findings.deny(
            Denial::TrustDomain,
            trust_domain::sentence(case, request, nature),
        );
    }
    for shortage in &faulty.lacking {
        budget::tell(case, *shortage, findings);
    }
    for number in &faulty.unapproved {
        approval::tell(case, *number, findings);
    }
}
