//! Proving keys and slices of them: fetched once, checked once, prepared once; a few of them in memory.
//!
//! An offer needs the whole key or one slice of it, which follows from its header and assignment. A slice comes from memory,
//! else from its own file, else it is cut from the whole key, which is then let go. So a node that answers for slices holds the
//! whole key in memory only while it cuts.
//!
//! Loading, checking and cutting happen one at a time, fetching (in `fetch`) beside them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tacit_algebra::{Bls12_381, Bn254, Curve, CurveId};
use tacit_delegate::circuit::ShareCounts;
use tacit_delegate::{
    Bases, CircuitShape, DealHeader, Dials, KeyPart, Layout, NodeKey, Package, RespondError, key_slice,
    respond, respond_msm,
};
use tacit_groth16::{KeySlice, ProvingKey, prepared};
use tacit_net::Connection;
use tacit_vault::VaultError;
use tacit_vault::dir::create_private;
use tacit_wire::messages::node::{HeldSlice, MAX_CIRCUITS, MAX_SLICES};
use tacit_wire::messages::{Refusal, RefusalCode};
use tacit_wire::{Blame, Digest32, IdentityKey};

use crate::clients::Clients;
use crate::disk::touch;
use crate::fetch::{Fetches, Incoming};
use crate::memory::{InUse, Memory, Reserved};
use crate::work;

pub(crate) const WHOLE: &str = "key";
pub(crate) const SLICE: &str = "slice";
pub(crate) const INCOMING: &str = "incoming";

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

/// A key in memory, with the memory that it was given.
#[derive(Debug)]
pub struct Loaded<C: Curve> {
    /// The key, or a part of it.
    pub key: Resident<C>,
    memory: InUse,
}

impl<C: Curve> Loaded<C> {
    /// Bytes of memory that it was given.
    pub fn bytes(&self) -> u64 {
        self.memory.bytes()
    }
}

/// What is kept in memory.
#[derive(Debug)]
struct Entry {
    name: (Digest32, KeyPart),
    key: AnyKey,
    memory: Arc<Reserved>,
}

/// Who needs a key.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Whose deal it is for.
    pub client: IdentityKey,
    /// The time.
    pub now: u64,
    /// Where what is missing is fetched.
    pub connection: &'a Connection,
    /// Bytes of memory that it has taken already: what it needs more can never come with less.
    pub holding: u64,
}

/// What a key is loaded from, if it is not on disk, and for whom.
pub(crate) struct Source<'a> {
    pub(crate) asker: Asker<'a>,
    pub(crate) fetched: Option<Arc<Incoming>>,
}

/// Memory that cutting takes beside the key and its slice.
const CUTTING: u64 = 1 << 20;

/// The node's proving keys, slices and bases.
#[derive(Debug)]
pub struct Circuits {
    pub(crate) dir: PathBuf,
    /// Least recently used first.
    resident: Mutex<Vec<Entry>>,
    /// For everything that grows with what is asked for.
    pub(crate) memory: Memory,
    pub(crate) clients: Arc<Clients>,
    pub(crate) disk_bytes: u64,
    /// Disk that is promised to files that are being written.
    pub(crate) promised: Arc<Mutex<u64>>,
    pub(crate) kept_slices: usize,
    pub(crate) zkey_bytes: u64,
    pub(crate) patience: Duration,
    /// One key is loaded at a time: it takes all cores and much memory.
    loading: tokio::sync::Mutex<()>,
    pub(crate) fetches: Fetches,
    /// What was fetched and is not what it should be.
    unacceptable: Unacceptable,
}

/// Files that were fetched, checked, and are not what they should be: their names, what to read them as, until when nobody asks again, and why.
#[derive(Debug, Default)]
struct Unacceptable(Mutex<Vec<(Name, u64, Refusal)>>);

/// What was asked for, and over which curve.
type Name = (Digest32, bool, CurveId);

/// For how many seconds what is not acceptable is not fetched again. The coordinator may have a better one by then.
const REMEMBERED: u64 = 600;
/// How many such files are remembered.
const MOST_REMEMBERED: usize = 256;

impl Unacceptable {
    fn state(&self) -> std::sync::MutexGuard<'_, Vec<(Name, u64, Refusal)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, name: Name, now: u64) -> Option<Refusal> {
        let mut known = self.state();
        known.retain(|(_, until, _)| now < *until);
        known.iter().find(|(known, ..)| *known == name).map(|(_, _, refusal)| refusal.clone())
    }

    fn note(&self, name: Name, now: u64, refusal: Refusal) {
        let mut known = self.state();
        if known.len() >= MOST_REMEMBERED {
            // The oldest.
            known.remove(0);
        }
        known.push((name, now.saturating_add(REMEMBERED), refusal));
    }
}

/// Memory for opening a prepared file of so many bytes: the bytes, and the key with what its points take more than in the file.
fn to_open(file: u64) -> u64 {
    file.saturating_mul(9) / 4 + (1 << 20)
}

/// The same for a `.zkey` that is checked and prepared: the bytes, what is parsed, the key, the prepared form.
fn to_import(file: u64) -> u64 {
    file.saturating_mul(4) + (1 << 20)
}

impl Circuits {
    /// Opens the folder.
    ///
    /// # Errors
    /// When it cannot be created or others can enter it.
    pub fn open(
        dir: PathBuf,
        limits: &crate::config::Limits,
        clients: Arc<Clients>,
    ) -> Result<Self, VaultError> {
        let circuits = Self::beside(dir, limits, clients)?;
        let incoming = circuits.dir.join(INCOMING);
        let _ = std::fs::remove_dir_all(&incoming);
        create_private(&incoming)?;
        // What a process that died was writing.
        for entry in std::fs::read_dir(&circuits.dir).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "new") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(circuits)
    }

    /// The folder of a node that may be running: nothing in it is cleaned up.
    ///
    /// # Errors
    /// As [`Circuits::open`].
    pub(crate) fn beside(
        dir: PathBuf,
        limits: &crate::config::Limits,
        clients: Arc<Clients>,
    ) -> Result<Self, VaultError> {
        create_private(&dir)?;
        Ok(Self {
            dir,
            resident: Mutex::default(),
            memory: Memory::new(limits.memory_bytes),
            clients,
            disk_bytes: limits.disk_bytes,
            promised: Arc::default(),
            kept_slices: limits.kept_slices.max(1),
            zkey_bytes: limits.zkey_bytes,
            patience: Duration::from_secs(limits.peer_seconds),
            loading: tokio::sync::Mutex::default(),
            fetches: Fetches::default(),
            unacceptable: Unacceptable::default(),
        })
    }

    /// Takes a share of the memory for `what`, beside what whoever needs it holds: lets go of keys that nobody uses, the least recently used first, and waits a
    /// while for others to end.
    ///
    /// # Errors
    /// What to tell who offered: that it is more than there can be, or that there is no room now.
    pub(crate) async fn room(&self, bytes: u64, holding: u64, what: &str) -> Result<Reserved, Refusal> {
        if bytes.saturating_add(holding) > self.memory.limit() {
            let beside = if holding > 0 {
                format!(" beside {holding} that are held meanwhile")
            } else {
                String::new()
            };
            let text = format!(
                "{what} takes {bytes} bytes of memory{beside}, this node allows itself {} (limits.memory_bytes)",
                self.memory.limit()
            );
            return Err(Refusal::new(RefusalCode::BeyondLimits, Blame::Nobody, text));
        }
        let taken = async {
            loop {
                let freed = self.memory.freed();
                if let Some(reserved) = self.memory.try_reserve(bytes) {
                    return reserved;
                }
                if !self.let_go() {
                    freed.await;
                }
            }
        };
        tokio::time::timeout(self.patience, taken).await.map_err(|_| {
            Refusal::new(RefusalCode::Busy, Blame::Nobody, format!("there is no memory now for {what}"))
        })
    }

    /// Lets go of the key that nobody uses and that was used least recently; false if there is none.
    fn let_go(&self) -> bool {
        let mut resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = resident.iter().position(|entry| Arc::strong_count(&entry.memory) == 1);
        idle.map(|at| resident.remove(at)).is_some()
    }

    /// How many keys and parts of keys are in memory.
    pub fn resident(&self) -> usize {
        self.resident.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn path_of(&self, id: &Digest32, part: KeyPart) -> PathBuf {
        self.dir.join(match part {
            KeyPart::Whole => format!("{id}.{WHOLE}"),
            KeyPart::Bases => format!("{id}.{}", crate::bases::EXTENSION),
            KeyPart::Slice { group, groups } => format!("{id}.{group}of{groups}.{SLICE}"),
        })
    }

    /// The files of the folder that have this extension, by their names without it.
    pub(crate) fn files(&self, extension: &'static str) -> impl Iterator<Item = (String, std::fs::DirEntry)> {
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

    /// What an offer needs of a circuit's key: from memory, from disk, or fetched and checked in full.
    ///
    /// # Errors
    /// What to tell who offered.
    pub async fn get<C: Kept>(
        self: &Arc<Self>,
        id: Digest32,
        part: KeyPart,
        asker: Asker<'_>,
    ) -> Result<Loaded<C>, Refusal> {
        let mut fetched: Option<Arc<Incoming>> = None;
        loop {
            if let Some(key) = self.in_memory(&id, part)? {
                return Ok(key);
            }
            let turn = self.loading.lock().await;
            // Somebody else may have loaded it while this waited.
            if let Some(key) = self.in_memory(&id, part)? {
                return Ok(key);
            }
            let source = Source { asker, fetched: fetched.take() };
            let loaded = match part {
                KeyPart::Whole => self.whole(id, &source).await,
                KeyPart::Slice { group, groups } => self.slice(id, (group, groups), &source).await,
                KeyPart::Bases => self.bases(id, &source).await,
            };
            let name = (id, part == KeyPart::Bases, C::ID);
            if let Err(refusal) = &loaded
                && source.fetched.is_some()
                && (refusal.code, refusal.blame) == (RefusalCode::UnknownCircuit, Blame::Coordinator)
            {
                self.unacceptable.note(name, asker.now, refusal.clone());
            }
            let loaded = loaded?;
            if let Some((key, memory)) = loaded {
                return Ok(self.keep((id, part), key, memory));
            }
            // The line may be slow: others load meanwhile.
            drop(turn);
            if let Some(refusal) = self.unacceptable.find(name, asker.now) {
                return Err(refusal);
            }
            let needs = if part == KeyPart::Bases { crate::bases::to_check } else { to_import };
            fetched = Some(self.fetched(id, asker, needs).await?);
        }
    }

    fn keep<C: Kept>(&self, name: (Digest32, KeyPart), key: Resident<C>, mut memory: Reserved) -> Loaded<C> {
        memory.shrink(work::bytes_of(&key));
        let memory = Arc::new(memory);
        let used = InUse::of(&memory);
        let entry = Entry { name, key: C::wrap(key.clone()), memory };
        self.resident.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        Loaded { key, memory: used }
    }

    fn in_memory<C: Kept>(&self, id: &Digest32, part: KeyPart) -> Result<Option<Loaded<C>>, Refusal> {
        let mut resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = (*id, part);
        let Some(at) = resident.iter().position(|entry| entry.name == wanted) else { return Ok(None) };
        let entry = resident.remove(at);
        let (key, used) = (C::unwrap(&entry.key), InUse::of(&entry.memory));
        resident.push(entry);
        let key = key.ok_or_else(|| wrong_curve(id))?;
        Ok(Some(Loaded { key, memory: used }))
    }

    /// A circuit's whole key, not from memory; nothing if it has to be fetched first.
    async fn whole<C: Kept>(
        self: &Arc<Self>,
        id: Digest32,
        source: &Source<'_>,
    ) -> Result<Option<(Resident<C>, Reserved)>, Refusal> {
        let path = self.path_of(&id, KeyPart::Whole);
        let holding = source.asker.holding;
        let is_right = move |key: &ProvingKey<C>| key.circuit_id.0 == id.0;
        let mut found = None;
        if let Some(bytes) = size_of_file(&path) {
            let memory = self.room(to_open(bytes), holding, "the proving key").await?;
            found = on_disk(id, path, prepared::open::<C>, is_right).await.map(|key| (key, memory));
        }
        if let (None, Some(fetched)) = (&found, &source.fetched) {
            let memory = self.room(to_import(fetched.bytes), holding, "checking the proving key").await?;
            let (circuits, fetched) = (Arc::clone(self), Arc::clone(fetched));
            let key = run(move || circuits.import::<C>(&fetched.path, &id)).await??;
            found = Some((key, memory));
        }
        let Some((key, mut memory)) = found else { return Ok(None) };
        let key = Resident::Whole(Arc::new(key));
        // The file's bytes are no longer there.
        memory.shrink(work::bytes_of(&key));
        Ok(Some((key, memory)))
    }

    /// A slice, from its file, or cut from the whole key, which is let go unless it is in memory anyway; nothing if that has to be fetched first.
    async fn slice<C: Kept>(
        self: &Arc<Self>,
        id: Digest32,
        (group, groups): (u8, u8),
        source: &Source<'_>,
    ) -> Result<Option<(Resident<C>, Reserved)>, Refusal> {
        let asker = &source.asker;
        let part = KeyPart::Slice { group, groups };
        let path = self.path_of(&id, part);
        let is_right = move |slice: &KeySlice<C>| {
            (slice.circuit_id.0, slice.group, slice.groups) == (id.0, group, groups)
        };
        if let Some(bytes) = size_of_file(&path) {
            let memory = self.room(to_open(bytes), asker.holding, "the slice of the proving key").await?;
            if let Some(slice) = on_disk(id, path.clone(), prepared::open_slice::<C>, is_right).await {
                return Ok(Some((Resident::Slice(Arc::new(slice)), memory)));
            }
        }
        // A client decides how keys are cut, and each new way costs reading all of the key.
        self.clients.may_cut(&asker.client, asker.now)?;
        let (whole, held) = match self.in_memory::<C>(&id, KeyPart::Whole)? {
            Some(Loaded { key, memory }) => (key, Err(memory)),
            None => match self.whole(id, source).await? {
                Some((key, memory)) => (key, Ok(memory)),
                None => return Ok(None),
            },
        };
        let Resident::Whole(whole) = whole else { return Err(wrong_curve(&id)) };
        // Both at once, for a moment.
        let whole_bytes = work::whole_bytes(&whole);
        let needed = work::slice_bytes(&whole, group, groups).saturating_add(CUTTING);
        let holding = asker.holding.saturating_add(whole_bytes);
        let memory = self.room(needed, holding, "a slice of the proving key").await?;
        let (circuits, client, now) = (Arc::clone(self), asker.client, asker.now);
        let cut = run(move || {
            let slice = key_slice(&whole, group, groups).map_err(|error| {
                tracing::error!(circuit = %id, %error, "a proving key cannot be cut");
                Refusal::new(RefusalCode::Internal, Blame::Node, "the proving key cannot be cut")
            })?;
            drop(whole);
            drop(held);
            let slice = Resident::Slice(Arc::new(slice));
            let bytes = work::bytes_of(&slice);
            circuits.clients.has_cut(&client, now, whole_bytes.saturating_add(bytes));
            let Ok(_room) = circuits.make_room(bytes, Some(&path)) else {
                // It serves from memory; the next start cuts it again.
                return Ok(slice);
            };
            if let Resident::Slice(slice) = &slice {
                match prepared::write_slice(&path, slice) {
                    Ok(_) => tracing::info!(circuit = %id, group, groups, "slice of a proving key cut"),
                    Err(error) => tracing::error!(circuit = %id, %error, "a slice cannot be written"),
                }
            }
            Ok(slice)
        })
        .await??;
        Ok(Some((cut, memory)))
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
        let bytes = std::fs::read(zkey).map_err(|e| unreadable(id, &e))?;
        let key = crate::import::checked::<C>(bytes).map_err(|e| bad(&e))?;
        if key.circuit_id.0 != id.0 {
            return Err(bad(&format!("it is circuit {}, asked for was {id}", key.circuit_id)));
        }
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
pub(crate) fn slice_name(stem: &str) -> Option<HeldSlice> {
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
    let opened = tokio::task::spawn_blocking(move || {
        touch(&path);
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

/// What was fetched cannot be read any more.
pub(crate) fn unreadable(id: &Digest32, error: &std::io::Error) -> Refusal {
    tracing::error!(circuit = %id, %error, "a fetched circuit cannot be read");
    Refusal::new(RefusalCode::Internal, Blame::Node, "the circuit cannot be read")
}

/// The size of a file that is there.
pub(crate) fn size_of_file(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| metadata.len())
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
