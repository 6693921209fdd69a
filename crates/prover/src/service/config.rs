//! What an operator decides, and the secrets that a wallet folder gives.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tacit_pool::delivery::{Place, ReceivingAddress};
use tacit_pool::orders::OrderKey;
use tacit_pool::{Address, Amount, Rules};
use tacit_wire::SealingKeyPair;

/// The settings of a service.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// Where it keeps what it accepted, for itself only.
    pub folder: PathBuf,
    /// Where it listens, without encryption: for a reverse proxy that has the endpoint's certificate. Requests are sealed in any case.
    pub listen: SocketAddr,
    /// Where `/metrics` and `/healthz` are, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether requests come through a proxy that puts the client's address at the end of `X-Forwarded-For`.
    pub behind_proxy: bool,
    /// The `https://` URL under which wallets reach it.
    pub endpoint: String,
    /// The pool that it serves.
    pub place: Place,
    /// The pool's form.
    pub rules: Rules,
    /// What it asks for a transaction, by token, in ascending order. Without any, and with one that is zero, it asks nothing.
    pub fees: Vec<(Address, Amount)>,
    /// How long a registration holds; it is made anew when half of that is over.
    pub registration: Duration,
    /// Proofs at a time. Each uses every core.
    pub workers: usize,
    /// Requests that are accepted and not ended.
    pub queue: usize,
    /// How much of an intent's time must be left.
    pub time_needed: Duration,
    /// For how long the outcome of a request can be asked for.
    pub keep_outcomes: Duration,
    /// In how many blocks, from its own on, a transaction has to be before it counts as confirmed.
    pub confirmations: u64,
    /// How often the chain is asked about a transaction.
    pub poll: Duration,
    /// Requests of one address in a second.
    pub requests_per_second: u32,
    /// Requests of one address at once.
    pub requests_burst: u32,
    /// Connections at a time.
    pub connections: usize,
}

impl ServiceConfig {
    /// The defaults.
    pub fn new(folder: PathBuf, listen: SocketAddr, endpoint: String, place: Place, rules: Rules) -> Self {
        Self {
            folder,
            listen,
            metrics_listen: None,
            behind_proxy: false,
            endpoint,
            place,
            rules,
            fees: Vec::new(),
            registration: Duration::from_secs(30 * 86_400),
            workers: 1,
            queue: 64,
            time_needed: Duration::from_secs(180),
            keep_outcomes: Duration::from_secs(7 * 86_400),
            confirmations: 1,
            poll: Duration::from_secs(2),
            requests_per_second: 10,
            requests_burst: 40,
            connections: 1024,
        }
    }
}

/// The secrets of a service. Wiped when dropped, never printed.
#[derive(Debug)]
pub struct ServiceKeys {
    /// Signs registrations; its id is the prover's.
    pub order_key: OrderKey,
    /// What requests are sealed to.
    pub sealing: SealingKeyPair,
    /// What earlier registrations had in its place, as long as requests sealed to it may come or wait on disk.
    pub former_sealing: Vec<SealingKeyPair>,
    /// Where fee notes go.
    pub fee_address: ReceivingAddress,
    /// What opens fee notes: the key of that address, and of earlier ones.
    pub fee_readers: Vec<SealingKeyPair>,
}
