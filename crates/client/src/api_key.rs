//! The API key that a coordinator asks for, where it does.
//!
//! It comes from the file that `network.toml` names, or from the environment; it is shown by nothing and erased when it
//! is dropped.

use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

/// The environment variable with a key, for where no file is named.
pub const ENVIRONMENT: &str = "TACIT_API_KEY";

/// A longer file holds no key.
const LONGEST: u64 = 4096;

/// An API key.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Zeroizing<String>);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

impl ApiKey {
    /// Checks that a text can be a key; blanks around it are not part of it.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if text.is_empty() || !plain || !text.starts_with("tacit_") {
            return Err("an API key is one word that begins with tacit_".to_owned());
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Reads a file that holds nothing else.
    ///
    /// # Errors
    /// When it cannot be read, or holds no key.
    pub fn read(path: &Path) -> Result<Self, String> {
        let named = |problem: String| format!("API key file {}: {problem}", path.display());
        let size = std::fs::metadata(path).map_err(|e| named(e.to_string()))?.len();
        if size > LONGEST {
            return Err(named(format!("{size} bytes are too many for a key")));
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| named(e.to_string()))?);
        Self::parse(&text).map_err(named)
    }

    /// The key of the file, or else of the environment.
    ///
    /// # Errors
    /// When there is one that is none.
    pub fn find(file: Option<&Path>) -> Result<Option<Self>, String> {
        if let Some(file) = file {
            return Self::read(file).map(Some);
        }
        match std::env::var(ENVIRONMENT).map(Zeroizing::new) {
            Ok(text) if !text.is_empty() => {
                Self::parse(&text).map(Some).map_err(|problem| format!("{ENVIRONMENT}: {problem}"))
            }
            _ => Ok(None),
        }
    }

    /// What is sent.
    pub(crate) fn header(&self) -> Option<reqwest::header::HeaderValue> {
        let text = Zeroizing::new(format!("Bearer {}", self.0.as_str()));
        let mut value = reqwest::header::HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_read_and_never_shown() {
        let secret = format!("tacit_{}", "5a".repeat(32));
        let folder = std::env::temp_dir().join(format!("tacit-key-{}", std::process::id()));
        std::fs::write(&folder, format!("  {secret}\n")).unwrap();
        let key = ApiKey::read(&folder).unwrap();
        assert_eq!(key, ApiKey::parse(&secret).unwrap());
        assert!(!format!("{key:?} {:?}", key.header().unwrap()).contains("5a5a"));
        std::fs::write(&folder, "hunter2 hunter2").unwrap();
        let error = ApiKey::read(&folder).unwrap_err();
        assert!(error.contains("begins with tacit_") && !error.contains("hunter2"), "{error}");
        std::fs::remove_file(&folder).unwrap();
        assert!(ApiKey::read(&folder).unwrap_err().contains("API key file"));
    }
}
