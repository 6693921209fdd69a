//! The inside of a contestant's process: one party, one piece of work, whenever a line comes in.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use clap::ValueEnum;

use crate::cost::Cost;
use crate::files::Files;
use crate::{Outcome, ours, peers};

/// Who computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Who {
    /// This repository.
    Tacit,
    /// The crates `taceo-groth16`, `taceo-ark-algebra` and `taceo-circom-types`.
    Taceo,
    /// The crates `ark-groth16`, `ark-ec` and `ark-poly`.
    Arkworks,
    /// The crate `halo2curves`.
    Halo2curves,
}

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// A proof, with the key resident.
    Prove,
    /// A node's response, with the key resident.
    Respond,
    /// A multi-scalar multiplication of `2^size` terms in the first group.
    MsmG1,
    /// The same in the second group.
    MsmG2,
    /// A transform of size `2^size`.
    Fft,
    /// Reading a zkey with full checks; ours also writes the prepared key.
    Import,
    /// Opening the prepared key.
    Open,
}

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Who computes
    #[arg(long)]
    pub who: Who,
    /// What is computed
    #[arg(long)]
    pub work: Work,
    /// `log2` of the domain's size, or of the number of terms
    #[arg(long)]
    pub size: u32,
    /// Where the files are that `prepare` made
    #[arg(long)]
    pub dir: PathBuf,
}

/// Does the work once and says what it cost.
pub type Runner = Box<dyn FnMut() -> Outcome<Cost>>;

/// What a contestant prints when it is ready.
pub const READY: &str = "ready";

impl Who {
    /// Gets ready for a piece of work; everything that this does is not measured.
    fn runner(self, work: Work, files: &Files) -> Outcome<Runner> {
        match self {
            Self::Tacit => ours::runner(work, files),
            Self::Taceo => peers::taceo::runner(work, files),
            Self::Arkworks => peers::arkworks::runner(work, files),
            Self::Halo2curves => peers::halo2curves::runner(work, files),
        }
    }

    /// That this party does not do such work.
    pub fn does_not(self, work: Work) -> Outcome<Runner> {
        Err(format!("{self:?} has no {work:?}").into())
    }
}

/// Runs it.
pub fn run(args: &Args) -> Outcome {
    let mut runner = args.who.runner(args.work, &Files::new(&args.dir, args.size))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{READY}")?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        line?;
        writeln!(out, "{}", serde_json::to_string(&runner()?)?)?;
        out.flush()?;
    }
    Ok(())
}
