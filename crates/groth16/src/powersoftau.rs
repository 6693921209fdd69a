//! Powers of tau of one's own, for tests and development: what a first-phase ceremony with one participant gives,
//! prepared for the second phase.

use ark_ff::{AdditiveGroup, Field};
use blake2::{Blake2b512, Digest};
use rand_core::CryptoRng;
use tacit_algebra::{Curve, Domain, DomainError, G1Affine, G2Affine, Group, Point, ceremony};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::blake2b::Blake2bState;
use crate::transcript::{absorb, absorb_all, challenge_point};

/// The name of the contribution in a file of [`dev`].
pub const DEV_NAME: &str = "tacit dev powers of tau: NOT FOR PRODUCTION";
/// The greatest power that is made here: some 4 GB, and an hour of work. Real ceremonies have published larger ones.
pub const MAX_POWER: u32 = 22;

/// Why no powers of tau were made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PowersError {
    /// Too large for a development file, or nothing at all.
    #[error(
        "powers of tau for development go from 2^1 to 2^{MAX_POWER}; 2^{power} was asked for (take those of a public ceremony)"
    )]
    Power {
        /// The power asked for.
        power: u32,
    },
    /// The field has no such domain.
    #[error(transparent)]
    Domain(#[from] DomainError),
}

/// Secrets of the first phase.
struct Secrets<C: Curve> {
    tau: C::Scalar,
    alpha: C::Scalar,
    beta: C::Scalar,
}

impl<C: Curve> Drop for Secrets<C> {
    fn drop(&mut self) {
        self.tau.zeroize();
        self.alpha.zeroize();
        self.beta.zeroize();
    }
}

/// A prepared `.ptau` file for circuits of up to `2^power` rows, with one contribution that says what it is. **Not for
/// production**: the secrets are drawn here and overwritten at the end, but whoever has seen this machine can forge
/// proofs for every key made over these powers. `snarkjs powersoftau verify` accepts it.
///
/// # Errors
/// See [`PowersError`].
pub fn dev<C: Curve, R: CryptoRng + ?Sized>(power: u32, rng: &mut R) -> Result<Vec<u8>, PowersError> {
    if power == 0 || power > MAX_POWER {
        return Err(PowersError::Power { power });
    }
    let mut draw = || loop {
        let x: C::Scalar = ceremony::field_element(&mut || rng.next_u32());
        if x != C::Scalar::ZERO {
            return x;
        }
    };
    let secrets = Secrets::<C> { tau: draw(), alpha: draw(), beta: draw() };
    let points = Points::<C>::new(power, &secrets)?;
    let contribution = contribution(power, &points, &secrets, rng);
    Ok(points.write(power, &contribution))
}

/// The points of the file's sections.
struct Points<C: Curve> {
    tau_g1: Vec<G1Affine<C>>,
    tau_g2: Vec<G2Affine<C>>,
    alpha_tau: Vec<G1Affine<C>>,
    beta_tau: Vec<G1Affine<C>>,
    beta_g2: G2Affine<C>,
    lagrange_tau_g1: Vec<G1Affine<C>>,
    lagrange_tau_g2: Vec<G2Affine<C>>,
    lagrange_alpha_tau: Vec<G1Affine<C>>,
    lagrange_beta_tau: Vec<G1Affine<C>>,
}

/// `L_i(tau)` for the domains of sizes `2^0 ..= 2^power`, one after the other.
fn lagrange<C: Curve>(power: u32, tau: C::Scalar) -> Result<Zeroizing<Vec<C::Scalar>>, DomainError> {
    let mut all = Zeroizing::new(Vec::with_capacity(2 << power));
    for log_size in 0..=power {
        let one = Zeroizing::new(Domain::new(log_size)?.lagrange_at(tau));
        all.extend(one.iter().copied());
    }
    Ok(all)
}

/// The largest form, which a file holds of `tau` in the first group only. It is made from the powers there are, and
/// `tau^(2^(power+1) - 1)` is not among them: that term is missing. (No quotient has a coefficient there, so that keys
/// are none the worse.)
fn largest_lagrange<C: Curve>(power: u32, tau: C::Scalar) -> Result<Zeroizing<Vec<C::Scalar>>, DomainError> {
    let domain = Domain::<C::Scalar>::new(power + 1)?;
    let size = domain.size() as u64;
    let mut values = Zeroizing::new(domain.lagrange_at(tau));
    let missing = tau.pow([size - 1]) * C::Scalar::from(size).inverse().unwrap_or(C::Scalar::ZERO);
    for (value, point) in values.iter_mut().zip(domain.points()) {
        *value -= missing * point;
    }
    Ok(values)
}

impl<C: Curve> Points<C> {
    fn new(power: u32, secrets: &Secrets<C>) -> Result<Self, DomainError> {
        let n = 1usize << power;
        let mut powers = Zeroizing::new(Vec::with_capacity(2 * n));
        let mut x = C::Scalar::ONE;
        for _ in 0..2 * n - 1 {
            powers.push(x);
            x *= secrets.tau;
        }
        let forms = lagrange::<C>(power, secrets.tau)?;
        let largest = largest_lagrange::<C>(power, secrets.tau)?;

        let mut scalars = Zeroizing::new(Vec::with_capacity(13 * n));
        scalars.extend(powers.iter().copied());
        for factor in [secrets.alpha, secrets.beta] {
            scalars.extend(powers.iter().take(n).map(|x| *x * factor));
        }
        scalars.extend(forms.iter().chain(largest.iter()).copied());
        for factor in [secrets.alpha, secrets.beta] {
            scalars.extend(forms.iter().map(|x| *x * factor));
        }
        let mut scalars_g2 = Zeroizing::new(Vec::with_capacity(3 * n));
        scalars_g2.extend(powers.iter().take(n).copied());
        scalars_g2.push(secrets.beta);
        scalars_g2.extend(forms.iter().copied());

        let mut in_g1 = C::G1::multiples(&C::G1::generator(), &scalars).into_iter();
        let mut in_g2 = C::G2::multiples(&C::G2::generator(), &scalars_g2).into_iter();
        let mut take = |count: usize| in_g1.by_ref().take(count).collect::<Vec<_>>();
        let mut take_g2 = |count: usize| in_g2.by_ref().take(count).collect::<Vec<_>>();
        Ok(Self {
            tau_g1: take(2 * n - 1),
            alpha_tau: take(n),
            beta_tau: take(n),
            lagrange_tau_g1: take(forms.len() + largest.len()),
            lagrange_alpha_tau: take(forms.len()),
            lagrange_beta_tau: take(forms.len()),
            tau_g2: take_g2(n),
            beta_g2: take_g2(1).first().copied().unwrap_or_else(G2Affine::<C>::identity),
            lagrange_tau_g2: take_g2(forms.len()),
        })
    }

    fn write(&self, power: u32, contribution: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(b"ptau");
        out.extend(1u32.to_le_bytes());
        out.extend(11u32.to_le_bytes());
        let modulus = C::ID.base_modulus_le();
        let mut header = (modulus.len() as u32).to_le_bytes().to_vec();
        header.extend(modulus);
        header.extend(power.to_le_bytes());
        header.extend(power.to_le_bytes());
        put_section(&mut out, 1, &header);
        put_points(&mut out, 2, &self.tau_g1);
        put_points(&mut out, 3, &self.tau_g2);
        put_points(&mut out, 4, &self.alpha_tau);
        put_points(&mut out, 5, &self.beta_tau);
        put_points(&mut out, 6, &[self.beta_g2]);
        let mut contributions = 1u32.to_le_bytes().to_vec();
        contributions.extend(contribution);
        put_section(&mut out, 7, &contributions);
        put_points(&mut out, 12, &self.lagrange_tau_g1);
        put_points(&mut out, 13, &self.lagrange_tau_g2);
        put_points(&mut out, 14, &self.lagrange_alpha_tau);
        put_points(&mut out, 15, &self.lagrange_beta_tau);
        out
    }
}

fn put_head(out: &mut Vec<u8>, id: u32, size: usize) {
    out.extend(id.to_le_bytes());
    out.extend((size as u64).to_le_bytes());
}

fn put_section(out: &mut Vec<u8>, id: u32, content: &[u8]) {
    put_head(out, id, content.len());
    out.extend(content);
}

fn put_points<P: Point>(out: &mut Vec<u8>, id: u32, points: &[P]) {
    put_head(out, id, points.len() * P::LEN);
    out.reserve(points.len() * P::LEN);
    points.iter().for_each(|point| point.write_montgomery_le(out));
}

/// The compressed form that responses are hashed in: `x` big-endian, the highest bit set for the larger `y`, the one
/// below it for the point at infinity.
fn compress<F: ark_ff::PrimeField, G: Group<F>>(points: &[G::Affine], hasher: &mut Blake2bState) {
    let half = G::Affine::LEN / 2;
    let (mut own, mut negative) = (Vec::new(), Vec::new());
    for point in points {
        own.clear();
        negative.clear();
        point.write_be(&mut own);
        (-G::from_affine(point)).to_affine().write_be(&mut negative);
        let larger = own.get(half..) > negative.get(half..);
        own.truncate(half);
        if let Some(top) = own.first_mut() {
            *top |= if larger { 0x80 } else { 0 } | if point.is_identity() { 0x40 } else { 0 };
        }
        hasher.update(&own);
    }
}

/// The challenge that a ceremony begins with: the digest of nothing, then all points of the powers of 1.
fn first_challenge<C: Curve>(power: u32) -> [u8; 64] {
    let n = 1usize << power;
    let g1 = C::G1::generator().to_affine();
    let g2 = C::G2::generator().to_affine();
    let mut hasher = Blake2b512::new();
    hasher.update(Blake2b512::digest([]));
    absorb_all(&mut hasher, &vec![g1; 2 * n - 1]);
    absorb_all(&mut hasher, &vec![g2; n]);
    absorb_all(&mut hasher, &vec![g1; 2 * n]);
    absorb(&mut hasher, &g2);
    hasher.finalize().into()
}

/// A proof of knowledge of one secret.
struct Knowledge<C: Curve> {
    g1_s: G1Affine<C>,
    g1_sx: G1Affine<C>,
    g2_spx: G2Affine<C>,
}

impl<C: Curve> Knowledge<C> {
    fn new<R: CryptoRng + ?Sized>(secret: &C::Scalar, label: u8, challenge: &[u8; 64], rng: &mut R) -> Self {
        let g1_s = C::g1_from_words(&mut || rng.next_u32());
        let g1_sx = C::G1::from_affine(&g1_s).scale(secret).to_affine();
        let mut hasher = Blake2b512::new();
        hasher.update([label]);
        hasher.update(challenge);
        absorb(&mut hasher, &g1_s);
        absorb(&mut hasher, &g1_sx);
        let sp = C::G2::from_affine(&challenge_point::<C>(&hasher.finalize()));
        Self { g1_s, g1_sx, g2_spx: sp.scale(secret).to_affine() }
    }
}

/// The record of the only contribution.
fn contribution<C: Curve, R: CryptoRng + ?Sized>(
    power: u32,
    points: &Points<C>,
    secrets: &Secrets<C>,
    rng: &mut R,
) -> Vec<u8> {
    let challenge = first_challenge::<C>(power);
    let known = [
        Knowledge::<C>::new(&secrets.tau, 0, &challenge, rng),
        Knowledge::<C>::new(&secrets.alpha, 1, &challenge, rng),
        Knowledge::<C>::new(&secrets.beta, 2, &challenge, rng),
    ];

    let mut response = Blake2bState::new();
    response.update(&challenge);
    compress::<_, C::G1>(&points.tau_g1, &mut response);
    compress::<_, C::G2>(&points.tau_g2, &mut response);
    compress::<_, C::G1>(&points.alpha_tau, &mut response);
    compress::<_, C::G1>(&points.beta_tau, &mut response);
    compress::<_, C::G2>(&[points.beta_g2], &mut response);
    let partial = response.export();
    let (mut key, mut key_in_file) = (Vec::new(), Vec::new());
    for point in known.iter().flat_map(|k| [k.g1_s, k.g1_sx]) {
        point.write_be(&mut key);
        point.write_montgomery_le(&mut key_in_file);
    }
    for point in known.iter().map(|k| k.g2_spx) {
        point.write_be(&mut key);
        point.write_montgomery_le(&mut key_in_file);
    }
    response.update(&key);

    let mut next_challenge = Blake2b512::new();
    next_challenge.update(response.finish());
    absorb_all(&mut next_challenge, &points.tau_g1);
    absorb_all(&mut next_challenge, &points.tau_g2);
    absorb_all(&mut next_challenge, &points.alpha_tau);
    absorb_all(&mut next_challenge, &points.beta_tau);
    absorb(&mut next_challenge, &points.beta_g2);

    let second = |points: &[G1Affine<C>]| points.get(1).copied().unwrap_or_else(G1Affine::<C>::identity);
    let first = |points: &[G1Affine<C>]| points.first().copied().unwrap_or_else(G1Affine::<C>::identity);
    let mut out = Vec::new();
    second(&points.tau_g1).write_montgomery_le(&mut out);
    let tau_g2 = points.tau_g2.get(1).copied().unwrap_or_else(G2Affine::<C>::identity);
    tau_g2.write_montgomery_le(&mut out);
    first(&points.alpha_tau).write_montgomery_le(&mut out);
    first(&points.beta_tau).write_montgomery_le(&mut out);
    points.beta_g2.write_montgomery_le(&mut out);
    out.extend(key_in_file);
    out.extend(partial);
    out.extend(next_challenge.finalize());
    out.extend(0u32.to_le_bytes());
    // One parameter: the name.
    out.extend((DEV_NAME.len() as u32 + 2).to_le_bytes());
    out.extend([1, DEV_NAME.len() as u8]);
    out.extend(DEV_NAME.as_bytes());
    out
}
