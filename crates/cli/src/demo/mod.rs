//! What `tacit demo` proves: a spend of a random note, with artefacts that need no compiler.

pub mod liar;
pub mod spend;
