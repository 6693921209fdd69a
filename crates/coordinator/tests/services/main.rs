//! Coordinator and nodes with real sockets, real files and real proofs, in one process.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api;
mod cluster;
mod faults;
mod fixture;
mod log;
mod node_limits;
mod node_offers;
mod postgres;
mod proofs;
mod replacements;
mod slices;
