//! Outcomes in the form that most have, and how texts and numbers are written in any record.

use authgate_kernel::log::{Outcome, Seen};
use serde_json::{Value, json};

use super::{MAX_INT, ODD, seen, with};

fn outcome(record: &str) -> Option<Outcome> {
    match seen(record) {
        Seen::Outcome(outcome) => Some(outcome),
        _ => None,
    }
}

fn usual_outcome() -> Value {
    json!({
        "action_digest": hex::encode([0xa9; 32]),
        "action_id": "r:7",
        "capped": ["stdout", "stderr"],
        "cause": "returned",
        "cpu_us": 10,
        "denials": ["it may \"not\""],
        "error": "",
        "kind": "outcome",
        "layers": ["process"],
        "memory_bytes": MAX_INT,
        "outputs": "checksum",
        "result": "",
        "result_digest": hex::encode([0x0b; 32]),
        "run": "r",
        "run_seq": 4,
        "sealed_outputs": "",
        "seq": 7,
        "stderr": "",
        "stderr_digest": hex::encode([0x1c; 32]),
        "stdout": "",
        "stdout_digest": hex::encode([0x2d; 32]),
        "time": 0,
        "wall_us": 20,
    })
}

#[test]
fn an_outcome_is_seen_whatever_its_texts_are() {
    let good = Outcome {
        run: "r".to_owned(),
        run_seq: 4,
        seq: 7,
        action_id: "r:7".to_owned(),
        action_digest: hex::encode([0xa9; 32]),
    };
    assert_eq!(outcome(&usual_outcome().to_string()), Some(good));
    for text in ODD {
        let plain = !text.contains(|odd| odd < ' ' || odd == '"' || odd == '\\');
        for name in ["run", "action_id"] {
            let record = with(&usual_outcome(), name, json!(text));
            let seen = outcome(&record).map(|seen| match name {
                "run" => seen.run,
                _ => seen.action_id,
            });
            // These are to be spelled as themselves.
            assert_eq!(seen, plain.then(|| text.to_owned()));
        }
        for value in [json!([]), json!([text]), json!([text, text])] {
            for name in ["capped", "denials", "layers"] {
                assert!(outcome(&with(&usual_outcome(), name, value.clone())).is_some());
            }
        }
        assert!(outcome(&with(&usual_outcome(), "error", json!(text))).is_some());
    }
}

#[test]
fn an_outcome_has_its_fields_and_no_other() {
    let good = usual_outcome();
    for name in good.as_object().unwrap().keys() {
        let mut other = good.clone();
        other.as_object_mut().unwrap().remove(name);
        assert_eq!(outcome(&other.to_string()), None, "{name}");
        for odd in [json!([7]), json!({}), json!(true), json!(null), json!(1.5)] {
            assert_eq!(outcome(&with(&good, name, odd)), None, "{name}");
        }
    }
    for name in [
        "outputs",
        "result",
        "sealed_outputs",
        "stderr",
        "stdout",
        "cause",
        "kind",
    ] {
        assert_eq!(outcome(&with(&good, name, json!("full"))), None, "{name}");
    }
    assert_eq!(outcome(&with(&good, "zz", json!(0))), None);
    assert_eq!(outcome(&format!("{good} ")), None);
}

#[test]
fn an_outcome_has_one_of_the_causes_of_a_session_that_saw_its_end() {
    let seen = |cause| outcome(&with(&usual_outcome(), "cause", json!(cause))).is_some();
    for cause in [
        "returned",
        "raised",
        "deadline",
        "output_cap",
        "cpu_limit",
        "memory_limit",
        "process_limit",
        "killed",
        "cancelled",
        "revoked",
        "sandbox_died",
    ] {
        assert!(seen(cause), "{cause}");
    }
    assert!(!seen("interrupted"));
}

#[test]
fn a_digest_has_64_lower_case_digits() {
    let seen = |digest: &str| {
        outcome(
            &with(&usual_outcome(), "run", json!("r")).replace(&hex::encode([0x0b; 32]), digest),
        )
    };
    let zeros = |begun: &str| begun.to_owned() + &"0".repeat(64 - begun.len());
    for good in ["0", "9", "a", "f", "0123456789abcdef"] {
        assert!(seen(&zeros(good)).is_some(), "{good}");
    }
    for odd in ["g", "gg", "A", "/", ":", "`", "g5", "zy", "ggg"] {
        assert!(seen(&zeros(odd)).is_none(), "{odd}");
    }
    for length in [0, 62, 63, 65, 66] {
        assert!(seen(&"0".repeat(length)).is_none(), "{length}");
    }
}

#[test]
fn an_integer_is_written_in_one_way_and_ends() {
    let seen = |number: &str| {
        let record = usual_outcome().to_string();
        let record = record.replace("\"seq\":7", &format!("\"seq\":{number}"));
        outcome(&record).map(|seen| seen.seq)
    };
    for good in [0, 1, 10, 908, MAX_INT] {
        assert_eq!(seen(&good.to_string()), Some(good));
    }
    let above = (MAX_INT + 1).to_string();
    for odd in [
        above.as_str(),
        "",
        "00",
        "01",
        "-1",
        "1.0",
        "1e3",
        "99999999999999999999",
    ] {
        assert_eq!(seen(odd), None, "{odd}");
    }
}

#[test]
fn a_character_has_one_spelling() {
    let seen = |spelled: &str| {
        let record = usual_outcome().to_string();
        outcome(&record.replace("\"error\":\"", &format!("\"error\":\"{spelled}"))).is_some()
    };
    for good in [
        "\\b",
        "\\t",
        "\\n",
        "\\f",
        "\\r",
        "\\\"",
        "\\\\",
        "/",
        "\\u001f",
        "a\\u0000b",
    ] {
        assert!(seen(good), "{good}");
    }
    for odd in [
        "\\u0008", "\\u0009", "\\u000a", "\\u000c", "\\u000d", "\\u0022", "\\u005c", "\\u001F",
        "\\u0020", "\\u0041", "\\u00e9", "\\/", "\\a", "\\u+001", "\\u1", "\t", "\u{1f}", "\\",
    ] {
        assert!(!seen(odd), "{odd}");
    }
}
