//! Additions of affine points, many at a time: the inversions that the slopes ask for are one inversion and three
//! multiplications each (Montgomery's trick). With it an addition costs five multiplications and a squaring.

use std::marker::PhantomData;

use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use zeroize::{Zeroize, Zeroizing};

use super::arithmetic::Arithmetic;
use super::backend::Backend;

/// How many points of a curve are added in pairs.
pub(crate) trait Adder<P: SWCurveConfig>: 'static {
    /// A point as it is kept from one addition to the next.
    type Point: Copy + Zeroize + Send + Sync;
    /// What additions need beside the points.
    type Scratch: Default;

    /// The neutral element.
    const IDENTITY: Self::Point;

    /// A base, which is not at infinity, or its negative.
    fn point(base: &Affine<P>, negative: bool) -> Self::Point;

    /// A point's coordinates.
    fn xy(point: &Self::Point) -> Xy<P::BaseField>;

    /// `put(i, p + q)` for each `i < n`, where `get(i)` gives `(p, q)`. Equal, opposite and neutral points are welcome.
    /// What is put for an `i` last counts.
    fn add<'a>(
        n: usize,
        scratch: &mut Self::Scratch,
        get: impl Fn(usize) -> (&'a Self::Point, &'a Self::Point),
        put: impl FnMut(usize, Self::Point),
    );

    /// Multiplies each point's first coordinate. What is on the curve may not stay there.
    fn multiply_x(points: &mut [Self::Point], factor: &P::BaseField);
}

/// Empties a vector and makes room in it, without leaving what it held anywhere.
pub(crate) fn make_room<T: Zeroize>(vec: &mut Zeroizing<Vec<T>>, n: usize) {
    if vec.capacity() < n {
        vec.zeroize();
        vec.reserve_exact(n);
    }
    vec.clear();
}

/// One addition after the other, over any backend.
pub(crate) struct OneByOne<B>(PhantomData<B>);

impl<P: SWCurveConfig, B: Backend> Adder<P> for OneByOne<B>
where
    P::BaseField: Arithmetic,
{
    type Point = Xy<P::BaseField>;
    type Scratch = Zeroizing<Vec<P::BaseField>>;

    const IDENTITY: Xy<P::BaseField> = Xy::IDENTITY;

    #[inline(always)]
    fn point(base: &Affine<P>, negative: bool) -> Xy<P::BaseField> {
        Xy { x: base.x, y: base.y }.negated_if(negative)
    }

    fn xy(point: &Xy<P::BaseField>) -> Xy<P::BaseField> {
        *point
    }

    #[inline(always)]
    fn add<'a>(
        n: usize,
        products: &mut Zeroizing<Vec<P::BaseField>>,
        get: impl Fn(usize) -> (&'a Xy<P::BaseField>, &'a Xy<P::BaseField>),
        put: impl FnMut(usize, Xy<P::BaseField>),
    ) {
        add::<P::BaseField, B>(n, products, get, put);
    }

    #[inline(always)]
    fn multiply_x(points: &mut [Xy<P::BaseField>], factor: &P::BaseField) {
        for point in points {
            point.x = point.x.times::<B>(factor);
        }
    }
}

/// A point of a curve `y^2 = x^3 + b` with `b != 0`, so that `(0, 0)` is free to stand for the neutral element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Xy<F> {
    pub(crate) x: F,
    pub(crate) y: F,
}

impl<F: Zeroize> Zeroize for Xy<F> {
    fn zeroize(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
    }
}

impl<F: Arithmetic> Xy<F> {
    pub(crate) const IDENTITY: Self = Self { x: F::ZERO, y: F::ZERO };

    #[inline(always)]
    pub(crate) fn is_identity(&self) -> bool {
        self.x.is_zero() && self.y.is_zero()
    }

    #[inline(always)]
    pub(crate) fn negated_if(self, negative: bool) -> Self {
        Self { x: self.x, y: self.y.negated_if(negative) }
    }
}

/// Additions whose steps are taken together: a step of one does not wait for the step before it.
const BLOCK: usize = 16;

#[inline(always)]
fn add<'a, F: Arithmetic, B: Backend>(
    n: usize,
    products: &mut Zeroizing<Vec<F>>,
    get: impl Fn(usize) -> (&'a Xy<F>, &'a Xy<F>),
    mut put: impl FnMut(usize, Xy<F>),
) {
    make_room(products, n);
    let mut product = F::ONE;
    for i in 0..n {
        let (p, q) = get(i);
        products.push(product);
        product = product.times::<B>(&denominator::<F, B>(p, q));
    }
    // No denominator is zero.
    let Some(mut inverse) = product.inverted() else { return };
    let mut slopes = [F::ZERO; BLOCK];
    let mut xs = [F::ZERO; BLOCK];
    for start in (0..n.next_multiple_of(BLOCK)).step_by(BLOCK).rev() {
        let len = BLOCK.min(n - start);
        let (Some(slopes), Some(xs)) = (slopes.get_mut(..len), xs.get_mut(..len)) else { return };
        let block = products.get(start..start + len).unwrap_or_default();
        let mut rare = false;
        for ((slope, before), i) in slopes.iter_mut().zip(block).zip(start..start + len).rev() {
            let (p, q) = get(i);
            let d = q.x.minus::<B>(&p.x);
            *slope = inverse.times::<B>(before);
            if d.vanishes() | p.x.vanishes() | q.x.vanishes() {
                rare = true;
                inverse = inverse.times::<B>(&rare_denominator::<F, B>(p, q));
            } else {
                inverse = inverse.times::<B>(&d);
            }
        }
        if rare {
            for (inverse, i) in slopes.iter().zip(start..start + len).rev() {
                let (p, q) = get(i);
                put(i, rare_sum::<F, B>(p, q, inverse));
            }
            continue;
        }
        for (slope, i) in slopes.iter_mut().zip(start..start + len) {
            let (p, q) = get(i);
            *slope = slope.times::<B>(&q.y.minus::<B>(&p.y));
        }
        for ((x, slope), i) in xs.iter_mut().zip(slopes.iter()).zip(start..start + len) {
            let (p, q) = get(i);
            *x = slope.squared::<B>().minus::<B>(&p.x).minus::<B>(&q.x);
        }
        for ((x, slope), i) in xs.iter().zip(slopes.iter()).zip(start..start + len).rev() {
            let (p, _) = get(i);
            let y = slope.times::<B>(&p.x.minus::<B>(x)).minus::<B>(&p.y);
            put(i, Xy { x: *x, y });
        }
    }
}

/// What the slope of `p + q` is divided by; 1 where there is no slope.
#[inline(always)]
fn denominator<F: Arithmetic, B: Backend>(p: &Xy<F>, q: &Xy<F>) -> F {
    let d = q.x.minus::<B>(&p.x);
    if d.vanishes() | p.x.vanishes() | q.x.vanishes() { rare_denominator::<F, B>(p, q) } else { d }
}

#[cold]
#[inline(never)]
fn rare_denominator<F: Arithmetic, B: Backend>(p: &Xy<F>, q: &Xy<F>) -> F {
    if p.is_identity() || q.is_identity() {
        return F::ONE;
    }
    let d = q.x.minus::<B>(&p.x);
    if !d.is_zero() {
        return d;
    }
    // Equal points are doubled; a point of order two, of which these curves have none in their subgroups, and opposite
    // points give the neutral element.
    if p.y == q.y && !p.y.is_zero() { p.y.doubled::<B>() } else { F::ONE }
}

/// The sum of any two points, given the inverse of their denominator.
#[cold]
#[inline(never)]
fn rare_sum<F: Arithmetic, B: Backend>(p: &Xy<F>, q: &Xy<F>, inverse: &F) -> Xy<F> {
    let slope = match rare_slope::<F, B>(p, q, inverse) {
        Ok(slope) => slope,
        Err(sum) => return sum,
    };
    let x = slope.squared::<B>().minus::<B>(&p.x).minus::<B>(&q.x);
    let y = slope.times::<B>(&p.x.minus::<B>(&x)).minus::<B>(&p.y);
    Xy { x, y }
}

/// The slope, or the sum where there is none.
fn rare_slope<F: Arithmetic, B: Backend>(p: &Xy<F>, q: &Xy<F>, inverse: &F) -> Result<F, Xy<F>> {
    if p.is_identity() {
        return Err(*q);
    }
    if q.is_identity() {
        return Err(*p);
    }
    if p.x != q.x {
        return Ok(q.y.minus::<B>(&p.y).times::<B>(inverse));
    }
    if p.y != q.y || p.y.is_zero() {
        return Err(Xy::IDENTITY);
    }
    let square = p.x.squared::<B>();
    Ok(square.doubled::<B>().plus::<B>(&square).times::<B>(inverse))
}
