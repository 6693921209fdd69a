//! The three ways to prove, on transactions of the pool's own wallets.
//!
//! | module | what is tested |
//! |---|---|
//! | `encodings` | what travels: one encoding for one value, everything else refused |
//! | `proving` | proofs of the real circuits, and that who proves can change nothing |
//! | `refusals` | every reason for which a service takes nothing, by its code |
//! | `service` | a service from request to block, also across crashes, on a chain in memory |
//! | `ethereum` | the same on a real node with the real contracts |
//! | `committee` | nodes and a coordinator that prove on shares |
//! | `hostile` | a wallet's side against services that lie |
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[allow(dead_code)]
#[path = "../../../pool/tests/all/common.rs"]
mod common;

mod chain;
mod circuits;
mod committee;
mod encodings;
mod ethereum;
mod hostile;
mod net;
mod proving;
mod refusals;
mod scene;
mod service;
