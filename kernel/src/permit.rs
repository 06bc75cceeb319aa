//! Permits: a batch of verdicts under one signature, and the only place where one is verified.

use std::borrow::Cow;
use std::convert::Infallible;

use ed25519_dalek::{SigningKey, VerifyingKey};

use crate::codec::Writer;
use crate::signing::{Statement, verifies};
use crate::tree::{Hash, Tree, leaf_hash, root_from_path};
use crate::wire::{SignedVerdict, Verdict, Wire, decode};

/// Encoded verdicts, one after another.
#[derive(Default)]
pub(crate) struct Batch {
    bytes: Writer,
    ends: Vec<usize>,
}

impl Batch {
    pub(crate) fn push(&mut self, verdict: &Verdict<'_>) {
        verdict.write(&mut self.bytes);
        self.ends.push(self.bytes.out.len());
    }

    fn verdicts(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let spans = starts.zip(self.ends.iter().copied());
        spans.filter_map(|(start, end)| self.bytes.out.get(start..end))
    }

    /// Signs them together and encodes the list of signed verdicts; nothing is signed for none.
    pub(crate) fn sign(&self, key: &SigningKey) -> Vec<u8> {
        let tree = Tree::new(self.verdicts().map(leaf_hash).collect());
        let size = self.ends.len();
        let mut writer = Writer::default();
        writer.out.reserve(self.bytes.out.len() + size * 512);
        writer.array(size);
        if size == 0 {
            return writer.out;
        }
        let signature = Statement::batch(size as u64, &tree.root()).sign(key);
        for (index, verdict) in self.verdicts().enumerate() {
            let signed = SignedVerdict {
                verdict,
                index: index as u64,
                size: size as u64,
                path: Cow::Owned(tree.path(index)),
                signature: Cow::Borrowed(&signature),
            };
            signed.write(&mut writer);
        }
        writer.out
    }
}

/// A root and the signature that is said to be over it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Seal {
    root: Hash,
    size: u64,
    signature: [u8; 64],
}

impl Seal {
    /// Whether the signature is.
    pub(crate) fn is_of(&self, key: &VerifyingKey) -> bool {
        verifies(
            key,
            &Statement::batch(self.size, &self.root),
            &self.signature,
        )
    }
}

/// The verdict in the bytes of a signed verdict, if they are one and it verifies.
///
/// The path must lead from the verdict to a root of that size; whether that root was signed is what
/// `is_genuine` says: by `Seal::is_of`, or by having said so before.
pub(crate) fn verified<E>(
    signed: &[u8],
    is_genuine: impl FnOnce(&Seal) -> Result<bool, E>,
) -> Result<Option<Verdict<'_>>, E> {
    match opened(signed) {
        Some((verdict, seal)) => Ok(is_genuine(&seal)?.then_some(verdict)),
        None => Ok(None),
    }
}

fn opened(signed: &[u8]) -> Option<(Verdict<'_>, Seal)> {
    let signed: SignedVerdict<'_> = decode(signed).ok()?;
    let verdict = decode(signed.verdict).ok()?;
    let leaf = leaf_hash(signed.verdict);
    let root = root_from_path(leaf, signed.index, signed.size, &signed.path)?;
    let signature = signed.signature.as_ref().try_into().ok()?;
    let size = signed.size;
    Some((
        verdict,
        Seal {
            root,
            size,
            signature,
        },
    ))
}

/// Whether the bytes are a signed verdict, permit or denial, of the kernel with this key.
#[must_use]
pub fn verify_signed(key: &VerifyingKey, signed: &[u8]) -> bool {
    let Ok(verdict) = verified(signed, |seal| Ok::<_, Infallible>(seal.is_of(key)));
    verdict.is_some()
}

/// Whether `signature` over a log's checkpoint is of the kernel with this key.
#[must_use]
pub fn verify_checkpoint(
    key: &VerifyingKey,
    origin: &str,
    size: u64,
    root: &Hash,
    signature: &[u8],
) -> bool {
    Statement::checkpoint(origin, size, root)
        .is_some_and(|statement| verifies(key, &statement, signature))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A seal that no key has made.
    pub(crate) fn bogus(size: u64) -> Seal {
        Seal {
            root: [0; 32],
            size,
            signature: [0; 64],
        }
    }
}
