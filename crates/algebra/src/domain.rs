//! Radix-2 evaluation domains.
//!
//! circom's tools take as generator of the domain of size `2^k` the power `q^((r-1)/2^k)` of the smallest quadratic
//! non-residue `q` (5 for both curves), which for BLS12-381 is not the generator that arkworks takes. A proving key
//! holds the quotient's bases over the *odd coset* of its domain: the same points times the generator of the
//! domain twice as large.

use ark_ff::PrimeField;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use rayon::prelude::*;
use thiserror::Error;

use crate::fast::backend::{Backend, with_backend};
use crate::fast::{ScalarField, fft};

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
pub struct Domain<F: ScalarField> {
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

impl<F: ScalarField> Domain<F> {
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

    /// Coefficients to evaluations over the subgroup, in place, both in natural order. Shorter vectors are padded with
    /// zeros, longer ones cut.
    pub fn fft_in_place(&self, v: &mut Vec<F>) {
        with_backend!(B => self.fft_with::<B>(v));
    }

    fn fft_with<B: Backend>(&self, v: &mut Vec<F>) {
        v.resize(self.size(), F::ZERO);
        let twiddles = self.twiddles::<B>();
        fft::permute(v, self.log_size());
        fft::forward_to_natural::<F, B>(v, &twiddles);
        v.par_iter_mut().with_min_len(MIN_LEN).for_each(|x| *x = x.reduced::<B>());
    }

    /// What the way to the odd coset needs, once for all vectors that go there.
    pub fn odd_coset(&self) -> OddCoset<F> {
        let (twiddles, scale) = with_backend!(B => {
            let scale = fft::bit_reversed_powers::<F, B>(self.subgroup.size_inv, self.shift, self.log_size());
            (self.twiddles::<B>(), scale)
        });
        OddCoset { twiddles, scale }
    }

    fn twiddles<B: Backend>(&self) -> Vec<F> {
        fft::bit_reversed_powers::<F, B>(F::ONE, self.generator(), self.log_size().saturating_sub(1))
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

/// Values below which a loop over them is not worth two threads.
const MIN_LEN: usize = 1 << 12;

/// The way from a domain to its odd coset.
#[derive(Debug, Clone)]
pub struct OddCoset<F> {
    /// Powers of the domain's generator, in bit-reversed order.
    twiddles: Vec<F>,
    /// Powers of the shift over the domain's size, in bit-reversed order.
    scale: Vec<F>,
}

impl<F: ScalarField> OddCoset<F> {
    /// Evaluations over the domain to evaluations of the same polynomial over the odd coset, in place. Shorter vectors
    /// are padded with zeros, longer ones cut.
    pub fn move_in_place(&self, v: &mut Vec<F>) {
        with_backend!(B => self.move_with::<B>(v));
    }

    fn move_with<B: Backend>(&self, v: &mut Vec<F>) {
        v.resize(self.scale.len(), F::ZERO);
        fft::inverse_to_bit_reversed::<F, B>(v, &self.twiddles);
        // In this order: the larger factor must be the second.
        v.par_iter_mut().zip(&self.scale).with_min_len(MIN_LEN).for_each(|(x, s)| *x = s.times::<B>(x));
        fft::forward_to_natural::<F, B>(v, &self.twiddles);
        v.par_iter_mut().with_min_len(MIN_LEN).for_each(|x| *x = x.reduced::<B>());
    }

    /// `a b - c`, value by value, into `a`.
    pub fn product_minus(&self, a: &mut [F], b: &[F], c: &[F]) {
        with_backend!(B => {
            a.par_iter_mut().zip(b).zip(c).with_min_len(MIN_LEN).for_each(|((a, b), c)| {
                *a = a.times::<B>(b).minus::<B>(c);
            });
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fast::backend::Portable;
    use ark_ff::{FftField, Field};
    use ark_poly::Polynomial;
    use ark_poly::univariate::DensePolynomial;

    fn moves_to_the_odd_coset<F: ScalarField>() {
        let mut rng = ark_std::test_rng();
        for log_size in [0, 1, 2, 4, 7] {
            let domain = Domain::<F>::new(log_size).unwrap();
            let coeffs: Vec<F> = (0..domain.size()).map(|_| F::rand(&mut rng)).collect();
            let mut evaluations = coeffs.clone();
            domain.fft_in_place(&mut evaluations);
            let poly = DensePolynomial { coeffs };
            for (x, y) in domain.points().zip(&evaluations) {
                assert_eq!(poly.evaluate(&x), *y);
            }
            domain.odd_coset().move_in_place(&mut evaluations);
            for (x, y) in domain.points().zip(evaluations) {
                assert_eq!(poly.evaluate(&(domain.coset_shift() * x)), y);
            }
        }
        assert_eq!(Domain::<F>::new(4).unwrap().generator().pow([8]), -F::ONE);
    }

    /// Beyond the sizes that are transformed as one block and by one thread, with values that make the largest sums.
    fn agrees_with_arkworks<F: ScalarField>() {
        let mut rng = ark_std::test_rng();
        for log_size in [9, 10, 13, 14] {
            let domain = Domain::<F>::new(log_size).unwrap();
            let random = (0..domain.size()).map(|_| F::rand(&mut rng)).collect::<Vec<F>>();
            for mut v in [random, vec![-F::ONE; domain.size()], vec![F::ZERO; 5]] {
                let mut expected = v.clone();
                domain.subgroup.fft_in_place(&mut expected);
                let mut portable = v.clone();
                domain.fft_in_place(&mut v);
                assert!(v == expected, "{log_size}");
                domain.fft_with::<Portable>(&mut portable);
                assert!(portable == expected, "{log_size}");
                domain.subgroup.ifft_in_place(&mut expected);
                Radix2EvaluationDomain::distribute_powers(&mut expected, domain.shift);
                domain.subgroup.fft_in_place(&mut expected);
                domain.odd_coset().move_in_place(&mut v);
                assert!(v == expected, "{log_size}");
                domain.odd_coset().move_with::<Portable>(&mut portable);
                assert!(portable == expected, "{log_size}");
            }
        }
    }

    #[test]
    fn large_transforms_are_those_of_arkworks() {
        agrees_with_arkworks::<ark_bn254::Fr>();
        agrees_with_arkworks::<ark_bls12_381::Fr>();
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
