//! Nodes that lie, behind a coordinator that does not mind: who is found out, what is opened for it, and what an arbiter says.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tacit_algebra::{Bn254, Group, Groups};
use tacit_client::{ClientError, Culprit, Event, Finding, Found, Handover, Options, Prepared, Proved};
use tacit_delegate::{AssembleError, Body, DealHeader, Layout, OpeningError, Package, Response};
use tacit_groth16::verify::verify;
use tacit_wire::messages::{JobAnswers, Outcome};
use tacit_wire::{Evidence, Verdict};

use crate::circuit::{Circuit, Fr, Recorder};
use crate::hostile::{Hostile, Play, Setting};

type G1 = <Bn254 as Groups>::G1;

/// The right response, with `k` added to its first point.
fn shifted(response: &[u8], k: u64) -> Vec<u8> {
    let right = Response::<Bn254>::decode(response).unwrap();
    let a = (G1::from_affine(right.a()) + G1::generator().scale(&Fr::from(k))).to_affine();
    let mut bytes = response.to_vec();
    let mut point = Vec::new();
    tacit_algebra::Point::write_be(&a, &mut point);
    bytes[3..3 + point.len()].copy_from_slice(&point);
    bytes
}

/// Node `index` signs a response that is off by `k`.
fn lie(p: &Play, index: u8, k: u64) -> Outcome {
    p.signed(index, &p.node(index).identity, &p.package(index), &shifted(&p.response(index), k))
}

struct Run {
    circuit: Circuit,
    hostile: Hostile,
    seen: Recorder,
    result: Result<Proved<Bn254>, ClientError>,
}

async fn run(
    (handover, n, t, nodes): (Handover, u8, u8, u8),
    change: impl Fn(&mut Options),
    script: impl Fn(&Play) -> Vec<JobAnswers> + Send + Sync + 'static,
) -> Run {
    let circuit = Circuit::tiny();
    let hostile = Hostile::start(&circuit, Setting { nodes, ..Setting::new(script) }).await;
    let mut options = Options::with_dials(handover, n, t).unwrap();
    options.timeout = Some(Duration::from_secs(60));
    options.grace = Duration::from_secs(2);
    change(&mut options);
    let key = circuit.key.clone();
    let prepared = Prepared::new(&circuit.key, &circuit.witness, None, handover)
        .unwrap()
        .judging_with(Arc::new(move || Ok(key.clone())));
    let seen = Recorder::default();
    let result = hostile.client().prove(prepared, None, &options, seen.shared()).await;
    if let Ok(proved) = &result {
        verify(&circuit.key.vk, &proved.public, &proved.proof).unwrap();
    }
    Run { circuit, hostile, seen, result }
}

impl Run {
    /// What an arbiter says who has the file and the key.
    fn audit(&self, evidence: &Evidence) -> Verdict {
        let read = Evidence::from_json(evidence.to_json().as_bytes()).unwrap();
        assert_eq!(read, *evidence);
        read.audit::<Bn254, String>(|_| Ok(self.circuit.key.clone())).unwrap()
    }
}

fn indices(findings: &[Finding], which: impl Fn(&Found) -> bool) -> Vec<u8> {
    findings.iter().filter(|f| which(&f.found)).map(|f| f.member.index).collect()
}

fn evidence_of(finding: &Finding) -> &Evidence {
    match &finding.found {
        Found::Guilty(evidence) => evidence,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_is_found_out_and_an_arbiter_agrees() {
    for dials in [(Handover::Witness, 7, 2, 7), (Handover::Quotient, 5, 2, 5)] {
        let run = run(dials, |_| (), |p| vec![p.all_but([(2, lie(p, 2, 5))])]).await;
        let proved = run.result.as_ref().unwrap();
        let [finding] = proved.findings.as_slice() else { panic!("{:?}", proved.findings) };
        assert_eq!(finding.member.index, 2);
        let evidence = evidence_of(finding);
        assert_eq!(evidence.node().0, finding.member.identity);
        assert!(matches!(run.audit(evidence), Verdict::Guilty { .. }));
        assert_eq!(run.seen.count(|e| matches!(e, Event::Judged { .. })), 1);
        // What was opened is the liar's own package and no other.
        let text = evidence.to_json();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let package = hex::decode(json["package"].as_str().unwrap()).unwrap();
        let header =
            DealHeader::<Fr>::decode(&hex::decode(json["header"].as_str().unwrap()).unwrap()).unwrap();
        let layout = Layout::of(&run.circuit.key, header.terms.dials.handover());
        let package = Package::<Fr>::decode(&package, &layout, header.terms.dials).unwrap();
        assert_eq!(package.place, 2);
        assert!(matches!(package.body, Body::Seed(_)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_threshold_one_the_liar_is_known_and_nothing_is_opened() {
    let run = run((Handover::Witness, 4, 1, 4), |_| (), |p| vec![p.all_but([(3, lie(p, 3, 5))])]).await;
    let proved = run.result.unwrap();
    let [Finding { member, found: Found::Wrong(why) }] = proved.findings.as_slice() else {
        panic!("{:?}", proved.findings)
    };
    assert_eq!(member.index, 3);
    assert_eq!(*why, OpeningError::TooMany { place: 3, threshold: 1, tolerated: 1, opened: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn of_colluding_liars_no_more_are_opened_than_the_threshold_allows() {
    // They shift by the values of one polynomial, as if the secret were another one: consistent with each other.
    let script = |p: &Play| vec![p.all_but([(2, lie(p, 2, 7)), (5, lie(p, 5, 7)), (9, lie(p, 9, 7))])];
    let run = run((Handover::Quotient, 9, 3, 9), |o| o.tolerated = Some(1), script).await;
    let proved = run.result.as_ref().unwrap();
    assert_eq!(indices(&proved.findings, |f| matches!(f, Found::Guilty(_))), [2, 5]);
    assert_eq!(indices(&proved.findings, |f| matches!(f, Found::Wrong(_))), [9]);
    for finding in &proved.findings[..2] {
        assert!(matches!(run.audit(evidence_of(finding)), Verdict::Guilty { .. }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn liars_cannot_have_an_honest_nodes_share_opened() {
    // Three liars of five agree with each other better than the two honest ones do: whom decoding would suspect are the honest.
    let script = |p: &Play| {
        let liars = [2, 3, 5].map(|i| (i, lie(p, i, 11)));
        vec![p.all_but(liars.into_iter().chain([(4, Outcome::Pending)]))]
    };
    let run = run((Handover::Quotient, 5, 2, 5), |o| o.timeout = Some(Duration::from_secs(4)), script).await;
    let error = run.result.as_ref().unwrap_err();
    let ClientError::NotAssembled { findings, .. } = error else { panic!("{error}") };
    assert_eq!(indices(findings, |f| *f == Found::Right), [1]);
    assert_eq!(indices(findings, Found::is_guilt), [2, 3, 5]);
    // One opening, whoever it is.
    assert_eq!(indices(findings, |f| matches!(f, Found::Guilty(_))), [2]);
    // There is nobody to deal to without them.
    assert_eq!(run.hostile.headers().len(), 1);
    let culprits = error.culprits();
    assert_eq!(culprits.len(), 3);
    assert!(culprits.iter().all(|c| matches!(c, Culprit::Node(m) if m.index != 1)), "{culprits:?}");
}

/// Two equal shifts, at 2 and 3, cancel out in the value at 0 of the polynomial through 2, 3 and 5: a right proof out of lies, off which
/// the honest answers of 1 and 4 lie. Which polynomial is found first, chance decides.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_seems_off_only_liars_are_found_guilty() {
    for _ in 0..6 {
        let script = |p: &Play| vec![p.all_but([2, 3].map(|i| (i, lie(p, i, 11))))];
        let run = run((Handover::Quotient, 5, 2, 5), |_| (), script).await;
        let proved = run.result.unwrap();
        let suspects: Vec<u8> = proved.suspects.iter().map(|m| m.index).collect();
        assert!(suspects == [2, 3] || suspects == [1, 4], "{suspects:?}");
        let mut guilty = indices(&proved.findings, Found::is_guilt);
        guilty.sort_unstable();
        assert_eq!(guilty, [2, 3]);
        assert!(indices(&proved.findings, |f| matches!(f, Found::Guilty(_))).len() <= 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guilty_node_is_left_out_of_the_next_deal() {
    let liar = Arc::new(std::sync::Mutex::new(None));
    let first = Arc::clone(&liar);
    // With three of three needed the first deal gives no proof; whoever sits at place 2 lies for ever.
    let script = move |p: &Play| {
        let identity = *first.lock().unwrap().get_or_insert(p.node(2).identity.key());
        let lies = (1..=3).filter(|i| p.node(*i).identity.key() == identity).map(|i| (i, lie(p, i, 3)));
        vec![p.all_but(lies)]
    };
    let run = run((Handover::Witness, 3, 1, 4), |_| (), script).await;
    let proved = run.result.unwrap();
    let liar = liar.lock().unwrap().unwrap();
    // What the first deal brought to light is told with the proof of the second.
    let [finding] = proved.findings.as_slice() else { panic!("{:?}", proved.findings) };
    assert_eq!(finding.member.identity, liar.0);
    assert!(matches!(finding.found, Found::Wrong(_)));
    assert!(proved.members.iter().all(|m| m.identity != liar.0));
    assert_eq!(run.seen.count(|e| matches!(e, Event::DealtAgain { .. })), 1);
    let nonces: HashSet<_> = run.hostile.headers().iter().map(|h| h.nonce).collect();
    assert_eq!(nonces.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_witness_is_told_from_liars() {
    let circuit = Circuit::tiny();
    let hostile = Hostile::start(&circuit, Setting::new(|p| vec![p.all_but([])])).await;
    let key = circuit.key.clone();
    let prepared = Prepared::new(&circuit.key, &circuit.wrong_witness(), None, Handover::Witness)
        .unwrap()
        .judging_with(Arc::new(move || Ok(key.clone())));
    let options = Options::standard().unwrap();
    let error =
        hostile.client().prove(prepared, None, &options, Recorder::default().shared()).await.unwrap_err();
    let ClientError::NotAssembled { error: AssembleError::Invalid { .. }, findings, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(indices(findings, |f| *f == Found::Right), [1, 2, 3, 4]);
    assert_eq!(error.culprits(), [Culprit::Client]);
    assert!(error.to_string().contains("the witness does not satisfy the circuit"), "{error}");
    assert_eq!(hostile.headers().len(), 1, "a wrong witness is not dealt again");
}

#[tokio::test(flavor = "multi_thread")]
async fn contradictions_are_evidence_without_opening_anything() {
    // Two responses for one acknowledgement, while nodes 3 and 4 make the client wait.
    let responses = |p: &Play| {
        let pending = [(3, Outcome::Pending), (4, Outcome::Pending)];
        vec![
            p.all_but(pending.clone()),
            p.all_but([(2, lie(p, 2, 5)), (3, Outcome::Pending)]),
            p.all_but([(2, lie(p, 2, 5))]),
        ]
    };
    // Two packages under one assignment.
    let acknowledgements = |p: &Play| {
        let other = p.signed(2, &p.node(2).identity, b"another package", &p.response(2));
        vec![
            p.all_but([(2, other), (3, Outcome::Pending), (4, Outcome::Pending)]),
            p.all_but([(3, Outcome::Pending)]),
            p.all_but([]),
        ]
    };
    for (charge, script) in [
        (
            "contradicting_responses",
            Box::new(responses) as Box<dyn Fn(&Play) -> Vec<JobAnswers> + Send + Sync>,
        ),
        ("contradicting_acknowledgements", Box::new(acknowledgements)),
    ] {
        let run = run((Handover::Witness, 4, 1, 4), |_| (), script).await;
        let proved = run.result.as_ref().unwrap();
        let [finding] = proved.findings.as_slice() else { panic!("{charge}: {:?}", proved.findings) };
        assert_eq!(finding.member.index, 2);
        let evidence = evidence_of(finding);
        assert_eq!(evidence.charge(), charge);
        assert!(!evidence.to_json().contains("package"));
        // No proving key is asked for.
        let verdict = evidence.audit::<Bn254, String>(|_| Err("no key".into())).unwrap();
        assert!(matches!(verdict, Verdict::Guilty { .. }), "{verdict:?}");
    }
}

/// The coordinator has a second answer that no poll shows: it says so, and the client fetches it once it has its proof.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_answer_that_the_coordinator_kept_is_evidence_too() {
    for signs_two_packages in [false, true] {
        let second = move |p: &Play| {
            let node = &p.node(2).identity;
            let package = if signs_two_packages { b"another package".to_vec() } else { p.package(2) };
            vec![(2, p.signed(2, node, &package, &shifted(&p.response(2), 5)))]
        };
        let circuit = Circuit::tiny();
        let setting = Setting { seconds: Arc::new(second), ..Setting::new(|p: &Play| vec![p.all_but([])]) };
        let hostile = Hostile::start(&circuit, setting).await;
        let prepared = Prepared::new(&circuit.key, &circuit.witness, None, Handover::Witness).unwrap();
        let options = Options::with_dials(Handover::Witness, 4, 1).unwrap();
        let proved =
            hostile.client().prove(prepared, None, &options, Recorder::default().shared()).await.unwrap();
        verify(&circuit.key.vk, &proved.public, &proved.proof).unwrap();
        let [finding] = proved.findings.as_slice() else { panic!("{:?}", proved.findings) };
        assert_eq!(finding.member.index, 2);
        let evidence = evidence_of(finding);
        let charge =
            if signs_two_packages { "contradicting_acknowledgements" } else { "contradicting_responses" };
        assert_eq!(evidence.charge(), charge);
        let verdict = evidence.audit::<Bn254, String>(|_| Err("no key".into())).unwrap();
        assert!(matches!(verdict, Verdict::Guilty { .. }), "{verdict:?}");
        // The answer that came in time counts, whatever came after it.
        assert!(proved.dealt.answered.contains(&2));
    }
}
