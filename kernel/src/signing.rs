//! What is signed, and strict Ed25519 (`docs/rules.md`, sections 3 and 6; `docs/log.md`, section 4).

use base64ct::{Base64, Encoding as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::codec::Writer;
use crate::tree::Hash;
use crate::wire::Approve;

/// The bytes under a signature: a context, a zero byte, a body; or a checkpoint's text, which has no
/// zero byte. No two can be confused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement(Vec<u8>);

impl Statement {
    fn new(context: &str, body: &[&[u8]]) -> Self {
        let mut bytes = context.as_bytes().to_vec();
        bytes.push(0);
        bytes.extend(body.iter().copied().flatten());
        Self(bytes)
    }

    /// What an actor signs to prove that an action is its own.
    #[must_use]
    pub fn action(digest: &Hash) -> Self {
        Self::new("authgate_async action v1", &[digest])
    }

    /// What a human signs who approves an action.
    #[must_use]
    pub fn approval(approval: &Approve<'_>) -> Self {
        let mut body = Writer::default();
        approval.write_signed(&mut body);
        Self::new("authgate_async approval v1", &[&body.out])
    }

    /// What a kernel signs for the tree over a batch.
    #[must_use]
    pub fn batch(size: u64, root: &Hash) -> Self {
        Self::new("authgate_async batch v1", &[&size.to_be_bytes(), root])
    }

    /// The text of a log's checkpoint (C2SP `tlog-checkpoint`), which a signed note signs as it is.
    ///
    /// It has no zero byte, so that it is no other statement. `None` if the origin is empty or has
    /// anything but printable ASCII, or a space or a plus, which the key name of a note may not have.
    #[must_use]
    pub fn checkpoint(origin: &str, size: u64, root: &Hash) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'+';
        let fits = !origin.is_empty() && origin.bytes().all(plain);
        let root = Base64::encode_string(root);
        fits.then(|| Self(format!("{origin}\n{size}\n{root}\n").into_bytes()))
    }

    /// Signs it.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> [u8; 64] {
        key.sign(&self.0).to_bytes()
    }
}

/// Whether `signature` is the key's over the statement: no point of small order, no second encoding.
#[must_use]
pub fn verifies(key: &VerifyingKey, statement: &Statement, signature: &[u8]) -> bool {
    let Ok(signature) = Signature::from_slice(signature) else {
        return false;
    };
    is_canonical(key.as_bytes()) && key.verify_strict(&statement.0, &signature).is_ok()
}

/// Whether signatures under this key can ever verify: neither of small order nor a second encoding.
pub(crate) fn is_strict(key: &VerifyingKey) -> bool {
    is_canonical(key.as_bytes()) && !key.is_weak()
}

/// Whether a point's y is below 2^255 - 19. The library reduces it instead of refusing.
fn is_canonical(point: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = point;
    *first < 0xed || last & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

/// The key of 32 bytes that encode a point.
#[must_use]
pub fn parse_key(bytes: &[u8]) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()
}

/// The short name of a public key.
#[must_use]
pub fn key_id(key: &VerifyingKey) -> String {
    hex(Sha256::digest(key.as_bytes()).iter().take(8))
}

/// Lower-case hexadecimal.
pub(crate) fn hex<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15];
    let digits = bytes.into_iter().flat_map(digits);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of 2^255 - 19 and a little more or less, with or without the sign bit.
    fn near_the_prime(more: i8, sign: u8) -> [u8; 32] {
        let mut bytes = [0xff; 32];
        bytes[0] = 0xed_u8.wrapping_add_signed(more);
        bytes[31] = 0x7f | sign;
        bytes
    }

    #[test]
    fn a_second_encoding_of_a_point_is_not_canonical() {
        for sign in [0, 0x80] {
            assert!(is_canonical(&near_the_prime(-1, sign)));
            assert!(!is_canonical(&near_the_prime(0, sign)));
            assert!(!is_canonical(&near_the_prime(1, sign)));
            assert!(!is_canonical(&near_the_prime(18, sign)));
        }
        assert!(is_canonical(&[0; 32]));
    }

    #[test]
    fn a_point_below_the_prime_in_any_byte_is_canonical() {
        for at in 1..32 {
            let mut lower = near_the_prime(18, 0);
            if let Some(byte) = lower.get_mut(at) {
                *byte -= 1;
            }
            assert!(is_canonical(&lower), "byte {at}");
        }
    }
}
