//! Prepared proving keys kept between runs, so that a zkey is parsed and checked once.

use std::fs;
use std::path::PathBuf;

use tacit_algebra::Curve;
use tacit_client::Followed;
use tacit_client::log::SeenJobs;
use tacit_groth16::prepared::PreparedError;
use tacit_groth16::{CircuitId, ProvingKey, prepared};
use tacit_wire::IdentityKey;

use crate::failure::{Failure, InFile, Outcome};
use crate::files::{self, Access};

/// The digest of a constraint system that was registered with a circuit from this machine: it, and no other that the
/// network may hand out, is believed about a witness.
pub struct RegisteredR1cs([u8; 32]);

impl RegisteredR1cs {
    /// What was recorded for a circuit.
    pub fn recorded(circuit: CircuitId) -> Outcome<Option<Self>> {
        let Some(folder) = folder("registered-r1cs")? else { return Ok(None) };
        let mut digest = [0; 32];
        let Ok(text) = fs::read_to_string(folder.join(circuit.to_string())) else { return Ok(None) };
        Ok(hex::decode_to_slice(text.trim(), &mut digest).ok().map(|()| Self(digest)))
    }

    /// Records what is about to be registered.
    pub fn record(circuit: CircuitId, r1cs: &[u8]) -> Outcome {
        let Some(folder) = folder("registered-r1cs")? else { return Ok(()) };
        let text = blake3::hash(r1cs).to_hex().to_string();
        files::write(&folder.join(circuit.to_string()), text.as_bytes(), Access::Private)
    }

    /// Whether these are the bytes.
    pub fn is_of(&self, r1cs: &[u8]) -> bool {
        blake3::hash(r1cs) == self.0
    }
}

/// A private folder below the user's cache: `$TACIT_CACHE_DIR`, else `$XDG_CACHE_HOME/tacit`, else `~/.cache/tacit`. `None`
/// where the system names no such place.
fn folder(name: &str) -> Outcome<Option<PathBuf>> {
    let from = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let Some(root) = from("TACIT_CACHE_DIR")
        .or_else(|| from("XDG_CACHE_HOME").map(|p| p.join("tacit")))
        .or_else(|| from("HOME").map(|p| p.join(".cache").join("tacit")))
    else {
        return Ok(None);
    };
    let folder = root.join(name);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder).map_err(|e| {
        Failure::new(format!(
            "{}: cannot be made: {e}; pass --no-cache or set TACIT_CACHE_DIR",
            folder.display()
        ))
    })?;
    Ok(Some(folder))
}

/// What is known of a coordinator's log, kept between runs.
pub struct KnownLog {
    path: Option<PathBuf>,
    log: IdentityKey,
}

impl KnownLog {
    /// Of this log.
    pub fn of(log: IdentityKey) -> Outcome<Self> {
        Ok(Self { path: folder("logs")?.map(|folder| folder.join(format!("{log}.json"))), log })
    }

    /// What was seen last, if anything was.
    pub fn load(&self) -> Outcome<Option<Followed>> {
        let Some(path) = self.path.as_ref().filter(|path| path.exists()) else { return Ok(None) };
        Followed::from_json(&files::read(path)?, &self.log).map(Some).in_file(path).map_err(|failure| {
            failure.adding("Without it this program begins afresh and cannot tell what was rewritten before: delete it only if you accept that")
        })
    }

    /// The jobs whose entries were read; none if that was not kept.
    pub fn load_jobs(&self) -> SeenJobs {
        let bytes = self.jobs_path().and_then(|path| fs::read(path).ok());
        bytes.and_then(|bytes| SeenJobs::from_bytes(&bytes)).unwrap_or_default()
    }

    /// Keeps what was read. The jobs come first: where only they are newer, those that are too many are left out.
    pub fn save_read(&self, followed: &Followed, jobs: &SeenJobs) -> Outcome {
        if let Some(path) = self.jobs_path() {
            files::write(&path, &jobs.to_bytes(), Access::Private)?;
        }
        self.save(followed)
    }

    fn jobs_path(&self) -> Option<PathBuf> {
        self.path.as_ref().map(|path| path.with_extension("jobs"))
    }

    /// Keeps what was seen, unless another process has kept something newer.
    pub fn save(&self, followed: &Followed) -> Outcome {
        let Some(path) = &self.path else { return Ok(()) };
        let size = |f: &Followed| (f.seen.head.size, f.read.as_ref().map_or(0, |(head, _)| head.head.size));
        if self.load()?.is_some_and(|kept| size(&kept) > size(followed)) {
            return Ok(());
        }
        files::write(path, followed.to_json().as_bytes(), Access::Private)
    }
}

/// The folder of prepared keys, which wallets and provers use as well.
pub fn prepared_folder() -> Outcome<Option<PathBuf>> {
    folder("prepared")
}

/// The user's folder of prepared keys.
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Opens (and makes) the folder; `None` where the system names no place for it.
    pub fn open() -> Outcome<Option<Self>> {
        Ok(prepared_folder()?.map(|folder| Self { folder }))
    }

    /// Where the prepared form of the zkey with this digest lives.
    fn path(&self, zkey_digest: &blake3::Hash) -> PathBuf {
        self.folder.join(format!("{}.tacit-key", zkey_digest.to_hex()))
    }

    /// The prepared key, if there is one that this version reads. A damaged or outdated one is made anew.
    pub fn get<C: Curve>(&self, zkey_digest: &blake3::Hash) -> Outcome<Option<ProvingKey<C>>> {
        let path = self.path(zkey_digest);
        if !path.exists() {
            return Ok(None);
        }
        match prepared::open(&path) {
            Ok(key) => Ok(Some(key)),
            // What this program would write again is made again; a place that is not safe is the user's to mend.
            Err(
                PreparedError::Magic { .. } | PreparedError::Version { .. } | PreparedError::Damaged { .. },
            ) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// A circuit's key, if one was checked on this machine before.
    pub fn find<C: Curve>(&self, circuit: CircuitId) -> Outcome<Option<ProvingKey<C>>> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Ok(None) };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let is_it = |path| prepared::inspect(path).is_ok_and(|header| header.circuit_id == circuit);
            if is_it(&path)
                && let Ok(key) = prepared::open(&path)
            {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Keeps a key.
    pub fn put<C: Curve>(&self, zkey_digest: &blake3::Hash, key: &ProvingKey<C>) -> Outcome<PathBuf> {
        let path = self.path(zkey_digest);
        prepared::write(&path, key)?;
        Ok(path)
    }
}
