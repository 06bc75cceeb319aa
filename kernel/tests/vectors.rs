//! The committed corpus of `tests/vectors`, replayed on the crate; `expected` there is for readers,
//! `output` is the bytes that every kernel gives.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::path::PathBuf;

use authgate_kernel::codec::Writer;
use authgate_kernel::{Kernel, KernelError, verify_json};
use serde_json::Value;

fn corpus() -> Vec<(String, Vec<Value>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|ext| ext == "json"));
    let read = |path: PathBuf| {
        let vectors = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        (
            path.file_stem().unwrap().to_str().unwrap().to_owned(),
            vectors,
        )
    };
    files.map(read).collect()
}

/// Bytes are `{"hex": "..."}`.
fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value["hex"].as_str().unwrap()).unwrap()
}

/// Encodes a plain value, structs being arrays already.
fn write(value: &Value, writer: &mut Writer) {
    match value {
        Value::Bool(value) => writer.boolean(*value),
        Value::Number(value) => writer.int(value.as_u64().unwrap()),
        Value::String(value) => writer.text(value),
        Value::Object(_) => writer.bytes(&bytes(value)),
        Value::Array(items) => {
            writer.array(items.len());
            for item in items {
                write(item, writer);
            }
        }
        Value::Null => panic!("the wire has no null"),
    }
}

fn call(kernel: &Kernel, step: &Value, input: &[u8]) -> Result<Vec<u8>, KernelError> {
    let now = step["now"].as_u64().unwrap();
    match step["op"].as_str().unwrap() {
        "change" => kernel.change(input, now),
        "redeem" => kernel.redeem(input, now),
        "settle" => kernel.settle(input),
        "stale" => kernel.stale(input),
        "decide" => {
            let entropy = step.get("entropy").map_or(vec![0; 32], bytes);
            kernel.decide(input, now, &entropy)
        }
        other => panic!("unknown operation {other}"),
    }
}

fn replay(vector: &Value) {
    let made = &vector["kernel"];
    let ttl = made["permit_ttl"].as_u64().unwrap();
    let kernel = Kernel::new(&bytes(&made["seed"]), &bytes(&made["entropy"]), ttl).unwrap();
    for (place, step) in vector["steps"].as_array().unwrap().iter().enumerate() {
        let name = format!("{} step {place}", vector["name"]);
        if step.get("raises").is_some() {
            assert!(
                call(&kernel, step, &bytes(&step["bytes"])).is_err(),
                "{name}"
            );
            continue;
        }
        let mut input = Writer::default();
        write(&step["input"], &mut input);
        let output = call(&kernel, step, &input.out).unwrap();
        assert_eq!(
            hex::encode(output),
            hex::encode(bytes(&step["output"])),
            "{name}"
        );
    }
}

fn replay_text(vector: &Value) {
    let (name, text) = (&vector["name"], vector["text"].as_str().unwrap());
    let now = vector["now"].as_u64().unwrap();
    let answer = verify_json(
        text,
        &bytes(&vector["seed"]),
        now,
        &bytes(&vector["entropy"]),
    );
    if let Some(output) = vector.get("output") {
        assert_eq!(answer.unwrap(), output.as_str().unwrap(), "{name}");
        return;
    }
    let path = vector["error_names"].as_str().unwrap();
    let sentence = answer.unwrap_err().to_string();
    assert!(
        path.is_empty() || sentence.contains(&format!("`{path}`")),
        "{name}: {sentence}"
    );
}

#[test]
fn every_vector_gives_its_bytes() {
    let corpus = corpus();
    for (topic, vectors) in &corpus {
        let replay = if topic == "texts" {
            replay_text
        } else {
            replay
        };
        vectors.iter().for_each(replay);
    }
    assert!(
        corpus
            .iter()
            .map(|(_, vectors)| vectors.len())
            .sum::<usize>()
            > 0
    );
}
