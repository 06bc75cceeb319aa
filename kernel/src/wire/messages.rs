//! Actions, verdicts, permits, and their answers.

use std::borrow::Cow;

use super::{Wire, positional};
use crate::codec::{Reader, Writer};
use crate::error::DecodeError;
use crate::tree::Hash;

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
        /// The argument bytes.
        args: &'a [u8],
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
        /// How many microseconds the call may run. This and what follows is not digested.
        wall_us: u64,
        /// How many bytes it may put out.
        output_bytes: u64,
        /// What it costs.
        cost: u64,
        /// Empty, or 32 bytes that hide the arguments behind their digest.
        salt: &'a [u8],
    }
}

impl Action<'_> {
    /// The fields that the actor vouches for; what is to be reserved is the gate's to say.
    const DIGESTED: usize = 10;

    /// Appends what the action's digest is over: its first ten fields with an empty proof, and with
    /// the digest of its arguments in their place.
    pub(crate) fn write_digested(&self, args_digest: &Hash, writer: &mut Writer) {
        writer.array(Self::DIGESTED);
        self.id.write(writer);
        self.actor.write(writer);
        self.kind.write(writer);
        self.tool.write(writer);
        writer.bytes(args_digest);
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
        /// Which kernel decided: a new one with the same key is another.
        instance: Cow<'a, [u8]>,
        /// Of a permit, whose approvals it rests on; of a denial for want of them, who may give them.
        approvers: Vec<&'a str>,
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
        /// The salt of their digest.
        salt: &'a [u8],
    }
}

positional! {
    /// What became of a call that was permitted.
    Settlement {
        /// Its verdict's.
        nonce: &'a [u8],
        /// Whether its permit was redeemed: what another redemption holds is not given back.
        redeemed: bool,
        /// Whether it started; one that did not has used nothing.
        started: bool,
        /// How many microseconds it ran.
        wall_us: u64,
        /// How many bytes it put out.
        output_bytes: u64,
        /// What it cost.
        cost: u64,
    }
}

positional! {
    /// The answer to a redemption; an empty code is a yes.
    Redeemed {
        /// Empty, or a refusal's code.
        code: Cow<'a, str>,
        /// Empty, or a refusal's sentence.
        sentence: Cow<'a, str>,
        /// Whether the call's end is to be settled.
        budgeted: bool,
    }
}
