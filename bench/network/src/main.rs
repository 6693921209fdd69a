//! Whole networks under load and faults: real processes, real sockets, a real database.
//!
//! | module | what it holds |
//! |---|---|
//! | [`soak`] | the run: start, load, faults, verdict |
//! | [`world`] | processes of a network, each with a network interface and a disk of its own where that is possible |
//! | [`faults`] | what befalls them, drawn from a seed |
//! | [`worker`] | a client process that submits jobs and writes down what became of each |
//! | [`hostile`] | a client process that means harm |
//! | [`verdict`] | what must hold in the end, read from the database, the nodes' ledgers and the clients' journals |
//! | [`init`] | identities and configurations |
//! | [`circuit`] | the statement that is proved |

mod circuit;
mod faults;
mod hostile;
mod init;
mod soak;
mod verdict;
mod worker;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What everything here returns: whatever went wrong, in words.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Networks under load and faults
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Many jobs through coordinators and nodes that are killed, cut off, filled up, slowed down and whose clocks are wrong
    Soak(soak::Args),
    /// A client of `soak`
    #[command(hide = true)]
    Worker(worker::Args),
    /// A hostile client of `soak`
    #[command(hide = true)]
    Hostile(hostile::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Soak(args) => soak::run(&args),
        Command::Worker(args) => worker::run(&args),
        Command::Hostile(args) => hostile::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}
