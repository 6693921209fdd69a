//! The JSON of the HTTP API, byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::*;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tacit_wire::{
    Blame, Digest32, PROTOCOL_VERSION, Purpose,
    messages::{Assembler, HeldSlice, Refusal, RefusalCode},
    status::*,
};

fn body<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &str, value: &T) -> Value {
    let json = serde_json::to_value(value).unwrap();
    assert_eq!(&serde_json::from_value::<T>(json.clone()).unwrap(), value);
    json!({ "name": name, "body": json })
}

fn job() -> JobStatus {
    let delivery = |index, state, refusal| DeliveryInfo {
        index,
        identity: node().key(),
        state,
        envelope_bytes: 4_200,
        response_bytes: if state == DeliveryState::Answered { 1_600 } else { 0 },
        refusal,
        contradicted: index == 2,
    };
    let refusal = Refusal::new(RefusalCode::UnknownCircuit, Blame::Nobody, "no such circuit here");
    JobStatus {
        id: Digest32(counting(0xa0)),
        state: JobState::Failed,
        circuit: Digest32(counting(0x60)),
        dials: DialsInfo { n: 4, t: 1, groups: 1, handover: "witness".into() },
        created: NOT_BEFORE,
        expires: NOT_BEFORE + 600,
        nodes: vec![
            delivery(1, DeliveryState::Waiting, None),
            delivery(2, DeliveryState::Answered, None),
            delivery(3, DeliveryState::Refused, Some(RefusalInfo::from(&refusal))),
            delivery(4, DeliveryState::Lost, None),
        ],
        assembler: Assembler::Client,
        error: Some(ErrorBody {
            code: "too_few_answers".into(),
            message: "one answer came, three are needed".into(),
            blame: Blame::Nobody,
        }),
    }
}

fn network() -> NetworkInfo {
    NetworkInfo {
        protocol_version: PROTOCOL_VERSION,
        software: "tacit/0.1.0".into(),
        coordinator: client().key(),
        assembler_certificate: None,
        nodes: vec![NodeInfo {
            identity: node().key(),
            sealing_key_certificate: Some(HexCertificate::from(&certificate())),
            connected: true,
            software: "tacit/0.1.0".into(),
            circuits: vec![Digest32(counting(0x60))],
            slices: vec![HeldSlice { circuit: Digest32(counting(0x60)), group: 1, groups: 4 }],
            bases_per_second: 1_048_576,
            capacity: 4,
            in_hand: 1,
        }],
    }
}

#[test]
fn bodies() {
    let circuit = CircuitInfo {
        id: Digest32(counting(0x60)),
        kind: CircuitKind::Circuit,
        curve: "bn128".into(),
        n_wires: 1_000,
        n_public: 3,
        log_domain: 10,
        bytes: 600_000,
        has_r1cs: true,
    };
    let bases = CircuitInfo {
        id: Digest32(counting(0x68)),
        kind: CircuitKind::Bases,
        n_wires: 4_096,
        n_public: 0,
        log_domain: 0,
        bytes: 262_168,
        has_r1cs: false,
        ..circuit.clone()
    };
    let proof = JobProof { id: Digest32(counting(0xa0)), proof: json!({ "pi_a": [] }), public: json!(["1"]) };
    check_vectors(
        "status",
        &json!({
            "about": "Bodies of the HTTP API. Unknown fields are to be ignored.",
            "vectors": [
                body("network", &network()),
                body("circuit", &circuit),
                body("bases", &bases),
                body("job", &job()),
                body("proof", &proof),
            ],
        }),
    );
}

#[test]
fn unknown_fields_are_ignored_and_wrong_ones_are_not() {
    let mut json = serde_json::to_value(job()).unwrap();
    json["later"] = json!("more");
    assert_eq!(serde_json::from_value::<JobStatus>(json.clone()).unwrap(), job());
    json["id"] = json!("not hexadecimal");
    let error = serde_json::from_value::<JobStatus>(json).unwrap_err();
    assert!(error.to_string().contains("64 hexadecimal digits"), "{error}");
}

#[test]
fn what_has_no_kind_is_a_circuit() {
    let json = json!({
        "id": Digest32(counting(0x60)), "curve": "bn128", "n_wires": 4, "n_public": 1, "log_domain": 2, "bytes": 9, "has_r1cs": false,
    });
    assert_eq!(serde_json::from_value::<CircuitInfo>(json.clone()).unwrap().kind, CircuitKind::Circuit);
    let mut other = json;
    other["kind"] = json!("lattice");
    assert!(serde_json::from_value::<CircuitInfo>(other).is_err());
}

#[test]
fn a_certificate_survives_json() {
    let info = network();
    let read = info.nodes[0].sealing_key_certificate.as_ref().unwrap().decode().unwrap();
    assert_eq!(read, certificate());
    read.verify_for(Purpose::NodeEnvelope, node().key(), NOT_BEFORE).unwrap();
    assert!(HexCertificate("zz".into()).decode().is_err());
    assert!(HexCertificate("00".into()).decode().is_err());
}

#[test]
fn refusal_codes_have_one_name() {
    for code in RefusalCode::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), json!(code.name()));
        assert_eq!(RefusalCode::from_code(code.code()), Some(*code));
    }
}
