//! Tests of the whole crate, over both curves.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ceremony;
mod keys;
mod prepared;
mod proofs;
mod snarkjs;
mod solidity;
mod support;
