//! The rules, a file each, in the order in which they are checked. The faults of a chain
//! (`expired`, `epoch_stale`, `chain_broken`, `attenuation`) stand in `chain.rs`.
//!
//! - `malformed`: every field is well formed
//! - `forbidden_flag`, `unowned_machine`, `machine_dominion`, `identity_mismatch`: the whole action
//! - `no_grant`: each request, and with it the choice among the grants that cover it
//! - `constraint`: the arguments, against each grant of a chain
//! - `trust_domain`: the actor's domain against the resource's
//! - `budget`: what is left of each grant of a chain
//! - `approval`: what humans approved, for the grants of a chain that ask for it
//! - `contested_write`, `low_confidence`: the warnings

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::approval::Approvals;
use crate::budget::Ledger;
use crate::codes::{Denial, Warning};
use crate::constraints::Arguments;
use crate::registry::{Kind, Number, Principal, Registry};
use crate::tree::Hash;
use crate::wire::{Action, Finding};

pub(crate) mod approval;
pub(crate) mod budget;
pub(crate) mod constraint;
pub(crate) mod contested_write;
pub(crate) mod forbidden_flag;
pub(crate) mod identity_mismatch;
pub(crate) mod low_confidence;
pub(crate) mod machine_dominion;
pub(crate) mod malformed;
pub(crate) mod no_grant;
pub(crate) mod trust_domain;
pub(crate) mod unowned_machine;

/// How many requests and governed humans an action has at most.
pub(crate) const MAX_ENTRIES: usize = 64;

/// What stands for an action.
#[derive(Clone, Copy)]
pub(crate) struct Digests<'a> {
    /// In its verdict.
    pub(crate) action: &'a Hash,
    /// In what the actor's proof is over.
    pub(crate) stated: &'a Hash,
}

/// One action, and what every rule needs to know about it.
pub(crate) struct Case<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) ledger: &'a Ledger,
    pub(crate) approvals: &'a Approvals,
    pub(crate) action: &'a Action<'a>,
    pub(crate) digests: Digests<'a>,
    pub(crate) now: u64,
    /// `None` if it is malformed.
    pub(crate) kind: Option<Kind>,
    /// The number of the actor, if it is enrolled.
    pub(crate) actor: Option<Number>,
    args: OnceCell<Option<Arguments>>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        registry: &'a Registry,
        (ledger, approvals): (&'a Ledger, &'a Approvals),
        (action, actor): (&'a Action<'a>, Option<Number>),
        digests: Digests<'a>,
        now: u64,
    ) -> Self {
        let kind = Kind::parse(action.kind);
        Self {
            registry,
            ledger,
            approvals,
            action,
            digests,
            now,
            kind,
            actor,
            args: OnceCell::new(),
        }
    }

    pub(crate) fn principal(&self) -> Option<&'a Principal> {
        self.registry.principal(self.actor?)
    }

    /// The action's arguments, read when the first grant asks; `None` if they cannot be read.
    pub(crate) fn args(&self) -> Option<&Arguments> {
        let read = || Arguments::read(self.action.args);
        self.args.get_or_init(read).as_ref()
    }
}

/// What the rules have found.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) violations: Vec<Finding<'static>>,
    pub(crate) warnings: Vec<Finding<'static>>,
    /// Who may give the approvals that are missing.
    pub(crate) approvers: Vec<Number>,
}

impl Findings {
    pub(crate) fn deny(&mut self, code: Denial, sentence: String) {
        self.violations.push((code.text(), Cow::Owned(sentence)));
    }

    /// Whether there is a violation, and none of another code.
    pub(crate) fn lacks_only(&self, code: Denial) -> bool {
        let mut codes = self.violations.iter().map(|(code, _)| *code);
        !self.violations.is_empty() && codes.all(|other| other == code.text())
    }

    pub(crate) fn warn(&mut self, code: Warning, sentence: String) {
        self.warnings.push((code.text(), Cow::Owned(sentence)));
    }
}
