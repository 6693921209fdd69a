//! Step 1, the client: share the private wires and the blinders, and make a package for each node.
//!
//! | shared | handover | degree | constant term |
//! |---|---|---|---|
//! | every private wire `w_k` | both | `t` | `w_k` |
//! | blinder `r` | both | `t` | `r`, drawn here |
//! | blinder `s` | both | `t` | `s`, drawn here |
//! | mask `z` | `witness` | `2t` | 0 |
//! | every value `h_j` of the quotient | `quotient` | `t` | `h_j` |
//! | every product `s w_k` with a base in the A-query | `quotient` | `t` | `s w_k` |
//! | every product `r w_k` with a base in the B-query | `quotient` | `t` | `r w_k` |
//! | product `r s` | `quotient` | `t` | `r s` |
//! | masks of a group's `A`, `B` and `C` | `quotient`, several groups | `t` | drawn; all groups' add up to 0 |
//!
//! Any `t` shares of each are uniform, so those of nodes `1..=t` are expanded from a seed for each node, drawn independently, and the others
//! follow ([`tacit_sharing::Extension`]). The mask has `2t` free shares: nodes `1..=t` expand theirs, those of nodes `t+1..=2t` are drawn.
//!
//! The products are dealt so that nobody multiplies after a node has answered: were the client to multiply a node's answer
//! for `A` with `s`, a lying node could tell a guess of the witness from whether the proof is accepted.
//!
//! Each of several groups gets sharings of its own, of its slice's vectors; the first also those of `r`, `s` and `r s`. Without the masks a
//! group's sum would be a known function of the witness, as secret as that: with them whoever opens all responses learns the
//! proof and nothing else.
//!
//! Everything is drawn in [`deal()`], the header's nonce included, so nothing dealt can serve a second deal.

use ark_ff::PrimeField;
use rand_core::CryptoRng;
use tacit_algebra::field;
use tacit_sharing::{Expander, Extension, Seed, Shape, SharingError};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::blame::Culprit;
use crate::circuit::Layout;
use crate::dials::{Dials, Handover};
use crate::header::{DealHeader, DealId, DealTerms, MAX_ASSEMBLER_KEY};
use crate::package::{self, Body, Package, Shares, Vector, WhichGroup};

mod quotient;

pub(crate) use quotient::Part;

/// What the client shares out.
#[derive(Clone, Copy)]
pub struct Secrets<'a, F> {
    /// The private wires, in the key's order.
    pub private: &'a [F],
    /// With the handover `quotient`, the quotient over the odd coset (`tacit_groth16::qap::quotient`); else nothing.
    pub quotient: &'a [F],
}

impl<'a, F> Secrets<'a, F> {
    /// For the handover `witness`.
    pub fn witness(private: &'a [F]) -> Self {
        Self { private, quotient: &[] }
    }
}

impl<F> std::fmt::Debug for Secrets<'_, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

/// What the client has after dealing. The packages are secret: together they are the witness. The client keeps them until the deal
/// is over, to compare acknowledgements and to recompute a suspect's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deal<F: PrimeField> {
    /// The terms, with the nonce drawn for this deal.
    pub header: DealHeader<F>,
    /// The deal's name.
    pub id: DealId,
    /// The packages of places `1..`, in order.
    pub packages: Vec<Package<F>>,
}

/// Why nothing was dealt.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DealError {
    /// The terms name another circuit.
    #[error("the terms are for circuit {terms}, the key is of circuit {key}")]
    Circuit {
        /// The circuit of the terms.
        terms: tacit_groth16::CircuitId,
        /// The circuit of the key.
        key: tacit_groth16::CircuitId,
    },
    /// Another number of public inputs than the circuit has.
    #[error("{got} public inputs given, the circuit has {expected}")]
    PublicInputs {
        /// Public wires of the circuit.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// Another number of private wires than the circuit has.
    #[error("the witness has {got} private wires, the circuit {expected}: they belong to different circuits")]
    PrivateWires {
        /// Private wires of the circuit.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// Another number of values of the quotient than is to be dealt.
    #[error("the quotient has {got} values, {expected} are dealt with this handover")]
    Quotient {
        /// Values to be dealt.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// The layout is for another handover than the terms.
    #[error("the terms ask for the handover `{terms}`, the layout is for `{layout}`")]
    Handover {
        /// The handover of the terms.
        terms: Handover,
        /// The handover of the layout.
        layout: Handover,
    },
    /// The handover `msm` hands over a vector, and the others do not.
    #[error("the handover `{handover}` hands over {}", if matches!(.handover, Handover::Msm) { "a vector for a multi-scalar multiplication, no witness" } else { "a witness, no vector: use `msm`" })]
    NotDealtSo {
        /// The handover of the terms.
        handover: Handover,
    },
    /// No vector has so many scalars.
    #[error("the vector has {got} scalars; between 1 and {} are possible", u32::MAX)]
    Scalars {
        /// Its length.
        got: usize,
    },
    /// The assembler's key is too long for a header.
    #[error("the assembler's key has {got} bytes, at most {MAX_ASSEMBLER_KEY} are possible")]
    AssemblerKey {
        /// Its length in bytes.
        got: usize,
    },
    /// No such sharing in this field.
    #[error(transparent)]
    Sharing(#[from] SharingError),
}

impl DealError {
    /// Whom this points at: all of it is in the caller's hands.
    pub fn culprits(&self) -> Vec<Culprit> {
        match self {
            Self::Circuit { .. }
            | Self::PublicInputs { .. }
            | Self::PrivateWires { .. }
            | Self::Quotient { .. }
            | Self::Handover { .. }
            | Self::NotDealtSo { .. }
            | Self::Scalars { .. }
            | Self::AssemblerKey { .. }
            | Self::Sharing(_) => vec![Culprit::Nobody],
        }
    }
}

/// Deals a witness under the given terms. It is not checked against the constraints: do that first where the constraint
/// system is at hand.
///
/// # Errors
/// [`DealError`].
pub fn deal<F: PrimeField, R: CryptoRng + ?Sized>(
    terms: DealTerms<F>,
    layout: &Layout,
    secrets: Secrets<'_, F>,
    rng: &mut R,
) -> Result<Deal<F>, DealError> {
    check(&terms, layout, &secrets)?;
    let dials = terms.dials;
    let mut nonce = [0u8; 32];
    rng.fill_bytes(&mut nonce);
    let header = DealHeader { terms, nonce };
    let id = header.deal_id();

    let r = Zeroizing::new(field::random::<F, R>(rng));
    let s = Zeroizing::new(field::random::<F, R>(rng));
    let dealer = Dealer::new(dials)?;
    let slices = layout.slices(dials.groups());
    let masks = masks(dials.groups(), rng);
    let mut packages = Vec::with_capacity(usize::from(dials.seats()));
    for ((number, slice), masks) in (0..dials.groups()).zip(&slices).zip(masks.iter()) {
        let seeds = seeds(dials, rng);
        let mut free = Expanded { id: &id, seeds: &seeds, slice: number, streams: Vec::new() };
        let explicit: Vec<Body<F>> = match dials.handover() {
            Handover::Witness => {
                let drawn: Zeroizing<Vec<F>> =
                    Zeroizing::new((0..dials.threshold()).map(|_| field::random(rng)).collect());
                let shares = dealer.share_out(secrets.private, (*r, *s), &drawn, &mut free)?;
                shares.into_iter().map(Body::Explicit).collect()
            }
            Handover::Quotient => {
                let group = WhichGroup { number, of: dials.groups() };
                let part = Part { layout, slice, group, blinders: (*r, *s), masks: *masks };
                let shares = dealer.share_out_quotient(&part, secrets, &mut free)?;
                shares.into_iter().map(Body::ExplicitQuotient).collect()
            }
            handover @ Handover::Msm => return Err(DealError::NotDealtSo { handover }),
        };
        let bodies = seeds.into_iter().map(Body::Seed).chain(explicit);
        for (index, body) in (1..=dials.nodes()).zip(bodies) {
            let mut salt = [0u8; 32];
            rng.fill_bytes(&mut salt);
            packages.push(Package { deal: id, place: dials.place(number, index), salt, body });
        }
    }
    Ok(Deal { header, id, packages })
}

/// One seed for each of a group's nodes `1..=t`, none computed from another.
pub(crate) fn seeds<R: CryptoRng + ?Sized>(dials: Dials, rng: &mut R) -> Vec<Seed> {
    let seed = |_| {
        let mut seed = Seed([0u8; 32]);
        rng.fill_bytes(&mut seed.0);
        seed
    };
    (0..dials.threshold()).map(seed).collect()
}

/// For each group its masks of `A`, `B` and `C`: uniform, but that all groups' add up to zero.
fn masks<F: PrimeField, R: CryptoRng + ?Sized>(groups: u8, rng: &mut R) -> Zeroizing<Vec<[F; 3]>> {
    let mut masks = Zeroizing::new(vec![[F::ZERO; 3]; usize::from(groups)]);
    if let Some((first, others)) = masks.split_first_mut() {
        for mask in others {
            for (mask, sum) in mask.iter_mut().zip(first.iter_mut()) {
                *mask = field::random(rng);
                *sum -= *mask;
            }
        }
    }
    masks
}

fn check<F: PrimeField>(
    terms: &DealTerms<F>,
    layout: &Layout,
    secrets: &Secrets<'_, F>,
) -> Result<(), DealError> {
    let circuit = &layout.circuit;
    if terms.circuit != circuit.id {
        return Err(DealError::Circuit { terms: terms.circuit, key: circuit.id });
    }
    if terms.dials.handover() != layout.handover {
        return Err(DealError::Handover { terms: terms.dials.handover(), layout: layout.handover });
    }
    if terms.public.len() != circuit.n_public {
        return Err(DealError::PublicInputs { expected: circuit.n_public, got: terms.public.len() });
    }
    if secrets.private.len() != circuit.n_private {
        return Err(DealError::PrivateWires { expected: circuit.n_private, got: secrets.private.len() });
    }
    if secrets.quotient.len() != layout.quotient {
        return Err(DealError::Quotient { expected: layout.quotient, got: secrets.quotient.len() });
    }
    if terms.assembler_key.len() > MAX_ASSEMBLER_KEY {
        return Err(DealError::AssemblerKey { got: terms.assembler_key.len() });
    }
    Ok(())
}

/// Where the free shares of nodes `1..=t` come from. In the product they are expanded from seeds; a test that
/// enumerates every outcome counts through them.
pub(crate) trait FreeShares<F> {
    /// From here on, shares of this vector.
    fn start(&mut self, vector: Vector);
    /// The shares of nodes `1..=t` of the vector's next element.
    fn next(&mut self, shares: &mut [F]);
}

pub(crate) struct Expanded<'a, F> {
    pub(crate) id: &'a DealId,
    pub(crate) seeds: &'a [Seed],
    pub(crate) slice: u8,
    pub(crate) streams: Vec<Expander<F>>,
}

impl<F: PrimeField> FreeShares<F> for Expanded<'_, F> {
    fn start(&mut self, vector: Vector) {
        self.streams =
            self.seeds.iter().map(|seed| package::expander(self.id, seed, self.slice, vector)).collect();
    }

    fn next(&mut self, shares: &mut [F]) {
        for (share, stream) in shares.iter_mut().zip(&mut self.streams) {
            *share = stream.next_element();
        }
    }
}

/// How shares follow from secrets and free shares, for one setting of the dials.
pub(crate) struct Dealer<F> {
    dials: Dials,
    /// Of degree `t`: all but the mask.
    low: Extension<F>,
    /// Of degree `2t`: the mask, with the handover `witness`.
    product: Extension<F>,
}

impl<F: PrimeField> Dealer<F> {
    pub(crate) fn new(dials: Dials) -> Result<Self, SharingError> {
        let n = dials.nodes();
        Ok(Self {
            dials,
            low: Extension::new(Shape::new::<F>(n, dials.threshold())?)?,
            product: Extension::new(Shape::new::<F>(n, dials.product_degree())?)?,
        })
    }

    /// With the handover `witness`, the shares of nodes `t+1..=n`, in order; `drawn` are the mask's shares of nodes `t+1..=2t`. No randomness but what
    /// is given.
    pub(crate) fn share_out(
        &self,
        private: &[F],
        (r, s): (F, F),
        drawn: &[F],
        free: &mut impl FreeShares<F>,
    ) -> Result<Vec<Shares<F>>, SharingError> {
        let (n, t) = (self.dials.nodes(), self.dials.threshold());
        let mut first = Zeroizing::new(vec![F::ZERO; usize::from(t)]);
        let mut explicit: Vec<Shares<F>> = (t..n).map(|_| Shares::with_capacity(private.len())).collect();

        self.share_each(Vector::Wires, private.iter().copied(), free, &mut explicit, |shares, share| {
            shares.wires.push(share);
        })?;
        self.share_each(Vector::BlinderR, [r], free, &mut explicit, |shares, share| shares.r = share)?;
        self.share_each(Vector::BlinderS, [s], free, &mut explicit, |shares, share| shares.s = share)?;

        // The mask: degree 2t, so t more of its shares are free.
        free.start(Vector::Mask);
        free.next(&mut first);
        let mut given = Zeroizing::new(Vec::with_capacity(first.len() + drawn.len()));
        given.extend_from_slice(&first);
        given.extend_from_slice(drawn);
        let mut rest = self.product.rest(F::ZERO, &given)?;
        for (shares, mask) in explicit.iter_mut().zip(drawn.iter().chain(&rest)) {
            shares.mask = *mask;
        }
        rest.zeroize();
        Ok(explicit)
    }

    /// For each of nodes `t+1..=n` something to put shares into.
    pub(crate) fn explicit<S>(&self, room: impl Fn() -> S) -> Vec<S> {
        (self.dials.threshold()..self.dials.nodes()).map(|_| room()).collect()
    }

    /// Shares of degree `t` of each value of a vector, put where they belong in `explicit`, which nodes `t+1..=n` have in order.
    pub(crate) fn share_each<S>(
        &self,
        vector: Vector,
        values: impl IntoIterator<Item = F>,
        free: &mut impl FreeShares<F>,
        explicit: &mut [S],
        put: impl Fn(&mut S, F),
    ) -> Result<(), SharingError> {
        let mut first = Zeroizing::new(vec![F::ZERO; usize::from(self.dials.threshold())]);
        free.start(vector);
        for value in values {
            free.next(&mut first);
            self.low.each(value, &first, |node, share| {
                if let Some(shares) = explicit.get_mut(node) {
                    put(shares, share);
                }
            })?;
        }
        Ok(())
    }
}
