//! Evidence: what it shows, and that nobody can be framed with it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{certificate, check_vectors, client, node, read_vectors, rng};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;
use tacit_algebra::{Bn254, CurveId, Groups};
use tacit_circom::{Constraint, R1cs};
use tacit_delegate::{
    Acknowledgement, Body, Custody, Deal, DealHeader, DealTerms, Dials, Handover, Judgement, Layout, Package,
    Secrets, package::Shares, respond,
};
use tacit_groth16::{ProvingKey, setup};
use tacit_wire::envelope::seal_package;
use tacit_wire::{
    AuditError, Evidence, Identity, NoEvidence, SignedAcknowledgement, SignedAssignment, SignedResponse,
    Slot, Verdict,
};

type F = <Bn254 as Groups>::Scalar;

/// `y = x^4`: wires 1, y, x, x^2.
static KEY: LazyLock<ProvingKey<Bn254>> = LazyLock::new(|| {
    let one = F::from(1u64);
    let constraints = vec![
        Constraint { a: vec![(2, one)], b: vec![(2, one)], c: vec![(3, one)] },
        Constraint { a: vec![(3, one)], b: vec![(3, one)], c: vec![(1, one)] },
    ];
    let r1cs = R1cs {
        curve: CurveId::Bn254,
        n_wires: 4,
        n_public_outputs: 1,
        n_public_inputs: 0,
        n_private_inputs: 1,
        n_labels: 4,
        constraints,
        wire_labels: (0..4).collect(),
    };
    ProvingKey::from_zkey(setup::dev::<Bn254, _>(&r1cs, &mut rng(1)).unwrap()).unwrap()
});

fn key() -> ProvingKey<Bn254> {
    KEY.clone()
}

fn secrets() -> [F; 2] {
    [F::from(3u64), F::from(9u64)]
}

/// A deal of seven, of which any two learn nothing; the node under test has place 3.
fn dealt(seed: u64) -> (Deal<F>, Custody<F>) {
    let terms = DealTerms {
        curve: CurveId::Bn254,
        circuit: KEY.circuit_id,
        dials: Dials::new(Handover::Witness, 7, 2).unwrap(),
        assembler_key: vec![1; 40],
        client_key: client().key().0,
        expiry: 2_000_000_000,
        public: vec![F::from(81u64)],
    };
    let layout = Layout::of(&*KEY, Handover::Witness);
    Custody::deal(terms, &layout, Secrets::witness(&secrets()), 1, &mut rng(seed)).unwrap()
}

/// What the node signed for one package.
#[derive(Clone)]
struct Case {
    header: Vec<u8>,
    assignment: SignedAssignment,
    acknowledgement: SignedAcknowledgement,
    response: SignedResponse,
    package: Vec<u8>,
}

fn case_of(header: Vec<u8>, deal: [u8; 32], package: &[u8], response: &[u8]) -> Case {
    let (assignment, _) =
        seal_package(&client(), deal, Slot::index(3), &certificate(), package, &mut rng(9)).unwrap();
    let acknowledgement = Acknowledgement::new(&assignment.assignment, package);
    Case {
        header,
        response: SignedResponse::sign(&node(), &acknowledgement, response),
        acknowledgement: SignedAcknowledgement::sign(&node(), acknowledgement),
        assignment,
        package: package.to_vec(),
    }
}

/// An honest node's.
fn honest(seed: u64) -> Case {
    let (deal, _) = dealt(seed);
    let package = &deal.packages[2];
    let response = respond(&key(), &deal.header, package).unwrap().encode();
    case_of(deal.header.encode(), deal.id.0, &package.encode(), &response)
}

impl Case {
    /// As whoever writes the file by hand can write it: the types would not let an innocent's package be opened.
    fn json(&self) -> Value {
        json!({
            "version": 1,
            "charge": "wrong_response",
            "header": hex::encode(&self.header),
            "assignment": hex::encode(self.assignment.encode()),
            "acknowledgements": [hex::encode(self.acknowledgement.encode())],
            "responses": [hex::encode(self.response.encode())],
            "package": hex::encode(&self.package),
        })
    }

    fn audit(&self) -> Result<Verdict, AuditError<String>> {
        audit(&self.json())
    }
}

fn audit(json: &Value) -> Result<Verdict, AuditError<String>> {
    Evidence::from_json(json.to_string().as_bytes())?.audit::<Bn254, String>(|_| Ok(key()))
}

#[test]
fn a_right_response_is_innocent() {
    assert_eq!(honest(1).audit().unwrap(), Verdict::Innocent);
}

#[test]
fn a_wrong_response_is_guilt_whether_it_is_a_response_or_not() {
    let (deal, mut custody) = dealt(1);
    let layout = Layout::of(&*KEY, Handover::Witness);
    let secrets = secrets();
    let secrets = Secrets::witness(&secrets);
    // Another node's response, which is well formed.
    let other = respond(&key(), &deal.header, &deal.packages[3]).unwrap();
    let answer = tacit_delegate::Answer { place: 3, response: other };
    let Judgement::Wrong(wrong) = custody.judge(&key(), &layout, secrets, &answer).unwrap() else {
        panic!("it passed")
    };
    let opened = custody.open(&wrong).unwrap();
    let case =
        case_of(deal.header.encode(), deal.id.0, &deal.packages[2].encode(), &answer.response.encode());
    let Case { header, assignment, acknowledgement, response, .. } = case.clone();
    let evidence = Evidence::wrong_response(header, assignment, acknowledgement, response, opened);
    assert_eq!(serde_json::from_str::<Value>(&evidence.to_json()).unwrap(), case.json());
    assert_eq!(Evidence::from_json(evidence.to_json().as_bytes()).unwrap(), evidence);
    assert_eq!(evidence.curve().unwrap(), CurveId::Bn254);
    let verdict = evidence.audit::<Bn254, String>(|_| Ok(key())).unwrap();
    assert!(matches!(verdict, Verdict::Guilty { .. }), "{verdict:?}");

    for garbage in [b"".as_slice(), b"no response at all"] {
        let case = case_of(deal.header.encode(), deal.id.0, &deal.packages[2].encode(), garbage);
        assert!(matches!(case.audit().unwrap(), Verdict::Guilty { .. }));
    }
}

#[test]
fn what_no_node_can_answer_is_the_clients_fault() {
    let (deal, _) = dealt(1);
    let right = &deal.packages[2];
    let header = deal.header.encode();
    let response = respond(&key(), &deal.header, right).unwrap().encode();
    let package = |place: u8, body: Body<F>| {
        let package = Package { deal: deal.id, place, salt: [7; 32], body };
        package.encode().to_vec()
    };
    let short =
        Shares { wires: vec![F::from(1u64)], r: F::from(1u64), s: F::from(1u64), mask: F::from(1u64) };
    let (other, _) = dealt(2);
    for (what, bytes) in [
        ("garbage", b"garbage".to_vec()),
        ("one byte short", right.encode()[..right.encode().len() - 1].to_vec()),
        ("another place", package(4, right.body.clone())),
        ("a seed where shares are due", package(3, deal.packages[0].body.clone())),
        ("too few shares", package(3, Body::Explicit(short))),
        ("of another deal", other.packages[2].encode().to_vec()),
    ] {
        // The node should have refused it. If it signed all the same, what it computed is beside the point.
        let verdict = case_of(header.clone(), deal.id.0, &bytes, &response).audit().unwrap();
        assert!(matches!(verdict, Verdict::ClientAtFault { .. }), "{what}: {verdict:?}");
    }
}

#[test]
fn a_client_cannot_frame_an_honest_node() {
    let (one, other) = (honest(1), honest(2));
    let unsigned = |case: Case| matches!(case.audit(), Err(AuditError::NoEvidence(_)));
    // What the node signed for one deal, shown as another's.
    assert!(unsigned(Case { response: other.response.clone(), ..one.clone() }));
    assert!(unsigned(Case { acknowledgement: other.acknowledgement.clone(), ..one.clone() }));
    assert!(unsigned(Case { assignment: other.assignment.clone(), ..one.clone() }));
    assert!(unsigned(Case { header: other.header.clone(), ..one.clone() }));
    assert!(unsigned(Case { package: other.package.clone(), ..one.clone() }));
    assert!(unsigned(Case {
        header: other.header.clone(),
        assignment: other.assignment.clone(),
        ..one.clone()
    }));
    // All of the other deal but the response.
    assert!(unsigned(Case { response: one.response.clone(), ..other.clone() }));
    // Signed by the client in the node's stead.
    let forged = SignedAcknowledgement::sign(&client(), one.acknowledgement.acknowledgement);
    assert!(unsigned(Case { acknowledgement: forged, ..one.clone() }));
    let forged =
        SignedResponse::sign(&client(), &one.acknowledgement.acknowledgement, &other.response.response);
    assert!(unsigned(Case { response: forged, ..one.clone() }));
    // An assignment by somebody who is not the deal's client.
    let stranger = Identity::from_seed(&[3; 32]);
    let forged = SignedAssignment::sign(&stranger, one.assignment.assignment);
    assert!(unsigned(Case { assignment: forged, ..one.clone() }));
    // Another package that the client would rather have dealt.
    let mut package = one.package.clone();
    *package.last_mut().unwrap() ^= 1;
    assert!(matches!(
        Case { package, ..one.clone() }.audit(),
        Err(AuditError::NoEvidence(NoEvidence::OtherPackage { .. }))
    ));
    // "Contradictions" that are none.
    for (what, charge) in
        [("responses", "contradicting_responses"), ("acknowledgements", "contradicting_acknowledgements")]
    {
        let mut json = one.json();
        json["charge"] = charge.into();
        json.as_object_mut().unwrap().remove("package");
        let twice = json[what][0].clone();
        json[what] = json!([twice, twice]);
        if what == "acknowledgements" {
            json.as_object_mut().unwrap().remove("responses");
        }
        assert!(matches!(audit(&json), Err(AuditError::NoEvidence(NoEvidence::Same { .. }))), "{what}");
        // Two things that it signed for two deals.
        let second = &other.json()[what][0];
        json[what][1] = second.clone();
        assert!(matches!(audit(&json), Err(AuditError::NoEvidence(_))), "{what}");
    }
}

#[test]
fn a_node_cannot_deny_what_it_acknowledged() {
    // It signed for this package, answered wrongly, and now shows another package that its response would fit.
    let (deal, _) = dealt(1);
    let response = respond(&key(), &deal.header, &deal.packages[3]).unwrap().encode();
    let case = case_of(deal.header.encode(), deal.id.0, &deal.packages[2].encode(), &response);
    assert!(matches!(case.audit().unwrap(), Verdict::Guilty { .. }));
    let denied = Case { package: deal.packages[3].encode().to_vec(), ..case };
    assert!(matches!(denied.audit(), Err(AuditError::NoEvidence(NoEvidence::OtherPackage { .. }))));
}

#[test]
fn another_circuits_key_is_not_used() {
    let mut other = key();
    other.circuit_id.0[0] ^= 1;
    let evidence = Evidence::from_json(honest(1).json().to_string().as_bytes()).unwrap();
    let refused = evidence.audit::<Bn254, String>(|_| Ok(other)).unwrap_err();
    assert!(matches!(refused, AuditError::OtherCircuit { .. }), "{refused}");
    let refused = evidence.audit::<Bn254, String>(|_| Err("none".into())).unwrap_err();
    assert!(matches!(refused, AuditError::Key(_)), "{refused}");
}

#[test]
fn what_is_no_evidence_file_is_said_to_be_none() {
    let good = honest(1).json();
    let text = good.to_string();
    for at in [0, 1, text.len() / 2, text.len() - 1] {
        assert!(Evidence::from_json(&text.as_bytes()[..at]).is_err());
    }
    for (field, value) in [
        ("version", json!(2)),
        ("charge", json!("being_late")),
        ("charge", json!("contradicting_responses")),
        ("header", json!("zz")),
        ("header", json!(1)),
        ("assignment", json!("00")),
        ("acknowledgements", json!([])),
        ("responses", json!(["00", "00"])),
        ("package", Value::Null),
        ("surprise", json!(1)),
    ] {
        let mut bad = good.clone();
        bad[field] = value.clone();
        let refused = Evidence::from_json(bad.to_string().as_bytes());
        assert!(
            matches!(refused, Err(NoEvidence::Malformed(_) | NoEvidence::Decode(_))),
            "{field} = {value}: {refused:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is changed in an honest node's file: it never makes it guilty.
    #[test]
    fn no_change_of_the_file_makes_an_honest_node_guilty(
        field in prop::sample::select(vec!["header", "assignment", "acknowledgements", "responses", "package"]),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        static HONEST: LazyLock<Value> = LazyLock::new(|| honest(1).json());
        let mut json = HONEST.clone();
        let slot = match field {
            "acknowledgements" | "responses" => &mut json[field][0],
            _ => &mut json[field],
        };
        let mut bytes = hex::decode(slot.as_str().unwrap()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        *slot = hex::encode(bytes).into();
        let verdict = audit(&json);
        prop_assert!(verdict.is_err(), "{verdict:?}");
    }

    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Evidence::from_json(&bytes).is_err());
    }
}

/// The files of an exchange that names all of its keys, so that another implementation can check its arbiter. (A wrong response
/// needs a proving key: the vectors of the deal and of the envelope are what that is made of.)
#[test]
fn vectors() {
    let deals = read_vectors("delegate");
    let header = hex::decode(deals["vectors"][0]["header"]["encoding"].as_str().unwrap()).unwrap();
    let mut header = DealHeader::<F>::decode(&header).unwrap();
    header.terms.client_key = client().key().0;
    let case = case_of(header.encode(), header.deal_id().0, b"a package", b"a response");
    let acknowledgement = case.acknowledgement.acknowledgement;
    let other = SignedResponse::sign(&node(), &acknowledgement, b"another response");
    let responses = Evidence::contradicting_responses(
        case.header.clone(),
        case.assignment.clone(),
        case.acknowledgement.clone(),
        [case.response.clone(), other],
    );
    let other = Acknowledgement::new(&case.assignment.assignment, b"another package");
    let acknowledgements = Evidence::contradicting_acknowledgements(
        case.header.clone(),
        case.assignment.clone(),
        [case.acknowledgement.clone(), SignedAcknowledgement::sign(&node(), other)],
    );
    let wrong = Evidence::from_json(case.json().to_string().as_bytes()).unwrap();
    let file = |evidence: &Evidence| serde_json::from_str::<Value>(&evidence.to_json()).unwrap();
    let verdicts = [&responses, &acknowledgements, &wrong].map(|evidence| {
        match evidence.audit::<Bn254, String>(|_| Err("needs the proving key".into())) {
            Ok(Verdict::Guilty { .. }) => "guilty",
            Err(AuditError::Key(_)) => "needs the proving key",
            other => panic!("{other:?}"),
        }
    });
    check_vectors(
        "evidence",
        &json!({
            "about": "Evidence files and what an arbiter says who has no proving key: all signatures in them are good. The header is that of the \
                      vectors of deals with the client of the vectors of envelopes, whose node it is about; package and responses are any bytes here.",
            "client_seed": hex::encode(*client().to_seed()),
            "node_seed": hex::encode(*node().to_seed()),
            "vectors": [
                { "evidence": file(&responses), "verdict": verdicts[0] },
                { "evidence": file(&acknowledgements), "verdict": verdicts[1] },
                { "evidence": file(&wrong), "verdict": verdicts[2] },
            ],
        }),
    );
}
