//! What a prover needs to prove a signed intent, and its encoding.
//!
//! Encoding: `version (1) = 1 || statement || private signals of pool_transact (32 each) || authorisation`. An authorisation is
//! `0 || length (4) || proof` where the verifier contract needs no proof of a circuit, `1 || signals of auth_eddsa` or
//! `2 || signals of auth_xmss`. See [`crate::statement`] and [`crate::signals`].

use tacit_circom::Inputs;
use tacit_pool::transaction::{auth_eddsa_inputs, auth_xmss_inputs};
use tacit_pool::{Address, Fr, Rules, Transaction, eddsa, xmss};
use tacit_wire::codec::{DecodeError, DecodeReason, Reader};
use zeroize::Zeroizing;

use crate::secret::SecretWriter;
use crate::signals::{self, SignalError, Values};
use crate::statement::{Statement, StatementError};

/// The version of the encoding.
pub const VERSION: u8 = 1;
/// The longest proof of an authorisation that provers take, in bytes. A Groth16 proof has 256, ECDSA's 128.
pub const MAX_AUTH_PROOF_BYTES: usize = 4096;

/// A circuit that checks a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthCircuit {
    /// `auth_eddsa`.
    Eddsa,
    /// `auth_xmss`.
    Xmss,
}

/// How the intent is authorised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// The verifier's proof as it is: nothing is to be proved.
    Ready(Vec<u8>),
    /// By a circuit.
    Circuit {
        /// Which one.
        circuit: AuthCircuit,
        /// Its inputs.
        inputs: Values,
    },
}

/// A statement with what proves it. Secrets are wiped when it is dropped, and never printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    statement: Statement,
    pool: Values,
    auth: Auth,
}

/// Why a transaction gives no work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkError {
    /// Its public part is not one that provers take.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// It is of another form.
    #[error(transparent)]
    Signals(#[from] SignalError),
    /// A proof of the authorisation that is too long.
    #[error("the proof of the authorisation has {0} bytes, at most {MAX_AUTH_PROOF_BYTES} are taken")]
    AuthProofLength(usize),
}

impl Work {
    /// A transaction that an EdDSA key authorised.
    ///
    /// # Errors
    /// [`WorkError`].
    pub fn eddsa(
        transaction: &Transaction,
        key: &eddsa::PublicKey,
        signature: &eddsa::Signature,
    ) -> Result<Self, WorkError> {
        let inputs = auth_eddsa_inputs(transaction, key, signature);
        let signals = signals::auth(AuthCircuit::Eddsa, transaction.rules());
        let inputs = Values::take(signals, &inputs)?;
        Self::new(transaction, Auth::Circuit { circuit: AuthCircuit::Eddsa, inputs })
    }

    /// A transaction that an XMSS key authorised.
    ///
    /// # Errors
    /// [`WorkError`].
    pub fn xmss(
        transaction: &Transaction,
        key: &xmss::PublicKey,
        signature: &xmss::Signature,
    ) -> Result<Self, WorkError> {
        let inputs = auth_xmss_inputs(transaction, key, signature);
        let signals = signals::auth(AuthCircuit::Xmss, transaction.rules());
        let inputs = Values::take(signals, &inputs)?;
        Self::new(transaction, Auth::Circuit { circuit: AuthCircuit::Xmss, inputs })
    }

    /// A transaction whose authorisation needs no circuit: `proof` is what its verifier takes, such as ECDSA's
    /// `abi.encode(blindingFactor, r, s, v)`.
    ///
    /// # Errors
    /// [`WorkError`].
    pub fn ready(transaction: &Transaction, proof: Vec<u8>) -> Result<Self, WorkError> {
        if proof.len() > MAX_AUTH_PROOF_BYTES {
            return Err(WorkError::AuthProofLength(proof.len()));
        }
        Self::new(transaction, Auth::Ready(proof))
    }

    fn new(transaction: &Transaction, auth: Auth) -> Result<Self, WorkError> {
        let rules = transaction.rules();
        let statement = Statement::of(transaction, rules)?;
        let pool = Values::take(signals::pool_private(rules), &transaction.pool_inputs())?;
        Ok(Self { statement, pool, auth })
    }

    /// What the chain gets to see.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The private signals of `pool_transact`.
    pub(crate) fn pool(&self) -> &Values {
        &self.pool
    }

    /// Of which token it pays; `None` where the witness names no address.
    pub fn token(&self) -> Option<Address> {
        let [token] = self.pool.get("tokenAddress")? else { return None };
        Address::from_field(token).ok()
    }

    /// The form of the relation.
    pub fn rules(&self) -> Rules {
        self.statement.rules()
    }

    /// How it is authorised.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The inputs of `pool_transact`, the public ones from the statement.
    pub fn pool_inputs(&self) -> Inputs<Fr> {
        let public = self.statement.public_inputs().named(self.rules());
        let public = public.into_iter().map(|(name, value)| (name.to_owned(), vec![value]));
        Inputs(public.chain(owned(&self.pool)).collect())
    }

    /// The encoding.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let statement = self.statement.encode();
        let auth = match &self.auth {
            Auth::Ready(proof) => 4 + proof.len(),
            Auth::Circuit { inputs, .. } => inputs.bytes(),
        };
        let mut writer = SecretWriter::with_capacity(1 + statement.len() + self.pool.bytes() + 1 + auth);
        writer.raw(&[VERSION]).raw(&statement);
        self.pool.write(&mut writer);
        match &self.auth {
            Auth::Ready(proof) => {
                writer.raw(&[0]).bytes(proof);
            }
            Auth::Circuit { circuit, inputs } => {
                writer.raw(&[circuit.code()]);
                inputs.write(&mut writer);
            }
        }
        writer.finish()
    }

    /// Reads what [`Self::encode`] wrote. Whether it can be proved is not looked at.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("work", bytes);
        match reader.u8("version")? {
            VERSION => {}
            other => return Err(unknown(&reader, "version", other)),
        }
        let statement = Statement::read(&mut reader)?;
        let rules = statement.rules();
        let pool = Values::read(signals::pool_private(rules), &mut reader)?;
        let auth = match reader.u8("authorisation")? {
            0 => Auth::Ready(reader.bytes("auth proof", MAX_AUTH_PROOF_BYTES)?.to_vec()),
            code => {
                let circuit =
                    AuthCircuit::from_code(code).ok_or_else(|| unknown(&reader, "authorisation", code))?;
                Auth::Circuit { circuit, inputs: Values::read(signals::auth(circuit, rules), &mut reader)? }
            }
        };
        reader.finish()?;
        Ok(Self { statement, pool, auth })
    }
}

impl Auth {
    /// The auth circuit's inputs, where there is one.
    pub fn inputs(&self) -> Option<(AuthCircuit, Inputs<Fr>)> {
        match self {
            Self::Ready(_) => None,
            Self::Circuit { circuit, inputs } => Some((*circuit, Inputs(owned(inputs).collect()))),
        }
    }
}

impl AuthCircuit {
    const fn code(self) -> u8 {
        match self {
            Self::Eddsa => 1,
            Self::Xmss => 2,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Eddsa),
            2 => Some(Self::Xmss),
            _ => None,
        }
    }
}

fn owned(values: &Values) -> impl Iterator<Item = (String, Vec<Fr>)> + '_ {
    values.iter().map(|(name, values)| (name.to_owned(), values.to_vec()))
}

pub(crate) fn unknown(reader: &Reader<'_>, field: &'static str, got: u8) -> DecodeError {
    reader.error(DecodeReason::UnknownCode { field, got: got.into() })
}
