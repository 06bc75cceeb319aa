//! Reading a log fast: a quick yes for the lines of which there are most.
//!
//! Nothing here says what is wrong with a line. What is not plainly right is left to the slow reader,
//! which knows every rule and every sentence; so this module may refuse, and must never accept, what
//! that one does not (`docs/log.md`, section 5).
//!
//! - `scan`: whole lines, their form, sums, places and kinds
//! - `intent`, `outcome`: the two kinds that grow with every call
//! - `text`: matching JSON in its canonical form

mod intent;
mod outcome;
mod scan;
mod text;

pub use intent::Intent;
pub use outcome::Outcome;
pub use scan::{Item, Scan, Seen, scan};
