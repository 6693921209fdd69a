//! Proving keys: fetched once, checked once, prepared once; a few of them in memory.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tacit_algebra::{Bls12_381, Bn254, Check, Curve};
use tacit_circom::Zkey;
use tacit_groth16::{ProvingKey, prepared};
use tacit_net::{Connection, NetError};
use tacit_vault::VaultError;
use tacit_vault::dir::create_private;
use tacit_wire::messages::{CircuitRequest, Refusal, RefusalCode};
use tacit_wire::{Blame, Digest32, Message};
use tokio::io::AsyncWriteExt;

const EXTENSION: &str = "key";
const INCOMING: &str = "incoming";
const CHUNK_BYTES: usize = tacit_wire::frame::MessageType::CircuitChunk.limit();

/// A proving key over either curve.
#[derive(Debug, Clone)]
pub enum AnyKey {
    /// Over BN254.
    Bn254(Arc<ProvingKey<Bn254>>),
    /// Over BLS12-381.
    Bls12_381(Arc<ProvingKey<Bls12_381>>),
}

/// A curve whose keys can be kept.
pub trait Kept: Curve {
    /// Into the cache.
    fn wrap(key: Arc<ProvingKey<Self>>) -> AnyKey;
    /// Out of the cache.
    fn unwrap(key: &AnyKey) -> Option<Arc<ProvingKey<Self>>>;
}

impl Kept for Bn254 {
    fn wrap(key: Arc<ProvingKey<Self>>) -> AnyKey {
        AnyKey::Bn254(key)
    }

    fn unwrap(key: &AnyKey) -> Option<Arc<ProvingKey<Self>>> {
        match key {
            AnyKey::Bn254(key) => Some(Arc::clone(key)),
            AnyKey::Bls12_381(_) => None,
        }
    }
}

impl Kept for Bls12_381 {
    fn wrap(key: Arc<ProvingKey<Self>>) -> AnyKey {
        AnyKey::Bls12_381(key)
    }

    fn unwrap(key: &AnyKey) -> Option<Arc<ProvingKey<Self>>> {
        match key {
            AnyKey::Bls12_381(key) => Some(Arc::clone(key)),
            AnyKey::Bn254(_) => None,
        }
    }
}

/// The node's proving keys.
#[derive(Debug)]
pub struct Circuits {
    dir: PathBuf,
    resident: Mutex<Vec<(Digest32, AnyKey)>>,
    capacity: usize,
    zkey_bytes: u64,
    patience: Duration,
    /// One key is loaded at a time: it takes all cores and much memory.
    loading: tokio::sync::Mutex<()>,
}

impl Circuits {
    /// Opens the folder.
    ///
    /// # Errors
    /// When it cannot be created or others can enter it.
    pub fn open(dir: PathBuf, limits: &crate::config::Limits) -> Result<Self, VaultError> {
        create_private(&dir)?;
        let incoming = dir.join(INCOMING);
        let _ = std::fs::remove_dir_all(&incoming);
        create_private(&incoming)?;
        Ok(Self {
            dir,
            resident: Mutex::default(),
            capacity: limits.resident_circuits.max(1),
            zkey_bytes: limits.zkey_bytes,
            patience: Duration::from_secs(limits.peer_seconds),
            loading: tokio::sync::Mutex::default(),
        })
    }

    fn path_of(&self, id: &Digest32) -> PathBuf {
        self.dir.join(format!("{id}.{EXTENSION}"))
    }

    /// The circuits whose proving keys are on disk.
    pub fn prepared(&self) -> Vec<Digest32> {
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return Vec::new() };
        let name = |path: PathBuf| -> Option<Digest32> {
            path.extension().filter(|e| *e == EXTENSION)?;
            path.file_stem()?.to_str()?.parse().ok()
        };
        let mut ids: Vec<_> = entries.filter_map(|e| name(e.ok()?.path())).collect();
        ids.sort_unstable();
        ids.truncate(tacit_wire::messages::node::MAX_CIRCUITS);
        ids
    }

    /// A circuit's key: from memory, from disk, or fetched over `connection` and checked in full.
    ///
    /// # Errors
    /// What to tell who offered.
    pub async fn get<C: Kept>(
        self: &Arc<Self>,
        id: Digest32,
        connection: &Connection,
    ) -> Result<Arc<ProvingKey<C>>, Refusal> {
        if let Some(key) = self.in_memory(&id)? {
            return Ok(key);
        }
        let _turn = self.loading.lock().await;
        // Somebody else may have loaded it while this waited.
        if let Some(key) = self.in_memory(&id)? {
            return Ok(key);
        }
        let key = match self.on_disk::<C>(id).await {
            Some(key) => key,
            None => {
                let incoming = self.fetch(id, connection).await?;
                let circuits = Arc::clone(self);
                run(move || circuits.import::<C>(&incoming.0, &id)).await??
            }
        };
        let key = Arc::new(key);
        let mut resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        while resident.len() >= self.capacity {
            resident.remove(0);
        }
        resident.push((id, C::wrap(Arc::clone(&key))));
        Ok(key)
    }

    fn in_memory<C: Kept>(&self, id: &Digest32) -> Result<Option<Arc<ProvingKey<C>>>, Refusal> {
        let mut resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = resident.iter().position(|(known, _)| known == id) else { return Ok(None) };
        // Least recently used first.
        let entry = resident.remove(at);
        let key = C::unwrap(&entry.1);
        resident.push(entry);
        key.map(Some).ok_or_else(|| wrong_curve(id))
    }

    async fn on_disk<C: Kept>(&self, id: Digest32) -> Option<ProvingKey<C>> {
        let path = self.path_of(&id);
        if !path.exists() {
            return None;
        }
        let opened = tokio::task::spawn_blocking(move || {
            let key = prepared::open::<C>(&path);
            // The digest inside shows that this is what was written; the name must be right too.
            key.map(|key| (key.circuit_id.0 == id.0).then_some(key))
        });
        match opened.await {
            Ok(Ok(Some(key))) => Some(key),
            Ok(Ok(None)) => {
                tracing::error!(circuit = %id, "a prepared key is another circuit's; it is fetched again");
                None
            }
            Ok(Err(error)) => {
                tracing::error!(circuit = %id, %error, "a prepared key cannot be used; it is fetched again");
                None
            }
            Err(_) => None,
        }
    }

    async fn fetch(&self, id: Digest32, connection: &Connection) -> Result<Incoming, Refusal> {
        let incoming = Incoming(self.dir.join(INCOMING).join(format!("{id}.zkey")));
        let fetched = self.receive(id, connection, &incoming.0).await;
        match fetched {
            Ok(Ok(bytes)) => {
                tracing::info!(circuit = %id, bytes, "circuit fetched");
                Ok(incoming)
            }
            Ok(Err(refusal)) => Err(refusal),
            Err(error) => {
                tracing::warn!(circuit = %id, %error, "a circuit could not be fetched");
                Err(Refusal::new(RefusalCode::Internal, Blame::Nobody, "the circuit could not be fetched"))
            }
        }
    }

    async fn receive(
        &self,
        id: Digest32,
        connection: &Connection,
        path: &Path,
    ) -> Result<Result<u64, Refusal>, NetError> {
        let unwritable = |error: std::io::Error| {
            tracing::error!(circuit = %id, %error, "a fetched circuit cannot be written");
            Refusal::new(RefusalCode::Internal, Blame::Node, "the circuit cannot be stored")
        };
        let mut stream = connection.open(self.patience).await?;
        stream.send(&CircuitRequest { circuit: id, offset: 0 }, self.patience).await?;
        stream.finish()?;
        let created = tokio::fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(path)
            .await;
        let mut file = match created {
            Ok(file) => file,
            Err(error) => return Ok(Err(unwritable(error))),
        };
        let mut received = 0u64;
        loop {
            let chunk = match stream.receive(CHUNK_BYTES, self.patience).await? {
                Some(Message::CircuitChunk(chunk)) => chunk,
                Some(Message::Refusal(refusal)) => return Ok(Err(refusal)),
                Some(other) => return Err(stream.unexpected(&other, "a piece of a circuit")),
                None => {
                    let text = format!("the circuit ended after {received} bytes");
                    return Ok(Err(Refusal::new(RefusalCode::Internal, Blame::Coordinator, text)));
                }
            };
            if chunk.offset != received || chunk.total > self.zkey_bytes || chunk.bytes.is_empty() {
                let text = format!(
                    "a piece at {} of {} came where {received} was due (at most {} bytes are accepted)",
                    chunk.offset, chunk.total, self.zkey_bytes
                );
                return Ok(Err(Refusal::new(RefusalCode::UnknownCircuit, Blame::Coordinator, text)));
            }
            if let Err(error) = file.write_all(&chunk.bytes).await {
                return Ok(Err(unwritable(error)));
            }
            received = received.saturating_add(chunk.bytes.len() as u64);
            if received == chunk.total {
                break;
            }
        }
        match file.flush().await {
            Ok(()) => Ok(Ok(received)),
            Err(error) => Ok(Err(unwritable(error))),
        }
    }

    /// Checks a fetched key in full and writes its prepared form. Blocks.
    fn import<C: Kept>(&self, zkey: &Path, id: &Digest32) -> Result<ProvingKey<C>, Refusal> {
        let bad = |e: &dyn std::fmt::Display| {
            tracing::error!(circuit = %id, error = %e, "the coordinator's zkey is not acceptable");
            Refusal::new(
                RefusalCode::UnknownCircuit,
                Blame::Coordinator,
                format!("its zkey is not acceptable: {e}"),
            )
        };
        let bytes = std::fs::read(zkey).map_err(|e| bad(&e))?;
        let parsed = Zkey::<C>::read(&bytes, Check::Full).map_err(|e| bad(&e))?;
        drop(bytes);
        let key = ProvingKey::from_zkey(parsed).map_err(|e| bad(&e))?;
        if key.circuit_id.0 != id.0 {
            return Err(bad(&format!("it is circuit {}, asked for was {id}", key.circuit_id)));
        }
        key.check().map_err(|e| bad(&e))?;
        match prepared::write(&self.path_of(id), &key) {
            Ok(digest) => {
                tracing::info!(circuit = %id, digest = %Digest32(digest), "circuit checked and prepared")
            }
            // It serves from memory; the next start fetches it again.
            Err(error) => tracing::error!(circuit = %id, %error, "a prepared key cannot be written"),
        }
        Ok(key)
    }
}

/// A fetched file; removed when dropped.
#[derive(Debug)]
struct Incoming(PathBuf);

impl Drop for Incoming {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn wrong_curve(id: &Digest32) -> Refusal {
    Refusal::new(
        RefusalCode::UnknownCircuit,
        Blame::Client,
        format!("circuit {id} is over another curve than the deal"),
    )
}

async fn run<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(f)
        .await
        .map_err(|_| Refusal::new(RefusalCode::Internal, Blame::Node, "the computation was cut off"))
}
