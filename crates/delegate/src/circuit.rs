//! What the protocol needs to know of a circuit where the proving key is not at hand.

use std::ops::Range;

use tacit_algebra::{Groups, Point};
use tacit_groth16::{CircuitId, ProvingKey};

use crate::dials::Handover;
use crate::package::WhichGroup;

/// A circuit's name and the numbers of its wires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitShape {
    /// The name.
    pub id: CircuitId,
    /// Public wires, the constant one not included.
    pub n_public: usize,
    /// Private wires.
    pub n_private: usize,
}

impl CircuitShape {
    /// Of a proving key.
    pub fn of<G: Groups>(key: &ProvingKey<G>) -> Self {
        Self { id: key.circuit_id, n_public: key.n_public, n_private: key.n_private() }
    }
}

/// What is dealt for a circuit with a handover. Follows from the proving key alone, so that client and node agree on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub(crate) circuit: CircuitShape,
    pub(crate) handover: Handover,
    /// Values of the quotient; 0 with the handover `witness`.
    pub(crate) quotient: usize,
    /// With the handover `quotient`: the private wires, counted from 0 and ascending, whose base in the A-query is not
    /// neutral. Only their products with the blinder `s` matter, so only those are dealt.
    pub(crate) times_s: Vec<u32>,
    /// The same for the B-query and the blinder `r`.
    pub(crate) times_r: Vec<u32>,
}

/// The part of a deal that one group handles: ranges of the layout's lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) wires: Range<usize>,
    pub(crate) quotient: Range<usize>,
    pub(crate) times_s: Range<usize>,
    pub(crate) times_r: Range<usize>,
}

/// How many shares of what a package of one group holds: what decoding one needs to know of the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareCounts {
    /// What is handed over.
    pub handover: Handover,
    pub(crate) group: WhichGroup,
    /// Private wires.
    pub wires: usize,
    /// Values of the quotient.
    pub quotient: usize,
    /// Products with the blinder `s`.
    pub times_s: usize,
    /// Products with the blinder `r`.
    pub times_r: usize,
}

impl ShareCounts {
    /// Shares of all kinds that are not single.
    pub const fn in_vectors(&self) -> usize {
        self.wires + self.quotient + self.times_s + self.times_r
    }
}

/// What a base costs a node in the sum that goes into `C`, in that of `A` and in that of `B`: measured, and part of the protocol, because
/// client and nodes cut the key by it. The sum in `C` is by far the longest, so that a base of it costs less than one of
/// `A`'s, which is in the same group.
/// Who changes them, or the rule of the cut, raises the version of prepared slices in `tacit-groth16` too: one that was cut otherwise must not
/// be taken for one that fits.
const PRICE: [u64; 3] = [3, 4, 12];

impl Layout {
    /// For the handover `witness`, which needs no proving key.
    pub fn witness(circuit: CircuitShape) -> Self {
        let handover = Handover::Witness;
        Self { circuit, handover, quotient: 0, times_s: Vec::new(), times_r: Vec::new() }
    }

    /// For the handover `quotient`: how many values the quotient has, and which private wires, counted from 0 and ascending,
    /// have a base in the A-query and in the B-query.
    pub fn quotient(circuit: CircuitShape, quotient: usize, in_a: Vec<u32>, in_b: Vec<u32>) -> Self {
        Self { circuit, handover: Handover::Quotient, quotient, times_s: in_a, times_r: in_b }
    }

    /// For the handover `msm` over so many bases: a vector may be shorter.
    pub fn msm(bases: CircuitShape) -> Self {
        Self { handover: Handover::Msm, ..Self::witness(bases) }
    }

    /// For a proving key and a handover.
    pub fn of<G: Groups>(key: &ProvingKey<G>, handover: Handover) -> Self {
        let circuit = CircuitShape::of(key);
        match handover {
            Handover::Witness => Self::witness(circuit),
            // No proof is made with it: `deal` refuses.
            Handover::Msm => Self::msm(circuit),
            Handover::Quotient => {
                let in_a = finite(&key.a_query, key.n_public);
                let in_b = finite(&key.b_g1_query, key.n_public);
                Self::quotient(circuit, key.h_query.len(), in_a, in_b)
            }
        }
    }

    /// The handover.
    pub fn handover(&self) -> Handover {
        self.handover
    }

    /// The circuit.
    pub fn circuit(&self) -> &CircuitShape {
        &self.circuit
    }

    /// The slices of so many groups: the private wires and then the quotient's values, cut where the cost is the same on either
    /// side. A wire costs its base in the L-query, with one in the A-query those of its product with `s` and of itself there, with one in the
    /// B-queries those of its product with `r` and of itself there; a value of the quotient its base in the H-query.
    pub(crate) fn slices(&self, groups: u8) -> Vec<Slice> {
        let [in_c, in_a, in_b] = PRICE;
        let mut prices = vec![in_c; self.circuit.n_private];
        for (wires, price) in [(&self.times_s, in_c + in_a), (&self.times_r, in_c + in_b)] {
            for wire in wires {
                if let Some(slot) = prices.get_mut(*wire as usize) {
                    *slot += price;
                }
            }
        }
        prices.resize(self.circuit.n_private + self.quotient, in_c);
        let total = prices.iter().sum::<u64>().max(1);
        let mut counts = vec![0usize; usize::from(groups)];
        let mut before = 0;
        for price in prices {
            let slice = u128::from(before) * u128::from(groups) / u128::from(total);
            if let Some(count) = counts.get_mut(slice as usize) {
                *count += 1;
            }
            before += price;
        }
        let mut from = 0;
        let slice = |count: &usize| {
            let to = from + count;
            let wires = from.min(self.circuit.n_private)..to.min(self.circuit.n_private);
            let quotient = from.max(self.circuit.n_private)..to.max(self.circuit.n_private);
            let within = |list: &[u32]| {
                let below = |bound: usize| list.partition_point(|wire| (*wire as usize) < bound);
                below(wires.start)..below(wires.end)
            };
            let (times_s, times_r) = (within(&self.times_s), within(&self.times_r));
            from = to;
            let n = self.circuit.n_private;
            Slice { wires, quotient: quotient.start - n..quotient.end - n, times_s, times_r }
        };
        counts.iter().map(slice).collect()
    }

    /// The private wires of a slice whose products with `s` are dealt, and with `r`.
    pub(crate) fn wires_of_products(&self, slice: &Slice) -> [&[u32]; 2] {
        [
            self.times_s.get(slice.times_s.clone()).unwrap_or_default(),
            self.times_r.get(slice.times_r.clone()).unwrap_or_default(),
        ]
    }

    /// How many shares a package of one of so many groups holds.
    pub fn share_counts(&self, group: u8, groups: u8) -> ShareCounts {
        let slice = match self.handover {
            // Of a sum: the most that there can be.
            Handover::Witness | Handover::Msm => {
                Slice { wires: 0..self.circuit.n_private, ..Slice::default() }
            }
            Handover::Quotient => self.slice(group, groups),
        };
        self.counts_of(&slice, WhichGroup { number: group, of: groups })
    }

    /// How many shares a package of each of so many groups holds.
    pub fn share_counts_of_all(&self, groups: u8) -> Vec<ShareCounts> {
        if self.handover != Handover::Quotient {
            return (0..groups).map(|group| self.share_counts(group, groups)).collect();
        }
        let numbered = (0..groups).zip(self.slices(groups));
        numbered.map(|(number, slice)| self.counts_of(&slice, WhichGroup { number, of: groups })).collect()
    }

    /// How many shares of a slice of this layout a group is dealt.
    pub(crate) fn counts_of(&self, slice: &Slice, group: WhichGroup) -> ShareCounts {
        ShareCounts {
            handover: self.handover,
            group,
            wires: slice.wires.len(),
            quotient: slice.quotient.len(),
            times_s: slice.times_s.len(),
            times_r: slice.times_r.len(),
        }
    }

    /// One group's slice.
    pub(crate) fn slice(&self, group: u8, groups: u8) -> Slice {
        self.slices(groups).into_iter().nth(usize::from(group)).unwrap_or_default()
    }
}

/// The private wires whose base is not neutral.
fn finite<P: Point>(query: &[P], n_public: usize) -> Vec<u32> {
    let private = query.iter().skip(n_public + 1).zip(0u32..);
    private.filter(|(base, _)| !base.is_identity()).map(|(_, wire)| wire).collect()
}
