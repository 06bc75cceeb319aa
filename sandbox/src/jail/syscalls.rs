//! The two tables of system calls, why a call stands in them, and what is refused when.
//!
//! Python alone needs no process, no program, no socket to the outside and nothing that changes the machine: its table
//! says what it may do. Programs may need nearly anything that is harmless: their table says what they may not do.
use std::collections::BTreeMap;

/// System calls by name and number.
type Calls = &'static [(&'static str, libc::c_long)];

/// Names of the C library's constants; with a number, of calls that it has none for.
macro_rules! calls {
    ($($name:ident $(= $number:literal)?),* $(,)?) => { &[$(calls!(@ $name $($number)?)),*] };
    (@ $name:ident) => { (stringify!($name), libc::$name) };
    (@ $name:ident $number:literal) => { (stringify!($name), $number) };
}

/// The name of a system call that is likely to be refused, without its prefix.
pub(super) fn name_of(number: u32) -> Option<&'static str> {
    let named = [FORBIDDEN, REFUSED_TO_PYTHON, OLD_NAMED, OLD_FORBIDDEN];
    let is_it = |call: &&(&str, libc::c_long)| call.1 == libc::c_long::from(number);
    let (name, _) = named.into_iter().flatten().find(is_it)?;
    name.strip_prefix("SYS_")
}

/// Where a test looks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word {
    /// The lower half of an argument, counted from 0.
    Low(u32),
    /// The upper half.
    High(u32),
}

/// A test of an argument: whether, under a mask, it is one of the values, as `wanted`.
#[derive(Debug, Clone)]
pub(super) struct Test {
    pub(super) word: Word,
    pub(super) mask: u32,
    pub(super) values: Vec<u32>,
    pub(super) wanted: bool,
}

/// What the filter answers: `refuse` if a test fails, else `answer`.
#[derive(Debug, Clone)]
pub(super) struct Decision {
    pub(super) unless: Vec<Test>,
    pub(super) refuse: u32,
    pub(super) answer: u32,
}

#[cfg(target_arch = "x86_64")]
pub(super) const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
pub(super) const ARCHITECTURE: u32 = 0xC000_00B7;

/// The last call that was looked at when these tables were written (`mseal`, Linux 6.10). Later ones are not there, nor are
/// those of the x32 interface, whose numbers start at 2^30.
const LAST: u32 = 462;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const TRAP: u32 = libc::SECCOMP_RET_TRAP;
const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();

const SET_IDS: u32 = 0o6000;
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | 0x80)
    .cast_unsigned();
const THREAD: u32 = libc::CLONE_THREAD.cast_unsigned();

fn is(word: Word, mask: u32, values: &[u32]) -> Test {
    Test {
        word,
        mask,
        values: values.to_vec(),
        wanted: true,
    }
}

fn is_not(word: Word, values: &[u32]) -> Test {
    Test {
        word,
        mask: u32::MAX,
        values: values.to_vec(),
        wanted: false,
    }
}

/// A table as ranges: each entry holds up to the next, the first number is 0.
pub(super) type Ranges = Vec<(u32, Decision)>;

/// Numbers and their decisions, and what all others get.
#[derive(Debug, Clone)]
pub(super) struct Table {
    entries: BTreeMap<u32, Decision>,
    other: u32,
    refuse: u32,
}

impl Table {
    const fn new(other: u32, refuse: u32) -> Self {
        Self {
            entries: BTreeMap::new(),
            other,
            refuse,
        }
    }

    fn all(&mut self, calls: Calls, answer: u32) {
        for (_, number) in calls {
            self.one(*number, answer, Vec::new());
        }
    }

    fn tested(&mut self, number: libc::c_long, unless: Vec<Test>) {
        self.one(number, ALLOW, unless);
    }

    fn one(&mut self, number: libc::c_long, answer: u32, unless: Vec<Test>) {
        let decision = Decision {
            unless,
            refuse: self.refuse,
            answer,
        };
        if let Ok(number) = u32::try_from(number) {
            self.entries.insert(number, decision);
        }
    }

    fn plain(&self, answer: u32) -> Decision {
        Decision {
            unless: Vec::new(),
            refuse: self.refuse,
            answer,
        }
    }

    /// The decision on a number up to [`LAST`].
    fn decision(&self, number: u32) -> Decision {
        self.entries
            .get(&number)
            .cloned()
            .unwrap_or_else(|| self.plain(self.other))
    }

    /// Each range by its first number; neighbours that are decided alike are one.
    pub(super) fn ranges(&self) -> Ranges {
        let mut ranges = Ranges::new();
        for number in 0..=LAST {
            let decision = self.decision(number);
            let alike = ranges.last().is_some_and(|(_, last)| {
                last.unless.is_empty()
                    && decision.unless.is_empty()
                    && last.answer == decision.answer
            });
            if !alike {
                ranges.push((number, decision));
            }
        }
        ranges.push((LAST + 1, self.plain(ENOSYS)));
        ranges
    }
}

/// A table in two parts, which refuse together what it refuses: what a template and its cells can be held to from the start, and
/// what is left for the moment when a call is locked in, which is little.
pub(super) fn divided(table: &Table) -> [Table; 2] {
    let (mut first, mut last) = (table.clone(), Table::new(ALLOW, table.refuse));
    for (_, number) in SETUP {
        if let Ok(number) = u32::try_from(*number) {
            last.entries.insert(number, table.decision(number));
            first.entries.insert(number, table.plain(ALLOW));
        }
    }
    [first, last]
}

/// What a mode may not have: a file that runs as its owner would outlive the jail in a granted folder.
fn no_set_ids(argument: u32) -> Vec<Test> {
    vec![is(Word::Low(argument), SET_IDS, &[0])]
}

/// What both tables say alike.
fn common(table: &mut Table) {
    table.tested(libc::SYS_fchmod, no_set_ids(1));
    table.tested(libc::SYS_fchmodat, no_set_ids(2));
    table.tested(452, no_set_ids(2)); // fchmodat2
    table.tested(libc::SYS_openat, no_set_ids(3));
    table.tested(libc::SYS_mkdirat, no_set_ids(2));
    // Connected from birth: a pair of datagram sockets could send to any socket that it sees.
    table.tested(
        libc::SYS_socketpair,
        vec![
            is(Word::Low(0), u32::MAX, &[libc::AF_UNIX.cast_unsigned()]),
            is(Word::Low(1), 0xF, &CONNECTED.map(i32::cast_unsigned)),
        ],
    );
    table.tested(
        libc::SYS_setsockopt,
        vec![is_not(Word::Low(2), &FILTER_OPTIONS)],
    );
    for (number, flags) in [
        (libc::SYS_sendto, 3),
        (libc::SYS_sendmsg, 2),
        (libc::SYS_recvfrom, 3),
        (libc::SYS_recvmsg, 2),
    ] {
        table.tested(number, vec![is(Word::Low(flags), OUT_OF_BAND, &[0])]);
    }
    // A lease makes whoever opens the file wait, and a notice tells of what others do.
    table.tested(libc::SYS_fcntl, vec![is_not(Word::Low(1), &[1024, 1026])]);
    #[cfg(target_arch = "x86_64")]
    {
        table.tested(libc::SYS_chmod, no_set_ids(1));
        table.tested(libc::SYS_open, no_set_ids(2));
        table.tested(libc::SYS_creat, no_set_ids(1));
        table.tested(libc::SYS_mkdir, no_set_ids(1));
    }
    // Its mode lies in memory, where a filter cannot look; programs fall back to `openat`.
    table.one(libc::SYS_openat2, ENOSYS, Vec::new());
    // Nor can its flags; the C library falls back to `clone`.
    table.one(libc::SYS_clone3, ENOSYS, Vec::new());
}

/// The table of Python in one process.
pub(super) fn python() -> Table {
    let mut table = Table::new(TRAP, TRAP);
    table.all(FILES, ALLOW);
    table.all(DESCRIPTORS, ALLOW);
    table.all(MEMORY, ALLOW);
    table.all(TIME, ALLOW);
    table.all(OWN, ALLOW);
    table.all(OLD, ALLOW);
    common(&mut table);
    table.tested(libc::SYS_ioctl, vec![is(Word::Low(1), u32::MAX, &IOCTLS)]);
    table.tested(
        libc::SYS_prctl,
        vec![is(Word::Low(0), u32::MAX, &PRCTLS.map(i32::cast_unsigned))],
    );
    // Reading limits, not setting them.
    table.tested(
        libc::SYS_prlimit64,
        vec![
            is(Word::Low(2), u32::MAX, &[0]),
            is(Word::High(2), u32::MAX, &[0]),
        ],
    );
    // Whoever starts processes blocks signals first, and a trap that is blocked kills.
    table.refuse = EPERM;
    table.tested(
        libc::SYS_clone,
        vec![is(Word::Low(0), NAMESPACES | THREAD, &[THREAD])],
    );
    #[cfg(target_arch = "x86_64")]
    for number in [libc::SYS_fork, libc::SYS_vfork] {
        table.one(number, EPERM, Vec::new());
    }
    table
}

/// The table of programs.
pub(super) fn programs() -> Table {
    let mut table = Table::new(ALLOW, EPERM);
    common(&mut table);
    table.all(FORBIDDEN, EPERM);
    table.all(OLD_FORBIDDEN, EPERM);
    table.tested(libc::SYS_clone, vec![is(Word::Low(0), NAMESPACES, &[0])]);
    // A terminal's input is somebody else's keyboard.
    table.tested(
        libc::SYS_ioctl,
        vec![is_not(Word::Low(1), &TERMINAL_IOCTLS)],
    );
    // Plain Linux, and the question which it is: no other keeps address layouts random.
    table.tested(
        libc::SYS_personality,
        vec![is(Word::Low(0), u32::MAX, &[0, u32::MAX])],
    );
    table
}

/// What it takes to make a cell, and to lock a call in.
const SETUP: Calls = calls![
    SYS_capset,
    SYS_clone,
    SYS_clone3,
    SYS_landlock_add_rule,
    SYS_landlock_create_ruleset,
    SYS_landlock_restrict_self,
    SYS_memfd_create,
    SYS_mount,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_open_tree,
    SYS_openat2,
    SYS_pidfd_open,
    SYS_pivot_root,
    SYS_prctl,
    SYS_prlimit64,
    SYS_seccomp,
    SYS_setns,
    SYS_setsid,
    SYS_umount2,
    SYS_unshare,
];

/// Descriptors may be asked for readiness and made to close; terminals only whether they are one.
/// `TCGETS`, `TIOCGWINSZ`, `FIOCLEX`, `FIONCLEX`, `FIONBIO`, `FIONREAD` (`asm-generic/ioctls.h`).
const IOCTLS: [u32; 6] = [0x5401, 0x5413, 0x5451, 0x5450, 0x5421, 0x541B];

const CONNECTED: [libc::c_int; 2] = [libc::SOCK_STREAM, libc::SOCK_SEQPACKET];

/// `SO_ATTACH_FILTER`, `SO_ATTACH_BPF`, and the two for ports: programs that the kernel would run.
const FILTER_OPTIONS: [u32; 4] = [26, 50, 51, 52];

const OUT_OF_BAND: u32 = libc::MSG_OOB.cast_unsigned();

/// `TIOCSTI`, `TIOCLINUX`, `TIOCSCTTY`.
const TERMINAL_IOCTLS: [u32; 3] = [0x5412, 0x541C, 0x540E];

const PRCTLS: [libc::c_int; 6] = [
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_GET_DUMPABLE,
    libc::PR_GET_NO_NEW_PRIVS,
    libc::PR_GET_SECCOMP,
    libc::PR_SET_VMA,
];

const FILES: Calls = calls![
    SYS_chdir,
    SYS_copy_file_range,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_fadvise64,
    SYS_fallocate,
    SYS_fchdir,
    SYS_fdatasync,
    SYS_fgetxattr,
    SYS_flistxattr,
    SYS_flock,
    SYS_fstat,
    SYS_fstatfs,
    SYS_fsync,
    SYS_ftruncate,
    SYS_getcwd,
    SYS_getdents64,
    SYS_getxattr,
    SYS_lgetxattr,
    SYS_linkat,
    SYS_listxattr,
    SYS_llistxattr,
    SYS_newfstatat,
    SYS_readahead,
    SYS_readlinkat,
    SYS_renameat,
    SYS_renameat2,
    SYS_sendfile,
    SYS_statfs,
    SYS_statx,
    SYS_symlinkat,
    SYS_truncate,
    SYS_umask,
    SYS_unlinkat,
    SYS_utimensat,
];

const DESCRIPTORS: Calls = calls![
    SYS_close,
    SYS_close_range,
    SYS_dup,
    SYS_dup3,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_eventfd2,
    SYS_getpeername,
    SYS_getsockname,
    SYS_getsockopt,
    SYS_lseek,
    SYS_pipe2,
    SYS_ppoll,
    SYS_pread64,
    SYS_preadv,
    SYS_preadv2,
    SYS_pselect6,
    SYS_pwrite64,
    SYS_pwritev,
    SYS_pwritev2,
    SYS_read,
    SYS_readv,
    SYS_shutdown,
    SYS_signalfd4,
    SYS_write,
    SYS_writev,
];

const MEMORY: Calls = calls![
    SYS_brk,
    SYS_madvise,
    SYS_membarrier,
    SYS_mincore,
    SYS_mlock,
    SYS_mmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_msync,
    SYS_munlock,
    SYS_munmap,
    SYS_mseal = 462,
];

const TIME: Calls = calls![
    SYS_clock_getres,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_getitimer,
    SYS_gettimeofday,
    SYS_nanosleep,
    SYS_setitimer,
    SYS_timer_create,
    SYS_timer_delete,
    SYS_timer_getoverrun,
    SYS_timer_gettime,
    SYS_timer_settime,
    SYS_timerfd_create,
    SYS_timerfd_gettime,
    SYS_timerfd_settime,
    SYS_times,
];

/// A process about itself: its pid namespace holds nobody else.
const OWN: Calls = calls![
    SYS_capget,
    SYS_exit,
    SYS_exit_group,
    SYS_futex,
    SYS_get_robust_list,
    SYS_getcpu,
    SYS_getegid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getgroups,
    SYS_getpgid,
    SYS_getpid,
    SYS_getppid,
    SYS_getpriority,
    SYS_getrandom,
    SYS_getresgid,
    SYS_getresuid,
    SYS_getrusage,
    SYS_getsid,
    SYS_gettid,
    SYS_getuid,
    SYS_kill,
    SYS_restart_syscall,
    SYS_rseq,
    SYS_rt_sigaction,
    SYS_rt_sigpending,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigsuspend,
    SYS_rt_sigtimedwait,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_sched_getaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_sched_yield,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_sigaltstack,
    SYS_sysinfo,
    SYS_tgkill,
    SYS_tkill,
    SYS_uname,
    SYS_wait4,
    SYS_waitid,
];

#[cfg(not(target_arch = "x86_64"))]
const OLD: Calls = &[];

/// What newer machines have no number for.
#[cfg(target_arch = "x86_64")]
const OLD: Calls = calls![
    SYS_access,
    SYS_alarm,
    SYS_arch_prctl,
    SYS_dup2,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_eventfd,
    SYS_getdents,
    SYS_getpgrp,
    SYS_getrlimit,
    SYS_link,
    SYS_lstat,
    SYS_pause,
    SYS_pipe,
    SYS_poll,
    SYS_readlink,
    SYS_rename,
    SYS_rmdir,
    SYS_select,
    SYS_signalfd,
    SYS_stat,
    SYS_symlink,
    SYS_time,
    SYS_unlink,
    SYS_utime,
    SYS_utimes,
];

const FORBIDDEN: Calls = calls![
    // Namespaces and mounts.
    SYS_chroot,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fsopen,
    SYS_fspick,
    SYS_mount,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_open_tree,
    SYS_pivot_root,
    SYS_setns,
    SYS_umount2,
    SYS_unshare,
    SYS_statmount = 457,
    SYS_listmount = 458,
    // Other processes, and what they hold.
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_process_madvise,
    SYS_process_mrelease,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_ptrace,
    // The network: whoever has no socket needs no more than this.
    SYS_socket,
    // What calls of one template could share.
    SYS_mq_open,
    SYS_mq_unlink,
    SYS_msgget,
    SYS_semget,
    SYS_shmget,
    SYS_add_key,
    SYS_keyctl,
    SYS_request_key,
    // Large parts of the system that a tool does not need, and that many holes were found in.
    SYS_bpf,
    SYS_fanotify_init,
    SYS_fanotify_mark,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_io_uring_setup,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_vhangup,
    // Memory that no limit counts, and network calls whose flags lie in memory.
    SYS_memfd_create,
    SYS_memfd_secret,
    SYS_recvmmsg,
    SYS_sendmmsg,
    // Files by handle, around every path.
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_mknodat,
    SYS_fsetxattr,
    SYS_lsetxattr,
    SYS_setxattr,
    SYS_setxattrat = 463,
    // The machine itself.
    SYS_acct,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_clock_settime,
    SYS_delete_module,
    SYS_finit_module,
    SYS_init_module,
    SYS_kexec_file_load,
    SYS_kexec_load,
    SYS_lookup_dcookie,
    SYS_mbind,
    SYS_migrate_pages,
    SYS_move_pages,
    SYS_nfsservctl,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_reboot,
    SYS_set_mempolicy,
    SYS_setdomainname,
    SYS_sethostname,
    SYS_settimeofday,
    SYS_swapoff,
    SYS_swapon,
    SYS_syslog,
];

#[cfg(not(target_arch = "x86_64"))]
const OLD_FORBIDDEN: Calls = &[];
#[cfg(target_arch = "x86_64")]
const OLD_FORBIDDEN: Calls = calls![
    SYS_ioperm,
    SYS_iopl,
    SYS_mknod,
    SYS_modify_ldt,
    SYS_sysfs,
    SYS_uselib,
    SYS_ustat,
];

/// What only Python alone is refused; named here for the sentence that explains it.
const REFUSED_TO_PYTHON: Calls = calls![
    SYS_accept,
    SYS_accept4,
    SYS_bind,
    SYS_capset,
    SYS_clone,
    SYS_connect,
    SYS_execve,
    SYS_execveat,
    SYS_fchown,
    SYS_fchownat,
    SYS_inotify_init1,
    SYS_ioctl,
    SYS_listen,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_prctl,
    SYS_prlimit64,
    SYS_sched_setaffinity,
    SYS_setgid,
    SYS_setgroups,
    SYS_setpgid,
    SYS_setpriority,
    SYS_setsid,
    SYS_setuid,
    SYS_socketpair,
];

#[cfg(target_arch = "x86_64")]
const OLD_NAMED: Calls = calls![SYS_chown, SYS_fork, SYS_lchown, SYS_setrlimit, SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const OLD_NAMED: Calls = &[];
