//! The tree against published vectors, and the algebra of its proofs.

use authgate_kernel::tree::{CompactRange, Hash, Tree, leaf_hash, root_from_path};
use proptest::prelude::*;

/// The leaves and roots of the certificate-transparency reference tests for RFC 6962.
const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const PATH_OF_LEAF_5_IN_8: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b\
     ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0\
     d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7";

fn published(size: usize) -> Vec<Hash> {
    let leaves = LEAVES.iter().take(size);
    leaves
        .map(|leaf| leaf_hash(&hex::decode(leaf).unwrap()))
        .collect()
}

/// Distinct leaves.
fn numbered(size: usize) -> Vec<Hash> {
    (0..size)
        .map(|leaf| leaf_hash(&leaf.to_be_bytes()))
        .collect()
}

#[test]
fn roots_are_the_published_ones() {
    for (size, root) in (1..).zip(ROOTS) {
        assert_eq!(hex::encode(Tree::new(published(size)).root()), root);
    }
}

#[test]
fn a_path_is_the_published_one() {
    assert_eq!(
        hex::encode(Tree::new(published(8)).path(5)),
        PATH_OF_LEAF_5_IN_8
    );
}

#[test]
fn the_tree_of_nothing_hashes_nothing() {
    let root = hex::encode(Tree::new(Vec::new()).root());
    assert_eq!(
        root,
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

/// A tree that grew leaf by leaf.
fn grown(leaves: Vec<Hash>) -> CompactRange {
    let mut range = CompactRange::default();
    for leaf in leaves {
        range.push(leaf);
    }
    range
}

#[test]
fn a_tree_that_grows_has_the_published_roots() {
    for (size, root) in (1..).zip(ROOTS) {
        assert_eq!(hex::encode(grown(published(size)).root()), root);
    }
}

#[test]
fn a_tree_that_grows_has_the_root_of_the_whole_one_at_every_size() {
    for size in 0..300 {
        let range = grown(numbered(size));
        assert_eq!(range.root(), Tree::new(numbered(size)).root());
        assert_eq!(range.size(), size as u64);
    }
}

#[test]
fn a_tree_goes_on_from_the_nodes_that_were_kept() {
    for size in 0..100 {
        let range = grown(numbered(size));
        let mut kept = CompactRange::from_nodes(range.size(), range.nodes().to_vec()).unwrap();
        kept.push([7; 32]);
        let whole = [numbered(size), vec![[7; 32]]].concat();
        assert_eq!(kept, grown(whole));
    }
}

#[test]
fn nodes_that_are_too_many_or_too_few_are_refused() {
    for size in 0..20_u64 {
        for count in 0..6 {
            let range = CompactRange::from_nodes(size, vec![[0; 32]; count as usize]);
            assert_eq!(range.is_some(), count == size.count_ones());
        }
    }
}

#[test]
fn the_largest_tree_takes_no_more() {
    let mut range = CompactRange::from_nodes(u64::MAX, vec![[0; 32]; 64]).unwrap();
    range.push([1; 32]);
    assert_eq!(range.size(), u64::MAX);
}

#[test]
fn a_leaf_that_is_not_there_has_no_path() {
    assert!(Tree::new(numbered(3)).path(3).is_empty());
}

#[test]
fn every_path_of_every_small_tree_leads_to_its_root() {
    for size in 1..=70 {
        let (leaves, tree) = (numbered(size), Tree::new(numbered(size)));
        for (index, leaf) in leaves.into_iter().enumerate() {
            let root = root_from_path(leaf, index as u64, size as u64, &tree.path(index));
            assert_eq!(root, Some(tree.root()));
        }
    }
}

/// A tree's size and one of its leaves.
fn place() -> impl Strategy<Value = (usize, usize)> {
    (1_usize..300).prop_flat_map(|size| (Just(size), 0..size))
}

proptest! {
    #[test]
    fn another_index_leads_elsewhere((size, index) in place(), other: u64) {
        prop_assume!(other != index as u64);
        let tree = Tree::new(numbered(size));
        let leaf = numbered(size)[index];
        let root = root_from_path(leaf, other, size as u64, &tree.path(index));
        prop_assert_ne!(root, Some(tree.root()));
    }

    #[test]
    fn a_path_of_another_length_leads_nowhere((size, index) in place(), cut in 1_usize..40) {
        let tree = Tree::new(numbered(size));
        let (leaf, path) = (numbered(size)[index], tree.path(index));
        let short = &path[..path.len().saturating_sub(cut)];
        let long = [path.as_slice(), &vec![0; cut]].concat();
        prop_assert_eq!(root_from_path(leaf, index as u64, size as u64, &long), None);
        if !path.is_empty() {
            prop_assert_ne!(root_from_path(leaf, index as u64, size as u64, short), Some(tree.root()));
        }
    }

    #[test]
    fn a_changed_bit_of_the_path_leads_elsewhere((size, index) in place(), bit: prop::sample::Index) {
        let tree = Tree::new(numbered(size));
        let mut path = tree.path(index);
        prop_assume!(!path.is_empty());
        let bit = bit.index(path.len() * 8);
        path[bit / 8] ^= 1 << (bit % 8);
        let root = root_from_path(numbered(size)[index], index as u64, size as u64, &path);
        prop_assert_ne!(root, Some(tree.root()));
    }

    #[test]
    fn no_size_index_or_path_is_a_panic(index: u64, size: u64, path: Vec<u8>) {
        let _ = root_from_path([0; 32], index, size, &path);
    }
}
