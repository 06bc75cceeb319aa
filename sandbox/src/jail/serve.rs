//! What a template does for its calls: keeps cells armed, reaps them, says how they ended.
//!
//! Native code, and little of it: after each fork whatever memory this process writes to is copied, so that a loop in Python
//! costs half a fork again.
use std::collections::{BTreeMap, BTreeSet};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::sched_yield;
use nix::sys::prctl::set_no_new_privs;
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{MsgFlags, recv, send};
use nix::unistd::Pid;

use super::base::Base;
use super::cell::Scratch;
use super::handover::head;
use super::leaves::{Leaf, Leaves, Place};
use super::life::{NOT_ARMED, fail, live};
use super::told::Told;
use crate::error::{Error, Step};
use crate::sys::{Exit, Usage, block_signals, borrow, reap_used};
use crate::template::child_signals;
use crate::tree::count;

/// The template's own deadline comes this much after the runtime's, which is the one reported.
const SLACK: Duration = Duration::from_secs(2);

/// How often the processes of a call that may start programs are counted.
const TICK: Duration = Duration::from_millis(5);

/// How long a running call keeps a cell from being armed that is not urgent.
const BUSY: Duration = Duration::from_millis(10);

/// Why a call ended; the numbers of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Exited = 0,
    Crowded = 1,
    Late = 2,
    Memory = 3,
}

/// A child: which cell it is, and once it has a call, what that is held to.
#[derive(Debug)]
struct Child {
    number: u64,
    until: Option<Instant>,
    processes: usize,
    why: Why,
    leaf: Option<Leaf>,
}

/// Serves one runtime.
#[derive(Debug)]
pub struct Server<'a> {
    base: &'a Base,
    control: BorrowedFd<'a>,
    watched: Vec<BorrowedFd<'a>>,
    signals: SignalFd,
    target: usize,
    scratch: Scratch,
    leaves: Option<Leaves>,
    children: BTreeMap<i32, Child>,
    /// Cells that ended as if they could not be armed. One that gets its call has been: it is owed another.
    unarmed: BTreeSet<u64>,
    count: u64,
    armed: usize,
    owed: usize,
}

impl<'a> Server<'a> {
    /// Serves over the socket `control` until it hangs up or one of `watched`, pidfds, is readable; keeps `armed` cells,
    /// each with a scratch folder of `scratch_bytes`, and with a `group`, the open folder of a control group, which this takes over, in one
    /// of its own in there.
    ///
    /// # Errors
    /// When a descriptor is not open, or the system refuses.
    pub fn new(
        base: &'a Base,
        control: RawFd,
        watched: &[RawFd],
        armed: usize,
        scratch_bytes: u64,
        group: Option<RawFd>,
    ) -> Result<Self, Error> {
        block_signals(true).step("block signals")?;
        let watched: Result<Vec<_>, _> = watched.iter().map(|fd| borrow(*fd)).collect();
        Ok(Self {
            base,
            control: borrow(control).step("use the control socket")?,
            watched: watched.step("watch the runtime")?,
            signals: child_signals()?,
            target: armed,
            scratch: Scratch::new(scratch_bytes)?,
            leaves: group.map(Leaves::new).transpose()?,
            children: BTreeMap::new(),
            unarmed: BTreeSet::new(),
            count: 0,
            armed: 0,
            owed: armed,
        })
    }

    /// Returns a call, locked in, in each process that is to run one, and None when all is over. Each has done `rehearse`
    /// before it is armed; where that answers false there is no cell.
    ///
    /// # Errors
    /// When the system refuses what cannot be done without.
    pub fn serve(self, rehearse: impl FnOnce() -> bool) -> Result<Option<Told>, Error> {
        // In a cell that is locked its descriptors are closed, and none may be closed twice.
        ManuallyDrop::new(self).serve_on(rehearse)
    }

    fn serve_on(&mut self, rehearse: impl FnOnce() -> bool) -> Result<Option<Told>, Error> {
        set_no_new_privs().step("give up new privileges")?;
        self.base.filters.begin()?;
        loop {
            let [control, signals, over] = self.wait().step("wait for something to do")?;
            if signals {
                self.reap();
                // Whoever was told may go on before the next fork, should it have to run here.
                let _ = sched_yield();
            }
            if over || (control && !self.hear()) {
                return Ok(None);
            }
            self.look();
            let quiet = !(control || signals);
            if let Some((number, place)) = self.arm(quiet) {
                let told = live(
                    self.base,
                    self.control,
                    number,
                    &self.scratch,
                    place,
                    rehearse,
                );
                return Ok(Some(told));
            }
        }
    }

    fn wait(&self) -> Result<[bool; 3], Errno> {
        let mut fds = vec![
            PollFd::new(self.control, PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        fds.extend(
            self.watched
                .iter()
                .map(|fd| PollFd::new(*fd, PollFlags::POLLIN)),
        );
        match poll(&mut fds, self.patience()) {
            Ok(_) | Err(Errno::EINTR | Errno::EAGAIN | Errno::ENOMEM) => {}
            Err(errno) => return Err(errno),
        }
        let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(true));
        let (control, signals) = (ready.next().unwrap_or(true), ready.next().unwrap_or(true));
        Ok([control, signals, ready.any(|ready| ready)])
    }

    /// How long nothing needs to be looked at.
    fn patience(&self) -> PollTimeout {
        let busy = || self.children.values().filter_map(|child| child.until);
        let now = Instant::now();
        let time = if self.owed > 0 && (self.wanting() || self.idle()) {
            Some(Duration::ZERO)
        } else if self.children.values().any(|child| child.processes > 0) {
            Some(TICK)
        } else if self.owed > 0 {
            Some(BUSY)
        } else {
            busy()
                .min()
                .map(|until| until.saturating_duration_since(now) + Duration::from_millis(1))
        };
        time.map_or(PollTimeout::NONE, |time| {
            PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX)
        })
    }

    /// Whether so few cells are armed that the next calls may have to wait for one.
    const fn wanting(&self) -> bool {
        self.armed * 2 < self.target
    }

    /// Whether no call runs.
    fn idle(&self) -> bool {
        self.children.len() == self.armed
    }

    /// Arms what is owed, two at a time: what this process touches between forks is copied after each. A fork takes as long as a short
    /// call, so that the end of one is told first if enough are armed.
    fn arm(&mut self, quiet: bool) -> Option<(u64, Option<Place>)> {
        let now = match self.owed {
            0 => 0,
            _ if self.wanting() => self.owed.min(2),
            _ => usize::from(quiet || self.idle()),
        };
        (0..now).find_map(|_| self.fork())
    }

    /// Some in the child.
    fn fork(&mut self) -> Option<(u64, Option<Place>)> {
        self.count += 1;
        self.owed -= 1;
        let number = self.count;
        match self.fork_in_leaf() {
            Ok((0, leaf)) => {
                let leaves = self.leaves.take().zip(leaf);
                return Some((number, leaves.map(|(leaves, leaf)| leaves.into_place(leaf))));
            }
            Ok((pid, leaf)) => {
                self.armed += 1;
                let child = Child {
                    number,
                    until: None,
                    processes: 0,
                    why: Why::Exited,
                    leaf,
                };
                self.children.insert(pid, child);
            }
            Err(error) => {
                fail(self.control, number, error);
            }
        }
        None
    }

    /// Forks into a leaf of its own, if there are any.
    fn fork_in_leaf(&mut self) -> Result<(i32, Option<Leaf>), Error> {
        let Some(leaves) = &mut self.leaves else {
            return Ok((self.base.fork(None)?, None));
        };
        let leaf = leaves.take()?;
        let folder = leaves.open(&leaf)?;
        Ok((self.base.fork(Some(&folder))?, Some(leaf)))
    }

    /// Takes every message that is there; false when the runtime has hung up.
    fn hear(&mut self) -> bool {
        let mut message = [0; 20];
        loop {
            match recv(
                self.control.as_raw_fd(),
                &mut message,
                MsgFlags::MSG_DONTWAIT,
            ) {
                Ok(20) => self.taken(&message),
                Err(Errno::EAGAIN) => return true,
                Err(Errno::EINTR) => {}
                Ok(_) | Err(_) => return false,
            }
        }
    }

    /// A cell got its call: its number, the milliseconds of its deadline and its processes (0 for Python alone), little-endian.
    fn taken(&mut self, message: &[u8; 20]) {
        let [number, wall_ms, processes] = [0..8, 8..16, 16..20].map(|part| {
            let bytes = message.get(part).unwrap_or_default();
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        });
        let wall = Duration::from_millis(wall_ms) + SLACK;
        if let Some(child) = self
            .children
            .values_mut()
            .find(|child| child.number == number)
        {
            child.until = Some(Instant::now() + wall);
            child.processes = usize::try_from(processes).unwrap_or(usize::MAX);
            self.armed -= 1;
            self.owed += 1;
        } else if self.unarmed.remove(&number) {
            self.owed += 1;
        }
    }

    fn reap(&mut self) {
        while matches!(self.signals.read_signal(), Ok(Some(_))) {}
        while let Ok(Some((pid, exit, usage))) = reap_used() {
            let Some(mut child) = self.children.remove(&pid) else {
                continue;
            };
            self.vacate(&mut child, exit);
            self.say(&ended(&child, exit, usage));
            if child.until.is_none() {
                self.armed -= 1;
                if exit.code == NOT_ARMED {
                    self.unarmed.insert(child.number);
                } else {
                    self.owed += 1;
                }
            }
        }
    }

    /// Gives a leaf back; says so if it was the reason for the end.
    fn vacate(&mut self, child: &mut Child, exit: Exit) {
        let (Some(leaves), Some(leaf)) = (&mut self.leaves, child.leaf.take()) else {
            return;
        };
        let killed = exit.signal == Signal::SIGKILL as i32;
        if killed && child.why == Why::Exited && leaves.ran_out(&leaf) {
            child.why = Why::Memory;
        }
        leaves.give_back(leaf, exit == Exit::default());
    }

    /// Ends what is late, or has too many processes.
    fn look(&mut self) {
        let now = Instant::now();
        for (pid, child) in &mut self.children {
            let Some(until) = child.until else { continue };
            if child.why != Why::Exited {
                continue;
            }
            if now >= until {
                child.why = Why::Late;
            } else if child.processes > 0 && count(*pid, child.processes) >= child.processes {
                child.why = Why::Crowded;
            }
            if child.why != Why::Exited {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
        }
    }

    /// An unreachable runtime is no error: the end is near.
    fn say(&self, message: &[u8]) {
        let _ = send(self.control.as_raw_fd(), message, MsgFlags::MSG_NOSIGNAL);
    }
}

/// The message that a cell has ended: `E`, its number, why, exit code, signal, microseconds, bytes; little-endian, without gaps.
fn ended(child: &Child, exit: Exit, usage: Usage) -> Vec<u8> {
    let mut message = head(b'E', child.number);
    message.push(child.why as u8);
    message.extend(exit.code.to_le_bytes());
    message.extend(exit.signal.to_le_bytes());
    message.extend(usage.cpu_us.to_le_bytes());
    message.extend(usage.memory_bytes.to_le_bytes());
    message
}
