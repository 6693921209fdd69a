//! A connection between two proven identities, and framed messages on its streams.

use std::{future::Future, net::SocketAddr, time::Duration};

use quinn::{ConnectionError, ReadError, ReadExactError, VarInt, WriteError, crypto::rustls::HandshakeData};
use rustls::{NamedGroup, pki_types::CertificateDer};
use tacit_wire::{Blame, Body, FrameError, FrameHeader, IdentityKey, Message, frame::HEADER_BYTES};

use crate::{
    error::{NetError, close},
    handshake,
};

/// How much is read ahead of what has arrived: a claimed length allocates nothing.
const READ_BYTES: usize = 64 * 1024;

/// A connection. Clones share it; it closes when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Connection {
    pub(crate) inner: quinn::Connection,
    peer: Peer,
    group: NamedGroup,
}

#[derive(Debug, Clone, Copy)]
struct Peer {
    identity: IdentityKey,
    role: Blame,
}

impl Connection {
    pub(crate) fn new(inner: quinn::Connection, role: Blame) -> Result<Self, NetError> {
        let address = inner.remote_address();
        let missing = |what: &str| NetError::NoCommonCryptography {
            address,
            reason: format!("the handshake left no {what}"),
        };
        let identity = inner
            .peer_identity()
            .and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok())
            .and_then(|keys| keys.first().and_then(|key| handshake::identity_of(key)))
            .ok_or_else(|| missing("raw Ed25519 key"))?;
        let group = inner
            .handshake_data()
            .and_then(|any| any.downcast::<HandshakeData>().ok())
            .map(|data| data.negotiated_key_exchange_group)
            .ok_or_else(|| missing("key exchange group"))?;
        Ok(Self { inner, peer: Peer { identity, role }, group })
    }

    /// The identity that the peer proved in the handshake.
    pub fn peer_identity(&self) -> IdentityKey {
        self.peer.identity
    }

    /// What the peer is: [`Blame::Node`] for who dialled, [`Blame::Coordinator`] for who was dialled.
    pub fn peer_role(&self) -> Blame {
        self.peer.role
    }

    /// The key exchange group that the handshake ended up with, read off the connection.
    pub fn negotiated_group(&self) -> NamedGroup {
        self.group
    }

    /// Where the peer is.
    pub fn remote_address(&self) -> SocketAddr {
        self.inner.remote_address()
    }

    /// The current estimate of the round trip.
    pub fn round_trip(&self) -> Duration {
        self.inner.rtt()
    }

    /// Opens a stream; waits, at most `timeout`, while the peer allows no more of them.
    pub async fn open(&self, timeout: Duration) -> Result<Stream, NetError> {
        let opened = self.peer.within(timeout, "room for a stream", self.inner.open_bi()).await?;
        let (send, receive) = opened.map_err(|reason| self.peer.lost(reason))?;
        Ok(Stream { send, receive, peer: self.peer })
    }

    /// The next stream that the peer opens. Waits for as long as the connection lives.
    pub async fn accept(&self) -> Result<Stream, NetError> {
        let (send, receive) = self.inner.accept_bi().await.map_err(|reason| self.peer.lost(reason))?;
        Ok(Stream { send, receive, peer: self.peer })
    }

    /// Asks on a stream of its own: sends `request`, ends this half, waits for one message of at most `limit` bytes.
    /// `timeout` counts for each of the three.
    pub async fn request(
        &self,
        request: &impl Body,
        limit: usize,
        timeout: Duration,
    ) -> Result<Message, NetError> {
        let mut stream = self.open(timeout).await?;
        stream.send(request, timeout).await?;
        stream.finish()?;
        stream.receive(limit, timeout).await?.ok_or_else(|| self.peer.ended("a reply"))
    }

    /// Closes the connection at once; what was not acknowledged may be lost.
    pub fn close(&self, reason: &str) {
        self.close_with(close::DONE, reason);
    }

    pub(crate) fn close_with(&self, code: u32, reason: &str) {
        self.inner.close(VarInt::from_u32(code), reason.as_bytes());
    }

    /// Waits until the connection is gone, and says why.
    pub async fn closed(&self) -> NetError {
        self.peer.lost(self.inner.closed().await)
    }
}

impl Peer {
    fn lost(&self, reason: ConnectionError) -> NetError {
        let Self { identity: peer, role: by } = *self;
        match reason {
            ConnectionError::ApplicationClosed(frame) => {
                NetError::Closed { by, peer, code: frame.error_code.into_inner(), text: clean(&frame.reason) }
            }
            reason => NetError::Lost { by, peer, reason },
        }
    }

    fn ended(&self, expected: &'static str) -> NetError {
        NetError::Ended { by: self.role, peer: self.identity, expected }
    }

    fn frame(&self, error: FrameError) -> NetError {
        NetError::Frame { by: self.role, peer: self.identity, error }
    }

    fn read(&self, error: ReadError) -> NetError {
        match error {
            ReadError::Reset(code) => self.abandoned(code),
            ReadError::ConnectionLost(reason) => self.lost(reason),
            ReadError::ClosedStream | ReadError::IllegalOrderedRead | ReadError::ZeroRttRejected => {
                NetError::ClosedHere
            }
        }
    }

    fn write(&self, error: WriteError) -> NetError {
        match error {
            WriteError::Stopped(code) => self.abandoned(code),
            WriteError::ConnectionLost(reason) => self.lost(reason),
            WriteError::ClosedStream | WriteError::ZeroRttRejected => NetError::ClosedHere,
        }
    }

    fn abandoned(&self, code: VarInt) -> NetError {
        NetError::Abandoned { by: self.role, peer: self.identity, code: code.into_inner() }
    }

    async fn within<T>(
        &self,
        timeout: Duration,
        waiting_for: &'static str,
        future: impl Future<Output = T>,
    ) -> Result<T, NetError> {
        tokio::time::timeout(timeout, future).await.map_err(|_| NetError::Timeout {
            by: self.role,
            peer: self.identity,
            waiting_for,
            after: timeout,
        })
    }
}

/// A peer's text for a log line: no control characters, not long.
fn clean(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(256).collect()
}

/// A message with the size of its frame, for accounts of who sent how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The message.
    pub message: Message,
    /// Bytes of its frame, header included.
    pub bytes: usize,
}

/// A bidirectional stream of framed messages.
#[derive(Debug)]
pub struct Stream {
    pub(crate) send: quinn::SendStream,
    pub(crate) receive: quinn::RecvStream,
    peer: Peer,
}

impl Stream {
    /// The identity at the other end.
    pub fn peer_identity(&self) -> IdentityKey {
        self.peer.identity
    }

    /// Sends a message; returns when it is handed to the connection, at most `timeout` later. One that the peer would
    /// refuse for its size is not sent.
    pub async fn send<B: Body>(&mut self, message: &B, timeout: Duration) -> Result<(), NetError> {
        let frame = message.to_frame();
        let (bytes, limit) = (frame.len() - HEADER_BYTES, B::TYPE.limit());
        if bytes > limit {
            return Err(NetError::TooLarge { kind: B::TYPE, bytes, limit });
        }
        self.send_frame(&frame, timeout).await
    }

    /// Sends a frame that was encoded before.
    pub async fn send_frame(&mut self, frame: &[u8], timeout: Duration) -> Result<(), NetError> {
        let peer = self.peer;
        peer.within(timeout, "room to send", self.send.write_all(frame))
            .await?
            .map_err(|error| peer.write(error))
    }

    /// Ends this side's half: nothing more will be sent.
    pub fn finish(&mut self) -> Result<(), NetError> {
        self.send.finish().map_err(|_| NetError::ClosedHere)
    }

    /// Gives up what was sent and not delivered: it is forgotten here, and the peer is told.
    pub fn reset(&mut self) {
        // One that is over already has nothing to forget.
        let _ = self.send.reset(VarInt::from_u32(close::DONE));
    }

    /// Waits until the peer has everything that was sent before [`finish`](Self::finish).
    pub async fn delivered(&mut self, timeout: Duration) -> Result<(), NetError> {
        let peer = self.peer;
        match peer.within(timeout, "the acknowledgement of what was sent", self.send.stopped()).await? {
            Ok(None) => Ok(()),
            Ok(Some(code)) => Err(peer.abandoned(code)),
            Err(quinn::StoppedError::ConnectionLost(reason)) => Err(peer.lost(reason)),
            Err(_) => Err(NetError::ClosedHere),
        }
    }

    /// Returns when the peer says that it wants nothing more on this stream; not when the connection is lost, which says nothing of
    /// that.
    pub async fn unwanted(&self) {
        if !matches!(self.send.stopped().await, Ok(Some(_))) {
            std::future::pending().await
        }
    }

    /// The next message: at most `limit` bytes of body (and never more than its type allows), complete within
    /// `timeout`. `None` when the peer has ended its half between two messages.
    pub async fn receive(&mut self, limit: usize, timeout: Duration) -> Result<Option<Message>, NetError> {
        Ok(self.receive_sized(limit, timeout).await?.map(|received| received.message))
    }

    /// [`receive`](Self::receive), with the size of the frame.
    pub async fn receive_sized(
        &mut self,
        limit: usize,
        timeout: Duration,
    ) -> Result<Option<Received>, NetError> {
        let peer = self.peer;
        peer.within(timeout, "a message", self.read_message(limit)).await?
    }

    /// The next message, which must be there and of type `B`. A refusal in its place is [`NetError::Unexpected`]:
    /// use [`receive`](Self::receive) where one may come.
    pub async fn expect<B: Body + TryFromMessage>(
        &mut self,
        limit: usize,
        timeout: Duration,
    ) -> Result<B, NetError> {
        let name = B::TYPE.name();
        let message = self.receive(limit, timeout).await?.ok_or_else(|| self.peer.ended(name))?;
        let got = message.kind();
        B::try_from_message(message).ok_or(NetError::Unexpected {
            by: self.peer.role,
            peer: self.peer.identity,
            got,
            expected: name,
        })
    }

    /// An error saying that `got` was not what was due.
    pub fn unexpected(&self, got: &Message, expected: &'static str) -> NetError {
        NetError::Unexpected { by: self.peer.role, peer: self.peer.identity, got: got.kind(), expected }
    }

    /// The header of the next message, so that room for the rest can be made before it is read with [`receive_body`](Self::receive_body); checked like a whole
    /// message's. `None` when the peer has ended its half between two messages.
    pub async fn receive_head(
        &mut self,
        limit: usize,
        timeout: Duration,
    ) -> Result<Option<FrameHeader>, NetError> {
        let peer = self.peer;
        peer.within(timeout, "a message", self.read_head(limit)).await?
    }

    /// What follows a header, complete within `timeout`.
    pub async fn receive_body(&mut self, head: FrameHeader, timeout: Duration) -> Result<Message, NetError> {
        let peer = self.peer;
        let body = peer.within(timeout, "a message", self.read_body(head)).await??;
        Message::from_body(head, &body).map_err(|error| peer.frame(error))
    }

    async fn read_message(&mut self, limit: usize) -> Result<Option<Received>, NetError> {
        let Some(header) = self.read_head(limit).await? else { return Ok(None) };
        let body = self.read_body(header).await?;
        let message = Message::from_body(header, &body).map_err(|error| self.peer.frame(error))?;
        Ok(Some(Received { message, bytes: HEADER_BYTES + body.len() }))
    }

    async fn read_head(&mut self, limit: usize) -> Result<Option<FrameHeader>, NetError> {
        let mut header = [0; HEADER_BYTES];
        match self.receive.read_exact(&mut header).await {
            Ok(()) => {}
            Err(ReadExactError::FinishedEarly(0)) => return Ok(None),
            Err(ReadExactError::FinishedEarly(got)) => {
                return Err(self.peer.frame(FrameError::NoHeader { got }));
            }
            Err(ReadExactError::ReadError(error)) => return Err(self.peer.read(error)),
        }
        FrameHeader::parse(header, limit).map(Some).map_err(|error| self.peer.frame(error))
    }

    async fn read_body(&mut self, header: FrameHeader) -> Result<Vec<u8>, NetError> {
        let mut body = Vec::new();
        while body.len() < header.length {
            let wanted = READ_BYTES.min(header.length - body.len());
            match self.receive.read_chunk(wanted, true).await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk.bytes),
                Ok(None) => {
                    return Err(self.peer.frame(FrameError::Length {
                        kind: header.kind,
                        claimed: header.length,
                        got: body.len(),
                    }));
                }
                Err(error) => return Err(self.peer.read(error)),
            }
        }
        Ok(body)
    }
}

/// A message type that can be taken out of [`Message`].
pub trait TryFromMessage: Sized {
    /// The message, if it is of this type.
    fn try_from_message(message: Message) -> Option<Self>;
}

macro_rules! try_from_message {
    ($($name:ident),* $(,)?) => {
        $(impl TryFromMessage for tacit_wire::messages::$name {
            fn try_from_message(message: Message) -> Option<Self> {
                match message {
                    Message::$name(message) => Some(message),
                    _ => None,
                }
            }
        })*
    };
}

try_from_message! {
    Hello, Welcome, Offer, Answer, Refusal, CircuitRequest, CircuitChunk, Ping, Pong, Bye, SubmitJob, JobAnswers,
    Reassign, Cancel,
}
