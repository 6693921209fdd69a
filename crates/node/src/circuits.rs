//! Proving keys and slices of them: fetched once, checked once, prepared once; a few of them in memory.
//!
//! An offer needs the whole key or one slice of it, which follows from its header and assignment. A slice comes from memory,
//! else from its own file, else it is cut from the whole key, which is then let go. So a node that answers for slices holds the
//! whole key in memory only while it cuts.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tacit_algebra::{Bls12_381, Bn254, Check, Curve};
use tacit_circom::Zkey;
use tacit_delegate::circuit::ShareCounts;
use tacit_delegate::{
    Bases, CircuitShape, DealHeader, Dials, KeyPart, Layout, NodeKey, Package, RespondError, key_slice,
    respond, respond_msm,
};
use tacit_groth16::{KeySlice, ProvingKey, prepared};
use tacit_net::{Connection, NetError};
use tacit_vault::VaultError;
use tacit_vault::dir::create_private;
use tacit_wire::messages::node::{HeldSlice, MAX_CIRCUITS, MAX_SLICES};
use tacit_wire::messages::{CircuitRequest, Refusal, RefusalCode};
use tacit_wire::{Blame, Digest32, Message};
use tokio::io::AsyncWriteExt;

const WHOLE: &str = "key";
const SLICE: &str = "slice";
const INCOMING: &str = "incoming";
const CHUNK_BYTES: usize = tacit_wire::frame::MessageType::CircuitChunk.limit();

/// A proving key, a slice of one, or bases, in memory.
#[derive(Debug)]
pub enum Resident<C: Curve> {
    /// All of it.
    Whole(Arc<ProvingKey<C>>),
    /// One slice.
    Slice(Arc<KeySlice<C>>),
    /// Bases.
    Bases(Arc<Bases<C>>),
}

impl<C: Curve> Clone for Resident<C> {
    fn clone(&self) -> Self {
        match self {
            Self::Whole(key) => Self::Whole(Arc::clone(key)),
            Self::Slice(slice) => Self::Slice(Arc::clone(slice)),
            Self::Bases(bases) => Self::Bases(Arc::clone(bases)),
        }
    }
}

impl<C: Curve> Resident<C> {
    /// The circuit, or what stands for it.
    pub fn shape(&self) -> CircuitShape {
        match self {
            Self::Whole(key) => NodeKey::Whole(key).circuit(),
            Self::Slice(slice) => NodeKey::Slice(slice).circuit(),
            Self::Bases(bases) => bases.shape(),
        }
    }

    /// How many shares a package for a seat of this group holds; `None` for a seat of another part than this is.
    pub fn share_counts(&self, dials: Dials, group: u8) -> Option<ShareCounts> {
        match self {
            Self::Whole(key) => NodeKey::Whole(key).share_counts(dials, group),
            Self::Slice(slice) => NodeKey::Slice(slice).share_counts(dials, group),
            Self::Bases(bases) => (KeyPart::of(dials, group) == Some(KeyPart::Bases))
                .then(|| Layout::msm(bases.shape()).share_counts(group, dials.groups())),
        }
    }

    /// The encoding of a node's response.
    ///
    /// # Errors
    /// [`RespondError`].
    pub fn respond(
        &self,
        header: &DealHeader<C::Scalar>,
        package: &Package<C::Scalar>,
    ) -> Result<Vec<u8>, RespondError> {
        Ok(match self {
            Self::Whole(key) => respond(&**key, header, package)?.encode(),
            Self::Slice(slice) => respond(&**slice, header, package)?.encode(),
            Self::Bases(bases) => respond_msm(bases, header, package)?.encode(),
        })
    }
}

/// A proving key, a slice or bases, over either curve.
#[derive(Debug, Clone)]
pub enum AnyKey {
    /// Over BN254.
    Bn254(Resident<Bn254>),
    /// Over BLS12-381.
    Bls12_381(Resident<Bls12_381>),
}

/// A curve whose keys can be kept.
pub trait Kept: Curve {
    /// Into the cache.
    fn wrap(key: Resident<Self>) -> AnyKey;
    /// Out of the cache.
    fn unwrap(key: &AnyKey) -> Option<Resident<Self>>;
}

impl Kept for Bn254 {
    fn wrap(key: Resident<Self>) -> AnyKey {
        AnyKey::Bn254(key)
    }

    fn unwrap(key: &AnyKey) -> Option<Resident<Self>> {
        match key {
            AnyKey::Bn254(key) => Some(key.clone()),
            AnyKey::Bls12_381(_) => None,
        }
    }
}

impl Kept for Bls12_381 {
    fn wrap(key: Resident<Self>) -> AnyKey {
        AnyKey::Bls12_381(key)
    }

    fn unwrap(key: &AnyKey) -> Option<Resident<Self>> {
        match key {
            AnyKey::Bls12_381(key) => Some(key.clone()),
            AnyKey::Bn254(_) => None,
        }
    }
}

/// The node's proving keys, slices and bases.
#[derive(Debug)]
pub struct Circuits {
    dir: PathBuf,
    /// Least recently used first.
    resident: Mutex<Vec<((Digest32, KeyPart), AnyKey)>>,
    capacity: usize,
    kept_slices: usize,
    zkey_bytes: u64,
    patience: Duration,
    /// One key is loaded at a time: it takes all cores and much memory.
    pub(crate) loading: tokio::sync::Mutex<()>,
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
        // What a process that died was writing.
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "new") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(Self {
            dir,
            resident: Mutex::default(),
            capacity: limits.resident_circuits.max(1),
            kept_slices: limits.kept_slices.max(1),
            zkey_bytes: limits.zkey_bytes,
            patience: Duration::from_secs(limits.peer_seconds),
            loading: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn path_of(&self, id: &Digest32, part: KeyPart) -> PathBuf {
        self.dir.join(match part {
            KeyPart::Whole => format!("{id}.{WHOLE}"),
            KeyPart::Bases => format!("{id}.{}", crate::bases::EXTENSION),
            KeyPart::Slice { group, groups } => format!("{id}.{group}of{groups}.{SLICE}"),
        })
    }

    /// The files of the folder that have this extension, by their names without it.
    fn files(&self, extension: &'static str) -> impl Iterator<Item = (String, std::fs::DirEntry)> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries.filter_map(move |entry| {
            let name = entry.file_name();
            let stem = name.to_str()?.strip_suffix(extension)?.strip_suffix('.')?;
            Some((stem.to_owned(), entry))
        })
    }

    /// The circuits whose whole proving keys are on disk, and the bases that are.
    pub fn prepared(&self) -> Vec<Digest32> {
        let files = self.files(WHOLE).chain(self.files(crate::bases::EXTENSION));
        let mut ids: Vec<Digest32> = files.filter_map(|(stem, _)| stem.parse().ok()).collect();
        ids.sort_unstable();
        ids.truncate(MAX_CIRCUITS);
        ids
    }

    /// The slices that are on disk.
    pub fn slices(&self) -> Vec<HeldSlice> {
        let mut slices: Vec<HeldSlice> =
            self.files(SLICE).filter_map(|(stem, _)| slice_name(&stem)).collect();
        slices.sort_unstable();
        slices.truncate(MAX_SLICES);
        slices
    }

    /// What an offer needs of a circuit's key: from memory, from disk, or fetched over `connection` and checked in full.
    ///
    /// # Errors
    /// What to tell who offered.
    pub async fn get<C: Kept>(
        self: &Arc<Self>,
        id: Digest32,
        part: KeyPart,
        connection: &Connection,
    ) -> Result<Resident<C>, Refusal> {
        if let Some(key) = self.in_memory(&id, part)? {
            return Ok(key);
        }
        let _turn = self.loading.lock().await;
        // Somebody else may have loaded it while this waited.
        if let Some(key) = self.in_memory(&id, part)? {
            return Ok(key);
        }
        let key = match part {
            KeyPart::Whole => Resident::Whole(self.whole(id, connection).await?),
            KeyPart::Slice { group, groups } => {
                Resident::Slice(Arc::new(self.slice(id, (group, groups), connection).await?))
            }
            KeyPart::Bases => Resident::Bases(Arc::new(self.bases(id, connection).await?)),
        };
        let mut resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        while resident.len() >= self.capacity {
            resident.remove(0);
        }
        resident.push(((id, part), C::wrap(key.clone())));
        Ok(key)
    }

    fn in_memory<C: Kept>(&self, id: &Digest32, part: KeyPart) -> Result<Option<Resident<C>>, Refusal> {
        let mut resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = (*id, part);
        let Some(at) = resident.iter().position(|(known, _)| *known == wanted) else { return Ok(None) };
        let entry = resident.remove(at);
        let key = C::unwrap(&entry.1);
        resident.push(entry);
        key.map(Some).ok_or_else(|| wrong_curve(id))
    }

    /// A circuit's whole key, not from memory.
    async fn whole<C: Kept>(
        self: &Arc<Self>,
        id: Digest32,
        connection: &Connection,
    ) -> Result<Arc<ProvingKey<C>>, Refusal> {
        let path = self.path_of(&id, KeyPart::Whole);
        let is_right = move |key: &ProvingKey<C>| key.circuit_id.0 == id.0;
        if let Some(key) = on_disk(id, path, prepared::open::<C>, is_right).await {
            return Ok(Arc::new(key));
        }
        let incoming = self.fetch(id, connection).await?;
        let circuits = Arc::clone(self);
        Ok(Arc::new(run(move || circuits.import::<C>(&incoming.0, &id)).await??))
    }

    /// A slice, from its file, or cut from the whole key, which is let go unless it is in memory anyway.
    async fn slice<C: Kept>(
        self: &Arc<Self>,
        id: Digest32,
        (group, groups): (u8, u8),
        connection: &Connection,
    ) -> Result<KeySlice<C>, Refusal> {
        let part = KeyPart::Slice { group, groups };
        let path = self.path_of(&id, part);
        let is_right = move |slice: &KeySlice<C>| {
            (slice.circuit_id.0, slice.group, slice.groups) == (id.0, group, groups)
        };
        if let Some(slice) = on_disk(id, path.clone(), prepared::open_slice::<C>, is_right).await {
            // The least recently used is the one to go.
            let used = std::fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
            if let Err(error) = used {
                tracing::warn!(circuit = %id, %error, "that a slice was used cannot be noted");
            }
            return Ok(slice);
        }
        let whole = match self.in_memory::<C>(&id, KeyPart::Whole)? {
            Some(Resident::Whole(key)) => key,
            _ => self.whole(id, connection).await?,
        };
        let circuits = Arc::clone(self);
        run(move || {
            let slice = key_slice(&whole, group, groups).map_err(|error| {
                tracing::error!(circuit = %id, %error, "a proving key cannot be cut");
                Refusal::new(RefusalCode::Internal, Blame::Node, "the proving key cannot be cut")
            })?;
            drop(whole);
            circuits.make_room(&path);
            match prepared::write_slice(&path, &slice) {
                Ok(_) => tracing::info!(circuit = %id, group, groups, "slice of a proving key cut"),
                // It serves from memory; the next start cuts it again.
                Err(error) => tracing::error!(circuit = %id, %error, "a slice cannot be written"),
            }
            Ok(slice)
        })
        .await?
    }

    /// Removes the least recently used slices, so that with the one to be written at `path` there are no more than may be kept: offers decide how
    /// keys are cut, and each way of cutting takes as much room as the key. Blocks.
    fn make_room(&self, path: &Path) {
        let age = |entry: &std::fs::DirEntry| entry.metadata().and_then(|m| m.modified());
        let mut kept: Vec<(SystemTime, PathBuf)> = self
            .files(SLICE)
            .filter(|(_, entry)| entry.path() != path)
            .map(|(_, entry)| (age(&entry).unwrap_or(SystemTime::UNIX_EPOCH), entry.path()))
            .collect();
        kept.sort_unstable();
        let too_many = (kept.len() + 1).saturating_sub(self.kept_slices);
        for (_, path) in kept.into_iter().take(too_many) {
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "an old slice cannot be removed");
            }
        }
    }

    pub(crate) async fn fetch(&self, id: Digest32, connection: &Connection) -> Result<Incoming, Refusal> {
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
        match prepared::write(&self.path_of(id, KeyPart::Whole), &key) {
            Ok(digest) => {
                tracing::info!(circuit = %id, digest = %Digest32(digest), "circuit checked and prepared")
            }
            // It serves from memory; the next start fetches it again.
            Err(error) => tracing::error!(circuit = %id, %error, "a prepared key cannot be written"),
        }
        Ok(key)
    }
}

/// A slice by its file's name: circuit, group, groups.
fn slice_name(stem: &str) -> Option<HeldSlice> {
    let (circuit, which) = stem.split_once('.')?;
    let (group, groups) = which.split_once("of")?;
    let slice = HeldSlice {
        circuit: circuit.parse().ok()?,
        group: group.parse().ok()?,
        groups: groups.parse().ok()?,
    };
    slice.is_possible().then_some(slice)
}

/// Opens a prepared file, if it is there, sound, and what its name says.
async fn on_disk<T: Send + 'static>(
    id: Digest32,
    path: PathBuf,
    open: impl FnOnce(&Path) -> Result<T, prepared::PreparedError> + Send + 'static,
    is_right: impl FnOnce(&T) -> bool + Send + 'static,
) -> Option<T> {
    if !path.exists() {
        return None;
    }
    let opened = tokio::task::spawn_blocking(move || {
        // The digest inside shows that this is what was written; the name must be right too.
        open(&path).map(|key| is_right(&key).then_some(key))
    });
    match opened.await {
        Ok(Ok(Some(key))) => Some(key),
        Ok(Ok(None)) => {
            tracing::error!(circuit = %id, "a prepared file is not what its name says; it is made again");
            None
        }
        Ok(Err(error)) => {
            tracing::error!(circuit = %id, %error, "a prepared file cannot be used; it is made again");
            None
        }
        Err(_) => None,
    }
}

/// A fetched file; removed when dropped.
#[derive(Debug)]
pub(crate) struct Incoming(pub(crate) PathBuf);

impl Drop for Incoming {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) fn wrong_curve(id: &Digest32) -> Refusal {
    Refusal::new(
        RefusalCode::UnknownCircuit,
        Blame::Client,
        format!(
            "circuit {id} is over another curve than the deal, or these are bases where a circuit is due or the reverse"
        ),
    )
}

pub(crate) async fn run<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(f)
        .await
        .map_err(|_| Refusal::new(RefusalCode::Internal, Blame::Node, "the computation was cut off"))
}
