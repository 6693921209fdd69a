//! Step 1, the client: share the vector and its MACs, and make a package for each node.
//!
//! | shared | degree | constant term |
//! |---|---|---|
//! | every scalar `v_k` | `t` | `v_k` |
//! | every MAC `rho v_k` | `t` | `rho v_k` |
//!
//! The MAC key `rho` is uniform and drawn here, for this deal alone. No node gets a share of it: nobody multiplies shares, so that all answers have degree `t`.

use ark_ff::PrimeField;
use rand_core::CryptoRng;
use tacit_algebra::field;
use tacit_sharing::Seed;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::package::{MsmBody, MsmShares};
use crate::deal::{Deal, DealError, Dealer, Expanded, FreeShares, seeds};
use crate::dials::Handover;
use crate::header::{DealHeader, DealTerms, MAX_ASSEMBLER_KEY};
use crate::package::{Body, Package, Vector};

/// What tells the right sum from a wrong one: `rho`. Whoever knows it can forge; it never leaves the client, and serves one deal.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct MacKey<F: PrimeField>(pub(crate) F);

impl<F: PrimeField> std::fmt::Debug for MacKey<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey(..)")
    }
}

/// What the client has after dealing a vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MsmDeal<F: PrimeField> {
    /// The deal, as of a witness.
    pub deal: Deal<F>,
    /// What the answers are checked with.
    pub key: MacKey<F>,
}

/// Deals a vector under terms with the handover `msm`, whose `circuit` is the bases' id. That there are as many bases is the nodes' to check.
///
/// # Errors
/// [`DealError`].
pub fn deal_msm<F: PrimeField, R: CryptoRng + ?Sized>(
    terms: DealTerms<F>,
    scalars: &[F],
    rng: &mut R,
) -> Result<MsmDeal<F>, DealError> {
    let dials = terms.dials;
    let count = check(&terms, scalars)?;
    let mut nonce = [0u8; 32];
    rng.fill_bytes(&mut nonce);
    let header = DealHeader { terms, nonce };
    let id = header.deal_id();

    let key = MacKey(field::random::<F, R>(rng));
    let seeds = seeds(dials, rng);
    let mut free = Expanded { id: &id, seeds: &seeds, slice: 0, streams: Vec::new() };
    let explicit = Dealer::new(dials)?.share_out_msm(scalars, &key, &mut free)?;
    let seeded = seeds.into_iter().map(|seed: Seed| MsmBody::Seed { count, seed });
    let bodies = seeded.chain(explicit.into_iter().map(MsmBody::Explicit));
    let package = |(place, body)| {
        let mut salt = [0u8; 32];
        rng.fill_bytes(&mut salt);
        Package { deal: id, place, salt, body: Body::Msm(body) }
    };
    let packages = (1..=dials.nodes()).zip(bodies).map(package).collect();
    Ok(MsmDeal { deal: Deal { header, id, packages }, key })
}

fn check<F: PrimeField>(terms: &DealTerms<F>, scalars: &[F]) -> Result<u32, DealError> {
    let handover = terms.dials.handover();
    if handover != Handover::Msm {
        return Err(DealError::NotDealtSo { handover });
    }
    if !terms.public.is_empty() {
        return Err(DealError::PublicInputs { expected: 0, got: terms.public.len() });
    }
    if terms.assembler_key.len() > MAX_ASSEMBLER_KEY {
        return Err(DealError::AssemblerKey { got: terms.assembler_key.len() });
    }
    let got = scalars.len();
    u32::try_from(got).ok().filter(|count| *count > 0).ok_or(DealError::Scalars { got })
}

impl<F: PrimeField> Dealer<F> {
    /// The shares of nodes `t+1..=n`, in order. No randomness but what is given.
    pub(crate) fn share_out_msm(
        &self,
        scalars: &[F],
        key: &MacKey<F>,
        free: &mut impl FreeShares<F>,
    ) -> Result<Vec<MsmShares<F>>, tacit_sharing::SharingError> {
        let mut explicit = self.explicit(|| MsmShares::with_capacity(scalars.len()));
        let to = &mut explicit;
        self.share_each(Vector::Scalars, scalars.iter().copied(), free, to, |shares, x| {
            shares.scalars.push(x)
        })?;
        let macs = scalars.iter().map(|v| key.0 * v);
        self.share_each(Vector::Macs, macs, free, to, |shares, x| shares.macs.push(x))?;
        Ok(explicit)
    }
}
