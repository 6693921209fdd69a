//! Prepared keys and slices of them: the header, the sizes, the matrices and the lists of wires behind the digest, which the
//! target makes right.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::LazyLock;

use tacit_algebra::{Bls12_381, Bn254, Curve, CurveId};
use tacit_groth16::prepared;

/// A file in a directory that prepared keys are accepted from.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = std::env::temp_dir().join(format!("tacit-fuzz-prepared-{}", std::process::id()));
    DirBuilder::new().recursive(true).mode(0o700).create(&dir).expect("a directory");
    let file = dir.join("key");
    fs::write(&file, b"").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its mode");
    file
});

fn with_digest(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    if bytes.len() >= 80 {
        let context = match &bytes[..8] {
            b"TACITSLI" => "tacit slice of a prepared groth16 key, version 1",
            _ => "tacit prepared groth16 key, version 1",
        };
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&bytes[..48]).update(&bytes[80..]);
        bytes[48..80].copy_from_slice(hasher.finalize().as_bytes());
    }
    bytes
}

/// The target.
pub fn run(data: &[u8]) {
    fs::write(&*FILE, with_digest(data)).expect("written");
    if let Ok(header) = prepared::inspect(&FILE) {
        match header.curve {
            CurveId::Bn254 => drop(prepared::open::<Bn254>(&FILE)),
            CurveId::Bls12_381 => drop(prepared::open::<Bls12_381>(&FILE)),
        }
    }
    if let Ok(header) = prepared::inspect_slice(&FILE) {
        match header.curve {
            CurveId::Bn254 => slice::<Bn254>(),
            CurveId::Bls12_381 => slice::<Bls12_381>(),
        }
    }
}

/// What opens as a slice is one.
fn slice<C: Curve>() {
    if let Ok(slice) = prepared::open_slice::<C>(&FILE) {
        assert_eq!(slice.check_shape(), Ok(()));
    }
}
