//! A wallet's side against services that lie, stall and flood.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tacit_pool::delivery::Place;
use tacit_pool::orders::{OrderError, OrderKey, ProverRegistration, Signed, Validity};
use tacit_prover::ProverClient;
use tacit_prover::client::ClientError;
use tacit_wire::Digest32;

use crate::common::{NOON, place};
use crate::scene::{Scene, order_key};

/// What the next requests are answered with.
type Script = Arc<Mutex<Vec<(StatusCode, Vec<u8>)>>>;

async fn answer(State(script): State<Script>, uri: Uri) -> Response {
    let mut script = script.lock().unwrap();
    let (status, body) = if script.len() > 1 { script.remove(0) } else { script[0].clone() };
    if status.is_redirection() {
        return (status, [(header::LOCATION, format!("{uri}/elsewhere"))], body).into_response();
    }
    (status, body).into_response()
}

async fn serving(script: Vec<(StatusCode, Vec<u8>)>) -> (SocketAddr, Script) {
    let script: Script = Arc::new(Mutex::new(script));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, script)
}

fn client(address: SocketAddr, seen: u64) -> ProverClient {
    ProverClient::new(&format!("http://{address}"), order_key().public().id(), place(), seen).unwrap()
}

fn registration(scene: &Scene, change: impl FnOnce(&mut ProverRegistration), key: &OrderKey) -> Vec<u8> {
    let keys = scene.keys();
    let mut body = ProverRegistration {
        place: place(),
        sequence: 5,
        endpoint: "https://prover.example".into(),
        sealing_key: keys.sealing.public().clone(),
        fee_address: keys.fee_address,
        fees: Vec::new(),
        validity: Validity { from: NOON - 10, until: NOON + 10 },
    };
    change(&mut body);
    Signed::sign(body, key).unwrap().encode()
}

#[tokio::test]
async fn a_registration_is_followed_only_as_it_was_signed() {
    let (scene, key) = (Scene::new(), order_key());
    let good = registration(&scene, |_| {}, &key);
    let ok = StatusCode::OK;
    let (address, script) = serving(vec![(ok, good.clone())]).await;
    let wallet = client(address, 0);
    let fetched = wallet.registration(NOON).await.unwrap();
    assert_eq!((fetched.sequence, wallet.seen()), (5, 5));
    let set = |bytes: Vec<u8>| *script.lock().unwrap() = vec![(ok, bytes)];
    // An older one, of before or of an earlier run.
    set(registration(&scene, |body| body.sequence = 4, &key));
    assert!(matches!(wallet.registration(NOON).await, Err(ClientError::Order(OrderError::Replayed { .. }))));
    assert!(client(address, 5).registration(NOON).await.is_err());
    let fails = |bytes: Vec<u8>| {
        set(bytes);
        let wallet = client(address, 0);
        async move { wallet.registration(NOON).await.unwrap_err() }
    };
    let stranger = OrderKey::from_seeds(&[1; 32], &[2; 32]);
    assert!(matches!(fails(registration(&scene, |_| {}, &stranger)).await, ClientError::Order(_)));
    let elsewhere = |body: &mut ProverRegistration| body.place = Place { chain_id: 1, ..place() };
    let error = fails(registration(&scene, elsewhere, &key)).await;
    assert!(matches!(error, ClientError::Order(OrderError::Place { .. })), "{error}");
    let over = |body: &mut ProverRegistration| body.validity.until = NOON;
    assert!(matches!(fails(registration(&scene, over, &key)).await, ClientError::Order(_)));
    // Every part of it is signed: the endpoint, the key, the fees, the signatures themselves.
    for at in [0, 1, 2, 30, 60, 700, 2000, good.len() - 3400, good.len() - 3309 - 30, good.len() - 1] {
        let mut changed = good.clone();
        changed[at] ^= 1;
        let error = fails(changed).await;
        assert!(matches!(error, ClientError::Order(_) | ClientError::Registration(_)), "{at}: {error}");
    }
    assert!(matches!(fails(Vec::new()).await, ClientError::Registration(_)));
}

#[tokio::test]
async fn answers_are_bounded_and_checked() {
    let id = Digest32([3; 32]);
    let other = Digest32([4; 32]);
    let status = |id: Digest32, rest: &str| format!(r#"{{"id":"{id}","phase":"queued"{rest}}}"#).into_bytes();
    let fails = |status: StatusCode, body: Vec<u8>| async move {
        let (address, _) = serving(vec![(status, body)]).await;
        client(address, 0).status(id, None).await.unwrap_err()
    };
    let ok = StatusCode::OK;
    assert!(matches!(fails(ok, b"{}".to_vec()).await, ClientError::Malformed(_)));
    assert!(matches!(fails(ok, status(other, "")).await, ClientError::Malformed(_)));
    assert!(matches!(fails(ok, status(id, r#","transaction":"0x12""#)).await, ClientError::Malformed(_)));
    assert!(matches!(fails(StatusCode::FOUND, Vec::new()).await, ClientError::Malformed(_)), "not followed");
    assert!(matches!(fails(StatusCode::BAD_GATEWAY, b"<html>".to_vec()).await, ClientError::Malformed(_)));
    let message =
        format!(r#"{{"code":"busy","message":"a\u001b[2Jb{}","blame":"prover"}}"#, "x".repeat(5000));
    let error = fails(StatusCode::SERVICE_UNAVAILABLE, message.into_bytes()).await;
    let ClientError::Refused(problem) = &error else { panic!("{error}") };
    assert!(problem.message.len() == 1000 && !problem.message.contains('\u{1b}') && error.is_transient());
    let began = std::time::Instant::now();
    let error = fails(ok, vec![b' '; 10 << 20]).await;
    assert!(
        matches!(&error, ClientError::Unreachable { reason, .. } if reason.contains("longer than")),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_broken_line_is_tried_again_and_an_end_is_an_end() {
    let id = Digest32([3; 32]);
    let at = |phase: &str| (StatusCode::OK, format!(r#"{{"id":"{id}","phase":"{phase}"}}"#).into_bytes());
    let busy =
        (StatusCode::SERVICE_UNAVAILABLE, br#"{"code":"busy","message":"","blame":"prover"}"#.to_vec());
    let script = vec![at("queued"), busy, at("proving"), at("proving"), at("confirmed")];
    let (address, _) = serving(script).await;
    let phases = Mutex::new(Vec::new());
    let wallet = client(address, 0);
    let ended = wallet
        .wait(id, Duration::from_secs(30), &|status| phases.lock().unwrap().push(status.phase.name()))
        .await
        .unwrap();
    assert!(ended.phase.is_end());
    assert_eq!(phases.into_inner().unwrap(), ["queued", "proving", "confirmed"]);
    let (address, _) = serving(vec![at("queued")]).await;
    let error = client(address, 0).wait(id, Duration::from_millis(700), &|_| {}).await.unwrap_err();
    assert!(matches!(error, ClientError::TimedOut(_)));
    let error = client(([127, 0, 0, 1], 1).into(), 0).status(id, None).await.unwrap_err();
    assert!(error.is_transient() && !error.to_string().contains(&id.to_string()), "{error}");
}

#[test]
fn a_prover_is_at_an_https_url_or_on_this_machine() {
    let new = |url: &str| ProverClient::new(url, order_key().public().id(), place(), 0);
    for url in
        ["https://prover.example", "https://prover.example/pool/", "http://127.0.0.1:80", "http://localhost"]
    {
        assert!(new(url).is_ok(), "{url}");
    }
    for url in
        ["http://prover.example", "ftp://x", "", "prover", "https://x/?a=b", "http://127.0.0.1.evil.example"]
    {
        assert!(matches!(new(url), Err(ClientError::Url(_))), "{url}");
    }
}
