//! A stateful hash-based signature after RFC 8391 with Poseidon2 and a target-sum encoding, as `auth_xmss` checks it
//! (`circuits/pool/README.md`).
//!
//! Two signatures with one index let anyone forge. So an index is a value of its own that is used up by signing, and
//! there is one way to get it:
//!
//! 1. [`Counter::reserve`] names the next index and what must be on disk before it is used;
//! 2. [`Reserved::durable`] takes the writer that puts it there, and gives the [`OneTimeIndex`] once that returned;
//! 3. [`SigningKey::sign`] consumes it.
//!
//! An index that was reserved and not used is lost, which costs nothing. What this cannot notice is a disk that was
//! restored from a backup: a wallet that is restored, also from its seed phrase, takes the next XMSS key
//! (`WalletSeed::xmss`) instead of going on with this one.

use std::fmt;

use ark_ff::{BigInteger, PrimeField};
use tacit_algebra::field;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::hash::{Domain, Fr, poseidon, tagged};
use crate::value::SecretField;

/// Chains of a one-time key, each of one step.
pub const CHAINS: usize = 128;
/// How many chains a signature has walked.
pub const TARGET_SUM: u32 = 64;
/// Height of the tree of one-time keys in the circuit that is built.
pub const HEIGHT: u32 = 10;
/// The greatest height that this file makes keys of.
pub const MAX_HEIGHT: u32 = 20;
/// Randomizers that are tried; one in 14 fits.
const ATTEMPTS: u32 = 4096;

/// A public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    /// Root of the tree of one-time keys.
    pub root: Fr,
    /// Goes into every hash of this key.
    pub public_seed: Fr,
}

impl PublicKey {
    /// `authDataCommitment`.
    pub fn auth_data(&self) -> Fr {
        tagged(Domain::AuthDataXmss, &[self.root, self.public_seed])
    }
}

/// A signature. Its chains are secrets no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The one-time key.
    pub index: u32,
    /// Makes the codeword's sum what it has to be.
    pub randomizer: Fr,
    /// What the codeword says of each chain: its end where the bit is one, else its beginning.
    pub chains: [Fr; CHAINS],
    /// The way to the root.
    pub siblings: Vec<Fr>,
}

/// Why there is no signature, or none that verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmssError {
    /// Every index was used.
    #[error("all {0} signatures of this XMSS key are used: register the next key with `policy`")]
    Exhausted(u32),
    /// A height that is not supported.
    #[error("an XMSS tree has a height from 1 to {MAX_HEIGHT}, got {0}")]
    Height(u32),
    /// The index belongs to another key.
    #[error("the one-time index was reserved for another XMSS key")]
    OtherKey,
    /// No randomizer fits, which happens with probability below 2^-400.
    #[error("no randomizer gives a codeword of the target sum")]
    NoRandomizer,
    /// The codeword has another sum.
    #[error("the XMSS signature's codeword has the sum {0}, not {TARGET_SUM}")]
    Sum(u32),
    /// The signature is of another shape, or leads to another root.
    #[error("the XMSS signature is not one of this message by this key")]
    Forged,
}

fn tweaked(domain: Domain, tweak: u64, rest: &[Fr]) -> Fr {
    let mut inputs = Zeroizing::new(Vec::with_capacity(1 + rest.len()));
    inputs.push(domain.tag() + Fr::from(tweak));
    inputs.extend_from_slice(rest);
    poseidon(&inputs)
}

/// `end = poseidon(XMSS_CHAIN_DOMAIN + 2^8 * index + i, publicSeed, value)`.
fn step(public_seed: &Fr, index: u32, chain: usize, value: &Fr) -> Fr {
    tweaked(Domain::XmssChain, (u64::from(index) << 8) + chain as u64, &[*public_seed, *value])
}

/// `leaf = poseidon(XMSS_LEAF_DOMAIN + index, publicSeed, end_0, ..., end_127)`.
fn leaf(public_seed: &Fr, index: u32, ends: &[Fr]) -> Fr {
    let mut inputs = vec![*public_seed];
    inputs.extend_from_slice(ends);
    tweaked(Domain::XmssLeaf, index.into(), &inputs)
}

/// `node = poseidon(XMSS_NODE_DOMAIN + 2^32 * height + place, left, right)`.
fn node(height: u32, place: u32, left: &Fr, right: &Fr) -> Fr {
    tweaked(Domain::XmssNode, (u64::from(height) << 32) + u64::from(place), &[*left, *right])
}

/// The low 128 bits of `poseidon(XMSS_MESSAGE_DOMAIN, randomizer, root, index, message)`.
fn codeword(root: &Fr, index: u32, randomizer: &Fr, message: &Fr) -> Result<[bool; CHAINS], XmssError> {
    let digest = tagged(Domain::XmssMessage, &[*randomizer, *root, Fr::from(index), *message]).into_bigint();
    let mut bits = [false; CHAINS];
    for (i, bit) in bits.iter_mut().enumerate() {
        *bit = digest.get_bit(i);
    }
    let sum = bits.iter().map(|bit| u32::from(*bit)).sum();
    if sum == TARGET_SUM { Ok(bits) } else { Err(XmssError::Sum(sum)) }
}

impl PublicKey {
    /// Whether the signature is one of this message, by a key whose tree has this height.
    ///
    /// # Errors
    /// [`XmssError::Sum`], [`XmssError::Forged`].
    pub fn verify(&self, height: u32, message: &Fr, signature: &Signature) -> Result<(), XmssError> {
        let index = signature.index;
        if height > MAX_HEIGHT || index >> height != 0 || signature.siblings.len() != height as usize {
            return Err(XmssError::Forged);
        }
        let codeword = codeword(&self.root, index, &signature.randomizer, message)?;
        let ends: Vec<Fr> = (signature.chains.iter().zip(codeword).enumerate())
            .map(
                |(i, (value, walked))| if walked { *value } else { step(&self.public_seed, index, i, value) },
            )
            .collect();
        let leaf = leaf(&self.public_seed, index, &ends);
        let root = (1..).zip(&signature.siblings).fold(leaf, |below, (height, sibling)| {
            let (left, right) =
                if index >> (height - 1) & 1 == 1 { (sibling, &below) } else { (&below, sibling) };
            node(height, index >> height, left, right)
        });
        if root == self.root { Ok(()) } else { Err(XmssError::Forged) }
    }
}

/// How many indices of a key are used up: what a wallet keeps on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// The first index that was never reserved.
    pub next: u32,
}

/// Deals out the indices of one key. Not `Clone`: there is one for a key, made from what is on disk.
#[derive(Debug)]
pub struct Counter {
    key: [u8; 32],
    next: u32,
    capacity: u32,
}

/// An index that waits for its reservation to be on disk.
#[derive(Debug)]
#[must_use = "the index is lost unless its reservation is made durable"]
pub struct Reserved {
    key: [u8; 32],
    index: u32,
}

/// The right to sign once.
#[derive(Debug)]
#[must_use = "an index that is not used for signing is lost"]
pub struct OneTimeIndex {
    key: [u8; 32],
    index: u32,
}

impl Counter {
    /// Goes on where the disk says.
    pub fn resume(key: &SigningKey, used: Used) -> Self {
        Self { key: key.name(), next: used.next, capacity: 1 << key.height }
    }

    /// How many signatures are left.
    pub fn left(&self) -> u32 {
        self.capacity.saturating_sub(self.next)
    }

    /// Takes the next index: no later call gives it again.
    ///
    /// # Errors
    /// [`XmssError::Exhausted`].
    pub fn reserve(&mut self) -> Result<Reserved, XmssError> {
        let index = self.next;
        if index >= self.capacity {
            return Err(XmssError::Exhausted(self.capacity));
        }
        self.next += 1;
        Ok(Reserved { key: self.key, index })
    }
}

impl Reserved {
    /// Has `write` put on disk that the index is used, and gives the index when `write` says that it is there (synced). The
    /// writer must replace a smaller [`Used::next`] only.
    ///
    /// # Errors
    /// The writer's: the index is lost then.
    pub fn durable<E>(self, write: impl FnOnce(Used) -> Result<(), E>) -> Result<OneTimeIndex, E> {
        write(Used { next: self.index + 1 })?;
        Ok(OneTimeIndex { key: self.key, index: self.index })
    }
}

/// A signing key with its whole tree. Wiped when dropped and never printed.
pub struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    height: u32,
    public_seed: Fr,
    /// The nodes of each height, from the leaves up.
    levels: Vec<Vec<Fr>>,
    public: PublicKey,
}

impl SigningKey {
    /// The key of a 32-byte seed. Computes `2^height` one-time keys: half a second for a height of 10.
    ///
    /// # Errors
    /// [`XmssError::Height`].
    pub fn from_seed(seed: &[u8; 32], height: u32) -> Result<Self, XmssError> {
        if !(1..=MAX_HEIGHT).contains(&height) {
            return Err(XmssError::Height(height));
        }
        let public_seed = *derive("tacit v1 pool xmss public seed", seed, &[]).expose();
        let leaves: Vec<Fr> = (0..1 << height)
            .map(|index| {
                let ends: Vec<Fr> = (0..CHAINS)
                    .map(|chain| step(&public_seed, index, chain, beginning(seed, index, chain).expose()))
                    .collect();
                leaf(&public_seed, index, &ends)
            })
            .collect();
        let mut levels = vec![leaves];
        for above in 1..=height {
            let below = levels.last().map(Vec::as_slice).unwrap_or_default();
            let nodes = (0..)
                .zip(below.as_chunks::<2>().0)
                .map(|(place, [left, right])| node(above, place, left, right));
            levels.push(nodes.collect());
        }
        let root = levels.last().and_then(|top| top.first()).copied().unwrap_or_default();
        Ok(Self {
            seed: Zeroizing::new(*seed),
            height,
            public_seed,
            levels,
            public: PublicKey { root, public_seed },
        })
    }

    /// The public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The height of its tree.
    pub fn height(&self) -> u32 {
        self.height
    }

    fn name(&self) -> [u8; 32] {
        let mut name = [0; 32];
        name.copy_from_slice(&field::to_le(&self.public.root));
        name
    }

    /// Signs a field element and uses the index up.
    ///
    /// # Errors
    /// [`XmssError::OtherKey`], [`XmssError::NoRandomizer`].
    pub fn sign(&self, index: OneTimeIndex, message: &Fr) -> Result<Signature, XmssError> {
        if index.key != self.name() {
            return Err(XmssError::OtherKey);
        }
        let index = index.index;
        let (randomizer, codeword) = self.randomize(index, message)?;
        let mut chains = [Fr::default(); CHAINS];
        for (chain, (to, walked)) in chains.iter_mut().zip(codeword).enumerate() {
            let value = beginning(&self.seed, index, chain);
            *to =
                if walked { step(&self.public_seed, index, chain, value.expose()) } else { *value.expose() };
        }
        let siblings = (0..self.height)
            .zip(&self.levels)
            .filter_map(|(height, nodes)| nodes.get((index >> height ^ 1) as usize).copied());
        Ok(Signature { index, randomizer, chains, siblings: siblings.collect() })
    }

    /// The first of the key's randomizers for this message whose codeword has the target sum.
    fn randomize(&self, index: u32, message: &Fr) -> Result<(Fr, [bool; CHAINS]), XmssError> {
        for attempt in 0..ATTEMPTS {
            let mut under = field::to_le(message);
            under.extend_from_slice(&index.to_le_bytes());
            under.extend_from_slice(&attempt.to_le_bytes());
            let randomizer = *derive("tacit v1 pool xmss randomizer", &self.seed, &under).expose();
            if let Ok(codeword) = codeword(&self.public.root, index, &randomizer, message) {
                return Ok((randomizer, codeword));
            }
        }
        Err(XmssError::NoRandomizer)
    }
}

/// Where a chain begins.
fn beginning(seed: &[u8; 32], index: u32, chain: usize) -> SecretField {
    let mut place = index.to_le_bytes().to_vec();
    place.extend_from_slice(&(chain as u32).to_le_bytes());
    derive("tacit v1 pool xmss chain", seed, &place)
}

fn derive(context: &str, seed: &[u8; 32], place: &[u8]) -> SecretField {
    let mut wide = Zeroizing::new([0; 64]);
    blake3::Hasher::new_derive_key(context)
        .update(seed)
        .update(place)
        .finalize_xof()
        .fill(wide.as_mut_slice());
    let mut value: Fr = field::from_uniform_bytes(wide.as_slice());
    let secret = SecretField::new(value);
    value.zeroize();
    secret
}

impl ZeroizeOnDrop for SigningKey {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(hidden)")
    }
}
