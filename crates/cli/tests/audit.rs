//! `tacit audit`: each verdict has an exit code of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::{fixture, tacit};
use predicates::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tacit_algebra::{Bn254, Check, CurveId, Groups};
use tacit_circom::Zkey;
use tacit_circom::wtns::Wtns;
use tacit_delegate::{Acknowledgement, DealTerms, Dials, Handover, Layout, Secrets, deal, respond};
use tacit_groth16::ProvingKey;
use tacit_wire::envelope::seal_package;
use tacit_wire::{
    Identity, Purpose, SealingKeyCertificate, SealingKeyPair, SignedAcknowledgement, SignedResponse, Slot,
};

type F = <Bn254 as Groups>::Scalar;

/// A node's package, as the client changed it, with what the node signed about it: its response to place `answered`'s package.
fn evidence(change: impl Fn(&mut Vec<u8>), answered: usize) -> Value {
    let rng = &mut StdRng::seed_from_u64(1);
    let zkey = std::fs::read(fixture("bn128", "final.zkey")).unwrap();
    let key = ProvingKey::<Bn254>::from_zkey(Zkey::read(&zkey, Check::Full).unwrap()).unwrap();
    let witness = Wtns::<F>::read(&std::fs::read(fixture("bn128", "tiny.wtns")).unwrap()).unwrap();
    let (public, private) = witness.values[1..].split_at(key.n_public);
    let (client, node) = (Identity::generate(rng), Identity::generate(rng));
    let pair = SealingKeyPair::generate(rng).unwrap();
    let certificate =
        SealingKeyCertificate::issue(&node, Purpose::NodeEnvelope, pair.public(), 1, 0, u64::MAX / 2);
    let terms = DealTerms {
        curve: CurveId::Bn254,
        circuit: key.circuit_id,
        dials: Dials::new(Handover::Witness, 7, 2).unwrap(),
        assembler_key: pair.public().as_bytes().to_vec(),
        client_key: client.key().0,
        expiry: 2_000_000_000,
        public: public.to_vec(),
    };
    let dealt = deal(terms, &Layout::of(&key, Handover::Witness), Secrets::witness(private), rng).unwrap();
    let mut package = dealt.packages[2].encode().to_vec();
    change(&mut package);
    let (assignment, _) =
        seal_package(&client, dealt.id.0, Slot::index(3), &certificate, &package, rng).unwrap();
    let acknowledgement = Acknowledgement::new(&assignment.assignment, &package);
    let response = respond(&key, &dealt.header, &dealt.packages[answered - 1]).unwrap().encode();
    let response = SignedResponse::sign(&node, &acknowledgement, &response);
    json!({
        "version": 1, "charge": "wrong_response",
        "header": hex::encode(dealt.header.encode()),
        "assignment": hex::encode(assignment.encode()),
        "acknowledgements": [hex::encode(SignedAcknowledgement::sign(&node, acknowledgement).encode())],
        "responses": [hex::encode(response.encode())],
        "package": hex::encode(package),
    })
}

#[test]
fn each_verdict_has_an_exit_code_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("evidence.json");
    let zkey = fixture("bn128", "final.zkey");
    let malformed = |package: &mut Vec<u8>| package.truncate(100);
    for (what, evidence, code, verdict) in [
        ("another node's response", evidence(|_| (), 4), 0, "guilty"),
        ("the right response", evidence(|_| (), 3), 1, "innocent"),
        ("a package that nobody can answer", evidence(malformed, 3), 2, "client_at_fault"),
    ] {
        std::fs::write(&file, evidence.to_string()).unwrap();
        let audit =
            |words: &[&str]| tacit().args(words).arg(&file).arg("--zkey").arg(&zkey).assert().code(code);
        let said: Value = serde_json::from_slice(&audit(&["audit", "--json"]).get_output().stdout).unwrap();
        assert_eq!((&said["ok"], &said["verdict"]), (&true.into(), &verdict.into()), "{what}");
        let words = verdict.replace('_', " ");
        audit(&["audit"])
            .stdout(predicate::str::starts_with(words))
            .stderr(predicate::str::contains("tacit:").not());
    }
    // Another circuit's key, one over another curve, and none: nothing is known about anybody.
    for zkey in [fixture("bls12381", "final.zkey"), fixture("bn128", "tiny.wtns"), "no.zkey".into()] {
        tacit()
            .arg("audit")
            .arg(&file)
            .arg("--zkey")
            .arg(zkey)
            .assert()
            .code(3)
            .stdout(predicate::str::is_empty());
    }
    tacit().args(["audit", "--no-such-option"]).assert().code(3);
}
