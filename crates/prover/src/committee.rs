//! Proving by a committee of Tacit nodes: this machine calculates the witness and shares it, the nodes prove on shares, and none of
//! them learns anything (docs/src/protocol.md).
//!
//! The coordinator and the nodes see the circuits and the public inputs, which the chain sees as well, and when.

use std::sync::Arc;

use tacit_algebra::Bn254;
use tacit_circom::Inputs;
use tacit_client::{Artefact, Client, ClientError, KeySource, Options, Prepared, Progress, WitnessError};
use tacit_pool::Fr;

use crate::circuits::{CircuitError, CircuitKind, Loaded, PoolCircuits};
use crate::local::{ProveError, check_rules};
use crate::proved::{PROOF_BYTES, Proved, evm_proof};
use crate::work::{Auth, Work};

/// Why a committee made no proofs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitteeError {
    /// Before anything was shared, or of what came back.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The witness does not fit the key.
    #[error("{kind}: {source}")]
    Witness {
        /// The circuit.
        kind: CircuitKind,
        /// What does not fit.
        source: WitnessError,
    },
    /// The network made no proof.
    #[error("{kind}: {source}")]
    Network {
        /// The circuit.
        kind: CircuitKind,
        /// Why; it says which nodes are to blame.
        source: Box<ClientError>,
    },
    /// The calculation was interrupted.
    #[error("calculating the witness was interrupted")]
    Interrupted,
}

impl From<CircuitError> for CommitteeError {
    fn from(error: CircuitError) -> Self {
        Self::Prove(error.into())
    }
}

/// Whose progress is told: the client's events, circuit by circuit.
pub type Watch<'a> = &'a (dyn Fn(CircuitKind) -> Arc<dyn Progress> + Send + Sync);

/// A circuit and its witness, ready to be dealt.
struct Ready {
    kind: CircuitKind,
    circuit: Arc<Loaded>,
    prepared: Prepared<Bn254>,
}

/// Has both proofs made by committees that `client` chooses, one after the other. Both witnesses are calculated before anything is
/// shared; both proofs are verified against the same keys as proofs made here, and that they are about the statement.
///
/// # Errors
/// [`CommitteeError`].
pub async fn prove(
    client: &Client,
    circuits: &Arc<PoolCircuits>,
    work: &Work,
    options: &Options,
    watch: Watch<'_>,
) -> Result<Proved, CommitteeError> {
    check_rules(circuits, work)?;
    let statement = work.statement();
    let (auth_publics, pool_publics) = (statement.auth_publics(), statement.pool_publics());
    let auth = match work.auth().inputs() {
        Some((circuit, inputs)) => {
            Some(ready(circuits, circuit.into(), inputs, auth_publics.to_vec(), options).await?)
        }
        None => None,
    };
    let pool = ready(circuits, CircuitKind::Pool, work.pool_inputs(), pool_publics.clone(), options).await?;
    let auth_proof = match (work.auth(), auth) {
        (Auth::Ready(proof), _) => proof.clone(),
        (_, Some(auth)) => one(client, auth, &auth_publics, options, watch).await?.to_vec(),
        (_, None) => Vec::new(),
    };
    let pool_proof = one(client, pool, &pool_publics, options, watch).await?;
    Ok(Proved { pool_proof, auth_proof })
}

async fn ready(
    circuits: &Arc<PoolCircuits>,
    kind: CircuitKind,
    inputs: Inputs<Fr>,
    expected: Vec<Fr>,
    options: &Options,
) -> Result<Ready, CommitteeError> {
    let (circuits, handover) = (Arc::clone(circuits), options.dials.handover());
    let calculate = move || {
        let circuit = circuits.load(kind)?;
        let witness = circuit.witness(&inputs)?;
        if circuit.publics(&witness) != expected {
            return Err(ProveError::OtherStatement(kind).into());
        }
        let prepared = Prepared::new(circuit.key(), &witness, None, handover)
            .map_err(|source| CommitteeError::Witness { kind, source })?;
        Ok(Ready { kind, circuit, prepared })
    };
    tokio::task::spawn_blocking(calculate).await.map_err(|_| CommitteeError::Interrupted)?
}

async fn one(
    client: &Client,
    ready: Ready,
    expected: &[Fr],
    options: &Options,
    watch: Watch<'_>,
) -> Result<[u8; PROOF_BYTES], CommitteeError> {
    let Ready { kind, circuit, prepared } = ready;
    let again: KeySource<Bn254> = {
        let circuit = Arc::clone(&circuit);
        Arc::new(move || Ok(circuit.key().clone()))
    };
    let zkey = Artefact::from(circuit.files().zkey.as_path());
    let proved = client
        .prove(prepared.judging_with(again), Some(&zkey), options, watch(kind))
        .await
        .map_err(|source| CommitteeError::Network { kind, source: Box::new(source) })?;
    if proved.public != expected {
        return Err(ProveError::OtherStatement(kind).into());
    }
    circuit.verify(expected, &proved.proof)?;
    Ok(evm_proof(&proved.proof))
}
