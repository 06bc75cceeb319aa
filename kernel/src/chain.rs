//! Chains of grants and their faults: `expired`, `epoch_stale`, `chain_broken`, `attenuation`
//! (`docs/rules.md`, section 5).

use crate::budget::{Amounts, NO_LIMIT, UNITS};
use crate::codes::Denial;
use crate::registry::{NONE, Number, Record, Registry, right};
use crate::scope::covers;
use crate::words;

/// How many links a chain has at most.
pub(crate) const MAX_LINKS: usize = 16;

/// The grants that a walk stood on, the first one first.
#[derive(Clone, Copy)]
pub(crate) struct Links {
    grants: [Number; MAX_LINKS],
    length: usize,
}

impl Links {
    const fn new() -> Self {
        Self {
            grants: [NONE; MAX_LINKS],
            length: 0,
        }
    }

    /// Whether there was room.
    fn push(&mut self, grant: Number) -> bool {
        let place = self.grants.get_mut(self.length);
        let free = place.map(|place| *place = grant).is_some();
        self.length += usize::from(free);
        free
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Number> {
        self.grants.iter().take(self.length).copied()
    }
}

/// A dimension in which a child must not exceed its parent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dimension {
    Resource,
    Scope,
    Rights,
    Confidence,
    Expiry,
    Epoch,
    TrustDomains,
    Budget,
}

impl Dimension {
    /// Says so of two grants, and what the child might have had.
    fn sentence(
        self,
        (child, has): (&str, &Terms<'_>),
        (parent, had): (&str, &Terms<'_>),
    ) -> String {
        let (name, bound) = match self {
            Self::Resource => {
                return format!(
                    "grant `{child}` is on another resource than its parent `{parent}`"
                );
            }
            Self::Scope => ("scope", format!("`{}`", had.scope)),
            Self::Rights => ("rights", words::rights(had.rights)),
            Self::Confidence => ("confidence", had.confidence.to_string()),
            Self::Expiry => ("expiry", had.expires_at.to_string()),
            Self::Epoch => ("epoch", had.epoch.to_string()),
            Self::TrustDomains => ("trust domains", "its own".to_owned()),
            Self::Budget => ("budget", exceeded(&has.limits, &had.limits)),
        };
        format!("grant `{child}` is wider than its parent `{parent}` in {name}, at most {bound}")
    }
}

/// The first of the parent's limits that is below the child's.
fn exceeded(child: &Amounts, parent: &Amounts) -> String {
    let mut limits = child.iter().zip(parent).zip(UNITS);
    let first = limits.find(|((child, parent), _)| child > parent);
    first.map_or_else(String::new, |((_, limit), unit)| format!("{limit} {unit}"))
}

/// The first dimension in which `child`, with its id, exceeds `parent`, in a sentence.
pub(crate) fn refusal(child: (&str, &Terms<'_>), parent: (&str, &Terms<'_>)) -> Option<String> {
    let dimension = widened(child.1, parent.1).next()?;
    Some(dimension.sentence(child, parent))
}

/// What a grant gives, to be compared with what its parent gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    /// `None` is a resource that nobody has named yet.
    pub(crate) resource: Option<Number>,
    pub(crate) scope: &'a str,
    pub(crate) rights: u8,
    pub(crate) confidence: u64,
    pub(crate) expires_at: u64,
    pub(crate) epoch: u64,
    pub(crate) cross_domain: bool,
    pub(crate) limits: Amounts,
}

impl<'a> Terms<'a> {
    pub(crate) fn of(registry: &'a Registry, grant: &Record) -> Self {
        let limits = registry.limits_of(grant).unwrap_or([NO_LIMIT; 4]);
        Self {
            limits,
            resource: Some(grant.resource),
            scope: registry.scope(grant.scope),
            rights: grant.rights,
            confidence: grant.confidence.into(),
            expires_at: grant.expires_at,
            epoch: grant.epoch,
            cross_domain: grant.cross_domain,
        }
    }
}

/// The dimensions in which `child` exceeds `parent`.
fn widened(child: &Terms<'_>, parent: &Terms<'_>) -> impl Iterator<Item = Dimension> + use<> {
    let exceeds = child
        .limits
        .iter()
        .zip(parent.limits)
        .any(|(child, parent)| *child > parent);
    let outlives = child.expires_at == 0 || child.expires_at > parent.expires_at;
    [
        (Dimension::Resource, child.resource != parent.resource),
        (Dimension::Scope, !covers(parent.scope, child.scope)),
        (Dimension::Rights, child.rights & !parent.rights != 0),
        (Dimension::Confidence, child.confidence > parent.confidence),
        (Dimension::Expiry, parent.expires_at != 0 && outlives),
        (Dimension::Epoch, child.epoch > parent.epoch),
        (
            Dimension::TrustDomains,
            child.cross_domain && !parent.cross_domain,
        ),
        (Dimension::Budget, exceeds),
    ]
    .into_iter()
    .filter_map(|(dimension, wider)| wider.then_some(dimension))
}

/// What is wrong with a chain; told in words only if it matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// The parent's id's number.
    ParentMissing {
        child: Number,
        parent: Number,
    },
    ParentRevoked {
        child: Number,
        parent: Number,
    },
    TooLong {
        first: Number,
    },
    Expired {
        grant: Number,
    },
    EpochStale {
        grant: Number,
        floor: u64,
    },
    NotDelegable {
        parent: Number,
    },
    Wider {
        child: Number,
        parent: Number,
        dimension: Dimension,
    },
}

impl Fault {
    pub(crate) const fn code(self) -> Denial {
        match self {
            Self::Expired { .. } => Denial::Expired,
            Self::EpochStale { .. } => Denial::EpochStale,
            Self::Wider { .. } => Denial::Attenuation,
            _ => Denial::ChainBroken,
        }
    }

    pub(crate) fn sentence(self, registry: &Registry) -> String {
        let grants = &registry.grants;
        let id = |number| grants.get(number).map_or("", |grant| grants.id(grant));
        let record = |number| grants.get(number);
        match self {
            Self::ParentMissing { child, parent } => {
                let parent = grants.id_text(parent);
                format!(
                    "grant `{}` names parent `{parent}`, which is not there",
                    id(child)
                )
            }
            Self::ParentRevoked { child, parent } => {
                let parent = grants.id_text(parent);
                format!(
                    "grant `{}` names parent `{parent}`, which was revoked",
                    id(child)
                )
            }
            Self::TooLong { first } => too_long(id(first)),
            Self::Expired { grant } => {
                let end = record(grant).map_or(0, |record| record.expires_at);
                format!("grant `{}` expired at {end}", id(grant))
            }
            Self::EpochStale { grant, floor } => {
                let epoch = record(grant).map_or(0, |record| record.epoch);
                format!("grant `{}` is of epoch {epoch}, below {floor}", id(grant))
            }
            Self::NotDelegable { parent } => format!("grant `{}` may not be delegated", id(parent)),
            Self::Wider {
                child,
                parent,
                dimension,
            } => {
                let terms = |number| record(number).map(|grant| Terms::of(registry, grant));
                let pair = terms(child).zip(terms(parent));
                pair.map_or_else(String::new, |(has, had)| {
                    dimension.sentence((id(child), &has), (id(parent), &had))
                })
            }
        }
    }
}

/// The sentence about a chain with too many links.
pub(crate) fn too_long(first: &str) -> String {
    format!("grant `{first}` has a chain of more than {MAX_LINKS} links")
}

/// Walks from a grant to its root and collects the faults; `least` is the least epoch that the
/// action asks for.
pub(crate) fn walk(
    registry: &Registry,
    first: Number,
    now: u64,
    least: u64,
    faults: &mut Vec<Fault>,
) -> Links {
    let mut links = Links::new();
    let mut child: Option<(Number, &Record)> = None;
    let mut number = first;
    while let Some(grant) = registry.grants.get(number) {
        if !links.push(number) {
            faults.push(Fault::TooLong { first });
            break;
        }
        if now >= grant.until() {
            faults.push(Fault::Expired { grant: number });
        }
        let floor = registry.holder_epoch(grant.holder).max(least);
        if grant.epoch < floor {
            faults.push(Fault::EpochStale {
                grant: number,
                floor,
            });
        }
        if let Some((child, record)) = child {
            narrows(registry, (child, record), (number, grant), faults);
        }
        let Some(parent) = parent_of(registry, number, grant, faults) else {
            break;
        };
        child = Some((number, grant));
        number = parent;
    }
    links
}

/// The parent to step to, unless this is the root or the step is impossible.
fn parent_of(
    registry: &Registry,
    child: Number,
    grant: &Record,
    faults: &mut Vec<Fault>,
) -> Option<Number> {
    if grant.parent == NONE {
        return None;
    }
    let Some(number) = registry.grants.of_id(grant.parent) else {
        faults.push(Fault::ParentMissing {
            child,
            parent: grant.parent,
        });
        return None;
    };
    if registry
        .grants
        .get(number)
        .is_none_or(|parent| parent.revoked)
    {
        faults.push(Fault::ParentRevoked {
            child,
            parent: grant.parent,
        });
        return None;
    }
    Some(number)
}

fn narrows(
    registry: &Registry,
    (child, child_record): (Number, &Record),
    (parent, parent_record): (Number, &Record),
    faults: &mut Vec<Fault>,
) {
    if !parent_record.allows(right::DELEGATE) {
        faults.push(Fault::NotDelegable { parent });
    }
    let terms = (
        Terms::of(registry, child_record),
        Terms::of(registry, parent_record),
    );
    let wider = widened(&terms.0, &terms.1);
    faults.extend(wider.map(|dimension| Fault::Wider {
        child,
        parent,
        dimension,
    }));
}
