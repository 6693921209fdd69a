//! Transactions on a real node: once, not twice, and what stops them.

use serde_json::json;
use tacit_chain::account::Eip1559;
use tacit_chain::{At, Call, SendError, SendOptions, Signed, U256, prepare, send, simulate, submit, wait};
use tacit_pool::Address;

use crate::common::*;

const TO: Address = Address([0x55; 20]);

fn pay(wei: u64) -> Call {
    Call { to: TO, value: U256::from(wei), data: vec![] }
}

#[tokio::test]
async fn the_same_bytes_count_once() {
    let Some(anvil) = anvil(&[]) else { return };
    let (rpc, account) = (anvil.rpc(), anvil.account(0).unwrap());
    let signed = prepare(rpc, &account, &pay(5), &SendOptions::default()).await.unwrap();
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
    let known = anvil
        .request("eth_getTransactionByHash", json!([format!("0x{}", hex::encode(signed.hash))]))
        .await
        .unwrap();
    assert_eq!(known["from"].as_str().unwrap().parse::<Address>().unwrap(), account.address());
}

#[tokio::test]
async fn a_transaction_that_another_one_replaced_is_told() {
    let Some(anvil) = anvil(&["--no-mining"]) else { return };
    let (rpc, account) = (anvil.rpc(), anvil.account(0).unwrap());
    let cheap = send(rpc, &account, &pay(1), &SendOptions::default()).await.unwrap();
    // The pool's nonces count.
    let next = prepare(rpc, &account, &pay(2), &SendOptions::default()).await.unwrap();
    assert_eq!((cheap.nonce, next.nonce), (0, 1));
    let error = wait(rpc, &cheap, SECOND).await.unwrap_err();
    assert!(matches!(error, SendError::Pending { nonce: 0, .. }), "{error}");
    let dear = SendOptions {
        nonce: Some(0),
        priority_fee_per_gas: Some(U256::from(100_000_000_000u64)),
        ..SendOptions::default()
    };
    let dear = send(rpc, &account, &pay(3), &dear).await.unwrap();
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
    let signed = send(&rpc, &account, &pay(1), &SendOptions::default()).await.unwrap();
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
    let error = send(rpc, &account, &pay(1), &cap).await.unwrap_err();
    assert!(matches!(error, SendError::Fee { cap, .. } if cap == U256::from(1000)), "{error}");
    // The price in the transaction never exceeds the cap.
    let (base, _) = rpc.fees().await.unwrap();
    let cap = SendOptions {
        max_fee_per_gas: base + U256::from(1),
        priority_fee_per_gas: Some(U256::from(1)),
        ..SendOptions::default()
    };
    let signed = send(rpc, &account, &pay(1), &cap).await.unwrap();
    let known = anvil
        .request("eth_getTransactionByHash", json!([format!("0x{}", hex::encode(signed.hash))]))
        .await
        .unwrap();
    assert_eq!(known["maxFeePerGas"], format!("{:#x}", cap.max_fee_per_gas));

    let mut secret = [7; 32];
    secret[0] = 1;
    let poor = tacit_chain::Account::from_secret(&secret).unwrap();
    let options = SendOptions { gas_limit: Some(21_000), ..SendOptions::default() };
    let error = send(rpc, &poor, &pay(1), &options).await.unwrap_err();
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
    let signed = send(rpc, &alice.account, &call, &unchecked).await.unwrap();
    assert!(!wait(rpc, &signed, 10 * SECOND).await.unwrap().success);
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
