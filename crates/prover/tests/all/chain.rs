//! A chain in memory: the pool's model with a pool of transactions before it, an account's numbers, and the ways in which a node fails.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use tacit_pool::Address;
use tacit_pool::Amount;
use tacit_pool::ledger::{Call, Ledger, Outside};
use tacit_prover::service::Submit;
use tacit_prover::service::submit::{ChainError, Mined, Seen, SignedTransaction};
use tacit_prover::{CircuitKind, PoolCircuits, Proved, Statement, proved};

pub struct State {
    pub ledger: Ledger,
    pub block: u64,
    pub now: u64,
    /// The account's next number, as the chain has it.
    nonce: u64,
    /// Nobody answers.
    pub away: bool,
    /// What is sent stays in no block.
    pub held: bool,
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
        let holds = |kind: CircuitKind, publics: &[tacit_pool::Fr], proof: &[u8]| match &self.verifier {
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
        let state = self.lock();
        state.answers()?;
        let public = statement.public_inputs();
        Ok(Seen {
            time: state.now,
            spent: public.nullifiers.iter().any(|nullifier| state.ledger.is_spent(nullifier)),
            executed: state.ledger.is_used(&public.intent_replay_id),
            roots_accepted: state.ledger.accepts_note_root(&public.note_commitment_root)
                && state.ledger.accepts_policy_root(&public.auth_policy_root, state.block),
        })
    }

    async fn sign(&self, statement: &Statement, proved: &Proved) -> Result<SignedTransaction, ChainError> {
        let mut state = self.lock();
        state.answers()?;
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
        if transaction.nonce < state.nonce {
            return Err(ChainError::Replaced);
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
