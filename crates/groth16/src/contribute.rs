//! Adding to a ceremony: `zkey contribute` and `zkey beacon`.

use ark_ff::Field;
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use tacit_algebra::{Curve, Group};
use tacit_circom::Zkey;
use tacit_circom::zkey::ContributionKind;
use thiserror::Error;
use zeroize::Zeroize;

use crate::transcript::{Digest64, Draw, contribution_hash, record, scale_all, words_of};

/// The longest name of a contribution, in characters: snarkjs cuts what is longer.
pub const MAX_NAME: usize = 64;
/// The longest beacon value, in bytes.
pub const MAX_BEACON: usize = 255;
/// `log2` of the fewest iterations of a beacon, as snarkjs has it.
pub const MIN_BEACON_LOG_ITERATIONS: u8 = 10;
/// `log2` of the most iterations of a beacon that this program makes or checks (2^32 hashes take minutes). The
/// format allows 63; a file must not be able to ask for years of work.
pub const MAX_BEACON_LOG_ITERATIONS: u8 = 32;

/// Why no contribution was made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ContributeError {
    /// The name is too long to be recorded.
    #[error(
        "a contribution's name has at most {MAX_NAME} characters and 255 bytes; this one has {chars} and {bytes}"
    )]
    NameTooLong {
        /// Characters of the name.
        chars: usize,
        /// Bytes of the name.
        bytes: usize,
    },
    /// The beacon's value has the wrong size.
    #[error("a beacon's value has 1 to {MAX_BEACON} bytes; this one has {bytes}")]
    BeaconSize {
        /// Bytes given.
        bytes: usize,
    },
    /// Too few or too many iterations.
    #[error(
        "a beacon takes 2^{MIN_BEACON_LOG_ITERATIONS} to 2^{MAX_BEACON_LOG_ITERATIONS} iterations here; 2^{log_iterations} were asked for"
    )]
    BeaconIterations {
        /// `log2` of the iterations asked for.
        log_iterations: u8,
    },
}

/// Adds a contribution whose secret is drawn from `rng` and forgotten, and returns the digest that the contributor
/// publishes. What `snarkjs zkey contribute` does, and verifiable by it. Costs one multiplication for each private
/// wire and each point of the domain.
///
/// # Errors
/// [`ContributeError::NameTooLong`].
pub fn contribute<C: Curve, R: CryptoRng + ?Sized>(
    zkey: &mut Zkey<C>,
    name: Option<&str>,
    rng: &mut R,
) -> Result<Digest64, ContributeError> {
    let name = checked_name(name)?;
    let draw = Draw::new(&mut || rng.next_u32());
    Ok(apply(zkey, &draw, ContributionKind::Entropy, name))
}

/// Adds the contribution that a public random beacon determines, as `snarkjs zkey beacon` does: anyone can check that
/// nobody chose it.
///
/// # Errors
/// See [`ContributeError`].
pub fn beacon<C: Curve>(
    zkey: &mut Zkey<C>,
    name: Option<&str>,
    value: &[u8],
    log_iterations: u8,
) -> Result<Digest64, ContributeError> {
    let name = checked_name(name)?;
    if value.is_empty() || value.len() > MAX_BEACON {
        return Err(ContributeError::BeaconSize { bytes: value.len() });
    }
    let draw = beacon_draw(value, log_iterations)?;
    Ok(apply(zkey, &draw, ContributionKind::Beacon { log_iterations, hash: value.to_vec() }, name))
}

/// What a beacon's value determines: SHA-256 iterated `2^log_iterations` times, the result as seed.
pub(crate) fn beacon_draw<C: Curve>(value: &[u8], log_iterations: u8) -> Result<Draw<C>, ContributeError> {
    if !(MIN_BEACON_LOG_ITERATIONS..=MAX_BEACON_LOG_ITERATIONS).contains(&log_iterations) {
        return Err(ContributeError::BeaconIterations { log_iterations });
    }
    let mut digest: [u8; 32] = Sha256::digest(value).into();
    for _ in 1..1u64 << log_iterations {
        digest = Sha256::digest(digest).into();
    }
    Ok(Draw::new(&mut words_of(&digest)))
}

/// The name to record: an empty one is none, as snarkjs has it.
pub(crate) fn checked_name(name: Option<&str>) -> Result<Option<String>, ContributeError> {
    match name.filter(|name| !name.is_empty()) {
        // snarkjs counts UTF-16 units, and the file has one byte for the number of bytes.
        Some(name) if name.encode_utf16().count() > MAX_NAME || name.len() > 255 => {
            Err(ContributeError::NameTooLong { chars: name.chars().count(), bytes: name.len() })
        }
        name => Ok(name.map(str::to_owned)),
    }
}

fn apply<C: Curve>(
    zkey: &mut Zkey<C>,
    draw: &Draw<C>,
    kind: ContributionKind,
    name: Option<String>,
) -> Digest64 {
    let delta_g1 = C::G1::from_affine(&zkey.delta_g1).scale(&draw.secret).to_affine();
    let delta_g2 = C::G2::from_affine(&zkey.vk.delta_g2).scale(&draw.secret).to_affine();
    let contribution = record(zkey, draw, delta_g1, kind, name);
    let hash = contribution_hash(&contribution);
    // The secret is not zero: `Draw` sees to that.
    let mut inverse = draw.secret.inverse().unwrap_or(draw.secret);
    zkey.l_query = scale_all::<C::Scalar, C::G1>(&zkey.l_query, &inverse);
    zkey.h_query = scale_all::<C::Scalar, C::G1>(&zkey.h_query, &inverse);
    inverse.zeroize();
    zkey.delta_g1 = delta_g1;
    zkey.vk.delta_g2 = delta_g2;
    zkey.contributions.push(contribution);
    hash
}
