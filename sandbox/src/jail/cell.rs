//! The jail of one call: armed before the call is known, locked when it is.
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_no_new_privs;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, mkdir, setsid, unlink};

use super::base::{Base, CELL, namespace, plain};
use super::denied::watch;
use super::filter::Kind;
use super::grants::{Grant, find};
use super::mounts::{
    attach, below, clone_path, enter, place, resize, restrict, restrict_one, shift, tmpfs,
};
use super::rules::{Access, Paths};
use crate::confine::Streams;
use crate::error::{Error, Step};
use crate::limits::Limits;
use crate::sys::{MountAttributes, block_signals, drop_capabilities};

/// The working folder of a call, the only one that every call may write in. No grant lies in it: what may be done
/// there could be done in the grant too.
const SCRATCH: &str = "/.scratch";

/// Another name of the working folder, unless a grant lies there.
const TEMPORARY: &str = "/tmp";

/// Files that a call may make in its scratch folder.
const INODES: u32 = 8192;

/// Tasks that a call may have at one time. Linux takes no less than 301 (`kernel.pid_max`, since 6.14 per namespace).
const TASKS: u32 = 301;

/// A cell whose call is not known yet.
#[derive(Debug)]
pub struct Cell {
    machine: OwnedFd,
    own: OwnedFd,
    paths: Paths,
    scratch_bytes: u64,
}

impl Cell {
    /// Arms this process, the first of a pid namespace: a session, a mount namespace of its own, and a root in which it
    /// sees what `base` shows and an empty folder of `scratch_bytes`.
    ///
    /// # Errors
    /// When the system refuses; the step is named.
    pub fn arm(base: &Base, scratch_bytes: u64) -> Result<Self, Error> {
        setsid().step("start a session")?;
        unshare(CloneFlags::CLONE_NEWNS).step("make a mount namespace")?;
        if base.bounds_tasks {
            fs::write("/proc/sys/kernel/pid_max", TASKS.to_string())
                .map_err(|error| plain(&error))
                .step("limit tasks")?;
        }
        let own = namespace("mnt")?;
        let machine = base.machine.try_clone().map_err(|error| plain(&error));
        build(base, scratch_bytes)?;
        enter(Path::new(CELL)).step("enter a private root")?;
        Ok(Self {
            machine: machine.step("hold on to a namespace")?,
            own,
            paths: paths(base)?,
            scratch_bytes,
        })
    }

    /// Locks this process in: shows it what `grants` name, leaves it only its streams, holds it to `limits`, and gives
    /// up every capability, and every system call that a call of this `kind` does not need. Nothing of it can be undone.
    ///
    /// # Errors
    /// When one step fails; the process must then end without running the tool.
    pub fn lock(
        mut self,
        base: &Base,
        grants: &[Grant],
        streams: Streams,
        limits: &Limits,
        kind: Kind,
    ) -> Result<(), Error> {
        self.show(grants)?;
        if limits.scratch_bytes != self.scratch_bytes {
            resize(Path::new("/"), limits.scratch_bytes).step("size the scratch folder")?;
        }
        seal()?;
        chdir(SCRATCH).step("enter the scratch folder")?;
        umask(Mode::from_bits_truncate(0o077));
        set_no_new_privs().step("give up new privileges")?;
        drop_capabilities(0).step("give up capabilities")?;
        self.paths.enforce()?;
        limits.apply()?;
        block_signals(false).step("unblock signals")?;
        if kind == Kind::Python {
            watch().step("watch for forbidden system calls")?;
        }
        base.filters.enforce(kind)?;
        // The last step: until now a failure could be told over a descriptor that no tool has.
        streams.install().step("install the streams")
    }

    /// Mounts what the permit names, each part at its own path, and nothing around it.
    fn show(&mut self, grants: &[Grant]) -> Result<(), Error> {
        if grants.is_empty() {
            return Ok(());
        }
        let parts = find(&self.machine, &self.own, grants)?;
        if parts.iter().any(|part| part.target.starts_with(SCRATCH)) {
            return Err(Errno::EBUSY).step("show a folder in the place of the scratch folder");
        }
        if parts.iter().any(|part| part.target.starts_with(TEMPORARY)) {
            unlink(TEMPORARY).step("make a place for a granted folder")?;
        }
        for part in parts {
            place(&part.target, part.folder).step("make a place for a granted folder")?;
            attach(&part.tree, &part.target).step("mount a granted folder")?;
            self.paths.allow(&part.target, part.access, part.folder)?;
        }
        Ok(())
    }
}

fn build(base: &Base, scratch_bytes: u64) -> Result<(), Error> {
    let root = Path::new(CELL);
    let options = format!("mode=755,size={scratch_bytes},nr_inodes={INODES}");
    tmpfs(root, &options).step("mount a private root")?;
    for stored in &base.stored {
        let target = below(root, &stored.target).step("place a system folder")?;
        place(&target, stored.folder).step("place a system folder")?;
        shift(&stored.at, &target).step("mount a system folder")?;
    }
    for (at, to) in &base.links {
        let at = below(root, at).step("place a link")?;
        place(at.parent().unwrap_or(root), true).step("place a link")?;
        symlink(to, at)
            .map_err(|error| plain(&error))
            .step("place a link")?;
    }
    let scratch = below(root, Path::new(SCRATCH)).step("make the scratch folder")?;
    mkdir(&scratch, Mode::S_IRWXU).step("make the scratch folder")?;
    symlink(SCRATCH, root.join("tmp"))
        .map_err(|error| plain(&error))
        .step("name the scratch folder")
}

/// Leaves only the scratch folder writable: the root around it becomes read-only.
fn seal() -> Result<(), Error> {
    let step = "seal the private root";
    let scratch = clone_path(Path::new(SCRATCH)).step(step)?;
    restrict(&scratch, MountAttributes::SCRATCH).step(step)?;
    attach(&scratch, Path::new(SCRATCH)).step(step)?;
    let root = fs::File::open("/")
        .map_err(|error| plain(&error))
        .step(step)?;
    restrict_one(&root, MountAttributes::READ_ONLY).step(step)
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
        paths.allow(&stored.target, access, stored.folder)?;
    }
    paths.allow(Path::new(SCRATCH), Access::SCRATCH, true)?;
    Ok(paths)
}
