//! A real node and what it refuses because it could not keep it: time, memory, disk, cuts; what it does with its keys when nobody is there; and crashes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use tacit_delegate::{Dials, Handover};
use tacit_node::Node;
use tacit_vault::Clock;
use tacit_wire::messages::{CircuitChunk, Offer, Refusal, RefusalCode};
use tacit_wire::{Blame, IdentityKey, Message};
use tokio_util::sync::CancellationToken;

use crate::fixture::{
    By, Dealt, FakeKeys, LONG, ask, circuit, deal, deal_of, deal_with, eventually, new_circuit, now, witness,
};
use crate::node_offers::{Bench, code};

fn refusal(message: Message) -> Refusal {
    match message {
        Message::Refusal(refusal) => refusal,
        other => panic!("a refusal was due, got {:?}", other.kind()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_not_be_finished_before_the_deal_expires_is_refused_for_now() {
    let mut bench = Bench::new().await;
    let today = now();
    bench.clock = Some(Clock::from_fn(move || today));
    let connection = bench.start().await;
    // It has measured itself.
    eventually(|| async {
        let hellos = bench.heard.hellos.lock().unwrap();
        hellos.last().filter(|hello| hello.bases_per_second > 0).map(|_| ())
    })
    .await;
    // No time is left at all; then enough.
    let late = deal(&bench.committee(), By::Client, today, 3);
    let said = refusal(ask(&connection, &late.offer(1)).await);
    // An estimate is never the last word.
    assert_eq!(said.code, RefusalCode::Busy, "{said}");
    assert!(said.text.contains("seconds here"), "{said}");
    let early = deal(&bench.committee(), By::Client, today + 600, 3);
    assert!(matches!(ask(&connection, &early.offer(1)).await, Message::Answer(_)));
    bench.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_memory_or_onto_the_disk_is_refused() {
    for (limits, name) in [
        ((|limits| limits.memory_bytes = 1 << 20) as fn(&mut tacit_node::Limits), "memory_bytes"),
        (|limits| limits.disk_bytes = 1000, "disk_bytes"),
    ] {
        let mut bench = Bench::new().await;
        bench.limits = limits;
        let connection = bench.start().await;
        for _ in 0..2 {
            let said = refusal(ask(&connection, &bench.deal().offer(1)).await);
            assert_eq!(said.code, RefusalCode::BeyondLimits, "{said}");
            assert!(said.text.contains(name), "{said}");
        }
        // Nothing is left of what was begun.
        let left = std::fs::read_dir(bench.root.path().join("node/circuits/incoming")).unwrap().count();
        assert_eq!(left, 0);
        bench.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn offers_beyond_the_memory_are_refused_before_they_are_read() {
    let mut bench = Bench::new().await;
    bench.limits = |limits| limits.memory_bytes = 4 << 20;
    let connection = bench.start().await;
    let dealt = bench.deal();
    let giant = Offer { envelope: vec![0; 3 << 20], ..dealt.offer(1) };
    // Of what it does not read it may tell before the last byte is sent; either way it does not take it.
    let reply = tokio::time::timeout(Duration::from_secs(60), try_ask(&connection, &giant)).await.unwrap();
    if let Some(reply) = reply {
        assert_eq!(code(reply), RefusalCode::BeyondLimits);
    }
    let smaller = Offer { envelope: vec![0; 1 << 20], ..dealt.offer(1) };
    // That one fits, and is no envelope.
    assert_eq!(code(ask(&connection, &smaller).await), RefusalCode::BadEnvelope);
    assert!(matches!(ask(&connection, &dealt.offer(1)).await, Message::Answer(_)));
    bench.kill().await;
}

async fn try_ask(connection: &tacit_net::Connection, offer: &Offer) -> Option<Message> {
    let time = Duration::from_secs(30);
    let mut stream = connection.open(time).await.ok()?;
    let _ = stream.send(offer, time).await;
    let _ = stream.finish();
    stream.receive(1 << 20, time).await.ok()?
}

#[tokio::test(flavor = "multi_thread")]
async fn new_ways_of_cutting_a_key_are_rationed() {
    let mut bench = Bench::new().await;
    bench.limits = |limits| limits.cut_bytes = 1;
    let connection = bench.start().await;
    let dials = |groups| Dials::new(Handover::Quotient, 2, 1).unwrap().with_groups(groups).unwrap();
    let offer = |bench: &Bench, groups: u8| {
        let mut committee: Vec<_> = (1..dials(groups).seats()).map(|_| FakeKeys::new().certificate).collect();
        committee.insert(0, bench.certificate.clone().unwrap());
        let dealt = deal_with(circuit(), dials(groups), &committee, By::Client, now() + 600, &witness(3));
        dealt.offer(1)
    };
    assert!(matches!(ask(&connection, &offer(&bench, 2)).await, Message::Answer(_)));
    assert_eq!(code(ask(&connection, &offer(&bench, 3)).await), RefusalCode::Busy);
    assert!(matches!(ask(&connection, &offer(&bench, 2)).await, Message::Answer(_)));
    bench.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_fits_once_is_cut_where_it_would_not_fit_twice() {
    let mut bench = Bench::new().await;
    // Opening or checking the key takes more than half of it.
    bench.limits = |limits| limits.memory_bytes = 3 << 19;
    let connection = bench.start().await;
    let dials = Dials::new(Handover::Quotient, 2, 1).unwrap().with_groups(2).unwrap();
    let mut committee: Vec<_> = (1..dials.seats()).map(|_| FakeKeys::new().certificate).collect();
    committee.insert(0, bench.certificate.clone().unwrap());
    let dealt = deal_with(circuit(), dials, &committee, By::Client, now() + 600, &witness(3));
    let reply = ask(&connection, &dealt.offer(1)).await;
    assert!(matches!(reply, Message::Answer(_)), "{reply:?}");
    bench.kill().await;
}

/// A deal of a circuit that only its name tells from the tests' circuit.
fn deal_named(bench: &Bench, name: u8) -> Dealt {
    let mut circuit = new_circuit();
    circuit.key.circuit_id.0 = [name; 32];
    deal_of(&circuit, &bench.committee(), By::Client, now() + 600, &witness(3))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circuit_is_fetched_once_for_all_who_wait_and_others_are_served_meanwhile() {
    let mut bench = Bench::new().await;
    let connection = bench.start().await;
    // Another circuit is there.
    let other = new_circuit();
    let zkey = bench.root.path().join("other.zkey");
    std::fs::write(&zkey, &other.zkey).unwrap();
    let dir = bench.root.path().join("node");
    let config = tacit_node::Config::new(dir, "node", "127.0.0.1:1", IdentityKey([1; 32]));
    tokio::task::spawn_blocking(move || tacit_node::import(&config, &zkey)).await.unwrap().unwrap();
    let gate = bench.heard.hold_circuits();
    let asking: Vec<_> = (0..3)
        .map(|_| {
            let (connection, dealt) = (connection.clone(), bench.deal());
            tokio::spawn(async move { ask(&connection, &dealt.offer(1)).await })
        })
        .collect();
    eventually(|| async { (bench.status().await.offers_in_hand == 3).then_some(()) }).await;
    eventually(|| async { (bench.heard.fetches.load(Ordering::SeqCst) == 1).then_some(()) }).await;
    let dealt = deal_of(&other, &bench.committee(), By::Client, now() + 600, &witness(3));
    assert!(matches!(ask(&connection, &dealt.offer(1)).await, Message::Answer(_)));
    drop(gate);
    for reply in asking {
        assert!(matches!(reply.await.unwrap(), Message::Answer(_)));
    }
    assert_eq!(bench.heard.fetches.load(Ordering::SeqCst), 1);
    bench.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fetched_is_rationed_by_the_size_that_is_announced() {
    for (limits, code, name) in [
        (
            (|limits| limits.client_fetch_bytes = 1000) as fn(&mut tacit_node::Limits),
            RefusalCode::BeyondLimits,
            "client_fetch_bytes",
        ),
        (|limits| limits.fetch_bytes = 1000, RefusalCode::Busy, "all clients'"),
    ] {
        let mut bench = Bench::new().await;
        bench.limits = limits;
        let connection = bench.start().await;
        for _ in 0..2 {
            let said = refusal(ask(&connection, &bench.deal().offer(1)).await);
            assert_eq!(said.code, code, "{said}");
            assert!(said.text.contains(name), "{said}");
        }
        bench.kill().await;
    }
    // A file that no budget allows is not waited for.
    for (limits, name) in [
        ((|limits| limits.memory_bytes = 64 << 20) as fn(&mut tacit_node::Limits), "memory_bytes"),
        (|limits| (limits.disk_bytes, limits.memory_bytes) = (1 << 30, 1 << 40), "disk_bytes"),
    ] {
        let mut bench = Bench::new().await;
        bench.limits = limits;
        let connection = bench.start().await;
        let said = refusal(ask(&connection, &deal_named(&bench, 3).offer(1)).await);
        assert_eq!(said.code, RefusalCode::BeyondLimits, "{said}");
        assert!(said.text.contains(name), "{said}");
        let left = std::fs::read_dir(bench.root.path().join("node/circuits/incoming")).unwrap().count();
        assert_eq!(left, 0);
        bench.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_size_changes_on_the_way_is_refused() {
    let mut bench = Bench::new().await;
    let connection = bench.start().await;
    let said = refusal(ask(&connection, &deal_named(&bench, 2).offer(1)).await);
    assert_eq!((said.code, said.blame), (RefusalCode::UnknownCircuit, Blame::Coordinator), "{said}");
    assert!(said.text.contains("1000 of 5000 was due"), "{said}");
    bench.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_offers_may_be_large() {
    let mut bench = Bench::new().await;
    let connection = bench.start().await;
    let say = |bytes: usize| CircuitChunk { offset: 0, total: bytes as u64, bytes: vec![0; bytes] };
    let reply = |message: CircuitChunk| {
        let connection = connection.clone();
        async move { refusal(connection.request(&message, 1 << 20, LONG).await.unwrap()) }
    };
    // A small one is read and is not the coordinator's to send; of a large one the head is all that is read.
    assert!(reply(say(100)).await.text.contains("not a coordinator's to send"));
    let said = reply(say(8000)).await;
    assert_eq!((said.code, said.blame), (RefusalCode::Malformed, Blame::Coordinator));
    assert!(said.text.contains("is not read"), "{said}");
    assert!(matches!(ask(&connection, &bench.deal().offer(1)).await, Message::Answer(_)));
    bench.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_deal_that_is_late_is_told_so_and_is_not_owed() {
    let mut bench = Bench::new().await;
    let time = Arc::new(AtomicU64::new(now()));
    let clock = Arc::clone(&time);
    bench.clock = Some(Clock::from_fn(move || clock.load(Ordering::SeqCst)));
    let connection = bench.start().await;
    // The circuit is there.
    assert!(matches!(ask(&connection, &bench.deal().offer(1)).await, Message::Answer(_)));
    // The node promises an answer and cannot record that it does; meanwhile the deal expires.
    let path = bench.root.path().join("node/node.sqlite");
    let database = SqlitePool::connect_with(SqliteConnectOptions::new().filename(path)).await.unwrap();
    let mut lock = database.acquire().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *lock).await.unwrap();
    let dealt = bench.deal();
    let asking = {
        let (connection, offer) = (connection.clone(), dealt.offer(1));
        tokio::spawn(async move { ask(&connection, &offer).await })
    };
    eventually(|| async { (bench.status().await.offers_in_hand == 1).then_some(()) }).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    time.fetch_add(700, Ordering::SeqCst);
    sqlx::query("ROLLBACK").execute(&mut *lock).await.unwrap();
    let said = refusal(asking.await.unwrap());
    assert_eq!((said.code, said.blame), (RefusalCode::Expired, Blame::Node), "{said}");
    assert!(said.text.contains("accepted and not in time"), "{said}");
    let row: (i64,) = sqlx::query_as("SELECT COUNT(*) FROM records WHERE answered = 0")
        .fetch_one(&mut *lock)
        .await
        .unwrap();
    assert_eq!(row.0, 0);
    drop(lock);
    bench.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_have_a_budget() {
    let mut bench = Bench::new().await;
    bench.limits = |limits| limits.records_bytes = 1 << 12;
    let connection = bench.start().await;
    let said = refusal(ask(&connection, &bench.deal().offer(1)).await);
    assert_eq!(said.code, RefusalCode::Busy, "{said}");
    assert!(said.text.contains("limits.records_bytes"), "{said}");
    let status = bench.status().await;
    assert!(status.records_bytes > 1 << 12 && status.disk.used >= status.records_bytes, "{status:?}");
    bench.kill().await;
}

/// The keys in a node's folder.
fn keys(dir: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("sealing")).unwrap().map(|e| e.unwrap().path());
    let mut keys: Vec<_> = entries.filter(|p| p.extension().is_some_and(|e| e == "key")).collect();
    keys.sort();
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_sealing_key_is_destroyed_without_a_connection() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("node");
    tacit_node::init_with(&dir, &tacit_vault::Unlock::Unencrypted, 16).unwrap();
    let [first] = keys(&dir).try_into().unwrap();
    // Nobody is there: a socket that says nothing.
    let silent = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let mut config =
        tacit_node::Config::new(&dir, "node", silent.local_addr().unwrap(), IdentityKey([3; 32]));
    config.limits.sealing_key_seconds = 16;
    let time = Arc::new(AtomicU64::new(now()));
    let clock = Arc::clone(&time);
    let node = Node::open_with_clock(config, Clock::from_fn(move || clock.load(Ordering::SeqCst))).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(node.unwrap().run(stop.clone()));
    time.fetch_add(17, Ordering::SeqCst);
    // Another one takes its place.
    eventually(|| async { (!first.exists() && keys(&dir).len() == 1).then_some(()) }).await;
    // Even if records cannot be written, as on a disk that is full.
    let [second] = keys(&dir).try_into().unwrap();
    let database = SqliteConnectOptions::new().filename(dir.join("node.sqlite"));
    let database = SqlitePool::connect_with(database).await.unwrap();
    sqlx::query("DROP TABLE records").execute(&database).await.unwrap();
    time.fetch_add(17, Ordering::SeqCst);
    eventually(|| async { (!second.exists() && keys(&dir).len() == 1).then_some(()) }).await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn records_from_another_time_cost_the_node_its_sealing_keys() {
    let mut bench = Bench::new().await;
    bench.start().await;
    let dir = bench.root.path().join("node");
    bench.kill().await;
    let database = || {
        let names = ["node.sqlite", "node.sqlite-wal"];
        names.map(|name| dir.join(name))
    };
    let old = database().map(|path| std::fs::read(path).unwrap_or_default());
    let first = keys(&dir);
    bench.start().await;
    assert_eq!(keys(&dir), first, "an ordinary start keeps them");
    bench.kill().await;
    // Put back in place: the inode is the same, the content is of the run before.
    for (path, bytes) in database().iter().zip(old) {
        std::fs::write(path, bytes).unwrap();
    }
    let _ = std::fs::remove_file(dir.join("node.sqlite-shm"));
    bench.start().await;
    let second = keys(&dir);
    assert!(second.len() == 1 && second != first, "{second:?}");
    bench.kill().await;
    // A database that is gone.
    for path in database() {
        let _ = std::fs::remove_file(path);
    }
    bench.start().await;
    assert!(keys(&dir).len() == 1 && keys(&dir) != second);
    bench.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_a_crash_cut_off_is_answered_later_and_once() {
    let mut bench = Bench::new().await;
    // The key is there, so that what a crash hits is the offer itself.
    let connection = bench.start().await;
    assert!(matches!(ask(&connection, &bench.deal().offer(1)).await, Message::Answer(_)));
    bench.kill().await;
    // Cut off at any moment: before it is read, while it waits or computes, between the two records, after the second.
    for step in 0..14u64 {
        let connection = bench.start().await;
        let dealt = bench.deal();
        let offer = dealt.offer(1);
        let asking = {
            let (connection, offer) = (connection.clone(), offer.clone());
            tokio::spawn(async move { try_ask(&connection, &offer).await })
        };
        tokio::time::sleep(Duration::from_millis(step * step / 2)).await;
        bench.kill().await;
        let before = asking.await.unwrap();
        let connection = bench.start().await;
        let Message::Answer(after) = ask(&connection, &offer).await else { panic!("no answer at {step}") };
        dealt.check(1, &after).unwrap();
        if let Some(Message::Answer(before)) = before {
            assert_eq!(before, after);
        }
        assert_eq!(ask(&connection, &offer).await, Message::Answer(after));
        bench.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_takes_nothing_more_and_finishes_what_it_has() {
    let mut bench = Bench::new().await;
    let connection = bench.start().await;
    let gate = bench.heard.hold_circuits();
    let first = bench.deal();
    let asking = {
        let (connection, offer) = (connection.clone(), first.offer(1));
        tokio::spawn(async move { ask(&connection, &offer).await })
    };
    // In hand: it waits for the circuit.
    eventually(|| async { (bench.heard.fetches.load(Ordering::SeqCst) == 1).then_some(()) }).await;
    bench.stop.cancel();
    let second = bench.deal();
    eventually(|| async {
        let said = refusal(try_ask(&connection, &second.offer(1)).await?);
        (said.code == RefusalCode::Leaving).then_some(())
    })
    .await;
    drop(gate);
    let Message::Answer(answer) = asking.await.unwrap() else { panic!("what was in hand is not answered") };
    first.check(1, &answer).unwrap();
    bench.ended().await;
}
