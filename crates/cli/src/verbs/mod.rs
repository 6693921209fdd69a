//! The verbs, one file each. The local ones are snarkjs's: same words, same positional arguments, same exit codes.

pub mod audit;
mod bases;
mod bench;
mod circuit;
mod coordinator;
mod demo;
mod demo_pool;
mod groth16_fullprove;
pub mod groth16_prove;
mod groth16_setup;
mod groth16_verify;
mod job;
pub mod log;
mod network;
pub mod node;
mod node_doctor;
mod node_status;
mod plan;
mod pool;
mod powersoftau;
mod prover;
mod r1cs_check;
mod r1cs_info;
mod wallet;
mod wallet_pay;
mod wallet_show;
mod wtns_calculate;
mod wtns_check;
mod zkey_beacon;
mod zkey_contribute;
mod zkey_export;
mod zkey_verify;

use clap::{Parser, Subcommand};

use crate::failure::Outcome;
use crate::ui::Ui;

/// Zero-knowledge proofs made by machines that never learn the secret behind them.
///
/// The local verbs take snarkjs's files and arguments. With `--network NET.toml`, `groth16 prove` and
/// `groth16 fullprove` secret-share the witness over independent nodes instead of proving here.
#[derive(Debug, Parser)]
#[command(name = "tacit", version, arg_required_else_help = true, max_term_width = 110)]
pub struct Cli {
    /// Print the result as JSON on standard output, and no progress
    #[arg(long, global = true)]
    pub json: bool,
    /// Print no progress
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// File with the API key that the coordinator asks for; in place of the one that network.toml names. The key itself can be
    /// in the environment variable TACIT_API_KEY
    #[arg(long, global = true, value_name = "FILE")]
    pub api_key_file: Option<std::path::PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a whole private proof on this machine: a coordinator, nodes, a shielded spend
    Demo(demo::Args),
    /// Say what each setting of the dials would cost this device with this circuit and network, and recommend one
    Plan(plan::Args),
    /// Groth16: setup, prove, fullprove, verify
    #[command(subcommand)]
    Groth16(Groth16),
    /// Witnesses: calculate, check
    #[command(subcommand)]
    Wtns(Wtns),
    /// Constraint systems: info, check
    #[command(subcommand)]
    R1cs(R1cs),
    /// Proving keys: contribute, beacon, verify, export
    #[command(subcommand)]
    Zkey(Zkey),
    /// Bases of delegated multi-scalar multiplications: export
    #[command(subcommand)]
    Bases(bases::Args),
    /// Powers of tau for tests
    #[command(subcommand)]
    Powersoftau(powersoftau::Args),
    /// A local network to develop against
    #[command(subcommand)]
    Network(network::Args),
    /// A prover node: init, run, status, doctor, circuit, passphrase
    #[command(subcommand)]
    Node(node::Args),
    /// The coordinator: init, run, passphrase, key
    #[command(subcommand)]
    Coordinator(coordinator::Args),
    /// Say from an evidence file who is at fault; exit code 0 if the node is guilty, 1 if it is innocent, 2 if the client is at fault, 3 if
    /// the file shows nothing
    Audit(audit::Args),
    /// Circuits and bases that a network knows: add, list, info
    #[command(subcommand)]
    Circuit(circuit::Args),
    /// Jobs at a coordinator: list, show, watch
    #[command(subcommand)]
    Job(job::Args),
    /// A coordinator's log of how jobs ended: show, verify, receipt, evidence
    #[command(subcommand)]
    Log(log::Args),
    /// A wallet of the shielded pool: init, address, policy, deposit, send, withdraw, resume, balance, rotate, history, rescan
    #[command(subcommand)]
    Wallet(wallet::Args),
    /// A prover service of the shielded pool: serve
    #[command(subcommand)]
    Prover(prover::Args),
    /// The shielded pool's contracts: deploy
    #[command(subcommand)]
    Pool(pool::Args),
    /// Measurements on this machine
    #[command(subcommand)]
    Bench(bench::Args),
}

#[derive(Debug, Subcommand)]
enum Groth16 {
    /// Make the initial proving key from a constraint system and a powers-of-tau file
    Setup(groth16_setup::Args),
    /// Prove from a witness, here or by a network
    Prove(groth16_prove::Args),
    /// Calculate the witness and prove, here or by a network
    Fullprove(groth16_fullprove::Args),
    /// Check a proof; exit code 1 if it is not valid
    Verify(groth16_verify::Args),
}

#[derive(Debug, Subcommand)]
enum Wtns {
    /// Calculate the witness with the circuit's own program
    Calculate(wtns_calculate::Args),
    /// Check a witness against a constraint system; exit code 1 if it does not satisfy it
    Check(wtns_check::Args),
}

#[derive(Debug, Subcommand)]
enum R1cs {
    /// Print the sizes of a constraint system
    Info(r1cs_info::Args),
    /// Look for under-constrained signals: whether the inputs determine every wire; exit code 1 if they may not
    Check(r1cs_check::Args),
}

#[derive(Debug, Subcommand)]
enum Zkey {
    /// Add a contribution to the second phase of a ceremony
    Contribute(zkey_contribute::Args),
    /// Add the contribution that a public random beacon determines
    Beacon(zkey_beacon::Args),
    /// Check a proving key and its contributions against its constraint system and powers of tau
    Verify(zkey_verify::Args),
    /// Export the verification key, a Solidity verifier or calldata for it
    #[command(subcommand)]
    Export(zkey_export::Args),
}

/// The exit code for arguments that are none: clap's 2, except where 2 is a verdict.
pub fn usage_exit_code(error: &clap::Error) -> u8 {
    let audit = std::env::args_os().skip(1).find(|argument| !argument.to_string_lossy().starts_with('-'));
    match u8::try_from(error.exit_code()).unwrap_or(1) {
        2 if audit.is_some_and(|verb| verb == "audit") => audit::NO_VERDICT,
        code => code,
    }
}

/// Runs the verb.
pub fn run(cli: Cli, ui: &Ui) -> Outcome {
    crate::api_key::set_file(cli.api_key_file);
    match cli.verb {
        Verb::Demo(args) => demo::run(&args, ui),
        Verb::Plan(args) => plan::run(&args, ui),
        Verb::Groth16(Groth16::Setup(args)) => groth16_setup::run(&args, ui),
        Verb::Groth16(Groth16::Prove(args)) => groth16_prove::run(&args, ui),
        Verb::Groth16(Groth16::Fullprove(args)) => groth16_fullprove::run(&args, ui),
        Verb::Groth16(Groth16::Verify(args)) => groth16_verify::run(&args, ui),
        Verb::Wtns(Wtns::Calculate(args)) => wtns_calculate::run(&args, ui),
        Verb::Wtns(Wtns::Check(args)) => wtns_check::run(&args, ui),
        Verb::R1cs(R1cs::Check(args)) => r1cs_check::run(&args, ui),
        Verb::R1cs(R1cs::Info(args)) => r1cs_info::run(&args, ui),
        Verb::Zkey(Zkey::Contribute(args)) => zkey_contribute::run(&args, ui),
        Verb::Zkey(Zkey::Beacon(args)) => zkey_beacon::run(&args, ui),
        Verb::Zkey(Zkey::Verify(args)) => zkey_verify::run(&args, ui),
        Verb::Zkey(Zkey::Export(args)) => zkey_export::run(&args, ui),
        Verb::Bases(args) => bases::run(&args, ui),
        Verb::Powersoftau(args) => powersoftau::run(&args, ui),
        Verb::Network(args) => network::run(&args, ui),
        Verb::Node(args) => node::run(&args, ui),
        Verb::Coordinator(args) => coordinator::run(&args, ui),
        Verb::Audit(args) => audit::run(&args, ui),
        Verb::Circuit(args) => circuit::run(&args, ui),
        Verb::Job(args) => job::run(&args, ui),
        Verb::Log(args) => log::run(&args, ui),
        Verb::Wallet(args) => wallet::run(&args, ui),
        Verb::Prover(args) => prover::run(&args, ui),
        Verb::Pool(args) => pool::run(&args, ui),
        Verb::Bench(args) => bench::run(&args, ui),
    }
}
