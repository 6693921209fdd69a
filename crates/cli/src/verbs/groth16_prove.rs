//! `tacit groth16 prove ZKEY WTNS PROOF PUBLIC`

use std::path::{Path, PathBuf};

use serde_json::json;
use tacit_algebra::{Curve, Groups};
use tacit_circom::wtns::Wtns;
use tacit_circom::{Proof, public as signals};
use tacit_groth16::prove::prove;
use tacit_groth16::verify::verify;

use crate::curves::with_curve;
use crate::delegated::{self, DelegateOptions};
use crate::failure::{Failure, InFile, Outcome};
use crate::files::{self, Access};
use crate::keys::{self, KeyOptions, ZkeyFile};
use crate::ui::Ui;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Proving key
    #[arg(default_value = "circuit_final.zkey")]
    zkey: PathBuf,
    /// Witness
    #[arg(default_value = "witness.wtns")]
    wtns: PathBuf,
    /// Proof to write
    #[arg(default_value = "proof.json")]
    proof: PathBuf,
    /// Public signals to write
    #[arg(default_value = "public.json")]
    public: PathBuf,
    #[command(flatten)]
    options: ProveOptions,
}

/// What `prove` and `fullprove` share.
#[derive(Debug, clap::Args)]
pub struct ProveOptions {
    /// The constraint system: the witness is checked against it before anything is proved or dealt
    #[arg(long)]
    r1cs: Option<PathBuf>,
    /// The circuit's symbols: with them missing inputs and violated constraints are named
    #[arg(long)]
    pub sym: Option<PathBuf>,
    #[command(flatten)]
    key: KeyOptions,
    #[command(flatten)]
    delegate: DelegateOptions,
}

/// Proves from a witness file.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    let zkey = ZkeyFile::read(&args.zkey)?;
    with_curve!(zkey.curve, C => {
        let witness = keys::witness::<<C as Groups>::Scalar>(&args.wtns)?;
        prove_and_write::<C>(&zkey, &witness, &args.proof, &args.public, &args.options, ui)
    })
}

/// Proves here or by a network, checks the proof, writes it.
pub fn prove_and_write<C: Curve>(
    zkey: &ZkeyFile,
    witness: &Wtns<C::Scalar>,
    proof_path: &Path,
    public_path: &Path,
    options: &ProveOptions,
    ui: &Ui,
) -> Outcome {
    if let Some(r1cs) = &options.r1cs {
        let phase = ui.phase("witness against constraints");
        keys::check_against(r1cs, options.sym.as_deref(), &witness.values, zkey.curve)?;
        phase.done("every constraint holds");
    }
    let (proof, public, how) = match options.delegate.network()? {
        None => prove_here::<C>(zkey, witness, options, ui)?,
        Some(network) => {
            let checked = options.r1cs.is_some();
            delegated::prove::<C>(&network, zkey, witness, checked, &options.delegate, &options.key, ui)?
        }
    };
    files::write(proof_path, proof.to_json().as_bytes(), Access::Shared)?;
    files::write(public_path, signals::to_json(&public).as_bytes(), Access::Shared)?;
    let mut result = json!({
        "ok": true, "verified": true, "curve": zkey.curve.to_string(),
        "proof": proof_path, "public": public_path,
    });
    let refused = how.pointer("/receipt/error").and_then(|e| e.as_str()).map(str::to_owned);
    if let (Some(result), serde_json::Value::Object(how)) = (result.as_object_mut(), how) {
        result.extend(how);
    }
    ui.result(
        &result,
        format!("{} and {} written; the proof verifies.", proof_path.display(), public_path.display()),
    );
    match refused {
        Some(_) if ui.json() => Err(Failure::said(1)),
        Some(error) => Err(Failure::new(format!("there is a proof and no receipt: {error}"))),
        None => Ok(()),
    }
}

/// A proof, its public signals, and how it was made (for `--json`).
pub type Proved<C> = (Proof<C>, Vec<<C as Groups>::Scalar>, serde_json::Value);

fn prove_here<C: Curve>(
    zkey: &ZkeyFile,
    witness: &Wtns<C::Scalar>,
    options: &ProveOptions,
    ui: &Ui,
) -> Outcome<Proved<C>> {
    let key = zkey.proving_key::<C>(&options.key, ui)?;
    let phase = ui.phase("proof");
    let proof = prove(&key, &witness.values, &mut rand::rng()).in_file(&zkey.path)?;
    let took = phase.done("");
    let public = witness.values.get(1..=key.n_public).unwrap_or_default().to_vec();
    verify(&key.vk, &public, &proof).map_err(|e| {
        Failure::new(format!(
            "the proof made does not verify ({e}): the witness does not satisfy the circuit of {}. Pass --r1cs to \
             learn which constraint it violates",
            zkey.path.display()
        ))
    })?;
    Ok((proof, public, json!({ "delegated": false, "prove_ms": took.as_millis() })))
}
