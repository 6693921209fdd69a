//! The prover service: takes sealed requests, proves, submits, reports. It can change nothing of what its users signed: the circuits
//! refuse, and so does the contract.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | settings, and the secrets that a wallet folder gives |
//! | [`registration`] | what wallets read first: where, to which key, for which fees |
//! | `admit`, [`accept`], `authorisation` | what must hold before a request is accepted, and accepting it |
//! | [`refusal`] | the words for everything that may be wrong |
//! | [`store`] | what is on disk |
//! | [`submit`], [`ethereum`] | what is needed of the chain, and a chain that has it |
//! | `carry`, `patience` | an accepted request from its turn to its end |
//! | [`http`], [`serve`] | requests, connections |
//! | [`metrics`] | what Prometheus is told |
//!
//! **What was accepted is not lost.** An envelope is on disk, sealed as it came, before its request is accepted, and stays there until its
//! outcome is. A service that starts carries on where the last one ended: a transaction that may have been sent is sent again, the same
//! bytes, and another one only when those can never be in a block, or the node has refused them.

pub mod accept;
mod admit;
mod authorisation;
mod carry;
pub mod config;
pub mod error;
pub mod ethereum;
pub mod http;
pub mod metrics;
mod patience;
pub mod refusal;
pub mod registration;
pub mod serve;
pub mod store;
pub mod submit;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tacit_pool::orders::OrderKeyId;
use tacit_vault::{Clock, DataDir};
use tacit_wire::Digest32;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::circuits::PoolCircuits;
use crate::sealed::{Envelope, EnvelopeError, Request, RequestId};
use crate::status::{Phase, SpendStatus};

pub use config::{AuthMethod, AuthVerifier, ServiceConfig, ServiceKeys};
pub use error::StartError;
pub use refusal::{Code, Refusal};
pub use submit::Submit;

use admit::Claims;
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
    /// One transaction is signed and handed in at a time: each takes the account's next number. Held for one try, never while waiting for the
    /// next. What the node has not answered to is in it, and is handed in again before another one is signed.
    sending: tokio::sync::Mutex<Option<(RequestId, submit::SignedTransaction)>>,
    metrics: Metrics,
    limits: http::Limits,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// A request that is known.
struct Spend {
    /// Of what was asked.
    digest: Digest32,
    /// What no other request may be about, while this one is open.
    claims: Option<Claims>,
    /// Who sent it, while it is open; nobody knows of a request of an earlier run.
    client: Option<IpAddr>,
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
        if config.auth_verifiers.is_empty() {
            return Err(StartError::Verifiers);
        }
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
            spends.insert(id, Spend { digest, claims: None, client: None, status, ended_at: Some(ended_at) });
        }
        let prover = keys.order_key.public().id();
        let mut resumed = Vec::new();
        for Open { id, path, envelope, signed } in open {
            let request = open_with(&keys, config.place, prover, &envelope)
                .map_err(|source| StartError::Unreadable { path, source })?;
            spends.insert(id, Spend::of(&request, None));
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
            sending: tokio::sync::Mutex::new(None),
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
    fn of(request: &Request, client: Option<IpAddr>) -> Self {
        Self {
            digest: digest(request),
            claims: Some(Claims::of(request)),
            client,
            status: watch::Sender::new(fresh(request.id)),
            ended_at: None,
        }
    }
}

impl Desk {
    fn spends(&self) -> MutexGuard<'_, HashMap<RequestId, Spend>> {
        self.spends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self, id: RequestId) -> bool {
        self.spends().get(&id).is_some_and(|spend| spend.ended_at.is_none())
    }

    fn count(&self) {
        let open = self.spends().values().filter(|spend| spend.ended_at.is_none()).count();
        self.metrics.open(open);
    }

    /// The registration as wallets get it.
    fn registration(&self) -> Current {
        self.registration.read().unwrap_or_else(PoisonError::into_inner).clone()
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
        self.forget_outcomes();
    }

    /// Forgets how requests ended, long ago or, of those that failed, among too many.
    fn forget_outcomes(&self) {
        let now = self.clock.now();
        let (keep, keep_failures) =
            (self.config.keep_outcomes.as_secs(), self.config.keep_failures.as_secs());
        let (mut old, mut failed) = (Vec::new(), Vec::new());
        for (id, spend) in self.spends().iter() {
            let Some(at) = spend.ended_at else { continue };
            let has_failed = spend.status.borrow().phase == Phase::Failed;
            if at.saturating_add(if has_failed { keep_failures } else { keep }) < now {
                old.push(*id);
            } else if has_failed {
                failed.push((at, *id));
            }
        }
        failed.sort_unstable();
        let too_many = failed.len().saturating_sub(self.config.failures);
        for id in old.into_iter().chain(failed.into_iter().take(too_many).map(|(_, id)| id)) {
            match self.store.forget(id) {
                Ok(()) => drop(self.spends().remove(&id)),
                Err(error) => tracing::warn!(%id, %error, "an outcome cannot be removed"),
            }
        }
    }
}
