//! One account for many transactions, on a chain in memory, with real proofs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tacit_pool::Fr;
use tacit_prover::status::{Blame, Phase, SpendStatus};
use tacit_prover::{Task, Work, local};
use tacit_wire::Digest32;

use crate::chain::Memory;
use crate::circuits;
use crate::common::rng;
use crate::scene::{Running, Scene, config};

const SOON: Duration = Duration::from_secs(120);

/// Two payments of different notes.
fn payments(scene: &mut Scene) -> [Work; 2] {
    [1, 2].map(|seed| {
        let payment = scene.payment();
        let prepared = scene.prepare(&payment, seed);
        scene.alice.wallet.commit(&prepared);
        scene.sign(&prepared)
    })
}

struct Office {
    service: Running,
    chain: Memory,
    folder: tempfile::TempDir,
    /// Two payments that are proved.
    tasks: [Task; 2],
}

impl Office {
    async fn open() -> Self {
        let (mut scene, circuits) = (Scene::new(), circuits::real());
        let tasks = payments(&mut scene).map(|work| {
            let proved = local::prove(&circuits, &work, &mut rng(1), &|_| {}).unwrap();
            Task::Relay { statement: work.statement().clone(), proved }
        });
        let chain = Memory::new(&scene.chain, Some(Arc::clone(&circuits)));
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder.path().join("service"));
        let service = Running::start(config, scene.keys(), circuits, chain.clone()).await;
        Self { service, chain, folder, tasks }
    }

    async fn submit(&self, task: &Task, seed: u64) -> Digest32 {
        let now = self.chain.lock().now;
        let registration = self.service.client.registration(now).await.unwrap();
        let (id, envelope) = self.service.client.seal(&registration, task.clone(), &mut rng(seed)).unwrap();
        self.service.client.submit(envelope).await.unwrap();
        id
    }

    async fn ended(&self, id: Digest32) -> SpendStatus {
        self.service.client.wait(id, SOON, &|_| {}).await.unwrap()
    }

    async fn fails(&self, task: &Task, seed: u64, code: &str, blame: Blame) {
        let id = self.submit(task, seed).await;
        let error = self.ended(id).await.error.unwrap();
        assert_eq!((error.code.as_str(), error.blame), (code, blame));
        assert_eq!(self.signed_files(), 0);
    }

    fn signed_files(&self) -> usize {
        let spends = std::fs::read_dir(self.folder.path().join("service/spends")).unwrap();
        spends.filter(|entry| entry.as_ref().unwrap().path().extension().unwrap() == "signed").count()
    }

    async fn until(&self, what: impl Fn(&crate::chain::State) -> bool) {
        let began = Instant::now();
        while !what(&self.chain.lock()) {
            assert!(began.elapsed() < SOON, "it does not come to that");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn replay_id(task: &Task) -> Fr {
    task.statement().public_inputs().intent_replay_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_nobody_waits_for_anothers_tries_and_no_number_is_left_out() {
    let office = Office::open().await;
    let [first, second] = &office.tasks;
    let set = |change: &dyn Fn(&mut crate::chain::State)| change(&mut office.chain.lock());

    // An account without ether, a node that takes nothing, a transaction that takes too much: said soon, and not on the wallet's time.
    let began = Instant::now();
    set(&|state| state.poor = true);
    office.fails(first, 1, "account", Blame::Prover).await;
    set(&|state| (state.poor, state.refusing) = (false, true));
    office.fails(first, 2, "account", Blame::Prover).await;
    set(&|state| (state.refusing, state.gas) = (false, 2_000_001));
    office.fails(first, 3, "too_much_gas", Blame::Wallet).await;
    assert!(began.elapsed() < Duration::from_secs(60));
    let refused = office.chain.lock().signed.len();
    assert!(refused >= 2, "it was tried more than once");
    set(&|state| state.gas = 2_000_000);

    // One about which the node does not answer, for as long as it likes: the other is served meanwhile, with the number that no transaction
    // took that was signed before.
    set(&|state| state.unanswered = HashSet::from([replay_id(first)]));
    let waits = office.submit(first, 4).await;
    office.service.client.status(waits, Some(Phase::Queued)).await.unwrap();
    let served = office.submit(second, 5).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), office.ended(served)).await;
    assert_eq!(ended.expect("it waits for the other's tries").phase, Phase::Confirmed);
    assert_eq!(office.chain.lock().nonce, 1);
    set(&|state| state.unanswered.clear());
    assert_eq!(office.ended(waits).await.phase, Phase::Confirmed);
    assert_eq!(office.chain.lock().nonce, 2);
    assert_eq!(office.chain.lock().signed.len(), refused + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_what_the_node_may_not_have_is_handed_in_before_another_is_signed() {
    let office = Office::open().await;
    let [first, second] = &office.tasks;
    office.chain.lock().deaf = true;
    let one = office.submit(first, 1).await;
    office.until(|state| state.signed.len() == 1).await;
    let other = office.submit(second, 2).await;
    // Long enough for it to be signed with the same number, if it were.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(office.chain.lock().signed.len(), 1);
    office.chain.lock().deaf = false;
    for id in [one, other] {
        assert_eq!(office.ended(id).await.phase, Phase::Confirmed);
    }
    let state = office.chain.lock();
    assert_eq!((state.nonce, state.signed.len()), (2, 2), "each was signed once");
}
