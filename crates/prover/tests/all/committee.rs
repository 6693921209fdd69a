//! A committee on loopback: the product's coordinator and nodes. None of them sees a witness, and the proofs are those that the chain takes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tacit_client::{Choice, Client, Event, Network, Options, PinnedCoordinator, PinnedNode, Progress};
use tacit_coordinator::{AllowedNode, Coordinator};
use tacit_prover::committee::{self, CommitteeError};
use tacit_prover::local::ProveError;
use tacit_prover::proved::from_evm;
use tacit_prover::{AuthCircuit, CircuitKind, Work};
use tacit_wire::IdentityKey;
use tokio_util::sync::CancellationToken;

use crate::circuits;
use crate::scene::Scene;

const NODES: u8 = 4;

/// A coordinator and nodes, for as long as the runtime lives.
async fn network(folder: &std::path::Path) -> Network {
    let nodes: Vec<PinnedNode> = (1..=NODES)
        .map(|i| PinnedNode {
            name: format!("node-{i}"),
            identity: tacit_node::init(&folder.join(format!("node-{i}"))).unwrap().0,
            operator: format!("operator-{i}"),
            vouched_by: "this test".into(),
        })
        .collect();
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let mut config = tacit_coordinator::Config::new(folder.join("coordinator"));
    (config.http_listen, config.quic_listen) = (any, any);
    config.nodes = nodes
        .iter()
        .map(|node| AllowedNode {
            name: node.name.clone(),
            identity: IdentityKey(node.identity),
            operator: node.operator.clone(),
        })
        .collect();
    let coordinator = Coordinator::start(config).await.unwrap();
    let (quic, identity) = (coordinator.quic_address(), coordinator.identity());
    let pinned = PinnedCoordinator {
        urls: vec![format!("https://{}", coordinator.http_address())],
        identity: identity.0,
        certificate: None,
        api_key_file: None,
    };
    tokio::spawn(async move { coordinator.run(CancellationToken::new()).await.unwrap() });
    for i in 1..=NODES {
        let mut config =
            tacit_node::Config::new(folder.join(format!("node-{i}")), format!("node-{i}"), quic, identity);
        config.limits.retry_seconds = 1;
        let node = tacit_node::Node::open(config).await.unwrap();
        tokio::spawn(async move { node.run(CancellationToken::new()).await.unwrap() });
    }
    Network { name: "test".into(), coordinator: pinned, nodes, choice: Choice::default() }
}

async fn connected(client: &Client) {
    let began = Instant::now();
    while client.api().network().await.unwrap().nodes.iter().filter(|node| node.connected).count()
        < usize::from(NODES)
    {
        assert!(began.elapsed() < Duration::from_secs(60), "the nodes do not connect");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

struct Count(CircuitKind, Arc<Mutex<Vec<CircuitKind>>>);

impl Progress for Count {
    fn event(&self, event: Event) {
        if matches!(event, Event::Verified { .. }) {
            self.1.lock().unwrap().push(self.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_committee_proves_what_it_does_not_see() {
    let (scene, circuits, folder) = (Scene::new(), circuits::real(), tempfile::tempdir().unwrap());
    let network = network(folder.path()).await;
    let client = Client::new(network).unwrap();
    connected(&client).await;
    let work = scene.usual();
    let mut options = Options::standard().unwrap();
    options.timeout = Some(Duration::from_secs(300));
    let verified = Arc::new(Mutex::new(Vec::new()));
    let watch = |kind: CircuitKind| -> Arc<dyn Progress> { Arc::new(Count(kind, Arc::clone(&verified))) };
    let proved = committee::prove(&client, &circuits, &work, &options, &watch).await.unwrap();
    let eddsa = CircuitKind::from(AuthCircuit::Eddsa);
    assert_eq!(*verified.lock().unwrap(), [eddsa, CircuitKind::Pool]);
    let statement = work.statement();
    let pool = from_evm(&proved.pool_proof).unwrap();
    circuits.load(CircuitKind::Pool).unwrap().verify(&statement.pool_publics(), &pool).unwrap();
    let auth = from_evm(proved.auth_proof.as_slice().try_into().unwrap()).unwrap();
    circuits.load(eddsa).unwrap().verify(&statement.auth_publics(), &auth).unwrap();

    // What does not hold is noticed before anything is shared.
    let mut wrong = work.encode().to_vec();
    let at = wrong.len() - 1 - 24 * 32 - 1;
    wrong[at] ^= 1;
    let wrong = Work::decode(&wrong).unwrap();
    let error = committee::prove(&client, &circuits, &wrong, &options, &watch).await.unwrap_err();
    assert!(
        matches!(&error, CommitteeError::Prove(ProveError::Circuit(error)) if error.is_of_inputs()),
        "{error}"
    );
    assert_eq!(verified.lock().unwrap().len(), 2);
}
