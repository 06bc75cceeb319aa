//! Removing a folder that hostile code has filled.
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open, openat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::error::{Error, Step, errno_of};

const FOLDER: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Names that are held in memory at a time.
const BATCH: usize = 64;

/// Removes a folder and all in it; one that is not there is removed already.
///
/// Walks down and up again with one open folder and no recursion, so that neither depth nor the length of a
/// path matters. Links are removed, never followed, and a way up that is not the way down ends the walk.
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
    clear(open(path, FOLDER, Mode::empty())?)?;
    std::fs::remove_dir(path).map_err(|error| errno_of(&error))
}

/// A folder above the open one: which it is, and what it calls the one below.
struct Above {
    id: (u64, u64),
    name: CString,
}

/// Empties a folder.
fn clear(root: OwnedFd) -> Result<(), Errno> {
    let mut above: Vec<Above> = Vec::new();
    let mut here = root;
    loop {
        if let Some(name) = strip(&here)? {
            let _ = fchmodat(
                &here,
                name.as_c_str(),
                Mode::S_IRWXU,
                FchmodatFlags::FollowSymlink,
            );
            let below = openat(&here, name.as_c_str(), FOLDER, Mode::empty())?;
            above.push(Above {
                id: id(&here)?,
                name,
            });
            here = below;
            continue;
        }
        let Some(Above { id: expected, name }) = above.pop() else {
            return Ok(());
        };
        here = openat(&here, c"..", FOLDER, Mode::empty())?;
        if id(&here)? != expected {
            return Err(Errno::ESTALE);
        }
        unlinkat(&here, name.as_c_str(), UnlinkatFlags::RemoveDir)?;
    }
}

/// Removes files and empty folders until it meets a folder that is not empty.
fn strip(folder: &OwnedFd) -> Result<Option<CString>, Errno> {
    loop {
        let names = names(folder)?;
        if names.is_empty() {
            return Ok(None);
        }
        for name in names {
            if !unlink(folder, &name) {
                return Ok(Some(name));
            }
        }
    }
}

fn unlink(folder: &OwnedFd, name: &CStr) -> bool {
    unlinkat(folder, name, UnlinkatFlags::NoRemoveDir).is_ok()
        || unlinkat(folder, name, UnlinkatFlags::RemoveDir).is_ok()
}

fn id(folder: &OwnedFd) -> Result<(u64, u64), Errno> {
    let stat = fstat(folder)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Some names in a folder, without itself and its parent.
fn names(folder: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut dir = Dir::openat(folder.as_fd(), c".", FOLDER, Mode::empty())?;
    let mut names = Vec::new();
    for entry in dir.iter().take(BATCH) {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}
