//! A service on a real node, with the real contracts and real proofs: skipped, in words, where anvil is not installed.

use std::sync::Arc;
use std::time::Duration;

use tacit_chain::SendOptions;
use tacit_pool::wallet::Payment;
use tacit_pool::wallet::spend::Recipient;
use tacit_pool::{Address, Amount, PublicInputs, Rules};
use tacit_prover::service::ethereum::OnChain;
use tacit_prover::service::submit::ChainError;
use tacit_prover::service::{AuthMethod, AuthVerifier, Service, ServiceConfig, ServiceKeys, Submit};
use tacit_prover::status::Phase;
use tacit_prover::{AuthCircuit, Proved, ProverClient, Statement, Task, Work, local};
use tacit_wire::SealingKeyPair;
use tokio_util::sync::CancellationToken;

use crate::circuits;
use crate::common::{TOKEN, amount, rng};
use crate::net::{Net, Person, SOON};
use crate::scene::order_key;

fn work(alice: &mut Person, bob: &Person, recipient: Recipient, now: u64, seed: u64) -> Work {
    let payment = Payment {
        recipient,
        token: Address::ZERO,
        amount: amount(5_000),
        fee: Some((bob.wallet.receiving_address(&bob.keys).unwrap(), amount(20))),
        memo: [0; 64],
        valid_until: u32::try_from(now + 3600).unwrap(),
        slot: 0,
    };
    let prepared = alice.wallet.prepare(&alice.keys, &payment, now, &mut rng(seed)).unwrap();
    alice.wallet.commit(&prepared);
    let key = alice.keys.eddsa(0).unwrap();
    Work::eddsa(prepared.transaction(), key.public(), &key.sign(prepared.message())).unwrap()
}

fn restated(statement: &Statement, public: PublicInputs) -> Statement {
    Statement::new(statement.rules(), statement.place(), public, statement.note_data().clone()).unwrap()
}

fn payout(statement: &Statement, to: Address) -> Statement {
    let mut public = statement.public_inputs().clone();
    public.public_recipient_address = to;
    restated(statement, public)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_service_earns_its_fee_on_a_real_node() {
    let circuits = circuits::real();
    let Some(net) = Net::start(&circuits).await else { return };
    let (mut alice, mut bob) = (net.person(1).await, net.person(2).await);
    for n in [6_000, 9_000] {
        net.deposit(&alice, n, n as u64).await;
    }
    assert_eq!(net.follow(&mut alice).await, amount(15_000));
    assert_eq!(net.follow(&mut bob).await, Amount::ZERO);

    let folder = tempfile::tempdir().unwrap();
    let any = ([127, 0, 0, 1], 0).into();
    let mut config = ServiceConfig::new(
        folder.path().join("service"),
        any,
        "https://prover.example".into(),
        net.pool.place(),
        Rules::TACIT,
    );
    config.fees = vec![(Address::ZERO, amount(20))];
    config.poll = Duration::from_millis(200);
    let method = AuthMethod::Circuit(AuthCircuit::Eddsa);
    config.auth_verifiers = vec![AuthVerifier { address: net.verifier, method }];
    let max_gas = config.max_gas;
    let keys = ServiceKeys {
        order_key: order_key(),
        sealing: SealingKeyPair::generate(&mut rng(5)).unwrap(),
        former_sealing: Vec::new(),
        fee_address: bob.wallet.receiving_address(&bob.keys).unwrap(),
        fee_readers: bob.keys.readers().cloned().collect(),
    };
    let sender = net.anvil.account(5).unwrap();
    let chain = OnChain::new(net.pool.clone(), sender, SendOptions::default());
    let clock = tacit_vault::Clock::system();
    let chain = Arc::new(chain);
    let service = Service::start(config, keys, Arc::clone(&circuits), chain.clone(), clock).await.unwrap();
    let url = format!("http://{}", service.address().unwrap());
    let client = ProverClient::new(&url, service.prover(), net.pool.place(), 0).unwrap();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(service.run(shutdown.clone()));
    let now = net.now().await;
    let registration = client.registration(now).await.unwrap();

    // Proved and sent by the service.
    let to_bob = Recipient::Private(bob.wallet.receiving_address(&bob.keys).unwrap());
    let prove = work(&mut alice, &bob, to_bob, now, 10);
    let (id, envelope) = client.seal(&registration, Task::Prove(prove), &mut rng(11)).unwrap();
    client.submit(envelope).await.unwrap();
    let ended = client.wait(id, SOON, &|_| {}).await.unwrap();
    assert_eq!(ended.phase, Phase::Confirmed, "{ended:?}");
    assert_eq!(net.follow(&mut alice).await, amount(15_000 - 5_020));
    assert_eq!(net.follow(&mut bob).await, amount(5_020), "the payment and the fee");

    // A withdrawal, proved here and sent by the service.
    let nobody = Address([0xcc; 20]);
    let relayed = work(&mut alice, &bob, Recipient::Public(nobody), net.now().await, 12);
    let proved = local::prove(&circuits, &relayed, &mut rng(13), &|_| {}).unwrap();
    let mut forged = proved.clone();
    forged.auth_proof[40] ^= 1;
    let statement = relayed.statement().clone();
    let relay = |proved: &Proved, seed| {
        let task = Task::Relay { statement: statement.clone(), proved: proved.clone() };
        client.seal(&registration, task, &mut rng(seed)).unwrap()
    };
    let refused = client.submit(relay(&forged, 14).1).await.unwrap_err();
    assert!(refused.to_string().contains("bad_proof"), "{refused}");
    // The contract says the same, before anything is sent.
    let refused = chain.sign(&statement, &forged, max_gas).await.unwrap_err();
    assert!(matches!(refused, ChainError::Reverted(_)), "{refused}");
    // Neither estimated nor signed for more gas than is allowed.
    let refused = chain.sign(&statement, &proved, 500_000).await.unwrap_err();
    let ChainError::TooMuchGas { needed, most: 500_000 } = refused else { panic!("{refused}") };
    assert!((900_000..1_400_000).contains(&needed), "{needed}");
    assert!(chain.sign(&statement, &proved, needed + 1).await.is_ok());
    let blake2f = Address([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    // Code at the recipient's address would run at the service's cost.
    net.set_code(nobody, "0x00").await;
    let refused = client.submit(relay(&proved, 15).1).await.unwrap_err();
    assert!(refused.to_string().contains("recipient_is_contract"), "{refused}");
    net.set_code(nobody, "0x").await;
    // A precompile has none, and takes no ether with nothing to hash: known before anything is proved, by the payment alone.
    let [paid, unpaid] = [nobody, blake2f].map(|to| payout(&statement, to));
    let (paid, unpaid) = (chain.look(&paid).await.unwrap(), chain.look(&unpaid).await.unwrap());
    assert!(!paid.payout_refused && !paid.recipient_is_contract);
    assert!(unpaid.payout_refused && !unpaid.recipient_is_contract);
    // A token whose transfer fails, and one that is none.
    for (code, refused) in [("0x60006000fd", true), ("0x60016000f3", true), ("0x", false), ("0x00", false)] {
        net.set_code(TOKEN, code).await;
        let mut public = statement.public_inputs().clone();
        public.public_token_address = TOKEN;
        let seen = chain.look(&restated(&statement, public)).await.unwrap();
        assert_eq!((seen.payout_refused, seen.recipient_is_contract), (refused, false), "{code}");
    }
    let (id, envelope) = relay(&proved, 16);
    client.submit(envelope).await.unwrap();
    let ended = client.wait(id, SOON, &|_| {}).await.unwrap();
    assert_eq!(ended.phase, Phase::Confirmed, "{ended:?}");
    let hash = ended.transaction.unwrap();
    let sent = net.anvil.request("eth_getTransactionByHash", serde_json::json!([hash])).await.unwrap();
    let gas = u64::from_str_radix(sent["gas"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    assert!(gas >= needed && gas <= max_gas, "{gas}");
    let paid = net.anvil.rpc().balance(nobody, tacit_chain::At::Latest).await.unwrap();
    assert_eq!(paid, tacit_chain::U256::from(5_000));
    assert_eq!(net.follow(&mut bob).await, amount(5_040));
    shutdown.cancel();
    running.await.unwrap();
}
