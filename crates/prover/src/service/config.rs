//! What an operator decides, and the secrets that a wallet folder gives.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tacit_pool::delivery::{Place, ReceivingAddress};
use tacit_pool::orders::OrderKey;
use tacit_pool::{Address, Amount, Rules};
use tacit_wire::SealingKeyPair;

use crate::work::AuthCircuit;

/// What an auth verifier's contract takes for an authorisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// A proof of a circuit.
    Circuit(AuthCircuit),
    /// An Ethereum key's signature, as `EcdsaAuthVerifier` has it.
    Ecdsa,
}

/// A contract that checks authorisations, and that is trusted to do nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthVerifier {
    /// Where it is.
    pub address: Address,
    /// What it takes.
    pub method: AuthMethod,
}

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
    /// The pool's auth verifiers: an intent that names another contract is refused, whose code would run at the service's cost. At least one.
    pub auth_verifiers: Vec<AuthVerifier>,
    /// Tokens beside ether and those of the fees whose contracts may run at the service's cost: payments in others are refused.
    pub tokens: Vec<Address>,
    /// Whether ether may be withdrawn to contracts, whose code then runs at the service's cost.
    pub contract_recipients: bool,
    /// The most gas that a transaction may be estimated at; its gas limit is never higher.
    pub max_gas: u64,
    /// What it asks for a transaction, by token, in ascending order. Without any, and with one that is zero, it asks nothing.
    pub fees: Vec<(Address, Amount)>,
    /// How long a registration holds; it is made anew when half of that is over.
    pub registration: Duration,
    /// Proofs at a time. Each uses every core.
    pub workers: usize,
    /// Requests that are accepted and not ended.
    pub queue: usize,
    /// Of them, those of one address.
    pub queue_per_client: usize,
    /// How much of an intent's time must be left.
    pub time_needed: Duration,
    /// For how long the outcome of a request that was confirmed can be asked for.
    pub keep_outcomes: Duration,
    /// The same of one that failed.
    pub keep_failures: Duration,
    /// How many of those are kept at most, the newest.
    pub failures: usize,
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
    /// How long a connection may be without a request, and a request's head take. A request that waits for its answer is not idle.
    pub idle: Duration,
    /// How old a connection may be before it ends, after the request that is on its way.
    pub connection_life: Duration,
}

impl ServiceConfig {
    /// Whether payments in the token are served: ether, the tokens of the fees, and those that are named.
    pub fn serves_token(&self, token: Address) -> bool {
        token.is_zero() || self.tokens.contains(&token) || self.fees.iter().any(|(known, _)| *known == token)
    }

    /// The defaults. `auth_verifiers` is empty and must be filled: [`super::StartError::Verifiers`].
    pub fn new(folder: PathBuf, listen: SocketAddr, endpoint: String, place: Place, rules: Rules) -> Self {
        Self {
            folder,
            listen,
            metrics_listen: None,
            behind_proxy: false,
            endpoint,
            place,
            rules,
            auth_verifiers: Vec::new(),
            tokens: Vec::new(),
            contract_recipients: false,
            max_gas: 2_000_000,
            fees: Vec::new(),
            registration: Duration::from_secs(30 * 86_400),
            workers: 1,
            queue: 64,
            queue_per_client: 8,
            time_needed: Duration::from_secs(180),
            keep_outcomes: Duration::from_secs(7 * 86_400),
            keep_failures: Duration::from_secs(15 * 60),
            failures: 1024,
            confirmations: 1,
            poll: Duration::from_secs(2),
            requests_per_second: 10,
            requests_burst: 40,
            connections: 1024,
            idle: Duration::from_secs(20),
            connection_life: Duration::from_secs(600),
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
