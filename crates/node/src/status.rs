//! How a running node is: as JSON on a socket in its data directory, for `tacit node status`; as metrics and probes over HTTP, where the operator wants that.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use tacit_vault::{Clock, VaultError};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, UnixListener};

use crate::SOFTWARE;
use crate::circuits::{SLICE, WHOLE};
use crate::error::NodeError;
use crate::session::{Sessions, UNKNOWN_SKEW};

/// The socket's name in the data directory.
pub const SOCKET: &str = "status.sock";

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// What its operator calls it.
    pub name: String,
    /// Its identity.
    pub identity: String,
    /// Program and version.
    pub software: String,
    /// The process.
    pub pid: u32,
    /// When it started, Unix seconds.
    pub started: u64,
    /// The coordinator as configured.
    pub coordinator: String,
    /// Since when it is connected, Unix seconds; nothing if it is not.
    pub connected_since: Option<u64>,
    /// The coordinator's clock less this one, in seconds, when they were compared last.
    pub clock_skew: Option<i64>,
    /// Whether it stops and takes no more offers.
    pub draining: bool,
    /// Offers in hand.
    pub offers_in_hand: u64,
    /// Of these, how many wait for their turn to be computed.
    pub offers_waiting: u64,
    /// How many it takes in hand at most.
    pub offers_limit: u64,
    /// Offers answered since it started; those that were answered before and came again count again.
    pub answered: u64,
    /// Offers whose answer the coordinator stopped waiting for.
    pub unwanted: u64,
    /// Offers refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Deals that were begun and are not answered, from an earlier run too: their envelopes come again. Not those whose package cannot be answered.
    pub owed: u64,
    /// Bytes of records on disk.
    pub records_bytes: u64,
    /// Its sealing keys, oldest first.
    pub sealing_keys: Vec<SealingKey>,
    /// What it keeps of circuits, the least recently used first.
    pub circuits: Vec<KeptCircuit>,
    /// Keys and parts of keys in memory.
    pub resident: u64,
    /// The memory budget.
    pub memory: Budget,
    /// Where its size comes from.
    pub memory_source: String,
    /// The disk budget.
    pub disk: Budget,
    /// Bytes that the file system has left.
    pub disk_free: Option<u64>,
    /// Bases that it adds up in a second; 0 before it measured.
    pub bases_per_second: u64,
}

/// A sealing key's name and end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealingKey {
    /// Its id.
    pub id: String,
    /// Unix seconds.
    pub expiry: u64,
}

/// A file of a circuit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptCircuit {
    /// The circuit, or the bases.
    pub circuit: String,
    /// `key`, `slice` or `bases`.
    pub kind: String,
    /// The file's name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// When it was used last, Unix seconds.
    pub last_used: u64,
}

/// What is taken of what there may be, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Taken.
    pub used: u64,
    /// At most.
    pub limit: u64,
}

impl Sessions {
    /// How this node is now.
    pub async fn status(&self) -> Status {
        let desk = &self.desk;
        let (answered, unwanted, refused) = desk.stats.counts();
        let sealing_keys = {
            let keys = desk.keys.lock().unwrap_or_else(PoisonError::into_inner);
            let of = |key: &tacit_vault::HeldKey| SealingKey {
                id: key.pair.id().to_string(),
                expiry: key.certificate.expiry,
            };
            keys.keys().iter().map(of).collect()
        };
        let circuits = Arc::clone(&desk.circuits);
        let kept =
            tokio::task::spawn_blocking(move || (circuits.kept(), circuits.disk_used(), circuits.free()));
        let (kept, disk_used, disk_free) = kept.await.unwrap_or_default();
        let records_bytes = crate::disk::records(&self.config.data_dir);
        let circuits = kept.into_iter().map(|file| {
            let kind = if file.slice {
                SLICE
            } else if file.path.extension().is_some_and(|e| e == WHOLE) {
                WHOLE
            } else {
                crate::bases::EXTENSION
            };
            KeptCircuit {
                circuit: file.circuit.to_string(),
                kind: kind.to_owned(),
                file: file.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                bytes: file.bytes,
                last_used: file.used.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            }
        });
        let owed = desk.ledger.owed(desk.clock.now()).await.map_or(0, |owed| owed.len() as u64);
        let limit = u64::from(self.config.limits.offers);
        Status {
            name: self.config.name.clone(),
            identity: desk.identity.key().to_string(),
            software: SOFTWARE.to_owned(),
            pid: std::process::id(),
            started: self.started,
            coordinator: self.config.coordinator.iter().collect::<Vec<_>>().join(", "),
            connected_since: match self.connected_since.load(Ordering::Relaxed) {
                0 => None,
                since => Some(since),
            },
            clock_skew: Some(self.clock_skew.load(Ordering::Relaxed)).filter(|skew| *skew != UNKNOWN_SKEW),
            draining: self.shutdown.is_cancelled(),
            offers_in_hand: limit.saturating_sub(desk.places.available_permits() as u64),
            offers_waiting: desk.turns.waiting() as u64,
            offers_limit: limit,
            answered,
            unwanted,
            refused,
            owed,
            records_bytes,
            sealing_keys,
            circuits: circuits.collect(),
            resident: desk.circuits.resident() as u64,
            memory: Budget { used: desk.circuits.memory.used(), limit: desk.circuits.memory.limit() },
            memory_source: desk.circuits.memory.source().to_owned(),
            disk: Budget { used: disk_used, limit: self.config.limits.disk_bytes },
            disk_free,
            bases_per_second: desk.bases_per_second.load(Ordering::Relaxed),
        }
    }

    /// Everything that Prometheus is told.
    pub async fn metrics(&self) -> String {
        let status = self.status().await;
        let mut registry = Registry::with_prefix("tacit_node");
        let stats = &self.desk.stats;
        registry.register(
            "offers",
            "Offers by outcome: answered, unwanted, or the reason of the refusal",
            stats.offers.clone(),
        );
        registry.register(
            "phase_seconds",
            "Seconds that an offer spent in each phase: key, wait, compute",
            stats.phases.clone(),
        );
        let mut gauge = |name: &str, help: &str, value: u64| {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        };
        gauge("start_time_seconds", "When the process started, Unix seconds", status.started);
        gauge(
            "connected",
            "1 while connected to the coordinator",
            u64::from(status.connected_since.is_some()),
        );
        gauge("draining", "1 while stopping", u64::from(status.draining));
        gauge("offers_in_hand", "Offers in hand", status.offers_in_hand);
        gauge("offers_waiting", "Offers that wait for their turn", status.offers_waiting);
        gauge("offers_limit", "Offers taken in hand at most", status.offers_limit);
        gauge("owed", "Deals begun and not answered", status.owed);
        gauge("records_bytes", "Records on disk", status.records_bytes);
        gauge("resident_keys", "Proving keys, slices and bases in memory", status.resident);
        gauge("circuit_files", "Prepared files on disk", status.circuits.len() as u64);
        gauge("bases_per_second", "Measured speed", status.bases_per_second);
        let last = status.sealing_keys.last().map_or(0, |key| key.expiry);
        gauge("sealing_key_expiry_seconds", "When the current sealing key expires, Unix seconds", last);
        let by_kind = |pairs: &[(&'static str, u64)]| {
            let family = Family::<[(&'static str, &'static str); 1], Gauge<i64>>::default();
            for (kind, value) in pairs {
                family.get_or_create(&[("kind", kind)]).set(i64::try_from(*value).unwrap_or(i64::MAX));
            }
            family
        };
        let Budget { used, limit } = status.memory;
        let memory = by_kind(&[("used", used), ("limit", limit)]);
        registry.register("memory_bytes", "The memory budget: used, limit", memory);
        let Budget { used, limit } = status.disk;
        let disk = by_kind(&[("used", used), ("limit", limit), ("free", status.disk_free.unwrap_or(0))]);
        registry.register("disk_bytes", "The disk budget: used, limit; free on the file system", disk);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }
}

/// The socket; removed when dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Opens the socket in a data directory that this process has locked, for its owner only.
///
/// # Errors
/// When it cannot be made.
pub fn listen(data_dir: &Path) -> Result<Socket, VaultError> {
    let path = data_dir.join(SOCKET);
    let failed = |source| VaultError::Io { path: path.clone(), source };
    // That of a process that died: the directory is ours.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(Socket { listener, path })
}

/// Tells everybody who connects how the node is. Never ends.
pub async fn serve_socket(sessions: &Sessions, socket: &Socket) {
    loop {
        match socket.listener.accept().await {
            Ok((mut stream, _)) => {
                let text = serde_json::to_vec(&sessions.status().await).unwrap_or_default();
                // Who asks and does not read must not hold up the next.
                let _ = tokio::time::timeout(Duration::from_secs(2), stream.write_all(&text)).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the status socket failed");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Asks a running node how it is; nothing if none runs in this directory. Blocks for at most some seconds.
///
/// # Errors
/// When something is there and does not answer as a node does.
pub fn ask(data_dir: &Path) -> std::io::Result<Option<Status>> {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    let stream = match UnixStream::connect(data_dir.join(SOCKET)) {
        Ok(stream) => stream,
        Err(e)
            if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused) =>
        {
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut text = Vec::new();
    stream.take(64 << 20).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map(Some).map_err(std::io::Error::other)
}

/// Binds the address for metrics and probes.
///
/// # Errors
/// When it cannot be bound.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, NodeError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|e| NodeError::Config(format!("metrics_listen = {address}: {e}")))
}

/// Serves metrics and probes. Ends only if the listener fails.
pub async fn serve_http(sessions: Arc<Sessions>, listener: TcpListener) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(sessions);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "metrics are no longer served");
    }
}

async fn metrics(State(sessions): State<Arc<Sessions>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], sessions.metrics().await)
}

async fn ready(State(sessions): State<Arc<Sessions>>) -> (StatusCode, &'static str) {
    if sessions.shutdown.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if sessions.connected_since.load(Ordering::Relaxed) == 0 {
        (StatusCode::SERVICE_UNAVAILABLE, "not connected to the coordinator\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

/// Unix seconds; never the 0 that stands for never.
pub fn now(clock: &Clock) -> u64 {
    clock.now().max(1)
}
