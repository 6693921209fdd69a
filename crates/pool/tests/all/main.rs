//! One binary for all tests of this crate.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod circuits;
mod common;
mod credentials;
mod delivery;
mod formulas;
mod hash;
mod intents;
mod keys;
mod model;
mod orders;
mod transactions;
mod trees;
mod values;
mod wallets;
