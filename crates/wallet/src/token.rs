//! Amounts as people write them, in whole coins of a token.

use serde::{Deserialize, Serialize};
use tacit_chain::pool::TokenInfo;
use tacit_pool::{Address, Amount};

/// A token as its contract describes itself, which is to be trusted as little as the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its contract; zero for ether.
    pub address: Address,
    /// What it calls itself.
    pub symbol: String,
    /// Places after the point.
    pub decimals: u8,
}

/// A token as wallet.toml describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfiguredToken {
    /// Its contract.
    pub address: Address,
    /// What the owner calls it.
    pub symbol: String,
    /// Places after the point.
    pub decimals: u8,
}

impl From<&ConfiguredToken> for Token {
    fn from(token: &ConfiguredToken) -> Self {
        Self { address: token.address, symbol: token.symbol.clone(), decimals: token.decimals }
    }
}

/// Why a text is no amount of a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmountError {
    /// No number.
    #[error(
        "{text:?} is no amount of {symbol}: write whole coins, with at most {decimals} places after the point, as in 1.5"
    )]
    Form {
        /// The text.
        text: String,
        /// Of which token.
        symbol: String,
        /// Places that the token has.
        decimals: u8,
    },
    /// More than a note can hold.
    #[error("{0} is more than a note can hold")]
    TooMuch(String),
}

impl Token {
    /// Ether.
    pub fn ether() -> Self {
        Self { address: Address::ZERO, symbol: "ETH".to_owned(), decimals: 18 }
    }

    /// A token as its contract describes itself.
    pub fn described(address: Address, info: TokenInfo) -> Self {
        Self { address, symbol: info.symbol, decimals: info.decimals }
    }

    /// A token that does not say what it is, in its smallest unit.
    pub fn unknown(address: Address) -> Self {
        Self { address, symbol: format!("units of {address}"), decimals: 0 }
    }

    /// Reads an amount in whole coins.
    ///
    /// # Errors
    /// [`AmountError`]; nothing is rounded.
    pub fn amount(&self, text: &str) -> Result<Amount, AmountError> {
        let form = || AmountError::Form {
            text: text.chars().take(80).collect(),
            symbol: self.symbol.clone(),
            decimals: self.decimals,
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let places = usize::from(self.decimals);
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let point = text.contains('.');
        if whole.is_empty()
            || !digits(whole)
            || !digits(fraction)
            || fraction.len() > places
            || point && fraction.is_empty()
        {
            return Err(form());
        }
        let units = format!("{whole}{fraction:0<places$}");
        let units = units.trim_start_matches('0');
        let units = if units.is_empty() { "0" } else { units };
        units.parse().map_err(|_| AmountError::TooMuch(text.chars().take(80).collect()))
    }

    /// An amount in whole coins, without needless zeros.
    pub fn text(&self, amount: Amount) -> String {
        let places = usize::from(self.decimals);
        let units = format!("{:0>width$}", amount.to_string(), width = places + 1);
        let (whole, fraction) = units.split_at(units.len() - places);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{whole}{point}{fraction} {}", self.symbol)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn amounts_are_read_as_they_are_written() {
        let ether = Token::ether();
        for (text, units, shown) in [
            ("1.5", "1500000000000000000", "1.5 ETH"),
            ("0", "0", "0 ETH"),
            ("007", "7000000000000000000", "7 ETH"),
            ("0.000000000000000001", "1", "0.000000000000000001 ETH"),
            ("120", "120000000000000000000", "120 ETH"),
        ] {
            let amount = ether.amount(text).unwrap();
            assert_eq!((amount.to_string().as_str(), ether.text(amount).as_str()), (units, shown), "{text}");
        }
        let coin = Token { decimals: 0, ..Token::ether() };
        assert_eq!(coin.text(coin.amount("12").unwrap()), "12 ETH");
    }

    #[test]
    fn what_is_no_amount_is_refused_and_nothing_is_rounded() {
        let ether = Token::ether();
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            " 1",
            "1.5.5",
            "0x1",
            "0.0000000000000000001",
            "١",
        ] {
            assert!(matches!(ether.amount(text), Err(AmountError::Form { .. })), "{text:?}");
        }
        let much = "9".repeat(70);
        assert!(matches!(ether.amount(&much), Err(AmountError::TooMuch(_))));
        let coin = Token { decimals: 0, ..Token::ether() };
        assert!(coin.amount("1.0").is_err());
    }
}
