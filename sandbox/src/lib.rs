//! Process confinement: what a call's processes may use, and that none of them outlives the call.
//!
//! Three kinds of process use this crate, each through the binding:
//!
//! * the *template* ([`harden`], [`signals`], [`sweep`], in a jail [`freeze`]) is warm, forks wardens and holds no secret;
//! * the *warden* ([`lead`], [`Duty`]) forks one body, watches its process tree and ends all of it;
//! * the *body* ([`confine`]) gives up what it does not need runs the tool and hands back what came of it ([`hand_back`]).
//!
//! The trees are found through `/proc/PID/task/TID/children` and orphans come back through
//! `PR_SET_CHILD_SUBREAPER`, so nothing here needs a privilege.
#![cfg(target_os = "linux")]
#![deny(unsafe_code)]

mod confine;
mod ending;
mod error;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub mod jail;
mod limits;
mod memory;
mod scratch;
mod sys;
mod template;
mod tree;
mod warden;

pub use confine::{Streams, confine};
pub use ending::hand_back;
pub use error::Error;
pub use limits::Limits;
pub use memory::freeze;
pub use scratch::remove_tree;
pub use template::{harden, signals, sweep};
pub use tree::{children, count, kill_below};
pub use warden::{Duty, Report, Why, lead};
