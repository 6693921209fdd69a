//! What the command-line tests share.

#![allow(dead_code)]

use std::path::PathBuf;

use assert_cmd::Command;

/// The curves by the names of their fixture folders, which are snarkjs's.
pub const CURVES: [&str; 2] = ["bn128", "bls12381"];

/// The program, with a cache folder of its own so that no test sees another's or the user's.
pub fn tacit() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache").join(std::process::id().to_string());
    command.env("TACIT_CACHE_DIR", cache);
    command
}

/// A file that snarkjs or circom made, from the artefact crate's fixtures.
pub fn fixture(curve: &str, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../circom/tests/fixtures").join(curve).join(name)
}
