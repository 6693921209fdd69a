//! The client against a coordinator, over real sockets on loopback.
//!
//! | module | the other side |
//! |---|---|
//! | `network` | the coordinator and nodes that the `tacit` binary runs |
//! | `adversarial` | a coordinator of our own that lies in every way that a client has to notice |
//! | `blame` | the same, with nodes that lie: what the client finds out, and what it can show |
//! | `msm` | both of them, for sums instead of proofs |
//! | `tickets` | none: what survives between submitting and collecting |
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod adversarial;
mod blame;
mod circuit;
mod hostile;
mod msm;
mod network;
mod tickets;
