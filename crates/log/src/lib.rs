//! An append-only log: whoever keeps it can show that an entry is in it and that nothing in it was changed, and cannot change it unseen.
//!
//! It is the Merkle tree of RFC 9162 ("Certificate Transparency Version 2.0"), section 2.1, with SHA-256. Sans-IO: nothing here opens
//! a file or a socket or reads a clock; whoever stores the tree says how subtrees are read ([`Subtrees`]), and a proof needs O(log n) of them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`hash`] | leaf and node hashes (section 2.1.1) |
//! | [`subtree`] | names of complete subtrees, and which of them cover a range of leaves |
//! | [`frontier`] | the O(log n) hashes from which a tree grows |
//! | [`inclusion`] | that an entry is in the tree (section 2.1.3) |
//! | [`consistency`] | that an earlier tree is a prefix of a later one (section 2.1.4) |
//! | [`head`] | the size and root at a time, signed by the log's keeper |
//! | [`receipt`] | a job's entry with all that is needed to check it away from the network |
//! | [`evidence`] | what shows to others that the keeper of a log contradicted itself |

pub mod consistency;
pub mod evidence;
pub mod frontier;
pub mod hash;
pub mod head;
pub mod inclusion;
pub mod receipt;
pub mod subtree;

pub use consistency::ConsistencyProof;
pub use evidence::{LogEvidence, NoLogEvidence};
pub use frontier::Frontier;
pub use hash::{empty_root, leaf_hash, node_hash};
pub use head::{HeadError, SignedTreeHead, TreeHead};
pub use inclusion::InclusionProof;
pub use receipt::{ProvenReceipt, ReceiptError};
pub use subtree::{NodeId, Subtrees};
pub use tacit_wire::Digest32;

/// Hashes in the longest path that a proof can have: trees have fewer than 2^64 leaves. (A consistency proof has one hash more than
/// the tree has levels.)
pub const MAX_PATH: usize = 65;

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The leaf, or subtree, is not within the tree.
    #[error("entry {leaf} is not within a log of {size} entries")]
    Outside {
        /// The leaf's index.
        leaf: u64,
        /// Leaves of the tree.
        size: u64,
    },
    /// A later tree has at least as many leaves.
    #[error("a log of {to} entries does not follow one of {from}")]
    Order {
        /// Leaves of the earlier tree.
        from: u64,
        /// Leaves of the later tree.
        to: u64,
    },
    /// The path has another length than the tree's shape gives.
    #[error("the proof's path has {got} hashes, which is not the length that the log's size gives")]
    Length {
        /// Hashes in the path.
        got: usize,
    },
    /// The path leads to another root than the one of the (later) tree.
    #[error("the proof leads to the root {got}, the log's is {expected}")]
    Root {
        /// The root that it should lead to.
        expected: Digest32,
        /// Where it leads.
        got: Digest32,
    },
    /// The path leads to another root than the one of the earlier tree.
    #[error(
        "the proof leads back to the root {got}, the earlier log's is {expected}: what was logged has changed"
    )]
    EarlierRoot {
        /// The root of the earlier tree.
        expected: Digest32,
        /// Where it leads.
        got: Digest32,
    },
}
