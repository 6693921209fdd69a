//! `tacit groth16 verify VKEY PUBLIC PROOF`

use std::path::PathBuf;

use serde_json::json;
use tacit_algebra::Groups;
use tacit_circom::{Proof, VerificationKey, json, public};
use tacit_groth16::verify::{VerifyError, verify};

use crate::curves::with_curve;
use crate::failure::{Failure, InFile, Outcome};
use crate::files;
use crate::ui::Ui;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Verification key
    #[arg(default_value = "verification_key.json")]
    verification_key: PathBuf,
    /// Public signals
    #[arg(default_value = "public.json")]
    public: PathBuf,
    /// Proof
    #[arg(default_value = "proof.json")]
    proof: PathBuf,
}

/// Checks the proof.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let vkey = files::read_text(&args.verification_key)?;
    let signals = files::read_text(&args.public)?;
    let proof = files::read_text(&args.proof)?;
    let curve = json::curve_of(&vkey).in_file(&args.verification_key)?;
    let verdict = with_curve!(curve, C => {
        let vk = VerificationKey::<C>::from_json(&vkey).in_file(&args.verification_key)?;
        let public: Vec<<C as Groups>::Scalar> = public::from_json(&signals).in_file(&args.public)?;
        let proof = Proof::<C>::from_json(&proof).in_file(&args.proof)?;
        verify(&vk, &public, &proof)
    });
    match verdict {
        Ok(()) => {
            ui.result(
                &json!({ "ok": true, "valid": true, "curve": curve.to_string() }),
                format!("OK: the proof is valid ({curve})."),
            );
            Ok(())
        }
        Err(e @ VerifyError::PublicInputs { .. }) => Err(e).in_file(&args.public),
        Err(e) => Err(Failure::new(format!("{}: {e}", args.proof.display()))),
    }
}
