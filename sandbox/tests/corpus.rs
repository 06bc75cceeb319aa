//! The kept corpus of the fuzz target `told` (`kernel/fuzz`), replayed.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../kernel/fuzz/targets/told.rs"]
mod told;

#[test]
fn told() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../kernel/fuzz/corpus/told");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert!(!files.is_empty());
    for file in files {
        let path = file.unwrap().path();
        println!("{}", path.display());
        told::check(&std::fs::read(path).unwrap());
    }
}
