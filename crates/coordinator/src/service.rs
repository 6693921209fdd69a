//! What every part of the coordinator shares.

use std::sync::{Arc, Mutex, PoisonError};

use tacit_vault::{Clock, KeyRing};
use tacit_wire::{Digest32, Identity, SealingKeyCertificate, SealingKeyPair};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::circuits::CircuitFiles;
use crate::config::Config;
use crate::error::ApiError;
use crate::intake::Intake;
use crate::limits::Usage;
use crate::log::Heads;
use crate::metrics::Metrics;
use crate::polls::Polls;
use crate::registry::Registry;
use crate::store::Store;

/// State shared by the HTTP API, the nodes' sessions and the background tasks.
#[derive(Debug)]
pub struct Service {
    /// What the operator decided.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// Who this coordinator is.
    pub identity: Identity,
    /// Assembler keys: they open responses of jobs whose client chose so, and no share.
    pub assembler_keys: Mutex<KeyRing>,
    /// The database.
    pub store: Store,
    /// Circuits' files.
    pub circuits: CircuitFiles,
    /// Who waits for jobs to change.
    pub polls: Polls,
    /// When heads of the log were signed.
    pub heads: Heads,
    /// The nodes.
    pub registry: Arc<Registry>,
    /// Jobs with enough answers, for the assembling task.
    pub assemble: mpsc::UnboundedSender<Digest32>,
    /// One upload is checked at a time: it takes all cores and much memory.
    pub checking: Semaphore,
    /// Whether clients need a key.
    pub access: Access,
    /// Memory for submissions that are being received.
    pub intake: Intake,
    /// What clients have used up.
    pub usage: Usage,
    /// What Prometheus is told.
    pub metrics: Metrics,
    /// Cancelled when the coordinator shuts down.
    pub shutdown: CancellationToken,
}

impl Service {
    /// The certificate of the current assembler key.
    pub fn assembler_certificate(&self) -> Option<SealingKeyCertificate> {
        let keys = self.assembler_keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.current().map(|k| k.certificate.clone())
    }

    /// The assembler key with these public bytes, and the second after which it is destroyed.
    pub fn assembler_key(&self, public: &[u8]) -> Option<(SealingKeyPair, u64)> {
        let keys = self.assembler_keys.lock().unwrap_or_else(PoisonError::into_inner);
        let held = keys.keys().iter().find(|k| k.pair.public().as_bytes().as_slice() == public)?;
        Some((held.pair.clone(), held.certificate.expiry))
    }

    /// Runs something that blocks.
    ///
    /// # Errors
    /// What it returns; an internal error if it was cut off.
    pub async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        context: &'static str,
        f: impl FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let service = Arc::clone(self);
        match tokio::task::spawn_blocking(move || f(&service)).await {
            Ok(result) => result,
            Err(e) => Err(ApiError::internal(context, e)),
        }
    }

    /// Says that a job changed.
    pub fn changed(&self, deal: &Digest32, ended: bool) {
        if ended {
            self.registry.forget(deal);
            self.metrics.job_forgotten(deal);
        }
        self.polls.wake(deal);
    }
}
