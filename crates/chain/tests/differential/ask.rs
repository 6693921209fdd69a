//! What the contract does with a sequence, asked in two ways: `eth_simulateV1`, which needs no transactions and is fast, and transactions in
//! blocks.

use serde_json::{Value, json};
use tacit_chain::rpc::Log;
use tacit_pool::Address;

use crate::scene::{GAS, Scene, transaction};
use crate::sequence::{Sequence, Step};

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub success: bool,
    pub output: Vec<u8>,
    pub logs: Vec<Log>,
}

/// Of a sequence: for each step what came of it and, where it was asked, what `getCurrentRoots` said then; and what the views said.
pub struct Answers {
    pub steps: Vec<(Answer, Option<Vec<u8>>)>,
    pub views: Vec<Vec<u8>>,
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap().strip_prefix("0x").unwrap()).unwrap()
}

fn logs(value: &Value) -> Vec<Log> {
    let read = |log: &Value| Log {
        address: log["address"].as_str().unwrap().parse().unwrap(),
        topics: log["topics"].as_array().unwrap().iter().map(|t| bytes(t).try_into().unwrap()).collect(),
        data: bytes(&log["data"]),
        block: 0,
        block_hash: [0; 32],
        index: 0,
        transaction: [0; 32],
    };
    value.as_array().unwrap().iter().map(read).collect()
}

fn view(to: Address, data: &[u8]) -> Value {
    json!({ "to": to.to_string(), "input": format!("0x{}", hex::encode(data)), "gas": GAS })
}

/// `getCurrentRoots()`.
fn roots_call() -> Vec<u8> {
    use alloy_sol_types::SolCall as _;
    tacit_chain::abi::sol::Pool::getCurrentRootsCall {}.abi_encode()
}

/// The steps of each block.
fn blocks(steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    steps.chunk_by(|one, next| one.block == next.block)
}

impl Scene {
    pub async fn simulate(&self, sequence: &Sequence) -> Answers {
        let pool = self.pools[sequence.pool].address;
        let mut calls: Vec<Value> = Vec::new();
        for steps in blocks(&sequence.steps) {
            let both = |step: &Step| {
                let call = transaction(step.from, pool, step.value, &step.data);
                [call, view(pool, &roots_call())]
            };
            let calls_of: Vec<Value> = steps.iter().flat_map(both).collect();
            let Step { block, time, .. } = steps[0];
            let overrides = json!({ "number": format!("{block:#x}"), "time": format!("{time:#x}") });
            calls.push(json!({ "blockOverrides": overrides, "calls": calls_of }));
        }
        let views = sequence.views.iter().map(|asked| view(asked.to, &asked.data));
        let last = calls.last_mut().unwrap()["calls"].as_array_mut().unwrap();
        last.extend(views);
        let params = json!([{ "blockStateCalls": calls }, format!("{:#x}", sequence.start)]);
        let said = self.anvil.request("eth_simulateV1", params).await.unwrap();
        let mut said = said.as_array().unwrap().iter().flat_map(|block| block["calls"].as_array().unwrap());
        let mut next = || {
            let call = said.next().unwrap();
            let success = call["status"] == "0x1";
            Answer { success, output: bytes(&call["returnData"]), logs: logs(&call["logs"]) }
        };
        let steps = sequence.steps.iter().map(|_| (next(), Some(next().output))).collect();
        let views = sequence.views.iter().map(|_| next().output).collect();
        Answers { steps, views }
    }

    /// In transactions and blocks, which are undone afterwards.
    pub async fn mine(&self, sequence: &Sequence) -> Answers {
        let (rpc, pool) = (self.anvil.rpc(), self.pools[sequence.pool].address);
        let snapshot = self.anvil.snapshot().await.unwrap();
        let (mut head, mut answers) = (sequence.start, Vec::new());
        for steps in blocks(&sequence.steps) {
            let Step { block, time, .. } = steps[0];
            if block > head + 1 {
                self.anvil.mine(block - head - 1).await.unwrap();
            }
            let mut hashes = Vec::new();
            for step in steps {
                let transaction = transaction(step.from, pool, step.value, &step.data);
                hashes.push(rpc.request("eth_sendTransaction", json!([transaction])).await.unwrap());
            }
            rpc.request("evm_setNextBlockTimestamp", json!([time])).await.unwrap();
            self.anvil.mine(1).await.unwrap();
            let header = rpc.head().await.unwrap();
            assert_eq!((header.number, header.timestamp), (block, time), "seed {}", sequence.seed);
            head = block;
            for (n, hash) in hashes.iter().enumerate() {
                let receipt = rpc.request("eth_getTransactionReceipt", json!([hash])).await.unwrap();
                assert_eq!(receipt["transactionIndex"], format!("{n:#x}"), "in order");
                let traced = json!([hash, { "tracer": "callTracer" }]);
                let trace = rpc.request("debug_traceTransaction", traced).await.unwrap();
                let output = trace.get("output").map(bytes).unwrap_or_default();
                let success = receipt["status"] == "0x1";
                answers.push((Answer { success, output, logs: logs(&receipt["logs"]) }, None));
            }
            let roots = rpc.request("eth_call", json!([view(pool, &roots_call()), "latest"])).await.unwrap();
            answers.last_mut().unwrap().1 = Some(bytes(&roots));
        }
        let mut views = Vec::new();
        for asked in &sequence.views {
            let call = json!([view(asked.to, &asked.data), "latest"]);
            views.push(bytes(&rpc.request("eth_call", call).await.unwrap()));
        }
        self.anvil.revert(&snapshot).await.unwrap();
        Answers { steps: answers, views }
    }
}
