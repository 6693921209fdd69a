//! Server-sent events, and who saw what.

use futures_util::StreamExt as _;
use reqwest::StatusCode;
use serde_json::Value;
use tacit_wire::Blame;
use tacit_wire::frame::Body as _;
use tacit_wire::messages::{Refusal, RefusalCode};
use tacit_wire::status::{DeliveryState, JobState, JobStatus};

use crate::fixture::{Api, Behaviour, By, FakeKeys, LONG, Network, circuit, deal, now};
use crate::postgres::with_postgres;

/// An event of a stream.
#[derive(Debug)]
struct Event {
    name: String,
    id: Option<u64>,
    data: Value,
}

/// The events of a stream until it ends or one satisfies a condition.
async fn events(api: &Api, path: &str, last: Option<u64>, enough: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut request = api.http.get(format!("{}{path}", api.base));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (mut pieces, mut text, mut events) = (response.bytes_stream(), String::new(), Vec::new());
    let all = async {
        while let Some(piece) = pieces.next().await {
            text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
            while let Some(end) = text.find("\n\n") {
                let block: String = text.drain(..end + 2).collect();
                let field = |name: &str| {
                    block.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
                };
                let Some(data) = field("data") else { continue };
                events.push(Event {
                    name: field("event").unwrap(),
                    id: field("id").map(|id| id.parse().unwrap()),
                    data: serde_json::from_str(&data).unwrap(),
                });
                if enough(events.last().unwrap()) {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(LONG, all).await.expect("the stream goes on without what is expected");
    events
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_job_tells_its_changes_until_it_ends() {
    let network = Network::ready(3, &[]).await;
    let assembler = network.api.network().await.assembler_certificate.unwrap().decode().unwrap();
    let certificates = network.certificates().await;
    let dealt = deal(&certificates, By::Coordinator(&assembler), now() + 600, 5);
    assert_eq!(network.api.submit(&dealt.message).await.0, StatusCode::CREATED);
    let path = format!("/v1/jobs/{}/events", dealt.id);
    let told = events(&network.api, &path, None, |_| false).await;
    assert!(told.iter().all(|e| e.name == "job" && e.id == e.data["version"].as_u64()));
    assert!(told.windows(2).all(|w| w[0].id < w[1].id));
    let last = told.last().unwrap();
    assert_eq!((&last.data["state"], &last.data["id"]), (&"proved".into(), &dealt.id.to_string().into()));
    assert!(last.data["ended"].is_u64() && last.data["replies"].as_array().unwrap().len() >= 3);
    let end = last.id.unwrap();

    // Whoever comes back gets what it missed, or hears that there is nothing more.
    let missed = events(&network.api, &path, Some(end - 1), |_| false).await;
    assert_eq!((missed.len(), missed[0].id), (1, Some(end)));
    let request = network.api.http.get(format!("{}{path}", network.api.base)).header("last-event-id", end);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let request = network.api.http.get(format!("{}{path}", network.api.base)).header("last-event-id", "x");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::BAD_REQUEST);

    // Everybody's job and the nodes, for who may see all.
    let all = events(&network.api, "/v1/events", None, |e| e.name == "job").await;
    assert_eq!((all[0].name.as_str(), all[0].data.as_array().unwrap().len()), ("nodes", 3));
    assert_eq!(all[1].data["id"], dealt.id.to_string());
    let node = &all[0].data[0];
    assert_eq!(
        (&node["name"], &node["operator"], &node["connected"]),
        (&"node-0".into(), &"operator-0".into(), &true.into())
    );
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn who_saw_what_follows_the_job() {
    let network = Network::ready(3, &[]).await;
    let certificates = network.certificates().await;
    let dealt = deal(&certificates, By::Client, now() + 600, 5);
    network.api.submit(&dealt.message).await;
    network.api.wait_for(dealt.id, |s| s.state == JobState::Answered).await;
    let (status, body) = network.api.get(&format!("/v1/jobs/{}/disclosure", dealt.id)).await;
    assert_eq!(status, StatusCode::OK);
    let shown: Value = serde_json::from_slice(&body).unwrap();
    let parties = shown["parties"].as_array().unwrap();
    assert_eq!(parties.len(), 2 + 3);
    let how = |party: &Value, what: &str| {
        let sees = party["sees"].as_array().unwrap();
        sees.iter().find(|s| s["what"] == what).unwrap()["how"].as_str().unwrap().to_owned()
    };
    let coordinator = &parties[1];
    assert_eq!(how(coordinator, "witness"), "never");
    assert_eq!(how(coordinator, "witness_share"), "sealed");
    assert_eq!(how(coordinator, "response"), "sealed");
    assert_eq!(how(coordinator, "proof"), "never");
    assert_eq!(how(&parties[0], "witness"), "clear");
    for (node, delivery) in parties[2..].iter().zip(&dealt.message.deliveries) {
        assert_eq!(node["role"], "node");
        assert_eq!((how(node, "witness").as_str(), how(node, "proof").as_str()), ("never", "never"));
        let share = node["sees"].as_array().unwrap().iter().find(|s| s["what"] == "witness_share").unwrap();
        assert_eq!((&share["how"], &share["bytes"]), (&"clear".into(), &delivery.envelope.len().into()));
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_node_that_declined_counts_as_having_seen_its_package() {
    let fakes: Vec<_> = (0..3).map(|_| FakeKeys::new()).collect();
    let network = Network::new(0, &fakes.iter().map(|f| &f.identity).collect::<Vec<_>>()).await;
    network.api.register(circuit()).await;
    let certificates: Vec<_> = fakes.iter().map(|f| f.certificate.clone()).collect();
    let dealt = deal(&certificates, By::Client, now() + 600, 5);
    network.api.submit(&dealt.message).await;
    let shares = async || {
        let (_, body) = network.api.get(&format!("/v1/jobs/{}/disclosure", dealt.id)).await;
        let shown: Value = serde_json::from_slice(&body).unwrap();
        let how = |party: &Value| {
            let share = party["sees"].as_array().unwrap().iter().find(|s| s["what"] == "witness_share");
            share.unwrap()["how"].as_str().unwrap().to_owned()
        };
        shown["parties"].as_array().unwrap()[2..].iter().map(how).collect::<Vec<_>>()
    };
    assert_eq!(shares().await, ["pending"; 3]);
    // One is too busy, one goes away with it and comes back no more, one was never there.
    let asked = std::sync::Arc::new(tokio::sync::Notify::new());
    let declined = fakes[0]
        .connect(&network, {
            let asked = asked.clone();
            move |_, _| {
                asked.notify_one();
                Behaviour::Frame(Refusal::new(RefusalCode::Busy, Blame::Node, "later").to_frame())
            }
        })
        .await;
    let lost = fakes[1].connect(&network, |_, _| Behaviour::Die).await;
    tokio::time::timeout(LONG, asked.notified()).await.unwrap();
    tokio::time::timeout(LONG, lost).await.unwrap().unwrap();
    let state = async |place: usize| {
        let (_, body) = network.api.get(&format!("/v1/jobs/{}", dealt.id)).await;
        serde_json::from_slice::<JobStatus>(&body).unwrap().nodes[place].state
    };
    let waits = async || (state(0).await == DeliveryState::Waiting).then_some(());
    crate::fixture::eventually(waits).await;
    assert_eq!(shares().await, ["clear", "clear", "pending"]);
    declined.abort();
    network.stop().await;
}

#[test]
fn what_happens_at_one_coordinator_is_told_at_the_other() {
    with_postgres(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut network = Network::new(3, &[]).await;
            network.api.register(circuit()).await;
            network.start_other().await;
            for i in 0..3 {
                network.start_node(i).await;
            }
            let other = network.other_api().clone();
            network.wait_connected_at(&other, 3).await;
            let dealt = deal(&network.certificates().await, By::Client, now() + 600, 5);
            let id = dealt.id.to_string();
            // It waits already when the job comes in elsewhere.
            let watched = tokio::spawn({
                let (other, id) = (other.clone(), id.clone());
                async move {
                    let done = |e: &Event| e.data["id"] == id.as_str() && e.data["ended"].is_u64();
                    events(&other, "/v1/events", None, done).await
                }
            });
            assert_eq!(network.api.submit(&dealt.message).await.0, StatusCode::CREATED);
            let told = events(&other, &format!("/v1/jobs/{id}/events"), None, |_| false).await;
            let last = told.last().unwrap();
            assert_eq!((&last.data["state"], last.data["ended"].is_u64()), (&"answered".into(), true));
            let watched = watched.await.unwrap();
            assert_eq!(
                watched[0].data.as_array().unwrap().iter().filter(|n| n["connected"] == true).count(),
                3
            );
            network.stop().await;
        });
    });
}
