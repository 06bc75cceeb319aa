//! Resource limits of one process.
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::sysinfo::sysinfo;

use crate::error::{Error, Step};

/// How many tasks beyond its allowance an ordinary user's bomb can make between two looks of the warden.
const NPROC_SLACK: u64 = 512;

/// What one process may use. Each becomes both soft and hard limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// CPU time in seconds; SIGKILL at the end of it.
    pub cpu_seconds: u64,
    /// Address space in bytes.
    pub memory_bytes: u64,
    /// The largest file it may write, in bytes.
    pub file_bytes: u64,
    /// Open descriptors.
    pub open_files: u64,
    /// What the scratch folder of a call holds, in bytes; only a jail has one of its own.
    pub scratch_bytes: u64,
    /// Processes of the whole call. The warden holds the call to it; here it only bounds a bomb.
    pub processes: u64,
}

impl Limits {
    /// Binds this process and all that it starts.
    ///
    /// `RLIMIT_NPROC` counts all tasks of a user, so the allowance goes on top of what the machine runs now:
    /// it never binds because of others, and it does not bind root at all.
    ///
    /// # Errors
    /// When the system refuses one of them.
    pub fn apply(&self) -> Result<(), Error> {
        let tasks = sysinfo()
            .step("count the tasks of this machine")?
            .process_count();
        let nproc = u64::from(tasks)
            .saturating_add(self.processes)
            .saturating_add(NPROC_SLACK);
        set(Resource::RLIMIT_CPU, self.cpu_seconds, "limit CPU time")?;
        set(Resource::RLIMIT_FSIZE, self.file_bytes, "limit file size")?;
        set(Resource::RLIMIT_CORE, 0, "forbid core files")?;
        set(Resource::RLIMIT_NOFILE, self.open_files, "limit open files")?;
        set(Resource::RLIMIT_NPROC, nproc, "limit processes")?;
        set(Resource::RLIMIT_AS, self.memory_bytes, "limit memory")
    }
}

/// Never asks for more than the process may have: a limit that is already tighter stays.
fn set(resource: Resource, value: u64, what: &'static str) -> Result<(), Error> {
    let (_, hard) = nix::sys::resource::getrlimit(resource).step(what)?;
    let value = value.min(hard);
    setrlimit(resource, value, value).step(what)
}
