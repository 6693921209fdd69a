//! Coordinator and nodes with real sockets, real files and real proofs, in one process.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod api;
mod browser;
mod clocks;
mod cluster;
mod contradictions;
mod dashboard;
mod databases;
mod events;
mod faults;
mod fixture;
mod hostile;
mod idle;
mod log;
mod node_limits;
mod node_offers;
mod openapi;
mod postgres;
mod proofs;
mod replacements;
mod seeing;
mod slices;
