//! Lines of a log: as they are, and as records, one a line, in lines with true places and sums.
#![cfg_attr(fuzzing, no_main)]

use std::fmt::Write as _;

use authgate_kernel::log::{Item, Seen, scan};
use authgate_kernel::tree::leaf_hash;
use serde_json::Value;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| check(data));

const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Lines are taken up to the first that is not in order; and a record of which something was seen
/// is JSON in its canonical form, and says the same to another reader.
pub(crate) fn check(data: &[u8]) {
    assert!(scan(data, 0, FIRST).length <= data.len());
    let records: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let sound = records.iter().take_while(|record| record.starts_with(b"{"));
    let log = chained(&records);
    let found = scan(&log, 0, FIRST);
    assert_eq!(found.items.len(), sound.count());
    for (item, record) in found.items.iter().zip(records) {
        assert_eq!(log.get(item.from..item.to), Some(record));
        says(item, record);
    }
}

fn chained(records: &[&[u8]]) -> Vec<u8> {
    let (mut log, mut head) = (Vec::new(), FIRST.to_owned());
    for (index, record) in records.iter().enumerate() {
        let mut line = format!("{{\"index\":{index},\"prev\":\"{head}\",\"record\":").into_bytes();
        line.extend_from_slice(record);
        head = leaf_hash(&line)
            .iter()
            .fold(String::new(), |mut sum, byte| {
                let _ = write!(sum, "{byte:02x}");
                sum
            });
        line.extend(format!(",\"sum\":\"{head}\"}}\n").bytes());
        log.extend(line);
    }
    log
}

fn says(item: &Item, record: &[u8]) {
    let value = || {
        let value: Value = serde_json::from_slice(record).unwrap_or_default();
        // Its keys are ASCII, its numbers whole: this is the form of RFC 8785.
        assert_eq!(value.to_string().as_bytes(), record);
        value
    };
    let same = |value: &Value, names: [(&str, Value); 5]| {
        for (name, seen) in names {
            assert_eq!(value.get(name), Some(&seen), "{name}");
        }
    };
    match &item.seen {
        Seen::Other => (),
        Seen::Outcome(seen) => same(
            &value(),
            [
                ("run", seen.run.as_str().into()),
                ("run_seq", seen.run_seq.into()),
                ("seq", seen.seq.into()),
                ("action_id", seen.action_id.as_str().into()),
                ("action_digest", seen.action_digest.as_str().into()),
            ],
        ),
        Seen::Intent(seen) => same(
            &value(),
            [
                ("run", seen.run.as_str().into()),
                ("run_seq", seen.run_seq.into()),
                ("seq", seen.seq.into()),
                ("agent", seen.agent.as_str().into()),
                ("permitted", u64::from(seen.permitted).into()),
            ],
        ),
    }
}
