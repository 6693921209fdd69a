//! An Ethereum account: a secp256k1 key that signs transactions, and spends where a policy names [`EcdsaAuthVerifier`].
//!
//! [`EcdsaAuthVerifier`]: https://github.com/tacit-network/tacit/blob/main/contracts/src/auth/EcdsaAuthVerifier.sol

use std::fmt;

use alloy_primitives::{U256, keccak256};
use alloy_rlp::{BufMut, Encodable, Header};
use alloy_sol_types::{Eip712Domain, SolStruct, SolValue, sol};
use bip32::{ChildNumber, XPrv};
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use tacit_pool::{Address, Fr, WalletSeed};

use crate::convert::{to_eth, word};

/// Why there is no account or signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Zero, or not below the curve's order.
    #[error("the 32 bytes are no secret key of secp256k1: take others")]
    Secret,
    /// BIP-32 has no key there, which happens for one index in 2^127, or the index has its highest bit set.
    #[error("there is no key at index {0}: take another index below 2^31")]
    Index(u32),
    /// The signature does not recover the account's own address.
    #[error("the account could not sign: its key is damaged")]
    Sign,
}

/// A key with its address. The key is wiped when dropped, never printed.
#[derive(Clone)]
pub struct Account {
    key: SigningKey,
    address: Address,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({}, key hidden)", self.address)
    }
}

/// A signature with what recovers its signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recoverable {
    /// Its first half.
    pub r: [u8; 32],
    /// Its second half, the lower one of the two that are possible (EIP-2).
    pub s: [u8; 32],
    /// The parity of the point's y.
    pub y_parity: bool,
}

impl Account {
    /// The account at `m/44'/60'/0'/0/index` ([BIP-44](https://github.com/bitcoin/bips/blob/master/bip-0044.mediawiki)), where wallets of
    /// every make find it.
    ///
    /// # Errors
    /// [`AccountError::Index`].
    pub fn from_seed(seed: &WalletSeed, index: u32) -> Result<Self, AccountError> {
        let path = [(44, true), (60, true), (0, true), (0, false), (index, false)];
        let root = XPrv::new(seed.expose());
        let key =
            path.into_iter().try_fold(root.map_err(|_| AccountError::Index(index))?, |key, (at, hard)| {
                ChildNumber::new(at, hard)
                    .and_then(|at| key.derive_child(at))
                    .map_err(|_| AccountError::Index(index))
            })?;
        Self::from_key(key.private_key().clone())
    }

    /// The account of a secret key.
    ///
    /// # Errors
    /// [`AccountError::Secret`].
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, AccountError> {
        Self::from_key(SigningKey::from_slice(secret).map_err(|_| AccountError::Secret)?)
    }

    fn from_key(key: SigningKey) -> Result<Self, AccountError> {
        let address = address(key.verifying_key()).ok_or(AccountError::Secret)?;
        Ok(Self { key, address })
    }

    /// The account's address.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Signs a hash (RFC 6979).
    ///
    /// # Errors
    /// [`AccountError::Sign`].
    pub fn sign_hash(&self, hash: &[u8; 32]) -> Result<Recoverable, AccountError> {
        let (signature, id) = self.key.sign_prehash_recoverable(hash);
        let (r, s) = signature.split_bytes();
        let signed = Recoverable { r: r.into(), s: s.into(), y_parity: id.is_y_odd() };
        // A fault while signing would give away the key.
        if id.is_x_reduced() || signed.signer(hash) != Some(self.address) {
            return Err(AccountError::Sign);
        }
        Ok(signed)
    }
}

impl Recoverable {
    /// Who signed the hash; `None` for no valid signature.
    pub fn signer(&self, hash: &[u8; 32]) -> Option<Address> {
        let signature = Signature::from_scalars(self.r, self.s).ok()?;
        let id = RecoveryId::new(self.y_parity, false);
        address(&VerifyingKey::recover_from_prehash(hash, &signature, id).ok()?)
    }
}

fn address(key: &VerifyingKey) -> Option<Address> {
    let point = key.to_sec1_point(false);
    let hash = keccak256(point.as_bytes().get(1..)?);
    hash.last_chunk().copied().map(Address)
}

/// A transaction of [EIP-1559](https://eips.ethereum.org/EIPS/eip-1559), without an access list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eip1559 {
    /// The chain.
    pub chain_id: u64,
    /// How many the sender sent before.
    pub nonce: u64,
    /// Wei for a unit of gas to whoever makes the block.
    pub max_priority_fee_per_gas: U256,
    /// Wei for a unit of gas in all.
    pub max_fee_per_gas: U256,
    /// Units of gas at most.
    pub gas_limit: u64,
    /// The called contract; `None` creates one.
    pub to: Option<Address>,
    /// Wei.
    pub value: U256,
    /// Calldata, or creation code.
    pub data: Vec<u8>,
}

/// The type's byte (EIP-2718).
const TYPE: u8 = 2;

impl Eip1559 {
    /// `0x02 || rlp([fields, signature])`; unsigned it is what is hashed and signed.
    fn encode(&self, signature: Option<&Recoverable>) -> Vec<u8> {
        let mut payload = Vec::with_capacity(self.data.len() + 256);
        self.chain_id.encode(&mut payload);
        self.nonce.encode(&mut payload);
        self.max_priority_fee_per_gas.encode(&mut payload);
        self.max_fee_per_gas.encode(&mut payload);
        self.gas_limit.encode(&mut payload);
        match self.to {
            Some(to) => to.0.encode(&mut payload),
            None => payload.put_u8(alloy_rlp::EMPTY_STRING_CODE),
        }
        self.value.encode(&mut payload);
        self.data.as_slice().encode(&mut payload);
        payload.put_u8(alloy_rlp::EMPTY_LIST_CODE);
        if let Some(signature) = signature {
            signature.y_parity.encode(&mut payload);
            U256::from_be_bytes(signature.r).encode(&mut payload);
            U256::from_be_bytes(signature.s).encode(&mut payload);
        }
        let mut out = Vec::with_capacity(payload.len() + 10);
        out.push(TYPE);
        Header { list: true, payload_length: payload.len() }.encode(&mut out);
        out.extend_from_slice(&payload);
        out
    }

    /// What the sender signs.
    pub fn signing_hash(&self) -> [u8; 32] {
        keccak256(self.encode(None)).0
    }

    /// The transaction as `eth_sendRawTransaction` takes it, and its hash.
    ///
    /// # Errors
    /// [`AccountError::Sign`].
    pub fn sign(&self, account: &Account) -> Result<(Vec<u8>, [u8; 32]), AccountError> {
        let signature = account.sign_hash(&self.signing_hash())?;
        let raw = self.encode(Some(&signature));
        let hash = keccak256(&raw).0;
        Ok((raw, hash))
    }
}

sol! {
    struct Authorization {
        uint256 transactionIntentDigest;
        uint256 blindingFactor;
    }
}

/// What a wallet signs for `EcdsaAuthVerifier`: the EIP-712 hash of `Authorization(digest, blinding)` in the verifier's domain.
pub fn authorization_hash(chain_id: u32, verifier: Address, digest: &Fr, blinding: &Fr) -> [u8; 32] {
    let domain = Eip712Domain::new(
        Some("Tacit shielded pool".into()),
        Some("1".into()),
        Some(U256::from(chain_id)),
        Some(to_eth(verifier)),
        None,
    );
    Authorization { transactionIntentDigest: word(digest), blindingFactor: word(blinding) }
        .eip712_signing_hash(&domain)
        .0
}

/// The auth proof for `EcdsaAuthVerifier`: `abi.encode(blindingFactor, r, s, v)`, 128 bytes.
///
/// # Errors
/// [`AccountError::Sign`].
pub fn ecdsa_authorization(
    account: &Account,
    chain_id: u32,
    verifier: Address,
    digest: &Fr,
    blinding: &Fr,
) -> Result<Vec<u8>, AccountError> {
    let Recoverable { r, s, y_parity } =
        account.sign_hash(&authorization_hash(chain_id, verifier, digest, blinding))?;
    let v = U256::from(27 + u64::from(y_parity));
    Ok((word(blinding), U256::from_be_bytes(r), U256::from_be_bytes(s), v).abi_encode_params())
}
