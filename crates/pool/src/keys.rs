//! A wallet's keys, from one seed phrase (BIP-39).
//!
//! A key is `BLAKE3 derive_key(context of its purpose)` over `seed (64 bytes) || chain id (u32) || pool (20 bytes) || account (u32) ||
//! number (u32)`, integers little-endian, 64 bytes of output for a field element and 32 for a seed. Contexts name purposes, so that no two kinds
//! of key are ever the same bytes. The [`Place`] is in every key, so that two pools under one phrase share nothing by which somebody who sees
//! both could tell that they are one person's. `number` is what can be replaced: the rotation epoch of a seed or of a note data key, the
//! number of a credential. The `ownerNullifierKey` has none: the registry never lets it change.
//!
//! Two things are drawn at random instead and kept in the stored wallet: registration blinders ([`crate::Policy::new`]) and XMSS keys
//! ([`crate::xmss::StoredKey`]), whose used indices no phrase knows.

use std::fmt;

use bip39::{Language, Mnemonic};
use rand_core::CryptoRng;
use tacit_algebra::field;
use tacit_wire::SealingKeyPair;
use zeroize::{Zeroize, Zeroizing};

use crate::delivery::Place;
use crate::eddsa;
use crate::hash::Fr;
use crate::orders::signature::OrderKey;
use crate::value::SecretField;

/// 24 words of BIP-39's English list. Wiped when dropped, never printed.
pub struct SeedPhrase(Mnemonic);

/// Why words are no seed phrase. Never says which words were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeedPhraseError {
    /// Another number of words than BIP-39 allows.
    #[error("a seed phrase has 12, 15, 18, 21 or 24 words, got {0}")]
    WordCount(usize),
    /// A word that is not in the list.
    #[error("word {0} is not in BIP-39's English list: check its spelling")]
    UnknownWord(usize),
    /// The last word does not fit the others.
    #[error("the words do not belong together: one is wrong, or two are swapped")]
    Checksum,
    /// Anything else.
    #[error("not a seed phrase")]
    Other,
}

impl SeedPhrase {
    /// A fresh phrase of 24 words.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Result<Self, SeedPhraseError> {
        let mut entropy = Zeroizing::new([0; 32]);
        rng.fill_bytes(entropy.as_mut_slice());
        Mnemonic::from_entropy_in(Language::English, entropy.as_slice())
            .map(Self)
            .map_err(|_| SeedPhraseError::Other)
    }

    /// Reads words.
    ///
    /// # Errors
    /// [`SeedPhraseError`].
    pub fn parse(words: &str) -> Result<Self, SeedPhraseError> {
        Mnemonic::parse_in(Language::English, words).map(Self).map_err(|error| match error {
            bip39::Error::BadWordCount(count) => SeedPhraseError::WordCount(count),
            bip39::Error::UnknownWord(at) => SeedPhraseError::UnknownWord(at + 1),
            bip39::Error::InvalidChecksum => SeedPhraseError::Checksum,
            _ => SeedPhraseError::Other,
        })
    }

    /// The words, to be written down.
    pub fn words(&self) -> Zeroizing<String> {
        // Room for the longest words: the text must not grow and leave copies behind.
        let mut words = Zeroizing::new(String::with_capacity(24 * 9));
        for word in self.0.words() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(word);
        }
        words
    }

    /// The seed that all keys come from; another passphrase is another wallet.
    pub fn seed(&self, passphrase: &str) -> WalletSeed {
        WalletSeed(Zeroizing::new(self.0.to_seed(passphrase)))
    }
}

impl Drop for SeedPhrase {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SeedPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeedPhrase(hidden)")
    }
}

/// BIP-39's 64-byte seed, from which every key is derived. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct WalletSeed(Zeroizing<[u8; 64]>);

impl fmt::Debug for WalletSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WalletSeed(hidden)")
    }
}

impl WalletSeed {
    /// The seed of BIP-39, when it was kept instead of the phrase.
    pub fn from_bytes(bytes: &[u8; 64]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// The seed, to be kept where only its owner reads it. Ethereum keys (BIP-32) come from it as well.
    pub fn expose(&self) -> &[u8; 64] {
        &self.0
    }

    fn derive<const N: usize>(
        &self,
        context: &str,
        place: Place,
        account: u32,
        number: u32,
    ) -> Zeroizing<[u8; N]> {
        let mut out = Zeroizing::new([0; N]);
        blake3::Hasher::new_derive_key(context)
            .update(self.0.as_slice())
            .update(&place.encode())
            .update(&account.to_le_bytes())
            .update(&number.to_le_bytes())
            .finalize_xof()
            .fill(out.as_mut_slice());
        out
    }

    fn field(&self, context: &str, place: Place, account: u32, number: u32) -> SecretField {
        let wide = self.derive::<64>(context, place, account, number);
        let mut value: Fr = field::from_uniform_bytes(wide.as_slice());
        let secret = SecretField::new(value);
        value.zeroize();
        secret
    }

    /// `ownerNullifierKey`: permanent.
    pub fn owner_nullifier_key(&self, place: Place, account: u32) -> SecretField {
        self.field("tacit v1 pool owner nullifier key", place, account, 0)
    }

    /// `noteSecretSeed` of a rotation epoch.
    pub fn note_secret_seed(&self, place: Place, account: u32, epoch: u32) -> SecretField {
        self.field("tacit v1 pool note secret seed", place, account, epoch)
    }

    /// The key to which others seal note data, of a rotation epoch.
    ///
    /// # Errors
    /// As the sealing key's derivation: none for any seed that is known.
    pub fn note_data_key(
        &self,
        place: Place,
        account: u32,
        epoch: u32,
    ) -> Result<SealingKeyPair, tacit_wire::SealError> {
        SealingKeyPair::from_seed(&self.derive("tacit v1 pool note data key", place, account, epoch))
    }

    /// An EdDSA credential; `None` for a seed that nobody will ever see.
    pub fn eddsa(&self, place: Place, account: u32, number: u32) -> Option<eddsa::SigningKey> {
        eddsa::SigningKey::from_seed(&self.derive("tacit v1 pool eddsa key", place, account, number))
    }

    /// The key to which requests for a prover are sealed, by its number.
    ///
    /// # Errors
    /// As [`Self::note_data_key`].
    pub fn prover_key(
        &self,
        place: Place,
        account: u32,
        number: u32,
    ) -> Result<SealingKeyPair, tacit_wire::SealError> {
        SealingKeyPair::from_seed(&self.derive("tacit v1 pool prover key", place, account, number))
    }

    /// The key that signs orders. An order names one place anyway, and orders are shown around: one key for two pools would tell everybody
    /// who sees orders of both that an owner, or a prover that did not say so, is the same in each.
    pub fn order_key(&self, place: Place, account: u32) -> OrderKey {
        OrderKey::from_seeds(
            &self.derive("tacit v1 pool order key ed25519", place, account, 0),
            &self.derive("tacit v1 pool order key ml-dsa-65", place, account, 0),
        )
    }
}
