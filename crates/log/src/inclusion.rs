//! RFC 9162, section 2.1.3: that an entry is in the tree.

use serde::{Deserialize, Serialize};
use tacit_wire::Digest32;

use crate::hash::node_hash;
use crate::subtree::{Leaves, NodeId, Subtrees, split};
use crate::{MAX_PATH, ProofError};

/// That a leaf is in a tree of some size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// The leaf's index, from 0.
    pub leaf: u64,
    /// Leaves of the tree.
    pub size: u64,
    /// The hashes beside the way from the leaf to the root, from below.
    pub path: Vec<Digest32>,
}

/// That a complete subtree is in a tree of some size: the same proof, from further up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubtreeProof {
    /// Which.
    pub node: NodeId,
    /// Its hash.
    pub hash: Digest32,
    /// The hashes beside the way from it to the root, from below.
    pub path: Vec<Digest32>,
}

/// `PATH(leaf, D[size])`, section 2.1.3.1: the ranges of leaves whose hashes make the path.
fn ranges(leaf: u64, size: u64) -> Vec<Leaves> {
    let (mut begin, mut end) = (0, size);
    let mut path = Vec::new();
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if leaf < middle {
            path.push(Leaves { begin: middle, end });
            end = middle;
        } else {
            path.push(Leaves { begin, end: middle });
            begin = middle;
        }
    }
    path.reverse();
    path
}

impl InclusionProof {
    /// The subtrees that must be read for [`InclusionProof::of`]: at most two for each level of the tree. None for a leaf
    /// that the tree does not have.
    pub fn needs(leaf: u64, size: u64) -> Vec<NodeId> {
        if leaf >= size {
            Vec::new()
        } else {
            ranges(leaf, size).into_iter().flat_map(Leaves::cover).collect()
        }
    }

    /// Makes the proof; `None` where the tree has no such leaf or a subtree is not at hand.
    pub fn of(leaf: u64, size: u64, from: &impl Subtrees) -> Option<Self> {
        if leaf >= size {
            return None;
        }
        let path = ranges(leaf, size).into_iter().map(|range| range.hash(from)).collect::<Option<_>>()?;
        Some(Self { leaf, size, path })
    }

    /// Whether it shows that the entry with this leaf hash is in the tree with this root.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, leaf_hash: &Digest32, root: &Digest32) -> Result<(), ProofError> {
        climb(NodeId::leaf(self.leaf), self.size, *leaf_hash, &self.path, root)
    }
}

impl SubtreeProof {
    /// Makes the proof for a subtree that is complete in a tree of this size; `None` otherwise, or where one is not at hand.
    pub fn of(node: NodeId, size: u64, from: &impl Subtrees) -> Option<Self> {
        if last_leaf(node).is_none_or(|last| last >= size) {
            return None;
        }
        // The way from its first leaf passes through it after `level` steps.
        let path = (ranges(node.index << node.level, size).into_iter().skip(usize::from(node.level)))
            .map(|range| range.hash(from))
            .collect::<Option<_>>()?;
        Some(Self { node, hash: from.subtree(node)?, path })
    }

    /// Whether it shows that the subtree is in the tree of this size and root.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, size: u64, root: &Digest32) -> Result<(), ProofError> {
        climb(self.node, size, self.hash, &self.path, root)
    }
}

fn last_leaf(node: NodeId) -> Option<u64> {
    let leaves = 1u64.checked_shl(u32::from(node.level))?;
    node.index.checked_mul(leaves)?.checked_add(leaves - 1)
}

/// Section 2.1.3.2, from a leaf or from a complete subtree: `level` steps above the leaves both numbers are shifted by so much.
fn climb(
    node: NodeId,
    size: u64,
    hash: Digest32,
    path: &[Digest32],
    root: &Digest32,
) -> Result<(), ProofError> {
    let outside = ProofError::Outside { leaf: node.index, size };
    // 1. The leaf is in the tree (the whole subtree is).
    if last_leaf(node).ok_or(outside)? >= size {
        return Err(outside);
    }
    let length = ProofError::Length { got: path.len() };
    if path.len() > MAX_PATH {
        return Err(length);
    }
    // 2. and 3.
    let (mut fnode, mut snode, mut r) = (node.index, (size - 1) >> node.level, hash);
    // 4.
    for p in path {
        if snode == 0 {
            return Err(length);
        }
        if fnode & 1 == 1 || fnode == snode {
            r = node_hash(p, &r);
            while fnode & 1 == 0 && fnode != 0 {
                fnode >>= 1;
                snode >>= 1;
            }
        } else {
            r = node_hash(&r, p);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    // 5.
    if snode != 0 {
        return Err(length);
    }
    if r != *root {
        return Err(ProofError::Root { expected: *root, got: r });
    }
    Ok(())
}
