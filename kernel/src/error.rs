//! Why a call of the kernel gave no answer at all. A denial is an answer and stands elsewhere.

use thiserror::Error;

/// Bytes that are not the message that was asked for.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the bytes do not decode: at byte {at}, {expected} was expected")]
pub struct DecodeError {
    /// Where the first wrong item begins.
    pub at: usize,
    /// What should stand there.
    pub expected: &'static str,
}

/// Why an operation of the kernel was not carried out.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum KernelError {
    /// The caller's bytes are no such message.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A key, seed or entropy of the wrong length.
    #[error("`{field}` must have 32 bytes, not {length}")]
    Length {
        /// The argument's name.
        field: &'static str,
        /// The length it has.
        length: usize,
    },
    /// A number that leaves the range of the wire.
    #[error("`{0}` must be from 0 to 9223372036854775807")]
    Range(&'static str),
    /// A log's origin that cannot name a key in a signed note.
    #[error("`origin` must be printable ASCII without a space or a plus, and not empty")]
    Origin,
    /// A thread panicked while it held a lock: what the lock guards can no longer be trusted.
    #[error("the kernel failed earlier and decides nothing more; make a new one")]
    Poisoned,
}

/// Why `verify_json` gave no verdict.
#[derive(Debug, Error)]
pub enum JsonError {
    /// The text is not the object that section 7 of the rules asks for; the sentence names the field.
    #[error("{0}")]
    Text(String),
    /// The kernel did not decide.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}
