//! The Tacit node: answers proving jobs from shares of a witness that it never sees.
//!
//! | module | task |
//! |---|---|
//! | [`config`] | what an operator decides |
//! | `session` | the connection to the coordinator: dial, greet, serve, dial again |
//! | `offer` | one offer, from its bytes to an answer or a refusal |
//! | [`ledger`] | what was promised, durably: one envelope and one answer for each deal |
//! | `clients`, `turns`, `memory`, `work` | what is taken in hand: quotas, whose turn it is, budgets, what a response takes |
//! | `circuits`, `bases`, `fetch`, `disk` | proving keys, slices of them, and bases: fetched, checked, prepared and cut once; room for them |
//! | [`import()`] | circuits and bases from files of the operator's |
//! | [`status`], `stats`, [`doctor`] | how the node is, for its operator |
//!
//! The node dials out, so it needs no open port. Whatever reaches it is answered or refused with a reason; nothing that a
//! peer sends stops it. Shares live in memory for as long as their response takes and are wiped then; they are never
//! written in the clear. Whoever runs it should disable core dumps (the `tacit` binary does).

mod bases;
mod circuits;
mod clients;
pub mod config;
mod disk;
pub mod doctor;
mod error;
mod fetch;
mod import;
pub mod ledger;
mod memory;
mod offer;
mod session;
mod stats;
pub mod status;
mod turns;
mod work;

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tacit_vault::{Clock, DataDir, KeyRing, Protection, Unlock, VaultError, identity, keyring};
use tacit_wire::{IdentityKey, Purpose, SealingKeyCertificate};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use config::{Addresses, Config, Limits};
pub use error::NodeError;
pub use import::{ImportError, Imported, import};
pub use memory::{Allowance, swap};

use circuits::Circuits;
use clients::Clients;
use ledger::Ledger;
use offer::Desk;
use session::Sessions;
pub use session::{CLOCK_TOLERANCE, Greeted, Probe};
use turns::Turns;
use work::Pace;

/// What this program calls itself to peers.
pub const SOFTWARE: &str = concat!("tacit/", env!("CARGO_PKG_VERSION"));

/// The database of records in the data directory.
pub const DATABASE: &str = "node.sqlite";

/// A node that is ready to connect.
#[derive(Debug)]
pub struct Node {
    config: Config,
    desk: Arc<Desk>,
    metrics: Option<TcpListener>,
    socket: Option<status::Socket>,
    _dir: DataDir,
}

/// [`init_with`] for keys that are not encrypted and live as long as by default.
///
/// # Errors
/// See [`NodeError`].
pub fn init(data_dir: &Path) -> Result<IdentityKey, NodeError> {
    init_with(data_dir, &Unlock::Unencrypted, Limits::default().sealing_key_seconds)
}

/// Creates the data directory (mode 0700) with an identity (0600) and a first sealing key, where they are missing; a new directory's keys are encrypted under
/// `unlock`, and the sealing key lives for so many seconds.
/// Returns the identity, which clients pin and the coordinator's operator admits.
///
/// # Errors
/// See [`NodeError`]; when `unlock` does not fit a directory that was there.
pub fn init_with(
    data_dir: &Path,
    unlock: &Unlock,
    sealing_key_seconds: u64,
) -> Result<IdentityKey, NodeError> {
    let mut dir = open_dir(data_dir, unlock)?;
    if unlock.is_some() && !dir.protection().is_on() && !identity::exists(&dir) {
        dir.protect(unlock)?;
    }
    let identity = identity::load_or_create(&dir)?;
    let mut keys = KeyRing::open_in(&dir, keyring::NODE, Purpose::NodeEnvelope, &identity)?;
    keys.maintain(&identity, Clock::system().now(), sealing_key_seconds, &mut identity::system_rng()?)?;
    Ok(identity.key())
}

/// Opens a data directory, and says so where its keys lie in the clear. Where they should not, it is refused: somebody may have put them there.
fn open_dir(data_dir: &Path, unlock: &Unlock) -> Result<DataDir, NodeError> {
    let dir = DataDir::open_with(data_dir, unlock)?;
    if !dir.protection().is_on() && identity::exists(&dir) {
        if unlock.is_some() {
            return Err(not_protected(data_dir, unlock).into());
        }
        tracing::warn!(
            directory = %data_dir.display(),
            "this node's keys are not encrypted on disk: `tacit node passphrase` encrypts them"
        );
    }
    Ok(dir)
}

fn not_protected(data_dir: &Path, unlock: &Unlock) -> VaultError {
    VaultError::NotProtected { path: data_dir.to_owned(), given: unlock.method() }
}

/// Runs a node until `shutdown` is cancelled; then it finishes what it has begun and says goodbye.
///
/// # Errors
/// When it cannot start. A coordinator that cannot be reached is no error: it is dialled again.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), NodeError> {
    Node::open(config).await?.run(shutdown).await
}

/// Dials the coordinator once with the keys of a node that does not run, greets it if a sealing key is valid, and leaves. Nothing in the data directory is
/// created or changed.
///
/// # Errors
/// Why the keys cannot be read or the coordinator cannot be reached, is another, or refuses this node.
pub async fn probe(config: &Config, unlock: &Unlock) -> Result<Probe, NodeError> {
    let dir = &config.data_dir;
    if tacit_vault::dir::is_in_use(dir)? {
        return Err(VaultError::InUse { path: dir.clone() }.into());
    }
    let protection = Protection::open(dir, unlock)?;
    let identity = identity::look(dir, &protection)?;
    if unlock.is_some() && !protection.is_on() {
        return Err(not_protected(dir, unlock).into());
    }
    let keys = keyring::look(&dir.join(keyring::NODE), &protection, Purpose::NodeEnvelope, &identity)?;
    let now = Clock::system().now();
    let valid =
        |key: &tacit_vault::HeldKey| (key.certificate.not_before..=key.certificate.expiry).contains(&now);
    let certificate = keys.into_iter().rfind(valid).map(|key| key.certificate);
    session::probe(config, identity, certificate).await
}

impl Node {
    /// Opens a data directory that [`init`] has made.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub async fn open(config: Config) -> Result<Self, NodeError> {
        Self::open_with_clock(config, Clock::system()).await
    }

    /// [`Node::open`] with what unlocks the keys, whatever the configuration names.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub async fn open_unlocked(config: Config, unlock: &Unlock) -> Result<Self, NodeError> {
        Self::open_as(config, Clock::system(), unlock).await
    }

    /// [`Node::open`] with a clock of the caller's.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub async fn open_with_clock(config: Config, clock: Clock) -> Result<Self, NodeError> {
        let unlock = config.unlock()?;
        Self::open_as(config, clock, &unlock).await
    }

    async fn open_as(config: Config, clock: Clock, unlock: &Unlock) -> Result<Self, NodeError> {
        config.check()?;
        let dir = open_dir(&config.data_dir, unlock)?;
        let identity = identity::load(&dir)?;
        let mut keys = KeyRing::open_in(&dir, keyring::NODE, Purpose::NodeEnvelope, &identity)?;
        let ledger = Ledger::open(&dir.path().join(DATABASE)).await?;
        // Keys and records that are not of one time must not go on together: the records might lack answers that were given.
        let run = keys.begin_run(ledger.run().await?, ledger.inode()?, &mut identity::system_rng()?)?;
        ledger.begin_run(run).await?;
        keys.settle()?;
        let owed = ledger.owed(clock.now()).await?;
        if !owed.is_empty() {
            tracing::info!(
                deals = owed.len(),
                "begun before and not answered: answered when their envelopes come again"
            );
        }
        let clients = Arc::new(Clients::new(&config.limits));
        let circuits = Circuits::open(dir.path().join("circuits"), &config.limits, Arc::clone(&clients))?;
        tracing::info!(bytes = circuits.memory.limit(), source = circuits.memory.source(), "memory budget");
        let desk = Arc::new(Desk {
            clock,
            identity,
            keys: Mutex::new(keys),
            ledger,
            circuits: Arc::new(circuits),
            places: Arc::new(Semaphore::new(usize::from(config.limits.offers))),
            turns: Arc::new(Turns::new(Arc::clone(&clients))),
            clients,
            bases_per_second: AtomicU64::new(0),
            pace: Pace::new(Instant::now()),
            records_bytes: config.limits.records_bytes,
            stats: Arc::default(),
            at_work: Mutex::default(),
        });
        desk.maintain(config.limits.sealing_key_seconds).await?;
        let metrics = match config.metrics_listen {
            Some(address) => Some(status::bind(address).await?),
            None => None,
        };
        // A path can be too long for a socket; a node without one can still work.
        let socket = match status::listen(dir.path()) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, "there is no status socket; `tacit node status` will say that the node does not run");
                None
            }
        };
        Ok(Self { config, desk, metrics, socket, _dir: dir })
    }

    /// Where metrics are served, if they are.
    pub fn metrics_address(&self) -> Option<std::net::SocketAddr> {
        self.metrics.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Who it is.
    pub fn identity(&self) -> IdentityKey {
        self.desk.identity.key()
    }

    /// The certificate of its current sealing key.
    pub fn certificate(&self) -> Option<SealingKeyCertificate> {
        let keys = self.desk.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.current().map(|k| k.certificate.clone())
    }

    /// Serves until `shutdown` is cancelled. Dropping the future stops everything at once, as a crash would.
    ///
    /// # Errors
    /// None at present.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), NodeError> {
        let Self { config, desk, metrics, socket, _dir } = self;
        tracing::info!(name = config.name, identity = %desk.identity.key(), "node starts");
        let started = desk.clock.now();
        let sessions = Arc::new(Sessions::new(config, desk, shutdown, started));
        let observed = async {
            let http = async {
                match metrics {
                    Some(listener) => status::serve_http(Arc::clone(&sessions), listener).await,
                    None => std::future::pending().await,
                }
                // A listener that failed is no reason to stop.
                std::future::pending::<()>().await
            };
            let local = async {
                match &socket {
                    Some(socket) => status::serve_socket(&sessions, socket).await,
                    None => std::future::pending().await,
                }
            };
            tokio::join!(http, local);
        };
        tokio::select! {
            () = sessions.run() => {}
            () = observed => {}
        }
        drop(socket);
        sessions.desk.ledger.close().await;
        tracing::info!("node stopped");
        Ok(())
    }
}

impl Desk {
    /// Retires expired records, destroys expired sealing keys and what was recorded under them, makes a new key where
    /// it is time. Returns whether there is a new one.
    async fn maintain(&self, lifetime: u64) -> Result<bool, NodeError> {
        let now = self.clock.now();
        // A disk that is full keeps records from being retired; it must not keep an expired key alive.
        let retired = loop {
            match self.ledger.retire(now).await {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        let done = {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            keys.maintain(&self.identity, now, lifetime, &mut identity::system_rng()?)?
        };
        for key in &done.destroyed {
            tracing::info!(%key, "sealing key destroyed");
        }
        retired?;
        // Not only those that were destroyed just now: an earlier process may have stopped in between.
        for key in self.ledger.sealing_keys().await? {
            let gone = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(&key).is_none();
            if gone {
                self.ledger.forget_key(&key).await?;
            }
        }
        if let Some(key) = &done.created {
            tracing::info!(%key, "new sealing key");
        }
        Ok(done.created.is_some())
    }
}
