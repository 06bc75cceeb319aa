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

/// Names a set of rights.
pub(crate) fn rights(bits: u8) -> String {
    let held = [1, 2, 4, 8].into_iter().filter(|bit| bits & bit != 0);
    held.map(|bit| right(bit.into()))
        .collect::<Vec<_>>()
        .join(", ")
}
