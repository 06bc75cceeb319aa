//! The jail: namespaces, a private root, Landlock and seccomp around one call.
//!
//! Two steps, so that what is slow is done before a call is known:
//!
//! * the template enters the [`Base`] once: namespaces of its own, in which it is root over nothing, and the root that its
//!   calls see. Then it keeps cells armed ([`Server`]);
//! * each of them is a process in a new pid namespace, which arms a `Cell`: a mount namespace and a scratch folder of its
//!   own. When the call is known, `Cell::lock` shows it the folders of its permit and gives up everything else.
//!
//! Nothing here falls back: a step that the system refuses is an error, and the process must end.

mod base;
mod cell;
mod denied;
mod filter;
mod grants;
mod handover;
mod leaves;
mod life;
mod mounts;
mod rules;
mod serve;
mod syscalls;
mod told;

pub use base::{Base, Shown, divide};
pub use denied::{Denied, denied};
pub use filter::{Kind, keep};
pub use grants::Grant;
pub use rules::{Access, landlock_abi};
pub use serve::Server;
pub use told::{Folder, Told};

/// Whether a cell can be forked into a control group here.
#[must_use]
pub fn forks_into_groups() -> bool {
    crate::sys::has_clone3()
}
