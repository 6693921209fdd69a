//! A slice of a checked key on disk. It is cut from a key that was checked, and can be cut again.
//!
//! ```text
//! 0    header (see the form of a whole key), magic "TACITSLI"
//! 80   n_public, n_private, group, groups; private wires of the slice, values of the quotient, wires with a base in A,
//!      wires with a base in B (u64 each)
//! 144  body: (first group) alpha, beta, delta in G1; beta, delta in G2; the public wires' bases of A, B in G1, B in G2;
//!      (always) the wires with a base in A, those with one in B (u32); L, H, A, B in G1; B in G2
//! ```

use std::path::Path;

use tacit_algebra::{Curve, CurveId, G1Affine, G2Affine, Point};

use super::PreparedError;
use super::file::{Form, Head, put_points, put_u32s};
use crate::key::CircuitId;
use crate::slice::{KeySlice, Once};

const FORM: Form<8> = Form {
    name: "a slice of a prepared key",
    magic: b"TACITSLI",
    version: 2,
    digest_context: "tacit slice of a prepared groth16 key, version 1",
};

/// What a slice on disk says of itself before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceHeader {
    /// The key's curve.
    pub curve: CurveId,
    /// The name of the key's circuit.
    pub circuit_id: CircuitId,
    /// The group that handles the slice, counted from 0.
    pub group: u8,
    /// Slices that the key was cut into.
    pub groups: u8,
    /// The digest of header and body, as the file claims it; [`open_slice`] checks it.
    pub digest: [u8; 32],
    sizes: Sizes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sizes {
    n_public: u64,
    n_private: u64,
    wires: u64,
    quotient: u64,
    in_a: u64,
    in_b: u64,
}

impl SliceHeader {
    fn of(path: &Path, head: &Head<8>) -> Result<Self, PreparedError> {
        let [n_public, n_private, group, groups, wires, quotient, in_a, in_b] = head.sizes;
        let sizes = Sizes { n_public, n_private, wires, quotient, in_a, in_b };
        let (Ok(group), Ok(groups)) = (u8::try_from(group), u8::try_from(groups)) else {
            return Err(PreparedError::damaged(path, "its sizes contradict each other"));
        };
        let Head { curve, circuit_id, digest, .. } = *head;
        Ok(Self { curve, circuit_id, group, groups, digest, sizes })
    }

    /// The file's length that follows; `None` for sizes beyond all measure.
    fn expected_len<C: Curve>(&self) -> Option<u64> {
        let Sizes { n_public, wires, quotient, in_a, in_b, .. } = self.sizes;
        let public = n_public.checked_add(1)?;
        // The first group's slice has more: three points and the public wires' two queries, two points and one query.
        let (once_g1, once_g2) = match self.group {
            0 => (public.checked_mul(2)?.checked_add(3)?, public.checked_add(2)?),
            _ => (0, 0),
        };
        let in_g1 = once_g1
            .checked_add(wires)?
            .checked_add(quotient)?
            .checked_add(in_a)?
            .checked_add(in_b)?
            .checked_mul(G1Affine::<C>::LEN as u64)?;
        let in_g2 = once_g2.checked_add(in_b)?.checked_mul(G2Affine::<C>::LEN as u64)?;
        let numbers = in_a.checked_add(in_b)?.checked_mul(4)?;
        (Form::<8>::HEADER as u64).checked_add(in_g1)?.checked_add(in_g2)?.checked_add(numbers)
    }
}

/// Writes a slice as [`super::write`] writes a key, and returns its digest.
///
/// # Errors
/// When the directory is not safe, the slice's sizes contradict each other, or the file cannot be written.
pub fn write_slice<C: Curve>(path: &Path, slice: &KeySlice<C>) -> Result<[u8; 32], PreparedError> {
    slice.check_shape().map_err(|why| PreparedError::Key { path: path.to_owned(), why })?;
    let sizes = [
        slice.n_public as u64,
        slice.n_private as u64,
        slice.group.into(),
        slice.groups.into(),
        slice.l_query.len() as u64,
        slice.h_query.len() as u64,
        slice.wires_in_a.len() as u64,
        slice.wires_in_b.len() as u64,
    ];
    let mut bytes = FORM.start(C::ID, &slice.circuit_id, sizes);
    if let Some(once) = &slice.once {
        put_points(&mut bytes, &[once.alpha_g1, once.beta_g1, once.delta_g1]);
        put_points(&mut bytes, &[once.beta_g2, once.delta_g2]);
        put_points(&mut bytes, &once.a_query);
        put_points(&mut bytes, &once.b_g1_query);
        put_points(&mut bytes, &once.b_g2_query);
    }
    put_u32s(&mut bytes, &slice.wires_in_a);
    put_u32s(&mut bytes, &slice.wires_in_b);
    for query in [&slice.l_query, &slice.h_query, &slice.a_query, &slice.b_g1_query] {
        put_points(&mut bytes, query);
    }
    put_points(&mut bytes, &slice.b_g2_query);
    FORM.write(path, bytes)
}

/// Reads the header of a slice: which curve, which circuit, which slice. The content is not checked.
///
/// # Errors
/// When the file or its directory is not safe, or the header is not that of a slice of this version.
pub fn inspect_slice(path: &Path) -> Result<SliceHeader, PreparedError> {
    SliceHeader::of(path, &FORM.inspect(path)?)
}

/// Reads a slice, checks its digest and builds it, without checking points again.
///
/// # Errors
/// See [`PreparedError`].
pub fn open_slice<C: Curve>(path: &Path) -> Result<KeySlice<C>, PreparedError> {
    let len = |head: &Head<8>| SliceHeader::of(path, head).ok()?.expected_len::<C>();
    let (head, bytes) = FORM.read::<C>(path, len)?;
    let SliceHeader { circuit_id, group, groups, sizes, .. } = SliceHeader::of(path, &head)?;
    let Sizes { n_public, n_private, wires, quotient, in_a, in_b } = sizes;
    let mut rest = FORM.body(path, &bytes);
    let once = match group {
        0 => {
            let [alpha_g1, beta_g1, delta_g1] = rest.points_array::<G1Affine<C>, 3>()?;
            let [beta_g2, delta_g2] = rest.points_array::<G2Affine<C>, 2>()?;
            let public = n_public as usize + 1;
            Some(Once {
                alpha_g1,
                beta_g1,
                delta_g1,
                beta_g2,
                delta_g2,
                a_query: rest.points(public)?,
                b_g1_query: rest.points(public)?,
                b_g2_query: rest.points(public)?,
            })
        }
        _ => None,
    };
    let slice = KeySlice {
        circuit_id,
        n_public: n_public as usize,
        n_private: n_private as usize,
        group,
        groups,
        once,
        wires_in_a: rest.u32s(in_a)?,
        wires_in_b: rest.u32s(in_b)?,
        l_query: rest.points(wires as usize)?,
        h_query: rest.points(quotient as usize)?,
        a_query: rest.points(in_a as usize)?,
        b_g1_query: rest.points(in_b as usize)?,
        b_g2_query: rest.points(in_b as usize)?,
    };
    slice.check_shape().map_err(|why| PreparedError::Key { path: path.to_owned(), why })?;
    Ok(slice)
}
