//! The model of the contract: windows, uniqueness, ranges, conservation.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tacit_pool::delivery::note_data_hash;
use tacit_pool::events::Event;
use tacit_pool::ledger::{Ledger, NOTE_ROOT_HISTORY, Outside, POLICY_ROOT_BLOCKS, Revert};
use tacit_pool::note::dummy_owner;
use tacit_pool::transaction::public::{FIELDS, Word, word};
use tacit_pool::{Address, Amount, Fr, Rules};

use crate::common::*;

const USER: Address = Address([5; 20]);

/// `PublicInputs` of a transfer that the model takes, whatever it says.
fn public(chain: &Chain, salt: u64) -> [Word; FIELDS] {
    let (notes, policies) = chain.ledger.roots().unwrap();
    let mut fields = [fr(0); FIELDS];
    fields[0] = notes;
    for (i, at) in (1..6).chain([9, 17, 18]).enumerate() {
        fields[at] = fr(1 + 100 * salt + i as u64);
    }
    fields[10] = fr(chain.now() + 60);
    fields[11] = fr(CHAIN.into());
    fields[12] = policies;
    fields[13..16].fill(note_data_hash(&[]));
    fields[16] = VERIFIER.to_field();
    fields.map(|field| word(&field))
}

fn transact(chain: &mut Chain, public: &[Word; FIELDS], outside: Outside) -> Result<(), Revert> {
    let call = chain.call(USER, Amount::ZERO);
    let before = chain.ledger.clone();
    let done = chain.ledger.transact(call, public, [&[], &[], &[]], outside).map(|_| ());
    if done.is_err() {
        assert_eq!(chain.ledger, before, "a revert changes nothing");
    }
    done
}

fn refused(chain: &mut Chain, at: usize, value: Word, error: Revert) {
    let mut changed = public(chain, 7);
    changed[at] = value;
    assert_eq!(transact(chain, &changed, Outside::AGREES), Err(error), "field {at}");
}

fn deposit(chain: &mut Chain, token: Address, n: u128) -> Result<(), Revert> {
    let value = if token.is_zero() { amount(n) } else { Amount::ZERO };
    let call = chain.call(USER, value);
    chain.ledger.deposit(call, token, &word(&Fr::from(n)), &word(&fr(9)), &[], true).map(|_| ())
}

/// `x + p` in 32 bytes, which verifies like `x` where nobody checks.
fn alias(x: u64) -> Word {
    let mut word = [0; 32];
    hex::decode_to_slice("30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001", &mut word)
        .unwrap();
    let low = u64::from_be_bytes(word[24..].try_into().unwrap()) + x;
    word[24..].copy_from_slice(&low.to_be_bytes());
    word
}

#[test]
fn transact_reverts_where_section_5_4_1_says() {
    let mut chain = Chain::new(Rules::TACIT);
    deposit(&mut chain, TOKEN, 50).unwrap();
    let huge = [0xff; 32];
    let over160 = {
        let mut w = [0; 32];
        w[11] = 1;
        w
    };
    let over248 = {
        let mut w = [0; 32];
        w[0] = 1;
        w
    };
    refused(&mut chain, 11, word(&fr(1)), Revert::Chain);
    for (valid_until, error) in [
        (word(&fr(0)), Revert::Expiry),
        (word(&fr(chain.now() - 1)), Revert::Expiry),
        (word(&fr(chain.now() + 86_401)), Revert::Expiry),
        (huge, Revert::Expiry),
    ] {
        refused(&mut chain, 10, valid_until, error);
    }
    refused(&mut chain, 0, word(&fr(3)), Revert::NoteRoot);
    refused(&mut chain, 0, word(&fr(0)), Revert::NoteRoot);
    refused(&mut chain, 12, word(&fr(0)), Revert::PolicyRoot);
    refused(&mut chain, 12, huge, Revert::PolicyRoot);
    let same = public(&chain, 7)[1];
    refused(&mut chain, 2, same, Revert::SameNullifiers);
    refused(&mut chain, 6, over248, Revert::Range("publicAmountOut"));
    refused(&mut chain, 7, over160, Revert::Range("publicRecipientAddress"));
    refused(&mut chain, 8, over160, Revert::Range("publicTokenAddress"));
    refused(&mut chain, 16, over160, Revert::Range("authVerifier"));
    refused(&mut chain, 16, [0; 32], Revert::Range("authVerifier"));
    for (at, name) in [
        (1, "nullifier0"),
        (2, "nullifier1"),
        (3, "noteBodyCommitment0"),
        (9, "intentReplayId"),
        (13, "outputNoteDataHash0"),
        (17, "blindedAuthCommitment"),
        (18, "transactionIntentDigest"),
    ] {
        refused(&mut chain, at, alias(5), Revert::NonCanonical(name));
    }
    refused(&mut chain, 14, word(&fr(1)), Revert::NoteData(1));
    refused(&mut chain, 7, USER.to_field_word(), Revert::Movement);
    refused(&mut chain, 8, TOKEN.to_field_word(), Revert::Movement);
    refused(&mut chain, 6, word(&fr(1)), Revert::Movement);
    let good = public(&chain, 7);
    for (outside, error) in [
        (Outside { pool_proof: false, ..Outside::AGREES }, Revert::PoolProof),
        (Outside { auth_proof: false, ..Outside::AGREES }, Revert::AuthProof),
    ] {
        assert_eq!(transact(&mut chain, &good, outside), Err(error));
    }
    transact(&mut chain, &good, Outside { asset: false, ..Outside::AGREES }).unwrap();
    assert_eq!(transact(&mut chain, &good, Outside::AGREES), Err(Revert::Spent(0)));
    let mut second = public(&chain, 8);
    second[2] = good[2];
    assert_eq!(transact(&mut chain, &second, Outside::AGREES), Err(Revert::Spent(1)));
    let mut replayed = public(&chain, 8);
    replayed[9] = good[9];
    assert_eq!(transact(&mut chain, &replayed, Outside::AGREES), Err(Revert::Replayed));

    // A withdrawal, and one of more than there is.
    let mut out = public(&chain, 9);
    (out[6], out[7], out[8]) = (word(&fr(50)), USER.to_field_word(), TOKEN.to_field_word());
    assert_eq!(transact(&mut chain, &out, Outside { asset: false, ..Outside::AGREES }), Err(Revert::Asset));
    transact(&mut chain, &out, Outside::AGREES).unwrap();
    assert!(chain.ledger.holding(TOKEN).is_zero());
    let mut more = public(&chain, 10);
    (more[6], more[7], more[8]) = (word(&fr(1)), USER.to_field_word(), TOKEN.to_field_word());
    assert_eq!(transact(&mut chain, &more, Outside::AGREES), Err(Revert::Asset));
}

trait Words {
    fn to_field_word(self) -> Word;
}

impl Words for Address {
    fn to_field_word(self) -> Word {
        word(&self.to_field())
    }
}

#[test]
fn deposits_revert_where_section_5_4_2_says() {
    let chain = Chain::new(Rules::TACIT);
    let call = chain.call(USER, Amount::ZERO);
    let attempt = |token, stated: Word, owner: Word, value, received| {
        let call = tacit_pool::ledger::Call { value, ..call };
        chain.ledger.clone().deposit(call, token, &stated, &owner, &[], received).map(|_| ())
    };
    let (one, none) = (word(&fr(1)), Amount::ZERO);
    assert_eq!(attempt(TOKEN, one, one, none, true), Ok(()));
    assert_eq!(attempt(TOKEN, [0; 32], one, none, true), Err(Revert::Range("amount")));
    assert_eq!(attempt(TOKEN, [0xff; 32], one, none, true), Err(Revert::Range("amount")));
    assert_eq!(attempt(TOKEN, one, [0; 32], none, true), Err(Revert::Range("ownerCommitment")));
    assert_eq!(attempt(TOKEN, one, alias(1), none, true), Err(Revert::NonCanonical("ownerCommitment")));
    assert_eq!(attempt(TOKEN, one, one, amount(1), true), Err(Revert::Value));
    assert_eq!(attempt(Address::ZERO, one, one, none, true), Err(Revert::Value));
    assert_eq!(attempt(Address::ZERO, one, one, amount(1), true), Ok(()));
    assert_eq!(attempt(TOKEN, one, one, none, false), Err(Revert::Asset));
}

#[test]
fn a_note_root_is_accepted_for_500_insertions() {
    let mut chain = Chain::new(Rules::TACIT);
    deposit(&mut chain, TOKEN, 1).unwrap();
    let (root, _) = chain.ledger.roots().unwrap();
    for _ in 0..NOTE_ROOT_HISTORY {
        deposit(&mut chain, TOKEN, 1).unwrap();
        assert!(chain.ledger.accepts_note_root(&root));
    }
    deposit(&mut chain, TOKEN, 1).unwrap();
    assert!(!chain.ledger.accepts_note_root(&root));
    assert!(!chain.ledger.accepts_note_root(&fr(0)));
}

fn set(chain: &mut Chain, user: Address, owner: Fr, seed: u64, policies: u64) -> Result<Fr, Revert> {
    let call = chain.call(user, Amount::ZERO);
    let event = chain.ledger.set_auth_policy(call, &word(&owner), &word(&fr(seed)), &word(&fr(policies)))?;
    Ok(event.root)
}

#[test]
fn a_registry_root_is_accepted_for_64_blocks_from_the_one_that_replaced_it() {
    let mut chain = Chain::new(Rules::TACIT);
    let first = set(&mut chain, USER, fr(1), 2, 3).unwrap();
    chain.block += 10;
    // Twice in one block: what was between is accepted by nobody.
    let between = set(&mut chain, USER, fr(1), 4, 3).unwrap();
    let last = set(&mut chain, USER, fr(1), 5, 3).unwrap();
    let replaced = chain.block;
    for block in [replaced, replaced + 1, replaced + POLICY_ROOT_BLOCKS] {
        assert!(chain.ledger.accepts_policy_root(&first, block));
        assert!(chain.ledger.accepts_policy_root(&last, block));
        assert!(!chain.ledger.accepts_policy_root(&between, block));
    }
    assert!(!chain.ledger.accepts_policy_root(&first, replaced + POLICY_ROOT_BLOCKS + 1));
    assert!(chain.ledger.accepts_policy_root(&last, u64::MAX));
    assert!(!chain.ledger.accepts_policy_root(&fr(0), replaced));
    // The ring has a slot more than the window: a change at its end does not push the root out.
    chain.block = replaced + POLICY_ROOT_BLOCKS;
    set(&mut chain, USER, fr(1), 6, 3).unwrap();
    assert!(chain.ledger.accepts_policy_root(&first, chain.block));
}

#[test]
fn registration_keeps_its_rules() {
    let mut chain = Chain::new(Rules::TACIT);
    let other = Address([6; 20]);
    assert_eq!(set(&mut chain, USER, fr(0), 1, 1), Err(Revert::Reserved("ownerNullifierKeyHash")));
    assert_eq!(set(&mut chain, USER, dummy_owner(), 1, 1), Err(Revert::Reserved("ownerNullifierKeyHash")));
    assert_eq!(set(&mut chain, USER, fr(1), 0, 1), Err(Revert::Reserved("noteSecretSeedHash")));
    set(&mut chain, USER, fr(1), 1, 1).unwrap();
    assert_eq!(set(&mut chain, other, fr(1), 1, 1), Err(Revert::OwnerTaken));
    assert_eq!(set(&mut chain, USER, fr(2), 1, 1), Err(Revert::OwnerChanged));
    set(&mut chain, other, fr(2), 1, 1).unwrap();
    set(&mut chain, USER, fr(1), 1, 1).unwrap();
    let entry = |user| chain.ledger.entry(user).map(|entry| (entry.leaf_position, entry.policy_version));
    assert_eq!((entry(USER), entry(other)), (Some((1, 2)), Some((2, 1))));
    let call = chain.call(USER, Amount::ZERO);
    let words = [alias(1), word(&fr(1)), word(&fr(1))];
    let done = chain.ledger.set_auth_policy(call, &words[0], &words[1], &words[2]);
    assert_eq!(done, Err(Revert::NonCanonical("ownerNullifierKeyHash")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// What was deposited and not withdrawn is held, of each token; no nullifier or replay id twice.
    #[test]
    fn value_is_conserved(steps in proptest::collection::vec((0u8..4, 1u128..20, any::<bool>(), 0u64..6), 1..40)) {
        let mut chain = Chain::new(Rules::TACIT);
        let mut held: BTreeMap<Address, u128> = BTreeMap::new();
        let mut leaves = 0;
        let mut seen = std::collections::BTreeSet::new();
        for (kind, n, ether, salt) in steps {
            let token = if ether { Address::ZERO } else { TOKEN };
            if kind < 2 {
                deposit(&mut chain, token, n).unwrap();
                *held.entry(token).or_default() += n;
                leaves += 1;
            } else {
                let mut call = public(&chain, salt);
                if kind == 2 {
                    (call[6], call[7], call[8]) = (word(&Fr::from(n)), USER.to_field_word(), token.to_field_word());
                }
                let have = held.entry(token).or_default();
                let possible = !seen.contains(&salt) && (kind == 3 || *have >= n);
                let done = transact(&mut chain, &call, Outside::AGREES);
                prop_assert_eq!(done.is_ok(), possible, "{:?}", done);
                if possible {
                    seen.insert(salt);
                    leaves += 3;
                    *have -= if kind == 2 { n } else { 0 };
                }
            }
            chain.block += u64::from(ether);
            for (token, n) in &held {
                prop_assert_eq!(chain.ledger.holding(*token), amount(*n));
            }
            prop_assert_eq!(chain.ledger.next_leaf(), leaves);
        }
    }

    #[test]
    fn any_words_are_answered(words in proptest::collection::vec(proptest::array::uniform32(any::<u8>()), FIELDS)) {
        let mut ledger = Ledger::new(Rules::EIP, CHAIN);
        let chain = Chain::new(Rules::EIP);
        let call = chain.call(USER, Amount::ZERO);
        let words: [Word; FIELDS] = words.try_into().unwrap();
        prop_assert!(ledger.transact(call, &words, [&[], &[], &[]], Outside::AGREES).is_err());
        let _ = ledger.deposit(call, TOKEN, &words[0], &words[1], &[], true);
        let _ = ledger.set_auth_policy(call, &words[0], &words[1], &words[2]);
    }
}

#[test]
fn events_say_what_happened() {
    let (chain, alice, _) = funded(Rules::TACIT);
    let block = &chain.blocks[0];
    assert_eq!(block.events.len(), 6);
    let Event::PolicyChanged(change) = &block.events[0] else { panic!("{:?}", block.events[0]) };
    assert_eq!((change.user, change.entry.leaf_position), (alice.wallet.user(), 1));
    let Event::Deposited(deposit) = &block.events[5] else { panic!("{:?}", block.events[5]) };
    assert_eq!((deposit.leaf_index, deposit.amount, deposit.token), (3, amount(100), TOKEN));
}
