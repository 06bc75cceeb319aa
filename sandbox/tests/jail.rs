//! What the jail promises where nobody is in it yet; the rest is tested through Python, from the inside.
#![cfg(target_os = "linux")]

use authgate_sandbox::jail::{Access, denied, divide, landlock_abi};

/// Rights that are none on files give no access, whatever else stands in the number.
#[test]
fn rights() {
    for rights in 0..=u8::MAX {
        assert_eq!(
            Access::from_rights(rights),
            Access::from_rights(rights & 0b111)
        );
    }
    assert_eq!(Access::from_rights(8), Access::from_rights(0));
}

/// Two accesses together are what either gives: in any order, and no more.
#[test]
fn accesses_add_up() {
    for (one, other) in (0..8).flat_map(|one| (0..8).map(move |other| (one, other))) {
        let both = Access::from_rights(one).and(Access::from_rights(other));
        assert_eq!(both, Access::from_rights(one | other));
        assert_eq!(
            both,
            Access::from_rights(other).and(Access::from_rights(one))
        );
    }
}

/// A process with threads is not divided, and is told at which step that showed.
#[test]
fn threads_are_not_divided() {
    std::thread::scope(|scope| {
        let other = scope.spawn(std::thread::park);
        let refused = divide();
        other.thread().unpark();
        assert!(refused.is_err_and(|error| error.to_string().contains("user namespace")));
    });
}

/// Where nothing was filtered, nothing was refused.
#[test]
fn nothing_was_denied() {
    assert!(denied().is_empty());
}

/// The version of Landlock is a small number, or none.
#[test]
fn landlock() {
    assert!((0..100).contains(&landlock_abi()));
}
