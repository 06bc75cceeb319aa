//! The warden: one small process per call that outlives the body and nothing else.
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::{set_child_subreaper, set_pdeathsig};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::sys::time::TimeValLike;
use nix::unistd::{Pid, getpid, setsid};

use crate::error::{Error, Step};
use crate::sys::{Exit, block_signals, close_except, own, reap};
use crate::template::child_signals;
use crate::tree::{count, kill_below, parse};

/// How often the warden looks at the size of the tree. A look at a lone body is three system calls.
const TICK: Duration = Duration::from_millis(5);

/// How long the warden waits between two walks over a tree that is dying.
const AGAIN: Duration = Duration::from_millis(1);

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The body ended by itself.
    Exited = 0,
    /// The tree had more processes than allowed.
    Crowded = 1,
    /// The warden's own deadline passed.
    Late = 2,
    /// The runtime ordered it, or is gone.
    Ordered = 3,
    /// The template is gone.
    Abandoned = 4,
}

/// How a call ended: sent when every process of it is dead and reaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// What ended it.
    pub why: Why,
    /// The body's exit status; 0 after a signal.
    pub code: i32,
    /// The signal that ended the body, or 0.
    pub signal: i32,
    /// CPU time of the tree, in microseconds.
    pub cpu_us: u64,
    /// Resident memory of its largest process, in bytes.
    pub memory_bytes: u64,
}

impl Report {
    /// The message on the status socket: `E`, the cause, then the other fields in little-endian order, without gaps.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![b'E', self.why as u8];
        bytes.extend_from_slice(&self.code.to_le_bytes());
        bytes.extend_from_slice(&self.signal.to_le_bytes());
        bytes.extend_from_slice(&self.cpu_us.to_le_bytes());
        bytes.extend_from_slice(&self.memory_bytes.to_le_bytes());
        bytes
    }
}

/// Makes this process, just forked by the template, the leader of a session and the parent of all orphans below it.
///
/// If a body stops it and the template then dies, nobody is left who could let it go on: the kernel does.
///
/// # Errors
/// When the system refuses.
pub fn lead() -> Result<(), Error> {
    setsid().step("start a session")?;
    set_pdeathsig(Signal::SIGCONT).step("ask to be woken")?;
    set_child_subreaper(true).step("adopt orphans")
}

/// What one warden has to watch.
#[derive(Debug)]
pub struct Duty {
    status: OwnedFd,
    runtime: OwnedFd,
    template: OwnedFd,
    signals: SignalFd,
    body: Pid,
    processes: usize,
    until: Instant,
}

impl Duty {
    /// Takes over the status socket and the pidfds of runtime and template, and closes every other descriptor
    /// above the standard three.
    ///
    /// # Errors
    /// When a descriptor is not open or the system refuses.
    pub fn new(
        fds: (RawFd, RawFd, RawFd),
        body: i32,
        processes: usize,
        wall: Duration,
    ) -> Result<Self, Error> {
        close_except(&mut [0, 1, 2, fds.0, fds.1, fds.2]).step("close what is not needed")?;
        Self::watching(fds, body, processes, wall)
    }

    /// Does as [`Duty::new`], but leaves the other descriptors open: for a process that is more than a warden.
    ///
    /// # Errors
    /// When a descriptor is not open or the system refuses.
    pub fn watching(
        fds: (RawFd, RawFd, RawFd),
        body: i32,
        processes: usize,
        wall: Duration,
    ) -> Result<Self, Error> {
        block_signals(true).step("block signals")?;
        Ok(Self {
            status: own(fds.0).step("use the status socket")?,
            runtime: own(fds.1).step("watch the runtime")?,
            template: own(fds.2).step("watch the template")?,
            signals: child_signals()?,
            body: Pid::from_raw(body),
            processes,
            until: Instant::now() + wall,
        })
    }

    /// Says that the body runs, waits for its end, ends everything below this process and reports.
    ///
    /// The answer is the report that was sent. An unreachable runtime is no error: it is gone, and so is the tree.
    #[must_use]
    pub fn run(&self) -> Report {
        self.say(b"H");
        let mut ended = None;
        let why = self.watch(&mut ended);
        self.end(&mut ended);
        let report = report(why, ended);
        self.say(&report.encode());
        report
    }

    fn watch(&self, ended: &mut Option<Exit>) -> Why {
        let pulse = Pulse::new(self.body);
        loop {
            let childless = self.reap(ended);
            if ended.is_some() {
                let crowd =
                    !childless && count(getpid().as_raw(), self.processes) >= self.processes;
                return if crowd { Why::Crowded } else { Why::Exited };
            }
            if pulse.crowded(self.processes) {
                return Why::Crowded;
            }
            if Instant::now() >= self.until {
                return Why::Late;
            }
            if let Some(why) = self.wait(TICK) {
                return why;
            }
        }
    }

    /// Sleeps until a child changes state, or an order to stop arrives.
    fn wait(&self, time: Duration) -> Option<Why> {
        let mut fds = [
            PollFd::new(self.status.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.runtime.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.template.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::ZERO);
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR | Errno::EAGAIN | Errno::ENOMEM) => {}
            Err(_) => return Some(Why::Ordered),
        }
        let [status, runtime, template, _] = fds.map(|fd| fd.any().unwrap_or(true));
        if status || runtime {
            return Some(Why::Ordered);
        }
        template.then_some(Why::Abandoned)
    }

    /// Kills and reaps until this process has no child, however they try to get away.
    fn end(&self, ended: &mut Option<Exit>) {
        while !self.reap(ended) {
            kill_below(getpid().as_raw());
            if self.reap(ended) {
                return;
            }
            let mut fds = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            let _ = poll(
                &mut fds,
                PollTimeout::try_from(AGAIN).unwrap_or(PollTimeout::ZERO),
            );
        }
    }

    /// Reaps what is dead; true when there is no child at all.
    fn reap(&self, ended: &mut Option<Exit>) -> bool {
        while matches!(self.signals.read_signal(), Ok(Some(_))) {}
        loop {
            match reap(-1) {
                Ok(None) => return false,
                Ok(Some((pid, exit))) if pid == self.body.as_raw() => *ended = Some(exit),
                Ok(Some(_)) | Err(Errno::EINTR) => {}
                Err(_) => return true,
            }
        }
    }

    fn say(&self, message: &[u8]) {
        use nix::sys::socket::{MsgFlags, send};
        let _ = send(
            self.status.as_raw_fd(),
            message,
            MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT,
        );
    }
}

fn report(why: Why, ended: Option<Exit>) -> Report {
    let Exit { code, signal } = ended.unwrap_or_default();
    let (cpu_us, memory_bytes) = usage().unwrap_or_default();
    Report {
        why,
        code,
        signal,
        cpu_us,
        memory_bytes,
    }
}

/// CPU time and peak memory of all that this process has reaped, and of all that they had reaped.
fn usage() -> Option<(u64, u64)> {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    let cpu = used.user_time().num_microseconds() + used.system_time().num_microseconds();
    Some((
        u64::try_from(cpu).ok()?,
        u64::try_from(used.max_rss()).ok()?.saturating_mul(1024),
    ))
}

/// A cheap look at a tree that is nearly always one process with one thread.
struct Pulse {
    own: Option<File>,
    below: Option<File>,
    tasks: String,
    body: i32,
}

impl Pulse {
    fn new(body: Pid) -> Self {
        let open = |pid: i32| File::open(format!("/proc/{pid}/task/{pid}/children")).ok();
        Self {
            own: open(getpid().as_raw()),
            below: open(body.as_raw()),
            tasks: format!("/proc/{body}/task"),
            body: body.as_raw(),
        }
    }

    fn crowded(&self, limit: usize) -> bool {
        let alone = limit > 0 && self.alone().unwrap_or(false);
        !alone && count(getpid().as_raw(), limit) > limit
    }

    /// Whether the body is the only child of this process, has no child and one thread (a `task` folder has two
    /// links more than there are threads). None when that cannot be told.
    fn alone(&self) -> Option<bool> {
        let mut buffer = [0; 64];
        let below = self.below.as_ref()?.read_at(&mut buffer, 0).ok()?;
        if below > 0 || std::fs::metadata(&self.tasks).ok()?.nlink() != 3 {
            return Some(false);
        }
        let own = self.own.as_ref()?.read_at(&mut buffer, 0).ok()?;
        let line = std::str::from_utf8(buffer.get(..own)?).ok()?;
        Some(parse(line).eq([self.body]))
    }
}
