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
//! Integers are little-endian; points and values stand in Montgomery form as in a `.zkey`. The points were checked when
//! the zkey was imported; the digest shows that the file is still what was written then, and the directory, which must
//! be the user's own and closed to other writers, that nobody else could have written it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rayon::prelude::*;
use tacit_algebra::field::{Montgomery, byte_len};
use tacit_algebra::{Check, Curve, CurveId, DecodeError, G1Affine, G2Affine, Point};
use tacit_circom::VerificationKey;
use thiserror::Error;

use crate::key::{CircuitId, KeyError, ProvingKey, SparseMatrix};

/// The version of the form that this program writes and reads.
pub const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"TACITKEY";
const HEADER: usize = 136;
const DIGEST_AT: std::ops::Range<usize> = 48..80;
/// Bytes that are read at a time.
const PIECE: usize = 1 << 20;
const DIGEST_CONTEXT: &str = "tacit prepared groth16 key, version 1";

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
    /// Not a prepared key at all.
    #[error("{} is not a prepared key: import the zkey again", path.display())]
    Magic {
        /// The file.
        path: PathBuf,
    },
    /// Written by another version of this program.
    #[error("{} has version {got} of the prepared form, this program reads version {VERSION}: import the zkey again", path.display())]
    Version {
        /// The file.
        path: PathBuf,
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
    let directory = directory_of(path);
    refuse_unsafe(directory, &fs::metadata(directory).map_err(|e| PreparedError::io(directory, e))?)?;

    let mut bytes = header(key);
    body(key, &mut bytes);
    let digest = digest(&bytes);
    if let Some(slot) = bytes.get_mut(DIGEST_AT) {
        slot.copy_from_slice(&digest);
    }

    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = directory.join(name);
    let failed = |e| PreparedError::io(&temporary, e);
    // A leftover of a process that died is ours: nobody else writes here.
    let _ = fs::remove_file(&temporary);
    let written = (|| {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(directory)?.sync_all()
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(failed)?;
    Ok(digest)
}

/// Reads the header of a prepared key: which curve, which circuit. The content is not checked.
///
/// # Errors
/// When the file or its directory is not safe, or the header is not that of a prepared key of this version.
pub fn inspect(path: &Path) -> Result<Header, PreparedError> {
    read_header(path, &mut open_checked(path)?.0)
}

fn read_header(path: &Path, file: &mut File) -> Result<Header, PreparedError> {
    let mut bytes = Vec::with_capacity(HEADER);
    file.take(HEADER as u64).read_to_end(&mut bytes).map_err(|e| PreparedError::io(path, e))?;
    parse_header(path, &bytes)
}

/// Whether the file can be a key over this curve.
fn check_header<C: Curve>(path: &Path, header: &Header, len: u64) -> Result<(), PreparedError> {
    if header.curve != C::ID {
        let got = Some(header.curve);
        return Err(PreparedError::Curve { path: path.to_owned(), expected: C::ID, got });
    }
    if expected_len::<C>(header) != Some(len) {
        return Err(PreparedError::damaged(path, "its size is not the one that its header asks for"));
    }
    Ok(())
}

/// Reads a prepared key, checks its digest and builds the key from it, without checking points again.
///
/// # Errors
/// See [`PreparedError`].
pub fn open<C: Curve>(path: &Path) -> Result<ProvingKey<C>, PreparedError> {
    let (mut file, len) = open_checked(path)?;
    // What cannot be used is not brought into memory.
    check_header::<C>(path, &read_header(path, &mut file)?, len)?;
    // Pieces are read side by side: most of the time goes into making room for them.
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    bytes
        .par_chunks_mut(PIECE)
        .enumerate()
        .try_for_each(|(k, piece)| file.read_exact_at(piece, (k * PIECE) as u64))
        .map_err(|e| PreparedError::io(path, e))?;
    read(path, &bytes)
}

/// As [`open`], for bytes that are at hand.
fn read<C: Curve>(path: &Path, bytes: &[u8]) -> Result<ProvingKey<C>, PreparedError> {
    let header = parse_header(path, bytes)?;
    check_header::<C>(path, &header, bytes.len() as u64)?;
    if digest(bytes) != header.digest {
        return Err(PreparedError::damaged(path, "its digest is wrong"));
    }

    let mut rest = Rest { path, bytes: bytes.get(HEADER..).unwrap_or_default() };
    let (n_wires, n_public) = (header.n_wires as usize, header.n_public as usize);
    let [alpha_g1, beta_g1, delta_g1] = rest.points_array::<G1Affine<C>, 3>()?;
    let [beta_g2, gamma_g2, delta_g2] = rest.points_array::<G2Affine<C>, 3>()?;
    let ic = rest.points(n_public + 1)?;
    let a = rest.matrix(header.a)?;
    let b = rest.matrix(header.b)?;
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

fn header<C: Curve>(key: &ProvingKey<C>) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER);
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend(u32::from(C::ID.code()).to_le_bytes());
    out.extend(key.circuit_id.0);
    out.extend([0; 32]);
    let (a, b) = (MatrixSize::of(&key.a), MatrixSize::of(&key.b));
    for size in [
        key.n_wires as u64,
        key.n_public as u64,
        u64::from(key.log_domain),
        a.starts,
        a.entries,
        b.starts,
        b.entries,
    ] {
        out.extend(size.to_le_bytes());
    }
    out
}

fn parse_header(path: &Path, bytes: &[u8]) -> Result<Header, PreparedError> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>().filter(|(h, _)| h.starts_with(MAGIC)) else {
        return Err(PreparedError::Magic { path: path.to_owned() });
    };
    let u32_at = |at: usize| {
        header.get(at..).and_then(|b| b.first_chunk()).copied().map(u32::from_le_bytes).unwrap_or_default()
    };
    let u64_at = |at: usize| {
        header.get(at..).and_then(|b| b.first_chunk()).copied().map(u64::from_le_bytes).unwrap_or_default()
    };
    let id_at = |at: usize| header.get(at..).and_then(|b| b.first_chunk::<32>()).copied().unwrap_or_default();
    let version = u32_at(8);
    if version != VERSION {
        return Err(PreparedError::Version { path: path.to_owned(), got: version });
    }
    let Some(curve) = u8::try_from(u32_at(12)).ok().and_then(CurveId::from_code) else {
        return Err(PreparedError::damaged(path, "it names an unknown curve"));
    };
    let header = Header {
        curve,
        circuit_id: CircuitId(id_at(16)),
        digest: id_at(DIGEST_AT.start),
        n_wires: u64_at(80),
        n_public: u64_at(88),
        log_domain: u64_at(96),
        a: MatrixSize { starts: u64_at(104), entries: u64_at(112) },
        b: MatrixSize { starts: u64_at(120), entries: u64_at(128) },
    };
    if header.n_public >= header.n_wires || header.log_domain > 62 {
        return Err(PreparedError::damaged(path, "its sizes contradict each other"));
    }
    Ok(header)
}

/// The file's length that follows from its header; `None` for sizes beyond all measure.
fn expected_len<C: Curve>(header: &Header) -> Option<u64> {
    let value_len = byte_len::<C::Scalar>() as u64;
    let in_g1 = header
        .n_wires
        .checked_mul(3)?
        .checked_add(3)?
        .checked_add(1u64.checked_shl(u32::try_from(header.log_domain).ok()?)?)?;
    let in_g2 = header.n_wires.checked_add(3)?;
    (HEADER as u64)
        .checked_add(in_g1.checked_mul(G1Affine::<C>::LEN as u64)?)?
        .checked_add(in_g2.checked_mul(G2Affine::<C>::LEN as u64)?)?
        .checked_add(header.a.bytes(value_len)?)?
        .checked_add(header.b.bytes(value_len)?)
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(DIGEST_CONTEXT);
    hasher.update(bytes.get(..DIGEST_AT.start).unwrap_or_default());
    hasher.update_rayon(bytes.get(DIGEST_AT.end..).unwrap_or_default());
    hasher.finalize().into()
}

fn body<C: Curve>(key: &ProvingKey<C>, out: &mut Vec<u8>) {
    put_points(out, &[key.vk.alpha_g1, key.beta_g1, key.delta_g1]);
    put_points(out, &[key.vk.beta_g2, key.vk.gamma_g2, key.vk.delta_g2]);
    put_points(out, &key.vk.ic);
    for matrix in [&key.a, &key.b] {
        matrix.row_starts.iter().chain(&matrix.wires).for_each(|x| out.extend(x.to_le_bytes()));
        matrix.values.iter().for_each(|value| value.write_montgomery_le(out));
    }
    for query in [&key.a_query, &key.b_g1_query, &key.l_query, &key.h_query] {
        put_points(out, query);
    }
    put_points(out, &key.b_g2_query);
}

fn put_points<P: Point>(out: &mut Vec<u8>, points: &[P]) {
    out.reserve(points.len() * P::LEN);
    points.iter().for_each(|point| point.write_montgomery_le(out));
}

/// What is left of the body.
struct Rest<'a> {
    path: &'a Path,
    bytes: &'a [u8],
}

impl<'a> Rest<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], PreparedError> {
        let short = || PreparedError::damaged(self.path, "it ends too early");
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or_else(short)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// `count` values of `len` bytes; `neutral` fills the places of those that cannot be read until all have been tried.
    fn many<T: Copy + Send + Sync>(
        &mut self,
        count: usize,
        len: usize,
        neutral: T,
        read: impl Fn(&[u8]) -> Result<T, DecodeError> + Sync + Send,
    ) -> Result<Vec<T>, PreparedError> {
        let bytes = self.take(count.saturating_mul(len))?;
        let failure = OnceLock::new();
        let or_neutral = |why| {
            let _ = failure.set(why);
            neutral
        };
        // Collecting results instead would copy everything once more.
        let all = bytes
            .par_chunks_exact(len)
            .with_min_len(1 << 10)
            .map(|bytes| read(bytes).unwrap_or_else(or_neutral))
            .collect();
        match failure.into_inner() {
            Some(why) => Err(PreparedError::Decode { path: self.path.to_owned(), why }),
            None => Ok(all),
        }
    }

    fn points<P: Point>(&mut self, count: usize) -> Result<Vec<P>, PreparedError> {
        self.many(count, P::LEN, P::identity(), |bytes| P::read_montgomery_le(bytes, Check::Trusted))
    }

    fn points_array<P: Point, const N: usize>(&mut self) -> Result<[P; N], PreparedError> {
        let points = self.points(N)?;
        <[P; N]>::try_from(points).map_err(|_| PreparedError::damaged(self.path, "it ends too early"))
    }

    fn u32s(&mut self, count: u64) -> Result<Vec<u32>, PreparedError> {
        let bytes = self.take((count as usize).saturating_mul(4))?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect())
    }

    fn matrix<F: Montgomery>(&mut self, size: MatrixSize) -> Result<SparseMatrix<F>, PreparedError> {
        Ok(SparseMatrix {
            row_starts: self.u32s(size.starts)?,
            wires: self.u32s(size.entries)?,
            values: self.many(size.entries as usize, byte_len::<F>(), F::ZERO, F::read_montgomery_le)?,
        })
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Opens a file for reading, after checking that it and its directory are this user's and closed to other writers.
fn open_checked(path: &Path) -> Result<(File, u64), PreparedError> {
    let directory = directory_of(path);
    refuse_unsafe(directory, &fs::metadata(directory).map_err(|e| PreparedError::io(directory, e))?)?;
    let file = File::open(path).map_err(|e| PreparedError::io(path, e))?;
    let metadata = file.metadata().map_err(|e| PreparedError::io(path, e))?;
    if !metadata.is_file() {
        return Err(PreparedError::NotAFile { path: path.to_owned() });
    }
    refuse_unsafe(path, &metadata)?;
    Ok((file, metadata.len()))
}

fn refuse_unsafe(path: &Path, metadata: &fs::Metadata) -> Result<(), PreparedError> {
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(PreparedError::NotOwned { path: path.to_owned(), owner, user });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(PreparedError::Writable { path: path.to_owned(), mode, directory: metadata.is_dir() });
    }
    Ok(())
}
