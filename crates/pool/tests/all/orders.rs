//! Orders: both signatures, vectors that others published, and strict encodings.

use proptest::prelude::*;
use serde_json::Value;
use tacit_pool::delivery::Place;
use tacit_pool::orders::signature::{ed25519_verify, ml_dsa_verify};
use tacit_pool::orders::{
    Body, DelegationGrant, OrderError, OrderKey, OrderKeyId, OrderSignatureError, ProverRegistration,
    RotationNotice, Signed, Validity,
};
use tacit_pool::{Address, Rules};

use crate::common::*;

fn vectors(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(workspace("tests/vectors").join(name)).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap_or("")).unwrap()
}

fn each(file: &Value, mut test: impl FnMut(&Value, &Value)) -> usize {
    let mut count = 0;
    for group in file["testGroups"].as_array().unwrap() {
        for case in group["tests"].as_array().unwrap() {
            test(group, case);
            count += 1;
        }
    }
    count
}

#[test]
fn ml_dsa_agrees_with_wycheproof() {
    let count = each(&vectors("ml-dsa-65-verify.json"), |group, case| {
        let valid = ml_dsa_verify(
            &bytes(&group["publicKey"]),
            &bytes(&case["msg"]),
            &bytes(&case["ctx"]),
            &bytes(&case["sig"]),
        );
        assert_eq!(valid, case["result"] == "valid", "{}: {}", case["tcId"], case["comment"]);
    });
    assert!(count >= 20, "{count}");
}

#[test]
fn ml_dsa_signs_as_nist_and_wycheproof_say() {
    use ml_dsa::{ExpandedSigningKey, MlDsa65};
    let count = each(&vectors("ml-dsa-65-sign.json"), |group, case| {
        let seed = ml_dsa::Seed::try_from(bytes(&group["privateSeed"]).as_slice()).unwrap();
        let key = ExpandedSigningKey::<MlDsa65>::from_seed(&seed);
        assert_eq!(key.verifying_key().encode().as_slice(), bytes(&group["publicKey"]), "{}", case["tcId"]);
        let mu = bytes(&case["mu"]);
        let signature = key.sign_mu_deterministic(&mu.as_slice().try_into().unwrap());
        assert_eq!(
            signature.encode().as_slice(),
            bytes(&case["sig"]),
            "{}: {}",
            case["tcId"],
            case["comment"]
        );
        if case.get("msg").is_some() {
            let signature = key.sign_deterministic(&bytes(&case["msg"]), &[]).unwrap();
            assert_eq!(signature.encode().as_slice(), bytes(&case["sig"]), "{}", case["tcId"]);
        }
    });
    assert!(count >= 6, "{count}");
}

#[test]
fn ed25519_agrees_with_wycheproof() {
    let count = each(&vectors("ed25519-verify.json"), |group, case| {
        let key: [u8; 32] = bytes(&group["publicKey"]).try_into().unwrap();
        let valid = bytes(&case["sig"])
            .try_into()
            .is_ok_and(|signature: [u8; 64]| ed25519_verify(&key, &bytes(&case["msg"]), &signature));
        assert_eq!(valid, case["result"] == "valid", "{}: {}", case["tcId"], case["comment"]);
    });
    assert!(count >= 100, "{count}");
}

fn key(n: u8) -> OrderKey {
    seed(n).order_key(0)
}

fn validity() -> Validity {
    Validity { from: 100, until: 200 }
}

fn registration() -> ProverRegistration {
    let prover = Person::new(Rules::TACIT, 9);
    ProverRegistration {
        place: place(),
        sequence: 3,
        endpoint: "https://prover.example:8443/".into(),
        sealing_key: prover.address().key,
        fee_address: prover.address(),
        fees: vec![(Address::ZERO, amount(5)), (TOKEN, amount(6))],
        validity: validity(),
    }
}

fn grant() -> DelegationGrant {
    DelegationGrant {
        place: place(),
        sequence: 1,
        authorizing_address: Address([1; 20]),
        prover: key(9).public().id(),
        epoch: 2,
        validity: validity(),
    }
}

fn notice() -> RotationNotice {
    RotationNotice {
        place: place(),
        sequence: 1,
        authorizing_address: Address([1; 20]),
        epoch: 3,
        policy_version: 4,
        former: vec![OrderKeyId([1; 32]), OrderKeyId([2; 32])],
        validity: validity(),
    }
}

fn round_trip<B: Body + Clone + PartialEq + std::fmt::Debug>(body: B, other: B) {
    let (signer, stranger) = (key(1), key(2));
    let id = signer.public().id();
    let order = Signed::sign(body.clone(), &signer).unwrap();
    let bytes = order.encode();
    let read = Signed::<B>::decode(&bytes).unwrap();
    assert_eq!(read, order);
    assert_eq!(read.verify(&id, 100), Ok(&body));
    assert!(matches!(read.verify(&id, 99), Err(OrderError::Time { .. })));
    assert!(matches!(read.verify(&id, 200), Err(OrderError::Time { .. })));
    assert!(matches!(read.verify(&stranger.public().id(), 100), Err(OrderError::Signer { .. })));
    // Another body under the same signatures.
    let forged = Signed { body: other, ..order.clone() };
    assert_eq!(forged.verify(&id, 100), Err(OrderError::Signature(OrderSignatureError::Ed25519(id))));
    // Every byte counts: it does not decode, or does not verify.
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        let accepted = Signed::<B>::decode(&changed).is_ok_and(|order| order.verify(&id, 150).is_ok());
        assert!(!accepted, "byte {at}");
    }
    for cut in [0, 1, 2, bytes.len() - 1] {
        assert!(Signed::<B>::decode(&bytes[..cut]).is_err());
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(Signed::<B>::decode(&longer).is_err());
}

#[test]
fn orders_read_back_and_hold_for_what_was_signed() {
    round_trip(registration(), ProverRegistration { sequence: 4, ..registration() });
    round_trip(grant(), DelegationGrant { epoch: 3, ..grant() });
    round_trip(notice(), RotationNotice { place: Place { chain_id: 1, ..place() }, ..notice() });
}

/// Neither half alone makes an order: with one of the two broken, the other still says no.
#[test]
fn both_signatures_must_verify() {
    let (one, two) = (key(1), key(2));
    let order = Signed::sign(grant(), &one).unwrap().encode();
    let others = Signed::sign(grant(), &two).unwrap().encode();
    let id = one.public().id();
    // The signatures are the last 64 + 3309 bytes.
    let classical = order.len() - 3309 - 64..order.len() - 3309;
    let lattice = order.len() - 3309..order.len();
    for (part, error) in
        [(classical, OrderSignatureError::Ed25519(id)), (lattice, OrderSignatureError::MlDsa(id))]
    {
        let mut mixed = order.clone();
        mixed[part.clone()].copy_from_slice(&others[part]);
        let read = Signed::<DelegationGrant>::decode(&mixed).unwrap();
        assert_eq!(read.verify(&id, 150), Err(OrderError::Signature(error)));
    }
    // A pair put together from two people's halves is another pair, for which neither signed.
    let keys = order.len() - 3309 - 64 - 1952 - 32;
    let mut mixed = order.clone();
    mixed[keys..keys + 32].copy_from_slice(&others[keys..keys + 32]);
    let read = Signed::<DelegationGrant>::decode(&mixed).unwrap();
    assert!(matches!(read.verify(&id, 150), Err(OrderError::Signer { .. })));
    assert!(matches!(read.verify(&read.key.id(), 150), Err(OrderError::Signature(_))));
}

#[test]
fn an_order_of_one_kind_is_none_of_another() {
    let bytes = Signed::sign(grant(), &key(1)).unwrap().encode();
    assert!(Signed::<RotationNotice>::decode(&bytes).unwrap_err().to_string().contains("kind"));
    assert!(Signed::<ProverRegistration>::decode(&bytes).is_err());
}

#[test]
fn registrations_and_notices_have_one_encoding() {
    let refused = |body: ProverRegistration| {
        Signed::<ProverRegistration>::decode(&Signed::sign(body, &key(1)).unwrap().encode())
            .unwrap_err()
            .to_string()
    };
    let twice = vec![(TOKEN, amount(1)), (TOKEN, amount(2))];
    assert!(refused(ProverRegistration { fees: twice, ..registration() }).contains("ascending"));
    assert!(refused(ProverRegistration { endpoint: "http://x/".into(), ..registration() }).contains("https"));
    let never = Validity { from: 5, until: 5 };
    assert!(refused(ProverRegistration { validity: never, ..registration() }).contains("beginning"));
    let former = vec![OrderKeyId([2; 32]), OrderKeyId([1; 32])];
    let bytes = Signed::sign(RotationNotice { former, ..notice() }, &key(1)).unwrap().encode();
    assert!(Signed::<RotationNotice>::decode(&bytes).unwrap_err().to_string().contains("ascending"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_an_order_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 1u8..4) {
        let bytes = [&[1, kind][..], &bytes].concat();
        prop_assert!(Signed::<ProverRegistration>::decode(&bytes).is_err());
        prop_assert!(Signed::<DelegationGrant>::decode(&bytes).is_err());
        prop_assert!(Signed::<RotationNotice>::decode(&bytes).is_err());
    }
}
