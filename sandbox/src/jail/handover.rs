//! How the runtime gets hold of an armed cell, and how the cell gets its call.
use std::fs::File;
use std::io::{IoSlice, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::uio::pwrite;
use nix::unistd::{ftruncate, getpid, pipe2, read};

use crate::confine::Streams;
use crate::error::{Error, Step};
use crate::sys::pidfd_open;

/// The start of a message: its kind, and the number of its cell.
pub(super) fn head(kind: u8, number: u64) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend(number.to_le_bytes());
    message
}

/// An armed cell that waits for its call.
#[derive(Debug)]
pub(super) struct Waiting {
    order: OwnedFd,
    said: OwnedFd,
    pipes: [OwnedFd; 3],
}

impl Waiting {
    /// Sends `message` over the control socket, and with it, in this order: a pidfd of this process, a pipe for one byte that says
    /// that there is a call, a file in memory for the call itself, and the read ends of stdout, stderr and result. None of the
    /// pipes blocks.
    pub(super) fn announce(control: RawFd, message: &[u8]) -> Result<Self, Error> {
        let step = "announce a cell";
        let pipe = || pipe2(OFlag::O_CLOEXEC).step(step);
        let (order, stdout, stderr, result) = (pipe()?, pipe()?, pipe()?, pipe()?);
        for theirs in [&order.1, &stdout.0, &stderr.0, &result.0] {
            fcntl(theirs, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).step(step)?;
        }
        let said = memfd_create(c"authgate-call", MFdFlags::MFD_CLOEXEC).step(step)?;
        let itself = pidfd_open(getpid().as_raw()).step(step)?;
        let handed = [&itself, &order.1, &said, &stdout.0, &stderr.0, &result.0];
        let handed = handed.map(AsRawFd::as_raw_fd);
        sendmsg::<()>(
            control,
            &[IoSlice::new(message)],
            &[ControlMessage::ScmRights(&handed)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
        .step(step)?;
        Ok(Self {
            order: order.0,
            said,
            pipes: [stdout.1, stderr.1, result.1],
        })
    }

    /// Waits for the call and returns what it says; None if there will be none.
    pub(super) fn wait(&self) -> Result<Option<Vec<u8>>, Error> {
        let step = "receive a call";
        let mut byte = [0];
        let count = loop {
            match read(&self.order, &mut byte) {
                Err(Errno::EINTR) => {}
                other => break other.step(step)?,
            }
        };
        if count == 0 {
            return Ok(None);
        }
        let mut said = Vec::new();
        self.said
            .try_clone()
            .and_then(|file| File::from(file).read_to_end(&mut said))
            .step(step)?;
        Ok(Some(said))
    }

    /// Leaves word for the runtime that the call was not locked in, after an `S`. It lies where no tool can write.
    pub(super) fn refuse(&self, error: Error) -> Result<(), Error> {
        let word = format!("S{error}");
        ftruncate(&self.said, 0)
            .and_then(|()| pwrite(&self.said, word.as_bytes(), 0))
            .map(drop)
            .step("say why a call was not locked in")
    }

    /// The write ends of the call's pipes.
    pub(super) fn streams(&self) -> Streams {
        let [stdout, stderr, result] = self.pipes.each_ref().map(AsRawFd::as_raw_fd);
        Streams {
            stdout,
            stderr,
            result,
        }
    }
}
