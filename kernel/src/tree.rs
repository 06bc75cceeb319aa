//! Merkle trees as in RFC 6962, section 2.1, and the verification of RFC 9162, section 2.1.3.2.
//!
//! Knows nothing of verdicts: leaves are bytes.

use sha2::{Digest, Sha256};

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// Hashes a leaf.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(leaf)
        .finalize()
        .into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// A whole tree, level by level, so that every leaf's path is read off.
///
/// A last node without a sibling rises unchanged, which gives the same tree as splitting at the
/// largest power of two.
#[derive(Clone, Debug)]
pub struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Builds the tree over leaves that are hashed already.
    #[must_use]
    pub fn new(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let above = below.chunks(2).filter_map(|pair| match pair {
                [left, right] => Some(node_hash(left, right)),
                rest => rest.first().copied(),
            });
            let above = above.collect();
            levels.push(above);
        }
        Self { levels }
    }

    /// The root; of no leaves, the hash of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let top = self.levels.last().and_then(|level| level.first());
        top.copied().unwrap_or_else(|| Sha256::digest([]).into())
    }

    /// The inclusion path of leaf `index`, from the leaf up; empty if there is no such leaf.
    #[must_use]
    pub fn path(&self, index: usize) -> Vec<u8> {
        let siblings = self
            .levels
            .iter()
            .enumerate()
            .filter_map(|(height, level)| {
                level.get(index.checked_shr(u32::try_from(height).ok()?)? ^ 1)
            });
        let exists = self
            .levels
            .first()
            .is_some_and(|leaves| index < leaves.len());
        siblings.filter(|_| exists).flatten().copied().collect()
    }
}

/// The right edge of a tree that grows: all that is needed to go on and to name the root.
///
/// A *compact range* from leaf 0 on: the roots of the largest perfect subtrees, the left ones first.
/// Adding a leaf hashes two nodes on average, naming the root one for each subtree.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CompactRange {
    size: u64,
    nodes: Vec<Hash>,
}

impl CompactRange {
    /// Goes on from nodes that were kept; `None` if a tree of that size has not as many.
    #[must_use]
    pub fn from_nodes(size: u64, nodes: Vec<Hash>) -> Option<Self> {
        let fits = nodes.len() == size.count_ones() as usize;
        fits.then_some(Self { size, nodes })
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its perfect subtrees, the largest first.
    #[must_use]
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// Adds a leaf that is hashed already; one beyond the largest size is not added.
    pub fn push(&mut self, leaf: Hash) {
        let Some(size) = self.size.checked_add(1) else {
            return;
        };
        let whole = self.nodes.len() - self.size.trailing_ones() as usize;
        let lower = self.nodes.drain(whole..).rev();
        let node = lower.fold(leaf, |right, left| node_hash(&left, &right));
        self.nodes.push(node);
        self.size = size;
    }

    /// The root; of no leaves, the hash of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let nodes = self.nodes.iter().rev().copied();
        nodes
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(|| Sha256::digest([]).into())
    }
}

/// The root that a path leads to from a leaf, or `None` if the path cannot be of such a tree.
#[must_use]
pub fn root_from_path(leaf: Hash, index: u64, size: u64, path: &[u8]) -> Option<Hash> {
    let (steps, rest) = path.as_chunks::<32>();
    if index >= size || !rest.is_empty() {
        return None;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for step in steps {
        if last == 0 {
            return None;
        }
        if at % 2 == 1 || at == last {
            hash = node_hash(step, &hash);
            while at % 2 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}
