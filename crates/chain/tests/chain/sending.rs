//! Transactions on a real node: once, not twice, and what stops them.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tacit_chain::account::Eip1559;
use tacit_chain::{
    At, Call, SendError, SendOptions, Signed, U256, prepare, replace, send, simulate, submit, wait,
};
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
    let known = anvil
        .request("eth_getTransactionByHash", json!([format!("0x{}", hex::encode(signed.hash))]))
        .await
        .unwrap();
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
    assert_eq!(replace(&rpc, &account, CHAIN, &pay(5), &options, &signed).await, Err(refused));
    assert!(asked.lock().unwrap().iter().all(|method| method == "eth_chainId"));
    // An honest node, and a caller elsewhere.
    let error = prepare(anvil.rpc(), &account, 1, &pay(5), &options).await.unwrap_err();
    assert!(matches!(error, SendError::OtherChain { expected: 1, got: CHAIN, .. }), "{error}");
    let (transaction, _) = Eip1559::decode(&signed.raw).unwrap();
    assert_eq!((transaction.chain_id, transaction.nonce), (CHAIN, 0));
}

/// What others paid is the node's word.
#[tokio::test]
async fn no_tip_is_above_what_the_gas_costs() {
    let Some(anvil) = anvil(&[]) else { return };
    let account = anvil.account(0).unwrap();
    let gwei = |n: u64| U256::from(n * 1_000_000_000);
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
        let signed = prepare(&between.rpc(), &account, CHAIN, &pay(1), &SendOptions::default()).await;
        let (transaction, _) = Eip1559::decode(&signed.unwrap().raw).unwrap();
        assert_eq!(transaction.max_priority_fee_per_gas, gwei(expected));
        // Whoever wants to tip does.
        let options = SendOptions { priority_fee_per_gas: Some(gwei(50)), ..SendOptions::default() };
        let signed = prepare(&between.rpc(), &account, CHAIN, &pay(1), &options).await.unwrap();
        assert_eq!(Eip1559::decode(&signed.raw).unwrap().0.max_priority_fee_per_gas, gwei(50));
    }
}

#[tokio::test]
async fn a_transaction_that_no_block_takes_is_replaced() {
    let Some(anvil) = anvil(&[]) else { return };
    anvil.request("evm_setAutomine", json!([false])).await.unwrap();
    let (rpc, account) = (anvil.rpc(), anvil.account(0).unwrap());
    let options = SendOptions::default();
    let stuck = send(rpc, &account, CHAIN, &pay(1), &options).await.unwrap();
    // The node itself does not take another one for the same fees.
    let same = SendOptions { nonce: Some(stuck.nonce), ..options };
    assert!(send(rpc, &account, CHAIN, &pay(2), &same).await.is_err());

    let second = replace(rpc, &account, CHAIN, &pay(2), &options, &stuck).await.unwrap();
    assert_eq!((second.nonce, second.from), (stuck.nonce, stuck.from));
    assert_ne!(second.hash, stuck.hash);
    let fees = |signed: &Signed| {
        let (transaction, _) = Eip1559::decode(&signed.raw).unwrap();
        [transaction.max_priority_fee_per_gas, transaction.max_fee_per_gas]
    };
    for (less, more) in fees(&stuck).into_iter().zip(fees(&second)) {
        assert!(more * U256::from(8) >= less * U256::from(9), "{less} {more}");
    }
    submit(rpc, &second).await.unwrap();
    // And that again, whatever the options say of the nonce.
    let other = SendOptions { nonce: Some(7), ..options };
    let third = replace(rpc, &account, CHAIN, &pay(3), &other, &second).await.unwrap();
    submit(rpc, &third).await.unwrap();
    anvil.mine(1).await.unwrap();
    assert!(wait(rpc, &third, 10 * SECOND).await.unwrap().success);
    let replaced = |signed: &Signed| SendError::Replaced { hash: signed.hash, nonce: signed.nonce };
    assert_eq!(submit(rpc, &stuck).await, Err(replaced(&stuck)));
    assert_eq!(wait(rpc, &second, 10 * SECOND).await, Err(replaced(&second)));
    assert_eq!(rpc.balance(TO, At::Latest).await.unwrap(), U256::from(3));

    // Not above the cap, which is then no cap.
    let [_, most] = fees(&third);
    let cap = SendOptions { max_fee_per_gas: most + U256::from(1), ..options };
    let error = replace(rpc, &account, CHAIN, &pay(4), &cap, &third).await.unwrap_err();
    let SendError::Fee { needed, cap } = error else { panic!("{error}") };
    assert!(needed > cap && needed * U256::from(8) >= most * U256::from(9));
    // Only what this account signed, for this chain, with this nonce.
    let bob = anvil.account(1).unwrap();
    let elsewhere = {
        let (transaction, _) = Eip1559::decode(&third.raw).unwrap();
        let (raw, hash) = Eip1559 { chain_id: 1, ..transaction }.sign(&account).unwrap();
        Signed { raw, hash, ..third.clone() }
    };
    for (account, replaced) in [
        (&bob, third.clone()),
        (&account, elsewhere),
        (&account, Signed { nonce: 9, ..third.clone() }),
        (&account, Signed { raw: vec![], ..third.clone() }),
    ] {
        let error = replace(rpc, account, CHAIN, &pay(4), &options, &replaced).await.unwrap_err();
        assert!(matches!(error, SendError::NotReplaceable { .. }), "{error}");
    }
}

#[test]
fn only_what_was_signed_is_read_as_a_transaction() {
    let account = tacit_chain::Account::from_secret(&[9; 32]).unwrap();
    for (to, data, max_fee_per_gas) in [
        (Some(TO), vec![], U256::ZERO),
        (None, vec![1; 70], U256::MAX),
        (Some(Address::ZERO), vec![5], U256::from(200)),
    ] {
        let transaction = Eip1559 {
            chain_id: CHAIN,
            nonce: 128,
            max_priority_fee_per_gas: U256::from(1),
            max_fee_per_gas,
            gas_limit: 0,
            to,
            value: U256::from(127),
            data,
        };
        let (raw, _) = transaction.sign(&account).unwrap();
        let (read, signature) = Eip1559::decode(&raw).unwrap();
        assert_eq!(signature.signer(&read.signing_hash()), Some(account.address()));
        assert_eq!(read, transaction);
        for cut in 0..raw.len() {
            assert_eq!(Eip1559::decode(&raw[..cut]), None, "{cut}");
        }
        assert_eq!(Eip1559::decode(&[raw.as_slice(), &[0x80]].concat()), None, "something after it");
        // Whatever byte is another: nothing is read, or what encodes so.
        for at in 0..raw.len() {
            let mut other = raw.clone();
            other[at] ^= 0x81;
            if let Some((read, signature)) = Eip1559::decode(&other) {
                assert!(
                    read != transaction || signature.signer(&read.signing_hash()) != Some(account.address())
                );
            }
        }
    }
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
