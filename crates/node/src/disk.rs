//! Room on disk: prepared keys, slices, bases and what is being fetched share a budget; the least recently used make room.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tacit_wire::messages::{Refusal, RefusalCode};
use tacit_wire::{Blame, Digest32};

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

    /// Bytes on disk, those of what is being fetched included. Blocks.
    pub fn disk_used(&self) -> u64 {
        let incoming = std::fs::read_dir(self.dir.join(INCOMING)).into_iter().flatten().flatten();
        let incoming: u64 = incoming.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum();
        incoming + self.kept().iter().map(|file| file.bytes).sum::<u64>()
    }

    /// Makes room for so many bytes more, at `path` if they are a slice: removes what was used least recently, as far as it takes. Blocks.
    ///
    /// # Errors
    /// What to tell who asked for more than there can be.
    pub(crate) fn make_room(&self, bytes: u64, path: Option<&Path>) -> Result<(), Refusal> {
        if bytes > self.disk_bytes {
            let text = format!(
                "this node keeps at most {} bytes of proving keys on disk (limits.disk_bytes), this takes {bytes}",
                self.disk_bytes
            );
            return Err(Refusal::new(RefusalCode::BeyondLimits, Blame::Nobody, text));
        }
        let kept = self.kept();
        let mut slices = kept.iter().filter(|file| file.slice && Some(file.path.as_path()) != path).count();
        let mut used = self.disk_used();
        let crowded = |used: u64, slices: usize| {
            used.saturating_add(bytes) > self.disk_bytes
                || self.free().is_some_and(|free| free < bytes.saturating_add(SPARE))
                || (path.is_some() && slices + 1 > self.kept_slices)
        };
        // Nothing is removed in vain.
        let removable: u64 = kept.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
        let most_free = self.free().map(|free| free.saturating_add(removable));
        if most_free.is_some_and(|most| most < bytes.saturating_add(SPARE)) {
            return Err(no_room(bytes, used, self.free()));
        }
        for file in &kept {
            if !crowded(used, slices) {
                return Ok(());
            }
            let only_slices = used.saturating_add(bytes) <= self.disk_bytes
                && self.free().is_none_or(|free| free >= bytes.saturating_add(SPARE));
            if only_slices && !file.slice {
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
        if crowded(used, slices) {
            return Err(no_room(bytes, used, self.free()));
        }
        Ok(())
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
