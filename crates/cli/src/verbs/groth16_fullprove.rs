//! `tacit groth16 fullprove INPUT WASM ZKEY PROOF PUBLIC`

use std::path::PathBuf;

use tacit_algebra::Groups;

use super::groth16_prove::{ProveOptions, prove_and_write};
use super::wtns_calculate;
use crate::curves::with_curve;
use crate::failure::{Failure, Outcome};
use crate::keys::ZkeyFile;
use crate::ui::Ui;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The circuit's inputs
    #[arg(default_value = "input.json")]
    input: PathBuf,
    /// The circuit's witness program
    #[arg(default_value = "circuit.wasm")]
    wasm: PathBuf,
    /// Proving key
    #[arg(default_value = "circuit_final.zkey")]
    zkey: PathBuf,
    /// Proof to write
    #[arg(default_value = "proof.json")]
    proof: PathBuf,
    /// Public signals to write
    #[arg(default_value = "public.json")]
    public: PathBuf,
    #[command(flatten)]
    options: ProveOptions,
}

/// Calculates the witness and proves.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let calculator = wtns_calculate::load(&args.wasm)?;
    let zkey = ZkeyFile::read(&args.zkey)?;
    if calculator.curve() != zkey.curve {
        return Err(Failure::new(format!(
            "{} is compiled for {}, {} is a key over {}: they belong to different circuits",
            args.wasm.display(),
            calculator.curve(),
            args.zkey.display(),
            zkey.curve
        )));
    }
    with_curve!(zkey.curve, C => {
        let witness = wtns_calculate::calculate::<<C as Groups>::Scalar>(&calculator, &args.input, args.options.sym.as_deref(), ui)?;
        prove_and_write::<C>(&zkey, &witness, &args.proof, &args.public, &args.options, ui)
    })
}
