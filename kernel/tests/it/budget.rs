//! Budgets, beside the vectors of `tests/vectors`: many threads, and what settling refuses.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::scope;

use authgate_kernel::wire::{Action, Grant, Settlement, SignedVerdict, Verdict, decode, encode};

use crate::world::{NOW, READ, TTL, World, action, grant};

fn limited(id: &str, max_calls: u64) -> Grant<'_> {
    Grant {
        max_calls,
        ..grant(id, "bot", "")
    }
}

/// How many of so many equal actions are permitted, with nonces of their own.
fn permitted(world: &World, actions: usize, entropy: u8, now: u64) -> usize {
    let batch = vec![action("a", READ); actions];
    let answer = world.kernel.decide(&encode(&batch), now, &[entropy; 32]);
    let answer = answer.unwrap();
    let signed: Vec<SignedVerdict<'_>> = decode(&answer).unwrap();
    let verdicts = signed.iter().map(|signed| decode(signed.verdict).unwrap());
    verdicts
        .filter(|verdict: &Verdict<'_>| verdict.permitted)
        .count()
}

#[test]
fn threads_share_a_chain_of_budgets_to_the_last_call() {
    let world = World::with(&[limited("root", 70)]);
    for (child, parent) in [("mid", "root"), ("leaf", "mid")] {
        let child = limited(child, 60);
        world.register(&Grant {
            parent,
            confidence: 999_999,
            ..child
        });
    }
    let total = AtomicUsize::new(0);
    scope(|scope| {
        for entropy in 0..40 {
            let (world, total) = (&world, &total);
            scope.spawn(move || {
                total.fetch_add(permitted(world, 5, entropy, NOW), Ordering::Relaxed);
            });
        }
    });
    assert_eq!(total.load(Ordering::Relaxed), 70);
}

#[test]
fn what_lies_unused_comes_back_in_order_of_its_end() {
    let world = World::with(&[limited("g", 2)]);
    assert_eq!(permitted(&world, 1, 1, NOW), 1);
    assert_eq!(permitted(&world, 2, 2, NOW + 1), 1);
    assert_eq!(permitted(&world, 2, 3, NOW + TTL - 1), 0);
    assert_eq!(permitted(&world, 2, 4, NOW + TTL), 1);
    assert_eq!(permitted(&world, 2, 5, NOW + 2 * TTL), 2);
}

#[test]
fn a_settlement_of_nothing_is_answered_and_changes_nothing() {
    let world = World::with(&[limited("g", 1)]);
    let settle = |nonce: &[u8]| {
        let settlement = Settlement {
            nonce,
            redeemed: true,
            started: false,
            wall_us: 0,
            output_bytes: 0,
            cost: 0,
        };
        let answer = world.kernel.settle(&encode(&vec![settlement])).unwrap();
        decode::<Vec<bool>>(&answer).unwrap()
    };
    assert_eq!(settle(b""), [false]);
    assert_eq!(settle(&[0; 16]), [false]);
    assert!(world.kernel.settle(b"x").is_err());
    let twice = Action {
        requests: vec![action("a", READ).requests.remove(0); 2],
        ..action("a", READ)
    };
    assert!(world.permits(&twice));
    assert!(!world.permits(&twice));
}
