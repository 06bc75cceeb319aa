//! The only unsafe code of this crate: system calls that no safe wrapper offers.
#![expect(
    unsafe_code,
    reason = "raw descriptors arrive from Python; pidfd and close_range have no safe wrapper"
)]

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

/// Takes over a descriptor that the caller hands in by number.
pub(crate) fn own(fd: RawFd) -> Result<OwnedFd, Errno> {
    if fd < 0 {
        return Err(Errno::EBADF);
    }
    // SAFETY: a borrow of a number that is not open is only used to ask whether it is.
    fcntl(unsafe { BorrowedFd::borrow_raw(fd) }, FcntlArg::F_GETFD)?;
    // SAFETY: the descriptor is open, and the contract of the callers is that they give it away.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes `target` another name of `fd`, without close-on-exec.
pub(crate) fn dup_onto(fd: RawFd, target: RawFd) -> Result<(), Errno> {
    // SAFETY: takes two numbers and reads no memory.
    Errno::result(unsafe { libc::dup2(fd, target) }).map(drop)
}

/// Closes every descriptor that is not in `keep`.
pub(crate) fn close_except(keep: &mut [RawFd]) -> Result<(), Errno> {
    keep.sort_unstable();
    let mut first: u32 = 0;
    for kept in keep.iter().filter_map(|fd| u32::try_from(*fd).ok()) {
        if kept > first {
            close_range(first, kept.saturating_sub(1))?;
        }
        first = first.max(kept.saturating_add(1));
    }
    close_range(first, u32::MAX)
}

fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: reads no memory; the callers own every descriptor of a process that they just forked.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0u32) }).map(drop)
}

/// Blocks every signal that can be blocked, or none.
///
/// The wrappers of the C library leave out two signals of its own, and whoever sends one of those would kill
/// this process.
pub(crate) fn block_signals(all: bool) -> Result<(), Errno> {
    let mask: u64 = if all { u64::MAX } else { 0 };
    let (none, size) = (std::ptr::null_mut::<u64>(), size_of::<u64>());
    // SAFETY: the kernel reads 8 bytes of a local and writes nothing.
    let done = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            none,
            size,
        )
    };
    Errno::result(done).map(drop)
}

/// Capabilities 0 to 4, those about files: this level leaves files open, and says so.
const FILE_CAPABILITIES: u32 = 0b1_1111;

/// The format of the kernel's third version: 64 bits in two halves.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Gives up every capability of this process but those about files, for good once it may gain none.
pub(crate) fn drop_capabilities() -> Result<(), Errno> {
    let mut header = [CAPABILITY_VERSION, 0];
    let mut sets = [0u32; 6];
    // SAFETY: the kernel reads the header and fills the sets, three words for each half.
    let got = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    Errno::result(got)?;
    let [effective, permitted, ..] = sets;
    let kept = [
        effective & FILE_CAPABILITIES,
        permitted & FILE_CAPABILITIES,
        0,
        0,
        0,
        0,
    ];
    // SAFETY: the kernel reads the header and the sets.
    let set = unsafe { libc::syscall(libc::SYS_capset, header.as_mut_ptr(), kept.as_ptr()) };
    Errno::result(set).map(drop)
}

/// How a process ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Exit {
    pub(crate) code: i32,
    pub(crate) signal: i32,
}

/// Reaps one dead child (any for -1); None while all live, an error when there is none.
///
/// The wrapper of `nix` cannot name the real-time signals: it reaps and then fails.
pub(crate) fn reap(pid: i32) -> Result<Option<(i32, Exit)>, Errno> {
    let mut status = 0;
    // SAFETY: the kernel writes one number into a local.
    let pid = Errno::result(unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) })?;
    let exit = if libc::WIFSIGNALED(status) {
        Exit {
            code: 0,
            signal: libc::WTERMSIG(status),
        }
    } else {
        Exit {
            code: libc::WEXITSTATUS(status),
            signal: 0,
        }
    };
    Ok((pid != 0).then_some((pid, exit)))
}

/// A descriptor that stays with this very process, whoever gets its number later.
pub(crate) fn pidfd_open(pid: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: reads no memory.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0u32) })?;
    own(RawFd::try_from(fd).map_err(|_| Errno::EBADF)?)
}

/// Sends SIGKILL to the process behind a pidfd.
pub(crate) fn pidfd_kill(pidfd: &OwnedFd) -> Result<(), Errno> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed and means an ordinary signal.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            libc::SIGKILL,
            none,
            0u32,
        )
    };
    Errno::result(sent).map(drop)
}
