//! `identity_mismatch`: the actor is the principal that was enrolled.

use ed25519_dalek::VerifyingKey;

use super::{Case, Findings};
use crate::codes::Denial;
use crate::signing::{self, Statement};
use crate::words::principal;

pub(crate) fn check(case: &Case<'_>, findings: &mut Findings) {
    if let Some(sentence) = impostor(case) {
        findings.deny(Denial::IdentityMismatch, sentence);
    }
}

fn impostor(case: &Case<'_>) -> Option<String> {
    let (kind, name) = (case.kind?, case.action.actor);
    let Some(known) = case.principal() else {
        let other = kind.other();
        return Some(match case.registry.find_principal(other, name) {
            Some(_) => format!(
                "`{name}` is enrolled as a {}, not as a {}",
                other.text(),
                kind.text()
            ),
            None => format!("{} is not enrolled", principal(kind.text(), name)),
        });
    };
    let who = || principal(kind.text(), name);
    let key: &VerifyingKey = known.key.as_ref()?;
    if case.action.proof.is_empty() {
        return Some(format!(
            "{} must sign its actions with its enrolled key",
            who()
        ));
    }
    let proven = signing::verifies(
        key,
        &Statement::action(case.digests.stated),
        case.action.proof,
    );
    (!proven).then(|| format!("the proof of {} does not verify", who()))
}
