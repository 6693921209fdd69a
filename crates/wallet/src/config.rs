//! `wallet.toml`: what the owner of a wallet may change. It holds no secret.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tacit_pool::orders::OrderKeyId;

use crate::WalletFileError;
use crate::description::PoolDescription;
use crate::token::ConfiguredToken;

/// A wallet's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// An Ethereum node, http(s)://...
    pub rpc: String,
    /// A second node, of somebody else, whose roots are compared with those of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_rpc: Option<String>,
    /// Which account of the seed phrase.
    #[serde(default)]
    pub account: u32,
    /// Who proves where nothing else is said: `local`, `committee`, or the name of a prover below.
    #[serde(default = "local")]
    pub prove: String,
    /// The network whose nodes prove without seeing: its network.toml.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committee: Option<PathBuf>,
    /// The most that a unit of gas may cost, in gwei; 300 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_gas_gwei: Option<u64>,
    /// Tokens, where what their contracts say of themselves is not to be believed.
    #[serde(default, rename = "token", skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<ConfiguredToken>,
    /// Prover services.
    #[serde(default, rename = "prover", skip_serializing_if = "Vec::is_empty")]
    pub provers: Vec<Prover>,
    /// The pool.
    pub pool: PoolDescription,
}

fn local() -> String {
    "local".to_owned()
}

/// A prover service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prover {
    /// What this wallet calls it.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Its key pair's id: what it says counts only if it is signed by it.
    #[serde(with = "as_hex")]
    pub id: OrderKeyId,
}

mod as_hex {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use tacit_pool::orders::OrderKeyId;

    pub fn serialize<S: Serializer>(id: &OrderKeyId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OrderKeyId, D::Error> {
        let mut id = OrderKeyId([0; 32]);
        hex::decode_to_slice(String::deserialize(deserializer)?, &mut id.0)
            .map_err(|_| de::Error::custom("a prover's id is 64 hexadecimal digits"))?;
        Ok(id)
    }
}

/// Who proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// This machine.
    Local,
    /// A service that sees the transaction and can change none of it.
    Service(Prover),
    /// Nodes of which no `t` together see anything: their network's `network.toml`.
    Committee(PathBuf),
}

impl Way {
    /// As it is called on the command line.
    pub fn name(&self) -> &str {
        match self {
            Self::Local => "local",
            Self::Committee(_) => "committee",
            Self::Service(prover) => &prover.name,
        }
    }
}

/// Why nobody is called that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WayError {
    /// Not among the provers.
    #[error(
        "no prover is called {name:?} in wallet.toml: it knows local, committee{known}; a [[prover]] there names another"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// The provers' names, each after a comma.
        known: String,
    },
    /// No network.
    #[error(
        "wallet.toml names no network for the way `committee`: add a line committee = \"PATH/network.toml\""
    )]
    NoCommittee,
}

impl Config {
    /// A configuration with nothing but what there has to be: everything is proved on this machine.
    pub fn new(rpc: String, account: u32, pool: PoolDescription) -> Self {
        Self {
            rpc,
            second_rpc: None,
            account,
            prove: local(),
            committee: None,
            max_gas_gwei: None,
            tokens: Vec::new(),
            provers: Vec::new(),
            pool,
        }
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// [`WalletFileError`].
    pub fn load(path: &Path) -> Result<Self, WalletFileError> {
        let config: Self = crate::files::read_toml(path)?;
        let form = |problem: String| WalletFileError::Form { path: path.to_owned(), problem };
        for (i, prover) in config.provers.iter().enumerate() {
            if matches!(prover.name.as_str(), "local" | "committee") {
                return Err(form(format!(
                    "a prover cannot be called {:?}: that is another way",
                    prover.name
                )));
            }
            if config.provers.iter().skip(i + 1).any(|other| other.name == prover.name) {
                return Err(form(format!("two provers are called {:?}", prover.name)));
            }
        }
        config.way(None).map_err(|e| form(e.to_string()))?;
        Ok(config)
    }

    /// Who proves: who is named, or else who is configured.
    ///
    /// # Errors
    /// [`WayError`].
    pub fn way(&self, name: Option<&str>) -> Result<Way, WayError> {
        match name.unwrap_or(&self.prove) {
            "local" => Ok(Way::Local),
            "committee" => self.committee.clone().map(Way::Committee).ok_or(WayError::NoCommittee),
            name => self.prover(name).cloned().map(Way::Service),
        }
    }

    /// A prover by its name.
    ///
    /// # Errors
    /// [`WayError::Unknown`].
    pub fn prover(&self, name: &str) -> Result<&Prover, WayError> {
        self.provers.iter().find(|prover| prover.name == name).ok_or_else(|| WayError::Unknown {
            name: name.to_owned(),
            known: self.provers.iter().map(|prover| format!(", {}", prover.name)).collect(),
        })
    }

    /// The file, with what each line means.
    ///
    /// # Errors
    /// [`WalletFileError::Form`] for a path that is not UTF-8.
    pub fn to_toml(&self) -> Result<String, WalletFileError> {
        let text = toml::to_string(self).map_err(|e| WalletFileError::Form {
            path: PathBuf::from("wallet.toml"),
            problem: e.to_string(),
        })?;
        Ok(format!("{HEAD}\n{text}"))
    }
}

const HEAD: &str = "\
# A wallet of the shielded pool. No line here is secret; the keys are in the file `seed`.
#
# rpc         an Ethereum node; it learns which addresses you ask about, so let it be yours
# second_rpc  a node of somebody else whose roots are compared with those of the first
# prove       who proves where --prove says nothing: local, committee, or the name of a [[prover]]
# committee   network.toml of the nodes that prove without seeing anything
# max_gas_gwei  the most that a unit of gas may cost; 300 without it
# [[token]]   what a token is, where you do not want to believe its contract and your node:
#                 address = \"0x...\"
#                 symbol = \"USDC\"
#                 decimals = 6
# [[prover]]  a service that sees what it proves and can change none of it:
#                 name = \"carol\"
#                 url = \"https://prover.example\"
#                 id = \"64 hexadecimal digits, as `tacit prover serve` prints them\"
# [pool]      the pool that this wallet is for, as `tacit pool deploy` described it
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tacit_pool::Address;

    use super::*;
    use crate::description::{Circuits, Verifiers};

    fn config() -> Config {
        let prover = |name: &str| Prover {
            name: name.to_owned(),
            url: "https://prover.example".to_owned(),
            id: OrderKeyId([7; 32]),
        };
        Config {
            rpc: "http://127.0.0.1:8545".to_owned(),
            second_rpc: None,
            account: 0,
            prove: "carol".to_owned(),
            committee: Some("network.toml".into()),
            max_gas_gwei: Some(50),
            tokens: vec![ConfiguredToken {
                address: Address([9; 20]),
                symbol: "DAI".to_owned(),
                decimals: 18,
            }],
            provers: vec![prover("carol"), prover("dave")],
            pool: PoolDescription {
                chain_id: 31_337,
                pool: Address([1; 20]),
                from_block: 5,
                bind: true,
                rotate: true,
                verifiers: Verifiers { eddsa: Some(Address([2; 20])), ..Verifiers::default() },
                circuits: Circuits::default(),
            },
        }
    }

    #[test]
    fn what_is_written_is_read_and_says_who_proves() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wallet.toml");
        std::fs::write(&path, config().to_toml().unwrap()).unwrap();
        let read = Config::load(&path).unwrap();
        assert_eq!(read, config());
        assert_eq!(read.way(None).unwrap(), Way::Service(config().provers[0].clone()));
        assert_eq!(read.way(Some("local")).unwrap(), Way::Local);
        assert_eq!(read.way(Some("committee")).unwrap(), Way::Committee("network.toml".into()));
        let unknown = read.way(Some("mallory")).unwrap_err();
        assert!(unknown.to_string().contains("it knows local, committee, carol, dave;"), "{unknown}");
    }

    #[test]
    fn names_that_mean_two_things_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wallet.toml");
        let text = config().to_toml().unwrap();
        for (from, to, expected) in [
            ("name = \"dave\"", "name = \"local\"", "another way"),
            ("name = \"dave\"", "name = \"carol\"", "two provers"),
            ("prove = \"carol\"", "prove = \"mallory\"", "no prover is called"),
            ("0707", "070", "64 hexadecimal digits"),
            ("rpc =", "rcp =", "rcp"),
        ] {
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
            let error = Config::load(&path).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("wallet.toml"), "{from}: {error}");
        }
    }
}
