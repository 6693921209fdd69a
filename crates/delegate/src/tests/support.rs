//! Toy groups over small fields, a setup that works over any [`Groups`], small circuits, and dealing with given randomness.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use ark_ff::{AdditiveGroup, Field, Fp64, MontBackend, MontConfig, PrimeField};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tacit_algebra::{Check, CurveId, DecodeError, Domain, Group, Groups, Point, ScalarField, field};
use tacit_groth16::{CircuitId, ProvingKey, SparseMatrix, VerificationKey};
use zeroize::Zeroize;

use crate::deal::{Dealer, FreeShares};
use crate::package::{Shares, Vector};
use crate::{DealTerms, Dials, Handover, Layout, Secrets};

/// Five elements: small enough to enumerate everything, with a domain of size 2, its odd coset, and five points `0..=4`.
#[derive(MontConfig)]
#[modulus = "5"]
#[generator = "2"]
pub struct F5Config;
pub type F5 = Fp64<MontBackend<F5Config, 1>>;

/// Seventeen elements: room for committees of more than four.
#[derive(MontConfig)]
#[modulus = "17"]
#[generator = "3"]
pub struct F17Config;
pub type F17 = Fp64<MontBackend<F17Config, 1>>;

/// The additive group of a field, as a group in which "the exponent" is in plain sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Toy<F>(pub F);

/// Two of them; the pairing is the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToyGroups<F>(std::marker::PhantomData<F>);

impl<F: ScalarField> Groups for ToyGroups<F> {
    type Scalar = F;
    type G1 = Toy<F>;
    type G2 = Toy<F>;

    fn pairing_sum_is_zero(pairs: &[(Toy<F>, Toy<F>)]) -> bool {
        pairs.iter().map(|(p, q)| p.0 * q.0).sum::<F>() == F::ZERO
    }
}

impl<F: PrimeField> Zeroize for Toy<F> {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}
impl<F: PrimeField> Add for Toy<F> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}
impl<F: PrimeField> Sub for Toy<F> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}
impl<F: PrimeField> Neg for Toy<F> {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}
impl<F: PrimeField> AddAssign for Toy<F> {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}
impl<F: PrimeField> SubAssign for Toy<F> {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}
impl<F: PrimeField> Sum for Toy<F> {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        Self(terms.map(|t| t.0).sum())
    }
}

impl<F: PrimeField> Group<F> for Toy<F> {
    type Affine = Self;

    fn identity() -> Self {
        Self(F::ZERO)
    }
    fn generator() -> Self {
        Self(F::ONE)
    }
    fn scale(&self, k: &F) -> Self {
        Self(self.0 * k)
    }
    fn to_affine(&self) -> Self {
        *self
    }
    fn batch_to_affine(points: &[Self]) -> Vec<Self> {
        points.to_vec()
    }
    fn from_affine(point: &Self) -> Self {
        *point
    }
    fn msm(bases: &[Self], scalars: &[F]) -> Self {
        bases.iter().zip(scalars).map(|(b, s)| b.scale(s)).sum()
    }
}

impl<F: PrimeField> Point for Toy<F> {
    const LEN: usize = field::byte_len::<F>();

    fn identity() -> Self {
        Self(F::ZERO)
    }
    fn is_identity(&self) -> bool {
        self.0 == F::ZERO
    }
    fn write_montgomery_le(&self, out: &mut Vec<u8>) {
        field::write_le(&self.0, out);
    }
    fn read_montgomery_le(bytes: &[u8], _: Check) -> Result<Self, DecodeError> {
        field::read_le(bytes).map(Self)
    }

    fn all_are_members(_: &[Self]) -> bool {
        true
    }

    fn write_be(&self, out: &mut Vec<u8>) {
        out.extend(field::to_be(&self.0));
    }
    fn read_be(bytes: &[u8]) -> Result<Self, DecodeError> {
        field::read_be(bytes).map(Self)
    }
    fn coordinates_le(&self) -> Option<Vec<Vec<u8>>> {
        Some(vec![field::to_le(&self.0)])
    }
    fn from_coordinates_le(coordinates: &[Vec<u8>]) -> Result<Self, DecodeError> {
        field::read_le(&coordinates[0]).map(Self)
    }
}

/// A linear combination: wire and coefficient.
type Lc = Vec<(u32, u64)>;

/// A constraint system with the rows that stand behind it in the evaluation domain.
pub struct Circuit {
    pub n_wires: usize,
    pub n_public: usize,
    pub log_domain: u32,
    pub constraints: Vec<(Lc, Lc, Lc)>,
    /// Wires with a row `A = wire, B = C = 0` after the constraints, as circom's tools append them.
    pub rows: Vec<u32>,
}

/// `(w1 + x) * w2 = 1`: wires `1, x, w1, w2`, domain of size 2. The smallest circuit that has everything: a product of private wires,
/// and one of a public wire with a private one.
pub fn product_circuit() -> Circuit {
    Circuit {
        n_wires: 4,
        n_public: 1,
        log_domain: 1,
        constraints: vec![(vec![(2, 1), (1, 1)], vec![(3, 1)], vec![(0, 1)])],
        rows: vec![1],
    }
}

/// Wires `1, x, y, a, b, c`: `a*b = c`, `c*c = x`, `(a + 3b + 2) * c = y`; all of circom's rows, domain of size 8.
pub fn small_circuit() -> Circuit {
    Circuit {
        n_wires: 6,
        n_public: 2,
        log_domain: 3,
        constraints: vec![
            (vec![(3, 1)], vec![(4, 1)], vec![(5, 1)]),
            (vec![(5, 1)], vec![(5, 1)], vec![(1, 1)]),
            (vec![(3, 1), (4, 3), (0, 2)], vec![(5, 1)], vec![(2, 1)]),
        ],
        rows: vec![0, 1, 2],
    }
}

/// A witness of [`small_circuit`]: public wires, private wires.
pub fn small_witness<F: PrimeField>(a: u64, b: u64) -> (Vec<F>, Vec<F>) {
    let (a, b) = (F::from(a), F::from(b));
    let c = a * b;
    (vec![c * c, (a + F::from(3u64) * b + F::from(2u64)) * c], vec![a, b, c])
}

/// What a setup must forget.
pub struct Trapdoor<F> {
    pub tau: F,
    pub alpha: F,
    pub beta: F,
    pub gamma: F,
    pub delta: F,
}

impl<F: PrimeField> Trapdoor<F> {
    pub fn new(tau: u64, alpha: u64, beta: u64, gamma: u64, delta: u64) -> Self {
        let f = |x| F::from(x);
        Self { tau: f(tau), alpha: f(alpha), beta: f(beta), gamma: f(gamma), delta: f(delta) }
    }
}

/// A proving key from the definitions, point by point.
pub fn setup<G: Groups>(circuit: &Circuit, trapdoor: &Trapdoor<G::Scalar>) -> ProvingKey<G> {
    type F<G> = <G as Groups>::Scalar;
    let Trapdoor { tau, alpha, beta, gamma, delta } = trapdoor;
    let domain = Domain::<F<G>>::new(circuit.log_domain).unwrap();
    let size = domain.size();
    let basis = domain.lagrange_at(*tau);
    let zero = F::<G>::ZERO;

    let mut matrices = [vec![], vec![], vec![]];
    for (a, b, c) in &circuit.constraints {
        for (matrix, row) in matrices.iter_mut().zip([a, b, c]) {
            matrix.push(row.clone());
        }
    }
    for wire in &circuit.rows {
        matrices[0].push(vec![(*wire, 1)]);
    }
    assert!(matrices[0].len() <= size);
    let at_tau = |rows: &[Lc]| {
        let mut columns = vec![zero; circuit.n_wires];
        for (row, l) in rows.iter().zip(&basis) {
            for (wire, value) in row {
                columns[*wire as usize] += F::<G>::from(*value) * l;
            }
        }
        columns
    };
    let [a, b, c] = [&matrices[0], &matrices[1], &matrices[2]].map(|rows| at_tau(rows));
    let sums: Vec<F<G>> = (0..circuit.n_wires).map(|k| *beta * a[k] + *alpha * b[k] + c[k]).collect();

    // h(tau) Z(tau) / delta from the values of h*Z on the odd coset, where Z is -2.
    let shifted = domain.lagrange_at(*tau * domain.coset_shift().inverse().unwrap());
    let vanishing = tau.pow([size as u64]) - F::<G>::ONE;
    let h_scale = vanishing * (-F::<G>::from(2u64) * delta).inverse().unwrap();

    let g1 = |x: &F<G>| G::G1::generator().scale(x).to_affine();
    let g2 = |x: &F<G>| G::G2::generator().scale(x).to_affine();
    let public = circuit.n_public + 1;
    let over = |xs: &[F<G>], d: &F<G>| {
        let inverse = d.inverse().unwrap();
        xs.iter().map(|x| g1(&(*x * inverse))).collect::<Vec<_>>()
    };
    ProvingKey {
        circuit_id: CircuitId([7; 32]),
        n_wires: circuit.n_wires,
        n_public: circuit.n_public,
        log_domain: circuit.log_domain,
        vk: VerificationKey {
            alpha_g1: g1(alpha),
            beta_g2: g2(beta),
            gamma_g2: g2(gamma),
            delta_g2: g2(delta),
            ic: over(&sums[..public], gamma),
        },
        beta_g1: g1(beta),
        delta_g1: g1(delta),
        a: sparse(&matrices[0]),
        b: sparse(&matrices[1]),
        a_query: a.iter().map(g1).collect(),
        b_g1_query: b.iter().map(g1).collect(),
        b_g2_query: b.iter().map(g2).collect(),
        l_query: over(&sums[public..], delta),
        h_query: shifted.iter().map(|l| g1(&(*l * h_scale))).collect(),
    }
}

fn sparse<F: PrimeField>(rows: &[Lc]) -> SparseMatrix<F> {
    let mut matrix = SparseMatrix { row_starts: vec![0], wires: vec![], values: vec![] };
    for row in rows {
        for (wire, value) in row {
            matrix.wires.push(*wire);
            matrix.values.push(F::from(*value));
        }
        matrix.row_starts.push(matrix.wires.len() as u32);
    }
    matrix
}

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub fn dials(n: u8, t: u8) -> Dials {
    Dials::new(Handover::Witness, n, t).unwrap()
}

/// Of what is dealt with the handover `witness`.
pub fn layout<G: Groups>(key: &ProvingKey<G>) -> Layout {
    Layout::of(key, Handover::Witness)
}

pub fn terms<G: Groups>(
    key: &ProvingKey<G>,
    curve: CurveId,
    dials: Dials,
    public: &[G::Scalar],
) -> DealTerms<G::Scalar> {
    DealTerms {
        curve,
        circuit: key.circuit_id,
        dials,
        assembler_key: vec![0xa5; 1216],
        client_key: [0xc1; 32],
        expiry: 2_000_000_000,
        public: public.to_vec(),
    }
}

/// Deals with the product's code and everything that it draws, nonce and seeds included.
pub fn dealt<G: Groups>(
    key: &ProvingKey<G>,
    dials: Dials,
    public: &[G::Scalar],
    private: &[G::Scalar],
    seed: u64,
) -> crate::Deal<G::Scalar> {
    let terms = terms(key, CurveId::Bn254, dials, public);
    crate::deal(terms, &layout(key), Secrets::witness(private), &mut rng(seed)).unwrap()
}

/// Free shares that are given rather than expanded, in the order in which they are asked for.
pub struct Given<'a, F> {
    pub values: std::slice::Iter<'a, F>,
    /// What was handed out: for each node of `1..=t` and each vector.
    pub handed: Vec<(Vector, Vec<F>)>,
    vector: Vector,
}

impl<'a, F: PrimeField> Given<'a, F> {
    pub fn new(values: &'a [F]) -> Self {
        Self { values: values.iter(), handed: Vec::new(), vector: Vector::Wires }
    }
}

impl<F: PrimeField> FreeShares<F> for Given<'_, F> {
    fn start(&mut self, vector: Vector) {
        self.vector = vector;
    }
    fn next(&mut self, shares: &mut [F]) {
        for share in shares.iter_mut() {
            *share = *self.values.next().unwrap();
        }
        self.handed.push((self.vector, shares.to_vec()));
    }
}

/// How many field elements a deal draws, in the model in which the seeds' expansions are uniform: `r`, `s`, the mask's `t` drawn
/// values, then the free shares.
pub fn randomness(dials: Dials, n_private: usize) -> usize {
    let t = usize::from(dials.threshold());
    2 + t + t * (n_private + 3)
}

/// The shares of all nodes, by the product's dealing, as a function of the witness and of everything that is drawn.
pub fn deal_with<F: PrimeField>(dials: Dials, private: &[F], drawn: &[F]) -> Vec<Shares<F>> {
    shares_of_all(&Dealer::new(dials).unwrap(), dials, private, drawn)
}

/// The same with a dealer at hand, for enumerations.
pub fn shares_of_all<F: PrimeField>(
    dealer: &Dealer<F>,
    dials: Dials,
    private: &[F],
    drawn: &[F],
) -> Vec<Shares<F>> {
    let t = usize::from(dials.threshold());
    let (constants, free) = drawn.split_at(2 + t);
    let mut given = Given::new(free);
    let blinders = (constants[0], constants[1]);
    let explicit = dealer.share_out(private, blinders, &constants[2..], &mut given).unwrap();
    let of = |node: usize| {
        let column =
            |vector| given.handed.iter().filter(move |(v, _)| *v == vector).map(move |(_, s)| s[node]);
        Shares {
            wires: column(Vector::Wires).collect(),
            r: column(Vector::BlinderR).next().unwrap(),
            s: column(Vector::BlinderS).next().unwrap(),
            mask: column(Vector::Mask).next().unwrap(),
        }
    };
    (0..t).map(of).chain(explicit).collect()
}
