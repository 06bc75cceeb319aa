//! `unowned_machine`: a human answers for every machine.

use super::{Case, Findings};
use crate::codes::Denial;
use crate::registry::Kind;

pub(crate) fn check(case: &Case<'_>, findings: &mut Findings) {
    let owned = case.principal().is_some_and(|principal| principal.owned);
    if case.kind == Some(Kind::Machine) && !owned {
        let sentence = format!(
            "machine `{}` has no registered human owner",
            case.action.actor
        );
        findings.deny(Denial::UnownedMachine, sentence);
    }
}
