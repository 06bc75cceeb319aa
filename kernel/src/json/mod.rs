//! `verify_json`: one decision as JSON text in and out, for other languages.
//!
//! - `value`: JSON as it was written
//! - `fields`: strict reading, errors by path
//! - `document`: the document's fields

mod document;
mod fields;
pub(crate) mod value;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::value::RawValue;

use self::document::{Document, Principal, Resource};
use crate::budget::NO_LIMIT;
use crate::error::JsonError;
use crate::kernel::Kernel;
use crate::signing::hex;
use crate::wire::{
    Action, Change, Changed, Declare, Enrol, Grant, Own, Register, Request, SignedVerdict, Verdict,
    decode, encode,
};

const PERMIT_TTL: u64 = 60_000_000;

/// Decides the one action in a text against the registry in the same text.
///
/// `seed` signs the verdict and `entropy` makes its nonce, 32 bytes each; `now` is in microseconds.
///
/// # Errors
/// When the text is wrong (the sentence names the field by its path), or an argument is.
pub fn verify_json(text: &str, seed: &[u8], now: u64, entropy: &[u8]) -> Result<String, JsonError> {
    let document = Document::parse(text).map_err(JsonError::Text)?;
    let kernel = Kernel::new(seed, entropy, PERMIT_TTL)?;
    enter(&kernel, &document, now)?;
    let signed = kernel.decide(&encode(&vec![action(&document.action)]), now, entropy)?;
    let signed: Vec<SignedVerdict<'_>> = decode(&signed).map_err(crate::KernelError::from)?;
    signed.first().map_or_else(
        || Err(JsonError::Text("the kernel gave no verdict".to_owned())),
        |signed| show(&kernel, signed),
    )
}

/// A change, and the path of the text that it comes from.
type Placed<'a> = (String, Change<'a>);

fn enter(kernel: &Kernel, document: &Document, now: u64) -> Result<(), JsonError> {
    let mut placed = principals(document);
    placed.extend(
        document
            .registry
            .machine_owners
            .iter()
            .map(|(machine, owner)| {
                let change = Change::Own(Own { machine, owner });
                (format!("registry.machine_owners.{machine}"), change)
            }),
    );
    placed.extend(resources(document)?);
    let ids: Vec<String> = (0..document.registry.claims.len())
        .map(|place| format!("claim-{place}"))
        .collect();
    placed.extend(claims(document, &ids));
    let (paths, changes): (Vec<_>, Vec<_>) = placed.into_iter().unzip();
    let results = kernel.change(&encode(&changes), now)?;
    let results: Vec<Changed<'_>> = decode(&results).map_err(crate::KernelError::from)?;
    let mut refused = paths
        .iter()
        .zip(results)
        .filter(|(_, result)| !result.code.is_empty());
    match refused.next() {
        Some((place, result)) => Err(JsonError::Text(format!("`{place}`: {}", result.sentence))),
        None => Ok(()),
    }
}

/// Who is enrolled, each once, at the place that names it first.
fn principals(document: &Document) -> Vec<Placed<'_>> {
    let (registry, actor) = (&document.registry, &document.action.actor);
    let holders = registry.claims.iter().enumerate().map(|(place, claim)| {
        let Principal { name, kind } = &claim.holder;
        (
            name.as_str(),
            *kind,
            format!("registry.claims[{place}].holder"),
        )
    });
    let owners = registry.machine_owners.iter().flat_map(|(machine, owner)| {
        let place = format!("registry.machine_owners.{machine}");
        [
            (machine.as_str(), "machine", place.clone()),
            (owner.as_str(), "human", place),
        ]
    });
    let mut named: Vec<_> = holders.chain(owners).collect();
    if named.iter().all(|(name, ..)| *name != actor.name) {
        named.push((&actor.name, actor.kind, "action.actor".to_owned()));
    }
    let domains: BTreeMap<&str, &str> = registry
        .trust_domains
        .iter()
        .map(|(name, domain)| (name.as_str(), domain.as_str()))
        .collect();
    let mut seen = BTreeSet::new();
    named.retain(|(name, kind, _)| seen.insert((*name, *kind)));
    let enrol = |(name, kind, place)| {
        let trust_domain = domains.get(name).copied().unwrap_or_default();
        (
            place,
            Change::Enrol(Enrol {
                name,
                kind,
                key: &[],
                trust_domain,
            }),
        )
    };
    named.into_iter().map(enrol).collect()
}

fn resources(document: &Document) -> Result<Vec<Placed<'_>>, JsonError> {
    let claimed = document.registry.claims.iter().map(|claim| &claim.resource);
    let asked = document
        .action
        .requests
        .iter()
        .map(|(resource, _)| resource);
    let mut known: BTreeMap<(&str, &str), (bool, &str)> = BTreeMap::new();
    let mut placed = Vec::new();
    for resource in claimed.chain(asked) {
        let Resource {
            path,
            name,
            rtype,
            public,
            trust_domain,
            ..
        } = resource;
        let nature = (*public, trust_domain.as_str());
        if *known.entry((rtype, name)).or_insert(nature) != nature {
            let why = format!("`{path}`: resource `{rtype}:{name}` is described in two ways");
            return Err(JsonError::Text(why));
        }
        let change = Declare {
            rtype,
            name,
            public: *public,
            trust_domain,
        };
        placed.push((path.clone(), Change::Declare(change)));
    }
    Ok(placed)
}

fn claims<'a>(document: &'a Document, ids: &'a [String]) -> impl Iterator<Item = Placed<'a>> {
    let numbered = document.registry.claims.iter().zip(ids).enumerate();
    numbered
        .filter(|(_, (claim, _))| claim.rights != 0)
        .map(|(place, (claim, id))| {
            let grant = Grant {
                id,
                holder: &claim.holder.name,
                holder_kind: claim.holder.kind,
                rtype: &claim.resource.rtype,
                name: &claim.resource.name,
                scope: &claim.resource.scope,
                rights: claim.rights,
                confidence: claim.confidence,
                expires_at: claim.expires_at,
                epoch: claim.epoch,
                parent: "",
                cross_domain: false,
                constraints: Vec::new(),
                other_args: "",
                max_calls: NO_LIMIT,
                max_wall_us: NO_LIMIT,
                max_output_bytes: NO_LIMIT,
                max_cost: NO_LIMIT,
                approvers: Vec::new(),
            };
            (
                format!("registry.claims[{place}]"),
                Change::Register(Register { grant }),
            )
        })
}

fn action(action: &document::Action) -> Action<'_> {
    let requests = action.requests.iter().map(|(resource, right)| Request {
        rtype: &resource.rtype,
        name: &resource.name,
        scope: &resource.scope,
        right: *right,
    });
    Action {
        id: &action.id,
        actor: &action.actor.name,
        kind: action.actor.kind,
        tool: &action.tool,
        args: &[],
        requests: requests.collect(),
        governs_humans: action.governs_humans.iter().map(String::as_str).collect(),
        flags: action.flags,
        min_epoch: action.min_epoch,
        proof: &[],
        wall_us: 0,
        output_bytes: 0,
        cost: 0,
        salt: &[],
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    action_id: &'a str,
    permitted: bool,
    violations: Vec<String>,
    warnings: Vec<String>,
    confidence: Box<RawValue>,
    requires_human_arbitration: bool,
    signature: String,
    signing_key: String,
    key_id: String,
    timestamp: u64,
    nonce: String,
    verdict: String,
}

fn show(kernel: &Kernel, signed: &SignedVerdict<'_>) -> Result<String, JsonError> {
    let verdict: Verdict<'_> = decode(signed.verdict).map_err(crate::KernelError::from)?;
    let sentences = |findings: &[(&str, Cow<'_, str>)]| {
        let lines = findings
            .iter()
            .map(|(code, sentence)| format!("{code}: {sentence}"));
        lines.collect()
    };
    let shown = RawValue::from_string(share(verdict.confidence)).and_then(|confidence| {
        serde_json::to_string(&Shown {
            action_id: verdict.action_id,
            permitted: verdict.permitted,
            violations: sentences(&verdict.violations),
            warnings: sentences(&verdict.warnings),
            confidence,
            requires_human_arbitration: verdict.requires_human_arbitration,
            signature: hex(signed.signature.iter()),
            signing_key: hex(kernel.public_key().as_bytes()),
            key_id: kernel.key_id(),
            timestamp: verdict.issued_at,
            nonce: hex(verdict.nonce.iter()),
            verdict: hex(signed.verdict),
        })
    });
    shown.map_err(|error| JsonError::Text(error.to_string()))
}

/// Parts per million as a number from 0 to 1, in the shortest form, which has an exponent below
/// 0.0001, as other writers of JSON have it.
fn share(millionths: u64) -> String {
    match millionths {
        0 => "0.0".to_owned(),
        1..=9 => format!("{millionths}e-06"),
        10..=99 => {
            let digits = format!("{}.{}", millionths / 10, millionths % 10);
            format!("{}e-05", digits.trim_end_matches(".0"))
        }
        1_000_000 => "1.0".to_owned(),
        _ => format!("0.{millionths:06}")
            .trim_end_matches('0')
            .to_owned(),
    }
}
