//! `.ptau`: powers of tau, the first phase of a ceremony, and their Lagrange forms for circuits of every size.
//!
//! A file for 2^28 has tens of gigabytes, so nothing is read before it is asked for: [`Ptau::open`] checks the
//! container, the header and every section's size, and [`Points`] reads and checks a range at a time.

use std::marker::PhantomData;
use std::ops::Range;

use ark_ff::FftField;
use tacit_algebra::{Check, Curve, CurveId, G1Affine, G2Affine, Groups, Point};

use crate::binfile::{Container, Cursor, Layout, Writer, put_points, put_prime, put_u32};
use crate::error::{FileKind, FormatError, Reason};

const HEADER: u32 = 1;
const TAU_G1: u32 = 2;
const TAU_G2: u32 = 3;
const ALPHA_TAU_G1: u32 = 4;
const BETA_TAU_G1: u32 = 5;
const BETA_G2: u32 = 6;
const CONTRIBUTIONS: u32 = 7;
const LAGRANGE_TAU_G1: u32 = 12;
const LAGRANGE_TAU_G2: u32 = 13;
const LAGRANGE_ALPHA_TAU_G1: u32 = 14;
const LAGRANGE_BETA_TAU_G1: u32 = 15;

/// Bytes of the hash state that a contribution carries.
const PARTIAL_HASH: usize = 216;

static LAYOUT: Layout = Layout {
    file: FileKind::Ptau,
    magic: "ptau",
    version: 1,
    sections: &[
        (HEADER, "header"),
        (TAU_G1, "tauG1"),
        (TAU_G2, "tauG2"),
        (ALPHA_TAU_G1, "alphaTauG1"),
        (BETA_TAU_G1, "betaTauG1"),
        (BETA_G2, "betaG2"),
        (CONTRIBUTIONS, "contributions"),
        (LAGRANGE_TAU_G1, "Lagrange tauG1"),
        (LAGRANGE_TAU_G2, "Lagrange tauG2"),
        (LAGRANGE_ALPHA_TAU_G1, "Lagrange alphaTauG1"),
        (LAGRANGE_BETA_TAU_G1, "Lagrange betaTauG1"),
    ],
    skip_unknown: false,
};

/// A file, indexed.
pub struct Ptau<'a, C: Curve> {
    power: u32,
    ceremony_power: u32,
    n_contributions: u32,
    container: Container<'a>,
    curve: PhantomData<C>,
}

impl<C: Curve> std::fmt::Debug for Ptau<'_, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ptau({}, power {})", C::ID, self.power)
    }
}

/// A run of points in a file, unread.
#[derive(Clone)]
pub struct Points<'a, P> {
    section: Cursor<'a>,
    /// Position in the section of the first point, in points.
    from: u64,
    len: u64,
    point: PhantomData<P>,
}

impl<P: Point> Points<'_, P> {
    /// How many there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads a range, in parallel. What lies beyond the end is an error.
    ///
    /// # Errors
    /// [`FormatError`] naming the first bad point of the range.
    pub fn read(&self, range: Range<u64>, check: Check) -> Result<Vec<P>, FormatError> {
        let count = range.end.saturating_sub(range.start);
        if range.end > self.len {
            let what = "the end of the range of points";
            return Err(self.section.fail(Reason::Count { what, got: range.end, limit: self.len }));
        }
        let first = self.from.saturating_add(range.start);
        let mut section = self.section.clone();
        section.take_u64(first.saturating_mul(P::LEN as u64))?;
        section.points(count, first, check)
    }

    /// Reads all of them.
    ///
    /// # Errors
    /// As [`Points::read`].
    pub fn read_all(&self, check: Check) -> Result<Vec<P>, FormatError> {
        self.read(0..self.len, check)
    }
}

/// The curve of the file.
///
/// # Errors
/// When the container or the header is malformed.
pub fn curve_of(bytes: &[u8]) -> Result<CurveId, FormatError> {
    Container::open(&LAYOUT, bytes)?.section(HEADER)?.prime(CurveId::from_base_modulus_le)
}

/// `2^power - 1 + ... `: how many points the Lagrange forms of sizes `2^0 ..= 2^power` have together.
const fn lagrange_len(power: u32) -> u64 {
    (1 << (power + 1)) - 1
}

impl<'a, C: Curve> Ptau<'a, C> {
    /// Checks container, header and the sizes of all sections. Points are read and checked when they are asked for.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn open(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let container = Container::open(&LAYOUT, bytes)?;
        let mut header = container.section(HEADER)?;
        header.expect_prime(C::ID, CurveId::from_base_modulus_le)?;
        let start = header.offset();
        let power = header.u32()?;
        let ceremony_power = header.u32()?;
        header.finish()?;
        let limit = <C::Scalar as FftField>::TWO_ADICITY;
        if power > limit {
            return Err(header.fail_at(start, Reason::Power { got: power, limit }));
        }
        let n = 1u64 << power;
        let g1 = G1Affine::<C>::LEN as u64;
        let g2 = G2Affine::<C>::LEN as u64;
        let plain = [
            (TAU_G1, (2 * n - 1) * g1),
            (TAU_G2, n * g2),
            (ALPHA_TAU_G1, n * g1),
            (BETA_TAU_G1, n * g1),
            (BETA_G2, g2),
        ];
        for (id, size) in plain {
            container.section(id)?.expect_size(Some(size))?;
        }
        let lagrange = [
            (LAGRANGE_TAU_G1, lagrange_len(power + 1) * g1),
            (LAGRANGE_TAU_G2, lagrange_len(power) * g2),
            (LAGRANGE_ALPHA_TAU_G1, lagrange_len(power) * g1),
            (LAGRANGE_BETA_TAU_G1, lagrange_len(power) * g1),
        ];
        let prepared = lagrange.iter().any(|(id, _)| container.optional(*id).is_some());
        for (id, size) in lagrange {
            if prepared {
                container.section(id)?.expect_size(Some(size))?;
            }
        }
        let n_contributions = skim_contributions::<C>(container.section(CONTRIBUTIONS)?)?;
        Ok(Self { power, ceremony_power, n_contributions, container, curve: PhantomData })
    }

    /// `log2` of the greatest domain that the file serves.
    pub fn power(&self) -> u32 {
        self.power
    }

    /// The power of the ceremony, of which the file may be a truncation.
    pub fn ceremony_power(&self) -> u32 {
        self.ceremony_power
    }

    /// How many contributions the ceremony had.
    pub fn n_contributions(&self) -> u32 {
        self.n_contributions
    }

    /// Whether the Lagrange forms are there, which a circuit's setup needs.
    pub fn is_prepared(&self) -> bool {
        self.container.optional(LAGRANGE_TAU_G1).is_some()
    }

    fn run<P: Point>(&self, id: u32, from: u64, len: Option<u64>) -> Result<Points<'a, P>, FormatError> {
        let section = self.container.section(id)?;
        let len = len.unwrap_or(section.size() / (P::LEN as u64).max(1));
        Ok(Points { section, from, len, point: PhantomData })
    }

    /// `tau^i` in the first group, `2^(power+1) - 1` points.
    ///
    /// # Errors
    /// None for a file that opened; the signature keeps callers free of panics.
    pub fn tau_g1(&self) -> Result<Points<'a, G1Affine<C>>, FormatError> {
        self.run(TAU_G1, 0, None)
    }

    /// `tau^i` in the second group, `2^power` points.
    ///
    /// # Errors
    /// As [`Ptau::tau_g1`].
    pub fn tau_g2(&self) -> Result<Points<'a, G2Affine<C>>, FormatError> {
        self.run(TAU_G2, 0, None)
    }

    /// `alpha tau^i` in the first group, `2^power` points.
    ///
    /// # Errors
    /// As [`Ptau::tau_g1`].
    pub fn alpha_tau_g1(&self) -> Result<Points<'a, G1Affine<C>>, FormatError> {
        self.run(ALPHA_TAU_G1, 0, None)
    }

    /// `beta tau^i` in the first group, `2^power` points.
    ///
    /// # Errors
    /// As [`Ptau::tau_g1`].
    pub fn beta_tau_g1(&self) -> Result<Points<'a, G1Affine<C>>, FormatError> {
        self.run(BETA_TAU_G1, 0, None)
    }

    /// `beta` in the second group.
    ///
    /// # Errors
    /// When the point does not decode.
    pub fn beta_g2(&self, check: Check) -> Result<G2Affine<C>, FormatError> {
        self.container.section(BETA_G2)?.point(0, check)
    }

    fn lagrange<P: Point>(&self, id: u32, log_size: u32, limit: u32) -> Result<Points<'a, P>, FormatError> {
        let section = self.container.optional(id);
        let header = self.container.section(HEADER)?;
        if section.is_none() {
            return Err(header.fail(Reason::NotPrepared));
        }
        if log_size > limit {
            let what = "the power asked for";
            return Err(header.fail(Reason::Count {
                what,
                got: u64::from(log_size),
                limit: u64::from(limit),
            }));
        }
        // The forms stand one after the other, of sizes 1, 2, 4, ...
        self.run(id, (1 << log_size) - 1, Some(1 << log_size))
    }

    /// The Lagrange polynomials of the domain of size `2^log_size` at `tau`, in the first group; `log_size` up to
    /// `power + 1`.
    ///
    /// # Errors
    /// [`Reason::NotPrepared`], or [`Reason::Count`] for a domain that is too large for the file.
    pub fn lagrange_tau_g1(&self, log_size: u32) -> Result<Points<'a, G1Affine<C>>, FormatError> {
        self.lagrange(LAGRANGE_TAU_G1, log_size, self.power + 1)
    }

    /// The same in the second group; `log_size` up to `power`.
    ///
    /// # Errors
    /// As [`Ptau::lagrange_tau_g1`].
    pub fn lagrange_tau_g2(&self, log_size: u32) -> Result<Points<'a, G2Affine<C>>, FormatError> {
        self.lagrange(LAGRANGE_TAU_G2, log_size, self.power)
    }

    /// The same times `alpha`, in the first group; `log_size` up to `power`.
    ///
    /// # Errors
    /// As [`Ptau::lagrange_tau_g1`].
    pub fn lagrange_alpha_tau_g1(&self, log_size: u32) -> Result<Points<'a, G1Affine<C>>, FormatError> {
        self.lagrange(LAGRANGE_ALPHA_TAU_G1, log_size, self.power)
    }

    /// The same times `beta`, in the first group; `log_size` up to `power`.
    ///
    /// # Errors
    /// As [`Ptau::lagrange_tau_g1`].
    pub fn lagrange_beta_tau_g1(&self, log_size: u32) -> Result<Points<'a, G1Affine<C>>, FormatError> {
        self.lagrange(LAGRANGE_BETA_TAU_G1, log_size, self.power)
    }
}

/// Walks over the contributions, which nothing here uses, to see that the section is what it should be.
fn skim_contributions<C: Groups>(mut section: Cursor<'_>) -> Result<u32, FormatError> {
    let count = section.u32()?;
    // Points after the contribution: 3 in the first group, 2 in the second. Its public key: 6 and 3.
    let points = 9 * G1Affine::<C>::LEN + 5 * G2Affine::<C>::LEN;
    for _ in 0..count {
        section.take(points + PARTIAL_HASH + 64)?;
        let start = section.offset();
        let kind = section.u32()?;
        if kind > 1 {
            return Err(section.fail_at(start, Reason::ContributionKind { got: kind }));
        }
        let parameters = section.u32()?;
        section.take_u64(u64::from(parameters))?;
    }
    section.finish()?;
    Ok(count)
}

/// The points of a file, for writing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PtauPoints<C: Groups> {
    /// `log2` of the greatest domain.
    pub power: u32,
    /// `tau^i` in the first group, `2^(power+1) - 1` points.
    pub tau_g1: Vec<G1Affine<C>>,
    /// `tau^i` in the second group, `2^power` points.
    pub tau_g2: Vec<G2Affine<C>>,
    /// `alpha tau^i` in the first group, `2^power` points.
    pub alpha_tau_g1: Vec<G1Affine<C>>,
    /// `beta tau^i` in the first group, `2^power` points.
    pub beta_tau_g1: Vec<G1Affine<C>>,
    /// `beta` in the second group.
    pub beta_g2: G2Affine<C>,
    /// The Lagrange forms that a circuit's setup needs.
    pub lagrange: Option<LagrangePoints<C>>,
}

/// The Lagrange forms of a [`PtauPoints`], for each power from 0 one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LagrangePoints<C: Groups> {
    /// Powers `0..=power + 1`: `2^(power+2) - 1` points.
    pub tau_g1: Vec<G1Affine<C>>,
    /// Powers `0..=power`: `2^(power+1) - 1` points.
    pub tau_g2: Vec<G2Affine<C>>,
    /// Powers `0..=power`: `2^(power+1) - 1` points.
    pub alpha_tau_g1: Vec<G1Affine<C>>,
    /// Powers `0..=power`: `2^(power+1) - 1` points.
    pub beta_tau_g1: Vec<G1Affine<C>>,
}

impl<C: Curve> PtauPoints<C> {
    /// Writes a file without contributions, in the order in which snarkjs writes its sections. The number of points
    /// is the caller's business: [`Ptau::open`] refuses a file where they do not fit the power.
    pub fn write(&self) -> Vec<u8> {
        let g1 = G1Affine::<C>::LEN;
        let g2 = G2Affine::<C>::LEN;
        let plain = (self.tau_g1.len() + self.alpha_tau_g1.len() + self.beta_tau_g1.len()) * g1
            + (self.tau_g2.len() + 1) * g2;
        let lagrange = self.lagrange.as_ref().map_or(0, |l| {
            (l.tau_g1.len() + l.alpha_tau_g1.len() + l.beta_tau_g1.len()) * g1 + l.tau_g2.len() * g2
        });
        let sections = if self.lagrange.is_some() { 11 } else { 7 };
        let mut writer = Writer::new(&LAYOUT, sections, 512 + plain + lagrange);
        writer.section(HEADER, |out| {
            put_prime(out, &C::ID.base_modulus_le());
            put_u32(out, self.power);
            put_u32(out, self.power);
        });
        writer.section(TAU_G1, |out| put_points(out, &self.tau_g1));
        writer.section(TAU_G2, |out| put_points(out, &self.tau_g2));
        writer.section(ALPHA_TAU_G1, |out| put_points(out, &self.alpha_tau_g1));
        writer.section(BETA_TAU_G1, |out| put_points(out, &self.beta_tau_g1));
        writer.section(BETA_G2, |out| self.beta_g2.write_montgomery_le(out));
        writer.section(CONTRIBUTIONS, |out| put_u32(out, 0));
        if let Some(lagrange) = &self.lagrange {
            writer.section(LAGRANGE_TAU_G1, |out| put_points(out, &lagrange.tau_g1));
            writer.section(LAGRANGE_TAU_G2, |out| put_points(out, &lagrange.tau_g2));
            writer.section(LAGRANGE_ALPHA_TAU_G1, |out| put_points(out, &lagrange.alpha_tau_g1));
            writer.section(LAGRANGE_BETA_TAU_G1, |out| put_points(out, &lagrange.beta_tau_g1));
        }
        writer.finish()
    }
}
