//! Against the coordinator and nodes that the product runs.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tacit_algebra::{Bls12_381, Bn254, Check};
use tacit_circom::{Zkey, wtns::Wtns};
use tacit_client::plan::{Circuit as PlannedCircuit, Device, Wish, plan, survey};
use tacit_client::{
    Artefact, Assembler, Choice, Client, ClientError, Committee, CommitteeError, Culprit, Event, Handover,
    JobTicket, Member, Network, Options, PinnedCoordinator, PinnedNode, Prepared, Progress, Rule, Silent,
};
use tacit_coordinator::{AllowedNode, Coordinator};
use tacit_groth16::{ProvingKey, verify::verify};
use tacit_wire::status::JobState;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::circuit::{Circuit, Recorder};

pub struct World {
    folder: tempfile::TempDir,
    network: Network,
    http: SocketAddr,
    quic: SocketAddr,
    coordinator: Option<JoinHandle<()>>,
    nodes: Vec<Option<JoinHandle<()>>>,
}

async fn coordinator(folder: &Path, nodes: &[PinnedNode], http: SocketAddr, quic: SocketAddr) -> Coordinator {
    let mut config = tacit_coordinator::Config::new(folder.join("coordinator"));
    (config.http_listen, config.quic_listen) = (http, quic);
    config.nodes = nodes
        .iter()
        .map(|n| AllowedNode {
            name: n.name.clone(),
            identity: tacit_wire::IdentityKey(n.identity),
            operator: n.operator.clone(),
        })
        .collect();
    let started = Instant::now();
    loop {
        match Coordinator::start(config.clone()).await {
            Ok(coordinator) => return coordinator,
            // After a "crash" the sockets and the lock are free as soon as the last task is gone.
            Err(error) if started.elapsed() > Duration::from_secs(20) => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn run_coordinator(coordinator: Coordinator) -> JoinHandle<()> {
    tokio::spawn(async move { coordinator.run(CancellationToken::new()).await.unwrap() })
}

impl World {
    /// A coordinator, `n` nodes that it admits, `running` of them running and connected.
    pub async fn start(n: u8, running: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pinned: Vec<PinnedNode> = (1..=n)
            .map(|i| PinnedNode {
                name: format!("node-{i}"),
                identity: tacit_node::init(&folder.path().join(format!("node-{i}"))).unwrap().0,
                operator: format!("operator-{i}"),
                vouched_by: "this test".into(),
            })
            .collect();
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let coordinator = coordinator(folder.path(), &pinned, any, any).await;
        let (http, quic) = (coordinator.http_address(), coordinator.quic_address());
        let network = Network {
            name: "test".into(),
            coordinator: PinnedCoordinator {
                urls: vec![format!("https://{http}")],
                identity: coordinator.identity().0,
                certificate: None,
                api_key_file: None,
            },
            nodes: pinned,
            choice: Choice::default(),
        };
        let coordinator = Some(run_coordinator(coordinator));
        let nodes = (0..n).map(|_| None).collect();
        let mut world = Self { folder, network, http, quic, coordinator, nodes };
        for i in 1..=running {
            world.start_node(i).await;
        }
        world.connected(usize::from(running)).await;
        world
    }

    async fn start_node(&mut self, i: u8) {
        let mut config = tacit_node::Config::new(
            self.folder.path().join(format!("node-{i}")),
            format!("node-{i}"),
            self.quic,
            tacit_wire::IdentityKey(self.network.coordinator.identity),
        );
        config.limits.retry_seconds = 1;
        let node = tacit_node::Node::open(config).await.unwrap();
        self.nodes[usize::from(i) - 1] =
            Some(tokio::spawn(async move { node.run(CancellationToken::new()).await.unwrap() }));
    }

    pub fn node_folder(&self, i: u8) -> std::path::PathBuf {
        self.folder.path().join(format!("node-{i}"))
    }

    /// Ends a node's process, as far as there is one, and starts it again.
    pub async fn restart_node(&mut self, i: u8) {
        let old = self.nodes[usize::from(i) - 1].take().unwrap();
        old.abort();
        let _ = old.await;
        let others = self.nodes.iter().flatten().count();
        let started = Instant::now();
        while self.client().api().network().await.unwrap().nodes.iter().filter(|n| n.connected).count()
            > others
        {
            assert!(started.elapsed() < Duration::from_secs(30), "the node did not go away");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.start_node(i).await;
        self.connected(others + 1).await;
    }

    pub fn kill_node(&mut self, i: u8) {
        self.nodes[usize::from(i) - 1].take().unwrap().abort();
    }

    async fn restart_coordinator(&mut self, pause: Duration) {
        let old = self.coordinator.take().unwrap();
        old.abort();
        let _ = old.await;
        tokio::time::sleep(pause).await;
        let new = coordinator(self.folder.path(), &self.network.nodes, self.http, self.quic).await;
        self.coordinator = Some(run_coordinator(new));
    }

    pub fn client(&self) -> Client {
        Client::new(self.network.clone()).unwrap()
    }

    async fn connected(&self, expected: usize) {
        let client = self.client();
        let started = Instant::now();
        loop {
            let info = client.api().network().await.unwrap();
            if info.nodes.iter().filter(|n| n.connected).count() >= expected {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "nodes did not connect: {info:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn options() -> Options {
    let mut options = Options::standard().unwrap();
    options.expiry = Duration::from_secs(120);
    options
}

fn zkey(circuit: &Circuit) -> Artefact {
    Artefact::from(circuit.zkey.as_path())
}

#[tokio::test(flavor = "multi_thread")]
async fn four_nodes_make_a_proof_and_the_caller_sees_every_phase() {
    let world = World::start(4, 4).await;
    let circuit = Circuit::tiny();
    let seen = Recorder::default();
    let proved = world
        .client()
        .prove(circuit.prepared(), Some(&zkey(&circuit)), &options(), seen.shared())
        .await
        .unwrap();
    verify(&circuit.key.vk, &proved.public, &proved.proof).unwrap();
    assert!(proved.answered.len() >= 3, "{proved:?}");
    assert!(proved.suspects.is_empty());
    assert_eq!(proved.members.len(), 4);

    let events = seen.events();
    let at = |what: &str, which: &dyn Fn(&Event) -> bool| {
        events.iter().position(which).unwrap_or_else(|| panic!("no event {what} in {events:#?}"))
    };
    let order = [
        at("witness checked", &|e| matches!(e, Event::WitnessChecked { .. })),
        at("upload", &|e| matches!(e, Event::CircuitUpload { sent, total, .. } if sent == total)),
        at("circuit ready", &|e| matches!(e, Event::CircuitReady { .. })),
        at("committee", &|e| matches!(e, Event::CommitteeChosen { threshold: 1, .. })),
        at("dealt", &|e| matches!(e, Event::Dealt { .. })),
        at("sealed", &|e| matches!(e, Event::Sealed { .. })),
        at("submitted", &|e| matches!(e, Event::Submitted { .. })),
        at("answered", &|e| matches!(e, Event::Answered { .. })),
        at("verified", &|e| matches!(e, Event::Verified { .. })),
    ];
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(seen.count(|e| matches!(e, Event::Sealed { .. })), 4);
    // Node 1 gets a seed, the others shares of every private wire.
    let bytes: Vec<(u8, usize)> = events
        .iter()
        .filter_map(|e| match e {
            Event::Sealed { member, package_bytes, .. } => Some((member.index, *package_bytes)),
            _ => None,
        })
        .collect();
    assert!(bytes.iter().all(|(index, bytes)| (*index == 1) == (*bytes < 32 * circuit.key.n_private())));
    assert!(seen.count(|e| matches!(e, Event::Acknowledged { .. })) >= 3);
}

/// Nodes measure themselves in the background and say so again when they know; the coordinator passes it on.
#[tokio::test(flavor = "multi_thread")]
async fn a_survey_tells_who_can_be_seated_how_fast_they_say_they_are_and_how_fast_the_line_is() {
    let world = World::start(4, 3).await;
    let circuit = Circuit::tiny();
    let (client, id) = (world.client(), circuit.key.circuit_id);
    let started = Instant::now();
    let found = loop {
        let found = survey(&client, id, Duration::from_secs(60), true).await.unwrap();
        if found.nodes.iter().all(|node| node.claim > 0) {
            break found;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "nodes do not say how fast they are: {found:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let mut names: Vec<&str> = found.nodes.iter().map(|node| node.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["node-1", "node-2", "node-3"]);
    assert!(found.nodes.iter().all(|node| !node.has_circuit));
    let [rejected] = found.rejected.as_slice() else { panic!("{:?}", found.rejected) };
    assert_eq!(rejected.name.as_deref(), Some("node-4"));
    assert!(found.absent()[0].contains("node-4"));
    let line = found.line.unwrap();
    assert!(line.bytes_per_second.is_finite() && line.bytes_per_second > 0.0 && line.round_trip > 0.0);

    // With a sealing key for longer than they have one, nobody can be seated.
    let forever = survey(&client, id, Duration::from_secs(1 << 40), false).await.unwrap();
    assert!(forever.nodes.is_empty() && forever.line.is_none());

    // What is recommended can be done; then the nodes that did it have the circuit.
    let clock = || tacit_client::plan::Reading { cpu: started.elapsed(), wall: started.elapsed() };
    let device = Device::measure(&circuit.key, &clock, &mut rand::rng()).unwrap();
    let nodes = found.nodes(device.bases_per_second);
    let wish = Wish { handover: Some(Handover::Witness), ..Wish::default() };
    let plan = plan(&PlannedCircuit::of(&circuit.key), &device, &nodes, line, &wish).unwrap();
    let mut options = options();
    options.dials = plan.recommended.setting.dials;
    let seen = Recorder::default();
    client.prove(circuit.prepared(), Some(&zkey(&circuit)), &options, seen.shared()).await.unwrap();
    let sent = plan.recommended.setting.upload_bytes;
    assert_eq!(seen.count(|e| matches!(e, Event::Submitted { bytes, .. } if *bytes == sent)), 1);
    while survey(&client, id, Duration::from_secs(60), false)
        .await
        .unwrap()
        .nodes
        .iter()
        .all(|n| !n.has_circuit)
    {
        assert!(started.elapsed() < Duration::from_secs(60), "no node says that it has the circuit");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_that_is_gone_changes_nothing() {
    let mut world = World::start(4, 4).await;
    let circuit = Circuit::tiny();
    let client = world.client();
    // The committee is drawn while all four are there; then one is gone.
    let (committee, _) = client.committee(&options(), &[]).await.unwrap();
    world.kill_node(2);
    client.register_circuit(circuit.key.circuit_id, &zkey(&circuit), None, Arc::new(Silent)).await.unwrap();
    let proved = deal_to(&client, &circuit, &committee).await.unwrap();
    verify(&circuit.key.vk, &proved.public, &proved.proof).unwrap();
    assert!(proved.answered.iter().all(|m| m.name != "node-2"));
}

async fn deal_to(
    client: &Client,
    circuit: &Circuit,
    committee: &Committee,
) -> Result<tacit_client::Proved<Bn254>, ClientError> {
    let mut options = options();
    options.timeout = Some(Duration::from_secs(60));
    deal_with(client, circuit, committee, &options).await
}

async fn deal_with(
    client: &Client,
    circuit: &Circuit,
    committee: &Committee,
    options: &Options,
) -> Result<tacit_client::Proved<Bn254>, ClientError> {
    let key = tacit_client::AssemblerKey::Fresh;
    let dealt = circuit.prepared().deal(committee, key, options, &mut rand::rng(), &Silent)?;
    client.api().submit(dealt.frame).await?;
    let mut waiting = client.resume(dealt.ticket, circuit.key.vk.clone())?;
    client.finish(&mut waiting, options, &Silent).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_are_gone_are_named() {
    let mut world = World::start(4, 4).await;
    let circuit = Circuit::tiny();
    let client = world.client();
    client.register_circuit(circuit.key.circuit_id, &zkey(&circuit), None, Arc::new(Silent)).await.unwrap();
    let (committee, _) = client.committee(&options(), &[]).await.unwrap();
    world.kill_node(2);
    world.kill_node(3);
    let mut options = options();
    options.timeout = Some(Duration::from_secs(10));
    let error = deal_with(&client, &circuit, &committee, &options).await.unwrap_err();
    let ClientError::TimedOut { needed: 3, silent, .. } = &error else { panic!("{error}") };
    let mut names: Vec<&str> = silent.iter().map(|m| m.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["node-2", "node-3"]);
    let text = error.to_string();
    assert!(text.contains("node-2 of operator-2") && text.contains("have not answered"), "{text}");
    assert!(error.culprits().iter().all(|c| matches!(c, Culprit::NodeOrCoordinator(_))));
}

/// Kills the nodes that hold certain places, once the job is submitted.
struct Killer {
    seen: Recorder,
    seats: Mutex<Vec<Member>>,
    nodes: Mutex<HashMap<String, JoinHandle<()>>>,
    places: Vec<u8>,
}

impl Progress for Killer {
    fn event(&self, event: Event) {
        match &event {
            Event::CommitteeChosen { members, .. } => *self.seats.lock().unwrap() = members.clone(),
            Event::Sealed { .. } => {
                for member in self.seats.lock().unwrap().iter().filter(|m| self.places.contains(&m.index)) {
                    if let Some(node) = self.nodes.lock().unwrap().remove(&member.name) {
                        node.abort();
                    }
                }
            }
            _ => {}
        }
        self.seen.event(event);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_nodes_are_replaced_without_dealing_again() {
    for (handover, n, t, groups, places) in [
        // The seed's holder, and one with shares written out.
        (Handover::Witness, 3, 1, 1, vec![1]),
        (Handover::Witness, 3, 1, 1, vec![3]),
        (Handover::Quotient, 2, 1, 1, vec![1, 2]),
        (Handover::Quotient, 2, 1, 2, vec![4]),
    ] {
        let seats = n * groups;
        let mut world = World::start(seats + 2, seats + 2).await;
        let circuit = Circuit::tiny();
        let mut options = Options::with_dials(handover, n, t).unwrap();
        options.dials = options.dials.with_groups(groups).unwrap();
        options.replace_after = Some(Duration::from_millis(500));
        let seen = Recorder::default();
        let nodes = (1..).zip(&mut world.nodes);
        let killer = Killer {
            seen: seen.clone(),
            seats: Mutex::default(),
            nodes: nodes
                .map(|(i, node)| (format!("node-{i}"), node.take().unwrap()))
                .collect::<HashMap<_, _>>()
                .into(),
            places: places.clone(),
        };
        let prepared = Prepared::new(&circuit.key, &circuit.witness, None, handover).unwrap();
        let killer = Arc::new(killer);
        let proved =
            world.client().prove(prepared, Some(&zkey(&circuit)), &options, killer.clone()).await.unwrap();
        verify(&circuit.key.vk, &proved.public, &proved.proof).unwrap();
        assert_eq!(seen.count(|e| matches!(e, Event::Dealt { .. })), 1, "nothing is dealt again");
        let events = seen.events();
        let mut replaced: Vec<(u8, &str, &str)> = (events.iter())
            .filter_map(|e| match e {
                Event::Replaced { lost, by } => Some((by.index, lost.name.as_str(), by.name.as_str())),
                _ => None,
            })
            .collect();
        replaced.sort_unstable();
        assert_eq!(replaced.iter().map(|(place, ..)| *place).collect::<Vec<_>>(), places, "{events:#?}");
        let first: Vec<String> = killer.seats.lock().unwrap().iter().map(|m| m.name.clone()).collect();
        for (place, lost, by) in replaced {
            assert_eq!(first[usize::from(place) - 1], lost);
            assert!(!first.iter().any(|name| name == by), "{by} has a place already");
            assert!(proved.answered.iter().any(|m| m.index == place && m.name == by));
        }
        // Nobody is asked any more.
        let status = world.client().api().job(proved.job).await.unwrap().status;
        assert_eq!(status.state, JobState::Answered);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_nodes_for_a_committee_are_named_before_anything_is_dealt() {
    let world = World::start(4, 3).await;
    let circuit = Circuit::tiny();
    let seen = Recorder::default();
    let error = world
        .client()
        .prove(circuit.prepared(), Some(&zkey(&circuit)), &options(), seen.shared())
        .await
        .unwrap_err();
    match &error {
        ClientError::Committee(CommitteeError::NotEnough { wanted: 4, eligible: 3, rejected, .. }) => {
            assert_eq!(rejected[0].name.as_deref(), Some("node-4"));
            assert!(matches!(*rejected[0].rule, Rule::NotConnected | Rule::NoSealingKey));
        }
        other => panic!("{other}"),
    }
    assert_eq!(seen.count(|e| matches!(e, Event::Dealt { .. })), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_survives_a_restart_of_the_coordinator() {
    let mut world = World::start(4, 4).await;
    let circuit = Circuit::tiny();
    let client = world.client();
    client.register_circuit(circuit.key.circuit_id, &zkey(&circuit), None, Arc::new(Silent)).await.unwrap();
    let (committee, _) = client.committee(&options(), &[]).await.unwrap();
    // With two nodes gone the job cannot end before the restart.
    world.kill_node(2);
    world.kill_node(3);
    let key = tacit_client::AssemblerKey::Fresh;
    let dealt = circuit.prepared().deal(&committee, key, &options(), &mut rand::rng(), &Silent).unwrap();
    client.api().submit(dealt.frame.clone()).await.unwrap();
    let mut waiting = client.resume(dealt.ticket, circuit.key.vk.clone()).unwrap();
    let seen = Recorder::default();
    let finishing = {
        let (client, seen) = (client.clone(), seen.clone());
        tokio::spawn(async move { client.finish(&mut waiting, &options(), &seen).await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.restart_coordinator(Duration::from_millis(700)).await;
    world.start_node(2).await;
    world.start_node(3).await;
    let proved = finishing.await.unwrap().unwrap();
    verify(&circuit.key.vk, &proved.public, &proved.proof).unwrap();
    assert!(seen.count(|e| matches!(e, Event::Unreachable { .. })) >= 1, "{:#?}", seen.events());
    // The same bytes again change nothing.
    client.api().submit(dealt.frame).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_comes_back_with_its_ticket() {
    let world = World::start(4, 4).await;
    let circuit = Circuit::tiny();
    for assembler in [Assembler::Client, Assembler::Coordinator] {
        let mut options = options();
        options.assembler = assembler;
        let prepared = Arc::new(circuit.prepared());
        let waiting = world
            .client()
            .submit(&prepared, Some(&zkey(&circuit)), &options, &Recorder::default().shared())
            .await
            .unwrap();
        assert_eq!(waiting.ticket().is_secret(), assembler == Assembler::Client);
        let path = world.folder.path().join(format!("{assembler:?}.ticket"));
        waiting.ticket().save(&path).unwrap();
        drop(waiting);
        // Later, elsewhere.
        let client = world.client();
        let mut waiting = client.resume(JobTicket::load(&path).unwrap(), circuit.key.vk.clone()).unwrap();
        let proved = client.finish(&mut waiting, &options, &Silent).await.unwrap();
        verify(&circuit.key.vk, &proved.public, &proved.proof).unwrap();
        assert_eq!(proved.public, prepared.public());
        let listed = client.api().jobs().await.unwrap();
        assert!(listed.iter().any(|job| job.id == proved.job));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_curve_is_delegated_likewise() {
    let world = World::start(5, 5).await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../circom/tests/fixtures/bls12381");
    let zkey = std::fs::read(format!("{folder}/final.zkey")).unwrap();
    let key = ProvingKey::<Bls12_381>::from_zkey(Zkey::read(&zkey, Check::Full).unwrap()).unwrap();
    let witness = Wtns::read(&std::fs::read(format!("{folder}/tiny.wtns")).unwrap()).unwrap();
    let prepared = Prepared::new(&key, &witness.values, None, Handover::Witness).unwrap();
    let mut options = Options::with_dials(tacit_client::Handover::Witness, 5, 2).unwrap();
    options.expiry = Duration::from_secs(120);
    let zkey = Artefact::from(zkey);
    let proved = world.client().prove(prepared, Some(&zkey), &options, Arc::new(Silent)).await.unwrap();
    verify(&key.vk, &proved.public, &proved.proof).unwrap();
    assert_eq!(proved.answered.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_witness_is_named_before_or_blames_nobody_after() {
    let world = World::start(4, 4).await;
    let circuit = Circuit::tiny();
    let wrong = circuit.wrong_witness();
    let error =
        Prepared::new(&circuit.key, &wrong, Some(&circuit.r1cs), Handover::Witness).unwrap_err().to_string();
    assert!(error.contains("constraint ") && error.contains("does not hold"), "{error}");
    assert!(error.contains("Nothing was sent"), "{error}");

    let unchecked = Prepared::new(&circuit.key, &wrong, None, Handover::Witness).unwrap();
    let mut options = options();
    options.grace = Duration::from_secs(20);
    let error =
        world.client().prove(unchecked, Some(&zkey(&circuit)), &options, Arc::new(Silent)).await.unwrap_err();
    assert!(matches!(error, ClientError::NotAssembled { .. }), "{error}");
    assert!(error.culprits().is_empty());
    assert!(error.to_string().contains("the witness may be wrong"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circuit_is_registered_once_with_its_constraints() {
    let world = World::start(4, 0).await;
    let circuit = Circuit::tiny();
    let client = world.client();
    let id = circuit.key.circuit_id;
    assert!(client.api().circuit(id).await.unwrap().is_none());
    let r1cs = Artefact::from(circuit.r1cs_file.as_path());
    for uploads in [2, 0] {
        let seen = Recorder::default();
        client.register_circuit(id, &zkey(&circuit), Some(&r1cs), seen.shared()).await.unwrap();
        let done = |e: &Event| matches!(e, Event::CircuitUpload { sent, total, .. } if sent == total);
        assert_eq!(seen.count(done), uploads);
    }
    let info = client.api().circuit(id).await.unwrap().unwrap();
    assert!(info.has_r1cs);
    assert_eq!(client.api().circuits().await.unwrap().len(), 1);
    assert_eq!(client.api().r1cs(id).await.unwrap().unwrap(), std::fs::read(&circuit.r1cs_file).unwrap());
    // The id is the content's: another name for it is refused.
    let error = client
        .register_circuit(tacit_groth16::CircuitId([9; 32]), &zkey(&circuit), None, Arc::new(Silent))
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Api(tacit_client::ApiError::Refused { .. })), "{error}");
    let unknown = client.prove(circuit.prepared(), None, &options(), Arc::new(Silent)).await.unwrap_err();
    assert!(matches!(unknown, ClientError::Committee(_)), "known circuit, no nodes: {unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_with_another_key_is_not_spoken_to() {
    let world = World::start(4, 0).await;
    let mut network = world.network.clone();
    network.coordinator.identity = [7; 32];
    let error = Client::new(network).unwrap().api().network().await.unwrap_err();
    assert!(matches!(error, tacit_client::ApiError::Pin { .. }), "{error}");
    assert!(error.to_string().contains("network.toml pins"), "{error}");
}
