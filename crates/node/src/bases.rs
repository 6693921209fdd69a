//! Bases of multi-scalar multiplications: fetched once, checked once, kept as they came.
//!
//! A file of bases is its own prepared form and its name is its digest, so it moves to its place once it is checked; what is found there later is
//! what was checked then if its digest is still its name.

use std::path::Path;
use std::sync::Arc;

use tacit_delegate::{Bases, BasesId, KeyPart};
use tacit_vault::dir::sync_parent;
use tacit_wire::messages::{Refusal, RefusalCode};
use tacit_wire::{Blame, Digest32};

use crate::circuits::{Circuits, Kept, Resident, Source, run, size_of_file, unreadable};
use crate::disk::touch;
use crate::fetch::Incoming;
use crate::memory::Reserved;

/// What the files are called behind the id.
pub const EXTENSION: &str = "bases";

/// Memory for checking a file of bases of so many bytes: the bytes, and the points, which take a little more in memory than in the file.
pub(crate) fn to_check(file: u64) -> u64 {
    file.saturating_mul(9) / 4 + (1 << 20)
}

impl Circuits {
    /// Bases by their id: from disk, or from what was fetched, checked in full; nothing if they have to be fetched first.
    ///
    /// # Errors
    /// What to tell who offered.
    pub(crate) async fn bases<C: Kept>(
        self: &Arc<Self>,
        id: Digest32,
        source: &Source<'_>,
    ) -> Result<Option<(Resident<C>, Reserved)>, Refusal> {
        let holding = source.asker.holding;
        let resident = |bases| Resident::Bases(Arc::new(bases));
        if let Some(bytes) = size_of_file(&self.path_of(&id, KeyPart::Bases)) {
            let memory = self.room(to_check(bytes), holding, "the bases").await?;
            let circuits = Arc::clone(self);
            if let Some(bases) = run(move || circuits.bases_on_disk::<C>(&id)).await? {
                return Ok(Some((resident(bases), memory)));
            }
        }
        let Some(fetched) = &source.fetched else { return Ok(None) };
        let memory = self.room(to_check(fetched.bytes), holding, "checking the bases").await?;
        let (circuits, fetched) = (Arc::clone(self), Arc::clone(fetched));
        let bases = run(move || circuits.import_bases::<C>(&fetched, &id)).await??;
        Ok(Some((resident(bases), memory)))
    }

    /// Blocks.
    fn bases_on_disk<C: Kept>(&self, id: &Digest32) -> Option<Bases<C>> {
        let path = self.path_of(id, KeyPart::Bases);
        let bytes = std::fs::read(&path).ok()?;
        touch(&path);
        match Bases::read_checked(&bytes, BasesId(id.0)) {
            Ok(bases) => Some(bases),
            Err(error) => {
                tracing::error!(bases = %id, %error, "a file of bases cannot be used; it is fetched again");
                None
            }
        }
    }

    /// Checks a fetched file in full and moves it to its place. Blocks.
    fn import_bases<C: Kept>(&self, fetched: &Incoming, id: &Digest32) -> Result<Bases<C>, Refusal> {
        let bad = |e: &dyn std::fmt::Display| {
            tracing::error!(bases = %id, error = %e, "the coordinator's file of bases is not acceptable");
            let text = format!("its file of bases is not acceptable: {e}");
            Refusal::new(RefusalCode::UnknownCircuit, Blame::Coordinator, text)
        };
        let bytes = std::fs::read(&fetched.path).map_err(|e| unreadable(id, &e))?;
        let bases = Bases::<C>::read(&bytes).map_err(|e| bad(&e))?;
        if bases.id().0 != id.0 {
            return Err(bad(&format!("it is bases {}, asked for were {id}", bases.id())));
        }
        match move_to(&fetched.path, &self.path_of(id, KeyPart::Bases)) {
            Ok(()) => tracing::info!(bases = %id, points = bases.points().len(), "bases checked and kept"),
            // They serve from memory; the next start fetches them again.
            Err(error) => tracing::error!(bases = %id, %error, "a file of bases cannot be kept"),
        }
        Ok(bases)
    }
}

pub(crate) fn move_to(from: &Path, to: &Path) -> Result<(), tacit_vault::VaultError> {
    std::fs::rename(from, to)
        .map_err(|source| tacit_vault::VaultError::Io { path: to.to_owned(), source })?;
    sync_parent(to)
}
