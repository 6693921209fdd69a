//! `tacit pool deploy`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use tacit_chain::deploy::{ContractKey, Deployed, LOCAL_CHAINS, Plan};
use tacit_chain::{Account, Rpc, SendOptions};
use tacit_wallet::PoolDescription;
use tacit_wallet::description::{CircuitFiles, Circuits, Verifiers};
use zeroize::Zeroizing;

use super::zkey_export::contract_key;
use crate::failure::{Failure, Outcome};
use crate::files::{self, Access};
use crate::ui::Ui;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Args {
    /// Deploy a pool with its auth verifiers, and write its description, pool.toml, for everybody who is to use it
    Deploy(Deploy),
}

/// A deployment.
#[derive(Debug, clap::Args)]
pub struct Deploy {
    /// An Ethereum node
    #[arg(long, value_name = "URL")]
    rpc: String,
    /// The chain to deploy on, by its id: transactions are signed for no other. Only for local chains (31337 and 1337) the node's word is taken
    #[arg(long, value_name = "ID")]
    chain_id: Option<u64>,
    /// File with the private key of the account that pays, 64 hexadecimal digits
    #[arg(long, value_name = "FILE")]
    account: PathBuf,
    /// Folder with pool_transact.zkey and pool_transact.wasm, and the same of auth_eddsa and auth_xmss if the pool is to take them
    #[arg(long, value_name = "DIR")]
    circuits: PathBuf,
    /// The keys come from a ceremony: for any chain. Without it they are taken for development keys, which contracts refuse except on
    /// local chains (31337 and 1337)
    #[arg(long)]
    ceremony: bool,
    /// The description to write
    #[arg(long, default_value = "pool.toml", value_name = "FILE")]
    description: PathBuf,
}

/// Runs it.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let Args::Deploy(args) = args;
    let account = account_from_file(&args.account)?;
    let runtime = crate::runtime::new()?;
    let rpc = Rpc::new(&args.rpc)?;
    let in_folder = |name: &str| {
        let at = |ending: &str| args.circuits.join(format!("{name}.{ending}"));
        let files = CircuitFiles { zkey: at("zkey"), wasm: at("wasm") };
        files.zkey.exists().then_some(files)
    };
    if args.description.exists() {
        return Err(Failure::new(format!(
            "{}: there is a description already, without which its pool is hard to find again: name another file with --description",
            args.description.display()
        )));
    }
    let circuits = Circuits {
        pool_transact: in_folder("pool_transact"),
        auth_eddsa: in_folder("auth_eddsa"),
        auth_xmss: in_folder("auth_xmss"),
    };
    let phase = ui.phase("deploying the contracts");
    let chain_id = match args.chain_id {
        Some(id) => id,
        None => runtime.block_on(local_chain(&rpc))?,
    };
    let (description, _) =
        runtime.block_on(deploy(&rpc, &account, chain_id, &circuits, args.ceremony, false))?;
    phase.done(description.place().to_string());
    files::write(&args.description, description.to_toml()?.as_bytes(), Access::Shared)?;
    let json = json!({ "pool": description.pool, "chain_id": description.chain_id, "block": description.from_block, "description": args.description });
    ui.result(
        &json,
        format!(
            "{}: {}, described in {}\nNext: tacit wallet init --dir DIR --pool {} --rpc {}",
            description.pool,
            description.place(),
            args.description.display(),
            args.description.display(),
            args.rpc
        ),
    );
    Ok(())
}

/// Deploys Tacit's form of the pool with a verifier for each auth circuit that is there, and ECDSA's; on a local chain also a token, if asked for.
pub async fn deploy(
    rpc: &Rpc,
    account: &Account,
    chain_id: u64,
    circuits: &Circuits,
    ceremony: bool,
    token: bool,
) -> Outcome<(PoolDescription, Deployed)> {
    let key = |files: &CircuitFiles| -> Outcome<ContractKey> {
        Ok(ContractKey::from_bytes(contract_key(&files.zkey, ceremony)?)?)
    };
    let pool = circuits.pool_transact.as_ref().ok_or_else(|| {
        Failure::new(
            "there is no pool_transact.zkey in the circuits' folder; for a local chain `tacit groth16 setup --dev circuits/pool/pool_transact.r1cs DIR/pool_transact.zkey` \
             makes one, beside which DIR needs pool_transact.wasm",
        )
    })?;
    let pool_key = key(pool)?;
    let auth = [&circuits.auth_eddsa, &circuits.auth_xmss];
    let auth_keys = auth.iter().copied().flatten().map(key).collect::<Outcome<Vec<_>>>()?;
    let plan = Plan { bind: true, pool_key, auth_keys, ecdsa: true, token };
    let deployed =
        tacit_chain::deploy::deploy(rpc, account, chain_id, &plan, &SendOptions::default()).await?;
    let mut verifiers = deployed.auth_verifiers.iter().copied();
    let description = PoolDescription {
        chain_id: deployed.place.chain_id,
        pool: deployed.place.pool,
        from_block: deployed.block,
        bind: true,
        rotate: true,
        verifiers: Verifiers {
            eddsa: circuits.auth_eddsa.as_ref().and_then(|_| verifiers.next()),
            xmss: circuits.auth_xmss.as_ref().and_then(|_| verifiers.next()),
            ecdsa: deployed.ecdsa_verifier,
        },
        circuits: circuits.clone(),
    };
    Ok((description, deployed))
}

/// The node's chain, which must be a local one: of another the node's word is not enough.
pub async fn local_chain(rpc: &Rpc) -> Outcome<u64> {
    let chain_id = rpc.chain_id().await?;
    if LOCAL_CHAINS.contains(&chain_id) {
        return Ok(chain_id);
    }
    Err(Failure::new(format!(
        "the node says that it is on chain {chain_id}, which is not local: say --chain-id, so that nothing is signed for a chain that you do not mean"
    )))
}

/// The account whose private key a file holds.
pub fn account_from_file(path: &Path) -> Outcome<Account> {
    let text = files::read_secret_text(path)?;
    let digits = text.trim();
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits.strip_prefix("0x").unwrap_or(digits), secret.as_mut_slice()).map_err(
        |_| Failure::new(format!("{}: an account's private key is 64 hexadecimal digits", path.display())),
    )?;
    Ok(Account::from_secret(&secret)?)
}
