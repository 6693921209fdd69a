//! What Tacit says to an Ethereum node, held against a real one: Foundry's anvil (`npm ci --prefix tests`). Where it is missing, tests
//! that need it are skipped, unless `TACIT_REQUIRE_NODE` is set.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod abi;
mod accounts;
mod common;
mod contract;
mod following;
mod requests;
mod sending;
