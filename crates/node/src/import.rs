//! Circuits and bases from a file of the operator's: checked in full like what is fetched, prepared once, named by their content.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tacit_algebra::{Bls12_381, Bn254, Check, CurveId};
use tacit_circom::{Zkey, zkey};
use tacit_delegate::msm::bases;
use tacit_delegate::{Bases, KeyPart};
use tacit_groth16::{ProvingKey, prepared};
use tacit_vault::VaultError;
use tacit_wire::Digest32;
use thiserror::Error;

use crate::circuits::{Circuits, Kept};
use crate::clients::Clients;
use crate::config::Config;

/// What came of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The circuit's id, or the bases'.
    pub id: Digest32,
    /// The prepared file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// False if it was there already.
    pub new: bool,
}

/// Why a file was not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// It is no proving key and no file of bases, or not a sound one.
    #[error("{}: {problem}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// It does not fit on disk.
    #[error("{}: {problem}", path.display())]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The data directory.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Checks a `.zkey` or a file of bases and prepares it for this node, which may be running: it announces it within a minute. Takes a while and, for the moment,
/// about four times the file's size in memory. Blocks.
///
/// # Errors
/// See [`ImportError`].
pub fn import(config: &Config, path: &Path) -> Result<Imported, ImportError> {
    let clients = Arc::new(Clients::new(&config.limits));
    let circuits = Circuits::beside(config.data_dir.join("circuits"), &config.limits, clients)?;
    let bytes = std::fs::read(path).map_err(|source| ImportError::Io { path: path.to_owned(), source })?;
    let unusable = |problem: &dyn std::fmt::Display| ImportError::Unusable {
        path: path.to_owned(),
        problem: problem.to_string(),
    };
    if bases::is_bases(&bytes) {
        return match bases::curve_of(&bytes).map_err(|e| unusable(&e))? {
            CurveId::Bn254 => import_bases::<Bn254>(&circuits, path, &bytes),
            CurveId::Bls12_381 => import_bases::<Bls12_381>(&circuits, path, &bytes),
        };
    }
    match zkey::curve_of(&bytes).map_err(|e| unusable(&e))? {
        CurveId::Bn254 => import_zkey::<Bn254>(&circuits, path, bytes),
        CurveId::Bls12_381 => import_zkey::<Bls12_381>(&circuits, path, bytes),
    }
}

fn import_zkey<C: Kept>(circuits: &Circuits, path: &Path, bytes: Vec<u8>) -> Result<Imported, ImportError> {
    let key =
        checked::<C>(bytes).map_err(|problem| ImportError::Unusable { path: path.to_owned(), problem })?;
    let id = Digest32(key.circuit_id.0);
    place(circuits, path, id, KeyPart::Whole, std::fs::metadata(path).map_or(0, |m| m.len()), |to| {
        prepared::write(to, &key).map(drop).map_err(|e| e.to_string())
    })
}

fn import_bases<C: Kept>(circuits: &Circuits, path: &Path, bytes: &[u8]) -> Result<Imported, ImportError> {
    let bases = Bases::<C>::read(bytes)
        .map_err(|e| ImportError::Unusable { path: path.to_owned(), problem: e.to_string() })?;
    place(circuits, path, Digest32(bases.id().0), KeyPart::Bases, bytes.len() as u64, |to| {
        let temporary = to.with_extension("new");
        std::fs::write(&temporary, bytes).map_err(|e| e.to_string())?;
        crate::bases::move_to(&temporary, to).map_err(|e| e.to_string())
    })
}

fn place(
    circuits: &Circuits,
    path: &Path,
    id: Digest32,
    part: KeyPart,
    size: u64,
    write: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<Imported, ImportError> {
    let to = circuits.path_of(&id, part);
    let no_room = |problem: String| ImportError::NoRoom { path: path.to_owned(), problem };
    let new = !to.exists();
    let _room = if new {
        Some(circuits.make_room(size, None).map_err(|refusal| no_room(refusal.text))?)
    } else {
        None
    };
    // Written again even if it is there: it might be damaged.
    write(&to).map_err(no_room)?;
    let bytes = std::fs::metadata(&to).map_or(0, |metadata| metadata.len());
    Ok(Imported { id, path: to, bytes, new })
}

/// A proving key, every point and equation of it checked.
pub(crate) fn checked<C: Kept>(bytes: Vec<u8>) -> Result<ProvingKey<C>, String> {
    let parsed = Zkey::<C>::read(&bytes, Check::Full).map_err(|e| e.to_string())?;
    drop(bytes);
    let key = ProvingKey::from_zkey(parsed).map_err(|e| e.to_string())?;
    key.check().map_err(|e| e.to_string())?;
    Ok(key)
}
