//! Nodes' connections: who is there, what they are offered, what they say.
//!
//! A session is one connection. It holds no state that matters: what a node has to do is read from the database
//! whenever something may have changed, so a node that comes back, or a coordinator that was restarted, goes on where
//! the last one stopped.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tacit_net::{Connection, Incoming, NetError, Server, Stream};
use tacit_wire::codec::Writer;
use tacit_wire::frame::{Body as _, MessageType};
use tacit_wire::messages::{
    Answer, Bye, CircuitChunk, CircuitRequest, Hello, Offer, Pong, Refusal, RefusalCode, Welcome,
    node::MAX_CHUNK_BYTES,
};
use tacit_wire::status::RefusalInfo;
use tacit_wire::{Blame, Digest32, IdentityKey, Message, PROTOCOL_VERSION, Purpose, SignedAssignment};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::SOFTWARE;
use crate::jobs;
use crate::memory::Held;
use crate::metrics::Relayed;
use crate::polls::{Mark, Turns};
use crate::registry::Seat;
use crate::relay;
use crate::service::Service;
use crate::store::{Claimed, Place, Recorded, Reply, StoreError};

/// How long an offer rests that its node had no room for, the first time.
const BUSY: Duration = Duration::from_secs(1);
/// How long an offer rests that its node failed at, the first time.
const FAILED: Duration = Duration::from_secs(10);
/// Offers of one node that rest at a time, at most.
const RESTING: usize = 1024;
/// Why a session ends that another one of its node replaced.
const REPLACED: &str = "replaced by a newer connection of the same node";
/// How long connections may take to say goodbye at shutdown.
const DRAIN: Duration = Duration::from_secs(3);
/// The largest message that a node sends without having been asked.
const REQUEST_BYTES: usize = MessageType::Hello.limit();

/// Takes connections until shutdown. Dropping the future drops every connection.
pub async fn serve(service: Arc<Service>, server: Server) {
    let mut sessions = JoinSet::new();
    for number in 0u64.. {
        let incoming = loop {
            tokio::select! {
                () = service.shutdown.cancelled() => break None,
                Some(_) = sessions.join_next(), if !sessions.is_empty() => {}
                incoming = server.accept() => break incoming,
            }
        };
        let Some(incoming) = incoming else { break };
        sessions.spawn(session(Arc::clone(&service), incoming, number));
    }
    let drained = async { while sessions.join_next().await.is_some() {} };
    let _ = timeout(DRAIN, drained).await;
    server.close("the coordinator shuts down");
    let _ = timeout(DRAIN, server.wait_idle()).await;
}

async fn session(service: Arc<Service>, incoming: Incoming, number: u64) {
    let address = incoming.remote_address();
    let connection = match incoming.handshake().await {
        Ok(connection) => connection,
        Err(error) => return tracing::debug!(%address, %error, "a node's handshake failed"),
    };
    let identity = connection.peer_identity();
    // The server asked the registry already; this is where the place is taken.
    let Some(seat) = service.registry.join(identity, number) else { return };
    let name = service.registry.name_of(&identity).unwrap_or_default();
    let seat = Arc::new(seat);
    match greet(&service, &connection, &seat).await {
        Ok(Some(capacity)) => {
            tracing::info!(node = %identity, name, %address, "node connected");
            let window = usize::from(capacity.min(service.config.limits.offers_in_flight.max(1)));
            let why = converse(&service, &connection, &seat, window).await;
            tracing::info!(node = %identity, name, reason = why, "node disconnected");
            if let Err(error) = service.store.depart(&identity, seat.connection()).await {
                tracing::error!(node = %identity, %error, "cannot say that a node is gone");
            }
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(node = %identity, name, %error, "no greeting came of a node's connection")
        }
    }
    connection.close("end of session");
}

fn patience(service: &Service) -> Duration {
    Duration::from_secs(service.config.limits.peer_seconds)
}

/// The node's first stream: `Hello`. Returns how many offers it takes at once, `None` if it was refused.
async fn greet(service: &Service, connection: &Connection, seat: &Seat) -> Result<Option<u16>, NetError> {
    let time = patience(service);
    let silent =
        |_| NetError::Timeout { by: Blame::Node, peer: seat.identity, waiting_for: "its hello", after: time };
    let mut stream = timeout(time, connection.accept()).await.map_err(silent)??;
    let hello: Hello = stream.expect(REQUEST_BYTES, time).await?;
    match admit(service, seat, &hello) {
        Ok(welcome) => {
            match service.store.arrive(&seat.identity, &body_of(&hello)).await {
                Ok(connection) => seat.connected(connection),
                Err(error) => {
                    tracing::error!(node = %seat.identity, %error, "cannot say that a node is here");
                    stream.send(&failed(), time).await?;
                    stream.finish()?;
                    stream.delivered(time).await?;
                    return Ok(None);
                }
            }
            let welcomed = stream.send(&welcome, time).await.and_then(|()| stream.finish());
            if let Err(error) = welcomed {
                if let Err(error) = service.store.depart(&seat.identity, seat.connection()).await {
                    tracing::error!(node = %seat.identity, %error, "cannot say that a node is gone");
                }
                return Err(error);
            }
            Ok(Some(hello.capacity))
        }
        Err(refusal) => {
            tracing::warn!(node = %seat.identity, %refusal, "a node was refused");
            stream.send(&refusal, time).await?;
            stream.finish()?;
            stream.delivered(time).await?;
            Ok(None)
        }
    }
}

/// As the database keeps it.
fn body_of<B: tacit_wire::Body>(message: &B) -> Vec<u8> {
    let mut body = Writer::new();
    message.write(&mut body);
    body.finish()
}

fn failed() -> Refusal {
    Refusal::new(RefusalCode::Internal, Blame::Coordinator, "the database failed")
}

fn admit(service: &Service, seat: &Seat, hello: &Hello) -> Result<Welcome, Refusal> {
    if !hello.versions.contains(&PROTOCOL_VERSION) {
        let text =
            format!("this coordinator speaks version {PROTOCOL_VERSION}, the node {:?}", hello.versions);
        return Err(Refusal::new(RefusalCode::Unsupported, Blame::Node, text));
    }
    hello
        .certificate
        .verify_for(Purpose::NodeEnvelope, seat.identity, service.clock.now())
        .map_err(|e| Refusal::new(RefusalCode::NotAdmitted, Blame::Node, e))?;
    Ok(Welcome { version: PROTOCOL_VERSION, software: SOFTWARE.to_owned(), time: service.clock.now() })
}

/// Everything after the greeting; returns why it ended.
async fn converse(
    service: &Arc<Service>,
    connection: &Connection,
    seat: &Arc<Seat>,
    window: usize,
) -> String {
    let mut requests = JoinSet::new();
    let mut offers = JoinSet::new();
    let mut in_flight = HashSet::new();
    let mut resting = Resting::default();
    let mut rng = StdRng::from_rng(&mut rand::rng());
    // Whether there may be something to offer; and whether more waits than there was a place for in the window.
    let (mut look, mut more) = (true, false);
    loop {
        if look {
            match fill(service, connection, seat, window, &mut offers, &mut in_flight, &resting.until).await {
                Ok(Filled::All) => more = false,
                Ok(Filled::More) => more = true,
                Ok(Filled::Superseded) => return REPLACED.to_owned(),
                Err(error) => {
                    tracing::error!(%error, "cannot look for offers");
                    resting
                        .until
                        .insert(Digest32([0; 32]), Rest { at: Instant::now() + FAILED, busy: false });
                }
            }
            look = false;
        }
        let next_rested = resting.until.values().map(|r| r.at).min();
        tokio::select! {
            () = service.shutdown.cancelled() => {
                let bye = Bye { text: "the coordinator shuts down".to_owned() };
                let _ = farewell(connection, &bye).await;
                return bye.text;
            }
            () = seat.replaced() => return REPLACED.to_owned(),
            () = seat.woken() => look = true,
            () = async { match next_rested {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            } } => {
                let now = Instant::now();
                resting.until.retain(|_, rest| rest.at > now);
                look = true;
            }
            Some(ended) = offers.join_next(), if !offers.is_empty() => {
                look = more;
                if let Ok((deal, after)) = ended {
                    in_flight.remove(&deal);
                    // What had no room, and may have it now.
                    look |= resting.note(deal, after, service.clock.now(), &mut rng);
                }
            }
            Some(_) = requests.join_next(), if !requests.is_empty() => {}
            stream = connection.accept() => match stream {
                Ok(stream) => {
                    requests.spawn(request(Arc::clone(service), connection.clone(), Arc::clone(seat), stream));
                }
                Err(error) => return error.to_string(),
            },
        }
    }
}

/// Until when an offer rests.
#[derive(Debug, Clone, Copy)]
struct Rest {
    at: Instant,
    /// Because the node had no room.
    busy: bool,
}

/// Offers that the node did not take, and when each is made again.
#[derive(Debug, Default)]
struct Resting {
    until: HashMap<Digest32, Rest>,
    /// How often each was not taken.
    tries: HashMap<Digest32, u32>,
}

impl Resting {
    /// Returns whether the rest of others ended with it.
    fn note(&mut self, deal: Digest32, after: After, now: u64, rng: &mut StdRng) -> bool {
        let Some((first, expiry)) = after.rest() else {
            self.tries.remove(&deal);
            let before = self.until.len();
            if after == After::Recorded {
                // The node has room again.
                self.until.retain(|_, rest| !rest.busy);
            }
            return self.until.len() < before;
        };
        if self.tries.len() > 2 * RESTING {
            let until = &self.until;
            self.tries.retain(|deal, _| until.contains_key(deal));
        }
        let tries = self.tries.entry(deal).or_insert(0);
        let left = Duration::from_secs(expiry.saturating_sub(now));
        let at = Instant::now() + relay::rest(first, *tries, left, rng);
        self.until.insert(deal, Rest { at, busy: matches!(after, After::Busy(_)) });
        *tries = tries.saturating_add(1);
        false
    }
}

async fn farewell(connection: &Connection, bye: &Bye) -> Result<(), NetError> {
    let time = Duration::from_secs(1);
    let mut stream = connection.open(time).await?;
    stream.send(bye, time).await?;
    stream.finish()?;
    stream.delivered(time).await
}

/// What came of filling a node's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    /// Nothing waits for the node but what rests.
    All,
    /// The window is full, and something may wait.
    More,
    /// A newer connection of the node counts.
    Superseded,
}

/// Offers what waits for this node, up to its window.
async fn fill(
    service: &Arc<Service>,
    connection: &Connection,
    seat: &Arc<Seat>,
    window: usize,
    offers: &mut JoinSet<(Digest32, After)>,
    in_flight: &mut HashSet<Digest32>,
    resting: &HashMap<Digest32, Rest>,
) -> Result<Filled, StoreError> {
    // A node that declines everything is asked again when some of that has rested.
    if in_flight.len() >= window || resting.len() >= RESTING {
        return Ok(Filled::More);
    }
    let limit = window - in_flight.len();
    let held = resting.keys().chain(&*in_flight).copied().collect();
    // What changes after this, a session hears of that reads its place before it subscribes.
    let mark = service.polls.mark();
    let claimed =
        service.store.claim(&seat.identity, seat.connection(), service.clock.now(), limit, &held).await?;
    let Claimed::Places { places, all } = claimed else { return Ok(Filled::Superseded) };
    for mut place in places {
        let Place { deal, index, .. } = place;
        in_flight.insert(deal);
        let mut room = None;
        if place.offer.is_some() {
            // What was brought along may stay if there is memory for it at once.
            room = service.relay.room(&seat.identity, place.offer_bytes, Duration::ZERO).await.ok();
            place.offer = place.offer.filter(|_| room.is_some());
        }
        let (service, connection, seat) = (Arc::clone(service), connection.clone(), Arc::clone(seat));
        offers.spawn(async move {
            let after = offer(&service, &connection, place, room, mark).await;
            if after != After::Recorded
                && let Err(error) = service
                    .store
                    .release(&deal, &seat.identity, seat.connection(), matches!(after, After::Unanswered(_)))
                    .await
            {
                tracing::error!(job = %deal, index, %error, "cannot give an offer back");
            }
            (deal, after)
        });
    }
    Ok(if all { Filled::All } else { Filled::More })
}

/// What comes after an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// The reply is recorded, and the place is not in hand any more.
    Recorded,
    /// There was nothing to offer any more.
    Settled,
    /// The node has no room for it: offer it again after a rest. With the deal's expiry.
    Busy(u64),
    /// The node, or this program, failed at it: as well. With the deal's expiry.
    Failed(u64),
    /// The connection ended or the time was over before a reply: the node may have it in hand. With the deal's expiry.
    Unanswered(u64),
}

impl After {
    /// How long the offer rests the first time, and when the deal expires; `None` where it is not made again.
    fn rest(self) -> Option<(Duration, u64)> {
        match self {
            Self::Recorded | Self::Settled => None,
            Self::Busy(expiry) | Self::Unanswered(expiry) => Some((BUSY, expiry)),
            Self::Failed(expiry) => Some((FAILED, expiry)),
        }
    }
}

/// Offers one envelope and records the reply.
async fn offer(
    service: &Service,
    connection: &Connection,
    place: Place,
    room: Option<Held>,
    mark: Mark,
) -> After {
    let Place { deal, index, expiry, .. } = place;
    match try_offer(service, connection, place, room, mark).await {
        Ok(after) => after,
        Err(error) => {
            tracing::error!(job = %deal, index, %error, "cannot use the database for an offer");
            After::Failed(expiry)
        }
    }
}

async fn try_offer(
    service: &Service,
    connection: &Connection,
    Place { deal, index, offer_bytes, expiry, offer }: Place,
    room: Option<Held>,
    mark: Mark,
) -> Result<After, StoreError> {
    let node = connection.peer_identity();
    // Nothing is missed that came after the place was read, or will.
    let (mut changes, mut seen) = service.polls.subscribe_since(deal, mark);
    let time = Duration::from_secs(expiry.saturating_sub(service.clock.now()).saturating_add(1));
    let (mut room, row) = match (room, offer) {
        (Some(room), Some(offer)) => (room, offer),
        _ => {
            // Before the envelope is read.
            let room = tokio::select! {
                room = service.relay.room(&node, offer_bytes, time) => room,
                () = unwanted(service, (&mut changes, &mut seen), deal, index, node) => return Ok(After::Settled),
            };
            let Ok(room) = room else { return Ok(After::Busy(expiry)) };
            let row = service.store.offer(&deal, index, &node);
            let Some(row) = service.metrics.timed("read_offer", row).await? else {
                return Ok(After::Settled);
            };
            (room, row)
        }
    };
    let _counted = service.metrics.offer();
    let assignment =
        SignedAssignment::decode(&row.assignment).map_err(|_| StoreError::Damaged("an assignment"))?;
    let frame =
        Offer { header: row.header, assignment: assignment.clone(), envelope: row.envelope }.to_frame();
    room.shrink(frame.len());
    service.metrics.relayed(Relayed::Envelopes, frame.len());
    let taking = service.relay.time_for(frame.len()).min(time);
    let reply = tokio::select! {
        reply = ask(connection, frame, room, taking, time) => reply,
        // Dropping the stream tells the node, which need not compute any more.
        () = unwanted(service, (&mut changes, &mut seen), deal, index, node) => return Ok(After::Settled),
    };
    let misbehaved = |text: String| Refusal::new(RefusalCode::Malformed, Blame::Node, text);
    let refusal = match reply {
        Ok(Message::Answer(answer)) => match answer.acknowledgement.verify(&assignment.assignment) {
            Ok(()) => {
                return record(service, connection, deal, index, &Ok(answer)).await;
            }
            Err(error) => misbehaved(error.to_string()),
        },
        Ok(Message::Refusal(refusal)) => match refusal.code {
            RefusalCode::Busy | RefusalCode::Leaving => {
                service.metrics.refused("node", &refusal_code(refusal.code));
                return Ok(After::Busy(expiry));
            }
            RefusalCode::Internal => {
                service.metrics.refused("node", &refusal_code(refusal.code));
                tracing::warn!(job = %deal, index, %refusal, "a node failed, it will be asked again");
                return Ok(After::Failed(expiry));
            }
            _ => refusal,
        },
        Ok(other) => misbehaved(format!("{:?} came in reply to an offer", other.kind())),
        // Frames that are none are the node's doing; a broken connection or a late answer is not.
        Err(error @ (NetError::Frame { .. } | NetError::Unexpected { .. } | NetError::Ended { .. })) => {
            misbehaved(error.to_string())
        }
        Err(error) => {
            tracing::debug!(job = %deal, index, %error, "an offer got no reply");
            return Ok(After::Unanswered(expiry));
        }
    };
    record(service, connection, deal, index, &Err(refusal)).await
}

/// A refusal's code as it is written in JSON.
fn refusal_code(code: RefusalCode) -> String {
    serde_json::to_value(code).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Returns when a node's answer is no longer wanted: the job has ended, or the place is another node's.
async fn unwanted(
    service: &Service,
    (changes, seen): (&mut watch::Receiver<Turns>, &mut u64),
    deal: Digest32,
    index: u8,
    node: IdentityKey,
) {
    loop {
        // Others' answers are no reason to ask.
        let Ok(now) = changes.wait_for(|turns| turns.offers != *seen).await.map(|turns| turns.offers) else {
            // Nobody will say: the reply's own deadline ends the wait.
            return std::future::pending().await;
        };
        *seen = now;
        match service.store.is_wanted(&deal, index, &node).await {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => tracing::error!(%error, "cannot tell whether an offer is still wanted"),
        }
    }
}

/// Sends an offer, which the node must have taken within `taking`, and waits for its reply.
async fn ask(
    connection: &Connection,
    frame: Vec<u8>,
    room: Held,
    taking: Duration,
    time: Duration,
) -> Result<Message, NetError> {
    let mut offer = Offering { stream: connection.open(time).await?, taken: false };
    let sent = async {
        offer.stream.send_frame(&frame, taking).await?;
        drop(frame);
        offer.stream.finish()?;
        // What the connection has not delivered is still in memory.
        offer.stream.delivered(taking).await
    };
    let sent = tokio::time::timeout(taking, sent).await.map_err(|_| NetError::Timeout {
        by: Blame::Node,
        peer: connection.peer_identity(),
        waiting_for: "it to take an offer",
        after: taking,
    })?;
    if let Err(error) = sent {
        // A node that refuses before it has read all says why.
        if matches!(error, NetError::Abandoned { .. })
            && let Ok(Some(refusal @ Message::Refusal(_))) =
                offer.stream.receive(MessageType::Answer.limit(), taking).await
        {
            return Ok(refusal);
        }
        return Err(error);
    }
    offer.taken = true;
    drop(room);
    let reply = offer.stream.receive(MessageType::Answer.limit(), time).await?;
    reply.ok_or(NetError::Ended {
        by: Blame::Node,
        peer: connection.peer_identity(),
        expected: "a reply to an offer",
    })
}

/// An offer's stream. What the node has not taken of it when this is dropped is forgotten, and not sent any more.
struct Offering {
    stream: Stream,
    taken: bool,
}

impl Drop for Offering {
    fn drop(&mut self) {
        if !self.taken {
            self.stream.reset();
        }
    }
}

async fn record(
    service: &Service,
    connection: &Connection,
    deal: Digest32,
    index: u8,
    reply: &Result<Answer, Refusal>,
) -> Result<After, StoreError> {
    let node = connection.peer_identity();
    let not_enough = jobs::failure(
        "not_enough_nodes",
        Blame::Nobody,
        "so many nodes refused that the rest cannot make a proof; see each node's refusal, and deal afresh",
    );
    let text;
    let bytes;
    let is_refusal = reply.is_err();
    let reply = match reply {
        Ok(answer) => {
            bytes = body_of(answer);
            service.metrics.relayed(Relayed::Answers, bytes.len());
            Reply::Answer(&bytes)
        }
        Err(refusal) => {
            service.metrics.refused("node", &refusal_code(refusal.code));
            tracing::warn!(job = %deal, index, node = %node, %refusal, "a node refused");
            text = serde_json::to_string(&RefusalInfo::from(refusal)).unwrap_or_default();
            Reply::Refusal(&text)
        }
    };
    let record = service.store.record(&deal, &node, reply, service.clock.now(), &not_enough);
    match service.metrics.timed("record_reply", record).await? {
        Recorded::New { state, answered, waiting, assemble } => {
            tracing::info!(job = %deal, index, node = %node, ?state, answered, waiting, "a node replied");
            service.metrics.job_replied(&deal, answered, state);
            // Whoever waits for answers is to hear of a refusal at once.
            if state.has_ended() || is_refusal {
                service.changed(&deal);
            } else {
                service.answered(&deal);
            }
            if assemble {
                service.assemble.notify_one();
            }
            return Ok(After::Recorded);
        }
        Recorded::Contradiction => {
            tracing::error!(job = %deal, index, node = %node, "a node signed two different answers; both are kept");
            service.changed(&deal);
        }
        Recorded::Same | Recorded::Unwanted => {}
    }
    Ok(After::Settled)
}

/// One stream that the node opened.
async fn request(service: Arc<Service>, connection: Connection, seat: Arc<Seat>, mut stream: Stream) {
    if let Err(error) = reply(&service, &connection, &seat, &mut stream).await
        && error.misbehaviour().is_some()
    {
        tracing::warn!(node = %seat.identity, %error, "a node misbehaved");
        connection.close("this is not the protocol");
    }
}

async fn reply(
    service: &Arc<Service>,
    connection: &Connection,
    seat: &Seat,
    stream: &mut Stream,
) -> Result<(), NetError> {
    let time = patience(service);
    match stream.receive(REQUEST_BYTES, time).await? {
        Some(Message::Hello(hello)) => match admit(service, seat, &hello) {
            Ok(welcome) => {
                match service.store.announce(&seat.identity, seat.connection(), &body_of(&hello)).await {
                    Ok(()) => stream.send(&welcome, time).await?,
                    Err(error) => {
                        tracing::error!(node = %seat.identity, %error, "cannot note what a node says of itself");
                        stream.send(&failed(), time).await?;
                    }
                }
            }
            Err(refusal) => stream.send(&refusal, time).await?,
        },
        Some(Message::CircuitRequest(request)) => send_circuit(service, stream, request, time).await?,
        Some(Message::Ping(ping)) => stream.send(&Pong { number: ping.number }, time).await?,
        Some(Message::Bye(bye)) => {
            tracing::info!(node = %seat.identity, reason = bye.text, "a node says goodbye");
            stream.finish()?;
            let _ = stream.delivered(time).await;
            connection.close("goodbye");
            return Ok(());
        }
        Some(other) => {
            let text = format!("{:?} is not a node's to send", other.kind());
            stream.send(&Refusal::new(RefusalCode::Malformed, Blame::Node, text), time).await?;
        }
        None => {}
    }
    stream.finish()
}

async fn send_circuit(
    service: &Arc<Service>,
    stream: &mut Stream,
    CircuitRequest { circuit, mut offset }: CircuitRequest,
    time: Duration,
) -> Result<(), NetError> {
    let kind = match service.store.circuit(&circuit).await {
        Ok(Some(row)) => match service.circuits.ensure(&service.store, &row).await {
            Ok(()) => row.kind,
            Err(error) => {
                let refusal = Refusal::new(RefusalCode::Internal, Blame::Coordinator, error.body.message);
                return stream.send(&refusal, time).await;
            }
        },
        Ok(None) => {
            let text = format!("no circuit {circuit} is registered here");
            return stream.send(&Refusal::new(RefusalCode::UnknownCircuit, Blame::Client, text), time).await;
        }
        Err(error) => {
            tracing::error!(%circuit, %error, "cannot look up a circuit");
            return stream.send(&failed(), time).await;
        }
    };
    loop {
        let files = service.circuits.clone();
        let read =
            tokio::task::spawn_blocking(move || files.read_piece(&circuit, kind, offset, MAX_CHUNK_BYTES))
                .await;
        let (bytes, total) = match read {
            Ok(Ok(piece)) => piece,
            Ok(Err(error)) => {
                tracing::error!(%circuit, %error, "cannot read a circuit");
                let refusal =
                    Refusal::new(RefusalCode::Internal, Blame::Coordinator, "the file cannot be read");
                return stream.send(&refusal, time).await;
            }
            Err(_) => return Ok(()),
        };
        if offset > total || (bytes.is_empty() && offset < total) {
            let text = format!("the file has {total} bytes, {offset} lie beyond it");
            return stream.send(&Refusal::new(RefusalCode::Malformed, Blame::Node, text), time).await;
        }
        let end = offset + bytes.len() as u64;
        stream.send(&CircuitChunk { offset, total, bytes }, time).await?;
        if end == total {
            return Ok(());
        }
        offset = end;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_ends_the_rest_of_what_there_was_no_room_for() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut resting = Resting::default();
        let [busy, failed, lost, done] = [1, 2, 3, 4].map(|n| Digest32([n; 32]));
        resting.note(busy, After::Busy(1000), 0, &mut rng);
        resting.note(failed, After::Failed(1000), 0, &mut rng);
        resting.note(lost, After::Unanswered(1000), 0, &mut rng);
        assert!(!resting.note(done, After::Settled, 0, &mut rng));
        assert_eq!(resting.until.len(), 3);
        assert!(resting.note(done, After::Recorded, 0, &mut rng), "there is something to look for");
        assert!(!resting.until.contains_key(&busy), "it has room again");
        assert!(resting.until.contains_key(&failed) && resting.until.contains_key(&lost));
        // How often it was busy is not forgotten with that.
        let begin = Instant::now();
        resting.note(busy, After::Busy(1000), 0, &mut rng);
        assert!(resting.until[&busy].at - begin >= BUSY.mul_f64(1.5));
        // Close to the end it is tried once more in any case.
        resting.note(lost, After::Unanswered(1000), 998, &mut rng);
        assert!(resting.until[&lost].at - begin <= 2 * BUSY);
    }
}
