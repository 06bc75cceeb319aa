//! The laws of scopes.

use authgate_kernel::scope::{climbs, covering, covers};
use proptest::prelude::*;

/// Scopes over a small alphabet, so that they meet.
fn scope() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec!["a", "b", "/", "\\", "..", "."]),
        0..8,
    )
    .prop_map(|parts| parts.concat())
}

#[test]
fn a_scope_covers_what_lies_below_it_and_nothing_beside_it() {
    let table = [
        ("", "a/b", true),
        ("a", "a", true),
        ("a", "a/b", true),
        ("a/", "a/b", true),
        ("a", "a/", true),
        ("a/", "a", false),
        ("a", "ab", false),
        ("a/b", "a", false),
        ("A", "a", false),
        ("a", "a\\b", false),
        ("a", "./a", false),
        ("a", "a//b", true),
        ("", "..", false),
        ("", "a\\..\\b", false),
        ("..", "..", false),
        ("", "a..b", true),
        ("é", "é/x", true),
    ];
    for (granted, asked, covered) in table {
        assert_eq!(
            covers(granted, asked),
            covered,
            "{granted:?} covers {asked:?}"
        );
    }
}

proptest! {
    #[test]
    fn covering_scopes_are_exactly_those_that_cover(granted in scope(), asked in scope()) {
        let listed = covering(&asked).any(|scope| scope == granted);
        prop_assert_eq!(listed, covers(&granted, &asked));
    }

    #[test]
    fn covering_scopes_come_once(asked in scope()) {
        let all: Vec<&str> = covering(&asked).collect();
        let unique: std::collections::HashSet<&&str> = all.iter().collect();
        prop_assert_eq!(unique.len(), all.len());
    }

    #[test]
    fn covering_is_transitive(low in scope()) {
        for middle in covering(&low) {
            for high in covering(middle) {
                prop_assert!(covers(high, &low));
            }
        }
    }

    #[test]
    fn no_two_scopes_cover_each_other(low in scope()) {
        for high in covering(&low).filter(|high| *high != low) {
            prop_assert!(!covers(&low, high));
        }
    }

    #[test]
    fn a_scope_that_does_not_climb_covers_itself(scope in scope()) {
        prop_assert_eq!(covers(&scope, &scope), !climbs(&scope));
    }
}
