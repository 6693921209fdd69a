//! Wallets on a chain: scanning, spending, reorganisations, rotation, the stored form.

use tacit_pool::events::Event;
use tacit_pool::ledger::POLICY_ROOT_BLOCKS;
use tacit_pool::note::NoteBody;
use tacit_pool::transaction::Transaction;
use tacit_pool::transaction::coins::CoinError;
use tacit_pool::wallet::credentials::{CredentialError, Held};
use tacit_pool::wallet::spend::{Recipient, SpendError};
use tacit_pool::wallet::{Anchor, Balance, Credential, RegistrationError, StoreError, WalletError};
use tacit_pool::xmss::XmssError;
use tacit_pool::{Address, Amount, Policy, Rules, SecretField, Wallet};

use crate::common::*;

const ETHER: Address = Address::ZERO;

fn spendable(person: &Person, token: Address) -> Amount {
    person.wallet.balances().get(&token).copied().unwrap_or_default().spendable
}

fn stored(person: &Person) -> serde_json::Value {
    serde_json::from_slice(&person.wallet.encode().unwrap()).unwrap()
}

#[test]
fn what_is_sent_arrives_and_what_is_spent_is_gone() {
    for rules in Rules::ALL {
        let (mut chain, mut alice, mut bob) = funded(rules);
        let now = chain.now();
        assert_eq!(spendable(&alice, ETHER), amount(24));
        let mut payment = pay(&bob, ETHER, 9, now);
        payment.memo = tacit_pool::delivery::memo("lunch").unwrap();
        payment.fee = Some((bob.address(), amount(1)));
        let prepared = alice.prepare(&payment, now, 9);
        alice.wallet.commit(&prepared);
        // The two notes of the payment are reserved: 5 + 7.
        let balance = Balance { spendable: amount(12), reserved: amount(12) };
        assert_eq!(alice.wallet.balances()[&ETHER], balance);
        chain.transact(&prepared).unwrap();
        chain.mine(&mut [&mut alice, &mut bob]);
        assert_eq!(spendable(&alice, ETHER), amount(14), "2 of change");
        assert_eq!(spendable(&bob, ETHER), amount(10));
        let memos: Vec<_> =
            bob.wallet.notes().map(|own| tacit_pool::delivery::memo_text(&own.memo)).collect();
        assert_eq!(memos, ["lunch", ""]);
        assert_eq!(alice.wallet.pending().next().unwrap().1.executed, Some(2));

        // Once, and not again.
        assert!(chain.transact(&prepared).is_err());

        // Out of the pool.
        let mut out = pay(&bob, ETHER, 10, now);
        out.recipient = Recipient::Public(Address([0xcc; 20]));
        let prepared = bob.prepare(&out, now, 10);
        bob.wallet.commit(&prepared);
        chain.transact(&prepared).unwrap();
        chain.mine(&mut [&mut alice, &mut bob]);
        assert_eq!(spendable(&bob, ETHER), Amount::ZERO);
        assert_eq!(chain.ledger.holding(ETHER), amount(14));
    }
}

/// Only what is settled lets an intent die: a block's time that may go away again, or a clock, would give its notes to a second payment.
#[test]
fn an_intent_that_expired_gives_its_notes_back_once_that_is_settled() {
    let (mut chain, mut alice, bob) = funded(Rules::TACIT);
    let now = chain.now();
    let prepared = alice.prepare(&pay(&bob, TOKEN, 60, now), now, 9);
    alice.wallet.commit(&prepared);
    let again = |alice: &Person| {
        alice.wallet.prepare(&alice.keys, &pay(&bob, TOKEN, 60, now), now, &mut rng(1)).map(|_| ())
    };
    let reserved = SpendError::from(CoinError::Insufficient { needed: amount(60), have: Amount::ZERO });
    assert_eq!(again(&alice), Err(reserved.clone()));
    // A block of the last second in which it is valid is settled, the next one is not.
    chain.block += 3600 / 12;
    let last = chain.block;
    chain.mine(&mut [&mut alice]);
    alice.settle();
    chain.mine(&mut [&mut alice]);
    assert_eq!((alice.wallet.settled().number, alice.wallet.settled().timestamp), (last, now + 3600));
    assert!(alice.wallet.head().timestamp > now + 3600);
    assert!(!alice.wallet.abandon(prepared.replay_id()));
    assert_eq!(again(&alice), Err(reserved));
    // It does go away, and another comes in its place.
    alice.wallet.rewind(last).unwrap();
    assert_eq!(spendable(&alice, TOKEN), Amount::ZERO);
    (chain.block, chain.fork) = (last + 1, 1);
    chain.mine(&mut [&mut alice]);
    alice.settle();
    assert_eq!(again(&alice), Ok(()));
    assert_eq!(spendable(&alice, TOKEN), amount(100));
    assert!(alice.wallet.abandon(prepared.replay_id()));
    assert_eq!(alice.wallet.pending().count(), 0);
}

/// An execution that is not settled does not end a reservation: it may be taken back, and the intent executed with the same notes.
#[test]
fn an_intent_lives_until_its_execution_is_settled() {
    let (mut chain, mut alice, mut bob) = funded(Rules::TACIT);
    let now = chain.now();
    let prepared = alice.prepare(&pay(&bob, ETHER, 9, now), now, 9);
    alice.wallet.commit(&prepared);
    chain.transact(&prepared).unwrap();
    chain.mine(&mut [&mut alice, &mut bob]);
    let pending = |alice: &Person| alice.wallet.pending().next().map(|(_, pending)| pending.clone());
    assert_eq!(pending(&alice).unwrap().executed, Some(2));
    assert!(alice.wallet.is_live(&pending(&alice).unwrap()));
    assert!(!alice.wallet.abandon(prepared.replay_id()));
    alice.settle();
    assert_eq!(pending(&alice), None);
}

#[test]
fn a_payment_that_the_chain_would_refuse_is_refused() {
    let (chain, alice, bob) = funded(Rules::TACIT);
    let now = chain.now();
    let attempt = |change: &dyn Fn(&mut tacit_pool::wallet::Payment)| {
        let mut payment = pay(&bob, ETHER, 1, now);
        change(&mut payment);
        alice.wallet.prepare(&alice.keys, &payment, now, &mut rng(1)).map(|_| ())
    };
    assert_eq!(attempt(&|_| {}), Ok(()));
    let at = |seconds: i64| u32::try_from(now as i64 + seconds).unwrap();
    for (valid_until, fine) in
        [(at(0), false), (at(-1), false), (at(1), true), (at(86_400), true), (at(86_401), false)]
    {
        let done = attempt(&|payment| payment.valid_until = valid_until);
        assert_eq!(done.is_ok(), fine, "{valid_until}");
    }
    assert_eq!(attempt(&|payment| payment.slot = 0), Err(SpendError::EmptySlot(0)));
    assert!(matches!(attempt(&|payment| payment.amount = Amount::ZERO), Err(SpendError::Intent(_))));
    assert!(matches!(attempt(&|payment| payment.amount = Amount::MAX), Err(SpendError::Coins(_))));
    let stranger = Person::new(Rules::TACIT, 9);
    let done = stranger.wallet.prepare(&stranger.keys, &pay(&bob, ETHER, 1, now), now, &mut rng(1));
    assert_eq!(done.unwrap_err(), RegistrationError::NotRegistered.into());
}

#[test]
fn a_reorganisation_takes_back_what_it_took() {
    let (mut chain, mut alice, mut bob) = funded(Rules::TACIT);
    let now = chain.now();
    let prepared = alice.prepare(&pay(&bob, ETHER, 9, now), now, 9);
    alice.wallet.commit(&prepared);
    let ledger = chain.ledger.clone();
    let (before, bobs) = (stored(&alice), stored(&bob));
    chain.transact(&prepared).unwrap();
    chain.deposit(&bob, TOKEN, 3, 44);
    chain.mine(&mut [&mut alice, &mut bob]);
    let policy = alice.policy();
    chain.register(&mut alice, 0, vec![policy]);
    chain.mine(&mut [&mut alice, &mut bob]);
    assert_eq!(alice.wallet.entry().unwrap().policy_version, 2);

    // Back to block 1, and everything is as it was there.
    alice.wallet.rewind(1).unwrap();
    bob.wallet.rewind(1).unwrap();
    let mut back = stored(&alice);
    // But for the policy that it made meanwhile, which it does not forget.
    assert_ne!(back["credentials"], before["credentials"]);
    back["credentials"] = before["credentials"].clone();
    assert_eq!((back, stored(&bob)), (before, bobs));

    // On the other branch a deposit comes first, so every leaf is another; the same intent still counts, with paths made anew.
    chain.ledger = ledger;
    (chain.block, chain.fork) = (2, 1);
    chain.deposit(&bob, ETHER, 50, 45);
    chain.mine(&mut [&mut alice, &mut bob]);
    chain.transact(&prepared).unwrap();
    chain.mine(&mut [&mut alice, &mut bob]);
    assert_eq!(spendable(&bob, ETHER), amount(59));
    assert_eq!(spendable(&alice, ETHER), amount(15));
    assert_eq!(bob.wallet.balances().get(&TOKEN), None, "that deposit was on the other branch");
    assert_eq!(alice.wallet.rewind(77), Err(WalletError::TooDeep { to: 77 }));
}

#[test]
fn what_is_settled_stays_spendable_and_can_not_be_undone() {
    let (mut chain, mut alice, mut bob) = funded(Rules::TACIT);
    let now = chain.now();
    for round in 0..4 {
        let prepared = alice.prepare(&pay(&bob, ETHER, 2, now), now, 100 + round);
        alice.wallet.commit(&prepared);
        chain.transact(&prepared).unwrap();
        chain.mine(&mut [&mut alice, &mut bob]);
        alice.wallet.settle(chain.block - 2);
    }
    assert_eq!(alice.wallet.anchors().count(), 2);
    assert!(matches!(alice.wallet.rewind(1), Err(WalletError::TooDeep { to: 1 })));
    assert_eq!(spendable(&alice, ETHER), amount(16));
    // Every note that is left has a path to the root.
    let prepared = alice.prepare(&pay(&bob, ETHER, 15, now), now, 200);
    chain.transact(&prepared).unwrap();
    assert_eq!(alice.wallet.pending().count(), 1, "executed ones are forgotten when they are final");
}

/// A node that leaves out, changes or reorders events is noticed, and the wallet is as before.
#[test]
fn a_lying_node_is_noticed() {
    let (mut chain, mut alice, mut bob) = funded(Rules::TACIT);
    chain.deposit(&bob, ETHER, 1, 50);
    chain.deposit(&alice, ETHER, 2, 51);
    let policy = bob.policy();
    chain.register(&mut bob, 0, vec![policy]);
    chain.mine(&mut [&mut bob]);
    let honest = chain.blocks[1].clone();
    let before = stored(&alice);
    let lies: [fn(&mut Vec<Event>); 7] = [
        |events| drop(events.remove(0)),
        |events| events.swap(0, 1),
        |events| {
            let Event::Deposited(deposit) = &mut events[0] else { panic!() };
            deposit.note_commitment += fr(1);
        },
        |events| {
            let Event::Deposited(deposit) = &mut events[1] else { panic!() };
            deposit.root += fr(1);
        },
        |events| {
            let Event::PolicyChanged(change) = &mut events[2] else { panic!() };
            change.root += fr(1);
        },
        |events| {
            let Event::PolicyChanged(change) = &mut events[2] else { panic!() };
            change.entry.policy_version += 1;
        },
        |events| {
            let Event::PolicyChanged(change) = &mut events[2] else { panic!() };
            change.entry.leaf_position = 99;
        },
    ];
    for (i, lie) in lies.into_iter().enumerate() {
        let mut block = honest.clone();
        lie(&mut block.events);
        let error = alice.wallet.apply(&block, &mut alice.keys).unwrap_err();
        assert!(!matches!(error, WalletError::Tree(_)), "{i}: {error}");
        assert_eq!(stored(&alice), before, "{i}");
    }
    let again = chain.blocks[0].clone();
    assert!(matches!(alice.wallet.apply(&again, &mut alice.keys), Err(WalletError::Order { .. })));
    let mut early = honest.clone();
    early.timestamp = again.timestamp - 1;
    assert_eq!(alice.wallet.apply(&early, &mut alice.keys), Err(WalletError::Time { block: 2 }));
    // A rotation in a block that is refused is no rotation.
    let mut rotated = honest.clone();
    let call = chain.call(alice.wallet.user(), Amount::ZERO);
    let word = tacit_pool::transaction::public::word;
    let seed = word(&alice.keys.note_secret_seed_hash(1));
    let event = chain.ledger.clone().set_auth_policy(call, &word(alice.keys.owner()), &seed, &word(&fr(9)));
    rotated.events.push(Event::PolicyChanged(event.unwrap()));
    rotated.events.remove(0);
    alice.wallet.apply(&rotated, &mut alice.keys).unwrap_err();
    assert_eq!(stored(&alice), before);
    alice.wallet.apply(&honest, &mut alice.keys).unwrap();
}

#[test]
fn note_data_that_promises_more_than_the_note_is_ignored() {
    let (mut chain, mut alice, mut bob) = funded(Rules::TACIT);
    let body = NoteBody {
        owner_nullifier_key_hash: *alice.keys.owner(),
        note_secret: SecretField::new(fr(5)),
        amount: amount(1_000_000),
        token: ETHER,
    };
    let mut rng = rng(60);
    let data =
        tacit_pool::delivery::seal_note(place(), &alice.address().key, &body, &[0; 64], &mut rng).unwrap();
    let call = chain.call(bob.wallet.user(), amount(1));
    let owner = tacit_pool::transaction::public::word(&body.owner_commitment());
    let stated = tacit_pool::transaction::public::word(&fr(1));
    let event = chain.ledger.deposit(call, ETHER, &stated, &owner, &data, true).unwrap();
    chain.events.push(Event::Deposited(event));
    chain.mine(&mut [&mut alice, &mut bob]);
    assert_eq!(spendable(&alice, ETHER), amount(24));
}

#[test]
fn rotation_takes_the_old_seed_away_after_the_window_and_not_before() {
    let (mut chain, mut alice, mut bob) = funded(Rules::TACIT);
    let now = chain.now();
    // An intent under the old seed is on its way when the rotation comes.
    let old = alice.prepare(&pay(&bob, ETHER, 11, now), now, 9);
    alice.wallet.commit(&old);
    let epoch = alice.wallet.prepare_rotation(&alice.keys);
    assert_eq!(
        (epoch.number, alice.wallet.prepare_rotation(&alice.keys).number),
        (1, 1),
        "the same until registered"
    );
    // Until the registry has the new seed, the old one counts.
    let meanwhile = alice.prepare(&pay(&bob, TOKEN, 1, now), now, 10);
    let policy = alice.policy();
    chain.register(&mut alice, 1, vec![policy]);
    chain.mine(&mut [&mut alice, &mut bob]);
    assert_eq!(alice.wallet.entry().unwrap().policy_version, 2);
    let rotated = chain.block - 1;

    // New payments come from the new seed.
    let new = alice.prepare(&pay(&bob, TOKEN, 30, now), now, 12);
    let seed = *new.transaction().parts().spender.note_secret_seed.expose();
    assert_eq!(seed, *alice.keys.note_secret_seed(1).expose());
    assert_ne!(seed, *meanwhile.transaction().parts().spender.note_secret_seed.expose());
    chain.transact(&new).unwrap();
    chain.mine(&mut [&mut alice, &mut bob]);
    assert_eq!(spendable(&alice, TOKEN), amount(70), "the change came back, sealed to the new epoch's key");

    // The old intent is live within the window, its seed is kept and its notes are reserved.
    assert_eq!(alice.wallet.epochs_done(), Vec::<u32>::new());
    assert_eq!(alice.wallet.balances()[&ETHER].reserved, amount(12));
    let in_window = chain.ledger.clone();
    chain.transact(&old).unwrap();
    chain.ledger = in_window;
    chain.events.clear();

    while chain.block < rotated + POLICY_ROOT_BLOCKS {
        chain.mine(&mut [&mut alice, &mut bob]);
    }
    alice.settle();
    // The next block is the last in which the old root is accepted.
    assert!(!alice.wallet.epochs_done().contains(&0));
    chain.mine(&mut [&mut alice, &mut bob]);
    assert!(
        !alice.wallet.epochs_done().contains(&0),
        "that block may go away again, and another come with the intent"
    );
    assert_eq!(alice.wallet.balances()[&ETHER].reserved, amount(12));
    alice.settle();
    assert_eq!(alice.wallet.epochs_done(), [0]);
    assert_eq!(alice.wallet.balances()[&ETHER].reserved, Amount::ZERO, "the intent died with its policy");
    let public = old.transaction().public_inputs();
    assert!(!chain.ledger.accepts_policy_root(&public.auth_policy_root, chain.block));
    assert!(chain.transact(&old).is_err());
}

/// What a former prover has (owner key, old seed, the secrets of the notes that it saw) marks nothing of what comes after.
#[test]
fn a_former_prover_can_not_recognise_later_spends() {
    use tacit_pool::note::transact_note_secret;
    use tacit_pool::nullifier::{nullifier, phantom_nullifier};
    for rules in [Rules::TACIT, Rules::EIP] {
        let (mut chain, mut alice, mut bob) = funded(rules);
        let now = chain.now();
        let epoch = alice.wallet.prepare_rotation(&alice.keys).number;
        let policy = alice.policy();
        chain.register(&mut alice, epoch, vec![policy]);
        chain.mine(&mut [&mut alice, &mut bob]);
        // Everything once to herself, then a payment from that.
        for (to_self, n, seed) in [(true, 11, 20), (false, 11, 21)] {
            let payment = pay(if to_self { &alice } else { &bob }, ETHER, n, now);
            let prepared = alice.prepare(&payment, now, seed);
            chain.transact(&prepared).unwrap();
            chain.mine(&mut [&mut alice, &mut bob]);
        }
        let (key, old) = (alice.keys.owner_nullifier_key().expose(), alice.keys.note_secret_seed(0));
        let Event::Transacted(last) = &chain.blocks.last().unwrap().events[0] else { panic!() };
        // It sees every commitment on the chain, and tries the secrets that it can derive.
        let moved = alice.wallet.notes().find(|own| last.nullifiers.contains(&own.nullifier)).unwrap();
        let mut guesses = vec![phantom_nullifier(rules, key, &last.intent_replay_id, 1, old.expose())];
        for slot in 0..3 {
            let Event::Transacted(made) = &chain.blocks[2].events[0] else { panic!() };
            let mut note = moved.note.clone();
            note.body.note_secret = transact_note_secret(old.expose(), &made.intent_replay_id, slot);
            guesses.push(nullifier(rules, &note, key));
        }
        // By the EIP's formula no secret of the note is needed, only its commitment.
        guesses.push(nullifier(Rules::EIP, &moved.note, key));
        let seen = guesses.iter().any(|guess| last.nullifiers.contains(guess));
        assert_eq!(seen, !rules.rotate, "{rules:?}");
    }
}

#[test]
fn a_policy_set_of_another_copy_is_not_spent_under() {
    let (mut chain, mut alice, mut bob) = funded(Rules::TACIT);
    let now = chain.now();
    // The same seed phrase elsewhere registers something else.
    let mut copy = Person::new(Rules::TACIT, 1);
    let mut policy = copy.policy();
    policy.slot = 9;
    chain.register(&mut copy, 0, vec![policy]);
    chain.mine(&mut [&mut alice, &mut bob]);
    let done = alice.wallet.prepare(&alice.keys, &pay(&bob, ETHER, 1, now), now, &mut rng(1));
    assert_eq!(done.unwrap_err(), RegistrationError::Unknown("policy set").into());
}

#[test]
fn xmss_indices_are_used_once_across_restarts() {
    let mut alice = Person::new(Rules::TACIT, 1);
    let key = alice.wallet.credentials_mut().draw_xmss(2, &mut rng(1)).unwrap();
    let held = Held {
        slot: 4,
        policy: Policy::new(VERIFIER, key.auth_data(), &mut rng(2)),
        credential: Credential::Xmss { root: key.root },
    };
    alice.wallet.credentials_mut().remember(vec![held.clone()]).unwrap();
    let mut disk = alice.wallet.encode().unwrap();
    let mut used = Vec::new();
    for _ in 0..4 {
        let mut wallet = Wallet::decode(&disk).unwrap();
        let reserved = wallet.credentials_mut().reserve_xmss(&key.root).unwrap();
        let write = || wallet.encode().map(|bytes| disk = bytes);
        let index = reserved.durable(write).unwrap();
        let signing = wallet.credentials().xmss(&key.root).unwrap().signing_key().unwrap();
        used.push(signing.sign(index, &fr(1)).unwrap().index);
    }
    assert_eq!(used, [0, 1, 2, 3]);
    let mut wallet = Wallet::decode(&disk).unwrap();
    let error = wallet.credentials_mut().reserve_xmss(&key.root).unwrap_err();
    assert_eq!(error, XmssError::Exhausted(4).into());

    // A wallet made anew from the phrase, or one in another pool, does not have the key: it signs nothing with it, and draws another.
    let mut restored = Person::new(Rules::TACIT, 1);
    let credentials = restored.wallet.credentials_mut();
    assert_eq!(credentials.reserve_xmss(&key.root).unwrap_err(), CredentialError::UnknownXmss);
    assert_eq!(credentials.remember(vec![held.clone()]), Err(CredentialError::UnknownXmss));
    let drawn = credentials.draw_xmss(2, &mut rng(3)).unwrap();
    assert_ne!(drawn, key);
    // Nor does a policy name one key and mean another.
    let other = Held { credential: Credential::Xmss { root: drawn.root }, ..held };
    assert_eq!(credentials.remember(vec![other]), Err(CredentialError::UnknownXmss));
    let mut cut: serde_json::Value = serde_json::from_slice(&disk).unwrap();
    cut["credentials"]["xmss"] = serde_json::json!([]);
    let cut = Wallet::decode(cut.to_string().as_bytes());
    assert_eq!(cut.unwrap_err(), StoreError::Damaged("an XMSS key is missing"));
}

/// One blinder for two registrations would show an observer that they are of one policy.
#[test]
fn registration_blinders_are_drawn() {
    let mut random = rng(5);
    let [one, other] = [0, 1].map(|_| Policy::new(VERIFIER, fr(9), &mut random));
    assert_ne!(one.commitment(), other.commitment());
}

#[test]
fn a_stored_wallet_goes_on_where_it_was() {
    let (mut chain, mut alice, mut bob) = funded(Rules::TACIT);
    let now = chain.now();
    let prepared = alice.prepare(&pay(&bob, ETHER, 9, now), now, 9);
    alice.wallet.commit(&prepared);
    let bytes = alice.wallet.encode().unwrap();
    alice.wallet = Wallet::decode(&bytes).unwrap();
    assert_eq!(alice.wallet.encode().unwrap(), bytes);
    chain.transact(&prepared).unwrap();
    chain.mine(&mut [&mut alice, &mut bob]);
    assert_eq!(spendable(&alice, ETHER), amount(15));
    alice.wallet = Wallet::decode(&alice.wallet.encode().unwrap()).unwrap();
    alice.wallet.rewind(1).unwrap();
    assert_eq!(alice.wallet.balances()[&ETHER], Balance { spendable: amount(12), reserved: amount(12) });
}

#[test]
fn a_stored_wallet_that_contradicts_itself_is_refused() {
    let (_, alice, _) = funded(Rules::TACIT);
    let bytes = alice.wallet.encode().unwrap();
    let stored: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let damaged = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut stored = stored.clone();
        change(&mut stored);
        Wallet::decode(stored.to_string().as_bytes()).unwrap_err()
    };
    assert_eq!(damaged(&|s| s["version"] = 2.into()), StoreError::Version(2));
    assert!(matches!(damaged(&|s| s["more"] = 2.into()), StoreError::Form(_)));
    assert!(matches!(
        damaged(&|s| s["notes"][0]["note"]["body"]["amount"] = "6".into()),
        StoreError::Damaged(_)
    ));
    assert!(matches!(damaged(&|s| s["notes"][0]["note"]["leaf_index"] = 2.into()), StoreError::Damaged(_)));
    assert!(matches!(damaged(&|s| s["owner"] = "1".into()), StoreError::Damaged(_)));
    assert!(matches!(damaged(&|s| s["entries"][0][1]["policy_version"] = 9.into()), StoreError::Damaged(_)));
    assert!(matches!(damaged(&|s| s["anchors"] = serde_json::json!([])), StoreError::Damaged(_)));
    assert!(matches!(damaged(&|s| s["anchors"][0][0] = 1.into()), StoreError::Damaged(_)));
    assert!(matches!(damaged(&|s| s["tree"]["checkpoints"][0]["id"] = 7.into()), StoreError::Form(_)));
    assert!(matches!(
        damaged(&|s| s["registry"]["journal"][0]["checkpoint"] = 1.into()),
        StoreError::Form(_)
    ));
    assert!(matches!(damaged(&|s| s["epochs"] = serde_json::json!([])), StoreError::Damaged(_)));
    assert!(matches!(damaged(&|s| s["epochs"][0]["number"] = u32::MAX.into()), StoreError::Damaged(_)));
    let anchors = |s: &mut serde_json::Value| s["anchors"][0][2] = (NOON + 99).into();
    assert!(matches!(damaged(&anchors), StoreError::Damaged(_)));
    // The message of an error repeats nothing of what is stored.
    let secret = stored["notes"][0]["note"]["body"]["note_secret"].as_str().unwrap().to_owned();
    let cut = StoreError::to_string(&damaged(&|s| {
        s["notes"][0]["note"]["body"]["note_secret"] = format!("{secret}x").into()
    }));
    assert!(!cut.contains(&secret), "{cut}");
    for cut in [0, 1, 100, bytes.len() - 1] {
        assert!(Wallet::decode(&bytes[..cut]).is_err());
    }
}

/// Rotates to an epoch, in the block that is being made.
fn rotate(chain: &mut Chain, person: &mut Person) -> u32 {
    let epoch = person.wallet.prepare_rotation(&person.keys).number;
    let policy = person.policy();
    chain.register(person, epoch, vec![policy]);
    epoch
}

/// The registry gives an owner's hash to the first that claims it.
#[test]
fn an_address_is_given_out_only_once_the_owner_is_registered() {
    let (mut chain, mut alice) = (Chain::new(Rules::TACIT), Person::new(Rules::TACIT, 1));
    let address = |person: &Person| person.wallet.receiving_address(&person.keys);
    assert_eq!(address(&alice), Err(RegistrationError::NotRegistered.into()));
    let policy = alice.policy();
    chain.register(&mut alice, 0, vec![policy]);
    assert_eq!(address(&alice), Err(RegistrationError::NotRegistered.into()), "not before a block has it");
    chain.mine(&mut [&mut alice]);
    assert_eq!(address(&alice), Ok(alice.address_of(0)));
    // A rotation that is only prepared changes nothing, one that is registered does.
    rotate(&mut chain, &mut alice);
    assert_eq!(address(&alice), Ok(alice.address_of(0)));
    chain.mine(&mut [&mut alice]);
    assert_eq!(address(&alice), Ok(alice.address_of(1)));
    alice.wallet.rewind(1).unwrap();
    assert_eq!(address(&alice), Ok(alice.address_of(0)));
    alice.wallet.rewind(0).unwrap();
    assert_eq!(address(&alice), Err(RegistrationError::NotRegistered.into()));

    // An entry that somebody else made for this address: with another owner, and with a seed of unknown origin.
    let word = tacit_pool::transaction::public::word;
    for (owner, seed, error) in [
        (fr(5), alice.keys.note_secret_seed_hash(0), RegistrationError::Owner),
        (*alice.keys.owner(), fr(5), RegistrationError::Unknown("seed")),
    ] {
        let (mut chain, mut alice) = (Chain::new(Rules::TACIT), Person::new(Rules::TACIT, 1));
        let call = chain.call(alice.wallet.user(), Amount::ZERO);
        let event = chain.ledger.set_auth_policy(call, &word(&owner), &word(&seed), &word(&fr(9)));
        chain.events.push(Event::PolicyChanged(event.unwrap()));
        chain.mine(&mut [&mut alice]);
        assert_eq!(address(&alice), Err(error.into()));
    }
}

#[test]
fn after_a_rotation_the_wallet_still_reads_what_is_sent_to_the_old_address() {
    let (mut chain, mut alice, mut bob) = funded(Rules::TACIT);
    let old = alice.address();
    for _ in 0..2 {
        rotate(&mut chain, &mut alice);
        chain.mine(&mut [&mut alice, &mut bob]);
    }
    assert_ne!(alice.address().key, old.key);
    assert_eq!(alice.address().owner_nullifier_key_hash, old.owner_nullifier_key_hash);
    let now = chain.now();
    let mut payment = pay(&alice, ETHER, 1, now);
    payment.recipient = Recipient::Private(old);
    let prepared: Transaction = alice.prepare(&payment, now, 3).transaction().clone();
    assert_eq!(prepared.outputs()[0].body.owner_nullifier_key_hash, *alice.keys.owner());
    let payment = alice.prepare(&payment, now, 3);
    chain.transact(&payment).unwrap();
    chain.mine(&mut [&mut alice, &mut bob]);
    assert_eq!(spendable(&alice, ETHER), amount(24));
}

/// Change goes to the epoch that the registry has: a wallet that is restored meanwhile knows of no other.
#[test]
fn change_is_sealed_to_the_registered_epoch() {
    let (mut chain, mut alice, mut bob) = funded(Rules::TACIT);
    let now = chain.now();
    assert_eq!(alice.wallet.prepare_rotation(&alice.keys).number, 1);
    alice.keys.advance(9).unwrap();
    let change = |alice: &Person, bob: &Person| {
        let prepared = alice.prepare(&pay(bob, ETHER, 3, now), now, 5);
        let data = prepared.transaction().note_data()[1].clone();
        let opens = |epoch: &u32| {
            let key = alice.keys.note_data_key(*epoch).unwrap();
            tacit_pool::delivery::open(place(), &key, &data).is_some()
        };
        (0..4).filter(opens).collect::<Vec<u32>>()
    };
    assert_eq!(change(&alice, &bob), [0]);
    rotate(&mut chain, &mut alice);
    chain.mine(&mut [&mut alice, &mut bob]);
    assert_eq!(change(&alice, &bob), [1]);
}

/// From the seed phrase and the chain alone, in one pass: every note, whatever epoch it is sealed to and wherever in a block the rotation
/// is, and the epoch that is registered. Policies are registered anew.
#[test]
fn a_restored_wallet_finds_its_notes_and_its_epoch() {
    let (mut chain, mut alice, mut bob) = funded(Rules::TACIT);
    let now = chain.now();
    for epoch in [1, 2] {
        // In the block of the rotation: before it a note to the epoch that it registers, which somebody knows from a block that went away;
        // after it one to the first epoch.
        let (next, first) = (alice.address_of(epoch), alice.address_of(0));
        chain.deposit_to(&next, alice.wallet.user(), TOKEN, 1, 70 + u64::from(epoch));
        assert_eq!(rotate(&mut chain, &mut alice), epoch);
        chain.deposit_to(&first, alice.wallet.user(), TOKEN, 2, 80 + u64::from(epoch));
        chain.mine(&mut [&mut alice, &mut bob]);
        let prepared = alice.prepare(&pay(&bob, ETHER, 3, now), now, epoch.into());
        chain.transact(&prepared).unwrap();
        chain.mine(&mut [&mut alice, &mut bob]);
    }
    // And one to an epoch whose registration never came back.
    chain.deposit_to(&alice.address_of(3), alice.wallet.user(), TOKEN, 4, 90);
    chain.mine(&mut [&mut alice, &mut bob]);
    assert_eq!(spendable(&alice, TOKEN), amount(110));
    let mut restored = Person::new(Rules::TACIT, 1);
    for block in &chain.blocks {
        restored.wallet.apply(block, &mut restored.keys).unwrap();
    }
    assert_eq!(restored.wallet.balances(), alice.wallet.balances());
    let epoch =
        restored.wallet.epochs().with_seed_hash(&restored.wallet.entry().unwrap().note_secret_seed_hash);
    assert_eq!(epoch.map(|epoch| epoch.number), Some(2));
    let payment = pay(&bob, ETHER, 3, now);
    let done = restored.wallet.prepare(&restored.keys, &payment, now, &mut rng(1));
    assert_eq!(done.unwrap_err(), RegistrationError::Unknown("policy set").into());
    let policy = restored.policy();
    chain.register(&mut restored, 2, vec![policy]);
    chain.mine(&mut [&mut alice, &mut restored, &mut bob]);
    chain.transact(&restored.prepare(&payment, now, 7)).unwrap();
}

/// What no chain has outlives a new scan: which seed counts, what signs, and what is signed.
#[test]
fn a_new_scan_keeps_what_no_chain_has() {
    let (mut chain, mut alice, mut bob) = funded(Rules::TACIT);
    let now = chain.now();
    assert_eq!(rotate(&mut chain, &mut alice), 1);
    chain.mine(&mut [&mut alice, &mut bob]);
    let executed = alice.prepare(&pay(&bob, TOKEN, 30, now), now, 5);
    let waiting = alice.prepare(&pay(&bob, ETHER, 9, now), now, 6);
    for prepared in [&executed, &waiting] {
        alice.wallet.commit(prepared);
    }
    chain.transact(&executed).unwrap();
    chain.mine(&mut [&mut alice, &mut bob]);
    // Beyond anything that could be undone.
    let start = Anchor { number: 0, hash: [0; 32], timestamp: NOON };
    let before = (alice.wallet.balances(), alice.wallet.epochs().clone(), alice.wallet.note_root().unwrap());
    let pending: Vec<_> = alice.wallet.pending().map(|(id, known)| (*id, known.clone())).collect();
    assert_eq!(alice.wallet.rescan(&bob.keys, start), Err(WalletError::Keys));
    assert_eq!(alice.wallet.balances(), before.0);
    alice.wallet.rescan(&alice.keys, start).unwrap();
    assert_eq!((alice.wallet.notes().count(), alice.wallet.head().number), (0, 0));
    assert!(alice.wallet.pending().all(|(_, known)| known.executed.is_none()));
    for block in &chain.blocks {
        alice.wallet.apply(block, &mut alice.keys).unwrap();
    }
    let after = (alice.wallet.balances(), alice.wallet.epochs().clone(), alice.wallet.note_root().unwrap());
    assert_eq!(after, before);
    let known: Vec<_> = alice.wallet.pending().map(|(id, known)| (*id, known.clone())).collect();
    assert_eq!(known, pending);
    chain.transact(&waiting).unwrap();
    chain.mine(&mut [&mut alice, &mut bob]);
    let next = alice.prepare(&pay(&bob, ETHER, 1, now), now, 7);
    chain.transact(&next).unwrap();
}

/// A signature that nobody has reserves nothing.
#[test]
fn what_never_left_is_released() {
    let (chain, mut alice, bob) = funded(Rules::TACIT);
    let now = chain.now();
    let prepared = alice.prepare(&pay(&bob, TOKEN, 60, now), now, 9);
    alice.wallet.commit(&prepared);
    assert_eq!(spendable(&alice, TOKEN), Amount::ZERO);
    assert!(!alice.wallet.abandon(prepared.replay_id()));
    assert!(alice.wallet.release(prepared.replay_id()));
    assert_eq!(spendable(&alice, TOKEN), amount(100));
    assert!(!alice.wallet.release(prepared.replay_id()));
}

/// Rotations that this wallet's own list of epochs has not seen one by one: several in one block, set by another copy.
#[test]
fn a_restored_wallet_follows_rotations_in_one_block() {
    let (mut chain, mut alice, mut bob) = funded(Rules::TACIT);
    let policy = alice.policy();
    for epoch in [1, 2, 3, 60] {
        chain.register(&mut alice, epoch, vec![policy.clone()]);
        let to = alice.address_of(epoch);
        chain.deposit_to(&to, alice.wallet.user(), TOKEN, 1, epoch.into());
    }
    chain.mine(&mut [&mut alice, &mut bob]);
    let mut restored = Person::new(Rules::TACIT, 1);
    for block in &chain.blocks {
        restored.wallet.apply(block, &mut restored.keys).unwrap();
    }
    for person in [&alice, &restored] {
        assert_eq!(spendable(person, TOKEN), amount(104));
        assert_eq!(person.address(), person.address_of(60));
    }
    let again = Wallet::decode(&restored.wallet.encode().unwrap()).unwrap();
    assert_eq!(again.epochs().newest(), 60);
}
