//! The Tacit coordinator: sequences jobs, relays sealed envelopes, keeps the nodes' answers.
//!
//! ```text
//! clients --HTTPS--> http ---> store <--- nodes <--QUIC-- nodes (they dial)
//!                      |         |          |
//!                      |         v          |
//!                      +--> assembler <-----+     only for jobs whose client chose so
//! ```
//!
//! | module | task |
//! |---|---|
//! | [`config`] | what an operator decides |
//! | [`access`] | who may use the API, and their keys |
//! | `http` | the API: circuits, jobs, the network |
//! | `nodes` | a session for each connected node: offers, answers, circuits' bytes |
//! | `jobs` | what a submission must hold, how a job looks from outside |
//! | `assembler`, `assembler_keys` | proofs of jobs that were left to the coordinator |
//! | `cluster` | living among other coordinators of the same database |
//! | `time` | which time counts: the database's |
//! | [`store`] | the database: everything that outlives a connection, and every query |
//! | `served` | which database this directory's coordinator serves |
//! | `log` | when the heads of the log are signed, and proofs about it |
//! | `circuits` | circuits' files, checked when they come in |
//! | `relay` | memory for envelopes on their way to nodes, and when an offer is made again |
//! | `registry`, `polls` | what may be lost: who is connected, who waits |
//! | `memory`, `intake`, `outgo`, `limits` | what one client may cost: memory, time, requests, connections |
//! | `metrics` | what Prometheus is told |
//!
//! It is trusted for liveness only. **It holds no key that opens a share**: envelopes pass through it sealed to nodes,
//! and are deleted when their job ends. Its one sealing key opens responses that a client had sealed to it, and shows it
//! the proof that they give. Nothing is acknowledged before it is on disk; a coordinator that was killed goes on where
//! it was.

pub mod access;
mod assembler;
mod assembler_keys;
mod circuits;
mod cluster;
pub mod config;
mod error;
mod http;
mod intake;
mod jobs;
mod limits;
mod log;
mod memory;
mod metrics;
mod nodes;
mod outgo;
mod polls;
mod registry;
mod relay;
mod served;
mod service;
pub mod store;
mod time;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tacit_net::{CertificatePin, Server, Settings, tls};
use tacit_vault::{Clock, DataDir, Unlock, VaultError, identity};
use tacit_wire::{Identity, IdentityKey};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use access::{Access, Role};
pub use config::{AllowedNode, Config, DatabaseUrl, Limits};
pub use error::CoordinatorError;
pub use http::description as api_description;

use assembler_keys::AssemblerKeys;
use circuits::CircuitFiles;
use registry::Registry;
use service::Service;
use store::{Database, Store};
use time::NetworkTime;

/// What this program calls itself to peers.
pub const SOFTWARE: &str = concat!("tacit/", env!("CARGO_PKG_VERSION"));

/// How long an idempotency key is remembered.
const CLAIM_SECONDS: u64 = 24 * 3600;

/// How often expired deals are looked for.
const TICK: Duration = Duration::from_secs(1);

/// How often, in ticks, what clients used up is forgotten where it does not matter any more.
const TIDY_TICKS: u64 = 60;

/// How often, in ticks, it is looked how much is kept of jobs that have ended.
const LOOK_TICKS: u64 = 10;

/// How often, in ticks, keys are maintained and old jobs forgotten.
const SLOW_TICKS: u64 = 600;

/// A coordinator that listens and does not serve yet.
#[derive(Debug)]
pub struct Coordinator {
    service: Arc<Service>,
    listener: TcpListener,
    metrics: Option<TcpListener>,
    metrics_address: Option<SocketAddr>,
    tls: Arc<rustls::ServerConfig>,
    server: ServerDebug,
    http_address: SocketAddr,
    quic_address: SocketAddr,
    _dir: DataDir,
}

/// `Server` has no `Debug`; there is nothing in it to show.
struct ServerDebug(Server);

impl std::fmt::Debug for ServerDebug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

/// Creates the data directory (mode 0700) with an identity, where they are missing. Returns the identity, which nodes
/// and clients pin.
///
/// # Errors
/// See [`CoordinatorError`].
pub fn init(data_dir: &Path) -> Result<IdentityKey, CoordinatorError> {
    init_as(&Config::new(data_dir), None)
}

/// As [`init`], with the identity of a coordinator whose database this one is to share: a copy of its `identity.pem`.
///
/// # Errors
/// When the file is no identity or readable by others, or the directory has another identity.
pub fn init_with(data_dir: &Path, identity_file: &Path) -> Result<IdentityKey, CoordinatorError> {
    init_as(&Config::new(data_dir), Some((identity_file, &Unlock::Unencrypted)))
}

/// [`init`] or [`init_with`] for a configuration, which may say what the keys are encrypted under. The file of a given identity may be encrypted, too: then
/// its directory's file `protection` is beside it, and what opens that is given.
///
/// # Errors
/// As there; when the keys do not open.
pub fn init_as(config: &Config, given: Option<(&Path, &Unlock)>) -> Result<IdentityKey, CoordinatorError> {
    let dir = open_dir(config)?;
    let Some((file, unlock)) = given else { return Ok(identity::load_or_create(&dir)?.key()) };
    let given = identity::import(&dir, file, unlock)?.key();
    let found = identity::load(&dir)?.key();
    if found != given {
        return Err(CoordinatorError::HasIdentity { path: config.data_dir.clone(), found, given });
    }
    Ok(given)
}

/// Runs a coordinator until `shutdown` is cancelled.
///
/// # Errors
/// When it cannot start.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), CoordinatorError> {
    Coordinator::start(config).await?.run(shutdown).await
}

/// Opens the data directory. The keys of a new one are encrypted if the configuration says under what; keys in the clear are refused then.
fn open_dir(config: &Config) -> Result<DataDir, CoordinatorError> {
    let unlock =
        Unlock::from_files(config.passphrase_file.as_deref(), config.key_file.as_deref(), &config.data_dir)?;
    let mut dir = DataDir::open_with(&config.data_dir, &unlock)?;
    if unlock.is_some() && !dir.protection().is_on() {
        if identity::exists(&dir) {
            // Somebody may have put them there.
            let path = config.data_dir.clone();
            return Err(VaultError::NotProtected { path, given: unlock.method() }.into());
        }
        dir.protect(&unlock)?;
    }
    Ok(dir)
}

impl Coordinator {
    /// Opens the data directory, creating what is missing, and binds both addresses.
    ///
    /// # Errors
    /// See [`CoordinatorError`].
    pub async fn start(config: Config) -> Result<Self, CoordinatorError> {
        Self::start_with_clock(config, Clock::system()).await
    }

    /// [`Coordinator::start`] with a clock of the caller's.
    ///
    /// # Errors
    /// See [`CoordinatorError`].
    pub async fn start_with_clock(config: Config, clock: Clock) -> Result<Self, CoordinatorError> {
        check(&config)?;
        let access = access::decide(&config)?;
        let dir = open_dir(&config)?;
        let identity = identity::load_or_create(&dir)?;
        let database = Database::of(&config);
        served::check(dir.path(), &database)?;
        let store = Store::open(&database).await?.signing_as(&identity).beside(clock.clone());
        let owner = store.adopt(&identity.key()).await?;
        if owner != identity.key() {
            let (expected, got) = (owner, identity.key());
            return Err(CoordinatorError::OtherIdentity { database: database.to_string(), expected, got });
        }
        served::remember(dir.path(), &database)?;
        let time = Arc::new(NetworkTime::new(clock));
        take_place(&store, &dir, &time).await?;
        AssemblerKeys::import(&store, &identity, &dir).await?;
        let keys = AssemblerKeys::default();
        if time.is_off() {
            keys.reload(&store, &identity).await?;
        } else {
            keys.maintain(&store, &identity, time.now()).await?;
        }
        let circuits = CircuitFiles::open(dir.path())?;
        let registry = Arc::new(Registry::new(&config.nodes));

        let transport =
            |what| move |e: tacit_net::NetError| CoordinatorError::Transport { what, problem: e.to_string() };
        let brought = match &config.browser_certificate {
            Some(files) => Some((read(&files.chain)?, read(&files.key)?)),
            None => None,
        };
        let brought = brought.as_ref().map(|(chain, key)| (chain.as_slice(), key.as_slice()));
        let tls = tls::server_config_for_browsers(&identity, &config.tls_names, brought)
            .map_err(transport("TLS certificate"))?;
        let listen =
            |source| CoordinatorError::Listen { address: config.http_listen, what: "clients", source };
        let listener = TcpListener::bind(config.http_listen).await.map_err(listen)?;
        let http_address = listener.local_addr().map_err(listen)?;
        let metrics = match config.metrics_listen {
            Some(address) => {
                Some(TcpListener::bind(address).await.map_err(|source| CoordinatorError::Listen {
                    address,
                    what: "metrics",
                    source,
                })?)
            }
            None => None,
        };
        let metrics_address = metrics.as_ref().and_then(|m| m.local_addr().ok());
        let server = bind_quic(&config, &identity, &registry).map_err(transport("address for nodes"))?;
        let quic_address = server.local_address().map_err(transport("address for nodes"))?;

        let intake = intake::Intake::new(&config.limits);
        let relay = relay::Relay::new(&config.limits);
        let outgo = outgo::Outgo::new(&config.limits, access);
        let usage = limits::Usage::new(&config.limits);
        let service = Arc::new(Service {
            config,
            clock: time.clock(),
            time,
            identity,
            assembler_keys: keys,
            store,
            circuits,
            polls: polls::Polls::default(),
            said: std::sync::Mutex::default(),
            heads: log::Heads::default(),
            registry,
            assemble: Notify::new(),
            checking: Semaphore::new(1),
            access,
            intake,
            outgo,
            relay,
            usage,
            metrics: metrics::Metrics::default(),
            shutdown: CancellationToken::new(),
        });
        let open = service.store.count_open().await?;
        tracing::info!(identity = %service.identity.key(), %http_address, %quic_address, open_jobs = open, "coordinator listens");
        Ok(Self {
            service,
            listener,
            metrics,
            metrics_address,
            tls,
            server: ServerDebug(server),
            http_address,
            quic_address,
            _dir: dir,
        })
    }

    /// Where clients reach it.
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Where Prometheus reaches it, if it does.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Where nodes reach it (UDP).
    pub fn quic_address(&self) -> SocketAddr {
        self.quic_address
    }

    /// Who it is.
    pub fn identity(&self) -> IdentityKey {
        self.service.identity.key()
    }

    /// What clients pin.
    pub fn pin(&self) -> CertificatePin {
        CertificatePin::Identity(self.identity())
    }

    /// Serves until `shutdown` is cancelled. Dropping the future stops everything at once, as a crash would.
    ///
    /// # Errors
    /// When a part of it failed.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), CoordinatorError> {
        let Self { service, listener, metrics, tls, server, _dir, .. } = self;
        let drained = CancellationToken::new();
        // Tasks of their own: were they polled by one, each of their wake-ups would be everyone's. Dropping the set ends them.
        let mut tasks = JoinSet::new();
        tasks.spawn(http::serve(Arc::clone(&service), listener, tls));
        tasks.spawn(nodes::serve(Arc::clone(&service), server.0));
        tasks.spawn(assembler::run(Arc::clone(&service)));
        tasks.spawn(cluster::run(Arc::clone(&service)));
        tasks.spawn(housekeeping(Arc::clone(&service)));
        let mut failed = None;
        let work = async {
            tokio::select! {
                () = shutdown.cancelled() => {}
                // None ends before; one that panicked takes the others along, for a supervisor to start all anew.
                Some(ended) = tasks.join_next() => failed = Some(match ended {
                    Ok(()) => "a part of the coordinator ended".to_owned(),
                    Err(error) => format!("a part of the coordinator failed: {error}"),
                }),
            }
            service.shutdown.cancel();
            while tasks.join_next().await.is_some() {}
            drained.cancel();
        };
        tokio::join!(work, http::serve_metrics(Arc::clone(&service), metrics, drained.cancelled()));
        if let Err(error) = service.store.retire(service.store.instance()).await {
            tracing::warn!(%error, "cannot tell the other coordinators that this one ends");
        }
        service.store.close().await;
        tracing::info!("coordinator stopped");
        failed.map_or(Ok(()), |problem| Err(CoordinatorError::Part(problem)))
    }
}

/// Takes what was this process's before it was started again, if nobody else took it: it is in nobody's hand any more.
async fn take_place(store: &Store, dir: &DataDir, time: &NetworkTime) -> Result<(), CoordinatorError> {
    let path = dir.path().join("instance");
    if let Some(earlier) = tacit_vault::dir::read_secret(&path)?
        && let Ok(earlier) = std::str::from_utf8(&earlier)
    {
        store.retire(earlier.trim()).await?;
    }
    tacit_vault::dir::write_secret(&path, store.instance().as_bytes())?;
    if let Err(error) = store.bury(cluster::DEAD).await {
        tracing::warn!(%error, "cannot take over from coordinators that died; it is tried again");
    }
    let (_, now) = store.beat().await?;
    if store.is_shared() {
        time.hear(now);
    }
    Ok(())
}

fn bind_quic(
    config: &Config,
    identity: &Identity,
    registry: &Arc<Registry>,
) -> Result<Server, tacit_net::NetError> {
    let settings = Settings {
        handshake_timeout: Duration::from_secs(config.limits.peer_seconds),
        ..Settings::default()
    };
    let admission = {
        let registry = Arc::clone(registry);
        move |node: &IdentityKey| registry.name_of(node).is_some()
    };
    Server::bind(config.quic_listen, identity, admission, settings)
}

/// A file of the configuration.
fn read(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, CoordinatorError> {
    let bytes =
        std::fs::read(path).map_err(|e| CoordinatorError::Config(format!("{}: {e}", path.display())))?;
    Ok(zeroize::Zeroizing::new(bytes))
}

fn check(config: &Config) -> Result<(), CoordinatorError> {
    let mut identities = std::collections::HashSet::new();
    let mut names = std::collections::HashSet::new();
    for node in &config.nodes {
        if !identities.insert(node.identity) {
            return Err(CoordinatorError::Config(format!("node {} is listed twice", node.identity)));
        }
        if !names.insert(node.name.as_str()) {
            return Err(CoordinatorError::Config(format!("two nodes are called {}", node.name)));
        }
    }
    Ok(())
}

/// Ends expired jobs, signs the log's head, forgets old jobs, rotates the assembler key; nothing of it while this machine's clock and the database's differ.
async fn housekeeping(service: Arc<Service>) {
    let mut tick = tokio::time::interval(TICK);
    let mut slow = false;
    for count in 0u64.. {
        tokio::select! {
            () = service.shutdown.cancelled() => return,
            _ = tick.tick() => {}
        }
        if count % TIDY_TICKS == 0 {
            service.usage.tidy();
            service.metrics.tidy(Duration::from_secs(service.config.limits.deal_seconds + 60));
        }
        slow |= count % SLOW_TICKS == 0;
        // Before it is asked whether it can be right: a beat in between may bring another.
        let now = service.clock.now();
        if service.time.is_off() {
            continue;
        }
        end_and_sign(&service, now).await;
        if count % LOOK_TICKS == 0 {
            forget_beyond(&service).await;
        }
        if std::mem::take(&mut slow) {
            forget_and_renew(&service, now).await;
        }
    }
}

async fn end_and_sign(service: &Service, now: u64) {
    match service.store.expire(now).await {
        Ok(ended) => {
            for deal in ended {
                tracing::info!(job = %deal, "job expired");
                service.metrics.job_ended(&deal, metrics::Ended::Expired);
                service.changed(&deal);
            }
        }
        Err(error) => tracing::error!(%error, "cannot end expired jobs"),
    }
    if let Err(error) = log::head(service).await {
        tracing::error!(error = error.body.message, "cannot sign the log's head");
    }
}

async fn forget_beyond(service: &Service) {
    let limits = &service.config.limits;
    match service.store.forget_beyond(limits.kept_bytes, limits.client_kept_bytes).await {
        Ok(0) => {}
        Ok(jobs) => {
            tracing::warn!(jobs, "forgot jobs that had ended before their time: there is no room for them")
        }
        Err(error) => tracing::error!(%error, "cannot tell whether there is room for jobs that have ended"),
    }
}

async fn forget_and_renew(service: &Service, now: u64) {
    match service.store.forget_before(now.saturating_sub(service.config.limits.keep_seconds)).await {
        Ok(0) => {}
        Ok(jobs) => tracing::info!(jobs, "forgot old jobs"),
        Err(error) => tracing::error!(%error, "cannot forget old jobs"),
    }
    if let Err(error) = service.store.forget_claims(now.saturating_sub(CLAIM_SECONDS)).await {
        tracing::error!(%error, "cannot forget old idempotency keys");
    }
    // Pieces of uploads that broke off.
    if let Err(error) = service.store.sweep_pieces(now.saturating_sub(24 * 3600)).await {
        tracing::error!(%error, "cannot remove pieces of files");
    }
    match service.assembler_keys.maintain(&service.store, &service.identity, now).await {
        Ok(None) => {}
        Ok(Some(key)) => tracing::info!(%key, "new assembler key"),
        Err(error) => tracing::error!(%error, "cannot maintain the assembler keys"),
    }
}
