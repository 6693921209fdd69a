//! A pool in memory, wallets in it, and reproducible random numbers.

use std::path::PathBuf;

use ark_ff::PrimeField;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tacit_pool::delivery::{Place, ReceivingAddress, note_data_hash, seal_note};
use tacit_pool::events::{Block, Event};
use tacit_pool::hash::Fr;
use tacit_pool::ledger::{Call, Ledger, Outside};
use tacit_pool::transaction::public::word;
use tacit_pool::wallet::credentials::Held;
use tacit_pool::wallet::spend::Recipient;
use tacit_pool::wallet::{Anchor, Credential, Keys, Payment, Prepared};
use tacit_pool::{Address, Amount, NoteBody, Policy, Rules, SecretField, Wallet, WalletSeed};

pub const CHAIN: u32 = 31337;
pub const POOL: Address = Address([0x70; 20]);
pub const VERIFIER: Address = Address([0xe0; 20]);
pub const TOKEN: Address = Address([0x20; 20]);
/// The time at block 0.
pub const NOON: u64 = 1_800_000_000;

pub fn place() -> Place {
    Place { chain_id: CHAIN, pool: POOL }
}

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub fn workspace(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

pub fn fr(n: u64) -> Fr {
    Fr::from(n)
}

pub fn element() -> impl Strategy<Value = Fr> {
    prop_oneof![
        4 => proptest::array::uniform32(any::<u8>()).prop_map(|bytes| Fr::from_le_bytes_mod_order(&bytes)),
        1 => any::<u8>().prop_map(Fr::from),
        1 => any::<u8>().prop_map(|x| -Fr::from(x)),
    ]
}

pub fn amount(n: u128) -> Amount {
    Amount::from(n)
}

pub fn seed(n: u8) -> WalletSeed {
    WalletSeed::from_bytes(&[n; 64])
}

/// Somebody with a wallet.
pub struct Person {
    pub keys: Keys,
    pub wallet: Wallet,
}

impl Person {
    pub fn new(rules: Rules, n: u8) -> Self {
        let keys = Keys::new(&seed(n), place(), 0).unwrap();
        let start = Anchor { number: 0, hash: [0; 32], timestamp: NOON };
        let wallet = Wallet::new(rules, place(), Address([n; 20]), &keys, start).unwrap();
        Self { keys, wallet }
    }

    /// Where it receives, also before it is registered, when a wallet tells nobody.
    pub fn address(&self) -> ReceivingAddress {
        self.wallet.receiving_address(&self.keys).unwrap_or_else(|_| self.address_of(0))
    }

    /// Where it receives in an epoch.
    pub fn address_of(&self, epoch: u32) -> ReceivingAddress {
        let key = self.keys.note_data_key(epoch).unwrap().public().clone();
        ReceivingAddress { owner_nullifier_key_hash: *self.keys.owner(), key }
    }

    /// A fresh policy with the first EdDSA key.
    pub fn policy(&mut self) -> Held {
        // As many as there were blocks and people: no blinder serves twice.
        let seed = 1000 * self.wallet.head().number + u64::from(self.wallet.user().0[0]);
        let auth_data = self.keys.eddsa(0).unwrap().public().auth_data();
        Held {
            slot: 3,
            policy: Policy::new(VERIFIER, auth_data, &mut rng(seed)),
            credential: Credential::Eddsa { number: 0 },
        }
    }

    /// Every block so far is final.
    pub fn settle(&mut self) {
        self.wallet.settle(self.wallet.head().number);
    }

    pub fn prepare(&self, payment: &Payment, now: u64, seed: u64) -> Prepared {
        self.wallet.prepare(&self.keys, payment, now, &mut rng(seed)).unwrap()
    }
}

pub fn pay(to: &Person, token: Address, n: u128, now: u64) -> Payment {
    Payment {
        recipient: Recipient::Private(to.address()),
        token,
        amount: amount(n),
        fee: None,
        memo: [0; 64],
        valid_until: u32::try_from(now + 3600).unwrap(),
        slot: 3,
    }
}

/// The chain: a ledger, and the blocks that made it.
pub struct Chain {
    pub ledger: Ledger,
    pub block: u64,
    pub events: Vec<Event>,
    pub blocks: Vec<Block>,
    /// Distinguishes the blocks of forks.
    pub fork: u8,
}

impl Chain {
    pub fn new(rules: Rules) -> Self {
        let ledger = Ledger::new(rules, CHAIN);
        Self { ledger, block: 1, events: Vec::new(), blocks: Vec::new(), fork: 0 }
    }

    pub fn now(&self) -> u64 {
        NOON + 12 * self.block
    }

    pub fn call(&self, sender: Address, value: Amount) -> Call {
        Call { sender, value, block: self.block, timestamp: self.now() }
    }

    /// Ends the block and brings it to everyone.
    pub fn mine(&mut self, people: &mut [&mut Person]) {
        let mut hash = [self.fork; 32];
        hash[..8].copy_from_slice(&self.block.to_le_bytes());
        let events = std::mem::take(&mut self.events);
        let block = Block { number: self.block, hash, timestamp: self.now(), events };
        for person in people {
            person.wallet.apply(&block, &mut person.keys).unwrap();
        }
        self.blocks.push(block);
        self.block += 1;
    }

    pub fn deposit(&mut self, to: &Person, token: Address, n: u128, seed: u64) {
        self.deposit_to(&to.address(), to.wallet.user(), token, n, seed);
    }

    pub fn deposit_to(
        &mut self,
        address: &ReceivingAddress,
        from: Address,
        token: Address,
        n: u128,
        seed: u64,
    ) {
        let mut rng = rng(seed);
        let body = NoteBody {
            owner_nullifier_key_hash: address.owner_nullifier_key_hash,
            note_secret: SecretField::new(tacit_algebra::field::random(&mut rng)),
            amount: amount(n),
            token,
        };
        let data = seal_note(place(), &address.key, &body, &[0; 64], &mut rng).unwrap();
        let value = if token.is_zero() { body.amount } else { Amount::ZERO };
        let call = self.call(from, value);
        let stated = word(&body.amount.to_field());
        let owner = word(&body.owner_commitment());
        let event = self.ledger.deposit(call, token, &stated, &owner, &data, true).unwrap();
        self.events.push(Event::Deposited(event));
    }

    /// Registers a policy set of one policy and the seed of an epoch.
    pub fn register(&mut self, person: &mut Person, epoch: u32, set: Vec<Held>) {
        let set = person.wallet.credentials_mut().remember(set).unwrap();
        let call = self.call(person.wallet.user(), Amount::ZERO);
        let (owner, seed) = (word(person.keys.owner()), word(&person.keys.note_secret_seed_hash(epoch)));
        let event = self.ledger.set_auth_policy(call, &owner, &seed, &word(&set)).unwrap();
        self.events.push(Event::PolicyChanged(event));
    }

    pub fn transact(&mut self, prepared: &Prepared) -> Result<(), tacit_pool::ledger::Revert> {
        let transaction = prepared.transaction();
        let public = transaction.public_inputs();
        let [data0, data1, data2] = transaction.note_data();
        assert_eq!(public.output_note_data_hashes[0], note_data_hash(data0));
        let call = self.call(Address([0xbb; 20]), Amount::ZERO);
        let event = self.ledger.transact(call, &public.words(), [data0, data1, data2], Outside::AGREES)?;
        self.events.push(Event::Transacted(event));
        Ok(())
    }
}

/// Two registered people, the first with three notes of ether (5, 7, 12) and one of a token (100).
pub fn funded(rules: Rules) -> (Chain, Person, Person) {
    let (mut chain, mut alice, mut bob) = (Chain::new(rules), Person::new(rules, 1), Person::new(rules, 2));
    for person in [&mut alice, &mut bob] {
        let policy = person.policy();
        chain.register(person, 0, vec![policy]);
    }
    for (n, seed) in [(5, 1), (7, 2), (12, 3)] {
        chain.deposit(&alice, Address::ZERO, n, seed);
    }
    chain.deposit(&alice, TOKEN, 100, 4);
    chain.mine(&mut [&mut alice, &mut bob]);
    (chain, alice, bob)
}
