//! The connection to the coordinator: dialled, greeted, served, dialled again.

use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tacit_net::{Connection, Dialer, NetError, Settings, Stream};
use tacit_vault::Clock;
use tacit_wire::frame::MessageType;
use tacit_wire::messages::{Bye, Hello, Pong, Refusal, RefusalCode};
use tacit_wire::{Blame, Identity, IdentityKey, Message, PROTOCOL_VERSION, SealingKeyCertificate};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::SOFTWARE;
use crate::config::Config;
use crate::error::NodeError;
use crate::offer::Desk;
use crate::status;

/// The first pause after a connection was lost; it doubles up to `limits.retry_seconds`.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A connection that lived for this long was a good one: the pauses start anew.
const GOOD: Duration = Duration::from_secs(10);
/// How long an address of the coordinator has to answer before the next one is tried beside it.
const NEXT_ADDRESS: Duration = Duration::from_millis(500);
/// How often, at least, keys are maintained and expired records retired.
const MAINTENANCE: Duration = Duration::from_secs(60);
/// How often the folder of circuits is looked at.
const LOOK: Duration = Duration::from_secs(30);
/// How often the node's speed is measured: at the start, and then rarely. It serves for advice only.
const CALIBRATION: Duration = Duration::from_secs(24 * 3600);
/// The largest message from the coordinator that is no offer.
const SMALL: usize = 4096;
/// How long a node that stops waits until its goodbye was heard.
const GOODBYE: Duration = Duration::from_secs(2);
/// A refused offer up to this size is read all the same, so that the coordinator comes to read the refusal.
const READ_ANYWAY: usize = 1 << 20;

/// Clocks may differ by so many seconds before it is worth a warning.
pub const CLOCK_TOLERANCE: u64 = 60;
/// Where no clock was compared.
pub const UNKNOWN_SKEW: i64 = i64::MIN;

/// What dialling the coordinator once showed: it is there and it is who it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The key exchange that was negotiated.
    pub key_exchange: String,
    /// Who this node is to it.
    pub identity: IdentityKey,
    /// What the greeting showed; nothing if there was no sealing key to greet with.
    pub greeted: Option<Greeted>,
}

/// The coordinator admits this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeted {
    /// The coordinator's clock less this one, in seconds.
    pub clock_skew: i64,
}

/// The node's side of its conversation.
#[derive(Debug)]
pub struct Sessions {
    pub config: Config,
    pub desk: Arc<Desk>,
    pub shutdown: CancellationToken,
    /// There is a new sealing key or another speed, which the coordinator should be told.
    pub news: Notify,
    /// When the node started, Unix seconds.
    pub started: u64,
    /// Since when it is connected, Unix seconds; 0 while it is not.
    pub connected_since: AtomicU64,
    /// The coordinator's clock less this one, in seconds, at the last greeting; [`UNKNOWN_SKEW`] before that.
    pub clock_skew: AtomicI64,
    /// When what is in hand is cut off: set when the node begins to stop.
    drained_by: OnceLock<Instant>,
}

impl Sessions {
    /// Not connected yet.
    pub fn new(config: Config, desk: Arc<Desk>, shutdown: CancellationToken, started: u64) -> Self {
        let (news, connected_since) = Default::default();
        let clock_skew = AtomicI64::new(UNKNOWN_SKEW);
        let drained_by = OnceLock::new();
        Self { config, desk, shutdown, news, started, connected_since, clock_skew, drained_by }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.config.limits.peer_seconds)
    }

    /// Dials and serves until shutdown.
    pub async fn run(&self) {
        tokio::select! {
            () = self.serve() => {}
            // Neither ever ends.
            () = self.keep_keys() => {}
            () = self.calibrate() => {}
        }
    }

    /// Rotates and destroys keys by the clock alone: whoever keeps this node from its coordinator must not keep an
    /// expired key alive.
    async fn keep_keys(&self) {
        let lifetime = self.config.limits.sealing_key_seconds;
        let period = MAINTENANCE.min(Duration::from_secs((lifetime / 8).max(1)));
        loop {
            sleep(period).await;
            match self.desk.maintain(lifetime).await {
                Ok(true) => self.news.notify_one(),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "sealing keys cannot be maintained"),
            }
        }
    }

    /// Measures how fast this machine is, so that clients can estimate what it would take. Nobody waits for it: until it is
    /// known, the node says that it is not.
    async fn calibrate(&self) {
        loop {
            if self.desk.measure().await {
                self.news.notify_one();
            }
            sleep(CALIBRATION).await;
        }
    }

    async fn serve(&self) {
        let settings = Settings { handshake_timeout: self.patience(), ..Settings::default() };
        let dialer = Dialer::new(self.desk.identity.clone(), settings);
        let mut pause = FIRST_PAUSE;
        // Offers in progress. They outlive the connection they came on: what is recorded is sent on the next one.
        let mut work = JoinSet::new();
        while !self.shutdown.is_cancelled() {
            let begun = Instant::now();
            if let Err(error) = self.dial_and_serve(&dialer, &mut work).await {
                tracing::warn!(%error, "no connection to the coordinator");
            }
            if begun.elapsed() > GOOD {
                pause = FIRST_PAUSE;
            }
            // Half of it fixed, half of it drawn: nodes that lost one coordinator do not come back in step.
            let jitter = pause.mul_f64(0.5 + 0.5 * rand::random::<f64>());
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                () = sleep(jitter) => {}
            }
            pause = (pause * 2).min(Duration::from_secs(self.config.limits.retry_seconds.max(1)));
        }
        self.drain(&mut work).await;
    }

    /// Takes no more offers, says goodbye once what is in hand has been answered.
    async fn leave(&self, connection: &Connection, work: &mut JoinSet<()>) {
        tracing::info!(in_hand = work.len(), "the node stops: no more offers are taken");
        self.desk.places.close();
        let refusing = async {
            let patience = self.patience();
            while let Ok(mut stream) = connection.accept().await {
                let refusal = Refusal::new(RefusalCode::Leaving, Blame::Nobody, "the node shuts down");
                tokio::spawn(async move {
                    let sent = stream.send(&refusal, patience).await;
                    if sent.is_ok() && stream.finish().is_ok() {
                        let _ = stream.delivered(patience).await;
                    }
                });
            }
        };
        tokio::select! {
            () = self.drain(work) => {}
            // The connection is lost: what is in hand is recorded.
            () = refusing => self.drain(work).await,
        }
        // Cut off, it has no time to lose.
        let time = if work.is_empty() { GOODBYE } else { GOODBYE / 10 };
        let goodbye = async {
            let mut stream = connection.open(time).await?;
            stream.send(&Bye { text: "the node shuts down".to_owned() }, time).await?;
            stream.finish()?;
            stream.delivered(time).await
        };
        let _: Result<Result<(), NetError>, _> = timeout(time, goodbye).await;
        connection.close("the node shuts down");
    }

    /// Waits for what is in hand, once `limits.drain_seconds` in all, however often it is asked.
    async fn drain(&self, work: &mut JoinSet<()>) {
        let time = Duration::from_secs(self.config.limits.drain_seconds);
        let until = *self.drained_by.get_or_init(|| Instant::now() + time);
        let ended = async { while work.join_next().await.is_some() {} };
        if timeout_at(until, ended).await.is_err() {
            tracing::warn!("offers in hand were cut off; they are finished after the next start");
        }
    }

    async fn dial_and_serve(&self, dialer: &Dialer, work: &mut JoinSet<()>) -> Result<(), NodeError> {
        let connection = tokio::select! {
            () = self.shutdown.cancelled() => return Ok(()),
            connection = dial(&self.config, dialer) => connection?,
        };
        self.greet(&connection).await?;
        let coordinator = connection.remote_address();
        tracing::info!(name = self.config.name, %coordinator, "connected");
        self.connected_since.store(status::now(&self.desk.clock), Ordering::Relaxed);
        let ended = self.converse(&connection, work).await;
        self.connected_since.store(0, Ordering::Relaxed);
        ended
    }

    fn hello(&self) -> Result<Hello, NodeError> {
        let keys = self.desk.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let current =
            keys.current().ok_or_else(|| NodeError::Config("there is no sealing key".to_owned()))?;
        Ok(Hello {
            versions: vec![PROTOCOL_VERSION],
            software: SOFTWARE.to_owned(),
            certificate: current.certificate.clone(),
            circuits: self.desk.circuits.prepared(),
            slices: self.desk.circuits.slices(),
            capacity: self.config.limits.offers,
            bases_per_second: self.desk.bases_per_second.load(Ordering::Relaxed),
        })
    }

    async fn greet(&self, connection: &Connection) -> Result<(), NodeError> {
        let skew = greet(connection, &self.hello()?, self.desk.clock.now(), self.patience()).await?;
        self.clock_skew.store(skew, Ordering::Relaxed);
        if skew.unsigned_abs() > CLOCK_TOLERANCE {
            tracing::warn!(
                seconds = skew,
                "the coordinator's clock differs from this machine's: one of them is wrong"
            );
        }
        Ok(())
    }

    async fn converse(&self, connection: &Connection, work: &mut JoinSet<()>) -> Result<(), NodeError> {
        let ready = || (self.desk.circuits.prepared(), self.desk.circuits.slices());
        let mut known = ready();
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                // A circuit that the operator brought in, or that went to make room for others.
                _ = look.tick() => {
                    let now = ready();
                    if now != known {
                        known = now;
                        self.greet(connection).await?;
                    }
                }
                () = self.shutdown.cancelled() => {
                    self.leave(connection, work).await;
                    return Ok(());
                }
                Some(_) = work.join_next(), if !work.is_empty() => {
                    // A circuit that an offer brought in, or a slice that it had cut, is worth telling.
                    let now = ready();
                    if now != known {
                        known = now;
                        self.greet(connection).await?;
                    }
                }
                () = self.news.notified() => self.greet(connection).await?,
                stream = connection.accept() => {
                    let stream = stream?;
                    let (desk, connection) = (Arc::clone(&self.desk), connection.clone());
                    let (offer_bytes, patience) = (self.config.limits.offer_bytes, self.patience());
                    work.spawn(async move {
                        if let Err(error) = reply(desk, &connection, stream, offer_bytes, patience).await
                            && error.misbehaviour().is_some()
                        {
                            tracing::warn!(%error, "the coordinator misbehaved");
                        }
                    });
                }
            }
        }
    }
}

/// Connects to the first address that answers: each gets a little time before the next one is tried beside it, so that
/// one that is silent does not hold up the others.
async fn dial(config: &Config, dialer: &Dialer) -> Result<Connection, NodeError> {
    let mut attempts = FuturesUnordered::new();
    for (turn, address) in (0u32..).zip(config.coordinator.iter()) {
        attempts.push(async move {
            sleep(NEXT_ADDRESS * turn).await;
            dial_one(config, dialer, address).await
        });
    }
    let mut last = None;
    while let Some(attempt) = attempts.next().await {
        match attempt {
            Ok(connection) => return Ok(connection),
            Err(error) => {
                tracing::debug!(%error, "an address of the coordinator does not answer");
                last = Some(error);
            }
        }
    }
    Err(last.unwrap_or_else(|| NodeError::Address {
        address: String::new(),
        problem: "the coordinator has no address".to_owned(),
    }))
}

async fn dial_one(config: &Config, dialer: &Dialer, coordinator: &str) -> Result<Connection, NodeError> {
    let address = |problem: String| NodeError::Address { address: coordinator.to_owned(), problem };
    let resolved = tokio::net::lookup_host(coordinator).await.map_err(|e| address(e.to_string()))?;
    let mut last = address("it resolves to nothing".to_owned());
    for candidate in resolved {
        match dialer.connect(candidate, config.coordinator_identity).await {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Says hello; returns the coordinator's clock less this one, in seconds.
async fn greet(
    connection: &Connection,
    hello: &Hello,
    now: u64,
    patience: Duration,
) -> Result<i64, NodeError> {
    let reply = connection.request(hello, MessageType::Refusal.limit(), patience).await?;
    match reply {
        Message::Welcome(welcome) if welcome.version == PROTOCOL_VERSION => {
            Ok(welcome.time.cast_signed().saturating_sub(now.cast_signed()))
        }
        Message::Welcome(welcome) => {
            Err(NodeError::Refused(format!("it wants protocol version {}", welcome.version)))
        }
        Message::Refusal(refusal) => Err(NodeError::Refused(refusal.to_string())),
        other => Err(NodeError::Net(NetError::Unexpected {
            by: Blame::Coordinator,
            peer: connection.peer_identity(),
            got: other.kind(),
            expected: "a welcome",
        })),
    }
}

/// Dials once, greets with a certificate if there is one, and leaves. The node says that it has room for nothing.
pub async fn probe(
    config: &Config,
    identity: Identity,
    certificate: Option<SealingKeyCertificate>,
) -> Result<Probe, NodeError> {
    let patience = Duration::from_secs(config.limits.peer_seconds);
    let settings = Settings { handshake_timeout: patience, ..Settings::default() };
    let me = identity.key();
    let connection = dial(config, &Dialer::new(identity, settings)).await?;
    let greeted = match certificate {
        Some(certificate) => {
            let hello = Hello {
                versions: vec![PROTOCOL_VERSION],
                software: SOFTWARE.to_owned(),
                certificate,
                circuits: Vec::new(),
                slices: Vec::new(),
                capacity: 0,
                bases_per_second: 0,
            };
            let clock_skew = greet(&connection, &hello, Clock::system().now(), patience).await?;
            Some(Greeted { clock_skew })
        }
        None => None,
    };
    let key_exchange = format!("{:?}", connection.negotiated_group());
    connection.close("a probe");
    Ok(Probe { key_exchange, identity: me, greeted })
}

async fn reply(
    desk: Arc<Desk>,
    connection: &Connection,
    mut stream: Stream,
    offer_bytes: usize,
    patience: Duration,
) -> Result<(), NetError> {
    // An envelope takes as long as the line needs; a coordinator that stalls is dropped by the idle timeout.
    let long = patience.max(Duration::from_secs(600));
    let Some(head) = stream.receive_head(offer_bytes, long).await? else {
        return finish(stream, patience).await;
    };
    let mut admitted = None;
    if head.kind != MessageType::Offer && head.length > SMALL {
        let text = format!("a message of {} bytes that is no offer is not read", head.length);
        stream.send(&Refusal::new(RefusalCode::Malformed, Blame::Coordinator, text), patience).await?;
        return finish(stream, patience).await;
    }
    if head.kind == MessageType::Offer {
        // Room is made before the bytes are read; until then the line's own limits hold them back.
        match desk.admit(head.length).await {
            Ok(room) => admitted = Some(room),
            Err(refusal) => {
                tracing::info!(bytes = head.length, %refusal, "refused before it was read");
                desk.stats.refused(refusal.code);
                if head.length <= READ_ANYWAY {
                    stream.receive_body(head, long).await?;
                }
                stream.send(&refusal, patience).await?;
                return finish(stream, patience).await;
            }
        }
    }
    match (stream.receive_body(head, long).await?, admitted) {
        (Message::Offer(offer), Some(admitted)) => {
            let seat = offer.assignment.assignment.seat;
            let (job, group, index) = (offer.assignment.deal(), seat.group, seat.index);
            let unwanted = CancellationToken::new();
            let mut handling = pin!(desk.handle(offer, admitted, connection, &unwanted));
            let handled = tokio::select! {
                handled = &mut handling => handled,
                // What has begun is not cut off, because it holds what keeps others from beginning; a computation that waits for
                // its turn does not begin. What is recorded stays: the same offer is answered later, another one never.
                () = stream.unwanted() => {
                    tracing::info!(%job, group, index, "the coordinator needs no answer any more");
                    unwanted.cancel();
                    let _ = handling.await;
                    desk.stats.unwanted();
                    return Ok(());
                }
            };
            match handled {
                Ok(answer) => {
                    tracing::info!(%job, group, index, "answered");
                    desk.stats.answered();
                    stream.send(&answer, patience).await?;
                }
                Err(refusal) => {
                    tracing::warn!(%job, group, index, %refusal, "refused");
                    desk.stats.refused(refusal.code);
                    stream.send(&refusal, patience).await?;
                }
            }
        }
        (Message::Ping(ping), _) => stream.send(&Pong { number: ping.number }, patience).await?,
        (Message::Bye(bye), _) => {
            tracing::info!(reason = bye.text, "the coordinator says goodbye");
            stream.finish()?;
            connection.close("goodbye");
            return Ok(());
        }
        (other, _) => {
            let text = format!("{:?} is not a coordinator's to send", other.kind());
            stream.send(&Refusal::new(RefusalCode::Malformed, Blame::Coordinator, text), patience).await?;
        }
    }
    finish(stream, patience).await
}

async fn finish(mut stream: Stream, patience: Duration) -> Result<(), NetError> {
    stream.finish()?;
    stream.delivered(patience).await
}
