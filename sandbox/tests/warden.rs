//! A warden sees its call to the end. One test: a warden reaps every child of its process.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::zombie_processes, reason = "the code under test reaps them")]

use std::os::fd::{IntoRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use authgate_sandbox::{Duty, Report, Why, children, sweep};

/// A readable descriptor that never becomes readable, in place of a pidfd.
fn quiet() -> (UnixStream, RawFd) {
    let (kept, given) = UnixStream::pair().unwrap();
    (kept, given.into_raw_fd())
}

/// Sees a shell script to its end, as the warden in this process would.
fn watch(script: &str, processes: usize, wall: Duration, hang_up: bool) -> Report {
    let (status, theirs) = quiet();
    let (_runtime, runtime) = quiet();
    let (_template, template) = quiet();
    let kept = [runtime, template];
    let mut shell = Command::new("sh");
    let body = shell
        .args(["-c", script])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    if hang_up {
        drop(status);
    } else {
        std::mem::forget(status);
    }
    let fds = (theirs, kept[0], kept[1]);
    let body = i32::try_from(body.id()).unwrap();
    Duty::watching(fds, body, processes, wall).unwrap().run()
}

/// Each way in which a call can end is reported, and never a child is left.
#[test]
fn every_end() {
    authgate_sandbox::harden().unwrap();
    let long = Duration::from_secs(60);
    let daemons = "for i in 1 2 3; do setsid sleep 600 & done; exit 3";
    let cases: [(&str, usize, Duration, bool, Why, i32, i32); 6] = [
        ("exit 7", 8, long, false, Why::Exited, 7, 0),
        ("kill -KILL $$", 8, long, false, Why::Exited, 0, 9),
        (daemons, 8, long, false, Why::Exited, 3, 0),
        (
            "for i in 1 2 3 4; do sleep 600 & done; wait",
            3,
            long,
            false,
            Why::Crowded,
            0,
            9,
        ),
        (
            "trap '' TERM; sleep 600",
            8,
            Duration::from_millis(50),
            false,
            Why::Late,
            0,
            9,
        ),
        ("sleep 600", 8, long, true, Why::Ordered, 0, 9),
    ];
    for (script, processes, wall, hang_up, why, code, signal) in cases {
        let report = watch(script, processes, wall, hang_up);
        assert_eq!(
            (report.why, report.code, report.signal),
            (why, code, signal),
            "{script}"
        );
        assert_eq!(
            children(i32::try_from(std::process::id()).unwrap()),
            [0_i32; 0],
            "{script}"
        );
        assert_eq!(report.encode().len(), 26);
    }
    Command::new("sh")
        .args(["-c", "setsid sleep 600 & sleep 600"])
        .spawn()
        .unwrap();
    assert!(sweep(&[]));
}
