//! A model of the contract: sections 5.2 to 5.4, step by step, on state in memory. Tests hold the contract against it.
//!
//! What the chain decides is an argument: who calls and when ([`Call`]), whether proofs verify and tokens move.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tacit_algebra::field;

use crate::delivery::note_data_hash;
use crate::events::{Deposited, PolicyChanged, Transacted};
use crate::hash::Fr;
use crate::intent::MAX_LIFETIME;
use crate::note::{dummy_owner, note_body_commitment, note_commitment};
use crate::policy::Entry;
use crate::rules::Rules;
use crate::transaction::public::{FIELDS, Word, word};
use crate::tree::notes::NoteTree;
use crate::tree::sparse::SparseTree;
use crate::tree::{DEPTH, TreeError};
use crate::value::{Address, Amount};

/// `NOTE_COMMITMENT_ROOT_HISTORY_SIZE`.
pub const NOTE_ROOT_HISTORY: usize = 500;
/// `AUTH_POLICY_ROOT_HISTORY_BLOCKS`.
pub const POLICY_ROOT_BLOCKS: u64 = 64;
/// Leaves of either tree.
const LEAVES: u64 = 1 << DEPTH;

/// Who calls, when, and with how much ether.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// `msg.sender`.
    pub sender: Address,
    /// `msg.value`.
    pub value: Amount,
    /// `block.number`.
    pub block: u64,
    /// `block.timestamp`.
    pub timestamp: u64,
}

/// Why a call reverts, by the step of section 5.4 that says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Revert {
    /// Ether sent to a call that takes none, or another amount than the deposit's.
    #[error("msg.value is not what the call needs")]
    Value,
    /// Step 1.
    #[error("executionChainId is not this chain")]
    Chain,
    /// Step 2.
    #[error("the intent is not within its submission window")]
    Expiry,
    /// Step 3.
    #[error("noteCommitmentRoot is not accepted")]
    NoteRoot,
    /// Step 4.
    #[error("authPolicyRoot is not accepted")]
    PolicyRoot,
    /// Step 5.
    #[error("both nullifiers are the same")]
    SameNullifiers,
    /// Step 6, and section 5.4.2 step 1.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// Step 7: not below `p`.
    #[error("{0} is not a canonical field element")]
    NonCanonical(&'static str),
    /// Step 7.
    #[error("the pool proof does not verify")]
    PoolProof,
    /// Step 8.
    #[error("the auth proof does not verify")]
    AuthProof,
    /// Step 9.
    #[error("nullifier{0} is spent")]
    Spent(usize),
    /// Step 10.
    #[error("the intent was executed before")]
    Replayed,
    /// Step 11.
    #[error("outputNoteData{0} has another hash")]
    NoteData(usize),
    /// Step 12: a withdrawal to nobody, or a transfer with public fields.
    #[error("public recipient, token and amount do not belong together")]
    Movement,
    /// A token or ether did not move.
    #[error("the asset was not moved")]
    Asset,
    /// Step 13.
    #[error("the note tree is full")]
    NotesFull,
    /// A commitment of zero.
    #[error("a commitment is zero")]
    ZeroCommitment,
    /// `setAuthPolicy`: a reserved value.
    #[error("{0} is reserved")]
    Reserved(&'static str),
    /// `setAuthPolicy`: the hash is another's.
    #[error("ownerNullifierKeyHash belongs to another address")]
    OwnerTaken,
    /// `setAuthPolicy`: the hash is not this address's.
    #[error("ownerNullifierKeyHash can not be changed")]
    OwnerChanged,
    /// `setAuthPolicy`: no position or version is left.
    #[error("the registry is full")]
    RegistryFull,
    /// The model's own trees failed, which would be an error of the model.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// Whether what is outside the pool agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outside {
    /// The pool proof verifies for these public inputs.
    pub pool_proof: bool,
    /// `verifyAuth` returns true.
    pub auth_proof: bool,
    /// The recipient or token takes part in the movement of the asset.
    pub asset: bool,
}

impl Outside {
    /// Everything does.
    pub const AGREES: Self = Self { pool_proof: true, auth_proof: true, asset: true };
}

/// The contract's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    rules: Rules,
    chain_id: u32,
    notes: NoteTree,
    note_roots: VecDeque<Fr>,
    nullifiers: BTreeSet<Fr>,
    replay_ids: BTreeSet<Fr>,
    registry: SparseTree,
    /// A ring of `POLICY_ROOT_BLOCKS + 1` pairs (root, block).
    policy_roots: BTreeMap<u64, (Fr, u64)>,
    entries: BTreeMap<Address, Entry>,
    owners: BTreeMap<Fr, Address>,
    next_position: u64,
    holdings: BTreeMap<Address, Amount>,
}

fn canonical(name: &'static str, word: &Word) -> Result<Fr, Revert> {
    field::read_be(word).map_err(|_| Revert::NonCanonical(name))
}

fn address(name: &'static str, word: &Word) -> Result<Address, Revert> {
    let (high, low) = word.split_at(12);
    if high.iter().any(|byte| *byte != 0) {
        return Err(Revert::Range(name));
    }
    low.try_into().map(Address).map_err(|_| Revert::Range(name))
}

/// A time; whatever needs more than 64 bits is the end of it.
fn seconds(word: &Word) -> u64 {
    let (high, low) = word.split_at(24);
    if high.iter().any(|byte| *byte != 0) {
        return u64::MAX;
    }
    low.try_into().map_or(u64::MAX, u64::from_be_bytes)
}

impl Ledger {
    /// A pool as it is deployed.
    pub fn new(rules: Rules, chain_id: u32) -> Self {
        Self {
            rules,
            chain_id,
            notes: NoteTree::new(),
            note_roots: VecDeque::new(),
            nullifiers: BTreeSet::new(),
            replay_ids: BTreeSet::new(),
            registry: SparseTree::new(),
            policy_roots: BTreeMap::new(),
            entries: BTreeMap::new(),
            owners: BTreeMap::new(),
            // Slot 0 means that an address has none.
            next_position: 1,
            holdings: BTreeMap::new(),
        }
    }

    /// `getCurrentRoots`.
    ///
    /// # Errors
    /// [`Revert::Tree`], never.
    pub fn roots(&self) -> Result<(Fr, Fr), Revert> {
        Ok((self.notes.root()?, self.registry.root()))
    }

    /// `isAcceptedNoteCommitmentRoot`.
    pub fn accepts_note_root(&self, root: &Fr) -> bool {
        self.note_roots.contains(root) || self.notes.root().is_ok_and(|now| now == *root)
    }

    /// `isAcceptedAuthPolicyRoot`, in a block (section 5.2.1).
    pub fn accepts_policy_root(&self, root: &Fr, block: u64) -> bool {
        let within =
            |(stored, at): &(Fr, u64)| stored == root && block.saturating_sub(*at) <= POLICY_ROOT_BLOCKS;
        *root != Fr::default() && (self.registry.root() == *root || self.policy_roots.values().any(within))
    }

    /// `isNullifierSpent`.
    pub fn is_spent(&self, nullifier: &Fr) -> bool {
        self.nullifiers.contains(nullifier)
    }

    /// `isIntentReplayIdUsed`.
    pub fn is_used(&self, intent_replay_id: &Fr) -> bool {
        self.replay_ids.contains(intent_replay_id)
    }

    /// `getAuthPolicyEntry`.
    pub fn entry(&self, user: Address) -> Option<&Entry> {
        self.entries.get(&user)
    }

    /// What the pool holds of a token.
    pub fn holding(&self, token: Address) -> Amount {
        self.holdings.get(&token).copied().unwrap_or_default()
    }

    /// The next leaf's index.
    pub fn next_leaf(&self) -> u64 {
        self.notes.size()
    }

    fn insert(&mut self, commitments: &[Fr]) -> Result<Fr, Revert> {
        if commitments.contains(&Fr::default()) {
            return Err(Revert::ZeroCommitment);
        }
        self.note_roots.push_back(self.notes.root()?);
        if self.note_roots.len() > NOTE_ROOT_HISTORY {
            self.note_roots.pop_front();
        }
        for commitment in commitments {
            self.notes.append(*commitment, false)?;
        }
        Ok(self.notes.root()?)
    }

    fn leaf_index(&self, new: u64) -> Result<u32, Revert> {
        let next = self.notes.size();
        if next + new > LEAVES {
            return Err(Revert::NotesFull);
        }
        u32::try_from(next).map_err(|_| Revert::NotesFull)
    }

    /// Section 5.4.2. `received`: the token's balance grew by the amount.
    ///
    /// # Errors
    /// [`Revert`], with the state as it was.
    pub fn deposit(
        &mut self,
        call: Call,
        token: Address,
        amount: &Word,
        owner_commitment: &Word,
        note_data: &[u8],
        received: bool,
    ) -> Result<Deposited, Revert> {
        // 1.
        let amount =
            Amount::from_word(amount).filter(|amount| !amount.is_zero()).ok_or(Revert::Range("amount"))?;
        let owner = canonical("ownerCommitment", owner_commitment)?;
        if owner == Fr::default() {
            return Err(Revert::Range("ownerCommitment"));
        }
        // 2.
        let value = if token.is_zero() { amount } else { Amount::ZERO };
        if call.value != value {
            return Err(Revert::Value);
        }
        let held = self.holding(token).checked_add(amount).filter(|_| received).ok_or(Revert::Asset)?;
        // 3. and 4.
        let leaf_index = self.leaf_index(1)?;
        let commitment = note_commitment(&note_body_commitment(&owner, amount, token), leaf_index);
        // 5.
        let root = self.insert(&[commitment])?;
        self.holdings.insert(token, held);
        // 6.
        Ok(Deposited {
            depositor: call.sender,
            note_commitment: commitment,
            leaf_index,
            amount,
            token,
            root,
            note_data: note_data.to_vec(),
        })
    }

    /// Section 5.4.1. `public` are the fields of `PublicInputs` in order.
    ///
    /// # Errors
    /// [`Revert`], with the state as it was.
    pub fn transact(
        &mut self,
        call: Call,
        public: &[Word; FIELDS],
        note_data: [&[u8]; 3],
        outside: Outside,
    ) -> Result<Transacted, Revert> {
        if !call.value.is_zero() {
            return Err(Revert::Value);
        }
        let [
            note_root,
            nullifier0,
            nullifier1,
            body0,
            body1,
            body2,
            amount_out,
            recipient,
            token,
            replay_id,
            valid_until,
            chain_id,
            policy_root,
            hash0,
            hash1,
            hash2,
            verifier,
            blinded,
            digest,
        ] = public;
        // 1.
        if *chain_id != word(&Fr::from(self.chain_id)) {
            return Err(Revert::Chain);
        }
        // 2. Whether the value fits 32 bits is step 6's.
        let valid_until = seconds(valid_until);
        let latest = call.timestamp.saturating_add(MAX_LIFETIME.into());
        if valid_until == 0 || call.timestamp > valid_until || valid_until > latest {
            return Err(Revert::Expiry);
        }
        // 3. and 4. A value that is no field element is no root.
        let accepted = field::read_be(note_root).is_ok_and(|root: Fr| self.accepts_note_root(&root));
        if !accepted {
            return Err(Revert::NoteRoot);
        }
        let accepted =
            field::read_be(policy_root).is_ok_and(|root: Fr| self.accepts_policy_root(&root, call.block));
        if !accepted {
            return Err(Revert::PolicyRoot);
        }
        // 5.
        if nullifier0 == nullifier1 {
            return Err(Revert::SameNullifiers);
        }
        // 6.
        let amount_out = Amount::from_word(amount_out).ok_or(Revert::Range("publicAmountOut"))?;
        let recipient = address("publicRecipientAddress", recipient)?;
        let token = address("publicTokenAddress", token)?;
        let auth_verifier = address("authVerifier", verifier)?;
        if u32::try_from(valid_until).is_err() {
            return Err(Revert::Range("validUntilSeconds"));
        }
        if auth_verifier.is_zero() {
            return Err(Revert::Range("authVerifier"));
        }
        // 7.
        let nullifiers = [canonical("nullifier0", nullifier0)?, canonical("nullifier1", nullifier1)?];
        let bodies = [
            canonical("noteBodyCommitment0", body0)?,
            canonical("noteBodyCommitment1", body1)?,
            canonical("noteBodyCommitment2", body2)?,
        ];
        let intent_replay_id = canonical("intentReplayId", replay_id)?;
        let hashes = [
            canonical("outputNoteDataHash0", hash0)?,
            canonical("outputNoteDataHash1", hash1)?,
            canonical("outputNoteDataHash2", hash2)?,
        ];
        canonical("blindedAuthCommitment", blinded)?;
        canonical("transactionIntentDigest", digest)?;
        if !outside.pool_proof {
            return Err(Revert::PoolProof);
        }
        // 8.
        if !outside.auth_proof {
            return Err(Revert::AuthProof);
        }
        // 9. and 10.
        if let Some(spent) = nullifiers.iter().position(|nullifier| self.is_spent(nullifier)) {
            return Err(Revert::Spent(spent));
        }
        if self.is_used(&intent_replay_id) {
            return Err(Revert::Replayed);
        }
        // 11.
        let differs = |(data, hash): (&&[u8], &Fr)| note_data_hash(data) != *hash;
        if let Some(other) = note_data.iter().zip(&hashes).position(differs) {
            return Err(Revert::NoteData(other));
        }
        // 12.
        let mut held = self.holding(token);
        if amount_out.is_zero() {
            if !recipient.is_zero() || !token.is_zero() {
                return Err(Revert::Movement);
            }
        } else {
            if recipient.is_zero() {
                return Err(Revert::Movement);
            }
            held = held.checked_sub(amount_out).filter(|_| outside.asset).ok_or(Revert::Asset)?;
        }
        // 13.
        let leaf_index = self.leaf_index(3)?;
        let [body0, body1, body2] = &bodies;
        let note_commitments = [
            note_commitment(body0, leaf_index),
            note_commitment(body1, leaf_index + 1),
            note_commitment(body2, leaf_index + 2),
        ];
        let root = self.insert(&note_commitments)?;
        self.nullifiers.extend(nullifiers);
        self.replay_ids.insert(intent_replay_id);
        if !amount_out.is_zero() {
            self.holdings.insert(token, held);
        }
        Ok(Transacted {
            nullifiers,
            intent_replay_id,
            auth_verifier,
            note_commitments,
            leaf_index,
            root,
            note_data: note_data.map(<[u8]>::to_vec),
        })
    }

    /// `setAuthPolicy` (section 5.3).
    ///
    /// # Errors
    /// [`Revert`], with the state as it was.
    pub fn set_auth_policy(
        &mut self,
        call: Call,
        owner_nullifier_key_hash: &Word,
        note_secret_seed_hash: &Word,
        policy_set_commitment: &Word,
    ) -> Result<PolicyChanged, Revert> {
        if !call.value.is_zero() {
            return Err(Revert::Value);
        }
        let owner = canonical("ownerNullifierKeyHash", owner_nullifier_key_hash)?;
        if owner == Fr::default() {
            return Err(Revert::Reserved("ownerNullifierKeyHash"));
        }
        let seed = canonical("noteSecretSeedHash", note_secret_seed_hash)?;
        if seed == Fr::default() {
            return Err(Revert::Reserved("noteSecretSeedHash"));
        }
        let set = canonical("policySetCommitment", policy_set_commitment)?;
        if owner == dummy_owner() {
            return Err(Revert::Reserved("ownerNullifierKeyHash"));
        }
        let mut entry = match self.entries.get(&call.sender) {
            None => {
                if self.owners.contains_key(&owner) {
                    return Err(Revert::OwnerTaken);
                }
                // `nextLeafPosition < 2^32`.
                let leaf_position = u32::try_from(self.next_position).map_err(|_| Revert::RegistryFull)?;
                Entry {
                    leaf_position,
                    owner_nullifier_key_hash: owner,
                    note_secret_seed_hash: seed,
                    policy_set_commitment: set,
                    policy_version: 0,
                }
            }
            Some(known) if known.owner_nullifier_key_hash != owner => return Err(Revert::OwnerChanged),
            Some(known) => known.clone(),
        };
        entry.note_secret_seed_hash = seed;
        entry.policy_set_commitment = set;
        if self.rules.bind {
            entry.policy_version = entry.policy_version.checked_add(1).ok_or(Revert::RegistryFull)?;
        }
        let leaf = entry.leaf(self.rules, call.sender);
        if leaf == Fr::default() {
            return Err(Revert::ZeroCommitment);
        }
        // Section 5.2.1: the root at the start of this block, once.
        let slot = call.block % (POLICY_ROOT_BLOCKS + 1);
        if self.policy_roots.get(&slot).is_none_or(|(_, block)| *block != call.block) {
            self.policy_roots.insert(slot, (self.registry.root(), call.block));
        }
        self.registry.set(entry.leaf_position, leaf)?;
        if !self.entries.contains_key(&call.sender) {
            self.next_position += 1;
        }
        self.owners.insert(owner, call.sender);
        self.entries.insert(call.sender, entry.clone());
        Ok(PolicyChanged { user: call.sender, entry, leaf, root: self.registry.root() })
    }
}
