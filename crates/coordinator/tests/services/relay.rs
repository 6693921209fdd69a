//! Nodes that do not take what they are offered, or have no room for it.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use tacit_coordinator::Limits;
use tacit_net::{Connection, Dialer, NetError, Settings};
use tacit_wire::frame::Body as _;
use tacit_wire::messages::{Hello, Refusal, RefusalCode, Welcome};
use tacit_wire::status::{DeliveryState, JobState};
use tacit_wire::{Blame, Message, PROTOCOL_VERSION};
use tokio::sync::mpsc;

use crate::fixture::{Behaviour, By, Dealt, FakeKeys, LONG, Network, circuit, deal, eventually, now};

async fn network(change: impl FnOnce(&mut Limits)) -> (Network, Vec<FakeKeys>) {
    let fakes: Vec<_> = (0..4).map(|_| FakeKeys::new()).collect();
    let mut network = Network::new(0, &fakes.iter().map(|f| &f.identity).collect::<Vec<_>>()).await;
    network.api.register(circuit()).await;
    network.coordinator.take().unwrap().stop().await;
    network.config.metrics_listen = Some((Ipv4Addr::LOCALHOST, 0).into());
    change(&mut network.config.limits);
    network.start_coordinator().await;
    (network, fakes)
}

async fn submit(network: &Network, fakes: &[FakeKeys]) -> Dealt {
    let certificates: Vec<_> = fakes.iter().map(|f| f.certificate.clone()).collect();
    let dealt = deal(&certificates, By::Client, now() + 600, 3);
    assert_eq!(network.api.submit(&dealt.message).await.0, StatusCode::CREATED);
    dealt
}

/// Connects as a node that lets the coordinator send no more than a few bytes of anything before it reads.
async fn narrow(network: &Network, fake: &FakeKeys) -> Connection {
    let settings = Settings { stream_window: 300, connection_window: 1200, ..Settings::default() };
    greet(network, fake, settings, 4).await
}

async fn greet(network: &Network, fake: &FakeKeys, settings: Settings, capacity: u16) -> Connection {
    let dialer = Dialer::new(fake.identity.clone(), settings);
    let connection = dialer.connect(network.config.quic_listen, network.coordinator_identity).await.unwrap();
    let hello = Hello {
        versions: vec![PROTOCOL_VERSION],
        software: "narrow".to_owned(),
        certificate: fake.certificate.clone(),
        circuits: vec![],
        slices: vec![],
        capacity,
        bases_per_second: 0,
    };
    let reply = connection.request(&hello, 4096, LONG).await.unwrap();
    assert!(matches!(reply, Message::Welcome(Welcome { .. })), "{reply:?}");
    connection
}

async fn memory(network: &Network) -> u64 {
    let address = network.config.metrics_listen.unwrap();
    let text = network.api.http.get(format!("http://{address}/metrics")).send().await.unwrap();
    let text = text.text().await.unwrap();
    let line = text.lines().find(|l| l.starts_with("tacit_coordinator_relay_memory_bytes ")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_read_holds_one_share_and_not_for_ever() {
    // Of two units of memory a node has one: one envelope at a time.
    let (network, fakes) = network(|l| (l.relay_bytes, l.peer_seconds) = (8192, 2)).await;
    let slow = narrow(&network, &fakes[0]).await;
    for fake in &fakes[1..] {
        fake.connect(&network, |keys, offer| {
            Behaviour::Frame(keys.answer(&offer, &keys.identity, &keys.identity).to_frame())
        })
        .await;
    }
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(submit(&network, &fakes).await);
    }
    let mut first = tokio::time::timeout(LONG, slow.accept()).await.unwrap().unwrap();
    // The others are offered everything meanwhile, by turns in the other unit.
    for job in &jobs {
        let others = |s: &tacit_wire::status::JobStatus| {
            s.nodes.iter().filter(|n| n.state == DeliveryState::Answered).count() == 3
        };
        network.api.wait_for(job.id, others).await;
    }
    assert!(memory(&network).await <= 4096, "{}", memory(&network).await);
    // After a while it is given up: what was not read is gone, and the next envelope is offered.
    let mut second = tokio::time::timeout(LONG, slow.accept()).await.unwrap().unwrap();
    let given_up = first.receive(1 << 20, LONG).await.unwrap_err();
    assert!(matches!(given_up, NetError::Abandoned { .. }), "{given_up}");
    // This one it reads.
    let offer = second.receive(1 << 20, LONG).await.unwrap().unwrap();
    assert!(matches!(offer, Message::Offer(_)), "{offer:?}");
    eventually(|| async { (memory(&network).await <= 4096).then_some(()) }).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_counts_that_comes_before_all_was_read() {
    let (network, fakes) = network(|_| {}).await;
    let picky = narrow(&network, &fakes[0]).await;
    let refusing = tokio::spawn(async move {
        let mut stream = picky.accept().await.unwrap();
        let refusal = Refusal::new(RefusalCode::BeyondLimits, Blame::Client, "too large for this node");
        stream.send(&refusal, LONG).await.unwrap();
        stream.finish().unwrap();
        // Dropped with most of the envelope unread.
        drop(stream);
        picky
    });
    let job = submit(&network, &fakes).await;
    let refused = |s: &tacit_wire::status::JobStatus| s.nodes[0].state == DeliveryState::Refused;
    network.api.wait_for(job.id, refused).await;
    drop(refusing.await.unwrap());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_busy_is_asked_less_and_less_often() {
    let (network, fakes) = network(|_| {}).await;
    let (told, mut asked) = mpsc::unbounded_channel();
    let busy = Refusal::new(RefusalCode::Busy, Blame::Nobody, "no room").to_frame();
    fakes[0]
        .connect(&network, move |_, _| {
            told.send(Instant::now()).unwrap();
            Behaviour::Frame(busy.clone())
        })
        .await;
    let job = submit(&network, &fakes).await;
    let mut times = Vec::new();
    while times.len() < 4 {
        times.push(tokio::time::timeout(LONG, asked.recv()).await.unwrap().unwrap());
    }
    let rests: Vec<_> = times.windows(2).map(|w| w[1] - w[0]).collect();
    // 1, 2 and 4 seconds, each a quarter shorter at most.
    for (rest, least) in rests.iter().zip([750, 1500, 3000]) {
        assert!(*rest >= Duration::from_millis(least), "{rests:?}");
    }
    assert_eq!(network.api.get(&format!("/v1/jobs/{}", job.id)).await.0, StatusCode::OK);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_takes_nothing_is_offered_nothing() {
    let (network, fakes) = network(|_| {}).await;
    let full = greet(&network, &fakes[0], Settings::default(), 0).await;
    for fake in &fakes[1..] {
        fake.connect(&network, |keys, offer| {
            Behaviour::Frame(keys.answer(&offer, &keys.identity, &keys.identity).to_frame())
        })
        .await;
    }
    let dealt = submit(&network, &fakes).await;
    network.api.wait_for(dealt.id, |s| s.state == JobState::Answered).await;
    let offered = tokio::time::timeout(Duration::from_secs(1), full.accept()).await;
    assert!(offered.is_err(), "it was offered something");
    let status = network.api.wait_for(dealt.id, |_| true).await;
    assert_eq!(status.nodes[0].state, DeliveryState::Waiting);
    network.stop().await;
}
