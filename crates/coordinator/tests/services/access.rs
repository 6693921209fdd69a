//! API keys and idempotency keys.

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tacit_coordinator::access::{self, Role};
use tacit_coordinator::{Access, Coordinator};
use tacit_wire::frame::Body as _;
use tacit_wire::messages::{Cancel, SubmitJob};

use crate::fixture::{By, Dealt, FakeKeys, Network, circuit, deal, now};

/// A client with headers of its own.
#[derive(Clone, Copy)]
struct As<'a> {
    network: &'a Network,
    key: Option<&'a str>,
    idempotency: Option<&'a str>,
}

impl As<'_> {
    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> (StatusCode, Value, bool) {
        let api = &self.network.api;
        let mut request = api.http.request(method, format!("{}{path}", api.base)).body(body);
        if let Some(key) = self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        if let Some(key) = self.idempotency {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await.unwrap();
        let replayed = response.headers().contains_key("idempotency-replayed");
        if response.status() == StatusCode::UNAUTHORIZED {
            assert!(response.headers().contains_key("www-authenticate"));
        }
        let status = response.status();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null), replayed)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let (status, body, _) = self.send(Method::GET, path, vec![]).await;
        (status, body)
    }

    async fn submit(&self, message: &SubmitJob) -> (StatusCode, Value, bool) {
        self.send(Method::POST, "/v1/jobs", message.to_frame()).await
    }
}

fn fresh(fakes: &[FakeKeys]) -> Dealt {
    let certificates: Vec<_> = fakes.iter().map(|f| f.certificate.clone()).collect();
    deal(&certificates, By::Client, now() + 600, 3)
}

async fn network(access: Access) -> (Network, Vec<FakeKeys>) {
    let fakes: Vec<_> = (0..4).map(|_| FakeKeys::new()).collect();
    let mut network = Network::new(0, &fakes.iter().map(|f| &f.identity).collect::<Vec<_>>()).await;
    network.api.register(circuit()).await;
    network.coordinator.take().unwrap().stop().await;
    network.config.access = Some(access);
    network.start_coordinator().await;
    (network, fakes)
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_job_is_its_keys_and_the_operators() {
    let (running, fakes) = network(Access::Keys).await;
    let network = &running;
    // Beside the running coordinator.
    let key = async |name, role| access::add_key(&network.config, name, role, now()).await.unwrap();
    let (alice, bob) = (key("alice", Role::Client).await, key("bob", Role::Client).await);
    let operator = key("operator", Role::Operator).await;
    let whoever = |key| As { network, key, idempotency: None };
    let [alice, bob, operator] = [&alice, &bob, &operator].map(|k| whoever(Some(k.reveal())));

    let forged = format!("tacit_{}", "0".repeat(64));
    for path in ["/v1/network", "/v1/jobs", "/v1/circuits", "/v1/nodes", "/v1/events"] {
        let (status, body) = whoever(None).get(path).await;
        assert_eq!((status, &body["code"]), (StatusCode::UNAUTHORIZED, &"key_required".into()), "{path}");
        let (status, body) = whoever(Some(&forged)).get(path).await;
        assert_eq!((status, &body["code"]), (StatusCode::UNAUTHORIZED, &"bad_key".into()), "{path}");
    }
    assert_eq!(whoever(None).get("/healthz").await.0, StatusCode::OK);
    assert_eq!(alice.get("/v1/nodes").await.0, StatusCode::FORBIDDEN);
    assert_eq!(alice.get("/v1/events").await.0, StatusCode::FORBIDDEN);

    let dealt = fresh(&fakes);
    assert_eq!(whoever(None).submit(&dealt.message).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(alice.submit(&dealt.message).await.0, StatusCode::CREATED);
    let path = format!("/v1/jobs/{}", dealt.id);
    for path in ["", "/answers", "/proof", "/events", "/disclosure"].map(|end| format!("{path}{end}")) {
        let (status, body) = bob.get(&path).await;
        assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &"unknown_job".into()), "{path}");
    }
    let cancel = Cancel::sign(&dealt.client, dealt.id).to_frame();
    let (status, ..) = bob.send(Method::POST, &format!("{path}/cancel"), cancel.clone()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    // The same bytes do not make it Bob's either.
    assert_eq!(bob.submit(&dealt.message).await.1["code"], "conflicting_job");
    for (who, jobs) in [(alice, 1), (bob, 0), (operator, 1)] {
        assert_eq!(who.get("/v1/jobs").await.1.as_array().unwrap().len(), jobs);
    }
    for who in [alice, operator] {
        assert_eq!(who.get(&path).await.0, StatusCode::OK);
    }
    assert_eq!(operator.get("/v1/nodes").await.1.as_array().unwrap().len(), 4);
    assert_eq!(alice.send(Method::POST, &format!("{path}/cancel"), cancel).await.0, StatusCode::OK);

    // No name twice; a revoked key is none, and its jobs are the operators' to see.
    assert!(access::add_key(&network.config, "alice", Role::Client, now()).await.is_err());
    access::revoke_key(&network.config, "alice", now()).await.unwrap();
    assert!(access::revoke_key(&network.config, "alice", now()).await.is_err());
    assert_eq!(alice.get(&path).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(operator.get(&path).await.0, StatusCode::OK);
    assert!(access::add_key(&network.config, "alice", Role::Client, now()).await.is_err());
    let listed = access::keys(&network.config).await.unwrap();
    assert_eq!(listed.iter().filter(|k| k.revoked.is_some()).count(), 1);
    // No key is on disk.
    let files = network.coordinator_bytes();
    for who in [alice, bob, operator] {
        let key = who.key.unwrap().strip_prefix("tacit_").unwrap().to_owned().into_bytes();
        assert!(!files.windows(key.len()).any(|w| w == key));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_door_to_a_network_is_refused_at_the_start() {
    let root = tempfile::tempdir().unwrap();
    let mut config = tacit_coordinator::Config::new(root.path().join("coordinator"));
    config.http_listen = "0.0.0.0:0".parse().unwrap();
    config.quic_listen = "127.0.0.1:0".parse().unwrap();
    config.access = Some(Access::Open);
    let refused = Coordinator::start(config.clone()).await.unwrap_err().to_string();
    assert!(refused.contains("open_to_everybody = true") && refused.contains("key add"), "{refused}");
    config.open_to_everybody = true;
    Coordinator::start(config).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
pub async fn a_request_sent_again_gives_the_first_response_again() {
    let (mut network, fakes) = network(Access::Open).await;
    let (one, other) = (fresh(&fakes), fresh(&fakes));
    {
        let client = As { network: &network, key: None, idempotency: Some("7c0e-1") };
        let (status, first, replayed) = client.submit(&one.message).await;
        assert_eq!((status, replayed), (StatusCode::CREATED, false), "{first}");
        let path = format!("/v1/jobs/{}", one.id);
        let cancel = Cancel::sign(&one.client, one.id).to_frame();
        assert_eq!(client.send(Method::POST, &format!("{path}/cancel"), cancel).await.0, StatusCode::OK);
        // The first response, not the job as it is now.
        let (status, again, replayed) = client.submit(&one.message).await;
        assert_eq!((status, replayed, &again), (StatusCode::CREATED, true, &first));
        let (status, body, _) = client.submit(&other.message).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &"idempotency_key_reused".into())
        );
        // Nothing of it was taken.
        assert_eq!(client.get(&format!("/v1/jobs/{}", other.id)).await.0, StatusCode::NOT_FOUND);
        for odd in ["a b", &"x".repeat(129)] {
            let client = As { idempotency: Some(odd), ..client };
            assert_eq!(client.submit(&other.message).await.1["code"], "bad_idempotency_key", "{odd}");
        }
        // At once: both succeed, one job.
        let client = As { idempotency: Some("7c0e-2"), ..client };
        let (a, b) = tokio::join!(client.submit(&other.message), client.submit(&other.message));
        assert!(a.0.is_success() && b.0.is_success(), "{a:?} {b:?}");
    }
    // After a restart as well.
    network.coordinator.take().unwrap().kill().await;
    network.start_coordinator().await;
    let client = As { network: &network, key: None, idempotency: Some("7c0e-1") };
    assert!(client.submit(&one.message).await.2);
    network.stop().await;
}
