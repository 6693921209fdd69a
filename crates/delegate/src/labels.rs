//! Every label that separates one use of a hash or a signature from another, in one place.
//!
//! Digests are BLAKE3 in its key-derivation mode, with the label as context string: digests under two labels are
//! unrelated. What is signed begins with its label, preceded by the label's length in one byte; no label is a prefix of
//! another's framed form, so no signature serves two purposes.

/// Digest: a header's encoding to the deal's identifier.
pub const DEAL_ID: &str = "tacit v1 deal id";
/// XOF: seeds to shares.
pub const SHARES: &[u8] = b"tacit v1 shares";
/// Digest: a sealed envelope's ciphertext.
pub const CIPHERTEXT: &str = "tacit v1 envelope ciphertext digest";
/// Digest: an assignment.
pub const ASSIGNMENT_DIGEST: &str = "tacit v1 assignment digest";
/// Digest: an opened package together with its associated data.
pub const PACKAGE: &str = "tacit v1 package digest";
/// Associated data of a package's envelope.
pub const SEAT: &[u8] = b"tacit v1 envelope to a seat";
/// Associated data of a sealed response.
pub const SEALED_RESPONSE: &[u8] = b"tacit v1 sealed response";
/// Signature of the client over an assignment.
pub const ASSIGNMENT: &[u8] = b"tacit v1 assignment";
/// Signature of a node over an acknowledgement.
pub const ACKNOWLEDGEMENT: &[u8] = b"tacit v1 acknowledgement";
/// Signature of a node over a response.
pub const RESPONSE: &[u8] = b"tacit v1 response";
/// Signature of the client that a job is over.
pub const CANCELLATION: &[u8] = b"tacit v1 cancellation";
/// Digest: a package that the client dealt, for its own comparison.
pub const CUSTODY: &str = "tacit v1 package in custody";
/// Digest: a file of bases, as a whole, to their identifier.
pub const BASES: &str = "tacit v1 bases";
/// Digest: a set of answers, or a MAC key, to the order in which subsets of answers are tried.
pub const SUBSET_ORDER: &str = "tacit v1 order of subsets";

/// `length of the label (1 byte), label, message`: what is signed, and what is authenticated beside a ciphertext.
pub(crate) fn framed(label: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + label.len() + parts.iter().map(|p| p.len()).sum::<usize>());
    // Labels are constants of this file, all far shorter than 255 bytes.
    out.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(label);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// The digest of a message under a label.
pub(crate) fn digest(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(label);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}
