//! What an operator decides.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tacit_wire::IdentityKey;

/// A node's configuration; its TOML form is the file that `tacit node run` reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where everything is kept: identity, sealing keys, records, prepared proving keys. For its owner only.
    pub data_dir: PathBuf,
    /// What logs call this node.
    pub name: String,
    /// Where the coordinator is: `host:port`, over UDP; or a list, of coordinators that share one database and identity.
    pub coordinator: Addresses,
    /// The coordinator's Ed25519 identity, 64 hexadecimal digits. Nobody else is spoken to.
    pub coordinator_identity: IdentityKey,
    /// What to accept at most.
    #[serde(default)]
    pub limits: Limits,
}

/// Addresses of one coordinator, tried in turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OneOrMany", into = "OneOrMany")]
pub struct Addresses(Vec<String>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Addresses {
    /// Each address, `host:port`; there is one at least.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl TryFrom<OneOrMany> for Addresses {
    type Error = &'static str;

    fn try_from(addresses: OneOrMany) -> Result<Self, &'static str> {
        match addresses {
            OneOrMany::One(address) => Ok(Self(vec![address])),
            OneOrMany::Many(addresses) if addresses.is_empty() => Err("the coordinator has no address"),
            OneOrMany::Many(addresses) => Ok(Self(addresses)),
        }
    }
}

impl From<Addresses> for OneOrMany {
    fn from(Addresses(mut addresses): Addresses) -> Self {
        match addresses.len() {
            1 => Self::One(addresses.remove(0)),
            _ => Self::Many(addresses),
        }
    }
}

impl<T: ToString> From<T> for Addresses {
    fn from(address: T) -> Self {
        Self(vec![address.to_string()])
    }
}

impl<T: ToString> FromIterator<T> for Addresses {
    /// Several; of none comes one that resolves to nothing.
    fn from_iter<I: IntoIterator<Item = T>>(addresses: I) -> Self {
        let addresses: Vec<_> = addresses.into_iter().map(|a| a.to_string()).collect();
        Self(if addresses.is_empty() { vec![String::new()] } else { addresses })
    }
}

/// What to accept at most, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Offers worked on at a time; more are refused as busy. Each computation uses all cores, so that more of them only
    /// take turns.
    pub offers: u16,
    /// Proving keys kept in memory; a slice of one counts like one.
    pub resident_circuits: usize,
    /// Slices of proving keys kept on disk; the oldest make room for new ones.
    pub kept_slices: usize,
    /// Bytes of a proving key that is fetched from the coordinator.
    pub zkey_bytes: u64,
    /// Bytes of an offer, its envelope included.
    pub offer_bytes: usize,
    /// Seconds that a sealing key lives. It is replaced halfway and destroyed at the end: until then, whoever takes it
    /// opens every envelope that was sealed to it.
    pub sealing_key_seconds: u64,
    /// Seconds in which the coordinator must finish a handshake or a message once it has begun.
    pub peer_seconds: u64,
    /// The longest pause, in seconds, between two attempts to reach the coordinator.
    pub retry_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            offers: 4,
            resident_circuits: 2,
            kept_slices: 64,
            zkey_bytes: 4 << 30,
            offer_bytes: 265 << 20,
            sealing_key_seconds: 7 * 24 * 3600,
            peer_seconds: 30,
            retry_seconds: 30,
        }
    }
}

impl Config {
    /// The default configuration for a coordinator.
    pub fn new(
        data_dir: impl Into<PathBuf>,
        name: impl Into<String>,
        coordinator: impl Into<Addresses>,
        coordinator_identity: IdentityKey,
    ) -> Self {
        Self {
            data_dir: data_dir.into(),
            name: name.into(),
            coordinator: coordinator.into(),
            coordinator_identity,
            limits: Limits::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_coordinator_has_one_address_or_several() {
        let read = |coordinator: &str| {
            let key = "11".repeat(32);
            toml::from_str::<Config>(&format!(
                "data_dir = \"/x\"\nname = \"a\"\ncoordinator = {coordinator}\ncoordinator_identity = \"{key}\"\n"
            ))
        };
        for (text, addresses) in [("\"a:1\"", vec!["a:1"]), ("[\"a:1\", \"b:2\"]", vec!["a:1", "b:2"])] {
            let config = read(text).unwrap();
            assert_eq!(config.coordinator.iter().collect::<Vec<_>>(), addresses);
            let again: Config = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
            assert_eq!(again, config);
        }
        assert!(read("[]").is_err());
    }
}
