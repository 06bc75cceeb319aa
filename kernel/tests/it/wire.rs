//! The wire takes one encoding of a message and no other.

use authgate_kernel::wire::{
    Action, AdvanceEpoch, Change, Enrol, Grant, Redeemed, Request, decode, encode,
};
use authgate_kernel::{DecodeError, Kernel};
use proptest::prelude::*;

use crate::world::{action, enrol, grant};

/// Bytes that are one item of the type, or the sentence that says why they are not.
fn request(bytes: &[u8]) -> Result<(), String> {
    decode::<Request<'_>>(bytes)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

#[test]
fn a_message_is_its_fields_in_order() {
    let request = Request {
        rtype: "f",
        name: "n",
        scope: "",
        right: 200,
    };
    assert_eq!(hex::encode(encode(&request)), "94a166a16ea0ccc8");
    let change = Change::AdvanceEpoch(AdvanceEpoch { to: 5 });
    assert_eq!(
        encode(&change),
        [&[0x92, 0xad], "advance_epoch".as_bytes(), &[5]].concat()
    );
}

#[test]
fn whatever_is_not_the_message_is_an_error_with_its_place() {
    let expected = |at: usize, what: &str| {
        format!("the bytes do not decode: at byte {at}, {what} was expected")
    };
    let table: [(&[u8], usize, &str); 12] = [
        (b"", 0, "an array"),
        (b"\x93\xa1f\xa1n\xa0", 0, "an array of another length"),
        (
            b"\x95\xa1f\xa1n\xa0\x01\x01",
            0,
            "an array of another length",
        ),
        (b"\x84\xa1f\xa1n\xa0\x01", 0, "an array"),
        (b"\x94\xa1f\xa1n\xa0\x01\x00", 7, "the end"),
        (b"\x94\xa1f\xa1n\xa0", 6, "an integer from 0 to 2^63 - 1"),
        (
            b"\x94\xa1f\xa1n\xa0\xff",
            6,
            "an integer from 0 to 2^63 - 1",
        ),
        (
            b"\x94\xa1f\xa1n\xa0\xcf\x80\0\0\0\0\0\0\0",
            6,
            "an integer from 0 to 2^63 - 1",
        ),
        (
            b"\x94\xa1f\xa1n\xa0\xca\0\0\0\0",
            6,
            "an integer from 0 to 2^63 - 1",
        ),
        (b"\x94\xa1\xff\xa1n\xa0\x01", 1, "text"),
        (b"\x94\xc4\x01f\xa1n\xa0\x01", 1, "text"),
        (b"\x94\xc0\xa1n\xa0\x01", 1, "text"),
    ];
    for (bytes, at, what) in table {
        assert_eq!(request(bytes), Err(expected(at, what)), "{bytes:x?}");
    }
}

#[test]
fn a_longer_header_than_needed_is_an_error() {
    let table: [&[u8]; 7] = [
        b"\xdc\x00\x04\xa1f\xa1n\xa0\x01",
        b"\xdd\x00\x00\x00\x04\xa1f\xa1n\xa0\x01",
        b"\x94\xd9\x01f\xa1n\xa0\x01",
        b"\x94\xda\x00\x01f\xa1n\xa0\x01",
        b"\x94\xa1f\xa1n\xa0\xcc\x01",
        b"\x94\xa1f\xa1n\xa0\xd0\x01",
        b"\x94\xa1f\xa1n\xa0\xcf\0\0\0\0\0\0\0\x01",
    ];
    assert!(table.iter().all(|bytes| request(bytes).is_err()));
}

/// The shorter forms stand in `tests/vectors`.
#[test]
fn the_longest_of_a_form_may_not_be_in_the_next() {
    let most = 0xffff_usize;
    let text = [b"\x94\xdb\0\0\xff\xff".to_vec(), vec![b'f'; most]].concat();
    let text = [text, b"\xa1n\xa0\x01".to_vec()].concat();
    assert!(request(&text).is_err());
    let bytes = [b"\x91\xc6\0\0\xff\xff".to_vec(), vec![0; most]].concat();
    assert!(decode::<Vec<&[u8]>>(&bytes).is_err());
    let array = [b"\xdd\0\0\xff\xff".to_vec(), b"\xc4\0".repeat(most)].concat();
    assert!(decode::<Vec<&[u8]>>(&array).is_err());
}

#[test]
fn arrays_of_every_length_come_back() {
    for length in [0, 15, 16, 65_535, 65_536] {
        let empties: Vec<&[u8]> = vec![&[]; length];
        assert_eq!(decode::<Vec<&[u8]>>(&encode(&empties)), Ok(empties));
    }
}

#[test]
fn a_claimed_length_costs_nothing() {
    let huge = b"\xdd\xff\xff\xff\xff";
    assert!(decode::<Vec<Action<'_>>>(huge).is_err());
    assert!(decode::<Redeemed<'_>>(b"\x92\xdb\xff\xff\xff\xff").is_err());
}

#[test]
fn an_unknown_tag_is_no_change() {
    assert!(decode::<Change<'_>>(b"\x92\xa6revoka\xa1g").is_err());
    assert!(decode::<Change<'_>>(b"\x93\xa6revoke\xa1g\xa1g").is_err());
    let second = decode::<Vec<Change<'_>>>(b"\x92\x92\xa6revoke\xa1g\x92\xa6revoka\xa1g");
    let expected = "a change";
    assert_eq!(second, Err(DecodeError { at: 11, expected }));
}

#[test]
fn a_length_or_number_out_of_range_is_named() {
    let kernel = |seed: &[u8], ttl| {
        Kernel::new(seed, &[0; 32], ttl)
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    assert_eq!(
        kernel(&[0; 31], 1),
        Err("`seed` must have 32 bytes, not 31".to_owned())
    );
    let range = Err("`permit_ttl` must be from 0 to 9223372036854775807".to_owned());
    assert_eq!(kernel(&[0; 32], u64::MAX), range);
    let kernel = Kernel::new(&[0; 32], &[0; 32], 1).unwrap();
    assert!(kernel.decide(b"\x90", 0, &[0; 16]).is_err());
    assert!(kernel.decide(b"\x90", 1 << 63, &[0; 32]).is_err());
    assert!(kernel.redeem(b"\x90\x90", 0).is_err());
}

#[test]
fn texts_and_bytes_of_every_length_come_back() {
    for length in [0, 1, 31, 32, 255, 256, 65_535, 65_536] {
        let (text, key) = ("x".repeat(length), vec![7; length]);
        let change = Change::Enrol(Enrol {
            name: &text,
            kind: "",
            key: &key,
            trust_domain: "",
        });
        assert_eq!(decode::<Change<'_>>(&encode(&change)), Ok(change));
    }
}

proptest! {
    #[test]
    fn integers_come_back(right in 0..=i64::MAX as u64) {
        let request = Request { rtype: "", name: "", scope: "", right };
        let bytes = encode(&request);
        prop_assert_eq!(decode(&bytes), Ok(request));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(bit: prop::sample::Index, which in 0..3_u8) {
        let mut bytes = match which {
            0 => encode(&action("a/b", 1)),
            1 => encode(&grant("g", "bot", "a")),
            _ => encode(&enrol("bot", "machine", &[1; 32])),
        };
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let again = match which {
            0 => decode::<Action<'_>>(&bytes).map(|value| encode(&value)),
            1 => decode::<Grant<'_>>(&bytes).map(|value| encode(&value)),
            _ => decode::<Change<'_>>(&bytes).map(|value| encode(&value)),
        };
        prop_assert!(again.is_err() || again == Ok(bytes));
    }
}
