//! When: too early, in time, again, under a replaced policy, too late.

use tacit_chain::{At, U256, abi};
use tacit_pool::{Address, Wallet};

use crate::attempts::{Attempts, EDDSA, Honest, POOL};
use crate::forge::Forged;
use crate::net::Person;

/// To whom the owner withdraws.
pub const HONEST: Address = Address([0xcc; 20]);

pub async fn try_all(attempts: &mut Attempts, payment: &Honest, alice: &mut Person, mallory: &Person) {
    // Expired.
    let start = attempts.net.anvil.snapshot().await.unwrap();
    attempts.wait(20_001).await;
    attempts.refused("after its time", &payment.call(), "IntentExpired").await;
    attempts.net.anvil.revert(&start).await.unwrap();

    // Signed for tomorrow, and handed in today.
    let start = attempts.net.anvil.snapshot().await.unwrap();
    let tomorrow = attempts.signed(alice, mallory, 10_000, Some(HONEST), 80_000, 60).await;
    attempts.refused("more than a day before its end", &tomorrow.call(), "IntentTooEarly").await;
    attempts.wait(80_000).await;
    attempts.accepted("the same a day later", &tomorrow.call()).await;
    let paid = attempts.net.anvil.rpc().balance(HONEST, At::Latest).await.unwrap();
    assert_eq!(paid, U256::from(10_000), "to whom the owner said, whoever hands it in");
    attempts.net.anvil.revert(&start).await.unwrap();

    replaced_policy(attempts, payment, alice, mallory).await;
    replays(attempts, payment, alice, mallory).await;
}

fn copy(person: &Person) -> Person {
    let wallet = Wallet::decode(&person.wallet.encode().unwrap()).unwrap();
    Person { account: person.account.clone(), keys: person.keys.clone(), wallet }
}

/// The owner sets a new policy; the old root counts for 64 blocks.
async fn replaced_policy(attempts: &mut Attempts, payment: &Honest, alice: &Person, mallory: &Person) {
    let start = attempts.net.anvil.snapshot().await.unwrap();
    let entry = alice.wallet.entry().unwrap().clone();
    let (seed, set) = (alice.keys.note_secret_seed_hash(1), entry.policy_set_commitment);
    let call = abi::set_auth_policy(attempts.net.pool.address(), alice.keys.owner(), &seed, &set);
    attempts.net.execute(&alice.account, &call).await;
    // The EIP's window: what was signed before is still good against the old root.
    attempts.would_be_accepted("inside the window", &payment.call()).await;

    // What the prover would need of the new root, it learns when it proves again for the owner.
    let mut copy = copy(alice);
    attempts.net.follow(&mut copy).await;
    assert_eq!(copy.wallet.entry().unwrap().policy_version, 2);
    let changed = Forged::of(&attempts.work(&copy, mallory, 10_000, None, 0, 61).await);
    let old = payment.forged();
    let mut forged = old.clone();
    forged.take(&changed, &["authPolicyRoot", "authPolicySiblings", "leafPosition", "noteSecretSeed"]);
    forged.derive_and_lock();
    attempts.impossible("the old version under the new root", POOL, &forged.inputs());
    forged.take(&changed, &["policyVersion"]).derive_and_lock();
    let proof = attempts.proved("the new version", &forged);
    let call = forged.call(&proof, &payment.proved.auth_proof, &forged.words());
    attempts.refused("the new version for an old signature", &call, "AuthProofInvalid").await;
    let own = attempts.prove(EDDSA, &forged.signed_by(&mallory.keys.eddsa(0).unwrap())).unwrap();
    let call = forged.call(&proof, &own, &forged.words());
    attempts.refused("the same, signed by the prover", &call, "AuthProofInvalid").await;
    // The new root beside the old proof.
    let mut words = old.words();
    words[12] = changed.words()[12];
    let call = old.call(&payment.proved.pool_proof, &payment.proved.auth_proof, &words);
    attempts.refused("the new root beside the old proof", &call, "PoolProofInvalid").await;

    attempts.net.anvil.mine(64).await.unwrap();
    let what = "an old policy's root, outside its window";
    attempts.refused(what, &payment.call(), "AuthPolicyRootNotAccepted").await;
    attempts.net.anvil.revert(&start).await.unwrap();
    attempts.unauthorised.clear();
}

/// What was signed is executed, once.
async fn replays(attempts: &mut Attempts, payment: &Honest, alice: &mut Person, mallory: &Person) {
    // The same intent of the owner's other notes, and another intent of the same notes.
    let first = attempts.work(alice, mallory, 10_000, Some(HONEST), 0, 70).await;
    let same_notes = attempts.prove_work(first);
    let mut other_notes = payment.forged();
    // A wallet that reserved the payment's notes takes the others.
    let mut reserved = copy(alice);
    let prepared = attempts.prepare(alice, mallory, 10_000, None, 0, 71).await;
    reserved.wallet.commit(&prepared);
    let others = Forged::of(&attempts.work(&reserved, mallory, 10_000, None, 0, 72).await);
    other_notes.take_note(0, &others, 0).take_note(1, &others, 1).derive_and_lock();
    assert_ne!(other_notes.get("nullifier0"), payment.forged().get("nullifier0"));
    assert_ne!(other_notes.get("nullifier1"), payment.forged().get("nullifier1"));
    let digest = "transactionIntentDigest";
    assert_eq!(other_notes.get(digest), payment.forged().get(digest), "it is the same intent");
    let proof = attempts.proved("other notes", &other_notes);
    let other_notes = other_notes.call(&proof, &payment.proved.auth_proof, &other_notes.words());
    attempts.would_be_accepted("one intent with either pair of notes", &other_notes).await;
    attempts.would_be_accepted("another intent of the same notes", &same_notes.call()).await;

    attempts.accepted("what was signed, after all these tries", &payment.call()).await;
    attempts.refused("the same again", &payment.call(), "NullifierSpent").await;
    attempts.refused("the same intent with other notes", &other_notes, "IntentReplayed").await;
    attempts.refused("another intent with the same notes", &same_notes.call(), "NullifierSpent").await;
    // Nothing of all this was lost to the owner.
    let spendable = attempts.net.follow(alice).await;
    assert_eq!(spendable, crate::common::amount(30_000 - 10_020));
}
