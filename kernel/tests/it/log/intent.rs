//! Intents, which say what their signed verdicts say.

use authgate_kernel::log::{Intent, Seen};
use authgate_kernel::wire::{Request, Verdict, encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{MAX_INT, ODD, seen, with};

const ARGS: &str = "{\"path\":\"a \\\"b\\\" \\\\ \\u0001\u{e9}\"}";

fn intent(record: &str) -> Option<Intent> {
    match seen(record) {
        Seen::Intent(intent) => Some(intent),
        _ => None,
    }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

/// A permit for two resources that rests on three grants, with a warning.
fn verdict(args: &str) -> Verdict<'static> {
    let request = |scope, right| Request {
        rtype: "file",
        name: "docs",
        scope,
        right,
    };
    Verdict {
        action_id: "run:1:7",
        action_digest: vec![0xa9; 32].into(),
        actor: "bot",
        kind: "machine",
        tool: "copy",
        args_digest: sha256(&[args.as_bytes()]).to_vec().into(),
        requests: vec![request("a", 1), request("", MAX_INT + 1)],
        permitted: true,
        violations: vec![],
        warnings: vec![("low_confidence", "confidence is 5".into())],
        confidence: 5,
        requires_human_arbitration: true,
        chains: vec![vec!["g", "root"], vec!["h"]],
        epoch: MAX_INT,
        nonce: vec![0x0f; 16].into(),
        issued_at: MAX_INT + 1,
        expires_at: i64::MAX as u64,
        instance: vec![4; 16].into(),
        approvers: vec![],
    }
}

fn denial() -> Verdict<'static> {
    Verdict {
        permitted: false,
        violations: vec![("no_grant", "holds none".into()), ("budget", "gone".into())],
        warnings: vec![],
        chains: vec![],
        requires_human_arbitration: false,
        confidence: 0,
        ..verdict("")
    }
}

/// A number of the kernel, as a record writes it.
fn big(number: u64) -> Value {
    if number <= MAX_INT {
        json!(number)
    } else {
        json!(number.to_string())
    }
}

const SIBLING: [u8; 32] = [0xb3; 32];
const SIGNATURE: [u8; 64] = [0xd4; 64];

/// The intent that a verdict is written as, which is the second of two in its batch.
fn written(verdict: &Verdict<'_>, args: &str) -> Value {
    let (run, seq) = verdict.action_id.rsplit_once(':').unwrap();
    let requests = verdict.requests.iter().map(|request| {
        json!({
            "name": request.name, "right": big(request.right),
            "rtype": request.rtype, "scope": request.scope,
        })
    });
    let part = |first| {
        let found = verdict.violations.iter();
        let found = found.map(move |(code, why)| if first { *code } else { &**why });
        found.collect::<Vec<_>>()
    };
    json!({
        "action_digest": hex::encode(&verdict.action_digest),
        "action_id": verdict.action_id,
        "agent": verdict.actor,
        "agent_kind": verdict.kind,
        "arbitration": u64::from(verdict.requires_human_arbitration),
        "args": args,
        "args_digest": hex::encode(&verdict.args_digest),
        "chains": verdict.chains,
        "codes": part(true),
        "confidence": verdict.confidence,
        "epoch": big(verdict.epoch),
        "expires_at": big(verdict.expires_at),
        "issued_at": big(verdict.issued_at),
        "kind": "intent",
        "nonce": hex::encode(&verdict.nonce),
        "permitted": u64::from(verdict.permitted),
        "proof": {
            "index": 1,
            "path": hex::encode(SIBLING),
            "signature": hex::encode(SIGNATURE),
            "size": 2,
            "verdict": hex::encode(encode(verdict)),
        },
        "requests": requests.collect::<Vec<_>>(),
        "run": run,
        "run_seq": 3,
        "sealed_args": "",
        "sentences": part(false),
        "seq": seq.parse::<u64>().unwrap(),
        "tool": verdict.tool,
        "warnings": verdict.warnings,
    })
}

/// What is to be seen of `written`.
fn expected(verdict: &Verdict<'_>) -> Intent {
    let (run, seq) = verdict.action_id.rsplit_once(':').unwrap();
    let leaf = sha256(&[&[0], &encode(verdict)]);
    let root = sha256(&[&[1], &SIBLING, &leaf]);
    let grants = verdict.chains.iter().flatten();
    Intent {
        run: run.to_owned(),
        run_seq: 3,
        seq: seq.parse().unwrap(),
        agent: verdict.actor.to_owned(),
        permitted: verdict.permitted,
        action_digest: hex::encode(&verdict.action_digest),
        grants: grants.map(|id| (*id).to_owned()).collect(),
        batch: [&root, 2_u64.to_be_bytes().as_slice(), &SIGNATURE].concat(),
    }
}

/// The same with one text or number in it of another value, or one item or member more or fewer.
fn changed(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    match value {
        Value::String(text) => {
            let last = if text.ends_with('1') { "2" } else { "1" };
            let begun = text.chars().count().saturating_sub(1);
            let begun: String = text.chars().take(begun).collect();
            all.extend([json!(format!("{text}0")), json!(begun + last), json!(7)]);
        }
        Value::Number(number) => {
            let number = number.as_u64().unwrap();
            all.extend([json!(number + 1), json!(number.to_string())]);
        }
        Value::Array(items) => {
            all.push(json!([items.as_slice(), &[json!("x")]].concat()));
            for (at, item) in items.iter().enumerate() {
                let rest = [&items[..at], &items[at + 1..]].concat();
                all.push(json!(rest));
                all.extend(changed(item).into_iter().map(|item| {
                    let mut other = items.clone();
                    other[at] = item;
                    json!(other)
                }));
            }
        }
        Value::Object(members) => {
            for name in ["", "zz"] {
                let mut other = members.clone();
                other.insert(name.to_owned(), json!(0));
                all.push(json!(other));
            }
            for (name, item) in members {
                let mut other = members.clone();
                other.remove(name);
                all.push(json!(other));
                all.extend(changed(item).into_iter().map(|item| {
                    let mut other = members.clone();
                    other[name] = item;
                    json!(other)
                }));
            }
        }
        _ => {}
    }
    all
}

#[test]
fn an_intent_says_what_its_verdict_says() {
    for (verdict, args) in [(verdict(ARGS), ARGS), (verdict(ARGS), ""), (denial(), "")] {
        let record = written(&verdict, args).to_string();
        assert_eq!(intent(&record), Some(expected(&verdict)));
    }
}

#[test]
fn an_intent_is_seen_whatever_its_texts_are() {
    for text in ODD {
        let action_id = format!("{text}:0");
        let verdict = Verdict {
            action_id: &action_id,
            actor: text,
            tool: text,
            chains: vec![vec![text], vec![]],
            warnings: vec![(text, text.into())],
            violations: vec![(text, text.into())],
            ..verdict(text)
        };
        let record = written(&verdict, text).to_string();
        assert_eq!(intent(&record), Some(expected(&verdict)), "{record}");
    }
}

#[test]
fn an_intent_that_says_another_thing_than_its_verdict_is_left_alone() {
    for (verdict, args) in [(verdict(ARGS), ARGS), (denial(), "")] {
        let (record, good) = (written(&verdict, args), expected(&verdict));
        let taken = changed(&record)
            .into_iter()
            .filter_map(|other| intent(&other.to_string()));
        // Whatever is under another root, or of another number, is for those to judge who know these.
        let taken: Vec<(bool, bool)> = taken
            .map(|seen| {
                let differs = (seen.run_seq != good.run_seq, seen.batch != good.batch);
                let (run_seq, batch) = (good.run_seq, good.batch.clone());
                let same = Intent {
                    run_seq,
                    batch,
                    ..seen
                };
                assert_eq!(same, good);
                differs
            })
            .collect();
        assert_eq!(taken, [(false, true), (false, true), (true, false)]);
    }
}

#[test]
fn an_intent_ends_where_it_ends() {
    let record = written(&verdict(ARGS), ARGS).to_string();
    assert_eq!(intent(&format!("{record} ")), None);
    assert_eq!(intent(record.strip_suffix('}').unwrap()), None);
}

#[test]
fn the_number_of_an_action_is_written_as_an_integer_is() {
    for odd in [
        "run:1:07",
        "run:1:",
        "run:1:7 ",
        "run:1:9007199254740992",
        "7",
    ] {
        let mut record = written(&verdict(ARGS), ARGS);
        let verdict = Verdict {
            action_id: odd,
            ..verdict(ARGS)
        };
        record["action_id"] = json!(odd);
        record["proof"]["verdict"] = json!(hex::encode(encode(&verdict)));
        assert_eq!(intent(&record.to_string()), None, "{odd}");
    }
}

#[test]
fn arguments_are_in_clear_or_sealed_or_neither() {
    let sealed = |args: &str, sealed: &str| {
        let record = written(&verdict(ARGS), args);
        intent(&with(&record, "sealed_args", json!(sealed))).is_some()
    };
    assert!(sealed("", ""));
    assert!(sealed("", &"5a".repeat(48)));
    assert!(sealed("", &"f0".repeat(300)));
    assert!(!sealed("", &"5a".repeat(47)));
    assert!(!sealed(ARGS, &"5a".repeat(48)));
    assert!(!sealed(ARGS, "5a"));
    assert!(!sealed("{}", ""));
    for odd in ["5", "g5", "5g", "5A", "gg", "0g", "g0", "zy"] {
        assert!(!sealed("", &(odd.to_owned() + &"00".repeat(50))), "{odd}");
    }
}
