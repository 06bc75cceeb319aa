//! Calls of a kernel, one after another, with any bytes as messages.
//!
//! Each is a head of 12 bytes, the operation, what fills the entropy of a batch, the moment (8 bytes,
//! little-endian) and a length (2), and its message.
#![cfg_attr(fuzzing, no_main)]

use authgate_kernel::wire::{Changed, Redeemed, SignedVerdict, Verdict, decode};
use authgate_kernel::{Kernel, KernelError, verify_signed};

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| check(data));

/// The same calls give the same answers, whatever calls that were errors stood between them; what is
/// decided is signed, and is a permit if and only if nothing is against it; and a permit is good once.
pub(crate) fn check(data: &[u8]) {
    let (Some(kernel), Some(twin)) = (kernel(), kernel()) else {
        return;
    };
    let mut rest = data;
    while let Some((call, more)) = Call::read(rest) {
        rest = more;
        if let Ok(answer) = call.make(&kernel) {
            call.judge(&kernel, &answer);
            assert_eq!(call.make(&twin), Ok(answer));
            if call.operation == Operation::Redeem {
                assert_eq!(call.yeses(&kernel), 0, "a permit was good twice");
                assert_eq!(call.yeses(&twin), 0, "a permit was good twice");
            }
        }
    }
}

/// The one of the committed vectors, so that their messages mean here what they mean there.
fn kernel() -> Option<Kernel> {
    Kernel::new(&[1; 32], &[2; 32], 60_000_000).ok()
}

#[derive(Clone, Copy, PartialEq)]
enum Operation {
    Change,
    Decide,
    Redeem,
    Settle,
    Stale,
}

struct Call<'a> {
    operation: Operation,
    entropy: [u8; 32],
    now: u64,
    message: &'a [u8],
}

impl<'a> Call<'a> {
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let ([operation, entropy], rest) = bytes.split_first_chunk()?;
        let (now, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (message, rest) = rest.split_at_checked(length)?;
        let call = Self {
            operation: match operation % 5 {
                0 => Operation::Change,
                1 => Operation::Decide,
                2 => Operation::Redeem,
                3 => Operation::Settle,
                _ => Operation::Stale,
            },
            entropy: [*entropy; 32],
            now: u64::from_le_bytes(*now),
            message,
        };
        Some((call, rest))
    }

    fn make(&self, kernel: &Kernel) -> Result<Vec<u8>, KernelError> {
        match self.operation {
            Operation::Change => kernel.change(self.message, self.now),
            Operation::Decide => kernel.decide(self.message, self.now, &self.entropy),
            Operation::Redeem => kernel.redeem(self.message, self.now),
            Operation::Settle => kernel.settle(self.message),
            Operation::Stale => kernel.stale(self.message),
        }
    }

    /// How many permits a redemption took.
    fn yeses(&self, kernel: &Kernel) -> usize {
        let answer = self.make(kernel).unwrap_or_default();
        let answers: Vec<Redeemed<'_>> = decode(&answer).unwrap_or_default();
        answers.iter().filter(|one| one.code.is_empty()).count()
    }

    fn judge(&self, kernel: &Kernel, answer: &[u8]) {
        match self.operation {
            Operation::Change => assert!(decode::<Vec<Changed<'_>>>(answer).is_ok()),
            Operation::Decide => decided(kernel, answer),
            Operation::Redeem => assert!(decode::<Vec<Redeemed<'_>>>(answer).is_ok()),
            Operation::Settle => assert!(decode::<Vec<bool>>(answer).is_ok()),
            Operation::Stale => assert!(decode::<Vec<&str>>(answer).is_ok()),
        }
    }
}

fn decided(kernel: &Kernel, answer: &[u8]) {
    let batch = decode::<Vec<SignedVerdict<'_>>>(answer);
    assert!(batch.is_ok(), "{batch:?}");
    for signed in batch.iter().flatten() {
        let bytes = authgate_kernel::wire::encode(signed);
        assert!(verify_signed(&kernel.public_key(), &bytes));
        let verdict = decode::<Verdict<'_>>(signed.verdict);
        let sound = verdict.is_ok_and(|verdict| is_sound(&verdict));
        assert!(sound, "{:x?}", signed.verdict);
    }
}

fn is_sound(verdict: &Verdict<'_>) -> bool {
    let denied = !verdict.permitted;
    verdict.permitted == verdict.violations.is_empty()
        && (denied || verdict.chains.len() == verdict.requests.len())
        && (!denied || (verdict.chains.is_empty() && verdict.confidence == 0))
        && verdict.issued_at <= verdict.expires_at
}
