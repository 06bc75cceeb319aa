//! The phrases that sentences share.

/// Names a principal.
pub(crate) fn principal(kind: &str, name: &str) -> String {
    format!("{kind} `{name}`")
}

/// Names a resource, with its scope if there is one.
pub(crate) fn resource(rtype: &str, name: &str, scope: &str) -> String {
    if scope.is_empty() {
        format!("`{rtype}:{name}`")
    } else {
        format!("`{rtype}:{name}/{scope}`")
    }
}

/// Names a right.
pub(crate) const fn right(bit: u64) -> &'static str {
    match bit {
        1 => "read",
        2 => "write",
        4 => "execute",
        _ => "delegate",
    }
}
