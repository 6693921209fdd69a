//! What a request may cost a service: others' code, provings that nobody pays for, places. No circuit is read.

use std::time::{Duration, Instant};

use tacit_chain::account::ecdsa_authorization;
use tacit_chain::{Account, U256};
use tacit_pool::policy::auth_data_ecdsa;
use tacit_pool::wallet::credentials::{Credential, Held};
use tacit_pool::wallet::spend::Recipient;
use tacit_pool::{Address, Policy};
use tacit_prover::service::{AuthMethod, AuthVerifier, ServiceConfig};
use tacit_prover::status::{Phase, Problem, SpendStatus};
use tacit_prover::{AuthCircuit, Proved, Task, Work};
use tokio::io::AsyncReadExt as _;

use crate::circuits;
use crate::common::{CHAIN, TOKEN, VERIFIER, amount, rng};
use crate::refusals::Bench;
use crate::scene::{Scene, verifier};

const SOON: Duration = Duration::from_secs(60);

/// The statement alone, with proofs that are none: what is refused of it is refused before they are looked at.
fn relayed(work: &Work) -> Task {
    let proved = Proved { pool_proof: [0; 256], auth_proof: Vec::new() };
    Task::Relay { statement: work.statement().clone(), proved }
}

/// Of the token, of another note than the usual work.
fn of_the_token(scene: &Scene) -> Work {
    let mut payment = scene.payment();
    (payment.token, payment.amount) = (TOKEN, amount(50));
    payment.fee = Some((scene.bob.address(), amount(7)));
    scene.work(&payment, 20)
}

impl Bench {
    async fn sealed(&self, task: Task, seed: u64) -> (tacit_wire::Digest32, Vec<u8>) {
        let now = self.chain.lock().now;
        let registration = self.service.client.registration(now).await.unwrap();
        self.service.client.seal(&registration, task, &mut rng(seed)).unwrap()
    }

    async fn accepted(&self, task: Task, seed: u64) -> tacit_wire::Digest32 {
        let (id, envelope) = self.sealed(task, seed).await;
        assert_eq!(self.service.client.submit(envelope).await.unwrap().id, id);
        id
    }

    /// The code with which an accepted request ends.
    async fn ends(&self, id: tacit_wire::Digest32) -> String {
        let ended = self.service.client.wait(id, SOON, &|_| {}).await.unwrap();
        ended.error.expect("it fails").code
    }

    async fn forgets(&self, id: tacit_wire::Digest32) {
        let began = Instant::now();
        while self.service.client.status(id, None).await.is_ok() {
            assert!(began.elapsed() < SOON, "it is not forgotten");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Requests stay where they are once they are accepted.
    fn stall(&self) {
        let mut chain = self.chain.lock();
        chain.once = true;
        chain.looked.clear();
    }
}

#[tokio::test]
async fn only_the_pools_own_verifiers_are_run() {
    let elsewhere = AuthVerifier { address: Address([0xee; 20]), ..verifier(AuthMethod::Ecdsa) };
    let bench = Bench::new(|config| config.auth_verifiers = vec![elsewhere]).await;
    let usual = bench.scene.usual();
    assert_eq!(bench.work(usual.clone()).await, "verifier_not_served");
    assert_eq!(bench.task(relayed(&usual)).await, "verifier_not_served");
    // The right contract, which takes other proofs.
    for method in [AuthMethod::Ecdsa, AuthMethod::Circuit(AuthCircuit::Xmss)] {
        let bench = Bench::new(|config| config.auth_verifiers = vec![verifier(method)]).await;
        assert_eq!(bench.work(usual.clone()).await, "verifier_not_served");
    }
}

#[tokio::test]
async fn a_signature_that_the_contract_would_refuse_is_refused_before_anything_is_proved() {
    let mut scene = Scene::new();
    let account = Account::from_secret(&[5; 32]).unwrap();
    let signer = account.address();
    let policy = Policy::new(VERIFIER, auth_data_ecdsa(signer), &mut rng(50));
    let held = Held { slot: 3, policy, credential: Credential::Ecdsa { signer } };
    scene.chain.register(&mut scene.alice, 0, vec![held]);
    scene.chain.mine(&mut [&mut scene.alice, &mut scene.bob]);
    let prepared = scene.prepare(&scene.payment(), 9);
    let ecdsa = |config: &mut ServiceConfig| config.auth_verifiers = vec![verifier(AuthMethod::Ecdsa)];
    let bench = Bench::with(scene, circuits::unread(), ecdsa).await;
    let digest = prepared.transaction().public_inputs().transaction_intent_digest;
    let blinding = prepared.blinding_factor().expose();
    let good = ecdsa_authorization(&account, CHAIN, VERIFIER, &digest, blinding).unwrap();
    let refused = |proof: Vec<u8>| bench.work(Work::ready(prepared.transaction(), proof).unwrap());
    // The blinding, r, s, v, and what is before v.
    for at in [31, 63, 95, 127, 100] {
        let mut changed = good.clone();
        changed[at] ^= 1;
        assert_eq!(refused(changed).await, "bad_proof", "{at}");
    }
    let stranger = Account::from_secret(&[6; 32]).unwrap();
    let other = ecdsa_authorization(&stranger, CHAIN, VERIFIER, &digest, blinding).unwrap();
    let elsewhere = ecdsa_authorization(&account, CHAIN + 1, VERIFIER, &digest, blinding).unwrap();
    for proof in [other, elsewhere, Vec::new(), good[..127].to_vec(), [good.as_slice(), &[0]].concat()] {
        assert_eq!(refused(proof).await, "bad_proof");
    }
    // The other signature of the same, which Ethereum knows and the contract does not take.
    let order: U256 = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141".parse().unwrap();
    let mut high = good.clone();
    let s = U256::from_be_slice(&high[64..96]);
    high[64..96].copy_from_slice(&(order - s).to_be_bytes::<32>());
    high[127] = 27 + 28 - high[127];
    assert_eq!(refused(high).await, "bad_proof");
    let good = Task::Prove(Work::ready(prepared.transaction(), good).unwrap());
    let id = bench.accepted(good, 5).await;
    assert_eq!(bench.ends(id).await, "circuits", "it would have been proved");
}

#[tokio::test]
async fn only_known_tokens_are_run() {
    let bench = Bench::new(|config| config.fees.clear()).await;
    let mut payment = bench.scene.payment();
    (payment.token, payment.fee) = (TOKEN, None);
    assert_eq!(bench.work(bench.scene.work(&payment, 9)).await, "token_not_served");
    payment.recipient = Recipient::Public(Address([0xcc; 20]));
    let withdrawal = bench.scene.work(&payment, 9);
    assert_eq!(bench.work(withdrawal.clone()).await, "token_not_served");
    assert_eq!(bench.task(relayed(&withdrawal)).await, "token_not_served");
    let named = Bench::new(|config| (config.fees, config.tokens) = (Vec::new(), vec![TOKEN])).await;
    named.accepted(Task::Prove(withdrawal), 1).await;
    // Tokens of the fees need not be named.
    let fees = Bench::new(|_| {}).await;
    fees.accepted(Task::Prove(of_the_token(&fees.scene)), 1).await;
}

#[tokio::test]
async fn ether_goes_to_addresses_without_code() {
    let bench = Bench::new(|_| {}).await;
    let contract = Address([0xcc; 20]);
    let mut payment = bench.scene.payment();
    payment.recipient = Recipient::Public(contract);
    let withdrawal = bench.scene.work(&payment, 9);
    bench.chain.lock().contracts.insert(contract);
    assert_eq!(bench.work(withdrawal.clone()).await, "recipient_is_contract");
    assert_eq!(bench.task(relayed(&withdrawal)).await, "recipient_is_contract");
    // Nobody's code, and no recipient.
    {
        let mut chain = bench.chain.lock();
        chain.contracts.clear();
        chain.unwilling.insert(contract);
    }
    assert_eq!(bench.work(withdrawal.clone()).await, "reverted");
    assert_eq!(bench.task(relayed(&withdrawal)).await, "reverted");
    // Code that comes when the request was accepted.
    bench.chain.lock().unwilling.clear();
    bench.stall();
    let id = bench.accepted(Task::Prove(withdrawal.clone()), 1).await;
    {
        let mut chain = bench.chain.lock();
        chain.contracts.insert(contract);
        chain.once = false;
    }
    assert_eq!(bench.ends(id).await, "recipient_is_contract");
    let willing = Bench::new(|config| config.contract_recipients = true).await;
    willing.chain.lock().contracts.insert(contract);
    willing.accepted(Task::Prove(withdrawal), 1).await;
}

#[tokio::test]
async fn what_cannot_be_proved_costs_no_proving() {
    let bench = Bench::new(|_| {}).await;
    let usual = bench.scene.usual().encode().to_vec();
    // Not even a question to the chain.
    bench.chain.lock().away = true;
    // In the authorisation, and in the pool's witness.
    for at in [usual.len() - 1, usual.len() - 2 - 24 * 32] {
        let mut wrong = usual.clone();
        wrong[at] ^= 1;
        let refused = bench.envelope(Task::Prove(Work::decode(&wrong).unwrap())).await;
        assert_eq!(bench.refused(refused).await, (422, "no_witness".into()));
    }
}

#[tokio::test]
async fn one_note_is_in_one_request() {
    let bench = Bench::new(|_| {}).await;
    bench.stall();
    let scene = &bench.scene;
    let id = bench.accepted(Task::Prove(scene.usual()), 1).await;
    // Another payment of the same notes, also where only the second one is the same.
    let other = scene.work(&scene.payment(), 10);
    let public = |work: &Work| work.statement().public_inputs().clone();
    assert_eq!(public(&other).nullifiers, public(&scene.usual()).nullifiers);
    assert_ne!(public(&other).intent_replay_id, public(&scene.usual()).intent_replay_id);
    assert_eq!(bench.work(other.clone()).await, "in_progress");
    assert_eq!(bench.task(relayed(&other)).await, "in_progress");
    let mut swapped = public(&other);
    swapped.nullifiers = [tacit_pool::Fr::from(1u64), swapped.nullifiers[0]];
    let statement = tacit_prover::Statement::new(
        other.rules(),
        other.statement().place(),
        swapped,
        other.statement().note_data().clone(),
    );
    let proved = Proved { pool_proof: [0; 256], auth_proof: Vec::new() };
    assert_eq!(bench.task(Task::Relay { statement: statement.unwrap(), proved }).await, "in_progress");
    bench.accepted(Task::Prove(of_the_token(scene)), 2).await;
    // Its end gives the note back.
    bench.chain.lock().once = false;
    assert_eq!(bench.ends(id).await, "circuits");
    bench.accepted(Task::Prove(other), 3).await;
}

#[tokio::test]
async fn the_chain_is_asked_again_before_anything_is_proved() {
    let bench = Bench::new(|_| {}).await;
    bench.stall();
    let id = bench.accepted(Task::Prove(bench.scene.usual()), 1).await;
    // Spent meanwhile, by another prover.
    let mut scene = Scene::new();
    let spent = scene.prepare(&scene.payment(), 10);
    scene.chain.transact(&spent).unwrap();
    {
        let mut chain = bench.chain.lock();
        chain.ledger = scene.chain.ledger.clone();
        chain.once = false;
    }
    // Not "circuits": none was read.
    assert_eq!(bench.ends(id).await, "already_spent");
}

#[tokio::test]
async fn one_address_has_a_part_of_the_queue() {
    let limit = |config: &mut ServiceConfig| (config.queue_per_client, config.behind_proxy) = (1, true);
    let bench = Bench::new(limit).await;
    bench.stall();
    let http = reqwest::Client::new();
    let post = |envelope: Vec<u8>, from: &str| {
        let url = format!("{}/v1/spends", bench.service.url);
        http.post(url).header("x-forwarded-for", from.to_owned()).body(envelope).send()
    };
    let (_, first) = bench.sealed(Task::Prove(bench.scene.usual()), 1).await;
    let (id, second) = bench.sealed(Task::Prove(of_the_token(&bench.scene)), 2).await;
    assert_eq!(post(first.clone(), "192.0.2.1").await.unwrap().status(), 202);
    let refused = post(second.clone(), "192.0.2.1").await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.json::<Problem>().await.unwrap().code, "too_many_requests");
    // The same again is the same, and others have places of their own.
    assert_eq!(post(first, "192.0.2.1").await.unwrap().status(), 202);
    assert_eq!(post(second, "198.51.100.9, 192.0.2.2").await.unwrap().status(), 202);
    assert_eq!(bench.service.client.status(id, None).await.unwrap().phase, Phase::Queued);
}

#[tokio::test]
async fn failures_are_forgotten_soon_and_are_never_many() {
    let bench = Bench::new(|config| config.failures = 1).await;
    let fail = async |seed: u64| {
        let id = bench.accepted(Task::Prove(bench.scene.work(&bench.scene.payment(), seed)), seed).await;
        assert_eq!(bench.ends(id).await, "circuits");
        id
    };
    let first = fail(1).await;
    bench.chain.lock().now += 1;
    let second = fail(2).await;
    bench.forgets(first).await;
    assert!(bench.service.client.status(second, None).await.is_ok());
    // Later than minutes, whatever their number.
    let bench = Bench::new(|config| config.failures = 100).await;
    let id = bench.accepted(Task::Prove(bench.scene.usual()), 1).await;
    assert_eq!(bench.ends(id).await, "circuits");
    bench.chain.lock().now += 16 * 60;
    let next = bench.accepted(Task::Prove(of_the_token(&bench.scene)), 2).await;
    assert_eq!(bench.ends(next).await, "circuits");
    bench.forgets(id).await;
    assert!(bench.service.client.status(next, None).await.is_ok());
}

/// A request that waits for its answer outlives both limits; a connection without one does not.
#[tokio::test]
async fn who_waits_for_an_answer_is_not_idle() {
    let short = |config: &mut ServiceConfig| {
        (config.idle, config.connection_life) = (Duration::from_millis(200), Duration::from_millis(600));
    };
    let bench = Bench::new(short).await;
    bench.stall();
    let id = bench.accepted(Task::Prove(bench.scene.usual()), 1).await;
    let began = Instant::now();
    let url = format!("{}/v1/spends/{id}?wait=2&seen=queued", bench.service.url);
    let status: SpendStatus = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(status.phase, Phase::Queued);
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    let address = bench.service.url.trim_start_matches("http://");
    let mut idle = tokio::net::TcpStream::connect(address).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(10), idle.read(&mut [0; 1024])).await;
    assert!(closed.is_ok(), "an idle connection is not closed");
}
