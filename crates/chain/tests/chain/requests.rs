//! A node that answers wrongly, too much, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tacit_chain::rpc::{At, Blocks, CallParams, MAX_ANSWER};
use tacit_chain::{Rpc, RpcError, U256};
use tacit_pool::Address;

use crate::common::*;

const SECRETS: [&str; 2] = ["0123456789abcdef", "fedcba9876543210"];

/// What every request of this crate gives when the node answers so.
async fn answered(between: &Between, answer: Value) -> RpcError {
    between.set(move |request, _| {
        let mut answer = answer.clone();
        if answer["id"] == "same" {
            answer["id"] = request["id"].clone();
        }
        Some(answer)
    });
    let error = between.rpc().head().await.unwrap_err();
    for text in [error.to_string(), format!("{error:?}"), format!("{:?}", between.rpc())] {
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
    }
    error
}

#[tokio::test]
async fn answers_are_checked() {
    let Some(anvil) = anvil(&[]) else { return };
    let between = Between::start(anvil.rpc(), |_, answer| Some(answer)).await;
    let rpc = between.rpc();
    assert_eq!(rpc.head().await.unwrap(), anvil.rpc().head().await.unwrap());
    assert_eq!(rpc.chain_id().await.unwrap(), 31337);

    let good = anvil.request("eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
    let with = |key: &str, value: Value| {
        let mut block = good.clone();
        block[key] = value;
        json!({ "jsonrpc": "2.0", "id": "same", "result": block })
    };
    let malformed = |error: &RpcError| matches!(error, RpcError::Malformed { .. });
    for answer in [
        json!({ "jsonrpc": "2.0", "id": 77, "result": good }),
        json!({ "jsonrpc": "2.0", "id": null, "result": good }),
        json!({ "jsonrpc": "2.0", "result": good }),
        json!({ "jsonrpc": "2.0", "id": 77, "error": { "code": 1, "message": "no" } }),
        json!({ "jsonrpc": "2.0", "id": "same" }),
        json!({ "jsonrpc": "2.0", "id": "same", "result": null }),
        json!({ "jsonrpc": "2.0", "id": "same", "result": "0x1" }),
        json!([]),
        json!("no"),
        with("number", json!("0x")),
        with("number", json!("12")),
        with("number", json!("0x1_0")),
        with("number", json!("0x10000000000000000")),
        with("number", json!(1)),
        with("hash", json!("0x00")),
        with("hash", json!(format!("0x{}", "zz".repeat(32)))),
        with("parentHash", Value::Null),
        with("timestamp", json!("-0x1")),
        with("baseFeePerGas", json!("0x1".to_owned() + &"0".repeat(64))),
    ] {
        let error = answered(&between, answer.clone()).await;
        assert!(malformed(&error), "{answer}: {error}");
    }
    // The node's own words are shown, without what is secret in the URL.
    let words = format!("bad key {} in /v3/{}?key={}\n", SECRETS[1], SECRETS[0], SECRETS[1]);
    let error = json!({ "jsonrpc": "2.0", "id": "same", "error": { "code": -32000, "message": words } });
    let error = answered(&between, error).await;
    assert!(matches!(&error, RpcError::Node { code: -32000, .. }), "{error}");
    assert!(error.to_string().contains("bad key … in /v3/…"), "{error}");
    // Too large.
    let error = answered(&between, with("extraData", json!("0".repeat(MAX_ANSWER)))).await;
    assert!(matches!(error, RpcError::TooLarge { .. }), "{error}");
    // A block of another number than asked for.
    let other = with("number", json!("0x5"));
    between.set(move |request, _| {
        let mut answer = other.clone();
        answer["id"] = request["id"].clone();
        Some(answer)
    });
    assert!(malformed(&rpc.block(0).await.unwrap_err()));
    assert!(malformed(&rpc.blocks(&[0, 5]).await.unwrap_err()));
}

#[tokio::test]
async fn requests_that_fail_on_the_way_are_made_again() {
    let Some(anvil) = anvil(&[]) else { return };
    let count = Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    let between = Between::start(anvil.rpc(), move |_, answer| {
        // The first two are lost.
        (counted.fetch_add(1, Ordering::Relaxed) >= 2).then_some(answer)
    })
    .await;
    assert_eq!(between.rpc().chain_id().await.unwrap(), 31337);
    assert_eq!(count.load(Ordering::Relaxed), 3);
    between.set(|_, _| None);
    let error = between.rpc().chain_id().await.unwrap_err();
    assert!(matches!(error, RpcError::Status { status: 503, .. }) && error.is_transient(), "{error}");
    // Nobody there.
    let url = between.url.clone();
    drop(between);
    let nobody = Rpc::new(&url).unwrap();
    tokio::time::sleep(SECOND / 5).await;
    let error = nobody.chain_id().await.unwrap_err();
    assert!(matches!(error, RpcError::Unreachable { .. }), "{error}");
    assert!(SECRETS.iter().all(|secret| !format!("{error:?}").contains(secret)), "{error:?}");
}

/// A node that says nothing is waited for as long as was said.
#[tokio::test]
async fn a_silent_node_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rpc = Rpc::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let error = rpc.with_timeout(SECOND / 5).request("eth_chainId", json!([])).await.unwrap_err();
    assert!(matches!(error, RpcError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn batches_are_matched_by_id_and_done_without() {
    let Some(anvil) = anvil(&[]) else { return };
    anvil.mine(120).await.unwrap();
    let numbers: Vec<u64> = (0..=121).rev().collect();
    let headers = anvil.rpc().blocks(&numbers).await.unwrap();
    assert_eq!(headers[0], None, "above the head");
    for (number, header) in numbers.iter().zip(&headers).skip(1) {
        assert_eq!(header.unwrap(), anvil.rpc().block(*number).await.unwrap().unwrap());
    }
    // One answer of a batch has another's id: the requests are made one by one.
    let between = Between::start(anvil.rpc(), |request, mut answer| {
        if request["params"][0] == "0x3" {
            answer["id"] = json!(1 + request["id"].as_u64().unwrap());
        }
        Some(answer)
    })
    .await;
    let error = between.rpc().blocks(&[1, 2, 3, 4]).await.unwrap_err();
    assert!(matches!(error, RpcError::Malformed { .. }), "{error}");
    let refuses = Between::start(anvil.rpc(), |_, answer| Some(answer)).await;
    refuses.set(|request, answer| {
        // Ids of the batch; the fifth request is the first one alone.
        (request["id"].as_u64().unwrap() >= 4).then_some(answer)
    });
    let one_by_one = refuses.rpc().blocks(&[1, 2, 3, 4]).await.unwrap();
    assert!(one_by_one.iter().all(Option::is_some));
}

#[tokio::test]
async fn logs_that_were_not_asked_for_are_refused() {
    let Some(net) = devnet().await else { return };
    let (alice, rpc) = (net.person(1), net.anvil.rpc());
    let first = net.register(&alice).await.block;
    let last = net.deposit(&alice, &alice, 5, 1).await.block;
    let pool = net.pool.address();
    let logs = rpc.logs(pool, Blocks::Range(first, last)).await.unwrap();
    assert_eq!(logs.iter().map(|log| log.block).collect::<Vec<_>>(), [first, last]);
    assert_eq!(rpc.logs(pool, Blocks::Hash(logs[1].block_hash)).await.unwrap(), logs[1..]);
    assert_eq!(rpc.logs(alice.account.address(), Blocks::Range(0, last)).await.unwrap(), []);

    let between = Between::start(rpc, |_, answer| Some(answer)).await;
    let changes: [fn(&mut Value); 8] = [
        |logs| logs.as_array_mut().unwrap().reverse(),
        |logs| logs[1] = logs[0].clone(),
        |logs| logs[0]["address"] = json!(format!("0x{}", "11".repeat(20))),
        |logs| logs[0]["blockNumber"] = json!("0x0"),
        |logs| logs[0]["removed"] = json!(true),
        |logs| logs[0]["topics"] = json!([[0]]),
        |logs| logs[0]["topics"] = json!(vec![format!("0x{}", "11".repeat(32)); 5]),
        |logs| logs[0]["data"] = json!("0x123"),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        between.set(move |_, mut answer| {
            change(&mut answer["result"]);
            Some(answer)
        });
        let error = between.rpc().logs(pool, Blocks::Range(first, last)).await.unwrap_err();
        assert!(matches!(error, RpcError::Malformed { .. }), "{n}: {error}");
    }
}

#[tokio::test]
async fn a_node_without_finality_counts_blocks() {
    let Some(anvil) = anvil(&[]) else { return };
    anvil.mine(100).await.unwrap();
    let head = anvil.rpc().head().await.unwrap();
    let between = Between::start(anvil.rpc(), |_, answer| Some(answer)).await;
    between.set(|request, mut answer| {
        answer.as_object_mut().unwrap().remove("result");
        answer["error"] = json!({ "code": -32602, "message": "unknown block tag" });
        assert_eq!(request["params"][0], "finalized");
        Some(answer)
    });
    assert_eq!(between.rpc().finalized(&head).await.unwrap(), 36);
    between.set(|_, mut answer| {
        answer["result"] = Value::Null;
        Some(answer)
    });
    assert_eq!(between.rpc().finalized(&head).await.unwrap(), 36);
    // One that says a block to be final that it does not have yet.
    let mut ahead = anvil.request("eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
    ahead["number"] = json!("0xffff");
    between.set(move |_, mut answer| {
        answer["result"] = ahead.clone();
        Some(answer)
    });
    assert_eq!(between.rpc().finalized(&head).await.unwrap(), 100);
}

/// Nodes put what a call returned in different places.
#[tokio::test]
async fn revert_data_is_found_where_nodes_put_it() {
    let Some(anvil) = anvil(&[]) else { return };
    let between = Between::start(anvil.rpc(), |_, answer| Some(answer)).await;
    let call = CallParams { from: None, to: Some(Address([1; 20])), value: U256::ZERO, data: &[] };
    for (data, found) in [
        (json!("0x1234"), true),
        (json!({ "data": "0x1234", "message": "x" }), true),
        (json!({ "result": "0x1234" }), true),
        (json!("Reverted 0x1234"), true),
        (json!({ "data": { "data": "0x1234" } }), false),
        (json!("execution reverted"), false),
        (Value::Null, false),
    ] {
        let said = data.clone();
        between.set(move |_, mut answer| {
            answer.as_object_mut().unwrap().remove("result");
            answer["error"] = json!({ "code": 3, "message": "execution reverted", "data": said });
            Some(answer)
        });
        let error = between.rpc().call(&call, At::Latest).await.unwrap_err();
        let RpcError::Node { data: got, .. } = error else { panic!("{error}") };
        assert_eq!(got, found.then(|| vec![0x12, 0x34]), "{data}");
    }
}

#[test]
fn what_is_no_url_is_refused() {
    for url in ["", "localhost:8545", "ftp://example.org", "file:///etc/passwd", "http://"] {
        assert!(matches!(Rpc::new(url), Err(RpcError::Url(_))), "{url}");
    }
    let rpc = Rpc::new("https://user:secret@node.example.org/v3/key").unwrap();
    assert_eq!(format!("{rpc:?}"), "Rpc(node.example.org)");
}
