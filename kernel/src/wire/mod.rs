//! What crosses into the kernel and back; the same structs stand in `authgate_async/wire.py`.
//!
//! Each struct is an array of its fields in order. Reading borrows from the input.
//!
//! - `messages`: actions, verdicts, permits
//! - `changes`: what alters the registry

mod changes;
mod messages;

use std::borrow::Cow;

use crate::codec::{Reader, Writer};
use crate::error::DecodeError;

pub use changes::{
    AdvanceEpoch, AdvanceHolderEpoch, Approve, Change, Changed, Constraint, Declare, Delegate,
    Enrol, Grant, Own, Register, Revoke, RevokeHeld, RevokeHolder,
};
pub use messages::{
    Action, Finding, Redeemed, Redemption, Request, Settlement, SignedVerdict, Verdict,
};

/// Something that has a place on the wire.
pub trait Wire<'a>: Sized {
    /// Reads one.
    ///
    /// # Errors
    /// When the bytes are not one.
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Appends its canonical encoding.
    fn write(&self, writer: &mut Writer);
}

/// Decodes the whole of `bytes`.
///
/// # Errors
/// When the bytes are anything but the canonical encoding of `T`.
pub fn decode<'a, T: Wire<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = T::read(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Encodes canonically.
pub fn encode<'a, T: Wire<'a>>(value: &T) -> Vec<u8> {
    let mut writer = Writer::default();
    value.write(&mut writer);
    writer.out
}

macro_rules! primitive {
    ($type:ty, $read:ident, $write:ident, |$value:ident| $out:expr) => {
        impl<'a> Wire<'a> for $type {
            fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                Ok(reader.$read()?.into())
            }
            fn write(&self, writer: &mut Writer) {
                let $value = self;
                writer.$write($out);
            }
        }
    };
}
primitive!(&'a str, text, text, |value| value);
primitive!(Cow<'a, str>, text, text, |value| value);
primitive!(&'a [u8], bytes, bytes, |value| value);
primitive!(Cow<'a, [u8]>, bytes, bytes, |value| value);
primitive!(u64, int, int, |value| *value);
primitive!(bool, boolean, boolean, |value| *value);

impl<'a, T: Wire<'a>> Wire<'a> for Vec<T> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        (0..reader.array()?).map(|_| T::read(reader)).collect()
    }
    fn write(&self, writer: &mut Writer) {
        writer.array(self.len());
        for item in self {
            item.write(writer);
        }
    }
}

impl<'a, A: Wire<'a>, B: Wire<'a>> Wire<'a> for (A, B) {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.fields(2)?;
        Ok((A::read(reader)?, B::read(reader)?))
    }
    fn write(&self, writer: &mut Writer) {
        writer.array(2);
        self.0.write(writer);
        self.1.write(writer);
    }
}

macro_rules! positional {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $name<'a> { $($(#[$field_doc])* pub $field: $type,)* }

        impl<'a> $name<'a> {
            const FIELDS: usize = [$(stringify!($field)),*].len();

            fn read_fields(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                $(let $field = Wire::read(reader)?;)*
                Ok(Self { $($field),* })
            }
            fn write_fields(&self, writer: &mut Writer) {
                $(self.$field.write(writer);)*
            }
        }

        impl<'a> Wire<'a> for $name<'a> {
            fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                reader.fields(Self::FIELDS)?;
                Self::read_fields(reader)
            }
            fn write(&self, writer: &mut Writer) {
                writer.array(Self::FIELDS);
                self.write_fields(writer);
            }
        }
    };
}
use positional;
