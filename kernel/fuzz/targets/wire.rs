//! Messages. The first byte says which; the rest is decoded as one.
#![cfg_attr(fuzzing, no_main)]

use std::fmt::Debug;

use authgate_kernel::wire::{
    Action, Change, Changed, Redeemed, Redemption, Settlement, SignedVerdict, Verdict, Wire,
    decode, encode,
};

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| check(data));

/// Whatever decodes is the one encoding of its value, and whatever does not has a place in the bytes.
pub(crate) fn check(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    match kind % 9 {
        0 => comes_back::<Vec<Action<'_>>>(bytes),
        1 => comes_back::<Vec<Change<'_>>>(bytes),
        2 => comes_back::<Vec<Redemption<'_>>>(bytes),
        3 => comes_back::<Vec<Settlement<'_>>>(bytes),
        4 => comes_back::<Verdict<'_>>(bytes),
        5 => comes_back::<Vec<SignedVerdict<'_>>>(bytes),
        6 => comes_back::<Vec<Changed<'_>>>(bytes),
        7 => comes_back::<Vec<Redeemed<'_>>>(bytes),
        _ => comes_back::<Vec<&[u8]>>(bytes),
    }
}

fn comes_back<'a, T: Wire<'a> + Debug + PartialEq>(bytes: &'a [u8]) {
    match decode::<T>(bytes) {
        Ok(value) => assert_eq!(encode(&value), bytes),
        Err(error) => assert!(error.at <= bytes.len(), "{error}"),
    }
}
