//! A prover that has everything that provers get, uses none of our checks, and tries to have something else executed than was signed: on
//! a real node, with the real circuits, contracts and proofs. `--no-capture` shows what was tried and what stopped it.
//!
//! | module | what is tried |
//! |---|---|
//! | `forge` | a transaction's values, changed at will, with all that follows from them |
//! | `attempts` | a try: which error it met, and that the chain is as before |
//! | `fields` | another value for each field of the digest, with and without all that depends on it |
//! | `inputs` | other public inputs, encodings, note data, verifiers and points than were proved |
//! | `notes` | others' notes, notes twice, amounts that wrap |
//! | `time` | too early, too late, again, under a replaced policy |
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod attempts;
#[allow(dead_code)]
#[path = "../all/circuits.rs"]
mod circuits;
#[allow(dead_code)]
#[path = "../../../pool/tests/all/common.rs"]
mod common;
mod fields;
mod forge;
mod inputs;
#[allow(dead_code)]
#[path = "../all/net.rs"]
mod net;
mod notes;
mod time;

use attempts::Attempts;
use net::Net;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_nothing_but_what_was_signed_is_executed() {
    let circuits = circuits::real();
    let Some(net) = Net::start(&circuits).await else { return };
    let (mut alice, mut mallory) = (net.person(1).await, net.person(2).await);
    // One intent can be executed with either of two pairs of notes.
    for seed in 1..=4 {
        net.deposit(&alice, 7_500, seed).await;
    }
    net.deposit(&mallory, 5_000, 5).await;
    net.follow(&mut alice).await;
    net.follow(&mut mallory).await;

    let mut attempts = Attempts::new(net, circuits);
    let payment = attempts.signed(&alice, &mallory, 10_000, None, 0, 1).await;
    let withdrawal = attempts.signed(&alice, &mallory, 10_000, Some(time::HONEST), 0, 2).await;
    fields::try_all(&mut attempts, &payment, &withdrawal, &mallory).await;
    inputs::try_all(&mut attempts, &payment, &withdrawal).await;
    notes::try_all(&mut attempts, &payment, &mallory).await;
    fields::with_a_broken_verifier(&mut attempts).await;
    time::try_all(&mut attempts, &payment, &mut alice, &mallory).await;
    attempts.print();
}
