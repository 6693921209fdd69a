//! Tacit's prover and node beside their peers, on the same files, in alternation.
//!
//! | module | what it holds |
//! |---|---|
//! | [`compare`] | the table: which work, against whom, with which target |
//! | [`contender`] | a program or a process of this binary that does one piece of work whenever it is told to |
//! | [`contestant`] | the inside of such a process; [`ours`] and [`peers`] are what it can run |
//! | [`instructions`] | instructions of one response, counted by valgrind |
//! | [`inputs`] | scalars and vectors that every contestant makes alike |
//! | [`prepare`], [`files`] | circuits, keys and witnesses, made once and kept |
//! | [`tools`] | the `tacit` binary, this binary built for this machine's processor, the npm packages |
//! | [`cost`], [`report`] | measuring, and showing what was measured |

mod compare;
mod contender;
mod contestant;
mod cost;
mod files;
mod inputs;
mod instructions;
mod ours;
mod peers;
mod prepare;
mod report;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What everything here returns: whatever went wrong, in words.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Tacit's prover beside its peers
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run ours and the peers on the same files, alternating, and print medians and ratios
    Compare(compare::Args),
    /// Make circuits, keys and witnesses; `compare` does so itself where they are missing
    Prepare(prepare::Args),
    /// Count the instructions of one response under valgrind's callgrind
    Instructions(instructions::Args),
    /// One contestant: gets ready, says so on a line, then does its work once for every line that it reads and answers
    /// with what that cost, as JSON. `compare` runs these
    Run(contestant::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Compare(args) => compare::run(&args),
        Command::Prepare(args) => prepare::run(&args),
        Command::Instructions(args) => instructions::run(&args),
        Command::Run(args) => contestant::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}
