//! A slice of a proving key: what the nodes of one of several groups compute with, and nothing else.
//!
//! Bases are gathered: of the queries in which many wires have the neutral element only the others are here, with the wires
//! that they belong to. Which wires and which values of the quotient make a slice, the delegation protocol decides.

use std::ops::Range;

use tacit_algebra::{G1Affine, G2Affine, Groups, Point};

use crate::key::{CircuitId, KeyError, ProvingKey};

/// A slice of a proving key. The private wires and the values of the quotient that it handles stand in one piece each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySlice<G: Groups> {
    /// The name of the key's circuit.
    pub circuit_id: CircuitId,
    /// Public wires of the circuit, the constant one not included.
    pub n_public: usize,
    /// Private wires of the circuit, of which the slice has `l_query.len()`.
    pub n_private: usize,
    /// The group that handles this slice, counted from 0.
    pub group: u8,
    /// Slices that the key is cut into.
    pub groups: u8,
    /// What there is once in a key; in the first group's slice only.
    pub once: Option<Once<G>>,
    /// A base for each private wire of the slice.
    pub l_query: Vec<G1Affine<G>>,
    /// A base for each value of the quotient of the slice.
    pub h_query: Vec<G1Affine<G>>,
    /// The slice's wires, counted from its first one and ascending, that have a base in `a_query`.
    pub wires_in_a: Vec<u32>,
    /// Their bases.
    pub a_query: Vec<G1Affine<G>>,
    /// The slice's wires, counted from its first one and ascending, that have a base in `b_g1_query` and `b_g2_query`.
    pub wires_in_b: Vec<u32>,
    /// Their bases in the first group.
    pub b_g1_query: Vec<G1Affine<G>>,
    /// Their bases in the second group.
    pub b_g2_query: Vec<G2Affine<G>>,
}

/// What there is once in a proving key: the constants, and the bases of the constant wire and the public ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once<G: Groups> {
    /// `alpha`.
    pub alpha_g1: G1Affine<G>,
    /// `beta` in the first group.
    pub beta_g1: G1Affine<G>,
    /// `delta` in the first group.
    pub delta_g1: G1Affine<G>,
    /// `beta` in the second group.
    pub beta_g2: G2Affine<G>,
    /// `delta` in the second group.
    pub delta_g2: G2Affine<G>,
    /// `n_public + 1` points.
    pub a_query: Vec<G1Affine<G>>,
    /// `n_public + 1` points.
    pub b_g1_query: Vec<G1Affine<G>>,
    /// `n_public + 1` points.
    pub b_g2_query: Vec<G2Affine<G>>,
}

/// Where a key is cut for one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut<'a> {
    /// The group, counted from 0.
    pub group: u8,
    /// Slices in all.
    pub groups: u8,
    /// Private wires, counted from 0.
    pub wires: Range<usize>,
    /// Values of the quotient.
    pub quotient: Range<usize>,
    /// The private wires among `wires` whose base in the A-query is taken, ascending.
    pub in_a: &'a [u32],
    /// The private wires among `wires` whose bases in the B-queries are taken, ascending.
    pub in_b: &'a [u32],
}

impl<G: Groups> KeySlice<G> {
    /// Gathers a slice's bases from the whole key.
    ///
    /// # Errors
    /// [`KeyError`] when the cut is not within the key.
    pub fn gather(key: &ProvingKey<G>, cut: &Cut<'_>) -> Result<Self, KeyError> {
        let within = |wires: &[u32]| -> Vec<u32> {
            wires.iter().map(|wire| wire.wrapping_sub(cut.wires.start as u32)).collect()
        };
        let public = key.n_public + 1;
        let slice = Self {
            circuit_id: key.circuit_id,
            n_public: key.n_public,
            n_private: key.n_private(),
            group: cut.group,
            groups: cut.groups,
            once: (cut.group == 0).then(|| Once {
                alpha_g1: key.vk.alpha_g1,
                beta_g1: key.beta_g1,
                delta_g1: key.delta_g1,
                beta_g2: key.vk.beta_g2,
                delta_g2: key.vk.delta_g2,
                a_query: key.a_query.iter().take(public).copied().collect(),
                b_g1_query: key.b_g1_query.iter().take(public).copied().collect(),
                b_g2_query: key.b_g2_query.iter().take(public).copied().collect(),
            }),
            l_query: key.l_query.get(cut.wires.clone()).unwrap_or_default().to_vec(),
            h_query: key.h_query.get(cut.quotient.clone()).unwrap_or_default().to_vec(),
            wires_in_a: within(cut.in_a),
            a_query: at(&key.a_query, public, cut.in_a),
            wires_in_b: within(cut.in_b),
            b_g1_query: at(&key.b_g1_query, public, cut.in_b),
            b_g2_query: at(&key.b_g2_query, public, cut.in_b),
        };
        for (query, expected, got) in [
            ("L-query", cut.wires.len(), slice.l_query.len()),
            ("H-query", cut.quotient.len(), slice.h_query.len()),
        ] {
            if expected != got {
                return Err(KeyError::Size { query, expected, got });
            }
        }
        slice.check_shape()?;
        Ok(slice)
    }

    /// Whether the sizes fit each other and every wire lies inside.
    ///
    /// # Errors
    /// [`KeyError::Slice`], [`KeyError::Size`], [`KeyError::Wires`].
    pub fn check_shape(&self) -> Result<(), KeyError> {
        let Self { group, groups, .. } = *self;
        if group >= groups || self.once.is_some() != (group == 0) {
            return Err(KeyError::Slice { group, groups });
        }
        let mut sizes = vec![
            ("A-query", self.wires_in_a.len(), self.a_query.len()),
            ("B-query in the first group", self.wires_in_b.len(), self.b_g1_query.len()),
            ("B-query in the second group", self.wires_in_b.len(), self.b_g2_query.len()),
        ];
        if let Some(once) = &self.once {
            let public = self.n_public.saturating_add(1);
            sizes.extend([
                ("A-query of public wires", public, once.a_query.len()),
                ("B-query of public wires in the first group", public, once.b_g1_query.len()),
                ("B-query of public wires in the second group", public, once.b_g2_query.len()),
            ]);
        }
        for (query, expected, got) in sizes {
            if expected != got {
                return Err(KeyError::Size { query, expected, got });
            }
        }
        let n_wires = self.l_query.len();
        if n_wires > self.n_private {
            return Err(KeyError::Size { query: "L-query", expected: self.n_private, got: n_wires });
        }
        for (query, wires) in [("A-query", &self.wires_in_a), ("B-query", &self.wires_in_b)] {
            let ascending = wires.is_sorted_by(|one, next| one < next);
            if !ascending || wires.last().is_some_and(|last| *last as usize >= n_wires) {
                return Err(KeyError::Wires { query, n_wires });
            }
        }
        Ok(())
    }

    /// Bytes that it takes in memory.
    pub fn bytes_in_memory(&self) -> usize {
        let once = self.once.iter().map(|once| {
            size_of_val(once.a_query.as_slice())
                + size_of_val(once.b_g1_query.as_slice())
                + size_of_val(once.b_g2_query.as_slice())
        });
        size_of::<Self>()
            + once.sum::<usize>()
            + size_of_val(self.wires_in_a.as_slice())
            + size_of_val(self.wires_in_b.as_slice())
            + [&self.l_query, &self.h_query, &self.a_query, &self.b_g1_query]
                .iter()
                .map(|query| size_of_val(query.as_slice()))
                .sum::<usize>()
            + size_of_val(self.b_g2_query.as_slice())
    }
}

/// The bases of these private wires; those that the query does not have are left out.
fn at<P: Point>(query: &[P], public: usize, wires: &[u32]) -> Vec<P> {
    wires.iter().filter_map(|wire| query.get(public + *wire as usize)).copied().collect()
}
