//! The one error of this crate.
use std::fmt;

use nix::errno::Errno;

/// A step of the set-up that the system refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// What was tried, in words that fit after "cannot".
    pub what: &'static str,
    /// The system's answer.
    pub errno: Errno,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.what, self.errno.desc())
    }
}

impl std::error::Error for Error {}

/// Names the step that failed.
pub(crate) trait Step<T> {
    /// Turns the system's answer into an [`Error`].
    fn step(self, what: &'static str) -> Result<T, Error>;
}

impl<T> Step<T> for Result<T, Errno> {
    fn step(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|errno| Error { what, errno })
    }
}

impl<T> Step<T> for std::io::Result<T> {
    fn step(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|error| errno_of(&error)).step(what)
    }
}

/// The system's answer in an error of the standard library.
pub(crate) fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
