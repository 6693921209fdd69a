//! Sending transactions: try first, sign once, hand in the same bytes as often as needed, wait.
//!
//! [`prepare`] signs and sends nothing. Whoever must not pay twice keeps the [`Signed`] on disk before [`submit`]; after a crash it
//! submits the same bytes again, which is the same transaction.
//!
//! Nothing is signed anew for a higher fee: of a transaction with several versions nobody could say which one counts. Instead the first and only
//! version offers much. [EIP-1559](https://eips.ethereum.org/EIPS/eip-1559) takes no more than the block's base fee and the tip, whatever is offered.
//!
//! The chain that is signed for is the caller's to say, never the node's: a node that says another id, by mistake or so as to have a
//! transaction signed for a chain where it is worth more, gets nothing.

use std::time::Duration;

use alloy_primitives::U256;
use tacit_pool::Address;
use tokio::time::Instant;

use crate::abi::Call;
use crate::account::{Account, AccountError, Eip1559};
use crate::revert::Revert;
use crate::rpc::{At, CallParams, Receipt, Rpc, RpcError};

/// How often a receipt is asked for.
const POLL: Duration = Duration::from_millis(500);
/// After how many polls without a receipt the transaction is handed in again: nodes forget.
const RESEND: u32 = 20;
/// What is added to an estimate of gas, in percent: other transactions come first and change what a call costs.
const GAS_MARGIN: u64 = 25;
/// So many times the base fee is offered in any case: that outlasts six full blocks, after each of which it may be an eighth more.
const LEAST_GROWTH: u64 = 2;
/// And so many times where the account has the money: 35 full blocks.
const MOST_GROWTH: u64 = 64;
/// Wei that a transaction may cost at the highest price without being refused by nodes, some of which take none above one ether.
const NODES_CAP: u64 = 900_000_000_000_000_000;
/// The tip is taken from the node without a question up to this, in wei for a unit of gas, or up to the base fee if that is more.
const PLAIN_TIP: u64 = 2_000_000_000;

/// Why a transaction was not sent, or has no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The node gave no usable answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The node is on another chain than the caller. Nothing was signed.
    #[error(
        "the node at {host} is on chain {got}, the transaction is for chain {expected}: nothing was signed. Ask a node of \
         chain {expected}"
    )]
    OtherChain {
        /// The node.
        host: String,
        /// The caller's chain.
        expected: u64,
        /// What the node says.
        got: u64,
    },
    /// The call would revert. Nothing was sent.
    #[error("the call would fail, nothing was sent: {0}")]
    Revert(Revert),
    /// Gas costs more than the caller allowed. Nothing was sent.
    #[error(
        "a unit of gas costs {} gwei now, more than the {} that are allowed: wait, or allow more",
        units(.needed, GWEI), units(.cap, GWEI)
    )]
    Fee {
        /// The base fee and the least tip.
        needed: U256,
        /// The caller's limit.
        cap: U256,
    },
    /// The account cannot pay. Nothing was sent.
    #[error("the account {address} has {} ETH and needs up to {}: send it some", units(.has, ETHER), units(.needs, ETHER))]
    Funds {
        /// The account.
        address: Address,
        /// What it has.
        has: U256,
        /// The call's value and all of its gas at the least price that is offered.
        needs: U256,
    },
    /// The account could not sign.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Another transaction took its nonce.
    #[error(
        "the transaction 0x{} was replaced: another one of the same account with nonce {nonce} is on the chain",
        hex::encode(.hash)
    )]
    Replaced {
        /// The transaction that will never be on the chain.
        hash: [u8; 32],
        /// Its nonce.
        nonce: u64,
    },
    /// Not on the chain in time; it may still get there.
    #[error(
        "the transaction 0x{} is not on the chain after {} s. It stays valid and gets there when fees allow; until then later \
         transactions of the account wait behind it (its nonce is {nonce})",
        hex::encode(.hash), .after.as_secs()
    )]
    Pending {
        /// The transaction.
        hash: [u8; 32],
        /// Its nonce.
        nonce: u64,
        /// How long it was waited for.
        after: Duration,
    },
}

/// How to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendOptions {
    /// The most that a unit of gas may cost, in wei.
    pub max_fee_per_gas: U256,
    /// What whoever makes the block gets for a unit of gas, in wei; `None` takes the median of what others paid lately, at most 2 gwei or
    /// the base fee, whichever is more: what others paid is the node's word, and nobody has to tip more than the gas itself costs.
    pub priority_fee_per_gas: Option<U256>,
    /// Units of gas; `None` estimates and adds a quarter.
    pub gas_limit: Option<u64>,
    /// The nonce; `None` takes the next one, after those that wait in the node's pool.
    pub nonce: Option<u64>,
    /// How many transactions of the account may wait at a time: beyond twice the base fee and the tip each offers no more than leaves as much to each of the others, for nodes
    /// want the highest price of all to be there.
    pub at_a_time: u32,
}

impl Default for SendOptions {
    /// At most 300 gwei for a unit of gas; all else as the chain has it.
    fn default() -> Self {
        Self {
            max_fee_per_gas: U256::from(300_000_000_000u64),
            priority_fee_per_gas: None,
            gas_limit: None,
            nonce: None,
            at_a_time: 4,
        }
    }
}

/// A signed transaction: whoever has its bytes can send it, and it counts once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Its hash.
    pub hash: [u8; 32],
    /// The bytes for `eth_sendRawTransaction`.
    pub raw: Vec<u8>,
    /// The sender.
    pub from: Address,
    /// Its nonce.
    pub nonce: u64,
}

/// Tries a call at the newest block, and says the gas that it needs.
///
/// # Errors
/// [`SendError::Revert`] with the contract's reason, or [`SendError::Rpc`].
pub async fn simulate(rpc: &Rpc, from: Address, call: &Call) -> Result<u64, SendError> {
    try_out(rpc, &CallParams { from: Some(from), to: Some(call.to), value: call.value, data: &call.data })
        .await
}

async fn try_out(rpc: &Rpc, call: &CallParams<'_>) -> Result<u64, SendError> {
    let error = match rpc.estimate_gas(call).await {
        Ok(gas) => return Ok(gas),
        Err(error) => error,
    };
    match &error {
        RpcError::Node { data: Some(data), .. } => Err(SendError::Revert(Revert::decode(data))),
        // Some nodes say the reason of a call only, not of an estimate.
        RpcError::Node { message, .. } => match rpc.call(call, At::Latest).await {
            Err(RpcError::Node { data: Some(data), .. }) => Err(SendError::Revert(Revert::decode(&data))),
            Err(RpcError::Node { .. }) if message.to_ascii_lowercase().contains("revert") => {
                Err(SendError::Revert(Revert::Empty))
            }
            _ => Err(error.into()),
        },
        _ => Err(error.into()),
    }
}

/// Tries the call, sets fees and nonce, and signs for the chain `chain_id`. Sends nothing.
///
/// # Errors
/// [`SendError`].
pub async fn prepare(
    rpc: &Rpc,
    account: &Account,
    chain_id: u64,
    call: &Call,
    options: &SendOptions,
) -> Result<Signed, SendError> {
    prepare_any(rpc, account, chain_id, &params(account, call), options).await
}

fn params<'a>(account: &Account, call: &'a Call) -> CallParams<'a> {
    CallParams { from: Some(account.address()), to: Some(call.to), value: call.value, data: &call.data }
}

/// Whether the node is on the chain for which something is to be signed.
///
/// # Errors
/// [`SendError::OtherChain`], [`SendError::Rpc`].
pub(crate) async fn on_chain(rpc: &Rpc, expected: u64) -> Result<(), SendError> {
    let got = rpc.chain_id().await?;
    if got == expected {
        Ok(())
    } else {
        Err(SendError::OtherChain { host: rpc.host().to_owned(), expected, got })
    }
}

pub(crate) async fn prepare_any(
    rpc: &Rpc,
    account: &Account,
    chain_id: u64,
    call: &CallParams<'_>,
    options: &SendOptions,
) -> Result<Signed, SendError> {
    on_chain(rpc, chain_id).await?;
    let from = account.address();
    let gas_limit = match options.gas_limit {
        Some(gas) => gas,
        None => {
            let gas = try_out(rpc, call).await?;
            gas.saturating_add(gas.saturating_mul(GAS_MARGIN) / 100)
        }
    };
    let (base, rewards) = rpc.fees().await?;
    let has = rpc.balance(from, At::Latest).await?;
    let offer = Offer::of(base, rewards, options)?;
    let needs = call.value.saturating_add(offer.least.saturating_mul(U256::from(gas_limit)));
    if has < needs {
        return Err(SendError::Funds { address: from, has, needs });
    }
    let price = offer.price(has.saturating_sub(call.value), gas_limit, options.at_a_time);
    let nonce = match options.nonce {
        Some(nonce) => nonce,
        None => rpc.nonce(from, At::Pending).await?,
    };
    let transaction = Eip1559 {
        chain_id,
        nonce,
        max_priority_fee_per_gas: offer.tip,
        max_fee_per_gas: price,
        gas_limit,
        to: call.to,
        value: call.value,
        data: call.data.to_vec(),
    };
    let (raw, hash) = transaction.sign(account)?;
    Ok(Signed { hash, raw, from, nonce })
}

/// Wei for a unit of gas.
#[derive(Debug, Clone, Copy)]
struct Offer {
    /// To whoever makes the block.
    tip: U256,
    /// In all, for which there must be money.
    least: U256,
    /// In all, if there is.
    most: U256,
}

impl Offer {
    fn of(base: U256, rewards: Vec<U256>, options: &SendOptions) -> Result<Self, SendError> {
        let usual = || median(rewards).min(base.max(U256::from(PLAIN_TIP)));
        let tip = options.priority_fee_per_gas.unwrap_or_else(usual);
        let cap = options.max_fee_per_gas;
        let needed = base.saturating_add(tip);
        if needed > cap {
            return Err(SendError::Fee { needed, cap });
        }
        let [least, most] = [LEAST_GROWTH, MOST_GROWTH]
            .map(|n| base.saturating_mul(U256::from(n)).saturating_add(tip).min(cap));
        Ok(Self { tip, least, most })
    }

    /// What is offered by an account that has so much for gas, where as much is to be left to each of the others: less than `least` never, more than that
    /// only below what nodes take.
    fn price(&self, has: U256, gas_limit: u64, at_a_time: u32) -> U256 {
        let gas = U256::from(gas_limit.max(1));
        let share = has / U256::from(at_a_time.max(1)) / gas;
        self.least.max(share.min(self.most).min(U256::from(NODES_CAP) / gas))
    }
}

/// What a unit of gas has to be worth to the account now: twice the base fee and the tip, within the options.
///
/// # Errors
/// [`SendError::Fee`], [`SendError::Rpc`].
pub async fn least_price(rpc: &Rpc, options: &SendOptions) -> Result<U256, SendError> {
    let (base, rewards) = rpc.fees().await?;
    Ok(Offer::of(base, rewards, options)?.least)
}

/// Decimals of a gwei and of an ether, in wei.
const GWEI: u8 = 9;
const ETHER: u8 = 18;

/// An amount of wei in a larger unit, exactly.
fn units(wei: &U256, decimals: u8) -> String {
    alloy_primitives::utils::format_units(*wei, decimals).map_or_else(
        |_| format!("{wei} wei, or 10^-{decimals} times as many"),
        |text| text.trim_end_matches('0').trim_end_matches('.').to_owned(),
    )
}

fn median(mut fees: Vec<U256>) -> U256 {
    fees.sort_unstable();
    fees.get(fees.len() / 2).copied().unwrap_or_default()
}

/// Hands a signed transaction in. As often as you like: it is the same one.
///
/// # Errors
/// [`SendError::Replaced`] if another transaction has its nonce, else [`SendError::Rpc`].
pub async fn submit(rpc: &Rpc, signed: &Signed) -> Result<(), SendError> {
    let error = match rpc.send_raw(&signed.raw).await {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    // "nonce too low" is also what a node says of a transaction that is on the chain already.
    match &error {
        RpcError::Node { .. } => {
            if rpc.receipt(&signed.hash).await?.is_some() {
                Ok(())
            } else if rpc.nonce(signed.from, At::Latest).await? > signed.nonce {
                Err(SendError::Replaced { hash: signed.hash, nonce: signed.nonce })
            } else {
                Err(error.into())
            }
        }
        _ => Err(error.into()),
    }
}

/// [`prepare`] and [`submit`]: for callers whose transactions do no harm twice.
///
/// # Errors
/// [`SendError`].
pub async fn send(
    rpc: &Rpc,
    account: &Account,
    chain_id: u64,
    call: &Call,
    options: &SendOptions,
) -> Result<Signed, SendError> {
    let signed = prepare(rpc, account, chain_id, call, options).await?;
    submit(rpc, &signed).await?;
    Ok(signed)
}

/// Waits until a transaction is on the chain; hands it in again now and then, as nodes forget. A transaction that reverted has a
/// receipt without success. A reorganisation may take a receipt back: what must not be undone waits for finality.
///
/// # Errors
/// [`SendError::Replaced`], [`SendError::Pending`], or [`SendError::Rpc`] when the node gives no usable answer.
pub async fn wait(rpc: &Rpc, signed: &Signed, timeout: Duration) -> Result<Receipt, SendError> {
    let began = Instant::now();
    let Signed { hash, nonce, .. } = *signed;
    let mut polls = 0u32;
    loop {
        // The count first: if it is beyond the nonce, a receipt that is read afterwards must be there.
        let next = rpc.nonce(signed.from, At::Latest).await?;
        if let Some(receipt) = rpc.receipt(&hash).await? {
            return Ok(receipt);
        }
        if next > nonce && replaced(rpc, signed).await? {
            return Err(SendError::Replaced { hash, nonce });
        }
        if began.elapsed() >= timeout {
            return Err(SendError::Pending { hash, nonce, after: timeout });
        }
        polls += 1;
        if polls.is_multiple_of(RESEND) && next <= nonce {
            submit(rpc, signed).await?;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Whether the nonce stays taken and the receipt stays away: a balanced node may answer from two machines.
async fn replaced(rpc: &Rpc, signed: &Signed) -> Result<bool, SendError> {
    for _ in 0..3 {
        tokio::time::sleep(POLL).await;
        if rpc.receipt(&signed.hash).await?.is_some()
            || rpc.nonce(signed.from, At::Latest).await? <= signed.nonce
        {
            return Ok(false);
        }
    }
    Ok(true)
}
