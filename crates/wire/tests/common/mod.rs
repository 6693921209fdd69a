//! What several test files need.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::{path::PathBuf, sync::OnceLock};

use rand_core::{Infallible, SeedableRng, TryCryptoRng, TryRng};
use serde_json::Value;
use tacit_wire::{Identity, Purpose, SealingKeyCertificate, SealingKeyPair};

/// Hands out the given bytes in order, so that a vector can name the randomness that it was made with.
pub struct Given<'a>(pub &'a [u8]);

impl TryRng for Given<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        let (now, later) = self.0.split_at(destination.len());
        destination.copy_from_slice(now);
        self.0 = later;
        Ok(())
    }
}

impl TryCryptoRng for Given<'_> {}

pub fn rng(seed: u64) -> rand_chacha::ChaCha20Rng {
    rand_chacha::ChaCha20Rng::seed_from_u64(seed)
}

/// `N` bytes that count upwards from `first`.
pub fn counting<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|i| first.wrapping_add(i as u8))
}

pub fn client() -> Identity {
    Identity::from_seed(&counting(0x10))
}

pub fn node() -> Identity {
    Identity::from_seed(&counting(0x20))
}

pub fn node_sealing_key() -> SealingKeyPair {
    SealingKeyPair::from_seed(&counting(0x30)).unwrap()
}

pub fn assembler_key() -> SealingKeyPair {
    SealingKeyPair::from_seed(&counting(0x40)).unwrap()
}

pub const EPOCH: u64 = 7;
pub const NOT_BEFORE: u64 = 1_900_000_000;
pub const EXPIRY: u64 = 1_900_086_400;

pub fn certificate() -> SealingKeyCertificate {
    static CERTIFICATE: OnceLock<SealingKeyCertificate> = OnceLock::new();
    CERTIFICATE
        .get_or_init(|| {
            let pair = node_sealing_key();
            SealingKeyCertificate::issue(
                &node(),
                Purpose::NodeEnvelope,
                pair.public(),
                EPOCH,
                NOT_BEFORE,
                EXPIRY,
            )
        })
        .clone()
}

pub fn vector_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(format!("{name}.json"))
}

pub fn read_vectors(name: &str) -> Value {
    let path = vector_path(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Compares with the committed file, or writes it when `TACIT_BLESS` is set.
pub fn check_vectors(name: &str, value: &Value) {
    let path = vector_path(name);
    let text = format!("{}\n", serde_json::to_string_pretty(value).unwrap());
    if std::env::var_os("TACIT_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{} differs from what this program makes. An encoding changed: that is a new protocol version, unless nothing \
         was ever released; then run the test with TACIT_BLESS=1.",
        path.display()
    );
}

pub fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}
