//! Proving keys and witnesses as verbs need them.

use std::path::{Path, PathBuf};

use ark_ff::PrimeField;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};
use tacit_algebra::{Check, Curve, CurveId};
use tacit_circom::r1cs::Unsatisfied;
use tacit_circom::sym::Sym;
use tacit_circom::wtns::Wtns;
use tacit_circom::{R1cs, Zkey, r1cs, zkey};
use tacit_groth16::ProvingKey;

use crate::cache::Cache;
use crate::failure::{Failure, InFile, Outcome};
use crate::files;
use crate::ui::Ui;

/// How a zkey is to be trusted and kept.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct KeyOptions {
    /// SHA-256 of the zkey, if you already know that a file with this digest is sound: its points are then not
    /// checked again
    #[arg(long, value_name = "SHA256")]
    pub trust_file: Option<String>,
    /// Do not keep (or use) the checked key in the cache folder
    #[arg(long)]
    pub no_cache: bool,
}

/// A zkey's bytes and what its header says.
pub struct ZkeyFile {
    /// Where it was read.
    pub path: PathBuf,
    /// The file.
    pub bytes: Vec<u8>,
    /// Its curve.
    pub curve: CurveId,
}

impl ZkeyFile {
    /// Reads the file and its header.
    pub fn read(path: &Path) -> Outcome<Self> {
        let bytes = files::read(path)?;
        let curve = zkey::curve_of(&bytes).in_file(path)?;
        Ok(Self { path: path.to_owned(), bytes, curve })
    }

    /// The proving key: from the cache if this very file was checked before, else parsed and checked.
    pub fn proving_key<C: Curve>(&self, options: &KeyOptions, ui: &Ui) -> Outcome<ProvingKey<C>> {
        let check = self.check(options)?;
        let cache = if options.no_cache { None } else { Cache::open()? };
        let digest = blake3::hash(&self.bytes);
        if let Some(cache) = &cache {
            let phase = ui.phase("proving key");
            if let Some(key) = cache.get(&digest)? {
                phase.done("checked before, read from the cache");
                return Ok(key);
            }
        }
        let phase = ui.phase(match check {
            Check::Full => "proving key, every point checked",
            Check::Trusted => "proving key, trusted by its digest",
        });
        let zkey = Zkey::<C>::read(&self.bytes, check).in_file(&self.path)?;
        let key = ProvingKey::from_zkey(zkey).in_file(&self.path)?;
        key.check().in_file(&self.path)?;
        phase.done(format!("{} wires, domain 2^{}", key.n_wires, key.log_domain));
        // What was not checked is not kept: the cache vouches for what it holds.
        if let (Some(cache), Check::Full) = (&cache, check) {
            cache.put(&digest, &key)?;
        }
        Ok(key)
    }

    fn check(&self, options: &KeyOptions) -> Outcome<Check> {
        let Some(trusted) = &options.trust_file else { return Ok(Check::Full) };
        let actual = hex::encode(Sha256::digest(&self.bytes));
        if trusted.eq_ignore_ascii_case(&actual) {
            return Ok(Check::Trusted);
        }
        Err(Failure::new(format!(
            "{}: its SHA-256 is {actual}, not the {trusted} given with --trust-file; this is another file. Leave the \
             option out to have every point checked",
            self.path.display()
        )))
    }
}

/// Reads a witness for a key over the given curve.
pub fn witness<F: PrimeField>(path: &Path) -> Outcome<Wtns<F>> {
    Wtns::read(&files::read(path)?).in_file(path)
}

/// Reads a constraint system and checks the witness against it, before anything is proved or dealt.
pub fn check_against<F: PrimeField>(
    r1cs_path: &Path,
    sym: Option<&Path>,
    witness: &[F],
    curve: CurveId,
) -> Outcome {
    let bytes = files::read(r1cs_path)?;
    let found = r1cs::curve_of(&bytes).in_file(r1cs_path)?;
    if found != curve {
        return Err(Failure::new(format!(
            "{}: this constraint system is over {found}, the proving key over {curve}",
            r1cs_path.display()
        )));
    }
    let constraints = R1cs::read(&bytes).in_file(r1cs_path)?;
    check_witness(&constraints, witness, sym).in_file(r1cs_path)
}

/// A witness that does not satisfy its constraints, in words.
#[derive(Debug, thiserror::Error)]
pub enum WitnessProblem {
    /// A constraint is violated.
    #[error("{0}; pass --sym to have its signals named")]
    Unsatisfied(Unsatisfied),
    /// The same, with the names of its signals.
    #[error("{0}")]
    Explained(String),
    /// The symbols could not be read.
    #[error("{0}")]
    Symbols(String),
}

/// Checks every constraint; with symbols the violated one's signals are named (never their values).
pub fn check_witness<F: PrimeField>(
    constraints: &R1cs<F>,
    witness: &[F],
    sym: Option<&Path>,
) -> Result<(), WitnessProblem> {
    let Err(violated) = constraints.check(witness) else { return Ok(()) };
    match sym {
        None => Err(WitnessProblem::Unsatisfied(violated)),
        Some(path) => {
            let text = files::read(path).map_err(|e| WitnessProblem::Symbols(e.to_string()))?;
            let sym =
                Sym::read(&text).map_err(|e| WitnessProblem::Symbols(format!("{}: {e}", path.display())))?;
            Err(WitnessProblem::Explained(constraints.explain(&violated, &sym)))
        }
    }
}

/// The machine's randomness, with text from the user stirred in: the text can only add to it.
pub fn stirred_rng(text: Option<&str>) -> StdRng {
    let mut seed = blake3::Hasher::new_derive_key("tacit 2026-11 contribution randomness");
    let mut ambient = [0u8; 64];
    rand::Rng::fill_bytes(&mut rand::rng(), &mut ambient);
    seed.update(&ambient);
    seed.update(text.unwrap_or_default().as_bytes());
    StdRng::from_seed(*seed.finalize().as_bytes())
}
