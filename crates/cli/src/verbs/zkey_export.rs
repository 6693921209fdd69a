//! `tacit zkey export verificationkey|solidityverifier|contractkey|soliditycalldata`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use tacit_algebra::{Bn254, Check, CurveId, Groups, Point, field};
use tacit_circom::{Proof, Zkey, json, public, zkey};
use tacit_groth16::setup::is_dev;
use tacit_groth16::solidity::{self, Provenance};

use crate::curves::with_curve;
use crate::failure::{Failure, InFile, Outcome};
use crate::files::{self, Access};
use crate::ui::Ui;

/// What to export.
#[derive(Debug, Subcommand)]
pub enum Args {
    /// Write the verification key as JSON
    Verificationkey {
        /// Proving key
        #[arg(default_value = "circuit_final.zkey")]
        zkey: PathBuf,
        /// Verification key to write
        #[arg(default_value = "verification_key.json")]
        verification_key: PathBuf,
    },
    /// Write a Solidity contract that verifies proofs (BN254 only)
    Solidityverifier {
        /// Proving key
        #[arg(default_value = "circuit_final.zkey")]
        zkey: PathBuf,
        /// Contract to write
        #[arg(default_value = "verifier.sol")]
        contract: PathBuf,
    },
    /// Write the verification key as Tacit's contracts take it (BN254 only)
    ///
    /// The key is for local chains only, unless --ceremony says otherwise: whoever made a key alone can forge proofs.
    Contractkey {
        /// Proving key
        #[arg(default_value = "circuit_final.zkey")]
        zkey: PathBuf,
        /// Key to write, as hexadecimal text
        #[arg(default_value = "contract_key.hex")]
        key: PathBuf,
        /// For any chain: the key comes from a ceremony that you have verified (`tacit zkey verify`)
        #[arg(long)]
        ceremony: bool,
    },
    /// Print a proof as the Solidity verifier's call arguments
    Soliditycalldata {
        /// Public signals
        #[arg(default_value = "public.json")]
        public: PathBuf,
        /// Proof
        #[arg(default_value = "proof.json")]
        proof: PathBuf,
    },
}

/// Exports.
pub fn run(args: &Args, ui: &Ui) -> Outcome {
    match args {
        Args::Verificationkey { zkey: path, verification_key } => {
            let bytes = files::read(path)?;
            let curve = zkey::curve_of(&bytes).in_file(path)?;
            with_curve!(curve, C => {
                let key = Zkey::<C>::read(&bytes, Check::Full).in_file(path)?;
                files::write(verification_key, key.vk.to_json().as_bytes(), Access::Shared)?;
            });
            ui.result(
                &json!({ "ok": true, "verification_key": verification_key, "curve": curve.to_string() }),
                verification_key.display().to_string(),
            );
        }
        Args::Solidityverifier { zkey: path, contract } => {
            let bytes = files::read(path)?;
            let curve = zkey::curve_of(&bytes).in_file(path)?;
            let text = with_curve!(curve, C => {
                let key = Zkey::<C>::read(&bytes, Check::Full).in_file(path)?;
                solidity::export(&key.vk).in_file(path)?
            });
            files::write(contract, text.as_bytes(), Access::Shared)?;
            ui.result(&json!({ "ok": true, "contract": contract }), contract.display().to_string());
        }
        Args::Contractkey { zkey: path, key: target, ceremony } => {
            let encoded = contract_key(path, *ceremony)?;
            files::write(target, format!("0x{}\n", hex::encode(encoded)).as_bytes(), Access::Shared)?;
            ui.result(
                &json!({ "ok": true, "key": target, "any_chain": ceremony }),
                if *ceremony {
                    format!("{}, for any chain", target.display())
                } else {
                    format!("{}, for local chains only", target.display())
                },
            );
        }
        Args::Soliditycalldata { public: public_path, proof: proof_path } => {
            let proof = files::read_text(proof_path)?;
            let curve = json::curve_of(&proof).in_file(proof_path)?;
            if curve != CurveId::Bn254 {
                return Err(Failure::new(format!(
                    "{}: this proof is over {curve}; the Solidity verifier is for BN254 only",
                    proof_path.display()
                )));
            }
            let proof = Proof::<Bn254>::from_json(&proof).in_file(proof_path)?;
            let signals: Vec<<Bn254 as Groups>::Scalar> =
                public::from_json(&files::read_text(public_path)?).in_file(public_path)?;
            let calldata = calldata(&proof, &signals);
            ui.result(&json!({ "ok": true, "calldata": calldata }), &calldata);
        }
    }
    Ok(())
}

/// A zkey's verification key as the pool's contracts take it.
pub fn contract_key(path: &Path, ceremony: bool) -> Outcome<Vec<u8>> {
    let bytes = files::read(path)?;
    let curve = zkey::curve_of(&bytes).in_file(path)?;
    Ok(with_curve!(curve, C => {
        let key = Zkey::<C>::read(&bytes, Check::Full).in_file(path)?;
        if ceremony && (is_dev(&key) || key.contributions.is_empty()) {
            return Err(Failure::new(format!(
                "{}: this key does not come from a ceremony ({}); take a key with contributions, or export it \
                 without --ceremony for local chains",
                path.display(),
                if is_dev(&key) { "it was made for development" } else { "it has no contributions" },
            )));
        }
        let provenance = if ceremony { Provenance::Ceremony } else { Provenance::Development };
        solidity::contract_key(&key.vk, provenance).in_file(path)?
    }))
}

/// The arguments of `verifyProof` as snarkjs prints them: 32-byte hexadecimal words, the second group's coordinates
/// with the imaginary part first (EIP-197).
fn calldata(proof: &Proof<Bn254>, signals: &[<Bn254 as Groups>::Scalar]) -> String {
    let words = |bytes: Vec<u8>| -> Vec<String> {
        bytes.chunks(32).map(|word| format!("\"0x{}\"", hex::encode(word))).collect()
    };
    fn be<P: Point>(point: &P) -> Vec<u8> {
        let mut bytes = Vec::new();
        point.write_be(&mut bytes);
        bytes
    }
    let (a, b, c) = (words(be(&proof.a)), words(be(&proof.b)), words(be(&proof.c)));
    let (b_x, b_y) = b.split_at(b.len() / 2);
    let signals: Vec<String> = signals.iter().flat_map(|s| words(field::to_be(s))).collect();
    format!(
        "[{}],[[{}],[{}]],[{}],[{}]",
        a.join(", "),
        b_x.join(", "),
        b_y.join(", "),
        c.join(", "),
        signals.join(",")
    )
}
