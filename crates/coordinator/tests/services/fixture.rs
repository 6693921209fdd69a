//! A tiny circuit, a client made of the protocol's parts, a network on loopback, and a node that misbehaves on demand.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::StatusCode;
use serde_json::Value;
use tacit_algebra::{Bn254, CurveId, Groups};
use tacit_circom::{Constraint, R1cs};
use tacit_coordinator::store::{NewJob, NewSeat};
use tacit_coordinator::{AllowedNode, Coordinator};
use tacit_delegate::{
    self as delegate, AssembleError, Assembled, DealHeader, DealTerms, Dials, Handover, Layout, Package,
    Secrets,
};
use tacit_groth16::{ProvingKey, qap, setup, verify};
use tacit_net::{CertificatePin, Connection, Dialer, Settings, tls};
use tacit_node::Node;
use tacit_vault::Clock;
use tacit_vault::identity::system_rng;
use tacit_wire::envelope::{self, Recipient};
use tacit_wire::frame::Body as _;
use tacit_wire::messages::{
    Answer, Assembler, Delivery, Hello, JobAnswers, Offer, Outcome, SubmitJob, Welcome,
};
use tacit_wire::status::{JobState, JobStatus, NetworkInfo};
use tacit_wire::{
    Acknowledgement, Digest32, Identity, IdentityKey, Message, PROTOCOL_VERSION, PeerMisbehaved, Purpose,
    SealingKeyCertificate, SealingKeyPair, SealingPublicKey, SignedAcknowledgement, SignedAssignment, Slot,
};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub type F = <Bn254 as Groups>::Scalar;

/// Indices whose answers a client rejects, and why.
pub type Faults = Vec<(u8, PeerMisbehaved)>;

/// For everything that must happen; nothing here is about how fast.
pub const LONG: Duration = Duration::from_secs(60);
const POWER: u32 = 21;

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub struct Circuit {
    pub zkey: Vec<u8>,
    pub key: ProvingKey<Bn254>,
    pub id: Digest32,
}

/// `y = x^21`, one constraint for each multiplication.
pub fn new_circuit() -> Circuit {
    let one = F::from(1u64);
    let n_constraints = POWER - 1;
    // Wires: 1, y, x, x^2, ..., x^20.
    let power = |k: u32| if k == POWER { 1 } else { k + 1 };
    let constraints = (1..=n_constraints)
        .map(|k| Constraint { a: vec![(power(k), one)], b: vec![(2, one)], c: vec![(power(k + 1), one)] })
        .collect();
    let n_wires = POWER + 1;
    let r1cs = R1cs {
        curve: CurveId::Bn254,
        n_wires,
        n_public_outputs: 1,
        n_public_inputs: 0,
        n_private_inputs: 1,
        n_labels: u64::from(n_wires),
        constraints,
        wire_labels: (0..u64::from(n_wires)).collect(),
    };
    let zkey = setup::dev::<Bn254, _>(&r1cs, &mut system_rng().unwrap()).unwrap();
    let bytes = zkey.write();
    let key = ProvingKey::from_zkey(zkey).unwrap();
    let id = Digest32(key.circuit_id.0);
    Circuit { zkey: bytes, key, id }
}

pub fn circuit() -> &'static Circuit {
    static CIRCUIT: LazyLock<Circuit> = LazyLock::new(new_circuit);
    &CIRCUIT
}

/// All wires for a given `x`.
pub fn witness(x: u64) -> Vec<F> {
    let x = F::from(x);
    let mut powers = vec![x];
    for _ in 1..POWER {
        powers.push(*powers.last().unwrap() * x);
    }
    let y = powers.pop().unwrap();
    [vec![F::from(1u64), y], powers].concat()
}

/// Who assembles a job of a test.
pub enum By<'a> {
    Client,
    Coordinator(&'a SealingKeyCertificate),
}

/// A job as its submission leaves it in the database, under another name and at these nodes, which open nothing of it.
pub fn stored_job(name: Digest32, model: &Dealt, nodes: impl IntoIterator<Item = IdentityKey>) -> NewJob {
    let seats = (1u8..).zip(model.message.deliveries.iter().zip(nodes)).map(|(index, (delivery, node))| {
        NewSeat { index, node, assignment: delivery.assignment.encode(), envelope: delivery.envelope.clone() }
    });
    let dials = model.header.terms.dials;
    NewJob {
        owner: None,
        deal: name,
        submission: name,
        header: model.message.header.clone(),
        circuit: circuit().id,
        n: dials.seats(),
        t: 1,
        needed: 3,
        handover: "witness".to_owned(),
        coordinator_assembles: false,
        expiry: model.header.terms.expiry,
        seats: seats.collect(),
    }
}

/// A deal as the client keeps it.
pub struct Dealt {
    pub header: DealHeader<F>,
    pub id: Digest32,
    pub client: Identity,
    pub assembler: Option<SealingKeyPair>,
    pub packages: Vec<Vec<u8>>,
    pub message: SubmitJob,
}

pub fn deal(nodes: &[SealingKeyCertificate], by: By<'_>, expiry: u64, x: u64) -> Dealt {
    deal_of(circuit(), nodes, by, expiry, &witness(x))
}

pub fn deal_of(
    circuit: &Circuit,
    nodes: &[SealingKeyCertificate],
    by: By<'_>,
    expiry: u64,
    witness: &[F],
) -> Dealt {
    let n = u8::try_from(nodes.len()).unwrap();
    deal_with(circuit, Dials::new(Handover::Witness, n, 1).unwrap(), nodes, by, expiry, witness)
}

/// A deal with these dials, a node for each seat.
pub fn deal_with(
    circuit: &Circuit,
    dials: Dials,
    nodes: &[SealingKeyCertificate],
    by: By<'_>,
    expiry: u64,
    witness: &[F],
) -> Dealt {
    let mut rng = system_rng().unwrap();
    let client = Identity::generate(&mut rng);
    let (assembler, assembler_key, who) = match by {
        By::Client => {
            let pair = SealingKeyPair::generate(&mut rng).unwrap();
            let public = pair.public().as_bytes().to_vec();
            (Some(pair), public, Assembler::Client)
        }
        By::Coordinator(certificate) => {
            (None, certificate.public_key.as_bytes().to_vec(), Assembler::Coordinator)
        }
    };
    let n_public = circuit.key.n_public;
    let terms = DealTerms {
        curve: CurveId::Bn254,
        circuit: circuit.key.circuit_id,
        dials,
        assembler_key,
        client_key: client.key().0,
        expiry,
        public: witness[1..=n_public].to_vec(),
    };
    let layout = Layout::of(&circuit.key, dials.handover());
    let quotient = match dials.handover() {
        Handover::Quotient => qap::quotient(&circuit.key, &circuit.key.domain().unwrap(), witness),
        _ => vec![],
    };
    let secrets = Secrets { private: &witness[n_public + 1..], quotient: &quotient };
    let deal = delegate::deal(terms, &layout, secrets, &mut rng).unwrap();
    let id = Digest32(deal.id.0);
    let packages: Vec<Vec<u8>> = deal.packages.iter().map(|p| p.encode().to_vec()).collect();
    let deliveries = (1..=dials.seats())
        .zip(nodes)
        .zip(&packages)
        .map(|((place, certificate), package)| {
            let slot = Slot::at(dials, place).unwrap();
            let (assignment, envelope) =
                envelope::seal_package(&client, id.0, slot, certificate, package, &mut rng).unwrap();
            Delivery { assignment, envelope }
        })
        .collect();
    let message = SubmitJob { header: deal.header.encode(), assembler: who, deliveries };
    Dealt { header: deal.header, id, client, assembler, packages, message }
}

impl Dealt {
    /// The offer of one index, as a coordinator makes it.
    pub fn offer(&self, index: u8) -> Offer {
        let Delivery { assignment, envelope } = self.message.deliveries[usize::from(index) - 1].clone();
        Offer { header: self.message.header.clone(), assignment, envelope }
    }

    pub fn assignment(&self, index: u8) -> &SignedAssignment {
        &self.message.deliveries[usize::from(index) - 1].assignment
    }

    /// What a client does with one answer before it uses it.
    pub fn check(&self, index: u8, answer: &Answer) -> Result<delegate::Answer<Bn254>, PeerMisbehaved> {
        let assignment = &self.assignment(index).assignment;
        answer.acknowledgement.verify_package(assignment, &self.packages[usize::from(index) - 1])?;
        let pair = self.assembler.as_ref().unwrap();
        let signed = envelope::open_response(pair, assignment, &answer.acknowledgement, &answer.response)?;
        Ok(delegate::Answer::decode(index, &signed.response).unwrap())
    }

    /// Checks all answers, assembles the good ones, returns what was wrong with the others.
    pub fn assemble(
        &self,
        circuit: &Circuit,
        answers: &JobAnswers,
    ) -> (Result<Assembled<Bn254>, AssembleError>, Faults) {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for a in &answers.answers {
            if let Outcome::Answered(answer) = &a.outcome {
                match self.check(a.index, answer) {
                    Ok(answer) => good.push(answer),
                    Err(error) => bad.push((a.index, error)),
                }
            }
        }
        (delegate::assemble(&circuit.key.vk, &self.header, &good), bad)
    }

    /// Assembles and verifies; panics unless there is a proof.
    pub fn prove(&self, answers: &JobAnswers) -> Faults {
        let (assembled, bad) = self.assemble(circuit(), answers);
        let proof = assembled.unwrap().proof;
        verify::verify(&circuit().key.vk, &self.header.terms.public, &proof).unwrap();
        bad
    }
}

pub struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn spawn(run: impl FnOnce(CancellationToken) -> JoinHandle<()>) -> Self {
        let stop = CancellationToken::new();
        Self { task: run(stop.clone()), stop }
    }

    /// Ends it as a crash would: whatever it was doing stays undone.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Asks it to end.
    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(LONG, self.task).await.unwrap().unwrap();
    }
}

/// A coordinator and nodes, of which some may be the test's own.
pub struct Network {
    root: TempDir,
    pub config: tacit_coordinator::Config,
    pub coordinator_identity: IdentityKey,
    pub coordinator: Option<Running>,
    pub nodes: Vec<Option<Running>>,
    pub identities: Vec<IdentityKey>,
    pub api: Api,
    /// A second coordinator of the same database.
    pub other: Option<Other>,
    /// Of coordinators that are started from now on.
    pub clock: Clock,
}

/// A second coordinator.
pub struct Other {
    pub running: Option<Running>,
    pub config: tacit_coordinator::Config,
    pub api: Api,
}

impl Network {
    /// A running coordinator that admits `real` nodes (not started yet) and the given others, in this order.
    pub async fn new(real: usize, others: &[&Identity]) -> Self {
        Self::with_clock(real, others, Clock::system()).await
    }

    pub async fn with_clock(real: usize, others: &[&Identity], clock: Clock) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut identities: Vec<_> =
            (0..real).map(|i| tacit_node::init(&root.path().join(format!("node-{i}"))).unwrap()).collect();
        identities.extend(others.iter().map(|o| o.key()));
        let mut config = tacit_coordinator::Config::new(root.path().join("coordinator"));
        config.http_listen = (Ipv4Addr::LOCALHOST, 0).into();
        config.quic_listen = (Ipv4Addr::LOCALHOST, 0).into();
        config.database = crate::postgres::current();
        config.nodes = identities
            .iter()
            .enumerate()
            .map(|(i, identity)| AllowedNode {
                name: format!("node-{i}"),
                identity: *identity,
                operator: format!("operator-{i}"),
            })
            .collect();
        let coordinator_identity = tacit_coordinator::init(&config.data_dir).unwrap();
        let mut network = Self {
            root,
            config,
            coordinator_identity,
            coordinator: None,
            nodes: (0..real).map(|_| None).collect(),
            identities,
            api: Api::new(coordinator_identity, (Ipv4Addr::LOCALHOST, 0).into()),
            other: None,
            clock,
        };
        network.start_coordinator().await;
        network
    }

    /// As [`Network::new`], with the circuit registered and all nodes of this crate connected.
    pub async fn ready(real: usize, others: &[&Identity]) -> Self {
        let mut network = Self::new(real, others).await;
        network.api.register(circuit()).await;
        for i in 0..real {
            network.start_node(i).await;
        }
        network.wait_connected(real).await;
        network
    }

    pub async fn start_coordinator(&mut self) {
        // An earlier one in this process may take a moment to let go of its files and ports.
        let coordinator = eventually(|| async {
            Coordinator::start_with_clock(self.config.clone(), self.clock.clone()).await.ok()
        })
        .await;
        assert_eq!(coordinator.identity(), self.coordinator_identity);
        // A restart must come back at the same addresses.
        self.config.http_listen = coordinator.http_address();
        self.config.quic_listen = coordinator.quic_address();
        self.config.metrics_listen = coordinator.metrics_address();
        self.api = Api::new(self.coordinator_identity, coordinator.http_address());
        self.coordinator =
            Some(Running::spawn(|stop| tokio::spawn(async move { coordinator.run(stop).await.unwrap() })));
    }

    /// Starts a second coordinator of the same database: with its own directory and addresses, and the same identity.
    pub async fn start_other(&mut self) {
        let mut config = self.config.clone();
        config.data_dir = self.root.path().join("other");
        config.http_listen = (Ipv4Addr::LOCALHOST, 0).into();
        config.quic_listen = (Ipv4Addr::LOCALHOST, 0).into();
        let identity = self.config.data_dir.join("identity.pem");
        assert_eq!(
            tacit_coordinator::init_with(&config.data_dir, &identity).unwrap(),
            self.coordinator_identity
        );
        let coordinator = Coordinator::start_with_clock(config.clone(), self.clock.clone()).await.unwrap();
        config.http_listen = coordinator.http_address();
        config.quic_listen = coordinator.quic_address();
        config.metrics_listen = coordinator.metrics_address();
        let api = Api::new(self.coordinator_identity, coordinator.http_address());
        let running =
            Running::spawn(|stop| tokio::spawn(async move { coordinator.run(stop).await.unwrap() }));
        self.other = Some(Other { running: Some(running), config, api });
    }

    /// The second coordinator's API.
    pub fn other_api(&self) -> &Api {
        &self.other.as_ref().unwrap().api
    }

    pub fn node_config(&self, i: usize) -> tacit_node::Config {
        let mut config = tacit_node::Config::new(
            self.root.path().join(format!("node-{i}")),
            format!("node-{i}"),
            self.config.quic_listen,
            self.coordinator_identity,
        );
        config.limits.retry_seconds = 1;
        if let Some(other) = &self.other {
            config.coordinator = [self.config.quic_listen, other.config.quic_listen].into_iter().collect();
        }
        config
    }

    /// Starts a node that knows only the second coordinator.
    pub async fn start_node_of_other(&mut self, i: usize) {
        let mut config = self.node_config(i);
        config.coordinator = self.other.as_ref().unwrap().config.quic_listen.into();
        self.start_node_with(i, config).await;
    }

    pub async fn start_node(&mut self, i: usize) {
        self.start_node_with(i, self.node_config(i)).await;
    }

    async fn start_node_with(&mut self, i: usize, config: tacit_node::Config) {
        let node = eventually(|| async { Node::open(config.clone()).await.ok() }).await;
        self.nodes[i] =
            Some(Running::spawn(|stop| tokio::spawn(async move { node.run(stop).await.unwrap() })));
    }

    pub async fn wait_connected(&self, n: usize) {
        self.wait_connected_at(&self.api, n).await;
    }

    pub async fn wait_connected_at(&self, api: &Api, n: usize) {
        eventually(|| async {
            let info = api.network().await;
            (info.nodes.iter().filter(|n| n.connected).count() >= n).then_some(())
        })
        .await;
    }

    /// The nodes' sealing keys, in the order of the configuration, as a client takes them: verified.
    pub async fn certificates(&self) -> Vec<SealingKeyCertificate> {
        self.certificates_at(&self.api).await
    }

    pub async fn certificates_at(&self, api: &Api) -> Vec<SealingKeyCertificate> {
        let info = api.network().await;
        info.nodes
            .iter()
            .zip(&self.identities)
            .map(|(node, identity)| {
                let certificate = node.sealing_key_certificate.as_ref().unwrap().decode().unwrap();
                certificate.verify_for(Purpose::NodeEnvelope, *identity, now()).unwrap();
                certificate
            })
            .collect()
    }

    /// Everything that the coordinator's directory holds: no secret of a deal may be in it.
    pub fn coordinator_bytes(&self) -> Vec<u8> {
        fn collect(path: &std::path::Path, out: &mut Vec<u8>) {
            for entry in std::fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    collect(&path, out);
                } else {
                    out.extend(std::fs::read(&path).unwrap_or_default());
                }
            }
        }
        let mut out = Vec::new();
        collect(self.root.path(), &mut out);
        out
    }

    pub async fn stop(mut self) {
        for node in self.nodes.iter_mut().filter_map(Option::take) {
            node.stop().await;
        }
        for coordinator in [self.coordinator.take(), self.other.and_then(|o| o.running)].into_iter().flatten()
        {
            coordinator.stop().await;
        }
    }
}

/// Tries until it succeeds; fails the test after a long time.
pub async fn eventually<T, Fut: Future<Output = Option<T>>>(mut attempt: impl FnMut() -> Fut) -> T {
    tokio::time::timeout(LONG, async {
        loop {
            if let Some(value) = attempt().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it did not come to pass")
}

/// The smallest client that there can be.
#[derive(Clone)]
pub struct Api {
    pub http: reqwest::Client,
    pub base: String,
}

impl Api {
    pub fn new(coordinator: IdentityKey, address: SocketAddr) -> Self {
        Self::from(coordinator, address, Ipv4Addr::LOCALHOST)
    }

    /// A client at another address of this machine: all of 127/8 are.
    pub fn from(coordinator: IdentityKey, address: SocketAddr, client: Ipv4Addr) -> Self {
        let tls = tls::client_config(&[CertificatePin::Identity(coordinator)]).unwrap();
        let http = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
        let http = http.local_address(std::net::IpAddr::from(client)).build().unwrap();
        Self { http, base: format!("https://{address}") }
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Vec<u8>) {
        let response = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        (response.status(), response.bytes().await.unwrap().to_vec())
    }

    pub async fn send(&self, method: reqwest::Method, path: &str, body: Vec<u8>) -> (StatusCode, Value) {
        let response =
            self.http.request(method, format!("{}{path}", self.base)).body(body).send().await.unwrap();
        let status = response.status();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    pub async fn network(&self) -> NetworkInfo {
        // The coordinator may be starting.
        eventually(|| async {
            let response = self.http.get(format!("{}/v1/network", self.base)).send().await.ok()?;
            response.json().await.ok()
        })
        .await
    }

    pub async fn register(&self, circuit: &Circuit) {
        let path = format!("/v1/circuits/{}", circuit.id);
        let (status, body) = self.send(reqwest::Method::PUT, &path, circuit.zkey.clone()).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
    }

    pub async fn submit(&self, message: &SubmitJob) -> (StatusCode, Value) {
        self.send(reqwest::Method::POST, "/v1/jobs", message.to_frame()).await
    }

    /// The job's status once it satisfies a condition, by long polls.
    pub async fn wait_for(&self, id: Digest32, done: impl Fn(&JobStatus) -> bool) -> JobStatus {
        tokio::time::timeout(LONG, async {
            let mut seen = 0;
            loop {
                let (code, body) = self.get(&format!("/v1/jobs/{id}?wait=2&seen={seen}")).await;
                assert_eq!(code, StatusCode::OK);
                let value: Value = serde_json::from_slice(&body).unwrap();
                seen = value["version"].as_u64().unwrap();
                let status: JobStatus = serde_json::from_value(value).unwrap();
                if done(&status) {
                    return status;
                }
            }
        })
        .await
        .expect("the job did not get there")
    }

    pub async fn wait_answered(&self, id: Digest32) -> JobStatus {
        self.wait_for(id, |s| s.state == JobState::Answered).await
    }

    pub async fn answers(&self, id: Digest32) -> JobAnswers {
        let (code, body) = self.get(&format!("/v1/jobs/{id}/answers")).await;
        assert_eq!(code, StatusCode::OK);
        JobAnswers::from_frame(&body, usize::MAX).unwrap()
    }
}

/// What the test's own node does with an offer.
pub enum Behaviour {
    Frame(Vec<u8>),
    Silence,
    /// Silence, until the coordinator wants no answer any more: then this is told.
    UntilUnwanted(Arc<Notify>),
    Die,
}

/// A node's keys in the test's hands.
pub struct FakeKeys {
    pub identity: Identity,
    pub pair: SealingKeyPair,
    pub certificate: SealingKeyCertificate,
}

impl FakeKeys {
    pub fn new() -> Self {
        let mut rng = system_rng().unwrap();
        let identity = Identity::generate(&mut rng);
        let (pair, certificate) = SealingKeyCertificate::generate(
            &identity,
            Purpose::NodeEnvelope,
            1,
            now() - 60,
            now() + 3600,
            &mut rng,
        )
        .unwrap();
        Self { identity, pair, certificate }
    }

    /// The right response, acknowledged and signed by whom the test likes.
    pub fn answer(&self, offer: &Offer, acknowledger: &Identity, signer: &Identity) -> Answer {
        let key = &circuit().key;
        let header = DealHeader::<F>::decode(&offer.header).unwrap();
        let recipient = Recipient { node: self.identity.key(), key: &self.pair, epoch: 1 };
        let client = IdentityKey(header.terms.client_key);
        let bytes = envelope::open_package(
            &offer.assignment,
            &client,
            &header.deal_id().0,
            recipient,
            &offer.envelope,
        )
        .unwrap();
        let package =
            Package::<F>::decode(&bytes, &Layout::of(key, header.terms.dials.handover()), header.terms.dials)
                .unwrap();
        let response = delegate::respond(key, &header, &package).unwrap();
        let assignment = &offer.assignment.assignment;
        let acknowledgement =
            SignedAcknowledgement::sign(acknowledger, Acknowledgement::new(assignment, &bytes));
        let response = envelope::seal_response(
            signer,
            assignment,
            &acknowledgement.acknowledgement,
            &response.encode(),
            &SealingPublicKey::from_bytes(&header.terms.assembler_key).unwrap(),
            &mut system_rng().unwrap(),
        )
        .unwrap();
        Answer { acknowledgement, response }
    }

    /// Connects and treats every offer alike.
    pub async fn connect(
        &self,
        network: &Network,
        behave: impl Fn(&FakeKeys, Offer) -> Behaviour + Send + Sync + 'static,
    ) -> JoinHandle<()> {
        let dialer = Dialer::new(self.identity.clone(), Settings::default());
        let connection =
            dialer.connect(network.config.quic_listen, network.coordinator_identity).await.unwrap();
        let hello = Hello {
            versions: vec![PROTOCOL_VERSION],
            software: "fake".to_owned(),
            certificate: self.certificate.clone(),
            circuits: vec![],
            slices: vec![],
            capacity: 4,
            bases_per_second: 0,
        };
        let reply = connection.request(&hello, 4096, LONG).await.unwrap();
        assert!(matches!(reply, Message::Welcome(Welcome { version: PROTOCOL_VERSION, .. })), "{reply:?}");
        let keys = Self {
            identity: self.identity.clone(),
            pair: self.pair.clone(),
            certificate: self.certificate.clone(),
        };
        let behave = Arc::new(behave);
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok(mut stream) = connection.accept().await {
                if let Ok(Some(Message::Offer(offer))) = stream.receive(usize::MAX, LONG).await {
                    match behave(&keys, offer) {
                        Behaviour::Frame(frame) => {
                            stream.send_frame(&frame, LONG).await.unwrap();
                            stream.finish().unwrap();
                            let _ = stream.delivered(LONG).await;
                        }
                        Behaviour::Silence => held.push(stream),
                        Behaviour::UntilUnwanted(tell) => {
                            stream.unwanted().await;
                            tell.notify_one();
                        }
                        Behaviour::Die => return connection.close("dead"),
                    }
                }
            }
        })
    }
}

/// One exchange on a connection, as a coordinator offers.
pub async fn ask(connection: &Connection, offer: &Offer) -> Message {
    connection.request(offer, 1 << 20, LONG).await.unwrap()
}
