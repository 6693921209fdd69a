//! Many jobs and nodes at once, most of which wait.

use tacit_coordinator::store::{Database, Insertion, Store};
use tacit_wire::Digest32;
use tacit_wire::status::DeliveryState;

use crate::fixture::{Behaviour, By, FakeKeys, Network, circuit, deal, now, stored_job};

const NODES: usize = 200;
const JOBS: u64 = 10_000;
const MIB: u64 = 1 << 20;

/// Bytes of this process in memory: coordinator, nodes' connections and the test together.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_ten_thousand_waiting_jobs_and_two_hundred_nodes_fit_into_500_mib() {
    let fakes: Vec<_> = (0..NODES).map(|_| FakeKeys::new()).collect();
    let network = Network::new(0, &fakes.iter().map(|f| &f.identity).collect::<Vec<_>>()).await;
    network.api.register(circuit()).await;
    let certificates: Vec<_> = fakes.iter().take(3).map(|f| f.certificate.clone()).collect();
    let model = deal(&certificates, By::Client, now() + 3600, 3);
    let path = network.config.data_dir.join("coordinator.sqlite");
    let store = Store::open(&Database::Sqlite(path)).await.unwrap();
    for number in 0..JOBS {
        let mut name = [0; 32];
        name[..8].copy_from_slice(&number.to_le_bytes());
        // As a submission leaves it, but for the names: nobody opens these.
        let first = usize::try_from(number).unwrap() + 1;
        let nodes = (first..).map(|node| fakes[node % NODES].identity.key());
        let job = stored_job(Digest32(name), &model, nodes);
        assert_eq!(store.insert_job(&job, now(), JOBS).await.unwrap(), Insertion::New);
    }
    for fake in &fakes {
        fake.connect(&network, |_, _| Behaviour::Silence).await;
    }
    network.wait_connected(NODES).await;
    // Every node is offered as much as it takes at a time, the oldest first; the rest waits.
    let oldest = Digest32([0; 32]);
    network.api.wait_for(oldest, |s| s.nodes.iter().all(|n| n.state == DeliveryState::Offered)).await;
    let used = resident();
    println!("{NODES} nodes, {JOBS} jobs: {} MiB", used / MIB);
    assert!(used < 500 * MIB, "{} MiB", used / MIB);
    store.close().await;
    network.stop().await;
}
