//! What is dealt with the handover `quotient`.

use ark_ff::PrimeField;
use tacit_sharing::SharingError;

use super::{Dealer, FreeShares, Secrets};
use crate::circuit::Layout;
use crate::package::{QuotientShares, Vector};

impl<F: PrimeField> Dealer<F> {
    /// The shares of nodes `t+1..=n`, in order. No randomness but what is given.
    pub(crate) fn share_out_quotient(
        &self,
        layout: &Layout,
        Secrets { private, quotient }: Secrets<'_, F>,
        (r, s): (F, F),
        free: &mut impl FreeShares<F>,
    ) -> Result<Vec<QuotientShares<F>>, SharingError> {
        let (n, t) = (self.dials.nodes(), self.dials.threshold());
        let mut explicit: Vec<QuotientShares<F>> =
            (t..n).map(|_| QuotientShares::with_capacity(layout)).collect();
        let to = &mut explicit;
        let wire = |k: &u32| private.get(*k as usize).copied().unwrap_or(F::ZERO);
        let products_with_s = layout.times_s.iter().map(|k| s * wire(k));
        let products_with_r = layout.times_r.iter().map(|k| r * wire(k));
        self.share_each(Vector::Wires, private.iter().copied(), free, to, |shares, x| shares.wires.push(x))?;
        self.share_each(Vector::Quotient, quotient.iter().copied(), free, to, |shares, x| {
            shares.quotient.push(x);
        })?;
        self.share_each(Vector::TimesS, products_with_s, free, to, |shares, x| shares.times_s.push(x))?;
        self.share_each(Vector::TimesR, products_with_r, free, to, |shares, x| shares.times_r.push(x))?;
        self.share_each(Vector::BlinderR, [r], free, to, |shares, x| shares.r = x)?;
        self.share_each(Vector::BlinderS, [s], free, to, |shares, x| shares.s = x)?;
        self.share_each(Vector::BlinderRs, [r * s], free, to, |shares, x| shares.rs = x)?;
        Ok(explicit)
    }
}
