//! Byte-exact vectors for another implementation: regenerated here and compared with `tests/vectors/*.json`.
//! `TACIT_BLESS=1 cargo nextest run -p tacit-wire` rewrites them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::*;
use serde_json::{Value, json};
use tacit_wire::{
    Acknowledgement, Blame, Digest32, Identity, Message, PROTOCOL_VERSION, SealingKeyPair,
    SignedAcknowledgement, SignedAssignment, SignedResponse, Slot,
    envelope::{
        ENVELOPE_INFO, RESPONSE_INFO, Recipient, open_package, open_response, seal_package, seal_response,
    },
    identity::Label,
    messages::*,
    seal,
};

fn h(bytes: impl AsRef<[u8]>) -> Value {
    Value::String(hex::encode(bytes))
}

#[test]
fn signatures() {
    let cases: Vec<Value> = [Label::Assignment, Label::Acknowledgement, Label::Response, Label::Certificate]
        .into_iter()
        .map(|label| {
            let message = b"what is signed";
            let signature = client().sign(label, message);
            client().key().verify(label, message, &signature).unwrap();
            json!({
                "seed": h(*client().to_seed()),
                "public_key": h(client().key().0),
                "label": label.text(),
                "message": h(message),
                "signed_bytes": h(label.message(message)),
                "signature": h(signature.0),
            })
        })
        .collect();
    check_vectors(
        "signature",
        &json!({
            "about": "Ed25519 over: length of the label (1 byte), label (ASCII), message. Byte strings are hexadecimal.",
            "vectors": cases,
        }),
    );
}

#[test]
fn sealing() {
    let randomness: [u8; 64] = counting(0x80);
    let pair = node_sealing_key();
    let (info, aad, plaintext) = (b"info".as_slice(), b"associated data".as_slice(), b"plaintext".as_slice());
    let sealed = seal::seal(pair.public(), info, aad, plaintext, &mut Given(&randomness)).unwrap();
    assert_eq!(*seal::open(&pair, info, aad, &sealed).unwrap(), plaintext);
    check_vectors(
        "seal",
        &json!({
            "about": "HPKE base mode, one message: encapsulation (1120 bytes), ciphertext, tag (16 bytes). \
                      The randomness is that of X-Wing's EncapsulateDerand. The key id is BLAKE3 in key derivation mode, \
                      context \"tacit v1 sealing key id\", over the public key.",
            "kem_id": seal::KEM_ID,
            "kdf_id": seal::KDF_ID,
            "aead_id": seal::AEAD_ID,
            "vectors": [{
                "secret_key": h(*pair.to_seed()),
                "public_key": h(pair.public().as_bytes()),
                "key_id": h(pair.id().0),
                "encapsulation_randomness": h(randomness),
                "info": h(info),
                "aad": h(aad),
                "plaintext": h(plaintext),
                "sealed": h(&sealed),
            }],
        }),
    );
}

#[test]
fn certificates() {
    let certificate = certificate();
    certificate.verify(NOT_BEFORE).unwrap();
    let encoding = certificate.encode();
    check_vectors(
        "certificate",
        &json!({
            "about": "version u16, purpose u8 (1 node envelope, 2 assembler), identity, key id, public key, epoch u64, not_before \
                      u64, expiry u64, signature with the certificate label over all of that. Integers are little-endian.",
            "vectors": [{
                "identity_seed": h(*node().to_seed()),
                "sealing_secret_key": h(*node_sealing_key().to_seed()),
                "version": 1,
                "purpose": 1,
                "identity": h(certificate.identity.0),
                "key_id": h(certificate.key_id.0),
                "public_key": h(certificate.public_key.as_bytes()),
                "epoch": certificate.epoch,
                "not_before": certificate.not_before,
                "expiry": certificate.expiry,
                "signature": h(certificate.signature.0),
                "encoding": h(encoding),
            }],
        }),
    );
}

struct Exchange {
    deal: [u8; 32],
    package: Vec<u8>,
    response: Vec<u8>,
    envelope_randomness: [u8; 64],
    response_randomness: [u8; 64],
    signed: SignedAssignment,
    envelope: Vec<u8>,
    acknowledgement: SignedAcknowledgement,
    sealed_response: Vec<u8>,
}

fn exchange() -> Exchange {
    let deal = counting(0xa0);
    let package = b"an encoded package".to_vec();
    let response = b"an encoded response".to_vec();
    let (envelope_randomness, response_randomness) = (counting(0x01), counting(0x41));
    let (signed, envelope) = seal_package(
        &client(),
        deal,
        Slot::index(3),
        &certificate(),
        &package,
        &mut Given(&envelope_randomness),
    )
    .unwrap();
    let acknowledgement = Acknowledgement::new(&signed.assignment, &package);
    let sealed_response = seal_response(
        &node(),
        &signed.assignment,
        &acknowledgement,
        &response,
        assembler_key().public(),
        &mut Given(&response_randomness),
    )
    .unwrap();
    Exchange {
        deal,
        package,
        response,
        envelope_randomness,
        response_randomness,
        signed,
        envelope,
        acknowledgement: SignedAcknowledgement::sign(&node(), acknowledgement),
        sealed_response,
    }
}

#[test]
fn envelopes() {
    let e = exchange();
    let key = node_sealing_key();
    let recipient = Recipient { node: node().key(), key: &key, epoch: EPOCH };
    assert_eq!(
        *open_package(&e.signed, &client().key(), &e.deal, recipient, &e.envelope).unwrap(),
        e.package
    );
    let opened =
        open_response(&assembler_key(), &e.signed.assignment, &e.acknowledgement, &e.sealed_response)
            .unwrap();
    assert_eq!(opened.response, e.response);
    let assignment = &e.signed.assignment;
    assert_eq!(assignment.signing_bytes(), Label::Assignment.message(&assignment.encode()));
    let acknowledgement = &e.acknowledgement.acknowledgement;
    assert_eq!(acknowledgement.signing_bytes(), Label::Acknowledgement.message(&acknowledgement.encode()));
    let signed_response = SignedResponse::sign(&node(), acknowledgement, &e.response);
    let info = |label: &str| h([label.as_bytes(), &e.deal].concat());
    let mut response_aad = assignment.response_associated_data();
    response_aad.extend_from_slice(&acknowledgement.encode());
    check_vectors(
        "envelope",
        &json!({
            "about": "A package on its way to a node and the response on its way back. Package and response are any bytes here; \
                      their encodings have vectors of their own.",
            "envelope_info_label": ENVELOPE_INFO,
            "response_info_label": RESPONSE_INFO,
            "vectors": [{
                "client_seed": h(*client().to_seed()),
                "client_key": h(client().key().0),
                "node_seed": h(*node().to_seed()),
                "node_key": h(node().key().0),
                "node_sealing_secret_key": h(*key.to_seed()),
                "node_sealing_key_id": h(key.id().0),
                "assembler_secret_key": h(*assembler_key().to_seed()),
                "deal": h(e.deal),
                "group": assignment.seat.group,
                "slice": assignment.seat.slice,
                "index": assignment.seat.index,
                "epoch": assignment.seat.epoch,
                "package": h(&e.package),
                "envelope_randomness": h(e.envelope_randomness),
                "envelope_info": info(ENVELOPE_INFO),
                "envelope_aad": h(assignment.seat.associated_data()),
                "envelope": h(&e.envelope),
                "ciphertext_digest": h(assignment.ciphertext_digest),
                "assignment": h(assignment.encode()),
                "assignment_digest": h(assignment.digest()),
                "signed_assignment": h(e.signed.encode()),
                "package_digest": h(acknowledgement.package),
                "acknowledgement": h(acknowledgement.encode()),
                "signed_acknowledgement": h(e.acknowledgement.encode()),
                "response": h(&e.response),
                "signed_response": h(signed_response.encode()),
                "response_randomness": h(e.response_randomness),
                "response_info": info(RESPONSE_INFO),
                "response_aad": h(&response_aad),
                "sealed_response": h(&e.sealed_response),
            }],
        }),
    );
}

fn frame(fields: Value, message: impl Into<Message>) -> Value {
    let message = message.into();
    let frame = message.to_frame();
    assert_eq!(Message::from_frame(&frame, usize::MAX).unwrap(), message);
    json!({ "type": message.kind().code(), "name": message.kind().name(), "fields": fields, "frame": h(frame) })
}

#[test]
fn frames() {
    let e = exchange();
    let header = b"an encoded deal header".to_vec();
    let circuit = Digest32(counting(0x60));
    let answer = Answer { acknowledgement: e.acknowledgement.clone(), response: e.sealed_response.clone() };
    let refusal = Refusal::new(RefusalCode::UnknownCircuit, Blame::Nobody, "no such circuit here");
    let answer_fields = json!({
        "signed_acknowledgement": h(e.acknowledgement.encode()),
        "sealed_response": h(&e.sealed_response),
    });
    let refusal_fields = json!({ "code": 4, "blame": 0, "text": "no such circuit here" });
    let deal = e.signed.deal();
    let frames = vec![
        frame(
            json!({
                "versions": [1], "software": "tacit/0.1.0", "certificate": h(certificate().encode()),
                "circuits": [h(circuit.0)], "slices": [{ "circuit": h(circuit.0), "group": 1, "groups": 4 }],
                "capacity": 2, "bases_per_second": 1_048_576,
            }),
            Hello {
                versions: vec![PROTOCOL_VERSION],
                software: "tacit/0.1.0".into(),
                certificate: certificate(),
                circuits: vec![circuit],
                slices: vec![HeldSlice { circuit, group: 1, groups: 4 }],
                capacity: 2,
                bases_per_second: 1_048_576,
            },
        ),
        frame(
            json!({ "version": 1, "software": "tacit/0.1.0" }),
            Welcome { version: PROTOCOL_VERSION, software: "tacit/0.1.0".into(), time: 1_700_000_000 },
        ),
        frame(
            json!({
                "header": h(&header), "signed_assignment": h(e.signed.encode()), "envelope": h(&e.envelope),
            }),
            Offer { header: header.clone(), assignment: e.signed.clone(), envelope: e.envelope.clone() },
        ),
        frame(answer_fields.clone(), answer.clone()),
        frame(refusal_fields.clone(), refusal.clone()),
        frame(json!({ "circuit": h(circuit.0), "offset": 4096 }), CircuitRequest { circuit, offset: 4096 }),
        frame(
            json!({ "offset": 4096, "total": 4100, "bytes": "7f00ff01" }),
            CircuitChunk { offset: 4096, total: 4100, bytes: vec![0x7f, 0, 0xff, 1] },
        ),
        frame(json!({ "number": 258 }), Ping { number: 258 }),
        frame(json!({ "number": 258 }), Pong { number: 258 }),
        frame(json!({ "text": "maintenance" }), Bye { text: "maintenance".into() }),
        frame(
            json!({
                "header": h(&header), "assembler": 1,
                "deliveries": [
                    { "signed_assignment": h(e.signed.encode()), "envelope": h(&e.envelope) },
                ],
            }),
            SubmitJob {
                header,
                assembler: Assembler::Client,
                deliveries: vec![Delivery { assignment: e.signed.clone(), envelope: e.envelope.clone() }],
            },
        ),
        frame(
            json!({
                "deal": h(deal.0),
                "answers": [
                    { "index": 1, "outcome": 0 },
                    { "index": 2, "outcome": 1, "answer": answer_fields },
                    { "index": 3, "outcome": 2, "refusal": refusal_fields },
                    { "index": 4, "outcome": 3 },
                ],
            }),
            JobAnswers {
                deal,
                answers: vec![
                    NodeAnswer { index: 1, outcome: Outcome::Pending },
                    NodeAnswer { index: 2, outcome: Outcome::Answered(answer) },
                    NodeAnswer { index: 3, outcome: Outcome::Refused(refusal) },
                    NodeAnswer { index: 4, outcome: Outcome::Lost },
                ],
            },
        ),
    ];
    check_vectors(
        "frames",
        &json!({
            "about": "version u16, type u16, length u32, body. Integers are little-endian; byte strings and texts follow a u32 \
                      length, lists a u16 count; fixed-size fields (digests, signed assignments, certificates) have neither.",
            "vectors": frames,
        }),
    );
}

/// The committed vectors decode without this test's knowledge of how they were made.
#[test]
fn committed_frames_decode_to_themselves() {
    for vector in read_vectors("frames")["vectors"].as_array().unwrap() {
        let frame = unhex(&vector["frame"]);
        let message = Message::from_frame(&frame, usize::MAX).unwrap();
        assert_eq!(u64::from(message.kind().code()), vector["type"].as_u64().unwrap());
        assert_eq!(message.to_frame(), frame);
    }
}

#[test]
fn committed_envelopes_open() {
    for vector in read_vectors("envelope")["vectors"].as_array().unwrap() {
        let field = |name: &str| unhex(&vector[name]);
        let array = |name: &str| -> [u8; 32] { field(name).try_into().unwrap() };
        let client = Identity::from_seed(&array("client_seed"));
        let node = Identity::from_seed(&array("node_seed"));
        let key = SealingKeyPair::from_seed(&array("node_sealing_secret_key")).unwrap();
        let signed = SignedAssignment::decode(&field("signed_assignment")).unwrap();
        let recipient = Recipient { node: node.key(), key: &key, epoch: vector["epoch"].as_u64().unwrap() };
        let package =
            open_package(&signed, &client.key(), &array("deal"), recipient, &field("envelope")).unwrap();
        assert_eq!(*package, field("package"));

        let assembler = SealingKeyPair::from_seed(&array("assembler_secret_key")).unwrap();
        let acknowledgement = SignedAcknowledgement::decode(&field("signed_acknowledgement")).unwrap();
        acknowledgement.verify_package(&signed.assignment, &package).unwrap();
        let response =
            open_response(&assembler, &signed.assignment, &acknowledgement, &field("sealed_response"))
                .unwrap();
        assert_eq!(response.response, field("response"));
    }
}
