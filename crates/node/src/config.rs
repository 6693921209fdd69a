//! What an operator decides.
//!
//! The limits are written down once, here: the structure, its defaults and the annotated file that `tacit node init` writes come from the same lines.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tacit_vault::{Unlock, VaultError};
use tacit_wire::IdentityKey;

use crate::error::NodeError;

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
    /// The file with the passphrase that the keys are encrypted under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    /// The file with the key that the keys are encrypted under; outside of the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Where `/metrics` and `/healthz` are served, without encryption: an address of this machine or of a private network. Nowhere by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_listen: Option<SocketAddr>,
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

/// A setting, for the annotated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its key.
    pub name: &'static str,
    /// What it means, in the lines of its documentation.
    pub meaning: &'static [&'static str],
    /// Its default, as TOML has it.
    pub default: String,
}

macro_rules! settings {
    (
        $(#[$outer:meta])*
        pub struct $name:ident {
            $($(#[doc = $doc:literal])+ pub $field:ident: $type:ty = $default:expr,)*
        }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            /// Every setting with its meaning and default.
            pub fn settings() -> Vec<Setting> {
                let Self { $($field,)* } = Self::default();
                vec![$(Setting {
                    name: stringify!($field),
                    meaning: &[$($doc),+],
                    default: $field.to_string(),
                },)*]
            }
        }
    };
}

settings! {
    /// What to accept at most, and for how long.
    pub struct Limits {
        /// Offers in hand at a time, the one that is computed included; more are refused as busy. Each computation uses all cores, so that they take turns.
        pub offers: u16 = 4,
        /// Of these, how many one client may have in hand (by the key that signs its deals); 0: all but one, so that another client always finds a place.
        pub client_offers: u16 = 0,
        /// Seconds of computing that one client gets in an hour; more is refused as busy. 0: no limit.
        pub client_seconds: u64 = 0,
        /// Bytes of proving keys that are read and written in an hour because one client has them cut in ways that are new here (with `--groups`); more is refused as busy. 0: no limit.
        pub client_cut_bytes: u64 = 32 << 30,
        /// The same for all clients together, because a client can take new keys.
        pub cut_bytes: u64 = 256 << 30,
        /// Bytes of circuits that are fetched from the coordinator in an hour for one client; more is refused as busy. 0: no limit.
        pub client_fetch_bytes: u64 = 8 << 30,
        /// The same for all clients together.
        pub fetch_bytes: u64 = 64 << 30,
        /// Bytes of memory for envelopes, opened packages, proving keys and what computing needs beside them; 0: half of this machine's (or container's) memory.
        pub memory_bytes: u64 = 0,
        /// Bytes of disk for prepared proving keys, slices, bases, what is being fetched, and records; of the first three, the least recently used make room for new ones.
        pub disk_bytes: u64 = 64 << 30,
        /// Slices of proving keys kept on disk; the least recently used make room for new ones.
        pub kept_slices: usize = 64,
        /// Bytes of records of what was answered, which stay until the sealing keys of their envelopes are destroyed. When they are used up, new deals are refused as busy.
        pub records_bytes: u64 = 4 << 30,
        /// Bytes of a proving key that is fetched from the coordinator.
        pub zkey_bytes: u64 = 4 << 30,
        /// Bytes of an offer, its envelope included.
        pub offer_bytes: usize = 265 << 20,
        /// Seconds that a sealing key lives. It is replaced halfway and destroyed at the end: until then, whoever takes it opens every envelope that was sealed to it.
        pub sealing_key_seconds: u64 = 7 * 24 * 3600,
        /// Seconds in which the coordinator must finish a handshake or a message once it has begun.
        pub peer_seconds: u64 = 30,
        /// The longest pause, in seconds, between two attempts to reach the coordinator.
        pub retry_seconds: u64 = 30,
        /// Seconds that offers in hand may take to end when the node is asked to stop; what is cut off then is finished after the next start.
        pub drain_seconds: u64 = 60,
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
            passphrase_file: None,
            key_file: None,
            metrics_listen: None,
            limits: Limits::default(),
        }
    }

    /// What unlocks the keys, from the files that the configuration names.
    ///
    /// # Errors
    /// See [`Unlock::from_files`].
    pub fn unlock(&self) -> Result<Unlock, VaultError> {
        Unlock::from_files(self.passphrase_file.as_deref(), self.key_file.as_deref(), &self.data_dir)
    }

    /// Refuses values with which nothing would work.
    ///
    /// # Errors
    /// [`NodeError::Config`], which names the setting.
    pub fn check(&self) -> Result<(), NodeError> {
        let Limits { offers, offer_bytes, peer_seconds, disk_bytes, sealing_key_seconds, .. } = self.limits;
        let zero = [
            ("limits.offers", offers == 0),
            ("limits.offer_bytes", offer_bytes == 0),
            ("limits.peer_seconds", peer_seconds == 0),
            ("limits.disk_bytes", disk_bytes == 0),
        ];
        if let Some((name, _)) = zero.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(NodeError::Config(format!("{name} must not be zero")));
        }
        if sealing_key_seconds < 2 {
            return Err(NodeError::Config("limits.sealing_key_seconds must be at least 2".to_owned()));
        }
        Ok(())
    }
}

/// The settings of [`Config`] that stand outside of its limits and need not be given.
const OPTIONAL: [(&str, &str, &str); 3] = [
    (
        "passphrase_file",
        "The file with the passphrase that this node's keys are encrypted under, readable by its owner (and group) only. Without it: --passphrase-file, \
         TACIT_PASSPHRASE_FILE, the systemd credential tacit-passphrase, or the terminal.",
        "\"/run/keys/tacit-passphrase\"",
    ),
    (
        "key_file",
        "Or the file with the key (32 random bytes) that they are encrypted under; outside of the data directory. Without it: --key-file or the systemd credential \
         tacit-key.",
        "\"/etc/tacit/node.key\"",
    ),
    (
        "metrics_listen",
        "Where /metrics (Prometheus) and /healthz are served, without encryption: an address of this machine or of a private network.",
        "\"127.0.0.1:9464\"",
    ),
];

/// The annotated file: what must be given is given, everything else stands there with its meaning and its default, commented out.
pub fn annotated(
    name: &str,
    coordinator: &str,
    coordinator_identity: &str,
    given: &[(&str, String)],
) -> String {
    let mut text = String::from(
        "# A prover node of a Tacit network. It computes on shares of witnesses and never sees one.\n\
         # What is commented out shows the default, or an example where there is none.\n\n",
    );
    let mut put = |meaning: &str, line: String| {
        for line in folded(meaning) {
            text.push_str(&format!("# {line}\n"));
        }
        text.push_str(&line);
        text.push_str("\n\n");
    };
    put("What logs call it.", format!("name = {}", quoted(name)));
    put(
        "The coordinator that it dials (host:port, QUIC over UDP), or a list of its addresses. The node needs no open port itself.",
        format!("coordinator = {}", quoted(coordinator)),
    );
    put(
        "The coordinator's identity, 64 hexadecimal digits. Nobody else is spoken to.",
        format!("coordinator_identity = {}", quoted(coordinator_identity)),
    );
    for (name, meaning, example) in OPTIONAL {
        let given = given.iter().find(|(given, _)| *given == name);
        put(
            meaning,
            match given {
                Some((_, value)) => format!("{name} = {value}"),
                None => format!("# {name} = {example}"),
            },
        );
    }
    text.push_str("[limits]\n\n");
    for Setting { name, meaning, default } in Limits::settings() {
        let given = given.iter().find(|(given, _)| *given == name);
        for line in folded(&meaning.join(" ")) {
            text.push_str(&format!("# {line}\n"));
        }
        text.push_str(&match given {
            Some((_, value)) => format!("{name} = {value}\n\n"),
            None => format!("# {name} = {default}\n\n"),
        });
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A string as TOML has it.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Lines of at most 100 characters.
fn folded(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < 100 => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const IDENTITY: &str = "0101010101010101010101010101010101010101010101010101010101010101";

    fn parse(text: &str) -> Config {
        let mut table: toml::Table = text.parse().unwrap();
        table.insert("data_dir".to_owned(), "data".into());
        table.try_into().unwrap()
    }

    /// The file with its settings no longer commented out.
    fn uncommented(text: &str) -> String {
        let names: Vec<&str> =
            Limits::settings().iter().map(|s| s.name).chain(OPTIONAL.map(|(name, ..)| name)).collect();
        let line = |line: &str| {
            let bare = line
                .strip_prefix("# ")
                .filter(|rest| names.iter().any(|n| rest.starts_with(&format!("{n} = "))));
            bare.unwrap_or(line).to_owned() + "\n"
        };
        text.lines().map(line).collect()
    }

    #[test]
    fn the_annotated_file_shows_every_setting_with_its_default() {
        let text = annotated("a \"node\"", "host:1", IDENTITY, &[]);
        let expected = Config::new("data", "a \"node\"", "host:1", IDENTITY.parse().unwrap());
        assert_eq!(parse(&text), expected);
        // Uncommented, the limits are what the defaults are, and the examples parse.
        let all = parse(&uncommented(&text));
        assert_eq!(all.limits, Limits::default());
        assert!(all.passphrase_file.is_some() && all.key_file.is_some() && all.metrics_listen.is_some());
        // Nothing is missing: what is written of a full configuration are the keys that the file has.
        let keys = |table: &toml::Table| {
            let limits = table.get("limits").and_then(|l| l.as_table()).unwrap().clone();
            table.keys().chain(limits.keys()).cloned().collect::<std::collections::BTreeSet<_>>()
        };
        let mut shown: toml::Table = uncommented(&text).parse().unwrap();
        shown.insert("data_dir".to_owned(), "data".into());
        assert_eq!(keys(&toml::Table::try_from(&all).unwrap()), keys(&shown));
        assert!(text.lines().all(|line| line.len() <= 110));
    }

    #[test]
    fn what_is_given_stands_in_the_file() {
        let given = [("key_file", quoted("/k")), ("sealing_key_seconds", "3600".to_owned())];
        let config = parse(&annotated("n", "host:1", IDENTITY, &given));
        assert_eq!(config.key_file, Some("/k".into()));
        assert_eq!(config.limits, Limits { sealing_key_seconds: 3600, ..Limits::default() });
    }

    #[test]
    fn values_with_which_nothing_works_are_named() {
        let mut config = Config::new("data", "n", "host:1", IdentityKey([1; 32]));
        config.check().unwrap();
        config.limits.offers = 0;
        assert!(config.check().unwrap_err().to_string().contains("limits.offers"));
        config.limits.offers = 1;
        config.limits.sealing_key_seconds = 1;
        assert!(config.check().unwrap_err().to_string().contains("sealing_key_seconds"));
    }

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
