//! Others' notes, notes twice, amounts that wrap. Where it helps her, Mallory is the owner and signs what she likes.

use tacit_chain::U256;
use tacit_pool::Fr;

use crate::attempts::{Attempts, EDDSA, Honest, POOL};
use crate::common::fr;
use crate::fields::THIEF;
use crate::forge::{Forged, order};
use crate::net::Person;

/// `2^n`.
fn power(n: u32) -> Fr {
    (0..n).fold(fr(1), |x, _| x + x)
}

pub async fn try_all(attempts: &mut Attempts, payment: &Honest, mallory: &Person) {
    let alice = payment.forged();
    let work = attempts.work(mallory, mallory, 4_000, Some(THIEF), 0, 50).await;
    let own = Forged::of(&work);
    others(attempts, &alice, &own);
    wraps(attempts, &own);
    twice(attempts, &own, mallory).await;
}

/// A note has one owner.
fn others(attempts: &mut Attempts, alice: &Forged, own: &Forged) {
    let mut forged = alice.clone();
    forged.take_note(0, own, 0).derive_and_lock();
    attempts.impossible("the prover's note in the owner's spend", POOL, &forged.inputs());
    let mut forged = own.clone();
    forged.take_note(0, alice, 0).derive_and_lock();
    attempts.impossible("the owner's note in the prover's spend", POOL, &forged.inputs());
    forged.take_note(0, own, 0).take_note(1, alice, 0).derive_and_lock();
    attempts.impossible("the owner's note beside the prover's", POOL, &forged.inputs());
    // With the owner's key, which provers see.
    let mut forged = own.clone();
    forged.take_note(0, alice, 0).take(alice, &["ownerNullifierKey"]).derive_and_lock();
    attempts.impossible("the owner's note and key under the prover's policy", POOL, &forged.inputs());
    forged.take(alice, &["noteSecretSeed", "authorizingAddress", "leafPosition", "authPolicySiblings"]);
    forged.derive_and_lock();
    attempts.impossible("the same at the owner's leaf", POOL, &forged.inputs());
    let policy = ["policyIndex", "policySetSiblings", "registrationBlinder", "authVerifier"];
    forged.take(alice, &policy).derive_and_lock();
    attempts.impossible("the same with the prover's credential only", POOL, &forged.inputs());
    // The owner's credential makes it whole: so this is what was missing.
    forged.take(alice, &["authDataCommitment"]).derive_and_lock();
    assert!(attempts.circuits.load(POOL).unwrap().witness(&forged.inputs()).is_ok());
}

/// Amounts are below `2^248`, whatever they are modulo `p`.
fn wraps(attempts: &mut Attempts, own: &Forged) {
    let all = own.get("inputAmount0") + own.get("inputAmount1");
    let fee = own.get("feeAmount");
    let mut change = |what: &str, values: &[(&str, Fr)]| {
        let mut forged = own.clone();
        for (name, value) in values {
            forged.set(name, *value);
        }
        forged.derive_and_lock();
        attempts.impossible(what, POOL, &forged.inputs());
    };
    change("more out than in, by one", &[("amount", all - fee + fr(1))]);
    change("an amount of p - 1", &[("amount", -fr(1))]);
    change("an amount of 2^248", &[("amount", power(248))]);
    change("an amount of 2^253", &[("amount", power(253))]);
    change("a fee of p - 1", &[("amount", all + fr(1)), ("feeAmount", -fr(1))]);
    change("a fee that wraps the sum", &[("amount", all + fr(1_000)), ("feeAmount", -fr(1_000))]);
    change("a sum that wraps 2^248", &[("amount", power(248) - fr(1)), ("feeAmount", all + fr(1))]);
    change("an input that holds more", &[("inputAmount0", power(100)), ("amount", power(99))]);
    change("an input of p - 1", &[("inputAmount0", -fr(1)), ("amount", fr(1))]);
    change("a phantom that holds something", &[("inputAmount1", power(100)), ("amount", power(99))]);
    change("two phantoms", &[("isPhantom0", fr(1))]);
    change("two phantoms that hold something", &[("isPhantom0", fr(1)), ("inputAmount0", power(99))]);
    change("half a phantom", &[("isPhantom1", fr(2))]);
    change("a note's leaf plus 2^32", &[("inputLeafIndex0", own.get("inputLeafIndex0") + power(32))]);
    change("a flag that means nothing", &[("executionConstraintsFlags", fr(8))]);
    let mut forged = own.clone();
    let twice = forged.get("nullifier0") + fr(1);
    forged.set("nullifier0", twice);
    attempts.impossible("a nullifier that is not the note's", POOL, &forged.inputs());
}

/// One note in both slots: the relation holds, and both proofs are true.
async fn twice(attempts: &mut Attempts, own: &Forged, mallory: &Person) {
    let mut forged = own.clone();
    assert_eq!(forged.get("isPhantom1"), fr(1));
    forged.take_note(1, own, 0).set("amount", fr(9_000)).derive_and_lock();
    let pool_proof = attempts.proved("a note twice", &forged);
    let auth_proof = attempts.prove(EDDSA, &forged.signed_by(&mallory.keys.eddsa(0).unwrap())).unwrap();
    let mut words = forged.words();
    assert_eq!(words[1], words[2]);
    let call = forged.call(&pool_proof, &auth_proof, &words);
    attempts.refused("a note twice, signed by its owner", &call, "NullifiersEqual").await;
    words[2] += order();
    let call = forged.call(&pool_proof, &auth_proof, &words);
    attempts.refused("a note twice, the second plus p", &call, "PublicInputNotCanonical").await;
    words[2] = words[1] + U256::from(1);
    let call = forged.call(&pool_proof, &auth_proof, &words);
    attempts.refused("a note twice, another second nullifier", &call, "PoolProofInvalid").await;
}
