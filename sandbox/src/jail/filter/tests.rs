//! What the compiled filters answer, found by running them: an interpreter of the classic BPF that they are made of.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use super::super::syscalls::{Ranges, Table};
use super::*;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const TRAP: u32 = libc::SECCOMP_RET_TRAP;
const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

const X32: u32 = 1 << 30;
const I386: u32 = 0x4000_0003;
const LONGEST: usize = 4096; // BPF_MAXINSNS

/// `struct seccomp_data`.
#[derive(Clone, Copy)]
struct Data {
    number: u32,
    arch: u32,
    arguments: [u64; 6],
}

impl Data {
    const fn of(number: u32, arguments: [u64; 6]) -> Self {
        Self {
            number,
            arch: ARCHITECTURE,
            arguments,
        }
    }

    fn word(&self, offset: u32) -> u32 {
        let half = |index: u32| {
            let argument = self.arguments[index as usize / 2];
            u32::try_from(argument >> (32 * (index % 2)) & u64::from(u32::MAX)).unwrap()
        };
        match offset {
            0 => self.number,
            4 => self.arch,
            _ => half(offset.checked_sub(16).unwrap() / 4),
        }
    }
}

fn run(program: &[sock_filter], data: &Data) -> u32 {
    let (mut at, mut value) = (0, 0u32);
    loop {
        let step = &program[at];
        at += 1;
        let branch = |taken: bool| usize::from(if taken { step.jt } else { step.jf });
        match step.code {
            LOAD => value = data.word(step.k),
            AND => value &= step.k,
            JUMP => at += step.k as usize,
            IF_EQUAL => at += branch(value == step.k),
            IF_AT_LEAST => at += branch(value >= step.k),
            other => {
                assert_eq!(other, RETURN, "an instruction that nothing here makes");
                return step.k;
            }
        }
    }
}

/// What a table says, read the slow way.
fn said(table: &[(u32, Decision)], data: &Data) -> u32 {
    let (_, decision) = table
        .iter()
        .rfind(|(first, _)| *first <= data.number)
        .unwrap();
    let passes = |test: &Test| {
        let offset = match test.word {
            Word::Low(argument) => 16 + 8 * argument,
            Word::High(argument) => 20 + 8 * argument,
        };
        test.values.contains(&(data.word(offset) & test.mask)) == test.wanted
    };
    if decision.unless.iter().all(passes) {
        decision.answer
    } else {
        decision.refuse
    }
}

fn both() -> [(Ranges, BpfProgram); 2] {
    [python(), programs()].map(|table| compiled(&table))
}

fn compiled(table: &Table) -> (Ranges, BpfProgram) {
    let ranges = table.ranges();
    let program = compile(&ranges);
    (ranges, program)
}

/// The stricter of two answers, as the system takes it (`seccomp(2)`).
fn stricter(one: u32, other: u32) -> u32 {
    one.cast_signed().min(other.cast_signed()).cast_unsigned()
}

/// Values at which some test of a table changes its mind, and their neighbours.
fn telling(table: &[(u32, Decision)]) -> Vec<u64> {
    let mut values = vec![0, 1, u64::from(u32::MAX), u64::MAX, 1 << 32];
    for test in table.iter().flat_map(|(_, decision)| &decision.unless) {
        let wanted = test.values.iter().map(|value| u64::from(*value));
        values.extend(wanted.flat_map(|value| [value, value ^ 1, value | 1 << 32]));
        values.extend((0..32).map(|bit| u64::from(test.mask) & 1 << bit));
    }
    values.sort_unstable();
    values.dedup();
    values
}

fn answers(number: libc::c_long, arguments: [u64; 6]) -> [u32; 2] {
    let data = Data::of(u32::try_from(number).unwrap(), arguments);
    both().map(|(_, program)| run(&program, &data))
}

fn bits(value: libc::c_int) -> u64 {
    u64::from(value.cast_unsigned())
}

/// Each program decides each number as its table says, whatever stands in any one argument.
#[test]
fn programs_say_what_tables_say() {
    for (table, program) in both() {
        let values = telling(&table);
        for number in 0..=500 {
            for argument in 0..6 {
                for value in &values {
                    let mut arguments = [0; 6];
                    arguments[argument] = *value;
                    let data = Data::of(number, arguments);
                    assert_eq!(run(&program, &data), said(&table, &data), "{number}");
                }
            }
        }
    }
}

/// The same for two arguments at a time, of the calls that two are looked at.
#[test]
fn two_arguments_are_looked_at_together() {
    for (table, program) in both() {
        let values = telling(&table);
        let several = |(_, decision): &&(u32, Decision)| decision.unless.len() > 1;
        for (number, _) in table.iter().filter(several) {
            for first in &values {
                for second in &values {
                    let data = Data::of(*number, [*first, *second, *second, 0, 0, 0]);
                    assert_eq!(run(&program, &data), said(&table, &data), "{number}");
                }
            }
        }
    }
}

/// The two parts of a table, one installed before a cell is made and one when its call is locked in, refuse together what the table
/// refuses, and in the same way.
#[test]
fn parts_add_up() {
    for table in [python(), programs()] {
        let (whole, program) = compiled(&table);
        let [(_, first), (_, last)] = divided(&table).map(|part| compiled(&part));
        let values = telling(&whole);
        for number in (0..=500).chain([X32, u32::MAX]) {
            for (first_value, second_value) in values
                .iter()
                .flat_map(|one| [(*one, 0), (0, *one), (*one, *one)])
            {
                let arguments = [first_value, second_value, first_value, second_value, 0, 0];
                let data = Data::of(number, arguments);
                let together = stricter(run(&first, &data), run(&last, &data));
                assert_eq!(together, run(&program, &data), "{number}");
            }
        }
    }
}

/// The part that each call pays for is a small one.
#[test]
fn little_is_left() {
    for table in [python(), programs()] {
        let [(_, first), (_, last)] = divided(&table).map(|part| compiled(&part));
        assert!(
            last.len() < 120 && last.len() * 3 < first.len(),
            "{} {}",
            first.len(),
            last.len()
        );
    }
}

/// The kernel takes the programs: short enough, and every way through them ends in an answer.
#[test]
fn programs_are_sound() {
    for (table, program) in both() {
        assert!(program.len() < LONGEST);
        assert_eq!(table[0].0, 0);
        assert!(table.is_sorted_by(|one, next| one.0 < next.0));
        for (at, step) in program.iter().enumerate() {
            let furthest = match step.code {
                RETURN => continue,
                JUMP => step.k as usize,
                _ => usize::from(step.jt.max(step.jf)),
            };
            assert!(at + 1 + furthest < program.len());
        }
    }
}

/// A call of another architecture ends the process, whatever its number.
#[test]
fn other_architectures() {
    for (_, program) in both() {
        for number in (0..=500).chain([X32, u32::MAX]) {
            for arch in [I386, 0, ARCHITECTURE ^ 1, u32::MAX] {
                let data = Data {
                    arch,
                    ..Data::of(number, [0; 6])
                };
                assert_eq!(run(&program, &data), KILL);
            }
        }
    }
}

/// Calls that came after the tables, and those of x32, are not there.
#[test]
fn unknown_numbers() {
    for (_, program) in both() {
        let x32 = (0..=500).map(|number| number | X32);
        for number in (463..=1000).chain(x32).chain([X32 - 1, u32::MAX]) {
            assert_eq!(run(&program, &Data::of(number, [0; 6])), ENOSYS, "{number}");
        }
    }
}

/// What no tool may do is refused by both programs, whatever its arguments.
#[test]
fn refused_to_all() {
    let numbers = [
        libc::SYS_ptrace,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_bpf,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_userfaultfd,
        libc::SYS_perf_event_open,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_open_by_handle_at,
        libc::SYS_socket,
        libc::SYS_memfd_create,
        libc::SYS_reboot,
    ];
    for number in numbers {
        for arguments in [[0; 6], [1; 6], [u64::MAX; 6]] {
            assert_eq!(answers(number, arguments), [TRAP, EPERM], "{number}");
        }
    }
}

/// What lies in memory cannot be looked at: the older call, whose arguments can, has to do.
#[test]
fn structures_in_memory() {
    for arguments in [[0; 6], [u64::MAX; 6]] {
        assert_eq!(answers(libc::SYS_clone3, arguments), [ENOSYS; 2]);
        assert_eq!(answers(libc::SYS_openat2, arguments), [ENOSYS; 2]);
    }
}

/// Python starts threads and nothing else; programs start processes too; neither gets a namespace.
#[test]
fn starting() {
    let thread = bits(libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND);
    let child = bits(libc::SIGCHLD);
    let clone = |flags| answers(libc::SYS_clone, [flags, 0, 0, 0, 0, 0]);
    assert_eq!(clone(thread), [ALLOW; 2]);
    assert_eq!(clone(child), [EPERM, ALLOW]);
    for namespace in [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
        0x80, // CLONE_NEWTIME
    ] {
        assert_eq!(clone(child | bits(namespace)), [EPERM; 2]);
        assert_eq!(clone(thread | bits(namespace)), [EPERM; 2]);
    }
    assert_eq!(answers(libc::SYS_execve, [0; 6]), [TRAP, ALLOW]);
    #[cfg(target_arch = "x86_64")]
    assert_eq!(answers(libc::SYS_fork, [0; 6]), [EPERM, ALLOW]);
}

/// A file gets no mode that makes it run as its owner, in whichever argument the mode comes.
#[test]
fn modes() {
    let calls = [
        (libc::SYS_fchmod, 1),
        (libc::SYS_fchmodat, 2),
        (libc::SYS_openat, 3),
        (libc::SYS_mkdirat, 2),
        (452, 2), // fchmodat2
    ];
    for (number, place) in calls {
        for (mode, good) in [(0o777, true), (0o4755, false), (0o2755, false)] {
            let mut arguments = [0; 6];
            arguments[place] = mode;
            let wanted = if good { [ALLOW; 2] } else { [TRAP, EPERM] };
            assert_eq!(answers(number, arguments), wanted, "{number} {mode:o}");
        }
    }
}

/// Pairs of sockets are Unix's, connected from birth, and carry nothing out of band.
#[test]
fn sockets() {
    let pair = |family, kind| answers(libc::SYS_socketpair, [bits(family), bits(kind), 0, 0, 0, 0]);
    let refused = [TRAP, EPERM];
    assert_eq!(pair(libc::AF_UNIX, libc::SOCK_STREAM), [ALLOW; 2]);
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    assert_eq!(
        pair(libc::AF_UNIX, libc::SOCK_SEQPACKET | flags),
        [ALLOW; 2]
    );
    assert_eq!(pair(libc::AF_UNIX, libc::SOCK_DGRAM), refused);
    assert_eq!(pair(libc::AF_UNIX, libc::SOCK_DGRAM | flags), refused);
    assert_eq!(pair(libc::AF_TIPC, libc::SOCK_STREAM), refused);
    let urgent = [0, 0, 0, bits(libc::MSG_OOB), 0, 0];
    assert_eq!(answers(libc::SYS_sendto, urgent), refused);
    for option in [26, 50, 51, 52] {
        assert_eq!(
            answers(libc::SYS_setsockopt, [3, 1, option, 0, 0, 0]),
            refused
        );
    }
}

/// Limits are read and not set, also by a pointer whose lower half is zero.
#[test]
fn limits() {
    let set = |new| answers(libc::SYS_prlimit64, [0, 7, new, 0, 0, 0])[0];
    assert_eq!((set(0), set(1), set(1 << 32)), (ALLOW, TRAP, TRAP));
}

/// Memory from an address on stays where it is; all below may be given up, and grow.
#[test]
fn memory_that_stays() {
    let refused = libc::SECCOMP_RET_ERRNO | libc::EINVAL.cast_unsigned();
    for from in [0x7f12_8000_0000, 0x7f12_0000_0000, 0x5000, 0xFFFF_F000] {
        let program = keeping(from);
        let ask = |number: libc::c_long, at, advice| {
            let number = u32::try_from(number).unwrap();
            run(&program, &Data::of(number, [at, 4096, advice, 0, 0, 0]))
        };
        let around = [
            0,
            from - 4096,
            from - 1,
            from,
            from + 1,
            from + (1 << 31),
            from + (1 << 32),
            u64::MAX,
        ];
        for at in around {
            let stays = if at < from { ALLOW } else { refused };
            assert_eq!(ask(libc::SYS_mremap, at, 8192), stays, "{at:x} {from:x}");
            for advice in [libc::MADV_DONTNEED, 24] {
                assert_eq!(
                    ask(libc::SYS_madvise, at, bits(advice)),
                    stays,
                    "{at:x} {from:x}"
                );
            }
            assert_eq!(ask(libc::SYS_madvise, at, bits(libc::MADV_FREE)), ALLOW);
            assert_eq!(ask(libc::SYS_munmap, at, 0), ALLOW);
        }
    }
}

/// No terminal takes input from a call, and Python asks devices nothing but what it has to.
#[test]
fn devices() {
    let ask = |request| answers(libc::SYS_ioctl, [0, request, 0, 0, 0, 0]);
    assert_eq!(ask(0x5401), [ALLOW; 2]); // TCGETS
    for request in [0x5412, 0x541C, 0x540E, 1 << 32 | 0x5412] {
        assert_eq!(ask(request), [TRAP, EPERM], "{request:x}");
    }
    assert_eq!(ask(0x8912), [TRAP, ALLOW]); // SIOCGIFCONF, on no socket
}

/// Programs stay plain Linux programs, with random layouts.
#[test]
fn personalities() {
    let ask = |wanted| answers(libc::SYS_personality, [wanted, 0, 0, 0, 0, 0])[1];
    assert_eq!((ask(0), ask(0xFFFF_FFFF)), (ALLOW, ALLOW));
    for other in [1, 0x0004_0000, 0x0040_0000, 0x0002_0000, 8] {
        assert_eq!(ask(other), EPERM, "{other:x}");
    }
}

/// What Python cannot do without is not refused it.
#[test]
fn python_gets_on() {
    for number in [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_close,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_futex,
        libc::SYS_exit_group,
        libc::SYS_rt_sigreturn,
        libc::SYS_getrandom,
        libc::SYS_newfstatat,
        libc::SYS_unlinkat,
    ] {
        assert_eq!(answers(number, [u64::MAX; 6]), [ALLOW; 2], "{number}");
    }
}
