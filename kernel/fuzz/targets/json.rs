//! The document of `verify_json`.
#![cfg_attr(fuzzing, no_main)]

use authgate_kernel::verify_json;
use serde_json::Value;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| check(data));

/// What is decided about is JSON to another reader too, and means the same in that one's spelling:
/// its members sorted, each but once, without white space.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Some(answer) = decided(text) else {
        return;
    };
    let plain = serde_json::from_str::<Value>(text).map(|value| value.to_string());
    let again = plain.as_deref().ok().and_then(decided);
    assert_eq!(again.as_ref(), Some(&answer), "{plain:?}");
    let shown = serde_json::from_str::<Value>(&answer).unwrap_or_default();
    let permitted = shown.get("permitted").and_then(Value::as_bool);
    let against = shown.get("violations").and_then(Value::as_array);
    assert_eq!(permitted, against.map(Vec::is_empty), "{answer}");
}

fn decided(text: &str) -> Option<String> {
    verify_json(text, &[1; 32], 1_000_000, &[2; 32]).ok()
}
