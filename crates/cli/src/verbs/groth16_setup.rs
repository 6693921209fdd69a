//! `tacit groth16 setup CIRCUIT.r1cs POT.ptau CIRCUIT.zkey`, or `--dev CIRCUIT.r1cs CIRCUIT.zkey`

use std::path::PathBuf;

use serde_json::json;
use tacit_algebra::{Check, Curve, Groups};
use tacit_circom::ptau::Ptau;
use tacit_circom::{R1cs, Zkey, r1cs};
use tacit_groth16::setup;

use crate::curves::with_curve;
use crate::failure::{Failure, InFile, Outcome};
use crate::files::{self, Access};
use crate::ui::Ui;

/// What a development setup is, said loudly.
pub const DEV_WARNING: &str = "this is a DEVELOPMENT key: its secrets were drawn on this machine, by one program, in one go. Whoever could \
     look at it then can forge proofs that every verifier accepts. Never use it for anything of value; for production, run a ceremony.";

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(override_usage = "tacit groth16 setup [OPTIONS] CIRCUIT.r1cs POT.ptau CIRCUIT.zkey\n       \
                            tacit groth16 setup [OPTIONS] --dev CIRCUIT.r1cs CIRCUIT.zkey")]
pub struct Args {
    /// Sample the toxic waste here instead of taking a ceremony's powers of tau: for development only, whoever ran it
    /// could forge proofs
    #[arg(long)]
    dev: bool,
    /// CIRCUIT.r1cs, then POT.ptau unless --dev, then CIRCUIT.zkey
    #[arg(num_args = 2..=3, required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Makes the key.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let (circuit, ptau, zkey) = match (args.dev, args.files.as_slice()) {
        (true, [circuit, zkey]) => (circuit, None, zkey),
        (false, [circuit, ptau, zkey]) => (circuit, Some(ptau), zkey),
        (true, _) => {
            return Err(Failure::new("with --dev, give CIRCUIT.r1cs and CIRCUIT.zkey, and no powers of tau"));
        }
        (false, _) => {
            return Err(Failure::new(
                "give CIRCUIT.r1cs, POT.ptau and CIRCUIT.zkey; for a development key without a ceremony add --dev",
            ));
        }
    };
    let bytes = files::read(circuit)?;
    let curve = r1cs::curve_of(&bytes).in_file(circuit)?;
    with_curve!(curve, C => {
        let constraints = R1cs::<<C as Groups>::Scalar>::read(&bytes).in_file(circuit)?;
        let key: Zkey<C> = match ptau {
            None => {
                ui.warn(DEV_WARNING);
                let phase = ui.phase("development setup");
                let key = setup::dev(&constraints, &mut rand::rng()).in_file(circuit)?;
                phase.done(size(&key));
                key
            }
            Some(path) => {
                let bytes = files::read(path)?;
                let powers = Ptau::<C>::open(&bytes).in_file(path)?;
                let phase = ui.phase("setup from powers of tau");
                let key = setup::from_ptau(&constraints, &powers, Check::Full).in_file(path)?;
                phase.done(size(&key));
                key
            }
        };
        files::write(zkey, &key.write(), Access::Shared)?;
        ui.result(
            &json!({
                "ok": true, "zkey": zkey, "curve": curve.to_string(), "development": args.dev,
                "wires": key.n_wires, "public": key.n_public, "log_domain": key.log_domain,
                "circuit_hash": hex::encode(key.cs_hash),
            }),
            format!("{}: {} wires, {} public, domain 2^{}", zkey.display(), key.n_wires, key.n_public, key.log_domain),
        );
    });
    Ok(())
}

fn size<C: Curve>(key: &Zkey<C>) -> String {
    format!("{} wires, domain 2^{}", key.n_wires, key.log_domain)
}
