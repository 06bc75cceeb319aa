//! What the template process asks of the system.
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl::{set_child_subreaper, set_dumpable};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::getpid;

use crate::error::{Error, Step};
use crate::sys::{block_signals, reap};
use crate::tree::{children, kill_below, kill_child};

/// Rounds of [`sweep`], 2 ms each: what cannot be killed must not hold up the other calls.
const ROUNDS: u32 = 250;

/// Makes this process one that gets back orphans, and that no process of the same user may trace.
///
/// # Errors
/// When the system refuses, or does not list the children of a process in `/proc`.
pub fn harden() -> Result<(), Error> {
    set_child_subreaper(true).step("adopt orphans")?;
    set_dumpable(false).step("forbid tracing")?;
    let pid = getpid();
    if Path::new(&format!("/proc/{pid}/task/{pid}/children")).exists() {
        return Ok(());
    }
    Err(Errno::ENOENT)
        .step("list children in /proc, mount it and build the kernel with CONFIG_PROC_CHILDREN")
}

/// Blocks every signal and returns a descriptor that is readable when a child has changed state.
///
/// # Errors
/// When the system refuses.
pub fn signals() -> Result<RawFd, Error> {
    block_signals(true).step("block signals")?;
    Ok(OwnedFd::from(child_signals()?).into_raw_fd())
}

/// A descriptor for SIGCHLD alone.
pub(crate) fn child_signals() -> Result<SignalFd, Error> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .step("watch for children")
}

/// Kills and reaps every child that is not in `keep`, and all below it. True when none is left.
///
/// Such children are orphans of a warden that was killed by its own call.
#[must_use]
pub fn sweep(keep: &[i32]) -> bool {
    for _ in 0..ROUNDS {
        let strays: Vec<i32> = children(getpid().as_raw())
            .into_iter()
            .filter(|pid| !keep.contains(pid))
            .collect();
        if strays.is_empty() {
            return true;
        }
        for pid in strays {
            kill_below(pid);
            kill_child(pid);
            let _ = reap(pid);
        }
        sleep(Duration::from_millis(2));
    }
    false
}
