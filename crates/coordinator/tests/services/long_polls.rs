//! Long polls: a client that needs so many answers is told when there are so many, and of what goes wrong at once.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use tacit_wire::frame::Body as _;
use tacit_wire::messages::{Refusal, RefusalCode};
use tacit_wire::status::{DeliveryState, JobStatus};
use tacit_wire::{Blame, Digest32};

use crate::fixture::{Api, Behaviour, By, FakeKeys, LONG, Network, deal, now};

/// What the coordinator says, and after how long.
async fn poll(api: &Api, id: Digest32, wait: u64, answers: usize) -> (JobStatus, Duration) {
    let began = Instant::now();
    let (code, body) = api.get(&format!("/v1/jobs/{id}?wait={wait}&seen=1&answers={answers}")).await;
    assert_eq!(code, StatusCode::OK);
    let value: Value = serde_json::from_slice(&body).unwrap();
    (serde_json::from_value(value).unwrap(), began.elapsed())
}

fn count(status: &JobStatus, state: DeliveryState) -> usize {
    status.nodes.iter().filter(|node| node.state == state).count()
}

/// What nodes say to `network`'s coordinator, asked for at `api`.
pub async fn told_of_answers(network: &Network, api: &Api, fake: &FakeKeys) {
    // The fake one does not come before it is to refuse.
    let present = network.api.network().await.nodes;
    let present = present.iter().filter_map(|node| node.sealing_key_certificate.as_ref());
    let mut certificates: Vec<_> = present.map(|certificate| certificate.decode().unwrap()).collect();
    certificates.push(fake.certificate.clone());
    let dealt = deal(&certificates, By::Client, now() + 600, 3);
    // Somebody asks before there is anything.
    let early = {
        let (api, id) = (api.clone(), dealt.id);
        tokio::spawn(async move {
            while api.get(&format!("/v1/jobs/{id}")).await.0 == StatusCode::NOT_FOUND {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            poll(&api, id, 30, 2).await
        })
    };
    assert_eq!(network.api.submit(&dealt.message).await.0, StatusCode::CREATED);
    let (two, took) = early.await.unwrap();
    assert_eq!(count(&two, DeliveryState::Answered), 2);
    assert!(took < Duration::from_secs(25), "{took:?}");
    // A third does not come: not told before the time is over.
    let (two, took) = poll(api, dealt.id, 1, 3).await;
    assert_eq!(count(&two, DeliveryState::Answered), 2);
    assert!(took >= Duration::from_secs(1), "{took:?}");
    // A refusal does, which whoever waits has to know.
    let waiting = {
        let (api, id) = (api.clone(), dealt.id);
        tokio::spawn(async move { poll(&api, id, 30, 3).await })
    };
    let refusal = Refusal::new(RefusalCode::BadPackage, Blame::Client, "no");
    fake.connect(network, move |_, _| Behaviour::Frame(refusal.to_frame())).await;
    let (refused, took) = tokio::time::timeout(LONG, waiting).await.unwrap().unwrap();
    assert_eq!(count(&refused, DeliveryState::Refused), 1);
    assert!(took < Duration::from_secs(25), "{took:?}");
    // With what the nodes said, if that is asked for.
    let (_, body) = api.get(&format!("/v1/jobs/{}?answers=2&bring=true", dealt.id)).await;
    let status: Value = serde_json::from_slice(&body).unwrap();
    let (_, frame) = api.get(&format!("/v1/jobs/{}/answers", dealt.id)).await;
    assert_eq!(status["brought"], hex::encode(frame));
    // And is told again at once, as is whatever comes after it.
    let (_, took) = poll(api, dealt.id, 30, 3).await;
    assert!(took < Duration::from_secs(25), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
pub async fn whoever_waits_for_answers_is_told_when_there_are_enough() {
    let fake = FakeKeys::new();
    let network = Network::ready(2, &[&fake.identity]).await;
    told_of_answers(&network, &network.api, &fake).await;
    network.stop().await;
}
