//! seccomp: which system calls a call may make.
//!
//! The tables of [`super::syscalls`] become one program of classic BPF each, a balanced tree over ranges of numbers. When a filter is
//! installed the system compiles it and tries it on every number once, which takes longer than all else of a lock: most of a table is
//! installed in the template, before any call, and only what makes cells is left for each of them.
use nix::errno::Errno;
use nix::sys::prctl::set_no_new_privs;
use seccompiler::{BpfProgram, apply_filter, sock_filter};

use super::syscalls::{ARCHITECTURE, Decision, Test, Word, divided, programs, python};
use crate::error::{Error, Step};

/// What a call may start, and so which table it is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Python in one process, with threads: what is not on the list is refused.
    Python,
    /// Programs too: what is on the list is refused.
    Programs,
}

/// The compiled table of one kind, in its two parts.
#[derive(Debug)]
pub(super) struct Filters {
    pub(super) kind: Kind,
    first: BpfProgram,
    last: BpfProgram,
}

impl Filters {
    pub(super) fn new(kind: Kind) -> Self {
        let table = match kind {
            Kind::Python => python(),
            Kind::Programs => programs(),
        };
        let [first, last] = divided(&table).map(|part| compile(&part.ranges()));
        Self { kind, first, last }
    }

    /// Holds this process, and all that it starts, to what no cell and no call needs.
    pub(super) fn begin(&self) -> Result<(), Error> {
        apply(&self.first)
    }

    /// Holds this process, and all that it starts, to the rest of the table too.
    pub(super) fn finish(&self) -> Result<(), Error> {
        apply(&self.last)
    }
}

/// Holds this process, and all that it starts, to leaving its memory from an address on in its place.
///
/// There it is a file ([`crate::freeze`]). Who gives a part of it up gets its bytes again, and may count on zeros; who lets it grow
/// gets bytes of another part, or none. Allocators take no for an answer, and do without.
///
/// # Errors
/// When the system refuses.
pub fn keep(from: u64) -> Result<(), Error> {
    set_no_new_privs().step("give up new privileges")?;
    apply(&keeping(from))
}

fn keeping(from: u64) -> BpfProgram {
    let number = |number| u32::try_from(number).unwrap_or(u32::MAX);
    let word = |shift: u32| u32::try_from(from >> shift & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    let [low, high] = [word(0), word(32)];
    let advice = ARGUMENTS + 8 * 2;
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EINVAL.cast_unsigned();
    vec![
        step(LOAD, NUMBER),
        branch(IF_EQUAL, number(libc::SYS_mremap), 4, 0),
        branch(IF_EQUAL, number(libc::SYS_madvise), 0, 8),
        step(LOAD, advice),
        branch(IF_EQUAL, libc::MADV_DONTNEED.cast_unsigned(), 1, 0),
        branch(IF_EQUAL, DONTNEED_LOCKED, 0, 5),
        step(LOAD, ARGUMENTS + 4),
        branch(IF_EQUAL, high, 0, 2),
        step(LOAD, ARGUMENTS),
        branch(IF_AT_LEAST, low, 2, 1),
        branch(IF_AT_LEAST, high, 1, 0),
        step(RETURN, libc::SECCOMP_RET_ALLOW),
        step(RETURN, refuse),
    ]
}

/// `MADV_DONTNEED_LOCKED` of `linux/mman.h`.
const DONTNEED_LOCKED: u32 = 24;

fn apply(program: &BpfProgram) -> Result<(), Error> {
    apply_filter(program)
        .map_err(|_| Errno::last())
        .step("filter system calls")
}

/// Instructions of classic BPF (`linux/bpf_common.h`).
const LOAD: u16 = 0x20;
const RETURN: u16 = 0x06;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;

/// Offsets in the kernel's `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

const fn step(code: u16, k: u32) -> sock_filter {
    branch(code, k, 0, 0)
}

const fn branch(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// The program for a table: `table` is sorted, starts at 0, and each entry holds up to the next.
fn compile(table: &[(u32, Decision)]) -> BpfProgram {
    let mut program = vec![
        step(LOAD, ARCH),
        branch(IF_EQUAL, ARCHITECTURE, 1, 0),
        step(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD, NUMBER),
    ];
    program.extend(tree(table));
    program
}

fn tree(table: &[(u32, Decision)]) -> BpfProgram {
    if let [(_, decision)] = table {
        return leaf(decision);
    }
    let (low, high) = table.split_at(table.len() / 2);
    let pivot = high.first().map_or(u32::MAX, |(number, _)| *number);
    let (low, high) = (tree(low), tree(high));
    let over = u32::try_from(low.len()).unwrap_or(u32::MAX);
    let mut program = match u8::try_from(over) {
        Ok(near) => vec![branch(IF_AT_LEAST, pivot, near, 0)],
        Err(_) => vec![branch(IF_AT_LEAST, pivot, 0, 1), step(JUMP, over)],
    };
    program.extend(low);
    program.extend(high);
    program
}

fn leaf(decision: &Decision) -> BpfProgram {
    let mut program = BpfProgram::new();
    for test in &decision.unless {
        program.extend(failing(test, decision.refuse));
    }
    program.push(step(RETURN, decision.answer));
    program
}

/// Goes on if the test passes, answers `refuse` if it fails.
fn failing(test: &Test, refuse: u32) -> BpfProgram {
    let offset = match test.word {
        Word::Low(argument) => ARGUMENTS + 8 * argument,
        Word::High(argument) => ARGUMENTS + 8 * argument + 4,
    };
    let mut program = vec![step(LOAD, offset), step(AND, test.mask)];
    let mut left = u8::try_from(test.values.len()).unwrap_or(u8::MAX);
    for value in &test.values {
        left = left.saturating_sub(1);
        // A hit jumps behind the values: over the refusal if it is what is wanted, onto it if not.
        let hit = if test.wanted { left + 1 } else { left };
        let miss = u8::from(left == 0 && !test.wanted);
        program.push(branch(IF_EQUAL, *value, hit, miss));
    }
    program.push(step(RETURN, refuse));
    program
}

#[cfg(test)]
mod tests;
