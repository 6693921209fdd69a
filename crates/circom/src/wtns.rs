//! `.wtns`: a value for every wire.

use std::fmt;

use ark_ff::{BigInteger, PrimeField};
use tacit_algebra::{CurveId, field};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::binfile::{Container, Layout, Writer, put_prime, put_u32};
use crate::error::{FileKind, FormatError, Reason};

const HEADER: u32 = 1;
const VALUES: u32 = 2;

static LAYOUT: Layout = Layout {
    file: FileKind::Wtns,
    magic: "wtns",
    version: 2,
    sections: &[(HEADER, "header"), (VALUES, "values")],
    skip_unknown: false,
};

/// A witness. Wire 0 is the constant one. Secret: erased when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Wtns<F: Zeroize> {
    /// A value for every wire.
    pub values: Vec<F>,
}

impl<F: Zeroize> fmt::Debug for Wtns<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wtns({} values)", self.values.len())
    }
}

impl<F: Zeroize> Drop for Wtns<F> {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

impl<F: Zeroize> ZeroizeOnDrop for Wtns<F> {}

/// The curve that the witness's field belongs to.
///
/// # Errors
/// When the container or the header is malformed.
pub fn curve_of(bytes: &[u8]) -> Result<CurveId, FormatError> {
    Container::open(&LAYOUT, bytes)?.section(HEADER)?.prime(CurveId::from_scalar_modulus_le)
}

impl<F: PrimeField> Wtns<F> {
    /// A witness from its values.
    pub fn new(values: Vec<F>) -> Self {
        Self { values }
    }

    /// The values, to be erased by the caller's wrapper.
    pub fn into_values(mut self) -> Zeroizing<Vec<F>> {
        Zeroizing::new(std::mem::take(&mut self.values))
    }

    /// Reads a file. Values that are not below the field's order are refused.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let container = Container::open(&LAYOUT, bytes)?;
        let mut header = container.section(HEADER)?;
        let start = header.offset();
        let got = header.prime(CurveId::from_scalar_modulus_le)?;
        let modulus = F::MODULUS.to_bytes_le();
        if got.scalar_modulus_le() != modulus {
            let reason = match CurveId::from_scalar_modulus_le(&modulus) {
                Some(expected) => Reason::WrongCurve { expected, got },
                None => Reason::UnknownPrime,
            };
            return Err(header.fail_at(start, reason));
        }
        let count = u64::from(header.u32()?);
        header.finish()?;
        let mut section = container.section(VALUES)?;
        section.expect_size(count.checked_mul(field::byte_len::<F>() as u64))?;
        // The section has `count` elements: what is reserved here is there. Nothing moves, so nothing stays behind.
        let mut wtns = Self { values: Vec::with_capacity(usize::try_from(count).unwrap_or(0)) };
        for index in 0..count {
            wtns.values.push(section.element(index)?);
        }
        section.finish()?;
        Ok(wtns)
    }

    /// Writes the file, byte for byte as circom's witness calculators and snarkjs do.
    pub fn write(&self) -> Zeroizing<Vec<u8>> {
        let n8 = field::byte_len::<F>();
        // Reserved in full, so that no copy of the secret is left behind by growing.
        let mut writer = Writer::new(&LAYOUT, 2, 64 + n8 + self.values.len().saturating_mul(n8));
        writer.section(HEADER, |out| {
            put_prime(out, &F::MODULUS.to_bytes_le());
            put_u32(out, u32::try_from(self.values.len()).unwrap_or(u32::MAX));
        });
        writer.section(VALUES, |out| {
            for value in &self.values {
                field::write_le(value, out);
            }
        });
        Zeroizing::new(writer.finish())
    }
}
