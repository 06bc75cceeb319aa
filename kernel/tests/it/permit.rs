//! A permit is what was decided, bit by bit, or nothing.

use authgate_kernel::wire::{SignedVerdict, decode, encode};
use authgate_kernel::{Kernel, verify_checkpoint, verify_signed};
use ed25519_dalek::Signature;
use proptest::prelude::*;

use crate::world::{NOW, READ, TTL, World, action, grant};

/// Permits of a batch of so many.
fn batch(world: &World, size: usize) -> Vec<Vec<u8>> {
    world.decide(&vec![action("a", READ); size])
}

#[test]
fn a_changed_bit_is_refused() {
    let world = World::with(&[grant("g", "bot", "")]);
    let permit = batch(&world, 3).remove(1);
    // The tests of the binding change each bit; this step still meets every byte but a few.
    for bit in (0..permit.len() * 8).step_by(13) {
        let mut changed = permit.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(world.redeem(&changed, NOW), "permit_forged", "bit {bit}");
    }
    assert_eq!(world.redeem(&permit, NOW), "");
}

#[test]
fn bytes_after_a_permit_are_refused() {
    let world = World::with(&[grant("g", "bot", "")]);
    let mut permit = batch(&world, 1).remove(0);
    permit.push(0);
    assert_eq!(world.redeem(&permit, NOW), "permit_forged");
}

#[test]
fn the_permit_of_another_kernel_is_refused() {
    let world = World::with(&[grant("g", "bot", "")]);
    let other = World {
        kernel: Kernel::new(&[9; 32], &[2; 32], TTL).unwrap(),
    };
    assert_eq!(other.redeem(&batch(&world, 1)[0], NOW), "permit_forged");
}

#[test]
fn the_permit_of_another_instance_with_the_same_key_is_refused() {
    let world = World::with(&[grant("g", "bot", "")]);
    let other = World {
        kernel: Kernel::new(&[1; 32], &[9; 32], TTL).unwrap(),
    };
    let permit = batch(&world, 1).remove(0);
    assert!(verify_signed(&other.kernel.public_key(), &permit));
    assert_eq!(other.redeem(&permit, NOW), "permit_forged");
    assert_eq!(world.redeem(&permit, NOW), "");
}

#[test]
fn every_verdict_of_a_batch_verifies_with_the_public_key_alone() {
    let world = World::with(&[grant("g", "bot", "")]);
    let key = world.kernel.public_key();
    for size in [1, 2, 3, 7, 64, 100] {
        let signed = batch(&world, size);
        assert_eq!(signed.len(), size);
        assert!(signed.iter().all(|signed| verify_signed(&key, signed)));
    }
}

#[test]
fn denials_are_signed_too() {
    let world = World::new();
    assert!(verify_signed(
        &world.kernel.public_key(),
        &batch(&world, 1)[0]
    ));
}

#[test]
fn an_empty_batch_has_an_empty_answer() {
    assert!(World::new().decide(&[]).is_empty());
}

#[test]
fn a_checkpoint_is_signed_as_the_text_that_other_tools_read() {
    let kernel = World::new().kernel;
    let (key, root) = (kernel.public_key(), [7; 32]);
    let signature = kernel.sign_checkpoint("a.example/log", 5, &root).unwrap();
    let text = "a.example/log\n5\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";
    let parsed = Signature::from_slice(&signature).unwrap();
    assert!(key.verify_strict(text.as_bytes(), &parsed).is_ok());
    let verifies = |origin, size, root| verify_checkpoint(&key, origin, size, root, &signature);
    assert!(verifies("a.example/log", 5, &root));
    assert!(!verifies("a.example/lot", 5, &root));
    assert!(!verifies("a.example/log", 6, &root));
    assert!(!verifies("a.example/log", 5, &[8; 32]));
}

#[test]
fn only_what_is_a_checkpoint_is_signed() {
    let kernel = World::new().kernel;
    for origin in ["", "a b", "a+b", "a\nb", "a\0b", "ä"] {
        assert!(kernel.sign_checkpoint(origin, 5, &[7; 32]).is_err());
    }
    assert!(kernel.sign_checkpoint("a", 5, &[7; 31]).is_err());
    assert!(kernel.sign_checkpoint("a", 1 << 63, &[7; 32]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parts_of_two_permits_do_not_mix(size in 2_usize..20, one: prop::sample::Index, other: prop::sample::Index) {
        let world = World::with(&[grant("g", "bot", "")]);
        let (signed, later) = (batch(&world, size), world.decide_at(&vec![action("a", READ); size], NOW + 1));
        let (one, other) = (one.index(size), other.index(size));
        let ours: SignedVerdict<'_> = decode(&signed[one]).unwrap();
        let theirs: SignedVerdict<'_> = decode(&later[other]).unwrap();
        let key = world.kernel.public_key();
        let mixed = |change: fn(&mut SignedVerdict<'_>, &SignedVerdict<'_>)| {
            let mut mixed = ours.clone();
            change(&mut mixed, &theirs);
            mixed == ours || !verify_signed(&key, &encode(&mixed))
        };
        prop_assert!(mixed(|ours, theirs| ours.index = theirs.index));
        prop_assert!(mixed(|ours, theirs| ours.size = theirs.size + 1));
        prop_assert!(mixed(|ours, theirs| ours.path = theirs.path.to_vec().into()));
        prop_assert!(mixed(|ours, theirs| ours.signature = theirs.signature.to_vec().into()));
        let foreign = SignedVerdict { verdict: theirs.verdict, ..ours.clone() };
        prop_assert!(!verify_signed(&key, &encode(&foreign)));
    }

    #[test]
    fn no_bytes_are_a_panic(bytes: Vec<u8>) {
        let key = World::new().kernel.public_key();
        prop_assert!(!verify_signed(&key, &bytes));
    }
}
