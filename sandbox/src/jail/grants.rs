//! Finding what a permit names among the machine's mounts.
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;

use super::base::is_folder;
use super::mounts::{clone_tree, restrict};
use super::rules::Access;
use crate::error::{Error, Step};
use crate::sys::MountAttributes;

/// What a permit lets a call reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The absolute path of the resource, without links.
    pub path: PathBuf,
    /// The part of it that was granted, relative; all of it if empty.
    pub scope: PathBuf,
    /// The rights.
    pub access: Access,
}

/// A part of the machine that is about to be shown.
pub(super) struct Part {
    pub(super) target: PathBuf,
    pub(super) tree: OwnedFd,
    pub(super) folder: bool,
    pub(super) access: Access,
}

/// Takes hold of what is granted, parents before what lies in them, and comes back to this process's own mounts.
///
/// What is not there, or is only reached through a link, is left out: a call sees nothing at its path. What may be
/// written and is not there is made, as an empty file.
pub(super) fn find(machine: &OwnedFd, own: &OwnedFd, grants: &[Grant]) -> Result<Vec<Part>, Error> {
    let grants = merged(grants).step("read the scope of a grant")?;
    setns(machine, CloneFlags::CLONE_NEWNS).step("look at the machine's mounts")?;
    let parts: Result<Vec<_>, _> = grants.into_iter().filter_map(take).collect();
    setns(own, CloneFlags::CLONE_NEWNS).step("come back to the private root")?;
    parts.step("take hold of a granted folder")
}

/// One grant for each place, with all rights that are granted there.
fn merged(grants: &[Grant]) -> Result<BTreeMap<PathBuf, Grant>, Errno> {
    let mut merged: BTreeMap<PathBuf, Grant> = BTreeMap::new();
    for grant in grants {
        let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !grant.path.is_absolute() || !grant.scope.components().all(plain) {
            return Err(Errno::EINVAL);
        }
        let target: PathBuf = grant.path.join(&grant.scope).components().collect();
        merged
            .entry(target)
            .and_modify(|other| other.access = other.access.and(grant.access))
            .or_insert_with(|| grant.clone());
    }
    Ok(merged)
}

fn take((target, grant): (PathBuf, Grant)) -> Option<Result<Part, Errno>> {
    let found = look(&grant).ok()?;
    Some(hold(target, &grant, &found))
}

fn hold(target: PathBuf, grant: &Grant, found: &OwnedFd) -> Result<Part, Errno> {
    let tree = clone_tree(found, Path::new(""))?;
    restrict(&tree, attributes(grant.access))?;
    Ok(Part {
        target,
        folder: is_folder(&tree)?,
        tree,
        access: grant.access,
    })
}

fn attributes(access: Access) -> MountAttributes {
    if access.writes() {
        MountAttributes::SCRATCH
    } else {
        MountAttributes::READ_ONLY
    }
}

fn look(grant: &Grant) -> Result<OwnedFd, Errno> {
    // The path was resolved when the runtime started: a link on the way came later.
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let root = openat2(AT_FDCWD, &grant.path, how)?;
    if grant.scope.as_os_str().is_empty() {
        return Ok(root);
    }
    match beneath(&root, &grant.scope, OFlag::O_PATH) {
        Err(Errno::ENOENT) if grant.access.writes() => {
            let new = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
            beneath(&root, &grant.scope, new)?;
            beneath(&root, &grant.scope, OFlag::O_PATH)
        }
        other => other,
    }
}

fn beneath(root: impl AsFd, scope: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    let mode = if flags.contains(OFlag::O_CREAT) {
        Mode::S_IRUSR | Mode::S_IWUSR
    } else {
        Mode::empty()
    };
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .mode(mode)
        .resolve(
            ResolveFlag::RESOLVE_BENEATH
                | ResolveFlag::RESOLVE_NO_SYMLINKS
                | ResolveFlag::RESOLVE_NO_MAGICLINKS,
        );
    openat2(root, scope, how)
}
