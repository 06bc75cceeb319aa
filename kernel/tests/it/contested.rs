//! Contested writes: who counts as another writer, and that the search for one stays short.

use authgate_kernel::wire::{AdvanceEpoch, Change, Grant};

use crate::world::{NOW, READ, WRITE, World, action, enrol, grant};

fn is_contested(world: &World) -> bool {
    world.verdict(&action("a/b", WRITE), |verdict| {
        assert!(verdict.permitted);
        assert_eq!(
            verdict.requires_human_arbitration,
            verdict.warnings.len() == 1
        );
        verdict.requires_human_arbitration
    })
}

#[test]
fn another_holder_contests_while_the_grant_lives() {
    let mine = grant("mine", "bot", "a");
    let theirs = grant("theirs", "eve", "a/b");
    let contested = |theirs: Grant<'_>| is_contested(&World::with(&[mine.clone(), theirs]));
    assert!(contested(theirs.clone()));
    assert!(contested(Grant {
        scope: "",
        ..theirs.clone()
    }));
    assert!(contested(Grant {
        expires_at: NOW + 1,
        ..theirs.clone()
    }));
    assert!(!contested(Grant {
        expires_at: NOW,
        ..theirs.clone()
    }));
    assert!(!contested(Grant {
        scope: "a/bc",
        ..theirs.clone()
    }));
    assert!(!contested(Grant {
        name: "other",
        ..theirs.clone()
    }));
    assert!(!contested(Grant {
        rights: READ,
        ..theirs.clone()
    }));
    assert!(!contested(Grant {
        holder: "bot",
        holder_kind: "machine",
        ..theirs
    }));
}

#[test]
fn reading_is_never_contested() {
    let world = World::with(&[grant("mine", "bot", "a"), grant("theirs", "eve", "a")]);
    assert!(!world.verdict(&action("a", READ), |verdict| {
        verdict.requires_human_arbitration
    }));
}

#[test]
fn a_holder_of_the_justifying_chain_does_not_contest() {
    let world = World::with(&[grant("root", "ann", "")]);
    let child = Grant {
        parent: "root",
        ..grant("g", "bot", "a")
    };
    assert_eq!(world.delegate(&child, "ann", "human").0, "");
    assert!(!is_contested(&world));
    world.register(&grant("theirs", "eve", ""));
    assert!(is_contested(&world));
}

#[test]
fn revoking_the_other_grant_ends_the_contest() {
    let world = World::with(&[
        grant("mine", "bot", "a"),
        grant("one", "eve", "a"),
        Grant {
            expires_at: NOW + 5,
            ..grant("two", "eve", "a")
        },
    ]);
    world.revoke("one");
    assert!(is_contested(&world));
    world.revoke("two");
    assert!(!is_contested(&world));
    world.register(&grant("three", "eve", "a"));
    assert!(is_contested(&world));
}

#[test]
fn an_epoch_ends_the_contest_of_older_grants() {
    let young = |id, holder, epoch| Grant {
        epoch,
        ..grant(id, holder, "a")
    };
    let world = World::with(&[
        young("mine", "bot", 2),
        young("old", "eve", 1),
        young("new", "ann", 2),
    ]);
    world.revoke("new");
    assert!(is_contested(&world));
    world.done(Change::AdvanceEpoch(AdvanceEpoch { to: 2 }));
    assert!(!is_contested(&world));
    world.register(&young("late", "eve", 1));
    assert!(!is_contested(&world));
    world.register(&young("next", "eve", 2));
    assert!(is_contested(&world));
}

#[test]
fn the_longest_of_a_holders_grants_counts() {
    let world = World::with(&[grant("mine", "bot", "a")]);
    for (id, expires_at) in [("x", NOW - 5), ("y", NOW + 9), ("z", NOW - 1)] {
        world.register(&Grant {
            expires_at,
            ..grant(id, "eve", "a")
        });
    }
    assert!(is_contested(&world));
    world.revoke("y");
    assert!(!is_contested(&world));
}

#[test]
fn many_writers_of_one_place_come_and_go() {
    let world = World::with(&[grant("mine", "bot", "a")]);
    let names: Vec<String> = (0..200).map(|n| format!("human-{n}")).collect();
    for name in &names {
        world.done(enrol(name, "human", &[]));
        world.register(&Grant {
            id: name,
            ..grant("", name, "a")
        });
    }
    for name in &names {
        assert!(is_contested(&world));
        world.revoke(name);
    }
    assert!(!is_contested(&world));
}
