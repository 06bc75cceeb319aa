//! What a call tried and was refused, for the sentence that its user reads.
//!
//! Where a filter answers with a trap, a handler notes the number and answers "not permitted" in its place. The notes
//! lie in the call's own memory: hostile code can forge them, so they explain and prove nothing.
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use nix::errno::Errno;

use super::syscalls::name_of;
use crate::sys::on_trap;

/// Notes that are kept.
const KEPT: usize = 8;

static COUNT: AtomicUsize = AtomicUsize::new(0);
static NOTES: [AtomicU64; KEPT] = [const { AtomicU64::new(0) }; KEPT];

/// A system call that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// Its name, if it is a common one.
    pub name: Option<&'static str>,
    /// Its number.
    pub number: u32,
    /// The lower half of its first argument.
    pub argument: u32,
}

/// Notes each trap from here on, and answers it.
pub(super) fn watch() -> Result<(), Errno> {
    on_trap(note)
}

/// The errno that a trapped call gets.
fn note(number: u32, argument: u32) -> i32 {
    let packed = u64::from(number) << 32 | u64::from(argument);
    let known = NOTES
        .iter()
        .any(|note| note.load(Ordering::Relaxed) == packed);
    if !known && let Some(free) = NOTES.get(COUNT.fetch_add(1, Ordering::Relaxed)) {
        free.store(packed, Ordering::Relaxed);
    }
    libc::EPERM
}

/// What was noted in this process, each once, oldest first.
#[must_use]
pub fn denied() -> Vec<Denied> {
    let count = COUNT.load(Ordering::Relaxed).min(KEPT);
    NOTES
        .iter()
        .take(count)
        .map(|note| note.load(Ordering::Relaxed))
        .map(|packed| (low(packed >> 32), low(packed)))
        .map(|(number, argument)| Denied {
            name: name_of(number),
            number,
            argument,
        })
        .collect()
}

fn low(bits: u64) -> u32 {
    u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0)
}
