//! What an operator decides.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnectOptions;
use tacit_wire::IdentityKey;
use thiserror::Error;

use crate::access::Access;

/// A coordinator's configuration; its TOML form is the file that `tacit coordinator run` reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where everything is kept; created for its owner only.
    pub data_dir: PathBuf,
    /// Where clients reach the HTTPS API. Port 0 takes a free one.
    #[serde(default = "default_http")]
    pub http_listen: SocketAddr,
    /// Where nodes reach this coordinator, over UDP. Port 0 takes a free one.
    #[serde(default = "default_quic")]
    pub quic_listen: SocketAddr,
    /// Where Prometheus fetches `/metrics`, over plain HTTP: keep it where only it can reach. Without it nothing is
    /// served there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_listen: Option<SocketAddr>,
    /// Host names and addresses under which clients reach the API; they go into the TLS certificate when it is made.
    #[serde(default = "default_names")]
    pub tls_names: Vec<String>,
    /// The file with the passphrase that the identity and the assembler's keys are encrypted under; a first run encrypts them so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    /// Or the file with the key (32 random bytes) that they are encrypted under; outside of the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// `postgres://...`, which several coordinators may share; without it, SQLite in the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseUrl>,
    /// A TLS certificate for browsers, which take none of Ed25519. Without it they are shown one that is made at each
    /// start, and warn. Programs of ours see the identity's in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser_certificate: Option<CertificateFiles>,
    /// Whether clients need an API key: `open` or `keys`. Without it, `open` if only this machine can reach
    /// `http_listen`, else `keys`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// The word without which `access = "open"` is refused where others can reach `http_listen`.
    #[serde(default)]
    pub open_to_everybody: bool,
    /// What to accept at most.
    #[serde(default)]
    pub limits: Limits,
    /// Nodes that may connect; nobody else's connection gets further than its handshake.
    #[serde(default)]
    pub nodes: Vec<AllowedNode>,
}

/// A certificate with its key, in PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The certificate and those that vouch for it.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A node that may connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedNode {
    /// What logs and errors call it.
    pub name: String,
    /// Its Ed25519 identity, 64 hexadecimal digits.
    pub identity: IdentityKey,
    /// Who runs it.
    pub operator: String,
}

/// What to accept at most, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a proving key.
    pub zkey_bytes: u64,
    /// Bytes of a constraint system.
    pub r1cs_bytes: u64,
    /// Circuits kept.
    pub circuits: u64,
    /// Bytes of their files, constraint systems among them.
    pub circuit_bytes: u64,
    /// Bytes of a submitted job, all its envelopes together.
    pub job_bytes: usize,
    /// Jobs that have not ended.
    pub open_jobs: u64,
    /// Jobs of one API key that have not ended.
    pub client_open_jobs: u64,
    /// Bytes of the headers and envelopes of jobs that have not ended.
    pub envelope_bytes: u64,
    /// The same of one API key's jobs.
    pub client_envelope_bytes: u64,
    /// Bytes of the headers, answers and proofs of jobs that have ended: where there are more, the oldest are forgotten before their time.
    pub kept_bytes: u64,
    /// The same of one API key's jobs.
    pub client_kept_bytes: u64,
    /// Circuits that one API key of the role `client` may register; with 0, operators alone register circuits.
    pub client_circuits: u64,
    /// Bytes of the files of circuits that one API key of the role `client` registered.
    pub client_circuit_bytes: u64,
    /// Seconds between now and the expiry of a deal.
    pub deal_seconds: u64,
    /// Seconds for which an ended job and its proof are kept.
    pub keep_seconds: u64,
    /// Seconds that one long poll waits.
    pub poll_seconds: u64,
    /// HTTPS connections at a time.
    pub http_connections: usize,
    /// Offers that one node works on at a time, whatever it asks for.
    pub offers_in_flight: u16,
    /// Seconds in which a request's body must have arrived.
    pub upload_seconds: u64,
    /// Bytes a second that a request's body must bring, after its first ten seconds.
    pub upload_bytes_per_second: u64,
    /// Seconds for which nothing may happen on an HTTPS connection.
    pub idle_seconds: u64,
    /// HTTPS connections at a time from one address.
    pub client_connections: usize,
    /// Requests of one client in a second, over a while.
    pub client_requests_per_second: u32,
    /// Requests of one client that may come at once.
    pub client_requests_burst: u32,
    /// Requests in progress from one address, event streams among them.
    pub client_requests_at_once: usize,
    /// Event streams of one API key, and from one address.
    pub client_streams: usize,
    /// Memory for answers that clients have not taken yet; where keys are needed, a quarter of it is for addresses without one. One client has at most
    /// a quarter of its part.
    pub answer_bytes: usize,
    /// Bytes a second of an answer that a client must take.
    pub answer_bytes_per_second: u64,
    /// Memory for envelopes on their way to nodes; one node has at most half of it.
    pub relay_bytes: usize,
    /// Bytes a second of an offer that a node must take.
    pub relay_bytes_per_second: u64,
    /// Seconds in which a peer must finish a handshake or a message once it has begun.
    pub peer_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            zkey_bytes: 4 << 30,
            r1cs_bytes: 2 << 30,
            circuits: 256,
            circuit_bytes: 256 << 30,
            job_bytes: 512 << 20,
            open_jobs: 10_000,
            client_open_jobs: 2_500,
            envelope_bytes: 64 << 30,
            client_envelope_bytes: 16 << 30,
            kept_bytes: 64 << 30,
            client_kept_bytes: 16 << 30,
            client_circuits: 16,
            client_circuit_bytes: 64 << 30,
            deal_seconds: 24 * 3600,
            keep_seconds: 7 * 24 * 3600,
            poll_seconds: 30,
            http_connections: 1024,
            offers_in_flight: 4,
            upload_seconds: 600,
            upload_bytes_per_second: 4096,
            idle_seconds: 120,
            client_connections: 256,
            client_requests_per_second: 500,
            client_requests_burst: 2000,
            client_requests_at_once: 1024,
            client_streams: 64,
            answer_bytes: 64 << 20,
            answer_bytes_per_second: 4096,
            relay_bytes: 1 << 30,
            relay_bytes_per_second: 64 << 10,
            peer_seconds: 30,
        }
    }
}

impl Config {
    /// The default configuration for a data directory: loopback, the standard ports, no nodes.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            http_listen: default_http(),
            quic_listen: default_quic(),
            metrics_listen: None,
            tls_names: default_names(),
            passphrase_file: None,
            key_file: None,
            database: None,
            browser_certificate: None,
            access: None,
            open_to_everybody: false,
            limits: Limits::default(),
            nodes: Vec::new(),
        }
    }
}

/// Where a PostgreSQL database is. It may hold a password, which is shown nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatabaseUrl(String);

/// Why a text is no [`DatabaseUrl`]. The text is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the database must be postgres://USER:PASSWORD@HOST:PORT/NAME ({0}); without the setting it is SQLite in the data directory"
)]
pub struct DatabaseUrlError(String);

impl DatabaseUrl {
    /// The whole text.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(DatabaseUrlError("it begins otherwise".to_owned()));
        }
        PgConnectOptions::from_str(text).map_err(|e| DatabaseUrlError(e.to_string()))?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = DatabaseUrlError;

    fn try_from(text: String) -> Result<Self, DatabaseUrlError> {
        text.parse()
    }
}

impl From<DatabaseUrl> for String {
    fn from(url: DatabaseUrl) -> Self {
        url.0
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(options) = PgConnectOptions::from_str(&self.0) else { return f.write_str("postgres://...") };
        let database = options.get_database().unwrap_or(options.get_username());
        match options.get_socket() {
            Some(socket) => write!(f, "postgres://{}/{database}", socket.display()),
            None => write!(f, "postgres://{}:{}/{database}", options.get_host(), options.get_port()),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn default_http() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 7443).into()
}

fn default_quic() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 7444).into()
}

fn default_names() -> Vec<String> {
    vec!["localhost".to_owned(), "127.0.0.1".to_owned()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_short_file_is_enough_and_typing_errors_are_caught() {
        let key = "11".repeat(32);
        let text = format!(
            "data_dir = \"/var/lib/tacit\"\n[limits]\nopen_jobs = 5\n[[nodes]]\nname = \"a\"\nidentity = \"{key}\"\noperator = \"x\"\n"
        );
        let config: Config = toml::from_str(&text).unwrap();
        assert_eq!(config.limits, Limits { open_jobs: 5, ..Limits::default() });
        assert_eq!(config.nodes.len(), 1);
        assert_eq!(toml::from_str::<Config>(&toml::to_string(&config).unwrap()).unwrap(), config);
        assert!(toml::from_str::<Config>("data_dir = \"/x\"\nhttp_listn = \"127.0.0.1:1\"\n").is_err());
    }

    #[test]
    fn the_operators_page_shows_every_limit_with_its_default() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/operators.md");
        let page = std::fs::read_to_string(page).unwrap();
        let (_, limits) = page.split_once("\n[limits]").unwrap();
        let (limits, _) = limits.split_once("```").unwrap();
        let (_, limits) = limits.split_once('\n').unwrap();
        assert_eq!(toml::from_str::<Limits>(limits).unwrap(), Limits::default());
        let toml::Value::Table(all) = toml::Value::try_from(Limits::default()).unwrap() else { panic!() };
        let limits = format!("\n{limits}");
        for name in all.keys() {
            assert!(limits.contains(&format!("\n{name} = ")), "docs/src/operators.md does not show {name}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = "postgres://tacit:s3cret@db.example:5433/jobs?password=s3cret";
        let text = format!("data_dir = \"/x\"\ndatabase = \"{url}\"\n");
        let config: Config = toml::from_str(&text).unwrap();
        assert_eq!(config.database.as_ref().unwrap().reveal(), url);
        let shown = format!("{config:?} {}", config.database.as_ref().unwrap());
        assert!(shown.contains("postgres://db.example:5433/jobs") && !shown.contains("s3cret"), "{shown}");
        for bad in ["sqlite://s3cret", "postgres://tacit:s3cret@db:port/x", "s3cret"] {
            let error =
                toml::from_str::<Config>(&format!("data_dir = \"/x\"\ndatabase = \"{bad}\"\n")).unwrap_err();
            assert!(
                error.message().contains("the database must be") && !error.message().contains("s3cret"),
                "{error}"
            );
        }
    }
}
