//! The pool's circuits: a proving key and a witness program each, read and checked when they are first needed and kept.
//!
//! Every point of a key is checked once; the checked key is kept in a folder in the form in which it is used
//! ([`tacit_groth16::prepared`]), so that later runs of any program begin at once.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rand_core::CryptoRng;
use tacit_algebra::{Bn254, Check, CurveId};
use tacit_circom::{Inputs, Proof, WitnessCalculator, WitnessError, Zkey};
use tacit_groth16::prepared::PreparedError;
use tacit_groth16::{KeyError, ProvingKey, prepared, prove, verify};
use tacit_pool::{Fr, Rules};
use zeroize::Zeroizing;

use crate::work::AuthCircuit;

/// One of the circuits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CircuitKind {
    /// `pool_transact`.
    Pool,
    /// An auth circuit.
    Auth(AuthCircuit),
}

impl CircuitKind {
    /// Its name in `circuits/pool`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pool => "pool_transact",
            Self::Auth(AuthCircuit::Eddsa) => "auth_eddsa",
            Self::Auth(AuthCircuit::Xmss) => "auth_xmss",
        }
    }

    /// How many public wires it has.
    const fn publics(self, rules: Rules) -> usize {
        match self {
            Self::Pool => rules.public_inputs(),
            Self::Auth(_) => 2,
        }
    }
}

impl From<AuthCircuit> for CircuitKind {
    fn from(circuit: AuthCircuit) -> Self {
        Self::Auth(circuit)
    }
}

impl fmt::Display for CircuitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a circuit's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitFiles {
    /// The proving key.
    pub zkey: PathBuf,
    /// circom's witness program.
    pub wasm: PathBuf,
}

impl CircuitFiles {
    /// `NAME.zkey` and `NAME.wasm` in a folder.
    pub fn in_folder(folder: &Path, kind: impl Into<CircuitKind>) -> Self {
        let name = kind.into().name();
        Self { zkey: folder.join(format!("{name}.zkey")), wasm: folder.join(format!("{name}.wasm")) }
    }
}

/// Why a circuit cannot be used, or gave no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CircuitError {
    /// Nobody said where it is.
    #[error("the circuit {0} is not configured: name its proving key and its witness program")]
    Missing(CircuitKind),
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not a proving key.
    #[error("{}: {source}", path.display())]
    Zkey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: tacit_circom::FormatError,
    },
    /// An unusable proving key.
    #[error("{}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// Not the witness program of such a circuit.
    #[error("{}: {source}", path.display())]
    Wasm {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: WitnessError,
    },
    /// The checked key cannot be kept.
    #[error("the checked key of {kind} cannot be kept: {source}")]
    Prepared {
        /// The circuit.
        kind: CircuitKind,
        /// Why.
        source: PreparedError,
    },
    /// Files of different circuits, or of a circuit in another form.
    #[error(
        "{kind}: {what} is {got}, expected {expected}: the files are of another circuit, or of another form of it"
    )]
    Mismatch {
        /// The circuit.
        kind: CircuitKind,
        /// What differs.
        what: &'static str,
        /// What it should be.
        expected: usize,
        /// What it is.
        got: usize,
    },
    /// The inputs satisfy no witness: what was to be proved is not so.
    #[error("there is no witness for {kind}: {source}")]
    Witness {
        /// The circuit.
        kind: CircuitKind,
        /// What the witness program says.
        source: WitnessError,
    },
    /// The prover refused.
    #[error("{kind}: {source}")]
    Prove {
        /// The circuit.
        kind: CircuitKind,
        /// Why.
        source: prove::ProveError,
    },
    /// A proof that does not verify; it is not given away.
    #[error(
        "the proof for {kind} does not verify: its witness program and its proving key are of different circuits"
    )]
    Unverified {
        /// The circuit.
        kind: CircuitKind,
        /// What the verifier says.
        source: verify::VerifyError,
    },
}

impl CircuitError {
    /// Whether whoever gave the inputs is to blame, not whoever has the circuits.
    pub const fn is_of_inputs(&self) -> bool {
        matches!(self, Self::Witness { .. })
    }
}

/// A circuit that is ready to prove.
pub struct Loaded {
    kind: CircuitKind,
    key: ProvingKey<Bn254>,
    calculator: WitnessCalculator,
    files: CircuitFiles,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loaded({}, {} wires)", self.kind, self.key.n_wires)
    }
}

impl Loaded {
    /// The proving key.
    pub fn key(&self) -> &ProvingKey<Bn254> {
        &self.key
    }

    /// Where it came from.
    pub fn files(&self) -> &CircuitFiles {
        &self.files
    }

    /// Calculates the witness: every wire, the constant one first.
    ///
    /// # Errors
    /// [`CircuitError::Witness`] where the inputs are not those of a transaction that holds.
    pub fn witness(&self, inputs: &Inputs<Fr>) -> Result<Zeroizing<Vec<Fr>>, CircuitError> {
        let witness = self.calculator.calculate(inputs, None);
        witness.map(Zeroizing::new).map_err(|source| CircuitError::Witness { kind: self.kind, source })
    }

    /// The public wires of a witness, the constant one not among them.
    pub fn publics(&self, witness: &[Fr]) -> Vec<Fr> {
        witness.get(1..=self.key.n_public).unwrap_or_default().to_vec()
    }

    /// Proves and verifies what was proved; gives the proof with its public inputs.
    ///
    /// # Errors
    /// [`CircuitError`].
    pub fn prove<R: CryptoRng + ?Sized>(
        &self,
        inputs: &Inputs<Fr>,
        rng: &mut R,
    ) -> Result<(Proof<Bn254>, Vec<Fr>), CircuitError> {
        let witness = self.witness(inputs)?;
        let publics = self.publics(&witness);
        let proof = prove::prove(&self.key, &witness, rng)
            .map_err(|source| CircuitError::Prove { kind: self.kind, source })?;
        self.verify(&publics, &proof)?;
        Ok((proof, publics))
    }

    /// Verifies a proof.
    ///
    /// # Errors
    /// [`CircuitError::Unverified`].
    pub fn verify(&self, publics: &[Fr], proof: &Proof<Bn254>) -> Result<(), CircuitError> {
        verify::verify(&self.key.vk, publics, proof)
            .map_err(|source| CircuitError::Unverified { kind: self.kind, source })
    }
}

struct Slot {
    kind: CircuitKind,
    files: CircuitFiles,
    loaded: Mutex<Option<Arc<Loaded>>>,
}

/// The circuits of one form of the pool.
pub struct PoolCircuits {
    rules: Rules,
    slots: Vec<Slot>,
    kept: Option<PathBuf>,
}

impl fmt::Debug for PoolCircuits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.slots.iter().map(|slot| (slot.kind, &slot.files))).finish()
    }
}

impl PoolCircuits {
    /// The circuits of one form, of which those that are never asked for are never read. Checked keys are kept in `kept`, a folder
    /// of the user's own, if one is given: the CLI's folder of prepared keys serves both.
    pub fn new(
        rules: Rules,
        circuits: impl IntoIterator<Item = (CircuitKind, CircuitFiles)>,
        kept: Option<PathBuf>,
    ) -> Self {
        let slot = |(kind, files)| Slot { kind, files, loaded: Mutex::default() };
        Self { rules, slots: circuits.into_iter().map(slot).collect(), kept }
    }

    /// All three, by their names in one folder.
    pub fn in_folder(rules: Rules, folder: &Path, kept: Option<PathBuf>) -> Self {
        let kinds = [CircuitKind::Pool, AuthCircuit::Eddsa.into(), AuthCircuit::Xmss.into()];
        Self::new(rules, kinds.map(|kind| (kind, CircuitFiles::in_folder(folder, kind))), kept)
    }

    /// The form of the relation that they prove.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// Whether somebody said where the circuit is.
    pub fn has(&self, kind: impl Into<CircuitKind>) -> bool {
        let kind = kind.into();
        self.slots.iter().any(|slot| slot.kind == kind)
    }

    /// The circuit, read and checked now if it was not before. Takes seconds then: call it where one may wait.
    ///
    /// # Errors
    /// [`CircuitError`]. It is tried again at the next call.
    pub fn load(&self, kind: impl Into<CircuitKind>) -> Result<Arc<Loaded>, CircuitError> {
        let kind = kind.into();
        let slot = self.slots.iter().find(|slot| slot.kind == kind).ok_or(CircuitError::Missing(kind))?;
        let mut loaded = slot.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = &*loaded {
            return Ok(Arc::clone(loaded));
        }
        let fresh = Arc::new(self.read(slot)?);
        *loaded = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    fn read(&self, slot: &Slot) -> Result<Loaded, CircuitError> {
        let Slot { kind, files, .. } = slot;
        let wasm = read(&files.wasm)?;
        let calculator = WitnessCalculator::new(&wasm)
            .map_err(|source| CircuitError::Wasm { path: files.wasm.clone(), source })?;
        let key = self.key(*kind, &files.zkey)?;
        let mismatch = |what, expected, got| CircuitError::Mismatch { kind: *kind, what, expected, got };
        let (expected, got) = (kind.publics(self.rules), key.n_public);
        if expected != got {
            return Err(mismatch("the number of public inputs", expected, got));
        }
        let (expected, got) = (key.n_wires, calculator.n_wires() as usize);
        if expected != got || calculator.curve() != CurveId::Bn254 {
            return Err(mismatch("the witness program's number of wires", expected, got));
        }
        Ok(Loaded { kind: *kind, key, calculator, files: files.clone() })
    }

    fn key(&self, kind: CircuitKind, path: &Path) -> Result<ProvingKey<Bn254>, CircuitError> {
        let bytes = read(path)?;
        let name = format!("{}.tacit-key", blake3::hash(&bytes).to_hex());
        let kept = self.kept.as_ref().map(|folder| folder.join(name));
        let failed = |source| CircuitError::Prepared { kind, source };
        if let Some(kept) = kept.as_ref().filter(|kept| kept.exists()) {
            match prepared::open(kept) {
                Ok(key) => return Ok(key),
                // What would be written again is made again; a place that is not safe is the user's to mend.
                Err(
                    PreparedError::Magic { .. }
                    | PreparedError::Version { .. }
                    | PreparedError::Damaged { .. },
                ) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let zkey = Zkey::<Bn254>::read(&bytes, Check::Full)
            .map_err(|source| CircuitError::Zkey { path: path.to_owned(), source })?;
        let unusable = |source| CircuitError::Key { path: path.to_owned(), source };
        let key = ProvingKey::from_zkey(zkey).map_err(unusable)?;
        key.check().map_err(unusable)?;
        if let Some(kept) = kept {
            prepared::write(&kept, &key).map_err(failed)?;
        }
        Ok(key)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CircuitError> {
    std::fs::read(path).map_err(|source| CircuitError::File { path: path.to_owned(), source })
}
