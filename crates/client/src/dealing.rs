//! Steps 1 and 2 of the protocol: deal, seal, assign. Computation only, nothing is sent.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rand_core::CryptoRng;
use tacit_algebra::Curve;
use tacit_delegate::{DealError, DealTerms, Package, deal};
use tacit_wire::envelope::{Slot, seal_package};
use tacit_wire::frame::MAX_ENVELOPE_BYTES;
use tacit_wire::messages::{Assembler, Delivery, SubmitJob};
use tacit_wire::seal::OVERHEAD_BYTES;
use tacit_wire::{
    Acknowledgement, Body, Digest32, Identity, MessageType, SealError, SealingKeyCertificate, SealingKeyPair,
};
use thiserror::Error;

use crate::committee::Committee;
use crate::options::Options;
use crate::prepare::Prepared;
use crate::progress::{Event, Progress};
use crate::ticket::{JobTicket, TicketSeat};

/// A deal, sealed and signed: what is sent, and what is needed to make a proof of what comes back. The packages are
/// wiped already; of them only the digests that nodes must acknowledge are left.
#[derive(Debug)]
pub struct Dealt {
    /// What opens and checks the answers.
    pub ticket: JobTicket,
    /// The `SubmitJob` frame.
    pub frame: Bytes,
}

/// Why nothing was dealt.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DealingError {
    /// The committee has another size than the dials.
    #[error("the committee has {got} members, the dials ask for {expected}")]
    CommitteeSize {
        /// By the dials.
        expected: u8,
        /// Members.
        got: usize,
    },
    /// The coordinator is to assemble and no key of it was given.
    #[error("the coordinator is to assemble, but it has no assembler key")]
    NoAssemblerKey,
    /// The protocol refuses.
    #[error(transparent)]
    Deal(#[from] DealError),
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A package is larger than an envelope may be.
    #[error(
        "a package has {got} bytes, an envelope holds at most {limit}: the circuit is too large for these dials. \
         With the handover `quotient` take more groups, or the handover `witness`, whose packages are smaller"
    )]
    PackageTooLarge {
        /// Bytes of the largest package.
        got: usize,
        /// Bytes at most.
        limit: usize,
    },
    /// The job is larger than a message may be.
    #[error(
        "the job has {got} bytes, a message has at most {limit}: the circuit is too large for this committee. \
         A larger threshold makes it smaller, because that many nodes get 32 bytes each"
    )]
    TooLarge {
        /// Bytes of the job.
        got: usize,
        /// Bytes of a message at most.
        limit: usize,
    },
}

/// Who opens the responses.
#[derive(Debug, Clone, Copy)]
pub enum AssemblerKey<'a> {
    /// The client, with a key drawn for this deal.
    Fresh,
    /// The coordinator, by its verified certificate.
    Coordinator(&'a SealingKeyCertificate),
}

/// Now, in Unix seconds.
pub(crate) fn unix_now() -> u64 {
    // Before 1970 every certificate is "not valid yet", which the errors then say.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

impl<C: Curve> Prepared<C> {
    /// Deals to a committee with everything fresh, and seals each package to its node. Calling it again makes another
    /// deal, which shares no randomness with this one. Takes time: not for an executor's thread.
    ///
    /// # Errors
    /// [`DealingError`].
    pub fn deal<R: CryptoRng + ?Sized>(
        &self,
        committee: &Committee,
        assembler: AssemblerKey<'_>,
        options: &Options,
        rng: &mut R,
        progress: &dyn Progress,
    ) -> Result<Dealt, DealingError> {
        let dials = options.dials;
        let got = committee.seats().len();
        if got != usize::from(dials.seats()) {
            return Err(DealingError::CommitteeSize { expected: dials.seats(), got });
        }
        // What no coordinator would take is not made first. (With several groups the job is larger than this; it is looked at again.)
        let (got_bytes, limit) =
            (Package::<C::Scalar>::largest(&self.layout, dials), MAX_ENVELOPE_BYTES - OVERHEAD_BYTES);
        if got_bytes > limit {
            return Err(DealingError::PackageTooLarge { got: got_bytes, limit });
        }
        let (job, limit) =
            (usize::from(dials.nodes() - dials.threshold()) * got_bytes, MessageType::SubmitJob.limit());
        if job > limit {
            return Err(DealingError::TooLarge { got: job, limit });
        }
        let identity = match &options.identity {
            Some(identity) => identity.clone(),
            None => Identity::generate(rng),
        };
        let (pair, assembler_key, kind) = match assembler {
            AssemblerKey::Fresh => {
                let pair = SealingKeyPair::generate(rng)?;
                let public = pair.public().as_bytes().to_vec();
                (Some(pair), public, Assembler::Client)
            }
            AssemblerKey::Coordinator(certificate) => {
                (None, certificate.public_key.as_bytes().to_vec(), Assembler::Coordinator)
            }
        };
        let terms = DealTerms {
            curve: C::ID,
            circuit: self.circuit(),
            dials,
            assembler_key,
            client_key: identity.key().0,
            expiry: committee.deal_expiry(),
            public: self.public.clone(),
        };
        let dealt = deal(terms, &self.layout, self.secrets(), rng)?;
        let job = Digest32(dealt.id.0);
        progress.event(Event::Dealt { deal: job, private_wires: self.secrets().private.len() });

        let mut seats = Vec::with_capacity(got);
        let mut deliveries = Vec::with_capacity(got);
        for (seat, package) in committee.seats().iter().zip(dealt.packages) {
            // Wiped at the end of this turn, like the package itself.
            let bytes = package.encode();
            let slot = Slot::at(dials, package.place)
                .ok_or(DealingError::CommitteeSize { expected: dials.seats(), got })?;
            let (assignment, envelope) =
                seal_package(&identity, dealt.id.0, slot, &seat.certificate, &bytes, rng)?;
            progress.event(Event::Sealed {
                member: seat.member.clone(),
                package_bytes: bytes.len(),
                envelope_bytes: envelope.len(),
            });
            seats.push(TicketSeat {
                member: seat.member.clone(),
                acknowledgement: Acknowledgement::new(&assignment.assignment, &bytes),
                assignment: assignment.clone(),
            });
            deliveries.push(Delivery { assignment, envelope });
        }
        let header = dealt.header.encode();
        let frame = Bytes::from(SubmitJob { header: header.clone(), assembler: kind, deliveries }.to_frame());
        let limit = MessageType::SubmitJob.limit();
        if frame.len() > limit {
            return Err(DealingError::TooLarge { got: frame.len(), limit });
        }
        let ticket = JobTicket { job, curve: C::ID, header, assembler: pair, seats };
        Ok(Dealt { ticket, frame })
    }
}
