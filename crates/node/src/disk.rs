//! Room on disk: prepared keys, slices, bases, what is being fetched and records share a budget; of the first three, the least recently used make room.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tacit_wire::messages::{Refusal, RefusalCode};
use tacit_wire::{Blame, Digest32};

use crate::DATABASE;
use crate::circuits::{Circuits, INCOMING, SLICE, WHOLE, slice_name};

/// Left free on the file system for records and logs.
const SPARE: u64 = 64 << 20;

/// A file that is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptFile {
    /// When it was used last.
    pub used: SystemTime,
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The circuit, or the bases.
    pub circuit: Digest32,
    /// Whether it is a slice.
    pub slice: bool,
}

/// Disk that is promised to a file which is being written; given back when dropped.
#[derive(Debug)]
pub(crate) struct Room {
    promised: Arc<Mutex<u64>>,
    bytes: u64,
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut promised = self.promised.lock().unwrap_or_else(PoisonError::into_inner);
        *promised = promised.saturating_sub(self.bytes);
    }
}

/// Bytes in the files of a folder.
fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

/// Bytes of the database of records in a data directory, with what is not yet moved into its file.
pub fn records(data_dir: &Path) -> u64 {
    let files = [DATABASE.to_owned(), format!("{DATABASE}-wal")];
    files.iter().filter_map(|name| Some(std::fs::metadata(data_dir.join(name)).ok()?.len())).sum()
}

impl Circuits {
    /// Every file that is kept, the least recently used first. Blocks.
    pub fn kept(&self) -> Vec<KeptFile> {
        let mut kept = Vec::new();
        for extension in [WHOLE, SLICE, crate::bases::EXTENSION] {
            for (stem, entry) in self.files(extension) {
                let circuit = if extension == SLICE {
                    slice_name(&stem).map(|slice| slice.circuit)
                } else {
                    stem.parse().ok()
                };
                let (Some(circuit), Ok(metadata)) = (circuit, entry.metadata()) else { continue };
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                let (path, bytes) = (entry.path(), metadata.len());
                kept.push(KeptFile { used, path, bytes, circuit, slice: extension == SLICE });
            }
        }
        kept.sort_unstable();
        kept
    }

    /// Bytes on disk: records, what is promised to what is being fetched or written, and everything that is kept. Blocks.
    pub fn disk_used(&self) -> u64 {
        let promised = *self.promised.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: u64 = self.kept().iter().map(|file| file.bytes).sum();
        self.not_removable(promised).saturating_add(kept)
    }

    fn not_removable(&self, promised: u64) -> u64 {
        promised.saturating_add(self.dir.parent().map_or(0, records))
    }

    /// Makes room for so many bytes more, at `path` if they are a slice: removes what was used least recently, as far as it takes. They are promised until
    /// the result is dropped. Blocks.
    ///
    /// # Errors
    /// What to tell who asked for more than there can be.
    pub(crate) fn make_room(&self, bytes: u64, path: Option<&Path>) -> Result<Room, Refusal> {
        if bytes > self.disk_bytes {
            let text = format!(
                "this node keeps at most {} bytes of proving keys on disk (limits.disk_bytes), this takes {bytes}",
                self.disk_bytes
            );
            return Err(Refusal::new(RefusalCode::BeyondLimits, Blame::Nobody, text));
        }
        // One at a time, so that two do not count on the same room.
        let mut promised = self.promised.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = self.kept();
        let removable = kept.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
        let fixed = self.not_removable(*promised);
        let unwritten = promised.saturating_sub(bytes_in(&self.dir.join(INCOMING)));
        let needs_free = bytes.saturating_add(unwritten).saturating_add(SPARE);
        let mut slices = kept.iter().filter(|file| file.slice && Some(file.path.as_path()) != path).count();
        let mut used = fixed.saturating_add(removable);
        let over_budget = |used: u64| used.saturating_add(bytes) > self.disk_bytes;
        let full = || self.free().is_some_and(|free| free < needs_free);
        let too_many = |slices: usize| path.is_some() && slices + 1 > self.kept_slices;
        // Nothing is removed in vain.
        let most_free = self.free().map(|free| free.saturating_add(removable));
        if over_budget(fixed) || most_free.is_some_and(|most| most < needs_free) {
            return Err(no_room(bytes, used, self.free()));
        }
        for file in &kept {
            let large = over_budget(used) || full();
            if !large && !too_many(slices) {
                break;
            }
            if !large && !file.slice {
                continue;
            }
            match std::fs::remove_file(&file.path) {
                Ok(()) => {
                    tracing::info!(path = %file.path.display(), bytes = file.bytes, "removed: it was used least recently");
                    used = used.saturating_sub(file.bytes);
                    slices = slices.saturating_sub(usize::from(file.slice));
                }
                Err(error) => {
                    tracing::warn!(path = %file.path.display(), %error, "an old file cannot be removed");
                }
            }
        }
        if over_budget(used) || full() || too_many(slices) {
            return Err(no_room(bytes, used, self.free()));
        }
        *promised = promised.saturating_add(bytes);
        Ok(Room { promised: Arc::clone(&self.promised), bytes })
    }

    /// Bytes that the file system has for this user.
    pub fn free(&self) -> Option<u64> {
        let found = rustix::fs::statvfs(&self.dir).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

/// Notes that a file was used: the least recently used is the one to go. Blocks.
pub(crate) fn touch(path: &Path) {
    if let Err(error) = std::fs::File::open(path).and_then(|file| file.set_modified(SystemTime::now())) {
        tracing::warn!(path = %path.display(), %error, "that a file was used cannot be noted");
    }
}

fn no_room(bytes: u64, used: u64, free: Option<u64>) -> Refusal {
    tracing::error!(bytes, used, free, "there is no room on disk for a circuit");
    Refusal::new(RefusalCode::Internal, Blame::Node, "there is no room on disk for the circuit now")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::clients::Clients;
    use crate::config::Limits;

    const ID: [&str; 3] = ["11", "22", "33"];

    fn open(root: &Path, limits: &Limits) -> Circuits {
        let circuits = Circuits::open(root.join("circuits"), limits, Arc::new(Clients::new(limits))).unwrap();
        for (id, age) in ID.iter().zip([300, 200, 100]) {
            let path = circuits.dir.join(format!("{}.{WHOLE}", id.repeat(32)));
            std::fs::write(&path, [0; 1000]).unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age)).unwrap();
        }
        circuits
    }

    fn there(circuits: &Circuits) -> Vec<String> {
        circuits.kept().iter().map(|file| file.circuit.to_string()[..2].to_owned()).collect()
    }

    #[test]
    fn what_can_never_fit_removes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let circuits = open(root.path(), &Limits { disk_bytes: u64::MAX, ..Limits::default() });
        // More than the file system has, even without what is kept.
        let refused = circuits.make_room(1 << 60, None).unwrap_err();
        assert_eq!(refused.code, RefusalCode::Internal);
        assert_eq!(there(&circuits), ID);
        // Records cannot make room.
        let circuits = open(root.path(), &Limits { disk_bytes: 5000, ..Limits::default() });
        std::fs::write(root.path().join(DATABASE), [0; 2500]).unwrap();
        std::fs::write(root.path().join(format!("{DATABASE}-wal")), [0; 500]).unwrap();
        assert!(circuits.make_room(2001, None).is_err());
        assert_eq!(there(&circuits), ID);
        assert_eq!(circuits.disk_used(), 6000);
        let _room = circuits.make_room(1500, None).unwrap();
        assert_eq!(there(&circuits), Vec::<String>::new());
    }

    #[test]
    fn what_is_promised_is_not_promised_twice() {
        let root = tempfile::tempdir().unwrap();
        let circuits = open(root.path(), &Limits { disk_bytes: 4000, ..Limits::default() });
        let first = circuits.make_room(2500, None).unwrap();
        assert_eq!(there(&circuits), ID[2..]);
        assert!(circuits.make_room(2000, None).is_err());
        assert_eq!((there(&circuits), circuits.disk_used()), (vec!["33".to_owned()], 3500));
        drop(first);
        let _second = circuits.make_room(2000, None).unwrap();
        assert_eq!(there(&circuits), ID[2..]);
    }
}
