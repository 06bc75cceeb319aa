//! The document that `verify_json` takes, field by field (`docs/rules.md`, section 7).

use super::fields::{Node, Result};
use super::value::{Value, parse};
use crate::codec::MAX_INT;
use crate::codes::FLAGS;

const MILLION: f64 = 1_000_000.0;

/// A principal by name and kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Principal {
    pub(super) name: String,
    pub(super) kind: &'static str,
}

pub(super) struct Resource {
    pub(super) path: String,
    pub(super) name: String,
    pub(super) rtype: String,
    pub(super) scope: String,
    pub(super) public: bool,
    pub(super) trust_domain: String,
}

pub(super) struct Claim {
    pub(super) holder: Principal,
    pub(super) resource: Resource,
    pub(super) rights: u64,
    pub(super) confidence: u64,
    pub(super) expires_at: u64,
    pub(super) epoch: u64,
}

#[derive(Default)]
pub(super) struct Registry {
    pub(super) claims: Vec<Claim>,
    pub(super) machine_owners: Vec<(String, String)>,
    pub(super) trust_domains: Vec<(String, String)>,
}

pub(super) struct Action {
    pub(super) id: String,
    pub(super) actor: Principal,
    /// With the right that is asked, in the order of the rules.
    pub(super) requests: Vec<(Resource, u64)>,
    pub(super) governs_humans: Vec<String>,
    pub(super) flags: u64,
    pub(super) min_epoch: u64,
    pub(super) tool: String,
}

pub(super) struct Document {
    pub(super) registry: Registry,
    pub(super) action: Action,
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut document = Node::root(parse(text)?).object(&["registry", "action"])?;
        let (registry, action) = (document.need("registry")?, document.need("action")?);
        Ok(Self {
            registry: read_registry(registry)?,
            action: read_action(action)?,
        })
    }
}

fn read_registry(node: Node) -> Result<Registry> {
    let mut registry = node.object(&["claims", "machine_owners", "trust_domains"])?;
    Ok(Registry {
        claims: registry.read("claims", |node| node.array(read_claim), Vec::new())?,
        machine_owners: registry.read("machine_owners", Node::mapping, Vec::new())?,
        trust_domains: registry.read("trust_domains", Node::mapping, Vec::new())?,
    })
}

fn read_claim(node: Node) -> Result<Claim> {
    let mut claim = node.object(&[
        "holder",
        "resource",
        "can_read",
        "can_write",
        "can_delegate",
        "confidence",
        "expires_at",
        "epoch",
    ])?;
    let (holder, resource) = (claim.need("holder")?, claim.need("resource")?);
    let (holder, resource) = (read_principal(holder)?, read_resource(resource)?);
    let read = claim.read("can_read", Node::boolean, true)?;
    let write = claim.read("can_write", Node::boolean, false)?;
    let delegate = claim.read("can_delegate", Node::boolean, false)?;
    Ok(Claim {
        holder,
        resource,
        rights: u64::from(read) | u64::from(write) << 1 | u64::from(delegate) << 3,
        confidence: claim.read("confidence", |node| read_confidence(&node), 1_000_000)?,
        expires_at: claim.read("expires_at", |node| read_expiry(&node), 0)?,
        epoch: claim.read("epoch", Node::integer, 0)?,
    })
}

fn read_principal(node: Node) -> Result<Principal> {
    let mut principal = node.object(&["name", "kind"])?;
    let (name, kind) = (principal.need("name")?, principal.need("kind")?);
    Ok(Principal {
        name: name.text()?,
        kind: read_kind(&kind)?,
    })
}

fn read_kind(node: &Node) -> Result<&'static str> {
    match &node.value {
        Value::Text(kind) if kind == "HUMAN" => Ok("human"),
        Value::Text(kind) if kind == "MACHINE" => Ok("machine"),
        _ => node.wrong("must be HUMAN or MACHINE"),
    }
}

fn read_resource(node: Node) -> Result<Resource> {
    let path = node.path.clone();
    let mut resource = node.object(&["name", "rtype", "scope", "is_public", "trust_domain"])?;
    let (name, rtype) = (resource.need("name")?, resource.need("rtype")?);
    Ok(Resource {
        path,
        name: name.text()?,
        rtype: rtype.text()?,
        scope: resource.read("scope", Node::text, String::new())?,
        public: resource.read("is_public", Node::boolean, false)?,
        trust_domain: resource.read("trust_domain", Node::text, String::new())?,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked before"
)]
fn read_confidence(node: &Node) -> Result<u64> {
    let share = node.number()?;
    if !(0.0..=1.0).contains(&share) {
        return node.wrong("must be from 0 to 1");
    }
    Ok((share * MILLION).round_ties_even() as u64)
}

/// Microseconds from seconds; what rounds to 0 is refused, since 0 means never.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the range is checked before, and its end is rounded up to 2^63, which is excluded"
)]
fn read_expiry(node: &Node) -> Result<u64> {
    if node.value == Value::Null {
        return Ok(0);
    }
    let moment = (node.number()? * MILLION).floor();
    if !(1.0..MAX_INT as f64).contains(&moment) {
        return node.wrong("must be above 0 and at most 9223372036854 seconds");
    }
    Ok(moment as u64)
}

const ASKED: [(&str, u64); 3] = [
    ("resources_read", 1),
    ("resources_write", 2),
    ("resources_delegate", 8),
];

fn read_action(node: Node) -> Result<Action> {
    let own = [
        "action_id",
        "actor",
        "governs_humans",
        "min_epoch",
        "tool",
        "description",
    ];
    let asked = ASKED.iter().map(|(field, _)| *field);
    let known: Vec<&str> = own.into_iter().chain(asked).chain(FLAGS).collect();
    let mut action = node.object(&known)?;
    let (id, actor) = (action.need("action_id")?, action.need("actor")?);
    let (id, actor) = (id.text()?, read_principal(actor)?);
    let mut requests = Vec::new();
    for (field, right) in ASKED {
        let resources = action.read(field, |node| node.array(read_resource), Vec::new())?;
        requests.extend(resources.into_iter().map(|resource| (resource, right)));
    }
    let governs_humans =
        action.read("governs_humans", |node| node.array(Node::text), Vec::new())?;
    let mut flags = 0;
    for (bit, flag) in FLAGS.into_iter().enumerate() {
        flags |= u64::from(action.read(flag, Node::boolean, false)?) << bit;
    }
    let min_epoch = action.read("min_epoch", Node::integer, 0)?;
    let tool = action.read("tool", Node::text, "verify_json".to_owned())?;
    action.read("description", Node::text, String::new())?;
    Ok(Action {
        id,
        actor,
        requests,
        governs_humans,
        flags,
        min_epoch,
        tool,
    })
}
