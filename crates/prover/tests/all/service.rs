//! A service from request to block, with the real circuits, also across crashes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tacit_prover::service::{Service, ServiceConfig, StartError};
use tacit_prover::status::{Phase, SpendStatus};
use tacit_prover::{PoolCircuits, Task, Work, local};
use tempfile::TempDir;

use crate::chain::Memory;
use crate::circuits;
use crate::common::rng;
use crate::scene::{Running, Scene, config};

const SOON: Duration = Duration::from_secs(120);

struct World {
    scene: Scene,
    chain: Memory,
    circuits: Arc<PoolCircuits>,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let (scene, circuits) = (Scene::new(), circuits::real());
        let chain = Memory::new(&scene.chain, Some(Arc::clone(&circuits)));
        Self { scene, chain, circuits, folder: tempfile::tempdir().unwrap() }
    }

    fn config(&self) -> ServiceConfig {
        config(&self.folder.path().join("service"))
    }

    async fn start(&self) -> Running {
        Running::start(self.config(), self.scene.keys(), Arc::clone(&self.circuits), self.chain.clone()).await
    }

    fn files(&self) -> Vec<String> {
        let folder = self.folder.path().join("service/spends");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().extension().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    async fn seal(&self, service: &Running, task: Task, seed: u64) -> (tacit_wire::Digest32, Vec<u8>) {
        let now = self.chain.lock().now;
        let registration = service.client.registration(now).await.unwrap();
        service.client.seal(&registration, task, &mut rng(seed)).unwrap()
    }
}

async fn until(what: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !what() {
        assert!(began.elapsed() < SOON, "it does not come to that");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Nothing that the owner alone should know is in any file, in the clear.
fn assert_no_secret(folder: &Path, work: &Work) {
    let inputs = work.pool_inputs();
    let secrets: Vec<Vec<u8>> = ["ownerNullifierKey", "noteSecretSeed", "blindingFactor"]
        .iter()
        .map(|name| tacit_algebra::field::to_be(&inputs.get(name).unwrap()[0]))
        .collect();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for secret in &secrets {
            let hex = hex::encode(secret);
            assert!(!bytes.windows(32).any(|window| window == secret), "{}", path.display());
            assert!(!String::from_utf8_lossy(&bytes).contains(&hex), "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_service_proves_submits_and_reports() {
    let world = World::new();
    let service = world.start().await;
    let work = world.scene.usual();
    let (id, envelope) = world.seal(&service, Task::Prove(work.clone()), 1).await;
    world.chain.lock().held = true;
    let status = service.client.submit(envelope.clone()).await.unwrap();
    assert_eq!((status.id, status.phase), (id, Phase::Queued));
    // Again, at once and sealed anew: one request.
    assert_eq!(service.client.submit(envelope.clone()).await.unwrap().id, id);
    let (again, sealed_anew) = world.seal(&service, Task::Prove(work.clone()), 1).await;
    assert_eq!(service.client.submit(sealed_anew).await.unwrap().id, again);
    // The same intent under another id is refused as long as it is on its way.
    let (_, other) = world.seal(&service, Task::Prove(work.clone()), 2).await;
    let refused = service.client.submit(other.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("in_progress"), "{refused}");
    until(|| !world.chain.lock().sent.is_empty()).await;
    assert_eq!(world.files(), ["sealed", "signed"]);
    assert_no_secret(&world.folder.path().join("service/spends"), &work);
    let phases = std::sync::Mutex::new(Vec::new());
    let progress = |status: &SpendStatus| phases.lock().unwrap().push(status.phase);
    let waiting = service.client.wait(id, SOON, &progress);
    let mining = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.chain.mine();
    };
    let (ended, ()) = tokio::join!(waiting, mining);
    let ended = ended.unwrap();
    assert_eq!((ended.phase, ended.block), (Phase::Confirmed, Some(world.chain.lock().block)), "{ended:?}");
    assert_eq!(phases.into_inner().unwrap(), [Phase::Submitted, Phase::Confirmed]);
    let hash = ended.transaction.unwrap();
    assert_eq!(hash, format!("0x{}", hex::encode(world.chain.lock().sent[0])));
    // The chain has it, and what was kept for it is gone.
    let public = work.statement().public_inputs().clone();
    assert!(world.chain.lock().ledger.is_used(&public.intent_replay_id));
    assert_eq!(world.files(), ["outcome"]);
    assert_eq!(service.client.submit(envelope).await.unwrap().phase, Phase::Confirmed);
    let executed = service.client.submit(other).await.unwrap_err();
    assert!(executed.to_string().contains("already_executed"), "{executed}");
    assert_eq!(world.chain.lock().signed.len(), 1);
    let metrics = service.metrics().await;
    assert!(metrics.contains(r#"spends_ended_total{outcome="confirmed"} 1"#), "{metrics}");
    service.stop().await;
    // Outcomes are told after a start, too.
    let service = world.start().await;
    assert_eq!(
        (service.resumed, service.client.status(id, None).await.unwrap().phase),
        (0, Phase::Confirmed)
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_what_was_accepted_survives_crashes_and_is_one_transaction() {
    let world = World::new();
    let work = world.scene.usual();
    // Before it is proved: the chain goes away after the request was accepted.
    let service = world.start().await;
    let (id, envelope) = world.seal(&service, Task::Prove(work.clone()), 1).await;
    world.chain.lock().held = true;
    service.client.submit(envelope.clone()).await.unwrap();
    world.chain.lock().away = true;
    service.stop().await;
    assert_eq!(world.files(), ["sealed"]);
    // Signed and sent, in no block.
    world.chain.lock().away = false;
    let service = world.start().await;
    assert_eq!(service.resumed, 1);
    until(|| !world.chain.lock().sent.is_empty()).await;
    service.stop().await;
    assert_eq!(world.files(), ["sealed", "signed"]);
    // It is sent again as it was, and no other is signed.
    let service = world.start().await;
    assert_eq!(service.client.submit(envelope.clone()).await.unwrap().id, id, "known after a start");
    until(|| world.chain.lock().sent.len() >= 2).await;
    world.chain.mine();
    let ended = service.client.wait(id, SOON, &|_| {}).await.unwrap();
    assert_eq!(ended.phase, Phase::Confirmed, "{ended:?}");
    {
        let state = world.chain.lock();
        assert_eq!(state.signed.len(), 1);
        assert!(state.sent.iter().all(|hash| *hash == state.signed[0]));
    }
    service.stop().await;
    // The end was written and what it ends was not tidied up: it is now, and nothing is done again.
    std::fs::write(world.folder.path().join(format!("service/spends/{id}.sealed")), &envelope).unwrap();
    let service = world.start().await;
    assert_eq!((service.resumed, world.files()), (0, vec!["outcome".to_owned()]));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_transaction_whose_number_went_to_another_is_signed_anew() {
    let world = World::new();
    world.chain.lock().held = true;
    let service = world.start().await;
    // Proved elsewhere; the service only sends it.
    let work = world.scene.usual();
    let proved = local::prove(&world.circuits, &work, &mut rng(1), &|_| {}).unwrap();
    let mut broken = proved.clone();
    broken.pool_proof[255] ^= 1;
    for (proved, code) in [(&broken, Some("bad_proof")), (&proved, None)] {
        let task = Task::Relay { statement: work.statement().clone(), proved: proved.clone() };
        let (_, envelope) = world.seal(&service, task, 1).await;
        match (service.client.submit(envelope).await, code) {
            (Ok(_), None) => {}
            (Err(error), Some(code)) => assert!(error.to_string().contains(code), "{error}"),
            (other, _) => panic!("{other:?}"),
        }
    }
    until(|| !world.chain.lock().sent.is_empty()).await;
    service.stop().await;
    // While it was down, the account sent something else.
    {
        let mut state = world.chain.lock();
        state.send_something_else();
        state.held = false;
    }
    let service = world.start().await;
    until(|| world.chain.lock().signed.len() == 2).await;
    until(|| world.files() == ["outcome"]).await;
    let used = work.statement().public_inputs().intent_replay_id;
    assert!(world.chain.lock().ledger.is_used(&used));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_failures_say_why_and_whose() {
    let world = World::new();
    let service = world.start().await;
    let usual = world.scene.usual();
    // A wallet that says something else in its witness than in its statement.
    let mut wrong = usual.encode().to_vec();
    let at = wrong.len() - 1 - 24 * 32 - 1;
    wrong[at] ^= 1;
    let wrong = Work::decode(&wrong).unwrap();
    let (_, envelope) = world.seal(&service, Task::Prove(wrong), 1).await;
    let refused = service.client.submit(envelope).await.unwrap_err();
    assert!(refused.to_string().contains("no_witness"), "{refused}");
    // The contract refuses what held a moment ago.
    let (id, envelope) = world.seal(&service, Task::Prove(usual.clone()), 2).await;
    world.chain.lock().revert = Some("the recipient takes nothing");
    service.client.submit(envelope).await.unwrap();
    let ended = service.client.wait(id, SOON, &|_| {}).await.unwrap();
    let error = ended.error.unwrap();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("reverted", "the recipient takes nothing"));
    // In no block until its time is over.
    {
        let mut state = world.chain.lock();
        (state.revert, state.held) = (None, true);
    }
    let (id, envelope) = world.seal(&service, Task::Prove(usual.clone()), 3).await;
    service.client.submit(envelope).await.unwrap();
    until(|| !world.chain.lock().sent.is_empty()).await;
    world.chain.lock().now = u64::from(usual.statement().public_inputs().valid_until_seconds) + 1;
    let ended = service.client.wait(id, SOON, &|_| {}).await.unwrap();
    assert_eq!(ended.error.unwrap().code, "expired");
    // The first failure is forgotten by now, or is about to be: an hour has passed.
    let files = world.files();
    assert!(!files.is_empty() && files.iter().all(|file| *file == "outcome"), "{files:?}");
    service.stop().await;
}

#[tokio::test]
async fn a_service_starts_only_with_what_it_needs() {
    let world_folder = tempfile::tempdir().unwrap();
    let scene = Scene::new();
    let chain = Memory::new(&scene.chain, None);
    let start = |change: &dyn Fn(&mut ServiceConfig, &mut tacit_prover::service::ServiceKeys)| {
        let mut config = config(&world_folder.path().join("service"));
        let mut keys = scene.keys();
        change(&mut config, &mut keys);
        let clock = tacit_vault::Clock::from_fn(|| crate::common::NOON);
        Service::start(config, keys, circuits::unread(), Arc::new(chain.clone()), clock)
    };
    let error = start(&|config, _| config.endpoint = "http://x".into()).await.unwrap_err();
    assert!(matches!(error, StartError::Endpoint(_)));
    let error = start(&|config, _| config.fees.reverse()).await.unwrap_err();
    assert!(matches!(error, StartError::Fees));
    let error = start(&|config, _| config.auth_verifiers.clear()).await.unwrap_err();
    assert!(matches!(error, StartError::Verifiers));
    let error = start(&|_, keys| keys.fee_readers.clear()).await.unwrap_err();
    assert!(matches!(error, StartError::FeeKey));
    let first = start(&|_, _| {}).await.unwrap();
    let error = start(&|_, _| {}).await.unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
    drop(first);
    // An envelope that no key opens is not thrown away.
    let file = world_folder.path().join("service/spends").join(format!("{}.sealed", "ab".repeat(32)));
    std::fs::write(&file, vec![1; 2000]).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let error = start(&|_, _| {}).await.unwrap_err();
    assert!(matches!(error, StartError::Unreadable { .. }) && file.exists(), "{error}");
    // Nor does anybody sign another transaction because the first cannot be read.
    let signed = file.with_extension("signed");
    for bytes in [vec![], vec![1; 39], vec![1; 40]] {
        std::fs::write(&signed, bytes).unwrap();
        std::fs::set_permissions(&signed, std::fs::Permissions::from_mode(0o600)).unwrap();
        let error = start(&|_, _| {}).await.unwrap_err();
        assert!(matches!(error, StartError::Folder(_)) && signed.exists(), "{error}");
    }
    // One whose destruction was cut off is none: what stops the start is the envelope again.
    std::fs::write(&signed, vec![0; 200]).unwrap();
    let error = start(&|_, _| {}).await.unwrap_err();
    assert!(matches!(error, StartError::Unreadable { .. }), "{error}");
}
