//! Which leaf the next call gets, in folders that look like groups.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A folder that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("authgate-leaves-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn leaf(&self, number: u32, events: &str, charged: u64) -> Leaf {
        let path = self.0.join(number.to_string());
        fs::create_dir(&path).unwrap();
        fs::write(path.join("cgroup.events"), events).unwrap();
        fs::write(path.join("memory.current"), format!("{charged}\n")).unwrap();
        Leaf {
            number,
            spent: false,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn leaves(path: &Path) -> Leaves {
    Leaves {
        group: Group(File::open(path).unwrap().into()),
        resting: VecDeque::new(),
        made: 10,
    }
}

const EMPTY: &str = "populated 0\nfrozen 0\n";
const FULL: &str = "populated 1\nfrozen 0\n";

#[test]
fn the_next_call_gets_a_leaf_that_is_as_good_as_new() {
    let folder = Folder::new("choice");
    let mut all = leaves(&folder.0);
    all.give_back(folder.leaf(1, FULL, 0), true);
    all.give_back(folder.leaf(2, EMPTY, 0), false);
    all.give_back(folder.leaf(3, EMPTY, SLACK + 1), true);
    all.give_back(folder.leaf(4, EMPTY, SLACK), true);
    assert_eq!(all.take().unwrap().number, 4);
    // The first is not forgotten: it may be empty later.
    fs::write(folder.0.join("1/cgroup.events"), EMPTY).unwrap();
    assert_eq!(all.take().unwrap().number, 1);
    assert!(all.resting.is_empty());
}

#[test]
fn a_new_leaf_without_its_controllers_is_an_error() {
    let folder = Folder::new("bare");
    let error = leaves(&folder.0).take().unwrap_err();
    assert_eq!(error.what, "make a control group");
    assert!(folder.0.join("11").is_dir());
}

#[test]
fn a_leaf_that_is_gone_is_an_error() {
    let folder = Folder::new("gone");
    let mut all = leaves(&folder.0);
    all.give_back(folder.leaf(1, EMPTY, 0), true);
    fs::remove_dir_all(folder.0.join("1")).unwrap();
    assert_eq!(
        all.take().unwrap_err(),
        Error {
            what: "look into a control group",
            errno: Errno::ENOENT
        }
    );
}

#[test]
fn a_call_is_killed_for_its_own_limit_alone() {
    let folder = Folder::new("events");
    let all = leaves(&folder.0);
    let leaf = folder.leaf(1, EMPTY, 0);
    let events = folder.0.join("1/memory.events");
    for (text, own) in [
        ("oom 1\noom_kill 3\noom_group_kill 1\n", true),
        ("oom 0\noom_kill 3\noom_group_kill 1\n", false), // the machine's memory ran out
        ("oom 1\noom_kill 0\noom_group_kill 0\n", false), // a system call was refused memory
        ("", false),
    ] {
        fs::write(&events, text).unwrap();
        assert_eq!(all.ran_out(&leaf), own, "{text}");
    }
}

#[test]
fn the_limit_is_that_of_the_call() {
    let folder = Folder::new("limit");
    let leaf = folder.leaf(1, EMPTY, 0);
    let file = folder.0.join("1/memory.max");
    fs::write(&file, "").unwrap();
    let limits = |memory_bytes, scratch_bytes| Limits {
        cpu_seconds: 1,
        memory_bytes,
        file_bytes: 1,
        open_files: 1,
        scratch_bytes,
        processes: 1,
    };
    let place = leaves(&folder.0).into_place(leaf);
    place.limit(&limits(1000, 24)).unwrap();
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        (1024 + SLACK).to_string()
    );
    fs::write(&file, "").unwrap();
    place.limit(&limits(u64::MAX, 1)).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), u64::MAX.to_string());
}
