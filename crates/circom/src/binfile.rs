//! The container that `.r1cs`, `.wtns`, `.zkey` and `.ptau` share: magic, version, number of sections, and for each
//! section its number (4 bytes), size (8 bytes) and content, everything little-endian, in any order.
//!
//! Nothing here or above allocates by a size that a file claims before that many bytes were seen.

use ark_ff::PrimeField;
use rayon::prelude::*;
use tacit_algebra::{Check, CurveId, DecodeError, Point, field};

use crate::error::{FileKind, FormatError, Reason, Section};

/// What a kind of file looks like from outside.
pub(crate) struct Layout {
    pub file: FileKind,
    pub magic: &'static str,
    pub version: u32,
    /// The sections that the format has.
    pub sections: &'static [(u32, &'static str)],
    /// Whether other sections are passed over when the file is opened.
    pub skip_unknown: bool,
}

impl Layout {
    pub fn section(&self, id: u32) -> Section {
        let name = self.sections.iter().find(|(known, _)| *known == id).map_or("unknown", |(_, name)| name);
        Section { id, name }
    }
}

/// A file cut into its sections.
pub(crate) struct Container<'a> {
    layout: &'static Layout,
    len: u64,
    sections: Vec<(u32, Cursor<'a>)>,
    /// Number and offset of the first section passed over.
    unknown: Option<(u32, u64)>,
}

impl<'a> Container<'a> {
    pub fn open(layout: &'static Layout, bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut cursor = Cursor { file: layout.file, section: None, base: 0, pos: 0, bytes };
        if cursor.take(4).ok() != Some(layout.magic.as_bytes()) {
            return Err(cursor.fail_at(0, Reason::Magic { expected: layout.magic }));
        }
        let version = cursor.u32()?;
        if version != layout.version {
            return Err(cursor.fail_at(4, Reason::Version { expected: layout.version, got: version }));
        }
        let count = cursor.u32()?;
        // Grows with what was read: every section takes at least 12 bytes.
        let mut sections: Vec<(u32, Cursor<'a>)> = Vec::new();
        let mut unknown = None;
        for _ in 0..count {
            let start = cursor.offset();
            let id = cursor.u32()?;
            let size = cursor.u64()?;
            let known = layout.sections.iter().any(|(known, _)| *known == id);
            if known {
                cursor.section = Some(layout.section(id));
            } else if layout.skip_unknown {
                unknown = unknown.or(Some((id, start)));
            } else {
                return Err(cursor.fail_at(start, Reason::UnknownSection { id }));
            }
            let base = cursor.offset();
            let content = cursor.take_u64(size)?;
            if known {
                if sections.iter().any(|(seen, _)| *seen == id) {
                    return Err(cursor.fail_at(start, Reason::DuplicateSection));
                }
                let section = Some(layout.section(id));
                sections.push((id, Cursor { file: layout.file, section, base, pos: 0, bytes: content }));
            }
            cursor.section = None;
        }
        let rest = cursor.remaining();
        if rest > 0 {
            return Err(cursor.fail(Reason::TrailingFile { bytes: rest }));
        }
        Ok(Self { layout, len: bytes.len() as u64, sections, unknown })
    }

    /// Refuses sections that were passed over.
    pub fn refuse_unknown(&self) -> Result<(), FormatError> {
        match self.unknown {
            Some((id, offset)) => Err(FormatError {
                file: self.layout.file,
                section: None,
                offset,
                reason: Reason::UnknownSection { id },
            }),
            None => Ok(()),
        }
    }

    /// A section that must be there, from its beginning.
    pub fn section(&self, id: u32) -> Result<Cursor<'a>, FormatError> {
        self.optional(id).ok_or_else(|| FormatError {
            file: self.layout.file,
            section: Some(self.layout.section(id)),
            offset: self.len,
            reason: Reason::MissingSection,
        })
    }

    /// A section that may be missing.
    pub fn optional(&self, id: u32) -> Option<Cursor<'a>> {
        self.sections.iter().find(|(known, _)| *known == id).map(|(_, cursor)| cursor.clone())
    }
}

/// Reads a section (or the whole file) from front to back and knows where it stands.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    file: FileKind,
    section: Option<Section>,
    base: u64,
    pos: usize,
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// The offset in the file of the next byte.
    pub fn offset(&self) -> u64 {
        self.base.saturating_add(self.pos as u64)
    }

    pub fn remaining(&self) -> u64 {
        self.bytes.len().saturating_sub(self.pos) as u64
    }

    /// The section's whole size.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// A fault at the next byte.
    pub fn fail(&self, reason: Reason) -> FormatError {
        self.fail_at(self.offset(), reason)
    }

    /// A fault at an offset in the file.
    pub fn fail_at(&self, offset: u64, reason: Reason) -> FormatError {
        FormatError { file: self.file, section: self.section, offset, reason }
    }

    pub fn take(&mut self, n: usize) -> Result<&'a [u8], FormatError> {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        match rest.get(..n) {
            Some(taken) => {
                self.pos += n;
                Ok(taken)
            }
            None => Err(self.fail(Reason::Truncated { needed: n as u64, available: rest.len() as u64 })),
        }
    }

    pub fn take_u64(&mut self, n: u64) -> Result<&'a [u8], FormatError> {
        match usize::try_from(n) {
            Ok(n) => self.take(n),
            Err(_) => Err(self.fail(Reason::Truncated { needed: n, available: self.remaining() })),
        }
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub fn u8(&mut self) -> Result<u8, FormatError> {
        self.array::<1>().map(|[b]| b)
    }

    pub fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Refuses a section whose size is not the one that follows from the file's counts.
    pub fn expect_size(&self, expected: Option<u64>) -> Result<(), FormatError> {
        let got = self.size();
        let expected = expected.unwrap_or(u64::MAX);
        if got == expected {
            Ok(())
        } else {
            Err(self.fail_at(self.base, Reason::SectionSize { expected, got }))
        }
    }

    /// Refuses bytes behind what was read.
    pub fn finish(&self) -> Result<(), FormatError> {
        if self.remaining() == 0 {
            Ok(())
        } else {
            Err(self.fail(Reason::SectionSize { expected: self.pos as u64, got: self.size() }))
        }
    }

    /// A prime with its size before it, as every header begins; the curve that it belongs to.
    pub fn prime(&mut self, curve_of: impl Fn(&[u8]) -> Option<CurveId>) -> Result<CurveId, FormatError> {
        let start = self.offset();
        let size = self.u32()?;
        let prime = self.take_u64(u64::from(size))?;
        curve_of(prime).ok_or_else(|| self.fail_at(start, Reason::UnknownPrime))
    }

    /// As [`Cursor::prime`], refusing another curve than `expected`.
    pub fn expect_prime(
        &mut self,
        expected: CurveId,
        curve_of: impl Fn(&[u8]) -> Option<CurveId>,
    ) -> Result<(), FormatError> {
        let start = self.offset();
        let got = self.prime(curve_of)?;
        if got == expected { Ok(()) } else { Err(self.fail_at(start, Reason::WrongCurve { expected, got })) }
    }

    /// A canonical field element, the `index`-th of its section.
    pub fn element<F: PrimeField>(&mut self, index: u64) -> Result<F, FormatError> {
        let start = self.offset();
        let bytes = self.take(field::byte_len::<F>())?;
        field::read_le(bytes).map_err(|why| self.fail_at(start, Reason::Element { index, why }))
    }

    /// A point, the `index`-th of its section.
    pub fn point<P: Point>(&mut self, index: u64, check: Check) -> Result<P, FormatError> {
        let start = self.offset();
        let bytes = self.take(P::LEN)?;
        P::read_montgomery_le(bytes, check).map_err(|why| self.fail_at(start, Reason::Point { index, why }))
    }

    /// The next `count` points, of which the first is the `index`-th of its section. In parallel; the error names the
    /// first bad point.
    pub fn points<P: Point>(&mut self, count: u64, index: u64, check: Check) -> Result<Vec<P>, FormatError> {
        let start = self.offset();
        let bytes = self.take_u64(count.saturating_mul(P::LEN as u64))?;
        let read = |bytes: &[u8]| P::read_montgomery_le(bytes, check);
        let decode = |bytes: &[u8]| P::read_montgomery_le(bytes, Check::Trusted);
        let all: Result<Vec<P>, DecodeError> =
            bytes.par_chunks(P::LEN).with_min_len(MIN_LEN).map(decode).collect();
        let members = |all: Vec<P>| match check {
            Check::Full if !P::all_are_members(&all) => Err(DecodeError::NotInSubgroup),
            _ => Ok(all),
        };
        // All together first; only where something is wrong one by one, to say what. What was refused stays refused.
        all.and_then(members).map_err(|any| {
            let first = bytes
                .par_chunks(P::LEN)
                .enumerate()
                .find_map_first(|(i, bytes)| read(bytes).err().map(|why| (i as u64, why)));
            let (i, why) = first.unwrap_or((0, any));
            let offset = start.saturating_add(i.saturating_mul(P::LEN as u64));
            self.fail_at(offset, Reason::Point { index: index.saturating_add(i), why })
        })
    }
}

/// Points below which decoding is not worth a second thread.
const MIN_LEN: usize = 1 << 8;

/// Writes a container. A section's size is filled in when it is closed.
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub fn new(layout: &Layout, sections: u32, capacity: usize) -> Self {
        let mut out = Vec::with_capacity(capacity);
        out.extend_from_slice(layout.magic.as_bytes());
        out.extend_from_slice(&layout.version.to_le_bytes());
        out.extend_from_slice(&sections.to_le_bytes());
        Self { out }
    }

    pub fn section(&mut self, id: u32, content: impl FnOnce(&mut Vec<u8>)) {
        self.out.extend_from_slice(&id.to_le_bytes());
        let size_at = self.out.len();
        self.out.extend_from_slice(&[0; 8]);
        content(&mut self.out);
        let size = (self.out.len() - size_at - 8) as u64;
        if let Some(slot) = self.out.get_mut(size_at..size_at + 8) {
            slot.copy_from_slice(&size.to_le_bytes());
        }
    }

    pub fn finish(self) -> Vec<u8> {
        self.out
    }
}

pub(crate) fn put_u32(out: &mut Vec<u8>, x: u32) {
    out.extend_from_slice(&x.to_le_bytes());
}

/// A prime with its size before it.
pub(crate) fn put_prime(out: &mut Vec<u8>, prime: &[u8]) {
    put_u32(out, u32::try_from(prime.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(prime);
}

pub(crate) fn put_points<P: Point>(out: &mut Vec<u8>, points: &[P]) {
    out.reserve(points.len().saturating_mul(P::LEN));
    for point in points {
        point.write_montgomery_le(out);
    }
}
