//! Registered bases: points of the first group in a file, named by the digest of the whole file.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | `TACITBAS` |
//! | 4 | version: 1 |
//! | 4 | curve: 1 BN254, 2 BLS12-381 |
//! | 8 | number of points, at least 1 |
//! | 64 or 96 each | points: affine, little-endian Montgomery, all zeros for the neutral element |
//!
//! Integers are little-endian. Points stand as in a `.ptau` or `.zkey`: the form is canonical, and it is the one in which they are used. So the file is
//! its own prepared form. Its points are checked once; later its name shows that it is the file that was checked.

use std::fmt;

use rayon::prelude::*;
use tacit_algebra::{Check, Curve, CurveId, DecodeError, G1Affine, Groups, Point};
use tacit_groth16::CircuitId;
use thiserror::Error;

use crate::circuit::CircuitShape;
use crate::labels;

const MAGIC: &[u8; 8] = b"TACITBAS";
/// The version of the file that this program writes and reads.
pub const VERSION: u32 = 1;
const HEADER: usize = 24;

/// The name of a file of bases: its digest. It stands where a proof's deal has its circuit id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BasesId(pub [u8; 32]);

impl fmt::Display for BasesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for BasesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BasesId({self})")
    }
}

impl From<BasesId> for CircuitId {
    fn from(id: BasesId) -> Self {
        Self(id.0)
    }
}

/// Bases of a multi-scalar multiplication, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bases<G: Groups> {
    id: BasesId,
    points: Vec<G1Affine<G>>,
}

/// Why bytes or points are no bases.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BasesError {
    /// Another kind of file.
    #[error("not a file of bases: it does not begin with `TACITBAS`")]
    Magic,
    /// The file ends within its header.
    #[error("the file has {got} bytes, its header alone {HEADER}")]
    Truncated {
        /// Bytes of the file.
        got: usize,
    },
    /// Written by another version.
    #[error("the file has version {got} of the form, this program reads version {VERSION}: make it again")]
    Version {
        /// Its version.
        got: u32,
    },
    /// No curve has this code.
    #[error("the file is for a curve with code {code}, which is not known")]
    UnknownCurve {
        /// The code.
        code: u32,
    },
    /// Another curve than asked for.
    #[error("the bases are over {got}, asked for were bases over {expected}")]
    Curve {
        /// The curve asked for.
        expected: CurveId,
        /// The file's curve.
        got: CurveId,
    },
    /// There are none.
    #[error("there is no base: a multi-scalar multiplication needs at least one")]
    Empty,
    /// The number of points does not fit the number of bytes.
    #[error("the file names {count} points and has {got} bytes after its header: it is cut off or damaged")]
    Length {
        /// Points that the header names.
        count: u64,
        /// Bytes that follow the header.
        got: usize,
    },
    /// A point is not canonical, not on the curve, or not in the subgroup.
    #[error("base {index}: {error}")]
    Point {
        /// Its position, from 0.
        index: usize,
        /// Why not.
        error: DecodeError,
    },
    /// The file has another name than the one it was asked for by.
    #[error("the file is bases {got}, asked for were bases {expected}: it is damaged, or another file")]
    Id {
        /// The name asked for.
        expected: BasesId,
        /// The file's digest.
        got: BasesId,
    },
}

/// Whether bytes claim to be a file of bases.
pub fn is_bases(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The curve of a file; nothing behind it is checked.
///
/// # Errors
/// [`BasesError`].
pub fn curve_of(bytes: &[u8]) -> Result<CurveId, BasesError> {
    if !is_bases(bytes) {
        return Err(BasesError::Magic);
    }
    let truncated = || BasesError::Truncated { got: bytes.len() };
    let word = |at: usize| -> Result<u32, BasesError> {
        let (word, _) = bytes.get(at..).and_then(<[u8]>::split_first_chunk).ok_or_else(truncated)?;
        Ok(u32::from_le_bytes(*word))
    };
    let version = word(8)?;
    if version != VERSION {
        return Err(BasesError::Version { got: version });
    }
    let code = word(12)?;
    u8::try_from(code).ok().and_then(CurveId::from_code).ok_or(BasesError::UnknownCurve { code })
}

impl<G: Groups> Bases<G> {
    /// The name.
    pub fn id(&self) -> BasesId {
        self.id
    }

    /// The points.
    pub fn points(&self) -> &[G1Affine<G>] {
        &self.points
    }

    /// What a node holds against an offer: a vector has at most as many scalars as there are bases, and nothing is public.
    pub fn shape(&self) -> CircuitShape {
        CircuitShape { id: self.id.into(), n_public: 0, n_private: self.points.len() }
    }

    /// For tests over groups that no file is made for.
    #[cfg(test)]
    pub(crate) fn named(id: BasesId, points: Vec<G1Affine<G>>) -> Self {
        Self { id, points }
    }
}

impl<C: Curve> Bases<C> {
    /// Bases from points, every one of which is checked.
    ///
    /// # Errors
    /// [`BasesError::Empty`], [`BasesError::Point`].
    pub fn new(points: Vec<G1Affine<C>>) -> Result<Self, BasesError> {
        if points.is_empty() {
            return Err(BasesError::Empty);
        }
        let mut bases = Self { id: BasesId([0; 32]), points };
        let bytes = bases.encode();
        check_members::<C>(&bases.points, bytes.get(HEADER..).unwrap_or_default())?;
        bases.id = digest(&bytes);
        Ok(bases)
    }

    /// The file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + self.points.len() * G1Affine::<C>::LEN);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(u32::from(C::ID.code()).to_le_bytes());
        out.extend((self.points.len() as u64).to_le_bytes());
        self.points.iter().for_each(|point| point.write_montgomery_le(&mut out));
        out
    }

    /// Reads a file and checks every point: canonical, on the curve, in the subgroup.
    ///
    /// # Errors
    /// [`BasesError`].
    pub fn read(bytes: &[u8]) -> Result<Self, BasesError> {
        let (points, body) = parse::<C>(bytes)?;
        check_members::<C>(&points, body)?;
        Ok(Self { id: digest(bytes), points })
    }

    /// Reads a file that was checked before, under the name that it was given then. That it is that file is all that is checked.
    ///
    /// # Errors
    /// [`BasesError`]; [`BasesError::Id`] for any other file.
    pub fn read_checked(bytes: &[u8], expected: BasesId) -> Result<Self, BasesError> {
        let got = digest(bytes);
        if got != expected {
            return Err(BasesError::Id { expected, got });
        }
        let (points, _) = parse::<C>(bytes)?;
        Ok(Self { id: got, points })
    }
}

fn digest(bytes: &[u8]) -> BasesId {
    BasesId(*blake3::Hasher::new_derive_key(labels::BASES).update_rayon(bytes).finalize().as_bytes())
}

/// The points, canonical but not checked further, and the bytes that they stand in.
fn parse<C: Curve>(bytes: &[u8]) -> Result<(Vec<G1Affine<C>>, &[u8]), BasesError> {
    let got = curve_of(bytes)?;
    if got != C::ID {
        return Err(BasesError::Curve { expected: C::ID, got });
    }
    let (head, body) = bytes.split_at_checked(HEADER).ok_or(BasesError::Truncated { got: bytes.len() })?;
    let count = head.last_chunk().map_or(0, |count| u64::from_le_bytes(*count));
    if count == 0 {
        return Err(BasesError::Empty);
    }
    let len = G1Affine::<C>::LEN;
    // Compared before anything is allocated.
    if count.checked_mul(len as u64) != Some(body.len() as u64) {
        return Err(BasesError::Length { count, got: body.len() });
    }
    let read = |(index, bytes): (usize, &[u8])| {
        G1Affine::<C>::read_montgomery_le(bytes, Check::Trusted)
            .map_err(|error| BasesError::Point { index, error })
    };
    let points = body.par_chunks_exact(len).enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok((points, body))
}

/// All together, which is cheaper; if that fails, one by one, to name the bad one.
fn check_members<C: Curve>(points: &[G1Affine<C>], body: &[u8]) -> Result<(), BasesError> {
    if G1Affine::<C>::all_are_members(points) {
        return Ok(());
    }
    for (index, bytes) in body.chunks_exact(G1Affine::<C>::LEN).enumerate() {
        G1Affine::<C>::read_montgomery_le(bytes, Check::Full)
            .map_err(|error| BasesError::Point { index, error })?;
    }
    Ok(())
}
