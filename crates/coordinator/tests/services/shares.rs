//! What one API key may have of jobs, envelopes, circuits, uploads and event streams, so that the others have the rest.

use futures_util::StreamExt as _;
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tacit_algebra::{Bn254, Check};
use tacit_circom::Zkey;
use tacit_coordinator::access::{self, ApiKey, Role};
use tacit_coordinator::store::{
    CircuitRow, CircuitShare, CircuitShares, Database, Insertion, NewJob, PIECE_BYTES, Registration, Removal,
    Shares, Store,
};
use tacit_coordinator::{Access, Limits};
use tacit_wire::frame::Body as _;
use tacit_wire::messages::Cancel;
use tacit_wire::{Digest32, Identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt};

use crate::fixture::{
    Api, By, Circuit, Dealt, FakeKeys, LONG, Network, circuit, deal, eventually, new_circuit, now, stored_job,
};
use crate::hostile::{ELSEWHERE, connect};
use crate::postgres::with_postgres;

/// A client with a key, at an address.
struct Client {
    api: Api,
    key: ApiKey,
}

impl Client {
    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.api.http.request(method, format!("{}{path}", self.api.base));
        request.header(AUTHORIZATION, format!("Bearer {}", self.key.reveal()))
    }

    /// Status, and the code of a refusal.
    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> (StatusCode, String) {
        let response = self.request(method, path).body(body).send().await.unwrap();
        let (status, waits) = (response.status(), response.headers().contains_key("retry-after"));
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
        let code = body["code"].as_str().unwrap_or_default().to_owned();
        assert_eq!(waits, status == StatusCode::TOO_MANY_REQUESTS || code == "full", "{body}");
        (status, code)
    }

    async fn submit(&self, dealt: &Dealt) -> (StatusCode, String) {
        self.send(Method::POST, "/v1/jobs", dealt.message.to_frame()).await
    }

    async fn cancel(&self, dealt: &Dealt) {
        let frame = Cancel::sign(&dealt.client, dealt.id).to_frame();
        let (status, _) = self.send(Method::POST, &format!("/v1/jobs/{}/cancel", dealt.id), frame).await;
        assert_eq!(status, StatusCode::OK);
    }

    async fn register(&self, circuit: &Circuit) -> (StatusCode, String) {
        self.send(Method::PUT, &path_of(circuit), circuit.zkey.clone()).await
    }
}

fn path_of(circuit: &Circuit) -> String {
    format!("/v1/circuits/{}", circuit.id)
}

async fn network(change: impl FnOnce(&mut Limits)) -> (Network, Vec<FakeKeys>) {
    let fakes: Vec<_> = (0..4).map(|_| FakeKeys::new()).collect();
    let mut network = Network::new(0, &fakes.iter().map(|f| &f.identity).collect::<Vec<_>>()).await;
    network.api.register(circuit()).await;
    network.coordinator.take().unwrap().stop().await;
    network.config.access = Some(Access::Keys);
    change(&mut network.config.limits);
    network.start_coordinator().await;
    (network, fakes)
}

async fn client(network: &Network, name: &str, role: Role) -> Client {
    Client {
        api: network.api.clone(),
        key: access::add_key(&network.config, name, role, now()).await.unwrap(),
    }
}

fn fresh(fakes: &[FakeKeys]) -> Dealt {
    let certificates: Vec<_> = fakes.iter().map(|f| f.certificate.clone()).collect();
    deal(&certificates, By::Client, now() + 600, 3)
}

fn bytes_of(dealt: &Dealt) -> u64 {
    let envelopes: u64 = dealt.message.deliveries.iter().map(|d| d.envelope.len() as u64).sum();
    envelopes + dealt.message.header.len() as u64
}

#[tokio::test(flavor = "multi_thread")]
pub async fn one_key_cannot_take_every_open_job() {
    let (network, fakes) = network(|l| (l.open_jobs, l.client_open_jobs) = (3, 2)).await;
    let (alice, bob) =
        (client(&network, "alice", Role::Client).await, client(&network, "bob", Role::Client).await);
    let jobs: Vec<_> = (0..5).map(|_| fresh(&fakes)).collect();
    assert_eq!(alice.submit(&jobs[0]).await.0, StatusCode::CREATED);
    assert_eq!(alice.submit(&jobs[1]).await.0, StatusCode::CREATED);
    assert_eq!(alice.submit(&jobs[2]).await, (StatusCode::TOO_MANY_REQUESTS, "share_used_up".to_owned()));
    // What is known stays known.
    assert_eq!(alice.submit(&jobs[0]).await.0, StatusCode::OK);
    assert_eq!(bob.submit(&jobs[3]).await.0, StatusCode::CREATED);
    assert_eq!(bob.submit(&jobs[4]).await, (StatusCode::SERVICE_UNAVAILABLE, "full".to_owned()));
    alice.cancel(&jobs[0]).await;
    assert_eq!(alice.submit(&jobs[2]).await.0, StatusCode::CREATED);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn one_key_cannot_fill_the_room_for_envelopes() {
    let fakes: Vec<_> = (0..4).map(|_| FakeKeys::new()).collect();
    let bytes = bytes_of(&fresh(&fakes));
    // Room for three jobs, of one key for one.
    let (network, fakes) =
        network(|l| (l.envelope_bytes, l.client_envelope_bytes) = (3 * bytes, bytes)).await;
    let mut keys = Vec::new();
    for name in ["alice", "bob", "carol", "dave"] {
        keys.push(client(&network, name, Role::Client).await);
    }
    let jobs: Vec<_> = (0..5).map(|_| fresh(&fakes)).collect();
    assert!(jobs.iter().all(|j| bytes_of(j) == bytes));
    for (key, job) in keys.iter().zip(&jobs).take(3) {
        assert_eq!(key.submit(job).await.0, StatusCode::CREATED);
        assert!(!key.submit(&jobs[4]).await.0.is_success());
    }
    assert_eq!(keys[3].submit(&jobs[3]).await, (StatusCode::SERVICE_UNAVAILABLE, "full".to_owned()));
    keys[0].cancel(&jobs[0]).await;
    assert_eq!(keys[3].submit(&jobs[3]).await.0, StatusCode::CREATED);
    keys[1].cancel(&jobs[1]).await;
    assert_eq!(keys[3].submit(&jobs[4]).await, (StatusCode::TOO_MANY_REQUESTS, "share_used_up".to_owned()));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_takes_room_for_its_header_as_well() {
    let fakes: Vec<_> = (0..4).map(|_| FakeKeys::new()).collect();
    let bytes = bytes_of(&fresh(&fakes));
    for (room, taken) in [(bytes - 1, false), (bytes, true)] {
        let (network, fakes) = network(|l| l.envelope_bytes = room).await;
        let alice = client(&network, "alice", Role::Client).await;
        assert_eq!(alice.submit(&fresh(&fakes)).await.0 == StatusCode::CREATED, taken);
        network.stop().await;
    }
}

fn job(number: u8, model: &Dealt, fakes: &[FakeKeys]) -> NewJob {
    let job = stored_job(Digest32([number; 32]), model, fakes.iter().map(|f| f.identity.key()));
    NewJob { owner: Some(i64::from(number) % 3), ..job }
}

/// Many submissions at once, through several coordinators: exactly as many as there is room for are taken.
async fn submit_at_once(stores: Vec<Store>) {
    let fakes: Vec<_> = (0..4).map(|_| FakeKeys::new()).collect();
    let model = fresh(&fakes);
    stores[0].adopt(&Identity::from_seed(&[1; 32]).key()).await.unwrap();
    crate::log::add_circuit(&stores[0]).await;
    let shares = Shares { jobs: 7, jobs_of_one: 3, ..Shares::from(0) };
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..48u8 {
        let (store, job) = (stores[usize::from(number) % stores.len()].clone(), job(number, &model, &fakes));
        tasks.spawn(async move { (job.owner, store.insert_job(&job, now(), shares).await.unwrap()) });
    }
    let taken: Vec<_> =
        tasks.join_all().await.into_iter().filter(|(_, i)| *i == Insertion::New).map(|(o, _)| o).collect();
    assert_eq!(taken.len(), 7, "{taken:?}");
    for key in 0..3 {
        assert!(taken.iter().filter(|o| **o == Some(key)).count() <= 3, "{taken:?}");
    }
    for store in stores {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn submissions_at_once_do_not_pass_the_bound() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(&Database::Sqlite(root.path().join("x.sqlite"))).await.unwrap();
    submit_at_once(vec![store]).await;
}

#[test]
fn submissions_at_once_at_two_coordinators_do_not_pass_the_bound() {
    with_postgres(|| {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
            let database = Database::Postgres(crate::postgres::current().unwrap());
            let stores = vec![Store::open(&database).await.unwrap(), Store::open(&database).await.unwrap()];
            submit_at_once(stores).await;
        });
    });
}

#[tokio::test(flavor = "multi_thread")]
pub async fn circuits_are_shared_out_and_can_be_removed() {
    let (network, fakes) = network(|l| (l.circuits, l.client_circuits) = (4, 1)).await;
    let (alice, bob) =
        (client(&network, "alice", Role::Client).await, client(&network, "bob", Role::Client).await);
    let operator = client(&network, "operator", Role::Operator).await;
    let (hers, another, his, too_many) = (new_circuit(), new_circuit(), new_circuit(), new_circuit());
    assert_eq!(alice.register(&hers).await.0, StatusCode::CREATED);
    assert_eq!(alice.register(&hers).await.0, StatusCode::OK);
    assert_eq!(alice.register(&another).await, (StatusCode::TOO_MANY_REQUESTS, "share_used_up".to_owned()));
    assert_eq!(bob.register(&his).await.0, StatusCode::CREATED);
    // Operators have no share; what there may be in all holds for them as well.
    assert_eq!(operator.register(&another).await.0, StatusCode::CREATED);
    assert_eq!(operator.register(&too_many).await, (StatusCode::SERVICE_UNAVAILABLE, "full".to_owned()));

    let remove =
        async |who: &Client, circuit: &Circuit| who.send(Method::DELETE, &path_of(circuit), vec![]).await;
    assert_eq!(remove(&alice, &his).await, (StatusCode::FORBIDDEN, "not_yours".to_owned()));
    let job = fresh(&fakes);
    assert_eq!(bob.submit(&job).await.0, StatusCode::CREATED);
    assert_eq!(remove(&operator, circuit()).await, (StatusCode::CONFLICT, "circuit_in_use".to_owned()));
    bob.cancel(&job).await;
    assert_eq!(remove(&operator, circuit()).await.0, StatusCode::NO_CONTENT);
    assert_eq!(remove(&operator, circuit()).await, (StatusCode::NOT_FOUND, "unknown_circuit".to_owned()));
    assert_eq!(alice.send(Method::GET, &path_of(circuit()), vec![]).await.0, StatusCode::NOT_FOUND);
    let files = network.config.data_dir.join("circuits").join(circuit().id.to_string());
    eventually(|| async { (!files.exists()).then_some(()) }).await;
    // Its job is still there; new ones find no circuit.
    assert_eq!(bob.send(Method::GET, &format!("/v1/jobs/{}", job.id), vec![]).await.0, StatusCode::OK);
    let next = fresh(&fakes);
    assert_eq!(bob.submit(&next).await, (StatusCode::NOT_FOUND, "unknown_circuit".to_owned()));
    // There is room again, of the key as well; and what was removed can come back.
    assert_eq!(remove(&alice, &hers).await.0, StatusCode::NO_CONTENT);
    assert_eq!(alice.register(circuit()).await.0, StatusCode::CREATED);
    assert_eq!(bob.submit(&next).await.0, StatusCode::CREATED);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn circuits_are_shared_out_by_their_bytes() {
    let (first, second, third) = (new_circuit(), new_circuit(), new_circuit());
    let sizes = [&first, &second, &third, circuit()].map(|c| c.zkey.len() as u64);
    let all = sizes.iter().sum::<u64>() - 1;
    let (network, _) = network(|l| (l.circuit_bytes, l.client_circuit_bytes) = (all, sizes[0])).await;
    let (alice, bob) =
        (client(&network, "alice", Role::Client).await, client(&network, "bob", Role::Client).await);
    let operator = client(&network, "operator", Role::Operator).await;
    assert_eq!(alice.register(&first).await.0, StatusCode::CREATED);
    assert_eq!(alice.register(&second).await, (StatusCode::TOO_MANY_REQUESTS, "share_used_up".to_owned()));
    // A constraint system counts for whoever registered the circuit.
    let r1cs = |c: &Circuit| format!("{}/r1cs", path_of(c));
    let file = crate::api::r1cs_file(22, 1);
    assert_eq!(alice.send(Method::PUT, &r1cs(&first), file.clone()).await.1, "share_used_up");
    assert_eq!(bob.register(&second).await.0, StatusCode::CREATED);
    assert_eq!(operator.register(&third).await, (StatusCode::SERVICE_UNAVAILABLE, "full".to_owned()));
    assert_eq!(alice.send(Method::DELETE, &path_of(&first), vec![]).await.0, StatusCode::NO_CONTENT);
    assert_eq!(operator.register(&third).await.0, StatusCode::CREATED);
    network.stop().await;
}

/// What has ended takes room as well: of the oldest of it there is an end before its time.
async fn what_has_ended_is_forgotten_where_there_is_no_room(database: &Database) {
    let fakes: Vec<_> = (0..4).map(|_| FakeKeys::new()).collect();
    let model = fresh(&fakes);
    let keeper = Identity::from_seed(&[1; 32]);
    let store = Store::open(database).await.unwrap().signing_as(&keeper);
    store.adopt(&keeper.key()).await.unwrap();
    crate::log::add_circuit(&store).await;
    let left = async || {
        let mut left = Vec::new();
        for number in 0..9u8 {
            if store.job(&Digest32([number; 32])).await.unwrap().is_some() {
                left.push(number);
            }
        }
        left
    };
    // Of keys 0, 1 and 2 by turns; the last one is open.
    for number in 0..9u8 {
        let job = job(number, &model, &fakes);
        assert_eq!(store.insert_job(&job, now(), 100).await.unwrap(), Insertion::New);
        if number < 8 {
            let failure = "{\"code\":\"cancelled\",\"message\":\"\",\"blame\":\"nobody\"}";
            store.cancel(&job.deal, failure, now() + u64::from(number)).await.unwrap();
        }
    }
    let assignments: usize = job(0, &model, &fakes).seats.iter().map(|s| s.assignment.len()).sum();
    // Without its envelopes.
    let each = (model.message.header.len() + assignments) as u64;
    assert_eq!(store.forget_beyond(8 * each, 3 * each).await.unwrap(), 0);
    // Two of each key: keys 0 and 1 have three that ended.
    assert_eq!(store.forget_beyond(8 * each, 3 * each - 1).await.unwrap(), 2);
    assert_eq!(left().await, [2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(store.forget_beyond(4 * each, 3 * each).await.unwrap(), 2);
    assert_eq!(left().await, [4, 5, 6, 7, 8]);
    store.close().await;
}

#[tokio::test]
async fn what_has_ended_is_forgotten_from_a_file_where_there_is_no_room() {
    let root = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(root.path().join("x.sqlite"));
    what_has_ended_is_forgotten_where_there_is_no_room(&database).await;
}

#[test]
fn what_has_ended_is_forgotten_on_a_server_where_there_is_no_room() {
    with_postgres(|| {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
            let database = Database::Postgres(crate::postgres::current().unwrap());
            what_has_ended_is_forgotten_where_there_is_no_room(&database).await;
        });
    });
}

#[test]
fn a_circuit_is_registered_with_all_pieces_of_its_files() {
    with_postgres(|| {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
            let database = Database::Postgres(crate::postgres::current().unwrap());
            let store = Store::open(&database).await.unwrap();
            store.adopt(&Identity::from_seed(&[1; 32]).key()).await.unwrap();
            let row = |id: u8| CircuitRow {
                id: Digest32([id; 32]),
                kind: tacit_wire::status::CircuitKind::Circuit,
                curve: 1,
                n_wires: 22,
                n_public: 1,
                log_domain: 5,
                zkey_bytes: PIECE_BYTES as u64 + 1,
                file: Some(Digest32([9; 32])),
                r1cs: None,
                added_at: now(),
            };
            let all = CircuitShare { circuits: 9, bytes: u64::MAX };
            let shares = CircuitShares { all, of_one: None };
            let register = async |id: u8| store.register_circuit(&row(id), None, None, shares).await.unwrap();
            let put = async |file: u8, piece: u64| {
                store.put_piece(&Digest32([file; 32]), piece, b"piece", now()).await.unwrap();
            };
            put(9, 0).await;
            put(9, 1).await;
            assert_eq!(register(1).await, Registration::New);
            // Another coordinator is putting the same file there, as the first one is removed with what is there.
            put(9, 0).await;
            assert_eq!(store.remove_circuit(&Digest32([1; 32]), None, now()).await.unwrap(), Removal::Done);
            put(9, 1).await;
            assert_eq!(register(1).await, Registration::Incomplete);
            put(9, 0).await;
            assert_eq!(register(1).await, Registration::New);
            // And its constraint system.
            let set =
                async || store.set_r1cs(&Digest32([1; 32]), &Digest32([8; 32]), 5, shares).await.unwrap();
            assert_eq!(set().await, Registration::Incomplete);
            put(8, 0).await;
            assert_eq!(set().await, Registration::New);
            assert_eq!(set().await, Registration::Known);
            store.close().await;
        });
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_what_was_removed_unheard_are_deleted() {
    let (mut network, _) = network(|_| {}).await;
    network.coordinator.take().unwrap().stop().await;
    let circuits = network.config.data_dir.join("circuits");
    let left = circuits.join(Digest32([7; 32]).to_string());
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("circuit.zkey"), b"a key").unwrap();
    network.start_coordinator().await;
    eventually(|| async { (!left.exists()).then_some(()) }).await;
    assert!(circuits.join(circuit().id.to_string()).join("circuit.zkey").exists());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub async fn circuits_can_be_the_operators_alone_to_register() {
    let (network, _) = network(|l| l.client_circuits = 0).await;
    let alice = client(&network, "alice", Role::Client).await;
    let operator = client(&network, "operator", Role::Operator).await;
    let circuit = new_circuit();
    assert_eq!(alice.register(&circuit).await, (StatusCode::FORBIDDEN, "operators_only".to_owned()));
    let r1cs = format!("{}/r1cs", path_of(crate::fixture::circuit()));
    assert_eq!(
        alice.send(Method::PUT, &r1cs, vec![1]).await,
        (StatusCode::FORBIDDEN, "operators_only".to_owned())
    );
    assert_eq!(operator.register(&circuit).await.0, StatusCode::CREATED);
    network.stop().await;
}

#[test]
fn what_is_removed_at_one_coordinator_is_gone_at_the_other() {
    with_postgres(|| {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
            let mut network = Network::new(1, &[]).await;
            network.api.register(circuit()).await;
            network.start_other().await;
            let other = network.other_api().clone();
            // A node of the other's fetches it from there, so that its file is on that disk as well.
            network.start_node_of_other(0).await;
            network.wait_connected(1).await;
            let r1cs = crate::api::r1cs_file(22, 1);
            let path = path_of(circuit());
            let put = network.api.send(Method::PUT, &format!("{path}/r1cs"), r1cs.clone()).await;
            assert_eq!(put.0, StatusCode::CREATED);
            assert_eq!(other.get(&format!("{path}/r1cs")).await, (StatusCode::OK, r1cs));
            let folder = |config: &tacit_coordinator::Config| {
                config.data_dir.join("circuits").join(circuit().id.to_string())
            };
            let folders = [folder(&network.config), folder(&network.other.as_ref().unwrap().config)];
            assert!(folders.iter().all(|f| f.exists()));
            assert_eq!(network.api.send(Method::DELETE, &path, vec![]).await.0, StatusCode::NO_CONTENT);
            assert_eq!(other.get(&path).await.0, StatusCode::NOT_FOUND);
            // The other deletes its copy when it hears of it; one that does not listen at that moment, when it listens again.
            eventually(|| async { (!folders[0].exists()).then_some(()) }).await;
            assert_eq!(other.get(&format!("{path}/r1cs")).await.0, StatusCode::NOT_FOUND);
            network.stop().await;
        });
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_one_client_leave_places_for_others() {
    let fakes: Vec<_> = (0..1).map(|_| FakeKeys::new()).collect();
    let network = Network::new(0, &[&fakes[0].identity]).await;
    let mut slow = Vec::new();
    for number in 0..8u8 {
        let mut stream = connect(&network, b"http/1.1").await;
        let id = Digest32([number; 32]);
        let head = format!("PUT /v1/circuits/{id} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\nx");
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let hostile = Api::from(network.coordinator_identity, network.config.http_listen, ELSEWHERE);
    eventually(|| async {
        let path = path_of(circuit());
        let (status, body) = hostile.send(Method::PUT, &path, circuit().zkey.clone()).await;
        (status == StatusCode::TOO_MANY_REQUESTS && body["code"] == "too_many_uploads").then_some(())
    })
    .await;
    network.api.register(circuit()).await;
    drop(slow);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_that_was_registered_first_stays() {
    let network = Network::new(0, &[]).await;
    let first = new_circuit();
    // The same circuit with another history: the same name, and another file.
    let mut zkey = Zkey::<Bn254>::read(&first.zkey, Check::Full).unwrap();
    zkey.cs_hash[0] ^= 1;
    let second = zkey.write();
    assert!(second != first.zkey && second.len() == first.zkey.len());
    // It begins before the first is registered, and ends after.
    let mut slow = connect(&network, b"http/1.1").await;
    let (path, bytes) = (path_of(&first), second.len());
    let head =
        format!("PUT {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n");
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(&second[..bytes - 1]).await.unwrap();
    let incoming = network.config.data_dir.join("circuits").join("incoming");
    let begun = || std::fs::read_dir(&incoming).unwrap().count() == 1;
    eventually(|| async { begun().then_some(()) }).await;
    network.api.register(&first).await;
    slow.write_all(&second[bytes - 1..]).await.unwrap();
    let mut said = String::new();
    let _ = slow.read_to_string(&mut said).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    let file = network.config.data_dir.join("circuits").join(first.id.to_string()).join("circuit.zkey");
    assert!(std::fs::read(file).unwrap() == first.zkey);
    network.stop().await;
}

/// Reads a stream of events until it ends.
async fn until_it_ends(response: reqwest::Response) {
    assert_eq!(response.status(), StatusCode::OK);
    let mut pieces = response.bytes_stream();
    let all = async { while let Some(Ok(_)) = pieces.next().await {} };
    tokio::time::timeout(LONG, all).await.expect("the stream goes on");
}

#[tokio::test(flavor = "multi_thread")]
pub async fn streams_end_with_their_key() {
    let (network, fakes) = network(|l| l.poll_seconds = 3600).await;
    let alice = client(&network, "alice", Role::Client).await;
    let (board, operator) =
        (client(&network, "board", Role::Operator).await, client(&network, "operator", Role::Operator).await);
    let job = fresh(&fakes);
    assert_eq!(alice.submit(&job).await.0, StatusCode::CREATED);
    let path = format!("/v1/jobs/{}", job.id);
    let streams = [
        alice.request(Method::GET, &format!("{path}/events")).send().await.unwrap(),
        board.request(Method::GET, "/v1/events").send().await.unwrap(),
    ];
    let poll = alice.request(Method::GET, &format!("{path}?wait=3600&seen=1"));
    let poll = tokio::spawn(async move { poll.send().await.unwrap() });
    // It waits.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    for name in ["alice", "board"] {
        access::revoke_key(&network.config, name, now()).await.unwrap();
    }
    // The job goes on: nothing but the key ends these.
    for stream in streams {
        until_it_ends(stream).await;
    }
    // Who waits for a change hears nothing of it.
    operator.cancel(&job).await;
    assert_eq!(poll.await.unwrap().status(), StatusCode::UNAUTHORIZED);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_counted_for_a_key_and_for_an_address() {
    let (network, fakes) = network(|l| l.client_streams = 2).await;
    let mut alice = client(&network, "alice", Role::Client).await;
    let bob = client(&network, "bob", Role::Client).await;
    let (hers, his) = (fresh(&fakes), fresh(&fakes));
    assert_eq!(alice.submit(&hers).await.0, StatusCode::CREATED);
    assert_eq!(bob.submit(&his).await.0, StatusCode::CREATED);
    let path = |job: &Dealt| format!("/v1/jobs/{}/events", job.id);
    let open = async |who: &Client, job: &Dealt| who.request(Method::GET, &path(job)).send().await.unwrap();
    let first = open(&alice, &hers).await;
    let second = open(&alice, &hers).await;
    assert_eq!((first.status(), second.status()), (StatusCode::OK, StatusCode::OK));
    let refused = (StatusCode::TOO_MANY_REQUESTS, "too_many_streams".to_owned());
    // Neither another key at the address, nor the key at another address.
    assert_eq!(bob.send(Method::GET, &path(&his), vec![]).await, refused);
    alice.api = Api::from(network.coordinator_identity, network.config.http_listen, ELSEWHERE);
    assert_eq!(alice.send(Method::GET, &path(&hers), vec![]).await, refused);
    drop(first);
    eventually(|| async { (open(&bob, &his).await.status() == StatusCode::OK).then_some(()) }).await;
    network.stop().await;
}
