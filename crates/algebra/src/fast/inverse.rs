//! Inverses modulo an odd number of at most 255 bits, by division steps: Bernstein and Yang, "Fast constant-time gcd
//! computation and modular inversion", TCHES 2019(3), with the steps taken 62 at a time on the lowest bits as
//! libsecp256k1's `doc/safegcd_implementation.md` describes, here in variable time.
//!
//! `f` and `g` begin as the modulus and the value and end as the greatest common divisor, up to its sign, and 0. On the way
//! `d * value = f` and `e * value = g` hold modulo the modulus.

use ark_ff::MontConfig;

/// Bits of a limb.
const BITS: u32 = 62;
/// Limbs of a number with a sign.
const LIMBS: usize = 5;
const MASK: i64 = (1 << BITS) - 1;
/// As many steps as 256-bit inputs can take (section 11 of the paper: 741), in batches.
const BATCHES: usize = 12;

/// A number: limbs of 62 bits, of which the last one has the sign.
type Signed = [i64; LIMBS];

/// An odd modulus.
pub(crate) struct Modulus {
    limbs: Signed,
    /// Its inverse modulo `2^62`.
    inverse: i64,
}

impl Modulus {
    /// A field's, if it has four limbs and at most 255 bits.
    pub(crate) const fn of<T: MontConfig<N>, const N: usize>() -> Option<Self> {
        let Some(words) = T::MODULUS.0.first_chunk::<4>() else { return None };
        if N != 4 || words[3] >> 63 != 0 {
            return None;
        }
        let mut inverse = 1u64;
        let mut i = 0;
        while i < 6 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(words[0].wrapping_mul(inverse)));
            i += 1;
        }
        Some(Self { limbs: to_limbs(words), inverse: inverse as i64 & MASK })
    }

    /// The inverse of a value below the modulus; `None` where there is none.
    pub(crate) fn inverse(&self, value: &[u64; 4]) -> Option<[u64; 4]> {
        let (mut f, mut g) = (self.limbs, to_limbs(value));
        let (mut d, mut e) = ([0; LIMBS], [1, 0, 0, 0, 0]);
        let mut eta = -1;
        for _ in 0..BATCHES {
            let t;
            (eta, t) = steps(eta, f[0] as u64, g[0] as u64);
            (d, e) = self.transformed(&t, &d, &e);
            (f, g) = t.divided(&f, &g);
            if g == [0; LIMBS] {
                break;
            }
        }
        let negative = f[LIMBS - 1] < 0;
        let unit = if negative { [MASK, MASK, MASK, MASK, -1] } else { [1, 0, 0, 0, 0] };
        (f == unit && g == [0; LIMBS]).then(|| to_words(&self.normalized(d, negative)))
    }

    /// `t` applied to `(d, e)` and divided by `2^62` modulo the modulus. In and out between minus twice the modulus and it.
    #[inline(always)]
    fn transformed(&self, t: &Matrix, d: &Signed, e: &Signed) -> (Signed, Signed) {
        let Matrix { u, v, q, r } = *t;
        // What brings negative ones up, and then what makes the lowest 62 bits vanish, in multiples of the modulus.
        let (d_sign, e_sign) = (d[LIMBS - 1] >> 63, e[LIMBS - 1] >> 63);
        let (mut to_d, mut to_e) = ((u & d_sign) + (v & e_sign), (q & d_sign) + (r & e_sign));
        let (mut new_d, mut new_e) = (wide(u, d[0]) + wide(v, e[0]), wide(q, d[0]) + wide(r, e[0]));
        to_d -= self.inverse.wrapping_mul(new_d as i64).wrapping_add(to_d) & MASK;
        to_e -= self.inverse.wrapping_mul(new_e as i64).wrapping_add(to_e) & MASK;
        new_d += wide(self.limbs[0], to_d);
        new_e += wide(self.limbs[0], to_e);
        debug_assert!(new_d as i64 & MASK == 0 && new_e as i64 & MASK == 0);
        let (mut out_d, mut out_e) = ([0; LIMBS], [0; LIMBS]);
        for i in 1..LIMBS {
            new_d = (new_d >> BITS) + wide(u, d[i]) + wide(v, e[i]) + wide(self.limbs[i], to_d);
            new_e = (new_e >> BITS) + wide(q, d[i]) + wide(r, e[i]) + wide(self.limbs[i], to_e);
            out_d[i - 1] = new_d as i64 & MASK;
            out_e[i - 1] = new_e as i64 & MASK;
        }
        out_d[LIMBS - 1] = (new_d >> BITS) as i64;
        out_e[LIMBS - 1] = (new_e >> BITS) as i64;
        (out_d, out_e)
    }

    /// The number, or its negative, from 0 to the modulus.
    fn normalized(&self, number: Signed, negative: bool) -> Signed {
        let lifted = |number: Signed| {
            if number[LIMBS - 1] < 0 {
                carried(std::array::from_fn(|i| number[i] + self.limbs[i]))
            } else {
                number
            }
        };
        let number = lifted(number);
        lifted(if negative { carried(number.map(|limb| -limb)) } else { number })
    }
}

/// What 62 steps do, times `2^62`: `f' = u f + v g`, `g' = q f + r g`.
struct Matrix {
    u: i64,
    v: i64,
    q: i64,
    r: i64,
}

impl Matrix {
    /// The exact quotients of `t` applied to `(f, g)` by `2^62`.
    #[inline(always)]
    fn divided(&self, f: &Signed, g: &Signed) -> (Signed, Signed) {
        let Self { u, v, q, r } = *self;
        let (mut new_f, mut new_g) = (wide(u, f[0]) + wide(v, g[0]), wide(q, f[0]) + wide(r, g[0]));
        debug_assert!(new_f as i64 & MASK == 0 && new_g as i64 & MASK == 0);
        let (mut out_f, mut out_g) = ([0; LIMBS], [0; LIMBS]);
        for i in 1..LIMBS {
            new_f = (new_f >> BITS) + wide(u, f[i]) + wide(v, g[i]);
            new_g = (new_g >> BITS) + wide(q, f[i]) + wide(r, g[i]);
            out_f[i - 1] = new_f as i64 & MASK;
            out_g[i - 1] = new_g as i64 & MASK;
        }
        out_f[LIMBS - 1] = (new_f >> BITS) as i64;
        out_g[LIMBS - 1] = (new_g >> BITS) as i64;
        (out_f, out_g)
    }
}

/// 62 division steps on the lowest bits of `f` and `g`. `eta` is minus the paper's `delta`.
#[inline(always)]
fn steps(mut eta: i64, mut f: u64, mut g: u64) -> (i64, Matrix) {
    let (mut u, mut v, mut q, mut r) = (1u64, 0u64, 0u64, 1u64);
    let mut left = BITS;
    loop {
        // As many steps at once as there are zeros at the end of `g`.
        let zeros = (g | u64::MAX << left).trailing_zeros();
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        eta -= i64::from(zeros);
        left -= zeros;
        if left == 0 {
            break;
        }
        if eta < 0 {
            eta = -eta;
            (f, g) = (g, f.wrapping_neg());
            (u, q) = (q, u.wrapping_neg());
            (v, r) = (r, v.wrapping_neg());
        }
        // A multiple of `f` that makes up to six bits of `g` vanish, of those that are left before `eta` changes its sign.
        let bits = left.min((eta + 1).min(6) as u32);
        let mask = u64::MAX >> (64 - bits);
        let multiple = f.wrapping_mul(g).wrapping_mul(f.wrapping_mul(f).wrapping_sub(2)) & mask;
        g = g.wrapping_add(f.wrapping_mul(multiple));
        q = q.wrapping_add(u.wrapping_mul(multiple));
        r = r.wrapping_add(v.wrapping_mul(multiple));
    }
    (eta, Matrix { u: u as i64, v: v as i64, q: q as i64, r: r as i64 })
}

#[inline(always)]
fn wide(a: i64, b: i64) -> i128 {
    i128::from(a) * i128::from(b)
}

/// Carries, so that all limbs but the last have 62 bits and no sign.
fn carried(mut number: Signed) -> Signed {
    for i in 1..LIMBS {
        number[i] += number[i - 1] >> BITS;
        number[i - 1] &= MASK;
    }
    number
}

const fn to_limbs([a, b, c, d]: &[u64; 4]) -> Signed {
    [
        *a as i64 & MASK,
        (*a >> 62 | *b << 2) as i64 & MASK,
        (*b >> 60 | *c << 4) as i64 & MASK,
        (*c >> 58 | *d << 6) as i64 & MASK,
        (*d >> 56) as i64,
    ]
}

fn to_words(number: &Signed) -> [u64; 4] {
    let [a, b, c, d, e] = number.map(|limb| limb as u64);
    [a | b << 62, b >> 2 | c << 60, c >> 4 | d << 58, d >> 6 | e << 56]
}
