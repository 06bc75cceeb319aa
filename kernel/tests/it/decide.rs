//! One action against each rule; the full table of sentences stands in `tests/vectors`.

use authgate_kernel::signing::Statement;
use authgate_kernel::wire::{
    Action, Change, Declare, Delegate, Enrol, Grant, Request, decode, encode,
};
use authgate_kernel::wire::{SignedVerdict, Verdict};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::world::{NOW, READ, TTL, WRITE, World, action, enrol, grant};

fn codes(world: &World, action: &Action<'_>) -> Vec<String> {
    world
        .violations(action)
        .into_iter()
        .map(|(code, _)| code)
        .collect()
}

#[test]
fn a_covering_grant_permits_and_its_chain_is_told() {
    let world = World::with(&[grant("root", "ann", "")]);
    let child = Grant {
        parent: "root",
        confidence: 900_000,
        ..grant("g", "bot", "a")
    };
    assert_eq!(world.delegate(&child, "ann", "human").0, "");
    world.verdict(&action("a/b", READ), |verdict| {
        assert!(verdict.permitted);
        assert_eq!(verdict.chains, [["g", "root"]]);
        assert_eq!(verdict.confidence, 900_000);
        assert_eq!((verdict.issued_at, verdict.expires_at), (NOW, NOW + TTL));
    });
}

#[test]
fn every_rule_tells_its_violation_in_the_order_of_the_rules() {
    let world = World::new();
    world.done(enrol("rob", "machine", &[]));
    world.done(Change::Declare(Declare {
        rtype: "file",
        name: "docs",
        public: true,
        trust_domain: "D",
    }));
    let too_many = vec![0; 65_537];
    let bad = Action {
        args: &too_many,
        actor: "rob",
        governs_humans: vec!["ann"],
        flags: 3,
        requests: vec![
            Request {
                rtype: "file",
                name: "docs",
                scope: "",
                right: READ,
            },
            Request {
                rtype: "file",
                name: "docs",
                scope: "",
                right: WRITE,
            },
        ],
        ..action("", READ)
    };
    let expected = [
        "malformed",
        "forbidden_flag",
        "forbidden_flag",
        "unowned_machine",
        "machine_dominion",
        "trust_domain",
        "no_grant",
    ];
    assert_eq!(codes(&world, &bad), expected);
}

#[test]
fn a_name_under_the_other_kind_is_an_impostor() {
    let world = World::with(&[grant("g", "bot", "")]);
    let impostor = Action {
        kind: "human",
        ..action("a", READ)
    };
    let sentence = &world.violations(&impostor)[0].1;
    assert_eq!(sentence, "`bot` is enrolled as a machine, not as a human");
}

#[test]
fn a_malformed_name_is_told_by_its_field_alone() {
    let world = World::new();
    let long: &str = &"x".repeat(1_000_000);
    for field in 0..4 {
        let base = Action {
            governs_humans: vec!["ann"],
            flags: 1,
            ..action("a", READ)
        };
        let text = |place, text| if place == field { long } else { text };
        let odd = Action {
            id: text(0, base.id),
            actor: text(1, base.actor),
            kind: text(2, base.kind),
            tool: text(3, base.tool),
            ..base
        };
        assert_eq!(codes(&world, &odd), ["malformed", "forbidden_flag"]);
        assert!(world.decide(&[odd])[0].len() < 1_000);
    }
}

#[test]
fn a_malformed_field_is_empty_in_the_verdict() {
    let world = World::with(&[grant("g", "bot", "")]);
    let requests = vec![
        Request {
            rtype: "\0",
            name: "",
            scope: "\n",
            right: 3,
        };
        65
    ];
    let too_many = vec![1; 65_537];
    let odd = Action {
        requests,
        args: &too_many,
        ..action("a", READ)
    };
    world.verdict(&odd, |verdict| {
        assert_eq!((verdict.actor, verdict.tool), ("bot", "tool"));
        assert_eq!(verdict.args_digest.len(), 32);
        assert_eq!(verdict.requests.len(), 64);
        let told =
            |request: &Request<'_>| format!("{}{}{}", request.rtype, request.name, request.scope);
        assert!(
            verdict
                .requests
                .iter()
                .all(|request| told(request).is_empty())
        );
        assert!(verdict.requests.iter().all(|request| request.right == 3));
    });
}

#[test]
fn a_human_with_a_malformed_name_is_not_quoted() {
    let world = World::with(&[grant("g", "bot", "")]);
    let over = |humans| Action {
        governs_humans: humans,
        ..action("a", READ)
    };
    assert_eq!(codes(&world, &over(vec!["\n", "ann"])), ["malformed"]);
    let told = ["malformed", "machine_dominion"];
    assert_eq!(codes(&world, &over(vec!["ann", "\n"])), told);
}

#[test]
fn of_several_grants_the_surest_and_then_the_oldest_justifies() {
    let sure = |id, confidence| Grant {
        confidence,
        ..grant(id, "bot", "a")
    };
    let world = World::with(&[sure("low", 1), sure("first", 5), sure("second", 5)]);
    world.verdict(&action("a", READ), |verdict| {
        assert_eq!(verdict.chains, [["first"]]);
    });
}

#[test]
fn of_several_faulty_grants_the_one_with_fewest_faults_is_told() {
    let both = Grant {
        expires_at: 1,
        ..grant("both", "bot", "")
    };
    let world = World::with(&[
        both,
        Grant {
            epoch: 7,
            expires_at: 1,
            ..grant("late", "bot", "a")
        },
    ]);
    let asked = Action {
        min_epoch: 5,
        ..action("a", READ)
    };
    assert_eq!(world.violations(&asked)[0].1, "grant `late` expired at 1");
}

#[test]
fn a_public_resource_is_read_without_a_grant_and_not_written() {
    let world = World::new();
    world.done(Change::Declare(Declare {
        rtype: "file",
        name: "docs",
        public: true,
        trust_domain: "",
    }));
    world.verdict(&action("a", READ), |verdict| {
        assert_eq!(verdict.chains, [[""; 0]]);
    });
    assert_eq!(codes(&world, &action("a", WRITE)), ["no_grant"]);
    assert_eq!(codes(&world, &action("a/../b", READ)), ["no_grant"]);
}

#[test]
fn only_a_cross_domain_grant_reaches_another_domain() {
    let world = World::with(&[grant("g", "bot", "")]);
    world.done(Change::Declare(Declare {
        rtype: "file",
        name: "docs",
        public: false,
        trust_domain: "D",
    }));
    let sentence = &world.violations(&action("a", READ))[0].1;
    let expected = "`file:docs/a` is in trust domain `D`, machine `bot` is in none; \
                    only a cross-domain grant reaches it";
    assert_eq!(sentence, expected);
    world.register(&Grant {
        cross_domain: true,
        ..grant("x", "bot", "")
    });
    assert!(world.permits(&action("a", READ)));
}

fn keyed() -> (World, SigningKey) {
    let key = SigningKey::from_bytes(&[5; 32]);
    let world = World::new();
    let public = key.verifying_key().to_bytes();
    world.done(Change::Enrol(Enrol {
        name: "kay",
        kind: "human",
        key: &public,
        trust_domain: "",
    }));
    world.register(&grant("g", "kay", ""));
    (world, key)
}

fn of_kay(proof: &[u8]) -> Action<'_> {
    Action {
        actor: "kay",
        kind: "human",
        proof,
        ..action("a", READ)
    }
}

#[test]
fn a_principal_with_a_key_signs_each_action() {
    let (world, key) = keyed();
    let args_digest = Sha256::digest(b"{}");
    let digested = Action {
        args: &args_digest,
        ..of_kay(&[])
    };
    // The statement is over the first ten fields.
    let mut encoded = encode(&digested);
    encoded[0] = 0x9a;
    let digest = Sha256::digest(&encoded[..encoded.len() - 5]).into();
    let proof = Statement::action(&digest).sign(&key);
    assert!(world.permits(&of_kay(&proof)));
    let told = |proof: &[u8]| world.violations(&of_kay(proof))[0].1.clone();
    assert_eq!(
        told(&[]),
        "human `kay` must sign its actions with its enrolled key"
    );
    assert_eq!(told(&[0; 64]), "the proof of human `kay` does not verify");
    let other = Action {
        tool: "other",
        ..of_kay(&proof)
    };
    assert_eq!(codes(&world, &other), ["identity_mismatch"]);
}

#[test]
fn a_late_delegation_takes_effect_at_once() {
    let world = World::with(&[grant("root", "ann", "")]);
    assert!(!world.permits(&action("a", READ)));
    let child = Grant {
        parent: "root",
        ..grant("g", "bot", "a")
    };
    world.done(Change::Delegate(Delegate {
        grant: child,
        by: "ann",
        by_kind: "human",
    }));
    assert!(world.permits(&action("a", READ)));
    world.revoke("root");
    let sentence = &world.violations(&action("a", READ))[0].1;
    assert_eq!(sentence, "grant `g` names parent `root`, which was revoked");
}

#[test]
fn the_entries_above_the_ceiling_are_not_judged() {
    let world = World::with(&[grant("g", "bot", "")]);
    let requests = vec![action("a", READ).requests.remove(0); 65];
    assert_eq!(
        codes(
            &world,
            &Action {
                requests,
                ..action("a", READ)
            }
        ),
        ["malformed"]
    );
}

#[test]
fn equal_inputs_give_equal_bytes_whatever_keys_the_tables() {
    let world = || World::with(&[grant("g", "bot", ""), grant("h", "eve", "")]);
    let (one, other) = (world(), world());
    let batch = [action("a", WRITE), action("..", READ)];
    assert_eq!(one.decide(&batch), other.decide(&batch));
}

#[test]
fn nonces_differ_within_a_batch() {
    let world = World::with(&[grant("g", "bot", "")]);
    let nonce = |signed: &[u8]| {
        let signed: SignedVerdict<'_> = decode(signed).unwrap();
        decode::<Verdict<'_>>(signed.verdict)
            .unwrap()
            .nonce
            .to_vec()
    };
    let signed = world.decide(&vec![action("a", READ); 9]);
    let nonces: std::collections::HashSet<_> = signed.iter().map(|signed| nonce(signed)).collect();
    assert_eq!(nonces.len(), 9);
}

proptest! {
    #[test]
    fn no_action_is_a_panic_and_no_denial_has_a_chain(
        texts in prop::collection::vec(".{0,9}", 6),
        right: u64, flags: u64, min_epoch: u64, proof in prop::collection::vec(any::<u8>(), 0..70),
    ) {
        let world = World::with(&[grant("g", "bot", "")]);
        let odd = Action {
            id: &texts[0],
            actor: &texts[1],
            kind: &texts[2],
            tool: &texts[3],
            args: &proof,
            requests: vec![Request { rtype: &texts[4], name: "docs", scope: &texts[5], right: right >> 1 }],
            governs_humans: vec![&texts[0]],
            flags: flags >> 1,
            min_epoch: min_epoch >> 1,
            proof: &proof,
            ..action("a", READ)
        };
        world.verdict(&odd, |verdict| {
            assert!(!verdict.permitted && verdict.chains.is_empty() && verdict.confidence == 0);
            assert!(!verdict.violations.is_empty());
        });
    }
}

#[test]
fn arguments_may_have_65536_bytes() {
    let world = World::with(&[grant("g", "bot", "")]);
    let args = vec![b' '; 65_536];
    let full = Action {
        args: &args,
        ..action("a", READ)
    };
    assert!(world.permits(&full));
}
