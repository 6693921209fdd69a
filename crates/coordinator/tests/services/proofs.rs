//! The good day, and restarts.

use reqwest::StatusCode;
use serde_json::Value;
use tacit_circom::{Proof, public};
use tacit_groth16::verify;
use tacit_wire::messages::Outcome;
use tacit_wire::status::{DeliveryState, JobState};

use crate::fixture::{By, F, Network, circuit, deal, now};

#[tokio::test(flavor = "multi_thread")]
pub async fn four_nodes_make_a_proof_that_the_client_assembles() {
    let network = Network::ready(4, &[]).await;
    let dealt = deal(&network.certificates().await, By::Client, now() + 600, 3);
    let (code, body) = network.api.submit(&dealt.message).await;
    assert_eq!(code, StatusCode::CREATED, "{body}");
    let status =
        network.api.wait_for(dealt.id, |s| s.nodes.iter().all(|n| n.state == DeliveryState::Answered)).await;
    assert_eq!(status.state, JobState::Answered);
    assert!(status.nodes.iter().all(|n| n.envelope_bytes > 0 && n.response_bytes > 0));
    let answers = network.api.answers(dealt.id).await;
    assert_eq!(answers.answers.len(), 4);
    assert!(dealt.prove(&answers).is_empty());

    // Nothing changes when the same bytes come again.
    assert_eq!(network.api.submit(&dealt.message).await.0, StatusCode::OK);
    assert_eq!(network.api.answers(dealt.id).await, answers);

    // A second job finds the circuit prepared; the first one's envelopes are gone from every file.
    let second = deal(&network.certificates().await, By::Client, now() + 600, 5);
    network.api.submit(&second.message).await;
    network.api.wait_answered(second.id).await;
    assert!(second.prove(&network.api.answers(second.id).await).is_empty());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn no_package_is_ever_on_a_disk() {
    let network = Network::ready(3, &[]).await;
    let dealt = deal(&network.certificates().await, By::Client, now() + 600, 11);
    network.api.submit(&dealt.message).await;
    network.api.wait_for(dealt.id, |s| s.nodes.iter().all(|n| n.state == DeliveryState::Answered)).await;
    let files = network.coordinator_bytes();
    let finder = |needle: &[u8]| files.windows(needle.len()).any(|w| w == needle);
    assert!(finder(&dealt.id.0), "a deal's name is no secret, and shows that this looks in the right place");
    // The salt, the seed or the first share: 32 bytes of a package from its secret part on.
    for package in &dealt.packages {
        assert!(!finder(&package[36..68]), "a salt is on disk");
        assert!(!finder(&package[package.len() - 32..]), "a seed or mask is on disk");
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn the_coordinator_assembles_when_it_is_asked_to() {
    let network = Network::ready(4, &[]).await;
    let info = network.api.network().await;
    let certificate = info.assembler_certificate.unwrap().decode().unwrap();
    let dealt = deal(&network.certificates().await, By::Coordinator(&certificate), now() + 600, 7);
    let (code, body) = network.api.submit(&dealt.message).await;
    assert_eq!(code, StatusCode::CREATED, "{body}");
    network.api.wait_for(dealt.id, |s| s.state == JobState::Proved).await;
    let (code, body) = network.api.get(&format!("/v1/jobs/{}/proof", dealt.id)).await;
    assert_eq!(code, StatusCode::OK);
    let value: Value = serde_json::from_slice(&body).unwrap();
    let proof = Proof::from_json(value["proof"].to_string()).unwrap();
    let public = public::from_json::<F>(value["public"].to_string()).unwrap();
    assert_eq!(public, dealt.header.terms.public);
    verify::verify(&circuit().key.vk, &public, &proof).unwrap();
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_wrong_witness_blames_no_node() {
    let network = Network::ready(3, &[]).await;
    let info = network.api.network().await;
    let certificate = info.assembler_certificate.unwrap().decode().unwrap();
    let mut wrong = crate::fixture::witness(7);
    *wrong.last_mut().unwrap() += F::from(1u64);
    let dealt = crate::fixture::deal_of(
        circuit(),
        &network.certificates().await,
        By::Coordinator(&certificate),
        now() + 600,
        &wrong,
    );
    network.api.submit(&dealt.message).await;
    let status = network.api.wait_for(dealt.id, |s| s.state == JobState::Failed).await;
    let error = status.error.unwrap();
    assert_eq!(error.code, "invalid_proof");
    assert_eq!(error.blame, tacit_wire::Blame::Nobody);
    assert!(error.message.contains("witness may be wrong"), "{}", error.message);
    let (code, _) = network.api.get(&format!("/v1/jobs/{}/proof", dealt.id)).await;
    assert_eq!(code, StatusCode::CONFLICT);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_coordinator_that_was_killed_goes_on_where_it_was() {
    let mut network = Network::ready(4, &[]).await;
    let certificates = network.certificates().await;
    // Two nodes answer, two are away: not enough.
    network.nodes[2].take().unwrap().kill().await;
    network.nodes[3].take().unwrap().kill().await;
    let dealt = deal(&certificates, By::Client, now() + 600, 3);
    assert_eq!(network.api.submit(&dealt.message).await.0, StatusCode::CREATED);
    let answered = |s: &tacit_wire::status::JobStatus| {
        s.nodes.iter().filter(|n| n.state == DeliveryState::Answered).count()
    };
    network.api.wait_for(dealt.id, |s| answered(s) == 2).await;
    let before = network.api.answers(dealt.id).await;

    network.coordinator.take().unwrap().kill().await;
    network.start_coordinator().await;
    let status = network.api.wait_for(dealt.id, |_| true).await;
    assert_eq!(answered(&status), 2, "what was accepted is still there");
    network.start_node(2).await;
    network.api.wait_answered(dealt.id).await;
    let after = network.api.answers(dealt.id).await;
    assert_eq!(before.answers[..2], after.answers[..2]);
    assert!(matches!(after.answers[2].outcome, Outcome::Answered(_)));
    assert!(dealt.prove(&after).is_empty());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_node_that_comes_back_is_offered_what_it_missed() {
    let mut network = Network::ready(3, &[]).await;
    let certificates = network.certificates().await;
    network.nodes[1].take().unwrap().stop().await;
    let dealt = deal(&certificates, By::Client, now() + 600, 3);
    network.api.submit(&dealt.message).await;
    network.start_node(1).await;
    network.api.wait_answered(dealt.id).await;
    assert!(dealt.prove(&network.api.answers(dealt.id).await).is_empty());
    network.stop().await;
}
