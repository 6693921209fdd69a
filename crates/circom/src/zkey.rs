//! `.zkey`: a Groth16 proving key with the record of its ceremony.

use ark_ff::{FftField, PrimeField};
use rayon::prelude::*;
use tacit_algebra::field::{self, Montgomery};
use tacit_algebra::{Check, Curve, CurveId, G1Affine, G2Affine, Groups, Point};

use crate::binfile::{Container, Cursor, Layout, Writer, put_points, put_prime, put_u32};
use crate::error::{FileKind, FormatError, Protocol, Reason};
use crate::vkey::VerificationKey;

const PROTOCOL: u32 = 1;
const HEADER: u32 = 2;
const IC: u32 = 3;
const COEFFICIENTS: u32 = 4;
const A_QUERY: u32 = 5;
const B_G1_QUERY: u32 = 6;
const B_G2_QUERY: u32 = 7;
const L_QUERY: u32 = 8;
const H_QUERY: u32 = 9;
const CONTRIBUTIONS: u32 = 10;

/// snarkjs's numbers of proof systems.
const GROTH16: u32 = 1;
const PLONK: u32 = 2;
const FFLONK: u32 = 10;

static LAYOUT: Layout = Layout {
    file: FileKind::Zkey,
    magic: "zkey",
    version: 1,
    sections: &[
        (PROTOCOL, "protocol"),
        (HEADER, "header"),
        (IC, "IC"),
        (COEFFICIENTS, "coefficients"),
        (A_QUERY, "A query"),
        (B_G1_QUERY, "B query in G1"),
        (B_G2_QUERY, "B query in G2"),
        (L_QUERY, "L query"),
        (H_QUERY, "H query"),
        (CONTRIBUTIONS, "contributions"),
    ],
    // Keys for other proof systems have more; they are refused by protocol, not by section.
    skip_unknown: true,
};

/// Which matrix of the constraint system a coefficient belongs to. `C` is not stored: for a satisfying witness it is
/// the product of the other two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matrix {
    /// The left factor.
    A,
    /// The right factor.
    B,
}

/// One non-zero entry of the constraint system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coefficient<F> {
    /// The matrix.
    pub matrix: Matrix,
    /// The row: a constraint, or one of the `n_public + 1` rows appended for the public wires.
    pub constraint: u32,
    /// The column: a wire.
    pub wire: u32,
    /// The entry, as a plain field element.
    pub value: F,
}

/// The whole file. Wire 0 is the constant one, wires `1..=n_public` are public, the others private.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zkey<C: Groups> {
    /// All wires, the constant one included.
    pub n_wires: u32,
    /// Public wires, the constant one not included.
    pub n_public: u32,
    /// `log2` of the domain's size.
    pub log_domain: u32,
    /// Verification key.
    pub vk: VerificationKey<C>,
    /// `beta` in the first group.
    pub beta_g1: G1Affine<C>,
    /// `delta` in the first group.
    pub delta_g1: G1Affine<C>,
    /// Entries of `A` and `B`.
    pub coefficients: Vec<Coefficient<C::Scalar>>,
    /// `A_i(tau)` in the first group: `n_wires` points.
    pub a_query: Vec<G1Affine<C>>,
    /// `B_i(tau)` in the first group: `n_wires` points.
    pub b_g1_query: Vec<G1Affine<C>>,
    /// `B_i(tau)` in the second group: `n_wires` points.
    pub b_g2_query: Vec<G2Affine<C>>,
    /// `(beta A_i + alpha B_i + C_i)(tau) / delta` for the private wires: `n_wires - n_public - 1` points.
    pub l_query: Vec<G1Affine<C>>,
    /// The quotient's bases over the odd coset: as many points as the domain has.
    pub h_query: Vec<G1Affine<C>>,
    /// Digest of the circuit and the first phase (BLAKE2b-512), the start of the ceremony's transcript.
    pub cs_hash: [u8; 64],
    /// The ceremony's contributions, in order.
    pub contributions: Vec<Contribution<C>>,
}

/// One contribution to the second phase of a ceremony.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution<C: Groups> {
    /// `delta` in the first group after this contribution.
    pub delta_after: G1Affine<C>,
    /// Proof of knowledge: `s` in the first group.
    pub g1_s: G1Affine<C>,
    /// Proof of knowledge: `s * x` in the first group.
    pub g1_sx: G1Affine<C>,
    /// Proof of knowledge: the challenge point times `x` in the second group.
    pub g2_spx: G2Affine<C>,
    /// The transcript's digest that the challenge point is derived from.
    pub transcript: [u8; 64],
    /// How the contribution's secret was chosen.
    pub kind: ContributionKind,
    /// A name, as the contributor gave it.
    pub name: Option<String>,
}

/// How a contribution's secret was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContributionKind {
    /// By a person or machine that promises to have forgotten it.
    Entropy,
    /// From a public beacon: `2^iterations` hashes of `hash`.
    Beacon {
        /// `log2` of the number of iterations.
        log_iterations: u8,
        /// The beacon's value.
        hash: Vec<u8>,
    },
}

/// The curve of the key.
///
/// # Errors
/// When the container or the header is malformed, or the key is for another proof system.
pub fn curve_of(bytes: &[u8]) -> Result<CurveId, FormatError> {
    let container = Container::open(&LAYOUT, bytes)?;
    expect_groth16(&container)?;
    container.section(HEADER)?.prime(CurveId::from_base_modulus_le)
}

fn expect_groth16(container: &Container<'_>) -> Result<(), FormatError> {
    let mut section = container.section(PROTOCOL)?;
    let start = section.offset();
    let protocol = match section.u32()? {
        GROTH16 => {
            section.finish()?;
            // Now the format is known, and with it which sections there are.
            return container.refuse_unknown();
        }
        PLONK => Protocol::Plonk,
        FFLONK => Protocol::Fflonk,
        other => Protocol::Unknown(other),
    };
    Err(section.fail_at(start, Reason::Protocol { protocol }))
}

impl<C: Curve> Zkey<C> {
    /// Reads a file. With [`Check::Full`] every point is checked for curve and subgroup (in parallel; the first bad
    /// one of a section is named), and none of `alpha`, `beta`, `gamma`, `delta` may be the point at infinity.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn read(bytes: &[u8], check: Check) -> Result<Self, FormatError> {
        let container = Container::open(&LAYOUT, bytes)?;
        expect_groth16(&container)?;

        let mut header = container.section(HEADER)?;
        header.expect_prime(C::ID, CurveId::from_base_modulus_le)?;
        header.expect_prime(C::ID, CurveId::from_scalar_modulus_le)?;
        let counts = header.offset();
        let n_wires = header.u32()?;
        let n_public = header.u32()?;
        let domain_at = header.offset();
        let domain = header.u32()?;
        let known = u64::from(n_public) + 1;
        if known > u64::from(n_wires) {
            let what = "the constant wire and the public ones";
            return Err(header.fail_at(counts, Reason::Count { what, got: known, limit: u64::from(n_wires) }));
        }
        let log_domain = domain.trailing_zeros();
        if !domain.is_power_of_two() || log_domain > <C::Scalar as FftField>::TWO_ADICITY {
            return Err(header.fail_at(domain_at, Reason::DomainSize { got: domain }));
        }
        let alpha_g1 = finite(&mut header, 0, check)?;
        let beta_g1 = finite(&mut header, 1, check)?;
        let beta_g2 = finite(&mut header, 2, check)?;
        let gamma_g2 = finite(&mut header, 3, check)?;
        let delta_g1 = finite(&mut header, 4, check)?;
        let delta_g2 = finite(&mut header, 5, check)?;
        header.finish()?;

        let wires = u64::from(n_wires);
        let coefficients = read_coefficients(container.section(COEFFICIENTS)?, domain, n_wires)?;
        let (cs_hash, contributions) = read_contributions::<C>(container.section(CONTRIBUTIONS)?, check)?;
        let ic = query(container.section(IC)?, known, check)?;
        Ok(Self {
            n_wires,
            n_public,
            log_domain,
            vk: VerificationKey { alpha_g1, beta_g2, gamma_g2, delta_g2, ic },
            beta_g1,
            delta_g1,
            coefficients,
            a_query: query(container.section(A_QUERY)?, wires, check)?,
            b_g1_query: query(container.section(B_G1_QUERY)?, wires, check)?,
            b_g2_query: query(container.section(B_G2_QUERY)?, wires, check)?,
            l_query: query(container.section(L_QUERY)?, wires - known, check)?,
            h_query: query(container.section(H_QUERY)?, u64::from(domain), check)?,
            cs_hash,
            contributions,
        })
    }

    /// Writes the file, byte for byte as snarkjs does: a fresh key (without contributions) has its sections in the
    /// order in which setup computes them, a later one in the order of `zkey contribute`.
    pub fn write(&self) -> Vec<u8> {
        let g1 = G1Affine::<C>::LEN;
        let g2 = G2Affine::<C>::LEN;
        let points = self.vk.ic.len()
            + self.a_query.len()
            + self.b_g1_query.len()
            + self.l_query.len()
            + self.h_query.len()
            + 3
            + 3 * self.contributions.len();
        let points_g2 = self.b_g2_query.len() + 3 + self.contributions.len();
        let capacity = 1024
            + points * g1
            + points_g2 * g2
            + self.coefficients.len() * 44
            + self.contributions.len() * 600;
        let mut writer = Writer::new(&LAYOUT, 10, capacity);
        let order = if self.contributions.is_empty() {
            [
                PROTOCOL,
                HEADER,
                COEFFICIENTS,
                IC,
                H_QUERY,
                L_QUERY,
                A_QUERY,
                B_G1_QUERY,
                B_G2_QUERY,
                CONTRIBUTIONS,
            ]
        } else {
            [
                PROTOCOL,
                HEADER,
                IC,
                COEFFICIENTS,
                A_QUERY,
                B_G1_QUERY,
                B_G2_QUERY,
                L_QUERY,
                H_QUERY,
                CONTRIBUTIONS,
            ]
        };
        for id in order {
            writer.section(id, |out| match id {
                PROTOCOL => put_u32(out, GROTH16),
                HEADER => self.write_header(out),
                IC => put_points(out, &self.vk.ic),
                COEFFICIENTS => self.write_coefficients(out),
                A_QUERY => put_points(out, &self.a_query),
                B_G1_QUERY => put_points(out, &self.b_g1_query),
                B_G2_QUERY => put_points(out, &self.b_g2_query),
                L_QUERY => put_points(out, &self.l_query),
                H_QUERY => put_points(out, &self.h_query),
                _ => self.write_contributions(out),
            });
        }
        writer.finish()
    }

    fn write_header(&self, out: &mut Vec<u8>) {
        put_prime(out, &C::ID.base_modulus_le());
        put_prime(out, &C::ID.scalar_modulus_le());
        put_u32(out, self.n_wires);
        put_u32(out, self.n_public);
        put_u32(out, 1u32.checked_shl(self.log_domain).unwrap_or(0));
        self.vk.alpha_g1.write_montgomery_le(out);
        self.beta_g1.write_montgomery_le(out);
        self.vk.beta_g2.write_montgomery_le(out);
        self.vk.gamma_g2.write_montgomery_le(out);
        self.delta_g1.write_montgomery_le(out);
        self.vk.delta_g2.write_montgomery_le(out);
    }

    fn write_coefficients(&self, out: &mut Vec<u8>) {
        let r = montgomery_factor::<C::Scalar>();
        put_u32(out, u32::try_from(self.coefficients.len()).unwrap_or(u32::MAX));
        for coefficient in &self.coefficients {
            put_u32(
                out,
                match coefficient.matrix {
                    Matrix::A => 0,
                    Matrix::B => 1,
                },
            );
            put_u32(out, coefficient.constraint);
            put_u32(out, coefficient.wire);
            (coefficient.value * r).write_montgomery_le(out);
        }
    }

    fn write_contributions(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.cs_hash);
        put_u32(out, u32::try_from(self.contributions.len()).unwrap_or(u32::MAX));
        for contribution in &self.contributions {
            contribution.write(out);
        }
    }
}

/// A point of the header that must not be the neutral element.
fn finite<P: Point>(header: &mut Cursor<'_>, index: u64, check: Check) -> Result<P, FormatError> {
    let start = header.offset();
    let point: P = header.point(index, check)?;
    if check == Check::Full && point.is_identity() {
        return Err(header.fail_at(start, Reason::Infinity { index }));
    }
    Ok(point)
}

/// A section that holds `count` points and nothing else.
fn query<P: Point>(mut section: Cursor<'_>, count: u64, check: Check) -> Result<Vec<P>, FormatError> {
    section.expect_size(count.checked_mul(P::LEN as u64))?;
    section.points(count, 0, check)
}

/// `R`, the factor of the Montgomery form. Coefficients carry it twice on disk, so that one Montgomery product with a
/// plain witness value gives the product in Montgomery form.
fn montgomery_factor<F: PrimeField>() -> F {
    F::from(2u64).pow([8 * field::byte_len::<F>() as u64])
}

fn read_coefficients<F: Montgomery>(
    mut section: Cursor<'_>,
    domain: u32,
    n_wires: u32,
) -> Result<Vec<Coefficient<F>>, FormatError> {
    let count = u64::from(section.u32()?);
    let n8 = field::byte_len::<F>();
    let len = 12 + n8;
    section.expect_size(Some(4 + count * len as u64))?;
    let start = section.offset();
    let bytes = section.take_u64(count * len as u64)?;
    section.finish()?;
    let inverse = montgomery_factor::<F>().inverse().unwrap_or_default();
    let read = |bytes: &[u8]| -> Result<Coefficient<F>, (u64, Reason)> {
        let word = |at: usize| -> u32 {
            let mut word = [0; 4];
            if let Some(bytes) = bytes.get(at..at + 4) {
                word.copy_from_slice(bytes);
            }
            u32::from_le_bytes(word)
        };
        let (matrix, constraint, wire) = (word(0), word(4), word(8));
        let matrix = match matrix {
            0 => Matrix::A,
            1 => Matrix::B,
            got => return Err((0, Reason::Matrix { got })),
        };
        if constraint >= domain {
            return Err((4, Reason::Constraint { got: constraint, size: domain }));
        }
        if wire >= n_wires {
            return Err((8, Reason::Wire { got: wire, wires: n_wires }));
        }
        let value = F::read_montgomery_le(bytes.get(12..).unwrap_or_default())
            .map_err(|why| (12, Reason::Element { index: 0, why }))?;
        Ok(Coefficient { matrix, constraint, wire, value: value * inverse })
    };
    let all: Result<Vec<_>, _> = bytes.par_chunks(len).map(read).collect();
    all.map_err(|any| {
        let fault = |(i, bytes): (usize, &[u8])| read(bytes).err().map(|fault| (i as u64, fault));
        let first = bytes.par_chunks(len).enumerate().find_map_first(fault);
        let (index, (within, reason)) = first.unwrap_or((0, any));
        let reason = match reason {
            Reason::Element { why, .. } => Reason::Element { index, why },
            other => other,
        };
        section.fail_at(start + index * len as u64 + within, reason)
    })
}

/// The circuit's digest and the contributions.
type Ceremony<C> = ([u8; 64], Vec<Contribution<C>>);

fn read_contributions<C: Groups>(mut section: Cursor<'_>, check: Check) -> Result<Ceremony<C>, FormatError> {
    let cs_hash = section.array()?;
    let count = section.u32()?;
    let mut contributions = Vec::new();
    for index in 0..u64::from(count) {
        contributions.push(Contribution::read(&mut section, index, check)?);
    }
    section.finish()?;
    Ok((cs_hash, contributions))
}

/// Tags of a contribution's parameters.
const NAME: u8 = 1;
const LOG_ITERATIONS: u8 = 2;
const BEACON_HASH: u8 = 3;

impl<C: Groups> Contribution<C> {
    fn read(section: &mut Cursor<'_>, index: u64, check: Check) -> Result<Self, FormatError> {
        let delta_after = section.point(4 * index, check)?;
        let g1_s = section.point(4 * index + 1, check)?;
        let g1_sx = section.point(4 * index + 2, check)?;
        let g2_spx = section.point(4 * index + 3, check)?;
        let transcript = section.array()?;
        let kind_at = section.offset();
        let kind = section.u32()?;
        let size_at = section.offset();
        let size = u64::from(section.u32()?);
        let end = section.offset().saturating_add(size);
        let (mut name, mut log_iterations, mut hash) = (None, None, None);
        let mut last = 0;
        while section.offset() < end {
            let start = section.offset();
            let malformed = |what| Reason::ContributionParameters { what };
            let tag = section.u8()?;
            if tag <= last {
                return Err(section.fail_at(start, malformed("they are not in ascending order")));
            }
            last = tag;
            match tag {
                NAME => {
                    let length = section.u8()?;
                    let at = section.offset();
                    let text = section.take(usize::from(length))?;
                    name = Some(
                        std::str::from_utf8(text)
                            .map_err(|e| section.fail_at(at + e.valid_up_to() as u64, Reason::Utf8))?
                            .to_owned(),
                    );
                }
                LOG_ITERATIONS => log_iterations = Some(section.u8()?),
                BEACON_HASH => {
                    let length = section.u8()?;
                    hash = Some(section.take(usize::from(length))?.to_vec());
                }
                _ => return Err(section.fail_at(start, malformed("one of them is unknown"))),
            }
        }
        let malformed = |what| section.fail_at(size_at, Reason::ContributionParameters { what });
        if section.offset() != end {
            return Err(malformed("their size is wrong"));
        }
        let kind = match (kind, log_iterations, hash) {
            (0, None, None) => ContributionKind::Entropy,
            (0, ..) => return Err(malformed("a beacon's in a contribution that is none")),
            (1, Some(log_iterations), Some(hash)) => ContributionKind::Beacon { log_iterations, hash },
            (1, ..) => return Err(malformed("a beacon without its value or number of iterations")),
            (got, ..) => return Err(section.fail_at(kind_at, Reason::ContributionKind { got })),
        };
        Ok(Self { delta_after, g1_s, g1_sx, g2_spx, transcript, kind, name })
    }

    /// As snarkjs: names are cut after 64 UTF-16 units, an empty name is no name. A beacon's value is cut after 255
    /// bytes, the most that the format can hold.
    fn write(&self, out: &mut Vec<u8>) {
        self.delta_after.write_montgomery_le(out);
        self.g1_s.write_montgomery_le(out);
        self.g1_sx.write_montgomery_le(out);
        self.g2_spx.write_montgomery_le(out);
        out.extend_from_slice(&self.transcript);
        let mut parameters = Vec::new();
        if let Some(name) = self.name.as_deref().filter(|name| !name.is_empty()) {
            let units: Vec<u16> = name.encode_utf16().take(64).collect();
            put_short(&mut parameters, NAME, String::from_utf16_lossy(&units).as_bytes());
        }
        let kind = match &self.kind {
            ContributionKind::Entropy => 0,
            ContributionKind::Beacon { log_iterations, hash } => {
                parameters.extend_from_slice(&[LOG_ITERATIONS, *log_iterations]);
                put_short(&mut parameters, BEACON_HASH, hash);
                1
            }
        };
        put_u32(out, kind);
        put_u32(out, u32::try_from(parameters.len()).unwrap_or(u32::MAX));
        out.extend_from_slice(&parameters);
    }
}

/// A tag, a length in one byte, the bytes.
fn put_short(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    let bytes = bytes.get(..255).unwrap_or(bytes);
    out.push(tag);
    out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(bytes);
}
