//! What a client tells its caller while a job runs.
//!
//! Events carry counts, names and digests, never a wire, a share or a key, so that they may be printed and logged.

use std::time::Duration;

use tacit_groth16::CircuitId;
use tacit_wire::Digest32;

use crate::committee::Member;
use crate::kept::Finding;

/// Something happened. Events of one job arrive in the order of their phases; events about nodes interleave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The witness satisfies every constraint of the `.r1cs`.
    WitnessChecked {
        /// How many constraints.
        constraints: usize,
    },
    /// The coordinator did not know the circuit; its key is on the way.
    CircuitUpload {
        /// Which circuit.
        circuit: CircuitId,
        /// Bytes sent so far.
        sent: u64,
        /// Bytes of the file.
        total: u64,
    },
    /// The coordinator knows the circuit.
    CircuitReady {
        /// Which circuit.
        circuit: CircuitId,
    },
    /// Who will compute on shares, and how many of them together could open them.
    CommitteeChosen {
        /// The nodes, in the order of their indices.
        members: Vec<Member>,
        /// Any `threshold` of them learn nothing.
        threshold: u8,
    },
    /// The witness is shared.
    Dealt {
        /// The deal.
        deal: Digest32,
        /// Private wires that were shared; of a vector, its scalars.
        private_wires: usize,
    },
    /// A node's package is sealed to the node.
    Sealed {
        /// For whom.
        member: Member,
        /// Bytes of the package before sealing.
        package_bytes: usize,
        /// Bytes of the envelope that travels.
        envelope_bytes: usize,
    },
    /// The coordinator took the job.
    Submitted {
        /// The job.
        job: Digest32,
        /// Bytes of the whole submission.
        bytes: usize,
    },
    /// A node signed for the package that was dealt to it.
    Acknowledged {
        /// Who.
        member: Member,
    },
    /// A node's response arrived, was opened, and is signed and well formed.
    Answered {
        /// Who.
        member: Member,
        /// Bytes of its answer.
        bytes: usize,
        /// Answers so far.
        answers: usize,
        /// Answers that suffice.
        needed: usize,
    },
    /// A node will not contribute, or what came in its name is unusable.
    Refused {
        /// Who.
        member: Member,
        /// Why.
        reason: String,
    },
    /// The coordinator does not answer; the job goes on.
    Unreachable {
        /// What happened.
        reason: String,
        /// When the client asks again.
        retry_in: Duration,
    },
    /// Enough answers did not make a proof; the client waits for more.
    AnswersDisagree {
        /// Answers at hand.
        answers: usize,
        /// Members that may have answered wrongly.
        suspects: Vec<Member>,
    },
    /// A node is lost, and another one takes its place with the same package.
    Replaced {
        /// Who is lost.
        lost: Member,
        /// Who takes the place.
        by: Member,
    },
    /// An answer was computed again here, or a node contradicted itself.
    Judged {
        /// What was found.
        finding: Finding,
    },
    /// The job is given up and the witness is shared afresh, with new randomness.
    DealtAgain {
        /// Which attempt begins, from 2.
        attempt: u32,
        /// Why the last one failed.
        reason: String,
    },
    /// The proof is made and the pairing check holds, or the sum and its MAC is right.
    Verified {
        /// How many answers were at hand.
        answers: usize,
    },
}

/// Receives [`Event`]s. Called on the job's own task: return soon.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn event(&self, event: Event);

    /// Whether each answer is to be told when it comes: that is a request to the coordinator each. Otherwise they are fetched once there are enough.
    fn each_answer(&self) -> bool {
        true
    }
}

impl<F: Fn(Event) + Send + Sync> Progress for F {
    fn event(&self, event: Event) {
        self(event);
    }
}

/// Ignores every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event) {}

    fn each_answer(&self) -> bool {
        false
    }
}
