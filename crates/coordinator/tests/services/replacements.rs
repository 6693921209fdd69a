//! A node that is lost is replaced by the client's word, and by nobody else's; a job that needs nothing more ends for everybody.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tacit_vault::identity::system_rng;
use tacit_wire::envelope::seal_package;
use tacit_wire::frame::Body as _;
use tacit_wire::messages::{Cancel, Delivery, Reassign, Refusal, RefusalCode};
use tacit_wire::status::{DeliveryState, JobState};
use tacit_wire::{Blame, Digest32, Identity, SealingKeyCertificate, Slot};
use tokio::sync::Notify;

use crate::fixture::{Api, Behaviour, By, Dealt, FakeKeys, LONG, Network, deal, now};

/// The package of a place, for another node.
fn delivery(dealt: &Dealt, client: &Identity, place: u8, to: &SealingKeyCertificate) -> Delivery {
    // Of a place that there is not, any will do.
    let package = &dealt.packages[usize::from(place - 1) % dealt.packages.len()];
    let (assignment, envelope) =
        seal_package(client, dealt.id.0, Slot::index(place), to, package, &mut system_rng().unwrap())
            .unwrap();
    Delivery { assignment, envelope }
}

async fn reassign(api: &Api, id: Digest32, delivery: &Delivery) -> (StatusCode, Value) {
    let frame = Reassign { delivery: delivery.clone() }.to_frame();
    api.send(Method::POST, &format!("/v1/jobs/{id}/reassign"), frame).await
}

async fn cancel(api: &Api, id: Digest32, cancel: Cancel) -> (StatusCode, Value) {
    api.send(Method::POST, &format!("/v1/jobs/{id}/cancel"), cancel.to_frame()).await
}

/// A node that refuses every offer.
async fn refusing(network: &Network, fake: &FakeKeys) {
    let refusal = Refusal::new(RefusalCode::BadPackage, Blame::Client, "no");
    fake.connect(network, move |_, _| Behaviour::Frame(refusal.to_frame())).await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn another_node_takes_the_place_of_one_that_refused() {
    let fake = FakeKeys::new();
    let network = Network::ready(3, &[&fake.identity]).await;
    refusing(&network, &fake).await;
    let certificates = network.certificates().await;
    let [one, two, spare, refuser] = certificates.as_slice() else { panic!() };
    let mut dealt = deal(&[one.clone(), two.clone(), refuser.clone()], By::Client, now() + 600, 3);
    network.api.submit(&dealt.message).await;
    let answered_but_one = |s: &tacit_wire::status::JobStatus| {
        s.nodes[2].state == DeliveryState::Refused
            && s.nodes[..2].iter().all(|n| n.state == DeliveryState::Answered)
    };
    let status = network.api.wait_for(dealt.id, answered_but_one).await;
    // All three are needed, and still there is hope.
    assert_eq!(status.state, JobState::Running);

    let delivery = delivery(&dealt, &dealt.client, 3, spare);
    let (code, body) = reassign(&network.api, dealt.id, &delivery).await;
    assert_eq!(code, StatusCode::OK, "{body}");
    // The same bytes once more change nothing.
    assert_eq!(reassign(&network.api, dealt.id, &delivery).await.0, StatusCode::OK);
    // Who was replaced does not come back with the assignment that it once had, nor does anybody for it.
    let old = dealt.message.deliveries[2].clone();
    let (code, body) = reassign(&network.api, dealt.id, &old).await;
    assert_eq!(code, StatusCode::CONFLICT, "{body}");
    dealt.message.deliveries[2] = delivery;
    let status = network.api.wait_answered(dealt.id).await;
    assert_eq!(status.nodes[2].identity, spare.identity);
    assert!(dealt.prove(&network.api.answers(dealt.id).await).is_empty());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_replacement_must_be_the_clients_and_break_no_rule() {
    let fake = FakeKeys::new();
    let network = Network::ready(4, &[&fake.identity]).await;
    refusing(&network, &fake).await;
    let certificates = network.certificates().await;
    let [one, two, three, spare, refuser] = certificates.as_slice() else { panic!() };
    let seated = [one.clone(), two.clone(), three.clone(), refuser.clone()];
    let dealt = deal(&seated, By::Client, now() + 600, 3);
    network.api.submit(&dealt.message).await;
    network
        .api
        .wait_for(dealt.id, |s| {
            s.nodes[3].state == DeliveryState::Refused
                && s.nodes[..3].iter().all(|n| n.state == DeliveryState::Answered)
        })
        .await;
    // The job has ended: every node has spoken, and three answers suffice.
    let (code, body) = reassign(&network.api, dealt.id, &delivery(&dealt, &dealt.client, 4, spare)).await;
    assert_eq!((code, body["code"].as_str()), (StatusCode::CONFLICT, Some("ended")), "{body}");

    let dealt = deal(&[one.clone(), two.clone(), refuser.clone()], By::Client, now() + 600, 4);
    network.api.submit(&dealt.message).await;
    network
        .api
        .wait_for(dealt.id, |s| {
            s.nodes[2].state == DeliveryState::Refused
                && s.nodes[..2].iter().all(|n| n.state == DeliveryState::Answered)
        })
        .await;
    let stranger = Identity::generate(&mut system_rng().unwrap());
    let elsewhere = FakeKeys::new();
    let other = deal(&[one.clone(), two.clone(), refuser.clone()], By::Client, now() + 600, 5);
    let mut swapped = delivery(&dealt, &dealt.client, 3, spare);
    swapped.envelope = delivery(&dealt, &dealt.client, 3, spare).envelope;
    for (what, delivery, status, code) in [
        ("by a stranger", delivery(&dealt, &stranger, 3, spare), 422, "forged_assignment"),
        ("swapped envelope", swapped, 422, "envelope_digest"),
        ("of another deal", delivery(&other, &other.client, 3, spare), 422, "wrong_deal"),
        ("no such place", delivery(&dealt, &dealt.client, 4, spare), 422, "no_such_place"),
        ("unknown node", delivery(&dealt, &dealt.client, 3, &elsewhere.certificate), 422, "unknown_node"),
        ("a node with a place", delivery(&dealt, &dealt.client, 3, one), 409, "duplicate_node"),
        ("a place that answered", delivery(&dealt, &dealt.client, 1, spare), 409, "answered"),
    ] {
        let (got, body) = reassign(&network.api, dealt.id, &delivery).await;
        assert_eq!((got.as_u16(), body["code"].as_str()), (status, Some(code)), "{what}: {body}");
    }
    // Garbage is refused as a submission's is.
    for body in [Vec::new(), vec![7; 100], Cancel::sign(&dealt.client, dealt.id).to_frame()] {
        let path = format!("/v1/jobs/{}/reassign", dealt.id);
        assert!(network.api.send(Method::POST, &path, body).await.0.is_client_error());
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_job_that_needs_nothing_more_ends_for_everybody() {
    let fake = FakeKeys::new();
    let network = Network::ready(3, &[&fake.identity]).await;
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    fake.connect(&network, move |_, _| Behaviour::UntilUnwanted(Arc::clone(&tell))).await;
    let dealt = deal(&network.certificates().await, By::Client, now() + 600, 3);
    network.api.submit(&dealt.message).await;
    network
        .api
        .wait_for(dealt.id, |s| s.state == JobState::Answered && s.nodes[3].state == DeliveryState::Offered)
        .await;

    // Only by its client.
    let stranger = Identity::generate(&mut system_rng().unwrap());
    let (code, body) = cancel(&network.api, dealt.id, Cancel::sign(&stranger, dealt.id)).await;
    assert!(code.is_client_error(), "{body}");
    let elsewhere = Cancel::sign(&dealt.client, Digest32([9; 32]));
    assert!(cancel(&network.api, dealt.id, elsewhere).await.0.is_client_error());
    let forged = Cancel { deal: dealt.id, ..elsewhere };
    assert!(cancel(&network.api, dealt.id, forged).await.0.is_client_error());

    let (code, body) = cancel(&network.api, dealt.id, Cancel::sign(&dealt.client, dealt.id)).await;
    assert_eq!(code, StatusCode::OK, "{body}");
    // The node that has the offer hears of it.
    tokio::time::timeout(LONG, told.notified()).await.unwrap();
    let status = network.api.wait_for(dealt.id, |s| s.nodes[3].state == DeliveryState::Lost).await;
    assert_eq!(status.state, JobState::Answered);
    assert!(dealt.prove(&network.api.answers(dealt.id).await).is_empty());
    // Once more, as after an answer that was lost.
    assert_eq!(cancel(&network.api, dealt.id, Cancel::sign(&dealt.client, dealt.id)).await.0, StatusCode::OK);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_job_that_is_given_up_fails() {
    let fake = FakeKeys::new();
    let network = Network::ready(2, &[&fake.identity]).await;
    fake.connect(&network, |_, _| Behaviour::Silence).await;
    let dealt = deal(&network.certificates().await, By::Client, now() + 600, 3);
    network.api.submit(&dealt.message).await;
    network.api.wait_for(dealt.id, |s| s.nodes[2].state == DeliveryState::Offered).await;
    cancel(&network.api, dealt.id, Cancel::sign(&dealt.client, dealt.id)).await;
    let status = network.api.wait_for(dealt.id, |s| s.state == JobState::Failed).await;
    assert_eq!(status.error.unwrap().code, "cancelled");
    network.stop().await;
}
