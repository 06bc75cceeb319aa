//! The jail of one call: armed before the call is known, locked when it is.
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::set_no_new_privs;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, setsid, unlink, write};

use super::base::{Base, NEXT, SCRATCH, TEMPORARY, link_all};
use super::denied::watch;
use super::filter::Kind;
use super::grants::{Grant, find};
use super::mounts::{attach, below, enter, place, resize, seal, shift, tmpfs};
use super::rules::{Access, Paths};
use crate::confine::Streams;
use crate::error::{Error, Step};
use crate::limits::Limits;
use crate::sys::{block_signals, drop_capabilities};

/// Files that a call may make in its scratch folder.
const INODES: u32 = 8192;

/// Tasks that a call may have at one time. Linux takes no less than 301 (`kernel.pid_max`, since 6.14 per namespace);
/// a control group has the same limit.
pub(super) const TASKS: &[u8] = b"301";

/// A cell whose call is not known yet.
#[derive(Debug)]
pub(super) struct Cell {
    paths: Paths,
    scratch_bytes: u64,
}

/// The scratch folder that a cell gets before its call is known.
#[derive(Debug)]
pub(super) struct Scratch {
    bytes: u64,
    options: CString,
}

impl Scratch {
    pub(super) fn new(bytes: u64) -> Result<Self, Error> {
        let options = format!("mode=700,size={bytes},nr_inodes={INODES}");
        let options = CString::new(options).map_err(|_| Errno::EINVAL);
        Ok(Self {
            bytes,
            options: options.step("size the scratch folder")?,
        })
    }
}

impl Cell {
    /// Arms this process, the first of a pid namespace: a session, a mount namespace of its own, in which it
    /// sees what `base` shows and an empty folder.
    pub(super) fn arm(base: &Base, scratch: &Scratch) -> Result<Self, Error> {
        setsid().step("start a session")?;
        if base.bounds_tasks {
            limit_tasks(base).step("limit tasks")?;
        }
        setns(&base.bare, CloneFlags::CLONE_NEWNS).step("enter a mount namespace")?;
        unshare(CloneFlags::CLONE_NEWNS).step("make a mount namespace")?;
        tmpfs(SCRATCH, &scratch.options).step("make the scratch folder")?;
        Ok(Self {
            paths: paths(base)?,
            scratch_bytes: scratch.bytes,
        })
    }

    /// Locks this process in: shows it what `grants` name, leaves it only its streams, holds it to `limits`, and gives
    /// up every capability, and every system call that a call of the template's kind does not need. Nothing of it can be undone.
    /// When a step fails, the process must end without running the tool.
    pub(super) fn lock(
        mut self,
        base: &Base,
        grants: &[Grant],
        streams: Streams,
        limits: &Limits,
    ) -> Result<(), Error> {
        self.show(base, grants)?;
        if limits.scratch_bytes != self.scratch_bytes {
            resize(Path::new(SCRATCH), limits.scratch_bytes).step("size the scratch folder")?;
        }
        chdir(SCRATCH).step("enter the scratch folder")?;
        umask(Mode::from_bits_truncate(0o077));
        set_no_new_privs().step("give up new privileges")?;
        drop_capabilities(0).step("give up capabilities")?;
        self.paths.enforce()?;
        limits.apply()?;
        block_signals(false).step("unblock signals")?;
        if base.filters.kind == Kind::Python {
            watch().step("watch for forbidden system calls")?;
        }
        base.filters.finish()?;
        // The last step: until now a failure could be told over a descriptor that no tool has.
        streams.install().step("install the streams")
    }

    /// Mounts what the permit names, each part at its own path, and nothing around it.
    fn show(&mut self, base: &Base, grants: &[Grant]) -> Result<(), Error> {
        if grants.is_empty() {
            return Ok(());
        }
        let own = open_below(&base.proc, c"self/ns/mnt", OFlag::O_RDONLY)
            .step("hold on to a namespace")?;
        let parts = find(&base.machine, &own, grants)?;
        if parts.iter().any(|part| part.target.starts_with(SCRATCH)) {
            return Err(Errno::EBUSY).step("show a folder in the place of the scratch folder");
        }
        rebuild(base)?;
        let named = Path::new(TEMPORARY).is_symlink();
        if named && parts.iter().any(|part| part.target.starts_with(TEMPORARY)) {
            unlink(TEMPORARY).step("make a place for a granted folder")?;
        }
        for part in parts {
            place(&part.target, part.folder).step("make a place for a granted folder")?;
            attach(&part.tree, &part.target).step("mount a granted folder")?;
            self.paths.allow(&part.target, part.access, part.folder)?;
        }
        seal(Path::new("/")).step("seal the private root")
    }
}

/// Bounds the tasks of this pid namespace.
fn limit_tasks(base: &Base) -> Result<(), Errno> {
    let file = open_below(&base.proc, c"sys/kernel/pid_max", OFlag::O_WRONLY)?;
    write(&file, TASKS).map(drop)
}

fn open_below(folder: &OwnedFd, path: &CStr, flags: OFlag) -> Result<OwnedFd, Errno> {
    openat(folder, path, flags | OFlag::O_CLOEXEC, Mode::empty())
}

/// Enters a root like the one before, but this call's own, so that places can be made in it.
fn rebuild(base: &Base) -> Result<(), Error> {
    let root = Path::new(NEXT);
    tmpfs(NEXT, c"mode=755,size=1m").step("mount a private root")?;
    let scratch = (Path::new(SCRATCH), true);
    let stored = base
        .stored
        .iter()
        .map(|stored| (&*stored.target, stored.folder));
    for (target, folder) in stored.chain([scratch]) {
        let there = below(root, target).step("place a system folder")?;
        place(&there, folder).step("place a system folder")?;
        shift(target, &there).step("mount a system folder")?;
    }
    link_all(root, &base.links)?;
    enter(root).step("enter a private root")
}

/// The rules for what every call sees.
fn paths(base: &Base) -> Result<Paths, Error> {
    let mut paths = Paths::new()?;
    for stored in &base.stored {
        let access = if stored.device {
            Access::DEVICE
        } else {
            Access::SYSTEM
        };
        paths.allow_at(&stored.place, access, stored.folder)?;
    }
    paths.allow(Path::new(SCRATCH), Access::SCRATCH, true)?;
    Ok(paths)
}
