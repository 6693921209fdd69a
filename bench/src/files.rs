//! Where the files of a circuit lie.

use std::path::{Path, PathBuf};

use tacit_algebra::{Bn254, Check, Groups};
use tacit_circom::Zkey;
use tacit_circom::wtns::Wtns;
use tacit_groth16::{ProvingKey, prepared};

use crate::Outcome;

/// The scalar field of everything that is compared here.
pub type Fr = <Bn254 as Groups>::Scalar;

/// The files of the chain that fills a domain of `2^log_size`.
#[derive(Debug, Clone)]
pub struct Files {
    dir: PathBuf,
    /// `log2` of the domain's size.
    pub log_size: u32,
}

impl Files {
    /// Those in a directory.
    pub fn new(dir: &Path, log_size: u32) -> Self {
        Self { dir: dir.to_owned(), log_size }
    }

    /// The circuit's name, which its files share.
    pub fn name(&self) -> String {
        format!("poseidon_chain_{}", self.log_size)
    }

    /// One of its files.
    pub fn path(&self, extension: &str) -> PathBuf {
        self.dir.join(format!("{}.{extension}", self.name()))
    }

    /// The zkey's bytes.
    pub fn zkey(&self) -> Outcome<Vec<u8>> {
        read(&self.path("zkey"))
    }

    /// The witness.
    pub fn witness(&self) -> Outcome<Vec<Fr>> {
        Ok(Wtns::<Fr>::read(&read(&self.path("wtns"))?)?.values.clone())
    }

    /// The prepared key, imported from the zkey if this version has not written it yet.
    pub fn prepared_key(&self) -> Outcome<ProvingKey<Bn254>> {
        let path = self.path("tacit-key");
        if let Ok(key) = prepared::open(&path) {
            return Ok(key);
        }
        import(&self.zkey()?, &path)
    }
}

/// A zkey, fully checked and written in prepared form: what happens once to every key.
pub fn import(zkey: &[u8], to: &Path) -> Outcome<ProvingKey<Bn254>> {
    let key = ProvingKey::from_zkey(Zkey::read(zkey, Check::Full)?)?;
    key.check()?;
    prepared::write(to, &key)?;
    Ok(key)
}

/// Reads a file; its name stands in the error.
pub fn read(path: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()).into())
}
