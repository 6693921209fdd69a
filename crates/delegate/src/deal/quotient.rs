//! What is dealt with the handover `quotient`.

use ark_ff::PrimeField;
use tacit_sharing::SharingError;

use super::{Dealer, FreeShares, Secrets};
use crate::circuit::{Layout, Slice};
use crate::package::{BLINDERS, MASKS, QuotientShares, Vector, WhichGroup};

/// One group's part of a deal, with what was drawn for it.
pub(crate) struct Part<'a, F> {
    pub(crate) layout: &'a Layout,
    pub(crate) slice: &'a Slice,
    pub(crate) group: WhichGroup,
    /// `r` and `s`.
    pub(crate) blinders: (F, F),
    /// Of `A`, `B` and `C`.
    pub(crate) masks: [F; 3],
}

impl<F: PrimeField> Dealer<F> {
    /// The shares of nodes `t+1..=n` of a group, in order. No randomness but what is given.
    pub(crate) fn share_out_quotient(
        &self,
        part: &Part<'_, F>,
        Secrets { private, quotient }: Secrets<'_, F>,
        free: &mut impl FreeShares<F>,
    ) -> Result<Vec<QuotientShares<F>>, SharingError> {
        let Part { layout, slice, group, blinders: (r, s), masks } = part;
        let (n, t) = (self.dials.nodes(), self.dials.threshold());
        let counts = layout.counts_of(slice, *group);
        let mut explicit: Vec<QuotientShares<F>> =
            (t..n).map(|_| QuotientShares::with_capacity(&counts)).collect();
        let to = &mut explicit;
        let wires = private.get(slice.wires.clone()).unwrap_or_default().iter().copied();
        let values = quotient.get(slice.quotient.clone()).unwrap_or_default().iter().copied();
        let wire = |k: &u32| private.get(*k as usize).copied().unwrap_or(F::ZERO);
        let [with_s, with_r] = layout.wires_of_products(slice);
        self.share_each(Vector::Wires, wires, free, to, |shares, x| shares.wires.push(x))?;
        self.share_each(Vector::Quotient, values, free, to, |shares, x| shares.quotient.push(x))?;
        let products = with_s.iter().map(|k| *s * wire(k));
        self.share_each(Vector::TimesS, products, free, to, |shares, x| shares.times_s.push(x))?;
        let products = with_r.iter().map(|k| *r * wire(k));
        self.share_each(Vector::TimesR, products, free, to, |shares, x| shares.times_r.push(x))?;
        if group.has_blinders() {
            for (k, (vector, value)) in BLINDERS.into_iter().zip([*r, *s, *r * s]).enumerate() {
                self.share_each(vector, [value], free, to, |shares, x| put(&mut shares.blinders, k, x))?;
            }
        }
        if group.has_masks() {
            for (k, (vector, mask)) in MASKS.into_iter().zip(*masks).enumerate() {
                self.share_each(vector, [mask], free, to, |shares, x| put(&mut shares.masks, k, x))?;
            }
        }
        Ok(explicit)
    }
}

fn put<F>(slots: &mut Option<[F; 3]>, k: usize, value: F) {
    if let Some(slot) = slots.as_mut().and_then(|slots| slots.get_mut(k)) {
        *slot = value;
    }
}
