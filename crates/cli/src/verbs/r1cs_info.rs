//! `tacit r1cs info CIRCUIT.r1cs`

use std::path::PathBuf;

use serde_json::json;
use tacit_algebra::Groups;
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
}

/// Prints the sizes.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let bytes = files::read(&args.r1cs)?;
    let curve = r1cs::curve_of(&bytes).in_file(&args.r1cs)?;
    with_curve!(curve, C => {
        let c = R1cs::<<C as Groups>::Scalar>::read(&bytes).in_file(&args.r1cs)?;
        // snarkjs's domain: one more row for each public wire and the constant one.
        let log_domain = (c.constraints.len() + c.n_public() as usize).checked_ilog2().unwrap_or(0) + 1;
        let rows = [
            ("Curve", curve.to_string()),
            ("Wires", c.n_wires.to_string()),
            ("Constraints", c.constraints.len().to_string()),
            ("Public inputs", c.n_public_inputs.to_string()),
            ("Public outputs", c.n_public_outputs.to_string()),
            ("Private inputs", c.n_private_inputs.to_string()),
            ("Labels", c.n_labels.to_string()),
            ("Domain", format!("2^{log_domain}")),
        ];
        let text: Vec<String> = rows.iter().map(|(k, v)| format!("{k:<15} {v}")).collect();
        ui.result(
            &json!({
                "ok": true, "curve": curve.to_string(), "wires": c.n_wires, "constraints": c.constraints.len(),
                "public_inputs": c.n_public_inputs, "public_outputs": c.n_public_outputs,
                "private_inputs": c.n_private_inputs, "labels": c.n_labels, "log_domain": log_domain,
            }),
            text.join("\n"),
        );
    });
    Ok(())
}
