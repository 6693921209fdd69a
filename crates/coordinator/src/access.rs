//! Who may use the API: everybody, or whoever has a key.
//!
//! A key is 32 random bytes, shown once when it is made. The database keeps a digest of it, under which it is looked up:
//! how long that takes tells nothing about any key, because nobody can choose a digest. Keys have 256 bits, so that a
//! fast digest without a salt is as good as a slow one.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::error::CoordinatorError;
use crate::served;
use crate::store::{Database, Store};

/// What every key begins with: for people and for programs that look for leaked secrets.
pub const PREFIX: &str = "tacit_";

/// Separates these digests from all others of the same function.
const CONTEXT: &str = "tacit 2026 v1 API key";

/// The longest name of a key.
const LONGEST_NAME: usize = 64;

/// Whether clients need a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Whoever reaches the API may use all of it.
    Open,
    /// Only who has a key.
    Keys,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(i64)]
pub enum Role {
    /// Submits jobs and sees its own.
    Client = 0,
    /// Sees everything.
    Operator = 1,
}

impl Role {
    /// As the database has it.
    pub(crate) fn from_code(code: i64) -> Option<Self> {
        [Self::Client, Self::Operator].into_iter().find(|r| *r as i64 == code)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Operator => "operator",
        })
    }
}

/// A key as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// Its number in the database.
    #[serde(skip)]
    pub id: i64,
    /// What its operator calls it.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// When it was made, in Unix seconds.
    pub created: u64,
    /// When it was revoked, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<u64>,
}

/// A key in the clear. Shown once, never kept.
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, CoordinatorError> {
        use rand::Rng as _;
        let mut bytes = Zeroizing::new([0u8; 32]);
        tacit_vault::identity::system_rng()?.fill_bytes(bytes.as_mut_slice());
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 64));
        text.push_str(PREFIX);
        for byte in bytes.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
        }
        Ok(Self(text))
    }

    /// The text that its holder sends.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// The digest under which a key is kept.
pub fn digest(key: &str) -> [u8; 32] {
    blake3::derive_key(CONTEXT, key.as_bytes())
}

/// The database of a configuration, beside a coordinator that may be running: the one that it serves, as it made it.
async fn store(config: &Config) -> Result<Store, CoordinatorError> {
    let database = Database::of(config);
    served::check(&config.data_dir, &database)?;
    Ok(Store::open_existing(&database).await?)
}

/// Which database the functions here act on, without its password.
pub fn database(config: &Config) -> String {
    Database::of(config).to_string()
}

/// Makes a key and returns it: nobody can show it again.
///
/// # Errors
/// When the name is taken or is none.
pub async fn add_key(config: &Config, name: &str, role: Role, now: u64) -> Result<ApiKey, CoordinatorError> {
    if name.is_empty()
        || name.len() > LONGEST_NAME
        || name.trim() != name
        || name.chars().any(char::is_control)
    {
        return Err(CoordinatorError::Key(format!(
            "a key's name has 1 to {LONGEST_NAME} bytes, no control characters and no blanks around it"
        )));
    }
    let key = ApiKey::generate()?;
    let store = store(config).await?;
    let now = store.time().await?.unwrap_or(now);
    let added = store.add_key(name, role, &digest(key.reveal()), now).await?;
    store.close().await;
    if !added {
        let problem = format!(
            "there is, or was, a key called {name:?}; names are not used again, so that logs stay clear"
        );
        return Err(CoordinatorError::Key(problem));
    }
    Ok(key)
}

/// All keys, oldest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn keys(config: &Config) -> Result<Vec<KeyInfo>, CoordinatorError> {
    let store = store(config).await?;
    let keys = store.keys().await?;
    store.close().await;
    Ok(keys)
}

/// Revokes a key: the next request with it is refused. Its jobs go on, and only operators see them.
///
/// # Errors
/// When there is no such key.
pub async fn revoke_key(config: &Config, name: &str, now: u64) -> Result<(), CoordinatorError> {
    let store = store(config).await?;
    let now = store.time().await?.unwrap_or(now);
    let revoked = store.revoke_key(name, now).await?;
    store.close().await;
    if !revoked {
        return Err(CoordinatorError::Key(format!(
            "there is no key called {name:?} that is not revoked already"
        )));
    }
    Ok(())
}

/// Whether clients need a key; refuses what looks like a mistake.
///
/// # Errors
/// When the API would be open to a network and nobody said that this is meant.
pub fn decide(config: &Config) -> Result<Access, CoordinatorError> {
    let local = config.http_listen.ip().is_loopback();
    match config.access {
        None if local => Ok(Access::Open),
        None | Some(Access::Keys) => Ok(Access::Keys),
        Some(Access::Open) if local || config.open_to_everybody => Ok(Access::Open),
        Some(Access::Open) => Err(CoordinatorError::Config(format!(
            "access is \"open\" and clients are listened for on {}, which is not this machine alone: whoever reaches that \
             address could submit jobs, see everybody's and fill the disk. Give clients keys (access = \"keys\", then \
             `tacit coordinator key add NAME`), listen on 127.0.0.1, or write open_to_everybody = true if that is what \
             you mean",
            config.http_listen
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_long_and_shown_by_nothing_but_their_name() {
        let (a, b) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        assert_eq!(a.reveal().len(), PREFIX.len() + 64);
        assert_ne!(a.reveal(), b.reveal());
        assert_ne!(digest(a.reveal()), digest(b.reveal()));
        assert_eq!(format!("{a:?}"), "ApiKey(..)");
    }

    #[test]
    fn an_address_that_others_reach_is_open_only_by_an_explicit_word() {
        let mut config = Config::new("/x");
        assert_eq!(decide(&config).unwrap(), Access::Open);
        config.http_listen = "0.0.0.0:7443".parse().unwrap();
        assert_eq!(decide(&config).unwrap(), Access::Keys);
        config.access = Some(Access::Open);
        assert!(decide(&config).unwrap_err().to_string().contains("open_to_everybody"));
        config.open_to_everybody = true;
        assert_eq!(decide(&config).unwrap(), Access::Open);
        config.http_listen = "[::1]:7443".parse().unwrap();
        config.access = Some(Access::Keys);
        assert_eq!(decide(&config).unwrap(), Access::Keys);
    }
}
