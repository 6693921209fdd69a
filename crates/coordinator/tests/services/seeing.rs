//! Health, metrics and request ids.

use std::net::{Ipv4Addr, SocketAddr};

use reqwest::StatusCode;
use serde_json::Value;
use tacit_wire::status::JobState;

use crate::fixture::{Api, By, Network, circuit, deal, now};

async fn plain(api: &Api, address: SocketAddr, path: &str) -> (StatusCode, String) {
    let response = api.http.get(format!("http://{address}{path}")).send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

/// The value of a series, by the beginning of its line.
fn series(metrics: &str, start: &str) -> f64 {
    let line = metrics.lines().find(|l| l.starts_with(start));
    let line = line.unwrap_or_else(|| panic!("no series {start} in\n{metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_proved_job_shows_in_the_metrics() {
    let mut network = Network::new(3, &[]).await;
    network.coordinator.take().unwrap().stop().await;
    network.config.metrics_listen = Some((Ipv4Addr::LOCALHOST, 0).into());
    network.start_coordinator().await;
    network.api.register(circuit()).await;
    for i in 0..3 {
        network.start_node(i).await;
    }
    network.wait_connected(3).await;
    let info = network.api.network().await;
    let assembler = info.assembler_certificate.unwrap().decode().unwrap();
    let certificates = network.certificates().await;
    let dealt = deal(&certificates, By::Coordinator(&assembler), now() + 600, 5);
    assert_eq!(network.api.submit(&dealt.message).await.0, StatusCode::CREATED);
    network.api.wait_for(dealt.id, |s| s.state == JobState::Proved).await;
    assert_eq!(network.api.get("/v1/jobs/nonsense").await.0, StatusCode::BAD_REQUEST);

    let address = network.config.metrics_listen.unwrap();
    let (status, metrics) = plain(&network.api, address, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    let value = |start: &str| series(&metrics, &format!("tacit_coordinator_{start}"));
    assert_eq!(value("jobs_accepted_total{handover=\"witness\"}"), 1.0);
    assert_eq!(value("jobs_ended_total{outcome=\"proved\"}"), 1.0);
    for phase in ["first_answer", "enough_answers", "proof"] {
        let name = format!("job_phase_seconds_count{{phase=\"{phase}\",handover=\"witness\"}}");
        assert_eq!(value(&name), 1.0, "{phase}");
    }
    assert_eq!(value("nodes{connected=\"true\"}"), 3.0);
    assert_eq!(value("offers_in_flight"), 0.0);
    assert_eq!(value("assembler_queue"), 0.0);
    let envelopes: usize = dealt.message.deliveries.iter().map(|d| d.envelope.len()).sum();
    assert!(value("relayed_bytes_total{what=\"envelopes\"}") >= envelopes as f64);
    assert!(value("relayed_bytes_total{what=\"answers\"}") > 0.0);
    assert_eq!(value("refusals_total{by=\"coordinator\",code=\"bad_id\"}"), 1.0);
    assert_eq!(value("uploads_total{what=\"circuit\",outcome=\"received\"}"), 1.0);
    assert_eq!(value("http_requests_total{method=\"POST\",route=\"/v1/jobs\",status=\"201\"}"), 1.0);
    assert!(value("http_request_seconds_count{method=\"GET\",route=\"/v1/jobs/{id}\"}") >= 1.0);
    assert!(value("database_seconds_count{request=\"count_open\"}") >= 1.0);
    assert!(!metrics.contains(&dealt.id.to_string()), "an id in a label");
    assert!(network.identities.iter().all(|i| !metrics.contains(&i.to_string())), "an identity in a label");

    // The outside gets none of it, and health on both sides.
    assert_eq!(network.api.get("/metrics").await.0, StatusCode::NOT_FOUND);
    assert_eq!(plain(&network.api, address, "/healthz").await, (StatusCode::OK, "ok\n".to_owned()));
    assert_eq!(network.api.get("/healthz").await.0, StatusCode::OK);
    for (status, body) in [plain(&network.api, address, "/readyz").await, {
        let (status, body) = network.api.get("/readyz").await;
        (status, String::from_utf8(body).unwrap())
    }] {
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["ready"]), (StatusCode::OK, &Value::Bool(true)));
        for check in ["database", "migrations", "clock", "draining"] {
            assert_eq!(body["checks"][check]["ok"], true, "{check}");
        }
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_id() {
    let network = Network::new(0, &[]).await;
    let id = async |sent: Option<&str>| {
        let mut request = network.api.http.get(format!("{}/v1/nowhere", network.api.base));
        if let Some(sent) = sent {
            request = request.header("x-request-id", sent);
        }
        request.send().await.unwrap().headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id(Some("client-7.a")).await, "client-7.a");
    let own = id(None).await;
    assert_eq!(own.len(), 16);
    assert_ne!(id(None).await, own);
    for odd in ["a b", "", "x\ty", &"x".repeat(65)] {
        assert_eq!(id(Some(odd)).await.len(), 16, "{odd:?}");
    }
    network.stop().await;
}
