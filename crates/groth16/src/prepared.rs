//! A proving key on disk in the form in which it is used, so that a zkey is parsed and checked once and never again.
//!
//! ```text
//! 0    "TACITKEY"
//! 8    version (u32), curve (u32, see CurveId::code)
//! 16   circuit id (32 bytes)
//! 48   digest (32 bytes): BLAKE3, key-derivation mode, over the header without the digest, then the body
//! 80   n_wires, n_public, log_domain; rows and entries of A; rows and entries of B (u64 each)
//! 136  body: alpha, beta, delta in G1; beta, gamma, delta in G2; IC; matrices A, B (row starts and wires as u32,
//!      values); queries A, B in G1, L, H, B in G2
//! ```
//!
//! A [slice](crate::KeySlice) of a key has a form of its own with the same beginning.
//!
//! Integers are little-endian; points and values stand in Montgomery form as in a `.zkey`. The points were checked when
//! the zkey was imported; the digest shows that the file is still what was written then, and the directory, which must
//! be the user's own and closed to other writers, that nobody else could have written it.

use std::path::{Path, PathBuf};

use tacit_algebra::field::{Montgomery, byte_len};
use tacit_algebra::{Curve, CurveId, DecodeError, G1Affine, G2Affine, Point};
use tacit_circom::VerificationKey;
use thiserror::Error;

use crate::key::{CircuitId, KeyError, ProvingKey, SparseMatrix};

mod file;
mod slice;

use file::{Form, Head, Rest, put_points, put_u32s};
pub use slice::{SliceHeader, inspect_slice, open_slice, write_slice};

/// The version of the form of a whole key that this program writes and reads.
pub const VERSION: u32 = 1;

const FORM: Form<7> = Form {
    name: "a prepared key",
    magic: b"TACITKEY",
    version: VERSION,
    digest_context: "tacit prepared groth16 key, version 1",
};

/// Why a prepared key cannot be written or used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PreparedError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The file or its directory belongs to somebody else.
    #[error("{} belongs to user {owner}, not to user {user} who runs this program: others could replace keys. Use a directory of your own", path.display())]
    NotOwned {
        /// The file or directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who asks.
        user: u32,
    },
    /// Others can write the file or its directory.
    #[error("{} can be written by others (mode {mode:o}): they could replace keys. Repair: chmod {} {}", path.display(), if *.directory { "700" } else { "600" }, path.display())]
    Writable {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Whether it is a directory.
        directory: bool,
    },
    /// Not a regular file.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Another kind of file.
    #[error("{} is not {form}: import the zkey again", path.display())]
    Magic {
        /// The file.
        path: PathBuf,
        /// What it should be.
        form: &'static str,
    },
    /// Written by another version of this program.
    #[error("{} is {form} of version {got}, this program reads version {reads}: import the zkey again", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it is.
        form: &'static str,
        /// The version that is read.
        reads: u32,
        /// Its version.
        got: u32,
    },
    /// Made for the other curve, or an unknown one.
    #[error("{} is a key over {}, expected one over {expected}", path.display(), got.map_or("an unknown curve".to_owned(), |c| c.to_string()))]
    Curve {
        /// The file.
        path: PathBuf,
        /// The curve asked for.
        expected: CurveId,
        /// The file's curve, where it is known.
        got: Option<CurveId>,
    },
    /// The content is not what was written.
    #[error("{} is damaged ({what}): import the zkey again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How this shows.
        what: &'static str,
    },
    /// A point or value does not decode.
    #[error("{} is damaged ({why}): import the zkey again", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        why: DecodeError,
    },
    /// The key itself is not usable.
    #[error("{}: {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        why: KeyError,
    },
}

impl PreparedError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    fn damaged(path: &Path, what: &'static str) -> Self {
        Self::Damaged { path: path.to_owned(), what }
    }
}

/// What a prepared key says of itself before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The key's curve.
    pub curve: CurveId,
    /// The circuit's name on the network.
    pub circuit_id: CircuitId,
    /// The digest of header and body, as the file claims it; [`open`] checks it.
    pub digest: [u8; 32],
    n_wires: u64,
    n_public: u64,
    log_domain: u64,
    a: MatrixSize,
    b: MatrixSize,
}

/// The size of a matrix in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MatrixSize {
    /// Row starts: rows and one.
    starts: u64,
    entries: u64,
}

impl MatrixSize {
    fn of<F>(matrix: &SparseMatrix<F>) -> Self {
        Self { starts: matrix.row_starts.len() as u64, entries: matrix.wires.len() as u64 }
    }

    fn bytes(self, value_len: u64) -> Option<u64> {
        self.starts.checked_mul(4)?.checked_add(self.entries.checked_mul(4 + value_len)?)
    }
}

/// Writes a key, so that a crash leaves the old file or the new one, and returns its digest. The file has mode 0600; its
/// directory must belong to the current user and be writable by nobody else.
///
/// # Errors
/// When the directory is not safe, the key's sizes contradict each other, or the file cannot be written.
pub fn write<C: Curve>(path: &Path, key: &ProvingKey<C>) -> Result<[u8; 32], PreparedError> {
    key.check_shape().map_err(|why| PreparedError::Key { path: path.to_owned(), why })?;
    let (a, b) = (MatrixSize::of(&key.a), MatrixSize::of(&key.b));
    let sizes = [
        key.n_wires as u64,
        key.n_public as u64,
        u64::from(key.log_domain),
        a.starts,
        a.entries,
        b.starts,
        b.entries,
    ];
    let mut bytes = FORM.start(C::ID, &key.circuit_id, sizes);
    put_points(&mut bytes, &[key.vk.alpha_g1, key.beta_g1, key.delta_g1]);
    put_points(&mut bytes, &[key.vk.beta_g2, key.vk.gamma_g2, key.vk.delta_g2]);
    put_points(&mut bytes, &key.vk.ic);
    for matrix in [&key.a, &key.b] {
        put_u32s(&mut bytes, &matrix.row_starts);
        put_u32s(&mut bytes, &matrix.wires);
        matrix.values.iter().for_each(|value| value.write_montgomery_le(&mut bytes));
    }
    for query in [&key.a_query, &key.b_g1_query, &key.l_query, &key.h_query] {
        put_points(&mut bytes, query);
    }
    put_points(&mut bytes, &key.b_g2_query);
    FORM.write(path, bytes)
}

/// Reads the header of a prepared key: which curve, which circuit. The content is not checked.
///
/// # Errors
/// When the file or its directory is not safe, or the header is not that of a prepared key of this version.
pub fn inspect(path: &Path) -> Result<Header, PreparedError> {
    Header::of(path, &FORM.inspect(path)?)
}

/// Reads a prepared key, checks its digest and builds the key from it, without checking points again.
///
/// # Errors
/// See [`PreparedError`].
pub fn open<C: Curve>(path: &Path) -> Result<ProvingKey<C>, PreparedError> {
    let len = |head: &Head<7>| Header::of(path, head).ok()?.expected_len::<C>();
    let (head, bytes) = FORM.read::<C>(path, len)?;
    let header = Header::of(path, &head)?;
    let mut rest = FORM.body(path, &bytes);
    let (n_wires, n_public) = (header.n_wires as usize, header.n_public as usize);
    let [alpha_g1, beta_g1, delta_g1] = rest.points_array::<G1Affine<C>, 3>()?;
    let [beta_g2, gamma_g2, delta_g2] = rest.points_array::<G2Affine<C>, 3>()?;
    let ic = rest.points(n_public + 1)?;
    let a = matrix(&mut rest, header.a)?;
    let b = matrix(&mut rest, header.b)?;
    let key = ProvingKey {
        circuit_id: header.circuit_id,
        n_wires,
        n_public,
        log_domain: header.log_domain as u32,
        vk: VerificationKey { alpha_g1, beta_g2, gamma_g2, delta_g2, ic },
        beta_g1,
        delta_g1,
        a,
        b,
        a_query: rest.points(n_wires)?,
        b_g1_query: rest.points(n_wires)?,
        l_query: rest.points(n_wires - n_public - 1)?,
        h_query: rest.points(1 << header.log_domain)?,
        b_g2_query: rest.points(n_wires)?,
    };
    key.check_shape().map_err(|why| PreparedError::Key { path: path.to_owned(), why })?;
    Ok(key)
}

impl Header {
    fn of(path: &Path, head: &Head<7>) -> Result<Self, PreparedError> {
        let Head { curve, circuit_id, digest, sizes } = *head;
        let [n_wires, n_public, log_domain, a_starts, a_entries, b_starts, b_entries] = sizes;
        if n_public >= n_wires || log_domain > 62 {
            return Err(PreparedError::damaged(path, "its sizes contradict each other"));
        }
        let a = MatrixSize { starts: a_starts, entries: a_entries };
        let b = MatrixSize { starts: b_starts, entries: b_entries };
        Ok(Self { curve, circuit_id, digest, n_wires, n_public, log_domain, a, b })
    }

    /// The file's length that follows; `None` for sizes beyond all measure.
    fn expected_len<C: Curve>(&self) -> Option<u64> {
        let value_len = byte_len::<C::Scalar>() as u64;
        let in_g1 = self
            .n_wires
            .checked_mul(3)?
            .checked_add(3)?
            .checked_add(1u64.checked_shl(u32::try_from(self.log_domain).ok()?)?)?;
        let in_g2 = self.n_wires.checked_add(3)?;
        (Form::<7>::HEADER as u64)
            .checked_add(in_g1.checked_mul(G1Affine::<C>::LEN as u64)?)?
            .checked_add(in_g2.checked_mul(G2Affine::<C>::LEN as u64)?)?
            .checked_add(self.a.bytes(value_len)?)?
            .checked_add(self.b.bytes(value_len)?)
    }
}

fn matrix<F: Montgomery>(rest: &mut Rest<'_>, size: MatrixSize) -> Result<SparseMatrix<F>, PreparedError> {
    Ok(SparseMatrix {
        row_starts: rest.u32s(size.starts)?,
        wires: rest.u32s(size.entries)?,
        values: rest.many(size.entries as usize, byte_len::<F>(), F::ZERO, F::read_montgomery_le)?,
    })
}
