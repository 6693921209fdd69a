//! Transactions on a real node: once, not twice, and what stops them.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tacit_chain::account::Eip1559;
use tacit_chain::devnet::Anvil;
use tacit_chain::{At, Call, SendError, SendOptions, Signed, U256, prepare, send, simulate, submit, wait};
use tacit_pool::Address;

use crate::common::*;

const TO: Address = Address([0x55; 20]);

fn gwei(n: u64) -> U256 {
    U256::from(n * 1_000_000_000)
}

/// What the node reads in a transaction that it is given.
async fn read_by(anvil: &Anvil, signed: &Signed) -> Value {
    submit(anvil.rpc(), signed).await.unwrap();
    let hash = json!([format!("0x{}", hex::encode(signed.hash))]);
    anvil.request("eth_getTransactionByHash", hash).await.unwrap()
}

fn pay(wei: u64) -> Call {
    Call { to: TO, value: U256::from(wei), data: vec![] }
}

#[tokio::test]
async fn the_same_bytes_count_once() {
    let Some(anvil) = anvil(&[]) else { return };
    let (rpc, account) = (anvil.rpc(), anvil.account(0).unwrap());
    let signed = prepare(rpc, &account, CHAIN, &pay(5), &SendOptions::default()).await.unwrap();
    assert_eq!(rpc.nonce(account.address(), At::Pending).await.unwrap(), 0, "nothing was sent");
    // As after a crash between handing in and noting it.
    for _ in 0..3 {
        submit(rpc, &signed).await.unwrap();
    }
    let receipt = wait(rpc, &signed, 10 * SECOND).await.unwrap();
    assert_eq!((receipt.hash, receipt.success, receipt.gas_used), (signed.hash, true, 21_000));
    submit(rpc, &signed).await.unwrap();
    assert_eq!(rpc.balance(TO, At::Latest).await.unwrap(), U256::from(5));
    assert_eq!(rpc.nonce(account.address(), At::Latest).await.unwrap(), 1);
    // The node's own view of who sent it.
    let known = read_by(&anvil, &signed).await;
    assert_eq!(known["from"].as_str().unwrap().parse::<Address>().unwrap(), account.address());
}

#[tokio::test]
async fn a_transaction_that_another_one_replaced_is_told() {
    let Some(anvil) = anvil(&["--no-mining"]) else { return };
    let (rpc, account) = (anvil.rpc(), anvil.account(0).unwrap());
    let cheap = send(rpc, &account, CHAIN, &pay(1), &SendOptions::default()).await.unwrap();
    // The pool's nonces count.
    let next = prepare(rpc, &account, CHAIN, &pay(2), &SendOptions::default()).await.unwrap();
    assert_eq!((cheap.nonce, next.nonce), (0, 1));
    let error = wait(rpc, &cheap, SECOND).await.unwrap_err();
    assert!(matches!(error, SendError::Pending { nonce: 0, .. }), "{error}");
    let dear = SendOptions {
        nonce: Some(0),
        priority_fee_per_gas: Some(U256::from(100_000_000_000u64)),
        ..SendOptions::default()
    };
    let dear = send(rpc, &account, CHAIN, &pay(3), &dear).await.unwrap();
    anvil.mine(1).await.unwrap();
    assert!(wait(rpc, &dear, 10 * SECOND).await.unwrap().success);
    let replaced = SendError::Replaced { hash: cheap.hash, nonce: 0 };
    assert_eq!(wait(rpc, &cheap, 10 * SECOND).await.unwrap_err(), replaced);
    assert_eq!(submit(rpc, &cheap).await.unwrap_err(), replaced);
    assert_eq!(rpc.balance(TO, At::Latest).await.unwrap(), U256::from(3));
}

/// A node that forgets what waits is given it again.
#[tokio::test]
async fn a_transaction_that_the_node_dropped_is_handed_in_again() {
    let Some(anvil) = anvil(&["--no-mining"]) else { return };
    let (rpc, account) = (anvil.rpc().clone(), anvil.account(0).unwrap());
    let signed = send(&rpc, &account, CHAIN, &pay(1), &SendOptions::default()).await.unwrap();
    anvil.request("anvil_dropAllTransactions", json!([])).await.unwrap();
    anvil.mine(1).await.unwrap();
    assert_eq!(rpc.nonce(account.address(), At::Pending).await.unwrap(), 0, "it is gone");
    let waiting = tokio::spawn(async move { wait(&rpc, &signed, 60 * SECOND).await });
    for _ in 0..120 {
        tokio::time::sleep(SECOND / 4).await;
        if anvil.rpc().nonce(account.address(), At::Pending).await.unwrap() == 1 {
            anvil.mine(1).await.unwrap();
            break;
        }
    }
    assert!(waiting.await.unwrap().unwrap().success);
}

#[tokio::test]
async fn nothing_is_sent_that_cannot_be_paid_or_is_too_dear() {
    let Some(anvil) = anvil(&[]) else { return };
    let (rpc, account) = (anvil.rpc(), anvil.account(0).unwrap());
    let cap = SendOptions { max_fee_per_gas: U256::from(1000), ..SendOptions::default() };
    let error = send(rpc, &account, CHAIN, &pay(1), &cap).await.unwrap_err();
    assert!(matches!(error, SendError::Fee { cap, .. } if cap == U256::from(1000)), "{error}");
    // The price in the transaction never exceeds the cap.
    let (base, _) = rpc.fees().await.unwrap();
    let cap = SendOptions {
        max_fee_per_gas: base + U256::from(1),
        priority_fee_per_gas: Some(U256::from(1)),
        ..SendOptions::default()
    };
    let signed = send(rpc, &account, CHAIN, &pay(1), &cap).await.unwrap();
    let known = read_by(&anvil, &signed).await;
    assert_eq!(known["maxFeePerGas"], format!("{:#x}", cap.max_fee_per_gas));

    let mut secret = [7; 32];
    secret[0] = 1;
    let poor = tacit_chain::Account::from_secret(&secret).unwrap();
    let options = SendOptions { gas_limit: Some(21_000), ..SendOptions::default() };
    let error = send(rpc, &poor, CHAIN, &pay(1), &options).await.unwrap_err();
    assert!(matches!(&error, SendError::Funds { has, .. } if has.is_zero()), "{error}");
    assert_eq!(rpc.nonce(poor.address(), At::Pending).await.unwrap(), 0);
}

/// A transaction that reverts on the chain after all has a receipt that says so.
#[tokio::test]
async fn a_transaction_that_reverted_is_told() {
    let Some(net) = devnet().await else { return };
    let (rpc, alice) = (net.anvil.rpc(), net.person(1));
    let call = tacit_chain::abi::deposit(net.pool.address(), Address::ZERO, 0u128.into(), &1u64.into(), &[]);
    let revert = simulate(rpc, alice.account.address(), &call).await.unwrap_err();
    assert!(matches!(revert, SendError::Revert(_)), "{revert}");
    let unchecked = SendOptions { gas_limit: Some(300_000), ..SendOptions::default() };
    let signed = send(rpc, &alice.account, CHAIN, &call, &unchecked).await.unwrap();
    assert!(!wait(rpc, &signed, 10 * SECOND).await.unwrap().success);
}

/// The id that is signed for is the caller's: a node that says another gets nothing, and nothing else.
#[tokio::test]
async fn nothing_is_signed_for_a_node_on_another_chain() {
    let Some(anvil) = anvil(&[]) else { return };
    let account = anvil.account(0).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    let between = Between::start(anvil.rpc(), move |request, mut answer| {
        heard.lock().unwrap().push(request["method"].clone());
        if request["method"] == "eth_chainId" {
            answer["result"] = json!("0x1");
        }
        Some(answer)
    })
    .await;
    let (rpc, options) = (between.rpc(), SendOptions::default());
    let refused = SendError::OtherChain { host: rpc.host().to_owned(), expected: CHAIN, got: 1 };
    assert_eq!(prepare(&rpc, &account, CHAIN, &pay(5), &options).await, Err(refused.clone()));
    assert_eq!(send(&rpc, &account, CHAIN, &pay(5), &options).await, Err(refused.clone()));
    let signed = prepare(anvil.rpc(), &account, CHAIN, &pay(5), &options).await.unwrap();
    assert!(asked.lock().unwrap().iter().all(|method| method == "eth_chainId"));
    // An honest node, and a caller elsewhere.
    let error = prepare(anvil.rpc(), &account, 1, &pay(5), &options).await.unwrap_err();
    assert!(matches!(error, SendError::OtherChain { expected: 1, got: CHAIN, .. }), "{error}");
    let known = read_by(&anvil, &signed).await;
    assert_eq!((&known["chainId"], &known["nonce"]), (&json!(format!("{CHAIN:#x}")), &json!("0x0")));
}

/// What others paid is the node's word.
#[tokio::test]
async fn no_tip_is_above_what_the_gas_costs() {
    let Some(anvil) = anvil(&[]) else { return };
    let account = anvil.account(0).unwrap();
    for (base, others, expected) in [(1, 100, 2), (30, 100, 30), (30, 1, 1), (1, 0, 0)] {
        let [base, others] = [base, others].map(|fee| format!("{:#x}", gwei(fee)));
        let between = Between::start(anvil.rpc(), move |request, mut answer| {
            if request["method"] == "eth_feeHistory" {
                answer["result"]["baseFeePerGas"] = json!([base, base]);
                answer["result"]["reward"] = json!([[others], [others], ["0x0"]]);
            }
            Some(answer)
        })
        .await;
        let tip = async |options| {
            let signed = prepare(&between.rpc(), &account, CHAIN, &pay(1), &options).await.unwrap();
            read_by(&anvil, &signed).await["maxPriorityFeePerGas"].as_str().unwrap().to_owned()
        };
        assert_eq!(tip(SendOptions::default()).await, format!("{:#x}", gwei(expected)));
        // Whoever wants to tip does.
        let options = SendOptions { priority_fee_per_gas: Some(gwei(50)), ..SendOptions::default() };
        assert_eq!(tip(options).await, format!("{:#x}", gwei(50)));
    }
}

/// Fees that rise do not outrun a transaction up to the cap, as far as the account's money goes.
#[tokio::test]
async fn what_is_offered_outlasts_rising_fees() {
    let Some(anvil) = anvil(&["--no-mining"]) else { return };
    let (rpc, rich) = (anvil.rpc(), anvil.account(0).unwrap());
    let (base, _) = rpc.fees().await.unwrap();
    let tip = gwei(1);
    let options = SendOptions {
        priority_fee_per_gas: Some(tip),
        max_fee_per_gas: base * U256::from(1000),
        ..SendOptions::default()
    };
    let offered = async |account: &tacit_chain::Account, options: SendOptions| {
        let signed = prepare(rpc, account, CHAIN, &pay(1), &options).await?;
        let known = read_by(&anvil, &signed).await;
        anvil.request("anvil_dropAllTransactions", json!([])).await.unwrap();
        Ok::<_, SendError>(known["maxFeePerGas"].as_str().unwrap().parse::<U256>().unwrap())
    };
    assert_eq!(offered(&rich, options).await.unwrap(), base * U256::from(64) + tip);
    let cap = SendOptions { max_fee_per_gas: base * U256::from(5), ..options };
    assert_eq!(offered(&rich, cap).await.unwrap(), cap.max_fee_per_gas);

    // A poorer one offers no more than leaves enough for as many others as it says.
    let poor = anvil.account(1).unwrap();
    let least = base * U256::from(2) + tip;
    let gas = U256::from(21_000);
    let set = async |wei: U256| {
        let set = json!([poor.address().to_string(), format!("{wei:#x}")]);
        anvil.request("anvil_setBalance", set).await.unwrap();
    };
    let options = SendOptions { gas_limit: Some(21_000), ..options };
    let money = least * gas * U256::from(20);
    set(money + U256::from(1)).await;
    for at_a_time in [1, 2, 10] {
        let part = money / gas / U256::from(at_a_time);
        assert_eq!(offered(&poor, SendOptions { at_a_time, ..options }).await.unwrap(), part);
    }
    let many = SendOptions { at_a_time: 21, ..options };
    assert_eq!(offered(&poor, many).await.unwrap(), least, "nothing that others would lack");
    // Geth takes no transaction that might cost more than an ether.
    let large = SendOptions { gas_limit: Some(20_000_000), at_a_time: 1, ..options };
    assert_eq!(offered(&rich, large).await.unwrap(), gwei(45));
    set(least * gas + U256::from(1)).await;
    assert_eq!(offered(&poor, options).await.unwrap(), least);
    set(least * gas).await;
    let error = offered(&poor, options).await.unwrap_err();
    assert!(matches!(error, SendError::Funds { .. }), "{error}");

    // The base fee is thirty times as much when the block is made, and that is all that is paid.
    let signed = send(rpc, &rich, CHAIN, &pay(1), &options).await.unwrap();
    let price = base * U256::from(30);
    anvil.request("anvil_setNextBlockBaseFeePerGas", json!([format!("{price:#x}")])).await.unwrap();
    let before = rpc.balance(rich.address(), At::Latest).await.unwrap();
    anvil.mine(1).await.unwrap();
    assert!(wait(rpc, &signed, 10 * SECOND).await.unwrap().success);
    let paid = before - rpc.balance(rich.address(), At::Latest).await.unwrap() - U256::from(1);
    assert_eq!(paid, (price + tip) * gas);
}

/// Bytes that no chain takes are an error, not a success.
#[tokio::test]
async fn a_transaction_for_another_chain_is_refused_by_the_node() {
    let Some(anvil) = anvil(&[]) else { return };
    let account = anvil.account(0).unwrap();
    let transaction = Eip1559 {
        chain_id: 1,
        nonce: 0,
        max_priority_fee_per_gas: U256::ZERO,
        max_fee_per_gas: U256::from(10_000_000_000u64),
        gas_limit: 21_000,
        to: Some(TO),
        value: U256::from(1),
        data: vec![],
    };
    let (raw, hash) = transaction.sign(&account).unwrap();
    let signed = Signed { hash, raw, from: account.address(), nonce: 0 };
    let error = submit(anvil.rpc(), &signed).await.unwrap_err();
    assert!(matches!(error, SendError::Rpc(_)), "{error}");
}
