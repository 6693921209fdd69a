//! What the client keeps of a deal, and all that it may do with it.
//!
//! Packages are wiped once they are sealed. What is kept is the seed that the deal was drawn from: with the same witness it gives the same
//! packages again, byte for byte, and anything else is refused by their digests. There are two reasons to want one again, and each has
//! its rules, which only these types' functions get around:
//!
//! | why | function | rules |
//! |---|---|---|
//! | a node dropped out, another takes its place | [`Custody::resend`] | the package is identical; the recipient holds no place of this deal; who dropped out still counts as having seen it |
//! | a node is suspected | [`Custody::judge`], then [`Custody::open`] | the client recomputes the response itself first; only a response that was wrong gives a [`WrongAnswer`], and only that can be opened; in each group, places opened and corruptions tolerated are at most `t` together |
//!
//! **Why re-sending is safe.** Two nodes that hold one place know what one of them knows, and both give the same answer, so any `t` nodes
//! still hold at most `t` places of a group. A package that differed would be a second sharing of the same witness with the same seeds, and a node
//! with two places would count twice: hence the rules.
//!
//! **Why opening needs a bound.** An opened share is everybody's. With `o` of them, `t - o` further nodes hold `t` places together, so the
//! client says how many corruptions it goes on to tolerate, at least one, and opens no more than what is left. With `t = 1` it opens nothing.
//! A right response's share is never opened, whatever liars make it look like: otherwise they could have an honest node's share published.

use std::collections::BTreeSet;

use ark_ff::PrimeField;
use chacha20::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};
use tacit_algebra::Groups;
use tacit_groth16::ProvingKey;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::blame::Culprit;
use crate::circuit::Layout;
use crate::deal::{Deal, DealError, Secrets, deal};
use crate::header::{DealHeader, DealId, DealTerms};
use crate::labels;
use crate::package::Package;
use crate::respond::{RespondError, respond};
use crate::response::Answer;

/// What the client keeps of a deal. There is one for a deal, and it cannot be copied: it counts what was opened.
pub struct Custody<F: PrimeField> {
    terms: DealTerms<F>,
    id: DealId,
    seed: Zeroizing<[u8; 32]>,
    /// Of the packages of places `1..`, in order.
    digests: Vec<[u8; 32]>,
    /// Who was sent the package of which place, those among them that dropped out.
    holders: Vec<(u8, [u8; 32])>,
    tolerated: u8,
    opened: BTreeSet<u8>,
}

impl<F: PrimeField> std::fmt::Debug for Custody<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Custody({}, {} holders, opened {:?})", self.id, self.holders.len(), self.opened)
    }
}

/// Why a package cannot be had again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CustodyError {
    /// Dealing again fails.
    #[error(transparent)]
    Deal(#[from] DealError),
    /// Dealing again gave another package: it would be a second sharing with the same randomness.
    #[error(
        "these are not the witness and the circuit that were dealt: the package of place {place} would be another one. Deal afresh"
    )]
    OtherSecrets {
        /// The place.
        place: u8,
    },
    /// The deal has no such place.
    #[error("the deal has no place {place}, only 1 to {seats}")]
    Place {
        /// The place.
        place: u8,
        /// Places of the deal.
        seats: u8,
    },
    /// The node holds a place of this deal already.
    #[error(
        "this node was sent the package of place {held} already; one node never gets two packages of one deal, nor one twice. Choose another node"
    )]
    HoldsPlace {
        /// The place that it holds.
        held: u8,
    },
    /// So many corruptions cannot be tolerated.
    #[error(
        "with threshold {threshold} between 1 and {threshold} corruptions can be tolerated, not {tolerated}"
    )]
    Tolerated {
        /// The threshold.
        threshold: u8,
        /// Asked for.
        tolerated: u8,
    },
    /// The response cannot be recomputed.
    #[error(transparent)]
    Respond(#[from] RespondError),
}

impl CustodyError {
    /// Whom this points at: all of it is in the caller's hands.
    pub fn culprits(&self) -> Vec<Culprit> {
        match self {
            Self::Deal(_)
            | Self::OtherSecrets { .. }
            | Self::Place { .. }
            | Self::HoldsPlace { .. }
            | Self::Tolerated { .. }
            | Self::Respond(_) => vec![Culprit::Nobody],
        }
    }
}

/// A response that the client recomputed and found wrong, with the package that it should have come from. Only
/// [`Custody::judge`] makes one.
pub struct WrongAnswer<F: PrimeField> {
    deal: DealId,
    package: Package<F>,
}

impl<F: PrimeField> WrongAnswer<F> {
    /// Whose it was.
    pub fn place(&self) -> u8 {
        self.package.place
    }
}

impl<F: PrimeField> std::fmt::Debug for WrongAnswer<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WrongAnswer(place {})", self.place())
    }
}

/// What recomputing a response says.
#[derive(Debug)]
pub enum Judgement<F: PrimeField> {
    /// It is what the package gives.
    Right,
    /// It is not.
    Wrong(WrongAnswer<F>),
}

/// A package that may be shown to an arbiter. Only [`Custody::open`] makes one.
pub struct Opened {
    place: u8,
    bytes: Zeroizing<Vec<u8>>,
}

impl Opened {
    /// Whose it is.
    pub fn place(&self) -> u8 {
        self.place
    }

    /// The package as it was sealed.
    pub fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.bytes
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened(place {}, ..)", self.place)
    }
}

/// Why a share is not opened, although its node answered wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// The wrong answer belongs to another deal.
    #[error("the answer belongs to another deal")]
    OtherDeal,
    /// Together with the corruptions that are tolerated it would be too many.
    #[error(
        "the share of node {place} is not opened: with threshold {threshold}, {tolerated} corruptions tolerated and {opened} shares \
         opened, one more might give the witness away. Nobody else can check it, but this computer recomputed the answer and it was wrong"
    )]
    TooMany {
        /// Whose share.
        place: u8,
        /// The threshold.
        threshold: u8,
        /// Corruptions tolerated.
        tolerated: u8,
        /// Shares of the group opened so far.
        opened: u8,
    },
}

impl<F: PrimeField> Custody<F> {
    /// Deals, and keeps what it takes to do it again. `tolerated` is the number of corruptions that the client wants to
    /// be safe from even after it has opened shares: between 1 and the threshold, which then allows none to be opened.
    ///
    /// # Errors
    /// [`CustodyError::Deal`], [`CustodyError::Tolerated`].
    pub fn deal<R: CryptoRng + ?Sized>(
        terms: DealTerms<F>,
        layout: &Layout,
        secrets: Secrets<'_, F>,
        tolerated: u8,
        rng: &mut R,
    ) -> Result<(Deal<F>, Self), CustodyError> {
        let threshold = terms.dials.threshold();
        if tolerated == 0 || tolerated > threshold {
            return Err(CustodyError::Tolerated { threshold, tolerated });
        }
        let mut seed = Zeroizing::new([0u8; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        let dealt = deal(terms, layout, secrets, &mut ChaCha20Rng::from_seed(*seed))?;
        let custody = Self {
            terms: dealt.header.terms.clone(),
            id: dealt.id,
            seed,
            digests: dealt.packages.iter().map(digest).collect(),
            holders: Vec::new(),
            tolerated,
            opened: BTreeSet::new(),
        };
        Ok((dealt, custody))
    }

    /// The deal.
    pub fn deal_id(&self) -> DealId {
        self.id
    }

    /// Everyone who was sent a package, with its place: those that dropped out have seen it as well.
    pub fn holders(&self) -> &[(u8, [u8; 32])] {
        &self.holders
    }

    /// Notes that a node is sent the package of a place. To be called before it is.
    ///
    /// # Errors
    /// [`CustodyError::Place`], [`CustodyError::HoldsPlace`].
    pub fn assign(&mut self, place: u8, node: [u8; 32]) -> Result<(), CustodyError> {
        self.terms
            .dials
            .seat_at(place)
            .ok_or(CustodyError::Place { place, seats: self.terms.dials.seats() })?;
        if let Some((held, _)) = self.holders.iter().find(|(_, holder)| *holder == node) {
            return Err(CustodyError::HoldsPlace { held: *held });
        }
        self.holders.push((place, node));
        Ok(())
    }

    /// The package of a place for another node, which is noted as its holder.
    ///
    /// # Errors
    /// [`CustodyError`], when a rule forbids it or these are not the secrets that were dealt.
    pub fn resend(
        &mut self,
        layout: &Layout,
        secrets: Secrets<'_, F>,
        place: u8,
        node: [u8; 32],
    ) -> Result<Package<F>, CustodyError> {
        let (_, package) = self.again(layout, secrets, place)?;
        self.assign(place, node)?;
        Ok(package)
    }

    /// Recomputes a node's response.
    ///
    /// # Errors
    /// [`CustodyError`]; none that a node can cause.
    pub fn judge<G: Groups<Scalar = F>>(
        &self,
        key: &ProvingKey<G>,
        layout: &Layout,
        secrets: Secrets<'_, F>,
        answer: &Answer<G>,
    ) -> Result<Judgement<F>, CustodyError> {
        let (header, package) = self.again(layout, secrets, answer.place)?;
        Ok(if respond(key, &header, &package)?.encode() == answer.response.encode() {
            Judgement::Right
        } else {
            Judgement::Wrong(WrongAnswer { deal: self.id, package })
        })
    }

    /// Opens the package that a wrong answer should have come from, if that leaves enough of the threshold.
    ///
    /// # Errors
    /// [`OpeningError`].
    pub fn open(&mut self, wrong: &WrongAnswer<F>) -> Result<Opened, OpeningError> {
        if wrong.deal != self.id {
            return Err(OpeningError::OtherDeal);
        }
        let (place, dials) = (wrong.place(), self.terms.dials);
        let group = |place: u8| dials.seat_at(place).map(|(group, _)| group);
        let others = self.opened.iter().filter(|other| group(**other) == group(place) && **other != place);
        let opened = u8::try_from(others.count()).unwrap_or(u8::MAX);
        let threshold = dials.threshold();
        if opened.saturating_add(1).saturating_add(self.tolerated) > threshold {
            return Err(OpeningError::TooMany { place, threshold, tolerated: self.tolerated, opened });
        }
        self.opened.insert(place);
        Ok(Opened { place, bytes: wrong.package.encode() })
    }

    /// One package of the deal, made again; all others are wiped.
    fn again(
        &self,
        layout: &Layout,
        secrets: Secrets<'_, F>,
        place: u8,
    ) -> Result<(DealHeader<F>, Package<F>), CustodyError> {
        let mut rng = ChaCha20Rng::from_seed(*self.seed);
        let Deal { header, id, packages } = deal(self.terms.clone(), layout, secrets, &mut rng)?;
        let seats = self.terms.dials.seats();
        let known = self.digests.get(usize::from(place).wrapping_sub(1));
        let package = packages.into_iter().find(|package| package.place == place);
        let (Some(known), Some(package)) = (known, package) else {
            return Err(CustodyError::Place { place, seats });
        };
        if id != self.id || digest(&package) != *known {
            return Err(CustodyError::OtherSecrets { place });
        }
        Ok((header, package))
    }
}

/// Packages hold a salt, so that this tells nothing about them.
fn digest<F: PrimeField>(package: &Package<F>) -> [u8; 32] {
    labels::digest(labels::CUSTODY, &[&package.encode()])
}
