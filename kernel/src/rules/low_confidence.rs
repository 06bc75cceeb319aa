//! `low_confidence`: a warning that a permit is weakly justified.

use super::Findings;
use crate::codes::Warning;

const FLOOR: u64 = 800_000;

pub(crate) fn check(confidence: u64, findings: &mut Findings) {
    if confidence < FLOOR {
        let sentence = format!("confidence is {confidence} of 1000000, below {FLOOR}");
        findings.warn(Warning::LowConfidence, sentence);
    }
}
