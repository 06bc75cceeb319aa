//! `malformed`: which fields are wrong, and why (`docs/rules.md`, section 2).

use super::MAX_ENTRIES;
use crate::codes::FLAGS;
use crate::constraints::{self, MAX_ARGS};
use crate::registry::{Kind, right};
use crate::signing::{is_strict, parse_key};
use crate::wire::{Action, Approve, Change, Constraint, Grant, Request, Verdict};

const MAX_NAME: usize = 256;
pub(crate) const MAX_SCOPE: usize = 4096;
const MAX_BOUND: usize = 4096;
const MAX_COMPONENTS: usize = 64;
const OPERATORS: &str = "must be eq, one_of, all_in, prefix, regex, not_regex, le, ge, max_len, \
                         absent, subpath or host";
const MAX_APPROVERS: usize = 16;
const MAX_CONFIDENCE: u64 = 1_000_000;

/// Why a field is wrong.
type Why = Option<&'static str>;

/// Which parts of an action no rule may judge, since its sentence would quote them.
#[derive(Default)]
pub(crate) struct Flaws {
    /// Who asks, and for what: `id`, `actor`, `kind` or `tool`.
    pub(crate) names: bool,
    /// The first of the governed humans.
    pub(crate) human: bool,
    /// A bit for each request that is malformed; all of them if `names` is set.
    pub(crate) requests: u64,
}

/// Tells what is wrong with an action, a sentence a field.
pub(crate) fn in_action(action: &Action<'_>, mut tell: impl FnMut(String)) -> Flaws {
    let mut flaws = Flaws::default();
    let mut note = |field: &str, why: Why| {
        if let Some(why) = why {
            tell(format!("`{field}` {why}"));
        }
    };
    let names = [
        ("id", name(action.id)),
        ("actor", name(action.actor)),
        ("kind", kind(action.kind)),
        ("tool", name(action.tool)),
    ];
    for (field, why) in names {
        flaws.names |= why.is_some();
        note(field, why);
    }
    note(
        "args",
        (action.args.len() > MAX_ARGS).then_some("is longer than 65536 bytes"),
    );
    note("requests", requests(action.requests.len()));
    for (place, request) in action.requests.iter().take(MAX_ENTRIES).enumerate() {
        for (field, why) in in_request(request) {
            if why.is_some() {
                flaws.requests |= 1 << place;
                note(&format!("requests[{place}].{field}"), why);
            }
        }
    }
    note("governs_humans", entries(action.governs_humans.len()));
    for (place, human) in action.governs_humans.iter().take(MAX_ENTRIES).enumerate() {
        let why = name(human);
        if why.is_some() {
            flaws.human |= place == 0;
            note(&format!("governs_humans[{place}]"), why);
        }
    }
    note(
        "flags",
        (action.flags >> FLAGS.len() != 0).then_some("has an unknown flag"),
    );
    note(
        "proof",
        (![0, 64].contains(&action.proof.len())).then_some("must have 0 or 64 bytes"),
    );
    note(
        "salt",
        (![0, 32].contains(&action.salt.len())).then_some("must have 0 or 32 bytes"),
    );
    if flaws.names {
        flaws.requests = u64::MAX;
    }
    flaws
}

/// Empties a verdict's copies of malformed fields, so that none is signed and logged: the verdict
/// is found by its digest. An odd `right` is a number and stays.
pub(crate) fn cut(verdict: &mut Verdict<'_>) {
    let empty = |text: &mut &str, why: fn(&str) -> Why| {
        if why(text).is_some() {
            *text = "";
        }
    };
    empty(&mut verdict.action_id, name);
    empty(&mut verdict.actor, name);
    empty(&mut verdict.kind, kind);
    empty(&mut verdict.tool, name);
    verdict.requests.truncate(MAX_ENTRIES);
    for request in &mut verdict.requests {
        empty(&mut request.rtype, name);
        empty(&mut request.name, name);
        empty(&mut request.scope, scope);
    }
}

fn in_request(request: &Request<'_>) -> [(&'static str, Why); 4] {
    let known = matches!(request.right, 1 | 2 | 4 | 8);
    [
        ("rtype", name(request.rtype)),
        ("name", name(request.name)),
        ("scope", scope(request.scope)),
        (
            "right",
            (!known).then_some("must be one of read, write, execute, delegate"),
        ),
    ]
}

/// The first thing that is wrong with a change.
pub(crate) fn in_change(change: &Change<'_>) -> Option<String> {
    match change {
        Change::Enrol(change) => first(&[
            ("name", name(change.name)),
            ("kind", kind(change.kind)),
            ("key", key(change.key)),
            ("trust_domain", text(change.trust_domain, MAX_NAME)),
        ]),
        Change::Own(change) => first(&[
            ("machine", name(change.machine)),
            ("owner", name(change.owner)),
        ]),
        Change::Declare(change) => first(&[
            ("rtype", name(change.rtype)),
            ("name", name(change.name)),
            ("trust_domain", text(change.trust_domain, MAX_NAME)),
        ]),
        Change::Register(change) => in_grant(&change.grant),
        Change::Delegate(change) => in_grant(&change.grant)
            .or_else(|| first(&[("by", name(change.by)), ("by_kind", kind(change.by_kind))])),
        Change::Revoke(change) => first(&[("grant_id", name(change.grant_id))]),
        Change::RevokeHolder(change) => holder(change.holder, change.holder_kind),
        Change::RevokeHeld(change) => holder(change.holder, change.holder_kind)
            .or_else(|| first(&[("rtype", name(change.rtype)), ("name", name(change.name))])),
        Change::AdvanceEpoch(_) => None,
        Change::AdvanceHolderEpoch(change) => holder(change.holder, change.holder_kind),
        Change::Approve(change) => in_approval(change),
    }
}

fn holder(holder: &str, holder_kind: &str) -> Option<String> {
    first(&[("holder", name(holder)), ("holder_kind", kind(holder_kind))])
}

/// The first flaw of some fields, as a sentence.
fn first(fields: &[(&str, Why)]) -> Option<String> {
    let mut flaws = fields
        .iter()
        .filter_map(|(field, why)| Some((field, (*why)?)));
    flaws.next().map(|(field, why)| format!("`{field}` {why}"))
}

fn in_grant(grant: &Grant<'_>) -> Option<String> {
    let odd_rights = grant.rights == 0 || grant.rights > right::ALL.into();
    let odd_others = !["", "any", "none"].contains(&grant.other_args);
    let fields = first(&[
        ("grant.id", name(grant.id)),
        ("grant.holder", name(grant.holder)),
        ("grant.holder_kind", kind(grant.holder_kind)),
        ("grant.rtype", name(grant.rtype)),
        ("grant.name", name(grant.name)),
        ("grant.scope", scope(grant.scope)),
        (
            "grant.rights",
            odd_rights.then_some("must be read, write, execute or delegate, or several"),
        ),
        (
            "grant.confidence",
            (grant.confidence > MAX_CONFIDENCE).then_some("must be at most 1000000"),
        ),
        ("grant.parent", text(grant.parent, MAX_NAME)),
        ("grant.constraints", entries(grant.constraints.len())),
    ]);
    fields
        .or_else(|| {
            let mut constraints = grant.constraints.iter().enumerate();
            constraints.find_map(|(place, one)| in_constraint(place, one))
        })
        .or_else(|| {
            let why = odd_others.then_some("must be empty, `any` or `none`");
            first(&[("grant.other_args", why)])
        })
        .or_else(|| {
            let many = grant.approvers.len() > MAX_APPROVERS;
            first(&[(
                "grant.approvers",
                many.then_some("has more than 16 entries"),
            )])
        })
        .or_else(|| {
            let mut approvers = grant.approvers.iter().enumerate();
            approvers.find_map(|(place, one)| {
                first(&[(&format!("grant.approvers[{place}]"), name(one))])
            })
        })
}

fn in_approval(approval: &Approve<'_>) -> Option<String> {
    let size = |bytes: &[u8], length, why| (bytes.len() != length).then_some(why);
    let (half, hash) = ("must have 16 bytes", "must have 32 bytes");
    first(&[
        ("instance", size(approval.instance, 16, half)),
        ("action_digest", size(approval.action_digest, 32, hash)),
        ("approver", name(approval.approver)),
        ("nonce", size(approval.nonce, 16, half)),
        (
            "signature",
            size(approval.signature, 64, "must have 64 bytes"),
        ),
    ])
}

fn in_constraint(place: usize, constraint: &Constraint<'_>) -> Option<String> {
    let field = |name: &str| format!("grant.constraints[{place}].{name}");
    let odd = !constraints::is_operator(constraint.op);
    first(&[(&field("arg"), name(constraint.arg))])
        .or_else(|| first(&[(&field("op"), odd.then_some(OPERATORS))]))
        .or_else(|| {
            let bound = text(constraint.bound, MAX_BOUND);
            first(&[(
                &field("bound"),
                bound.or_else(|| constraints::flaw(constraint)),
            )])
        })
}

/// Whether a sentence may quote a text as a name.
pub(crate) fn is_name(value: &str) -> bool {
    name(value).is_none()
}

fn name(value: &str) -> Why {
    if value.is_empty() {
        Some("is empty")
    } else {
        text(value, MAX_NAME)
    }
}

fn text(value: &str, most: usize) -> Why {
    if value.len() > most {
        Some(if most == MAX_SCOPE {
            "is longer than 4096 bytes"
        } else {
            "is longer than 256 bytes"
        })
    } else if has_control(value) {
        Some("has a control character")
    } else {
        None
    }
}

/// Whether a character of U+0000-U+001F or U+007F-U+009F occurs.
fn has_control(value: &str) -> bool {
    // Every one of them begins with such a byte; most texts have none, and this is one fast pass.
    let suspect = value
        .bytes()
        .any(|byte| byte < 0x20 || byte == 0x7f || byte == 0xc2);
    suspect && value.chars().any(char::is_control)
}

fn scope(value: &str) -> Why {
    text(value, MAX_SCOPE).or_else(|| {
        let many = value.bytes().filter(|byte| *byte == b'/').count() >= MAX_COMPONENTS;
        many.then_some("has more than 64 components")
    })
}

fn kind(value: &str) -> Why {
    Kind::parse(value)
        .is_none()
        .then_some("must be `human` or `machine`")
}

fn key(value: &[u8]) -> Why {
    let valid = value.is_empty() || parse_key(value).is_some_and(|key| is_strict(&key));
    (!valid).then_some("must be an Ed25519 public key of 32 bytes")
}

fn requests(count: usize) -> Why {
    if count == 0 {
        Some("asks for nothing; name at least one resource")
    } else {
        entries(count)
    }
}

fn entries(count: usize) -> Why {
    (count > MAX_ENTRIES).then_some("has more than 64 entries")
}
