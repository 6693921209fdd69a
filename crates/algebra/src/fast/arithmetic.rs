//! Field operations over a backend, without branches on carries as far as the compiler leaves it so: such a branch is
//! mispredicted half of the time.

use ark_ff::{AdditiveGroup, BigInt, Field, Fp, Fp2, Fp2Config, MontBackend, MontConfig, PrimeField, Zero};

use super::backend::{Backend, has_spare_bits, lazy_sum, sub_limbs};
use super::inverse::Modulus;

/// A field whose operations can be compiled for a backend.
pub trait Arithmetic: Field {
    /// `self * other`.
    fn times<B: Backend>(&self, other: &Self) -> Self;

    /// `self * self`.
    fn squared<B: Backend>(&self) -> Self {
        self.times::<B>(self)
    }

    /// `self + other`.
    fn plus<B: Backend>(&self, other: &Self) -> Self;

    /// `self - other`.
    fn minus<B: Backend>(&self, other: &Self) -> Self;

    /// `2 * self`.
    fn doubled<B: Backend>(&self) -> Self {
        self.plus::<B>(self)
    }

    /// `1 / self`; `None` for zero.
    fn inverted(&self) -> Option<Self>;

    /// Whether this is zero, from the limbs as they are at hand: a comparison of whole values would wait for them to be
    /// written first.
    fn vanishes(&self) -> bool;

    /// `-self` where `negative`, else `self`.
    fn negated_if(&self, negative: bool) -> Self;
}

impl<T: MontConfig<N>, const N: usize> Arithmetic for Fp<MontBackend<T, N>, N> {
    #[inline(always)]
    fn times<B: Backend>(&self, other: &Self) -> Self {
        B::mul(self, other)
    }

    #[inline(always)]
    fn plus<B: Backend>(&self, other: &Self) -> Self {
        if !has_spare_bits::<T, N>(1) {
            return *self + other;
        }
        Self::new_unchecked(BigInt::new(B::add::<T, N>(&self.0.0, &other.0.0)))
    }

    #[inline(always)]
    fn minus<B: Backend>(&self, other: &Self) -> Self {
        Self::new_unchecked(BigInt::new(B::sub::<T, N>(&self.0.0, &other.0.0)))
    }

    fn inverted(&self) -> Option<Self> {
        let (Some(modulus), Some(words)) = (const { Modulus::of::<T, N>() }, self.0.0.first_chunk()) else {
            return self.inverse();
        };
        let mut inverse = Self::ZERO;
        inverse.0.0.copy_from_slice(&modulus.inverse(words)?);
        // Limbs stand for `2^256` times an element: twice a factor is missing.
        let factor = Self::new_unchecked(T::R2);
        Some(inverse * factor * factor)
    }

    #[inline(always)]
    fn vanishes(&self) -> bool {
        self.0.0.iter().fold(0, |all, limb| all | limb) == 0
    }

    #[inline(always)]
    fn negated_if(&self, negative: bool) -> Self {
        let (difference, _) = sub_limbs(&T::MODULUS.0, &self.0.0);
        if negative && !self.is_zero() { Self::new_unchecked(BigInt::new(difference)) } else { *self }
    }
}

/// Extensions by a square root of -1, which both curves' are.
impl<C, T, const N: usize> Arithmetic for Fp2<C>
where
    T: MontConfig<N>,
    C: Fp2Config<Fp = Fp<MontBackend<T, N>, N>>,
{
    #[inline(always)]
    fn times<B: Backend>(&self, other: &Self) -> Self {
        debug_assert!(C::NONRESIDUE == -C::Fp::ONE);
        let v0 = B::mul(&self.c0, &other.c0);
        let v1 = B::mul(&self.c1, &other.c1);
        let cross =
            B::mul(&lazy_sum::<B, T, N>(&self.c0, &self.c1), &lazy_sum::<B, T, N>(&other.c0, &other.c1));
        Self::new(v0.minus::<B>(&v1), cross.minus::<B>(&v0).minus::<B>(&v1))
    }

    #[inline(always)]
    fn squared<B: Backend>(&self) -> Self {
        let product = B::mul(&self.c0, &self.c1);
        Self::new(
            B::mul(&lazy_sum::<B, T, N>(&self.c0, &self.c1), &self.c0.minus::<B>(&self.c1)),
            product.doubled::<B>(),
        )
    }

    #[inline(always)]
    fn plus<B: Backend>(&self, other: &Self) -> Self {
        Self::new(self.c0.plus::<B>(&other.c0), self.c1.plus::<B>(&other.c1))
    }

    #[inline(always)]
    fn minus<B: Backend>(&self, other: &Self) -> Self {
        Self::new(self.c0.minus::<B>(&other.c0), self.c1.minus::<B>(&other.c1))
    }

    fn inverted(&self) -> Option<Self> {
        let norm = (self.c0.square() + self.c1.square()).inverted()?;
        Some(Self::new(self.c0 * norm, -self.c1 * norm))
    }

    #[inline(always)]
    fn vanishes(&self) -> bool {
        self.c0.vanishes() & self.c1.vanishes()
    }

    #[inline(always)]
    fn negated_if(&self, negative: bool) -> Self {
        Self::new(self.c0.negated_if(negative), self.c1.negated_if(negative))
    }
}

/// A prime field whose transforms can be compiled for a backend.
///
/// Between the layers of a transform values may exceed the modulus; how far is said with each step. A modulus that
/// leaves less than two bits of its limbs unused has its values reduced all the time.
pub trait ScalarField: PrimeField + Arithmetic {
    /// `(u + v t, u - v t)` (Cooley and Tukey). With `reduce` from values below 4 times the modulus to values below 3
    /// times, without from values below 3 times to values below 4 times.
    fn butterfly_in<B: Backend>(u: &mut Self, v: &mut Self, t: Option<&Self>, negated: bool, reduce: bool);

    /// `(u + v, (u - v) t)` (Gentleman and Sande), from values below twice the modulus to such.
    fn butterfly_out<B: Backend>(u: &mut Self, v: &mut Self, t: Option<&Self>);

    /// Below the modulus what is below twice the modulus.
    fn reduced<B: Backend>(&self) -> Self;
}

impl<T: MontConfig<N>, const N: usize> ScalarField for Fp<MontBackend<T, N>, N> {
    #[inline(always)]
    fn butterfly_in<B: Backend>(u: &mut Self, v: &mut Self, t: Option<&Self>, negated: bool, reduce: bool) {
        if !has_spare_bits::<T, N>(2) {
            let product = t.map_or(*v, |t| v.times::<B>(t));
            let (sum, difference) = (u.plus::<B>(&product), u.minus::<B>(&product));
            (*u, *v) = if negated { (difference, sum) } else { (sum, difference) };
            return;
        }
        let Some(t) = t else {
            // No product that is below the modulus: the differences are taken from twice the modulus.
            let (left, right) = (B::reduce_once::<T, N>(&u.0.0), B::reduce_once::<T, N>(&v.0.0));
            let (mut sum, mut difference) = B::sum_and_difference::<T, N>(&left, &right, true);
            if reduce {
                sum = B::reduce_once::<T, N>(&sum);
                difference = B::reduce_once::<T, N>(&difference);
            }
            *u = Self::new_unchecked(BigInt::new(sum));
            *v = Self::new_unchecked(BigInt::new(difference));
            return;
        };
        let from = if reduce { B::reduce_once::<T, N>(&u.0.0) } else { u.0.0 };
        // In this order: the larger factor must be the second.
        let (sum, difference) = B::sum_and_difference::<T, N>(&from, &t.times::<B>(v).0.0, false);
        let (sum, difference) = if negated { (difference, sum) } else { (sum, difference) };
        *u = Self::new_unchecked(BigInt::new(sum));
        *v = Self::new_unchecked(BigInt::new(difference));
    }

    #[inline(always)]
    fn butterfly_out<B: Backend>(u: &mut Self, v: &mut Self, t: Option<&Self>) {
        if !has_spare_bits::<T, N>(2) {
            let difference = u.minus::<B>(v);
            *u = u.plus::<B>(v);
            *v = t.map_or(difference, |t| difference.times::<B>(t));
            return;
        }
        let (sum, difference) = B::sum_and_difference::<T, N>(&u.0.0, &v.0.0, true);
        *u = Self::new_unchecked(BigInt::new(B::reduce_once::<T, N>(&sum)));
        *v = match t {
            Some(t) => t.times::<B>(&Self::new_unchecked(BigInt::new(difference))),
            None => Self::new_unchecked(BigInt::new(B::reduce_once::<T, N>(&difference))),
        };
    }

    #[inline(always)]
    fn reduced<B: Backend>(&self) -> Self {
        if !has_spare_bits::<T, N>(2) {
            return *self;
        }
        let (reduced, below) = sub_limbs(&self.0.0, &T::MODULUS.0);
        if below { *self } else { Self::new_unchecked(BigInt::new(reduced)) }
    }
}
