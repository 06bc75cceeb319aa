//! Whether the registry still stands behind a verdict (`docs/rules.md`, section 6).

use crate::registry::Registry;
use crate::wire::Verdict;

/// Why it does not.
pub(crate) fn stale(registry: &Registry, verdict: &Verdict<'_>) -> Option<String> {
    let id = verdict.action_id;
    if verdict.epoch < registry.epoch() {
        let (old, new) = (verdict.epoch, registry.epoch());
        return Some(format!(
            "the permit of action `{id}` is of epoch {old}, below {new}"
        ));
    }
    let mut grants = verdict.chains.iter().flatten();
    let (gone, why) = grants.find_map(|grant| Some((grant, gone(registry, grant)?)))?;
    Some(format!(
        "the permit of action `{id}` rests on grant `{gone}`, which {why}"
    ))
}

/// Why nothing may rest on a grant any more.
fn gone(registry: &Registry, grant: &str) -> Option<String> {
    let found = registry.grants.find(grant);
    let Some(record) = found.and_then(|number| registry.grants.get(number)) else {
        return Some("is not there".to_owned());
    };
    if record.revoked {
        return Some("was revoked".to_owned());
    }
    let (epoch, least) = (record.epoch, registry.holder_epoch(record.holder));
    (epoch < least).then(|| format!("is of epoch {epoch}, below {least}"))
}
