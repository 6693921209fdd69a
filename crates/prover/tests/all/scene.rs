//! Alice, who spends, and Bob, who proves for a fee.

use tacit_pool::orders::OrderKey;
use tacit_pool::wallet::{Payment, Prepared};
use tacit_pool::{Address, Rules};
use tacit_prover::service::{AuthMethod, AuthVerifier, ServiceKeys};
use tacit_prover::{AuthCircuit, Work};
use tacit_wire::SealingKeyPair;

use crate::common::{self, Chain, Person, funded, pay, rng};

/// What the prover asks for a transaction.
pub const FEE: u128 = 2;

pub struct Scene {
    pub chain: Chain,
    pub alice: Person,
    pub bob: Person,
}

impl Scene {
    pub fn new() -> Self {
        let (chain, alice, bob) = funded(Rules::TACIT);
        Self { chain, alice, bob }
    }

    /// The time of the newest block.
    pub fn now(&self) -> u64 {
        self.chain.now()
    }

    /// Nine of ether to Bob, and the fee: of two notes, with change.
    pub fn payment(&self) -> Payment {
        let mut payment = pay(&self.bob, Address::ZERO, 9, self.now());
        payment.fee = Some((self.bob.address(), common::amount(FEE)));
        payment
    }

    pub fn prepare(&self, payment: &Payment, seed: u64) -> Prepared {
        self.alice.prepare(payment, self.now(), seed)
    }

    /// Signs with Alice's EdDSA key.
    pub fn sign(&self, prepared: &Prepared) -> Work {
        let key = self.alice.keys.eddsa(0).unwrap();
        Work::eddsa(prepared.transaction(), key.public(), &key.sign(prepared.message())).unwrap()
    }

    pub fn work(&self, payment: &Payment, seed: u64) -> Work {
        self.sign(&self.prepare(payment, seed))
    }

    /// The usual work.
    pub fn usual(&self) -> Work {
        self.work(&self.payment(), 9)
    }

    /// Bob's keys as a prover.
    pub fn keys(&self) -> ServiceKeys {
        ServiceKeys {
            order_key: order_key(),
            sealing: SealingKeyPair::generate(&mut rng(77)).unwrap(),
            former_sealing: Vec::new(),
            fee_address: self.bob.address(),
            fee_readers: self.bob.keys.readers().cloned().collect(),
        }
    }
}

pub fn order_key() -> OrderKey {
    OrderKey::from_seeds(&[7; 32], &[8; 32])
}

/// A service on loopback, and a wallet's side of it.
pub struct Running {
    pub client: tacit_prover::ProverClient,
    pub url: String,
    pub metrics: std::net::SocketAddr,
    pub resumed: usize,
    shutdown: tokio_util::sync::CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    pub async fn start(
        config: tacit_prover::service::ServiceConfig,
        keys: ServiceKeys,
        circuits: std::sync::Arc<tacit_prover::PoolCircuits>,
        chain: crate::chain::Memory,
    ) -> Self {
        let clock = {
            let chain = chain.clone();
            tacit_vault::Clock::from_fn(move || chain.lock().now)
        };
        let prover = keys.order_key.public().id();
        // For the tests' own requests.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let service =
            tacit_prover::service::Service::start(config, keys, circuits, std::sync::Arc::new(chain), clock);
        let service = service.await.unwrap();
        assert_eq!(service.prover(), prover);
        let url = format!("http://{}", service.address().unwrap());
        let (metrics, resumed) = (service.metrics_address().unwrap(), service.resumed());
        let shutdown = tokio_util::sync::CancellationToken::new();
        let task = tokio::spawn(service.run(shutdown.clone()));
        let client = tacit_prover::ProverClient::new(&url, prover, common::place(), 0).unwrap();
        Self { client, url, metrics, resumed, shutdown, task }
    }

    /// Ends it in order.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }

    pub async fn metrics(&self) -> String {
        reqwest::get(format!("http://{}/metrics", self.metrics)).await.unwrap().text().await.unwrap()
    }
}

/// The verifier of everybody's policies.
pub fn verifier(method: AuthMethod) -> AuthVerifier {
    AuthVerifier { address: common::VERIFIER, method }
}

/// The settings of Bob's service.
pub fn config(folder: &std::path::Path) -> tacit_prover::service::ServiceConfig {
    let any = ([127, 0, 0, 1], 0).into();
    let endpoint = "https://prover.example".to_owned();
    let mut config = tacit_prover::service::ServiceConfig::new(
        folder.to_owned(),
        any,
        endpoint,
        common::place(),
        Rules::TACIT,
    );
    config.metrics_listen = Some(any);
    config.auth_verifiers = vec![verifier(AuthMethod::Circuit(AuthCircuit::Eddsa))];
    config.fees = vec![(Address::ZERO, common::amount(FEE)), (common::TOKEN, common::amount(7))];
    config.poll = std::time::Duration::from_millis(20);
    config.requests_burst = 10_000;
    config
}
