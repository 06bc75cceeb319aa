//! Removing a folder that hostile code has filled.
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open, openat, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::error::{Error, Step};

const FOLDER: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Names that are tried before a folder is given up.
const ATTEMPTS: u32 = 10_000;

/// Names that are held in memory at a time.
const BATCH: usize = 4096;

/// Removes a folder and all in it; one that is not there is removed already.
///
/// Nested folders are moved up one by one, so that neither depth nor the length of a path matters: the work
/// needs two descriptors and no recursion. Links are removed, never followed.
///
/// # Errors
/// When the system refuses, at the first thing that it does not let go.
pub fn remove_tree(path: &Path) -> Result<(), Error> {
    match remove(path) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno).step("remove a scratch folder"),
    }
}

fn remove(path: &Path) -> Result<(), Errno> {
    if std::fs::remove_dir(path).is_ok() {
        return Ok(());
    }
    let _ = fchmodat(AT_FDCWD, path, Mode::S_IRWXU, FchmodatFlags::FollowSymlink);
    let root = open(path, FOLDER, Mode::empty())?;
    let mut fresh = 0;
    while clear(&root, &mut fresh)? {}
    std::fs::remove_dir(path)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
}

/// One pass over the root: files go, folders give up their content. True when there was something.
fn clear(root: &OwnedFd, fresh: &mut u64) -> Result<bool, Errno> {
    let mut found = false;
    for name in names(root, c".")? {
        found = true;
        if unlinkat(root, name.as_c_str(), UnlinkatFlags::NoRemoveDir).is_err() {
            hollow(root, &name, fresh)?;
        }
    }
    Ok(found)
}

/// Removes a folder of the root after moving its folders up to the root.
fn hollow(root: &OwnedFd, folder: &CStr, fresh: &mut u64) -> Result<(), Errno> {
    let _ = fchmodat(root, folder, Mode::S_IRWXU, FchmodatFlags::FollowSymlink);
    let inner = openat(root, folder, FOLDER, Mode::empty())?;
    for name in names(root, folder)? {
        if unlinkat(&inner, name.as_c_str(), UnlinkatFlags::NoRemoveDir).is_ok() {
            continue;
        }
        let _ = fchmodat(
            &inner,
            name.as_c_str(),
            Mode::S_IRWXU,
            FchmodatFlags::FollowSymlink,
        );
        lift(&inner, &name, root, fresh)?;
    }
    match unlinkat(root, folder, UnlinkatFlags::RemoveDir) {
        Err(Errno::ENOTEMPTY) => Ok(()), // a batch is gone; the next pass takes the next one
        done => done,
    }
}

/// Moves a folder up under a name that nobody has taken.
fn lift(inner: &OwnedFd, name: &CStr, root: &OwnedFd, fresh: &mut u64) -> Result<(), Errno> {
    for _ in 0..ATTEMPTS {
        *fresh += 1;
        match renameat(inner, name, root, format!("\u{1}{fresh}").as_str()) {
            Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => {}
            done => return done,
        }
    }
    Err(Errno::ENOTEMPTY)
}

/// The names in a folder, without itself and its parent.
fn names(at: &OwnedFd, folder: &CStr) -> Result<Vec<CString>, Errno> {
    let mut dir = Dir::openat(at.as_fd(), folder, FOLDER, Mode::empty())?;
    let mut names = Vec::new();
    for entry in dir.iter().take(BATCH) {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}
