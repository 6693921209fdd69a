//! The client against a coordinator, over real sockets on loopback.
//!
//! | module | the other side |
//! |---|---|
//! | `network` | the coordinator and nodes that the `tacit` binary runs |
//! | `adversarial` | a coordinator of our own that lies in every way that a client has to notice |
//! | `tickets` | none: what survives between submitting and collecting |
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod adversarial;
mod circuit;
mod hostile;
mod network;
mod tickets;
