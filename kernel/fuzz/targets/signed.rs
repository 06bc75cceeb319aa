//! What is signed: verdicts, approvals, checkpoints. The first byte says which.
#![cfg_attr(fuzzing, no_main)]

use std::sync::LazyLock;

use authgate_kernel::signing::Statement;
use authgate_kernel::wire::{
    Action, Approve, Change, Changed, Enrol, Redeemed, Redemption, Request, SignedVerdict, Verdict,
    decode, encode,
};
use authgate_kernel::{Kernel, verify_checkpoint, verify_signed};
use ed25519_dalek::SigningKey;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| check(data));

/// Nothing but the very bytes that were signed is taken: no other signed verdict than those of a
/// batch of three, no other approval. A checkpoint's text has no second reading.
pub(crate) fn check(data: &[u8]) {
    let (Some((kind, bytes)), Some(world)) = (data.split_first(), &*WORLD) else {
        return;
    };
    match kind % 3 {
        0 => world.permit(bytes),
        1 => world.approval(bytes),
        _ => world.checkpoint(bytes),
    }
}

/// A kernel with the human `ann`, who has a key, and what both signed.
pub(crate) struct World {
    kernel: Kernel,
    pub(crate) verdicts: Vec<Vec<u8>>,
    pub(crate) approval: Vec<u8>,
}

pub(crate) static WORLD: LazyLock<Option<World>> = LazyLock::new(World::new);

fn kernel(key: &SigningKey) -> Option<Kernel> {
    let kernel = Kernel::new(&[1; 32], &[2; 32], 60_000_000).ok()?;
    let public = key.verifying_key();
    let enrol = Enrol {
        name: "ann",
        kind: "human",
        key: public.as_bytes(),
        trust_domain: "",
    };
    kernel
        .change(&encode(&vec![Change::Enrol(enrol)]), 0)
        .ok()?;
    Some(kernel)
}

impl World {
    fn new() -> Option<Self> {
        let key = SigningKey::from_bytes(&[5; 32]);
        let kernel = kernel(&key)?;
        let batch = kernel
            .decide(&encode(&vec![action(); 3]), 0, &[3; 32])
            .ok()?;
        let batch: Vec<SignedVerdict<'_>> = decode(&batch).ok()?;
        let verdict: Verdict<'_> = decode(batch.first()?.verdict).ok()?;
        let unsigned = Approve {
            instance: &verdict.instance,
            action_digest: &verdict.action_digest,
            approver: "ann",
            expires_at: 1_000,
            nonce: &[4; 16],
            signature: &[],
        };
        let signature = Statement::approval(&unsigned).sign(&key);
        let signed = Approve {
            signature: &signature,
            ..unsigned
        };
        let approval = encode(&vec![Change::Approve(signed)]);
        let verdicts = batch.iter().map(encode).collect();
        Some(Self {
            kernel,
            verdicts,
            approval,
        })
    }

    fn permit(&self, bytes: &[u8]) {
        let genuine = self.verdicts.iter().any(|signed| signed == bytes);
        assert_eq!(verify_signed(&self.kernel.public_key(), bytes), genuine);
        let redemption = Redemption {
            permit: bytes,
            tool: "t",
            args: b"{}",
            salt: &[],
        };
        let answer = self.kernel.redeem(&encode(&vec![redemption]), 0);
        let answer = answer.unwrap_or_default();
        let answers: Vec<Redeemed<'_>> = decode(&answer).unwrap_or_default();
        let codes: Vec<&str> = answers.iter().map(|one| one.code.as_ref()).collect();
        // The verdicts are denials.
        let code = if genuine {
            "permit_denied"
        } else {
            "permit_forged"
        };
        assert_eq!(codes, [code]);
    }

    fn approval(&self, bytes: &[u8]) {
        if !matches!(
            decode::<Vec<Change<'_>>>(bytes).as_deref(),
            Ok([Change::Approve(_)])
        ) {
            return;
        }
        let Some(fresh) = kernel(&SigningKey::from_bytes(&[5; 32])) else {
            return;
        };
        let answer = fresh.change(bytes, 0).unwrap_or_default();
        let answers: Vec<Changed<'_>> = decode(&answer).unwrap_or_default();
        let taken = matches!(answers.as_slice(), [one] if one.code.is_empty());
        assert_eq!(taken, bytes == self.approval, "{answers:?}");
    }

    fn checkpoint(&self, bytes: &[u8]) {
        let Some((size, rest)) = bytes.split_first_chunk() else {
            return;
        };
        let Some((signature, origin)) = rest.split_first_chunk::<64>() else {
            return;
        };
        let size = u64::from_le_bytes(*size);
        let Ok(origin) = str::from_utf8(origin) else {
            return;
        };
        let signed = self.kernel.sign_checkpoint(origin, size, &[7; 32]);
        let key = self.kernel.public_key();
        let verifies =
            |size, signature: &[u8]| verify_checkpoint(&key, origin, size, &[7; 32], signature);
        assert!(!verifies(size, signature));
        if let Ok(signature) = signed {
            assert!(verifies(size, &signature));
            assert!(!verifies(size ^ 1, &signature));
            assert!(origin.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}

fn action() -> Action<'static> {
    Action {
        id: "i",
        actor: "ann",
        kind: "human",
        tool: "t",
        args: b"{}",
        requests: vec![Request {
            rtype: "f",
            name: "n",
            scope: "",
            right: 1,
        }],
        governs_humans: Vec::new(),
        flags: 0,
        min_epoch: 0,
        proof: &[],
        wall_us: 0,
        output_bytes: 0,
        cost: 0,
        salt: &[],
    }
}
