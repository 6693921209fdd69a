//! Files of circuits and bases: content-addressed, checked once when they come in.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tacit_algebra::{Bls12_381, Bn254, Check, Curve, CurveId};
use tacit_circom::{R1cs, Zkey, r1cs, zkey};
use tacit_delegate::msm::bases::{self, Bases};
use tacit_groth16::ProvingKey;
use tacit_vault::VaultError;
use tacit_vault::dir::{create_private, sync_parent};
use tacit_wire::status::CircuitKind;
use tacit_wire::{Blame, Digest32};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::error::ApiError;
use crate::store::{CircuitRow, PIECE_BYTES, Store};

const ZKEY: &str = "circuit.zkey";
const BASES: &str = "bases";
const R1CS: &str = "circuit.r1cs";
const VERIFICATION_KEY: &str = "verification_key.json";
const INCOMING: &str = "incoming";

/// The folder with the files, one folder per circuit in it.
#[derive(Debug, Clone)]
pub struct CircuitFiles {
    dir: PathBuf,
    /// One file is fetched from the database at a time: who wants the same one finds it there afterwards.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

/// A file that is being received; removed when dropped.
#[derive(Debug)]
pub struct Incoming {
    path: PathBuf,
    /// BLAKE3 of its bytes.
    pub digest: Digest32,
    /// How many there are.
    pub bytes: u64,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // After a successful move there is nothing left to remove.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A proving key, or bases, that passed every check.
#[derive(Debug)]
pub struct Checked {
    /// What it is.
    pub row: CircuitRow,
    /// Of a proving key.
    pub verification_key: Option<String>,
}

impl CircuitFiles {
    /// Opens the folder and clears what an earlier process left half received.
    ///
    /// # Errors
    /// When it cannot be created or read.
    pub fn open(data_dir: &Path) -> Result<Self, VaultError> {
        let dir = data_dir.join("circuits");
        let incoming = dir.join(INCOMING);
        create_private(&dir)?;
        let _ = std::fs::remove_dir_all(&incoming);
        create_private(&incoming)?;
        Ok(Self { dir, fetching: Arc::default() })
    }

    fn folder(&self, id: &Digest32) -> PathBuf {
        self.dir.join(id.to_string())
    }

    /// Receives a body into a temporary file, at most `limit` bytes of it.
    pub async fn receive<S>(&self, what: &str, mut body: S, limit: u64) -> Result<Incoming, ApiError>
    where
        S: Stream<Item = Result<Bytes, ApiError>> + Unpin,
    {
        let name = format!("{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>());
        let path = self.dir.join(INCOMING).join(name);
        let failed = |e: std::io::Error| ApiError::internal("storing an upload", e);
        let mut incoming = Incoming { path: path.clone(), digest: Digest32([0; 32]), bytes: 0 };
        let mut file = tokio::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .await
            .map_err(failed)?;
        let mut hasher = blake3::Hasher::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            incoming.bytes = incoming.bytes.saturating_add(chunk.len() as u64);
            if incoming.bytes > limit {
                return Err(ApiError::too_large(what, limit));
            }
            hasher.update(&chunk);
            file.write_all(&chunk).await.map_err(failed)?;
        }
        file.sync_all().await.map_err(failed)?;
        incoming.digest = Digest32(*hasher.finalize().as_bytes());
        Ok(incoming)
    }

    /// Checks a proving key, or bases, in full: the file's first bytes say which it is. Blocks for as long as that takes.
    pub fn check(&self, incoming: &Incoming, expected: &Digest32, now: u64) -> Result<Checked, ApiError> {
        let bytes = std::fs::read(&incoming.path).map_err(|e| ApiError::internal("reading an upload", e))?;
        if bases::is_bases(&bytes) {
            return match bases::curve_of(&bytes).map_err(|e| ApiError::unprocessable("malformed_bases", e))? {
                CurveId::Bn254 => check_bases::<Bn254>(&bytes, incoming.digest, expected, now),
                CurveId::Bls12_381 => check_bases::<Bls12_381>(&bytes, incoming.digest, expected, now),
            };
        }
        match zkey::curve_of(&bytes).map_err(|e| ApiError::unprocessable("malformed_zkey", e))? {
            CurveId::Bn254 => check_zkey::<Bn254>(&bytes, incoming.digest, expected, now),
            CurveId::Bls12_381 => check_zkey::<Bls12_381>(&bytes, incoming.digest, expected, now),
        }
    }

    /// Puts a checked file in its place. Replaces what is there: it has the same id.
    pub fn keep(&self, incoming: Incoming, checked: &Checked) -> Result<(), ApiError> {
        let folder = self.folder(&checked.row.id);
        let keep = || -> Result<(), VaultError> {
            create_private(&folder)?;
            if let Some(json) = &checked.verification_key {
                tacit_vault::dir::write_secret(&folder.join(VERIFICATION_KEY), json.as_bytes())?;
            }
            rename(&incoming.path, &folder.join(name_of(checked.row.kind)))
        };
        keep().map_err(|e| ApiError::internal("storing a circuit", e))
    }

    /// Checks that a constraint system fits a circuit. Blocks. The products' right-hand sides are in the key only in
    /// combination, so this compares curve and sizes; nothing but an error message depends on the file.
    pub fn check_r1cs(&self, incoming: &Incoming, circuit: &CircuitRow) -> Result<(), ApiError> {
        let bytes = std::fs::read(&incoming.path).map_err(|e| ApiError::internal("reading an upload", e))?;
        let curve = r1cs::curve_of(&bytes).map_err(|e| ApiError::unprocessable("malformed_r1cs", e))?;
        if circuit.kind != CircuitKind::Circuit {
            let message = format!("{} are bases: no constraint system belongs to them", circuit.id);
            return Err(ApiError::unprocessable("r1cs_mismatch", message));
        }
        let (n_wires, n_public) = match curve {
            CurveId::Bn254 => sizes::<Bn254>(&bytes),
            CurveId::Bls12_381 => sizes::<Bls12_381>(&bytes),
        }?;
        if (curve.code(), n_wires, n_public) != (circuit.curve, circuit.n_wires, circuit.n_public) {
            return Err(ApiError::unprocessable(
                "r1cs_mismatch",
                format!(
                    "the constraint system is over {curve} with {n_wires} wires, {n_public} of them public; circuit {} \
                     has {} and {} over curve {}",
                    circuit.id, circuit.n_wires, circuit.n_public, circuit.curve
                ),
            ));
        }
        Ok(())
    }

    /// Puts a constraint system in its place.
    pub fn keep_r1cs(&self, incoming: Incoming, id: &Digest32) -> Result<(), ApiError> {
        rename(&incoming.path, &self.folder(id).join(R1CS))
            .map_err(|e| ApiError::internal("storing a circuit", e))
    }

    /// Where a circuit's proving key, or bases, are.
    pub fn path_of(&self, id: &Digest32, kind: CircuitKind) -> PathBuf {
        self.folder(id).join(name_of(kind))
    }

    /// Where a circuit's constraint system is.
    pub fn r1cs_path(&self, id: &Digest32) -> PathBuf {
        self.folder(id).join(R1CS)
    }

    /// Puts a file into a database that other coordinators share, piece by piece.
    pub async fn publish(
        &self,
        store: &Store,
        path: &Path,
        digest: &Digest32,
        now: u64,
    ) -> Result<(), ApiError> {
        if !store.is_shared() {
            return Ok(());
        }
        let failed = |e: std::io::Error| ApiError::internal("sharing a circuit", e);
        let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
        for number in 0u64.. {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece).await.map_err(failed)?;
            if piece.is_empty() {
                break;
            }
            store.put_piece(digest, number, &piece, now).await?;
        }
        Ok(())
    }

    /// Sees that a circuit's file is here: one that was registered at another coordinator comes from the database.
    pub async fn ensure(&self, store: &Store, circuit: &CircuitRow) -> Result<(), ApiError> {
        match &circuit.file {
            Some(digest) => {
                self.bring(store, &self.path_of(&circuit.id, circuit.kind), digest, circuit.zkey_bytes).await
            }
            None => Ok(()),
        }
    }

    /// Sees that a circuit's constraint system is here.
    pub async fn ensure_r1cs(
        &self,
        store: &Store,
        id: &Digest32,
        digest: &Digest32,
        bytes: u64,
    ) -> Result<(), ApiError> {
        self.bring(store, &self.r1cs_path(id), digest, bytes).await
    }

    async fn bring(&self, store: &Store, path: &Path, digest: &Digest32, bytes: u64) -> Result<(), ApiError> {
        // A file of another length is left of an upload that was registered elsewhere first.
        let is_here = || std::fs::metadata(path).is_ok_and(|m| m.len() == bytes);
        if !store.is_shared() || is_here() {
            return Ok(());
        }
        let _turn = self.fetching.lock().await;
        if is_here() {
            return Ok(());
        }
        let pieces = futures_util::stream::try_unfold(0u64, |number| async move {
            let piece = store.piece(digest, number).await?;
            Ok::<_, ApiError>(piece.map(|bytes| (Bytes::from(bytes), number + 1)))
        });
        let incoming = self.receive("the file", std::pin::pin!(pieces), bytes).await?;
        if incoming.digest != *digest {
            let found = format!(
                "of file {digest} there are {} bytes with digest {}",
                incoming.bytes, incoming.digest
            );
            return Err(ApiError::internal("fetching a circuit from the database", found));
        }
        let keep = || -> Result<(), VaultError> {
            if let Some(folder) = path.parent() {
                create_private(folder)?;
            }
            rename(&incoming.path, path)
        };
        keep().map_err(|e| ApiError::internal("storing a circuit", e))
    }

    /// Of two files with one circuit's name, that may differ in what does not count, the first registered stays.
    pub fn yield_to(&self, circuit: &CircuitRow, mine: &Digest32) -> Result<(), ApiError> {
        match circuit.file {
            Some(file) if file != *mine => remove(&self.path_of(&circuit.id, circuit.kind)),
            _ => Ok(()),
        }
    }

    /// Removes a constraint system that another one came before.
    pub fn forget_r1cs(&self, id: &Digest32) -> Result<(), ApiError> {
        remove(&self.r1cs_path(id))
    }

    /// The circuits of which there may be files.
    pub fn folders(&self) -> Vec<Digest32> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// Removes all of a circuit's files.
    pub async fn forget(&self, id: &Digest32) {
        let _turn = self.fetching.lock().await;
        match tokio::fs::remove_dir_all(self.folder(id)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::error!(circuit = %id, %error, "cannot delete a circuit's files");
            }
            _ => {}
        }
    }

    /// Opens a circuit's constraint system.
    pub async fn open_r1cs(&self, id: &Digest32) -> Result<tokio::fs::File, ApiError> {
        tokio::fs::File::open(self.folder(id).join(R1CS))
            .await
            .map_err(|e| ApiError::internal("reading a constraint system", e))
    }

    /// A piece of a circuit's proving key, or of bases, and the bytes of the whole file. Blocks.
    pub fn read_piece(
        &self,
        id: &Digest32,
        kind: CircuitKind,
        offset: u64,
        len: usize,
    ) -> std::io::Result<(Vec<u8>, u64)> {
        let mut file = File::open(self.folder(id).join(name_of(kind)))?;
        let total = file.metadata()?.len();
        file.seek(SeekFrom::Start(offset))?;
        let mut piece = Vec::new();
        file.take(len as u64).read_to_end(&mut piece)?;
        Ok((piece, total))
    }

    /// A circuit's verification key in snarkjs's JSON.
    pub fn read_verification_key(&self, id: &Digest32) -> std::io::Result<Vec<u8>> {
        std::fs::read(self.folder(id).join(VERIFICATION_KEY))
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), VaultError> {
    std::fs::rename(from, to).map_err(|source| VaultError::Io { path: to.to_owned(), source })?;
    sync_parent(to)
}

fn remove(path: &Path) -> Result<(), ApiError> {
    std::fs::remove_file(path).map_err(|e| ApiError::internal("removing a file", e))
}

fn name_of(kind: CircuitKind) -> &'static str {
    match kind {
        CircuitKind::Bases => BASES,
        _ => ZKEY,
    }
}

fn check_id(what: &str, id: Digest32, expected: &Digest32) -> Result<(), ApiError> {
    if id == *expected {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "circuit_id_mismatch",
        Blame::Client,
        format!("{what} {id}, it was uploaded as {expected}"),
    ))
}

fn check_bases<C: Curve>(
    bytes: &[u8],
    file: Digest32,
    expected: &Digest32,
    now: u64,
) -> Result<Checked, ApiError> {
    let bases = Bases::<C>::read(bytes).map_err(|e| ApiError::unprocessable("malformed_bases", e))?;
    let id = Digest32(bases.id().0);
    check_id("this file is bases", id, expected)?;
    let row = CircuitRow {
        id,
        kind: CircuitKind::Bases,
        curve: C::ID.code(),
        n_wires: bases.points().len() as u64,
        n_public: 0,
        log_domain: 0,
        zkey_bytes: bytes.len() as u64,
        file: Some(file),
        r1cs: None,
        added_at: now,
    };
    Ok(Checked { row, verification_key: None })
}

fn check_zkey<C: Curve>(
    bytes: &[u8],
    file: Digest32,
    expected: &Digest32,
    now: u64,
) -> Result<Checked, ApiError> {
    let malformed = |e: &dyn std::fmt::Display| ApiError::unprocessable("malformed_zkey", e);
    let zkey = Zkey::<C>::read(bytes, Check::Full).map_err(|e| malformed(&e))?;
    let key = ProvingKey::from_zkey(zkey).map_err(|e| malformed(&e))?;
    let id = Digest32(key.circuit_id.0);
    check_id("this zkey is circuit", id, expected)?;
    key.check().map_err(|e| ApiError::unprocessable("unsound_zkey", e))?;
    Ok(Checked {
        row: CircuitRow {
            id,
            kind: CircuitKind::Circuit,
            curve: C::ID.code(),
            n_wires: key.n_wires as u64,
            n_public: key.n_public as u64,
            log_domain: key.log_domain,
            zkey_bytes: bytes.len() as u64,
            file: Some(file),
            r1cs: None,
            added_at: now,
        },
        verification_key: Some(key.vk.to_json()),
    })
}

fn sizes<C: Curve>(bytes: &[u8]) -> Result<(u64, u64), ApiError> {
    let r1cs = R1cs::<C::Scalar>::read(bytes).map_err(|e| ApiError::unprocessable("malformed_r1cs", e))?;
    Ok((u64::from(r1cs.n_wires), u64::from(r1cs.n_public())))
}
