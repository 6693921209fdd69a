//! The formulas of sections 6 to 8 written out once more, and what may depend on what.

use proptest::prelude::*;
use tacit_pool::hash::{Domain, poseidon};
use tacit_pool::note::{
    dummy_owner, is_owner, note_secret_seed_hash, owner_nullifier_key_hash, transact_note_secret,
};
use tacit_pool::nullifier::{nullifier, phantom_nullifier};
use tacit_pool::policy::{Entry, blinded_auth_commitment};
use tacit_pool::tree::{POLICY_SET_DEPTH, empty};
use tacit_pool::{Address, Amount, Fr, Note, NoteBody, Policy, PolicySet, Rules, SecretField};

use crate::common::*;

fn note(owner: Fr, secret: Fr, n: u128, token: Address, leaf_index: u32) -> Note {
    let note_secret = SecretField::new(secret);
    Note {
        body: NoteBody { owner_nullifier_key_hash: owner, note_secret, amount: amount(n), token },
        leaf_index,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn formulas_are_the_texts(key in element(), secret in element(), seed in element(), id in element(), n: u128, token: [u8; 20], leaf: u32, slot in 0u8..3) {
        let tag = Domain::tag;
        let owner = poseidon(&[tag(Domain::OwnerNullifierKeyHash), key]);
        prop_assert_eq!(owner_nullifier_key_hash(&key), owner);
        let token = Address(token);
        let body = poseidon(&[
            tag(Domain::NoteBodyCommitment),
            poseidon(&[tag(Domain::OwnerCommitment), owner, secret]),
            Fr::from(n),
            token.to_field(),
        ]);
        let commitment = poseidon(&[tag(Domain::NoteCommitment), body, Fr::from(leaf)]);
        let note = note(owner, secret, n, token, leaf);
        prop_assert_eq!(note.commitment(), commitment);
        prop_assert_eq!(nullifier(Rules::EIP, &note, &key), poseidon(&[tag(Domain::Nullifier), commitment, key]));
        prop_assert_eq!(
            nullifier(Rules::TACIT, &note, &key),
            poseidon(&[tag(Domain::Nullifier), commitment, key, secret])
        );
        let phantom = [tag(Domain::PhantomNullifier), key, id, Fr::from(slot), seed];
        prop_assert_eq!(phantom_nullifier(Rules::EIP, &key, &id, slot, &seed), poseidon(&phantom[..4]));
        prop_assert_eq!(phantom_nullifier(Rules::TACIT, &key, &id, slot, &seed), poseidon(&phantom));
        prop_assert_eq!(note_secret_seed_hash(&seed), poseidon(&[tag(Domain::NoteSecretSeed), seed]));
        let derived = transact_note_secret(&seed, &id, slot);
        prop_assert_eq!(*derived.expose(), poseidon(&[tag(Domain::TransactNoteSecret), seed, id, Fr::from(slot)]));
        prop_assert_eq!(
            blinded_auth_commitment(&key, &id),
            poseidon(&[tag(Domain::BlindedAuthCommitment), key, id])
        );
        let entry = Entry {
            leaf_position: leaf,
            owner_nullifier_key_hash: owner,
            note_secret_seed_hash: seed,
            policy_set_commitment: id,
            policy_version: 7,
        };
        let leaf = [tag(Domain::AuthPolicy), token.to_field(), owner, seed, id, fr(7)];
        prop_assert_eq!(entry.leaf(Rules::EIP, token), poseidon(&leaf[..5]));
        prop_assert_eq!(entry.leaf(Rules::TACIT, token), poseidon(&leaf));
    }

    /// Same contents, another leaf: another nullifier. And another owner's is another.
    #[test]
    fn nullifiers_are_unique(key in element(), other in element(), secret in element(), n: u128, leaves in proptest::collection::btree_set(any::<u32>(), 2..6)) {
        prop_assume!(key != other);
        for rules in Rules::ALL {
            let mut seen = std::collections::BTreeSet::new();
            for leaf in &leaves {
                let note = note(owner_nullifier_key_hash(&key), secret, n, TOKEN, *leaf);
                prop_assert!(seen.insert(nullifier(rules, &note, &key)));
                prop_assert!(seen.insert(nullifier(rules, &note, &other)));
            }
            for slot in 0..2 {
                prop_assert!(seen.insert(phantom_nullifier(rules, &key, &secret, slot, &other)));
            }
        }
    }

    /// `ROTATE`: the key alone, which a former prover knows, gives neither nullifier.
    #[test]
    fn nullifiers_of_later_notes_need_the_rotated_secret(key in element(), old in element(), new in element(), id in element()) {
        prop_assume!(old != new);
        let owner = owner_nullifier_key_hash(&key);
        let after = |seed: &Fr| note(owner, *transact_note_secret(seed, &id, 1).expose(), 5, TOKEN, 9);
        prop_assert_ne!(nullifier(Rules::TACIT, &after(&old), &key), nullifier(Rules::TACIT, &after(&new), &key));
        let phantom = |rules, seed| phantom_nullifier(rules, &key, &id, 1, seed);
        prop_assert_ne!(phantom(Rules::TACIT, &old), phantom(Rules::TACIT, &new));
        prop_assert_eq!(phantom(Rules::EIP, &old), phantom(Rules::EIP, &new));
    }
}

#[test]
fn reserved_owners_own_nothing() {
    assert!(!is_owner(&fr(0)));
    assert!(!is_owner(&dummy_owner()));
    assert_eq!(dummy_owner(), owner_nullifier_key_hash(&fr(0xdead)));
    assert!(is_owner(&fr(1)));
}

#[test]
fn policy_sets_are_trees_of_commitments() {
    let policy = |n| Policy {
        auth_verifier: VERIFIER,
        auth_data_commitment: fr(n),
        registration_blinder: SecretField::new(fr(100 + n)),
    };
    assert_eq!(PolicySet::new().commitment(), empty(POLICY_SET_DEPTH));
    let (one, two) = (policy(1), policy(2));
    assert_eq!(
        one.commitment(),
        poseidon(&[Domain::PolicyCommitment.tag(), VERIFIER.to_field(), fr(1), fr(101)])
    );
    let set = PolicySet::of([(0, &one), (255, &two)]).unwrap();
    for (slot, policy) in [(0, &one), (255, &two)] {
        assert_eq!(set.path(slot).unwrap().root(policy.commitment()), set.commitment());
    }
    assert_ne!(set.path(1).unwrap().root(one.commitment()), set.commitment());
}

#[test]
fn amounts_and_tokens_are_bound_into_the_commitment() {
    let base = note(fr(1), fr(2), 3, TOKEN, 4);
    let changed = [
        note(fr(9), fr(2), 3, TOKEN, 4),
        note(fr(1), fr(9), 3, TOKEN, 4),
        note(fr(1), fr(2), 9, TOKEN, 4),
        note(fr(1), fr(2), 3, Address::ZERO, 4),
        note(fr(1), fr(2), 3, TOKEN, 9),
    ];
    for other in &changed {
        assert_ne!(other.commitment(), base.commitment());
    }
    assert_eq!(format!("{base:?}"), "Note { body: NoteBody(hidden), leaf_index: 4 }");
    assert_eq!(Amount::sum([amount(1), Amount::MAX]), None);
}
