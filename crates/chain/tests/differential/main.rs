//! The contract against the model of it, `tacit_pool::ledger`: random sequences of calls, in which both must do the same.
//!
//! Nothing of the contract is replaced: proofs hold, or do not, for its real verifier, by a key whose trapdoor is known here. What a seed makes
//! is the same every time; a failure names it, and `TACIT_SEED` runs that one alone. Where anvil is missing (`npm ci --prefix tests`), this is
//! skipped, unless `TACIT_REQUIRE_NODE` is set.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ask;
mod calls;
mod dice;
mod evm;
mod expected;
mod scene;
mod sequence;
mod trapdoor;
mod views;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use tacit_chain::devnet::Anvil;
use tacit_chain::{Revert, abi};
use tacit_pool::events::Event;
use tokio::task::spawn_blocking;

use crate::ask::{Answer, Answers};
use crate::scene::Scene;
use crate::sequence::{Sequence, Step};

/// Sequences that are simulated, and that are mined.
const SIMULATED: u64 = 2_000;
const MINED: u64 = 12;
/// Simulations at once: while some are waited for, others are made.
const TOGETHER: u64 = 16;

/// What must have come of some call, or the test tests less than it says.
const REACHED: [&str; 34] = [
    "Deposited",
    "Transacted",
    "PolicyChanged",
    "Empty",
    "WrongChain",
    "IntentExpired",
    "IntentTooEarly",
    "NoteCommitmentRootNotAccepted",
    "AuthPolicyRootNotAccepted",
    "NullifiersEqual",
    "AmountOutOfRange",
    "NotAnAddress",
    "NotAUint32",
    "AuthVerifierZero",
    "PublicInputNotCanonical",
    "PoolProofLength",
    "PoolProofInvalid",
    "AuthProofInvalid",
    "NullifierSpent",
    "IntentReplayed",
    "OutputNoteDataMismatch",
    "RecipientZero",
    "TransferWithPublicFields",
    "EthTransferFailed",
    "TokenTransferFailed",
    "AmountZero",
    "OwnerCommitmentInvalid",
    "WrongValue",
    "TokenBalanceFailed",
    "TokenAmountMismatch",
    "AuthPolicyFieldInvalid",
    "OwnerNullifierKeyHashReserved",
    "OwnerNullifierKeyHashTaken",
    "OwnerNullifierKeyHashChanged",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_does_what_the_model_does() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let Some(path) = Anvil::find(&repository) else {
        let missing = "anvil is not installed (npm ci --prefix tests)";
        assert!(std::env::var_os("TACIT_REQUIRE_NODE").is_none(), "{missing}");
        eprintln!("skipped: {missing}");
        return;
    };
    let arguments = ["--order", "fifo", "--gas-limit", "10000000000", "--timestamp", "1800000000"];
    let anvil = Anvil::start_with(&path, &arguments).unwrap();
    let scene = Arc::new(Scene::new(anvil).await);
    let mut reached: BTreeMap<String, u32> = BTreeMap::new();
    if let Ok(seed) = std::env::var("TACIT_SEED") {
        let seed = seed.parse().unwrap();
        let mined = seed >= SIMULATED;
        let sequence = scene.sequence(seed, mined);
        let answers = if mined { scene.mine(&sequence).await } else { scene.simulate(&sequence).await };
        return check(&scene, &sequence, &answers, &mut reached);
    }
    let make = |first: u64| {
        let scene = Arc::clone(&scene);
        let seeds = first..(first + TOGETHER).min(SIMULATED);
        spawn_blocking(move || seeds.map(|seed| scene.sequence(seed, false)).collect::<Vec<_>>())
    };
    let mut next = make(0);
    for first in (0..SIMULATED).step_by(usize::try_from(TOGETHER).unwrap()) {
        let sequences = next.await.unwrap();
        next = make(first + TOGETHER);
        let answers = join_all(sequences.iter().map(|sequence| scene.simulate(sequence))).await;
        for (sequence, answers) in sequences.iter().zip(&answers) {
            check(&scene, sequence, answers, &mut reached);
        }
    }
    for outcome in REACHED {
        assert!(reached.contains_key(outcome), "no call came to {outcome}: {reached:?}");
    }
    // Where a mistake in how anvil simulates would show.
    for seed in SIMULATED..SIMULATED + MINED {
        let sequence = scene.sequence(seed, true);
        check(&scene, &sequence, &scene.mine(&sequence).await, &mut reached);
    }
    eprintln!("{reached:?}");
}

/// Every call did what the model did, and the views say so.
fn check(scene: &Scene, sequence: &Sequence, answers: &Answers, reached: &mut BTreeMap<String, u32>) {
    let seed = sequence.seed;
    assert_eq!(answers.steps.len(), sequence.steps.len());
    for (n, (step, (answer, roots))) in sequence.steps.iter().zip(&answers.steps).enumerate() {
        let at = format!("seed {seed}, call {n}, {}", step.what);
        let outcome = outcome(scene, sequence, answer);
        assert_eq!(outcome, step.outcome, "{at}");
        if let (Ok(Event::PolicyChanged(changed)), Ok(_)) = (&step.outcome, &outcome) {
            let position = alloy_primitives::U256::from(changed.entry.leaf_position);
            assert_eq!(answer.output, position.to_be_bytes::<32>(), "{at}");
        }
        if let Some(roots) = roots {
            assert_eq!(*roots, step.roots.concat(), "getCurrentRoots, {at}");
        }
        *reached.entry(name(step)).or_default() += 1;
    }
    assert_eq!(answers.views.len(), sequence.views.len());
    for (view, said) in sequence.views.iter().zip(&answers.views) {
        assert_eq!(hex::encode(said), hex::encode(&view.expected), "seed {seed}, {}", view.what);
    }
}

/// What the contract did: the one event that it emitted, or why it refused.
fn outcome(scene: &Scene, sequence: &Sequence, answer: &Answer) -> Result<Event, Revert> {
    let pool = &scene.pools[sequence.pool];
    let logs: Vec<_> = answer.logs.iter().filter(|log| log.address == pool.address).collect();
    if answer.success {
        assert_eq!(logs.len(), 1, "seed {}: one event", sequence.seed);
        Ok(abi::event(logs[0], pool.address, pool.rules.bind).unwrap())
    } else {
        assert!(logs.is_empty());
        Err(Revert::decode(&answer.output))
    }
}

/// An outcome's name.
fn name(step: &Step) -> String {
    let text = match &step.outcome {
        Ok(event) => format!("{event:?}"),
        Err(Revert::Known(known)) => format!("{known:?}"),
        Err(other) => format!("{other:?}"),
    };
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned()
}
