//! Memory that costs a fork nothing until it is used.
//!
//! What a process has written is copied page by page into the tables of each child, and taken apart there again at its
//! end: most of what a fork and an exit cost. What is mapped from a file is not, and what lies there in huge pages is mapped in
//! few steps. So a template whose tools are loaded moves its memory into one file, mapped privately in the same place: a call
//! pays for what it touches, and nothing for what its tools have imported.
use std::fs::{File, read_dir, read_to_string};
use std::io::Read;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

use crate::error::{Error, Step};
use crate::sys::{gather, swap, swap_mask};

/// Each mapping of this process, with what is in memory of it.
const LIST: &str = "/proc/self/smaps";

/// No entry of that list has fewer bytes.
const ENTRY: usize = 100;

/// A mapping of which less than one part in so many is in memory stays: the file would have all of it.
const SPARSE: usize = 8;

/// The bytes of a huge page.
const WINDOW: usize = 1 << 21;

/// What `VmFlags` may say of memory that is moved: it is read, written or run, and has no wish of its own.
const ORDINARY: [&str; 9] = ["rd", "wr", "ex", "mr", "mw", "me", "ac", "sd", "nr"];

/// Nobody can write to the file any more, nor change its length.
const SEALS: SealFlag = SealFlag::F_SEAL_SEAL
    .union(SealFlag::F_SEAL_SHRINK)
    .union(SealFlag::F_SEAL_GROW)
    .union(SealFlag::F_SEAL_WRITE);

/// Moves the memory that this process has used so far, but for its stack, into a sealed file that its children share.
///
/// Returns from where on anonymous memory was moved, if any was. There one thing is not as before: a part that is given up
/// (`MADV_DONTNEED`) has its bytes again, not zeros, and one that grows (`mremap`) those of the next part. A process that runs
/// what it does not know has to be kept from both.
///
/// Memory with a wish of its own (to be wiped in a child, or kept from it, or locked) stays as it is; so does what is
/// hardly used, and code where none may run from such a file.
///
/// # Errors
/// When the system refuses, or this process has a second thread, which might write meanwhile.
pub fn freeze() -> Result<Option<usize>, Error> {
    let step = "move the memory of a template into a file";
    // What a handler wrote between the copy of a page and its move would be lost.
    let mask = swap_mask(u64::MAX).step(step)?;
    let moved = alone().and_then(|()| move_all()).step(step);
    swap_mask(mask).step(step)?;
    moved
}

/// Refuses if there is a second thread.
fn alone() -> std::io::Result<()> {
    match read_dir("/proc/self/task")?.count() {
        1 => Ok(()),
        _ => Err(Errno::EBUSY.into()),
    }
}

/// A mapping, how it is protected, and whether this process has written to it. It is anonymous if it is of no file, and not the
/// heap: that belongs to the C library, which does not count on zeros in what it gives up, and moves no end of it.
#[derive(Debug)]
struct Part {
    at: Range<usize>,
    protection: i32,
    written: bool,
    anonymous: bool,
}

/// From the list to the last move nothing may be mapped, or given back: there is room for all of it before.
fn move_all() -> std::io::Result<Option<usize>> {
    let size = read_to_string(LIST)?.len();
    let mut list = String::with_capacity(2 * size);
    let mut parts = Vec::with_capacity(size / ENTRY);
    File::open(LIST)?.read_to_string(&mut list)?;
    parts.extend(used(&list).take(size / ENTRY));
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let file = memfd_create(c"authgate-template", flags)?;
    let total: usize = parts.iter().map(|part| part.at.len()).sum();
    let length = i64::try_from(total.next_multiple_of(WINDOW)).map_err(|_| Errno::EFBIG)?;
    ftruncate(&file, length)?;
    move_into(file.as_fd(), &parts)?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(SEALS))?;
    let anonymous = parts.iter().filter(|part| part.anonymous);
    Ok(anonymous.map(|part| part.at.start).min())
}

fn move_into(file: BorrowedFd<'_>, parts: &[Part]) -> Result<(), Errno> {
    let (mut offset, mut gathered) = (0, 0);
    for part in parts {
        while gathered < offset + part.at.len() {
            // Only a matter of speed: a huge page is mapped into a call, and out of it, in few steps.
            let _ = gather(file, gathered, WINDOW);
            gathered += WINDOW;
        }
        let moved = swap(file, offset, &part.at, part.protection);
        if part.written {
            moved?;
        }
        offset += part.at.len();
    }
    Ok(())
}

/// The private mappings of a list that are in use.
fn used(list: &str) -> impl Iterator<Item = Part> {
    let mut current: Option<Part> = None;
    list.lines().filter_map(move |line| {
        let (name, rest) = line.split_once(' ')?;
        match (name, &mut current) {
            ("Rss:", Some(part)) if bytes(rest) * SPARSE < part.at.len() => current = None,
            ("Anonymous:", Some(part)) => part.written = bytes(rest) > 0,
            ("VmFlags:", _) if rest.split_whitespace().all(|flag| ORDINARY.contains(&flag)) => {
                return current.take();
            }
            (range, _) if range.contains('-') => current = private(range, rest),
            _ => {}
        }
        None
    })
}

/// Reads a size, ` 12 kB`.
fn bytes(size: &str) -> usize {
    let number = size.trim().trim_end_matches(" kB").parse();
    number.map_or(0, |kib: usize| kib * 1024)
}

/// Reads the first line on a mapping, `START-END rwxp ...`; None if it is shared, or cannot be read.
fn private(range: &str, rest: &str) -> Option<Part> {
    let (start, end) = range.split_once('-')?;
    let [b'r', write, run, b'p'] = *rest.as_bytes().first_chunk()? else {
        return None;
    };
    let name = rest.split_whitespace().nth(4).unwrap_or_default();
    let bit = |flag: u8, bit| if flag == b'-' { 0 } else { bit };
    Some(Part {
        at: usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?,
        protection: libc::PROT_READ | bit(write, libc::PROT_WRITE) | bit(run, libc::PROT_EXEC),
        written: false,
        anonymous: !(name.starts_with('/') || name == "[heap]"),
    })
}
