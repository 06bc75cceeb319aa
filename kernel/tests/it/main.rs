//! The kernel's promises, seen from outside; replayed vectors stand in `tests/vectors.rs`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod attenuation;
mod budget;
mod change;
mod constraints;
mod contested;
mod decide;
mod json;
mod log;
mod permit;
mod redeem;
mod scope;
mod tree;
mod wire;
mod world;
