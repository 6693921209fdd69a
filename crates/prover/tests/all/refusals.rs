//! Every reason for which a service takes nothing. No circuit is read: whatever is refused here is refused before anything is proved.

use tacit_pool::delivery::Place;
use tacit_pool::{Address, Rules};
use tacit_prover::client::{ClientError, Quote, quote};
use tacit_prover::sealed::{MAX_ENVELOPE_BYTES, Recipient};
use tacit_prover::service::{Code, ServiceConfig};
use tacit_prover::status::Blame;
use tacit_prover::{AuthCircuit, CircuitFiles, CircuitKind, PoolCircuits, Request, Task, Work};
use tempfile::TempDir;

use crate::chain::Memory;
use crate::circuits;
use crate::common::{POOL, TOKEN, amount, fr, rng, workspace};
use crate::scene::{FEE, Running, Scene, config, order_key};

pub struct Bench {
    pub scene: Scene,
    pub chain: Memory,
    pub service: Running,
    _folder: TempDir,
}

impl Bench {
    pub async fn new(change: impl FnOnce(&mut ServiceConfig)) -> Self {
        Self::with(Scene::new(), circuits::unread(), change).await
    }

    pub async fn with(
        scene: Scene,
        circuits: std::sync::Arc<PoolCircuits>,
        change: impl FnOnce(&mut ServiceConfig),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(&folder.path().join("service"));
        change(&mut config);
        let chain = Memory::new(&scene.chain, None);
        let service = Running::start(config, scene.keys(), circuits, chain.clone()).await;
        Self { scene, chain, service, _folder: folder }
    }

    pub async fn envelope(&self, task: Task) -> Vec<u8> {
        let now = self.chain.lock().now;
        let registration = self.service.client.registration(now).await.unwrap();
        self.service.client.seal(&registration, task, &mut rng(5)).unwrap().1
    }

    /// The code with which an envelope is refused, at once.
    pub async fn refused(&self, envelope: Vec<u8>) -> (u16, String) {
        let post = reqwest::Client::new().post(format!("{}/v1/spends", self.service.url)).body(envelope);
        let answer = post.send().await.unwrap();
        let status = answer.status().as_u16();
        let retry = answer.headers().contains_key("retry-after");
        let problem: tacit_prover::status::Problem = answer.json().await.expect("a refusal");
        let code = Code::ALL.iter().find(|code| code.name() == problem.code).expect("a known code");
        assert_eq!((code.status().as_u16(), code.blame()), (status, problem.blame));
        assert_eq!(retry, matches!(status, 429 | 503) || problem.code == "storage", "{problem}");
        (status, problem.code)
    }

    pub async fn task(&self, task: Task) -> String {
        self.refused(self.envelope(task).await).await.1
    }

    pub async fn work(&self, work: Work) -> String {
        self.task(Task::Prove(work)).await
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let bench = Bench::new(|_| {}).await;
    let code = |envelope| bench.refused(envelope);
    assert_eq!(code(vec![0; MAX_ENVELOPE_BYTES + 1]).await, (413, "too_large".into()));
    assert_eq!(code(vec![]).await, (400, "bad_envelope".into()));
    assert_eq!(code(vec![2; 2000]).await, (400, "bad_envelope".into()));
    let good = bench.envelope(Task::Prove(bench.scene.usual())).await;
    for at in [1, 9, 1129, 1200, good.len() - 1] {
        let mut changed = good.clone();
        changed[at] ^= 1;
        assert!(["bad_envelope", "unknown_registration"].contains(&code(changed).await.1.as_str()), "{at}");
    }
    let registration = bench.service.client.registration(bench.scene.now()).await.unwrap();
    let seal =
        |to: Recipient, request: &Request| request.seal(&registration.sealing_key, &to, &mut rng(6)).unwrap();
    let to = Recipient {
        place: registration.place,
        prover: order_key().public().id(),
        sequence: registration.sequence,
    };
    let request = Request::new(Task::Prove(bench.scene.usual()), &mut rng(7));
    let later = Recipient { sequence: to.sequence + 1, ..to };
    assert_eq!(code(seal(later, &request)).await, (409, "unknown_registration".into()));
    let elsewhere = Recipient { place: Place { chain_id: 1, ..to.place }, ..to };
    assert_eq!(code(seal(elsewhere, &request)).await.1, "bad_envelope");
    // Sealed in order, and rubbish inside.
    let mut inside = request.encode().to_vec();
    inside[33] = 9;
    let info = [
        b"tacit v1 pool prover request".as_slice(),
        &to.place.chain_id.to_le_bytes(),
        &to.place.pool.0,
        &to.prover.0,
        &to.sequence.to_le_bytes(),
    ]
    .concat();
    let mut envelope = [[1].as_slice(), &to.sequence.to_le_bytes()].concat();
    envelope.extend(
        tacit_wire::seal::seal(&registration.sealing_key, &info, &[1], &inside, &mut rng(8)).unwrap(),
    );
    assert_eq!(code(envelope).await, (400, "bad_request".into()), "the bytes of the page, made by hand");
    assert!(bench.chain.lock().sent.is_empty());
    let metrics = bench.service.metrics().await;
    assert!(metrics.contains(r#"tacit_prover_requests_refused_total{code="bad_request"} 1"#), "{metrics}");
    assert!(metrics.contains("tacit_prover_spends_open 0"));
}

#[tokio::test]
async fn what_is_for_others_or_not_in_time_is_refused() {
    let bench = Bench::new(|config| config.place.pool = POOL).await;
    let scene = &bench.scene;
    let usual = scene.usual().encode().to_vec();
    // Another pool: named in the statement, in a place that the public inputs do not say without BIND.
    let mut elsewhere = usual.clone();
    elsewhere[6] ^= 1;
    assert_eq!(bench.work(Work::decode(&elsewhere).unwrap()).await, "wrong_place");
    let other_form = Scene { ..Scene::new() };
    let statement = other_form.usual().statement().clone();
    let eip = tacit_prover::Statement::new(
        Rules::EIP,
        statement.place(),
        statement.public_inputs().clone(),
        statement.note_data().clone(),
    );
    let proved = tacit_prover::Proved { pool_proof: [0; 256], auth_proof: Vec::new() };
    let relay = Task::Relay { statement: eip.unwrap(), proved: proved.clone() };
    assert_eq!(bench.task(relay).await, "wrong_rules");
    let mut soon = scene.payment();
    soon.valid_until = u32::try_from(scene.now() + 179).unwrap();
    assert_eq!(bench.work(scene.work(&soon, 9)).await, "expires_too_soon");
    let work = scene.usual();
    let envelope = bench.envelope(Task::Prove(work)).await;
    bench.chain.lock().now -= 90_000;
    assert_eq!(bench.refused(envelope.clone()).await.1, "too_early");
    bench.chain.lock().now += 2 * 90_000;
    assert_eq!(bench.refused(envelope).await.1, "expires_too_soon");
}

#[tokio::test]
async fn the_fee_is_in_the_note_and_nowhere_else() {
    let bench = Bench::new(|_| {}).await;
    let scene = &bench.scene;
    let now = scene.now();
    let registration = bench.service.client.registration(now).await.unwrap();
    assert_eq!(quote(&registration, Address::ZERO).unwrap(), Quote::Fee(amount(FEE)));
    assert!(matches!(quote(&registration, Address([9; 20])), Err(ClientError::Token(_))));
    let mut none = scene.payment();
    none.fee = None;
    assert_eq!(bench.work(scene.work(&none, 9)).await, "no_fee");
    let mut to_alice = scene.payment();
    to_alice.fee = Some((scene.alice.address(), amount(FEE)));
    assert_eq!(bench.work(scene.work(&to_alice, 9)).await, "no_fee");
    let mut little = scene.payment();
    little.fee = Some((scene.bob.address(), amount(FEE - 1)));
    assert_eq!(bench.work(scene.work(&little, 9)).await, "fee_too_low");
    let mut token = scene.payment();
    (token.token, token.fee) = (TOKEN, Some((scene.bob.address(), amount(6))));
    assert_eq!(bench.work(scene.work(&token, 9)).await, "fee_too_low");
    // Note data that says more than the note: a note of the same secret, with another amount.
    let lie = scene.prepare(&little, 9);
    let mut boast = lie.transaction().outputs()[2].body.clone();
    boast.amount = amount(1000);
    let key = scene.bob.address().key;
    let data =
        tacit_pool::delivery::seal_note(registration.place, &key, &boast, &[0; 64], &mut rng(3)).unwrap();
    let mut public = lie.transaction().public_inputs();
    public.output_note_data_hashes[2] = tacit_pool::delivery::note_data_hash(&data);
    let [data0, data1, _] = lie.transaction().note_data().clone();
    let statement =
        tacit_prover::Statement::new(Rules::TACIT, registration.place, public, [data0, data1, data]).unwrap();
    let proved = tacit_prover::Proved { pool_proof: [0; 256], auth_proof: Vec::new() };
    assert_eq!(bench.task(Task::Relay { statement, proved }).await, "no_fee");

    let other = Bench::new(|config| config.fees.truncate(0)).await;
    let registration = other.service.client.registration(now).await.unwrap();
    assert_eq!(quote(&registration, TOKEN).unwrap(), Quote::Free);
    let other = Bench::new(|config| config.fees = vec![(TOKEN, amount(1))]).await;
    assert_eq!(other.work(other.scene.usual()).await, "fee_token");
}

#[tokio::test]
async fn what_the_chain_would_not_take_is_refused() {
    let bench = Bench::new(|_| {}).await;
    let envelope = bench.envelope(Task::Prove(bench.scene.usual())).await;
    bench.chain.lock().away = true;
    assert_eq!(bench.refused(envelope.clone()).await, (503, "chain_unreachable".into()));
    bench.chain.lock().away = false;

    // The same notes in another transaction, and the intent itself.
    let mut scene = Scene::new();
    let spent = scene.prepare(&scene.payment(), 10);
    scene.chain.transact(&spent).unwrap();
    bench.chain.lock().ledger = scene.chain.ledger.clone();
    assert_eq!(bench.refused(envelope.clone()).await, (409, "already_spent".into()));
    let mut scene = Scene::new();
    let same = scene.prepare(&scene.payment(), 9);
    scene.chain.transact(&same).unwrap();
    bench.chain.lock().ledger = scene.chain.ledger.clone();
    assert_eq!(bench.refused(envelope.clone()).await, (409, "already_executed".into()));
    // Another registry: the root is unknown.
    let mut public = bench.scene.usual().statement().public_inputs().clone();
    public.auth_policy_root += fr(1);
    let usual = bench.scene.usual();
    let statement = tacit_prover::Statement::new(
        Rules::TACIT,
        usual.statement().place(),
        public,
        usual.statement().note_data().clone(),
    );
    bench.chain.lock().ledger = Scene::new().chain.ledger.clone();
    let proved = tacit_prover::Proved { pool_proof: [0; 256], auth_proof: Vec::new() };
    let relay = Task::Relay { statement: statement.unwrap(), proved };
    assert_eq!(bench.task(relay).await, "stale_root");
}

#[tokio::test]
async fn circuits_that_are_not_there_are_said() {
    let wasm = workspace("circuits/pool/pool_transact.wasm");
    let only_pool = [(CircuitKind::Pool, CircuitFiles { zkey: "/nowhere".into(), wasm })];
    let circuits = std::sync::Arc::new(PoolCircuits::new(Rules::TACIT, only_pool, None));
    assert!(!circuits.has(AuthCircuit::Eddsa));
    let bench = Bench::with(Scene::new(), circuits, |_| {}).await;
    assert_eq!(bench.work(bench.scene.usual()).await, "circuit_not_served");
    let proved = tacit_prover::Proved { pool_proof: [0; 256], auth_proof: Vec::new() };
    let statement = bench.scene.usual().statement().clone();
    assert_eq!(bench.task(Task::Relay { statement, proved }).await, "circuits");
    assert_eq!(Code::Circuits.blame(), Blame::Prover);
}

#[tokio::test]
async fn the_queue_ends_somewhere_and_ids_are_ones_own() {
    let bench = Bench::new(|config| (config.queue, config.workers) = (1, 1)).await;
    let client = &bench.service.client;
    // No circuit is there, so that this one fails; held up by the chain it stays in the queue until then.
    let now = bench.scene.now();
    let registration = client.registration(now).await.unwrap();
    let work = |seed: u64| Task::Prove(bench.scene.work(&bench.scene.payment(), seed));
    let (id, envelope) = client.seal(&registration, work(1), &mut rng(5)).unwrap();
    let status = client.submit(envelope.clone()).await.unwrap();
    assert_eq!(status.id, id);
    // The same id for something else, under the same generator.
    let (same, other) = client.seal(&registration, work(2), &mut rng(5)).unwrap();
    assert_eq!(same, id);
    assert_eq!(bench.refused(other).await, (409, "id_taken".into()));
    let ended = client.wait(id, std::time::Duration::from_secs(60), &|_| {}).await.unwrap();
    assert_eq!(ended.error.unwrap().code, "circuits");
    // It has ended, and is still known by its id: nothing is done again.
    assert_eq!(client.submit(envelope).await.unwrap().phase, tacit_prover::status::Phase::Failed);
    let full = Bench::new(|config| config.queue = 0).await;
    assert_eq!(full.refused(full.envelope(work(1)).await).await, (503, "queue_full".into()));
    let unknown = client.status(tacit_wire::Digest32([1; 32]), None).await.unwrap_err();
    assert!(matches!(unknown, ClientError::Refused(problem) if problem.code == "unknown_spend"));
    for (path, code) in
        [("/v1/spends/1", "bad_path"), ("/v2", "unknown_path"), ("/v1/spends", "unknown_method")]
    {
        let answer = reqwest::get(format!("{}{path}", bench.service.url)).await.unwrap();
        let problem: tacit_prover::status::Problem = answer.json().await.unwrap();
        assert_eq!(problem.code, code);
    }
    assert_eq!(
        reqwest::get(format!("{}/healthz", bench.service.url)).await.unwrap().text().await.unwrap(),
        "ok\n"
    );
}

#[tokio::test]
async fn a_flood_is_slowed_down() {
    let bench = Bench::new(|config| (config.requests_per_second, config.requests_burst) = (1, 5)).await;
    let mut codes = Vec::new();
    for _ in 0..8 {
        codes.push(bench.refused(vec![9; 40]).await);
    }
    assert!(codes[..5].iter().all(|(status, _)| *status == 400));
    assert!(codes[5..].contains(&(429, "too_many_requests".into())), "{codes:?}");
}
