//! When a change is refused, and that a refused one changes nothing.

use authgate_kernel::wire::{AdvanceEpoch, Change, Enrol, Grant, Own, Revoke};

use crate::world::{READ, World, action, enrol, grant};

fn refusal(world: &World, change: Change<'_>, code: &str, sentence: &str) {
    assert_eq!(world.change(change), (code.to_owned(), sentence.to_owned()));
}

fn told(answer: (String, String)) -> String {
    answer.0 + ": " + &answer.1
}

#[test]
fn a_principal_keeps_its_key() {
    let world = World::new();
    let sentence = "human `ann` is enrolled with another key";
    let mut base_point = [0x66; 32];
    base_point[0] = 0x58;
    refusal(
        &world,
        enrol("ann", "human", &base_point),
        "conflict",
        sentence,
    );
    world.done(Change::Enrol(Enrol {
        name: "ann",
        kind: "human",
        key: &[],
        trust_domain: "D",
    }));
}

#[test]
fn a_key_that_no_signature_can_fit_is_malformed() {
    let sentence = "`key` must be an Ed25519 public key of 32 bytes";
    let mut off_the_curve = [0; 32];
    off_the_curve[0] = 2;
    let mut identity = [0; 32];
    identity[0] = 1;
    // 2^255 - 19 and 3 more: a point of large order, in the encoding that is not canonical.
    let mut second_encoding = [0xff; 32];
    second_encoding[0] = 0xf0;
    second_encoding[31] = 0x7f;
    let world = World::new();
    for key in [
        [1; 31].as_slice(),
        &off_the_curve,
        &[0; 32],
        &identity,
        &second_encoding,
    ] {
        refusal(&world, enrol("kay", "human", key), "malformed", sentence);
    }
}

#[test]
fn owner_and_machine_are_enrolled_first() {
    let world = World::new();
    let own = |machine, owner| Change::Own(Own { machine, owner });
    refusal(
        &world,
        own("rob", "ann"),
        "unknown_principal",
        "machine `rob` is not enrolled",
    );
    refusal(
        &world,
        own("bot", "bot"),
        "unknown_principal",
        "human `bot` is not enrolled",
    );
}

#[test]
fn an_id_is_taken_for_ever() {
    let world = World::with(&[grant("g", "bot", "")]);
    world.revoke("g");
    world.revoke("g");
    let again = Change::Register(authgate_kernel::wire::Register {
        grant: grant("g", "bot", ""),
    });
    refusal(&world, again, "conflict", "grant `g` is there already");
    assert!(!world.permits(&action("a", READ)));
}

#[test]
fn an_id_that_was_only_a_parents_name_is_free() {
    let world = World::with(&[Grant {
        parent: "later",
        ..grant("g", "bot", "")
    }]);
    let sentence = &world.violations(&action("a", READ))[0].1;
    assert_eq!(
        sentence,
        "grant `g` names parent `later`, which is not there"
    );
    world.register(&grant("later", "ann", ""));
    assert!(world.permits(&action("a", READ)));
}

#[test]
fn a_place_has_at_most_64_grants_of_one_holder() {
    let ids: Vec<String> = (0..65).map(|n| format!("g{n}")).collect();
    let world = World::new();
    ids.iter()
        .take(64)
        .for_each(|id| world.register(&grant(id, "bot", "a")));
    let last = || {
        Change::Register(authgate_kernel::wire::Register {
            grant: grant("g64", "bot", "a"),
        })
    };
    let sentence = "machine `bot` has 64 grants on `file:docs/a` already; revoke one first";
    refusal(&world, last(), "too_many", sentence);
    world.register(&grant("elsewhere", "bot", "b"));
    world.revoke("g30");
    world.done(last());
}

#[test]
fn grants_leave_their_place_in_any_order() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
        let ids = ["x", "y", "z"];
        let world = World::with(&ids.map(|id| grant(id, "bot", "a")));
        for (left, place) in (0..3).rev().zip(order) {
            assert!(world.permits(&action("a", READ)));
            world.revoke(ids[place]);
            assert_eq!(world.permits(&action("a", READ)), left > 0);
        }
    }
}

#[test]
fn only_a_sound_grant_is_handed_on_and_only_by_its_holder() {
    let held = |change: fn(&mut Grant<'_>)| {
        let mut parent = grant("p", "ann", "");
        change(&mut parent);
        World::with(&[parent])
    };
    let child = Grant {
        parent: "p",
        ..grant("c", "bot", "")
    };
    let sound = held(|_| ());
    assert_eq!(
        told(sound.delegate(&child, "eve", "human")),
        "no_grant: grant `p` is not held by human `eve`"
    );
    assert_eq!(
        told(sound.delegate(
            &Grant {
                parent: "",
                ..child.clone()
            },
            "ann",
            "human"
        )),
        "no_grant: grant `` is not there"
    );
    let expired = held(|parent| parent.expires_at = 1);
    assert_eq!(
        told(expired.delegate(&child, "ann", "human")),
        "expired: grant `p` expired at 1"
    );
    let own = held(|parent| parent.rights = 7);
    assert_eq!(
        told(own.delegate(&child, "ann", "human")),
        "chain_broken: grant `p` may not be delegated"
    );
    sound.revoke("p");
    assert_eq!(
        told(sound.delegate(&child, "ann", "human")),
        "no_grant: grant `p` was revoked"
    );
}

#[test]
fn an_unknown_grant_cannot_be_revoked() {
    let unknown = Change::Revoke(Revoke { grant_id: "g" });
    refusal(&World::new(), unknown, "no_grant", "grant `g` is not there");
}

#[test]
fn the_epoch_only_rises_and_stops_at_its_end() {
    let world = World::new();
    let to = |to| Change::AdvanceEpoch(AdvanceEpoch { to });
    world.done(to(0));
    refusal(&world, to(1), "malformed", "`to` must be above the epoch 1");
    world.done(to(i64::MAX as u64));
    refusal(
        &world,
        to(0),
        "malformed",
        "`to` must be above the epoch 9223372036854775807",
    );
}

#[test]
fn a_malformed_field_is_named() {
    let told = |change: fn(&mut Grant<'_>)| {
        let mut odd = grant("g", "bot", "");
        change(&mut odd);
        let register = Change::Register(authgate_kernel::wire::Register { grant: odd });
        let (code, sentence) = World::new().change(register);
        assert_eq!(code, "malformed");
        sentence
    };
    assert_eq!(told(|grant| grant.id = ""), "`grant.id` is empty");
    assert_eq!(
        told(|grant| grant.holder = "a\u{85}"),
        "`grant.holder` has a control character"
    );
    assert_eq!(
        told(|grant| grant.holder_kind = "Human"),
        "`grant.holder_kind` must be `human` or `machine`"
    );
    assert_eq!(
        told(|grant| grant.rights = 16),
        "`grant.rights` must be read, write, execute or delegate, or several"
    );
    assert_eq!(
        told(|grant| grant.rights = 1 << 40),
        "`grant.rights` must be read, write, execute or delegate, or several"
    );
    assert_eq!(
        told(|grant| grant.confidence = 1_000_001),
        "`grant.confidence` must be at most 1000000"
    );
}
