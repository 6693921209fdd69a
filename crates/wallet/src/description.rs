//! `pool.toml`: which pool. Public; whoever deploys a pool writes it, and everybody who uses the pool has a copy.
//!
//! A wallet believes it: the pool's address says which contract gets the money, the verifiers' what may authorise, and the
//! circuits' keys whether proofs hide anything. Take it from somebody that you trust with that.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tacit_pool::{Address, Place, Rules};
use tacit_prover::{AuthCircuit, CircuitKind, PoolCircuits};

use crate::WalletFileError;

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolDescription {
    /// The chain's id.
    pub chain_id: u32,
    /// The pool contract.
    pub pool: Address,
    /// The block in which it was deployed: nothing before it is read.
    pub from_block: u64,
    /// Whether intents are bound to the pool and to the policy's version (BIND in docs/src/pool.md).
    pub bind: bool,
    /// Whether the circuits' nullifiers need the secret that rotation replaces (ROTATE in docs/src/pool.md).
    pub rotate: bool,
    /// The contracts that check authorisations.
    pub verifiers: Verifiers,
    /// The circuits, as files.
    pub circuits: Circuits,
}

/// The contracts that check authorisations; one that is missing cannot be chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verifiers {
    /// Of `auth_eddsa`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eddsa: Option<Address>,
    /// Of `auth_xmss`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xmss: Option<Address>,
    /// Of Ethereum signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecdsa: Option<Address>,
}

/// The circuits; one that is missing is needed by nobody who has others prove or authorises otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Circuits {
    /// The pool's relation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_transact: Option<CircuitFiles>,
    /// EdDSA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_eddsa: Option<CircuitFiles>,
    /// XMSS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_xmss: Option<CircuitFiles>,
}

/// A circuit's files; a relative path is relative to the description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitFiles {
    /// The proving key.
    pub zkey: PathBuf,
    /// The witness calculator.
    pub wasm: PathBuf,
}

impl Circuits {
    /// For proving.
    pub fn prover(&self, rules: Rules, kept: Option<PathBuf>) -> PoolCircuits {
        let named = [
            (CircuitKind::Pool, &self.pool_transact),
            (AuthCircuit::Eddsa.into(), &self.auth_eddsa),
            (AuthCircuit::Xmss.into(), &self.auth_xmss),
        ];
        let files = named.into_iter().filter_map(|(kind, files)| {
            let CircuitFiles { zkey, wasm } = files.clone()?;
            Some((kind, tacit_prover::CircuitFiles { zkey, wasm }))
        });
        PoolCircuits::new(rules, files, kept)
    }
}

impl PoolDescription {
    /// Reads a description; paths in it are made absolute.
    ///
    /// # Errors
    /// [`WalletFileError`].
    pub fn load(path: &Path) -> Result<Self, WalletFileError> {
        let mut read: Self = crate::files::read_toml(path)?;
        let path = std::path::absolute(path).map_err(|e| WalletFileError::io(path, &e))?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let circuits = &mut read.circuits;
        for files in [&mut circuits.pool_transact, &mut circuits.auth_eddsa, &mut circuits.auth_xmss] {
            for file in files.iter_mut().flat_map(|files| [&mut files.zkey, &mut files.wasm]) {
                *file = folder.join(&*file);
            }
        }
        Ok(read)
    }

    /// Chain and pool.
    pub fn place(&self) -> Place {
        Place { chain_id: self.chain_id, pool: self.pool }
    }

    /// As TOML.
    ///
    /// # Errors
    /// [`WalletFileError::Form`] for a path that is not UTF-8.
    pub fn to_toml(&self) -> Result<String, WalletFileError> {
        toml::to_string(self)
            .map_err(|e| WalletFileError::Form { path: PathBuf::from("pool.toml"), problem: e.to_string() })
    }
}
