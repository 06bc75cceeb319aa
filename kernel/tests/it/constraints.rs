//! Constraints, beside the vectors of `tests/vectors`: what is shared, and what a pattern may cost.

use authgate_kernel::wire::{Action, Constraint, Grant};

use crate::world::{READ, World, action, grant};

fn limited<'a>(id: &'a str, op: &'a str, bound: &'a str) -> Grant<'a> {
    let arg = "x";
    Grant {
        constraints: vec![Constraint { arg, op, bound }],
        ..grant(id, "bot", "")
    }
}

fn with(args: &[u8]) -> Action<'_> {
    Action {
        args,
        ..action("a", READ)
    }
}

#[test]
fn equal_constraints_are_compiled_once() {
    let ids: Vec<String> = (0..60).map(|number| format!("g{number}")).collect();
    let size = |same: bool| {
        let world = World::new();
        let bounds: Vec<String> = (0..60).map(|n| format!("\"a{n:03}\"")).collect();
        for (id, bound) in ids.iter().zip(&bounds) {
            let bound = if same { &bounds[0] } else { bound };
            world.register(&limited(id, "regex", bound));
        }
        world.kernel.footprint().unwrap()
    };
    assert!(size(true) + 59 * 50 < size(false));
}

#[test]
fn the_largest_patterns_of_the_dialect_are_compiled() {
    let item = "\u{e9}-\u{101}\u{4e00}-\u{9fa5}\u{10000}-\u{10ffff}";
    let wide = format!("\"[^{}]\"", item.repeat(40));
    let long = "\"[^\u{e9}\u{4e00}-\u{9fa5}\u{10000}-\u{10fffe}]{85}\"";
    let nested = "\"((((a|b|\u{e9}.){2}){4}){4})*\"";
    for bound in [wide.as_str(), long, nested] {
        let world = World::with(&[limited("g", "regex", bound)]);
        assert!(!world.permits(&with(b"{\"x\":1}")));
    }
}

#[test]
fn a_pattern_that_backtracking_cannot_bear_is_matched() {
    let world = World::with(&[limited("g", "regex", "\"(a*)*(a|aa)*b\"")]);
    let args = format!("{{\"x\":\"{}\"}}", "a".repeat(60_000));
    assert!(!world.permits(&with(args.as_bytes())));
    let args = args.replace("aaa\"", "aab\"");
    assert!(world.permits(&with(args.as_bytes())));
}

#[test]
fn a_revoked_grant_no_longer_bounds_the_rest() {
    let world = World::with(&[limited("g", "le", "1")]);
    assert!(!world.permits(&with(b"{\"x\":2}")));
    world.revoke("g");
    world.register(&limited("h", "le", "2"));
    assert!(world.permits(&with(b"{\"x\":2}")));
}
