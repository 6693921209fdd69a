//! Coordinators of one database, of which one has a wrong clock.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use tacit_log::SignedTreeHead;
use tacit_vault::Clock;
use tacit_wire::SignedReceipt;
use tacit_wire::frame::Body as _;
use tacit_wire::messages::Cancel;
use tacit_wire::status::{JobState, JobStatus, NetworkInfo};

use crate::fixture::{Api, By, Dealt, FakeKeys, Network, circuit, deal, eventually, now};
use crate::postgres::with_postgres;

/// Longer than an assembler key lives, and than jobs are kept.
const AHEAD: u64 = 60 * 24 * 3600;

/// For what must not happen: housekeeping looks every second.
const A_WHILE: Duration = Duration::from_secs(3);

async fn json(api: &Api, path: &str) -> (StatusCode, Value) {
    let (status, body) = api.get(path).await;
    (status, serde_json::from_slice(&body).unwrap())
}

async fn state(api: &Api, dealt: &Dealt) -> JobState {
    let (_, body) = api.get(&format!("/v1/jobs/{}", dealt.id)).await;
    serde_json::from_slice::<JobStatus>(&body).unwrap().state
}

async fn log_size(api: &Api) -> u64 {
    let (_, body) = api.get("/v1/log/head").await;
    serde_json::from_slice::<SignedTreeHead>(&body).unwrap().head.size
}

async fn cancel(api: &Api, dealt: &Dealt) {
    let body = Cancel::sign(&dealt.client, dealt.id).to_frame();
    let path = format!("/v1/jobs/{}/cancel", dealt.id);
    assert_eq!(api.send(reqwest::Method::POST, &path, body).await.0, StatusCode::OK);
}

fn assembler(info: &NetworkInfo) -> Option<&str> {
    info.assembler_certificate.as_ref().map(|c| c.0.as_str())
}

async fn a_clock_far_ahead() {
    let fakes: Vec<_> = (0..3).map(|_| FakeKeys::new()).collect();
    let certificates: Vec<_> = fakes.iter().map(|f| f.certificate.clone()).collect();
    let submit = async |api: &Api, seconds, x| {
        let dealt = deal(&certificates, By::Client, now() + seconds, x);
        let (status, body) = api.submit(&dealt.message).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        dealt
    };
    let mut network = Network::new(0, &fakes.iter().map(|f| &f.identity).collect::<Vec<_>>()).await;
    network.api.register(circuit()).await;
    let first = submit(&network.api, 600, 3).await;
    let ended = submit(&network.api, 600, 4).await;
    cancel(&network.api, &ended).await;
    eventually(|| async { (log_size(&network.api).await == 1).then_some(()) }).await;
    let keys = network.api.network().await;
    assert!(assembler(&keys).is_some());

    let error = Arc::new(AtomicU64::new(AHEAD));
    network.clock = Clock::from_fn({
        let error = Arc::clone(&error);
        move || now() + error.load(Ordering::Relaxed)
    });
    network.config.metrics_listen = Some((Ipv4Addr::LOCALHOST, 0).into());
    network.start_other().await;
    let other = network.other_api().clone();
    tokio::time::sleep(A_WHILE).await;
    for api in [&network.api, &other] {
        assert_eq!(state(api, &first).await, JobState::Queued, "it was ended by a wrong clock");
        assert_eq!(state(api, &ended).await, JobState::Failed, "it was forgotten by a wrong clock");
        assert_eq!(
            assembler(&api.network().await),
            assembler(&keys),
            "its key was destroyed by a wrong clock"
        );
    }

    // The one with the right clock is alone responsible, and it is said which one is wrong.
    assert_eq!(network.api.get("/readyz").await.0, StatusCode::OK);
    let (status, body) = json(&other, "/readyz").await;
    assert_eq!(
        (status, &body["checks"]["clock"]["ok"]),
        (StatusCode::SERVICE_UNAVAILABLE, &Value::Bool(false))
    );
    assert_eq!(body["checks"]["database"]["ok"], true);
    let address = network.other.as_ref().unwrap().config.metrics_listen.unwrap();
    let metrics = other.http.get(format!("http://{address}/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let skew = metrics.lines().find_map(|l| l.strip_prefix("tacit_coordinator_clock_skew_seconds ")).unwrap();
    assert!(skew.parse::<u64>().unwrap().abs_diff(AHEAD) < 10, "{skew}");

    // What it stores has the database's time, in the log above all.
    let second = submit(&other, 600, 5).await;
    cancel(&other, &second).await;
    let (_, entries) = json(&network.api, "/v1/log/entries?start=1").await;
    let entry = hex::decode(entries["entries"][0]["entry"].as_str().unwrap()).unwrap();
    let receipt = SignedReceipt::decode(&entry).unwrap().receipt;
    assert_eq!(receipt.job, second.id);
    for time in [receipt.accepted, receipt.ended] {
        assert!(time.abs_diff(now()) < 60, "{receipt:?}");
    }
    eventually(|| async { (log_size(&network.api).await == 2).then_some(()) }).await;

    // Alone it accepts work and ends what clients end; it ends nothing by the time, and signs nothing.
    network.coordinator.take().unwrap().stop().await;
    let third = submit(&other, 2, 6).await;
    cancel(&other, &first).await;
    tokio::time::sleep(A_WHILE + Duration::from_secs(2)).await;
    assert_eq!((state(&other, &third).await, log_size(&other).await), (JobState::Queued, 2));

    // Until its clock is put right.
    error.store(0, Ordering::Relaxed);
    other.wait_for(third.id, |s| s.state == JobState::Expired).await;
    eventually(|| async { (log_size(&other).await == 4).then_some(()) }).await;
    assert_eq!(other.get("/readyz").await.0, StatusCode::OK);
    network.stop().await;
}

#[test]
fn a_clock_far_ahead_ends_destroys_and_signs_nothing() {
    with_postgres(|| {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(a_clock_far_ahead())
    });
}
