//! The decision engine.
#![forbid(unsafe_code)]
