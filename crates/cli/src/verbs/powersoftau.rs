//! `tacit powersoftau dev CURVE POWER FILE.ptau`

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use tacit_algebra::CurveId;
use tacit_groth16::powersoftau;

use crate::curves::with_curve;
use crate::failure::Outcome;
use crate::files::{self, Access};
use crate::ui::Ui;

/// What to make.
#[derive(Debug, Subcommand)]
pub enum Args {
    /// Make a powers-of-tau file whose secret was sampled here: for tests only
    Dev {
        /// The curve
        curve: CurveName,
        /// log2 of the largest number of constraints
        #[arg(value_parser = clap::value_parser!(u32).range(1..=24))]
        power: u32,
        /// The file to write, prepared for the second phase
        ptau: PathBuf,
    },
}

/// The curves by snarkjs's names.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CurveName {
    /// BN254
    #[value(name = "bn128", aliases = ["bn254"])]
    Bn128,
    /// BLS12-381
    #[value(name = "bls12381", aliases = ["bls12-381", "bls12_381"])]
    Bls12381,
}

/// Makes the file.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let Args::Dev { curve, power, ptau } = args;
    let curve = match curve {
        CurveName::Bn128 => CurveId::Bn254,
        CurveName::Bls12381 => CurveId::Bls12_381,
    };
    ui.warn("this powers-of-tau file is for tests: whoever ran this command could forge proofs under every key made from it.");
    let phase = ui.phase("powers of tau");
    let bytes = with_curve!(curve, C => powersoftau::dev::<C, _>(*power, &mut rand::rng())?);
    phase.done(crate::ui::bytes(bytes.len() as u64));
    files::write(ptau, &bytes, Access::Shared)?;
    ui.result(
        &json!({ "ok": true, "ptau": ptau, "curve": curve.to_string(), "power": power, "development": true }),
        ptau.display().to_string(),
    );
    Ok(())
}
