//! Trees of real processes: seen, counted, ended.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use authgate_sandbox::{children, count, kill_below};
use nix::sys::prctl::set_child_subreaper;

/// A shell that has written one line when its tree stands, and the pipe that its whole tree holds.
///
/// As for the callers, orphans come back to this process: otherwise the child of a process that was killed
/// would no longer be below it.
fn tree(script: &str) -> (Child, BufReader<ChildStdout>) {
    set_child_subreaper(true).unwrap();
    let mut shell = Command::new("sh")
        .args(["-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = BufReader::new(shell.stdout.take().unwrap());
    let mut line = String::new();
    pipe.read_line(&mut line).unwrap();
    (shell, pipe)
}

fn number(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

/// A tree of three below a shell is counted whole, and no further than asked.
#[test]
fn counts_what_is_below() {
    let (mut shell, _pipe) = tree("sleep 600 & (sleep 600 & echo; wait) & wait");
    assert_eq!(children(number(&shell)).len(), 2);
    assert_eq!(count(number(&shell), 100), 3);
    assert!(count(number(&shell), 1) > 1);
    kill_below(number(&shell));
    shell.wait().unwrap();
}

/// Killing below a process ends all of its tree, and the pipe that they held.
#[test]
fn kills_what_is_below() {
    // The shell starts nothing after these: what it could start between the two kills would live on.
    let (mut shell, mut pipe) = tree("trap '' TERM; (sleep 600 & sleep 600 & echo; wait)");
    kill_below(number(&shell));
    shell.kill().unwrap();
    shell.wait().unwrap();
    let mut rest = Vec::new();
    pipe.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}

/// A process that is gone has no children and nothing to kill.
#[test]
fn nothing_below_the_gone() {
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    kill_below(number(&gone));
    assert_eq!(count(number(&gone), 10), 0);
}
