//! A wallet on a real chain: what comes, what goes when the chain goes back, and nodes that lie.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tacit_chain::follow::{FollowError, FollowOptions, MAX_AHEAD, Progress, follow};
use tacit_chain::{At, PoolContract};
use tacit_pool::Amount;

use crate::common::*;

fn amount(n: u128) -> Amount {
    Amount::from(n)
}

/// Wallets that know the same: whatever way they went.
fn same(a: &Person, b: &Person) {
    assert_eq!(a.wallet.head(), b.wallet.head());
    assert_eq!(a.wallet.note_root().unwrap(), b.wallet.note_root().unwrap());
    assert_eq!(a.wallet.registry_root(), b.wallet.registry_root());
    assert_eq!(a.wallet.entry(), b.wallet.entry());
    assert!(a.wallet.notes().eq(b.wallet.notes()));
}

#[tokio::test]
async fn what_is_paid_arrives_and_goes_when_the_chain_goes_back() {
    let Some(net) = devnet().await else { return };
    let (mut alice, mut bob) = (net.person(1), net.person(2));
    net.register(&alice).await;
    net.register(&bob).await;
    net.deposit(&bob, &alice, 5, 1).await;
    net.deposit(&alice, &alice, 7, 2).await;
    net.deposit(&alice, &bob, 11, 3).await;
    let followed = alice.follow(&net.pool).await.unwrap();
    assert_eq!((followed.received.clone(), followed.reorganised_to), (vec![0, 1], None));
    assert!(followed.entry_changed && followed.spent.is_empty());
    assert_eq!(followed.head, net.anvil.rpc().head().await.unwrap());
    assert_eq!((alice.ether(), alice.wallet.head().number), (amount(12), followed.head.number));
    let entry = net.pool.entry(alice.account.address(), At::Latest).await.unwrap().unwrap();
    assert_eq!(alice.wallet.entry(), Some(&entry));
    // Nothing new.
    let again = alice.follow(&net.pool).await.unwrap();
    assert_eq!((again.received, again.entry_changed), (vec![], false));

    // A fork of the same length without the deposit; then one that is shorter; then it comes after all.
    let before = net.anvil.snapshot().await.unwrap();
    net.deposit(&bob, &alice, 100, 4).await;
    alice.follow(&net.pool).await.unwrap();
    assert_eq!(alice.ether(), amount(112));
    let common = followed.head.number;
    net.anvil.revert(&before).await.unwrap();
    net.anvil.request("evm_increaseTime", json!([30])).await.unwrap();
    net.anvil.mine(1).await.unwrap();
    let followed = alice.follow(&net.pool).await.unwrap();
    assert_eq!(followed.reorganised_to, Some(common));
    assert_eq!(alice.ether(), amount(12));

    let before = net.anvil.snapshot().await.unwrap();
    net.deposit(&bob, &alice, 200, 5).await;
    net.deposit(&bob, &bob, 300, 6).await;
    alice.follow(&net.pool).await.unwrap();
    assert_eq!(alice.ether(), amount(212));
    net.anvil.revert(&before).await.unwrap();
    let followed = alice.follow(&net.pool).await.unwrap();
    assert_eq!((followed.reorganised_to, followed.head.number), (Some(common + 1), common + 1));
    assert_eq!(alice.ether(), amount(12));
    net.deposit(&bob, &bob, 300, 6).await;
    net.deposit(&bob, &alice, 200, 5).await;
    let followed = alice.follow(&net.pool).await.unwrap();
    assert_eq!((followed.received, followed.reorganised_to), (vec![4], None));
    assert_eq!(alice.ether(), amount(212));

    bob.follow(&net.pool).await.unwrap();
    assert_eq!(bob.ether(), amount(311));
    let mut fresh = net.person(1);
    fresh.follow(&net.pool).await.unwrap();
    same(&alice, &fresh);
}

/// The node's own reorganisation: blocks replaced by as many others.
#[tokio::test]
async fn anvils_reorganisation_is_followed() {
    let Some(net) = devnet().await else { return };
    let (mut alice, bob) = (net.person(1), net.person(2));
    net.register(&alice).await;
    net.deposit(&bob, &alice, 5, 1).await;
    net.anvil.mine(20).await.unwrap();
    net.deposit(&bob, &alice, 6, 2).await;
    net.anvil.mine(3).await.unwrap();
    alice.follow(&net.pool).await.unwrap();
    assert_eq!(alice.ether(), amount(11));
    let head = net.anvil.rpc().head().await.unwrap();
    net.anvil.request("anvil_reorg", json!([10, []])).await.unwrap();
    let other = net.anvil.rpc().head().await.unwrap();
    assert!(other.number == head.number && other.hash != head.hash);
    let followed = alice.follow(&net.pool).await.unwrap();
    let back = followed.reorganised_to.unwrap();
    assert!((head.number - 20..=head.number - 10).contains(&back), "{back} {head:?}");
    assert_eq!(alice.ether(), amount(5));
    let mut fresh = net.person(1);
    fresh.follow(&net.pool).await.unwrap();
    same(&alice, &fresh);
}

/// A long way: final blocks in ranges, the rest one by one; and what is final is not gone back on.
#[tokio::test]
async fn final_blocks_are_read_in_ranges() {
    let Some(net) = devnet().await else { return };
    let (mut alice, bob) = (net.person(1), net.person(2));
    net.register(&alice).await;
    for n in 0..3 {
        net.deposit(&bob, &alice, 10 + n, n as u64).await;
        net.anvil.mine(40).await.unwrap();
    }
    net.register(&bob).await;
    let early = net.anvil.snapshot().await.unwrap();
    net.anvil.mine(400).await.unwrap();
    net.deposit(&bob, &alice, 100, 9).await;
    let mut blocks = Vec::new();
    let options = FollowOptions { max_range: 50, ..FollowOptions::new(later()) };
    let seen = |progress: Progress| blocks.push(progress.block);
    let followed = follow(&net.pool, &mut alice.wallet, &mut alice.keys, &options, seen).await.unwrap();
    assert!(blocks.len() > 8 && blocks.is_sorted() && blocks.last() == Some(&followed.head.number));
    assert_eq!(alice.ether(), amount(133));
    assert!(alice.wallet.settled().number > followed.finalized.saturating_sub(50));
    let mut other = net.person(1);
    other.follow(&net.pool).await.unwrap();
    assert_eq!(alice.wallet.note_root().unwrap(), other.wallet.note_root().unwrap());
    assert!(alice.wallet.notes().eq(other.wallet.notes()));

    // Before what was final.
    net.anvil.revert(&early).await.unwrap();
    let error = alice.follow(&net.pool).await.unwrap_err();
    assert!(matches!(error, FollowError::Behind { .. }), "{error}");
    net.anvil.request("evm_increaseTime", json!([30])).await.unwrap();
    net.anvil.mine(500).await.unwrap();
    let error = alice.follow(&net.pool).await.unwrap_err();
    assert!(matches!(error, FollowError::TooDeep { .. }), "{error}");
}

/// Nodes refuse what is too much, each in its own way; the range is cut until they answer.
#[tokio::test]
async fn ranges_adapt_to_the_node() {
    let Some(net) = devnet().await else { return };
    let (mut alice, bob) = (net.person(1), net.person(2));
    net.register(&alice).await;
    for n in 0..6 {
        net.deposit(&bob, &alice, 1, n).await;
        net.anvil.mine(25).await.unwrap();
    }
    let span = |request: &Value| {
        let number = |key: &str| {
            let text = request["params"][0][key].as_str().unwrap();
            u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
        };
        number("toBlock") - number("fromBlock") + 1
    };
    let widest = Arc::new(AtomicU64::new(0));
    let seen = widest.clone();
    let between = Between::start(net.anvil.rpc(), move |request, mut answer| {
        if request["method"] == "eth_getLogs" {
            if span(request) > 7 {
                answer.as_object_mut().unwrap().remove("result");
                answer["error"] = json!({ "code": -32602, "message": "query exceeds max block range 7" });
            } else {
                seen.fetch_max(span(request), Ordering::Relaxed);
            }
        }
        Some(answer)
    })
    .await;
    let pool = PoolContract::connect(between.rpc(), net.pool.address()).await.unwrap();
    alice.follow(&pool).await.unwrap();
    assert_eq!(alice.ether(), amount(6));
    assert!((4..=7).contains(&widest.load(Ordering::Relaxed)));
    // One that always refuses is not asked for ever.
    between.set(|request, mut answer| {
        if request["method"] == "eth_getLogs" {
            answer.as_object_mut().unwrap().remove("result");
            answer["error"] = json!({ "code": -32602, "message": "never" });
        }
        Some(answer)
    });
    let error = net.person(1).follow(&pool).await.unwrap_err();
    assert!(error.to_string().contains("never"), "{error}");
}

/// What a lying node does to the answers to requests for logs or roots.
async fn lied(net: &Devnet, lie: impl Fn(&str, &mut Value) + Send + 'static) -> (Person, FollowError) {
    let between = Between::start(net.anvil.rpc(), move |request, mut answer| {
        lie(request["method"].as_str().unwrap(), &mut answer["result"]);
        Some(answer)
    })
    .await;
    let pool = PoolContract::connect(between.rpc(), net.pool.address()).await.unwrap();
    let mut alice = net.person(1);
    let error = alice.follow(&pool).await.unwrap_err();
    // The wallet is where it was, and an honest node brings it on.
    assert_eq!(alice.wallet.head().number, net.deployed.start.number, "{error}");
    alice.follow(&net.pool).await.unwrap();
    (alice, error)
}

#[tokio::test]
async fn lies_are_found_out() {
    let Some(net) = devnet().await else { return };
    let (alice, bob) = (net.person(1), net.person(2));
    net.register(&alice).await;
    for n in 0..4 {
        net.deposit(&bob, &alice, 10, n).await;
    }
    net.register(&bob).await;
    let mut honest = net.person(1);
    honest.follow(&net.pool).await.unwrap();

    // The last of each kind is left out: no other event contradicts.
    let (alice, error) = lied(&net, |method, result| {
        if method == "eth_getLogs" && result.as_array().is_some_and(|logs| logs.len() == 6) {
            result.as_array_mut().unwrap().remove(4);
        }
    })
    .await;
    assert!(matches!(error, FollowError::Roots { tree: "note", .. }), "{error}");
    same(&alice, &honest);
    let (_, error) = lied(&net, |method, result| {
        if method == "eth_getLogs" && result.as_array().is_some_and(|logs| logs.len() == 6) {
            result.as_array_mut().unwrap().pop();
        }
    })
    .await;
    assert!(matches!(error, FollowError::Roots { tree: "registry's", .. }), "{error}");
    // One in the middle, and the first registration.
    for at in [0, 2] {
        let (alice, error) = lied(&net, move |method, result| {
            if method == "eth_getLogs" && result.as_array().is_some_and(|logs| logs.len() == 6) {
                result.as_array_mut().unwrap().remove(at);
            }
        })
        .await;
        assert!(matches!(error, FollowError::Events { .. }), "{error}");
        same(&alice, &honest);
    }
    // A commitment is changed.
    let (_, error) = lied(&net, |method, result| {
        if method == "eth_getLogs" && result.as_array().is_some_and(|logs| logs.len() == 6) {
            let data = result[1]["data"].as_str().unwrap().to_owned();
            result[1]["data"] = format!("0x{:064x}{}", 77, &data[66..]).into();
        }
    })
    .await;
    assert!(matches!(error, FollowError::Events { .. }), "{error}");
    // A topic that the pool does not have.
    let (_, error) = lied(&net, |method, result| {
        if method == "eth_getLogs" && result.as_array().is_some_and(|logs| logs.len() == 6) {
            result[1]["topics"][0] = format!("0x{}", "12".repeat(32)).into();
        }
    })
    .await;
    assert!(matches!(error, FollowError::Log { .. }), "{error}");
    // A log of another fork's block; a chain whose blocks do not follow from one another; two newest blocks.
    for method in ["eth_getLogs", "parent", "latest"] {
        let (_, error) = lied(&net, move |asked, result| {
            let other = Value::from(format!("0x{}", "13".repeat(32)));
            match method {
                "eth_getLogs" if asked == method => result[5]["blockHash"] = other,
                "parent" if asked == "eth_getBlockByNumber" && result["number"] == "0x5" => {
                    result["parentHash"] = other;
                }
                "latest" if asked == "eth_getBlockByNumber" && result["number"] == "0xa" => {
                    result["hash"] = other;
                }
                _ => {}
            }
        })
        .await;
        assert!(matches!(error, FollowError::Unsteady { .. }), "{method}: {error}");
    }
}

/// A node whose lie fits together: only another node shows it.
#[tokio::test]
async fn a_second_node_confirms() {
    let Some(net) = devnet().await else { return };
    let (mut alice, bob) = (net.person(1), net.person(2));
    net.register(&alice).await;
    net.deposit(&bob, &alice, 10, 1).await;
    let options = FollowOptions { witness: Some(&net.pool), ..FollowOptions::new(later()) };
    alice.follow_with(&net.pool, &options).await.unwrap();

    // The last deposit is left out of logs and of roots.
    let (before, _) = (net.pool.roots(At::Latest).await.unwrap(), net.deposit(&bob, &alice, 20, 2).await);
    let roots = format!(
        "0x{}{}",
        hex::encode(tacit_algebra::field::to_be(&before.0)),
        hex::encode(tacit_algebra::field::to_be(&before.1))
    );
    let between = Between::start(net.anvil.rpc(), move |request, mut answer| {
        let data = request["params"][0]["data"].as_str().unwrap_or_default();
        if request["method"] == "eth_getLogs" {
            answer["result"] = json!([]);
        } else if request["method"] == "eth_call" && data.len() == 10 {
            answer["result"] = roots.clone().into();
        }
        Some(answer)
    })
    .await;
    let liar = PoolContract::connect(between.rpc(), net.pool.address()).await.unwrap();
    let at = alice.wallet.head();
    let error = alice.follow_with(&liar, &options).await.unwrap_err();
    assert!(matches!(error, FollowError::Witness { .. }), "{error}");
    assert!(alice.wallet.head().number <= at.number);
    assert_eq!(alice.ether(), Amount::ZERO, "back at the last final block");
    alice.follow_with(&net.pool, &options).await.unwrap();
    assert_eq!(alice.ether(), amount(30));
}

/// By a final block's time, payments run out: a chain that is ahead of the clock is refused.
#[tokio::test]
async fn a_head_of_the_future_is_refused() {
    let Some(net) = devnet().await else { return };
    let (mut alice, bob) = (net.person(1), net.person(2));
    net.deposit(&bob, &alice, 10, 1).await;
    let head = net.anvil.rpc().head().await.unwrap();
    let early = head.timestamp - MAX_AHEAD - 1;
    let error = alice.follow_with(&net.pool, &FollowOptions::new(early)).await.unwrap_err();
    assert!(matches!(error, FollowError::Future { now, .. } if now == early), "{error}");
    for time in [early, head.timestamp] {
        assert!(error.to_string().contains(&time.to_string()), "{error}");
    }
    assert_eq!(alice.wallet.head().number, net.deployed.start.number, "the wallet is as it was");
    alice.follow_with(&net.pool, &FollowOptions::new(early + 1)).await.unwrap();
    assert_eq!(alice.ether(), amount(10));
    // A chain that stands still is none of that.
    alice.follow_with(&net.pool, &FollowOptions::new(head.timestamp + 1_000_000)).await.unwrap();
}

/// A node that sets the chain's clock forward, within what clocks may differ.
#[tokio::test]
async fn a_second_node_confirms_times() {
    let Some(net) = devnet().await else { return };
    let (alice, bob) = (net.person(1), net.person(2));
    net.register(&alice).await;
    net.deposit(&bob, &alice, 10, 1).await;
    net.anvil.request("anvil_mine", json!([100, 6])).await.unwrap();
    let head = net.anvil.rpc().head().await.unwrap();
    // What is added to the time of the head, and that of the blocks before it; `None` is the head's time.
    let lied = async |ahead: u64, others: Option<u64>, witness: bool| {
        let between = Between::start(net.anvil.rpc(), move |request, mut answer| {
            let block = &mut answer["result"];
            if request["method"] == "eth_getBlockByNumber" && !block.is_null() {
                let number = |text: &Value| u64::from_str_radix(&text.as_str().unwrap()[2..], 16).unwrap();
                let (at, time) = (number(&block["number"]), number(&block["timestamp"]));
                let time = match others {
                    _ if at == head.number => time + ahead,
                    _ if at < 20 => time,
                    Some(ahead) => time + ahead,
                    None => head.timestamp,
                };
                block["timestamp"] = format!("{time:#x}").into();
            }
            Some(answer)
        })
        .await;
        let pool = PoolContract::connect(between.rpc(), net.pool.address()).await.unwrap();
        let options = FollowOptions { witness: witness.then_some(&net.pool), ..FollowOptions::new(later()) };
        let mut alice = net.person(1);
        let followed = alice.follow_with(&pool, &options).await;
        followed.map(|followed| (followed.finalized, alice.wallet.settled()))
    };
    let (finalized, honest) = lied(0, Some(0), true).await.unwrap();
    assert_eq!(honest.number, finalized);
    lied(600, Some(0), false).await.unwrap();
    let error = lied(600, Some(0), true).await.unwrap_err();
    assert!(matches!(error, FollowError::WitnessTime { block, .. } if block == head.number), "{error}");
    let (_, settled) = lied(0, None, false).await.unwrap();
    assert_eq!((settled.number, settled.timestamp), (finalized, head.timestamp));
    let error = lied(0, None, true).await.unwrap_err();
    assert!(matches!(error, FollowError::WitnessTime { block, .. } if block == finalized), "{error}");
    // A time after the head's needs no second node.
    let error = lied(0, Some(600), false).await.unwrap_err();
    assert!(matches!(error, FollowError::Unsteady { .. }), "{error}");
}

/// A node that does not know state by a block's hash is asked by number.
#[tokio::test]
async fn nodes_without_state_by_hash_are_asked_by_number() {
    let Some(net) = devnet().await else { return };
    let (mut alice, bob) = (net.person(1), net.person(2));
    net.deposit(&bob, &alice, 10, 1).await;
    let between = Between::start(net.anvil.rpc(), |request, mut answer| {
        if request["method"] == "eth_call" && request["params"][1].is_object() {
            answer.as_object_mut().unwrap().remove("result");
            answer["error"] = json!({ "code": -32602, "message": "invalid argument 1" });
        }
        Some(answer)
    })
    .await;
    let pool = PoolContract::connect(between.rpc(), net.pool.address()).await.unwrap();
    alice.follow(&pool).await.unwrap();
    assert_eq!(alice.ether(), amount(10));
}

/// The chain changes between two answers: the wallet ends on the new one.
#[tokio::test]
async fn a_reorganisation_in_the_middle_is_survived() {
    let Some(net) = devnet().await else { return };
    let (mut alice, bob) = (net.person(1), net.person(2));
    net.register(&alice).await;
    let fork = net.anvil.snapshot().await.unwrap();
    net.deposit(&bob, &alice, 10, 1).await;
    net.deposit(&bob, &alice, 20, 2).await;
    // The logs of this fork, then the other one.
    let stale = net
        .anvil
        .request(
            "eth_getLogs",
            json!([{ "address": net.pool.address().to_string(), "fromBlock": "0x0", "toBlock": "latest" }]),
        )
        .await
        .unwrap();
    net.anvil.revert(&fork).await.unwrap();
    net.anvil.request("evm_increaseTime", json!([30])).await.unwrap();
    net.deposit(&bob, &alice, 40, 3).await;
    net.anvil.mine(1).await.unwrap();
    let mut once = Some(stale);
    let between = Between::start(net.anvil.rpc(), move |request, mut answer| {
        if request["method"] == "eth_getLogs"
            && let Some(stale) = once.take()
        {
            let from = request["params"][0]["fromBlock"].as_str().unwrap();
            let from = u64::from_str_radix(&from[2..], 16).unwrap();
            let number =
                |log: &Value| u64::from_str_radix(&log["blockNumber"].as_str().unwrap()[2..], 16).unwrap();
            let logs: Vec<Value> =
                stale.as_array().unwrap().iter().filter(|log| number(log) >= from).cloned().collect();
            answer["result"] = logs.into();
        }
        Some(answer)
    })
    .await;
    let pool = PoolContract::connect(between.rpc(), net.pool.address()).await.unwrap();
    alice.follow(&pool).await.unwrap();
    assert_eq!(alice.ether(), amount(40));
}

#[tokio::test]
async fn a_wallet_of_another_pool_is_refused() {
    let Some(net) = devnet().await else { return };
    let Some(other) = devnet().await else { return };
    let mut alice = net.person(1);
    // The same address, as both were deployed alike; another chain, then.
    assert_eq!(other.pool.place(), net.pool.place());
    drop(other);
    let Some(anvil) = anvil(&["--chain-id", "1337"]) else { return };
    let vector = vector();
    let plan = tacit_chain::deploy::Plan {
        bind: true,
        pool_key: key(&vector, "poolKey"),
        auth_keys: vec![],
        ecdsa: false,
        token: false,
    };
    let account = anvil.account(0).unwrap();
    let deployed =
        tacit_chain::deploy::deploy(anvil.rpc(), &account, 1337, &plan, &tacit_chain::SendOptions::default())
            .await
            .unwrap();
    let pool = PoolContract::connect(anvil.rpc().clone(), deployed.place.pool).await.unwrap();
    let error = alice.follow(&pool).await.unwrap_err();
    assert!(matches!(error, FollowError::OtherPool { .. }), "{error}");
}
