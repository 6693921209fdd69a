//! One chain with both forms of the pool, tokens, auth verifiers and recipients of every kind; and the models of the pools.

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::SolCall;
use serde_json::{Value, json};
use tacit_chain::abi::{self, sol};
use tacit_chain::deploy::{ContractKey, Deployed, LOCAL_CHAINS, Plan, deploy};
use tacit_chain::devnet::Anvil;
use tacit_chain::{Rpc, SendOptions};
use tacit_pool::ledger::{Call, Ledger, NOTE_ROOT_HISTORY};
use tacit_pool::transaction::public::word;
use tacit_pool::{Address, Amount, Fr, Rules};

use crate::evm;
use crate::sequence::State;
use crate::trapdoor;

/// Gas of every call, more than any needs.
pub const GAS: &str = "0xe00000";

/// What moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asset {
    Ether,
    /// The demo token.
    Demo,
    /// No contract.
    Nobody,
    Odd(Odd),
}

/// What a token of [`evm::TOKEN`] does: how many bytes it says its balance in, what it adds to what comes in, and what it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Odd {
    pub balance_bytes: u8,
    pub surplus: i8,
    pub answer_in: Answer,
    pub answer_out: Answer,
}

/// A value and how many bytes of it; one byte is a revert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer(pub u8, pub u8);

impl Answer {
    const TRUE: Self = Self(1, 32);
    const NOTHING: Self = Self(0, 0);

    /// Whether the pool takes it for success.
    pub fn is_good(self) -> bool {
        self == Self::TRUE || self == Self::NOTHING
    }
}

const fn odd(balance_bytes: u8, surplus: i8, answer_in: Answer, answer_out: Answer) -> Asset {
    Asset::Odd(Odd { balance_bytes, surplus, answer_in, answer_out })
}

const ODD: [Asset; 15] = [
    odd(32, 0, Answer::TRUE, Answer::TRUE),
    odd(32, 0, Answer::NOTHING, Answer::NOTHING),
    // Charges a fee; gives more than it takes.
    odd(32, -1, Answer::TRUE, Answer::TRUE),
    odd(32, 1, Answer::TRUE, Answer::TRUE),
    // Answers otherwise than with true.
    odd(32, 0, Answer(0, 32), Answer::TRUE),
    odd(32, 0, Answer(2, 32), Answer::TRUE),
    odd(32, 0, Answer(1, 64), Answer::TRUE),
    odd(32, 0, Answer(0, 31), Answer::TRUE),
    odd(32, 0, Answer(0, 1), Answer::TRUE),
    // Comes in and does not go out: is paused, say.
    odd(32, 0, Answer::TRUE, Answer(0, 1)),
    odd(32, 0, Answer::TRUE, Answer(0, 32)),
    odd(32, 0, Answer::TRUE, Answer(1, 64)),
    // Says no balance.
    odd(0, 0, Answer::TRUE, Answer::TRUE),
    odd(31, 0, Answer::TRUE, Answer::TRUE),
    odd(1, 0, Answer::TRUE, Answer::TRUE),
];

/// A token with its address.
#[derive(Debug, Clone, Copy)]
pub struct Token {
    pub address: Address,
    pub asset: Asset,
}

/// A deployed pool, and where sequences about it begin.
pub struct Pool {
    pub address: Address,
    pub rules: Rules,
    /// One that calls the pool when it is paid.
    pub caller: Address,
    /// Says what ether the pool has.
    pub ether: Address,
}

pub struct Scene {
    pub anvil: Anvil,
    pub pools: Vec<Pool>,
    pub senders: Vec<Address>,
    pub tokens: Vec<Token>,
    /// With whether it accepts.
    pub verifiers: Vec<(Address, bool)>,
    /// Takes no ether.
    pub refuser: Address,
    pub states: Vec<State>,
}

fn numbered(n: u16) -> Address {
    let [high, low] = n.to_be_bytes();
    let mut address = [0; 20];
    (address[0], address[18], address[19]) = (0xdd, high, low);
    Address(address)
}

/// The sender that did not approve the demo token.
pub const UNAPPROVED: usize = 2;
/// Demo tokens of each sender.
pub fn minted() -> U256 {
    U256::from(1) << 200
}

async fn set(rpc: &Rpc, address: Address, code: &[u8]) {
    let code = format!("0x{}", hex::encode(code));
    rpc.request("anvil_setCode", json!([address.to_string(), code])).await.unwrap();
}

async fn store(rpc: &Rpc, address: Address, slot: u8, value: U256) {
    let value = format!("{value:#066x}");
    let slot = format!("{slot:#x}");
    rpc.request("anvil_setStorageAt", json!([address.to_string(), slot, value])).await.unwrap();
}

/// A transaction of one of anvil's accounts.
pub fn transaction(from: Address, to: Address, value: U256, data: &[u8]) -> Value {
    json!({
        "from": from.to_string(), "to": to.to_string(), "value": format!("{value:#x}"),
        "input": format!("0x{}", hex::encode(data)), "gas": GAS,
    })
}

impl Scene {
    pub async fn new(anvil: Anvil) -> Self {
        let rpc = anvil.rpc().clone();
        let senders: Vec<Address> = (0..3).map(|n| anvil.account(n).unwrap().address()).collect();
        let (mut pools, mut demo) = (Vec::new(), Address::ZERO);
        for rules in [Rules::TACIT, Rules::EIP] {
            let pool_key = ContractKey::from_bytes(trapdoor::key(rules.public_inputs())).unwrap();
            let plan =
                Plan { bind: rules.bind, pool_key, auth_keys: vec![], ecdsa: false, token: rules.bind };
            let deployer = anvil.account(9).unwrap();
            let options = SendOptions::default();
            let deployed: Deployed = deploy(&rpc, &deployer, LOCAL_CHAINS[0], &plan, &options).await.unwrap();
            demo = deployed.token.unwrap_or(demo);
            let [caller, ether] = [0, 1].map(|n| numbered(0x100 + 2 * pools.len() as u16 + n));
            let address = deployed.place.pool;
            // Ether of its own for the wei that it sends, should the pool take it.
            rpc.request("anvil_setBalance", json!([caller.to_string(), "0x64"])).await.unwrap();
            let inner = abi::deposit(address, Address::ZERO, Amount::from(1u128), &Fr::from(1u64), &[]);
            set(&rpc, caller, &evm::caller(address.0, &inner.data)).await;
            set(&rpc, ether, &evm::balance_of(address.0)).await;
            pools.push(Pool { address, rules, caller, ether });
        }
        let mut tokens = vec![
            Token { address: Address::ZERO, asset: Asset::Ether },
            Token { address: demo, asset: Asset::Demo },
            Token { address: numbered(0x200), asset: Asset::Nobody },
        ];
        for asset in ODD {
            let address = numbered(0x200 + tokens.len() as u16);
            let Asset::Odd(Odd { balance_bytes, surplus, answer_in, answer_out }) = asset else { panic!() };
            set(&rpc, address, &evm::assemble(evm::TOKEN)).await;
            let answer = |Answer(value, bytes)| U256::from(u64::from(value) << 8 | u64::from(bytes));
            let surplus = match surplus {
                -1 => U256::MAX,
                surplus => U256::from(surplus.unsigned_abs()),
            };
            let slots = [answer(answer_in), answer(answer_out), U256::from(balance_bytes), surplus];
            for (slot, value) in (1..).zip(slots) {
                store(&rpc, address, slot, value).await;
            }
            tokens.push(Token { address, asset });
        }
        let selector = selector();
        let mut verifiers = Vec::new();
        for (code, accepts) in [
            (evm::verifier(selector, 1, 32), true),
            (evm::verifier(selector, 2, 32), false),
            (evm::verifier(selector, 1, 64), false),
            (evm::verifier(selector, 1, 31), false),
            (evm::assemble(evm::WRITER), false),
            (evm::assemble(evm::REFUSER), false),
            (vec![], false),
        ] {
            let address = numbered(0x300 + verifiers.len() as u16);
            set(&rpc, address, &code).await;
            verifiers.push((address, accepts));
        }
        let refuser = numbered(0x400);
        set(&rpc, refuser, &evm::assemble(evm::REFUSER)).await;
        let mut scene = Self { anvil, pools, senders, tokens, verifiers, refuser, states: Vec::new() };
        scene.fund(demo).await;
        scene.begin().await;
        scene
    }

    async fn fund(&self, demo: Address) {
        let rpc = self.anvil.rpc();
        // Anvil answers before it makes a block by itself.
        rpc.request("evm_setAutomine", json!([false])).await.unwrap();
        for (n, sender) in self.senders.iter().enumerate() {
            let wealth = format!("{:#x}", U256::from(1) << 250);
            rpc.request("anvil_setBalance", json!([sender.to_string(), wealth])).await.unwrap();
            let to = alloy_primitives::Address::from(sender.0);
            let mint = sol::Token::mintCall { to, amount: minted() }.abi_encode();
            let mut calls = vec![mint];
            for pool in self.pools.iter().filter(|_| n != UNAPPROVED) {
                let spender = alloy_primitives::Address::from(pool.address.0);
                calls.push(sol::Token::approveCall { spender, amount: U256::MAX }.abi_encode());
            }
            for data in calls {
                let transaction = transaction(*sender, demo, U256::ZERO, &data);
                rpc.request("eth_sendTransaction", json!([transaction])).await.unwrap();
            }
        }
        self.anvil.mine(1).await.unwrap();
    }

    /// For each pool a state as it is deployed, and one in which the first roots are about to leave the window.
    async fn begin(&mut self) {
        let rpc = self.anvil.rpc().clone();
        let chain_id = u32::try_from(LOCAL_CHAINS[0]).unwrap();
        let head = rpc.head().await.unwrap();
        for (n, pool) in self.pools.iter().enumerate() {
            let ledger = Ledger::new(pool.rules, chain_id);
            self.states.push(State::new(n, ledger, head.number, head.timestamp));
        }
        let inserted = NOTE_ROOT_HISTORY as u64 - 3;
        for n in 0..inserted {
            let owner = Fr::from(n + 1);
            for pool in &self.pools {
                let call = abi::deposit(pool.address, Address::ZERO, Amount::from(1u128), &owner, &[]);
                let from = self.senders[0];
                let transaction = transaction(from, pool.address, call.value, &call.data);
                rpc.request("eth_sendTransaction", json!([transaction])).await.unwrap();
            }
        }
        self.anvil.mine(1).await.unwrap();
        let head = rpc.head().await.unwrap();
        for n in 0..self.pools.len() {
            let State { mut ledger, .. } = self.states[n].clone();
            let mut state = State::new(n, ledger.clone(), head.number, head.timestamp);
            for owner in 1..=inserted {
                let amount = Amount::from(1u128);
                let call = Call {
                    sender: self.senders[0],
                    value: amount,
                    block: head.number,
                    timestamp: head.timestamp,
                };
                let (amount, owner) = (word(&amount.to_field()), word(&Fr::from(owner)));
                let deposited = ledger.deposit(call, Address::ZERO, &amount, &owner, &[], true).unwrap();
                state.note_roots.push(deposited.root);
            }
            state.ledger = ledger;
            self.states.push(state);
        }
        for state in &self.states {
            let call = sol::Pool::getCurrentRootsCall {}.abi_encode();
            let to = self.pools[state.pool].address;
            let call = json!({ "to": to.to_string(), "input": format!("0x{}", hex::encode(call)) });
            let said = rpc.request("eth_call", json!([call, format!("{:#x}", state.block)])).await.unwrap();
            let (notes, policies) = state.ledger.roots().unwrap();
            let expected = [word(&notes), word(&policies)].concat();
            assert_eq!(said, format!("0x{}", hex::encode(expected)), "where sequences begin");
        }
    }
}

/// Of `verifyAuth(bytes,bytes)`.
fn selector() -> [u8; 4] {
    alloy_sol_types::sol! {
        function verifyAuth(bytes publicInputs, bytes proof) external returns (bool);
    }
    let call = verifyAuthCall { publicInputs: Bytes::new(), proof: Bytes::new() };
    call.abi_encode()[..4].try_into().unwrap()
}
