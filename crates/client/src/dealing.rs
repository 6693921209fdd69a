//! Steps 1 and 2 of the protocol: deal, seal, assign. Computation only, nothing is sent.

use std::time::{SystemTime, UNIX_EPOCH};

use ark_ff::PrimeField;
use bytes::Bytes;
use rand_core::CryptoRng;
use tacit_algebra::{Curve, Groups};
use tacit_delegate::{CircuitId, Custody, CustodyError, Deal, DealError, DealTerms, Dials, Package};
use tacit_wire::envelope::{Slot, seal_package};
use tacit_wire::frame::MAX_ENVELOPE_BYTES;
use tacit_wire::messages::{Assembler, Delivery, SubmitJob};
use tacit_wire::seal::OVERHEAD_BYTES;
use tacit_wire::{
    Acknowledgement, Body, Digest32, Identity, MessageType, SealError, SealingKeyCertificate, SealingKeyPair,
};
use thiserror::Error;

use crate::committee::{self, Committee};
use crate::kept::Kept;
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
    /// What is kept of a deal does not allow it.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A node that is to take another's place presents a sealing key that is in use.
    #[error("the replacement presents the sealing key {key} of {seated}: one key may not open two packages")]
    SealingKeyShared {
        /// The key.
        key: Digest32,
        /// The name of the node that has it.
        seated: String,
    },
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
        Ok(self.deal_keeping(committee, assembler, options, rng, progress)?.0)
    }

    /// [`Prepared::deal`], with what it takes to replace a node and to judge an answer.
    pub(crate) fn deal_keeping<R: CryptoRng + ?Sized>(
        &self,
        committee: &Committee,
        assembler: AssemblerKey<'_>,
        options: &Options,
        rng: &mut R,
        progress: &dyn Progress,
    ) -> Result<(Dealt, Kept<C>), DealingError> {
        let what = What::<C> {
            circuit: self.circuit(),
            public: self.public.clone(),
            secrets: self.secrets().private.len(),
            largest_package: Package::<C::Scalar>::largest(&self.layout, options.dials),
        };
        let threshold = options.dials.threshold();
        let tolerated = options.tolerated.unwrap_or_else(|| threshold.saturating_sub(1).max(1));
        let (dealt, mut custody, identity) =
            what.deal_to(committee, assembler, options, rng, progress, |terms, rng| {
                Ok(Custody::deal(terms, &self.layout, self.secrets(), tolerated, rng)?)
            })?;
        // Nothing was sent yet.
        for member in dealt.ticket.members() {
            custody.assign(member.index, member.identity)?;
        }
        Ok((dealt, Kept::new(custody, identity)))
    }
}

/// What is dealt, as far as sealing and submitting it must know.
pub(crate) struct What<C: Curve> {
    /// The circuit, or the bases.
    pub(crate) circuit: CircuitId,
    pub(crate) public: Vec<<C as Groups>::Scalar>,
    /// How many secrets are shared.
    pub(crate) secrets: usize,
    /// Bytes.
    pub(crate) largest_package: usize,
}

impl<C: Curve> What<C> {
    /// Deals by `deal` to a committee, seals each package to its node, signs the assignments. Gives also what `deal` gives beside the deal, and who signed.
    pub(crate) fn deal_to<R: CryptoRng + ?Sized, K>(
        self,
        committee: &Committee,
        assembler: AssemblerKey<'_>,
        options: &Options,
        rng: &mut R,
        progress: &dyn Progress,
        deal: impl FnOnce(DealTerms<C::Scalar>, &mut R) -> Result<(Deal<C::Scalar>, K), DealingError>,
    ) -> Result<(Dealt, K, Identity), DealingError> {
        let dials = options.dials;
        let got = committee.seats().len();
        if got != usize::from(dials.seats()) {
            return Err(DealingError::CommitteeSize { expected: dials.seats(), got });
        }
        // What no coordinator would take is not made first. (With several groups the job is larger than this; it is looked at again.)
        let (got_bytes, limit) = (self.largest_package, MAX_ENVELOPE_BYTES - OVERHEAD_BYTES);
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
            circuit: self.circuit,
            dials,
            assembler_key,
            client_key: identity.key().0,
            expiry: committee.deal_expiry(),
            public: self.public,
        };
        let (dealt, kept) = deal(terms, rng)?;
        let job = Digest32(dealt.id.0);
        progress.event(Event::Dealt { deal: job, private_wires: self.secrets });

        let mut seats = Vec::with_capacity(got);
        let mut deliveries = Vec::with_capacity(got);
        for (seat, package) in committee.seats().iter().zip(dealt.packages) {
            let (seat, delivery) = seal(&identity, dials, seat, &package, rng, progress)?;
            seats.push(seat);
            deliveries.push(delivery);
        }
        let header = dealt.header.encode();
        let frame = Bytes::from(SubmitJob { header: header.clone(), assembler: kind, deliveries }.to_frame());
        let limit = MessageType::SubmitJob.limit();
        if frame.len() > limit {
            return Err(DealingError::TooLarge { got: frame.len(), limit });
        }
        let ticket = JobTicket { job, curve: C::ID, header, assembler: pair, seats };
        Ok((Dealt { ticket, frame }, kept, identity))
    }
}

/// Seals a package to the node of a seat and signs the assignment.
pub(crate) fn seal<F: PrimeField, R: CryptoRng + ?Sized>(
    client: &Identity,
    dials: Dials,
    seat: &committee::Seat,
    package: &Package<F>,
    rng: &mut R,
    progress: &dyn Progress,
) -> Result<(TicketSeat, Delivery), DealingError> {
    let (place, seats) = (package.place, dials.seats());
    let slot = Slot::at(dials, place).ok_or(CustodyError::Place { place, seats })?;
    let bytes = package.encode();
    let (assignment, envelope) = seal_package(client, package.deal.0, slot, &seat.certificate, &bytes, rng)?;
    progress.event(Event::Sealed {
        member: seat.member.clone(),
        package_bytes: bytes.len(),
        envelope_bytes: envelope.len(),
    });
    let seat = TicketSeat {
        member: seat.member.clone(),
        acknowledgement: Acknowledgement::new(&assignment.assignment, &bytes),
        assignment: assignment.clone(),
    };
    Ok((seat, Delivery { assignment, envelope }))
}
