//! What a body does to itself before the tool runs.
use std::os::fd::RawFd;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, chdir, getppid, setsid};

use crate::error::{Error, Step};
use crate::limits::Limits;
use crate::sys::{FILE_CAPABILITIES, block_signals, close_except, drop_capabilities, dup_onto};

/// The pipes of a body, by number; all above [`Streams::RESULT`].
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    /// Becomes descriptor 1.
    pub stdout: RawFd,
    /// Becomes descriptor 2.
    pub stderr: RawFd,
    /// Becomes descriptor [`Streams::RESULT`].
    pub result: RawFd,
}

impl Streams {
    /// The descriptor on which the body hands back its result.
    pub const RESULT: RawFd = 3;

    /// Leaves this process with its null input, its three pipes and nothing else.
    pub(crate) fn install(self) -> Result<(), Errno> {
        if self.stdout.min(self.stderr).min(self.result) <= Self::RESULT {
            return Err(Errno::EBADF);
        }
        dup_onto(self.stdout, 1)?;
        dup_onto(self.stderr, 2)?;
        dup_onto(self.result, Self::RESULT)?;
        close_except(&mut [0, 1, 2, Self::RESULT])
    }
}

/// Confines this process, which `warden` has just forked: own session, dies with its warden, only its streams,
/// `folder` as working directory, limits,
/// no capabilities but those about files, no new privileges.
///
/// # Errors
/// When one step fails; the process must then end without running the tool.
pub fn confine(warden: i32, streams: Streams, folder: &Path, limits: &Limits) -> Result<(), Error> {
    setsid().step("start a session")?;
    set_pdeathsig(Signal::SIGKILL).step("tie the body to its warden")?;
    if getppid() != Pid::from_raw(warden) {
        return Err(Errno::ESRCH).step("find the warden");
    }
    chdir(folder).step("enter the working folder")?;
    umask(Mode::from_bits_truncate(0o077));
    set_no_new_privs().step("give up new privileges")?;
    block_signals(false).step("unblock signals")?;
    limits.apply()?;
    drop_capabilities(FILE_CAPABILITIES).step("give up capabilities")?;
    // The last step: until now a failure could be told over a descriptor that no tool has.
    streams.install().step("install the streams")
}
