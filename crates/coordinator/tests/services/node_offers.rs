//! A real node against a coordinator that is the test itself: it answers once and identically, and refuses everything
//! else with a reason.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tacit_delegate::{CircuitShape, Holder, accept};
use tacit_net::{AnyIdentity, Connection, Server, Settings};
use tacit_node::Node;
use tacit_node::ledger::{Ledger, Standing};
use tacit_vault::identity::system_rng;
use tacit_wire::envelope;
use tacit_wire::messages::{CircuitChunk, Hello, Offer, Refusal, RefusalCode, Welcome};
use tacit_wire::{Blame, Digest32, Identity, Message, SealingKeyCertificate, Slot};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::fixture::{
    By, Circuit, Dealt, FakeKeys, LONG, ask, circuit, deal, deal_of, eventually, new_circuit, now,
};

/// What a node said to the test's coordinator without being asked.
#[derive(Default)]
pub struct Heard {
    pub hellos: Mutex<Vec<Hello>>,
    /// Circuits that it fetched.
    pub fetches: AtomicUsize,
    /// How often the circuit was asked for that is another one.
    pub others: AtomicUsize,
    /// Circuits are sent while nobody holds this.
    gate: Arc<tokio::sync::Mutex<()>>,
}

impl Heard {
    /// Holds circuits back until the result is dropped.
    pub fn hold_circuits(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.gate).try_lock_owned().unwrap()
    }
}

/// A coordinator that does what the test says.
pub struct Bench {
    pub root: TempDir,
    identity: Identity,
    server: Server,
    address: SocketAddr,
    node: Option<tokio::task::JoinHandle<()>>,
    pub certificate: Option<SealingKeyCertificate>,
    pub heard: Arc<Heard>,
    /// What the node's operator decides otherwise than by default.
    pub limits: fn(&mut tacit_node::Limits),
    /// The node's time, if it is not the system's.
    pub clock: Option<tacit_vault::Clock>,
    /// Asks the node that was started last to stop.
    pub stop: CancellationToken,
}

impl Bench {
    pub async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        tacit_node::init(&root.path().join("node")).unwrap();
        let identity = Identity::generate(&mut system_rng().unwrap());
        let server =
            Server::bind((Ipv4Addr::LOCALHOST, 0).into(), &identity, AnyIdentity, Settings::default())
                .unwrap();
        let address = server.local_address().unwrap();
        let heard = Arc::default();
        Self {
            root,
            identity,
            server,
            address,
            node: None,
            certificate: None,
            heard,
            limits: |_| {},
            clock: None,
            stop: CancellationToken::new(),
        }
    }

    /// Starts the node and takes its connection.
    pub async fn start(&mut self) -> Connection {
        let mut config =
            tacit_node::Config::new(self.root.path().join("node"), "node", self.address, self.identity.key());
        (self.limits)(&mut config.limits);
        let clock = self.clock.clone().unwrap_or_else(tacit_vault::Clock::system);
        let node =
            eventually(|| async { Node::open_with_clock(config.clone(), clock.clone()).await.ok() }).await;
        self.certificate = node.certificate();
        self.stop = CancellationToken::new();
        let stop = self.stop.clone();
        self.node = Some(tokio::spawn(async move { node.run(stop).await.unwrap() }));
        let connection = self.server.accept().await.unwrap().handshake().await.unwrap();
        serve_node(connection.clone(), Arc::clone(&self.heard));
        connection
    }

    /// Waits until the node has ended by itself.
    pub async fn ended(&mut self) {
        tokio::time::timeout(LONG, self.node.take().unwrap()).await.unwrap().unwrap();
    }

    /// What the node says to its operator.
    pub async fn status(&self) -> tacit_node::status::Status {
        let dir = self.root.path().join("node");
        tokio::task::spawn_blocking(move || tacit_node::status::ask(&dir)).await.unwrap().unwrap().unwrap()
    }

    pub async fn kill(&mut self) {
        let node = self.node.take().unwrap();
        node.abort();
        let _ = node.await;
    }

    /// The node first, then strangers.
    pub fn committee(&self) -> Vec<SealingKeyCertificate> {
        let mut committee = vec![self.certificate.clone().unwrap()];
        committee.extend((0..2).map(|_| FakeKeys::new().certificate));
        committee
    }

    pub fn deal(&self) -> Dealt {
        deal(&self.committee(), By::Client, now() + 600, 3)
    }
}

/// Greets, and sends whichever zkey was asked for; knows only the tests' circuit.
fn serve_node(connection: Connection, heard: Arc<Heard>) {
    tokio::spawn(async move {
        while let Ok(mut stream) = connection.accept().await {
            match stream.receive(1 << 20, LONG).await {
                Ok(Some(Message::Hello(hello))) => {
                    heard.hellos.lock().unwrap().push(hello);
                    let welcome = Welcome { version: 1, software: "test".to_owned(), time: now() };
                    stream.send(&welcome, LONG).await.unwrap();
                }
                Ok(Some(Message::CircuitRequest(request))) if request.circuit == circuit().id => {
                    heard.fetches.fetch_add(1, Ordering::SeqCst);
                    let _open = heard.gate.lock().await;
                    send_file(&mut stream, &circuit().zkey).await;
                }
                // Whoever asks for all-ones gets a circuit of another name.
                Ok(Some(Message::CircuitRequest(request))) if request.circuit == Digest32([1; 32]) => {
                    heard.others.fetch_add(1, Ordering::SeqCst);
                    send_file(&mut stream, &circuit().zkey).await;
                }
                // All-twos: a file whose announced size changes on the way.
                Ok(Some(Message::CircuitRequest(request))) if request.circuit == Digest32([2; 32]) => {
                    for (offset, total) in [(0, 5000), (1000, 1 << 30)] {
                        let chunk = CircuitChunk { offset, total, bytes: vec![0; 1000] };
                        let _ = stream.send(&chunk, LONG).await;
                    }
                    connection.closed().await;
                }
                // All-threes: a very large file that never comes to its end.
                Ok(Some(Message::CircuitRequest(request))) if request.circuit == Digest32([3; 32]) => {
                    let chunk = CircuitChunk { offset: 0, total: 3 << 30, bytes: vec![0; 1000] };
                    let _ = stream.send(&chunk, LONG).await;
                    connection.closed().await;
                }
                Ok(Some(Message::CircuitRequest(_))) => {
                    let refusal = Refusal::new(RefusalCode::UnknownCircuit, Blame::Client, "none");
                    stream.send(&refusal, LONG).await.unwrap();
                }
                _ => {}
            }
            let _ = stream.finish();
        }
    });
}

async fn send_file(stream: &mut tacit_net::Stream, file: &[u8]) {
    let total = file.len() as u64;
    let mut offset = 0;
    for piece in file.chunks(1000) {
        let chunk = CircuitChunk { offset, total, bytes: piece.to_vec() };
        offset += piece.len() as u64;
        if stream.send(&chunk, LONG).await.is_err() {
            return;
        }
    }
}

pub fn code(message: Message) -> RefusalCode {
    match message {
        Message::Refusal(refusal) => refusal.code,
        other => panic!("a refusal was due, got {:?}", other.kind()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_identically_ever_after_and_across_a_crash() {
    let mut bench = Bench::new().await;
    let connection = bench.start().await;
    let dealt = bench.deal();
    let Message::Answer(first) = ask(&connection, &dealt.offer(1)).await else { panic!("no answer") };
    dealt.check(1, &first).unwrap();
    assert_eq!(ask(&connection, &dealt.offer(1)).await, Message::Answer(first.clone()));
    bench.kill().await;
    let connection = bench.start().await;
    assert_eq!(ask(&connection, &dealt.offer(1)).await, Message::Answer(first));

    // The same deal, another envelope; the same deal, another index: both signed by the client.
    let certificate = bench.certificate.clone().unwrap();
    for slot in [Slot::index(1), Slot::index(2)] {
        let package = &dealt.packages[usize::from(slot.index) - 1];
        let (assignment, envelope) = envelope::seal_package(
            &dealt.client,
            dealt.id.0,
            slot,
            &certificate,
            package,
            &mut system_rng().unwrap(),
        )
        .unwrap();
        let offer = Offer { header: dealt.message.header.clone(), assignment, envelope };
        let Message::Refusal(refusal) = ask(&connection, &offer).await else { panic!("a second answer") };
        assert_eq!((refusal.code, refusal.blame), (RefusalCode::Conflict, Blame::Client));
    }
    bench.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_with_a_reason_and_lives_on() {
    let mut bench = Bench::new().await;
    let connection = bench.start().await;
    let dealt = bench.deal();
    let other = bench.deal();
    let offer = dealt.offer(1);

    // Another node's envelope, brought here.
    assert_eq!(code(ask(&connection, &dealt.offer(2)).await), RefusalCode::BadAssignment);
    // This node's envelope under another deal's header (other public inputs, say).
    let replayed = Offer { header: other.message.header.clone(), ..offer.clone() };
    assert_eq!(code(ask(&connection, &replayed).await), RefusalCode::BadAssignment);
    // Another job's envelope under this assignment.
    let swapped = Offer { envelope: other.offer(1).envelope, ..offer.clone() };
    assert_eq!(code(ask(&connection, &swapped).await), RefusalCode::BadEnvelope);
    // An assignment that somebody else signed.
    let mut forged = offer.clone();
    forged.assignment =
        tacit_wire::SignedAssignment::sign(&Identity::from_seed(&[1; 32]), forged.assignment.assignment);
    assert_eq!(code(ask(&connection, &forged).await), RefusalCode::BadAssignment);
    // A header of another version, a header that is none, nothing at all.
    let mut newer = offer.clone();
    newer.header[0] = 9;
    assert_eq!(code(ask(&connection, &newer).await), RefusalCode::Unsupported);
    for header in [vec![], vec![0; 40], offer.header[..100].to_vec()] {
        let Message::Refusal(refusal) = ask(&connection, &Offer { header, ..offer.clone() }).await else {
            panic!("an answer to noise")
        };
        assert!(matches!(refusal.code, RefusalCode::Malformed | RefusalCode::Unsupported));
    }
    // A deal whose time is over.
    let late = deal(&bench.committee(), By::Client, now() - 10, 3);
    assert_eq!(code(ask(&connection, &late.offer(1)).await), RefusalCode::Expired);
    // A sealing key that this node does not have.
    let mut stale = bench.certificate.clone().unwrap();
    let fake = FakeKeys::new();
    stale.public_key = fake.certificate.public_key.clone();
    stale.key_id = fake.certificate.key_id;
    let committee = [vec![stale], bench.committee()[1..].to_vec()].concat();
    let to_stale = deal(&committee, By::Client, now() + 600, 3);
    assert_eq!(code(ask(&connection, &to_stale.offer(1)).await), RefusalCode::StaleSealingKey);
    // A deal that would outlive the sealing key: its record would be gone before it is over.
    let outliving = bench.certificate.clone().unwrap().expiry + 1;
    let long = deal(&bench.committee(), By::Client, outliving, 3);
    assert_eq!(code(ask(&connection, &long.offer(1)).await), RefusalCode::StaleSealingKey);
    // A circuit that the coordinator does not have.
    let unknown: Circuit = new_circuit();
    let elsewhere =
        deal_of(&unknown, &bench.committee(), By::Client, now() + 600, &crate::fixture::witness(3));
    assert_eq!(code(ask(&connection, &elsewhere.offer(1)).await), RefusalCode::UnknownCircuit);
    // A circuit for which the coordinator sends another one.
    let mut renamed = new_circuit();
    renamed.key.circuit_id.0 = [1; 32];
    let swapped = deal_of(&renamed, &bench.committee(), By::Client, now() + 600, &crate::fixture::witness(3));
    // Asked again, it remembers.
    let again = deal_of(&renamed, &bench.committee(), By::Client, now() + 600, &crate::fixture::witness(4));
    for swapped in [swapped, again] {
        let Message::Refusal(refusal) = ask(&connection, &swapped.offer(1)).await else {
            panic!("an answer")
        };
        assert_eq!((refusal.code, refusal.blame), (RefusalCode::UnknownCircuit, Blame::Coordinator));
    }
    assert_eq!(bench.heard.others.load(Ordering::SeqCst), 1);

    // After all that it still answers.
    let Message::Answer(answer) = ask(&connection, &offer).await else { panic!("no answer") };
    dealt.check(1, &answer).unwrap();
    bench.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_packages_that_the_client_sealed_wrongly() {
    let mut bench = Bench::new().await;
    let connection = bench.start().await;
    let certificate = bench.certificate.clone().unwrap();
    let seal = |dealt: &Dealt, package: &[u8]| {
        let mut rng = system_rng().unwrap();
        let (assignment, envelope) = envelope::seal_package(
            &dealt.client,
            dealt.id.0,
            Slot::index(1),
            &certificate,
            package,
            &mut rng,
        )
        .unwrap();
        Offer { header: dealt.message.header.clone(), assignment, envelope }
    };
    let wrong = |dealt: &Dealt| {
        let mut truncated = dealt.packages[0].clone();
        truncated.pop();
        let mut other_index = dealt.packages[1].clone();
        other_index[35] = 1;
        let mut not_canonical = other_index.clone();
        let end = not_canonical.len();
        not_canonical[end - 32..].fill(0xff);
        vec![Vec::new(), truncated, dealt.packages[1].clone(), not_canonical, other_index]
    };
    for which in 0..5 {
        // A deal of its own each: an envelope that was taken is the deal's only one.
        let dealt = bench.deal();
        let Message::Refusal(refusal) = ask(&connection, &seal(&dealt, &wrong(&dealt)[which])).await else {
            panic!("package {which} was answered")
        };
        assert_eq!((refusal.code, refusal.blame), (RefusalCode::BadPackage, Blame::Client), "{refusal}");
        assert_eq!(code(ask(&connection, &dealt.offer(1)).await), RefusalCode::Conflict);
    }
    // What was begun and can never be answered is not owed.
    assert_eq!(bench.status().await.owed, 0);
    bench.kill().await;
}

#[tokio::test]
async fn a_record_outlives_a_crash_between_the_two_writes_and_goes_with_its_key() {
    let fakes = [FakeKeys::new(), FakeKeys::new(), FakeKeys::new()];
    let certificates: Vec<_> = fakes.iter().map(|f| f.certificate.clone()).collect();
    let dealt = deal(&certificates, By::Client, now() + 600, 3);
    let request = |index: u8, envelope: Option<Vec<u8>>| {
        let holder = Holder {
            node: fakes[0].identity.key().0,
            sealing_key: fakes[0].pair.id().0,
            epoch: fakes[0].certificate.epoch,
        };
        let offer = dealt.offer(1);
        let envelope = envelope.unwrap_or(offer.envelope);
        let mut seat = offer.assignment.assignment.seat;
        seat.index = index;
        let shape = CircuitShape::of(&circuit().key);
        accept(&dealt.header, &seat.assign(&envelope), &envelope, &holder, &shape, now()).unwrap()
    };
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("node.sqlite");
    let ledger = Ledger::open(&path).await.unwrap();
    let first = request(1, None);
    assert_eq!(ledger.begin(&first).await.unwrap(), Standing::Open);
    ledger.close().await;

    // Begun and not answered: it may be computed again, from the same envelope only.
    let ledger = Ledger::open(&path).await.unwrap();
    assert_eq!(ledger.begin(&first).await.unwrap(), Standing::Open);
    for other in [request(1, Some(vec![1; 2000])), request(2, None)] {
        assert!(matches!(ledger.begin(&other).await.unwrap(), Standing::Refused(_)));
        assert!(matches!(ledger.answer(&other, b"stolen".to_vec()).await.unwrap(), Standing::Refused(_)));
    }
    let answered = Standing::Answered(b"first".to_vec());
    assert_eq!(ledger.answer(&first, b"first".to_vec()).await.unwrap(), answered);
    assert_eq!(ledger.answer(&first, b"later".to_vec()).await.unwrap(), answered);
    ledger.close().await;

    // After the expiry a tombstone stays, for as long as the key does.
    let ledger = Ledger::open(&path).await.unwrap();
    assert_eq!(ledger.begin(&first).await.unwrap(), answered);
    let key = fakes[0].pair.id();
    assert_eq!(ledger.forget_key(&key).await.unwrap(), 0, "not while the deal could be answered");
    assert_eq!(ledger.retire(now() + 601).await.unwrap(), 1);
    assert!(matches!(ledger.begin(&first).await.unwrap(), Standing::Refused(_)));
    assert_eq!(ledger.sealing_keys().await.unwrap(), [key]);
    assert_eq!(ledger.forget_key(&key).await.unwrap(), 1);
    assert_eq!(ledger.count().await.unwrap(), 0);
    ledger.close().await;
}
