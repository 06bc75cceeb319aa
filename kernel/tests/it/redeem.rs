//! Redeeming: once, in time, for the call that was decided, and only while the registry agrees.

use std::sync::Barrier;

use authgate_kernel::wire::{AdvanceEpoch, Change, Grant};

use crate::world::{NOW, READ, TTL, World, action, grant};

fn permitted() -> (World, Vec<u8>) {
    let world = World::with(&[grant("root", "ann", "")]);
    let child = Grant {
        parent: "root",
        ..grant("g", "bot", "")
    };
    assert_eq!(world.delegate(&child, "ann", "human").0, "");
    let permit = world.decide(&[action("a", READ)]).remove(0);
    (world, permit)
}

#[test]
fn of_many_at_once_exactly_one_succeeds() {
    let (world, permit) = permitted();
    let start = Barrier::new(8);
    let attempt = || {
        start.wait();
        (0..50)
            .filter(|_| world.redeem(&permit, NOW).is_empty())
            .count()
    };
    let wins: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(attempt)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(wins, 1);
}

#[test]
fn a_permit_is_used_once() {
    let (world, permit) = permitted();
    assert_eq!(world.redeem(&permit, NOW), "");
    assert_eq!(world.redeem(&permit, NOW), "permit_replayed");
}

#[test]
fn a_denial_is_no_permit() {
    let world = World::new();
    let denial = world.decide(&[action("a", READ)]).remove(0);
    assert_eq!(world.redeem(&denial, NOW), "permit_denied");
}

#[test]
fn a_permit_is_for_one_tool_and_one_set_of_arguments() {
    let (world, permit) = permitted();
    assert_eq!(
        world.redeem_for(&permit, "other", b"{}", NOW),
        "permit_mismatch"
    );
    assert_eq!(
        world.redeem_for(&permit, "tool", b"{ }", NOW),
        "permit_mismatch"
    );
    assert_eq!(world.redeem(&permit, NOW), "");
}

#[test]
fn a_permit_is_valid_from_its_issue_to_just_before_its_end() {
    let (world, permit) = permitted();
    assert_eq!(world.redeem(&permit, NOW - 1), "permit_expired");
    assert_eq!(world.redeem(&permit, NOW + TTL), "permit_expired");
    assert_eq!(world.redeem(&permit, NOW + TTL - 1), "");
}

#[test]
fn an_epoch_ends_the_permits_before_it() {
    let (world, permit) = permitted();
    world.done(Change::AdvanceEpoch(AdvanceEpoch { to: 0 }));
    assert_eq!(world.redeem(&permit, NOW), "permit_stale");
}

#[test]
fn revoking_any_link_ends_the_permit() {
    for link in ["g", "root"] {
        let (world, permit) = permitted();
        world.revoke(link);
        assert_eq!(world.redeem(&permit, NOW), "permit_stale");
    }
}

#[test]
fn a_clock_that_goes_back_does_not_revive_a_used_permit() {
    let (world, permit) = permitted();
    assert_eq!(world.redeem(&permit, NOW), "");
    let later = NOW + 10 * TTL;
    let other = world.decide_at(&[action("a", READ)], later).remove(0);
    assert_eq!(world.redeem(&other, later), "");
    assert_eq!(world.redeem(&permit, NOW), "permit_replayed");
}

#[test]
fn more_batches_than_are_remembered_still_verify() {
    let (world, permit) = permitted();
    for round in 1..=1_100 {
        let now = NOW + round % TTL;
        let other = world.decide_at(&[action("a", READ)], now).remove(0);
        let code = world.redeem(&other, now);
        assert!(code.is_empty() || code == "permit_replayed", "{code}");
    }
    assert_ne!(world.redeem(&permit, NOW), "permit_forged");
}
