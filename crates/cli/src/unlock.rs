//! What unlocks a service's keys, wherever it is given: options, environment, a service manager's credentials, the configuration, the terminal.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use tacit_vault::{Unlock, protection};
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};

/// A passphrase in a file named by this variable.
const PASSPHRASE_FILE: &str = "TACIT_PASSPHRASE_FILE";
/// Where systemd puts credentials (`LoadCredential=`), and what ours are called there.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
const PASSPHRASE_CREDENTIAL: &str = "tacit-passphrase";
const KEY_CREDENTIAL: &str = "tacit-key";

/// Options of every verb that opens a service's keys.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct UnlockOptions {
    /// The keys are encrypted under the passphrase in this file
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    pub passphrase_file: Option<PathBuf>,
    /// The keys are encrypted under the key in this file (32 random bytes), outside of the folder
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

/// The files that a configuration names.
#[derive(Debug, Clone, Default)]
pub struct Configured<'a> {
    pub passphrase_file: Option<&'a Path>,
    pub key_file: Option<&'a Path>,
}

impl UnlockOptions {
    /// What is given by option, environment, credential or configuration, in this order; [`Unlock::Unencrypted`] if nothing is.
    pub fn given(&self, dir: &Path, configured: &Configured<'_>) -> Outcome<Unlock> {
        if self.passphrase_file.is_some() || self.key_file.is_some() {
            return Ok(Unlock::from_files(self.passphrase_file.as_deref(), self.key_file.as_deref(), dir)?);
        }
        if let Some(path) = std::env::var_os(PASSPHRASE_FILE) {
            return Ok(Unlock::from_files(Some(Path::new(&path)), None, dir)?);
        }
        if let Some(credentials) = std::env::var_os(CREDENTIALS).map(PathBuf::from) {
            let (passphrase, key) =
                (credentials.join(PASSPHRASE_CREDENTIAL), credentials.join(KEY_CREDENTIAL));
            if passphrase.exists() {
                return Ok(Unlock::from_files(Some(&passphrase), None, dir)?);
            }
            if key.exists() {
                return Ok(Unlock::from_files(None, Some(&key), dir)?);
            }
        }
        Ok(Unlock::from_files(configured.passphrase_file, configured.key_file, dir)?)
    }

    /// What opens the keys in `dir`: what is given, else a passphrase that is asked for, if the keys need one and there is somebody to ask.
    pub fn open(&self, dir: &Path, configured: &Configured<'_>) -> Outcome<Unlock> {
        let given = self.given(dir, configured)?;
        let needs = if dir.exists() { protection::method_of(dir)? } else { None };
        if !given.is_some() && needs == Some("passphrase") && std::io::stdin().is_terminal() {
            return ask(&format!("Passphrase of {}", dir.display()));
        }
        Ok(given)
    }

    /// What a new directory's keys are to be encrypted under: a key file that is missing is made; without a file the terminal is asked, twice.
    pub fn choose(&self, dir: &Path, unencrypted: bool) -> Outcome<Unlock> {
        if unencrypted {
            return Ok(Unlock::Unencrypted);
        }
        if let Some(path) = &self.key_file {
            return Ok(Unlock::from_new_key_file(path, dir)?);
        }
        let given = self.given(dir, &Configured::default())?;
        if given.is_some() {
            return Ok(given);
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::new(
                "say how the keys are encrypted: --passphrase-file FILE, --key-file FILE (made if it is missing), or --unencrypted; there is no terminal to ask \
                 for a passphrase",
            ));
        }
        ask_twice()
    }
}

/// Asks for a new passphrase.
pub fn ask_twice() -> Outcome<Unlock> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            "name the file with the new passphrase or key: there is no terminal to ask",
        ));
    }
    let first = ask("New passphrase for the keys")?;
    let second = ask("The same again")?;
    match (&first, &second) {
        (Unlock::Passphrase(a), Unlock::Passphrase(b)) if a == b => Ok(first),
        _ => Err(Failure::new("the two passphrases differ; nothing was written")),
    }
}

/// Asks for a passphrase at the terminal, without showing it.
fn ask(prompt: &str) -> Outcome<Unlock> {
    let terminal = console::Term::stderr();
    terminal.write_str(&format!("{prompt}: "))?;
    let text = Zeroizing::new(terminal.read_secure_line()?);
    if text.is_empty() {
        return Err(Failure::new("no passphrase was given"));
    }
    Ok(Unlock::passphrase(text.as_bytes()))
}
