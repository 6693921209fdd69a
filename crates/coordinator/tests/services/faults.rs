//! Nodes that die, lie, stay silent or talk nonsense: with four nodes and threshold one, none of it changes the outcome.

use tacit_wire::frame::Body as _;
use tacit_wire::messages::{Answer, Outcome, Ping, RefusalCode};
use tacit_wire::status::{DeliveryState, JobState, JobStatus};
use tacit_wire::{Blame, Identity, PeerMisbehaved};

use crate::fixture::{Behaviour, By, Dealt, FakeKeys, Network, deal, now};

/// Three honest nodes and one that behaves as told; returns once all replies that will come have come.
async fn with_one(
    behave: impl Fn(&FakeKeys, tacit_wire::messages::Offer) -> Behaviour + Send + Sync + 'static,
    done: impl Fn(&JobStatus) -> bool,
) -> (Network, Dealt, JobStatus) {
    let fake = FakeKeys::new();
    let network = Network::ready(3, &[&fake.identity]).await;
    fake.connect(&network, behave).await;
    let dealt = deal(&network.certificates().await, By::Client, now() + 600, 3);
    network.api.submit(&dealt.message).await;
    let honest = |s: &JobStatus| s.nodes[..3].iter().all(|n| n.state == DeliveryState::Answered);
    let status = network.api.wait_for(dealt.id, |s| honest(s) && done(s)).await;
    (network, dealt, status)
}

fn refused(status: &JobStatus) -> bool {
    status.nodes[3].state == DeliveryState::Refused
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_node_that_dies_with_the_offer_in_hand() {
    let (network, dealt, status) = with_one(|_, _| Behaviour::Die, |_| true).await;
    assert_eq!(status.state, JobState::Answered);
    assert!(dealt.prove(&network.api.answers(dealt.id).await).is_empty());
    // It is offered again when it comes back, until the deal expires.
    let status = network.api.wait_for(dealt.id, |s| s.nodes[3].state == DeliveryState::Lost).await;
    assert_eq!(status.state, JobState::Answered);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_node_killed_in_the_middle_of_a_job() {
    let mut network = Network::ready(4, &[]).await;
    let dealt = deal(&network.certificates().await, By::Client, now() + 600, 3);
    network.api.submit(&dealt.message).await;
    network.nodes[0].take().unwrap().kill().await;
    network.api.wait_answered(dealt.id).await;
    assert!(dealt.prove(&network.api.answers(dealt.id).await).is_empty());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_node_that_never_answers() {
    let (network, dealt, status) = with_one(|_, _| Behaviour::Silence, |_| true).await;
    assert_eq!(status.state, JobState::Answered);
    assert_eq!(status.nodes[3].state, DeliveryState::Offered);
    let answers = network.api.answers(dealt.id).await;
    assert_eq!(answers.answers[3].outcome, Outcome::Pending);
    assert!(dealt.prove(&answers).is_empty());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_node_that_answers_with_noise() {
    let noise: Vec<u8> = (0..500u32).map(|i| (i * 7919 % 251) as u8).collect();
    for frame in [noise, Ping { number: 1 }.to_frame(), Vec::new()] {
        let (network, dealt, status) = with_one(move |_, _| Behaviour::Frame(frame.clone()), refused).await;
        let refusal = status.nodes[3].refusal.as_ref().unwrap();
        assert_eq!((refusal.code, refusal.blame), (RefusalCode::Malformed, Blame::Node));
        assert!(dealt.prove(&network.api.answers(dealt.id).await).is_empty());
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
pub async fn an_acknowledgement_signed_by_the_wrong_key_is_stopped_by_the_coordinator() {
    let stranger = Identity::from_seed(&[7; 32]);
    let behave = move |keys: &FakeKeys, offer| {
        Behaviour::Frame(keys.answer(&offer, &stranger, &keys.identity).to_frame())
    };
    let (network, dealt, status) = with_one(behave, refused).await;
    let refusal = status.nodes[3].refusal.as_ref().unwrap();
    assert_eq!((refusal.code, refusal.blame), (RefusalCode::Malformed, Blame::Node));
    assert!(refusal.text.contains("acknowledgement"), "{}", refusal.text);
    assert!(dealt.prove(&network.api.answers(dealt.id).await).is_empty());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_response_signed_by_the_wrong_key_is_found_by_the_client() {
    let stranger = Identity::from_seed(&[7; 32]);
    let behave = move |keys: &FakeKeys, offer| {
        Behaviour::Frame(keys.answer(&offer, &keys.identity, &stranger).to_frame())
    };
    let all = |s: &JobStatus| s.nodes[3].state == DeliveryState::Answered;
    let (network, dealt, _) = with_one(behave, all).await;
    let bad = dealt.prove(&network.api.answers(dealt.id).await);
    assert!(matches!(bad.as_slice(), [(4, PeerMisbehaved::ForgedResponse(_))]), "{bad:?}");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_response_that_is_noise_is_found_by_the_client() {
    let behave = |keys: &FakeKeys, offer| {
        let honest = keys.answer(&offer, &keys.identity, &keys.identity);
        Behaviour::Frame(Answer { response: vec![9; honest.response.len()], ..honest }.to_frame())
    };
    let all = |s: &JobStatus| s.nodes[3].state == DeliveryState::Answered;
    let (network, dealt, _) = with_one(behave, all).await;
    let bad = dealt.prove(&network.api.answers(dealt.id).await);
    assert!(matches!(bad.as_slice(), [(4, PeerMisbehaved::UnopenableResponse { .. })]), "{bad:?}");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn an_answer_to_another_job_is_stopped_by_the_coordinator() {
    let elsewhere = FakeKeys::new();
    let fake = FakeKeys::new();
    let certificates = [fake.certificate.clone(), elsewhere.certificate.clone(), FakeKeys::new().certificate];
    let other = deal(&certificates, By::Client, now() + 600, 4);
    let replayed = fake.answer(&other.offer(1), &fake.identity, &fake.identity).to_frame();

    let network = Network::ready(3, &[&fake.identity]).await;
    fake.connect(&network, move |_, _| Behaviour::Frame(replayed.clone())).await;
    let dealt = deal(&network.certificates().await, By::Client, now() + 600, 3);
    network.api.submit(&dealt.message).await;
    let status = network.api.wait_for(dealt.id, |s| refused(s) && s.state == JobState::Answered).await;
    let refusal = status.nodes[3].refusal.as_ref().unwrap();
    assert_eq!(refusal.blame, Blame::Node);
    network.api.wait_for(dealt.id, |s| s.nodes[..3].iter().all(|n| n.state == DeliveryState::Answered)).await;
    assert!(dealt.prove(&network.api.answers(dealt.id).await).is_empty());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn too_many_refusals_fail_a_job_unless_its_client_can_replace_nodes() {
    let fakes = [FakeKeys::new(), FakeKeys::new()];
    let network = Network::ready(2, &[&fakes[0].identity, &fakes[1].identity]).await;
    for fake in &fakes {
        fake.connect(&network, |_, _| Behaviour::Frame(vec![0; 3])).await;
    }
    let assembler = network.api.network().await.assembler_certificate.unwrap().decode().unwrap();
    let certificates = network.certificates().await;
    let dealt = deal(&certificates, By::Coordinator(&assembler), now() + 600, 3);
    network.api.submit(&dealt.message).await;
    let status = network.api.wait_for(dealt.id, |s| s.state == JobState::Failed).await;
    assert_eq!(status.error.unwrap().code, "not_enough_nodes");

    let dealt = deal(&certificates, By::Client, now() + 600, 3);
    network.api.submit(&dealt.message).await;
    let all_spoke = |s: &JobStatus| {
        s.nodes.iter().all(|n| matches!(n.state, DeliveryState::Answered | DeliveryState::Refused))
    };
    let status = network.api.wait_for(dealt.id, all_spoke).await;
    assert_eq!(status.state, JobState::Running);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_stranger_and_a_stale_certificate_are_turned_away() {
    let (known, stranger) = (FakeKeys::new(), FakeKeys::new());
    let network = Network::new(0, &[&known.identity]).await;
    let hello = |keys: &FakeKeys, certificate: &tacit_wire::SealingKeyCertificate| {
        let dialer = tacit_net::Dialer::new(keys.identity.clone(), tacit_net::Settings::default());
        let hello = tacit_wire::messages::Hello {
            versions: vec![1],
            software: String::new(),
            certificate: certificate.clone(),
            circuits: vec![],
            slices: vec![],
            capacity: 1,
            bases_per_second: 0,
        };
        let (address, identity) = (network.config.quic_listen, network.coordinator_identity);
        async move { dialer.connect(address, identity).await?.request(&hello, 4096, crate::fixture::LONG).await }
    };
    let refused = hello(&stranger, &stranger.certificate).await.unwrap_err();
    assert!(matches!(refused, tacit_net::NetError::Closed { code: 1, .. }), "{refused}");
    // Another identity's certificate.
    let reply = hello(&known, &stranger.certificate).await.unwrap();
    assert!(
        matches!(&reply, tacit_wire::Message::Refusal(r) if r.code == RefusalCode::NotAdmitted),
        "{reply:?}"
    );
    let accepted = hello(&known, &known.certificate).await.unwrap();
    assert!(matches!(accepted, tacit_wire::Message::Welcome(_)));
    network.stop().await;
}
