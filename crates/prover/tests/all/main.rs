//! The three ways to prove, on transactions of the pool's own wallets.
//!
//! | module | what is tested |
//! |---|---|
//! | `encodings` | what travels: one encoding for one value, everything else refused |
//! | `proving` | proofs of the real circuits, and that who proves can change nothing |
//! | `check` | what is asked of a witness before work is taken on is what the circuits ask |
//! | `refusals` | every reason for which a service takes nothing, by its code |
//! | `limits` | what a request may cost a service: others' code, provings for nothing, places |
//! | `service` | a service from request to block, also across crashes, on a chain in memory |
//! | `sending` | one account for many transactions: nobody waits for another's tries, no number is left out |
//! | `ethereum` | the same on a real node with the real contracts |
//! | `committee` | nodes and a coordinator that prove on shares |
//! | `hostile` | a wallet's side against services that lie |
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[allow(dead_code)]
#[path = "../../../pool/tests/all/common.rs"]
mod common;

mod chain;
mod check;
mod circuits;
mod committee;
mod encodings;
mod ethereum;
mod hostile;
mod limits;
mod net;
mod proving;
mod refusals;
mod scene;
mod sending;
mod service;
