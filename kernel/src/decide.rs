//! One action through every rule, and the verdict that comes of it.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::ahead::Known;
use crate::approval::Approvals;
use crate::budget::{Ledger, needs};
use crate::chain::Links;
use crate::codec::{MAX_INT, Writer};
use crate::codes::Denial;
use crate::registry::{Number, Record, Registry, right};
use crate::rules::no_grant::Justified;
use crate::rules::{
    Case, Digests, Findings, MAX_ENTRIES, approval, budget, contested_write, forbidden_flag,
    identity_mismatch, low_confidence, machine_dominion, malformed, no_grant, unowned_machine,
};
use crate::tree::Hash;
use crate::wire::{Action, Request, Verdict};

const CERTAIN: u64 = 1_000_000;

/// What a decision depends on beside the registry and the action.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) now: u64,
    pub(crate) permit_ttl: u64,
    pub(crate) entropy: &'a [u8; 32],
    pub(crate) instance: &'a [u8; 16],
}

/// What a permit takes from.
pub(crate) struct Stores<'a> {
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) approvals: &'a mut Approvals,
}

/// What the requests came to.
struct Outcome<'a> {
    confidence: u64,
    /// When the first grant of `chains` expires.
    until: u64,
    chains: Vec<Vec<&'a str>>,
    links: Vec<Links>,
    contested: Option<&'a Request<'a>>,
}

/// Decides one action, the `index`th of its batch, and reserves what a permit needs. `scratch` is
/// cleared first.
pub(crate) fn decide<'a>(
    registry: &'a Registry,
    stores: &mut Stores<'_>,
    (action, index, known): (&'a Action<'a>, u32, Known<'_>),
    moment: Moment<'a>,
    scratch: &mut Writer,
) -> Verdict<'a> {
    let args_digest = args_digest(action.args, action.salt);
    let digest = digest(action, &args_digest, scratch);
    // The actor signs before anybody has drawn a salt.
    let stated = if action.salt.is_empty() {
        digest
    } else {
        self::digest(action, &self::args_digest(action.args, &[]), scratch)
    };
    let held = (&*stores.ledger, &*stores.approvals);
    let digests = Digests {
        action: &digest,
        stated: &stated,
    };
    let case = Case::new(registry, held, (action, known.actor), digests, moment.now);
    let mut findings = Findings::default();
    let flaws = malformed::in_action(action, |flaw| findings.deny(Denial::Malformed, flaw));
    let is_malformed = !findings.violations.is_empty();
    forbidden_flag::check(&case, &mut findings);
    if !flaws.names {
        unowned_machine::check(&case, &mut findings);
        if !flaws.human {
            machine_dominion::check(&case, &mut findings);
        }
        identity_mismatch::check(&case, &mut findings);
    }
    let outcome = requests(
        registry,
        (action, known),
        &case,
        flaws.requests,
        &mut findings,
    );
    let permitted = findings.violations.is_empty();
    if permitted {
        low_confidence::check(outcome.confidence, &mut findings);
    }
    if let Some(request) = outcome.contested {
        contested_write::warn(request, &mut findings);
    }
    let mut expires_at = moment.now.saturating_add(moment.permit_ttl).min(MAX_INT);
    let nonce = nonce(moment.entropy, index);
    let mut approvers = Vec::new();
    if permitted {
        expires_at = expires_at.min(outcome.until);
        let charged = budget::charged(&case, &outcome.links);
        for (approver, end) in approval::given(&case, &outcome.links) {
            expires_at = expires_at.min(end);
            approvers.push(approver);
        }
        if !approvers.is_empty() {
            stores.approvals.spend(&digest);
        }
        if !charged.is_empty() {
            stores
                .ledger
                .hold(nonce, charged, needs(action), expires_at);
        }
    } else if findings.lacks_only(Denial::ApprovalRequired) {
        approvers = findings.approvers;
    }
    let mut verdict = Verdict {
        action_id: action.id,
        action_digest: Cow::Owned(digest.to_vec()),
        actor: action.actor,
        kind: action.kind,
        tool: action.tool,
        args_digest: Cow::Owned(args_digest.to_vec()),
        requests: action.requests.clone(),
        permitted,
        violations: findings.violations,
        warnings: findings.warnings,
        confidence: if permitted { outcome.confidence } else { 0 },
        requires_human_arbitration: outcome.contested.is_some(),
        chains: if permitted {
            outcome.chains
        } else {
            Vec::new()
        },
        epoch: registry.epoch(),
        nonce: Cow::Owned(nonce.to_vec()),
        issued_at: moment.now,
        expires_at,
        instance: Cow::Borrowed(moment.instance),
        approvers: names(registry, &approvers),
    };
    if is_malformed {
        malformed::cut(&mut verdict);
    }
    verdict
}

/// The names of some principals, each once.
fn names<'a>(registry: &'a Registry, numbers: &[Number]) -> Vec<&'a str> {
    let mut names = Vec::new();
    for number in numbers {
        let name = registry.name(*number);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The digest of arguments; a salt keeps it from telling which of a few they are.
pub(crate) fn args_digest(args: &[u8], salt: &[u8]) -> Hash {
    let plain = Sha256::digest(args);
    if salt.is_empty() {
        return plain.into();
    }
    let salted = Sha256::new()
        .chain_update(b"authgate_async arguments v1\0")
        .chain_update(salt)
        .chain_update(plain);
    salted.finalize().into()
}

/// The action's digest, as section 3 of the rules has it.
fn digest(action: &Action<'_>, args_digest: &Hash, scratch: &mut Writer) -> Hash {
    scratch.out.clear();
    action.write_digested(args_digest, scratch);
    Sha256::digest(&scratch.out).into()
}

fn nonce(entropy: &[u8; 32], index: u32) -> [u8; 16] {
    let hash = Sha256::new()
        .chain_update(entropy)
        .chain_update(index.to_be_bytes())
        .finalize();
    let mut first = [0; 16];
    first.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    first
}

fn requests<'a>(
    registry: &'a Registry,
    (action, known): (&'a Action<'a>, Known<'_>),
    case: &Case<'_>,
    skipped: u64,
    findings: &mut Findings,
) -> Outcome<'a> {
    let mut outcome = Outcome {
        confidence: CERTAIN,
        until: u64::MAX,
        chains: Vec::new(),
        links: Vec::new(),
        contested: None,
    };
    for (place, request) in action.requests.iter().take(MAX_ENTRIES).enumerate() {
        if skipped >> place & 1 == 1 {
            continue;
        }
        let (resource, scopes) = known.request(place);
        match no_grant::judge(case, request, (resource, scopes), findings) {
            None => {}
            Some(Justified::Public) => outcome.chains.push(Vec::new()),
            Some(Justified::Grant {
                confidence,
                resource,
                links,
            }) => {
                outcome.confidence = outcome.confidence.min(confidence.into());
                for grant in records(registry, &links) {
                    outcome.until = outcome.until.min(grant.until());
                }
                let ids = records(registry, &links).map(|grant| registry.grants.id(grant));
                outcome.chains.push(ids.collect());
                outcome.links.push(links);
                if request.right == u64::from(right::WRITE)
                    && outcome.contested.is_none()
                    && contested_write::is_contested(case, resource, scopes, &links)
                {
                    outcome.contested = Some(request);
                }
            }
        }
    }
    outcome
}

fn records<'a>(registry: &'a Registry, links: &Links) -> impl Iterator<Item = &'a Record> {
    let numbers = links.iter();
    numbers.filter_map(|number| registry.grants.get(number))
}
