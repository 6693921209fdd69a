//! Clients that ask and do not read: what is made for them is bounded, they are hung up on, and others are served.

use futures_util::future::join_all;
use reqwest::StatusCode;
use tacit_coordinator::store::{Database, Insertion, Store};
use tacit_wire::Digest32;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

use crate::fixture::{Api, By, FakeKeys, LONG, Network, deal, eventually, now, stored_job};
use crate::hostile::{ELSEWHERE, connect, honest, network};
use crate::idle::resident;

const MIB: u64 = 1 << 20;

/// Streams that a connection has at most.
const STREAMS: u32 = 64;

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Asks for `path` on every stream of a connection, and leaves no room for a single byte of an answer.
async fn ask_on_all_streams(network: &Network, path: &str) -> TlsStream<TcpStream> {
    let mut stream = connect(network, b"h2").await;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS: INITIAL_WINDOW_SIZE is 0.
    bytes.extend(frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]));
    for number in 0..STREAMS {
        // GET and https of the static table; path and authority as literals.
        let mut head = vec![0x82, 0x87, 0x04, u8::try_from(path.len()).unwrap()];
        head.extend(path.as_bytes());
        head.extend(b"\x01\x09localhost");
        bytes.extend(frame(1, 0x05, 2 * number + 1, &head));
    }
    stream.write_all(&bytes).await.unwrap();
    stream
}

/// Keeps a connection alive, as a client that means to stay: acknowledges settings and pings. Ends when the coordinator hangs up.
fn keep(mut stream: TlsStream<TcpStream>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut head = [0; 9];
        while stream.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            if stream.read_exact(&mut payload).await.is_err() {
                return;
            }
            let answer = match (head[3], head[4] & 1) {
                (4, 0) => frame(4, 1, 0, &[]),
                (6, 0) => frame(6, 1, 0, &payload),
                _ => continue,
            };
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    })
}

/// Jobs as submissions leave them, so that lists are long.
async fn fill(network: &Network, fakes: &[FakeKeys], jobs: u8) {
    let certificates: Vec<_> = fakes.iter().map(|f| f.certificate.clone()).collect();
    let model = deal(&certificates, By::Client, now() + 3600, 3);
    let path = network.config.data_dir.join("coordinator.sqlite");
    let store = Store::open(&Database::Sqlite(path)).await.unwrap();
    for number in 0..jobs {
        let nodes = fakes.iter().map(|f| f.identity.key());
        let job = stored_job(Digest32([number; 32]), &model, nodes);
        assert_eq!(store.insert_job(&job, now(), 1000).await.unwrap(), Insertion::New);
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_who_asks_on_every_stream_and_never_reads_costs_little() {
    const CONNECTIONS: usize = 32;
    let (network, fakes) = network(|l| {
        l.peer_seconds = 4;
        // It is not for idling that it is hung up on.
        l.idle_seconds = 3600;
        l.answer_bytes = 32 << 20;
        // The memory is what is bounded here.
        l.client_requests_at_once = 100_000;
        (l.client_requests_per_second, l.client_requests_burst) = (100_000, 100_000);
    })
    .await;
    fill(&network, &fakes, 200).await;
    let size = network.api.get("/v1/jobs").await.1.len() as u64;
    let asked = CONNECTIONS as u64 * u64::from(STREAMS) * size;
    assert!(asked > 300 * MIB, "too little is asked for to show anything: {} MiB", asked / MIB);

    let before = resident();
    let mut kept = Vec::new();
    for i in 0..CONNECTIONS {
        let path = ["/v1/jobs", "/v1/jobs", "/v1/openapi.json", "/v1/jobs"][i % 4];
        kept.push(keep(ask_on_all_streams(&network, path).await));
    }
    // Others are served while it waits for what it does not take.
    let mut most = 0;
    let begun = std::time::Instant::now();
    while !kept.iter().all(JoinHandle::is_finished) {
        assert!(begun.elapsed() < LONG, "it was not hung up on");
        assert_eq!(network.api.get("/v1/jobs").await.0, StatusCode::OK);
        most = most.max(resident().saturating_sub(before));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    honest(&network, &fakes).await;
    println!("{} MiB were asked for, {} MiB were held", asked / MIB, most / MIB);
    assert!(most < 120 * MIB, "{} MiB", most / MIB);
    // It was hung up on; who reads is served at the same address.
    let reader = Api::from(network.coordinator_identity, network.config.http_listen, ELSEWHERE);
    eventually(|| async { (reader.get("/v1/jobs").await.0 == StatusCode::OK).then_some(()) }).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_progress_of_one_address_are_bounded() {
    let (network, fakes) = network(|l| l.client_requests_at_once = 10).await;
    fill(&network, &fakes, 1).await;
    let hostile = Api::from(network.coordinator_identity, network.config.http_listen, ELSEWHERE);
    let path = format!("/v1/jobs/{}?wait=5&seen=99", Digest32([0; 32]));
    let waiting = join_all((0..30).map(|_| hostile.get(&path)));
    let (answers, ()) = tokio::join!(waiting, honest(&network, &fakes));
    let refused = answers.iter().filter(|(status, _)| *status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!(refused, 20);
    assert!(answers.iter().all(|(_, body)| !body.is_empty()));
    // Nothing is in progress any more.
    assert_eq!(hostile.get("/v1/network").await.0, StatusCode::OK);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_comes_whole_whatever_its_pieces() {
    let (network, fakes) = network(|_| {}).await;
    fill(&network, &fakes, 200).await;
    let (_, by_two) = network.api.get("/v1/jobs").await;
    assert!(by_two.len() > 10 * (16 << 10));
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&by_two).unwrap().as_array().unwrap().len(), 200);
    // By HTTP/1.1 with its length, and only its head.
    let mut one = connect(&network, b"http/1.1").await;
    one.write_all(b"GET /v1/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    one.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&answer[..end]).unwrap().to_lowercase();
    assert!(head.contains(&format!("content-length: {}", by_two.len())), "{head}");
    assert_eq!(answer.len() - end - 4, by_two.len());
    let path = format!("{}/v1/jobs", network.api.base);
    let head = network.api.http.head(path).send().await.unwrap();
    assert_eq!((head.status(), head.bytes().await.unwrap().len()), (StatusCode::OK, 0));
    network.stop().await;
}
