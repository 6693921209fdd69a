//! What every prepared form shares: a header, a digest, and a file that nobody else can have written.
//!
//! ```text
//! 0    magic (8 bytes)
//! 8    version (u32), curve (u32, see CurveId::code)
//! 16   circuit id (32 bytes)
//! 48   digest (32 bytes): BLAKE3, key-derivation mode, over the header without the digest, then the body
//! 80   sizes, as many as the form has (u64 each)
//!      body
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::OnceLock;

use rayon::prelude::*;
use tacit_algebra::{Check, Curve, CurveId, DecodeError, Point};

use super::PreparedError;
use crate::key::CircuitId;

const CURVE_AT: usize = 12;
const CIRCUIT_AT: usize = 16;
const DIGEST_AT: Range<usize> = 48..80;
const SIZES_AT: usize = 80;
/// Bytes that are read at a time.
const PIECE: usize = 1 << 20;

/// What sets one form apart from the others; `N` sizes are in its header.
pub(super) struct Form<const N: usize> {
    /// What it is, for messages.
    pub(super) name: &'static str,
    pub(super) magic: &'static [u8; 8],
    /// The version that is written and read.
    pub(super) version: u32,
    /// Separates its digests from all others.
    pub(super) digest_context: &'static str,
}

/// What a header says.
pub(super) struct Head<const N: usize> {
    pub(super) curve: CurveId,
    pub(super) circuit_id: CircuitId,
    /// As the file claims it.
    pub(super) digest: [u8; 32],
    pub(super) sizes: [u64; N],
}

impl<const N: usize> Form<N> {
    /// Bytes before the body.
    pub(super) const HEADER: usize = SIZES_AT + 8 * N;

    /// A header whose digest is still to come.
    pub(super) fn start(&self, curve: CurveId, circuit_id: &CircuitId, sizes: [u64; N]) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::HEADER);
        out.extend(self.magic);
        out.extend(self.version.to_le_bytes());
        out.extend(u32::from(curve.code()).to_le_bytes());
        out.extend(circuit_id.0);
        out.extend([0; 32]);
        sizes.iter().for_each(|size| out.extend(size.to_le_bytes()));
        out
    }

    /// Puts the digest in and writes the file, so that a crash leaves the old one or the new one. Returns the digest.
    pub(super) fn write(&self, path: &Path, mut bytes: Vec<u8>) -> Result<[u8; 32], PreparedError> {
        let directory = directory_of(path);
        refuse_unsafe(directory, &fs::metadata(directory).map_err(|e| PreparedError::io(directory, e))?)?;
        let digest = self.digest(&bytes);
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

    /// The header of a file; nothing behind it is looked at.
    pub(super) fn inspect(&self, path: &Path) -> Result<Head<N>, PreparedError> {
        self.read_head(path, &mut open_checked(path)?.0)
    }

    fn read_head(&self, path: &Path, file: &mut File) -> Result<Head<N>, PreparedError> {
        let mut bytes = Vec::with_capacity(Self::HEADER);
        file.take(Self::HEADER as u64).read_to_end(&mut bytes).map_err(|e| PreparedError::io(path, e))?;
        self.head(path, &bytes)
    }

    /// Reads a whole file, header included, that must be over this curve, as long as `expected_len` says and have the
    /// right digest.
    pub(super) fn read<C: Curve>(
        &self,
        path: &Path,
        expected_len: impl Fn(&Head<N>) -> Option<u64>,
    ) -> Result<(Head<N>, Vec<u8>), PreparedError> {
        let (mut file, len) = open_checked(path)?;
        let check = |head: &Head<N>| {
            if head.curve != C::ID {
                let got = Some(head.curve);
                return Err(PreparedError::Curve { path: path.to_owned(), expected: C::ID, got });
            }
            if expected_len(head) != Some(len) {
                let what = "its size is not the one that its header asks for";
                return Err(PreparedError::damaged(path, what));
            }
            Ok(())
        };
        // What cannot be used is not brought into memory.
        check(&self.read_head(path, &mut file)?)?;
        // Pieces are read side by side: most of the time goes into making room for them.
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        bytes
            .par_chunks_mut(PIECE)
            .enumerate()
            .try_for_each(|(k, piece)| file.read_exact_at(piece, (k * PIECE) as u64))
            .map_err(|e| PreparedError::io(path, e))?;
        // The file may have changed since; what is in memory counts.
        let head = self.head(path, &bytes)?;
        check(&head)?;
        if self.digest(&bytes) != head.digest {
            return Err(PreparedError::damaged(path, "its digest is wrong"));
        }
        Ok((head, bytes))
    }

    fn head(&self, path: &Path, bytes: &[u8]) -> Result<Head<N>, PreparedError> {
        if bytes.len() < Self::HEADER || !bytes.starts_with(self.magic) {
            return Err(PreparedError::Magic { path: path.to_owned(), form: self.name });
        }
        let version = u32::from_le_bytes(array_at(bytes, 8));
        if version != self.version {
            let (form, reads) = (self.name, self.version);
            return Err(PreparedError::Version { path: path.to_owned(), form, reads, got: version });
        }
        let curve = u32::from_le_bytes(array_at(bytes, CURVE_AT));
        let Some(curve) = u8::try_from(curve).ok().and_then(CurveId::from_code) else {
            return Err(PreparedError::damaged(path, "it names an unknown curve"));
        };
        Ok(Head {
            curve,
            circuit_id: CircuitId(array_at(bytes, CIRCUIT_AT)),
            digest: array_at(bytes, DIGEST_AT.start),
            sizes: std::array::from_fn(|k| u64::from_le_bytes(array_at(bytes, SIZES_AT + 8 * k))),
        })
    }

    fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(self.digest_context);
        hasher.update(bytes.get(..DIGEST_AT.start).unwrap_or_default());
        hasher.update_rayon(bytes.get(DIGEST_AT.end..).unwrap_or_default());
        hasher.finalize().into()
    }

    /// What follows the header.
    pub(super) fn body<'a>(&self, path: &'a Path, bytes: &'a [u8]) -> Rest<'a> {
        Rest { path, bytes: bytes.get(Self::HEADER..).unwrap_or_default() }
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|b| b.first_chunk()).copied().unwrap_or([0; N])
}

/// Appends points.
pub(super) fn put_points<P: Point>(out: &mut Vec<u8>, points: &[P]) {
    out.reserve(points.len() * P::LEN);
    points.iter().for_each(|point| point.write_montgomery_le(out));
}

/// Appends numbers.
pub(super) fn put_u32s(out: &mut Vec<u8>, numbers: &[u32]) {
    out.reserve(numbers.len() * 4);
    numbers.iter().for_each(|x| out.extend(x.to_le_bytes()));
}

/// What is left of a body.
pub(super) struct Rest<'a> {
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
    pub(super) fn many<T: Copy + Send + Sync>(
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

    /// So many points, which were checked when the file was written.
    pub(super) fn points<P: Point>(&mut self, count: usize) -> Result<Vec<P>, PreparedError> {
        self.many(count, P::LEN, P::identity(), |bytes| P::read_montgomery_le(bytes, Check::Trusted))
    }

    pub(super) fn points_array<P: Point, const N: usize>(&mut self) -> Result<[P; N], PreparedError> {
        let points = self.points(N)?;
        <[P; N]>::try_from(points).map_err(|_| PreparedError::damaged(self.path, "it ends too early"))
    }

    pub(super) fn u32s(&mut self, count: u64) -> Result<Vec<u32>, PreparedError> {
        let bytes = self.take((count as usize).saturating_mul(4))?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect())
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
