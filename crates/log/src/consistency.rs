//! RFC 9162, section 2.1.4: that an earlier tree is a prefix of a later one.

use serde::{Deserialize, Serialize};
use tacit_wire::Digest32;

use crate::hash::{empty_root, node_hash};
use crate::subtree::{Leaves, NodeId, Subtrees, split};
use crate::{MAX_PATH, ProofError};

/// That the first `from` leaves of a tree with `to` leaves are the tree that there was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// Leaves of the earlier tree.
    pub from: u64,
    /// Leaves of the later tree.
    pub to: u64,
    /// The hashes from which both roots follow. None where the sizes are the same, or the earlier tree has no leaves.
    pub path: Vec<Digest32>,
}

/// `PROOF(from, D[to])`, section 2.1.4.1: the ranges of leaves whose hashes make the path.
fn ranges(from: u64, to: u64) -> Vec<Leaves> {
    if from == 0 || from >= to {
        return Vec::new();
    }
    let (mut begin, mut end) = (0, to);
    let mut path = Vec::new();
    while end != from {
        let middle = begin + split(end - begin);
        if from <= middle {
            path.push(Leaves { begin: middle, end });
            end = middle;
        } else {
            path.push(Leaves { begin, end: middle });
            begin = middle;
        }
    }
    // The verifier has the whole earlier tree's hash, of another subtree it has not.
    if begin != 0 {
        path.push(Leaves { begin, end });
    }
    path.reverse();
    path
}

impl ConsistencyProof {
    /// The subtrees that must be read for [`ConsistencyProof::of`]: at most two for each level of the tree.
    pub fn needs(from: u64, to: u64) -> Vec<NodeId> {
        ranges(from, to).into_iter().flat_map(Leaves::cover).collect()
    }

    /// Makes the proof; `None` where the trees are in the wrong order or a subtree is not at hand.
    pub fn of(from: u64, to: u64, subtrees: &impl Subtrees) -> Option<Self> {
        if from > to {
            return None;
        }
        let path = ranges(from, to).into_iter().map(|range| range.hash(subtrees)).collect::<Option<_>>()?;
        Some(Self { from, to, path })
    }

    /// Whether it shows that the tree with the earlier root is a prefix of the one with the later root.
    ///
    /// The RFC's algorithm (section 2.1.4.2) is for `0 < from < to`. Trees of one size are consistent if their roots are the same, and
    /// every tree begins with the one without leaves; their proofs are empty.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, earlier: &Digest32, later: &Digest32) -> Result<(), ProofError> {
        let Self { from, to, path } = self;
        let length = ProofError::Length { got: path.len() };
        if from > to {
            return Err(ProofError::Order { from: *from, to: *to });
        }
        if *from == 0 && *earlier != empty_root() {
            return Err(ProofError::EarlierRoot { expected: *earlier, got: empty_root() });
        }
        if from == to && earlier != later {
            return Err(ProofError::EarlierRoot { expected: *earlier, got: *later });
        }
        if *from == 0 || from == to {
            return if path.is_empty() { Ok(()) } else { Err(length) };
        }
        // 1. and 2.
        let first = if from.is_power_of_two() { Some(earlier) } else { None };
        let mut path = first.into_iter().chain(path);
        let (Some(start), true) = (path.next(), self.path.len() <= MAX_PATH && !self.path.is_empty()) else {
            return Err(length);
        };
        // 3. and 4.
        let (mut fnode, mut snode) = (from - 1, to - 1);
        while fnode & 1 == 1 {
            fnode >>= 1;
            snode >>= 1;
        }
        // 5.
        let (mut fr, mut sr) = (*start, *start);
        // 6.
        for c in path {
            if snode == 0 {
                return Err(length);
            }
            if fnode & 1 == 1 || fnode == snode {
                fr = node_hash(c, &fr);
                sr = node_hash(c, &sr);
                while fnode & 1 == 0 && fnode != 0 {
                    fnode >>= 1;
                    snode >>= 1;
                }
            } else {
                sr = node_hash(&sr, c);
            }
            fnode >>= 1;
            snode >>= 1;
        }
        // 7.
        if snode != 0 {
            return Err(length);
        }
        if fr != *earlier {
            return Err(ProofError::EarlierRoot { expected: *earlier, got: fr });
        }
        if sr != *later {
            return Err(ProofError::Root { expected: *later, got: sr });
        }
        Ok(())
    }
}
