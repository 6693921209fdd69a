//! Radix-2 evaluation domains.
//!
//! circom's tools take as generator of the domain of size `2^k` the power `q^((r-1)/2^k)` of the smallest quadratic
//! non-residue `q` (5 for both curves), which for BLS12-381 is not the generator that arkworks takes. A proving key
//! holds the quotient's bases over the *odd coset* of its domain: the same points times the generator of the
//! domain twice as large.

use ark_ff::PrimeField;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use thiserror::Error;

/// The domain does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a domain of size 2^{log_size} with its odd coset needs 2-adicity {needed}, the field has {has}")]
pub struct DomainError {
    /// The logarithm asked for.
    pub log_size: u32,
    /// `log_size + 1`.
    pub needed: u32,
    /// What the field offers.
    pub has: u32,
}

/// A multiplicative subgroup of size `2^k` with its odd coset.
#[derive(Debug, Clone)]
pub struct Domain<F: PrimeField> {
    subgroup: Radix2EvaluationDomain<F>,
    shift: F,
}

/// The generator of the subgroup of order `2^log_order`, as circom's tools choose it.
fn root_of_unity<F: PrimeField>(log_order: u32) -> F {
    let mut q = F::from(2u64);
    while q.legendre().is_qr() {
        q += F::ONE;
    }
    let mut root = q.pow(F::TRACE);
    for _ in log_order..F::TWO_ADICITY {
        root.square_in_place();
    }
    root
}

impl<F: PrimeField> Domain<F> {
    /// The domain of size `2^log_size`.
    ///
    /// # Errors
    /// When the field has no domain of twice that size (the odd coset needs its generator).
    pub fn new(log_size: u32) -> Result<Self, DomainError> {
        let needed = log_size.saturating_add(1);
        if needed > F::TWO_ADICITY || needed > 62 {
            return Err(DomainError { log_size, needed, has: F::TWO_ADICITY });
        }
        let shift: F = root_of_unity(needed);
        let group_gen = shift.square();
        let size = 1u64 << log_size;
        let size_as_field_element = F::from(size);
        let inverse = |x: F| x.inverse().unwrap_or(F::ZERO);
        Ok(Self {
            subgroup: Radix2EvaluationDomain {
                size,
                log_size_of_group: log_size,
                size_as_field_element,
                size_inv: inverse(size_as_field_element),
                group_gen,
                group_gen_inv: inverse(group_gen),
                offset: F::ONE,
                offset_inv: F::ONE,
                offset_pow_size: F::ONE,
            },
            shift,
        })
    }

    /// Number of points.
    pub fn size(&self) -> usize {
        self.subgroup.size as usize
    }

    /// `log2` of the number of points.
    pub fn log_size(&self) -> u32 {
        self.subgroup.log_size_of_group
    }

    /// The generator `w` of the subgroup; point `i` is `w^i`.
    pub fn generator(&self) -> F {
        self.subgroup.group_gen
    }

    /// The shift `g` of the odd coset, with `g^2 = w`; its point `i` is `g * w^i`.
    pub fn coset_shift(&self) -> F {
        self.shift
    }

    /// Coefficients to evaluations over the subgroup, in place. Shorter vectors are padded with zeros.
    pub fn fft_in_place(&self, v: &mut Vec<F>) {
        self.subgroup.fft_in_place(v);
    }

    /// Evaluations over the subgroup to coefficients, in place.
    pub fn ifft_in_place(&self, v: &mut Vec<F>) {
        self.subgroup.ifft_in_place(v);
    }

    /// Evaluations over the subgroup to evaluations of the same polynomial over the odd coset, in place.
    pub fn to_odd_coset_in_place(&self, v: &mut Vec<F>) {
        self.subgroup.ifft_in_place(v);
        Radix2EvaluationDomain::distribute_powers(v, self.shift);
        self.subgroup.fft_in_place(v);
    }

    /// All points of the subgroup, in order.
    pub fn points(&self) -> impl Iterator<Item = F> + '_ {
        let mut x = F::ONE;
        (0..self.size()).map(move |_| {
            let point = x;
            x *= self.subgroup.group_gen;
            point
        })
    }

    /// The Lagrange basis polynomials of the subgroup at `tau`: `L_i(tau)` for each `i`.
    pub fn lagrange_at(&self, tau: F) -> Vec<F> {
        self.subgroup.evaluate_all_lagrange_coefficients(tau)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use ark_ff::{FftField, Field};
    use ark_poly::Polynomial;
    use ark_poly::univariate::DensePolynomial;

    fn moves_to_the_odd_coset<F: PrimeField>() {
        let domain = Domain::<F>::new(4).unwrap();
        let poly = DensePolynomial { coeffs: (0..16u64).map(|i| F::from(i * i + 3)).collect() };
        let mut v: Vec<F> = domain.points().map(|x| poly.evaluate(&x)).collect();
        domain.to_odd_coset_in_place(&mut v);
        for (x, y) in domain.points().zip(v) {
            assert_eq!(poly.evaluate(&(domain.coset_shift() * x)), y);
        }
        assert_eq!(domain.generator().pow([8]), -F::ONE);
    }

    #[test]
    fn the_odd_coset_is_reached_on_both_curves() {
        moves_to_the_odd_coset::<ark_bn254::Fr>();
        moves_to_the_odd_coset::<ark_bls12_381::Fr>();
    }

    #[test]
    fn roots_are_those_of_circom() {
        // For BN254 arkworks and circom agree; for BLS12-381 circom takes 5 where arkworks takes 7.
        let bn = Domain::<ark_bn254::Fr>::new(27).unwrap();
        assert_eq!(bn.coset_shift(), ark_bn254::Fr::TWO_ADIC_ROOT_OF_UNITY);
        let bls = Domain::<ark_bls12_381::Fr>::new(31).unwrap();
        assert_eq!(bls.coset_shift(), ark_bls12_381::Fr::from(5u64).pow(ark_bls12_381::Fr::TRACE));
    }

    #[test]
    fn too_large_a_domain_is_refused() {
        assert!(Domain::<ark_bn254::Fr>::new(28).is_err());
        assert!(Domain::<ark_bn254::Fr>::new(u32::MAX).is_err());
    }
}
