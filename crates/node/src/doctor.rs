//! What `tacit node doctor` looks at in a data directory: files that should be private, whose they are, prepared keys, records.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tacit_algebra::{Bls12_381, Bn254, CurveId};
use tacit_delegate::msm::bases;
use tacit_delegate::{Bases, BasesId};
use tacit_groth16::prepared;
use tacit_wire::Digest32;

use crate::circuits::{SLICE, WHOLE, slice_name};

/// A prepared file that was read in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Its name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// What is wrong with it; nothing if it is what its name says.
    pub problem: Option<String>,
}

/// Every file and folder below a data directory that others than its owner can get at, with its permission bits. Blocks.
pub fn exposed(data_dir: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let mut folders = vec![data_dir.to_owned()];
    let mut look = |path: &Path| match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.mode() & 0o077 != 0 && !metadata.is_symlink() => {
            found.push((path.to_owned(), metadata.mode() & 0o777));
        }
        _ => {}
    };
    look(data_dir);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            // What others cannot reach they cannot read: files in a private folder count where they hold keys.
            let holds_keys = path.extension().is_some_and(|e| e == "key" || e == "pem")
                || path.file_name().is_some_and(|name| name == tacit_vault::protection::PROTECTION_FILE);
            if is_folder || (holds_keys && !folder.ends_with("circuits")) {
                look(&path);
            }
            if is_folder {
                folders.push(path);
            }
        }
    }
    found
}

/// The user whose data directory it is, and everything in it that is another user's. Blocks.
///
/// # Errors
/// When the directory cannot be looked at.
pub fn foreign(data_dir: &Path) -> std::io::Result<(u32, Vec<(PathBuf, u32)>)> {
    let owner = std::fs::metadata(data_dir)?.uid();
    let mut found = Vec::new();
    let mut folders = vec![data_dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)?.flatten() {
            // What vanishes meanwhile is nobody's.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.uid() != owner {
                found.push((entry.path(), metadata.uid()));
            }
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found.sort();
    Ok((owner, found))
}

pub use crate::disk::records;

/// Reads every prepared key, slice and file of bases, and compares its digest and what it says with its name. Takes as long as loading them all. Blocks.
pub fn circuits(data_dir: &Path) -> Vec<Checked> {
    let mut checked = Vec::new();
    for entry in std::fs::read_dir(data_dir.join("circuits")).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((stem, extension)) = name.rsplit_once('.') else { continue };
        let problem = match extension {
            WHOLE => whole(&path, stem),
            SLICE => slice(&path, stem),
            crate::bases::EXTENSION => bases_file(&path, stem),
            _ => continue,
        };
        let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
        checked.push(Checked { file: name, bytes, problem: problem.err() });
    }
    checked.sort_by(|a, b| a.file.cmp(&b.file));
    checked
}

const MISNAMED: &str = "it is not what its name says";

fn named(right: bool) -> Result<(), String> {
    if right { Ok(()) } else { Err(MISNAMED.to_owned()) }
}

fn whole(path: &Path, stem: &str) -> Result<(), String> {
    let id: Digest32 = stem.parse().map_err(|_| MISNAMED.to_owned())?;
    let said = |e: prepared::PreparedError| e.to_string();
    let got = match prepared::inspect(path).map_err(said)?.curve {
        CurveId::Bn254 => prepared::open::<Bn254>(path).map_err(said)?.circuit_id,
        CurveId::Bls12_381 => prepared::open::<Bls12_381>(path).map_err(said)?.circuit_id,
    };
    named(got.0 == id.0)
}

fn slice(path: &Path, stem: &str) -> Result<(), String> {
    let held = slice_name(stem).ok_or_else(|| MISNAMED.to_owned())?;
    let said = |e: prepared::PreparedError| e.to_string();
    let got = match prepared::inspect_slice(path).map_err(said)?.curve {
        CurveId::Bn254 => {
            let slice = prepared::open_slice::<Bn254>(path).map_err(said)?;
            (slice.circuit_id.0, slice.group, slice.groups)
        }
        CurveId::Bls12_381 => {
            let slice = prepared::open_slice::<Bls12_381>(path).map_err(said)?;
            (slice.circuit_id.0, slice.group, slice.groups)
        }
    };
    named(got == (held.circuit.0, held.group, held.groups))
}

fn bases_file(path: &Path, stem: &str) -> Result<(), String> {
    let id: Digest32 = stem.parse().map_err(|_| MISNAMED.to_owned())?;
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    match bases::curve_of(&bytes).map_err(|e| e.to_string())? {
        CurveId::Bn254 => Bases::<Bn254>::read_checked(&bytes, BasesId(id.0)).map(drop),
        CurveId::Bls12_381 => Bases::<Bls12_381>::read_checked(&bytes, BasesId(id.0)).map(drop),
    }
    .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_another_user_left_is_found() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("circuits")).unwrap();
        let file = root.path().join("circuits/x.key");
        std::fs::write(&file, b"x").unwrap();
        let me = std::fs::metadata(root.path()).unwrap().uid();
        assert_eq!(foreign(root.path()).unwrap(), (me, Vec::new()));
        assert!(foreign(&root.path().join("none")).is_err());
        // Only root can give a file away.
        if std::os::unix::fs::chown(&file, Some(me + 1), None).is_ok() {
            assert_eq!(foreign(root.path()).unwrap(), (me, vec![(file, me + 1)]));
        }
    }
}
