//! The kept corpus of the fuzz targets (`kernel/fuzz`), replayed.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::PathBuf;

#[path = "../fuzz/targets/arguments.rs"]
mod arguments;
#[path = "../fuzz/targets/calls.rs"]
mod calls;
#[path = "../fuzz/targets/json.rs"]
mod json;
#[path = "../fuzz/targets/log.rs"]
mod log;
#[path = "../fuzz/targets/signed.rs"]
mod signed;
#[path = "../fuzz/targets/tree.rs"]
mod tree;
#[path = "../fuzz/targets/wire.rs"]
mod wire;

/// The kept inputs of a target.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let files = std::fs::read_dir(folder.join(target)).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    files
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

/// Checks each kept input; the name of one that fails stands above its panic.
fn replay(target: &str, check: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(!corpus.is_empty());
    for (path, input) in corpus {
        println!("{}", path.display());
        check(&input);
    }
}

#[test]
fn arguments() {
    replay("arguments", arguments::check);
}

#[test]
fn calls() {
    replay("calls", calls::check);
}

#[test]
fn json() {
    replay("json", json::check);
}

#[test]
fn log() {
    replay("log", log::check);
}

#[test]
fn signed() {
    replay("signed", signed::check);
}

#[test]
fn tree() {
    replay("tree", tree::check);
}

#[test]
fn wire() {
    replay("wire", wire::check);
}

/// Else nothing that fuzzing makes of the corpus would come near to being taken.
#[test]
fn the_corpus_has_what_is_genuine() {
    let corpus = corpus("signed");
    let world = signed::WORLD.as_ref().unwrap();
    let is_kept = |kind: u8, bytes: &[u8]| {
        let input = [&[kind], bytes].concat();
        corpus.iter().any(|(_, kept)| *kept == input)
    };
    assert!(world.verdicts.iter().any(|signed| is_kept(0, signed)));
    assert!(is_kept(1, &world.approval));
}
