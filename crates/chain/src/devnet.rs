//! A chain of one's own: Foundry's anvil as a process on this machine. For development, demonstrations and tests only: its
//! accounts are known to everybody.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use tacit_pool::SeedPhrase;

use crate::account::Account;
use crate::rpc::{Rpc, RpcError};

/// The phrase of the accounts that anvil and Hardhat fund with 10,000 ether each. Everybody knows it.
pub const PHRASE: &str = "test test test test test test test test test test test junk";
/// Where npm puts anvil (`npm ci --prefix tests`), below the repository's root.
pub const INSTALLED: &str = "tests/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil";
/// How long anvil may take to start.
const START: Duration = Duration::from_secs(60);

/// Why there is no chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevnetError {
    /// The program did not start.
    #[error("anvil at {path} did not start: {source}", path = .path.display())]
    Start {
        /// Which program.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It started and did not listen.
    #[error("anvil ended or said nothing within {} s: {said}", START.as_secs())]
    Silent {
        /// Its words.
        said: String,
    },
    /// It did not answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

/// A running anvil, ended when dropped.
#[derive(Debug)]
pub struct Anvil {
    process: Child,
    url: String,
    rpc: Rpc,
}

impl Anvil {
    /// Where anvil is: `TACIT_ANVIL`, else where npm puts it below `repository`, else on the `PATH`.
    pub fn find(repository: &Path) -> Option<PathBuf> {
        let named = std::env::var_os("TACIT_ANVIL").map(PathBuf::from);
        let installed = repository.join(INSTALLED);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&path).map(|folder| folder.join("anvil"));
        named.into_iter().chain([installed]).chain(on_path).find(|path| path.is_file())
    }

    /// Starts anvil with chain id 31337 on a port of its own. A block is made for each transaction.
    ///
    /// # Errors
    /// [`DevnetError`].
    pub fn start(path: &Path) -> Result<Self, DevnetError> {
        Self::start_with(path, &[])
    }

    /// Starts anvil with further arguments.
    ///
    /// # Errors
    /// [`DevnetError`].
    pub fn start_with(path: &Path, arguments: &[&str]) -> Result<Self, DevnetError> {
        let started = Command::new(path)
            .args(["--host", "127.0.0.1", "--port", "0", "--mnemonic", PHRASE])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut process = started.map_err(|source| DevnetError::Start { path: path.to_owned(), source })?;
        let (tell, told) = mpsc::channel();
        if let Some(stdout) = process.stdout.take() {
            // Reads until anvil ends: a full pipe would stop it.
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    let _ = tell.send(line);
                }
            });
        }
        let mut said = String::new();
        let url = loop {
            match told.recv_timeout(START) {
                Ok(line) => match line.strip_prefix("Listening on ") {
                    Some(address) => break format!("http://{}", address.trim()),
                    None => said = line,
                },
                Err(_) => {
                    end(&mut process);
                    return Err(DevnetError::Silent { said });
                }
            }
        };
        match Rpc::new(&url) {
            Ok(rpc) => Ok(Self { process, url, rpc }),
            Err(error) => {
                end(&mut process);
                Err(error.into())
            }
        }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection to it.
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// One of the ten accounts that have ether.
    pub fn account(&self, index: u32) -> Option<Account> {
        let phrase = SeedPhrase::parse(PHRASE).ok()?;
        Account::from_seed(&phrase.seed(""), index).ok()
    }

    /// Makes empty blocks.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn mine(&self, blocks: u64) -> Result<(), RpcError> {
        self.request("anvil_mine", json!([blocks])).await.map(drop)
    }

    /// Remembers the chain; [`Self::revert`] goes back to it once.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn snapshot(&self) -> Result<Value, RpcError> {
        self.request("evm_snapshot", json!([])).await
    }

    /// Goes back to a snapshot.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn revert(&self, snapshot: &Value) -> Result<(), RpcError> {
        self.request("evm_revert", json!([snapshot])).await.map(drop)
    }

    /// Any method of anvil's.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn request(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        self.rpc.request(method, params).await
    }
}

fn end(process: &mut Child) {
    // It may have ended by itself.
    let _ = process.kill();
    let _ = process.wait();
}

impl Drop for Anvil {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}
