//! Changes of the registry, and their answers.

use std::borrow::Cow;

use super::{Wire, positional};
use crate::codec::{Reader, Writer};
use crate::error::DecodeError;

positional! {
    /// What must hold of one argument of a call.
    Constraint {
        /// The argument's name.
        arg: &'a str,
        /// One of twelve operators.
        op: &'a str,
        /// What it is held against, as JSON.
        bound: &'a str,
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
        /// All of which must hold.
        constraints: Vec<Constraint<'a>>,
        /// `any`, `none`, or empty: `none` where there are constraints and else `any`.
        other_args: &'a str,
        /// How many calls it is good for, with all that is handed on from it; 2^63 - 1 is no limit.
        max_calls: u64,
        /// How many microseconds these may run in all.
        max_wall_us: u64,
        /// How many bytes these may put out in all.
        max_output_bytes: u64,
        /// What these may cost in all.
        max_cost: u64,
        /// Humans, one of whom has to approve each of these calls; none if nobody has.
        approvers: Vec<&'a str>,
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

positional! {
    /// Ends every grant of a holder.
    RevokeHolder {
        /// Who holds them.
        holder: &'a str,
        /// Their kind.
        holder_kind: &'a str,
    }
}

positional! {
    /// Ends every grant of a holder on one resource.
    RevokeHeld {
        /// Who holds them.
        holder: &'a str,
        /// Their kind.
        holder_kind: &'a str,
        /// The resource's type.
        rtype: &'a str,
        /// The resource's name.
        name: &'a str,
    }
}

positional! {
    /// Raises the epoch of one holder.
    AdvanceHolderEpoch {
        /// Whose.
        holder: &'a str,
        /// Their kind.
        holder_kind: &'a str,
        /// The new epoch, or 0 for one more.
        to: u64,
    }
}

positional! {
    /// Lets one action pass the grants that ask for a human's approval, once.
    Approve {
        /// That of the verdict that asked.
        instance: &'a [u8],
        /// That of the verdict that asked.
        action_digest: &'a [u8],
        /// Who approves.
        approver: &'a str,
        /// When it ends.
        expires_at: u64,
        /// Fresh bytes.
        nonce: &'a [u8],
        /// The approver's, over what stands before it.
        signature: &'a [u8],
    }
}

impl Approve<'_> {
    /// Appends what the signature is over.
    pub(crate) fn write_signed(&self, writer: &mut Writer) {
        writer.array(Self::FIELDS - 1);
        self.instance.write(writer);
        self.action_digest.write(writer);
        self.approver.write(writer);
        self.expires_at.write(writer);
        self.nonce.write(writer);
    }
}

/// Raises the epoch of all.
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
        /// The epoch after it: the holder's if one holder's was to rise, else the registry's.
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
    "revoke_holder" => RevokeHolder(RevokeHolder<'a>),
    "revoke_held" => RevokeHeld(RevokeHeld<'a>),
    "advance_epoch" => AdvanceEpoch(AdvanceEpoch),
    "advance_holder_epoch" => AdvanceHolderEpoch(AdvanceHolderEpoch<'a>),
    "approve" => Approve(Approve<'a>),
}
