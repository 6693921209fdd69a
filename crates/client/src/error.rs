//! Why there is no proof, whose fault it is, and what to do.

use std::time::Duration;

use tacit_circom::json::JsonError;
use tacit_delegate::{AssembleError, BasesId, DialsError, EncodingError};
use tacit_groth16::verify::VerifyError;
use tacit_wire::status::{ErrorBody, HexCertificateError};
use tacit_wire::{Blame, CertificateError, Digest32};
use thiserror::Error;

use crate::answers::{Culprit, Refusal};
use crate::api::ApiError;
use crate::committee::{CommitteeError, Member};
use crate::dealing::DealingError;
use crate::kept::Finding;
use crate::network::NetworkError;
use crate::prepare::WitnessError;
use crate::ticket::TicketError;

/// Why there is no proof.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// `network.toml`.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The dials.
    #[error(transparent)]
    Dials(#[from] DialsError),
    /// The witness, before anything was dealt.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// The coordinator's API.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// No acceptable committee.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    /// Dealing.
    #[error(transparent)]
    Dealing(#[from] DealingError),
    /// The ticket's file.
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// The ticket's content.
    #[error("the ticket's deal header is damaged: {0}")]
    Header(#[from] EncodingError),
    /// The ticket is of another job than its header.
    #[error("the ticket is for job {ticket}, its header is that of deal {header}: the file is damaged")]
    TicketHeader {
        /// The ticket's job.
        ticket: Digest32,
        /// The header's deal.
        header: Digest32,
    },
    /// The ticket or key is for another curve.
    #[error("the job is on {job}, the verification key on {key}")]
    Curve {
        /// The job's curve.
        job: tacit_algebra::CurveId,
        /// The key's curve.
        key: tacit_algebra::CurveId,
    },
    /// The system gives no randomness.
    #[error("the system's random number generator failed ({0}): nothing is dealt without it")]
    Random(String),
    /// The coordinator does not know the circuit, or the bases, and there is no file to register.
    #[error(
        "the coordinator does not know circuit {circuit}: register its zkey, or the file of bases, first (`tacit circuit add`)"
    )]
    UnknownCircuit {
        /// The circuit.
        circuit: tacit_groth16::CircuitId,
    },
    /// Under the id of the bases something else is registered, or another curve's bases.
    #[error("what the coordinator has under {bases} are no bases over {curve}")]
    NoBases {
        /// The id.
        bases: BasesId,
        /// The curve.
        curve: tacit_algebra::CurveId,
    },
    /// The vector is longer than the bases.
    #[error("the vector has {scalars} scalars, there are {bases} bases: nothing was sent")]
    TooFewBases {
        /// Scalars of the vector.
        scalars: usize,
        /// Bases.
        bases: u64,
    },
    /// The coordinator's assembler key is not acceptable.
    #[error("the coordinator cannot assemble: {0}")]
    Assembler(#[from] AssemblerError),
    /// Time is up.
    #[error("{}", timed_out(.waited, *.needed, *.got, .silent, .refused, .unreachable.as_deref()))]
    TimedOut {
        /// For how long.
        waited: Duration,
        /// Answers that suffice.
        needed: usize,
        /// Answers that came.
        got: usize,
        /// Nodes that did not answer.
        silent: Vec<Member>,
        /// Nodes that contribute nothing, and why.
        refused: Vec<(Member, Refusal)>,
        /// Why the coordinator could not be reached last, if it could not.
        unreachable: Option<String>,
    },
    /// So many nodes refused or misbehaved that the rest cannot suffice.
    #[error("{got} of {needed} needed answers are possible: {}", refusals(.refused))]
    TooFewAnswers {
        /// Answers that suffice.
        needed: usize,
        /// Answers that came or may still come.
        got: usize,
        /// Nodes that contribute nothing, and why.
        refused: Vec<(Member, Refusal)>,
    },
    /// Enough answers came and they make no proof.
    #[error("{error}{}{}", answered(.members), found(.findings))]
    NotAssembled {
        /// What assembling says.
        error: AssembleError,
        /// The nodes that answered.
        members: Vec<Member>,
        /// What was found by computing their answers again.
        findings: Vec<Finding>,
    },
    /// The coordinator does not know the job any more.
    #[error(
        "the coordinator does not know job {job} (any more): its database was lost, or the job is too old. Deal again"
    )]
    JobLost {
        /// The job.
        job: Digest32,
    },
    /// The coordinator gave the job up.
    #[error("the coordinator gave job {job} up: {} ({})", .body.message, .body.code)]
    JobFailed {
        /// The job.
        job: Digest32,
        /// Its reason.
        body: ErrorBody,
    },
    /// The deal expired before enough nodes answered, as the coordinator says.
    #[error("job {job} expired with {got} of {needed} needed answers; {}", who_is_silent(.silent))]
    Expired {
        /// The job.
        job: Digest32,
        /// Answers that suffice.
        needed: usize,
        /// Answers that came.
        got: usize,
        /// Nodes that did not answer.
        silent: Vec<Member>,
    },
    /// The coordinator assembles, and a node acknowledged another package than the one dealt to it: the client does not go on with this deal.
    #[error("{member} acknowledged another package than the one dealt to it: job {job} was given up")]
    AcknowledgedOtherwise {
        /// The job.
        job: Digest32,
        /// The node.
        member: Member,
    },
    /// The coordinator brought answers for another job.
    #[error("the coordinator brought the answers of job {got} for job {expected}")]
    WrongJob {
        /// The job that was asked for.
        expected: Digest32,
        /// The job that was answered.
        got: Digest32,
    },
    /// The coordinator's proof cannot be read.
    #[error("the coordinator's proof cannot be read: {0}")]
    ProofJson(#[from] JsonError),
    /// The coordinator's proof does not verify.
    #[error("the coordinator released a proof that does not verify ({0}); it was not accepted")]
    ProofInvalid(VerifyError),
    /// A background computation was cut off.
    #[error("the computation was cut off: {0}")]
    Interrupted(String),
}

/// Why responses are not sealed to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AssemblerError {
    /// It has no key.
    #[error("it has no assembler key")]
    None,
    /// A sum is assembled by the client alone.
    #[error("a sum is assembled by the client: nobody else can tell whether it is right, and it is secret")]
    Sum,
    /// Its certificate cannot be read.
    #[error(transparent)]
    Unreadable(#[from] HexCertificateError),
    /// Its certificate does not hold for the identity in network.toml.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Its key is destroyed before the deal expires.
    #[error(
        "its assembler key expires at {key_expiry}, before the deal does at {deal_expiry} (Unix seconds)"
    )]
    Expires {
        /// When the key expires.
        key_expiry: u64,
        /// When the deal expires.
        deal_expiry: u64,
    },
}

impl ClientError {
    /// Whom this points at; empty where nobody did wrong or it cannot be told.
    pub fn culprits(&self) -> Vec<Culprit> {
        let of_refusals = |refused: &[(Member, Refusal)]| -> Vec<Culprit> {
            refused.iter().flat_map(|(member, refusal)| refusal.culprits(member)).collect()
        };
        let of_blame = |blame: Blame| match blame {
            Blame::Client => vec![Culprit::Client],
            Blame::Coordinator => vec![Culprit::Coordinator],
            _ => Vec::new(),
        };
        match self {
            Self::Network(_) | Self::Dials(_) | Self::Witness(_) | Self::Dealing(_) => vec![Culprit::Client],
            Self::Ticket(_) | Self::Header(_) | Self::TicketHeader { .. } | Self::Curve { .. } => {
                vec![Culprit::Client]
            }
            Self::Api(error) => of_blame(error.blame()),
            Self::TimedOut { silent, refused, unreachable, .. } => {
                let mut culprits = of_refusals(refused);
                // Without the coordinator the nodes cannot be heard.
                if unreachable.is_none() {
                    culprits.extend(silent.iter().cloned().map(Culprit::NodeOrCoordinator));
                }
                culprits
            }
            Self::Expired { silent, .. } => silent.iter().cloned().map(Culprit::NodeOrCoordinator).collect(),
            Self::TooFewAnswers { refused, .. } => of_refusals(refused),
            Self::AcknowledgedOtherwise { member, .. } => vec![Culprit::Node(member.clone())],
            Self::WrongJob { .. } | Self::ProofJson(_) | Self::ProofInvalid(_) | Self::JobLost { .. } => {
                vec![Culprit::Coordinator]
            }
            Self::JobFailed { body, .. } => of_blame(body.blame),
            Self::Assembler(AssemblerError::Sum) | Self::TooFewBases { .. } => vec![Culprit::Client],
            Self::Assembler(_) => vec![Culprit::Coordinator],
            // The witness may be wrong, and liars can be consistent: without findings suspicion is in the message, blame is not.
            Self::NotAssembled { members, findings, .. } => {
                let guilty: Vec<Culprit> = (findings.iter())
                    .filter(|f| f.found.is_guilt())
                    .map(|f| Culprit::Node(f.member.clone()))
                    .collect();
                let all_right = guilty.is_empty() && !members.is_empty() && findings.len() == members.len();
                if all_right { vec![Culprit::Client] } else { guilty }
            }
            Self::Committee(_)
            | Self::UnknownCircuit { .. }
            | Self::NoBases { .. }
            | Self::Random(_)
            | Self::Interrupted(_) => Vec::new(),
        }
    }

    /// Whether a fresh deal to a fresh committee may succeed.
    pub(crate) fn is_mended_by_dealing_again(&self) -> bool {
        match self {
            Self::TooFewAnswers { refused, .. } => {
                refused.iter().any(|(_, refusal)| refusal.is_mended_by_dealing_again())
            }
            // Without them it goes well.
            Self::NotAssembled { findings, .. } => findings.iter().any(|f| f.found.is_guilt()),
            Self::AcknowledgedOtherwise { .. } => true,
            _ => false,
        }
    }
}

fn names(members: &[Member]) -> String {
    let all: Vec<String> = members.iter().map(ToString::to_string).collect();
    match all.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn refusals(refused: &[(Member, Refusal)]) -> String {
    refused.iter().map(|(member, refusal)| format!("{member}: {refusal}")).collect::<Vec<_>>().join("; ")
}

fn who_is_silent(silent: &[Member]) -> String {
    match silent.len() {
        0 => "every node has spoken".to_owned(),
        1 => format!("{} has not answered", names(silent)),
        _ => format!("{} have not answered", names(silent)),
    }
}

fn timed_out(
    waited: &Duration,
    needed: usize,
    got: usize,
    silent: &[Member],
    refused: &[(Member, Refusal)],
    unreachable: Option<&str>,
) -> String {
    let mut text = format!("no result after {} s: {got} of {needed} needed answers came", waited.as_secs());
    if let Some(reason) = unreachable {
        text.push_str(&format!("; the coordinator does not answer: {reason}"));
    } else {
        text.push_str(&format!("; {}", who_is_silent(silent)));
    }
    if !refused.is_empty() {
        text.push_str(&format!("; {}", refusals(refused)));
    }
    text.push_str(". Try again with other nodes, or ask these nodes' operators");
    text
}

fn found(findings: &[Finding]) -> String {
    let guilty: Vec<String> = findings.iter().filter(|f| f.found.is_guilt()).map(|f| f.to_string()).collect();
    match (guilty.as_slice(), findings) {
        ([], []) => String::new(),
        ([], _) => ". Computed again here, their answers are right: the witness does not satisfy the circuit"
            .to_owned(),
        _ => format!(". {}", guilty.join("; ")),
    }
}

fn answered(members: &[Member]) -> String {
    if members.is_empty() { String::new() } else { format!(" (answers came from {})", names(members)) }
}
