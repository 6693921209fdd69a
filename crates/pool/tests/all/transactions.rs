//! Coin selection, outputs, and what a transaction refuses to be.

use proptest::prelude::*;
use tacit_pool::note::dummy_owner;
use tacit_pool::transaction::coins::{CoinError, choose};
use tacit_pool::transaction::{Input, Parts, TransactionError};
use tacit_pool::wallet::spend::Recipient;
use tacit_pool::{Address, Amount, Intent, Note, NoteBody, Rules, SecretField, Transaction};

use crate::common::*;

fn coin(n: u128, leaf_index: u32) -> Note {
    let note_secret = SecretField::new(fr(leaf_index.into()));
    Note {
        body: NoteBody { owner_nullifier_key_hash: fr(1), note_secret, amount: amount(n), token: TOKEN },
        leaf_index,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn coins_leave_the_least_change(amounts in proptest::collection::vec(1u128..40, 0..9), needed in 1u128..80) {
        let notes: Vec<Note> = amounts.iter().zip(0..).map(|(n, leaf)| coin(*n, leaf)).collect();
        let mut sums: Vec<u128> = amounts.clone();
        for (i, one) in amounts.iter().enumerate() {
            sums.extend(amounts[i + 1..].iter().map(|other| one + other));
        }
        let best = sums.into_iter().filter(|sum| *sum >= needed).min();
        match choose(&notes, TOKEN, amount(needed)) {
            Ok(chosen) => {
                let sum = Amount::sum(chosen.iter().map(|note| note.body.amount)).unwrap();
                prop_assert_eq!(Some(sum), best.map(amount));
                prop_assert!(chosen.len() == 1 || chosen[0] != chosen[1]);
            }
            Err(error) => {
                prop_assert_eq!(best, None);
                let have: u128 = amounts.iter().sum();
                let insufficient = CoinError::Insufficient { needed: amount(needed), have: amount(have) };
                prop_assert_eq!(error == insufficient, have < needed);
            }
        }
        prop_assert!(choose(&notes, Address::ZERO, amount(needed)).is_err(), "of another token");
    }
}

#[test]
fn two_notes_are_used_up_where_one_would_do() {
    let notes = [coin(4, 0), coin(6, 1), coin(10, 2)];
    assert_eq!(choose(&notes, TOKEN, amount(10)).unwrap(), [&notes[0], &notes[1]]);
    let error = choose(&notes, TOKEN, amount(19)).unwrap_err();
    assert_eq!(error, CoinError::Fragmented { needed: amount(19), largest: amount(16) });
}

#[test]
fn outputs_are_where_section_8_5_has_them() {
    for rules in Rules::ALL {
        let (chain, alice, bob) = funded(rules);
        let now = chain.now();
        let mut payment = pay(&bob, Address::ZERO, 9, now);
        payment.fee = Some((bob.address(), amount(2)));
        let prepared = alice.prepare(&payment, now, 9);
        // 12 = 5 + 7 is the least that is enough.
        let outputs = prepared.transaction().outputs();
        let shape =
            |i: usize| (outputs[i].body.owner_nullifier_key_hash, outputs[i].body.amount, outputs[i].dummy);
        assert_eq!(shape(0), (*bob.keys.owner(), amount(9), false));
        assert_eq!(shape(1), (*alice.keys.owner(), amount(1), false));
        assert_eq!(shape(2), (*bob.keys.owner(), amount(2), false));
        let public = prepared.transaction().public_inputs();
        assert_eq!(public.public_amount_out, Amount::ZERO);
        assert_eq!(public.named(rules).len(), rules.public_inputs());

        payment.recipient = Recipient::Public(TOKEN);
        payment.fee = None;
        let prepared = alice.prepare(&payment, now, 9);
        let outputs = prepared.transaction().outputs();
        assert_eq!(outputs[0].body.owner_nullifier_key_hash, *alice.keys.owner());
        for dummy in &outputs[1..] {
            assert!(dummy.dummy && dummy.body.owner_nullifier_key_hash == dummy_owner());
            assert!(dummy.body.amount.is_zero() && dummy.body.token.is_zero());
        }
        let public = prepared.transaction().public_inputs();
        assert_eq!((public.public_amount_out, public.public_recipient_address), (amount(9), TOKEN));
        // Every note has a secret of its own, and all payloads one length.
        let lengths = prepared.transaction().note_data().each_ref().map(Vec::len);
        assert_eq!(lengths, [tacit_pool::delivery::NOTE_DATA_BYTES; 3]);
    }
}

/// A prover, or a bug, that puts other things together than were authorised.
#[test]
fn a_transaction_that_the_circuit_would_refuse_is_refused_before() {
    let rules = Rules::TACIT;
    let (chain, alice, bob) = funded(rules);
    let now = chain.now();
    let good = alice.prepare(&pay(&bob, Address::ZERO, 9, now), now, 9);
    let transaction = good.transaction();
    let parts = transaction.parts();
    let again = |change: &dyn Fn(&mut Parts)| {
        let mut parts = parts.clone();
        change(&mut parts);
        Transaction::new(rules, parts)
    };
    assert_eq!(again(&|_| {}).unwrap().public_inputs(), transaction.public_inputs());
    let leaf = parts.inputs[0].note.leaf_index;
    let error = |change: &dyn Fn(&mut Parts)| again(change).unwrap_err();
    assert_eq!(error(&|p| p.inputs.clear()), TransactionError::InputCount(0));
    assert_eq!(error(&|p| p.inputs.push(p.inputs[0].clone())), TransactionError::InputCount(3));
    assert_eq!(error(&|p| p.inputs[1] = p.inputs[0].clone()), TransactionError::Twice(leaf));
    assert_eq!(
        error(&|p| p.inputs[0].note.body.owner_nullifier_key_hash = fr(5)),
        TransactionError::ForeignNote(leaf)
    );
    assert_eq!(error(&|p| p.inputs[0].note.body.token = TOKEN), TransactionError::Token(leaf));
    assert!(matches!(error(&|p| p.inputs[0].path.siblings[4] += fr(1)), TransactionError::NotePath(_)));
    assert!(matches!(error(&|p| p.inputs[0].path.index += 1), TransactionError::NotePath(_)));
    assert!(matches!(error(&|p| drop(p.inputs.pop())), TransactionError::Insufficient { .. }));
    assert_eq!(error(&|p| p.note_data[0][70] ^= 1), TransactionError::Locked(0));
    assert_eq!(error(&|p| p.note_data.swap(1, 2)), TransactionError::Locked(1));
    let secret = || SecretField::new(fr(1));
    assert_eq!(
        error(&|p| p.spender.owner_nullifier_key = secret()),
        TransactionError::Entry("ownerNullifierKey")
    );
    assert_eq!(error(&|p| p.spender.note_secret_seed = secret()), TransactionError::Entry("noteSecretSeed"));
    assert_eq!(error(&|p| p.spender.registry_path.index += 1), TransactionError::Entry("leafPosition"));
    assert_eq!(
        error(&|p| p.spender.policy.registration_blinder = secret()),
        TransactionError::PolicyNotInSet
    );
    assert_eq!(error(&|p| p.spender.policy_path.index ^= 1), TransactionError::PolicyNotInSet);
    assert_eq!(error(&|p| p.spender.entry.policy_version += 1), TransactionError::Intent("policyVersion"));
    let other = |change: &dyn Fn(&mut tacit_pool::IntentFields)| {
        let mut fields = transaction.intent().fields().clone();
        change(&mut fields);
        Intent::try_from(fields).unwrap()
    };
    let verifier = other(&|fields| fields.auth_verifier = TOKEN);
    assert_eq!(error(&|p| p.intent = verifier.clone()), TransactionError::Intent("authVerifier"));
    // Another amount makes another output, which is not the one that was locked.
    let less = other(&|fields| fields.amount = amount(8));
    assert_eq!(error(&|p| p.intent = less.clone()), TransactionError::Locked(0));
    let input: Input = parts.inputs[0].clone();
    assert!(format!("{input:?}{transaction:?}").contains("hidden"));
}

#[test]
fn inputs_of_the_circuit_are_named_as_its_page_has_them() {
    let page = std::fs::read_to_string(workspace("circuits/pool/README.md")).unwrap();
    let (chain, alice, bob) = funded(Rules::TACIT);
    let now = chain.now();
    let prepared = alice.prepare(&pay(&bob, Address::ZERO, 9, now), now, 9);
    let inputs = prepared.transaction().pool_inputs();
    for (name, _) in inputs.iter() {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
    // Secrets are in the JSON and not in what a log shows.
    let key = tacit_pool::value::field_text(alice.keys.owner_nullifier_key().expose());
    assert!(inputs.to_json().contains(key.as_str()) && !format!("{inputs:?}").contains(key.as_str()));
}
