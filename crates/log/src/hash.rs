//! RFC 9162, section 2.1.1: leaves and inner nodes are hashed with different prefixes, so that neither passes for the other.

use sha2::{Digest as _, Sha256};
use tacit_wire::Digest32;

fn sha256(parts: &[&[u8]]) -> Digest32 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Digest32(hasher.finalize().into())
}

/// The root of a tree without leaves: the hash of nothing.
pub fn empty_root() -> Digest32 {
    sha256(&[])
}

/// The hash of an entry: `SHA-256(0x00 || entry)`.
pub fn leaf_hash(entry: &[u8]) -> Digest32 {
    sha256(&[&[0], entry])
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)`.
pub fn node_hash(left: &Digest32, right: &Digest32) -> Digest32 {
    sha256(&[&[1], &left.0, &right.0])
}
