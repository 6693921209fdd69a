//! Section 3.4's Merkle trees: inner nodes are `poseidon(left, right)`, empty leaves zero, bit `h` of an index (from
//! the least significant) says on which side a node of height `h` is.
//!
//! | module | tree |
//! |---|---|
//! | [`notes`] | note commitments: append-only, depth 32, paths of one's own leaves |
//! | [`sparse`] | the registry (depth 32) and policy sets (depth 8): any leaf can change |

pub mod notes;
pub mod sparse;

use std::sync::LazyLock;

use crate::hash::{Fr, poseidon};

/// Depth of the note tree and of the registry.
pub const DEPTH: usize = 32;
/// `POLICY_SET_DEPTH`.
pub const POLICY_SET_DEPTH: usize = 8;

/// `EMPTY[i]`: the root of an empty tree of depth `i`; for depths beyond [`DEPTH`], which no tree here has, zero.
pub fn empty(height: usize) -> Fr {
    static LADDER: LazyLock<Vec<Fr>> = LazyLock::new(|| {
        std::iter::successors(Some(Fr::default()), |below| Some(poseidon(&[*below, *below])))
            .take(DEPTH + 1)
            .collect()
    });
    LADDER.get(height).copied().unwrap_or_default()
}

/// The hashes beside the way from a leaf to the root, from below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<const D: usize> {
    /// The leaf's index.
    pub index: u64,
    /// The siblings, from the leaf's up.
    pub siblings: [Fr; D],
}

impl<const D: usize> Path<D> {
    /// The root to which the path leads from `leaf`.
    pub fn root(&self, leaf: Fr) -> Fr {
        self.siblings.iter().enumerate().fold(leaf, |node, (height, sibling)| {
            if self.index >> height & 1 == 1 {
                poseidon(&[*sibling, node])
            } else {
                poseidon(&[node, *sibling])
            }
        })
    }
}

/// Why a tree could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Every leaf is taken.
    #[error("the tree of depth {depth} is full")]
    Full {
        /// Its depth.
        depth: usize,
    },
    /// An index beyond the tree.
    #[error("leaf {index} is beyond a tree of depth {depth}")]
    Outside {
        /// The index.
        index: u64,
        /// The tree's depth.
        depth: usize,
    },
    /// No path is kept for that leaf.
    #[error("no path is kept for leaf {index}: it was not marked when it was appended, or forgotten since")]
    NotMarked {
        /// The leaf.
        index: u64,
    },
    /// There is no such checkpoint (any more).
    #[error("there is no checkpoint {id}: the chain was reorganised further back than is kept; scan again")]
    NoCheckpoint {
        /// Its name.
        id: u64,
    },
    /// Checkpoints are made in order.
    #[error("checkpoint {id} does not come after checkpoint {last}")]
    Order {
        /// The new one's name.
        id: u64,
        /// The last one's.
        last: u64,
    },
    /// What was read back does not belong together.
    #[error("the stored tree is damaged ({0}); scan again")]
    Damaged(&'static str),
}
