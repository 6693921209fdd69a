//! `tacit wtns check CIRCUIT.r1cs WTNS`

use std::path::PathBuf;

use serde_json::json;
use tacit_algebra::Groups;
use tacit_circom::wtns::Wtns;
use tacit_circom::{R1cs, r1cs};

use crate::curves::with_curve;
use crate::failure::{InFile, Outcome};
use crate::files;
use crate::ui::Ui;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The constraint system
    #[arg(default_value = "circuit.r1cs")]
    r1cs: PathBuf,
    /// The witness
    #[arg(default_value = "witness.wtns")]
    wtns: PathBuf,
    /// The circuit's symbols: with them the signals of a violated constraint are named
    #[arg(long)]
    sym: Option<PathBuf>,
}

/// Checks every constraint.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let bytes = files::read(&args.r1cs)?;
    let curve = r1cs::curve_of(&bytes).in_file(&args.r1cs)?;
    with_curve!(curve, C => {
        let constraints = R1cs::<<C as Groups>::Scalar>::read(&bytes).in_file(&args.r1cs)?;
        let witness = Wtns::read(&files::read(&args.wtns)?).in_file(&args.wtns)?;
        crate::keys::check_witness(&constraints, &witness.values, args.sym.as_deref()).in_file(&args.wtns)?;
        ui.result(
            &json!({ "ok": true, "satisfied": true, "constraints": constraints.constraints.len() }),
            format!("OK: the witness satisfies all {} constraints.", constraints.constraints.len()),
        );
    });
    Ok(())
}
