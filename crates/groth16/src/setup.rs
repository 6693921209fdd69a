//! From a constraint system to a proving key: over the powers of tau of a ceremony, or, for development only, over
//! secrets of one's own.
//!
//! Both give the key that circom's tools give. With `A_k, B_k, C_k` the polynomials of wire `k` over the domain (the
//! constraints, then one row `A` for each public wire and the constant one), `gamma = 1` and
//!
//! ```text
//! IC_k = beta A_k + alpha B_k + C_k             for the public wires and the constant one
//! L_k  = (beta A_k + alpha B_k + C_k) / delta   for the others
//! H_i  = M_(2i+1)(tau) / delta                  with M the Lagrange basis of the domain twice as large
//! ```

use ark_ff::{AdditiveGroup, Field, PrimeField};
use blake2::{Blake2b512, Digest};
use rand_core::CryptoRng;
use rayon::prelude::*;
use tacit_algebra::{
    Check, Curve, CurveId, Domain, DomainError, G1Affine, G2Affine, Group, Point, ScalarField, field,
};
use tacit_circom::FormatError;
use tacit_circom::ptau::Ptau;
use tacit_circom::zkey::ContributionKind;
use tacit_circom::{Coefficient, Matrix, R1cs, VerificationKey, Zkey};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::beyond;
use crate::transcript::{Digest64, Draw, absorb, absorb_all, record};

/// The name of the contribution that a key of [`dev`] carries; every tool that lists contributions shows it.
pub const DEV_NAME: &str = "tacit dev setup: NOT FOR PRODUCTION";

/// Why no key was made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The circuit is over the other curve.
    #[error("the circuit is over {got}, the setup over {expected}")]
    Curve {
        /// The setup's curve.
        expected: CurveId,
        /// The circuit's curve.
        got: CurveId,
    },
    /// The circuit does not fit.
    #[error(
        "the circuit has {rows} rows and needs powers of tau for 2^{needed}; the file has them for 2^{has}: take a larger one"
    )]
    TooLarge {
        /// Constraints, public wires and the constant one.
        rows: u64,
        /// `log2` of the domain that the circuit needs.
        needed: u32,
        /// The file's power.
        has: u32,
    },
    /// A constraint names a wire that the circuit does not have.
    #[error("constraint {constraint} names wire {wire}, the circuit has {n_wires}")]
    Wire {
        /// The constraint.
        constraint: usize,
        /// The wire.
        wire: u32,
        /// Wires there are.
        n_wires: u32,
    },
    /// More public wires than wires.
    #[error("the circuit claims {n_public} public wires and the constant one, but only {n_wires} wires")]
    PublicWires {
        /// All wires.
        n_wires: u32,
        /// Public wires, the constant one not included.
        n_public: u32,
    },
    /// The powers of tau cannot be read.
    #[error(transparent)]
    Ptau(#[from] FormatError),
    /// The field has no such domain.
    #[error(transparent)]
    Domain(#[from] DomainError),
}

/// A matrix of the constraint system, column after column: for each wire the rows in which it occurs, with its
/// coefficient.
struct Columns<F> {
    starts: Vec<usize>,
    entries: Vec<(u32, F)>,
}

impl<F: PrimeField> Columns<F> {
    /// `entries` is walked twice and yields row, wire and value.
    fn new<I: Iterator<Item = (u32, u32, F)>>(n_wires: usize, entries: impl Fn() -> I) -> Self {
        let mut starts = vec![0usize; n_wires + 1];
        for (_, wire, _) in entries() {
            if let Some(count) = starts.get_mut(wire as usize + 1) {
                *count += 1;
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        let mut next = starts.clone();
        let mut sorted = vec![(0, F::ZERO); total];
        for (row, wire, value) in entries() {
            if let Some(at) = next.get_mut(wire as usize) {
                if let Some(entry) = sorted.get_mut(*at) {
                    *entry = (row, value);
                }
                *at += 1;
            }
        }
        Self { starts, entries: sorted }
    }

    fn column(&self, wire: usize) -> &[(u32, F)] {
        match (self.starts.get(wire), self.starts.get(wire + 1)) {
            (Some(from), Some(to)) => self.entries.get(*from..*to).unwrap_or_default(),
            _ => &[],
        }
    }
}

/// The shape of a circuit with its matrices.
struct Qap<F> {
    n_wires: usize,
    n_public: usize,
    log_domain: u32,
    a: Columns<F>,
    b: Columns<F>,
    c: Columns<F>,
}

/// The constraint system that the matrices of a key belong to: circom's rows, and one for each public wire.
fn left_entries<F: PrimeField>(r1cs: &R1cs<F>) -> impl Iterator<Item = (u32, u32, F)> + '_ {
    let constraints = r1cs.constraints.iter().zip(0u32..);
    let own = constraints.flat_map(|(constraint, row)| constraint.a.iter().map(move |(k, v)| (row, *k, *v)));
    let n = r1cs.constraints.len() as u32;
    own.chain((0..=r1cs.n_public()).map(move |k| (n.saturating_add(k), k, F::ONE)))
}

/// `log2` of the domain for so many rows: at least one row is left over when there are more than two.
fn log_domain(rows: u64) -> u32 {
    rows.saturating_sub(1).max(1).ilog2() + 1
}

/// Rows of a circuit's domain that are used: constraints, public wires and the constant one.
fn rows<F: PrimeField>(r1cs: &R1cs<F>) -> u64 {
    r1cs.constraints.len() as u64 + u64::from(r1cs.n_public()) + 1
}

/// The power of tau that a circuit needs: `log2` of its domain's size.
pub fn power_needed<F: PrimeField>(r1cs: &R1cs<F>) -> u32 {
    log_domain(rows(r1cs))
}

impl<F: ScalarField> Qap<F> {
    fn new(r1cs: &R1cs<F>) -> Result<Self, SetupError> {
        let (n_wires, n_public) = (r1cs.n_wires, r1cs.n_public());
        if n_public >= n_wires {
            return Err(SetupError::PublicWires { n_wires, n_public });
        }
        for (constraint, c) in r1cs.constraints.iter().enumerate() {
            for (wire, _) in c.a.iter().chain(&c.b).chain(&c.c) {
                if *wire >= n_wires {
                    return Err(SetupError::Wire { constraint, wire: *wire, n_wires });
                }
            }
        }
        let log_domain = power_needed(r1cs);
        // Also bounds the number of rows, which the files count with 32 bits.
        Domain::<F>::new(log_domain)?;
        let n = n_wires as usize;
        let rows = || r1cs.constraints.iter().zip(0u32..);
        let b = || rows().flat_map(|(c, row)| c.b.iter().map(move |(k, v)| (row, *k, *v)));
        let c = || rows().flat_map(|(c, row)| c.c.iter().map(move |(k, v)| (row, *k, *v)));
        Ok(Self {
            n_wires: n,
            n_public: n_public as usize,
            log_domain,
            a: Columns::new(n, || left_entries(r1cs)),
            b: Columns::new(n, b),
            c: Columns::new(n, c),
        })
    }
}

/// The coefficients section: constraint by constraint, `A` before `B`, then the public wires' rows.
fn coefficients<F: PrimeField>(r1cs: &R1cs<F>) -> Vec<Coefficient<F>> {
    let entry = |matrix| move |(constraint, wire, value)| Coefficient { matrix, constraint, wire, value };
    let mut all = Vec::new();
    for (c, row) in r1cs.constraints.iter().zip(0u32..) {
        all.extend(c.a.iter().map(|(k, v)| entry(Matrix::A)((row, *k, *v))));
        all.extend(c.b.iter().map(|(k, v)| entry(Matrix::B)((row, *k, *v))));
    }
    let n = r1cs.constraints.len() as u32;
    all.extend((0..=r1cs.n_public()).map(|k| entry(Matrix::A)((n + k, k, F::ONE))));
    all
}

/// `sum value * bases[row]` over a column.
fn combine<F: PrimeField, G: Group<F>>(bases: &[G::Affine], column: &[(u32, F)]) -> G {
    /// From here on a multi-scalar multiplication pays.
    const MANY: usize = 48;
    let base = |row: u32| bases.get(row as usize).copied().unwrap_or_else(G::Affine::identity);
    if column.len() >= MANY {
        let points: Vec<G::Affine> = column.iter().map(|(row, _)| base(*row)).collect();
        let scalars: Vec<F> = column.iter().map(|(_, value)| *value).collect();
        return G::msm(&points, &scalars);
    }
    let mut sum = G::identity();
    for (row, value) in column {
        let point = G::from_affine(&base(*row));
        if *value == F::ONE {
            sum += point;
        } else if *value == -F::ONE {
            sum -= point;
        } else {
            sum += point.scale(value);
        }
    }
    sum
}

/// One point for each of `wires`, in parallel.
fn for_wires<F: PrimeField, G: Group<F>>(
    wires: std::ops::Range<usize>,
    point: impl Fn(usize) -> G + Sync,
) -> Vec<G::Affine> {
    const CHUNK: usize = 512;
    let parts: Vec<Vec<G::Affine>> = wires
        .clone()
        .into_par_iter()
        .step_by(CHUNK)
        .map(|from| {
            let points: Vec<G> = (from..wires.end.min(from + CHUNK)).map(&point).collect();
            G::batch_to_affine(&points)
        })
        .collect();
    parts.concat()
}

/// The initial proving key (`delta = 1`, no contribution) for a circuit over the powers of tau of a ceremony: byte for
/// byte what `snarkjs groth16 setup` writes. `check` says how far the powers' points are checked. Anyone can forge
/// proofs for this key until somebody has contributed to it ([`crate::contribute::contribute`]).
///
/// # Errors
/// See [`SetupError`].
pub fn from_ptau<C: Curve>(
    r1cs: &R1cs<C::Scalar>,
    ptau: &Ptau<'_, C>,
    check: Check,
) -> Result<Zkey<C>, SetupError> {
    if r1cs.curve != C::ID {
        return Err(SetupError::Curve { expected: C::ID, got: r1cs.curve });
    }
    let qap = Qap::new(r1cs)?;
    let (n_wires, n_public) = (qap.n_wires, qap.n_public);
    if qap.log_domain > ptau.power() {
        let rows = rows(r1cs);
        return Err(SetupError::TooLarge { rows, needed: qap.log_domain, has: ptau.power() });
    }
    let alpha_g1 = first(ptau.alpha_tau_g1()?.read(0..1, check)?);
    let beta_g1 = first(ptau.beta_tau_g1()?.read(0..1, check)?);
    let beta_g2 = ptau.beta_g2(check)?;
    let tau = ptau.lagrange_tau_g1(qap.log_domain)?.read_all(check)?;
    let tau_g2 = ptau.lagrange_tau_g2(qap.log_domain)?.read_all(check)?;
    let alpha_tau = ptau.lagrange_alpha_tau_g1(qap.log_domain)?.read_all(check)?;
    let beta_tau = ptau.lagrange_beta_tau_g1(qap.log_domain)?.read_all(check)?;
    let twice = ptau.lagrange_tau_g1(qap.log_domain + 1)?.read_all(check)?;
    let h_query: Vec<G1Affine<C>> = twice.into_iter().skip(1).step_by(2).collect();

    let g1 = |bases: &[G1Affine<C>], column: &[(u32, C::Scalar)]| combine::<_, C::G1>(bases, column);
    let mixed = |k: usize| {
        g1(&beta_tau, qap.a.column(k)) + g1(&alpha_tau, qap.b.column(k)) + g1(&tau, qap.c.column(k))
    };
    let ic = for_wires(0..n_public + 1, mixed);
    let l_query = for_wires(n_public + 1..n_wires, mixed);
    let a_query = for_wires(0..n_wires, |k| g1(&tau, qap.a.column(k)));
    let b_g1_query = for_wires(0..n_wires, |k| g1(&tau, qap.b.column(k)));
    let b_g2_query = for_wires(0..n_wires, |k| combine::<_, C::G2>(&tau_g2, qap.b.column(k)));

    let generator_g1 = C::G1::generator().to_affine();
    let generator_g2 = C::G2::generator().to_affine();
    let mut zkey = Zkey {
        n_wires: r1cs.n_wires,
        n_public: r1cs.n_public(),
        log_domain: qap.log_domain,
        vk: VerificationKey { alpha_g1, beta_g2, gamma_g2: generator_g2, delta_g2: generator_g2, ic },
        beta_g1,
        delta_g1: generator_g1,
        coefficients: coefficients(r1cs),
        a_query,
        b_g1_query,
        b_g2_query,
        l_query,
        h_query,
        cs_hash: [0; 64],
        contributions: Vec::new(),
    };
    zkey.cs_hash = circuit_hash(&zkey, ptau, check)?;
    Ok(zkey)
}

fn first<P: Point>(points: Vec<P>) -> P {
    points.first().copied().unwrap_or_else(P::identity)
}

/// snarkjs's digest of an initial key. Lists are preceded by their length (32 bits, big-endian). Instead of the
/// H-query it takes `(tau^(N+i) - tau^i)` in the first group, for `i < N - 1`.
fn circuit_hash<C: Curve>(zkey: &Zkey<C>, ptau: &Ptau<'_, C>, check: Check) -> Result<Digest64, SetupError> {
    let mut hasher = Blake2b512::new();
    absorb(&mut hasher, &zkey.vk.alpha_g1);
    absorb(&mut hasher, &zkey.beta_g1);
    absorb(&mut hasher, &zkey.vk.beta_g2);
    absorb(&mut hasher, &zkey.vk.gamma_g2);
    absorb(&mut hasher, &zkey.delta_g1);
    absorb(&mut hasher, &zkey.vk.delta_g2);
    absorb_list(&mut hasher, &zkey.vk.ic);
    let n = 1u64 << zkey.log_domain;
    hasher.update(((n - 1) as u32).to_be_bytes());
    absorb_all(&mut hasher, &quotient_bases(zkey.log_domain, ptau, check)?);
    absorb_list(&mut hasher, &zkey.l_query);
    absorb_list(&mut hasher, &zkey.a_query);
    absorb_list(&mut hasher, &zkey.b_g1_query);
    absorb_list(&mut hasher, &zkey.b_g2_query);
    Ok(hasher.finalize().into())
}

fn absorb_list<P: Point>(hasher: &mut Blake2b512, points: &[P]) {
    hasher.update((points.len() as u32).to_be_bytes());
    absorb_all(hasher, points);
}

/// The points `(tau^(N+i) - tau^i)` that snarkjs hashes. It takes them 2^14 at a time and never shortens the last
/// portion, so that from `N = 2^15` on there is one more than the announced `N - 1`; and where the file is just large
/// enough for the circuit, the last `tau^(2N-1)` is not there and snarkjs takes what follows in the file for a point:
/// the head of the next section (its number and size) and the beginning of its first point.
fn quotient_bases<C: Curve>(
    log_domain: u32,
    ptau: &Ptau<'_, C>,
    check: Check,
) -> Result<Vec<G1Affine<C>>, SetupError> {
    /// Points that snarkjs hashes at a time.
    const PORTION: u64 = 1 << 14;
    let n = 1u64 << log_domain;
    let count = if n > PORTION { n } else { n - 1 };
    let points = ptau.tau_g1()?;
    let available = points.len().min(n + count);
    let tau = points.read(0..available, check)?;
    let n = n as usize;
    let (low, high) = (tau.get(..n).unwrap_or_default(), tau.get(n..).unwrap_or_default());
    let difference = |(high, low): (&[G1Affine<C>], &[G1Affine<C>])| {
        let pairs = high.iter().zip(low);
        let points: Vec<C::G1> =
            pairs.map(|(high, low)| C::G1::from_affine(high) - C::G1::from_affine(low)).collect();
        C::G1::batch_to_affine(&points)
    };
    let parts: Vec<Vec<G1Affine<C>>> =
        high.par_chunks(1 << 12).zip(low.par_chunks(1 << 12)).map(difference).collect();
    let mut differences = parts.concat();
    if available < n as u64 + count {
        let mut beyond = 3u32.to_le_bytes().to_vec();
        beyond.extend(((G2Affine::<C>::LEN as u64) << ptau.power()).to_le_bytes());
        first(ptau.tau_g2()?.read(0..1, check)?).write_montgomery_le(&mut beyond);
        beyond.truncate(G1Affine::<C>::LEN);
        differences.extend(low.last().and_then(|last| beyond::subtract::<C>(&beyond, last)));
    }
    Ok(differences)
}

/// What stands in place of the circuit's digest in a key of [`dev`]: no ceremony can have it.
fn dev_marker() -> Digest64 {
    Blake2b512::digest(DEV_NAME).into()
}

/// Whether a key comes from [`dev`], directly or with contributions added since: whoever ran that setup can forge
/// proofs for it, unless one of the later contributors was honest.
pub fn is_dev<C: Curve>(zkey: &Zkey<C>) -> bool {
    zkey.cs_hash == dev_marker() || zkey.contributions.iter().any(|c| c.name.as_deref() == Some(DEV_NAME))
}

/// A proving key over secrets drawn here and overwritten at the end. **Not for production**: whoever has seen this
/// machine's memory, or its random numbers, can forge proofs. The key says so: its ceremony consists of one
/// contribution named [`DEV_NAME`], and its circuit digest is a marker ([`is_dev`]).
///
/// # Errors
/// See [`SetupError`].
pub fn dev<C: Curve, R: CryptoRng + ?Sized>(
    r1cs: &R1cs<C::Scalar>,
    rng: &mut R,
) -> Result<Zkey<C>, SetupError> {
    if r1cs.curve != C::ID {
        return Err(SetupError::Curve { expected: C::ID, got: r1cs.curve });
    }
    let qap = Qap::new(r1cs)?;
    let domain = Domain::<C::Scalar>::new(qap.log_domain)?;
    let (n_wires, n_public) = (qap.n_wires, qap.n_public);

    let mut alpha = nonzero::<C, R>(rng);
    let mut beta = nonzero::<C, R>(rng);
    let draw = Draw::<C>::new(&mut || rng.next_u32());
    let mut delta_inverse = draw.secret.inverse().unwrap_or(draw.secret);
    // A tau in the larger domain would make the key degenerate; there is none such in practice.
    let size = 2 * domain.size() as u64;
    let mut tau = nonzero::<C, R>(rng);
    while tau.pow([size]) == C::Scalar::ONE {
        tau = nonzero::<C, R>(rng);
    }

    let lagrange = Zeroizing::new(domain.lagrange_at(tau));
    let at_tau = |column: &[(u32, C::Scalar)]| -> C::Scalar {
        column.iter().filter_map(|(row, v)| lagrange.get(*row as usize).map(|l| *l * v)).sum()
    };
    let columns = |matrix: &Columns<C::Scalar>| {
        let values: Vec<C::Scalar> = (0..n_wires).into_par_iter().map(|k| at_tau(matrix.column(k))).collect();
        Zeroizing::new(values)
    };
    let (a, b, c) = (columns(&qap.a), columns(&qap.b), columns(&qap.c));

    // All multiples of the first group's generator at once: constants, A, B, IC and L, H.
    let mut scalars = Zeroizing::new(Vec::with_capacity(3 + 3 * n_wires + domain.size()));
    scalars.extend([alpha, beta, draw.secret]);
    scalars.extend(a.iter().copied());
    scalars.extend(b.iter().copied());
    for (k, ((a, b), c)) in a.iter().zip(b.iter()).zip(c.iter()).enumerate() {
        let mixed = beta * a + alpha * b + c;
        scalars.push(if k <= n_public { mixed } else { mixed * delta_inverse });
    }
    scalars.extend(quotient_scalars(&domain, tau, delta_inverse).iter().copied());
    let mut scalars_g2 = Zeroizing::new(Vec::with_capacity(2 + n_wires));
    scalars_g2.extend([beta, draw.secret]);
    scalars_g2.extend(b.iter().copied());
    for secret in [&mut alpha, &mut beta, &mut tau, &mut delta_inverse] {
        secret.zeroize();
    }

    let mut in_g1 = C::G1::multiples(&C::G1::generator(), &scalars).into_iter();
    let mut in_g2 = C::G2::multiples(&C::G2::generator(), &scalars_g2).into_iter();
    let mut next = || in_g1.next().unwrap_or_else(G1Affine::<C>::identity);
    let mut next_g2 = || in_g2.next().unwrap_or_else(G2Affine::<C>::identity);
    let (alpha_g1, beta_g1, delta_g1) = (next(), next(), next());
    let mut take = |n: usize| (0..n).map(|_| next()).collect::<Vec<_>>();
    let (beta_g2, delta_g2) = (next_g2(), next_g2());
    let mut zkey = Zkey {
        n_wires: r1cs.n_wires,
        n_public: r1cs.n_public(),
        log_domain: qap.log_domain,
        coefficients: coefficients(r1cs),
        a_query: take(n_wires),
        b_g1_query: take(n_wires),
        vk: VerificationKey {
            alpha_g1,
            beta_g2,
            gamma_g2: C::G2::generator().to_affine(),
            delta_g2,
            ic: take(n_public + 1),
        },
        l_query: take(n_wires - n_public - 1),
        h_query: take(domain.size()),
        b_g2_query: (0..n_wires).map(|_| next_g2()).collect(),
        beta_g1,
        delta_g1,
        cs_hash: dev_marker(),
        contributions: Vec::new(),
    };
    let own = record(&zkey, &draw, delta_g1, ContributionKind::Entropy, Some(DEV_NAME.to_owned()));
    zkey.contributions.push(own);
    Ok(zkey)
}

fn nonzero<C: Curve, R: CryptoRng + ?Sized>(rng: &mut R) -> C::Scalar {
    loop {
        let x: C::Scalar = field::random(rng);
        if x != C::Scalar::ZERO {
            return x;
        }
    }
}

/// `M_(2i+1)(tau) / delta` for the Lagrange basis `M` of the domain twice as large, whose odd points are `g w^i`:
/// `(tau^(2N) - 1) g w^i / (2N (tau - g w^i))`.
fn quotient_scalars<F: ScalarField>(domain: &Domain<F>, tau: F, delta_inverse: F) -> Zeroizing<Vec<F>> {
    let size = 2 * domain.size() as u64;
    let size_inverse = F::from(size).inverse().unwrap_or(F::ZERO);
    let factor = (tau.pow([size]) - F::ONE) * size_inverse * delta_inverse;
    let points: Vec<F> = domain.points().map(|x| x * domain.coset_shift()).collect();
    let mut values = Zeroizing::new(points.iter().map(|x| tau - x).collect::<Vec<F>>());
    ark_ff::batch_inversion(&mut values);
    for (value, x) in values.iter_mut().zip(&points) {
        *value *= factor * x;
    }
    values
}
