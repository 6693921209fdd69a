//! `network.toml`: what a client pins instead of taking it on trust.
//!
//! ```toml
//! version = 1
//! name = "local"
//!
//! [coordinator]
//! urls = ["https://127.0.0.1:7443"]
//! identity = "ed25519:…"            # signs its TLS certificate and its assembler key
//! # api_key_file = "client.key"      # only if the coordinator asks for a key; relative to this file
//! # certificate = "sha256:…"        # only if its operator brought a TLS certificate: digest of that one's public key
//!
//! [[nodes]]
//! name = "node-1"
//! identity = "ed25519:…"            # signs the node's sealing keys, acknowledgements and responses
//! operator = "alice"                # one seat per operator in a committee
//! vouched_by = "tacit network up"   # who says that this identity is this operator's
//!
//! # [committee]                     # optional: whom committees are drawn from, by nodes' names or by operators
//! # nodes = ["node-1", "alice"]     # nobody else
//! # avoid = ["node-2"]              # everybody else
//! ```
//!
//! Nothing in the file is secret (an API key is in a file of its own), everything in it decides whom the witness is shared with: keep it where others
//! cannot write.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tacit_net::CertificatePin;
use tacit_wire::IdentityKey;
use thiserror::Error;

use crate::hex32;

/// The only version of the file there is.
pub const NETWORK_FILE_VERSION: u32 = 1;

/// A file larger than this is not a `network.toml`.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// A network's pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// What the user calls it.
    pub name: String,
    /// The coordinator.
    pub coordinator: PinnedCoordinator,
    /// The nodes that are known.
    pub nodes: Vec<PinnedNode>,
    /// Which of them may sit in a committee.
    pub choice: Choice,
}

/// Which of the pinned nodes committees are drawn from, by identities.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// Only these; `None`: all.
    pub only: Option<Vec<[u8; 32]>>,
    /// Never these.
    pub avoid: Vec<[u8; 32]>,
}

/// Where the coordinator is and how it is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedCoordinator {
    /// `https://` base URLs, tried in order.
    pub urls: Vec<String>,
    /// Its Ed25519 identity, which signs its own TLS certificate and certifies its assembler key.
    pub identity: [u8; 32],
    /// SHA-256 of the `SubjectPublicKeyInfo` of a TLS certificate that its operator brought (for browsers). Without it
    /// the certificate must be the one that the identity signs for itself.
    pub certificate: Option<[u8; 32]>,
    /// The file with the API key that the coordinator asks for, where it does.
    pub api_key_file: Option<PathBuf>,
}

/// A node that the user accepts in committees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedNode {
    /// What messages call it.
    pub name: String,
    /// Its Ed25519 verifying key.
    pub identity: [u8; 32],
    /// Who runs it; no operator has two seats in a committee.
    pub operator: String,
    /// Who says so.
    pub vouched_by: String,
}

/// What is wrong with a `network.toml`, where, and the way out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The file cannot be read or written.
    #[error("{path}: {source}; `tacit network up --dir DIR` writes one for a local network", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not TOML, or a key that does not exist, or a value of the wrong type.
    #[error("network.toml does not parse: {0}")]
    Syntax(String),
    /// A key that must be there is not.
    #[error("network.toml: `{key}` is missing; {way_out}")]
    Missing {
        /// The key, as a path (`nodes[2].identity`).
        key: String,
        /// What to write.
        way_out: &'static str,
    },
    /// A value that is not what its key takes.
    #[error("network.toml: `{key}` is not valid: {reason}")]
    Invalid {
        /// The key, as a path.
        key: String,
        /// What is wrong and what is expected.
        reason: String,
    },
    /// A list of nodes names one that is not pinned.
    #[error("{list}: no node and no operator in network.toml is called {word:?}; there are {known}")]
    NoSuchNode {
        /// Which list: a key, or an option of the command line.
        list: &'static str,
        /// The word.
        word: String,
        /// Names of nodes and operators.
        known: String,
    },
    /// Two entries that must differ do not.
    #[error("network.toml: `{key}` repeats the {what} of `{first}`; every node is listed once")]
    Duplicate {
        /// The later key.
        key: String,
        /// The earlier key.
        first: String,
        /// `name` or `identity`.
        what: &'static str,
    },
    /// Written by a later Tacit.
    #[error(
        "network.toml: version {got} is not known, this program reads version {NETWORK_FILE_VERSION}; update tacit"
    )]
    Version {
        /// The version in the file.
        got: u32,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNetwork {
    version: Option<u32>,
    name: Option<String>,
    coordinator: Option<RawCoordinator>,
    #[serde(default)]
    nodes: Vec<RawNode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    committee: Option<RawCommittee>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCommittee {
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    avoid: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCoordinator {
    urls: Option<Vec<String>>,
    identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_file: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNode {
    name: Option<String>,
    identity: Option<String>,
    operator: Option<String>,
    vouched_by: Option<String>,
}

impl PinnedCoordinator {
    /// What its TLS certificate must match.
    pub fn pin(&self) -> CertificatePin {
        match self.certificate {
            Some(spki) => CertificatePin::Spki(spki),
            None => CertificatePin::Identity(IdentityKey(self.identity)),
        }
    }
}

impl Network {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// See [`NetworkError`].
    pub fn load(path: &Path) -> Result<Self, NetworkError> {
        let io = |source| NetworkError::Io { path: path.to_owned(), source };
        let size = std::fs::metadata(path).map_err(io)?.len();
        if size > MAX_FILE_BYTES {
            return Err(NetworkError::Syntax(format!("{size} bytes are too many for a network.toml")));
        }
        let mut network = Self::parse(&std::fs::read_to_string(path).map_err(io)?)?;
        if let (Some(file), Some(folder)) = (&mut network.coordinator.api_key_file, path.parent()) {
            *file = folder.join(&*file);
        }
        Ok(network)
    }

    /// Checks the text of a file.
    ///
    /// # Errors
    /// See [`NetworkError`].
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        // The version first: a later file may have keys that this program does not know.
        let table: toml::Table = text.parse().map_err(syntax)?;
        match table.get("version").map(toml::Value::as_integer) {
            None => {
                return Err(NetworkError::Missing {
                    key: "version".into(),
                    way_out: "begin the file with `version = 1`",
                });
            }
            Some(Some(got)) if got == i64::from(NETWORK_FILE_VERSION) => {}
            Some(Some(got)) if u32::try_from(got).is_ok() => {
                return Err(NetworkError::Version { got: u32::try_from(got).unwrap_or(0) });
            }
            Some(_) => return Err(invalid("version", "expected the number 1")),
        }
        let raw: RawNetwork = toml::from_str(text).map_err(syntax)?;
        let name = raw.name.unwrap_or_else(|| "unnamed".to_owned());
        let coordinator = coordinator(raw.coordinator)?;
        if raw.nodes.is_empty() {
            return Err(NetworkError::Missing {
                key: "nodes".into(),
                way_out: "add a `[[nodes]]` table with name, identity, operator and vouched_by for each node you accept",
            });
        }
        let nodes =
            raw.nodes.into_iter().enumerate().map(|(i, n)| node(i, n)).collect::<Result<Vec<_>, _>>()?;
        let mut network = Self { name, coordinator, nodes, choice: Choice::default() };
        network.check_duplicates()?;
        if let Some(RawCommittee { nodes, avoid }) = raw.committee {
            network.narrow(("committee.nodes", nodes.as_deref()), ("committee.avoid", &avoid))?;
        }
        Ok(network)
    }

    /// Narrows the [choice](Network::choice): to these nodes, if any are named, and without those others. Each word is a node's name or an operator, which
    /// stands for all its nodes; each list comes with what errors call it.
    ///
    /// # Errors
    /// [`NetworkError::NoSuchNode`].
    pub fn narrow(
        &mut self,
        (only_list, only): (&'static str, Option<&[String]>),
        (avoid_list, avoid): (&'static str, &[String]),
    ) -> Result<(), NetworkError> {
        let avoid = self.named(avoid_list, avoid)?;
        if let Some(only) = only {
            let mut only = self.named(only_list, only)?;
            if let Some(earlier) = &self.choice.only {
                only.retain(|identity| earlier.contains(identity));
            }
            self.choice.only = Some(only);
        }
        let new =
            avoid.into_iter().filter(|identity| !self.choice.avoid.contains(identity)).collect::<Vec<_>>();
        self.choice.avoid.extend(new);
        Ok(())
    }

    /// Identities by the names of nodes and operators, in the order of the file.
    fn named(&self, list: &'static str, words: &[String]) -> Result<Vec<[u8; 32]>, NetworkError> {
        let is = |node: &PinnedNode, word: &String| {
            node.name == *word || node.operator.to_lowercase() == word.to_lowercase()
        };
        if let Some(word) = words.iter().find(|word| !self.nodes.iter().any(|node| is(node, word))) {
            let mut known: Vec<&str> =
                self.nodes.iter().flat_map(|n| [n.name.as_str(), n.operator.as_str()]).collect();
            known.sort_unstable();
            known.dedup();
            return Err(NetworkError::NoSuchNode { list, word: word.clone(), known: known.join(", ") });
        }
        let chosen = self.nodes.iter().filter(|node| words.iter().any(|word| is(node, word)));
        Ok(chosen.map(|node| node.identity).collect())
    }

    /// The names of nodes with these identities.
    fn names(&self, identities: &[[u8; 32]]) -> Vec<String> {
        let known = self.nodes.iter().filter(|node| identities.contains(&node.identity));
        known.map(|node| node.name.clone()).collect()
    }

    /// The text of the file.
    ///
    /// # Errors
    /// When the network would not be accepted by [`Network::parse`].
    pub fn to_toml(&self) -> Result<String, NetworkError> {
        let raw = RawNetwork {
            version: Some(NETWORK_FILE_VERSION),
            name: Some(self.name.clone()),
            coordinator: Some(RawCoordinator {
                urls: Some(self.coordinator.urls.clone()),
                identity: Some(hex32::write("ed25519", &self.coordinator.identity)),
                certificate: self.coordinator.certificate.as_ref().map(|pin| hex32::write("sha256", pin)),
                api_key_file: self.coordinator.api_key_file.clone(),
            }),
            nodes: self
                .nodes
                .iter()
                .map(|n| RawNode {
                    name: Some(n.name.clone()),
                    identity: Some(hex32::write("ed25519", &n.identity)),
                    operator: Some(n.operator.clone()),
                    vouched_by: Some(n.vouched_by.clone()),
                })
                .collect(),
            committee: (self.choice != Choice::default()).then(|| RawCommittee {
                nodes: self.choice.only.as_ref().map(|only| self.names(only)),
                avoid: self.names(&self.choice.avoid),
            }),
        };
        let body = toml::to_string(&raw).map_err(|e| NetworkError::Syntax(e.to_string()))?;
        let text = format!("{HEADER}{body}");
        Self::parse(&text)?;
        Ok(text)
    }

    /// Writes the file, replacing an earlier one at once: a reader sees the old file or the new one.
    ///
    /// # Errors
    /// When the network is not valid or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), NetworkError> {
        let text = self.to_toml()?;
        let io = |source| NetworkError::Io { path: path.to_owned(), source };
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{}.partial", std::process::id()));
        let partial = PathBuf::from(partial);
        std::fs::write(&partial, text).map_err(io)?;
        std::fs::rename(&partial, path).map_err(|source| {
            let _ = std::fs::remove_file(&partial);
            io(source)
        })
    }

    /// The pin of an identity.
    pub fn node(&self, identity: &[u8; 32]) -> Option<&PinnedNode> {
        self.nodes.iter().find(|n| n.identity == *identity)
    }

    fn check_duplicates(&self) -> Result<(), NetworkError> {
        let (mut names, mut identities) = (HashMap::new(), HashMap::new());
        for (i, node) in self.nodes.iter().enumerate() {
            let earlier = [
                ("name", names.insert(node.name.as_str(), i)),
                ("identity", identities.insert(node.identity, i)),
            ];
            for (what, first) in earlier {
                if let Some(first) = first {
                    return Err(NetworkError::Duplicate {
                        key: format!("nodes[{i}].{what}"),
                        first: format!("nodes[{first}].{what}"),
                        what,
                    });
                }
            }
        }
        Ok(())
    }
}

const HEADER: &str = "# The Tacit network that this client accepts. Nothing here is secret; everything here decides\n\
                      # whom a witness is shared with. Compare the identities with what each operator publishes.\n\n";

fn syntax(error: toml::de::Error) -> NetworkError {
    NetworkError::Syntax(error.to_string())
}

fn invalid(key: impl Into<String>, reason: impl Into<String>) -> NetworkError {
    NetworkError::Invalid { key: key.into(), reason: reason.into() }
}

fn coordinator(raw: Option<RawCoordinator>) -> Result<PinnedCoordinator, NetworkError> {
    let missing = |key: &str, way_out| NetworkError::Missing { key: key.to_owned(), way_out };
    let raw =
        raw.ok_or_else(|| missing("coordinator", "add a `[coordinator]` table with `urls` and `identity`"))?;
    let urls = raw.urls.ok_or_else(|| {
        missing("coordinator.urls", "give at least one base URL, as in `urls = [\"https://127.0.0.1:7443\"]`")
    })?;
    if urls.is_empty() {
        return Err(missing("coordinator.urls", "give at least one base URL"));
    }
    let urls = urls
        .into_iter()
        .enumerate()
        .map(|(i, url)| base_url(&url).map_err(|reason| invalid(format!("coordinator.urls[{i}]"), reason)))
        .collect::<Result<_, _>>()?;
    let identity = raw.identity.ok_or_else(|| {
        missing(
            "coordinator.identity",
            "the coordinator prints it when it starts; write `identity = \"ed25519:…\"`",
        )
    })?;
    let identity =
        hex32::read("ed25519", &identity).map_err(|reason| invalid("coordinator.identity", reason))?;
    let certificate = raw
        .certificate
        .map(|pin| hex32::read("sha256", &pin).map_err(|reason| invalid("coordinator.certificate", reason)))
        .transpose()?;
    Ok(PinnedCoordinator { urls, identity, certificate, api_key_file: raw.api_key_file })
}

fn node(i: usize, raw: RawNode) -> Result<PinnedNode, NetworkError> {
    let text = |value: Option<String>, name: &str, way_out| {
        let value =
            value.ok_or_else(|| NetworkError::Missing { key: format!("nodes[{i}].{name}"), way_out })?;
        // Names are printed in errors and compared: no control characters, no invisible differences at the ends.
        if value.is_empty() || value.trim() != value || value.chars().any(char::is_control) {
            return Err(invalid(
                format!("nodes[{i}].{name}"),
                "expected a text that is not empty, with no control characters and no blanks around it",
            ));
        }
        Ok(value)
    };
    let name = text(raw.name, "name", "give the node a name, messages use it")?;
    let operator =
        text(raw.operator, "operator", "say who runs the node; no operator gets two seats in a committee")?;
    let vouched_by = text(
        raw.vouched_by,
        "vouched_by",
        "say from whom you have the identity (a URL, a person, a registry)",
    )?;
    let identity = text(raw.identity, "identity", "`tacit node init` prints it on the node's machine")?;
    let key = format!("nodes[{i}].identity");
    let identity = hex32::read("ed25519", &identity).map_err(|reason| invalid(key, reason))?;
    Ok(PinnedNode { name, identity, operator, vouched_by })
}

/// Checks a base URL and cuts the slash at its end, so that paths can be appended.
fn base_url(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|e| format!("{text:?} is not a URL ({e})"))?;
    if url.scheme() != "https" {
        return Err(format!("{text:?}: the scheme must be https, the coordinator speaks nothing else"));
    }
    if url.host_str().is_none() || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{text:?}: expected a base URL, as in https://coordinator.example:7443"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{text:?}: no user name or password belongs here"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests;
