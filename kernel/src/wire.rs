//! What crosses into the kernel and back; the same structs stand in `authgate_async/wire.py`.
//!
//! Each struct is an array of its fields in order. Reading borrows from the input.

use std::borrow::Cow;

use crate::codec::{Reader, Writer};
use crate::error::DecodeError;

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

positional! {
    /// One resource and one right that an action asks for.
    Request {
        /// The resource's type.
        rtype: &'a str,
        /// The resource's name within its type.
        name: &'a str,
        /// The part of the resource.
        scope: &'a str,
        /// One bit of the rights.
        right: u64,
    }
}

positional! {
    /// One tool call that somebody wants to make.
    Action {
        /// Unique.
        id: &'a str,
        /// The actor's name.
        actor: &'a str,
        /// `human` or `machine`.
        kind: &'a str,
        /// The tool's name.
        tool: &'a str,
        /// SHA-256 of the argument bytes.
        args_digest: Cow<'a, [u8]>,
        /// What it needs.
        requests: Vec<Request<'a>>,
        /// Humans that it would govern.
        governs_humans: Vec<&'a str>,
        /// Forbidden flags that are set.
        flags: u64,
        /// The least epoch of a grant that may justify it.
        min_epoch: u64,
        /// Empty, or a signature over the statement.
        proof: &'a [u8],
    }
}

impl Action<'_> {
    /// Appends the encoding of this action with an empty proof: what its digest is over.
    pub(crate) fn write_unproven(&self, writer: &mut Writer) {
        writer.array(Self::FIELDS);
        self.id.write(writer);
        self.actor.write(writer);
        self.kind.write(writer);
        self.tool.write(writer);
        self.args_digest.write(writer);
        self.requests.write(writer);
        self.governs_humans.write(writer);
        self.flags.write(writer);
        self.min_epoch.write(writer);
        writer.bytes(&[]);
    }
}

/// A code and its sentence.
pub type Finding<'a> = (&'a str, Cow<'a, str>);

positional! {
    /// What was decided about one action; its encoding is what is signed.
    Verdict {
        /// The action's id.
        action_id: &'a str,
        /// The action's digest.
        action_digest: Cow<'a, [u8]>,
        /// The action's actor.
        actor: &'a str,
        /// The actor's kind.
        kind: &'a str,
        /// The action's tool.
        tool: &'a str,
        /// The action's argument digest.
        args_digest: Cow<'a, [u8]>,
        /// The action's requests.
        requests: Vec<Request<'a>>,
        /// The decision.
        permitted: bool,
        /// Why not.
        violations: Vec<Finding<'a>>,
        /// What to look at all the same.
        warnings: Vec<Finding<'a>>,
        /// In parts per million.
        confidence: u64,
        /// A human should arbitrate.
        requires_human_arbitration: bool,
        /// For each request, the grants that justify it.
        chains: Vec<Vec<&'a str>>,
        /// The registry's epoch.
        epoch: u64,
        /// Unique.
        nonce: Cow<'a, [u8]>,
        /// When it was decided.
        issued_at: u64,
        /// When it ends.
        expires_at: u64,
    }
}

positional! {
    /// A verdict with its proof.
    SignedVerdict {
        /// The encoded verdict.
        verdict: &'a [u8],
        /// Its leaf.
        index: u64,
        /// The number of leaves.
        size: u64,
        /// The inclusion path.
        path: Cow<'a, [u8]>,
        /// Over the batch statement.
        signature: Cow<'a, [u8]>,
    }
}

positional! {
    /// A permit about to be used.
    Redemption {
        /// An encoded signed verdict.
        permit: &'a [u8],
        /// The tool that it is used for.
        tool: &'a str,
        /// The argument bytes that it is used for.
        args: &'a [u8],
    }
}

positional! {
    /// The answer to a redemption; an empty code is a yes.
    Redeemed {
        /// Empty, or a refusal's code.
        code: Cow<'a, str>,
        /// Empty, or a refusal's sentence.
        sentence: Cow<'a, str>,
    }
}

positional! {
    /// A capability.
    Grant {
        /// Unique.
        id: &'a str,
        /// Who holds it.
        holder: &'a str,
        /// The holder's kind.
        holder_kind: &'a str,
        /// The resource's type.
        rtype: &'a str,
        /// The resource's name.
        name: &'a str,
        /// The part of the resource.
        scope: &'a str,
        /// One bit a right.
        rights: u64,
        /// In parts per million.
        confidence: u64,
        /// Microseconds; 0 is never.
        expires_at: u64,
        /// Its epoch.
        epoch: u64,
        /// Empty for a root.
        parent: &'a str,
        /// Reaches other trust domains.
        cross_domain: bool,
    }
}

positional! {
    /// Makes a principal known.
    Enrol {
        /// Its name.
        name: &'a str,
        /// `human` or `machine`.
        kind: &'a str,
        /// Empty or an Ed25519 key.
        key: &'a [u8],
        /// May be empty.
        trust_domain: &'a str,
    }
}

positional! {
    /// Names the human who answers for a machine.
    Own {
        /// The machine.
        machine: &'a str,
        /// The human.
        owner: &'a str,
    }
}

positional! {
    /// Makes a resource's nature known.
    Declare {
        /// Its type.
        rtype: &'a str,
        /// Its name.
        name: &'a str,
        /// Anybody may read.
        public: bool,
        /// May be empty.
        trust_domain: &'a str,
    }
}

positional! {
    /// Enters a grant as the operator wrote it.
    Register {
        /// The grant.
        grant: Grant<'a>,
    }
}

positional! {
    /// Enters a grant that a holder hands on.
    Delegate {
        /// The grant.
        grant: Grant<'a>,
        /// Who hands it on.
        by: &'a str,
        /// Their kind.
        by_kind: &'a str,
    }
}

positional! {
    /// Ends a grant.
    Revoke {
        /// The grant's id.
        grant_id: &'a str,
    }
}

/// Raises the epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AdvanceEpoch {
    /// The new epoch, or 0 for one more.
    pub to: u64,
}

impl AdvanceEpoch {
    const FIELDS: usize = 1;

    fn read_fields(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { to: reader.int()? })
    }
    fn write_fields(self, writer: &mut Writer) {
        writer.int(self.to);
    }
}

positional! {
    /// What became of one change; an empty code means done.
    Changed {
        /// Empty, or a refusal's code.
        code: Cow<'a, str>,
        /// Empty, or a refusal's sentence.
        sentence: Cow<'a, str>,
        /// The registry's epoch after it.
        epoch: u64,
    }
}

macro_rules! tagged {
    ($($tag:literal => $variant:ident($type:ty),)*) => {
        /// A change of the registry: an array that begins with the change's tag.
        #[derive(Clone, Debug, Eq, PartialEq)]
        #[expect(missing_docs, reason = "each variant is named as the struct that it holds")]
        pub enum Change<'a> { $($variant($type),)* }

        impl<'a> Wire<'a> for Change<'a> {
            fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                let start = reader.at();
                let length = reader.array()?;
                let change = match reader.text()? {
                    $($tag => {
                        (length == <$type>::FIELDS + 1).then(|| <$type>::read_fields(reader))
                            .map(|fields| fields.map(Self::$variant))
                    })*
                    _ => None,
                };
                change.unwrap_or(Err(DecodeError { at: start, expected: "a change" }))
            }
            fn write(&self, writer: &mut Writer) {
                match self {
                    $(Self::$variant(change) => {
                        writer.array(<$type>::FIELDS + 1);
                        writer.text($tag);
                        change.write_fields(writer);
                    })*
                }
            }
        }
    };
}
tagged! {
    "enrol" => Enrol(Enrol<'a>),
    "own" => Own(Own<'a>),
    "declare" => Declare(Declare<'a>),
    "register" => Register(Register<'a>),
    "delegate" => Delegate(Delegate<'a>),
    "revoke" => Revoke(Revoke<'a>),
    "advance_epoch" => AdvanceEpoch(AdvanceEpoch),
}
