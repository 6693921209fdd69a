//! The prover service: takes sealed requests, proves, submits, reports. It can change nothing of what its users signed: the circuits
//! refuse, and so does the contract.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | settings, and the secrets that a wallet folder gives |
//! | [`registration`] | what wallets read first: where, to which key, for which fees |
//! | [`accept`] | what must hold before a request is accepted |
//! | [`refusal`] | the words for everything that may be wrong |
//! | [`store`] | what is on disk |
//! | [`submit`], [`ethereum`] | what is needed of the chain, and a chain that has it |
//! | [`carry`] | an accepted request from its turn to its end |
//! | [`http`], [`serve`] | requests, connections |
//! | [`metrics`] | what Prometheus is told |
//!
//! **What was accepted is not lost.** An envelope is on disk, sealed as it came, before its request is accepted, and stays there until its
//! outcome is. A service that starts carries on where the last one ended: a transaction that may have been sent is sent again, the same
//! bytes, and another one only when those can never be in a block.

pub mod accept;
mod carry;
pub mod config;
pub mod error;
pub mod ethereum;
pub mod http;
pub mod metrics;
pub mod refusal;
pub mod registration;
pub mod serve;
pub mod store;
pub mod submit;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tacit_pool::Fr;
use tacit_pool::orders::OrderKeyId;
use tacit_vault::{Clock, DataDir};
use tacit_wire::Digest32;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::circuits::PoolCircuits;
use crate::sealed::{Envelope, EnvelopeError, Request, RequestId, Task};
use crate::status::{Phase, SpendStatus};

pub use config::{ServiceConfig, ServiceKeys};
pub use error::StartError;
pub use refusal::{Code, Refusal};
pub use submit::Submit;

use metrics::Metrics;
use registration::Current;
use store::{Open, Outcome, Store};

/// How often outcomes are tidied up and the registration is looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// A service that has its folder and its ports, and does not serve yet.
pub struct Service {
    desk: Arc<Desk>,
    resumed: Vec<(Request, Option<submit::SignedTransaction>)>,
    listener: TcpListener,
    metrics: Option<TcpListener>,
    _folder: DataDir,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({})", self.desk.prover)
    }
}

/// What all requests share.
pub(crate) struct Desk {
    config: ServiceConfig,
    keys: ServiceKeys,
    prover: OrderKeyId,
    registration: RwLock<Current>,
    registration_path: PathBuf,
    circuits: Arc<PoolCircuits>,
    chain: Arc<dyn Submit>,
    clock: Clock,
    store: Store,
    spends: Mutex<HashMap<RequestId, Spend>>,
    /// One request is accepted at a time, so that the same one twice is one.
    accepting: tokio::sync::Mutex<()>,
    proving: Semaphore,
    /// One transaction is signed and sent at a time: each takes the account's next number.
    sending: tokio::sync::Mutex<()>,
    metrics: Metrics,
    limits: http::Limits,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// A request that is known.
struct Spend {
    /// Of what was asked.
    digest: Digest32,
    /// Of the intent, while the request is open.
    replay_id: Option<Fr>,
    status: watch::Sender<SpendStatus>,
    ended_at: Option<u64>,
}

fn fresh(id: RequestId) -> SpendStatus {
    SpendStatus { id, phase: Phase::Queued, transaction: None, block: None, error: None }
}

/// Names what was asked, so that the same again is known.
fn digest(request: &Request) -> Digest32 {
    Digest32(blake3::derive_key("tacit v1 pool prover request digest", &request.encode()))
}

impl Service {
    /// Opens the folder, reads what was accepted before, signs the registration where that is needed, and takes the ports.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        config: ServiceConfig,
        keys: ServiceKeys,
        circuits: Arc<PoolCircuits>,
        chain: Arc<dyn Submit>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        if !keys.fee_readers.iter().any(|key| *key.public() == keys.fee_address.key) {
            return Err(StartError::FeeKey);
        }
        let folder = DataDir::open(&config.folder)?;
        let registration_path = folder.path().join("registration");
        let current = Current::renew(&registration_path, &config, &keys, clock.now())?;
        let (store, open, outcomes) = Store::open(folder.subdir("spends")?)?;
        let mut spends = HashMap::new();
        for Outcome { status, digest, ended_at } in outcomes {
            let id = status.id;
            let status = watch::Sender::new(status);
            spends.insert(id, Spend { digest, replay_id: None, status, ended_at: Some(ended_at) });
        }
        let prover = keys.order_key.public().id();
        let mut resumed = Vec::new();
        for Open { id, path, envelope, signed } in open {
            let request = open_with(&keys, config.place, prover, &envelope)
                .map_err(|source| StartError::Unreadable { path, source })?;
            spends.insert(id, Spend::of(&request));
            resumed.push((request, signed));
        }
        let listener = bind(config.listen).await?;
        let metrics = match config.metrics_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let proving = Semaphore::new(config.workers.max(1));
        let desk = Desk {
            prover,
            registration: RwLock::new(current),
            registration_path,
            circuits,
            chain,
            clock,
            store,
            spends: Mutex::new(spends),
            accepting: tokio::sync::Mutex::new(()),
            proving,
            sending: tokio::sync::Mutex::new(()),
            metrics: Metrics::default(),
            limits: http::Limits::new(&config),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            config,
            keys,
        };
        Ok(Self { desk: Arc::new(desk), resumed, listener, metrics, _folder: folder })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Where metrics are served, if they are.
    pub fn metrics_address(&self) -> Option<std::net::SocketAddr> {
        self.metrics.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// By which id wallets pin it.
    pub fn prover(&self) -> OrderKeyId {
        self.desk.prover
    }

    /// How many requests were accepted by an earlier run and are carried on.
    pub fn resumed(&self) -> usize {
        self.resumed.len()
    }

    /// Serves until `shutdown`. What is accepted and not ended then is carried on at the next start.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { desk, resumed, listener, metrics, _folder } = self;
        for (request, signed) in resumed {
            desk.carry(request.id, request.task, signed);
        }
        desk.count();
        let serving = {
            let desk = Arc::clone(&desk);
            async move {
                tokio::join!(
                    serve::serve(Arc::clone(&desk), listener),
                    serve::serve_metrics(Arc::clone(&desk), metrics),
                    desk.keep_house(),
                )
            }
        };
        let end = desk.shutdown.clone();
        let _end = end.clone().drop_guard();
        let serving = tokio::spawn(serving);
        shutdown.cancelled().await;
        end.cancel();
        let _ = serving.await;
        desk.tasks.close();
        // A proof that is being made cannot be interrupted, and is made again at the next start.
        let _ = tokio::time::timeout(Duration::from_secs(5), desk.tasks.wait()).await;
    }
}

async fn bind(address: std::net::SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

fn open_with(
    keys: &ServiceKeys,
    place: tacit_pool::delivery::Place,
    prover: OrderKeyId,
    envelope: &[u8],
) -> Result<Request, EnvelopeError> {
    let envelope = Envelope::read(envelope)?;
    let mut opened = envelope.open(&keys.sealing, place, prover);
    for former in &keys.former_sealing {
        if !matches!(opened, Err(EnvelopeError::Open(_))) {
            break;
        }
        opened = envelope.open(former, place, prover);
    }
    opened
}

impl Spend {
    fn of(request: &Request) -> Self {
        Self {
            digest: digest(request),
            replay_id: Some(request.task.statement().public_inputs().intent_replay_id),
            status: watch::Sender::new(fresh(request.id)),
            ended_at: None,
        }
    }
}

impl Desk {
    fn spends(&self) -> MutexGuard<'_, HashMap<RequestId, Spend>> {
        self.spends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) {
        let open = self.spends().values().filter(|spend| spend.ended_at.is_none()).count();
        self.metrics.open(open);
    }

    /// The registration as wallets get it.
    fn registration(&self) -> Current {
        self.registration.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Accepts a request, or knows it already. It is on disk when this returns.
    async fn accept(self: &Arc<Self>, envelope: &[u8]) -> Result<SpendStatus, Refusal> {
        let outside = Envelope::read(envelope).map_err(|error| {
            Refusal::new(Code::BadEnvelope, format!("not an envelope of this version: {error}"))
        })?;
        if outside.sequence > self.registration().body.sequence {
            let message = "sealed under a registration that this service has not made: fetch it again";
            return Err(Refusal::new(Code::UnknownRegistration, message));
        }
        let request = open_with(&self.keys, self.config.place, self.prover, envelope).map_err(|error| match error {
            EnvelopeError::Open(_) => Refusal::new(
                Code::BadEnvelope,
                "the envelope does not open: it was changed, or sealed for another prover, pool or registration",
            ),
            EnvelopeError::Decode(error) => Refusal::new(Code::BadRequest, error.to_string()),
        })?;
        let Request { id, task } = &request;
        let digest = digest(&request);
        if let Some(known) = self.known(*id, digest)? {
            return Ok(known);
        }
        if self.shutdown.is_cancelled() {
            return Err(Refusal::later(Code::Draining, "this service is ending; try again", 10));
        }
        accept::check(&self.config, &self.keys, &self.circuits, task, self.clock.now())?;
        self.room(&request)?;
        let statement = task.statement();
        let seen = self
            .chain
            .look(statement)
            .await
            .map_err(|error| Refusal::later(Code::ChainUnreachable, error.to_string(), 10))?;
        accept::check_chain(statement, &seen, self.config.time_needed.as_secs())?;
        self.check_relayed(task).await?;
        let _one = self.accepting.lock().await;
        if let Some(known) = self.known(*id, digest)? {
            return Ok(known);
        }
        self.room(&request)?;
        let (desk, id, bytes) = (Arc::clone(self), *id, envelope.to_vec());
        let written = tokio::task::spawn_blocking(move || desk.store.accept(id, &bytes)).await;
        match written {
            Ok(Ok(())) => {}
            failed => {
                tracing::error!(%id, ?failed, "an envelope cannot be written");
                return Err(Refusal::later(
                    Code::Storage,
                    "this service cannot keep requests; tell its operator",
                    60,
                ));
            }
        }
        let status = fresh(id);
        self.spends().insert(id, Spend::of(&request));
        self.metrics.accepted();
        self.count();
        tracing::info!(%id, "a request was accepted");
        self.carry(id, request.task, None);
        Ok(status)
    }

    /// The status of a request that came before.
    fn known(&self, id: RequestId, digest: Digest32) -> Result<Option<SpendStatus>, Refusal> {
        match self.spends().get(&id) {
            Some(spend) if spend.digest == digest => Ok(Some(spend.status.borrow().clone())),
            Some(_) => Err(Refusal::new(Code::IdTaken, "another request has this id: draw a new one")),
            None => Ok(None),
        }
    }

    fn room(&self, request: &Request) -> Result<(), Refusal> {
        let replay_id = request.task.statement().public_inputs().intent_replay_id;
        let spends = self.spends();
        if spends.values().any(|spend| spend.replay_id == Some(replay_id)) {
            return Err(Refusal::new(Code::InProgress, "another request for this intent is on its way"));
        }
        if spends.values().filter(|spend| spend.ended_at.is_none()).count() >= self.config.queue {
            let message = "this service has as much to do as it takes on; try again, or take another way";
            return Err(Refusal::later(Code::QueueFull, message, 30));
        }
        Ok(())
    }

    /// A proof that was made elsewhere must hold; that of the authorisation is the contract's to check.
    async fn check_relayed(self: &Arc<Self>, task: &Task) -> Result<(), Refusal> {
        let Task::Relay { statement, proved } = task else { return Ok(()) };
        let (circuits, publics, proof) =
            (Arc::clone(&self.circuits), statement.pool_publics(), proved.pool_proof);
        let check = move || {
            let circuit = circuits.load(crate::CircuitKind::Pool).map_err(|error| {
                tracing::error!(%error, "the pool's circuit is unusable");
                Refusal::new(Code::Circuits, "this service's circuits are unusable; tell its operator")
            })?;
            let proof = crate::proved::from_evm(&proof).ok();
            proof.filter(|proof| circuit.verify(&publics, proof).is_ok()).map(|_| ()).ok_or_else(|| {
                Refusal::new(
                    Code::BadProof,
                    "the pool's proof does not hold for the transaction's public inputs",
                )
            })
        };
        let checked = tokio::task::spawn_blocking(check).await;
        checked.unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "checking the proof failed")))
    }

    async fn keep_house(self: Arc<Self>) {
        while !self.shutdown.is_cancelled() {
            let desk = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || desk.tidy()).await {
                tracing::error!(%error, "housekeeping failed");
            }
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = tokio::time::sleep(HOUSEKEEPING) => {}
            }
        }
    }

    fn tidy(&self) {
        let now = self.clock.now();
        match Current::renew(&self.registration_path, &self.config, &self.keys, now) {
            Ok(current) => *self.registration.write().unwrap_or_else(PoisonError::into_inner) = current,
            Err(error) => tracing::error!(%error, "the registration cannot be renewed"),
        }
        self.limits.tidy();
        let keep = self.config.keep_outcomes.as_secs();
        let is_old = |spend: &Spend| spend.ended_at.is_some_and(|at| at.saturating_add(keep) < now);
        let old: Vec<RequestId> =
            self.spends().iter().filter(|(_, spend)| is_old(spend)).map(|(id, _)| *id).collect();
        for id in old {
            match self.store.forget(id) {
                Ok(()) => drop(self.spends().remove(&id)),
                Err(error) => tracing::warn!(%id, %error, "an outcome cannot be removed"),
            }
        }
    }
}
