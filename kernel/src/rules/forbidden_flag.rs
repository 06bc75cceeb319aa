//! `forbidden_flag`: none of the ten flags is set.

use super::{Case, Findings};
use crate::codes::{Denial, FLAGS};

pub(crate) fn check(case: &Case<'_>, findings: &mut Findings) {
    if case.action.flags == 0 {
        return;
    }
    for (bit, name) in FLAGS.iter().enumerate() {
        if case.action.flags >> bit & 1 == 1 {
            let sentence = format!("flag `{name}` is set; no grant can permit that");
            findings.deny(Denial::ForbiddenFlag, sentence);
        }
    }
}
