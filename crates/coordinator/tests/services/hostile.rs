//! Clients that want to be a burden: each is cut off, and an honest client beside it is served.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use reqwest::{Method, StatusCode};
use tacit_net::{CertificatePin, tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::fixture::{Api, By, FakeKeys, LONG, Network, circuit, deal, now};

/// Where the hostile client is; the honest one is at 127.0.0.1.
pub const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

pub async fn network(change: impl FnOnce(&mut tacit_coordinator::Limits)) -> (Network, Vec<FakeKeys>) {
    let fakes: Vec<_> = (0..4).map(|_| FakeKeys::new()).collect();
    let mut network = Network::new(0, &fakes.iter().map(|f| &f.identity).collect::<Vec<_>>()).await;
    network.api.register(circuit()).await;
    network.coordinator.take().unwrap().stop().await;
    change(&mut network.config.limits);
    network.start_coordinator().await;
    (network, fakes)
}

async fn tcp(network: &Network) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((ELSEWHERE, 0))).unwrap();
    socket.connect(network.config.http_listen).await.unwrap()
}

pub async fn connect(network: &Network, alpn: &[u8]) -> TlsStream<TcpStream> {
    let pin = CertificatePin::Identity(network.coordinator_identity);
    let mut config = tls::client_config(&[pin]).unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp(network).await).await.unwrap()
}

/// Everything until the coordinator hangs up.
async fn until_cut(mut stream: impl AsyncReadExt + Unpin) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let all = async {
        while let Ok(n @ 1..) = stream.read(&mut piece).await {
            bytes.extend_from_slice(&piece[..n]);
        }
    };
    tokio::time::timeout(LONG, all).await.expect("it was not cut off");
    String::from_utf8_lossy(&bytes).into_owned()
}

pub async fn honest(network: &Network, fakes: &[FakeKeys]) {
    let certificates: Vec<_> = fakes.iter().map(|f| f.certificate.clone()).collect();
    let dealt = deal(&certificates, By::Client, now() + 600, 3);
    assert_eq!(network.api.submit(&dealt.message).await.0, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_uploads_with_large_claims_take_nothing_from_others() {
    let (network, fakes) = network(|l| {
        l.peer_seconds = 1;
        l.job_bytes = 1 << 20;
    })
    .await;
    // Each claims all that one client may hold; together they claim several times what there is.
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut stream = connect(&network, b"http/1.1").await;
        let head = format!("POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\nx", 1 << 20);
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    honest(&network, &fakes).await;
    for stream in slow {
        let end = until_cut(stream).await;
        assert!(end.is_empty() || end.contains("too_slow"), "{end}");
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_connects_and_says_nothing_is_hung_up_on() {
    let (network, fakes) = network(|l| {
        l.peer_seconds = 1;
        l.idle_seconds = 1;
    })
    .await;
    let no_handshake = tcp(&network).await;
    let no_preface = connect(&network, b"h2").await;
    let no_request = connect(&network, b"http/1.1").await;
    let mut half_a_head = connect(&network, b"http/1.1").await;
    half_a_head.write_all(b"GET /v1/net").await.unwrap();
    // A preface, and an empty SETTINGS frame: correct, and then nothing.
    let mut idle = connect(&network, b"h2").await;
    idle.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    honest(&network, &fakes).await;
    until_cut(no_handshake).await;
    for stream in [no_preface, no_request, half_a_head, idle] {
        until_cut(stream).await;
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_one_address_are_bounded() {
    let (network, fakes) = network(|l| l.client_connections = 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(connect(&network, b"http/1.1").await);
    }
    for _ in 0..5 {
        assert_eq!(until_cut(tcp(&network).await).await, "");
    }
    honest(&network, &fakes).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_refused_with_the_time_to_wait() {
    let (network, fakes) = network(|l| {
        l.client_requests_per_second = 1;
        l.client_requests_burst = 20;
    })
    .await;
    let hostile = Api::from(network.coordinator_identity, network.config.http_listen, ELSEWHERE);
    let mut refused = 0;
    for _ in 0..100 {
        let response = hostile.http.get(format!("{}/v1/network", hostile.base)).send().await.unwrap();
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            refused += 1;
            let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=2).contains(&wait));
        }
    }
    assert!(refused > 0, "nothing was refused");
    honest(&network, &fakes).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_forged_or_sent_again_costs_little() {
    let (network, fakes) = network(|l| l.job_bytes = 200_000).await;
    let hostile = Api::from(network.coordinator_identity, network.config.http_listen, ELSEWHERE);
    // Too large by its own claim: refused before it is read.
    let mut giant = connect(&network, b"http/1.1").await;
    giant
        .write_all(
            b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 99999999999\r\n\r\n",
        )
        .await
        .unwrap();
    assert!(until_cut(giant).await.contains("too_large"));
    // No claim at all.
    let mut endless = connect(&network, b"http/1.1").await;
    endless
        .write_all(
            b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n",
        )
        .await
        .unwrap();
    assert!(until_cut(endless).await.contains("length_required"));
    // A head without end.
    let mut head = connect(&network, b"http/1.1").await;
    let _ = head.write_all(b"GET / HTTP/1.1\r\n").await;
    let line = format!("x-y: {}\r\n", "z".repeat(1000));
    while head.write_all(line.as_bytes()).await.is_ok() {}

    let certificates: Vec<_> = fakes.iter().map(|f| f.certificate.clone()).collect();
    let dealt = deal(&certificates, By::Client, now() + 600, 3);
    let frame = tacit_wire::frame::Body::to_frame(&dealt.message);
    for cut in [0, 1, 7, 8, 100, frame.len() - 1] {
        let (status, body) = hostile.send(Method::POST, "/v1/jobs", frame[..cut].to_vec()).await;
        assert!(status.is_client_error(), "{cut}: {body}");
    }
    // One bit of each hundredth byte: a forged signature, digest, id, length or type.
    for at in (0..frame.len().min(4000)).step_by(97) {
        let mut forged = frame.clone();
        forged[at] ^= 0x10;
        let (status, body) = hostile.send(Method::POST, "/v1/jobs", forged).await;
        assert!(status.is_client_error(), "byte {at}: {status} {body}");
    }
    for _ in 0..3 {
        assert!(hostile.submit(&dealt.message).await.0.is_success());
    }
    for i in 0..20u8 {
        let path = format!("/v1/jobs/{}", hex(&[i; 32]));
        assert_eq!(hostile.get(&path).await.0, StatusCode::NOT_FOUND);
        let cancel = hostile.send(Method::POST, &format!("{path}/cancel"), vec![i; 50]).await;
        assert_eq!(cancel.0, StatusCode::NOT_FOUND);
    }
    honest(&network, &fakes).await;
    network.stop().await;
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
