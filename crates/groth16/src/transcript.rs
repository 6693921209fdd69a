//! The second phase of a ceremony as snarkjs records it: what is hashed, how points are derived from hashes, and how
//! one contribution changes the key.
//!
//! A contribution multiplies `delta` by a secret `x` and divides the L- and H-queries by it. Its record proves
//! knowledge of `x`: `(s, s*x)` in the first group, and `sp*x` in the second, where `sp` is derived from the
//! transcript up to and including `s` and `s*x`.

use blake2::{Blake2b512, Digest};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use tacit_algebra::{Curve, G1Affine, G2Affine, Group, Point, ceremony};
use tacit_circom::zkey::ContributionKind;
use tacit_circom::{Contribution, Zkey};
use zeroize::Zeroize;

/// A digest of snarkjs's ceremonies: BLAKE2b-512.
pub type Digest64 = [u8; 64];

/// Adds a point to a digest in the uncompressed form that snarkjs hashes.
pub(crate) fn absorb<P: Point>(hasher: &mut Blake2b512, point: &P) {
    let mut bytes = Vec::with_capacity(P::LEN);
    point.write_be(&mut bytes);
    hasher.update(&bytes);
}

/// Adds points to a digest, encoding them in parallel.
pub(crate) fn absorb_all<P: Point>(hasher: &mut Blake2b512, points: &[P]) {
    let encode = |points: &[P]| {
        let mut bytes = Vec::with_capacity(points.len() * P::LEN);
        points.iter().for_each(|point| point.write_be(&mut bytes));
        bytes
    };
    for many in points.chunks(1 << 16) {
        let parts: Vec<Vec<u8>> = many.par_chunks(1 << 12).map(encode).collect();
        parts.iter().for_each(|part| hasher.update(part));
    }
}

/// The random words that snarkjs derives from the first 32 bytes of a digest: the ChaCha20 key stream whose key is
/// those bytes, taken as eight big-endian words.
pub(crate) fn words_of(digest: &[u8]) -> impl FnMut() -> u32 {
    let mut seed = [0u8; 32];
    for (to, from) in seed.chunks_exact_mut(4).zip(digest.chunks_exact(4)) {
        to.iter_mut().zip(from.iter().rev()).for_each(|(to, from)| *to = *from);
    }
    let mut rng = ChaCha20Rng::from_seed(seed);
    move || rng.next_u32()
}

/// The challenge point that a transcript's digest stands for.
pub(crate) fn challenge_point<C: Curve>(digest: &[u8]) -> G2Affine<C> {
    C::g2_from_words(&mut words_of(digest))
}

fn absorb_record<C: Curve>(hasher: &mut Blake2b512, contribution: &Contribution<C>) {
    absorb(hasher, &contribution.delta_after);
    absorb(hasher, &contribution.g1_s);
    absorb(hasher, &contribution.g1_sx);
    absorb(hasher, &contribution.g2_spx);
    hasher.update(contribution.transcript);
}

/// The digest of a contribution that its contributor publishes.
pub fn contribution_hash<C: Curve>(contribution: &Contribution<C>) -> Digest64 {
    let mut hasher = Blake2b512::new();
    absorb_record(&mut hasher, contribution);
    hasher.finalize().into()
}

/// The transcript that the next contribution's challenge derives from.
pub(crate) fn transcript<C: Curve>(
    cs_hash: &Digest64,
    earlier: &[Contribution<C>],
    g1_s: &G1Affine<C>,
    g1_sx: &G1Affine<C>,
) -> Digest64 {
    let mut hasher = Blake2b512::new();
    hasher.update(cs_hash);
    earlier.iter().for_each(|contribution| absorb_record(&mut hasher, contribution));
    absorb(&mut hasher, g1_s);
    absorb(&mut hasher, g1_sx);
    hasher.finalize().into()
}

/// What a contributor draws: the secret factor of `delta` and the point `s`.
pub(crate) struct Draw<C: Curve> {
    pub secret: C::Scalar,
    pub g1_s: G1Affine<C>,
}

impl<C: Curve> Draw<C> {
    /// From random words, in snarkjs's order: first the secret, then the point.
    pub fn new(next: &mut dyn FnMut() -> u32) -> Self {
        let mut secret: C::Scalar = ceremony::field_element(next);
        while secret == C::Scalar::from(0u64) {
            secret = ceremony::field_element(next);
        }
        Self { secret, g1_s: C::g1_from_words(next) }
    }

    /// `s * x`.
    pub fn g1_sx(&self) -> G1Affine<C> {
        C::G1::from_affine(&self.g1_s).scale(&self.secret).to_affine()
    }
}

impl<C: Curve> Drop for Draw<C> {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// The record of a contribution whose `delta` afterwards is `delta_after`.
pub(crate) fn record<C: Curve>(
    zkey: &Zkey<C>,
    draw: &Draw<C>,
    delta_after: G1Affine<C>,
    kind: ContributionKind,
    name: Option<String>,
) -> Contribution<C> {
    let g1_sx = draw.g1_sx();
    let transcript = transcript(&zkey.cs_hash, &zkey.contributions, &draw.g1_s, &g1_sx);
    let challenge = C::G2::from_affine(&challenge_point::<C>(&transcript));
    let g2_spx = challenge.scale(&draw.secret).to_affine();
    Contribution { delta_after, g1_s: draw.g1_s, g1_sx, g2_spx, transcript, kind, name }
}

/// Each point times `factor`, in parallel.
pub(crate) fn scale_all<F, G>(points: &[G::Affine], factor: &F) -> Vec<G::Affine>
where
    F: ark_ff::PrimeField,
    G: Group<F>,
{
    let scale = |points: &[G::Affine]| {
        let scaled: Vec<G> = points.iter().map(|p| G::from_affine(p).scale(factor)).collect();
        G::batch_to_affine(&scaled)
    };
    let parts: Vec<Vec<G::Affine>> = points.par_chunks(1 << 10).map(scale).collect();
    parts.concat()
}
