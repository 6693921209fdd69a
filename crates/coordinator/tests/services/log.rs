//! The log: every job that ended has one entry, whoever ended it; heads never contradict each other; proofs over HTTP hold.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::Value;
use sqlx::Connection as _;
use tacit_coordinator::store::{CircuitRow, Database, Insertion, NewJob, Store};
use tacit_log::{
    ConsistencyProof, Digest32, Frontier, InclusionProof, LogEvidence, ProvenReceipt, SignedTreeHead,
    leaf_hash,
};
use tacit_vault::Clock;
use tacit_wire::frame::Body as _;
use tacit_wire::messages::{Assembler, Cancel, Refusal, RefusalCode};
use tacit_wire::status::{CircuitKind, DeliveryState, JobState};
use tacit_wire::{Blame, Identity, JobOutcome, SeatOutcome, SignedReceipt};

use crate::fixture::{Api, Behaviour, By, Dealt, FakeKeys, Network, circuit, deal, now, stored_job};

async fn json(api: &Api, path: &str) -> Value {
    let (code, body) = api.get(path).await;
    assert_eq!(code, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

async fn head(api: &Api) -> SignedTreeHead {
    serde_json::from_value(json(api, "/v1/log/head").await).unwrap()
}

async fn receipt(api: &Api, id: Digest32) -> ProvenReceipt {
    let (code, body) = api.get(&format!("/v1/jobs/{id}/receipt")).await;
    assert_eq!(code, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    ProvenReceipt::from_json(&body).unwrap()
}

async fn entries(api: &Api, start: u64, count: u64) -> Vec<Vec<u8>> {
    let answer = json(api, &format!("/v1/log/entries?start={start}&count={count}")).await;
    assert_eq!(answer["start"], start);
    answer["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| hex::decode(e["entry"].as_str().unwrap()).unwrap())
        .collect()
}

async fn refused(api: &Api, path: &str) -> (u16, String) {
    let (code, body) = api.send(Method::GET, path, Vec::new()).await;
    (code.as_u16(), body["code"].as_str().unwrap_or_default().to_owned())
}

fn certificates(fakes: &[FakeKeys]) -> Vec<tacit_wire::SealingKeyCertificate> {
    fakes.iter().map(|f| f.certificate.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_that_ended_has_a_receipt_that_anybody_can_check() {
    let network = Network::ready(3, &[]).await;
    let (api, keeper) = (&network.api, &network.coordinator_identity);
    assert_eq!(head(api).await.head.size, 0);
    let certificates = network.certificates().await;
    let first = deal(&certificates, By::Client, now() + 600, 3);
    api.submit(&first.message).await;
    let path = format!("/v1/jobs/{}/receipt", first.id);
    let early = refused(api, &path).await;
    api.wait_for(first.id, |s| s.nodes.iter().all(|n| n.state == DeliveryState::Answered)).await;
    // Either it had ended already, or it is said that it had not.
    assert!(early == (409, "not_ended".into()) || early.0 == 200, "{early:?}");

    let proven = receipt(api, first.id).await;
    let signed = proven.verify(keeper).unwrap();
    let told = &signed.receipt;
    assert_eq!((told.job, told.circuit, told.assembler), (first.id, circuit().id, Assembler::Client));
    assert_eq!((told.outcome.clone(), told.dials), (JobOutcome::Answered, first.header.terms.dials));
    assert!(told.accepted <= told.ended && told.ended <= now() + 2);
    for (place, seat) in (1..).zip(&told.seats) {
        assert_eq!((seat.place, seat.node), (place, network.identities[usize::from(place) - 1]));
        let SeatOutcome::Acknowledged(acknowledged) = &seat.outcome else { panic!("{seat:?}") };
        // What the node signed is about the package that the client dealt to it.
        let package = &first.packages[usize::from(place) - 1];
        let assignment = &first.assignment(place).assignment;
        acknowledged.verify_package(assignment, package).unwrap();
        // It is salted: the same share under another salt has another digest.
        let mut salted_otherwise = package.clone();
        salted_otherwise[36..68].fill(7);
        assert!(acknowledged.verify_package(assignment, &salted_otherwise).is_err());
    }

    // The coordinator assembles the second.
    let info = api.network().await;
    let assembler = info.assembler_certificate.unwrap().decode().unwrap();
    let second = deal(&certificates, By::Coordinator(&assembler), now() + 600, 5);
    api.submit(&second.message).await;
    api.wait_for(second.id, |s| s.state == JobState::Proved).await;
    let later = receipt(api, second.id).await;
    assert_eq!(later.verify(keeper).unwrap().receipt.outcome, JobOutcome::Proved);
    assert_eq!((later.inclusion.leaf, later.head.head.size), (1, 2));

    // The log as anybody reads it.
    let now_head = head(api).await;
    now_head.verify(keeper).unwrap();
    let all = entries(api, 0, 10).await;
    assert_eq!(all, [proven.entry.clone(), later.entry.clone()]);
    let proof: ConsistencyProof =
        serde_json::from_value(json(api, "/v1/log/proof/consistency?from=1&to=2").await).unwrap();
    proof.verify(&proven.head.head.root, &now_head.head.root).unwrap();
    for (leaf, entry) in (0u64..).zip(&all) {
        let path = format!("/v1/log/proof/inclusion?leaf={leaf}&size=2");
        let proof: InclusionProof = serde_json::from_value(json(api, &path).await).unwrap();
        proof.verify(&leaf_hash(entry), &now_head.head.root).unwrap();
    }
    // What people read beside the bytes is the bytes' meaning.
    let page = json(api, "/v1/log/entries?start=1").await;
    let view = serde_json::to_value(SignedReceipt::decode(&all[1]).unwrap().view()).unwrap();
    assert_eq!(page["entries"][0]["receipt"], view);

    for (path, code) in [
        ("/v1/log/proof/inclusion?leaf=2&size=2", "outside_log"),
        ("/v1/log/proof/inclusion?leaf=0&size=3", "outside_log"),
        ("/v1/log/proof/inclusion?leaf=0&size=18446744073709551615", "outside_log"),
        ("/v1/log/proof/consistency?from=2&to=1", "outside_log"),
        ("/v1/log/proof/consistency?from=0&to=3", "outside_log"),
        ("/v1/log/proof/inclusion?leaf=0", "bad_query"),
        ("/v1/log/entries?start=-1", "bad_query"),
        ("/v1/jobs/12/receipt", "bad_id"),
    ] {
        assert_eq!(refused(api, path).await.1, code, "{path}");
    }
    assert_eq!(
        refused(api, &format!("/v1/jobs/{}/receipt", Digest32([1; 32]))).await,
        (404, "unknown_job".into())
    );
    assert!(entries(api, 2, 10).await.is_empty());
    assert!(entries(api, u64::MAX, 10).await.is_empty());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_failed_expired_or_were_forgotten_stand_in_the_log() {
    let time = Arc::new(AtomicU64::new(now()));
    let clock = Clock::from_fn({
        let time = Arc::clone(&time);
        move || time.load(Ordering::Relaxed)
    });
    let fakes: Vec<_> = (0..3).map(|_| FakeKeys::new()).collect();
    let mut network =
        Network::with_clock(0, &fakes.iter().map(|f| &f.identity).collect::<Vec<_>>(), clock).await;
    network.api.register(circuit()).await;
    let keeper = network.coordinator_identity;
    let expiry = time.load(Ordering::Relaxed) + 600;
    let submit = |x| {
        let dealt = deal(&certificates(&fakes), By::Client, expiry, x);
        let api = network.api.clone();
        async move {
            assert_eq!(api.submit(&dealt.message).await.0, StatusCode::CREATED);
            dealt
        }
    };
    let (given_up, expires) = (submit(3).await, submit(5).await);
    // One node refuses both of what it is offered.
    let refusing = fakes[1]
        .connect(&network, |_, _| {
            let refusal = Refusal::new(RefusalCode::BadEnvelope, Blame::Client, "no");
            Behaviour::Frame(refusal.to_frame())
        })
        .await;
    for dealt in [&given_up, &expires] {
        network.api.wait_for(dealt.id, |s| s.nodes[1].state == DeliveryState::Refused).await;
    }
    let cancel = Cancel::sign(&given_up.client, given_up.id).to_frame();
    network.api.send(Method::POST, &format!("/v1/jobs/{}/cancel", given_up.id), cancel).await;
    let first = receipt(&network.api, given_up.id).await;
    time.fetch_add(601, Ordering::Relaxed);
    network.api.wait_for(expires.id, |s| s.state == JobState::Expired).await;
    let second = receipt(&network.api, expires.id).await;

    let told = first.verify(&keeper).unwrap().receipt;
    assert_eq!(told.outcome, JobOutcome::Failed("cancelled".to_owned()));
    let outcomes: Vec<_> = told.seats.iter().map(|s| s.outcome.clone()).collect();
    assert_eq!(
        outcomes,
        [SeatOutcome::Silent, SeatOutcome::Refused(RefusalCode::BadEnvelope), SeatOutcome::Silent]
    );
    let told = second.verify(&keeper).unwrap().receipt;
    assert_eq!((told.outcome, told.ended), (JobOutcome::Expired, expiry + 1));

    // A week later the jobs are forgotten; a restart finds the log as it was.
    refusing.abort();
    time.fetch_add(8 * 24 * 3600, Ordering::Relaxed);
    network.coordinator.take().unwrap().stop().await;
    network.start_coordinator().await;
    crate::fixture::eventually(|| async {
        let (code, _) = network.api.get(&format!("/v1/jobs/{}", given_up.id)).await;
        (code == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    assert_eq!(entries(&network.api, 0, 10).await, [first.entry.clone(), second.entry]);
    let again = receipt(&network.api, given_up.id).await;
    assert_eq!((again.entry, again.inclusion.leaf), (first.entry, 0));
    // Nothing of a public input stands in it.
    let public = deal_public(&given_up);
    let log = entries(&network.api, 0, 10).await.concat();
    assert!(!log.windows(32).any(|w| w == public));
    network.coordinator.take().unwrap().stop().await;
}

/// The first public input as the header has it.
fn deal_public(dealt: &Dealt) -> Vec<u8> {
    dealt.message.header[dealt.message.header.len() - 32..].to_vec()
}

/// A job that was never anywhere.
fn job(dealt: &Dealt) -> NewJob {
    stored_job(dealt.id, dealt, dealt.message.deliveries.iter().map(|d| d.assignment.node()))
}

pub async fn add_circuit(store: &Store) {
    let row = CircuitRow {
        id: circuit().id,
        kind: CircuitKind::Circuit,
        curve: 1,
        n_wires: 1,
        n_public: 1,
        log_domain: 1,
        zkey_bytes: 1,
        file: None,
        r1cs: None,
        added_at: 1,
    };
    store.add_circuit(&row, None).await.unwrap();
}

/// Many tasks end jobs and sign heads at once, each job ended by two of them and by expiry; `stores` are coordinators over one database, whose clocks differ.
async fn storm(stores: &[Store], keeper: &Identity) {
    const JOBS: u64 = 40;
    add_circuit(&stores[0]).await;
    let fakes: Vec<_> = (0..3).map(|_| FakeKeys::new()).collect();
    let start = now();
    let mut ids = Vec::new();
    for x in 0..JOBS {
        // Every fourth expires at once.
        let expiry = if x % 4 == 0 { start - 100 } else { start + 600 };
        let dealt = deal(&certificates(&fakes), By::Client, expiry, 3 + x);
        assert_eq!(stores[0].insert_job(&job(&dealt), start - 1000, 1000).await.unwrap(), Insertion::New);
        ids.push(dealt.id);
    }
    let ids = Arc::new(ids);
    let mut tasks = tokio::task::JoinSet::new();
    for (i, store) in stores.iter().enumerate() {
        let clock = start + 7 * i as u64;
        for half in 0..2usize {
            let (store, ids) = (store.clone(), Arc::clone(&ids));
            tasks.spawn(async move {
                for k in 0..ids.len() {
                    // From both ends, so that they meet.
                    let id = if half == 0 { ids[k] } else { ids[ids.len() - 1 - k] };
                    store
                        .cancel(&id, "{\"code\":\"cancelled\",\"message\":\"\",\"blame\":\"nobody\"}", clock)
                        .await
                        .unwrap();
                }
                Vec::new()
            });
        }
        let (expiring, signing, keeper) = (store.clone(), store.clone(), keeper.clone());
        tasks.spawn(async move {
            for _ in 0..5 {
                expiring.expire(clock).await.unwrap();
            }
            Vec::new()
        });
        tasks.spawn(async move {
            let mut heads = Vec::new();
            for _ in 0..30 {
                heads.push(signing.sign_log_head(&keeper, clock).await.unwrap());
            }
            heads
        });
    }
    let mut heads: Vec<SignedTreeHead> = Vec::new();
    while let Some(done) = tasks.join_next().await {
        heads.extend(done.unwrap());
    }
    heads.push(stores[0].sign_log_head(keeper, start).await.unwrap());
    heads.sort_by_key(|h| h.head.size);
    let last = *heads.last().unwrap();

    // None is missing, none is there twice, and times never go back.
    let entries = stores[0].log_entries(0, 1000).await.unwrap();
    assert_eq!((entries.len() as u64, last.head.size), (JOBS, JOBS));
    let receipts: Vec<_> = entries.iter().map(|e| SignedReceipt::decode(e).unwrap()).collect();
    let logged: HashSet<Digest32> = receipts.iter().map(|r| r.receipt.job).collect();
    assert_eq!(logged, ids.iter().copied().collect());
    assert!(receipts.is_sorted_by_key(|r| r.receipt.ended));
    // Every head is the root over a prefix; no two contradict each other.
    let mut roots = HashMap::from([(0, Frontier::new().root())]);
    let mut tree = Frontier::new();
    for entry in &entries {
        tree.append(leaf_hash(entry));
        roots.insert(tree.size(), tree.root());
    }
    for one in &heads {
        one.verify(&keeper.key()).unwrap();
        assert_eq!(roots[&one.head.size], one.head.root);
        for other in &heads {
            assert_eq!(LogEvidence::of_heads(*one, *other), None);
        }
        let nodes = stores[0].log_subtrees(&ConsistencyProof::needs(one.head.size, JOBS)).await.unwrap();
        let proof = ConsistencyProof::of(one.head.size, JOBS, &nodes).unwrap();
        proof.verify(&one.head.root, &last.head.root).unwrap();
    }
    for leaf in 0..JOBS {
        let nodes = stores[0].log_subtrees(&InclusionProof::needs(leaf, JOBS)).await.unwrap();
        let proof = InclusionProof::of(leaf, JOBS, &nodes).unwrap();
        proof.verify(&leaf_hash(&entries[leaf as usize]), &last.head.root).unwrap();
    }
    // Forgotten, and submitted again: it ends again, and has the entry that it had.
    stores[0].forget_before(u64::MAX / 4).await.unwrap();
    assert!(stores[0].job(&ids[1]).await.unwrap().is_none());
    assert_eq!(stores[0].log_entries(0, 1000).await.unwrap(), entries);
}

fn keeper() -> Identity {
    Identity::from_seed(&[0x5a; 32])
}

#[tokio::test(flavor = "multi_thread")]
async fn one_entry_for_each_job_and_no_contradicting_heads_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let store =
        Store::open(&Database::Sqlite(folder.path().join("a.sqlite"))).await.unwrap().signing_as(&keeper());
    storm(std::slice::from_ref(&store), &keeper()).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_entry_for_each_job_and_no_contradicting_heads_on_postgres() {
    let server = std::env::var("TACIT_TEST_POSTGRES")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1/postgres".to_owned());
    let Ok(mut admin) = sqlx::PgConnection::connect(&server).await else {
        assert!(std::env::var_os("TACIT_REQUIRE_POSTGRES").is_none(), "no PostgreSQL answers at {server}");
        return eprintln!("skipped: no PostgreSQL answers");
    };
    let name = format!("tacit_log_{}", std::process::id());
    let run = |sql: String| sqlx::AssertSqlSafe(sql);
    sqlx::query(run(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let database = Database::Postgres(format!("{base}/{name}").parse().unwrap());
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(Store::open(&database).await.unwrap().signing_as(&keeper()));
    }
    storm(&stores, &keeper()).await;
    for store in stores {
        store.close().await;
    }
    sqlx::query(run(format!("DROP DATABASE {name} WITH (FORCE)"))).execute(&mut admin).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_identity_to_sign_with_no_job_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&Database::Sqlite(folder.path().join("a.sqlite"))).await.unwrap();
    add_circuit(&store).await;
    let fakes: Vec<_> = (0..3).map(|_| FakeKeys::new()).collect();
    let dealt = deal(&certificates(&fakes), By::Client, now() + 600, 3);
    store.insert_job(&job(&dealt), now(), 10).await.unwrap();
    let error = store.cancel(&dealt.id, "{}", now()).await.unwrap_err();
    assert!(error.to_string().contains("without the identity"), "{error}");
    // The transaction was taken back as a whole.
    assert_eq!((store.count_open().await.unwrap(), store.count_envelopes().await.unwrap()), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_clock_that_jumps_ahead_does_not_take_the_log_along() {
    let folder = tempfile::tempdir().unwrap();
    let own = Arc::new(AtomicU64::new(1_000_000));
    let clock = {
        let own = Arc::clone(&own);
        Clock::from_fn(move || own.load(Ordering::SeqCst))
    };
    let store = Store::open(&Database::Sqlite(folder.path().join("a.sqlite"))).await.unwrap();
    let store = store.signing_as(&keeper()).beside(clock);
    add_circuit(&store).await;
    let fakes: Vec<_> = (0..3).map(|_| FakeKeys::new()).collect();
    let failure = "{\"code\":\"cancelled\",\"message\":\"\",\"blame\":\"nobody\"}";
    let end = async |x, accepted, ended| {
        let dealt = deal(&certificates(&fakes), By::Client, now() + 600, x);
        store.insert_job(&job(&dealt), accepted, 10).await.unwrap();
        store.cancel(&dealt.id, failure, ended).await.unwrap();
        let (_, entry) = store.log_entry_of(&dealt.id).await.unwrap().unwrap();
        let receipt = SignedReceipt::decode(&entry).unwrap().receipt;
        (receipt.accepted, receipt.ended)
    };
    assert_eq!(end(3, 999_990, 1_000_000).await, (999_990, 1_000_000));
    // Ten days ahead, by the database, for a while.
    assert_eq!(end(4, 1_864_000, 1_864_005).await, (1_000_000, 1_000_000));
    assert_eq!(store.sign_log_head(&keeper(), 1_864_006).await.unwrap().head.timestamp, 1_000_000);
    own.store(1_000_100, Ordering::SeqCst);
    assert_eq!(end(5, 1_000_090, 1_000_099).await, (1_000_090, 1_000_099));
    // This machine's own, ahead, is no better.
    own.store(u64::MAX, Ordering::SeqCst);
    assert_eq!(end(6, 1_000_100, 1_000_101).await, (1_000_100, 1_000_101));
    store.close().await;
}
