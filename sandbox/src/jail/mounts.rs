//! Mounts, by descriptor where that is possible: a path is resolved once.
use std::ffi::CStr;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
    mount_change, mount_move, mount_remount, move_mount, open_tree, unmount,
};
use rustix::process::{chdir, pivot_root};

use crate::error::errno_of;
use crate::sys::{MountAttributes, mount_setattr};

fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}

/// From here on no mount or unmount leaves this mount namespace, or comes into it.
pub(super) fn keep_to_ourselves() -> Result<(), Errno> {
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(errno)
}

/// A mount of its own of what lies at `path` below `folder`, with all that is mounted in it; attached nowhere yet.
pub(super) fn clone_tree(folder: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(folder, path, flags).map_err(errno)
}

/// The same for an absolute path of this mount namespace.
pub(super) fn clone_path(path: &Path) -> Result<OwnedFd, Errno> {
    clone_tree(CWD, path)
}

/// Binds a mount, and every mount in it, to attributes: they can only be added.
pub(super) fn restrict(tree: impl AsFd, attributes: MountAttributes) -> Result<(), Errno> {
    mount_setattr(tree.as_fd(), attributes, true)
}

/// Makes the mount at `root` read-only, and none of those in it.
pub(super) fn seal(root: &Path) -> Result<(), Errno> {
    let root = fs::File::open(root).map_err(|error| errno_of(&error))?;
    mount_setattr(root.as_fd(), MountAttributes::READ_ONLY, false)
}

/// Attaches a cloned tree at `target`.
pub(super) fn attach(tree: impl AsFd, target: &Path) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(tree, c"", CWD, target, flags).map_err(errno)
}

/// Moves the mount at `from` to `to`.
pub(super) fn shift(from: &Path, to: &Path) -> Result<(), Errno> {
    mount_move(from, to).map_err(errno)
}

/// What is put into a file system in memory is data.
const DATA: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);

/// Mounts an empty file system in memory.
pub(super) fn tmpfs(target: &str, options: &CStr) -> Result<(), Errno> {
    mount(c"jail", target, c"tmpfs", DATA, Some(options)).map_err(errno)
}

/// Changes how much a file system in memory holds.
pub(super) fn resize(target: &Path, bytes: u64) -> Result<(), Errno> {
    let options = std::ffi::CString::new(format!("size={bytes}")).map_err(|_| Errno::EINVAL)?;
    mount_remount(target, DATA, options.as_c_str()).map_err(errno)
}

/// Mounts the process list of this pid namespace.
pub(super) fn proc(target: &Path) -> Result<(), Errno> {
    mount(c"proc", target, c"proc", DATA, None).map_err(errno)
}

/// Takes a mount away, and all that is mounted in it.
pub(super) fn detach(target: &Path) -> Result<(), Errno> {
    unmount(target, UnmountFlags::DETACH).map_err(errno)
}

/// Makes `root` the root of this mount namespace, and lets go of the one before.
pub(super) fn enter(root: &Path) -> Result<(), Errno> {
    chdir(root).map_err(errno)?;
    pivot_root(c".", c".").map_err(errno)?;
    unmount(c".", UnmountFlags::DETACH).map_err(errno)?;
    chdir(c"/").map_err(errno)
}

/// Makes a place that a mount of a folder or of a file can cover, and the folders that lead there.
pub(super) fn place(target: &Path, folder: bool) -> Result<(), Errno> {
    let made = if folder {
        fs::create_dir_all(target)
    } else {
        target.parent().map_or(Ok(()), fs::create_dir_all).and_then(
            |()| match fs::File::create_new(target) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
                other => other.map(drop),
            },
        )
    };
    made.map_err(|error| errno_of(&error))
}

/// Where an absolute path lies below `root`. A path with `..` lies nowhere.
pub(super) fn below(root: &Path, path: &Path) -> Result<PathBuf, Errno> {
    let mut found = root.to_path_buf();
    for part in path.components() {
        match part {
            Component::Normal(name) => found.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(Errno::EINVAL),
        }
    }
    Ok(found)
}
