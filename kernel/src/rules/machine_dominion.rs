//! `machine_dominion`: a machine governs no human.

use super::{Case, Findings};
use crate::codes::Denial;
use crate::registry::Kind;

pub(crate) fn check(case: &Case<'_>, findings: &mut Findings) {
    if case.kind != Some(Kind::Machine) {
        return;
    }
    if let Some(human) = case.action.governs_humans.first() {
        let sentence = format!(
            "machine `{}` may not govern human `{human}`",
            case.action.actor
        );
        findings.deny(Denial::MachineDominion, sentence);
    }
}
