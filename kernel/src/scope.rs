//! Scopes: which covers which, and the short list of those that can cover a given one.

/// Whether a component is `..`, in the notation of either family of systems.
#[must_use]
pub fn climbs(scope: &str) -> bool {
    scope.contains("..") && scope.split(['/', '\\']).any(|component| component == "..")
}

/// Whether `granted` reaches `asked`; nothing is normalised and nothing case-folded.
#[must_use]
pub fn covers(granted: &str, asked: &str) -> bool {
    if climbs(granted) || climbs(asked) {
        return false;
    }
    let Some(below) = asked.strip_prefix(granted) else {
        return false;
    };
    granted.is_empty() || below.is_empty() || granted.ends_with('/') || below.starts_with('/')
}

/// Every scope that covers `asked`, each once; none if it climbs.
///
/// These are the empty one, the text before and with each `/`, and `asked` itself.
pub fn covering(asked: &str) -> impl Iterator<Item = &str> {
    let ends = asked.match_indices('/').flat_map(|(at, _)| [at, at + 1]);
    let ends = std::iter::once(0).chain(ends).chain([asked.len()]);
    let (mut last, reachable) = (None, !climbs(asked));
    ends.filter(move |end| last.replace(*end) != Some(*end))
        .filter_map(|end| asked.get(..end))
        .filter(move |_| reachable)
}
