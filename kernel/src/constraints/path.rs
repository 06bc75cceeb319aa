//! Paths by their text alone: no link is followed, no folder looked at.

use crate::scope::climbs;

/// A path without `..`, as its components; empty ones and `.` are left out.
pub(super) struct Path {
    absolute: bool,
    parts: Vec<String>,
}

impl Path {
    /// `None` for an empty text, and one with `..` or a zero character.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.contains('\0') || climbs(text) {
            return None;
        }
        let parts = text.split('/').filter(|part| !["", "."].contains(part));
        Some(Self {
            absolute: text.starts_with('/'),
            parts: parts.map(str::to_owned).collect(),
        })
    }

    /// Whether a path is this one or below it.
    pub(super) fn holds(&self, path: &Self) -> bool {
        self.absolute == path.absolute && path.parts.starts_with(&self.parts)
    }
}
