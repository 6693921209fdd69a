//! Digest, replay id and the rules of sections 8.9 and 8.10.

use proptest::prelude::*;
use tacit_pool::hash::{Domain, poseidon};
use tacit_pool::intent::{IntentError, output_binding};
use tacit_pool::note::dummy_owner;
use tacit_pool::{Address, Amount, Fee, Fr, Intent, IntentFields, Operation, Rules, Terms};

use crate::common::*;

fn terms() -> Terms {
    Terms {
        auth_verifier: VERIFIER,
        authorizing_address: Address([1; 20]),
        token: TOKEN,
        amount: amount(7),
        fee: Some(Fee { recipient: fr(77), amount: amount(2) }),
        locks: [Some(fr(31)), None, Some(fr(33))],
        nonce: fr(0x6e),
        valid_until: 1_800_000_000,
        chain_id: CHAIN,
        policy_version: 4,
        pool: POOL,
    }
}

fn transfer() -> IntentFields {
    Intent::new(Operation::Transfer { recipient: fr(55) }, terms()).unwrap().fields().clone()
}

fn withdrawal() -> IntentFields {
    Intent::new(Operation::Withdrawal { recipient: Address([9; 20]) }, terms()).unwrap().fields().clone()
}

type Change = (&'static str, fn(&mut IntentFields));

/// A change to each field by its name.
const CHANGES: [Change; 18] = [
    ("authVerifier", |f| f.auth_verifier.0[3] ^= 1),
    ("authorizingAddress", |f| f.authorizing_address.0[3] ^= 1),
    ("operationKind", |f| f.operation_kind ^= 1),
    ("tokenAddress", |f| f.token_address.0[3] ^= 1),
    ("recipientOwnerNullifierKeyHash", |f| f.recipient_owner_nullifier_key_hash += fr(1)),
    ("amount", |f| f.amount = f.amount.checked_add(amount(1)).unwrap()),
    ("feeNoteRecipientOwnerNullifierKeyHash", |f| f.fee_note_recipient_owner_nullifier_key_hash += fr(1)),
    ("feeAmount", |f| f.fee_amount = f.fee_amount.checked_add(amount(1)).unwrap()),
    ("publicRecipientAddress", |f| f.public_recipient_address.0[3] ^= 1),
    ("executionConstraintsFlags", |f| f.execution_constraints_flags ^= 1),
    ("lockedOutputBinding0", |f| f.locked_output_binding[0] += fr(1)),
    ("lockedOutputBinding1", |f| f.locked_output_binding[1] += fr(1)),
    ("lockedOutputBinding2", |f| f.locked_output_binding[2] += fr(1)),
    ("nonce", |f| f.nonce += fr(1)),
    ("validUntilSeconds", |f| f.valid_until_seconds += 1),
    ("executionChainId", |f| f.execution_chain_id += 1),
    ("policyVersion", |f| f.policy_version += 1),
    ("poolAddress", |f| f.pool_address.0[3] ^= 1),
];

/// What goes into the replay id, and so makes intents with one nonce different.
fn in_replay_id(rules: Rules, name: &str) -> bool {
    match name {
        "authorizingAddress" | "executionChainId" | "nonce" => true,
        "policyVersion" | "poolAddress" => rules.bind,
        _ => false,
    }
}

#[test]
fn every_field_is_in_the_digest_and_few_in_the_replay_id() {
    let key = fr(0x0f);
    for rules in Rules::ALL {
        for fields in [transfer(), withdrawal()] {
            let names: Vec<&str> = fields.hashed(rules).iter().map(|(name, _)| *name).collect();
            let bound = if rules.bind { 18 } else { 16 };
            assert_eq!(names, CHANGES.map(|(name, _)| name)[..bound]);
            for (name, change) in CHANGES {
                let mut changed = fields.clone();
                change(&mut changed);
                assert_ne!(changed, fields, "{name}");
                let differs = changed.digest(rules) != fields.digest(rules);
                assert_eq!(differs, names.contains(&name), "{name} and the digest, {rules:?}");
                let differs = changed.replay_id(rules, &key) != fields.replay_id(rules, &key);
                assert_eq!(differs, in_replay_id(rules, name), "{name} and the replay id, {rules:?}");
            }
            assert_ne!(fields.replay_id(rules, &fr(1)), fields.replay_id(rules, &key), "the key");
        }
    }
}

#[test]
fn digest_and_replay_id_are_the_texts() {
    let fields = transfer();
    let mut inputs = vec![
        Domain::TransactionIntentDigest.tag(),
        VERIFIER.to_field(),
        Address([1; 20]).to_field(),
        fr(0),
        TOKEN.to_field(),
        fr(55),
        fr(7),
        fr(77),
        fr(2),
        fr(0),
        fr(5),
        fr(31),
        fr(0),
        fr(33),
        fr(0x6e),
        fr(1_800_000_000),
        fr(CHAIN.into()),
    ];
    assert_eq!(fields.digest(Rules::EIP), poseidon(&inputs));
    inputs.extend([fr(4), POOL.to_field()]);
    assert_eq!(inputs.len(), 19);
    assert_eq!(fields.digest(Rules::TACIT), poseidon(&inputs));
    let mut inputs =
        vec![Domain::IntentReplayId.tag(), fr(3), Address([1; 20]).to_field(), fr(CHAIN.into()), fr(0x6e)];
    assert_eq!(fields.replay_id(Rules::EIP, &fr(3)), poseidon(&inputs));
    inputs.extend([POOL.to_field(), fr(4)]);
    assert_eq!(fields.replay_id(Rules::TACIT, &fr(3)), poseidon(&inputs));
    assert_eq!(output_binding(&fr(1), &fr(2)), poseidon(&[Domain::OutputBinding.tag(), fr(1), fr(2)]));
}

#[test]
fn fields_that_break_a_rule_are_no_intent() {
    let dummy = dummy_owner();
    let broken: Vec<(IntentFields, IntentError)> = vec![
        (IntentFields { operation_kind: 2, ..transfer() }, IntentError::OperationKind(2)),
        (IntentFields { auth_verifier: Address::ZERO, ..transfer() }, IntentError::NoVerifier),
        (IntentFields { amount: Amount::ZERO, ..transfer() }, IntentError::NoAmount),
        (IntentFields { recipient_owner_nullifier_key_hash: fr(0), ..transfer() }, IntentError::Recipient),
        (IntentFields { recipient_owner_nullifier_key_hash: dummy, ..transfer() }, IntentError::Recipient),
        (
            IntentFields { recipient_owner_nullifier_key_hash: fr(1), ..withdrawal() },
            IntentError::PrivateRecipient,
        ),
        (IntentFields { public_recipient_address: TOKEN, ..transfer() }, IntentError::PublicRecipient),
        (
            IntentFields { public_recipient_address: Address::ZERO, ..withdrawal() },
            IntentError::NoPublicRecipient,
        ),
        (
            IntentFields { fee_note_recipient_owner_nullifier_key_hash: fr(0), ..transfer() },
            IntentError::FeeRecipient,
        ),
        (
            IntentFields { fee_note_recipient_owner_nullifier_key_hash: dummy, ..transfer() },
            IntentError::FeeRecipient,
        ),
        (IntentFields { fee_amount: Amount::ZERO, ..transfer() }, IntentError::FeeRecipientWithoutFee),
        (IntentFields { amount: Amount::MAX, ..transfer() }, IntentError::TooMuch),
        (IntentFields { execution_constraints_flags: 13, ..transfer() }, IntentError::Flags(13)),
        (IntentFields { execution_constraints_flags: u32::MAX, ..transfer() }, IntentError::Flags(u32::MAX)),
        (IntentFields { execution_constraints_flags: 1, ..transfer() }, IntentError::BindingWithoutLock(2)),
        (IntentFields { valid_until_seconds: 0, ..transfer() }, IntentError::NoExpiry),
    ];
    for (fields, error) in broken {
        assert_eq!(Intent::try_from(fields), Err(error));
    }
    let empty = Terms { locks: [None, Some(fr(0)), None], ..terms() };
    assert_eq!(Intent::new(Operation::Transfer { recipient: fr(5) }, empty), Err(IntentError::EmptyLock(1)));
}

#[test]
fn an_intent_says_what_it_was_made_of() {
    let intent = Intent::new(Operation::Transfer { recipient: fr(55) }, terms()).unwrap();
    assert_eq!(intent.operation(), &Operation::Transfer { recipient: fr(55) });
    assert_eq!(intent.fee(), terms().fee.as_ref());
    assert_eq!(intent.total(), amount(9));
    assert_eq!([0, 1, 2, 3].map(|slot| intent.lock(slot)), [Some(fr(31)), None, Some(fr(33)), None]);
    assert_eq!(Intent::try_from(intent.fields().clone()), Ok(intent.clone()));
    let json = serde_json::to_string(intent.fields()).unwrap();
    assert_eq!(serde_json::from_str::<IntentFields>(&json).unwrap(), *intent.fields());
    // Strictly: no unknown member, no second spelling of a number.
    for (from, to) in [("\"amount\":\"7\"", "\"amount\":\"07\""), ("{\"auth", "{\"more\":1,\"auth")] {
        assert!(serde_json::from_str::<IntentFields>(&json.replacen(from, to, 1)).is_err(), "{to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever passes is consistent, and nothing panics.
    #[test]
    fn any_fields_are_an_intent_or_refused(numbers: (u8, u32, u32), a in element(), b in element(), x: [u8; 2], mask: u8) {
        let mut fields = if mask & 1 == 0 { transfer() } else { withdrawal() };
        if mask & 2 != 0 { fields.operation_kind = numbers.0 % 3; }
        if mask & 4 != 0 { fields.execution_constraints_flags = numbers.1; }
        if mask & 8 != 0 { fields.valid_until_seconds = numbers.2; }
        if mask & 16 != 0 { fields.recipient_owner_nullifier_key_hash = a; }
        if mask & 32 != 0 { fields.locked_output_binding[usize::from(x[0] % 3)] = b; }
        if mask & 64 != 0 { fields.fee_amount = Amount::from_field(&a).unwrap_or_default(); }
        if mask & 128 != 0 { fields.public_recipient_address = Address([x[1]; 20]); }
        if let Ok(intent) = Intent::try_from(fields.clone()) {
            prop_assert_eq!(intent.fields(), &fields);
            prop_assert_eq!(intent.operation().kind().code(), fields.operation_kind);
            prop_assert!(intent.total() >= fields.amount);
            for slot in 0..3 {
                prop_assert!(intent.lock(slot).is_some() || fields.locked_output_binding[slot] == Fr::default());
            }
        }
    }
}
