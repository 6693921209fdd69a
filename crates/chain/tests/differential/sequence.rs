//! Random calls of a pool, and what the model says of each.

use std::collections::BTreeSet;

use alloy_primitives::U256;
use tacit_algebra::field;
use tacit_chain::Revert;
use tacit_pool::events::Event;
use tacit_pool::ledger::{self, Ledger};
use tacit_pool::transaction::public::{Word, word};
use tacit_pool::{Address, Amount, Fr};

use crate::calls::Attempt;
use crate::dice::Dice;
use crate::scene::{Asset, Scene, Token};
use crate::views::{View, views};

/// A pool's model, the block it is in, and what is worth trying again.
#[derive(Clone)]
pub struct State {
    /// Which of the scene's pools.
    pub pool: usize,
    pub ledger: Ledger,
    /// The block where the sequence begins, after which its calls are.
    pub start: u64,
    pub block: u64,
    pub time: u64,
    /// Every root that there was, in order.
    pub note_roots: Vec<Fr>,
    pub policy_roots: Vec<Fr>,
    pub nullifiers: Vec<U256>,
    pub replay_ids: Vec<U256>,
    /// Owner, seed, set of every registration.
    pub policies: Vec<[U256; 3]>,
    /// Also those of calls that were refused.
    pub tried: BTreeSet<(Once, [u8; 32])>,
    pub touched: BTreeSet<Address>,
    /// The most ether that is deposited at once: anvil takes no transaction of as much as the pool does.
    pub most: U256,
}

/// What is used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Once {
    Nullifier,
    ReplayId,
}

/// One call.
pub struct Step {
    pub block: u64,
    pub time: u64,
    pub from: Address,
    pub value: U256,
    pub data: Vec<u8>,
    /// What the contract must do.
    pub outcome: Result<Event, Revert>,
    /// The roots afterwards.
    pub roots: [Word; 2],
    /// For whoever reads that it did not.
    pub what: String,
}

/// Some calls, one after another, and what the views must say in the end.
pub struct Sequence {
    pub seed: u64,
    pub pool: usize,
    pub start: u64,
    pub steps: Vec<Step>,
    pub views: Vec<View>,
}

impl State {
    pub fn new(pool: usize, ledger: Ledger, block: u64, time: u64) -> Self {
        let (notes, policies) = ledger.roots().unwrap();
        Self {
            pool,
            ledger,
            start: block,
            block,
            time,
            note_roots: vec![notes],
            policy_roots: vec![policies],
            nullifiers: Vec::new(),
            replay_ids: Vec::new(),
            policies: Vec::new(),
            tried: BTreeSet::new(),
            touched: BTreeSet::new(),
            most: U256::MAX,
        }
    }

    /// What `msg.sender`, `msg.value` and the block are.
    pub fn call(&self, sender: Address, value: U256) -> ledger::Call {
        let value = Amount::from_word(&value.to_be_bytes()).unwrap();
        ledger::Call { sender, value, block: self.block, timestamp: self.time }
    }

    fn advance(&mut self, dice: &mut Dice) {
        let blocks = *dice.pick(&[1, 1, 2, 10, 62, 63, 64, 65, 66, 130]);
        self.block += blocks;
        self.time += (*dice.pick(&[1, 12, 3600, 86_400])).max(blocks) + 20;
    }

    /// What came of an attempt on the model.
    pub fn note(&mut self, done: &Result<Event, ledger::Revert>) {
        match done {
            Ok(Event::Deposited(e)) => self.note_roots.push(e.root),
            Ok(Event::Transacted(e)) => {
                self.note_roots.push(e.root);
                self.nullifiers.extend(e.nullifiers.map(|x| U256::from_be_bytes(word(&x))));
                self.replay_ids.push(U256::from_be_bytes(word(&e.intent_replay_id)));
            }
            Ok(Event::PolicyChanged(e)) => {
                self.policy_roots.push(e.root);
                let x = &e.entry;
                let fields = [x.owner_nullifier_key_hash, x.note_secret_seed_hash, x.policy_set_commitment];
                self.policies.push(fields.map(|x| U256::from_be_bytes(word(&x))));
            }
            Err(_) => {}
        }
    }
}

impl Scene {
    /// The sequence of a seed. One that is to be mined begins at the chain's head, in its time.
    pub fn sequence(&self, seed: u64, mined: bool) -> Sequence {
        let mut dice = Dice::new(seed);
        let states = if mined { &self.states[self.pools.len()..] } else { self.states.as_slice() };
        let mut state = dice.pick(states).clone();
        if mined {
            state.most = U256::from(10).pow(U256::from(18));
        } else if dice.one_in(20) {
            // Near the end of what 32 bits hold.
            state.time = (1 << 32) - 100_000 + dice.below(100_000);
        }
        state.advance(&mut dice);
        let mut steps = Vec::new();
        for _ in 0..5 + dice.below(3) {
            if dice.one_in(2) {
                state.advance(&mut dice);
            }
            let attempt = match dice.below(10) {
                0..3 => Attempt::deposit(&state, self, &mut dice),
                3..5 => Attempt::policy(&state, self, &mut dice),
                _ => Attempt::transact(&state, self, &mut dice),
            };
            steps.push(attempt.apply(&mut state, self));
        }
        let views = views(&state, self, &mut dice);
        Sequence { seed, pool: state.pool, start: state.start, steps, views }
    }

    /// Mostly ether, or what the pool has.
    pub fn token(&self, state: &State, dice: &mut Dice) -> Token {
        let held: Vec<Token> = self
            .tokens
            .iter()
            .filter(|token| !state.ledger.holding(token.address).is_zero())
            .copied()
            .collect();
        match dice.below(4) {
            0 => self.tokens[0],
            1 => self.tokens[1],
            2 => dice.pick_or(&held, self.tokens[0]),
            _ => *dice.pick(&self.tokens),
        }
    }

    pub fn asset(&self, address: Address) -> Option<Asset> {
        self.tokens.iter().find(|token| token.address == address).map(|token| token.asset)
    }
}

/// A word's field element, reduced.
pub fn reduced(x: U256) -> Fr {
    let x = x % crate::dice::order();
    field::read_be(&x.to_be_bytes::<32>()).unwrap()
}
