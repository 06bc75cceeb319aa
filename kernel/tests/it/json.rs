//! `verify_json`: what it takes, what it gives, and how it names a wrong field.

use authgate_kernel::signing::parse_key;
use authgate_kernel::verify_json;
use serde_json::{Value, json};

fn run(text: &str) -> Result<Value, String> {
    let answer =
        verify_json(text, &[1; 32], 5_000_000, &[2; 32]).map_err(|error| error.to_string())?;
    assert!(!answer.contains('\n'));
    Ok(serde_json::from_str(&answer).unwrap())
}

/// A document with one claim, and the action that it permits.
fn document() -> Value {
    json!({
        "registry": {
            "claims": [{
                "holder": {"name": "bot", "kind": "MACHINE"},
                "resource": {"name": "docs", "rtype": "file"},
            }],
            "machine_owners": {"bot": "ann"},
        },
        "action": {
            "action_id": "a-1",
            "actor": {"name": "bot", "kind": "MACHINE"},
            "resources_read": [{"name": "docs", "rtype": "file", "scope": "x"}],
        },
    })
}

/// The document with one field different.
fn with(pointer: &str, key: &str, value: Value) -> String {
    let mut changed = document();
    changed
        .pointer_mut(pointer)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .insert(key.to_owned(), value);
    changed.to_string()
}

const CLAIM: &str = "/registry/claims/0";

#[test]
fn a_permit_has_the_documented_fields_and_verifies() {
    let answer = verify_json(&document().to_string(), &[1; 32], 5, &[2; 32]).unwrap();
    assert!(
        answer.starts_with(r#"{"action_id":"a-1","permitted":true,"violations":[],"warnings":[],"#)
    );
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let key = parse_key(&hex::decode(answer["signing_key"].as_str().unwrap()).unwrap());
    assert!(key.is_some());
    assert_eq!(answer.as_object().unwrap().len(), 12);
    assert_eq!(answer["timestamp"], 5);
}

#[test]
fn a_wrong_field_is_named_by_its_path() {
    let table = [
        (with("", "x", json!(1)), "`x` is not a known field"),
        (
            with(CLAIM, "can_fly", json!(true)),
            "`registry.claims[0].can_fly` is not a known field",
        ),
        (
            with(CLAIM, "can_read", json!(1)),
            "`registry.claims[0].can_read` must be true or false",
        ),
        (
            with(CLAIM, "confidence", json!(1.5)),
            "`registry.claims[0].confidence` must be from 0 to 1",
        ),
        (
            with(CLAIM, "confidence", json!("1")),
            "`registry.claims[0].confidence` must be a number",
        ),
        (
            with(CLAIM, "epoch", json!(-1)),
            "`registry.claims[0].epoch` must be an integer from 0 to 9223372036854775807",
        ),
        (
            with(CLAIM, "epoch", json!(1.0)),
            "`registry.claims[0].epoch` must be an integer from 0 to 9223372036854775807",
        ),
        (
            with(CLAIM, "expires_at", json!(0)),
            "`registry.claims[0].expires_at` must be above 0 and at most 9223372036854 seconds",
        ),
        (
            with(CLAIM, "holder", json!([])),
            "`registry.claims[0].holder` must be an object",
        ),
        (
            with("/action/actor", "kind", json!("human")),
            "`action.actor.kind` must be HUMAN or MACHINE",
        ),
        (
            with("/action", "resources_write", json!({})),
            "`action.resources_write` must be an array",
        ),
        (
            with("/action", "tool", json!(null)),
            "`action.tool` must be a string",
        ),
        (r#"{"registry": {}}"#.to_owned(), "`action` is missing"),
        (
            r#"{"registry": {"machine_owners": {"b": "a", "b": "a"}}, "action": {}}"#.to_owned(),
            "`registry.machine_owners.b` is there twice",
        ),
        ("[]".to_owned(), "the text must be an object"),
    ];
    for (text, sentence) in table {
        assert_eq!(run(&text), Err(sentence.to_owned()));
    }
}

#[test]
fn what_is_not_json_is_an_error_that_names_the_field() {
    for odd in ["NaN", "Infinity", "1e999", "01", "tru"] {
        let text = document()
            .to_string()
            .replace(r#""rtype":"file"}}"#, &format!(r#""rtype":{odd}}}}}"#));
        let error = run(&text).unwrap_err();
        assert!(
            error.contains("registry.claims[0].resource.rtype"),
            "{error}"
        );
    }
    for odd in ["", "{}{}", "[", "nul"] {
        assert!(run(odd).unwrap_err().starts_with("the text is not JSON"));
    }
    assert!(
        run(&"[".repeat(100_000))
            .unwrap_err()
            .contains("not JSON: recursion limit exceeded")
    );
}

#[test]
fn two_descriptions_of_one_resource_must_agree() {
    let text = with("/action/resources_read/0", "is_public", json!(true));
    let sentence = "`action.resources_read[0]`: resource `file:docs` is described in two ways";
    assert_eq!(run(&text), Err(sentence.to_owned()));
}

#[test]
fn a_text_that_no_registry_takes_is_named_too() {
    let text = with("/registry/claims/0/holder", "name", json!(""));
    let sentence = "`registry.claims[0].holder`: `name` is empty";
    assert_eq!(run(&text), Err(sentence.to_owned()));
}

#[test]
fn expiry_is_in_seconds_and_ends_at_that_moment() {
    let permitted = |seconds: f64| {
        run(&with(CLAIM, "expires_at", json!(seconds))).unwrap()["permitted"].clone()
    };
    assert_eq!(permitted(5.0), json!(false));
    assert_eq!(permitted(5.000_001), json!(true));
}

#[test]
fn confidence_is_rounded_to_millionths_half_to_even() {
    let shown = |share: f64| {
        let text = with(CLAIM, "confidence", json!(share));
        verify_json(&text, &[1; 32], 5, &[2; 32]).unwrap()
    };
    for (share, text) in [
        (1.0, "1.0"),
        (0.0, "0.0"),
        (0.5, "0.5"),
        (0.123_456_7, "0.123457"),
        (0.000_1, "0.0001"),
        (0.000_012, "1.2e-05"),
        (0.000_02, "2e-05"),
        (0.000_002_5, "2e-06"),
    ] {
        assert!(
            shown(share).contains(&format!(r#""confidence":{text},"#)),
            "{share}"
        );
    }
}

#[test]
fn a_claim_without_rights_is_skipped() {
    let answer = run(&with(CLAIM, "can_read", json!(false))).unwrap();
    assert_eq!(
        answer["violations"],
        json!(["no_grant: machine `bot` holds no grant to read `file:docs/x`"])
    );
}

#[test]
fn every_flag_and_each_kind_of_request_arrives() {
    let mut text = document();
    let action = text["action"].as_object_mut().unwrap();
    action.insert("deceives".to_owned(), json!(true));
    for field in ["resources_write", "resources_delegate"] {
        action.insert(field.to_owned(), json!([{"name": "docs", "rtype": "file"}]));
    }
    let expected = json!([
        "forbidden_flag: flag `deceives` is set; no grant can permit that",
        "no_grant: machine `bot` holds no grant to write `file:docs`",
        "no_grant: machine `bot` holds no grant to delegate `file:docs`",
    ]);
    assert_eq!(run(&text.to_string()).unwrap()["violations"], expected);
}
