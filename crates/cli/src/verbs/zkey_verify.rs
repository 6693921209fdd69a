//! `tacit zkey verify [r1cs] CIRCUIT.r1cs POT.ptau CIRCUIT.zkey`

use std::path::PathBuf;

use serde_json::json;
use tacit_algebra::{Check, Groups};
use tacit_circom::ptau::Ptau;
use tacit_circom::{R1cs, Zkey, r1cs};
use tacit_groth16::zkey_verify::verify;

use crate::curves::with_curve;
use crate::failure::{Failure, InFile, Outcome};
use crate::files;
use crate::ui::Ui;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(override_usage = "tacit zkey verify [r1cs] CIRCUIT.r1cs POT.ptau CIRCUIT.zkey")]
pub struct Args {
    /// CIRCUIT.r1cs, POT.ptau, CIRCUIT.zkey; a leading word `r1cs` is snarkjs's and may stand there
    #[arg(num_args = 3..=4, required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks the key and every contribution.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let (circuit, ptau, zkey) = match args.files.as_slice() {
        [circuit, ptau, zkey] => (circuit, ptau, zkey),
        [word, circuit, ptau, zkey] if word.as_os_str() == "r1cs" => (circuit, ptau, zkey),
        _ => return Err(Failure::new("give CIRCUIT.r1cs, POT.ptau and CIRCUIT.zkey")),
    };
    let bytes = files::read(circuit)?;
    let curve = r1cs::curve_of(&bytes).in_file(circuit)?;
    with_curve!(curve, C => {
        let constraints = R1cs::<<C as Groups>::Scalar>::read(&bytes).in_file(circuit)?;
        let ptau_bytes = files::read(ptau)?;
        let powers = Ptau::<C>::open(&ptau_bytes).in_file(ptau)?;
        let key = Zkey::<C>::read(&files::read(zkey)?, Check::Full).in_file(zkey)?;
        let phase = ui.phase("key against circuit and powers of tau");
        let verified = verify(&constraints, &powers, &key, Check::Full, &mut rand::rng()).in_file(zkey)?;
        phase.done(format!("{} contribution(s)", verified.len()));
        if verified.is_empty() {
            ui.warn("nobody has contributed to this key yet: whoever made it can forge proofs.");
        }
        let contributions: Vec<_> =
            verified.iter().map(|c| json!({ "name": c.name, "hash": hex::encode(c.hash) })).collect();
        let mut lines = vec![format!(
            "OK: {} is a key of {} with {} contribution(s).",
            zkey.display(),
            circuit.display(),
            verified.len()
        )];
        for c in &verified {
            lines.push(format!("{}\n  {}", c.name.as_deref().unwrap_or("(no name)"), hex::encode(c.hash)));
        }
        let result = json!({
            "ok": true, "valid": true, "circuit_hash": hex::encode(key.cs_hash), "contributions": contributions,
        });
        ui.result(&result, lines.join("\n"));
    });
    Ok(())
}
