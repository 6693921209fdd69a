//! An address says which order key speaks for it.
//!
//! Orders of an owner name an address in the registry; that the key which signed them has anything to do with that address is what a binding
//! says, signed by the address's Ethereum key as [EIP-712](https://eips.ethereum.org/EIPS/eip-712) has it:
//!
//! | | |
//! |---|---|
//! | domain | `EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)`: `Tacit shielded pool`, `1`, the chain, the pool |
//! | type | `OrderKeyBinding(bytes32 orderKey,uint64 sequence,uint64 validFrom,uint64 validUntil)` |
//!
//! Encoding: `version (1) = 1 || kind (1) = 4 || chain id (4) || pool (20) || sequence (8) || address (20) || order key's id (32) || from (8) ||
//! until (8) || r (32) || s (32) || v (1)`; `s` in the lower half and `v` 27 or 28, so that a binding has one encoding.
//!
//! A binding is as strong as the Ethereum account, which can replace the policy itself. An address without a key (a contract) cannot give one.

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha3::{Digest, Keccak256};
use tacit_wire::codec::{DecodeError, Reader, Writer};

use super::signature::OrderKeyId;
use super::{OrderError, VERSION, Validity, check_use, read_kind, read_place, write_place};
use crate::delivery::Place;
use crate::value::Address;

const KIND: u8 = 4;
const DOMAIN: &str = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const NAME: &str = "Tacit shielded pool";
const TYPE: &str = "OrderKeyBinding(bytes32 orderKey,uint64 sequence,uint64 validFrom,uint64 validUntil)";

/// `r (32) || s (32) || v (1)`, as Ethereum wallets give it.
pub const ETHEREUM_SIGNATURE_BYTES: usize = 65;

/// A binding, with or without its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyBinding {
    /// In which pool.
    pub place: Place,
    /// Counts the address's bindings: a later one replaces it.
    pub sequence: u64,
    /// The owner's address in the registry.
    pub authorizing_address: Address,
    /// Which key speaks for it.
    pub key: OrderKeyId,
    /// When it holds.
    pub validity: Validity,
    /// The address's signature over [`Self::digest`].
    pub signature: [u8; ETHEREUM_SIGNATURE_BYTES],
}

/// A key of which it is known for which address it speaks. Only [`KeyBinding::verify`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundKey {
    address: Address,
    key: OrderKeyId,
}

impl BoundKey {
    /// The address.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The key, for orders about this address.
    pub(super) fn key_of(&self, address: Address) -> Result<OrderKeyId, OrderError> {
        if self.address == address {
            Ok(self.key)
        } else {
            Err(OrderError::Address { expected: address, got: self.address })
        }
    }
}

fn keccak(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Keccak256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// A number or an address as EIP-712 encodes it.
fn word(bytes: &[u8]) -> [u8; 32] {
    let mut word = [0; 32];
    for (to, from) in word.iter_mut().rev().zip(bytes.iter().rev()) {
        *to = *from;
    }
    word
}

impl KeyBinding {
    /// What the address signs: EIP-712's hash, prefix included.
    pub fn digest(&self) -> [u8; 32] {
        let domain = keccak(&[
            &keccak(&[DOMAIN.as_bytes()]),
            &keccak(&[NAME.as_bytes()]),
            &keccak(&[b"1"]),
            &word(&self.place.chain_id.to_be_bytes()),
            &word(&self.place.pool.0),
        ]);
        let binding = keccak(&[
            &keccak(&[TYPE.as_bytes()]),
            &self.key.0,
            &word(&self.sequence.to_be_bytes()),
            &word(&self.validity.from.to_be_bytes()),
            &word(&self.validity.until.to_be_bytes()),
        ]);
        keccak(&[b"\x19\x01", &domain, &binding])
    }

    /// Whose signature it has, if it is one.
    fn signer(&self) -> Option<Address> {
        let (v, rs) = self.signature.split_last()?;
        let signature = Signature::from_slice(rs).ok()?;
        if signature.normalize_s() != signature {
            return None;
        }
        let recovery = RecoveryId::from_byte(v.checked_sub(27).filter(|parity| *parity < 2)?)?;
        let key = VerifyingKey::recover_from_prehash(&self.digest(), &signature, recovery).ok()?;
        let point = key.to_sec1_point(false);
        let hash = keccak(&[point.as_bytes().get(1..)?]);
        Some(Address(*hash.last_chunk()?))
    }

    /// Whether the address bound this key to itself in this pool, and that holds at `now`. `least` is the highest sequence number of a binding by
    /// this address that the caller has seen (0 for none).
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn verify(
        &self,
        address: Address,
        place: Place,
        least: u64,
        now: u64,
    ) -> Result<BoundKey, OrderError> {
        if self.authorizing_address != address {
            return Err(OrderError::Address { expected: address, got: self.authorizing_address });
        }
        if self.signer() != Some(address) {
            return Err(OrderError::Ethereum(address));
        }
        check_use((self.place, self.sequence, self.validity), place, least, now)?;
        Ok(BoundKey { address, key: self.key })
    }

    /// The encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u8(VERSION).u8(KIND);
        write_place(self.place, &mut writer);
        writer.u64(self.sequence).raw(&self.authorizing_address.0).raw(&self.key.0);
        self.validity.write(&mut writer);
        writer.raw(&self.signature);
        writer.finish()
    }

    /// Reads what [`Self::encode`] wrote. Nothing is verified.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("key binding", bytes);
        read_kind(KIND, &mut reader)?;
        let binding = Self {
            place: read_place(&mut reader)?,
            sequence: reader.u64("sequence")?,
            authorizing_address: Address(reader.array("authorizing address")?),
            key: OrderKeyId(reader.array("order key")?),
            validity: Validity::read(&mut reader)?,
            signature: reader.array("signature")?,
        };
        reader.finish()?;
        Ok(binding)
    }
}
