//! What a circuit's proving key decides about the cost of its proofs.

use std::marker::PhantomData;

use tacit_algebra::{Curve, Point};
use tacit_delegate::{DealHeader, DealTerms, Dials, Handover, Layout, Package, ShareCounts};
use tacit_groth16::ProvingKey;
use tacit_wire::messages::SubmitJob;
use tacit_wire::seal::{OVERHEAD_BYTES, PUBLIC_KEY_BYTES};

/// Counts of a proving key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit<C> {
    pub(super) witness: Layout,
    pub(super) quotient: Layout,
    /// Finite bases of the A-query, of public and private wires.
    pub(super) in_a: usize,
    /// The same of the B-query.
    pub(super) in_b: usize,
    /// Points of the domain.
    pub(super) domain: usize,
    pub(super) curve: PhantomData<C>,
}

/// The bytes of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobBytes {
    /// The whole frame that is submitted.
    pub frame: usize,
    /// The largest of its envelopes.
    pub largest_envelope: usize,
}

/// What a prover, or a node for its slice, computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Task {
    /// Terms of its sums in the first group.
    pub(crate) in_g1: [usize; 3],
    /// Terms of its sum in the second group.
    pub(crate) in_g2: usize,
    /// Whether it computes the quotient.
    pub(crate) quotient: bool,
    /// Shares that it has, of whatever.
    pub(crate) shares: usize,
}

impl<C: Curve> Circuit<C> {
    /// Of a proving key.
    pub fn of(key: &ProvingKey<C>) -> Self {
        Self {
            witness: Layout::of(key, Handover::Witness),
            quotient: Layout::of(key, Handover::Quotient),
            in_a: key.a_query.iter().filter(|base| !base.is_identity()).count(),
            in_b: key.b_g1_query.iter().filter(|base| !base.is_identity()).count(),
            domain: key.h_query.len(),
            curve: PhantomData,
        }
    }

    /// Private wires.
    pub fn private_wires(&self) -> usize {
        self.witness.circuit().n_private
    }

    fn layout(&self, handover: Handover) -> &Layout {
        match handover {
            Handover::Quotient => &self.quotient,
            _ => &self.witness,
        }
    }

    /// The bytes of a job with these dials: those that [`Prepared::deal`](crate::Prepared::deal) makes.
    pub fn job(&self, dials: Dials) -> JobBytes {
        let layout = self.layout(dials.handover());
        let envelopes: Vec<usize> = Package::<C::Scalar>::sizes(layout, dials)
            .iter()
            .map(|package| package + OVERHEAD_BYTES)
            .collect();
        let circuit = layout.circuit();
        // Every value has the same length, so zeros will do.
        let terms = DealTerms {
            curve: C::ID,
            circuit: circuit.id,
            dials,
            assembler_key: vec![0; PUBLIC_KEY_BYTES],
            client_key: [0; 32],
            expiry: 0,
            public: vec![C::Scalar::from(0u64); circuit.n_public],
        };
        let header = DealHeader { terms, nonce: [0; 32] }.encode().len();
        JobBytes {
            largest_envelope: envelopes.iter().copied().max().unwrap_or_default(),
            frame: SubmitJob::frame_bytes(header, envelopes),
        }
    }

    /// Values that are shared out with these dials, over all groups.
    pub(crate) fn values(&self, dials: Dials) -> usize {
        self.layout(dials.handover())
            .share_counts_of_all(dials.groups())
            .iter()
            .map(|slice| slice.in_vectors())
            .sum()
    }

    /// What a prover computes that has the witness.
    pub(crate) fn whole(&self) -> Task {
        let private = self.private_wires();
        Task {
            in_g1: [self.in_a, self.in_b, private + self.domain],
            in_g2: self.in_b,
            quotient: true,
            shares: 0,
        }
    }

    /// What a node of each group computes.
    pub(crate) fn tasks(&self, dials: Dials) -> Vec<Task> {
        let slices = self.layout(dials.handover()).share_counts_of_all(dials.groups());
        let of_slice = |(number, slice): (usize, ShareCounts)| match dials.handover() {
            Handover::Quotient => {
                // Public wires belong to the first group.
                let [public_a, public_b] = if number == 0 { self.public_bases() } else { [0; 2] };
                Task {
                    in_g1: [slice.times_s, slice.in_vectors(), public_a + public_b],
                    in_g2: slice.times_r + public_b,
                    quotient: false,
                    shares: slice.in_vectors(),
                }
            }
            _ => Task { shares: slice.in_vectors(), ..self.whole() },
        };
        slices.into_iter().enumerate().map(of_slice).collect()
    }

    /// Finite bases of public wires in the A-query and in the B-query.
    fn public_bases(&self) -> [usize; 2] {
        let private = self.quotient.share_counts(0, 1);
        [self.in_a.saturating_sub(private.times_s), self.in_b.saturating_sub(private.times_r)]
    }
}
