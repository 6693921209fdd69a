//! Development keys of the real circuits, made once and kept below the target folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tacit_algebra::Bn254;
use tacit_circom::R1cs;
use tacit_groth16::setup;
use tacit_pool::Rules;
use tacit_prover::{AuthCircuit, CircuitFiles, CircuitKind, PoolCircuits};

use crate::common::{rng, workspace};

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pool-circuits");
    tacit_vault::dir::create_private(&folder).unwrap();
    folder
}

/// The circuit's files, with a key for the constraint system that is committed.
pub fn files(kind: CircuitKind) -> CircuitFiles {
    let wasm = workspace(&format!("circuits/pool/{kind}.wasm"));
    let r1cs = fs::read(workspace(&format!("circuits/pool/{kind}.r1cs"))).unwrap();
    let name = blake3::hash(&r1cs).to_hex();
    let zkey = folder().join(format!("{kind}-{}.zkey", &name[..16]));
    // Another process may be making it.
    let lock = File::create(zkey.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !zkey.exists() {
        let key = setup::dev::<Bn254, _>(&R1cs::read(&r1cs).unwrap(), &mut rng(1)).unwrap();
        let unfinished = zkey.with_extension("new");
        fs::write(&unfinished, key.write()).unwrap();
        fs::rename(&unfinished, &zkey).unwrap();
    }
    CircuitFiles { zkey, wasm }
}

/// `pool_transact` and `auth_eddsa`.
pub fn real() -> Arc<PoolCircuits> {
    of([CircuitKind::Pool, AuthCircuit::Eddsa.into()])
}

pub fn of(kinds: impl IntoIterator<Item = CircuitKind>) -> Arc<PoolCircuits> {
    let kinds = kinds.into_iter().map(|kind| (kind, files(kind)));
    Arc::new(PoolCircuits::new(Rules::TACIT, kinds, Some(folder())))
}

/// Circuits that are somewhere, where nobody looks.
pub fn unread() -> Arc<PoolCircuits> {
    Arc::new(PoolCircuits::in_folder(Rules::TACIT, Path::new("/nowhere"), None))
}
