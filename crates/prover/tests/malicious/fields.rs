//! Each field of the digest.

use tacit_chain::{At, U256};
use tacit_pool::{Address, Fr};

use crate::attempts::{Attempts, EDDSA, Honest, POOL};
use crate::common::fr;
use crate::forge::{Forged, field_names};
use crate::net::Person;

/// Where Mallory would have ether sent to.
pub const THIEF: Address = Address([0x99; 20]);
/// A contract that accepts every authorisation, put where nobody else's is.
pub const YES: Address = Address([0x77; 20]);
/// Code that returns true.
pub const SAYS_YES: &str = "0x60015f5260205ff3";

/// What stops the change of one field when everything that depends on it is changed with it.
struct Change {
    /// Applied to the payment, or to the withdrawal.
    to_withdrawal: bool,
    /// The field's value and what else the circuit then wants.
    apply: fn(&mut Forged, &Person),
    /// Whether the field alone already has a witness.
    alone: bool,
    /// The chain's word.
    error: &'static str,
}

/// One for every field; a field that is not here fails the test.
fn change(field: &str) -> Change {
    const AUTH: &str = "AuthProofInvalid";
    let plain = |apply| Change { to_withdrawal: false, apply, alone: false, error: AUTH };
    match field {
        "authVerifier" => Change {
            error: "AuthPolicyRootNotAccepted",
            ..plain(|forged, _| {
                forged.set("authVerifier", YES.to_field()).own_registry();
            })
        },
        "authorizingAddress" => Change {
            error: "AuthPolicyRootNotAccepted",
            ..plain(|forged, mallory| {
                forged.set("authorizingAddress", mallory.account.address().to_field()).own_registry();
            })
        },
        "policyVersion" => Change {
            error: "AuthPolicyRootNotAccepted",
            ..plain(|forged, _| {
                forged.set("policyVersion", fr(2)).own_registry();
            })
        },
        "operationKind" => plain(|forged, _| {
            forged.set("operationKind", fr(1)).set("recipientOwnerNullifierKeyHash", fr(0));
            forged.set("publicRecipientAddress", THIEF.to_field());
        }),
        "tokenAddress" => Change {
            error: "NoteCommitmentRootNotAccepted",
            ..plain(|forged, _| {
                forged.set("tokenAddress", Address([0x20; 20]).to_field()).own_note_tree();
            })
        },
        "recipientOwnerNullifierKeyHash" => plain(|forged, _| {
            forged.set("recipientOwnerNullifierKeyHash", fr(123_456));
        }),
        "amount" => plain(|forged, _| {
            let more = forged.get("amount") + fr(1_000);
            forged.set("amount", more);
        }),
        "feeNoteRecipientOwnerNullifierKeyHash" => plain(|forged, _| {
            forged.set("feeNoteRecipientOwnerNullifierKeyHash", fr(123_456));
        }),
        "feeAmount" => plain(|forged, _| {
            let more = forged.get("feeAmount") + fr(1_000);
            forged.set("feeAmount", more);
        }),
        "publicRecipientAddress" => Change {
            to_withdrawal: true,
            alone: true,
            ..plain(|forged, _| {
                forged.set("publicRecipientAddress", THIEF.to_field());
            })
        },
        "executionConstraintsFlags" => plain(|forged, _| {
            forged.set("executionConstraintsFlags", fr(0));
            forged.note_data = ["none", "of", "it"].map(|data| data.as_bytes().to_vec());
        }),
        "lockedOutputBinding0" => plain(|forged, _| forged.note_data[0] = b"lost".to_vec()),
        "lockedOutputBinding1" => plain(|forged, _| forged.note_data[1] = b"lost".to_vec()),
        "lockedOutputBinding2" => plain(|forged, _| forged.note_data[2] = b"lost".to_vec()),
        "nonce" => plain(|forged, _| {
            let other = forged.get("nonce") + fr(1);
            forged.set("nonce", other);
        }),
        "validUntilSeconds" => Change {
            alone: true,
            ..plain(|forged, _| {
                let later = forged.get("validUntilSeconds") + fr(3_000);
                forged.set("validUntilSeconds", later);
            })
        },
        "executionChainId" => Change {
            error: "WrongChain",
            ..plain(|forged, _| {
                forged.set("executionChainId", fr(1));
            })
        },
        "poolAddress" => Change {
            error: "PoolProofInvalid",
            ..plain(|forged, _| {
                forged.set("poolAddress", Address([0x70; 20]).to_field());
            })
        },
        other => panic!("nothing is tried for the field {other}"),
    }
}

/// A value that is not the field's.
fn other_value(forged: &Forged, field: &str, changed: &Forged) -> Fr {
    let (is, would_be) = (forged.get(field), changed.get(field));
    if is == would_be { is + fr(1) } else { would_be }
}

pub async fn try_all(attempts: &mut Attempts, payment: &Honest, withdrawal: &Honest, mallory: &Person) {
    attempts.set_code(YES, SAYS_YES).await;
    let fields = field_names();
    assert_eq!(fields.len(), 18, "a digest of another form: say here what stops a change of the new field");
    for field in fields {
        try_one(attempts, field, payment, withdrawal, mallory).await;
    }
}

async fn try_one(
    attempts: &mut Attempts,
    field: &str,
    payment: &Honest,
    withdrawal: &Honest,
    mallory: &Person,
) {
    let change = change(field);
    let honest = if change.to_withdrawal { withdrawal } else { payment };
    let key = mallory.keys.eddsa(0).unwrap();

    // With all that depends on it: there is a witness, and the intent is not the one that was signed.
    let mut forged = honest.forged();
    (change.apply)(&mut forged, mallory);
    forged.derive_and_lock();
    assert_ne!(forged.get("transactionIntentDigest"), honest.forged().get("transactionIntentDigest"));
    assert_ne!(forged.get(field), honest.forged().get(field), "{field}");

    // The field alone.
    let mut alone = honest.forged();
    let other = other_value(&alone, field, &forged);
    alone.set(field, other);
    alone.derive();
    let what = format!("{field} alone");
    if change.alone {
        assert!(attempts.circuits.load(POOL).unwrap().witness(&alone.inputs()).is_ok(), "{what}");
    } else {
        attempts.impossible(&what, POOL, &alone.inputs());
    }

    // The owner's signature says nothing of the other intent.
    let (_, signed) = honest.work.auth().inputs().unwrap();
    let signature = tacit_pool::eddsa::Signature::new(
        signed.get("R").unwrap().try_into().unwrap(),
        &signed.get("S").unwrap()[0],
    )
    .unwrap();
    let [x, y] = signed.get("A").unwrap() else { panic!() };
    let owner = tacit_pool::eddsa::PublicKey::new(*x, *y).unwrap();
    attempts.impossible(
        &format!("{field}, the owner's signature of the true intent"),
        EDDSA,
        &forged.auth_inputs(&owner, &signature),
    );
    // Nor has the owner's policy another key.
    let mut own_key = forged.clone();
    own_key.set("authDataCommitment", key.public().auth_data()).derive();
    attempts.impossible(&format!("{field}, the prover's key in the owner's policy"), POOL, &own_key.inputs());

    let what = format!("{field} and what follows");
    let proof = attempts.proved(&what, &forged);
    let own = attempts.prove(EDDSA, &forged.signed_by(&key)).unwrap();
    let (words, true_auth) = (forged.words(), &honest.proved.auth_proof);
    let call = forged.call(&proof, true_auth, &words);
    attempts.refused(&format!("{what}, the owner's auth proof"), &call, change.error).await;
    let call = forged.call(&proof, &own, &words);
    attempts.refused(&format!("{what}, the prover's own auth proof"), &call, change.error).await;
    // The prover's commitment instead of the owner's, and the digest that was signed.
    let stops = match change.error {
        "AuthProofInvalid" => "PoolProofInvalid",
        other => other,
    };
    for (word, value, auth, of) in [
        (17, own_key.words()[17], own.as_slice(), "the prover's commitment"),
        (18, honest.forged().words()[18], true_auth.as_slice(), "the digest that was signed"),
    ] {
        let mut words = words.clone();
        words[word] = value;
        attempts.refused(&format!("{what}, {of}"), &forged.call(&proof, auth, &words), stops).await;
    }
    // The true public inputs with the other proof.
    let call = honest.forged().call(&proof, true_auth, &honest.forged().words());
    attempts.refused(&format!("{what}, the true public inputs"), &call, "PoolProofInvalid").await;
}

/// The control: with a verifier that accepts everything, each try that only the authorisation stopped succeeds. So the tries are good ones.
pub async fn with_a_broken_verifier(attempts: &mut Attempts) {
    let tries = std::mem::take(&mut attempts.unauthorised);
    let count = |field: &str| tries.iter().filter(|(what, _)| what.starts_with(field)).count();
    assert!(count("amount") == 2 && count("operationKind") == 2 && tries.len() >= 24, "{}", tries.len());
    let snapshot = attempts.net.anvil.snapshot().await.unwrap();
    attempts.set_code(attempts.net.verifier, SAYS_YES).await;
    for (what, call) in &tries {
        attempts.would_be_accepted(what, call).await;
    }
    let amount = tries.iter().find(|(what, _)| what.starts_with("amount")).unwrap();
    let theft = tries.iter().find(|(what, _)| what.starts_with("operationKind")).unwrap();
    let inner = attempts.net.anvil.snapshot().await.unwrap();
    attempts.accepted("control: another amount, the verifier broken", &amount.1).await;
    attempts.net.anvil.revert(&inner).await.unwrap();
    attempts.accepted("control: to the prover's address, the verifier broken", &theft.1).await;
    let stolen = attempts.net.anvil.rpc().balance(THIEF, At::Latest).await.unwrap();
    assert_eq!(stolen, U256::from(10_000));
    attempts.net.anvil.revert(&snapshot).await.unwrap();
    attempts.refused("the same, the verifier mended", &theft.1, "AuthProofInvalid").await;
    attempts.unauthorised.clear();
}
