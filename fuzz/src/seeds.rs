//! Writes the seeds that are made rather than found: `fuzz/run.sh --seeds`.
//!
//! Deterministic, so that running it again changes nothing unless an encoding has changed.

use std::fs;
use std::path::Path;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tacit_algebra::{Check, Curve, Group, Point};
use tacit_circom::{Wtns, Zkey};
use tacit_delegate::{
    Acknowledgement, Bases, CircuitShape, DealTerms, Dials, Handover, Layout, Seat, Secrets, accept,
    deal_msm, decide, respond, respond_msm,
};
use tacit_delegate::{Decision, Holder};
use tacit_groth16::{ProvingKey, prepared};

/// Writes them.
pub fn write() {
    vectors();
    pool();
    prover();
    make::<tacit_algebra::Bn254>("bn128");
    make::<tacit_algebra::Bls12_381>("bls12381");
}

fn save(target: &str, name: &str, bytes: &[u8]) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&dir).expect("a directory");
    fs::write(dir.join(name), bytes).expect("a seed");
}

/// The test vectors of the wire format are seeds too: every byte string that goes by these names.
fn vectors() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    for (file, target, members) in [
        ("frames", "frames", &["frame"][..]),
        ("certificate", "seals", &["encoding", "public_key"]),
        ("receipt", "log", &["encoding"]),
        ("envelope", "seals", &["signed_assignment", "signed_acknowledgement", "signed_response"]),
    ] {
        let text = fs::read(dir.join(format!("{file}.json"))).expect("vectors");
        let json: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let vectors = json["vectors"].as_array().expect("vectors");
        for (i, vector) in vectors.iter().enumerate() {
            for member in members {
                let bytes =
                    hex::decode(vector[member].as_str().expect("a byte string")).expect("hexadecimal");
                save(target, &format!("{file}-{i}-{member}"), &bytes);
            }
        }
    }
    let text = fs::read(dir.join("log.json")).expect("vectors");
    let json: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    save("log", "receipt", json["receipt"].to_string().as_bytes());
    for (i, evidence) in json["evidence"].as_array().expect("evidence").iter().enumerate() {
        save("log", &format!("evidence-{i}"), evidence.to_string().as_bytes());
    }
    let text = fs::read(dir.join("merkle.json")).expect("vectors");
    let json: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let number = |value: &serde_json::Value| value.as_u64().expect("a number").to_le_bytes();
    let hash = |value: &serde_json::Value| hex::decode(value.as_str().expect("a hash")).expect("hexadecimal");
    for (kind, one, size) in [("inclusion", "leaf", "size"), ("consistency", "from", "to")] {
        for (i, proof) in json[kind].as_array().expect("proofs").iter().enumerate() {
            let path = proof["path"].as_array().expect("a path");
            let root = usize::try_from(proof[size].as_u64().expect("a number")).expect("a size") - 1;
            let mut bytes = [&number(&proof[one])[..], &number(&proof[size]), &[0]].concat();
            for value in [&json["roots"][0], &json["roots"][root]].into_iter().chain(path) {
                bytes.extend(hash(value));
            }
            save("log", &format!("{kind}-{i}"), &bytes);
        }
    }
    let text = fs::read(dir.join("evidence.json")).expect("vectors");
    let json: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    for (i, vector) in json["vectors"].as_array().expect("vectors").iter().enumerate() {
        save("evidence", &format!("evidence-{i}"), vector["evidence"].to_string().as_bytes());
    }
}

/// One of each that [`crate::pool`] reads, with its byte before it.
fn pool() {
    use tacit_pool::delivery::{self, Place};
    use tacit_pool::orders::{
        DelegationGrant, KeyBinding, ProverRegistration, RotationNotice, Signed, Validity,
    };
    use tacit_pool::wallet::{Anchor, Keys};
    use tacit_pool::{
        Address, Amount, Fr, Intent, Operation, ReceivingAddress, Rules, Terms, Wallet, WalletSeed,
    };

    let seed = WalletSeed::from_bytes(&[1; 64]);
    let place = Place { chain_id: 1, pool: Address([7; 20]) };
    let keys = Keys::new(&seed, place, 0).expect("keys");
    let order_key = keys.order_key();
    let validity = Validity { from: 1, until: 2 };
    let key = keys.note_data_key(0).expect("a key").public().clone();
    let address = ReceivingAddress { owner_nullifier_key_hash: *keys.owner(), key };
    let owner = Address([1; 20]);
    let prover = order_key.public().id();
    let registration = ProverRegistration {
        place,
        sequence: 1,
        endpoint: "https://prover.example/".into(),
        sealing_key: address.key.clone(),
        fee_address: address.clone(),
        fees: vec![(Address::ZERO, Amount::from(5))],
        validity,
    };
    let grant =
        DelegationGrant { place, sequence: 1, authorizing_address: owner, prover, epoch: 0, validity };
    let notice = RotationNotice {
        place,
        sequence: 1,
        authorizing_address: owner,
        epoch: 1,
        policy_version: 2,
        former: vec![prover],
        validity,
    };
    let terms = Terms {
        auth_verifier: owner,
        authorizing_address: owner,
        token: Address::ZERO,
        amount: Amount::from(3),
        fee: None,
        locks: [Some(Fr::from(5u64)), None, None],
        nonce: Fr::from(9u64),
        valid_until: 1,
        chain_id: 1,
        policy_version: 1,
        pool: place.pool,
    };
    let intent = Intent::new(Operation::Withdrawal { recipient: owner }, terms).expect("an intent");
    let dummy = delivery::seal_dummy(place, &mut ChaCha20Rng::seed_from_u64(1)).expect("note data");
    let start = Anchor { number: 1, hash: [0; 32], timestamp: 1 };
    let mut wallet = Wallet::new(Rules::TACIT, place, owner, &keys, start).expect("a wallet");
    wallet.credentials_mut().draw_xmss(1, &mut ChaCha20Rng::seed_from_u64(2)).expect("an XMSS key");
    let binding = KeyBinding {
        place,
        sequence: 1,
        authorizing_address: owner,
        key: prover,
        validity,
        signature: [1; 65],
    };
    let signed = "an order";
    for (kind, name, bytes) in [
        (0, "registration", Signed::sign(registration, &order_key).expect(signed).encode()),
        (1, "grant", Signed::sign(grant, &order_key).expect(signed).encode()),
        (2, "notice", Signed::sign(notice, &order_key).expect(signed).encode()),
        (3, "address", address.encode()),
        (3, "address-text", address.to_text(&crate::pool::PLACE).into_bytes()),
        (4, "ethereum-address", owner.to_string().into_bytes()),
        (5, "intent", serde_json::to_vec(intent.fields()).expect("JSON")),
        (6, "note-data", dummy),
        (7, "wallet", wallet.encode().expect("a stored form").to_vec()),
        (8, "key-binding", binding.encode()),
    ] {
        save("pool", name, &[&[kind], bytes.as_slice()].concat());
    }
}

/// The same of [`crate::prover`]: work in both forms and with each authorisation, of zeros where anything will do.
fn prover() {
    use tacit_pool::delivery::note_data_hash;
    use tacit_pool::transaction::public::word;

    let nothing = word(&note_data_hash(&[]));
    let work = |rules: u8, private: usize, auth: &[u8]| {
        let mut bytes = vec![1, rules];
        bytes.resize(2 + 24, 0);
        for input in 0..19 {
            bytes.extend(if (13..16).contains(&input) { nothing } else { [0; 32] });
        }
        bytes.resize(bytes.len() + 3 * 4 + 32 * private, 0);
        [bytes.as_slice(), auth].concat()
    };
    let circuit = |code: u8, values: usize| [&[code], vec![0; 32 * values].as_slice()].concat();
    let eddsa = work(3, 131, &circuit(1, 24));
    let statement = eddsa.get(1..2 + 24 + 19 * 32 + 12).unwrap_or_default();
    let id = [9; 32].as_slice();
    let proofs = [[0; 256].as_slice(), &[0; 4]].concat();
    let status = r#"{"id":"0909090909090909090909090909090909090909090909090909090909090909","phase":"failed","error":{"code":"expired","message":"","blame":"chain"}}"#;
    for (kind, name, bytes) in [
        (0, "work-eddsa", eddsa.clone()),
        (0, "work-xmss", work(3, 131, &circuit(2, 161))),
        (0, "work-eip8182", work(0, 130, &[0, 2, 0, 0, 0, 7, 7])),
        (1, "prove", [id, &[1], &eddsa].concat()),
        (1, "relay", [id, &[2], statement, &proofs].concat()),
        (2, "envelope", vec![1; 1 + 8 + 1120 + 16 + 100]),
        (3, "status", status.as_bytes().to_vec()),
    ] {
        save("prover", name, &[&[kind], bytes.as_slice()].concat());
    }
}

fn make<C: Curve>(curve: &str) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/circom/tests/fixtures").join(curve);
    let zkey = fs::read(fixtures.join("final.zkey")).expect("final.zkey");
    let key = ProvingKey::<C>::from_zkey(Zkey::read(&zkey, Check::Full).expect("a zkey")).expect("a key");
    let witness = Wtns::<C::Scalar>::read(&fs::read(fixtures.join("tiny.wtns")).expect("tiny.wtns"));
    let witness = witness.expect("a witness").values.clone();
    let mut rng = ChaCha20Rng::from_seed([1; 32]);

    let mut points = Vec::new();
    C::G1::generator().to_affine().write_be(&mut points);
    C::G2::generator().to_affine().write_be(&mut points);
    save("points", &format!("{curve}-g1"), &points[..<C::G1 as Group<C::Scalar>>::Affine::LEN]);
    save("points", &format!("{curve}-g2"), &points[<C::G1 as Group<C::Scalar>>::Affine::LEN..]);

    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("key");
    prepared::write(&file, &key).expect("a prepared key");
    save("prepared", curve, &fs::read(&file).expect("what was written"));
    for group in 0..2 {
        let slice = tacit_delegate::key_slice(&key, group, 2).expect("a slice");
        prepared::write_slice(&file, &slice).expect("a prepared slice");
        save("prepared", &format!("{curve}-{group}of2"), &fs::read(&file).expect("what was written"));
    }

    let points = [2u64, 3].map(|k| C::G1::generator().scale(&C::Scalar::from(k)).to_affine());
    let bases = Bases::<C>::new(points.to_vec()).expect("bases");
    save("bases", curve, &bases.encode());
    let terms = DealTerms {
        curve: C::ID,
        circuit: bases.id().into(),
        dials: Dials::new(Handover::Msm, 2, 1).expect("dials"),
        assembler_key: vec![2; 32],
        client_key: [3; 32],
        expiry: 4,
        public: vec![],
    };
    let deal = deal_msm(terms, &[C::Scalar::from(5u64); 2], &mut ChaCha20Rng::from_seed([2; 32]))
        .expect("a deal")
        .deal;
    for package in &deal.packages {
        save("delegate", &format!("{curve}-msm-package-{}", package.place), &package.encode());
        let response = respond_msm(&bases, &deal.header, package).expect("a response");
        save("delegate", &format!("{curve}-msm-response-{}", package.place), &response.encode());
    }

    let (public, private) = witness[1..].split_at(key.n_public);
    let terms = DealTerms {
        curve: C::ID,
        circuit: key.circuit_id,
        dials: Dials::new(Handover::Witness, 4, 1).expect("dials"),
        assembler_key: vec![2; 32],
        client_key: [3; 32],
        expiry: 4,
        public: public.to_vec(),
    };
    let shape = CircuitShape::of(&key);
    let secrets = Secrets::witness(private);
    let deal = tacit_delegate::deal(terms, &Layout::witness(shape), secrets, &mut rng).expect("a deal");
    let header = deal.header.encode();
    save("delegate", &format!("{curve}-header"), &header);
    let holder = Holder { node: [5; 32], sealing_key: [6; 32], epoch: 7 };
    for package in &deal.packages[..2] {
        let index = package.place;
        let bytes = package.encode();
        save("delegate", &format!("{curve}-package-{index}"), &bytes);
        if C::ID == tacit_algebra::CurveId::Bn254 {
            let len = u16::try_from(header.len()).expect("short").to_le_bytes();
            save("respond", &format!("package-{index}"), &[&len[..], &header, &bytes].concat());
        }
        let response = respond(&key, &deal.header, package).expect("a response");
        save("delegate", &format!("{curve}-response-{index}"), &response.encode());
        let Holder { node, sealing_key, epoch } = holder;
        let seat = Seat { deal: deal.id, group: 0, slice: 0, index, node, sealing_key, epoch };
        let assignment = seat.assign(b"envelope");
        save("delegate", &format!("{curve}-assignment-{index}"), &assignment.encode());
        let acknowledgement = Acknowledgement::new(&assignment, &bytes);
        save("delegate", &format!("{curve}-acknowledgement-{index}"), &acknowledgement.encode());
        let request = accept(&deal.header, &assignment, b"envelope", &holder, &shape, 0).expect("accepted");
        if let Decision::Answer(record) = decide(None, &request) {
            save("delegate", &format!("{curve}-record-{index}"), &record.answered(vec![8; 9]).encode());
        }
    }
}
