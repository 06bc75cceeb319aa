//! The only unsafe code of this crate: system calls that no safe wrapper offers.
#![expect(
    unsafe_code,
    reason = "raw descriptors arrive from Python, memory is moved in place, and some system calls have no safe wrapper"
)]

use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::uio::pwrite;

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

/// Uses a descriptor that the caller keeps open, by its number.
pub(crate) fn borrow<'a>(fd: RawFd) -> Result<BorrowedFd<'a>, Errno> {
    if fd < 0 {
        return Err(Errno::EBADF);
    }
    // SAFETY: the number is not -1, and the contract of the callers is that it stays open while they use it.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(borrowed, FcntlArg::F_GETFD)?;
    Ok(borrowed)
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
pub(crate) fn block_signals(all: bool) -> Result<(), Errno> {
    swap_mask(if all { u64::MAX } else { 0 }).map(drop)
}

/// Blocks the signals of a mask alone, and returns the mask before.
///
/// The wrappers of the C library leave out two signals of its own, and whoever sends one of those would kill
/// this process.
pub(crate) fn swap_mask(mask: u64) -> Result<u64, Errno> {
    let (mut before, size) = (0u64, size_of::<u64>());
    // SAFETY: the kernel reads 8 bytes of one local, and writes 8 bytes to the other.
    let done = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            &raw mut before,
            size,
        )
    };
    Errno::result(done).map(|_| before)
}

/// Capabilities 0 to 4, those about files: the process level leaves files open, and says so.
pub(crate) const FILE_CAPABILITIES: u32 = 0b1_1111;

/// The format of the kernel's third version: 64 bits in two halves.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Gives up every capability of this process but those in `kept`, for good once it may gain none.
pub(crate) fn drop_capabilities(kept: u32) -> Result<(), Errno> {
    let mut header = [CAPABILITY_VERSION, 0];
    let mut sets = [0u32; 6];
    // SAFETY: the kernel reads the header and fills the sets, three words for each half.
    let got = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    Errno::result(got)?;
    let [effective, permitted, ..] = sets;
    let kept = [effective & kept, permitted & kept, 0, 0, 0, 0];
    // SAFETY: the kernel reads the header and the sets.
    let set = unsafe { libc::syscall(libc::SYS_capset, header.as_mut_ptr(), kept.as_ptr()) };
    Errno::result(set).map(drop)
}

/// Forks this process, which must have one thread; 0 in the child.
pub(crate) fn fork() -> Result<i32, Errno> {
    // SAFETY: with one thread no lock is held by another, so the child may do whatever the parent may.
    Errno::result(unsafe { libc::fork() })
}

/// Forks this process, which must have one thread, into the control group whose folder is open at `group`; 0 in the child.
///
/// Unlike a process that is moved later, the child does not wait for every other fork of the machine. The C library knows nothing of this:
/// its handlers do not run, and the number of the thread that it remembers stays. It holds where parent and child are each the
/// first process of a pid namespace.
pub(crate) fn fork_into(group: &OwnedFd) -> Result<i32, Errno> {
    // SAFETY: all zeroes is a valid `clone_args`: no flag, no memory.
    let mut wanted: libc::clone_args = unsafe { std::mem::zeroed() };
    wanted.flags = CLONE_INTO_CGROUP;
    wanted.exit_signal = u64::try_from(libc::SIGCHLD).map_err(|_| Errno::EINVAL)?;
    wanted.cgroup = u64::try_from(group.as_raw_fd()).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel reads a local of the size that is given with it. Memory and stack are copied, as by `fork`.
    let forked = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut wanted,
            size_of::<libc::clone_args>(),
        )
    };
    Errno::result(forked).and_then(|pid| i32::try_from(pid).map_err(|_| Errno::ERANGE))
}

/// `linux/sched.h`; since Linux 5.7.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Whether there is a `clone3`: filters of containers refuse it now and then.
pub(crate) fn has_clone3() -> bool {
    let none = std::ptr::null::<libc::clone_args>();
    // SAFETY: a structure of no size is refused before anything is read.
    let asked = unsafe { libc::syscall(libc::SYS_clone3, none, 0usize) };
    Errno::result(asked) == Err(Errno::EINVAL)
}

/// Ends this process at once: nothing that was to run at its end does.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: never returns, and touches no memory.
    unsafe { libc::_exit(code) }
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
    Ok((pid != 0).then_some((pid, exit_of(status))))
}

fn exit_of(status: libc::c_int) -> Exit {
    if libc::WIFSIGNALED(status) {
        Exit {
            code: 0,
            signal: libc::WTERMSIG(status),
        }
    } else {
        Exit {
            code: libc::WEXITSTATUS(status),
            signal: 0,
        }
    }
}

/// What a process, and all that it had reaped, used: CPU time, and the resident memory of the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) cpu_us: u64,
    pub(crate) memory_bytes: u64,
}

/// Reaps any dead child; None while all live, an error when there is none.
pub(crate) fn reap_used() -> Result<Option<(i32, Exit, Usage)>, Errno> {
    let mut status = 0;
    // SAFETY: all zeroes is a valid `rusage`.
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes a number and a `rusage` into locals.
    let pid =
        Errno::result(unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut used) })?;
    let us = |time: libc::timeval| {
        let whole = u64::try_from(time.tv_sec)
            .unwrap_or(0)
            .saturating_mul(1_000_000);
        whole.saturating_add(u64::try_from(time.tv_usec).unwrap_or(0))
    };
    let usage = Usage {
        cpu_us: us(used.ru_utime).saturating_add(us(used.ru_stime)),
        memory_bytes: u64::try_from(used.ru_maxrss)
            .unwrap_or(0)
            .saturating_mul(1024),
    };
    Ok((pid != 0).then_some((pid, exit_of(status), usage)))
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

/// Attributes of a mount, as `mount_setattr` sets them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MountAttributes(u64);

impl MountAttributes {
    /// What is shown for reading, programs among it.
    pub(crate) const READ_ONLY: Self =
        Self(libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV);
    /// A device node, which stays one. It can be written on a read-only mount too; its mode and times cannot be changed there.
    pub(crate) const DEVICE: Self =
        Self(libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC);
    /// What may be written: nothing that is put there can be executed.
    pub(crate) const SCRATCH: Self =
        Self(libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC);
}

/// Adds attributes to a mount and, if it is not just this one, to all that is mounted in it.
pub(crate) fn mount_setattr(
    tree: BorrowedFd<'_>,
    attributes: MountAttributes,
    recursive: bool,
) -> Result<(), Errno> {
    let wanted = libc::mount_attr {
        attr_set: attributes.0,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the kernel reads an empty path and a local of the size that is given with it.
    let set = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(set).map(drop)
}

/// Has `length` bytes of a file in memory, from `offset`, lie in huge pages; both are multiples of one.
pub(crate) fn gather(file: BorrowedFd<'_>, offset: usize, length: usize) -> Result<(), Errno> {
    let from = libc::off_t::try_from(offset).map_err(|_| Errno::EFBIG)?;
    // What is quite empty cannot be gathered.
    pwrite(file, &[0], from)?;
    let own = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let shared = libc::MAP_SHARED | libc::MAP_FIXED;
    let both = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: maps where nothing was, looks at none of it, and gives all of it back.
    unsafe {
        let spare = libc::mmap(
            std::ptr::null_mut(),
            length * 2,
            libc::PROT_NONE,
            own,
            -1,
            0,
        );
        if spare == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let at = spare.byte_add(spare.addr().next_multiple_of(length) - spare.addr());
        let mapped = libc::mmap(at, length, both, shared, file.as_raw_fd(), from);
        let gathered = if mapped == libc::MAP_FAILED {
            Err(Errno::last())
        } else {
            Errno::result(libc::madvise(at, length, libc::MADV_COLLAPSE)).map(drop)
        };
        libc::munmap(spare, length * 2);
        gathered
    }
}

/// Copies private memory of this process to `offset` of a file, and maps that privately in its place.
///
/// The caller has one thread, which writes there at no other time, and no signal that comes now has a handler.
pub(crate) fn swap(
    file: BorrowedFd<'_>,
    offset: usize,
    at: &Range<usize>,
    protection: i32,
) -> Result<(), Errno> {
    let there = |bytes| libc::off_t::try_from(offset + bytes).map_err(|_| Errno::EFBIG);
    let mut copied = 0;
    while copied < at.len() {
        let here = std::ptr::without_provenance::<libc::c_void>(at.start + copied);
        let to = there(copied)?;
        // SAFETY: the kernel reads what is mapped there, or answers with an error.
        let wrote = unsafe { libc::pwrite(file.as_raw_fd(), here, at.len() - copied, to) };
        copied += usize::try_from(Errno::result(wrote)?).map_err(|_| Errno::EIO)?;
    }
    let start = std::ptr::without_provenance_mut::<libc::c_void>(at.start);
    let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
    let from = there(0)?;
    // SAFETY: nothing was written since the copy, so that every byte that was here is here again, as it may be used.
    let mapped = unsafe { libc::mmap(start, at.len(), protection, flags, file.as_raw_fd(), from) };
    if mapped == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    Ok(())
}

/// The version of Landlock that the system enforces.
pub(crate) fn landlock_abi() -> Result<i32, Errno> {
    const VERSION: u32 = 1;
    let none = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the kernel reads no attributes.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0usize, VERSION) };
    Errno::result(abi).and_then(|abi| i32::try_from(abi).map_err(|_| Errno::ERANGE))
}

/// Takes every capability out of the set that a program could ever get back.
pub(crate) fn drop_bounding_set() -> Result<(), Errno> {
    for capability in 0..64 {
        // SAFETY: takes numbers and reads no memory.
        let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        match Errno::result(dropped) {
            Ok(_) => {}
            Err(Errno::EINVAL) if capability > 0 => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

type OnTrap = fn(u32, u32) -> i32;

static ON_TRAP: std::sync::OnceLock<OnTrap> = std::sync::OnceLock::new();

/// Has `answer` called for each system call that a filter traps, with its number and the lower half of its first
/// argument; what it returns is the errno that the caller sees.
///
/// `answer` runs in a signal handler: it may touch nothing but atomics.
pub(crate) fn on_trap(answer: OnTrap) -> Result<(), Errno> {
    let _ = ON_TRAP.set(answer);
    // SAFETY: all zeroes is a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = trapped as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
    // SAFETY: the handler has the three parameters that SA_SIGINFO asks for, and lives as long as the program.
    let set = unsafe { libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut()) };
    Errno::result(set).map(drop)
}

/// `si_code` of a signal that a seccomp filter sent.
const SYS_SECCOMP: i32 = 1;

extern "C" fn trapped(_: libc::c_int, info: *const libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel hands a handler with SA_SIGINFO two valid pointers, the second to a `ucontext_t`.
    let (info, context) = unsafe { (&*info, &mut *context.cast::<libc::ucontext_t>()) };
    if info.si_code != SYS_SECCOMP {
        return;
    }
    let Some(answer) = ON_TRAP.get() else { return };
    answer_in(&mut context.uc_mcontext, *answer);
}

#[cfg(target_arch = "x86_64")]
fn answer_in(registers: &mut libc::mcontext_t, answer: OnTrap) {
    let [number, argument] = [libc::REG_RAX, libc::REG_RDI]
        .map(|register| usize::try_from(register).unwrap_or(0))
        .map(|register| registers.gregs.get(register).copied().unwrap_or(0));
    let errno = answer(lower_half(number), lower_half(argument));
    if let Some(result) = usize::try_from(libc::REG_RAX)
        .ok()
        .and_then(|register| registers.gregs.get_mut(register))
    {
        *result = -i64::from(errno);
    }
}

#[cfg(target_arch = "aarch64")]
fn answer_in(registers: &mut libc::mcontext_t, answer: OnTrap) {
    let [argument, .., number] = [registers.regs[0], registers.regs[8]];
    let errno = answer(lower_half(number), lower_half(argument));
    registers.regs[0] = (-i64::from(errno)).cast_unsigned();
}

fn lower_half(register: i64) -> u32 {
    u32::try_from(register & i64::from(u32::MAX)).unwrap_or(0)
}
