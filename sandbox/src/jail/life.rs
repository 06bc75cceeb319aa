//! A cell from its fork to the moment when its tool may run.
//!
//! Native code alone: a page that an interpreter touches between fork and lock is copied for each call.
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use nix::unistd::close;

use super::base::Base;
use super::cell::{Cell, Scratch};
use super::handover::{Waiting, head};
use super::leaves::Place;
use super::told::Told;
use crate::error::{Error, Step};
use crate::sys::exit;

/// A cell exits with it if it could not be armed. It is not tried again: the runtime was told.
pub(super) const NOT_ARMED: i32 = 71;

/// A cell exits with it if the jail did not close around it; its tool did not run.
const NOT_CONFINED: i32 = 72;

/// Arms this process, which was just forked, tells the runtime, waits for the call, and locks it in. Ends the process when there
/// is no call, and when a step fails, of which the runtime is told. What `rehearse` writes to, a step too, need not be copied
/// once the call is there.
pub(super) fn live(
    base: &Base,
    control: BorrowedFd<'_>,
    number: u64,
    scratch: &Scratch,
    place: Option<Place>,
    rehearse: impl FnOnce() -> bool,
) -> Told {
    let leaf = place.as_ref().map(Place::number);
    let (cell, waiting) = match arm(base, control, number, leaf, scratch, rehearse) {
        Ok(armed) => armed,
        Err(error) => {
            fail(control, number, error);
            exit(NOT_ARMED)
        }
    };
    // Where this succeeds every number but four is closed, and none may be closed twice.
    let waiting = ManuallyDrop::new(waiting);
    match lock(base, cell, control, place, &waiting) {
        Ok(Some(told)) => told,
        Ok(None) => exit(0),
        Err(error) => {
            let _ = waiting.refuse(error);
            exit(NOT_CONFINED)
        }
    }
}

/// Tells the runtime that a cell cannot be had. An unreachable runtime is no error: the end is near.
pub(super) fn fail(control: BorrowedFd<'_>, number: u64, error: Error) {
    let mut message = head(b'F', number);
    message.extend(error.to_string().into_bytes());
    let _ = send(control.as_raw_fd(), &message, MsgFlags::MSG_NOSIGNAL);
}

fn arm(
    base: &Base,
    control: BorrowedFd<'_>,
    number: u64,
    leaf: Option<u32>,
    scratch: &Scratch,
    rehearse: impl FnOnce() -> bool,
) -> Result<(Cell, Waiting), Error> {
    let cell = Cell::arm(base, scratch)?;
    let rehearsed = rehearse().then_some(()).ok_or(Errno::ECANCELED);
    rehearsed.step("go through a call ahead of it")?;
    let mut message = head(b'A', number);
    message.extend(leaf.iter().flat_map(|leaf| leaf.to_le_bytes()));
    let waiting = Waiting::announce(control.as_raw_fd(), &message)?;
    Ok((cell, waiting))
}

fn lock(
    base: &Base,
    cell: Cell,
    control: BorrowedFd<'_>,
    place: Option<Place>,
    waiting: &Waiting,
) -> Result<Option<Told>, Error> {
    // No call may speak to the runtime in the template's name.
    close(control.as_raw_fd()).step("let go of the control socket")?;
    let Some(bytes) = waiting.wait()? else {
        return Ok(None);
    };
    let told = Told::read(&bytes).step("read a call")?;
    if told.kind != base.filters.kind {
        return Err(Errno::EPERM).step("run a call of another kind");
    }
    if let Some(place) = place {
        place.limit(&told.limits)?;
    }
    cell.lock(base, &told.grants(), waiting.streams(), &told.limits)?;
    Ok(Some(told))
}
