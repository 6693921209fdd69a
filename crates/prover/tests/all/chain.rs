//! A chain in memory: the pool's model with a pool of transactions before it, an account's numbers, and the ways in which a node fails.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use tacit_pool::ledger::{Call, Ledger, Outside};
use tacit_pool::{Address, Amount, Fr};
use tacit_prover::service::Submit;
use tacit_prover::service::submit::{ChainError, Mined, Seen, SignedTransaction};
use tacit_prover::{CircuitKind, PoolCircuits, Proved, Statement, proved};

pub struct State {
    pub ledger: Ledger,
    pub block: u64,
    pub now: u64,
    /// The account's next number, as the chain has it.
    pub nonce: u64,
    /// Nobody answers.
    pub away: bool,
    /// What is sent stays in no block.
    pub held: bool,
    /// What is sent does not come in, and nobody says so.
    pub deaf: bool,
    /// What is sent is not taken.
    pub refusing: bool,
    /// The account has no ether.
    pub poor: bool,
    /// Of each transaction only the first look is answered.
    pub once: bool,
    pub looked: HashSet<Fr>,
    /// Intents that nobody answers about when they are to be signed.
    pub unanswered: HashSet<Fr>,
    /// Addresses that have code.
    pub contracts: HashSet<Address>,
    /// Addresses that take no withdrawal.
    pub unwilling: HashSet<Address>,
    /// What a transaction takes.
    pub gas: u64,
    /// What contracts say beside the pool, where they refuse.
    pub revert: Option<&'static str>,
    /// Every transaction that was signed, and every one that came in.
    pub signed: Vec<[u8; 32]>,
    pub sent: Vec<[u8; 32]>,
    waiting: Vec<SignedTransaction>,
    known: HashMap<[u8; 32], (Statement, Proved)>,
    mined: HashMap<[u8; 32], (u64, bool)>,
    verifier: Option<Arc<PoolCircuits>>,
}

#[derive(Clone)]
pub struct Memory(Arc<Mutex<State>>);

impl Memory {
    /// Goes on from a model; proofs are verified with the circuits, if there are any.
    pub fn new(chain: &crate::common::Chain, verifier: Option<Arc<PoolCircuits>>) -> Self {
        Self(Arc::new(Mutex::new(State {
            ledger: chain.ledger.clone(),
            block: chain.block,
            now: chain.now(),
            nonce: 0,
            away: false,
            held: false,
            deaf: false,
            refusing: false,
            poor: false,
            once: false,
            looked: HashSet::new(),
            unanswered: HashSet::new(),
            contracts: HashSet::new(),
            unwilling: HashSet::new(),
            gas: 1_200_000,
            revert: None,
            signed: Vec::new(),
            sent: Vec::new(),
            waiting: Vec::new(),
            known: HashMap::new(),
            mined: HashMap::new(),
            verifier,
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Makes a block of what waits.
    pub fn mine(&self) {
        self.lock().mine();
    }
}

impl State {
    fn call(&self) -> Call {
        Call { sender: Address([0xbb; 20]), value: Amount::ZERO, block: self.block, timestamp: self.now }
    }

    /// What the transaction does to the model.
    fn execute(&self, statement: &Statement, proofs: &Proved) -> Result<Ledger, String> {
        if let Some(revert) = self.revert {
            return Err(revert.to_owned());
        }
        let holds = |kind: CircuitKind, publics: &[Fr], proof: &[u8]| match &self.verifier {
            None => true,
            Some(circuits) => {
                let proof = proof.try_into().ok().and_then(|bytes| proved::from_evm(bytes).ok());
                proof.is_some_and(|proof| circuits.load(kind).unwrap().verify(publics, &proof).is_ok())
            }
        };
        let auth = CircuitKind::Auth(tacit_prover::AuthCircuit::Eddsa);
        let outside = Outside {
            pool_proof: holds(CircuitKind::Pool, &statement.pool_publics(), &proofs.pool_proof),
            auth_proof: holds(auth, &statement.auth_publics(), &proofs.auth_proof),
            asset: true,
        };
        let mut ledger = self.ledger.clone();
        let [data0, data1, data2] = statement.note_data();
        let words = statement.public_inputs().words();
        let done = ledger.transact(self.call(), &words, [data0, data1, data2], outside);
        done.map(|_| ledger).map_err(|revert| revert.to_string())
    }

    pub fn mine(&mut self) {
        self.block += 1;
        self.now += 12;
        for transaction in std::mem::take(&mut self.waiting) {
            if transaction.nonce != self.nonce {
                continue;
            }
            self.nonce += 1;
            let (statement, proofs) = self.known[&transaction.hash].clone();
            let done = self.execute(&statement, &proofs);
            self.mined.insert(transaction.hash, (self.block, done.is_ok()));
            if let Ok(ledger) = done {
                self.ledger = ledger;
            }
        }
    }

    /// The account sends something else, with its next number.
    pub fn send_something_else(&mut self) {
        self.nonce += 1;
        self.waiting.retain(|transaction| transaction.nonce >= self.nonce);
    }

    fn answers(&self) -> Result<(), ChainError> {
        if self.away { Err(ChainError::Unreachable("away".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl Submit for Memory {
    async fn look(&self, statement: &Statement) -> Result<Seen, ChainError> {
        let mut state = self.lock();
        state.answers()?;
        let public = statement.public_inputs();
        if !state.looked.insert(public.intent_replay_id) && state.once {
            return Err(ChainError::Unreachable("looked at before".into()));
        }
        Ok(Seen {
            time: state.now,
            spent: public.nullifiers.iter().any(|nullifier| state.ledger.is_spent(nullifier)),
            executed: state.ledger.is_used(&public.intent_replay_id),
            roots_accepted: state.ledger.accepts_note_root(&public.note_commitment_root)
                && state.ledger.accepts_policy_root(&public.auth_policy_root, state.block),
            recipient_is_contract: public.public_token_address.is_zero()
                && state.contracts.contains(&public.public_recipient_address),
            payout_refused: state.unwilling.contains(&public.public_recipient_address),
        })
    }

    async fn sign(
        &self,
        statement: &Statement,
        proved: &Proved,
        max_gas: u64,
    ) -> Result<SignedTransaction, ChainError> {
        let mut state = self.lock();
        state.answers()?;
        if state.unanswered.contains(&statement.public_inputs().intent_replay_id) {
            return Err(ChainError::Unreachable("too slow".into()));
        }
        if state.poor {
            return Err(ChainError::Account("no ether".into()));
        }
        if state.gas > max_gas {
            return Err(ChainError::TooMuchGas { needed: state.gas, most: max_gas });
        }
        state.execute(statement, proved).map_err(ChainError::Reverted)?;
        let nonce = state.nonce + state.waiting.len() as u64;
        let mut raw = nonce.to_le_bytes().to_vec();
        raw.extend(statement.encode());
        raw.extend(proved.pool_proof);
        let hash = *blake3::hash(&raw).as_bytes();
        state.signed.push(hash);
        state.known.insert(hash, (statement.clone(), proved.clone()));
        Ok(SignedTransaction { hash, nonce, raw })
    }

    async fn send(&self, transaction: &SignedTransaction) -> Result<(), ChainError> {
        let mut state = self.lock();
        state.answers()?;
        if state.mined.contains_key(&transaction.hash) {
            return Ok(());
        }
        if state.deaf {
            return Err(ChainError::Unreachable("no answer".into()));
        }
        if transaction.nonce < state.nonce {
            return Err(ChainError::Replaced);
        }
        if state.refusing {
            return Err(ChainError::Account("underpriced".into()));
        }
        state.sent.push(transaction.hash);
        if !state.waiting.contains(transaction) {
            state.waiting.push(transaction.clone());
        }
        if !state.held {
            state.mine();
        }
        Ok(())
    }

    async fn mined(&self, hash: [u8; 32]) -> Result<Option<Mined>, ChainError> {
        let state = self.lock();
        state.answers()?;
        Ok(state.mined.get(&hash).map(|(block, success)| Mined {
            block: *block,
            success: *success,
            confirmations: state.block - block + 1,
        }))
    }
}
