//! Folders that hostile code has filled are removed whole.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use authgate_sandbox::remove_tree;

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("authgate-test-{}-{name}", std::process::id()));
    fs::create_dir(&path).unwrap();
    path
}

/// An empty folder, and one that is not there, are removed without an error.
#[test]
fn empty_or_gone() {
    let path = folder("empty");
    remove_tree(&path).unwrap();
    assert!(!path.exists());
    remove_tree(&path).unwrap();
}

/// A folder far deeper than a path may be long goes too.
#[test]
fn deeper_than_a_path() {
    let path = folder("deep");
    let script = "n=$(printf %0200d 0); for i in $(seq 40); do mkdir $n && cd -P $n || exit 1; done; echo > f";
    Command::new("sh")
        .args(["-c", script])
        .current_dir(&path)
        .status()
        .unwrap();
    remove_tree(&path).unwrap();
    assert!(!path.exists());
}

/// Links are removed and what they point at is not.
#[test]
fn links_are_not_followed() {
    let (path, kept) = (folder("links"), folder("kept"));
    fs::write(kept.join("file"), "x").unwrap();
    symlink(&kept, path.join("link")).unwrap();
    fs::create_dir(path.join("inner")).unwrap();
    symlink(&kept, path.join("inner/link")).unwrap();
    remove_tree(&path).unwrap();
    assert!(!path.exists() && kept.join("file").exists());
    remove_tree(&kept).unwrap();
}

/// Folders without permissions, odd names and many entries are no obstacle.
#[test]
fn awkward_content() {
    let path = folder("awkward");
    for number in 0..20 {
        fs::write(path.join(format!("\u{1}\n{number}")), "x").unwrap();
        fs::create_dir_all(path.join(format!("a/{number}/b"))).unwrap();
    }
    for number in 0..5000 {
        fs::write(path.join(format!("a/1/{number}")), "").unwrap();
    }
    fs::set_permissions(path.join("a/3"), fs::Permissions::from_mode(0o0)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    remove_tree(&path).unwrap();
    assert!(!path.exists());
}
