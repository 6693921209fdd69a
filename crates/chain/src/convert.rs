//! Between the pool's values and those of the ABI. Everything that comes in has its range checked.

use alloy_primitives::U256;
use tacit_algebra::field;
use tacit_pool::transaction::public;
use tacit_pool::{Address, Amount, Fr};

pub(crate) fn word(x: &Fr) -> U256 {
    U256::from_be_bytes(public::word(x))
}

pub(crate) fn to_eth(address: Address) -> alloy_primitives::Address {
    alloy_primitives::Address::from(address.0)
}

pub(crate) fn from_eth(address: alloy_primitives::Address) -> Address {
    Address(address.into_array())
}

/// An amount in wei, or in a token's smallest unit.
pub fn to_wei(amount: Amount) -> U256 {
    U256::from_be_slice(&amount.to_be_bytes())
}

/// The amount of so many wei; `None` from `2^248` on.
pub fn from_wei(wei: U256) -> Option<Amount> {
    Amount::from_word(&wei.to_be_bytes())
}

/// A canonical field element.
pub(crate) fn field_of(x: U256) -> Option<Fr> {
    field::read_be(&x.to_be_bytes::<32>()).ok()
}

pub(crate) fn address_of(x: U256) -> Option<Address> {
    let bytes = x.to_be_bytes::<32>();
    let (high, low) = bytes.split_at_checked(12)?;
    if high.iter().any(|byte| *byte != 0) {
        return None;
    }
    low.try_into().ok().map(Address)
}
