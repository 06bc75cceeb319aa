//! Bounds of arguments, and arguments. The first byte is the operator, and up to a byte 0xff, which
//! no UTF-8 has, stands the bound; the rest are the arguments of a call.
#![cfg_attr(fuzzing, no_main)]

use authgate_kernel::Kernel;
use authgate_kernel::codec::MAX_INT;
use authgate_kernel::wire::{
    Action, Change, Changed, Constraint, Enrol, Grant, Register, Request, SignedVerdict, Verdict,
    decode, encode,
};
use serde_json::Value;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| check(data));

const OPERATORS: [&str; 12] = [
    "eq",
    "one_of",
    "all_in",
    "prefix",
    "regex",
    "not_regex",
    "le",
    "ge",
    "max_len",
    "absent",
    "subpath",
    "host",
];

/// What is no bound is refused by its name; and what is allowed is allowed by a second reading of
/// the bound and the arguments, and by each bound that says the same.
pub(crate) fn check(data: &[u8]) {
    let Some((op, bound, args)) = split(data) else {
        return;
    };
    let Some(world) = World::with(op, bound) else {
        return;
    };
    if !world.permits(args) {
        return;
    }
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let (bound, args) = (read(bound.as_bytes()), read(args));
    assert!(args.is_object(), "{args}");
    let given = args.get("a").filter(|value| !value.is_null());
    assert!(holds(op, &bound, given), "{op} {bound} {args}");
    agrees_with_its_like(op, &bound, &args);
}

fn split(data: &[u8]) -> Option<(&'static str, &str, &[u8])> {
    let (op, rest) = data.split_first()?;
    let mut parts = rest.splitn(2, |byte| *byte == 0xff);
    let bound = str::from_utf8(parts.next()?).ok()?;
    let op = OPERATORS.get(usize::from(*op) % OPERATORS.len())?;
    Some((op, bound, parts.next()?))
}

/// A second reading of the operators, but of `regex` and of URLs only what needs no second library.
fn holds(op: &str, bound: &Value, given: Option<&Value>) -> bool {
    let Some(given) = given else {
        return op == "absent";
    };
    let among = |value: &Value| match bound {
        Value::Array(several) => several.iter().any(|one| same(one, value)),
        _ => false,
    };
    match (op, given) {
        ("eq", _) => same(bound, given),
        ("one_of", _) => among(given),
        ("all_in", Value::Array(items)) => !items.is_empty() && items.iter().all(among),
        ("prefix", Value::String(text)) => text.starts_with(bound.as_str().unwrap_or("\0")),
        ("le", _) => given.as_f64() <= bound.as_f64() && given.is_number(),
        ("ge", _) => given.as_f64() >= bound.as_f64() && given.is_number(),
        ("max_len", Value::String(text)) => bound.as_f64() >= count(text.chars().count()),
        ("max_len", Value::Array(items)) => bound.as_f64() >= count(items.len()),
        ("subpath", Value::String(text)) => !text.split(['/', '\\']).any(|part| part == ".."),
        ("host", Value::String(url)) => is_of(url, bound),
        ("regex" | "not_regex", Value::String(_)) => true,
        _ => false,
    }
}

fn count(length: usize) -> Option<f64> {
    u32::try_from(length).ok().map(f64::from)
}

fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            let twin = |(name, one): (&String, _)| right.get(name).is_some_and(|r| same(one, r));
            left.len() == right.len() && left.iter().all(twin)
        }
        _ => left == right,
    }
}

/// Whether other people's reader of URLs finds a host in it that the bound is of.
#[cfg(fuzzing)]
fn is_of(url: &str, bound: &Value) -> bool {
    let url = url::Url::parse(url).ok();
    let found = url
        .as_ref()
        .and_then(url::Url::host_str)
        .unwrap_or_default();
    let found = found.strip_suffix('.').unwrap_or(found);
    let is = |host: &Value| {
        let host = host.as_str().unwrap_or_default().to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        match host.strip_prefix('*') {
            Some(below) => found.ends_with(below),
            None => found == host,
        }
    };
    bound
        .as_array()
        .map_or_else(|| is(bound), |hosts| hosts.iter().any(is))
}

#[cfg(not(fuzzing))]
fn is_of(url: &str, _: &Value) -> bool {
    url.contains("://") && !url.contains(['\\', ' '])
}

/// Bounds that follow from one that holds, or from which it follows.
fn agrees_with_its_like(op: &str, bound: &Value, args: &Value) {
    let args = args.to_string();
    let says = |op: &str, bound: String| {
        let world = World::with(op, &bound);
        world.map(|world| world.permits(args.as_bytes()))
    };
    match op {
        // Bounds of 4096 bytes at most have room for the brackets only below that.
        "eq" => assert_ne!(says("one_of", format!("[{bound}]")), Some(false)),
        "regex" => assert_eq!(says("not_regex", bound.to_string()), Some(false)),
        "le" | "ge" => assert_ne!(says(op, bound.to_string()), Some(false)),
        _ => (),
    }
}

/// A grant of `ann` with one constraint, of argument `a`.
struct World(Kernel);

impl World {
    /// `None` where the bound is refused.
    fn with(op: &str, bound: &str) -> Option<Self> {
        let kernel = Kernel::new(&[1; 32], &[2; 32], 1).ok()?;
        let enrol = Enrol {
            name: "ann",
            kind: "human",
            key: &[],
            trust_domain: "",
        };
        let register = Register {
            grant: grant(op, bound),
        };
        let changes = vec![Change::Enrol(enrol), Change::Register(register)];
        let answer = kernel.change(&encode(&changes), 0).ok()?;
        let answers: Vec<Changed<'_>> = decode(&answer).ok()?;
        let refused = answers.iter().find(|one| !one.code.is_empty());
        let named = |one: &Changed<'_>| one.sentence.starts_with("`grant.constraints[0].bound` ");
        assert!(refused.is_none_or(named), "{refused:?}");
        refused.is_none().then_some(Self(kernel))
    }

    fn permits(&self, args: &[u8]) -> bool {
        let action = encode(&vec![action(args)]);
        let answer = self.0.decide(&action, 0, &[3; 32]).unwrap_or_default();
        let batch: Vec<SignedVerdict<'_>> = decode(&answer).unwrap_or_default();
        let verdict = batch
            .first()
            .map(|signed| decode::<Verdict<'_>>(signed.verdict));
        verdict.is_some_and(|verdict| verdict.is_ok_and(|verdict| verdict.permitted))
    }
}

fn grant<'a>(op: &'a str, bound: &'a str) -> Grant<'a> {
    let arg = "a";
    Grant {
        id: "g",
        holder: "ann",
        holder_kind: "human",
        rtype: "f",
        name: "n",
        scope: "",
        rights: 1,
        confidence: 1_000_000,
        expires_at: 0,
        epoch: 0,
        parent: "",
        cross_domain: false,
        constraints: vec![Constraint { arg, op, bound }],
        other_args: "any",
        max_calls: MAX_INT,
        max_wall_us: MAX_INT,
        max_output_bytes: MAX_INT,
        max_cost: MAX_INT,
        approvers: Vec::new(),
    }
}

fn action(args: &[u8]) -> Action<'_> {
    Action {
        id: "i",
        actor: "ann",
        kind: "human",
        tool: "t",
        args,
        requests: vec![Request {
            rtype: "f",
            name: "n",
            scope: "",
            right: 1,
        }],
        governs_humans: Vec::new(),
        flags: 0,
        min_epoch: 0,
        proof: &[],
        wall_us: 0,
        output_bytes: 0,
        cost: 0,
        salt: &[],
    }
}
