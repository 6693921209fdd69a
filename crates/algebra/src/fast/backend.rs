//! Montgomery multiplication, chosen at run time for the processor.
//!
//! A default build of Rust may not use BMI2 and ADX, which nearly every x86-64 server of the last ten years has. The
//! choice is made once per operation on many elements, never per multiplication: everything above is generic over
//! [`Backend`] and compiled once for each.

use ark_ff::{BigInt, Fp, MontBackend, MontConfig};

use super::arithmetic::Arithmetic as _;

/// How two elements of a prime field are multiplied.
pub trait Backend: Copy + Send + Sync + 'static {
    /// `a * b`, below the modulus. Where four times the modulus fits the limbs, both factors may be up to twice the
    /// modulus, or `b` up to four times if `a` is below the modulus.
    fn mul<T: MontConfig<N>, const N: usize>(
        a: &Fp<MontBackend<T, N>, N>,
        b: &Fp<MontBackend<T, N>, N>,
    ) -> Fp<MontBackend<T, N>, N>;

    /// `a + b`, for a modulus that leaves a bit of its limbs unused.
    #[inline(always)]
    fn add<T: MontConfig<N>, const N: usize>(a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let (reduced, below) = sub_limbs(&add_limbs(a, b), &T::MODULUS.0);
        add_limbs(&reduced, &keep_if(&T::MODULUS.0, below))
    }

    /// `a + b` and `a - b + k`, where `k` is the modulus or, if `twice`, its double, without any reduction: the caller
    /// knows that both fit.
    #[inline(always)]
    fn sum_and_difference<T: MontConfig<N>, const N: usize>(
        a: &[u64; N],
        b: &[u64; N],
        twice: bool,
    ) -> ([u64; N], [u64; N]) {
        let k = if twice { const { double_modulus::<T, N>() } } else { T::MODULUS.0 };
        // What is negative here wraps around and back.
        (add_limbs(a, b), add_limbs(&sub_limbs(a, b).0, &k))
    }

    /// `a` or `a` minus twice the modulus, whichever is not negative.
    #[inline(always)]
    fn reduce_once<T: MontConfig<N>, const N: usize>(a: &[u64; N]) -> [u64; N] {
        let (reduced, below) = sub_limbs(a, const { &double_modulus::<T, N>() });
        if below { *a } else { reduced }
    }

    /// `a - b`.
    #[inline(always)]
    fn sub<T: MontConfig<N>, const N: usize>(a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let (difference, below) = sub_limbs(a, b);
        add_limbs(&difference, &keep_if(&T::MODULUS.0, below))
    }
}

/// Whether the modulus leaves `n` bits of its limbs unused.
#[inline(always)]
pub(crate) const fn has_spare_bits<T: MontConfig<N>, const N: usize>(n: u32) -> bool {
    T::MODULUS.0[N - 1].leading_zeros() >= n
}

/// Twice the modulus; for one that leaves two bits of its limbs unused.
pub(crate) const fn double_modulus<T: MontConfig<N>, const N: usize>() -> [u64; N] {
    let modulus = T::MODULUS.0;
    let mut double = [0; N];
    let mut i = 0;
    while i < N {
        double[i] = modulus[i] << 1 | if i == 0 { 0 } else { modulus[i - 1] >> 63 };
        i += 1;
    }
    double
}

/// `a + b`, left between the modulus and its double where a multiplication takes such factors.
#[inline(always)]
pub(crate) fn lazy_sum<B: Backend, T: MontConfig<N>, const N: usize>(
    a: &Fp<MontBackend<T, N>, N>,
    b: &Fp<MontBackend<T, N>, N>,
) -> Fp<MontBackend<T, N>, N> {
    let sum = match has_spare_bits::<T, N>(2) {
        true => add_limbs(&a.0.0, &b.0.0),
        false => a.plus::<B>(b).0.0,
    };
    Fp::new_unchecked(BigInt::new(sum))
}

/// `a + b` without reduction; the caller knows that it fits.
#[inline(always)]
pub(crate) fn add_limbs<const N: usize>(a: &[u64; N], b: &[u64; N]) -> [u64; N] {
    let mut sum = [0; N];
    let mut carry = false;
    for ((to, a), b) in sum.iter_mut().zip(a).zip(b) {
        (*to, carry) = a.carrying_add(*b, carry);
    }
    sum
}

/// `a - b` and whether it is negative.
#[inline(always)]
pub(crate) fn sub_limbs<const N: usize>(a: &[u64; N], b: &[u64; N]) -> ([u64; N], bool) {
    let mut difference = [0; N];
    let mut borrow = false;
    for ((to, a), b) in difference.iter_mut().zip(a).zip(b) {
        (*to, borrow) = a.borrowing_sub(*b, borrow);
    }
    (difference, borrow)
}

/// `limbs` where `keep`, else zero.
#[inline(always)]
fn keep_if<const N: usize>(limbs: &[u64; N], keep: bool) -> [u64; N] {
    let mask = u64::from(keep).wrapping_neg();
    limbs.map(|limb| limb & mask)
}

/// Says that a value will be read soon.
#[inline(always)]
#[cfg_attr(target_arch = "x86_64", allow(unsafe_code))]
pub(crate) fn prefetch<V>(value: &V) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE: usize = 64;
        let at = std::ptr::from_ref(value).cast::<i8>();
        let last = size_of::<V>().saturating_sub(1);
        // All lines that the value may touch.
        for i in 0..=last.div_ceil(LINE) {
            // SAFETY: a prefetch reads nothing that the program could see, and every x86-64 processor has it; the
            // address lies in the value.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.add((i * LINE).min(last))) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// For every processor: compiled from Rust.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

impl Backend for Portable {
    #[inline(always)]
    fn mul<T: MontConfig<N>, const N: usize>(
        a: &Fp<MontBackend<T, N>, N>,
        b: &Fp<MontBackend<T, N>, N>,
    ) -> Fp<MontBackend<T, N>, N> {
        *a * b
    }
}

/// Runs an expression with the type `$backend` standing for the best backend of this processor.
macro_rules! with_backend {
    ($backend:ident => $body:expr) => {{
        #[cfg(target_arch = "x86_64")]
        {
            if crate::fast::backend::has_adx() {
                type $backend = crate::fast::backend::Adx;
                $body
            } else {
                type $backend = crate::fast::backend::Portable;
                $body
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            type $backend = crate::fast::backend::Portable;
            $body
        }
    }};
}
pub(crate) use with_backend;

#[cfg(target_arch = "x86_64")]
pub(crate) use adx::{Adx, has_adx};

#[cfg(target_arch = "x86_64")]
mod adx {
    #![allow(unsafe_code)]

    use ark_ff::{BigInt, Fp, MontBackend, MontConfig};
    use core::arch::asm;

    use super::{Backend, Portable};

    /// For x86-64 with BMI2 and ADX: two carry chains at once. Fields of four and six limbs.
    ///
    /// Only [`with_backend`](super::with_backend) names this type, and only where [`has_adx`] holds.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Adx;

    /// Whether this processor has what [`Adx`] needs.
    pub(crate) fn has_adx() -> bool {
        std::is_x86_feature_detected!("bmi2") && std::is_x86_feature_detected!("adx")
    }

    /// What a reduction needs, in one place so that one register points to it.
    #[repr(C)]
    struct Constants<const N: usize> {
        modulus: [u64; N],
        inverse: u64,
        double: [u64; N],
    }

    /// The lines of `t + a * b[i]` for the first row, where `t` is zero.
    macro_rules! first_row {
        ($($t:literal $next:literal $at:literal),*; $last:literal $last_at:literal) => {
            concat!(
                "xor {u:e}, {u:e}\n",
                "mov rdx, qword ptr [{b}]\n",
                "mulx {t1}, {t0}, qword ptr [{a}]\n",
                $("mulx {", $next, "}, {u}, qword ptr [{a} + ", $at, "]\n",
                  "adox {", $t, "}, {u}\n",)*
                "mulx {top}, {u}, qword ptr [{a} + ", $last_at, "]\n",
                "adox {", $last, "}, {u}\n",
                "mov {u:e}, 0\n",
                "adox {top}, {u}\n",
            )
        };
    }

    /// The lines of `t + a * b[i]` for every other row.
    macro_rules! row {
        ($row:literal; $($t:literal $at:literal $next:literal),*; $last:literal $last_at:literal) => {
            concat!(
                "xor {u:e}, {u:e}\n",
                "mov rdx, qword ptr [{b} + ", $row, "]\n",
                $("mulx {top}, {u}, qword ptr [{a} + ", $at, "]\n",
                  "adox {", $t, "}, {u}\n",
                  "adcx {", $next, "}, {top}\n",)*
                "mulx {top}, {u}, qword ptr [{a} + ", $last_at, "]\n",
                "adox {", $last, "}, {u}\n",
                "mov {u:e}, 0\n",
                "adcx {top}, {u}\n",
                "adox {top}, {u}\n",
            )
        };
    }

    /// The lines that add the multiple of the modulus which clears the lowest limb, and shift by one limb.
    macro_rules! reduce {
        ($inverse:literal; $($into:literal $from:literal $at:literal),*; $last:literal) => {
            concat!(
                "mov rdx, qword ptr [{q} + ", $inverse, "]\n",
                "imul rdx, {t0}\n",
                "xor {u:e}, {u:e}\n",
                "mulx {v}, {u}, qword ptr [{q}]\n",
                "adcx {u}, {t0}\n",
                "mov {t0}, {v}\n",
                $("adcx {", $into, "}, {", $from, "}\n",
                  "mulx {", $from, "}, {u}, qword ptr [{q} + ", $at, "]\n",
                  "adox {", $into, "}, {u}\n",)*
                "mov {u:e}, 0\n",
                "adcx {", $last, "}, {u}\n",
                "adox {", $last, "}, {top}\n",
            )
        };
    }

    /// `a * b / 2^256 mod q`, the coarsely integrated operand scanning of Koç, Acar and Kaliski without the extra
    /// carry limb (Botrel and El Housni, "Faster Montgomery multiplication and Multi-Scalar-Multiplication for SNARKs",
    /// section 2.2). The running value stays below `a + q`, which must fit the limbs; one subtraction at the end is enough if
    /// `a b <= q 2^256`. Both hold for factors below `2q`, and for `a` below `q` and `b` below `4q`, where `4q` fits the
    /// limbs; for factors below `q` where `2q` does.
    #[inline(always)]
    fn mul_4(a: &[u64; 4], b: &[u64; 4], constants: *const Constants<4>) -> [u64; 4] {
        let (t0, t1, t2, t3): (u64, u64, u64, u64);
        // SAFETY: the block reads the three arrays, all of whose limbs are in bounds, writes no memory and uses no
        // stack; the processor has BMI2 and ADX, or `with_backend` would not have chosen `Adx`.
        unsafe {
            asm!(
                first_row!("t1" "t2" "8", "t2" "t3" "16"; "t3" "24"),
                reduce!("32"; "t0" "t1" "8", "t1" "t2" "16", "t2" "t3" "24"; "t3"),
                row!("8"; "t0" "0" "t1", "t1" "8" "t2", "t2" "16" "t3"; "t3" "24"),
                reduce!("32"; "t0" "t1" "8", "t1" "t2" "16", "t2" "t3" "24"; "t3"),
                row!("16"; "t0" "0" "t1", "t1" "8" "t2", "t2" "16" "t3"; "t3" "24"),
                reduce!("32"; "t0" "t1" "8", "t1" "t2" "16", "t2" "t3" "24"; "t3"),
                row!("24"; "t0" "0" "t1", "t1" "8" "t2", "t2" "16" "t3"; "t3" "24"),
                reduce!("32"; "t0" "t1" "8", "t1" "t2" "16", "t2" "t3" "24"; "t3"),
                "mov {u}, {t0}",
                "sub {u}, qword ptr [{q}]",
                "mov {v}, {t1}",
                "sbb {v}, qword ptr [{q} + 8]",
                "mov {top}, {t2}",
                "sbb {top}, qword ptr [{q} + 16]",
                "mov rdx, {t3}",
                "sbb rdx, qword ptr [{q} + 24]",
                "cmovnc {t0}, {u}",
                "cmovnc {t1}, {v}",
                "cmovnc {t2}, {top}",
                "cmovnc {t3}, rdx",
                a = in(reg) a.as_ptr(),
                b = in(reg) b.as_ptr(),
                q = in(reg) constants,
                t0 = out(reg) t0,
                t1 = out(reg) t1,
                t2 = out(reg) t2,
                t3 = out(reg) t3,
                u = out(reg) _,
                v = out(reg) _,
                top = out(reg) _,
                out("rdx") _,
                options(pure, readonly, nostack),
            );
        }
        [t0, t1, t2, t3]
    }

    /// As [`mul_4`], modulo `2^384`'s worth of limbs.
    #[inline(always)]
    fn mul_6(a: &[u64; 6], b: &[u64; 6], constants: *const Constants<6>) -> [u64; 6] {
        macro_rules! reduce_6 {
            () => {
                reduce!("48"; "t0" "t1" "8", "t1" "t2" "16", "t2" "t3" "24", "t3" "t4" "32", "t4" "t5" "40"; "t5")
            };
        }
        macro_rules! row_6 {
            ($at:literal) => {
                row!($at; "t0" "0" "t1", "t1" "8" "t2", "t2" "16" "t3", "t3" "24" "t4", "t4" "32" "t5"; "t5" "40")
            };
        }
        let (t0, t1, t2, t3, t4, t5): (u64, u64, u64, u64, u64, u64);
        // SAFETY: as in `mul_4`.
        unsafe {
            asm!(
                first_row!("t1" "t2" "8", "t2" "t3" "16", "t3" "t4" "24", "t4" "t5" "32"; "t5" "40"),
                reduce_6!(),
                row_6!("8"),
                reduce_6!(),
                row_6!("16"),
                reduce_6!(),
                row_6!("24"),
                reduce_6!(),
                row_6!("32"),
                reduce_6!(),
                row_6!("40"),
                reduce_6!(),
                "mov {u}, {t0}",
                "sub {u}, qword ptr [{q}]",
                "mov {v}, {t1}",
                "sbb {v}, qword ptr [{q} + 8]",
                "mov {top}, {t2}",
                "sbb {top}, qword ptr [{q} + 16]",
                "mov rdx, {t3}",
                "sbb rdx, qword ptr [{q} + 24]",
                "mov {a}, {t4}",
                "sbb {a}, qword ptr [{q} + 32]",
                "mov {b}, {t5}",
                "sbb {b}, qword ptr [{q} + 40]",
                "cmovnc {t0}, {u}",
                "cmovnc {t1}, {v}",
                "cmovnc {t2}, {top}",
                "cmovnc {t3}, rdx",
                "cmovnc {t4}, {a}",
                "cmovnc {t5}, {b}",
                a = inout(reg) a.as_ptr() => _,
                b = inout(reg) b.as_ptr() => _,
                q = in(reg) constants,
                t0 = out(reg) t0,
                t1 = out(reg) t1,
                t2 = out(reg) t2,
                t3 = out(reg) t3,
                t4 = out(reg) t4,
                t5 = out(reg) t5,
                u = out(reg) _,
                v = out(reg) _,
                top = out(reg) _,
                out("rdx") _,
                options(pure, readonly, nostack),
            );
        }
        [t0, t1, t2, t3, t4, t5]
    }

    /// The lines that take from `t` the four limbs at `q` unless that makes it negative.
    macro_rules! subtract_once {
        () => {
            concat!(
                "mov {u0}, {t0}\n",
                "mov {u1}, {t1}\n",
                "mov {u2}, {t2}\n",
                "mov {u3}, {t3}\n",
                "sub {u0}, qword ptr [{q}]\n",
                "sbb {u1}, qword ptr [{q} + 8]\n",
                "sbb {u2}, qword ptr [{q} + 16]\n",
                "sbb {u3}, qword ptr [{q} + 24]\n",
                "cmovnc {t0}, {u0}\n",
                "cmovnc {t1}, {u1}\n",
                "cmovnc {t2}, {u2}\n",
                "cmovnc {t3}, {u3}\n",
            )
        };
    }

    /// The lines that load `a` and add or subtract `b`.
    macro_rules! load_and {
        ($first:literal $next:literal) => {
            concat!(
                "mov {t0}, qword ptr [{a}]\n",
                "mov {t1}, qword ptr [{a} + 8]\n",
                "mov {t2}, qword ptr [{a} + 16]\n",
                "mov {t3}, qword ptr [{a} + 24]\n",
                $first,
                " {t0}, qword ptr [{b}]\n",
                $next,
                " {t1}, qword ptr [{b} + 8]\n",
                $next,
                " {t2}, qword ptr [{b} + 16]\n",
                $next,
                " {t3}, qword ptr [{b} + 24]\n",
            )
        };
    }

    /// Runs lines on `a`, `b` and the modulus `q`, all in memory, with `u0` to `u3` free; gives `t0` to `t3`.
    macro_rules! on_four_limbs {
        ($a:expr, $b:expr, $constants:expr; $($line:expr),*) => {{
            let (t0, t1, t2, t3): (u64, u64, u64, u64);
            // SAFETY: as in `mul_4`; no instruction here is newer than x86-64 itself.
            unsafe {
                asm!(
                    $($line,)*
                    a = in(reg) $a.as_ptr(),
                    b = in(reg) $b.as_ptr(),
                    q = in(reg) $constants,
                    t0 = out(reg) t0,
                    t1 = out(reg) t1,
                    t2 = out(reg) t2,
                    t3 = out(reg) t3,
                    u0 = out(reg) _,
                    u1 = out(reg) _,
                    u2 = out(reg) _,
                    u3 = out(reg) _,
                    options(pure, readonly, nostack),
                );
            }
            [t0, t1, t2, t3]
        }};
    }

    #[inline(always)]
    fn add_4(a: &[u64; 4], b: &[u64; 4], constants: *const Constants<4>) -> [u64; 4] {
        on_four_limbs!(a, b, constants; load_and!("add" "adc"), subtract_once!())
    }

    #[inline(always)]
    fn sub_4(a: &[u64; 4], b: &[u64; 4], constants: *const Constants<4>) -> [u64; 4] {
        on_four_limbs!(a, b, constants;
            load_and!("sub" "sbb"),
            "sbb {u0}, {u0}",
            "mov {u1}, {u0}",
            "mov {u2}, {u0}",
            "mov {u3}, {u0}",
            "and {u0}, qword ptr [{q}]",
            "and {u1}, qword ptr [{q} + 8]",
            "and {u2}, qword ptr [{q} + 16]",
            "and {u3}, qword ptr [{q} + 24]",
            "add {t0}, {u0}",
            "adc {t1}, {u1}",
            "adc {t2}, {u2}",
            "adc {t3}, {u3}"
        )
    }

    #[inline(always)]
    fn sum_and_difference_4(a: &[u64; 4], b: &[u64; 4], k: *const u64) -> ([u64; 4], [u64; 4]) {
        let (s0, s1, s2, s3): (u64, u64, u64, u64);
        let (d0, d1, d2, d3): (u64, u64, u64, u64);
        // SAFETY: as in `add_4`.
        unsafe {
            asm!(
                "mov {s0}, qword ptr [{a}]",
                "mov {s1}, qword ptr [{a} + 8]",
                "mov {s2}, qword ptr [{a} + 16]",
                "mov {s3}, qword ptr [{a} + 24]",
                "mov {d0}, {s0}",
                "mov {d1}, {s1}",
                "mov {d2}, {s2}",
                "mov {d3}, {s3}",
                "add {s0}, qword ptr [{b}]",
                "adc {s1}, qword ptr [{b} + 8]",
                "adc {s2}, qword ptr [{b} + 16]",
                "adc {s3}, qword ptr [{b} + 24]",
                "sub {d0}, qword ptr [{b}]",
                "sbb {d1}, qword ptr [{b} + 8]",
                "sbb {d2}, qword ptr [{b} + 16]",
                "sbb {d3}, qword ptr [{b} + 24]",
                "add {d0}, qword ptr [{k}]",
                "adc {d1}, qword ptr [{k} + 8]",
                "adc {d2}, qword ptr [{k} + 16]",
                "adc {d3}, qword ptr [{k} + 24]",
                a = in(reg) a.as_ptr(),
                b = in(reg) b.as_ptr(),
                k = in(reg) k,
                s0 = out(reg) s0,
                s1 = out(reg) s1,
                s2 = out(reg) s2,
                s3 = out(reg) s3,
                d0 = out(reg) d0,
                d1 = out(reg) d1,
                d2 = out(reg) d2,
                d3 = out(reg) d3,
                options(pure, readonly, nostack),
            );
        }
        ([s0, s1, s2, s3], [d0, d1, d2, d3])
    }

    #[inline(always)]
    fn reduce_once_4(a: &[u64; 4], double: *const u64) -> [u64; 4] {
        let [mut t0, mut t1, mut t2, mut t3] = *a;
        // SAFETY: as in `add_4`.
        unsafe {
            asm!(
                subtract_once!(),
                q = in(reg) double,
                t0 = inout(reg) t0,
                t1 = inout(reg) t1,
                t2 = inout(reg) t2,
                t3 = inout(reg) t3,
                u0 = out(reg) _,
                u1 = out(reg) _,
                u2 = out(reg) _,
                u3 = out(reg) _,
                options(pure, readonly, nostack),
            );
        }
        [t0, t1, t2, t3]
    }

    struct Of<T, const N: usize>(std::marker::PhantomData<T>);

    impl<T: MontConfig<N>, const N: usize> Of<T, N> {
        const CONSTANTS: Constants<N> =
            Constants { modulus: T::MODULUS.0, inverse: T::INV, double: super::double_modulus::<T, N>() };
    }

    /// The constants under a number of limbs that the compiler does not know to be `N`; the caller does.
    #[inline(always)]
    fn constants<T: MontConfig<N>, const N: usize, const M: usize>() -> *const Constants<M> {
        std::ptr::from_ref(const { &Of::<T, N>::CONSTANTS }).cast()
    }

    /// The value of an option, or another one. A combinator would not be inlined everywhere.
    macro_rules! first_of {
        ($option:expr, $otherwise:expr) => {
            match $option {
                Some(value) => value,
                None => $otherwise,
            }
        };
    }

    // The compiler knows `N` where it compiles these: of each choice one arm is left.
    impl Backend for Adx {
        #[inline(always)]
        fn mul<T: MontConfig<N>, const N: usize>(
            a: &Fp<MontBackend<T, N>, N>,
            b: &Fp<MontBackend<T, N>, N>,
        ) -> Fp<MontBackend<T, N>, N> {
            if const { !super::has_spare_bits::<T, N>(1) } {
                return *a * b;
            }
            let (x, y) = (&a.0.0, &b.0.0);
            let four = || Some(*mul_4(x.as_array()?, y.as_array()?, constants::<T, N, 4>()).as_array()?);
            let six = || Some(*mul_6(x.as_array()?, y.as_array()?, constants::<T, N, 6>()).as_array()?);
            let limbs = first_of!(four(), first_of!(six(), return *a * b));
            Fp::new_unchecked(BigInt::new(limbs))
        }

        #[inline(always)]
        fn add<T: MontConfig<N>, const N: usize>(a: &[u64; N], b: &[u64; N]) -> [u64; N] {
            let four = || Some(*add_4(a.as_array()?, b.as_array()?, constants::<T, N, 4>()).as_array()?);
            first_of!(four(), Portable::add::<T, N>(a, b))
        }

        #[inline(always)]
        fn sub<T: MontConfig<N>, const N: usize>(a: &[u64; N], b: &[u64; N]) -> [u64; N] {
            let four = || Some(*sub_4(a.as_array()?, b.as_array()?, constants::<T, N, 4>()).as_array()?);
            first_of!(four(), Portable::sub::<T, N>(a, b))
        }

        #[inline(always)]
        fn sum_and_difference<T: MontConfig<N>, const N: usize>(
            a: &[u64; N],
            b: &[u64; N],
            twice: bool,
        ) -> ([u64; N], [u64; N]) {
            let constants = const { &Of::<T, N>::CONSTANTS };
            let k = if twice { constants.double.as_ptr() } else { constants.modulus.as_ptr() };
            let four = || {
                let (sum, difference) = sum_and_difference_4(a.as_array()?, b.as_array()?, k);
                Some((*sum.as_array()?, *difference.as_array()?))
            };
            first_of!(four(), Portable::sum_and_difference::<T, N>(a, b, twice))
        }

        #[inline(always)]
        fn reduce_once<T: MontConfig<N>, const N: usize>(a: &[u64; N]) -> [u64; N] {
            let double = const { &Of::<T, N>::CONSTANTS }.double.as_ptr();
            let four = || Some(*reduce_once_4(a.as_array()?, double).as_array()?);
            first_of!(four(), Portable::reduce_once::<T, N>(a))
        }
    }
}
