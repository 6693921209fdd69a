//! Messages on streams: good, bad, too long, too late, cut short.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tacit_wire::{
    Blame, Body, FrameError, Message, MessageType, PROTOCOL_VERSION, PeerMisbehaved,
    frame::HEADER_BYTES,
    messages::{Bye, CircuitChunk, Ping, Pong, Refusal},
};
use tokio::net::UdpSocket;

use super::*;
use crate::{NetError, Stream};

const LIMIT: usize = 1 << 20;

/// A stream that the node opened, at both ends; the coordinator sees it once something was written.
async fn stream(pair: &Pair, first: &[u8]) -> (Stream, Stream) {
    let mut at_node = pair.node.open(LONG).await.unwrap();
    at_node.send_frame(first, LONG).await.unwrap();
    let at_coordinator = pair.coordinator.accept().await.unwrap();
    (at_node, at_coordinator)
}

fn header(kind: MessageType, length: u32) -> Vec<u8> {
    let mut bytes = PROTOCOL_VERSION.to_le_bytes().to_vec();
    bytes.extend_from_slice(&kind.code().to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes
}

#[tokio::test]
async fn the_coordinator_asks_on_the_connection_that_the_node_dialled() {
    let pair = pair().await;
    let node = async {
        let mut stream = pair.node.accept().await.unwrap();
        let ping: Ping = stream.expect(LIMIT, LONG).await.unwrap();
        // The other half is closed; ours still carries the reply.
        assert_eq!(stream.receive(LIMIT, LONG).await.unwrap(), None);
        stream.send(&Pong { number: ping.number }, LONG).await.unwrap();
        stream.finish().unwrap();
        stream.delivered(LONG).await.unwrap();
    };
    let (reply, ()) = tokio::join!(pair.coordinator.request(&Ping { number: 7 }, LIMIT, LONG), node);
    assert_eq!(reply.unwrap(), Message::Pong(Pong { number: 7 }));
}

#[tokio::test]
async fn large_messages_pass_and_are_counted() {
    let pair = pair().await;
    let chunk = CircuitChunk { offset: 0, total: 40 << 20, bytes: vec![0x5a; 1 << 20] };
    let sender = async {
        let mut stream = pair.coordinator.open(LONG).await.unwrap();
        for _ in 0..40 {
            stream.send(&chunk, LONG).await.unwrap();
        }
        stream.finish().unwrap();
        stream.delivered(LONG).await.unwrap();
    };
    let receiver = async {
        let mut stream = pair.node.accept().await.unwrap();
        let mut bytes = 0;
        while let Some(received) = stream.receive_sized(2 << 20, LONG).await.unwrap() {
            assert_eq!(received.message, Message::CircuitChunk(chunk.clone()));
            bytes += received.bytes;
        }
        bytes
    };
    let ((), bytes) = tokio::join!(sender, receiver);
    assert_eq!(bytes, 40 * (HEADER_BYTES + 8 + 8 + 4 + (1 << 20)));
}

#[tokio::test]
async fn garbage_is_the_senders_doing() {
    let pair = pair().await;
    let (_node, mut stream) = stream(&pair, b"GET / HTTP/1.1\r\nHost: tacit\r\n\r\n").await;
    let error = stream.receive(LIMIT, LONG).await.unwrap_err();
    assert!(
        matches!(&error, NetError::Frame { error: FrameError::UnsupportedVersion { got: 0x4547, .. }, .. }),
        "{error}"
    );
    assert!(error.to_string().contains(&node().key().to_string()), "{error}");
    assert_eq!(error.misbehaviour().unwrap().culprits(), [Blame::Node]);
}

#[tokio::test]
async fn garbage_behind_an_honest_header_is_refused() {
    let pair = pair().await;
    let mut frame = header(MessageType::Refusal, 6);
    frame.extend_from_slice(&[0xff; 6]);
    let (_node, mut stream) = stream(&pair, &frame).await;
    let error = stream.receive(LIMIT, LONG).await.unwrap_err();
    assert!(matches!(&error, NetError::Frame { error: FrameError::Body(_), .. }), "{error}");
}

/// The claim alone is enough: nothing is read, let alone allocated.
#[tokio::test]
async fn an_oversize_claim_is_refused_at_once() {
    let pair = pair().await;
    let (_node, mut at_coordinator) = stream(&pair, &header(MessageType::Offer, u32::MAX)).await;
    let error = at_coordinator.receive(usize::MAX, LONG).await.unwrap_err();
    assert!(
        matches!(
            &error,
            NetError::Frame { error: FrameError::TooLarge { kind: MessageType::Offer, .. }, .. }
        ),
        "{error}"
    );

    // The receiver's own limit is below the type's.
    let (_node, mut at_coordinator) = stream(&pair, &header(MessageType::Offer, 4096)).await;
    let error = at_coordinator.receive(4095, LONG).await.unwrap_err();
    assert!(
        matches!(&error, NetError::Frame { error: FrameError::TooLarge { got: 4096, limit: 4095, .. }, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_oversize_message_of_ones_own_is_not_sent() {
    let pair = pair().await;
    let mut stream = pair.node.open(LONG).await.unwrap();
    let chunk = CircuitChunk { offset: 0, total: 4 << 20, bytes: vec![0; 4 << 20] };
    let error = stream.send(&chunk, LONG).await.unwrap_err();
    assert!(matches!(error, NetError::TooLarge { kind: MessageType::CircuitChunk, .. }), "{error}");
    assert!(error.misbehaviour().is_none());
}

#[tokio::test]
async fn silence_runs_into_the_callers_deadline() {
    let pair = pair().await;
    // Half a header, then nothing.
    let (_node, mut at_coordinator) = stream(&pair, &header(MessageType::Ping, 8)[..5]).await;
    let error = at_coordinator.receive(LIMIT, SHORT).await.unwrap_err();
    assert!(matches!(&error, NetError::Timeout { waiting_for: "a message", after: SHORT, .. }), "{error}");
    assert_eq!(
        error.misbehaviour(),
        Some(PeerMisbehaved::Silent { by: Blame::Node, waiting_for: "a message", milliseconds: 200 })
    );

    // A request that nobody answers.
    let request = pair.node.request(&Ping { number: 1 }, LIMIT, SHORT).await;
    assert!(matches!(request.unwrap_err(), NetError::Timeout { by: Blame::Coordinator, .. }));
}

#[tokio::test]
async fn a_trickle_runs_into_the_callers_deadline_too() {
    let pair = pair().await;
    let (mut at_node, mut at_coordinator) = stream(&pair, &header(MessageType::Bye, 1000)).await;
    let trickle = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if at_node.send_frame(b"x", LONG).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        result = at_coordinator.receive(LIMIT, SHORT) => {
            assert!(matches!(result.unwrap_err(), NetError::Timeout { .. }));
        }
        () = trickle => panic!("the stream closed"),
    }
}

#[tokio::test]
async fn halves_that_close_early_are_told_apart() {
    let pair = pair().await;

    // Between two messages: the end.
    let (mut at_node, mut at_coordinator) = stream(&pair, &Ping { number: 1 }.to_frame()).await;
    at_node.finish().unwrap();
    assert_eq!(at_coordinator.receive(LIMIT, LONG).await.unwrap(), Some(Ping { number: 1 }.into()));
    assert_eq!(at_coordinator.receive(LIMIT, LONG).await.unwrap(), None);
    let error = at_coordinator.expect::<Ping>(LIMIT, LONG).await.unwrap_err();
    assert!(matches!(error, NetError::Ended { expected: "ping", .. } | NetError::ClosedHere), "{error}");

    // Within a header.
    let (mut at_node, mut at_coordinator) = stream(&pair, &[1, 0, 8]).await;
    at_node.finish().unwrap();
    let error = at_coordinator.receive(LIMIT, LONG).await.unwrap_err();
    assert!(matches!(&error, NetError::Frame { error: FrameError::NoHeader { got: 3 }, .. }), "{error}");

    // Within a body.
    let mut cut = header(MessageType::Bye, 100);
    cut.extend_from_slice(&[0; 40]);
    let (mut at_node, mut at_coordinator) = stream(&pair, &cut).await;
    at_node.finish().unwrap();
    let error = at_coordinator.receive(LIMIT, LONG).await.unwrap_err();
    assert!(
        matches!(&error, NetError::Frame { error: FrameError::Length { claimed: 100, got: 40, .. }, .. }),
        "{error}"
    );

    // Reset.
    let (mut at_node, mut at_coordinator) = stream(&pair, &[1]).await;
    at_node.send.reset(quinn::VarInt::from_u32(5)).unwrap();
    let error = at_coordinator.receive(LIMIT, LONG).await.unwrap_err();
    assert!(matches!(&error, NetError::Abandoned { code: 5, .. }), "{error}");

    // No reply: the coordinator ends its half at once.
    let (reply, ()) = tokio::join!(pair.node.request(&Ping { number: 2 }, LIMIT, LONG), async {
        pair.coordinator.accept().await.unwrap().finish().unwrap();
    });
    let error = reply.unwrap_err();
    assert!(
        matches!(&error, NetError::Ended { expected: "a reply", .. } | NetError::Abandoned { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn another_message_than_the_one_that_was_due_is_named() {
    let pair = pair().await;
    let (_node, mut at_coordinator) = stream(&pair, &Bye { text: "no".into() }.to_frame()).await;
    let error = at_coordinator.expect::<Refusal>(LIMIT, LONG).await.unwrap_err();
    assert!(
        matches!(&error, NetError::Unexpected { got: MessageType::Bye, expected: "refusal", .. }),
        "{error}"
    );
}

#[tokio::test]
async fn streams_are_bounded() {
    let pair = pair_with(Settings { max_streams: 2, ..patient() }).await;
    let first = pair.node.open(LONG).await.unwrap();
    let _second = pair.node.open(LONG).await.unwrap();
    let error = pair.node.open(SHORT).await.unwrap_err();
    assert!(matches!(error, NetError::Timeout { waiting_for: "room for a stream", .. }), "{error}");
    // Whoever closes a stream makes room for another. The coordinator has to notice: it sees the reset.
    drop(first);
    let node = pair.node.open(LONG);
    let coordinator = async {
        loop {
            drop(pair.coordinator.accept().await);
        }
    };
    tokio::select! {
        opened = node => { opened.unwrap(); }
        () = coordinator => {}
    }
}

#[tokio::test]
async fn a_close_arrives_with_its_reason() {
    let pair = pair().await;
    pair.coordinator.close("maintenance\nat midnight");
    let error = pair.node.closed().await;
    assert!(
        matches!(&error, NetError::Closed { code: 0, text, .. } if text == "maintenanceat midnight"),
        "{error}"
    );
    assert!(error.is_transient(), "dial again later");
    let error = pair.node.open(LONG).await.unwrap_err();
    assert!(matches!(error, NetError::Closed { .. }));
}

/// Forwards datagrams between one client and a server until it is dropped: a network that can be cut.
async fn cuttable(server: SocketAddr) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let front = Arc::new(UdpSocket::bind(loopback()).await.unwrap());
    let back = Arc::new(UdpSocket::bind(loopback()).await.unwrap());
    back.connect(server).await.unwrap();
    let address = front.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut client = None;
        let (mut there, mut back_again) = ([0; 65536], [0; 65536]);
        loop {
            tokio::select! {
                Ok((length, from)) = front.recv_from(&mut there) => {
                    client = Some(from);
                    back.send(&there[..length]).await.ok();
                }
                Ok(length) = back.recv(&mut back_again) => {
                    if let Some(client) = client {
                        front.send_to(&back_again[..length], client).await.ok();
                    }
                }
            }
        }
    });
    (address, task)
}

#[tokio::test]
async fn a_dead_peer_is_noticed_and_a_quiet_one_is_not_taken_for_dead() {
    let settings = Settings {
        idle_timeout: Duration::from_millis(1500),
        keep_alive: Duration::from_millis(200),
        ..patient()
    };
    let server = Server::bind(loopback(), &coordinator(), AnyIdentity, settings.clone()).unwrap();
    let (address, network) = cuttable(server.local_address().unwrap()).await;
    let dialer = Dialer::new(node(), settings);
    let (node, coordinator) = tokio::join!(dialer.connect(address, coordinator().key()), async {
        server.accept().await.unwrap().handshake().await
    });
    let (node, coordinator) = (node.unwrap(), coordinator.unwrap());

    // Nothing is said for longer than the idle timeout: keep-alives hold the connection.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let mut stream = node.open(LONG).await.unwrap();
    stream.send(&Ping { number: 1 }, LONG).await.unwrap();
    coordinator.accept().await.unwrap();

    network.abort();
    for (connection, by) in [(coordinator, Blame::Node), (node, Blame::Coordinator)] {
        let error = tokio::time::timeout(LONG, connection.closed()).await.unwrap();
        assert!(
            matches!(&error, NetError::Lost { by: b, reason: quinn::ConnectionError::TimedOut, .. } if *b == by),
            "{error}"
        );
        assert!(error.is_transient());
        assert!(error.misbehaviour().is_none(), "a broken network is nobody's fault");
    }
}
