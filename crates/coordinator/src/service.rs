//! What every part of the coordinator shares.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tacit_vault::Clock;
use tacit_wire::frame::Body as _;
use tacit_wire::messages::Hello;
use tacit_wire::status::{HexCertificate, NodeInfo};
use tacit_wire::{Digest32, Identity, IdentityKey, SealingKeyCertificate, SealingKeyPair};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::assembler_keys::AssemblerKeys;
use crate::circuits::CircuitFiles;
use crate::config::Config;
use crate::error::ApiError;
use crate::intake::Intake;
use crate::limits::Usage;
use crate::log::Heads;
use crate::metrics::Metrics;
use crate::outgo::Outgo;
use crate::polls::Polls;
use crate::registry::Registry;
use crate::relay::Relay;
use crate::store::{Store, StoreError};
use crate::time::NetworkTime;

/// State shared by the HTTP API, the nodes' sessions and the background tasks.
#[derive(Debug)]
pub struct Service {
    /// What the operator decided.
    pub config: Config,
    /// The time that counts.
    pub clock: Clock,
    /// How it is known, and how far this machine's clock is off.
    pub time: Arc<NetworkTime>,
    /// Who this coordinator is.
    pub identity: Identity,
    /// Assembler keys: they open responses of jobs whose client chose so, and no share.
    pub assembler_keys: AssemblerKeys,
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
    /// What each node's last hello says, with that hello: it is asked for with every job, and reading its keys takes time.
    pub said: Mutex<HashMap<IdentityKey, (Vec<u8>, NodeInfo)>>,
    /// Told when there may be a job with enough answers, for the assembling task.
    pub assemble: Notify,
    /// One upload is checked at a time: it takes all cores and much memory.
    pub checking: Semaphore,
    /// Whether clients need a key.
    pub access: Access,
    /// Memory for submissions that are being received.
    pub intake: Intake,
    /// Memory for envelopes on their way to nodes.
    pub relay: Relay,
    /// Memory for answers on their way to clients.
    pub outgo: Outgo,
    /// What clients have used up.
    pub usage: Usage,
    /// What Prometheus is told.
    pub metrics: Metrics,
    /// Cancelled when the coordinator shuts down.
    pub shutdown: CancellationToken,
}

/// A submission of so many bytes is read and its signatures are checked within a millisecond or two.
const FEW_BYTES: usize = 64 << 10;

/// A node that never said hello.
fn silent(identity: IdentityKey) -> NodeInfo {
    NodeInfo {
        identity,
        sealing_key_certificate: None,
        connected: false,
        software: String::new(),
        circuits: Vec::new(),
        slices: Vec::new(),
        bases_per_second: 0,
        capacity: 0,
        in_hand: 0,
    }
}

/// What a node says of itself; nothing where its hello cannot be read.
fn said_by(identity: IdentityKey, hello: &[u8]) -> NodeInfo {
    let Ok(hello) = Hello::from_body(hello) else { return silent(identity) };
    NodeInfo {
        sealing_key_certificate: Some(HexCertificate::from(&hello.certificate)),
        software: hello.software,
        circuits: hello.circuits,
        slices: hello.slices,
        bases_per_second: hello.bases_per_second,
        capacity: hello.capacity,
        ..silent(identity)
    }
}

impl Service {
    /// The certificate of the current assembler key.
    pub fn assembler_certificate(&self) -> Option<SealingKeyCertificate> {
        self.assembler_keys.certificate()
    }

    /// The assembler key with these public bytes, and the second after which it is destroyed.
    pub fn assembler_key(&self, public: &[u8]) -> Option<(SealingKeyPair, u64)> {
        self.assembler_keys.find(public)
    }

    /// Learns of assembler keys that another coordinator made or destroyed.
    pub async fn reload_assembler_keys(&self) {
        if let Err(error) = self.assembler_keys.reload(&self.store, &self.identity).await {
            tracing::error!(%error, "cannot read the assembler keys");
        }
    }

    /// The nodes as clients see them, in the order of the configuration, wherever they are connected.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn nodes(&self) -> Result<Vec<NodeInfo>, StoreError> {
        let mut seen: HashMap<_, _> =
            self.store.presences().await?.into_iter().map(|p| (p.node, p)).collect();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let info = |identity: &IdentityKey| match seen.remove(identity) {
            None => silent(*identity),
            Some(row) => {
                let known = said.entry(*identity).or_insert_with(|| (Vec::new(), silent(*identity)));
                if known.0 != row.hello {
                    *known = (row.hello.clone(), said_by(*identity, &row.hello));
                }
                let readable = known.1.sealing_key_certificate.is_some();
                NodeInfo {
                    connected: row.connected && readable,
                    in_hand: if readable { u32::try_from(row.in_hand).unwrap_or(u32::MAX) } else { 0 },
                    ..known.1.clone()
                }
            }
        };
        Ok(self.registry.identities().iter().map(info).collect())
    }

    /// Deletes a circuit's files after it was removed here or elsewhere, unless it was registered again.
    pub fn forget_circuit(self: &Arc<Self>, circuit: Digest32) {
        let service = Arc::clone(self);
        tokio::spawn(async move {
            // Nobody registers it meanwhile.
            let Ok(_turn) = service.checking.acquire().await else { return };
            match service.store.circuit(&circuit).await {
                Ok(None) => service.circuits.forget(&circuit).await,
                Ok(Some(_)) => {}
                Err(error) => tracing::error!(%circuit, %error, "cannot tell whether a circuit is gone"),
            }
        });
    }

    /// Deletes the files of circuits that were removed while this coordinator did not hear of it.
    pub async fn forget_removed_circuits(self: &Arc<Self>) {
        let here = self.circuits.folders();
        match self.store.circuits().await {
            Ok(registered) => {
                let gone = |id: &Digest32| registered.iter().all(|circuit| circuit.id != *id);
                here.into_iter().filter(gone).for_each(|id| self.forget_circuit(id));
            }
            Err(error) => tracing::error!(%error, "cannot tell which circuits are gone"),
        }
    }

    /// Everybody who waits looks again: something may have happened that was not told.
    pub fn look_again(&self) {
        self.registry.wake_all();
        self.polls.wake_all();
        self.assemble.notify_one();
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

    /// Runs something that takes as long as so many bytes do: on a thread of its own unless they are few, where handing it over would take longer.
    ///
    /// # Errors
    /// As [`Service::blocking`].
    pub async fn blocking_for<T: Send + 'static>(
        self: &Arc<Self>,
        bytes: usize,
        context: &'static str,
        f: impl FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        if bytes <= FEW_BYTES { f(self) } else { self.blocking(context, f).await }
    }

    /// Says that a job changed. The other coordinators learn it from the commit.
    pub fn changed(&self, deal: &Digest32) {
        self.polls.wake(deal);
    }

    /// Says that a node has answered, and that the job goes on.
    pub fn answered(&self, deal: &Digest32) {
        self.polls.wake_for_answer(deal);
    }
}
