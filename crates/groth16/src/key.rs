//! The proving key in the form in which it proves.

use ark_ff::PrimeField;
use rayon::prelude::*;
use tacit_algebra::{Curve, Domain, DomainError, G1Affine, G2Affine, Group, Groups, Point, field};
use tacit_circom::{Coefficient, Matrix, VerificationKey, Zkey};
use thiserror::Error;

/// Separates the circuit id from every other digest (BLAKE3's key-derivation mode).
const CIRCUIT_ID_CONTEXT: &str = "tacit groth16 circuit id, version 1";
/// Separates the coefficients with which [`ProvingKey::check`] compares the two forms of the B-query.
const CHECK_CONTEXT: &str = "tacit groth16 key check, version 1";

/// Why a key cannot serve.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A query has the wrong number of points for the sizes that the key claims.
    #[error("the key's {query} has {got} points, its sizes ask for {expected}: the key is damaged")]
    Size {
        /// Which query.
        query: &'static str,
        /// Points that the sizes ask for.
        expected: usize,
        /// Points there are.
        got: usize,
    },
    /// More public wires than wires.
    #[error("the key claims {n_public} public wires and the constant one, but only {n_wires} wires")]
    PublicWires {
        /// All wires.
        n_wires: usize,
        /// Public wires, the constant one not included.
        n_public: usize,
    },
    /// An entry of the constraint matrices lies outside them.
    #[error(
        "coefficient {index} of the key names constraint {constraint} of {rows} and wire {wire} of {n_wires}"
    )]
    Coefficient {
        /// Its position in the file.
        index: usize,
        /// The row it names.
        constraint: u32,
        /// Rows there are (the domain's size).
        rows: usize,
        /// The wire it names.
        wire: u32,
        /// Wires there are.
        n_wires: usize,
    },
    /// The matrices are not in the form that [`ProvingKey::from_zkey`] gives them.
    #[error("the key's matrix {matrix} is malformed: the key is damaged")]
    Matrix {
        /// `A` or `B`.
        matrix: &'static str,
    },
    /// No slice of a key is so: its group is none of those there are, or it has what another group's slice has.
    #[error("the key slice of group {group} of {groups} is malformed: the slice is damaged")]
    Slice {
        /// Its group, counted from 0.
        group: u8,
        /// Groups that it claims there are.
        groups: u8,
    },
    /// A slice names a wire that it does not have, or names its wires out of order.
    #[error("the wires of the key slice's {query} are not ascending within {n_wires}: the slice is damaged")]
    Wires {
        /// Which query.
        query: &'static str,
        /// Private wires of the slice.
        n_wires: usize,
    },
    /// An element that must not be the neutral one is: proofs made with this key would not hide the witness, or
    /// anyone could forge them.
    #[error("the key's {element} is the neutral element: the key is worthless or malicious, do not use it")]
    Identity {
        /// Which element.
        element: &'static str,
    },
    /// The two forms of one secret differ.
    #[error(
        "the key's {element} differs between the two groups: the key is damaged or malicious, do not use it"
    )]
    Inconsistent {
        /// Which element.
        element: &'static str,
    },
    /// The field has no such domain.
    #[error(transparent)]
    Domain(#[from] DomainError),
}

/// What a circuit is called on the network: a digest of the canonical proving sections of its key (everything that
/// decides which proofs the key makes; not the record of its ceremony).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CircuitId(pub [u8; 32]);

/// A sparse matrix, row after row: row `i` has the entries `row_starts[i]..row_starts[i+1]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SparseMatrix<F> {
    /// `rows + 1` offsets, ascending, the last one the number of entries.
    pub row_starts: Vec<u32>,
    /// The wire of each entry.
    pub wires: Vec<u32>,
    /// The value of each entry.
    pub values: Vec<F>,
}

impl<F: PrimeField> SparseMatrix<F> {
    /// The product with a vector that gives each wire's value, as `rows` values: zeros follow the last row that there is.
    /// Allocated once, so that no copy of a secret is left behind by growing it.
    pub fn mul(&self, wires: &[F], rows: usize) -> Vec<F> {
        let mut products = Vec::with_capacity(rows);
        products.extend(self.row_starts.windows(2).take(rows).map(|w| -> F {
            let range = match w {
                [from, to] => *from as usize..*to as usize,
                _ => 0..0,
            };
            let columns = self.wires.get(range.clone()).unwrap_or_default();
            let values = self.values.get(range).unwrap_or_default();
            columns.iter().zip(values).filter_map(|(k, v)| wires.get(*k as usize).map(|w| *w * v)).sum()
        }));
        products.resize(rows, F::ZERO);
        products
    }
}

/// A Groth16 proving key. Wire 0 is the constant one, wires `1..=n_public` are public, the others private.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvingKey<G: Groups> {
    /// The circuit's name on the network.
    pub circuit_id: CircuitId,
    /// All wires, the constant one included.
    pub n_wires: usize,
    /// Public wires, the constant one not included.
    pub n_public: usize,
    /// `log2` of the domain's size.
    pub log_domain: u32,
    /// Verification key.
    pub vk: VerificationKey<G>,
    /// `beta` in the first group.
    pub beta_g1: G1Affine<G>,
    /// `delta` in the first group.
    pub delta_g1: G1Affine<G>,
    /// Left factors of the constraints; its rows are at most the domain's size.
    pub a: SparseMatrix<G::Scalar>,
    /// Right factors of the constraints; its rows are at most the domain's size.
    pub b: SparseMatrix<G::Scalar>,
    /// `n_wires` points.
    pub a_query: Vec<G1Affine<G>>,
    /// `n_wires` points.
    pub b_g1_query: Vec<G1Affine<G>>,
    /// `n_wires` points.
    pub b_g2_query: Vec<G2Affine<G>>,
    /// `n_wires - n_public - 1` points, for the private wires.
    pub l_query: Vec<G1Affine<G>>,
    /// As many points as the domain has, over its odd coset.
    pub h_query: Vec<G1Affine<G>>,
}

impl<F: PrimeField> SparseMatrix<F> {
    /// Row-major from entries in any order. Entries of the same place are added up (as every prover does) and zeros
    /// dropped, so that two lists of the same matrix give the same result.
    fn from_entries(mut entries: Vec<(u32, u32, F)>) -> Self {
        entries.par_sort_unstable_by_key(|(row, wire, _)| (*row, *wire));
        let mut merged: Vec<(u32, u32, F)> = Vec::with_capacity(entries.len());
        for (row, wire, value) in entries {
            match merged.last_mut() {
                Some(last) if (last.0, last.1) == (row, wire) => last.2 += value,
                _ => merged.push((row, wire, value)),
            }
        }
        merged.retain(|(_, _, value)| !value.is_zero());
        let rows = merged.last().map_or(0, |(row, _, _)| *row as usize + 1);
        let mut matrix = Self {
            row_starts: Vec::with_capacity(rows + 1),
            wires: Vec::with_capacity(merged.len()),
            values: Vec::with_capacity(merged.len()),
        };
        for (row, wire, value) in merged {
            while matrix.row_starts.len() <= row as usize {
                matrix.row_starts.push(matrix.wires.len() as u32);
            }
            matrix.wires.push(wire);
            matrix.values.push(value);
        }
        matrix.row_starts.push(matrix.wires.len() as u32);
        matrix
    }

    /// Whether rows, entries and wires lie within a domain of `rows` and `n_wires`.
    fn is_well_formed(&self, rows: usize, n_wires: usize) -> bool {
        self.row_starts.len() <= rows.saturating_add(1)
            && self.row_starts.first() == Some(&0)
            && self.row_starts.is_sorted()
            && self.row_starts.last().map(|n| *n as usize) == Some(self.wires.len())
            && self.wires.len() == self.values.len()
            && self.wires.iter().all(|wire| (*wire as usize) < n_wires)
    }
}

impl<C: Curve> ProvingKey<C> {
    /// The proving key in a zkey, under its circuit id. Sizes and indices are checked; points are as trusted as the
    /// zkey's reader made them, and [`ProvingKey::check`] adds what only pairings can tell.
    ///
    /// # Errors
    /// When sizes contradict each other or an index lies outside.
    pub fn from_zkey(zkey: Zkey<C>) -> Result<Self, KeyError> {
        let n_wires = zkey.n_wires as usize;
        let rows = Domain::<C::Scalar>::new(zkey.log_domain)?.size();
        let outside =
            |c: &Coefficient<C::Scalar>| c.constraint as usize >= rows || c.wire as usize >= n_wires;
        if let Some((index, c)) = zkey.coefficients.iter().enumerate().find(|(_, c)| outside(c)) {
            let Coefficient { constraint, wire, .. } = *c;
            return Err(KeyError::Coefficient { index, constraint, rows, wire, n_wires });
        }
        let entries = |matrix: Matrix| {
            let of_matrix = zkey.coefficients.iter().filter(|c| c.matrix == matrix);
            SparseMatrix::from_entries(of_matrix.map(|c| (c.constraint, c.wire, c.value)).collect())
        };
        let (a, b) = rayon::join(|| entries(Matrix::A), || entries(Matrix::B));
        let mut key = Self {
            circuit_id: CircuitId([0; 32]),
            n_wires,
            n_public: zkey.n_public as usize,
            log_domain: zkey.log_domain,
            vk: zkey.vk,
            beta_g1: zkey.beta_g1,
            delta_g1: zkey.delta_g1,
            a,
            b,
            a_query: zkey.a_query,
            b_g1_query: zkey.b_g1_query,
            b_g2_query: zkey.b_g2_query,
            l_query: zkey.l_query,
            h_query: zkey.h_query,
        };
        key.check_shape()?;
        key.circuit_id = key.compute_circuit_id();
        Ok(key)
    }

    /// The digest that names this key's circuit: BLAKE3 in key-derivation mode over the curve's code, the sizes
    /// (`u64`, little-endian), the verification key, `beta` and `delta` in the first group, the matrices row by row,
    /// and the five queries. Points stand in the form of the `.zkey` file, matrix entries as row, wire (`u32`,
    /// little-endian) and canonical little-endian value; every list is preceded by its length.
    pub fn compute_circuit_id(&self) -> CircuitId {
        let mut hasher = blake3::Hasher::new_derive_key(CIRCUIT_ID_CONTEXT);
        hasher.update(&[C::ID.code()]);
        for size in [self.n_wires as u64, self.n_public as u64, u64::from(self.log_domain)] {
            hasher.update(&size.to_le_bytes());
        }
        hash_points(&mut hasher, &[self.vk.alpha_g1, self.beta_g1, self.delta_g1]);
        hash_points(&mut hasher, &[self.vk.beta_g2, self.vk.gamma_g2, self.vk.delta_g2]);
        hash_points(&mut hasher, &self.vk.ic);
        for matrix in [&self.a, &self.b] {
            hash_matrix(&mut hasher, matrix);
        }
        hash_points(&mut hasher, &self.a_query);
        hash_points(&mut hasher, &self.b_g1_query);
        hash_points(&mut hasher, &self.b_g2_query);
        hash_points(&mut hasher, &self.l_query);
        hash_points(&mut hasher, &self.h_query);
        CircuitId(hasher.finalize().into())
    }
}

/// Elements of a list that are encoded at a time.
const CHUNK: usize = 1 << 12;

fn hash_points<P: Point>(hasher: &mut blake3::Hasher, points: &[P]) {
    hasher.update(&(points.len() as u64).to_le_bytes());
    let mut bytes = Vec::with_capacity(CHUNK.min(points.len()) * P::LEN);
    for chunk in points.chunks(CHUNK) {
        bytes.clear();
        chunk.iter().for_each(|point| point.write_montgomery_le(&mut bytes));
        hasher.update(&bytes);
    }
}

fn hash_matrix<F: PrimeField>(hasher: &mut blake3::Hasher, matrix: &SparseMatrix<F>) {
    hasher.update(&(matrix.wires.len() as u64).to_le_bytes());
    let mut bytes = Vec::new();
    let mut entries = matrix.wires.iter().zip(&matrix.values);
    for (row, (from, to)) in matrix.row_starts.iter().zip(matrix.row_starts.iter().skip(1)).enumerate() {
        for (wire, value) in entries.by_ref().take(to.saturating_sub(*from) as usize) {
            bytes.extend((row as u32).to_le_bytes());
            bytes.extend(wire.to_le_bytes());
            field::write_le(value, &mut bytes);
        }
        if bytes.len() >= 1 << 16 {
            hasher.update(&bytes);
            bytes.clear();
        }
    }
    hasher.update(&bytes);
}

impl<G: Groups> ProvingKey<G> {
    /// Whether the sizes fit each other and every index lies inside.
    ///
    /// # Errors
    /// [`KeyError::Size`], [`KeyError::PublicWires`], [`KeyError::Matrix`] or [`KeyError::Domain`].
    pub fn check_shape(&self) -> Result<(), KeyError> {
        let rows = self.domain()?.size();
        let (n_wires, n_public) = (self.n_wires, self.n_public);
        if n_public >= n_wires {
            return Err(KeyError::PublicWires { n_wires, n_public });
        }
        for (query, expected, got) in [
            ("IC", n_public + 1, self.vk.ic.len()),
            ("A-query", n_wires, self.a_query.len()),
            ("B-query in the first group", n_wires, self.b_g1_query.len()),
            ("B-query in the second group", n_wires, self.b_g2_query.len()),
            ("L-query", n_wires - n_public - 1, self.l_query.len()),
            ("H-query", rows, self.h_query.len()),
        ] {
            if expected != got {
                return Err(KeyError::Size { query, expected, got });
            }
        }
        for (matrix, name) in [(&self.a, "A"), (&self.b, "B")] {
            if !matrix.is_well_formed(rows, n_wires) {
                return Err(KeyError::Matrix { matrix: name });
            }
        }
        Ok(())
    }

    /// What is verified once, when a key is pinned: its shape; that `alpha`, `beta`, `gamma` and `delta` are not the
    /// neutral element (with a neutral `delta` proofs hide nothing); that `beta`, `delta` and the B-query have the
    /// same secret in both groups (else whether a proof verifies would tell something about the witness). Points are
    /// assumed on the curve and in their subgroup: that is the reader's part.
    ///
    /// The B-queries are compared as random linear combinations with 128-bit coefficients derived from the circuit
    /// id, which commits to the whole key.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn check(&self) -> Result<(), KeyError> {
        self.check_shape()?;
        check_verification_key(&self.vk)?;
        for (element, is_identity) in
            [("beta", self.beta_g1.is_identity()), ("delta", self.delta_g1.is_identity())]
        {
            if is_identity {
                return Err(KeyError::Identity { element });
            }
        }
        let same = |g1: G::G1, g2: G::G2| {
            G::pairing_sum_is_zero(&[(g1, G::G2::generator()), (-G::G1::generator(), g2)])
        };
        let g1 = |p: &G1Affine<G>| G::G1::from_affine(p);
        let g2 = |p: &G2Affine<G>| G::G2::from_affine(p);
        if !same(g1(&self.beta_g1), g2(&self.vk.beta_g2)) {
            return Err(KeyError::Inconsistent { element: "beta" });
        }
        if !same(g1(&self.delta_g1), g2(&self.vk.delta_g2)) {
            return Err(KeyError::Inconsistent { element: "delta" });
        }
        let coefficients = self.check_coefficients();
        let (in_g1, in_g2) = rayon::join(
            || G::G1::msm(&self.b_g1_query, &coefficients),
            || G::G2::msm(&self.b_g2_query, &coefficients),
        );
        if !same(in_g1, in_g2) {
            return Err(KeyError::Inconsistent { element: "B-query" });
        }
        Ok(())
    }

    fn check_coefficients(&self) -> Vec<G::Scalar> {
        let mut hasher = blake3::Hasher::new_derive_key(CHECK_CONTEXT);
        hasher.update(&self.circuit_id.0);
        let mut xof = hasher.finalize_xof();
        let mut bytes = [0u8; 16];
        (0..self.n_wires)
            .map(|_| {
                xof.fill(&mut bytes);
                G::Scalar::from(u128::from_le_bytes(bytes))
            })
            .collect()
    }

    /// The key's evaluation domain.
    ///
    /// # Errors
    /// When the field has no such domain.
    pub fn domain(&self) -> Result<Domain<G::Scalar>, DomainError> {
        Domain::new(self.log_domain)
    }

    /// Bytes that it takes in memory.
    pub fn bytes_in_memory(&self) -> usize {
        let matrix = |m: &SparseMatrix<G::Scalar>| {
            size_of_val(m.row_starts.as_slice())
                + size_of_val(m.wires.as_slice())
                + size_of_val(m.values.as_slice())
        };
        size_of::<Self>()
            + matrix(&self.a)
            + matrix(&self.b)
            + [&self.vk.ic, &self.a_query, &self.b_g1_query, &self.l_query, &self.h_query]
                .iter()
                .map(|query| size_of_val(query.as_slice()))
                .sum::<usize>()
            + size_of_val(self.b_g2_query.as_slice())
    }

    /// Private wires: those that are shared when proving is delegated.
    pub fn n_private(&self) -> usize {
        self.n_wires.saturating_sub(self.n_public.saturating_add(1))
    }
}

/// Whether none of a verification key's secrets is the neutral element: with one that is, anyone can forge.
///
/// # Errors
/// [`KeyError::Identity`].
pub fn check_verification_key<G: Groups>(vk: &VerificationKey<G>) -> Result<(), KeyError> {
    for (element, is_identity) in [
        ("alpha", vk.alpha_g1.is_identity()),
        ("beta", vk.beta_g2.is_identity()),
        ("gamma", vk.gamma_g2.is_identity()),
        ("delta", vk.delta_g2.is_identity()),
    ] {
        if is_identity {
            return Err(KeyError::Identity { element });
        }
    }
    Ok(())
}

impl std::fmt::Display for CircuitId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl std::fmt::Debug for CircuitId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CircuitId({self})")
    }
}
