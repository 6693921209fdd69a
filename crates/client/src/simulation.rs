//! Whole jobs under hundreds of schedules, each of which follows from a seed: nodes crash between any two steps and come back, are
//! silent, slow, or lie in every way that there is; the coordinator loses, repeats, delays and swaps. Time is a number here, and everything else is the
//! product's code: dealing, sealing, the nodes' records, the client's judgement of what comes back.
//!
//! What must hold in each:
//! - a proof comes out exactly if enough honest answers of each group arrive, and it verifies;
//! - no honest node is found guilty or has its share opened, and every liar whose answer was judged is;
//! - in each group, shares opened and corruptions tolerated are at most the threshold;
//! - an arbiter finds everyone guilty whom the client can show to be;
//! - a node never sends two different answers for one place of one deal, whatever it crashed in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tacit_algebra::{Bn254, CurveId, Group, Groups, Point};
use tacit_circom::{Constraint, R1cs};
use tacit_delegate::{
    AssembleError, CircuitShape, DealHeader, Decision, Dials, Handover, Holder, Layout, Package, Record,
    Response, accept, assemble, decide, respond,
};
use tacit_groth16::{ProvingKey, setup, verify};
use tacit_wire::envelope::{Recipient, open_package, seal_response};
use tacit_wire::frame::Body as _;
use tacit_wire::messages::{Answer, Delivery, JobAnswers, NodeAnswer, Outcome, SubmitJob};
use tacit_wire::status::{HexCertificate, NetworkInfo, NodeInfo};
use tacit_wire::{
    Acknowledgement, Digest32, Identity, IdentityKey, Purpose, SealingKeyCertificate, SealingKeyPair,
    SealingPublicKey, SignedAcknowledgement, Verdict,
};

use crate::answers::Answers;
use crate::committee::{Committee, Wanted};
use crate::dealing::{AssemblerKey, Dealt};
use crate::kept::{Found, Kept};
use crate::network::{Choice, Network, PinnedCoordinator, PinnedNode};
use crate::options::Options;
use crate::prepare::Prepared;
use crate::progress::Silent;
use crate::ticket::JobTicket;

type F = <Bn254 as Groups>::Scalar;
type G1 = <Bn254 as Groups>::G1;

const SEEDS: u64 = 300;
const NOW: u64 = 1_000_000;
const EXPIRY: u64 = NOW + 600;
/// When the client looks for others in place of who is silent, and when it ends; answers take up to [`SLOW`].
const REPLACE_AT: u64 = 200;
const END_AT: u64 = 1000;
const SLOW: u64 = 100;

/// `y = x^8`: wires 1, y, x, x^2, x^4.
static KEY: LazyLock<ProvingKey<Bn254>> = LazyLock::new(|| {
    let one = F::from(1u64);
    let square = |from, to| Constraint { a: vec![(from, one)], b: vec![(from, one)], c: vec![(to, one)] };
    let r1cs = R1cs {
        curve: CurveId::Bn254,
        n_wires: 5,
        n_public_outputs: 1,
        n_public_inputs: 0,
        n_private_inputs: 1,
        n_labels: 5,
        constraints: vec![square(2, 3), square(3, 4), square(4, 1)],
        wire_labels: (0..5).collect(),
    };
    ProvingKey::from_zkey(setup::dev::<Bn254, _>(&r1cs, &mut StdRng::seed_from_u64(0)).unwrap()).unwrap()
});

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conduct {
    Honest,
    /// Crashes once, after so many steps, and comes back later.
    Crashes {
        after: Step,
    },
    /// Is never heard of.
    Dead,
    Lies(Lie),
}

/// Where a node may crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Received,
    Recorded,
    Answered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// One point is off.
    Point(u8),
    /// All liars shift as if the secret were another one.
    Together,
    /// The shift is a multiple of its own point, to test a guess about the witness.
    Guess,
    /// No response at all.
    Garbage,
    /// A point on the curve and outside the subgroup.
    Subgroup,
    /// The right response for an earlier deal.
    EarlierDeal,
    /// Two different responses, one after the other.
    TwoResponses,
    /// Two different acknowledgements, one after the other.
    TwoAcknowledgements,
}

impl Lie {
    /// Whether its answers decode, so that they are judged by computing them again.
    fn is_judged(self) -> bool {
        matches!(self, Self::Point(_) | Self::Together | Self::Guess | Self::EarlierDeal)
    }
}

struct Node {
    identity: Identity,
    pair: SealingKeyPair,
    conduct: Conduct,
    up: bool,
    /// What survives a crash.
    disk: BTreeMap<[u8; 32], Vec<u8>>,
    /// Everything that it ever sent for a deal, if it is honest.
    sent: BTreeMap<[u8; 32], Vec<u8>>,
}

impl Node {
    fn new(i: u8, conduct: Conduct) -> Self {
        Self {
            identity: Identity::from_seed(&[i; 32]),
            pair: SealingKeyPair::from_seed(&[i; 32]).unwrap(),
            conduct,
            up: true,
            disk: BTreeMap::new(),
            sent: BTreeMap::new(),
        }
    }

    fn certificate(&self) -> SealingKeyCertificate {
        let public = self.pair.public();
        SealingKeyCertificate::issue(&self.identity, Purpose::NodeEnvelope, public, 1, 0, u64::MAX / 2)
    }

    fn crashes(&mut self, step: Step) -> bool {
        if self.conduct == (Conduct::Crashes { after: step }) {
            (self.up, self.conduct) = (false, Conduct::Honest);
            return true;
        }
        false
    }

    /// One offer, as the node's program handles it; the answers that leave.
    fn offered(
        &mut self,
        header_bytes: &[u8],
        delivery: &Delivery,
        earlier: &[u8],
        rng: &mut StdRng,
    ) -> Vec<Answer> {
        if !self.up || self.conduct == Conduct::Dead || self.crashes(Step::Received) {
            return Vec::new();
        }
        let header = DealHeader::<F>::decode(header_bytes).unwrap();
        let client = IdentityKey(header.terms.client_key);
        let deal = header.deal_id();
        delivery.assignment.verify(&client).unwrap();
        let holder = Holder { node: self.identity.key().0, sealing_key: self.pair.id().0, epoch: 1 };
        let assignment = &delivery.assignment.assignment;
        let request =
            accept(&header, assignment, &delivery.envelope, &holder, &CircuitShape::of(&*KEY), NOW).unwrap();
        let held = self.disk.get(&deal.0).map(|bytes| Record::decode(bytes).unwrap());
        let record = match decide(held.as_ref(), &request) {
            Decision::Answer(record) => record,
            Decision::Repeat(sealed) => {
                let answer = Answer::from_body(&sealed).unwrap();
                assert_eq!(
                    self.sent.get(&deal.0).unwrap_or(&sealed),
                    &sealed,
                    "it answers identically ever after"
                );
                self.sent.insert(deal.0, sealed);
                return vec![answer];
            }
            Decision::Refuse(refusal) => panic!("an honest client's offer is refused: {refusal}"),
        };
        self.disk.insert(deal.0, record.encode());
        if self.crashes(Step::Recorded) {
            return Vec::new();
        }
        let recipient = Recipient { node: self.identity.key(), key: &self.pair, epoch: 1 };
        let bytes =
            open_package(&delivery.assignment, &client, &deal.0, recipient, &delivery.envelope).unwrap();
        let dials = header.terms.dials;
        let package = Package::<F>::decode(&bytes, &Layout::of(&*KEY, dials.handover()), dials).unwrap();
        let right = respond(&*KEY, &header, &package).unwrap();
        let assembler = SealingPublicKey::from_bytes(&header.terms.assembler_key).unwrap();
        let mut answer = |package: &[u8], response: &[u8]| {
            let acknowledgement = Acknowledgement::new(assignment, package);
            let response =
                seal_response(&self.identity, assignment, &acknowledgement, response, &assembler, rng)
                    .unwrap();
            let acknowledgement = SignedAcknowledgement::sign(&self.identity, acknowledgement);
            Answer { acknowledgement, response }
        };
        let honest = right.encode();
        let answers = match self.conduct {
            Conduct::Lies(lie) => match lie {
                Lie::Point(which) => vec![answer(&bytes, &shifted(&right, which, &G1::generator()))],
                Lie::Together => {
                    vec![answer(&bytes, &shifted(&right, 0, &G1::generator().scale(&F::from(7u64))))]
                }
                Lie::Guess => vec![answer(&bytes, &shifted(&right, 2, &G1::from_affine(right.a())))],
                Lie::Garbage => vec![answer(&bytes, b"garbage")],
                Lie::Subgroup => vec![answer(&bytes, &outside_subgroup(&honest))],
                Lie::EarlierDeal => vec![answer(&bytes, earlier)],
                Lie::TwoResponses => {
                    vec![answer(&bytes, &honest), answer(&bytes, &shifted(&right, 0, &G1::generator()))]
                }
                Lie::TwoAcknowledgements => {
                    vec![answer(b"another package", &honest), answer(&bytes, &honest)]
                }
            },
            _ => vec![answer(&bytes, &honest)],
        };
        if let Conduct::Lies(_) = self.conduct {
            return answers;
        }
        let mut body = tacit_wire::codec::Writer::new();
        answers[0].write(&mut body);
        let record = record.answered(body.finish());
        self.disk.insert(deal.0, record.encode());
        if self.crashes(Step::Answered) {
            return Vec::new();
        }
        let sealed = record.sealed_response().unwrap().to_vec();
        assert_eq!(self.sent.entry(deal.0).or_insert_with(|| sealed.clone()), &sealed);
        vec![Answer::from_body(&sealed).unwrap()]
    }
}

/// A response with something added to `A`, to `B` (then the generator) or to `C`.
fn shifted(right: &Response<Bn254>, which: u8, by: &G1) -> Vec<u8> {
    let mut bytes = right.encode();
    let (mut point, at) = (Vec::new(), [3, 67, 195][usize::from(which)]);
    match which {
        0 => (G1::from_affine(right.a()) + *by).to_affine().write_be(&mut point),
        1 => {
            type G2 = <Bn254 as Groups>::G2;
            (G2::from_affine(right.b()) + G2::generator()).to_affine().write_be(&mut point);
        }
        _ => (G1::from_affine(right.c()) + *by).to_affine().write_be(&mut point),
    }
    bytes[at..at + point.len()].copy_from_slice(&point);
    bytes
}

/// `B` replaced by a point of the twist that is outside the subgroup of prime order.
fn outside_subgroup(honest: &[u8]) -> Vec<u8> {
    static POINT: LazyLock<Vec<u8>> = LazyLock::new(|| {
        use ark_bn254::{Fq2, G2Affine};
        (1u64..)
            .filter_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::from(x), false))
            .find(|p| !p.is_in_correct_subgroup_assuming_on_curve())
            .map(|p| {
                let mut bytes = Vec::new();
                Point::write_be(&p, &mut bytes);
                bytes
            })
            .unwrap()
    });
    let mut bytes = honest.to_vec();
    bytes[67..67 + POINT.len()].copy_from_slice(&POINT);
    bytes
}

/// What happens at some time.
enum Event {
    /// The coordinator offers a place's delivery to its node.
    Offer(u8),
    /// An answer for a place reaches the client.
    Arrives(u8, Box<Answer>),
    Restart(usize),
    Replace,
}

struct World {
    seed: u64,
    rng: StdRng,
    dials: Dials,
    nodes: Vec<Node>,
    network: Network,
    prepared: Arc<Prepared<Bn254>>,
    header: Vec<u8>,
    ticket: JobTicket,
    kept: Kept<Bn254>,
    deliveries: Vec<Delivery>,
    answers: Answers<tacit_delegate::Answer<Bn254>>,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    /// A response of an earlier deal, by place.
    earlier: Vec<u8>,
    /// Places whose honest answer reached the client.
    arrived: BTreeSet<u8>,
}

fn draw_dials(rng: &mut StdRng) -> Dials {
    if rng.random_bool(0.5) {
        let t = rng.random_range(1..=2);
        Dials::new(Handover::Witness, rng.random_range(2 * t + 1..=7), t).unwrap()
    } else {
        let t = rng.random_range(1..=3);
        let dials = Dials::new(Handover::Quotient, rng.random_range(t + 1..=6), t).unwrap();
        dials.with_groups(rng.random_range(1..=2)).unwrap()
    }
}

fn draw_conduct(rng: &mut StdRng) -> Conduct {
    let step = [Step::Received, Step::Recorded, Step::Answered][rng.random_range(0..3)];
    let lie = match rng.random_range(0..10) {
        which @ 0..=2 => Lie::Point(which),
        3 | 4 => Lie::Together,
        5 => Lie::Guess,
        6 => Lie::Garbage,
        7 => Lie::Subgroup,
        8 => Lie::EarlierDeal,
        _ if rng.random_bool(0.5) => Lie::TwoResponses,
        _ => Lie::TwoAcknowledgements,
    };
    match rng.random_range(0..10) {
        0..=4 => Conduct::Honest,
        5 | 6 => Conduct::Crashes { after: step },
        7 => Conduct::Dead,
        _ => Conduct::Lies(lie),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let dials = draw_dials(&mut rng);
        let spare = rng.random_range(0..=2);
        let nodes: Vec<Node> =
            (1..=dials.seats() + spare).map(|i| Node::new(i, draw_conduct(&mut rng))).collect();
        let network = Network {
            name: "simulated".into(),
            coordinator: PinnedCoordinator {
                urls: Vec::new(),
                identity: [0; 32],
                certificate: None,
                api_key_file: None,
            },
            nodes: (nodes.iter().enumerate())
                .map(|(i, node)| PinnedNode {
                    name: format!("node-{i}"),
                    identity: node.identity.key().0,
                    operator: format!("operator-{i}"),
                    vouched_by: "this test".into(),
                })
                .collect(),
            choice: Choice::default(),
        };
        let x = F::from(3u64);
        let witness = [F::from(1u64), F::from(6561u64), x, x * x, F::from(81u64)];
        let prepared = Arc::new(Prepared::new(&*KEY, &witness, None, dials.handover()).unwrap());
        let mut options = Options::standard().unwrap();
        options.dials = dials;
        let deal = |rng: &mut StdRng| {
            let proposal = info(&nodes);
            let wanted = Wanted { n: dials.seats(), now: NOW, deal_expiry: EXPIRY, without: &[] };
            let committee = Committee::choose(&network, &proposal, wanted, rng).unwrap();
            prepared.deal_keeping(&committee, AssemblerKey::Fresh, &options, rng, &Silent).unwrap()
        };
        // An earlier deal, from which a liar keeps a response.
        let earlier = {
            let (dealt, _) = deal(&mut rng);
            let job = SubmitJob::from_frame(&dealt.frame, usize::MAX).unwrap();
            let delivery = &job.deliveries[0];
            let i = nodes.iter().position(|n| n.identity.key() == delivery.assignment.node()).unwrap();
            let mut twin = Node::new(i as u8 + 1, Conduct::Honest);
            let answers = twin.offered(&job.header, delivery, &[], &mut rng);
            let key = dealt.ticket.assembler.as_ref().unwrap();
            let assignment = &delivery.assignment.assignment;
            let opened = tacit_wire::envelope::open_response(
                key,
                assignment,
                &answers[0].acknowledgement,
                &answers[0].response,
            );
            opened.unwrap().response
        };
        let (Dealt { ticket, frame }, kept) = deal(&mut rng);
        let SubmitJob { header, deliveries, .. } = SubmitJob::from_frame(&frame, usize::MAX).unwrap();
        Self {
            seed,
            rng,
            dials,
            nodes,
            network,
            prepared,
            header,
            ticket,
            kept,
            deliveries,
            answers: Answers::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            earlier,
            arrived: BTreeSet::new(),
        }
    }

    fn at(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((time, self.sequence), event);
    }

    fn node_at(&self, place: u8) -> usize {
        let node = self.deliveries[usize::from(place) - 1].assignment.node();
        self.nodes.iter().position(|n| n.identity.key() == node).unwrap()
    }

    fn run(mut self) -> Tally {
        for place in 1..=self.dials.seats() {
            let time = self.rng.random_range(0..SLOW);
            self.at(time, Event::Offer(place));
        }
        self.at(REPLACE_AT, Event::Replace);
        let mut proof = None;
        let mut failed = None;
        let mut tried = Vec::new();
        while let Some(((time, _), event)) = self.queue.pop_first() {
            if time > END_AT {
                break;
            }
            match event {
                Event::Offer(place) => self.offer(place, time),
                Event::Restart(node) => self.nodes[node].up = true,
                Event::Replace => self.replace(time),
                Event::Arrives(place, answer) => {
                    self.arrives(place, *answer);
                    let good = self.answers.good();
                    if self.dials.suffice(good.iter().map(|a| a.place)) && self.answers.fingerprint() != tried
                    {
                        tried = self.answers.fingerprint();
                        let header = DealHeader::<F>::decode(&self.header).unwrap();
                        match assemble(&KEY.vk, &header, &good) {
                            Ok(assembled) => {
                                verify::verify(&KEY.vk, &header.terms.public, &assembled.proof).unwrap();
                                proof = Some(assembled);
                                break;
                            }
                            Err(error) => failed = Some(error),
                        }
                    }
                }
            }
        }
        self.check(proof.map(|p| p.suspects), failed)
    }

    /// The coordinator offers; what comes back may be lost, repeated, late or brought under another place's name.
    fn offer(&mut self, place: u8, time: u64) {
        let (node, delivery) = (self.node_at(place), self.deliveries[usize::from(place) - 1].clone());
        let earlier = self.earlier.clone();
        let was_up = self.nodes[node].up;
        let answers = self.nodes[node].offered(&self.header, &delivery, &earlier, &mut self.rng);
        if was_up && !self.nodes[node].up {
            let back = time + self.rng.random_range(1..SLOW);
            self.at(back, Event::Restart(node));
            self.at(back + 1, Event::Offer(place));
            return;
        }
        let mut time = time;
        for answer in answers {
            // Of one node in order, as a coordinator that keeps the first would have it.
            time += self.rng.random_range(1..SLOW);
            if self.rng.random_bool(0.1) {
                // A copy under another's name counts for nothing.
                let elsewhere = self.rng.random_range(1..=self.dials.seats());
                self.at(time, Event::Arrives(elsewhere, Box::new(answer.clone())));
            }
            if self.rng.random_bool(0.1) {
                // Lost; the coordinator offers again, as after a restart of its own.
                self.at(time, Event::Offer(place));
                continue;
            }
            if self.rng.random_bool(0.1) {
                self.at(time + 1, Event::Arrives(place, Box::new(answer.clone())));
            }
            self.at(time, Event::Arrives(place, Box::new(answer)));
        }
    }

    fn arrives(&mut self, place: u8, answer: Answer) {
        let node = self.node_at(place);
        if matches!(self.nodes[node].conduct, Conduct::Honest | Conduct::Crashes { .. }) {
            let assignment = &self.deliveries[usize::from(place) - 1].assignment.assignment;
            if answer.acknowledgement.verify(assignment).is_ok() {
                self.arrived.insert(place);
            }
        }
        let outcome = Outcome::Answered(answer);
        let brought = JobAnswers {
            deal: Digest32(self.ticket.job().0),
            answers: vec![NodeAnswer { index: place, outcome }],
        };
        let needed = usize::from(self.dials.answers_needed()) * usize::from(self.dials.groups());
        self.answers.absorb(&self.ticket, needed, brought, &Silent).unwrap();
    }

    /// As the product does: the places of those that are silent or refused, where their group has too few without them.
    fn replace(&mut self, time: u64) {
        let good: Vec<u8> = self.answers.good().iter().map(|a| a.place).collect();
        let mut possible = good.clone();
        for place in (1..=self.dials.seats()).filter(|place| !good.contains(place)) {
            let before = self.dials.counting(possible.iter().copied());
            possible.push(place);
            if self.dials.counting(possible.iter().copied()) == before {
                continue;
            }
            let proposal = info(&self.nodes);
            let sealed = self.kept.replace(
                (&self.prepared, self.dials),
                (place, &self.ticket),
                (&self.network, &proposal),
                (NOW, EXPIRY),
                &Silent,
                &mut self.rng,
            );
            // Where nobody is left who holds no place, the old node may still come back.
            let Ok((seat, delivery)) = sealed else { continue };
            self.ticket.replace(seat);
            self.answers.forget(place);
            self.arrived.remove(&place);
            self.deliveries[usize::from(place) - 1] = delivery;
            self.at(time + 1, Event::Offer(place));
        }
    }

    fn check(mut self, suspects: Option<Vec<u8>>, failed: Option<AssembleError>) -> Tally {
        let seed = self.seed;
        let enough = self.dials.suffice(self.arrived.iter().copied());
        assert!(!enough || suspects.is_some(), "seed {seed}: enough honest answers and no proof: {failed:?}");
        let mut opened = vec![0u8; usize::from(self.dials.groups())];
        let mut tally = Tally { proofs: u64::from(suspects.is_some()), ..Tally::default() };
        let judged = match &suspects {
            Some(suspects) => suspects.clone(),
            None if failed.is_some() => self.answers.good().iter().map(|a| a.place).collect(),
            None => Vec::new(),
        };
        let tolerated = self.dials.threshold().saturating_sub(1).max(1);
        for place in judged {
            let conduct = self.nodes[self.node_at(place)].conduct;
            let lied = matches!(conduct, Conduct::Lies(lie) if lie.is_judged());
            let signed = self.answers.signed(place).unwrap().clone();
            let seat = self.ticket.seat(place).unwrap().clone();
            let found = self.kept.judge(&self.prepared, &KEY, &self.ticket.header, &seat, &signed).unwrap();
            // Of one that signed two responses either may have come.
            if conduct != Conduct::Lies(Lie::TwoResponses) {
                assert_eq!(found.is_guilt(), lied, "seed {seed}, place {place}: {conduct:?}, {found:?}");
            }
            match found {
                Found::Right => {}
                Found::Guilty(evidence) => {
                    let (group, _) = self.dials.seat_at(place).unwrap();
                    opened[usize::from(group)] += 1;
                    let verdict = evidence.audit::<Bn254, String>(|_| Ok(KEY.clone())).unwrap();
                    assert!(matches!(verdict, Verdict::Guilty { .. }), "seed {seed}: {verdict:?}");
                    tally.guilty += 1;
                }
                _ => tally.closed += 1,
            }
        }
        assert!(opened.iter().all(|opened| *opened == 0 || opened + tolerated <= self.dials.threshold()));
        for (member, evidence) in self.answers.contradictions() {
            let node = self.nodes.iter().find(|n| n.identity.key() == evidence.node()).unwrap();
            assert_eq!(node.identity.key().0, member.identity);
            let two = matches!(node.conduct, Conduct::Lies(Lie::TwoResponses | Lie::TwoAcknowledgements));
            assert!(two, "seed {seed}: {member}, {:?}, is said to contradict itself", node.conduct);
            let verdict = evidence.audit::<Bn254, String>(|_| Err("no key is needed".into())).unwrap();
            assert!(matches!(verdict, Verdict::Guilty { .. }));
            tally.contradictions += 1;
        }
        tally
    }
}

fn info(nodes: &[Node]) -> NetworkInfo {
    NetworkInfo {
        protocol_version: 1,
        software: "simulated".into(),
        coordinator: IdentityKey([0; 32]),
        assembler_certificate: None,
        nodes: (nodes.iter())
            .map(|node| NodeInfo {
                identity: node.identity.key(),
                sealing_key_certificate: Some(HexCertificate::from(&node.certificate())),
                connected: true,
                software: "simulated".into(),
                circuits: Vec::new(),
                slices: Vec::new(),
                bases_per_second: 0,
                capacity: 0,
                in_hand: 0,
            })
            .collect(),
    }
}

/// How often something happened that the simulation is about.
#[derive(Debug, Default)]
struct Tally {
    proofs: u64,
    guilty: u64,
    closed: u64,
    contradictions: u64,
}

#[test]
fn hundreds_of_schedules() {
    let mut all = Tally::default();
    for seed in 0..SEEDS {
        let tally = World::new(seed).run();
        all.proofs += tally.proofs;
        all.guilty += tally.guilty;
        all.closed += tally.closed;
        all.contradictions += tally.contradictions;
    }
    // The schedules are no use if nothing happens in them.
    assert!(all.proofs > SEEDS / 2 && all.proofs < SEEDS, "{all:?}");
    assert!(all.guilty > 10 && all.closed > 10 && all.contradictions > 3, "{all:?}");
}

/// The same seed gives the same run, or a failure could not be looked into.
#[test]
fn a_seed_decides_everything() {
    for seed in [1, 2] {
        let [one, two] = [0, 1].map(|_| format!("{:?}", World::new(seed).run()));
        assert_eq!(one, two);
    }
}
