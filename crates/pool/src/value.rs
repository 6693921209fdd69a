//! Values that have a range of their own: addresses below `2^160`, amounts below `2^248`, and the texts of field elements.

use std::{fmt, str::FromStr};

use ark_ff::{BigInt, BigInteger, PrimeField};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha3::{Digest, Keccak256};
use tacit_algebra::field;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::decimal;
use crate::hash::Fr;

/// Why a text or number is no value of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not `0x` and 40 hexadecimal digits.
    #[error("an address is 0x and 40 hexadecimal digits, got {0:?}")]
    Address(String),
    /// The capital letters are not those of EIP-55.
    #[error("the address {0} is mistyped: its capital letters are not those of EIP-55")]
    Checksum(String),
    /// Not a decimal number below `2^248`.
    #[error("an amount is a decimal number below 2^248, got {0:?}")]
    Amount(String),
    /// Not below the field's order, or no number.
    #[error("a field element is a decimal number below BN254's order, got {0:?}")]
    Field(String),
    /// A number at or above `2^160`.
    #[error("the field element is no address: it is 2^160 or more")]
    AddressRange,
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

/// An Ethereum address. Zero stands for ether where a token is meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(pub [u8; 20]);

impl Address {
    /// Ether as a token; nobody as a recipient.
    pub const ZERO: Self = Self([0; 20]);

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// `uint160(address)` as a field element.
    pub fn to_field(self) -> Fr {
        Fr::from_be_bytes_mod_order(&self.0)
    }

    /// The address that a field element stands for.
    ///
    /// # Errors
    /// [`ValueError::AddressRange`] from `2^160` on.
    pub fn from_field(x: &Fr) -> Result<Self, ValueError> {
        let bytes = field::to_be(x);
        let (high, low) = bytes.split_at_checked(12).ok_or(ValueError::AddressRange)?;
        if high.iter().any(|byte| *byte != 0) {
            return Err(ValueError::AddressRange);
        }
        low.try_into().map(Self).map_err(|_| ValueError::AddressRange)
    }
}

impl fmt::Display for Address {
    /// EIP-55: a letter is a capital where the hash of the digits says so.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hex::encode(self.0);
        let hash = hex::encode(Keccak256::digest(digits.as_bytes()));
        f.write_str("0x")?;
        for (digit, nibble) in digits.chars().zip(hash.chars()) {
            let capital = nibble >= '8';
            write!(f, "{}", if capital { digit.to_ascii_uppercase() } else { digit })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let digits = text.strip_prefix("0x").ok_or_else(|| ValueError::Address(shown(text)))?;
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| ValueError::Address(shown(text)))?;
        let address = Self(bytes);
        let mixed =
            digits.chars().any(|c| c.is_ascii_lowercase()) && digits.chars().any(|c| c.is_ascii_uppercase());
        if mixed && address.to_string() != text {
            return Err(ValueError::Checksum(shown(text)));
        }
        Ok(address)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// An amount of a token's smallest unit, below `2^248` (section 7.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(BigInt<4>);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(BigInt::new([0; 4]));
    /// The largest amount.
    pub const MAX: Self = Self(BigInt::new([u64::MAX, u64::MAX, u64::MAX, u64::MAX >> 8]));

    fn checked(n: BigInt<4>) -> Option<Self> {
        (n <= Self::MAX.0).then_some(Self(n))
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// The sum; `None` from `2^248` on.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let mut sum = self.0;
        // Both are below 2^248, so nothing is carried out of 256 bits.
        sum.add_with_carry(&other.0);
        Self::checked(sum)
    }

    /// The difference; `None` below zero.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let mut difference = self.0;
        let borrowed = difference.sub_with_borrow(&other.0);
        (!borrowed).then_some(Self(difference))
    }

    /// The sum of many; `None` from `2^248` on.
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }

    /// The amount as a field element.
    pub fn to_field(self) -> Fr {
        // 248 bits are below p, which has 254.
        Fr::from_bigint(self.0).unwrap_or_default()
    }

    /// The amount that a field element stands for; `None` from `2^248` on.
    pub fn from_field(x: &Fr) -> Option<Self> {
        Self::checked(x.into_bigint())
    }

    /// 31 bytes, big-endian.
    pub fn to_be_bytes(self) -> [u8; 31] {
        let mut bytes = [0; 31];
        for (to, from) in bytes.iter_mut().zip(self.0.to_bytes_be().iter().skip(1)) {
            *to = *from;
        }
        bytes
    }

    /// From 31 bytes, big-endian: every such number is an amount.
    pub fn from_be_bytes(bytes: &[u8; 31]) -> Self {
        let mut n = BigInt::<4>::zero();
        for byte in bytes {
            n <<= 8;
            n.add_with_carry(&BigInt::from(*byte));
        }
        Self(n)
    }

    /// From an EVM word, big-endian; `None` from `2^248` on.
    pub fn from_word(word: &[u8; 32]) -> Option<Self> {
        let (high, low) = word.split_first()?;
        (*high == 0).then(|| low.try_into().ok().map(Self::from_be_bytes))?
    }
}

impl From<u128> for Amount {
    fn from(n: u128) -> Self {
        Self(BigInt::new([n as u64, (n >> 64) as u64, 0, 0]))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal::text(&self.0))
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Amount {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        decimal::parse(text).and_then(|n| Self::checked(*n)).ok_or_else(|| ValueError::Amount(shown(text)))
    }
}

impl Zeroize for Amount {
    fn zeroize(&mut self) {
        self.0.0.zeroize();
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A field element as circom's files have it: canonical decimal.
pub fn field_text(x: &Fr) -> Zeroizing<String> {
    decimal::text(&Zeroizing::new(x.into_bigint()))
}

fn field_of(text: &str) -> Option<Fr> {
    decimal::parse(text).and_then(|n| Fr::from_bigint(*n))
}

/// Reads what [`field_text`] wrote, and nothing else.
///
/// # Errors
/// [`ValueError::Field`].
pub fn parse_field(text: &str) -> Result<Fr, ValueError> {
    field_of(text).ok_or_else(|| ValueError::Field(shown(text)))
}

/// For `#[serde(with)]`: a field element as its decimal text.
pub mod as_text {
    use super::{Deserialize, Deserializer, Fr, Serializer, de, field_text, parse_field};

    /// Writes the text.
    pub fn serialize<S: Serializer>(x: &Fr, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&field_text(x))
    }

    /// Reads the text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fr, D::Error> {
        parse_field(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// A field element that serde writes as its decimal text, for lists and maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(#[serde(with = "as_text")] pub Fr);

/// A secret field element: wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SecretField(Fr);

impl SecretField {
    /// Takes a secret.
    pub fn new(x: Fr) -> Self {
        Self(x)
    }

    /// The secret, for a formula.
    pub fn expose(&self) -> &Fr {
        &self.0
    }
}

impl fmt::Debug for SecretField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretField(hidden)")
    }
}

impl Serialize for SecretField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&field_text(&self.0))
    }
}

impl<'de> Deserialize<'de> for SecretField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // The error does not repeat the text: it may be most of a secret.
        let mut read =
            field_of(&text).ok_or_else(|| de::Error::custom("a secret field element is not canonical"))?;
        let secret = Self(read);
        read.zeroize();
        Ok(secret)
    }
}
