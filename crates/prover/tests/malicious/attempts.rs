//! One try after another on the chain, each with the error that has to meet it.

use std::sync::Arc;

use serde_json::json;
use tacit_chain::revert::Revert;
use tacit_chain::{At, Call, SendError, SendOptions, U256, send, simulate, wait};
use tacit_circom::Inputs;
use tacit_pool::delivery::ReceivingAddress;
use tacit_pool::wallet::spend::Recipient;
use tacit_pool::wallet::{Payment, Prepared};
use tacit_pool::{Address, Fr};
use tacit_prover::circuits::CircuitError;
use tacit_prover::proved::evm_proof;
use tacit_prover::{AuthCircuit, CircuitKind, PoolCircuits, Proved, Work, local};

use crate::common::{amount, rng};
use crate::forge::Forged;
use crate::net::{Net, Person, SOON};

pub const POOL: CircuitKind = CircuitKind::Pool;
pub const EDDSA: CircuitKind = CircuitKind::Auth(AuthCircuit::Eddsa);
/// Enough for any `transact`: a try must not fail for want of gas.
const GAS: u64 = 8_000_000;

/// What somebody signed, proved as it is.
pub struct Honest {
    pub work: Work,
    pub proved: Proved,
}

impl Honest {
    pub fn forged(&self) -> Forged {
        Forged::of(&self.work)
    }

    pub fn call(&self) -> Call {
        let forged = self.forged();
        forged.call(&self.proved.pool_proof, &self.proved.auth_proof, &forged.words())
    }
}

/// What must not change.
#[derive(Debug, PartialEq, Eq)]
struct State {
    roots: (Fr, Fr),
    balances: Vec<U256>,
    used: Vec<bool>,
}

pub struct Attempts {
    pub net: Net,
    pub circuits: Arc<PoolCircuits>,
    /// What only the authorisation's proof stopped.
    pub unauthorised: Vec<(String, Call)>,
    table: Vec<[String; 2]>,
    proofs: u64,
}

impl Attempts {
    pub fn new(net: Net, circuits: Arc<PoolCircuits>) -> Self {
        Self { net, circuits, unauthorised: Vec::new(), table: Vec::new(), proofs: 0 }
    }

    /// A payment in ether that an owner's wallet prepares, with a fee for the prover: to `recipient`, or to the prover. It is made as at
    /// `ahead` seconds from now.
    pub async fn prepare(
        &self,
        from: &Person,
        prover: &Person,
        n: u128,
        recipient: Option<Address>,
        ahead: u64,
        seed: u64,
    ) -> Prepared {
        let receiving: ReceivingAddress = prover.wallet.receiving_address(&prover.keys).unwrap();
        let now = self.net.now().await + ahead;
        let payment = Payment {
            recipient: recipient.map_or(Recipient::Private(receiving.clone()), Recipient::Public),
            token: Address::ZERO,
            amount: amount(n),
            fee: Some((receiving, amount(20))),
            memo: [0; 64],
            valid_until: u32::try_from(now + 20_000).unwrap(),
            slot: 0,
        };
        from.wallet.prepare(&from.keys, &payment, now, &mut rng(seed)).unwrap()
    }

    /// The same, signed.
    pub async fn work(
        &self,
        from: &Person,
        prover: &Person,
        n: u128,
        recipient: Option<Address>,
        ahead: u64,
        seed: u64,
    ) -> Work {
        let prepared = self.prepare(from, prover, n, recipient, ahead, seed).await;
        let key = from.keys.eddsa(0).unwrap();
        Work::eddsa(prepared.transaction(), key.public(), &key.sign(prepared.message())).unwrap()
    }

    pub fn prove_work(&mut self, work: Work) -> Honest {
        self.proofs += 2;
        let proved = local::prove(&self.circuits, &work, &mut rng(self.proofs), &|_| {}).unwrap();
        Honest { work, proved }
    }

    pub async fn signed(
        &mut self,
        from: &Person,
        prover: &Person,
        n: u128,
        recipient: Option<Address>,
        ahead: u64,
        seed: u64,
    ) -> Honest {
        let work = self.work(from, prover, n, recipient, ahead, seed).await;
        let honest = self.prove_work(work);
        // Nothing changed and everything computed anew is the same: what is forged below is forged well.
        let (same, mut derived) = (honest.forged(), honest.forged());
        derived.derive_and_lock();
        assert_eq!(derived.words(), same.words());
        honest
    }

    /// A proof of what is forged; none where the relation does not hold.
    pub fn prove(&mut self, kind: CircuitKind, inputs: &Inputs<Fr>) -> Option<Vec<u8>> {
        self.proofs += 1;
        match self.circuits.load(kind).unwrap().prove(inputs, &mut rng(self.proofs)) {
            Ok((proof, _)) => Some(evm_proof(&proof).to_vec()),
            Err(CircuitError::Witness { .. }) => {
                self.proofs -= 1;
                None
            }
            Err(other) => panic!("{other}"),
        }
    }

    pub fn proved(&mut self, what: &str, forged: &Forged) -> Vec<u8> {
        self.prove(POOL, &forged.inputs()).unwrap_or_else(|| panic!("{what}: there is no witness"))
    }

    /// There is no witness.
    pub fn impossible(&mut self, what: &str, kind: CircuitKind, inputs: &Inputs<Fr>) {
        let refused = self.circuits.load(kind).unwrap().witness(inputs);
        assert!(matches!(refused, Err(CircuitError::Witness { .. })), "{what}: there is a witness of {kind}");
        self.note(what, &format!("{kind} has no witness"));
    }

    fn note(&mut self, what: &str, stopped: &str) {
        self.table.push([what.to_owned(), stopped.to_owned()]);
    }

    async fn state(&self) -> State {
        let (pool, rpc) = (&self.net.pool, self.net.anvil.rpc());
        let mut balances = Vec::new();
        for address in [pool.address(), crate::time::HONEST, crate::fields::THIEF] {
            balances.push(rpc.balance(address, At::Latest).await.unwrap());
        }
        State { roots: pool.roots(At::Latest).await.unwrap(), balances, used: Vec::new() }
    }

    /// The chain refuses the call with this error, tried out and sent, and is as before.
    pub async fn refused(&mut self, what: &str, call: &Call, expected: &str) {
        let rpc = self.net.anvil.rpc().clone();
        let sender = self.net.anvil.account(5).unwrap();
        let mut before = self.state().await;
        before.used = self.used(call).await;
        let error = match simulate(&rpc, sender.address(), call).await {
            Err(SendError::Revert(Revert::Known(known))) => format!("{known:?}"),
            other => panic!("{what}: {other:?}"),
        };
        let name = error.split('(').next().unwrap();
        assert_eq!(name, expected, "{what}: {error}");
        let options = SendOptions { gas_limit: Some(GAS), ..SendOptions::default() };
        let chain_id = self.net.pool.place().chain_id.into();
        let signed = send(&rpc, &sender, chain_id, call, &options).await.unwrap();
        let receipt = wait(&rpc, &signed, SOON).await.unwrap();
        assert!(!receipt.success && receipt.gas_used < GAS, "{what}: {receipt:?}");
        let mut after = self.state().await;
        after.used = self.used(call).await;
        assert_eq!(before, after, "{what}");
        if expected == "AuthProofInvalid" {
            self.unauthorised.push((what.to_owned(), call.clone()));
        }
        self.note(what, expected);
    }

    /// Whether the call's nullifiers and replay id are marked; those that are no field elements never are.
    async fn used(&self, call: &Call) -> Vec<bool> {
        let word = |i: usize| tacit_algebra::field::read_be::<Fr>(&call.data[68 + 32 * i..][..32]).ok();
        let mut used = Vec::new();
        for nullifier in [1, 2].into_iter().filter_map(word) {
            used.push(self.net.pool.is_nullifier_spent(&nullifier, At::Latest).await.unwrap());
        }
        if let Some(replay_id) = word(9) {
            used.push(self.net.pool.is_replay_id_used(&replay_id, At::Latest).await.unwrap());
        }
        used
    }

    /// The chain takes the call.
    pub async fn accepted(&mut self, what: &str, call: &Call) {
        self.net.execute(&self.net.anvil.account(5).unwrap(), call).await;
        assert_eq!(self.used(call).await, [true; 3], "{what}");
        self.note(what, "executed, as it should be");
    }

    /// The chain would take the call.
    pub async fn would_be_accepted(&mut self, what: &str, call: &Call) {
        let sender = self.net.anvil.account(5).unwrap();
        simulate(self.net.anvil.rpc(), sender.address(), call)
            .await
            .unwrap_or_else(|e| panic!("{what}: {e}"));
    }

    /// Code at an address.
    pub async fn set_code(&self, address: Address, code: &str) {
        self.net.set_code(address, code).await;
    }

    /// Later, and a block.
    pub async fn wait(&self, seconds: u64) {
        self.net.anvil.request("evm_increaseTime", json!([seconds])).await.unwrap();
        self.net.anvil.mine(1).await.unwrap();
    }

    pub fn print(&self) {
        let width = self.table.iter().map(|[what, _]| what.chars().count()).max().unwrap_or(0);
        for [what, stopped] in &self.table {
            println!("{what:width$}  {stopped}");
        }
        println!("{} tries, {} proofs", self.table.len(), self.proofs);
    }
}
