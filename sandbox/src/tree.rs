//! Process trees: who is below a process, and how to end them all.
use std::fs;
use std::os::fd::OwnedFd;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

use crate::sys::{pidfd_kill, pidfd_open};

/// The most processes that one walk looks at; the callers walk again until nothing is left.
const WALK: usize = 20_000;

/// The children of a process, zombies too; none when it is gone.
#[must_use]
pub fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|line| parse(&line).collect::<Vec<_>>())
        .collect()
}

/// The numbers of a `children` file.
pub(crate) fn parse(line: &str) -> impl Iterator<Item = i32> + '_ {
    line.split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
}

/// How many processes are below `root`; stops counting above `limit`.
#[must_use]
pub fn count(root: i32, limit: usize) -> usize {
    let mut found = children(root);
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        if found.len() > limit {
            break;
        }
        found.extend(children(pid));
        next += 1;
    }
    found.len()
}

/// Sends SIGKILL to everything below `root`, in one walk from the top.
///
/// What is born during the walk is found by the next one: the callers go on until no child is left.
/// A number is never trusted across time: it is pinned by a pidfd, and then its parent is checked.
pub fn kill_below(root: i32) {
    let mut found: Vec<(i32, i32)> = children(root).into_iter().map(|pid| (pid, root)).collect();
    let mut next = 0;
    while let Some(&(pid, parent)) = found.get(next) {
        let below = children(pid);
        if let Some(pidfd) = pin(pid, parent) {
            let _ = pidfd_kill(&pidfd);
            found.extend(below.into_iter().map(|child| (child, pid)));
        }
        next += 1;
        if next >= WALK {
            break;
        }
    }
}

/// Sends SIGKILL to a child of this process, which keeps its number until this process reaps it.
pub(crate) fn kill_child(pid: i32) {
    if pid > 1 {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Holds on to a process if it is still a child of `parent`, or has come back to this process as an orphan.
fn pin(pid: i32, parent: i32) -> Option<OwnedFd> {
    let pidfd = pidfd_open(pid).ok()?;
    let actual = parent_of(pid)?;
    (actual == parent || actual == getpid().as_raw()).then_some(pidfd)
}

/// The fourth field of `/proc/PID/stat`, after a name that may hold anything.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}
