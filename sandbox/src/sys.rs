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
