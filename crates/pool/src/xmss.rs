//! A stateful hash-based signature after RFC 8391 with Poseidon2 and a target-sum encoding, as `auth_xmss` checks it
//! (`circuits/pool/README.md`).
//!
//! Two signatures with one index let anyone forge. So a key is drawn at random and known to one wallet only ([`StoredKey`]), an index is a
//! value of its own that is used up by signing, and there is one way to get it:
//!
//! 1. [`StoredKey::reserve`] takes the next index; the stored key says from now on that it is used;
//! 2. [`Reserved::durable`] takes the writer that puts the wallet on disk, and gives the [`OneTimeIndex`] once that returned;
//! 3. [`SigningKey::sign`] consumes it.
//!
//! An index that was reserved and not used is lost, which costs nothing. A wallet that is restored from its seed phrase, or has another pool,
//! does not have the key and cannot sign with it: it draws one and registers that. What this cannot notice is a disk that was restored from a
//! backup, or two programs that read one stored wallet: keep one program at a time to a wallet, and after a restore draw a new key.

use std::fmt;

use ark_ff::{BigInteger, PrimeField};
use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tacit_algebra::field;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::hash::{Domain, Fr, poseidon, tagged};
use crate::value::{SecretField, as_text};

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
    #[error("all {0} signatures of this XMSS key are used: draw a new key and register it")]
    Exhausted(u32),
    /// A height that is not supported.
    #[error("an XMSS tree has a height from 1 to {MAX_HEIGHT}, got {0}")]
    Height(u32),
    /// The stored seed is not the one of the stored root.
    #[error("the stored XMSS key is damaged: draw a new key and register it")]
    Damaged,
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

/// What a key is derived from. Wiped when dropped and never printed.
#[derive(Clone, PartialEq, Eq)]
struct Seed(Box<[u8; 32]>);

impl Drop for Seed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(hex::encode(self.0.as_slice())))
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let mut seed = Self(Box::new([0; 32]));
        // The error does not repeat the text: it may be most of a secret.
        hex::decode_to_slice(text.as_str(), seed.0.as_mut_slice())
            .map_err(|_| de::Error::custom("an XMSS seed is not 64 hexadecimal digits"))?;
        Ok(seed)
    }
}

/// A key as a wallet keeps it: a random seed, and the first index that was never handed out. There is one of it for a key, made when the key
/// is drawn and read from disk ever after; it cannot be cloned, as two of them would hand out one index twice. Its stored form holds the secret:
/// encrypt it.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKey {
    seed: Seed,
    height: u32,
    #[serde(with = "as_text")]
    root: Fr,
    next: u32,
}

/// An index that waits for its reservation to be on disk.
#[derive(Debug)]
#[must_use = "the index is lost unless its reservation is made durable"]
pub struct Reserved {
    root: Fr,
    index: u32,
}

/// The right to sign once.
#[derive(Debug)]
#[must_use = "an index that is not used for signing is lost"]
pub struct OneTimeIndex {
    root: Fr,
    index: u32,
}

impl StoredKey {
    /// Draws a key. Computes its whole tree, as [`Self::signing_key`] does.
    ///
    /// # Errors
    /// [`XmssError::Height`].
    pub fn generate<R: CryptoRng + ?Sized>(height: u32, rng: &mut R) -> Result<Self, XmssError> {
        let mut seed = Seed(Box::new([0; 32]));
        rng.fill_bytes(seed.0.as_mut_slice());
        let root = SigningKey::from_seed(&seed, height)?.public.root;
        Ok(Self { seed, height, root, next: 0 })
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        PublicKey { root: self.root, public_seed: public_seed(&self.seed) }
    }

    /// The height of its tree.
    pub fn height(&self) -> u32 {
        self.height
    }

    fn capacity(&self) -> u32 {
        if self.height <= MAX_HEIGHT { 1 << self.height } else { 0 }
    }

    /// How many signatures are left.
    pub fn left(&self) -> u32 {
        self.capacity().saturating_sub(self.next)
    }

    /// Takes the next index: no later call gives it again.
    ///
    /// # Errors
    /// [`XmssError::Exhausted`].
    pub fn reserve(&mut self) -> Result<Reserved, XmssError> {
        let index = self.next;
        if index >= self.capacity() {
            return Err(XmssError::Exhausted(self.capacity()));
        }
        self.next += 1;
        Ok(Reserved { root: self.root, index })
    }

    /// The key that signs. Computes `2^height` one-time keys: half a second for a height of 10.
    ///
    /// # Errors
    /// [`XmssError::Height`], [`XmssError::Damaged`].
    pub fn signing_key(&self) -> Result<SigningKey, XmssError> {
        let key = SigningKey::from_seed(&self.seed, self.height)?;
        if key.public.root == self.root { Ok(key) } else { Err(XmssError::Damaged) }
    }
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredKey(next index {} of {}, secret hidden)", self.next, self.capacity())
    }
}

impl Reserved {
    /// Has `write` put the wallet with its [`StoredKey`] on disk, and gives the index when `write` says that it is there (synced).
    ///
    /// # Errors
    /// The writer's: the index is lost then.
    pub fn durable<E>(self, write: impl FnOnce() -> Result<(), E>) -> Result<OneTimeIndex, E> {
        write()?;
        Ok(OneTimeIndex { root: self.root, index: self.index })
    }
}

/// A signing key with its whole tree. Wiped when dropped and never printed.
pub struct SigningKey {
    seed: Seed,
    height: u32,
    /// The nodes of each height, from the leaves up.
    levels: Vec<Vec<Fr>>,
    public: PublicKey,
}

impl SigningKey {
    fn from_seed(seed: &Seed, height: u32) -> Result<Self, XmssError> {
        if !(1..=MAX_HEIGHT).contains(&height) {
            return Err(XmssError::Height(height));
        }
        let public_seed = public_seed(seed);
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
        Ok(Self { seed: seed.clone(), height, levels, public: PublicKey { root, public_seed } })
    }

    /// The public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The height of its tree.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Signs a field element and uses the index up.
    ///
    /// # Errors
    /// [`XmssError::OtherKey`], [`XmssError::NoRandomizer`].
    pub fn sign(&self, index: OneTimeIndex, message: &Fr) -> Result<Signature, XmssError> {
        if index.root != self.public.root {
            return Err(XmssError::OtherKey);
        }
        let index = index.index;
        let (randomizer, codeword) = self.randomize(index, message)?;
        let mut chains = [Fr::default(); CHAINS];
        for (chain, (to, walked)) in chains.iter_mut().zip(codeword).enumerate() {
            let value = beginning(&self.seed, index, chain);
            *to = if walked {
                step(&self.public.public_seed, index, chain, value.expose())
            } else {
                *value.expose()
            };
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

fn public_seed(seed: &Seed) -> Fr {
    *derive("tacit v1 pool xmss public seed", seed, &[]).expose()
}

/// Where a chain begins.
fn beginning(seed: &Seed, index: u32, chain: usize) -> SecretField {
    let mut place = index.to_le_bytes().to_vec();
    place.extend_from_slice(&(chain as u32).to_le_bytes());
    derive("tacit v1 pool xmss chain", seed, &place)
}

fn derive(context: &str, seed: &Seed, place: &[u8]) -> SecretField {
    let mut wide = Zeroizing::new([0; 64]);
    blake3::Hasher::new_derive_key(context)
        .update(seed.0.as_slice())
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
