//! What is declared in this crate, held against the compiler's artefacts; logs and errors that must be refused.

use alloy_sol_types::{SolCall, SolError, SolEvent};
use serde_json::Value;
use tacit_chain::abi::{self, sol};
use tacit_chain::revert::{Known, Revert, errors::Contracts};
use tacit_chain::rpc::Log;
use tacit_pool::Address;
use tacit_pool::events::Event;

use crate::common::*;

const POOL: Address = Address([0x70; 20]);

fn artefact(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(workspace(&format!("contracts/artifacts/{name}.json"))).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    file["abi"].as_array().unwrap().clone()
}

/// `name(types)` as the compiler has it.
fn signature(entry: &Value) -> String {
    fn types(inputs: &Value) -> String {
        let one = |input: &Value| match input["type"].as_str().unwrap() {
            tuple if tuple.starts_with("tuple") => {
                format!("({}){}", types(&input["components"]), tuple.trim_start_matches("tuple"))
            }
            plain => plain.to_owned(),
        };
        inputs.as_array().unwrap().iter().map(one).collect::<Vec<_>>().join(",")
    }
    format!("{}({})", entry["name"].as_str().unwrap(), types(&entry["inputs"]))
}

fn signatures(name: &str, kind: &str) -> Vec<String> {
    artefact(name).iter().filter(|entry| entry["type"] == kind).map(signature).collect()
}

#[test]
fn calls_and_events_are_those_of_the_contracts() {
    let shared = [
        sol::Pool::transactCall::SIGNATURE,
        sol::Pool::depositCall::SIGNATURE,
        sol::Pool::setAuthPolicyCall::SIGNATURE,
        sol::Pool::getCurrentRootsCall::SIGNATURE,
        sol::Pool::isAcceptedNoteCommitmentRootCall::SIGNATURE,
        sol::Pool::isAcceptedAuthPolicyRootCall::SIGNATURE,
        sol::Pool::isNullifierSpentCall::SIGNATURE,
        sol::Pool::isIntentReplayIdUsedCall::SIGNATURE,
    ];
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    for (name, entry, event) in [
        ("ShieldedPool", sol::Bound::getAuthPolicyEntryCall::SIGNATURE, sol::Bound::AuthPolicySet::SIGNATURE),
        (
            "Eip8182ShieldedPool",
            sol::Unbound::getAuthPolicyEntryCall::SIGNATURE,
            sol::Unbound::AuthPolicySet::SIGNATURE,
        ),
    ] {
        let ours = shared.iter().chain([&entry]).map(|s| (*s).to_owned()).collect();
        assert_eq!(sorted(ours), sorted(signatures(name, "function")));
        let ours =
            [sol::Pool::ShieldedPoolTransact::SIGNATURE, sol::Pool::ShieldedPoolDeposit::SIGNATURE, event];
        assert_eq!(sorted(ours.map(str::to_owned).to_vec()), sorted(signatures(name, "event")));
        // Which of their arguments are topics.
        for event in artefact(name).iter().filter(|entry| entry["type"] == "event") {
            let indexed = event["inputs"].as_array().unwrap().iter().filter(|i| i["indexed"] == true).count();
            let expected = if event["name"] == "ShieldedPoolTransact" { 3 } else { 1 };
            assert_eq!(indexed, expected);
        }
    }
    let token = signatures("DemoToken", "function");
    for call in [
        sol::Token::approveCall::SIGNATURE,
        sol::Token::allowanceCall::SIGNATURE,
        sol::Token::balanceOfCall::SIGNATURE,
        sol::Token::symbolCall::SIGNATURE,
        sol::Token::decimalsCall::SIGNATURE,
        sol::Token::mintCall::SIGNATURE,
    ] {
        assert!(token.iter().any(|known| known == call), "{call}");
    }
}

/// Every error that a contract can give is read, with its arguments, and says more than its name.
#[test]
fn every_error_of_the_contracts_is_read() {
    let mut seen = std::collections::BTreeSet::new();
    for name in
        ["ShieldedPool", "Eip8182ShieldedPool", "Groth16AuthVerifier", "EcdsaAuthVerifier", "DemoToken"]
    {
        for entry in artefact(name).iter().filter(|entry| entry["type"] == "error") {
            let signature = signature(entry);
            let mut data = alloy_primitives::keccak256(signature.as_bytes())[..4].to_vec();
            for number in 1..=entry["inputs"].as_array().unwrap().len() {
                data.extend([0; 31]);
                data.push(u8::try_from(number).unwrap());
            }
            let revert = Revert::decode(&data);
            assert!(matches!(revert, Revert::Known(_)), "{signature}: {revert:?}");
            assert!(revert.to_string().len() > 20, "{signature}");
            seen.insert(signature);
        }
    }
    assert_eq!(seen.len(), <Known as alloy_sol_types::SolInterface>::COUNT, "errors that no contract has");
}

#[test]
fn errors_of_others_are_told_apart() {
    let word = |n: u8| [vec![0; 31], vec![n]].concat();
    let spent = Contracts::NullifierSpent { nullifier: alloy_primitives::U256::from(7) }.abi_encode();
    let revert = Revert::decode(&spent);
    assert!(revert.is_spent() && !revert.needs_current_roots());
    assert!(revert.to_string().contains("spent before (nullifier 7)"), "{revert}");
    let stale = Contracts::AuthPolicyRootNotAccepted { root: alloy_primitives::U256::from(7) }.abi_encode();
    assert!(Revert::decode(&stale).needs_current_roots());
    // Too short for its argument.
    assert!(matches!(Revert::decode(&spent[..20]), Revert::Unknown(_)));
    assert_eq!(Revert::decode(&[]), Revert::Empty);
    let text = [vec![0x08, 0xc3, 0x79, 0xa0], word(32), word(2), b"no".to_vec(), vec![0; 30]].concat();
    assert_eq!(Revert::decode(&text), Revert::Reason("no".into()));
    let panic = [vec![0x4e, 0x48, 0x7b, 0x71], word(0x11)].concat();
    assert_eq!(Revert::decode(&panic), Revert::Panic(0x11));
    assert_eq!(Revert::decode(&[1, 2, 3, 4, 5]), Revert::Unknown(vec![1, 2, 3, 4, 5]));
}

fn word(n: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&n.to_be_bytes());
    word
}

fn log(topics: Vec<[u8; 32]>, words: &[[u8; 32]]) -> Log {
    Log {
        address: POOL,
        topics,
        data: words.concat(),
        block: 5,
        block_hash: [5; 32],
        index: 1,
        transaction: [6; 32],
    }
}

/// A deposit of 9 of token 8 at leaf 3, with two bytes of note data.
fn deposit_log() -> Log {
    let mut data = [0; 32];
    data[..2].copy_from_slice(&[0xaa, 0xbb]);
    let words = [word(2), word(3), word(9), word(8), word(4), word(6 * 32), word(2), data];
    log(vec![sol::Pool::ShieldedPoolDeposit::SIGNATURE_HASH.0, word(0xd0)], &words)
}

fn policy_log() -> Log {
    let words = [word(1), word(2), word(3), word(4), word(5), word(6), word(7)];
    log(vec![sol::Bound::AuthPolicySet::SIGNATURE_HASH.0, word(0xd0)], &words)
}

#[test]
fn logs_are_read_and_their_ranges_checked() {
    let Event::Deposited(deposit) = abi::event(&deposit_log(), POOL, true).unwrap() else { panic!() };
    assert_eq!((deposit.leaf_index, deposit.amount), (3, 9u128.into()));
    assert_eq!((deposit.note_commitment, deposit.root), (2u64.into(), 4u64.into()));
    assert_eq!(deposit.note_data, [0xaa, 0xbb]);
    assert_eq!((deposit.token.0[19], deposit.depositor.0[19]), (8, 0xd0));
    let Event::PolicyChanged(change) = abi::event(&policy_log(), POOL, true).unwrap() else { panic!() };
    assert_eq!((change.entry.leaf_position, change.entry.policy_version), (4, 7));
    assert_eq!((change.leaf, change.root), (5u64.into(), 6u64.into()));

    let refused = |log: &Log, bind: bool, why: &str| {
        let error = abi::event(log, POOL, bind).unwrap_err().to_string();
        assert!(error.contains(why), "{error} / {why}");
    };
    // Each word out of its range; the last is the root.
    for (at, why) in [
        (0, "noteCommitment is not a canonical"),
        (1, "leafIndex is not below 2^32"),
        (2, "amount is not below 2^248"),
        (3, "tokenAddress is not below 2^160"),
        (4, "postInsertionCommitmentRoot is not a canonical"),
    ] {
        let mut bad = deposit_log();
        bad.data[32 * at..][..32].fill(0xff);
        refused(&bad, true, why);
    }
    for (at, why) in [
        (0, "owner"),
        (1, "noteSecretSeedHash"),
        (2, "policySetCommitment"),
        (3, "leafPosition"),
        (4, "leafValue"),
        (5, "Root"),
        (6, ""),
    ] {
        let mut bad = policy_log();
        bad.data[32 * at..][..32].fill(0xff);
        refused(&bad, true, why);
    }
    let mut nobody = policy_log();
    nobody.data[96..128].fill(0);
    refused(&nobody, true, "leafPosition is zero");
    // The other form's event is not this form's.
    refused(&policy_log(), false, "topic is unknown");
    // Another contract's; cut short; topics too many and too few; note data that goes beyond the end.
    let mut bad = deposit_log();
    bad.address = Address([1; 20]);
    refused(&bad, true, "emitted it");
    let mut bad = deposit_log();
    bad.data.truncate(100);
    refused(&bad, true, "");
    let mut bad = deposit_log();
    bad.topics.push(word(1));
    refused(&bad, true, "3 topics instead of 2");
    bad.topics.truncate(1);
    refused(&bad, true, "1 topics instead of 2");
    bad.topics.clear();
    refused(&bad, true, "no topic");
    let mut bad = deposit_log();
    bad.data[6 * 32..7 * 32].copy_from_slice(&word(u64::MAX));
    refused(&bad, true, "");
    // A depositor that is no address.
    let mut bad = deposit_log();
    bad.topics[1] = [0xff; 32];
    refused(&bad, true, "");
}
