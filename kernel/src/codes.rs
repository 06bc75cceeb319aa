//! Every code that leaves the kernel, and the names of the flags. Codes are stable.

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them, in the order in which they are checked.
            pub const ALL: &'static [&'static str] = &[$($text),*];

            /// The code on the wire.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

codes! {
    /// Why an action is denied.
    Denial {
        /// A field is not well formed.
        Malformed = "malformed",
        /// A forbidden flag is set.
        ForbiddenFlag = "forbidden_flag",
        /// Nobody answers for the machine.
        UnownedMachine = "unowned_machine",
        /// A machine would govern a human.
        MachineDominion = "machine_dominion",
        /// The actor is not who was enrolled.
        IdentityMismatch = "identity_mismatch",
        /// No grant covers a request.
        NoGrant = "no_grant",
        /// A link has expired.
        Expired = "expired",
        /// A link is of an epoch that is over.
        EpochStale = "epoch_stale",
        /// A link is missing, revoked, or not to be delegated.
        ChainBroken = "chain_broken",
        /// A link is wider than its parent.
        Attenuation = "attenuation",
        /// A grant does not allow these arguments.
        Constraint = "constraint",
        /// The resource is in another trust domain.
        TrustDomain = "trust_domain",
        /// A grant has not enough left.
        Budget = "budget",
        /// A human has to approve first.
        ApprovalRequired = "approval_required",
    }
}

codes! {
    /// What a verdict warns of.
    Warning {
        /// The justification is weak.
        LowConfidence = "low_confidence",
        /// Somebody else may write there too.
        ContestedWrite = "contested_write",
    }
}

codes! {
    /// Why a permit is not redeemed.
    Refusal {
        /// Not signed by this kernel.
        Forged = "permit_forged",
        /// Not a permit but a denial.
        Denied = "permit_denied",
        /// For another call.
        Mismatch = "permit_mismatch",
        /// Not valid now.
        Expired = "permit_expired",
        /// The registry has moved on.
        Stale = "permit_stale",
        /// Used before.
        Replayed = "permit_replayed",
    }
}

codes! {
    /// Why a change is refused; a grant's own fault has its denial code instead.
    ChangeRefusal {
        /// Another entry has the place.
        Conflict = "conflict",
        /// A principal is not enrolled.
        UnknownPrincipal = "unknown_principal",
        /// A ceiling is reached.
        TooMany = "too_many",
        /// An approval is not signed by whose it says, for this kernel.
        ApprovalForged = "approval_forged",
        /// An approval has ended.
        ApprovalExpired = "approval_expired",
        /// An approval was given before.
        ApprovalUsed = "approval_used",
    }
}

/// The forbidden flags; flag N is bit N.
pub const FLAGS: [&str; 10] = [
    "increases_machine_sovereignty",
    "resists_human_correction",
    "bypasses_verifier",
    "weakens_verifier",
    "disables_corrigibility",
    "machine_coalition_dominion",
    "coerces",
    "deceives",
    "self_modification_weakens_verifier",
    "machine_coalition_reduces_freedom",
];
