//! The decision engine: given a registry, an action and a moment, it permits or denies, and signs.
//!
//! The rules stand in `docs/rules.md`. No I/O, no clock, no global, no ambient randomness: time, keys
//! and entropy are arguments, so that equal inputs give equal bytes.
//!
//! | module | what it does |
//! |---|---|
//! | `kernel` | the door: decide, redeem, change; owns the locks |
//! | `ahead` | looks up what a batch asks about, before it is judged |
//! | `decide` | one action through every rule |
//! | `rules` | the rules, a file each |
//! | `approval` | what humans approved, each good once |
//! | `budget` | what grants may use in all, and what is used |
//! | `chain` | delegation chains and their faults |
//! | `constraints` | what a grant says about arguments |
//! | `scope` | which scope covers which |
//! | `registry` | what is known, indexed by hash |
//! | `permit` | signs batches; the only place that verifies a permit |
//! | `redeem` | used nonces, verified roots |
//! | `standing` | whether a permit's ground is still there |
//! | `log` | a quick yes for the lines of a log of which there are most |
//! | `tree` | RFC 6962 trees, whole or growing, and RFC 9162 verification |
//! | `signing` | statements and strict Ed25519 |
//! | `wire`, `codec` | the messages, as `MessagePack` arrays |
//! | `codes`, `words`, `error` | codes, phrases, errors |
//! | `json` | `verify_json`, for other languages |
#![forbid(unsafe_code)]

mod ahead;
mod approval;
mod budget;
mod chain;
pub mod codec;
pub mod codes;
mod constraints;
mod decide;
pub mod error;
mod json;
mod kernel;
pub mod log;
mod permit;
mod redeem;
mod registry;
mod rules;
pub mod scope;
pub mod signing;
mod standing;
pub mod tree;
pub mod wire;
mod words;

pub use error::{DecodeError, JsonError, KernelError};
pub use json::verify_json;
pub use kernel::Kernel;
pub use permit::{verify_checkpoint, verify_signed};
