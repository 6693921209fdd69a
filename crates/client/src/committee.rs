//! Who gets shares: the coordinator lists nodes, the client accepts only what its `network.toml` allows.
//!
//! | rule | because otherwise |
//! |---|---|
//! | the node is pinned | the coordinator could seat nodes of its own |
//! | the user's lists let it (`[committee]` in network.toml, `--nodes`, `--avoid`) | the user knows better |
//! | no operator twice | one operator could hold more than `t` shares |
//! | no identity twice | one node would hold two indices of a deal |
//! | the sealing key is certified by the pinned identity, for envelopes, now and until the deal expires | the coordinator could open envelopes, or no node could |
//! | no sealing key twice | one key would open two indices of a deal |
//!
//! Among the nodes that satisfy the rules the client draws its committee at random: the order in which a coordinator
//! lists them decides nothing. That it lists a node as away, it can do: it is trusted for liveness, and then too few
//! are left rather than others seated.
//!
//! Load decides nothing. How much a node can work on at a time it says itself, and so whether it is full: one that lies never is, and whoever fills the honest
//! ones with jobs of their own would draw everybody's committees towards the liars. A node that is busy says so to the offer and is asked again; spare nodes are
//! the remedy where that takes long.
//!
//! What nodes say that they have at hand ([`Work`]) does not decide who is seated, or those that lie would be seated always. It decides, among those that
//! were drawn, in which of several groups each sits: first those choose that say they have the group's slice of the proving key. So a lie can bring
//! nodes together in one group; a deal is safe because no `t + 1` of the whole committee collude, not because of how they are divided.

use std::collections::HashSet;

use rand::seq::SliceRandom;
use tacit_delegate::{Dials, Handover};
use tacit_wire::messages::HeldSlice;
use tacit_wire::status::{HexCertificateError, NetworkInfo, NodeInfo};
use tacit_wire::{CertificateError, Digest32, IdentityKey, Purpose, SealingKeyCertificate};
use thiserror::Error;

use crate::network::{Network, PinnedNode};

/// A node with a seat in a committee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its place in the deal, from 1: with one group of nodes, its index.
    pub index: u8,
    /// What `network.toml` calls it.
    pub name: String,
    /// Who runs it.
    pub operator: String,
    /// Its Ed25519 identity.
    pub identity: [u8; 32],
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { index, name, operator, identity } = self;
        let short = hex::encode(identity.get(..4).unwrap_or_default());
        write!(f, "node {index} ({name} of {operator}, identity {short}…)")
    }
}

/// A committee that satisfies every rule, with the keys to which packages are sealed.
#[derive(Debug, Clone)]
pub struct Committee {
    seats: Vec<Seat>,
    deal_expiry: u64,
}

/// One seat of a [`Committee`].
#[derive(Debug, Clone)]
pub struct Seat {
    /// Who sits there.
    pub member: Member,
    /// The verified certificate of its sealing key.
    pub certificate: SealingKeyCertificate,
}

/// Which rule a listed node breaks, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rule {
    /// The user has not pinned this identity.
    #[error("it is not pinned: if you know who runs it, add it to network.toml")]
    NotPinned,
    /// The user's list of nodes does not have it.
    #[error("it is not among the nodes that you allow (`committee.nodes` in network.toml, or --nodes)")]
    NotAllowed,
    /// The user does not want it.
    #[error("you avoid it (`committee.avoid` in network.toml, or --avoid)")]
    Avoided,
    /// The caller wants it left out.
    #[error("it was left out because of an earlier attempt")]
    LeftOut,
    /// It has no connection to the coordinator.
    #[error("it is not connected to the coordinator: its operator may look at the node's log")]
    NotConnected,
    /// It never told a sealing key.
    #[error("it has no sealing key yet: it has not finished connecting, try again")]
    NoSealingKey,
    /// What should be its certificate does not decode.
    #[error(
        "its sealing key certificate cannot be read ({0}): the coordinator changed it, or runs another version"
    )]
    UnreadableCertificate(#[from] HexCertificateError),
    /// The certificate does not hold.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// Valid now, but not for as long as the deal.
    #[error(
        "its sealing key expires at {key_expiry}, before the deal does at {deal_expiry} (Unix seconds): ask again, or give the deal less time"
    )]
    KeyExpiresBeforeDeal {
        /// When the key expires.
        key_expiry: u64,
        /// When the deal expires.
        deal_expiry: u64,
    },
    /// Another node of the same operator is seated.
    #[error("its operator {operator} already has a seat with {seated}: no operator gets two")]
    OperatorSeated {
        /// The operator.
        operator: String,
        /// The name of the node that is seated.
        seated: String,
    },
    /// The coordinator listed one identity twice.
    #[error("the coordinator lists it twice: one node may not hold two indices of a deal")]
    ListedTwice,
    /// Another seated node has the same sealing key.
    #[error("it presents the sealing key {key} of {seated}: one key may not open two packages")]
    SealingKeyShared {
        /// The key.
        key: Digest32,
        /// The name of the node that is seated.
        seated: String,
    },
}

/// A listed node that gets no seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its identity.
    pub identity: IdentityKey,
    /// Its name in `network.toml`, if it is pinned.
    pub name: Option<String>,
    /// Why.
    pub rule: Box<Rule>,
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}: {}", self.rule),
            None => write!(f, "{}: {}", self.identity, self.rule),
        }
    }
}

/// Why there is no committee.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommitteeError {
    /// Fewer nodes satisfy the rules than the deal needs.
    #[error(
        "a committee of {wanted} nodes is not possible: {eligible} of the listed nodes qualify{}",
        list(.rejected, .unlisted)
    )]
    NotEnough {
        /// Nodes that the deal needs.
        wanted: u8,
        /// Nodes that satisfy the rules.
        eligible: usize,
        /// Every listed node that does not, and why.
        rejected: Vec<Rejection>,
        /// Names of pinned nodes that the coordinator does not list at all.
        unlisted: Vec<String>,
    },
    /// A proposal is taken as a whole or not at all.
    #[error("the coordinator's proposal is refused: {0}")]
    Refused(Rejection),
    /// The proposal has another size than the deal.
    #[error("the coordinator proposes {got} nodes for a committee of {wanted}")]
    Size {
        /// Nodes that the deal needs.
        wanted: u8,
        /// Nodes proposed.
        got: usize,
    },
}

fn list(rejected: &[Rejection], unlisted: &[String]) -> String {
    let mut text = String::new();
    for rejection in rejected {
        text.push_str(&format!("; {rejection}"));
    }
    for name in unlisted {
        text.push_str(&format!(
            "; {name}: the coordinator does not know it, its operator must register it there"
        ));
    }
    text
}

/// What a committee has to satisfy beside the pins.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// How many nodes.
    pub n: u8,
    /// Now, in Unix seconds.
    pub now: u64,
    /// When the deal expires, in Unix seconds.
    pub deal_expiry: u64,
    /// Identities that get no seat.
    pub without: &'a [[u8; 32]],
}

/// What the seats of a committee are for.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// The circuit.
    pub circuit: Digest32,
    /// Which seats there are, of which groups.
    pub dials: Dials,
}

impl Work {
    /// Whether a node says that it has what a seat of this group needs and no more.
    fn has_slice(&self, node: &NodeInfo, group: u8) -> bool {
        let slice = HeldSlice { circuit: self.circuit, group, groups: self.dials.groups() };
        self.dials.handover() == Handover::Quotient && node.slices.contains(&slice)
    }
}

impl Committee {
    /// Draws `wanted.n` nodes at random from those of the listed ones that satisfy every rule.
    ///
    /// # Errors
    /// [`CommitteeError::NotEnough`] with a reason for each node.
    pub fn choose<R: rand_core::CryptoRng + ?Sized>(
        network: &Network,
        info: &NetworkInfo,
        wanted: Wanted<'_>,
        rng: &mut R,
    ) -> Result<Self, CommitteeError> {
        Self::draw(network, info, wanted, None, rng)
    }

    /// [`Committee::choose`], with each node in a group whose slice of the proving key it has, where that is possible.
    ///
    /// # Errors
    /// [`CommitteeError::NotEnough`] with a reason for each node.
    pub fn choose_for<R: rand_core::CryptoRng + ?Sized>(
        work: Work,
        network: &Network,
        info: &NetworkInfo,
        wanted: Wanted<'_>,
        rng: &mut R,
    ) -> Result<Self, CommitteeError> {
        Self::draw(network, info, wanted, Some(work), rng)
    }

    fn draw<R: rand_core::CryptoRng + ?Sized>(
        network: &Network,
        info: &NetworkInfo,
        wanted: Wanted<'_>,
        work: Option<Work>,
        rng: &mut R,
    ) -> Result<Self, CommitteeError> {
        let group_of = |place| work.and_then(|work| work.dials.seat_at(place)).map_or(0, |(group, _)| group);
        let mut candidates: Vec<&NodeInfo> = info.nodes.iter().collect();
        candidates.shuffle(rng);
        let mut bench = Bench::default();
        let (mut admitted, mut rejected) = (Vec::new(), Vec::new());
        for candidate in candidates {
            match bench.admit(network, candidate, wanted) {
                Ok(()) => admitted.push(candidate),
                Err(rejection) => rejected.push(rejection),
            }
        }
        let eligible = bench.seats.len();
        if eligible < usize::from(wanted.n) {
            let listed: HashSet<[u8; 32]> = info.nodes.iter().map(|n| n.identity.0).collect();
            let unlisted = network
                .nodes
                .iter()
                .filter(|n| !listed.contains(&n.identity))
                .map(|n| n.name.clone())
                .collect();
            rejected.sort_by(|a, b| (&a.name, a.identity).cmp(&(&b.name, b.identity)));
            return Err(CommitteeError::NotEnough { wanted: wanted.n, eligible, rejected, unlisted });
        }
        // Who sits is drawn by now; in which group, those say first who have its slice.
        let mut free: Vec<u8> = (1..=wanted.n).map(group_of).collect();
        free.shuffle(rng);
        let (mut seats, mut others): (Vec<(u8, Seat)>, Vec<Seat>) = (Vec::new(), Vec::new());
        let drawn = std::mem::take(&mut bench.seats).into_iter().zip(admitted).take(usize::from(wanted.n));
        for (seat, node) in drawn {
            match free.iter().position(|group| work.is_some_and(|w| w.has_slice(node, *group))) {
                Some(at) => seats.push((free.swap_remove(at), seat)),
                None => others.push(seat),
            }
        }
        seats.extend(free.into_iter().zip(others));
        // Which index of its group a node gets is drawn, too: not those that have the slice first.
        seats.shuffle(rng);
        seats.sort_by_key(|(group, _)| *group);
        bench.seats = seats.into_iter().map(|(_, seat)| seat).collect();
        Ok(bench.sit(wanted))
    }

    /// The listed nodes that could be seated, one for each operator, and why the others could not. For advice: nobody is drawn,
    /// the order is the coordinator's, nobody has an index, and `wanted.n` does not matter.
    pub fn eligible(
        network: &Network,
        info: &NetworkInfo,
        wanted: Wanted<'_>,
    ) -> (Vec<Member>, Vec<Rejection>) {
        let mut bench = Bench::default();
        let mut rejected = Vec::new();
        for node in &info.nodes {
            rejected.extend(bench.admit(network, node, wanted).err());
        }
        (bench.seats.into_iter().map(|seat| seat.member).collect(), rejected)
    }

    /// Takes a proposed committee as it is, in its order, or refuses it.
    ///
    /// # Errors
    /// [`CommitteeError::Size`]; [`CommitteeError::Refused`] with the first node that breaks a rule.
    pub fn accept(
        network: &Network,
        proposal: &[NodeInfo],
        wanted: Wanted<'_>,
    ) -> Result<Self, CommitteeError> {
        if proposal.len() != usize::from(wanted.n) {
            return Err(CommitteeError::Size { wanted: wanted.n, got: proposal.len() });
        }
        let mut bench = Bench::default();
        for node in proposal {
            bench.admit(network, node, wanted).map_err(CommitteeError::Refused)?;
        }
        Ok(bench.sit(wanted))
    }

    /// The seats, in the order of their indices.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Who sits in it, in the order of their indices.
    pub fn members(&self) -> Vec<Member> {
        self.seats.iter().map(|s| s.member.clone()).collect()
    }

    /// When the deal that it was accepted for expires; its sealing keys are certified for at least as long. Unix seconds.
    pub fn deal_expiry(&self) -> u64 {
        self.deal_expiry
    }
}

/// Seats being filled.
#[derive(Default)]
struct Bench {
    seats: Vec<Seat>,
    /// Every identity that was looked at, seated or not: a second listing cannot repair the first.
    seen: HashSet<[u8; 32]>,
}

impl Bench {
    fn admit(&mut self, network: &Network, node: &NodeInfo, wanted: Wanted<'_>) -> Result<(), Rejection> {
        let pinned = network.node(&node.identity.0);
        match self.check(network, pinned, node, wanted) {
            Ok(seat) => {
                self.seats.push(seat);
                Ok(())
            }
            Err(rule) => Err(Rejection {
                identity: node.identity,
                name: pinned.map(|p| p.name.clone()),
                rule: Box::new(rule),
            }),
        }
    }

    fn check(
        &mut self,
        network: &Network,
        pinned: Option<&PinnedNode>,
        node: &NodeInfo,
        wanted: Wanted<'_>,
    ) -> Result<Seat, Rule> {
        let Some(pinned) = pinned else { return Err(Rule::NotPinned) };
        if !self.seen.insert(node.identity.0) {
            return Err(Rule::ListedTwice);
        }
        if network.choice.only.as_ref().is_some_and(|only| !only.contains(&pinned.identity)) {
            return Err(Rule::NotAllowed);
        }
        if network.choice.avoid.contains(&pinned.identity) {
            return Err(Rule::Avoided);
        }
        if wanted.without.contains(&pinned.identity) {
            return Err(Rule::LeftOut);
        }
        if !node.connected {
            return Err(Rule::NotConnected);
        }
        let certificate = node.sealing_key_certificate.as_ref().ok_or(Rule::NoSealingKey)?.decode()?;
        certificate.verify_for(Purpose::NodeEnvelope, node.identity, wanted.now)?;
        if certificate.expiry < wanted.deal_expiry {
            return Err(Rule::KeyExpiresBeforeDeal {
                key_expiry: certificate.expiry,
                deal_expiry: wanted.deal_expiry,
            });
        }
        for Seat { member, certificate: seated } in &self.seats {
            if member.operator.to_lowercase() == pinned.operator.to_lowercase() {
                return Err(Rule::OperatorSeated {
                    operator: pinned.operator.clone(),
                    seated: member.name.clone(),
                });
            }
            if seated.key_id == certificate.key_id {
                return Err(Rule::SealingKeyShared { key: seated.key_id, seated: member.name.clone() });
            }
        }
        let member = Member {
            index: 0,
            name: pinned.name.clone(),
            operator: pinned.operator.clone(),
            identity: pinned.identity,
        };
        Ok(Seat { member, certificate })
    }

    fn sit(mut self, wanted: Wanted<'_>) -> Committee {
        for (index, seat) in (1..).zip(&mut self.seats) {
            seat.member.index = index;
        }
        Committee { seats: self.seats, deal_expiry: wanted.deal_expiry }
    }
}

#[cfg(test)]
pub(crate) mod tests;
