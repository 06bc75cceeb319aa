//! Trees and inclusion paths: 17 bytes say which leaf of which tree, the rest is the path.
#![cfg_attr(fuzzing, no_main)]

use authgate_kernel::tree::{CompactRange, Hash, Tree, leaf_hash, root_from_path};
use sha2::{Digest, Sha256};

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| check(data));

/// A path leads to the root if and only if it is the path of that leaf in the tree; whole trees and
/// those that grow are the recursive ones of RFC 6962; and no numbers are too large.
pub(crate) fn check(data: &[u8]) {
    let Some(([small, numbers @ ..], path)) = data.split_first_chunk::<17>() else {
        return;
    };
    let mut numbers = numbers.as_chunks::<8>().0.iter();
    let mut number = || numbers.next().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let (size, index) = (number(), number());
    far_out(size, index, path);
    near(usize::from(*small), index, path);
}

fn far_out(size: u64, index: u64, path: &[u8]) {
    let root = root_from_path([0; 32], index, size, path);
    assert!(root.is_none() || (path.len() <= 64 * 32 && index < size));
    let nodes = vec![[0; 32]; size.count_ones() as usize];
    if let Some(mut range) = CompactRange::from_nodes(size, nodes) {
        range.push([1; 32]);
        assert_eq!(range.size(), size.saturating_add(1));
    }
}

fn near(size: usize, index: u64, path: &[u8]) {
    let leaves: Vec<Hash> = (0..size)
        .map(|leaf| leaf_hash(&leaf.to_le_bytes()))
        .collect();
    let tree = Tree::new(leaves.clone());
    let mut grown = CompactRange::default();
    for leaf in &leaves {
        grown.push(*leaf);
    }
    assert_eq!(tree.root(), grown.root());
    assert!(size == 0 || tree.root() == root(&leaves));
    let place = usize::try_from(index).unwrap_or(usize::MAX);
    let Some(leaf) = leaves.get(place) else {
        assert!(tree.path(place).is_empty());
        return;
    };
    let leads = |path: &[u8]| root_from_path(*leaf, index, size as u64, path) == Some(tree.root());
    assert!(leads(&tree.path(place)));
    assert_eq!(leads(path), path == tree.path(place));
}

/// As RFC 6962, section 2.1, writes it.
fn root(leaves: &[Hash]) -> Hash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let nodes = Sha256::new().chain_update([1]);
    let nodes = nodes.chain_update(root(left)).chain_update(root(right));
    nodes.finalize().into()
}
