//! The Tacit node: answers proving jobs from shares of a witness that it never sees.
//!
//! | module | task |
//! |---|---|
//! | [`config`] | what an operator decides |
//! | `session` | the connection to the coordinator: dial, greet, serve, dial again |
//! | `offer` | one offer, from its bytes to an answer or a refusal |
//! | [`ledger`] | what was promised, durably: one envelope and one answer for each deal |
//! | `circuits`, `bases` | proving keys, slices of them, and bases: fetched, checked, prepared and cut once |
//!
//! The node dials out, so it needs no open port. Whatever reaches it is answered or refused with a reason; nothing that a
//! peer sends stops it. Shares live in memory for as long as their response takes and are wiped then; they are never
//! written in the clear. Whoever runs it should disable core dumps (the `tacit` binary does).

mod bases;
mod circuits;
pub mod config;
mod error;
pub mod ledger;
mod offer;
mod session;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tacit_vault::{Clock, DataDir, KeyRing, identity};
use tacit_wire::{IdentityKey, Purpose, SealingKeyCertificate};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use config::{Addresses, Config, Limits};
pub use error::NodeError;

use circuits::Circuits;
use ledger::Ledger;
use offer::Desk;
use session::Sessions;

/// What this program calls itself to peers.
pub const SOFTWARE: &str = concat!("tacit/", env!("CARGO_PKG_VERSION"));

/// A node that is ready to connect.
#[derive(Debug)]
pub struct Node {
    config: Config,
    desk: Arc<Desk>,
    _dir: DataDir,
}

/// Creates the data directory (mode 0700) with an identity (0600) and a first sealing key, where they are missing.
/// Returns the identity, which clients pin and the coordinator's operator admits.
///
/// # Errors
/// See [`NodeError`].
pub fn init(data_dir: &Path) -> Result<IdentityKey, NodeError> {
    let dir = DataDir::open(data_dir)?;
    let identity = identity::load_or_create(&dir)?;
    let mut keys = KeyRing::open(&dir.path().join("sealing"), Purpose::NodeEnvelope, &identity)?;
    let lifetime = Limits::default().sealing_key_seconds;
    keys.maintain(&identity, Clock::system().now(), lifetime, &mut identity::system_rng()?)?;
    Ok(identity.key())
}

/// Runs a node until `shutdown` is cancelled; then it finishes what it has begun and says goodbye.
///
/// # Errors
/// When it cannot start. A coordinator that cannot be reached is no error: it is dialled again.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), NodeError> {
    Node::open(config).await?.run(shutdown).await
}

impl Node {
    /// Opens a data directory that [`init`] has made.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub async fn open(config: Config) -> Result<Self, NodeError> {
        Self::open_with_clock(config, Clock::system()).await
    }

    /// [`Node::open`] with a clock of the caller's.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub async fn open_with_clock(config: Config, clock: Clock) -> Result<Self, NodeError> {
        if config.limits.offers == 0 || config.limits.sealing_key_seconds < 2 {
            return Err(NodeError::Config(
                "limits.offers and limits.sealing_key_seconds must not be zero".to_owned(),
            ));
        }
        let dir = DataDir::open(&config.data_dir)?;
        let identity = identity::load(&dir)?;
        let keys = KeyRing::open(&dir.path().join("sealing"), Purpose::NodeEnvelope, &identity)?;
        let ledger = Ledger::open(&dir.path().join("node.sqlite")).await?;
        let circuits = Circuits::open(dir.path().join("circuits"), &config.limits)?;
        let desk = Arc::new(Desk {
            clock,
            identity,
            keys: Mutex::new(keys),
            ledger,
            circuits: Arc::new(circuits),
            places: Semaphore::new(usize::from(config.limits.offers)),
            computing: Arc::new(Semaphore::new(1)),
            at_work: Mutex::default(),
        });
        desk.maintain(config.limits.sealing_key_seconds).await?;
        Ok(Self { config, desk, _dir: dir })
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
        let Self { config, desk, _dir } = self;
        tracing::info!(name = config.name, identity = %desk.identity.key(), "node starts");
        let (news, bases_per_second) = Default::default();
        let sessions = Sessions { config, desk, shutdown, news, bases_per_second };
        sessions.run().await;
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
        while self.ledger.retire(now).await? > 0 {}
        let done = {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            keys.maintain(&self.identity, now, lifetime, &mut identity::system_rng()?)?
        };
        for key in &done.destroyed {
            tracing::info!(%key, "sealing key destroyed");
        }
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
