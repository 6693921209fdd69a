//! Orders: both signatures, vectors that others published, and strict encodings.

use proptest::prelude::*;
use serde_json::Value;
use tacit_pool::delivery::Place;
use tacit_pool::orders::signature::{ed25519_verify, ml_dsa_verify};
use tacit_pool::orders::{
    Body, BoundKey, DelegationGrant, KeyBinding, OrderError, OrderKey, OrderKeyId, OrderSignatureError,
    ProverRegistration, RotationNotice, Signed, Validity,
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
    seed(n).order_key(place(), 0)
}

fn ethereum() -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[0x11; 32]).unwrap()
}

/// The address of [`ethereum`].
fn owner() -> Address {
    "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A".parse().unwrap()
}

fn binding(id: OrderKeyId) -> KeyBinding {
    sign(KeyBinding {
        place: place(),
        sequence: 5,
        authorizing_address: owner(),
        key: id,
        validity: validity(),
        signature: [0; 65],
    })
}

fn sign(mut binding: KeyBinding) -> KeyBinding {
    let (signature, recovery) = ethereum().sign_prehash_recoverable(&binding.digest());
    binding.signature[..64].copy_from_slice(&signature.to_bytes());
    binding.signature[64] = 27 + recovery.to_byte();
    binding
}

fn bound(id: OrderKeyId) -> BoundKey {
    binding(id).verify(owner(), place(), 0, 150).unwrap()
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
        authorizing_address: owner(),
        prover: key(9).public().id(),
        epoch: 2,
        validity: validity(),
    }
}

fn notice() -> RotationNotice {
    RotationNotice {
        place: place(),
        sequence: 1,
        authorizing_address: owner(),
        epoch: 3,
        policy_version: 4,
        former: vec![OrderKeyId([1; 32]), OrderKeyId([2; 32])],
        validity: validity(),
    }
}

/// `signer`: how a reader knows the key that has this id. `others`: bodies that nobody signed.
fn round_trip<B>(body: B, others: Vec<B>, signer: impl Fn(OrderKeyId) -> B::Signer)
where
    B: Body + Clone + PartialEq + std::fmt::Debug,
{
    let (one, stranger) = (key(1), key(2));
    let id = one.public().id();
    let known = signer(id);
    let order = Signed::sign(body.clone(), &one).unwrap();
    let bytes = order.encode();
    let read = Signed::<B>::decode(&bytes).unwrap();
    assert_eq!(read, order);
    let sequence = body.sequence();
    let verify = |known: &B::Signer, now| read.verify(known, place(), sequence, now);
    assert_eq!(verify(&known, 100), Ok(&body));
    assert_eq!(read.verify(&known, place(), 0, 199), Ok(&body));
    assert!(matches!(verify(&known, 99), Err(OrderError::Time { .. })));
    assert!(matches!(verify(&known, 200), Err(OrderError::Time { .. })));
    let expected = stranger.public().id();
    assert_eq!(verify(&signer(expected), 100), Err(OrderError::Signer { expected, got: id }));
    // In another pool, on another chain, and after a later one was seen.
    for elsewhere in [Place { chain_id: 1, ..place() }, Place { pool: TOKEN, ..place() }] {
        let error = OrderError::Place { expected: elsewhere, got: place() };
        assert_eq!(read.verify(&known, elsewhere, 0, 100), Err(error));
    }
    let error = OrderError::Replayed { least: sequence + 1, got: sequence };
    assert_eq!(read.verify(&known, place(), sequence + 1, 100), Err(error));
    // Another body under the same signatures.
    for other in others {
        let forged = Signed { body: other, ..order.clone() };
        let error = OrderError::Signature(OrderSignatureError::Ed25519(id));
        assert_eq!(forged.verify(&known, place(), 0, 100), Err(error));
    }
    // Every byte counts: it does not decode, or does not verify.
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        let accepted =
            Signed::<B>::decode(&changed).is_ok_and(|order| order.verify(&known, place(), 0, 150).is_ok());
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
    let place = Place { chain_id: 1, ..place() };
    round_trip(
        registration(),
        vec![
            ProverRegistration { sequence: 4, ..registration() },
            ProverRegistration { place, ..registration() },
        ],
        |id| id,
    );
    round_trip(
        grant(),
        vec![DelegationGrant { epoch: 3, ..grant() }, DelegationGrant { sequence: 9, ..grant() }],
        bound,
    );
    round_trip(notice(), vec![RotationNotice { place, ..notice() }], bound);
}

/// A key speaks for the address that said so and for no other: whoever signs an order about somebody else's address has no such binding.
#[test]
fn an_owner_s_order_counts_only_by_a_key_that_its_address_bound() {
    let mallory = key(7);
    let id = mallory.public().id();
    let victim = Address([0xaa; 20]);
    let about = |authorizing_address| DelegationGrant { authorizing_address, ..grant() };
    // Mallory's own address may bind Mallory's key, which gives no say over another's.
    let order = Signed::sign(about(victim), &mallory).unwrap();
    let error = OrderError::Address { expected: victim, got: owner() };
    assert_eq!(order.verify(&bound(id), place(), 0, 150), Err(error));
    // Nor does a binding that names the victim and is signed by Mallory.
    let forged = sign(KeyBinding { authorizing_address: victim, ..binding(id) });
    assert_eq!(forged.verify(victim, place(), 0, 150), Err(OrderError::Ethereum(victim)));
    assert!(matches!(binding(id).verify(victim, place(), 0, 150), Err(OrderError::Address { .. })));
    // And a key that the address did bind does not sign with another's name.
    let order = Signed::sign(about(owner()), &mallory).unwrap();
    assert!(order.verify(&bound(id), place(), 0, 150).is_ok());
    let other = bound(key(1).public().id());
    assert!(matches!(order.verify(&other, place(), 0, 150), Err(OrderError::Signer { .. })));
}

#[test]
fn a_binding_holds_for_what_was_signed_and_has_one_encoding() {
    let id = key(1).public().id();
    let good = binding(id);
    let bytes = good.encode();
    assert_eq!(KeyBinding::decode(&bytes).unwrap(), good);
    let verify = |binding: &KeyBinding, least, now| binding.verify(owner(), place(), least, now);
    assert_eq!(verify(&good, 5, 100).unwrap().address(), owner());
    assert!(matches!(verify(&good, 0, 99), Err(OrderError::Time { .. })));
    assert!(matches!(verify(&good, 0, 200), Err(OrderError::Time { .. })));
    assert_eq!(verify(&good, 6, 100), Err(OrderError::Replayed { least: 6, got: 5 }));
    let elsewhere = Place { pool: TOKEN, ..place() };
    let error = OrderError::Place { expected: elsewhere, got: place() };
    assert_eq!(good.verify(owner(), elsewhere, 0, 100), Err(error));
    for at in 0..bytes.len() {
        for bit in [0x01, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            let accepted = KeyBinding::decode(&changed).is_ok_and(|binding| verify(&binding, 0, 150).is_ok());
            assert!(!accepted, "byte {at}");
        }
        assert!(KeyBinding::decode(&bytes[..at]).is_err());
    }
    assert!(KeyBinding::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    // The other half of s is a signature as well, to those who do not look: another encoding of this binding.
    let mut high = good.clone();
    let signature = k256::ecdsa::Signature::from_slice(&good.signature[..64]).unwrap();
    let (r, s) = signature.split_scalars();
    let twin = k256::ecdsa::Signature::from_scalars(r.to_bytes(), (-s).to_bytes()).unwrap();
    high.signature[..64].copy_from_slice(&twin.to_bytes());
    high.signature[64] ^= 7;
    assert_eq!(verify(&high, 0, 150), Err(OrderError::Ethereum(owner())));
    for signature in [[0; 65], [0xff; 65]] {
        let nothing = KeyBinding { signature, ..good.clone() };
        assert_eq!(verify(&nothing, 0, 150), Err(OrderError::Ethereum(owner())));
    }
}

/// What Foundry's anvil signs when it is asked for `eth_signTypedData_v4` (`tests/vectors/pool-key-binding.json` has the request).
#[test]
fn a_binding_is_what_a_wallet_signs_as_eip_712() {
    let vector = vectors("pool-key-binding.json");
    let message = &vector["request"]["message"];
    let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    let hex = |value: &Value| bytes(&value.as_str().unwrap()[2..].into());
    let address: Address = vector["address"].as_str().unwrap().parse().unwrap();
    let domain = &vector["request"]["domain"];
    let place = Place {
        chain_id: number(&domain["chainId"]).try_into().unwrap(),
        pool: domain["verifyingContract"].as_str().unwrap().parse().unwrap(),
    };
    let binding = KeyBinding {
        place,
        sequence: number(&message["sequence"]),
        authorizing_address: address,
        key: OrderKeyId(hex(&message["orderKey"]).try_into().unwrap()),
        validity: Validity { from: number(&message["validFrom"]), until: number(&message["validUntil"]) },
        signature: hex(&vector["signature"]).try_into().unwrap(),
    };
    assert!(binding.verify(address, place, 0, binding.validity.from).is_ok());
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
        assert_eq!(read.verify(&bound(id), place(), 0, 150), Err(OrderError::Signature(error)));
    }
    // A pair put together from two people's halves is another pair, for which neither signed.
    let keys = order.len() - 3309 - 64 - 1952 - 32;
    let mut mixed = order.clone();
    mixed[keys..keys + 32].copy_from_slice(&others[keys..keys + 32]);
    let read = Signed::<DelegationGrant>::decode(&mixed).unwrap();
    assert!(matches!(read.verify(&bound(id), place(), 0, 150), Err(OrderError::Signer { .. })));
    let itself = bound(read.key.id());
    assert!(matches!(read.verify(&itself, place(), 0, 150), Err(OrderError::Signature(_))));
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
    fn any_bytes_are_an_order_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 1u8..5) {
        let bytes = [&[1, kind][..], &bytes].concat();
        prop_assert!(Signed::<ProverRegistration>::decode(&bytes).is_err());
        prop_assert!(Signed::<DelegationGrant>::decode(&bytes).is_err());
        prop_assert!(Signed::<RotationNotice>::decode(&bytes).is_err());
        if let Ok(binding) = KeyBinding::decode(&bytes) {
            prop_assert_eq!(binding.encode(), bytes);
        }
    }
}
