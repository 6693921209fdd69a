//! Note delivery: what goes into `outputNoteData` (section 12), and receiving addresses.
//!
//! Every output carries [`NOTE_DATA_BYTES`] bytes: `version (1) || seal of the plaintext`, sealed with HPKE and X-Wing
//! (`tacit_wire::seal`). Real notes, change and dummies look alike: a dummy is sealed to a key that is drawn for it
//! and forgotten, so that not even the distribution of the encapsulation differs. The recipient finds its notes by trying to open; whether it
//! could is seen by nobody, as it looks at every event. `info` names the chain and the pool, so that note data of
//! one pool means nothing in another.
//!
//! Note data opening is no payment: [`Opened::note`] recomputes the commitment and compares it with the one on chain.

use std::fmt;

use rand_core::CryptoRng;
use tacit_algebra::field;
use tacit_wire::codec::{DecodeError, DecodeReason, Reader, Writer};
use tacit_wire::{SealError, SealingKeyPair, SealingPublicKey, seal};
use zeroize::Zeroizing;

use crate::hash::{Fr, keccak_mod_p};
use crate::note::{Note, NoteBody, is_owner, note_commitment};
use crate::value::{Address, Amount, SecretField};

/// The version of both encodings.
pub const VERSION: u8 = 1;
/// Bytes of a memo; shorter ones are filled up with zeros.
pub const MEMO_BYTES: usize = 64;
/// Bytes under the seal: version, amount, token, note secret, memo.
pub const PLAINTEXT_BYTES: usize = 1 + 31 + 20 + 32 + MEMO_BYTES;
/// Bytes of every output's note data.
pub const NOTE_DATA_BYTES: usize = 1 + seal::OVERHEAD_BYTES + PLAINTEXT_BYTES;

/// Which pool something is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The chain.
    pub chain_id: u32,
    /// The pool's address.
    pub pool: Address,
}

impl Place {
    /// `chain id (4, little-endian) || pool (20)`, wherever bytes say a place.
    pub fn encode(self) -> Vec<u8> {
        let mut place = Writer::new();
        place.u32(self.chain_id).raw(&self.pool.0);
        place.finish()
    }

    fn info(self) -> Vec<u8> {
        [b"tacit v1 pool note data", self.encode().as_slice()].concat()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pool {} on chain {}", self.pool, self.chain_id)
    }
}

/// `outputNoteDataHash` (section 8.6).
pub fn note_data_hash(note_data: &[u8]) -> Fr {
    keccak_mod_p(note_data)
}

/// Where somebody receives: the owner's hash and the key to seal note data to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivingAddress {
    /// `ownerNullifierKeyHash`.
    pub owner_nullifier_key_hash: Fr,
    /// The sealing key of the epoch that the recipient had registered when it gave out the address.
    pub key: SealingPublicKey,
}

const ADDRESS: &str = "receiving address";
const PREFIX: &str = "tacit1";
const CHECKSUM_BYTES: usize = 8;
/// Of an owner, what stands at the beginning of an address that is cut off.
const BEGINNING: usize = 10;

fn owner(reader: &mut Reader<'_>) -> Result<Fr, DecodeError> {
    let bytes: [u8; 32] = reader.array("owner")?;
    let owner: Fr = field::read_be(&bytes).map_err(|error| reader.invalid("owner", error))?;
    if is_owner(&owner) {
        Ok(owner)
    } else {
        Err(reader.invalid("owner", "nobody's: it is zero or reserved"))
    }
}

impl ReceivingAddress {
    /// `version || owner (32, big-endian) || sealing key (1216)`.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u8(VERSION).raw(&field::to_be(&self.owner_nullifier_key_hash)).raw(self.key.as_bytes());
        writer.finish()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(ADDRESS, bytes);
        version(&mut reader)?;
        let owner_nullifier_key_hash = owner(&mut reader)?;
        let key: [u8; seal::PUBLIC_KEY_BYTES] = reader.array("sealing key")?;
        let key = SealingPublicKey::from_bytes(&key).map_err(|error| reader.invalid("sealing key", error))?;
        reader.finish()?;
        Ok(Self { owner_nullifier_key_hash, key })
    }
}

fn version(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    match reader.u8("version")? {
        VERSION => Ok(()),
        other => Err(reader.error(DecodeReason::UnknownCode { field: "version", got: other.into() })),
    }
}

/// Why a text is no receiving address of a pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressTextError {
    /// It does not look like one.
    #[error("not a receiving address: {0}. Copy it whole, as its owner gives it out")]
    Form(&'static str),
    /// The checksum, in which the place is, does not fit.
    #[error("not a receiving address of this pool ({0}): mistyped, or of another pool or chain")]
    Checksum(Place),
    /// What the checksum confirms means nothing.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

fn checksum(bytes: &[u8], place: &Place) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new_derive_key("tacit v1 pool receiving address");
    hasher.update(&place.encode()).update(bytes);
    let mut checksum = [0; CHECKSUM_BYTES];
    for (to, from) in checksum.iter_mut().zip(hasher.finalize().as_bytes()) {
        *to = *from;
    }
    checksum
}

impl ReceivingAddress {
    /// `tacit1`, then the encoding and a checksum of eight bytes in hexadecimal. The place is in the checksum: what is paid to the
    /// address in another pool, or on another chain, its owner may be unable to spend.
    pub fn to_text(&self, place: &Place) -> String {
        let bytes = self.encode();
        format!("{PREFIX}{}{}", hex::encode(&bytes), hex::encode(checksum(&bytes, place)))
    }

    /// How every address of this owner begins, for people to recognise it; nobody is paid by it.
    pub fn beginning(owner: &Fr) -> String {
        let owner = field::to_be(owner);
        format!("{PREFIX}{VERSION:02x}{}...", hex::encode(owner.split_at(BEGINNING).0))
    }

    /// Reads what [`Self::to_text`] wrote for the same place; space around it does not count.
    ///
    /// # Errors
    /// [`AddressTextError`].
    pub fn parse(text: &str, place: &Place) -> Result<Self, AddressTextError> {
        use AddressTextError::Form;
        let digits = text.trim().strip_prefix(PREFIX).ok_or(Form("it does not begin with tacit1"))?;
        if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(Form("its digits are lower-case"));
        }
        let bytes = hex::decode(digits).map_err(|_| Form("it is not hexadecimal, or cut short"))?;
        let split = bytes.len().checked_sub(CHECKSUM_BYTES).and_then(|at| bytes.split_at_checked(at));
        let (encoding, sum) = split.ok_or(Form("it is cut short"))?;
        if checksum(encoding, place) != *sum {
            return Err(AddressTextError::Checksum(*place));
        }
        Ok(Self::decode(encoding)?)
    }
}

/// What the recipient of a note is told.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// How much.
    pub amount: Amount,
    /// Of which token.
    pub token: Address,
    /// The note's secret.
    pub note_secret: SecretField,
    /// The sender's words, padded with zeros.
    pub memo: [u8; MEMO_BYTES],
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(hidden)")
    }
}

impl Opened {
    /// The note that this is about, if it is the one on chain: of this owner, with this commitment at this leaf.
    pub fn note(self, owner_nullifier_key_hash: &Fr, commitment: &Fr, leaf_index: u32) -> Option<Note> {
        let body = NoteBody {
            owner_nullifier_key_hash: *owner_nullifier_key_hash,
            note_secret: self.note_secret,
            amount: self.amount,
            token: self.token,
        };
        (note_commitment(&body.commitment(), leaf_index) == *commitment).then_some(Note { body, leaf_index })
    }
}

/// A memo as the recipient is shown it: the text up to the first zero, without control characters.
pub fn memo_text(memo: &[u8; MEMO_BYTES]) -> String {
    let text = memo.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).collect()
}

/// A memo of a text; `None` for one that is too long.
pub fn memo(text: &str) -> Option<[u8; MEMO_BYTES]> {
    let mut memo = [0; MEMO_BYTES];
    memo.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    Some(memo)
}

/// Seals a note to its owner.
///
/// # Errors
/// [`SealError`], which nothing that a caller can pass causes.
pub fn seal_note<R: CryptoRng + ?Sized>(
    place: Place,
    key: &SealingPublicKey,
    note: &NoteBody,
    memo: &[u8; MEMO_BYTES],
    rng: &mut R,
) -> Result<Vec<u8>, SealError> {
    let mut plaintext = Zeroizing::new(Vec::with_capacity(PLAINTEXT_BYTES));
    plaintext.push(VERSION);
    plaintext.extend_from_slice(&note.amount.to_be_bytes());
    plaintext.extend_from_slice(&note.token.0);
    plaintext.extend_from_slice(&Zeroizing::new(field::to_be(note.note_secret.expose())));
    plaintext.extend_from_slice(memo);
    sealed(place, key, &plaintext, rng)
}

/// Note data of an output that is nobody's.
///
/// # Errors
/// As [`seal_note`].
pub fn seal_dummy<R: CryptoRng + ?Sized>(place: Place, rng: &mut R) -> Result<Vec<u8>, SealError> {
    let nobody = SealingKeyPair::generate(rng)?;
    sealed(place, nobody.public(), &[0; PLAINTEXT_BYTES], rng)
}

fn sealed<R: CryptoRng + ?Sized>(
    place: Place,
    key: &SealingPublicKey,
    plaintext: &[u8],
    rng: &mut R,
) -> Result<Vec<u8>, SealError> {
    let mut note_data = vec![VERSION];
    note_data.extend(seal::seal(key, &place.info(), &[VERSION], plaintext, rng)?);
    Ok(note_data)
}

/// Tries one key. `None` for whatever is not sealed to it: other wallets' formats, dummies, garbage, other people's notes.
pub fn open(place: Place, key: &SealingKeyPair, note_data: &[u8]) -> Option<Opened> {
    if note_data.len() != NOTE_DATA_BYTES {
        return None;
    }
    let (first, sealed) = note_data.split_first()?;
    if *first != VERSION {
        return None;
    }
    let plaintext = seal::open(key, &place.info(), &[VERSION], sealed).ok()?;
    decode(&plaintext).ok()
}

fn decode(plaintext: &[u8]) -> Result<Opened, DecodeError> {
    let mut reader = Reader::new("note data", plaintext);
    version(&mut reader)?;
    let amount = Amount::from_be_bytes(&reader.array("amount")?);
    let token = Address(reader.array("token")?);
    let secret = Zeroizing::new(reader.array::<32>("note secret")?);
    let note_secret =
        field::read_be(secret.as_slice()).map_err(|error| reader.invalid("note secret", error))?;
    let memo = reader.array("memo")?;
    reader.finish()?;
    Ok(Opened { amount, token, note_secret: SecretField::new(note_secret), memo })
}
