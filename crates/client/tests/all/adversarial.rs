//! What a lying coordinator, or a lying node behind an honest one, achieves: nothing but delay, and the error says who.

use std::sync::Arc;
use std::time::Duration;

use tacit_algebra::Bn254;
use tacit_client::{
    Assembler, ClientError, CommitteeError, Culprit, Event, Handover, Options, Prepared, Proved, Refusal,
    Rule,
};
use tacit_delegate::AssembleError;
use tacit_groth16::verify::verify;
use tacit_wire::messages::{JobAnswers, NodeAnswer, Outcome, RefusalCode};
use tacit_wire::{Blame, Digest32, PeerMisbehaved};

use crate::circuit::{Circuit, Recorder};
use crate::hostile::{Hostile, Play, Setting, refusal};

/// For jobs that end by themselves.
fn options() -> Options {
    let mut options = Options::standard().unwrap();
    options.timeout = Some(Duration::from_secs(120));
    options.grace = Duration::from_secs(60);
    options
}

/// For jobs of which nothing more comes.
fn impatient() -> Options {
    let mut options = options();
    options.timeout = Some(Duration::from_secs(4));
    options.grace = Duration::from_secs(1);
    options
}

async fn prove(
    setting: Setting,
    options: &Options,
) -> (Hostile, Recorder, Result<Proved<Bn254>, ClientError>) {
    let circuit = Circuit::tiny();
    let hostile = Hostile::start(&circuit, setting).await;
    let seen = Recorder::default();
    let result = hostile.client().prove(circuit.prepared(), None, options, seen.shared()).await;
    if let Ok(proved) = &result {
        verify(&circuit.key.vk, &proved.public, &proved.proof).unwrap();
    }
    (hostile, seen, result)
}

/// The script in which node 2's answer is replaced and the others are honest: there is a proof all the same. Returns
/// why the answer was refused.
async fn one_bad_answer(bad: impl Fn(&Play) -> Outcome + Send + Sync + 'static) -> Refusal {
    // With one answer missing besides, the refusal is what the error is about.
    let bad = Arc::new(bad);
    let copy = Arc::clone(&bad);
    let (_, seen, result) = prove(Setting::new(move |p| vec![p.all_but([(2, copy(p))])]), &options()).await;
    let proved = result.unwrap();
    assert!(proved.answered.iter().all(|m| m.index != 2), "{proved:?}");
    assert_eq!(seen.count(|e| matches!(e, Event::Refused { member, .. } if member.index == 2)), 1);

    let script = move |p: &Play| vec![p.all_but([(2, bad(p)), (3, Outcome::Pending)])];
    let (_, _, result) = prove(Setting::new(script), &impatient()).await;
    let error = result.unwrap_err();
    let ClientError::TimedOut { silent, refused, .. } = &error else { panic!("{error}") };
    assert_eq!(silent.iter().map(|m| m.index).collect::<Vec<_>>(), [3]);
    let [(member, refusal)] = refused.as_slice() else { panic!("{refused:?}") };
    assert_eq!(member.index, 2);
    assert!(error.to_string().contains(&member.name), "{error}");
    refusal.clone()
}

/// Whatever a coordinator or its nodes say about speed, and whether or not it takes part in measuring the line.
#[tokio::test(flavor = "multi_thread")]
async fn boasts_change_no_advice() {
    use tacit_client::plan::{Circuit as Planned, Line, Wish, plan, survey};
    let circuit = Circuit::tiny();
    let advice = async |list: fn(&mut Vec<tacit_wire::status::NodeInfo>)| {
        let hostile = Hostile::start(&circuit, Setting { list, ..Setting::new(|_| Vec::new()) }).await;
        let id = circuit.key.circuit_id;
        let found = survey(&hostile.client(), id, Duration::from_secs(60), true).await.unwrap();
        assert_eq!(found.line, None, "this coordinator does not know the request");
        let device = tacit_client::plan::Device { bases_per_second: 1_000_000, ..Default::default() };
        let nodes = found.nodes(device.bases_per_second);
        let plan =
            plan(&Planned::of(&circuit.key), &device, &nodes, Line::ASSUMED, &Wish::default()).unwrap();
        assert!(plan.rows.iter().all(|row| row.latency().is_finite()));
        (found.nodes.len(), plan.recommended.setting.dials)
    };
    let honest = advice(|nodes| nodes.iter_mut().for_each(|n| n.bases_per_second = 1_000_000)).await;
    assert_eq!(honest.0, 4);
    assert_eq!(advice(|nodes| nodes.iter_mut().for_each(|n| n.bases_per_second = 0)).await, honest);
    assert_eq!(advice(|nodes| nodes[2].bases_per_second = u64::MAX).await, honest);
    // A node that says it is fast and is not pinned, or is listed twice, is no node.
    let stranger = |nodes: &mut Vec<tacit_wire::status::NodeInfo>| {
        let mut fast = nodes[0].clone();
        fast.bases_per_second = 1_000_000_000;
        nodes.push(fast.clone());
        fast.identity = tacit_wire::IdentityKey([9; 32]);
        nodes.push(fast);
    };
    assert_eq!(advice(stranger).await, honest);
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_answers_make_a_proof_of_the_first_three() {
    let stages = |p: &Play| {
        vec![p.all_but([(1, Outcome::Pending), (2, Outcome::Pending)]), p.all_but([(1, Outcome::Pending)])]
    };
    let (_, seen, result) = prove(Setting::new(stages), &options()).await;
    let proved = result.unwrap();
    assert_eq!(proved.answered.iter().map(|m| m.index).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(seen.count(|e| matches!(e, Event::Verified { answers: 3 })), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_swapped_between_nodes_are_refused() {
    let swapped = |p: &Play| vec![p.all_but([(1, p.honest(2)), (2, p.honest(1)), (3, Outcome::Pending)])];
    let (_, _, result) = prove(Setting::new(swapped), &options()).await;
    let error = result.unwrap_err();
    // One good answer, one that may still come.
    let ClientError::TooFewAnswers { got: 2, refused, .. } = &error else { panic!("{error}") };
    assert_eq!(refused.len(), 2);
    for (_, refusal) in refused {
        assert!(
            matches!(refusal, Refusal::Misbehaved(PeerMisbehaved::ForgedAcknowledgement(_))),
            "{refusal:?}"
        );
    }
    // Each alone could be its node's doing; it cannot be told.
    assert!(error.culprits().iter().all(|c| matches!(c, Culprit::NodeOrCoordinator(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_from_a_node_is_its_fault() {
    let refusal = one_bad_answer(|p| p.signed(2, &p.node(2).identity, &p.package(2), b"garbage")).await;
    assert!(matches!(refusal, Refusal::Answer(_)), "{refusal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_with_a_point_off_the_curve_is_its_nodes_fault() {
    let refusal = one_bad_answer(|p| {
        let mut response = p.response(2);
        response[40] ^= 1;
        p.signed(2, &p.node(2).identity, &p.package(2), &response)
    })
    .await;
    assert!(matches!(refusal, Refusal::Answer(_)), "{refusal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_of_another_package_is_refused() {
    let refusal = one_bad_answer(|p| {
        let mut package = p.package(2);
        *package.last_mut().unwrap() ^= 1;
        p.signed(2, &p.node(2).identity, &package, &p.response(2))
    })
    .await;
    assert!(
        matches!(refusal, Refusal::Misbehaved(PeerMisbehaved::AcknowledgedAnotherPackage { .. })),
        "{refusal:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_signed_by_the_wrong_key_is_refused() {
    let refusal = one_bad_answer(|p| p.signed(2, &p.node(1).identity, &p.package(2), &p.response(2))).await;
    assert!(matches!(refusal, Refusal::Misbehaved(PeerMisbehaved::ForgedAcknowledgement(_))), "{refusal:?}");
    // A good acknowledgement with a response under another signature.
    let refusal = one_bad_answer(|p| {
        let forged = p.signed(2, &p.node(1).identity, &p.package(2), &p.response(2));
        let honest = p.honest(2);
        match (honest, forged) {
            (Outcome::Answered(mut honest), Outcome::Answered(forged)) => {
                honest.response = forged.response;
                Outcome::Answered(honest)
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert!(matches!(refusal, Refusal::Misbehaved(PeerMisbehaved::ForgedResponse(_))), "{refusal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_seal_is_refused() {
    let refusal = one_bad_answer(|p| match p.honest(2) {
        Outcome::Answered(mut answer) => {
            *answer.response.last_mut().unwrap() ^= 1;
            Outcome::Answered(answer)
        }
        other => other,
    })
    .await;
    assert!(matches!(refusal, Refusal::Misbehaved(PeerMisbehaved::UnopenableResponse { .. })), "{refusal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_another_deal_are_refused() {
    let circuit = Circuit::tiny();
    let script = |p: &Play| match p.earlier.first() {
        None => vec![p.all_but([])],
        // The first job's answers under the second one's name.
        Some(first) => {
            vec![JobAnswers { deal: Digest32(p.deal()), answers: first.answers.clone() }]
        }
    };
    let hostile = Hostile::start(&circuit, Setting::new(script)).await;
    let client = hostile.client();
    let silent = Recorder::default();
    client.prove(circuit.prepared(), None, &options(), silent.shared()).await.unwrap();
    let error = client.prove(circuit.prepared(), None, &options(), silent.shared()).await.unwrap_err();
    let ClientError::TooFewAnswers { refused, .. } = &error else { panic!("{error}") };
    assert_eq!(refused.len(), 4, "{error}");

    // And under their own name.
    let script = |p: &Play| match p.earlier.first() {
        None => vec![p.all_but([])],
        Some(first) => vec![first.clone()],
    };
    let hostile = Hostile::start(&circuit, Setting::new(script)).await;
    let client = hostile.client();
    client.prove(circuit.prepared(), None, &options(), silent.shared()).await.unwrap();
    let error = client.prove(circuit.prepared(), None, &options(), silent.shared()).await.unwrap_err();
    assert!(matches!(error, ClientError::WrongJob { .. }), "{error}");
    assert_eq!(error.culprits(), [Culprit::Coordinator]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_is_outvoted_when_a_spare_answer_is_there() {
    // Node 2 sends node 1's response as its own: well formed, signed, wrong.
    let lie = |p: &Play| p.signed(2, &p.node(2).identity, &p.package(2), &p.response(1));
    let (_, _, result) = prove(Setting::new(move |p| vec![p.all_but([(2, lie(p))])]), &options()).await;
    let proved = result.unwrap();
    assert_eq!(proved.suspects.iter().map(|m| m.index).collect::<Vec<_>>(), [2]);

    // It comes with the first three; the fourth answer comes later and mends it.
    let stages =
        move |p: &Play| vec![p.all_but([(2, lie(p)), (4, Outcome::Pending)]), p.all_but([(2, lie(p))])];
    let (_, seen, result) = prove(Setting::new(stages), &options()).await;
    assert_eq!(result.unwrap().suspects.len(), 1);
    assert_eq!(seen.count(|e| matches!(e, Event::AnswersDisagree { answers: 3, .. })), 1);

    // The fourth never comes: no proof, and nobody is blamed.
    let script = move |p: &Play| vec![p.all_but([(2, lie(p)), (4, Outcome::Pending)])];
    let (_, _, result) = prove(Setting::new(script), &impatient()).await;
    let error = result.unwrap_err();
    assert!(matches!(error, ClientError::NotAssembled { .. }), "{error}");
    assert!(error.culprits().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_different_signed_responses_are_guilt() {
    let lie = |p: &Play| p.signed(2, &p.node(2).identity, &p.package(2), &p.response(1));
    let stages = move |p: &Play| {
        let pending = || [(3, Outcome::Pending), (4, Outcome::Pending)];
        vec![p.all_but(pending()), p.all_but(pending().into_iter().chain([(2, lie(p))])), {
            // Only then does the status show that another node has spoken.
            p.all_but([(2, lie(p)), (3, Outcome::Pending)])
        }]
    };
    let (_, _, result) = prove(Setting::new(stages), &impatient()).await;
    let error = result.unwrap_err();
    let ClientError::TimedOut { refused, .. } = &error else { panic!("{error}") };
    assert!(
        matches!(
            refused.as_slice(),
            [(_, Refusal::Misbehaved(PeerMisbehaved::ContradictoryResponses { .. }))]
        ),
        "{refused:?}"
    );
    assert!(error.culprits().iter().any(|c| matches!(c, Culprit::Node(m) if m.index == 2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_witness_blames_nobody_however_many_answer() {
    let circuit = Circuit::tiny();
    let unchecked = Prepared::new(&circuit.key, &circuit.wrong_witness(), None, Handover::Witness).unwrap();
    let hostile = Hostile::start(&circuit, Setting::new(|p| vec![p.all_but([])])).await;
    let error =
        hostile.client().prove(unchecked, None, &options(), Recorder::default().shared()).await.unwrap_err();
    assert!(
        matches!(&error, ClientError::NotAssembled { error: AssembleError::Invalid { spare: 1, .. }, .. }),
        "{error}"
    );
    assert!(error.culprits().is_empty());
    assert_eq!(hostile.headers().len(), 1, "a wrong witness is not dealt again");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_of_all_is_told_by_name_and_an_outage_as_one() {
    let silent = |p: &Play| vec![p.all_but((1..=4).map(|i| (i, Outcome::Pending)))];
    let (_, _, result) = prove(Setting::new(silent), &impatient()).await;
    let error = result.unwrap_err().to_string();
    assert!((1..=4).all(|i| error.contains(&format!("node-{i}"))), "{error}");

    // An outage in between only delays.
    let mut setting = Setting::new(|p| vec![p.all_but([])]);
    setting.unavailable = 2;
    let (_, seen, result) = prove(setting, &options()).await;
    result.unwrap();
    assert_eq!(seen.count(|e| matches!(e, Event::Unreachable { .. })), 2);

    // One without end is not the nodes' fault.
    let mut setting = Setting::new(|p| vec![p.all_but([])]);
    setting.unavailable = usize::MAX;
    let (_, _, result) = prove(setting, &impatient()).await;
    let error = result.unwrap_err();
    assert!(matches!(&error, ClientError::TimedOut { unreachable: Some(_), .. }), "{error}");
    assert!(error.culprits().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_key_is_mended_by_a_fresh_deal_that_shares_nothing_with_the_first() {
    let script = |p: &Play| match p.number {
        1 => {
            let stale = || refusal(RefusalCode::StaleSealingKey, Blame::Nobody);
            vec![p.all_but([(1, stale()), (2, stale())])]
        }
        _ => vec![p.all_but([])],
    };
    let (hostile, seen, result) = prove(Setting::new(script), &options()).await;
    result.unwrap();
    assert_eq!(seen.count(|e| matches!(e, Event::DealtAgain { attempt: 2, .. })), 1);
    let headers = hostile.headers();
    let [first, second] = headers.as_slice() else { panic!("{} deals", headers.len()) };
    assert_ne!(first.nonce, second.nonce);
    assert_ne!(first.terms.client_key, second.terms.client_key);
    assert_ne!(first.terms.assembler_key, second.terms.assembler_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_a_fresh_deal_does_not_mend_end_the_job() {
    let script = |p: &Play| {
        let no = || refusal(RefusalCode::NotAdmitted, Blame::Client);
        vec![p.all_but([(1, no()), (2, no())])]
    };
    let (hostile, _, result) = prove(Setting::new(script), &options()).await;
    let error = result.unwrap_err();
    assert!(matches!(&error, ClientError::TooFewAnswers { needed: 3, got: 2, .. }), "{error}");
    assert!(error.to_string().contains("not_admitted"), "{error}");
    assert_eq!(hostile.headers().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_from_indices_that_do_not_exist_are_ignored() {
    let script = |p: &Play| {
        let mut all = p.all_but([(4, Outcome::Pending)]);
        all.answers.push(NodeAnswer { index: 9, outcome: p.honest(1) });
        vec![all]
    };
    let (_, _, result) = prove(Setting::new(script), &options()).await;
    result.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_seats_strangers_gets_no_deal() {
    // A node of its own in place of a pinned one.
    let mut setting = Setting::new(|p| vec![p.all_but([])]);
    setting.list = |listed| {
        let stranger = crate::hostile::Node::new(77);
        listed[0].identity = stranger.identity.key();
    };
    let (hostile, seen, result) = prove(setting, &options()).await;
    let error = result.unwrap_err();
    let ClientError::Committee(CommitteeError::NotEnough { rejected, unlisted, .. }) = &error else {
        panic!("{error}")
    };
    assert_eq!(*rejected[0].rule, Rule::NotPinned);
    assert_eq!(unlisted, &["node-1"]);
    assert_eq!(seen.count(|e| matches!(e, Event::Dealt { .. })), 0);
    assert!(hostile.headers().is_empty());

    // A pinned node under a key of the coordinator's.
    let mut setting = Setting::new(|p| vec![p.all_but([])]);
    setting.list = |listed| {
        listed[0].sealing_key_certificate = listed[1].sealing_key_certificate.clone();
    };
    let (hostile, _, result) = prove(setting, &options()).await;
    assert!(matches!(result.unwrap_err(), ClientError::Committee(_)));
    assert!(hostile.headers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinators_proof_is_released_only_if_it_verifies() {
    use tacit_algebra::{Group, Groups};
    let mut options = options();
    options.assembler = Assembler::Coordinator;
    let g1 = || <Bn254 as Groups>::G1::generator().scale(&ark_bn254::Fr::from(5u64)).to_affine();
    let forged =
        tacit_circom::Proof::<Bn254> { a: g1(), b: <Bn254 as Groups>::G2::generator().to_affine(), c: g1() };
    for (proof, expected) in [
        (serde_json::from_str(&forged.to_json()).unwrap(), "does not verify"),
        (serde_json::json!({ "pi_a": ["1"] }), "cannot be read"),
        (serde_json::Value::Null, "cannot be read"),
    ] {
        let mut setting = Setting::new(|p| vec![p.all_but([])]);
        setting.proof = Some(proof);
        let (_, _, result) = prove(setting, &options).await;
        let error = result.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.culprits(), [Culprit::Coordinator]);
    }
}

/// Where the client assembles such an answer is left out; where the coordinator does, the client cannot leave it out.
#[tokio::test(flavor = "multi_thread")]
async fn where_the_coordinator_assembles_another_acknowledged_package_ends_the_deal_by_name() {
    let mut options = options();
    options.assembler = Assembler::Coordinator;
    // Node 2 of whichever committee it is, in the first deal only.
    let script = |p: &Play| {
        let mut package = p.package(2);
        *package.last_mut().unwrap() ^= 1;
        let bad = p.signed(2, &p.node(2).identity, &package, &p.response(2));
        vec![if p.number == 1 { p.all_but([(2, bad)]) } else { p.all_but([]) }]
    };
    let (hostile, _, result) = prove(Setting::new(script), &options).await;
    let error = result.unwrap_err();
    let ClientError::AcknowledgedOtherwise { job, member } = &error else { panic!("{error}") };
    assert_eq!(error.culprits(), [Culprit::Node(member.clone())]);
    assert!(error.to_string().contains("acknowledged another package than the one dealt to it"), "{error}");
    assert_eq!((hostile.cancelled(), hostile.committee_of(*job)[1].0), (vec![*job], member.identity));
    // With a node to spare the second deal goes around it; what the coordinator then brings as a proof is refused for its own reasons.
    let mut setting = Setting::new(script);
    setting.nodes = 5;
    let (hostile, seen, result) = prove(setting, &options).await;
    assert!(result.unwrap_err().to_string().contains("cannot be read"));
    assert_eq!(seen.count(|e| matches!(e, Event::DealtAgain { attempt: 2, .. })), 1);
    let deals: Vec<Digest32> = hostile.headers().iter().map(|h| Digest32(h.deal_id().0)).collect();
    let [first, second] = deals[..] else { panic!("{deals:?}") };
    assert_eq!(hostile.cancelled(), [first]);
    assert!(!hostile.committee_of(second).contains(&hostile.committee_of(first)[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_runs_out_of_time_says_so() {
    let script = |p: &Play| vec![p.all_but([(2, Outcome::Pending), (3, Outcome::Pending)])];
    let (hostile, _, result) = prove(Setting::new(script), &impatient()).await;
    assert!(matches!(result.unwrap_err(), ClientError::TimedOut { unreachable: None, .. }));
    assert_eq!(hostile.cancelled(), [Digest32(hostile.headers()[0].deal_id().0)]);
}
