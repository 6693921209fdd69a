//! What the contract's views must say after a sequence.

use alloy_primitives::U256;
use alloy_sol_types::{SolCall, SolValue};
use tacit_algebra::field;
use tacit_chain::abi::sol;
use tacit_pool::transaction::public::word;
use tacit_pool::{Address, Fr};

use crate::dice::{Dice, number};
use crate::scene::{Asset, Odd, Scene};
use crate::sequence::{Once, State};

pub struct View {
    pub to: Address,
    pub data: Vec<u8>,
    pub expected: Vec<u8>,
    pub what: String,
}

pub fn views(state: &State, scene: &Scene, dice: &mut Dice) -> Vec<View> {
    let pool = &scene.pools[state.pool];
    let mut views = Vec::new();
    let mut says = |to: Address, data: Vec<u8>, expected: Vec<u8>, what: String| {
        views.push(View { to, data, expected, what });
    };
    let flag = |flag: bool| flag.abi_encode();
    for (once, bytes) in &state.tried {
        let (x, element) = (U256::from_be_bytes(*bytes), field::read_be::<Fr>(bytes).ok());
        let (call, used) = match once {
            Once::Nullifier => (
                sol::Pool::isNullifierSpentCall { nullifier: x }.abi_encode(),
                element.is_some_and(|x| state.ledger.is_spent(&x)),
            ),
            Once::ReplayId => (
                sol::Pool::isIntentReplayIdUsedCall { intentReplayId: x }.abi_encode(),
                element.is_some_and(|x| state.ledger.is_used(&x)),
            ),
        };
        says(pool.address, call, flag(used), format!("whether {once:?} {x} is used"));
    }
    let newest = state.note_roots.len() - 1;
    let mut roots: Vec<Fr> = [0, 1, 499, 500, 501]
        .iter()
        .filter_map(|back| state.note_roots.get(newest.checked_sub(*back)?))
        .copied()
        .collect();
    roots.extend([Fr::default(), dice.element()]);
    for root in roots {
        let call = sol::Pool::isAcceptedNoteCommitmentRootCall { root: number(&root) }.abi_encode();
        let accepted = state.ledger.accepts_note_root(&root);
        says(pool.address, call, flag(accepted), format!("isAcceptedNoteCommitmentRoot {root}"));
    }
    for root in state.policy_roots.iter().copied().chain([Fr::default(), dice.element()]) {
        let call = sol::Pool::isAcceptedAuthPolicyRootCall { root: number(&root) }.abi_encode();
        let accepted = state.ledger.accepts_policy_root(&root, state.block);
        says(pool.address, call, flag(accepted), format!("isAcceptedAuthPolicyRoot {root}"));
    }
    for user in &scene.senders {
        let entry = state.ledger.entry(*user);
        let mut words = vec![U256::from(u8::from(entry.is_some()))];
        words.extend(entry.map_or([U256::ZERO; 4], |entry| {
            let fields =
                [entry.owner_nullifier_key_hash, entry.note_secret_seed_hash, entry.policy_set_commitment];
            let [owner, seed, set] = fields.map(|x| number(&x));
            [U256::from(entry.leaf_position), owner, seed, set]
        }));
        if pool.rules.bind {
            words.push(U256::from(entry.map_or(0, |entry| entry.policy_version)));
        }
        let expected = words.iter().flat_map(U256::to_be_bytes::<32>).collect();
        let call =
            sol::Bound::getAuthPolicyEntryCall { user: alloy_primitives::Address::from(user.0) }.abi_encode();
        says(pool.address, call, expected, format!("getAuthPolicyEntry {user}"));
    }
    for address in &state.touched {
        let expected = word(&state.ledger.holding(*address).to_field()).to_vec();
        let owner = alloy_primitives::Address::from(pool.address.0);
        let call = sol::Token::balanceOfCall { owner }.abi_encode();
        let to = match scene.asset(*address) {
            Some(Asset::Ether) => pool.ether,
            Some(Asset::Demo | Asset::Odd(Odd { balance_bytes: 32, .. })) => *address,
            _ => continue,
        };
        says(to, call, expected, format!("what the pool has of {address}"));
    }
    views
}
