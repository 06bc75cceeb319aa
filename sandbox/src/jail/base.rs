//! What all calls of one template share: its namespaces, and the mounts that they may see.
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::sys::utsname::uname;
use nix::unistd::{Gid, Uid, getegid, geteuid, setgroups, sethostname};

use super::filter::{Filters, Kind};
use super::mounts::{
    attach, below, clone_path, detach, enter, keep_to_ourselves, place, proc, restrict, seal, tmpfs,
};
use crate::error::{Error, Step, errno_of};
use crate::sys::{MountAttributes, drop_bounding_set, fork, fork_into};

/// The user and the group of a call, as it sees them; outside they are the runtime's own.
const INSIDE: u32 = 1000;

/// What the template sees of processes, and no call.
pub(super) const PROC: &str = "/proc";

/// The working folder of a call, the only one that every call may write in. No grant lies in it: what may be done
/// there could be done in the grant too.
pub(super) const SCRATCH: &str = "/.scratch";

/// Another name of the working folder, unless a grant lies there.
pub(super) const TEMPORARY: &str = "/tmp";

/// Where a call with grants builds a root of its own, which has places for them.
pub(super) const NEXT: &str = "/.next";

/// Something of this machine that every call sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A folder or a file, read-only, at its own path.
    Path(PathBuf),
    /// A device node, which can be written.
    Device(PathBuf),
    /// A link: where it lies, and what it says.
    Link(PathBuf, PathBuf),
}

/// A mount that every call finds in its root.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) target: PathBuf,
    /// What is mounted there, for rules.
    pub(super) place: OwnedFd,
    pub(super) folder: bool,
    pub(super) device: bool,
}

/// Divides this process, which must have one thread, from the rest of the machine: user, mount, pid (for its children),
/// network, IPC and UTS namespaces. Its next child is the first process of the pid namespace.
///
/// # Errors
/// When the system refuses; the step is named.
pub fn divide() -> Result<(), Error> {
    let (uid, gid) = (geteuid(), getegid());
    // Only root can, and not in a container that has one user: there the groups reach nothing that the root shows.
    let allowed = fs::read("/proc/self/setgroups").is_ok_and(|word| word.starts_with(b"allow"));
    if uid.is_root() && allowed {
        setgroups(&[]).step("give up the groups of root")?;
    }
    unshare(CloneFlags::CLONE_NEWUSER).step("make a user namespace")?;
    map(uid, gid).step("map the user of a user namespace")?;
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS,
    )
    .step("make namespaces")?;
    sethostname("jail").step("name the jail")?;
    keep_to_ourselves().step("part the mounts from the machine's")
}

fn map(uid: Uid, gid: Gid) -> Result<(), Errno> {
    let write = |name: &str, text: String| {
        fs::write(format!("/proc/self/{name}"), text).map_err(|error| errno_of(&error))
    };
    write("setgroups", "deny".to_owned())?;
    write("gid_map", format!("{INSIDE} {gid} 1"))?;
    write("uid_map", format!("{INSIDE} {uid} 1"))
}

/// The template's own place: it sees what its calls see, its `/proc`, and nothing else.
#[derive(Debug)]
pub struct Base {
    /// The machine's mounts, in which the folders of a permit are found.
    pub(super) machine: OwnedFd,
    pids: OwnedFd,
    /// The mounts of this place but for `/proc`: what calls start from.
    pub(super) bare: OwnedFd,
    /// The template's `/proc`, for cells that see none.
    pub(super) proc: OwnedFd,
    pub(super) stored: Vec<Stored>,
    pub(super) links: Vec<(PathBuf, PathBuf)>,
    pub(super) filters: Filters,
    /// Whether each pid namespace has a limit of its own on tasks.
    pub bounds_tasks: bool,
}

impl Base {
    /// Enters the place, for calls of one kind; for the first child of a process that called [`divide`].
    ///
    /// # Errors
    /// When the system refuses; the step is named.
    pub fn enter(shown: &[Shown], kind: Kind) -> Result<Self, Error> {
        let (machine, pids) = (namespace("mnt")?, namespace("pid")?);
        unshare(CloneFlags::CLONE_NEWNS).step("make a mount namespace")?;
        let (held, links) = (hold(shown)?, links(shown));
        // Any folder would do as a place to build the root; this one is on every machine.
        let root = Path::new(PROC);
        tmpfs(PROC, c"mode=755,size=1m").step("mount a private root")?;
        let stored = furnish(root, held, &links)?;
        enter(root).step("enter a private root")?;
        let proc = hold_place(Path::new(PROC)).step("hold on to /proc")?;
        let bare = bare()?;
        // No call can gain one of these by a program; those that the template holds stay its own.
        drop_bounding_set().step("give up capabilities")?;
        Ok(Self {
            machine,
            pids,
            bare,
            proc,
            stored,
            links,
            filters: Filters::new(kind),
            bounds_tasks: limits_are_per_namespace(),
        })
    }

    /// Forks this process, which must have one thread; the child is the first process of a new pid namespace, and in the control
    /// group whose folder is handed in, if one is. Returns the child's number, or 0 in the child.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn fork(&self, group: Option<&OwnedFd>) -> Result<i32, Error> {
        unshare(CloneFlags::CLONE_NEWPID).step("make a pid namespace")?;
        let forked = group.map_or_else(fork, fork_into);
        if forked != Ok(0) {
            setns(&self.pids, CloneFlags::CLONE_NEWPID).step("come back from a pid namespace")?;
        }
        forked.step("fork")
    }
}

/// Makes a copy of this process's mounts that has no `/proc`, and comes back.
///
/// Once here, since each unmounting waits for all processors.
fn bare() -> Result<OwnedFd, Error> {
    let own = namespace("mnt")?;
    unshare(CloneFlags::CLONE_NEWNS).step("make a mount namespace")?;
    let bare = namespace("mnt")?;
    detach(Path::new(PROC)).step("take /proc away")?;
    setns(own, CloneFlags::CLONE_NEWNS).step("come back from a mount namespace")?;
    Ok(bare)
}

/// Takes hold of a folder or file, for its place alone.
pub(super) fn hold_place(path: &Path) -> Result<OwnedFd, Errno> {
    open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
}

/// A mount that is to be shown, attached nowhere yet.
struct Held {
    mount: OwnedFd,
    target: PathBuf,
    device: bool,
}

/// Takes hold of what is to be shown before the private root covers anything.
fn hold(shown: &[Shown]) -> Result<Vec<Held>, Error> {
    let mut held = Vec::new();
    for item in shown {
        let (target, device, attributes) = match item {
            Shown::Path(path) => (path, false, MountAttributes::READ_ONLY),
            Shown::Device(path) => (path, true, MountAttributes::DEVICE),
            Shown::Link(..) => continue,
        };
        let mount = clone_path(target).step("take hold of a system folder")?;
        restrict(&mount, attributes).step("make a system folder read-only")?;
        held.push(Held {
            mount,
            target: target.clone(),
            device,
        });
    }
    Ok(held)
}

/// Makes the root of the template and its calls, read-only, with `/proc` and places for a scratch folder and another root.
fn furnish(
    root: &Path,
    held: Vec<Held>,
    links: &[(PathBuf, PathBuf)],
) -> Result<Vec<Stored>, Error> {
    let mut stored = Vec::new();
    for Held {
        mount,
        target,
        device,
    } in held
    {
        let folder = is_folder(&mount).step("look at a system folder")?;
        let here = below(root, &target).step("make a folder")?;
        place(&here, folder).step("make a folder")?;
        attach(&mount, &here).step("mount a system folder")?;
        stored.push(Stored {
            target,
            place: mount,
            folder,
            device,
        });
    }
    link_all(root, links)?;
    for name in [PROC, SCRATCH, NEXT] {
        let here = below(root, Path::new(name)).step("make a folder")?;
        place(&here, true).step("make a folder")?;
    }
    proc(&root.join("proc"))
        .step("mount /proc, which takes a machine or container whose own /proc is whole")?;
    seal(root).step("seal the private root")?;
    Ok(stored)
}

/// Makes the links of a root, and the second name of its scratch folder.
pub(super) fn link_all(root: &Path, links: &[(PathBuf, PathBuf)]) -> Result<(), Error> {
    let scratch = (PathBuf::from(TEMPORARY), PathBuf::from(SCRATCH));
    // Something is shown there already, say, a Python that lies below /tmp.
    let taken = root.join("tmp").exists();
    let named = [&scratch].into_iter().filter(|_| !taken);
    for (at, to) in links.iter().chain(named) {
        let at = below(root, at).step("place a link")?;
        place(at.parent().unwrap_or(root), true).step("place a link")?;
        symlink(to, at).step("place a link")?;
    }
    Ok(())
}

fn links(shown: &[Shown]) -> Vec<(PathBuf, PathBuf)> {
    shown
        .iter()
        .filter_map(|item| match item {
            Shown::Link(at, to) => Some((at.clone(), to.clone())),
            Shown::Path(_) | Shown::Device(_) => None,
        })
        .collect()
}

/// Whether `kernel.pid_max` belongs to the pid namespace: since Linux 6.14. Before, writing it would change the machine.
fn limits_are_per_namespace() -> bool {
    let Ok(name) = uname() else { return false };
    let release = name.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return false;
    };
    (major, minor) >= (6u32, 14u32)
}

pub(super) fn is_folder(tree: &OwnedFd) -> Result<bool, Errno> {
    let kind = SFlag::from_bits_truncate(fstat(tree)?.st_mode & libc::S_IFMT);
    Ok(kind == SFlag::S_IFDIR)
}

/// One of this process's namespaces, to come back to.
pub(super) fn namespace(name: &str) -> Result<OwnedFd, Error> {
    File::open(format!("/proc/self/ns/{name}"))
        .map(OwnedFd::from)
        .step("hold on to a namespace")
}
