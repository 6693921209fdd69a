//! One call, with what may be wrong with it, on the model.

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::SolCall;
use tacit_chain::abi::sol;
use tacit_chain::deploy::LOCAL_CHAINS;
use tacit_pool::delivery::note_data_hash;
use tacit_pool::events::Event;
use tacit_pool::ledger::{Outside, Revert};
use tacit_pool::note::dummy_owner;
use tacit_pool::transaction::public::{FIELDS, word};
use tacit_pool::{Address, Amount, Fr};

use crate::dice::{Dice, number};
use crate::expected;
use crate::scene::{Asset, Odd, Scene, Token, UNAPPROVED, minted};
use crate::sequence::{Once, State, Step, reduced};
use crate::trapdoor;

pub struct Deposit {
    pub token: Token,
    pub amount: U256,
    pub owner: U256,
    pub data: Vec<u8>,
    pub received: bool,
}

pub struct Transact {
    pub fields: [U256; FIELDS],
    pub pool_proof: Vec<u8>,
    pub auth_proof: Vec<u8>,
    pub data: [Vec<u8>; 3],
    pub outside: Outside,
}

pub enum Kind {
    Deposit(Deposit),
    Policy([U256; 3]),
    Transact(Box<Transact>),
}

pub struct Attempt {
    pub sender: usize,
    pub value: U256,
    pub kind: Kind,
}

fn eth(address: Address) -> alloy_primitives::Address {
    alloy_primitives::Address::from(address.0)
}

fn address_word(address: Address) -> U256 {
    number(&address.to_field())
}

fn wei(amount: Amount) -> U256 {
    U256::from_be_slice(&amount.to_be_bytes())
}

/// The least amount that is none.
fn too_much() -> U256 {
    U256::from(1) << 248
}

impl Attempt {
    fn of(dice: &mut Dice, kind: Kind) -> Self {
        // What deposits alone take, now and then.
        let value = U256::from(u8::from(dice.one_in(25)));
        Self { sender: usize::try_from(dice.below(3)).unwrap(), value, kind }
    }

    pub fn deposit(state: &State, scene: &Scene, dice: &mut Dice) -> Self {
        let token = scene.token(state, dice);
        let mut amount = match dice.below(12) {
            0 => U256::ZERO,
            1 => too_much() + U256::from(dice.below(2)),
            2 => too_much() - U256::from(1),
            3 => U256::from(1) << 247,
            4 => U256::from(10).pow(U256::from(18)),
            _ => U256::from(1 + dice.below(1000)),
        };
        if token.address.is_zero() && amount < too_much() {
            amount = amount.min(state.most);
        }
        let held = state.ledger.holding(token.address);
        let fits = Amount::from_word(&amount.to_be_bytes()).is_none_or(|a| held.checked_add(a).is_some());
        if !fits {
            // The model counts what the pool holds in an amount, and no sum of ether or of a sane token is above.
            amount = too_much();
        }
        let (owner, data) = (dice.field_word(), dice.bytes(70));
        let deposit = Deposit { token, amount, owner, data, received: true };
        let mut attempt = Self::of(dice, Kind::Deposit(deposit));
        let exact = if token.address.is_zero() && amount < too_much() { amount } else { U256::ZERO };
        attempt.value = match dice.below(12) {
            0 => U256::from(1),
            1 => exact.saturating_sub(U256::from(1)),
            2 if exact + U256::from(1) < too_much() => exact + U256::from(1),
            _ => exact,
        };
        let received = match token.asset {
            Asset::Ether => true,
            Asset::Demo => attempt.sender != UNAPPROVED && amount < minted() >> 1,
            Asset::Nobody => false,
            Asset::Odd(Odd { balance_bytes, surplus, answer_in, .. }) => {
                balance_bytes == 32 && surplus == 0 && answer_in.is_good()
            }
        };
        if let Kind::Deposit(deposit) = &mut attempt.kind {
            deposit.received = received;
        }
        attempt
    }

    pub fn policy(state: &State, scene: &Scene, dice: &mut Dice) -> Self {
        let mut attempt = Self::of(dice, Kind::Policy([U256::ZERO; 3]));
        let user = scene.senders[attempt.sender];
        let known = state.ledger.entry(user).map(|entry| number(&entry.owner_nullifier_key_hash));
        let random = number(&dice.element());
        let owner = match dice.below(10) {
            0 => dice.field_word(),
            1 => number(&dummy_owner()),
            2 | 3 => dice.pick_or(&state.policies, [random; 3])[0],
            _ => known.unwrap_or(random),
        };
        let [seed, set] = [1, 2].map(|at| match dice.below(4) {
            0 => dice.field_word(),
            1 => number(&dice.element()),
            // The tree goes back to a root that it had, in the EIP's form.
            _ => dice.pick_or(&state.policies, [random; 3])[at],
        });
        attempt.kind = Kind::Policy([owner, seed, set]);
        attempt
    }

    pub fn transact(state: &State, scene: &Scene, dice: &mut Dice) -> Self {
        let data = [0; 3].map(|_| dice.bytes(60));
        let mut fields = [U256::ZERO; FIELDS];
        let (notes, policies) = state.ledger.roots().unwrap();
        fields[0] = number(&notes);
        for at in (1..6).chain([9, 17, 18]) {
            fields[at] = number(&dice.element());
        }
        fields[10] = U256::from(state.time + dice.below(86_401)).min(U256::from(u32::MAX));
        fields[11] = U256::from(LOCAL_CHAINS[0]);
        fields[12] = number(&policies);
        for (field, data) in fields[13..16].iter_mut().zip(&data) {
            *field = number(&note_data_hash(data));
        }
        fields[16] = address_word(scene.verifiers[0].0);
        if dice.one_in(2) {
            withdraw(&mut fields, state, scene, dice);
        }
        for _ in 0..*dice.pick(&[0, 0, 0, 1, 1, 1, 2]) {
            spoil(&mut fields, state, scene, dice);
        }
        let (pool_proof, proved) = pool_proof(&fields, state, scene, dice);
        let mut auth = fields[17] ^ fields[18];
        let authorised = !dice.one_in(25);
        if !authorised {
            auth ^= U256::from(1);
        }
        let outside = Outside {
            pool_proof: proved,
            auth_proof: authorised
                && scene
                    .verifiers
                    .iter()
                    .any(|(verifier, accepts)| *accepts && address_word(*verifier) == fields[16]),
            asset: moves(&fields, state, scene),
        };
        let auth_proof = auth.to_be_bytes_vec();
        Self::of(dice, Kind::Transact(Box::new(Transact { fields, pool_proof, auth_proof, data, outside })))
    }

    /// What the contract is called with.
    fn encode(&self) -> Vec<u8> {
        match &self.kind {
            Kind::Deposit(Deposit { token, amount, owner, data, .. }) => sol::Pool::depositCall {
                token: eth(token.address),
                amount: *amount,
                ownerCommitment: *owner,
                outputNoteData: Bytes::copy_from_slice(data),
            }
            .abi_encode(),
            Kind::Policy([owner, seed, set]) => sol::Pool::setAuthPolicyCall {
                ownerNullifierKeyHash: *owner,
                noteSecretSeedHash: *seed,
                policySetCommitment: *set,
            }
            .abi_encode(),
            Kind::Transact(transact) => transact.encode(),
        }
    }

    fn on_model(&self, state: &mut State, sender: Address) -> Result<Event, Revert> {
        let call = state.call(sender, self.value);
        let words = |x: &[U256; 3]| x.map(|x| x.to_be_bytes::<32>());
        match &self.kind {
            Kind::Deposit(Deposit { token, amount, owner, data, received }) => state
                .ledger
                .deposit(call, token.address, &amount.to_be_bytes(), &owner.to_be_bytes(), data, *received)
                .map(Event::Deposited),
            Kind::Policy(fields) => {
                let [owner, seed, set] = words(fields);
                state.ledger.set_auth_policy(call, &owner, &seed, &set).map(Event::PolicyChanged)
            }
            Kind::Transact(t) => {
                let data = t.data.each_ref().map(Vec::as_slice);
                let public = t.fields.map(|x| x.to_be_bytes::<32>());
                state.ledger.transact(call, &public, data, t.outside).map(Event::Transacted)
            }
        }
    }

    /// Does it on the model, and says what the contract must do.
    pub fn apply(self, state: &mut State, scene: &Scene) -> Step {
        let from = scene.senders[self.sender];
        let before = state.clone();
        let done = self.on_model(state, from);
        if done.is_err() {
            assert_eq!(before.ledger, state.ledger, "a revert changes nothing");
        }
        state.note(&done);
        match &self.kind {
            Kind::Transact(t) => {
                for (at, once) in [(1, Once::Nullifier), (2, Once::Nullifier), (9, Once::ReplayId)] {
                    state.tried.insert((once, t.fields[at].to_be_bytes()));
                }
                state.touched.extend(Address::from_field(&reduced(t.fields[8])));
            }
            Kind::Deposit(deposit) => drop(state.touched.insert(deposit.token.address)),
            Kind::Policy(_) => {}
        }
        let what = format!("{} in block {}: {done:?}", self.name(), state.block);
        let outcome = done.map_err(|revert| expected::error(&revert, &self, &before, &scene.senders));
        let (notes, policies) = state.ledger.roots().unwrap();
        Step {
            block: state.block,
            time: state.time,
            from,
            value: self.value,
            data: self.encode(),
            outcome,
            roots: [word(&notes), word(&policies)],
            what,
        }
    }

    fn name(&self) -> String {
        match &self.kind {
            Kind::Deposit(d) => format!("deposit of {} {:?}, value {}", d.amount, d.token, self.value),
            Kind::Policy(fields) => format!("setAuthPolicy {fields:?}, value {}", self.value),
            Kind::Transact(t) => format!("transact {:?} {:?}, value {}", t.fields, t.outside, self.value),
        }
    }
}

impl Transact {
    fn encode(&self) -> Vec<u8> {
        let [
            root,
            n0,
            n1,
            b0,
            b1,
            b2,
            amount,
            to,
            token,
            replay,
            until,
            chain,
            policy,
            h0,
            h1,
            h2,
            verifier,
            blinded,
            digest,
        ] = self.fields;
        let [d0, d1, d2] = self.data.each_ref().map(|data| Bytes::copy_from_slice(data));
        sol::Pool::transactCall {
            poolProof: Bytes::copy_from_slice(&self.pool_proof),
            authProof: Bytes::copy_from_slice(&self.auth_proof),
            publicInputs: sol::PublicInputs {
                noteCommitmentRoot: root,
                nullifier0: n0,
                nullifier1: n1,
                noteBodyCommitment0: b0,
                noteBodyCommitment1: b1,
                noteBodyCommitment2: b2,
                publicAmountOut: amount,
                publicRecipientAddress: to,
                publicTokenAddress: token,
                intentReplayId: replay,
                validUntilSeconds: until,
                executionChainId: chain,
                authPolicyRoot: policy,
                outputNoteDataHash0: h0,
                outputNoteDataHash1: h1,
                outputNoteDataHash2: h2,
                authVerifier: verifier,
                blindedAuthCommitment: blinded,
                transactionIntentDigest: digest,
            },
            outputNoteData0: d0,
            outputNoteData1: d1,
            outputNoteData2: d2,
        }
        .abi_encode()
    }
}

fn withdraw(fields: &mut [U256; FIELDS], state: &State, scene: &Scene, dice: &mut Dice) {
    let token = scene.token(state, dice);
    let held = wei(state.ledger.holding(token.address));
    let amount = match dice.below(6) {
        0 => held,
        1 => held + U256::from(1),
        _ => U256::from(1),
    };
    let pool = &scene.pools[state.pool];
    let recipients = [scene.senders[1], Address([0xee; 20]), pool.caller, scene.refuser, pool.address];
    let mut recipient = *dice.pick(&recipients);
    if recipient == pool.address && !token.address.is_zero() {
        // The pool keeps what it gives itself, and the model does not know that.
        recipient = scene.senders[0];
    }
    let amount = amount.max(U256::from(1)).min(too_much() - U256::from(1));
    (fields[6], fields[7], fields[8]) = (amount, address_word(recipient), address_word(token.address));
}

/// Whether the recipient and the token of a withdrawal take part in it.
fn moves(fields: &[U256; FIELDS], state: &State, scene: &Scene) -> bool {
    let at = |x: U256| Address::from_field(&reduced(x)).ok();
    let (Some(recipient), Some(token)) = (at(fields[7]), at(fields[8])) else { return false };
    match scene.asset(token) {
        Some(Asset::Ether) => recipient != scene.refuser && recipient != scene.pools[state.pool].address,
        Some(Asset::Demo) => true,
        Some(Asset::Odd(Odd { answer_out, .. })) => answer_out.is_good(),
        Some(Asset::Nobody) | None => false,
    }
}

/// One field of a transact is made wrong, or only unusual.
fn spoil(fields: &mut [U256; FIELDS], state: &State, scene: &Scene, dice: &mut Dice) {
    let (now, one, random) = (U256::from(state.time), U256::from(1), number(&dice.element()));
    match dice.below(20) {
        0 | 1 => {
            let newest = state.note_roots.len() as u64 - 1;
            let back = (*dice.pick(&[1, 2, 498, 499, 500, 501, 502])).min(newest);
            fields[0] = number(&state.note_roots[usize::try_from(newest - back).unwrap()]);
        }
        2 => fields[0] = *dice.pick(&[U256::ZERO, random, fields[0] + crate::dice::order()]),
        3 | 4 => fields[12] = number(dice.pick(&state.policy_roots)),
        5 => fields[12] = *dice.pick(&[U256::ZERO, random, fields[12] + crate::dice::order()]),
        6 => fields[1] = dice.pick_or(&state.nullifiers, fields[2]),
        7 => fields[2] = dice.pick_or(&state.nullifiers, fields[1]),
        8 => fields[9] = dice.pick_or(&state.replay_ids, U256::ZERO),
        9 => {
            let far = [U256::ZERO, now - one, now, now + U256::from(86_400), now + U256::from(86_401)];
            fields[10] = dice.pick_or(&far, now);
        }
        10 => fields[10] = *dice.pick(&[U256::from(u32::MAX), one << 32, U256::MAX]),
        11 => fields[11] = *dice.pick(&[U256::ZERO, one, fields[11] + crate::dice::order()]),
        12 => fields[6] = *dice.pick(&[U256::ZERO, one, too_much(), U256::MAX]),
        13 => fields[7] = *dice.pick(&[U256::ZERO, address_word(scene.senders[0]), one << 160]),
        14 => fields[8] = *dice.pick(&[address_word(scene.tokens[1].address), one << 160]),
        15 => fields[16] = *dice.pick(&[U256::ZERO, one << 160, random]),
        16 => fields[16] = address_word(dice.pick(&scene.verifiers).0),
        17 => {
            let at = *dice.pick(&[13, 14, 15]);
            fields[at] = random;
        }
        _ => {
            let at = *dice.pick(&[1, 2, 3, 4, 5, 9, 13, 14, 15, 17, 18]);
            fields[at] = dice.alias(fields[at]);
        }
    }
}

/// A proof, and whether it holds.
fn pool_proof(fields: &[U256; FIELDS], state: &State, scene: &Scene, dice: &mut Dice) -> (Vec<u8>, bool) {
    let pool = &scene.pools[state.pool];
    let mut inputs: Vec<Fr> = fields.iter().copied().map(reduced).collect();
    if pool.rules.bind {
        inputs.push(pool.address.to_field());
    }
    let spoilt = dice.one_in(12);
    if spoilt && dice.one_in(2) {
        // Of another statement.
        let at = usize::try_from(dice.below(inputs.len() as u64)).unwrap();
        inputs[at] += Fr::from(1u64);
        return (trapdoor::prove(&inputs, dice.element()), false);
    }
    let mut proof = trapdoor::prove(&inputs, dice.element());
    match dice.below(4) {
        _ if !spoilt => {}
        0 => proof.truncate(255),
        1 => proof.push(0),
        2 => proof.clear(),
        _ => proof[200] ^= 1,
    }
    (proof, !spoilt)
}
