//! Control groups, one for each call: what it takes in all, memory and tasks, is bounded by its own.
//!
//! The runtime makes a group for a template, with the controllers of memory and tasks; the template makes *leaves* in it as it
//! needs them. A cell is forked into one. Once its processes are gone the next can have it, so that a call pays for no group.
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::cell::TASKS;
use crate::error::{Error, Step, errno_of};
use crate::limits::Limits;
use crate::sys::own;

/// What a leaf may still be charged with when the next call gets it, in bytes: caches of files, and what the kernel frees later.
/// It is added to the limit of a call, together with what the kernel itself needs for one, so that no call gets less than was said.
const SLACK: u64 = 16 << 20;

/// The group of one cell.
#[derive(Debug)]
pub(super) struct Leaf {
    number: u32,
    /// Its last call did not end by itself: the counts of what was killed in it are no longer zero.
    spent: bool,
}

/// The leaves of a template.
#[derive(Debug)]
pub(super) struct Leaves {
    group: Group,
    /// Those that had a call, the longest rested first.
    resting: VecDeque<Leaf>,
    made: u32,
}

impl Leaves {
    /// Leaves in the group whose folder is open at `group`, which this takes over.
    ///
    /// # Errors
    /// When it is not open.
    pub(super) fn new(group: RawFd) -> Result<Self, Error> {
        let group = Group(own(group).step("use a control group")?);
        Ok(Self {
            group,
            resting: VecDeque::new(),
            made: 0,
        })
    }

    /// Returns a leaf with nothing in it: one that rested, or a new one.
    ///
    /// # Errors
    /// When the system refuses, or the group is gone.
    pub(super) fn take(&mut self) -> Result<Leaf, Error> {
        for _ in 0..self.resting.len() {
            let Some(leaf) = self.resting.pop_front() else {
                break;
            };
            if !self.group.is_empty(&leaf)? {
                self.resting.push_back(leaf);
            } else if leaf.spent || self.group.charged(&leaf)? > SLACK {
                self.group.remove(&leaf);
            } else {
                return Ok(leaf);
            }
        }
        self.made += 1;
        self.group.make(self.made)
    }

    /// Opens the folder of a leaf, for the process that is to be forked into it.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn open(&self, leaf: &Leaf) -> Result<OwnedFd, Error> {
        self.group.open(leaf)
    }

    /// Whether the limit of a leaf, and not the machine's memory, was why processes in it were killed.
    pub(super) fn ran_out(&self, leaf: &Leaf) -> bool {
        let events = self.group.read(leaf, "memory.events").unwrap_or_default();
        value(&events, "oom_kill") > 0 && value(&events, "oom") > 0
    }

    /// Keeps, in a cell, its own leaf alone.
    pub(super) fn into_place(self, leaf: Leaf) -> Place {
        Place {
            group: self.group,
            leaf,
        }
    }

    /// Lets the next call have the leaf of one that is over, by itself or not.
    pub(super) fn give_back(&mut self, mut leaf: Leaf, by_itself: bool) {
        leaf.spent = !by_itself;
        self.resting.push_back(leaf);
    }
}

/// Where a cell is.
#[derive(Debug)]
pub(super) struct Place {
    group: Group,
    leaf: Leaf,
}

impl Place {
    pub(super) const fn number(&self) -> u32 {
        self.leaf.number
    }

    /// Bounds what a call takes in all: the memory that `limits` leave to one process, and its scratch folder.
    pub(super) fn limit(&self, limits: &Limits) -> Result<(), Error> {
        let most = limits
            .memory_bytes
            .saturating_add(limits.scratch_bytes)
            .saturating_add(SLACK);
        self.group
            .write(&self.leaf, "memory.max", most.to_string().as_bytes())
            .step("limit the memory of a control group")
    }
}

/// The folder of a control group that has leaves.
#[derive(Debug)]
struct Group(OwnedFd);

impl Group {
    fn make(&self, number: u32) -> Result<Leaf, Error> {
        let leaf = Leaf {
            number,
            spent: false,
        };
        let step = "make a control group";
        mkdirat(&self.0, number.to_string().as_str(), Mode::S_IRWXU).step(step)?;
        self.write(&leaf, "pids.max", TASKS).step(step)?;
        // All processes of a call go together, so that the first one tells.
        self.write(&leaf, "memory.oom.group", b"1").step(step)?;
        match self.write(&leaf, "memory.swap.max", b"0") {
            Ok(()) | Err(Errno::ENOENT) => Ok(leaf), // a machine that accounts for no swap
            Err(errno) => Err(errno).step(step),
        }
    }

    fn open(&self, leaf: &Leaf) -> Result<OwnedFd, Error> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        openat(
            &self.0,
            leaf.number.to_string().as_str(),
            flags,
            Mode::empty(),
        )
        .step("open a control group")
    }

    fn is_empty(&self, leaf: &Leaf) -> Result<bool, Error> {
        let events = self.read(leaf, "cgroup.events");
        events
            .map(|events| events.lines().any(|line| line == "populated 0"))
            .step("look into a control group")
    }

    fn charged(&self, leaf: &Leaf) -> Result<u64, Error> {
        let bytes = self.read(leaf, "memory.current");
        bytes
            .map(|bytes| bytes.trim().parse().unwrap_or(u64::MAX))
            .step("look into a control group")
    }

    /// What stays in spite of this the runtime removes when the template has ended.
    fn remove(&self, leaf: &Leaf) {
        let _ = unlinkat(
            &self.0,
            leaf.number.to_string().as_str(),
            UnlinkatFlags::RemoveDir,
        );
    }

    fn read(&self, leaf: &Leaf, name: &str) -> Result<String, Errno> {
        let mut text = String::new();
        self.file(leaf, name, OFlag::O_RDONLY)?
            .read_to_string(&mut text)
            .map_err(|error| errno_of(&error))?;
        Ok(text)
    }

    fn write(&self, leaf: &Leaf, name: &str, text: &[u8]) -> Result<(), Errno> {
        self.file(leaf, name, OFlag::O_WRONLY)?
            .write_all(text)
            .map_err(|error| errno_of(&error))
    }

    fn file(&self, leaf: &Leaf, name: &str, flags: OFlag) -> Result<File, Errno> {
        let path = format!("{}/{name}", leaf.number);
        let flags = flags | OFlag::O_CLOEXEC;
        openat(&self.0, path.as_str(), flags, Mode::empty()).map(File::from)
    }
}

/// The number behind a name in a file of such lines; 0 if it is not there.
fn value(lines: &str, name: &str) -> u64 {
    lines
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(key, _)| *key == name)
        .and_then(|(_, number)| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
