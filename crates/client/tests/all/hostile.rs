//! A coordinator with nodes of its own, in one process behind real HTTPS, that does what a test tells it to do with the
//! nodes' answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tacit_algebra::Bn254;
use tacit_client::{Choice, Client, Committee, Network, PinnedCoordinator, PinnedNode, Wanted};
use tacit_delegate::{Bases, DealHeader, Layout, Package, respond, respond_msm};
use tacit_groth16::ProvingKey;
use tacit_wire::envelope::{Recipient, open_package, seal_response};
use tacit_wire::messages::{
    Answer, Assembler, Cancel, JobAnswers, NodeAnswer, Outcome, Refusal, RefusalCode, SubmitJob,
};
use tacit_wire::status::{
    CircuitInfo, CircuitKind, Contradiction, Contradictions, DeliveryInfo, DeliveryState, DialsInfo,
    HexCertificate, JobState, JobStatus, NetworkInfo, NodeInfo,
};
use tacit_wire::{
    Acknowledgement, Assignment, Blame, Body, Digest32, Identity, IdentityKey, MessageType, Purpose,
    SealingKeyCertificate, SealingKeyPair, SealingPublicKey, SignedAcknowledgement,
};
use tokio::net::TcpListener;

use crate::circuit::{Circuit, Fr};

/// A node of the hostile coordinator.
#[derive(Clone)]
pub struct Node {
    pub identity: Identity,
    pub pair: SealingKeyPair,
    pub name: String,
}

impl Node {
    pub fn new(i: u8) -> Self {
        Self {
            identity: Identity::from_seed(&[i; 32]),
            pair: SealingKeyPair::from_seed(&[i; 32]).unwrap(),
            name: format!("node-{i}"),
        }
    }

    fn certificate(&self) -> SealingKeyCertificate {
        let public = self.pair.public();
        SealingKeyCertificate::issue(&self.identity, Purpose::NodeEnvelope, public, 1, 0, u64::MAX / 2)
    }

    fn pinned(&self) -> PinnedNode {
        PinnedNode {
            name: self.name.clone(),
            identity: self.identity.key().0,
            operator: format!("operator of {}", self.name),
            vouched_by: "this test".into(),
        }
    }

    fn info(&self) -> NodeInfo {
        NodeInfo {
            identity: self.identity.key(),
            sealing_key_certificate: Some(HexCertificate::from(&self.certificate())),
            connected: true,
            software: "hostile".into(),
            circuits: Vec::new(),
            slices: Vec::new(),
            bases_per_second: 0,
            capacity: 0,
            in_hand: 0,
        }
    }
}

/// One submitted job, as the coordinator and its nodes see it.
pub struct Play {
    pub number: usize,
    pub job: SubmitJob,
    pub header: DealHeader<Fr>,
    pub nodes: Vec<Node>,
    pub earlier: Vec<JobAnswers>,
    key: Arc<ProvingKey<Bn254>>,
    bases: Option<Arc<Bases<Bn254>>>,
}

impl Play {
    pub fn deal(&self) -> [u8; 32] {
        self.header.deal_id().0
    }

    pub fn assignment(&self, index: u8) -> &Assignment {
        &self.job.deliveries[usize::from(index) - 1].assignment.assignment
    }

    /// The node that has this index.
    pub fn node(&self, index: u8) -> &Node {
        let identity = IdentityKey(self.assignment(index).seat.node);
        self.nodes.iter().find(|n| n.identity.key() == identity).unwrap()
    }

    /// The package as the node opens it.
    pub fn package(&self, index: u8) -> Vec<u8> {
        let delivery = &self.job.deliveries[usize::from(index) - 1];
        let node = self.node(index);
        let recipient = Recipient { node: node.identity.key(), key: &node.pair, epoch: 1 };
        let client = IdentityKey(self.header.terms.client_key);
        open_package(&delivery.assignment, &client, &self.deal(), recipient, &delivery.envelope)
            .unwrap()
            .to_vec()
    }

    /// The right response, encoded.
    pub fn response(&self, index: u8) -> Vec<u8> {
        if let Some(bases) = &self.bases {
            let layout = Layout::msm(bases.shape());
            let package = Package::decode(&self.package(index), &layout, self.header.terms.dials).unwrap();
            return respond_msm(bases, &self.header, &package).unwrap().encode();
        }
        let package = Package::decode(
            &self.package(index),
            &Layout::of(&*self.key, self.header.terms.dials.handover()),
            self.header.terms.dials,
        )
        .unwrap();
        respond(&*self.key, &self.header, &package).unwrap().encode()
    }

    /// An answer that `signer` makes for this index, of whatever package and response.
    pub fn signed(&self, index: u8, signer: &Identity, package: &[u8], response: &[u8]) -> Outcome {
        let assignment = self.assignment(index);
        let acknowledgement = Acknowledgement::new(assignment, package);
        let assembler = SealingPublicKey::from_bytes(&self.header.terms.assembler_key).unwrap();
        let mut rng = rand::rng();
        let sealed =
            seal_response(signer, assignment, &acknowledgement, response, &assembler, &mut rng).unwrap();
        let acknowledgement = SignedAcknowledgement::sign(signer, acknowledgement);
        Outcome::Answered(Answer { acknowledgement, response: sealed })
    }

    /// What the node answers if it is honest.
    pub fn honest(&self, index: u8) -> Outcome {
        self.signed(index, &self.node(index).identity, &self.package(index), &self.response(index))
    }

    /// All answers, with some replaced.
    pub fn all_but(&self, replaced: impl IntoIterator<Item = (u8, Outcome)>) -> JobAnswers {
        let mut replaced: HashMap<u8, Outcome> = replaced.into_iter().collect();
        let answers = (1..=self.job.deliveries.len() as u8)
            .map(|index| NodeAnswer {
                index,
                outcome: replaced.remove(&index).unwrap_or_else(|| self.honest(index)),
            })
            .collect();
        JobAnswers { deal: Digest32(self.deal()), answers }
    }
}

pub fn refusal(code: RefusalCode, blame: Blame) -> Outcome {
    Outcome::Refused(Refusal { code, blame, text: "because".into() })
}

/// What a job's poller sees, version after version.
type Script = Arc<dyn Fn(&Play) -> Vec<JobAnswers> + Send + Sync>;
/// Answers by place.
type Seconds = Arc<dyn Fn(&Play) -> Vec<(u8, Outcome)> + Send + Sync>;

struct Job {
    stages: Vec<JobAnswers>,
    seconds: Vec<(u8, Outcome)>,
    at: usize,
    identities: Vec<IdentityKey>,
    circuit: Digest32,
    expires: u64,
    fails_to_answer: usize,
    assembler: Assembler,
}

struct Inner {
    nodes: Vec<Node>,
    listed: Vec<NodeInfo>,
    identity: Identity,
    key: Arc<ProvingKey<Bn254>>,
    bases: Option<Arc<Bases<Bn254>>>,
    script: Script,
    seconds: Seconds,
    jobs: Mutex<HashMap<Digest32, Job>>,
    history: Mutex<Vec<JobAnswers>>,
    headers: Mutex<Vec<DealHeader<Fr>>>,
    cancelled: Mutex<Vec<Digest32>>,
    unavailable: usize,
    proof: Option<serde_json::Value>,
    assembler: SealingKeyPair,
}

pub struct Hostile {
    pub network: Network,
    inner: Arc<Inner>,
}

/// How the coordinator differs from an honest one.
pub struct Setting {
    pub script: Script,
    /// Changes the list of nodes.
    pub list: fn(&mut Vec<NodeInfo>),
    /// So many polls of each job are answered with an error first.
    pub unavailable: usize,
    /// What is given as a proof.
    pub proof: Option<serde_json::Value>,
    /// How many nodes there are.
    pub nodes: u8,
    /// By place, second answers of nodes that gave two: told apart from the first.
    pub seconds: Seconds,
    /// What the nodes sum over, instead of proving.
    pub bases: Option<Arc<Bases<Bn254>>>,
}

impl Setting {
    pub fn new(script: impl Fn(&Play) -> Vec<JobAnswers> + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            list: |_| (),
            unavailable: 0,
            proof: None,
            nodes: 4,
            seconds: Arc::new(|_| Vec::new()),
            bases: None,
        }
    }

    pub fn with_bases(
        bases: Bases<Bn254>,
        script: impl Fn(&Play) -> Vec<JobAnswers> + Send + Sync + 'static,
    ) -> Self {
        Self { bases: Some(Arc::new(bases)), ..Self::new(script) }
    }
}

impl Hostile {
    /// So many nodes, all pinned.
    pub async fn start(circuit: &Circuit, setting: Setting) -> Self {
        let nodes: Vec<Node> = (1..=setting.nodes).map(Node::new).collect();
        let mut listed = nodes.iter().map(Node::info).collect();
        (setting.list)(&mut listed);
        let identity = Identity::from_seed(&[100; 32]);
        let tls = tacit_net::tls::server_config(&identity, &["localhost".to_owned()]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            listed,
            identity: identity.clone(),
            key: Arc::new(circuit.key.clone()),
            bases: setting.bases,
            script: setting.script,
            seconds: setting.seconds,
            jobs: Mutex::default(),
            history: Mutex::default(),
            headers: Mutex::default(),
            cancelled: Mutex::default(),
            unavailable: setting.unavailable,
            proof: setting.proof,
            assembler: SealingKeyPair::from_seed(&[101; 32]).unwrap(),
            nodes: nodes.clone(),
        });
        let router = router(Arc::clone(&inner));
        tokio::spawn(async move {
            let acceptor = tokio_rustls::TlsAcceptor::from(tls);
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = TowerToHyperService::new(router);
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        let network = Network {
            name: "hostile".into(),
            coordinator: PinnedCoordinator {
                // The first URL is dead: the client goes on to the second.
                urls: vec!["https://127.0.0.1:1".into(), format!("https://{address}")],
                identity: identity.key().0,
                certificate: None,
                api_key_file: None,
            },
            nodes: nodes.iter().map(Node::pinned).collect(),
            choice: Choice::default(),
        };
        Self { network, inner }
    }

    pub fn client(&self) -> Client {
        Client::new(self.network.clone()).unwrap()
    }

    /// The headers of all jobs that were submitted.
    pub fn headers(&self) -> Vec<DealHeader<Fr>> {
        self.inner.headers.lock().unwrap().clone()
    }

    /// The jobs of which a client said, under its signature, that nothing more is needed.
    pub fn cancelled(&self) -> Vec<Digest32> {
        self.inner.cancelled.lock().unwrap().clone()
    }

    /// Who got a package of a job.
    pub fn committee_of(&self, job: Digest32) -> Vec<IdentityKey> {
        self.inner.jobs.lock().unwrap()[&job].identities.clone()
    }

    /// A committee of these nodes, for a deal that expires soon.
    pub fn committee(nodes: &[Node]) -> Committee {
        let network = Network {
            name: "test".into(),
            coordinator: PinnedCoordinator {
                urls: Vec::new(),
                identity: [0; 32],
                certificate: None,
                api_key_file: None,
            },
            nodes: nodes.iter().map(Node::pinned).collect(),
            choice: Choice::default(),
        };
        let proposal: Vec<NodeInfo> = nodes.iter().map(Node::info).collect();
        let wanted = Wanted { n: nodes.len() as u8, now: 1000, deal_expiry: 1600, without: &[] };
        Committee::accept(&network, &proposal, wanted).unwrap()
    }
}

fn router(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/v1/network", get(network))
        .route("/v1/circuits/{id}", get(circuit))
        .route("/v1/jobs", post(submit))
        .route("/v1/jobs/{id}", get(show))
        .route("/v1/jobs/{id}/cancel", post(cancel))
        .route("/v1/jobs/{id}/answers", get(answers))
        .route("/v1/jobs/{id}/proof", get(proof))
        .route("/v1/jobs/{id}/contradictions", get(contradictions))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(inner)
}

async fn network(State(inner): State<Arc<Inner>>) -> axum::Json<NetworkInfo> {
    let public = inner.assembler.public();
    let certificate =
        SealingKeyCertificate::issue(&inner.identity, Purpose::Assembler, public, 1, 0, u64::MAX / 2);
    axum::Json(NetworkInfo {
        protocol_version: 1,
        software: "hostile".into(),
        coordinator: inner.identity.key(),
        assembler_certificate: Some(HexCertificate::from(&certificate)),
        nodes: inner.listed.clone(),
    })
}

async fn circuit(State(inner): State<Arc<Inner>>, Path(id): Path<String>) -> axum::Json<CircuitInfo> {
    axum::Json(CircuitInfo {
        id: id.parse().unwrap(),
        kind: if inner.bases.is_some() { CircuitKind::Bases } else { CircuitKind::Circuit },
        curve: "bn128".into(),
        n_wires: inner.bases.as_ref().map_or(inner.key.n_wires, |bases| bases.points().len()) as u64,
        n_public: inner.key.n_public as u64,
        log_domain: inner.key.log_domain,
        bytes: 0,
        has_r1cs: false,
    })
}

async fn submit(State(inner): State<Arc<Inner>>, body: Bytes) -> axum::Json<serde_json::Value> {
    let job = SubmitJob::from_frame(&body, MessageType::SubmitJob.limit()).unwrap();
    let header = DealHeader::<Fr>::decode(&job.header).unwrap();
    let id = Digest32(header.deal_id().0);
    let number = {
        let mut headers = inner.headers.lock().unwrap();
        headers.push(header.clone());
        headers.len()
    };
    let play = Play {
        number,
        job,
        header,
        nodes: inner.nodes.clone(),
        earlier: inner.history.lock().unwrap().clone(),
        key: Arc::clone(&inner.key),
        bases: inner.bases.clone(),
    };
    let stages = (inner.script)(&play);
    inner.history.lock().unwrap().extend(stages.last().cloned());
    let job = Job {
        stages,
        seconds: (inner.seconds)(&play),
        at: 0,
        identities: play.job.deliveries.iter().map(|d| d.assignment.node()).collect(),
        circuit: Digest32(play.header.terms.circuit.0),
        expires: play.header.terms.expiry,
        fails_to_answer: inner.unavailable,
        assembler: play.job.assembler,
    };
    let status = status(&job, id);
    inner.jobs.lock().unwrap().insert(id, job);
    axum::Json(status)
}

fn status(job: &Job, id: Digest32) -> serde_json::Value {
    let stage = job.at.checked_sub(1).and_then(|at| job.stages.get(at));
    let nodes = job
        .identities
        .iter()
        .zip(1u8..)
        .map(|(identity, index)| {
            let outcome = stage.and_then(|s| s.answers.iter().find(|a| a.index == index)).map(|a| &a.outcome);
            DeliveryInfo {
                index,
                identity: *identity,
                state: match outcome {
                    Some(Outcome::Answered(_)) => DeliveryState::Answered,
                    Some(Outcome::Refused(_)) => DeliveryState::Refused,
                    _ => DeliveryState::Offered,
                },
                envelope_bytes: 0,
                response_bytes: 0,
                refusal: None,
                contradicted: job.seconds.iter().any(|(place, _)| *place == index),
            }
        })
        .collect();
    let state = match job.assembler {
        Assembler::Coordinator => JobState::Proved,
        _ => JobState::Running,
    };
    let status = JobStatus {
        id,
        state,
        circuit: job.circuit,
        dials: DialsInfo { n: job.identities.len() as u8, t: 1, groups: 1, handover: "witness".into() },
        created: 0,
        expires: job.expires,
        nodes,
        assembler: job.assembler,
        error: None,
    };
    let mut json = serde_json::to_value(status).unwrap();
    json["version"] = job.at.into();
    json
}

async fn show(
    State(inner): State<Arc<Inner>>,
    Path(id): Path<Digest32>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let seen: usize = query.get("seen").and_then(|seen| seen.parse().ok()).unwrap_or(0);
    let (answer, pause) = {
        let mut jobs = inner.jobs.lock().unwrap();
        let Some(job) = jobs.get_mut(&id) else { return StatusCode::NOT_FOUND.into_response() };
        if job.fails_to_answer > 0 {
            job.fails_to_answer -= 1;
            return StatusCode::BAD_GATEWAY.into_response();
        }
        let more = seen >= job.at && job.at < job.stages.len();
        if more {
            job.at += 1;
        }
        (status(job, id), !more)
    };
    if pause {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    axum::Json(answer).into_response()
}

async fn answers(State(inner): State<Arc<Inner>>, Path(id): Path<Digest32>) -> Vec<u8> {
    let jobs = inner.jobs.lock().unwrap();
    let job = jobs.get(&id).unwrap();
    match job.at.checked_sub(1).and_then(|at| job.stages.get(at)) {
        Some(stage) => stage.to_frame(),
        None => JobAnswers { deal: id, answers: Vec::new() }.to_frame(),
    }
}

async fn contradictions(
    State(inner): State<Arc<Inner>>,
    Path(id): Path<Digest32>,
) -> axum::Json<Contradictions> {
    let jobs = inner.jobs.lock().unwrap();
    let job = jobs.get(&id).unwrap();
    let first = |place: u8| {
        let answers = job.stages.last().unwrap().answers.iter().find(|a| a.index == place);
        answers.map(|a| a.outcome.clone()).unwrap()
    };
    let hex = |outcome: &Outcome| {
        let Outcome::Answered(answer) = outcome else { panic!("no answer") };
        let mut body = tacit_wire::codec::Writer::new();
        tacit_wire::frame::Body::write(answer, &mut body);
        hex::encode(body.finish())
    };
    let contradiction = |(place, second): &(u8, Outcome)| Contradiction {
        index: *place,
        identity: job.identities[usize::from(*place) - 1],
        answers: [hex(&first(*place)), hex(second)],
        evidence: None,
    };
    axum::Json(Contradictions { id, contradictions: job.seconds.iter().map(contradiction).collect() })
}

async fn cancel(State(inner): State<Arc<Inner>>, body: Bytes) -> axum::Json<serde_json::Value> {
    let cancel: Cancel = Cancel::from_frame(&body, 4096).unwrap();
    let headers = inner.headers.lock().unwrap();
    let header = headers.iter().find(|header| header.deal_id().0 == cancel.deal.0).unwrap();
    cancel.verify(&IdentityKey(header.terms.client_key)).unwrap();
    inner.cancelled.lock().unwrap().push(cancel.deal);
    axum::Json(status(&inner.jobs.lock().unwrap()[&cancel.deal], cancel.deal))
}

async fn proof(State(inner): State<Arc<Inner>>, Path(id): Path<Digest32>) -> axum::Json<serde_json::Value> {
    axum::Json(serde_json::json!({ "id": id, "proof": inner.proof, "public": [] }))
}
