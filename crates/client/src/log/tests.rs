//! Coordinators that lie about their log: each is caught, and what it did is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use tacit_delegate::Handover;
use tacit_log::{InclusionProof, TreeHead};
use tacit_wire::{Identity, ReceiptSeat, SignedAcknowledgement};

use super::*;

const THEN: u64 = 1_900_000_000;

fn keeper() -> Identity {
    Identity::from_seed(&[0x50; 32])
}

fn node(place: u8) -> Identity {
    Identity::from_seed(&[place; 32])
}

fn acknowledgement(job: u8, place: u8) -> Acknowledgement {
    Acknowledgement { assignment: [job; 32], package: [place; 32] }
}

fn expected(job: u8) -> Expectation {
    Expectation {
        job: Digest32([job; 32]),
        circuit: Digest32([9; 32]),
        curve: CurveId::Bn254,
        dials: Dials::new(Handover::Quotient, 2, 1).unwrap(),
        assembler: Assembler::Client,
        seats: (1..=2).map(|place| (place, node(place).key(), acknowledgement(job, place))).collect(),
        answered: vec![1, 2],
    }
}

fn receipt_of(job: u8, ended: u64) -> Receipt {
    let seat = |place| ReceiptSeat {
        place,
        node: node(place).key(),
        outcome: SeatOutcome::Acknowledged(SignedAcknowledgement::sign(
            &node(place),
            acknowledgement(job, place),
        )),
    };
    Receipt {
        coordinator: keeper().key(),
        job: Digest32([job; 32]),
        circuit: Digest32([9; 32]),
        curve: CurveId::Bn254,
        dials: Dials::new(Handover::Quotient, 2, 1).unwrap(),
        assembler: Assembler::Client,
        accepted: ended - 1,
        ended,
        outcome: JobOutcome::Answered,
        seats: vec![seat(1), seat(2)],
    }
}

fn entry(job: u8) -> Vec<u8> {
    receipt_of(job, THEN + 10 * u64::from(job)).sign(&keeper()).encode()
}

/// A log, and what is shown of it.
#[derive(Clone)]
struct Shown {
    entries: Vec<Vec<u8>>,
    head: SignedTreeHead,
    receipt: Option<ProvenReceipt>,
}

fn tree(entries: &[Vec<u8>]) -> (Frontier, HashMap<NodeId, Digest32>) {
    let (mut frontier, mut nodes) = (Frontier::new(), HashMap::new());
    entries.iter().for_each(|entry| nodes.extend(frontier.append(leaf_hash(entry))));
    (frontier, nodes)
}

impl Shown {
    fn of(entries: Vec<Vec<u8>>, timestamp: u64) -> Self {
        let (frontier, _) = tree(&entries);
        let head = TreeHead { log: keeper().key(), size: frontier.size(), root: frontier.root(), timestamp };
        Self { entries, head: head.sign(&keeper()), receipt: None }
    }

    fn honest(n: u8) -> Self {
        Self::of((0..n).map(entry).collect(), THEN + 10 * u64::from(n) - 5)
    }

    fn with_receipt(mut self, leaf: u8) -> Self {
        let (frontier, nodes) = tree(&self.entries);
        let inclusion = InclusionProof::of(leaf.into(), frontier.size(), &nodes).unwrap();
        let entry = self.entries[usize::from(leaf)].clone();
        self.receipt = Some(ProvenReceipt { entry, inclusion, head: self.head });
        self
    }
}

impl LogSource for Shown {
    async fn head(&self) -> Result<SignedTreeHead, ApiError> {
        Ok(self.head)
    }

    async fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, ApiError> {
        let nodes = tree(&self.entries).1;
        let none = ApiError::Malformed { what: "prove", reason: "no such tree".into() };
        ConsistencyProof::of(from, to, &nodes).ok_or(none)
    }

    async fn entries(&self, start: u64, count: u32) -> Result<Vec<Vec<u8>>, ApiError> {
        // A few at a time, as it may.
        Ok(self.entries.iter().skip(start as usize).take(count.min(3) as usize).cloned().collect())
    }

    async fn receipt(&self, _: Digest32) -> Result<ProvenReceipt, ApiError> {
        Ok(self.receipt.clone().unwrap())
    }
}

async fn followed(shown: &Shown, kept: Option<&Followed>) -> Result<Followed, LogError> {
    let mut jobs =
        kept.and_then(|k| k.read.as_ref()).map_or_else(SeenJobs::default, |(head, _)| seen(head.head.size));
    follow(shown, &keeper().key(), kept, &mut jobs, |_, _| ()).await
}

/// The jobs of so many entries of an honest log.
fn seen(entries: u64) -> SeenJobs {
    let mut jobs = SeenJobs::default();
    (0..entries).for_each(|job| jobs.push(&Digest32([job as u8; 32])));
    jobs
}

/// What a client knows that followed an honest log of five entries.
async fn known() -> Followed {
    followed(&Shown::honest(5), None).await.unwrap()
}

#[tokio::test]
async fn an_honest_log_is_followed_from_nothing_and_from_where_it_was_left() {
    let empty = followed(&Shown::honest(0), None).await.unwrap();
    let (mut kept, mut jobs) = (empty, SeenJobs::default());
    for n in [0, 1, 1, 2, 5, 8, 9, 16, 40] {
        let shown = Shown::honest(n);
        let mut read = Vec::new();
        let before = kept.seen.head.size;
        kept = follow(&shown, &keeper().key(), Some(&kept), &mut jobs, |index, _| read.push(index))
            .await
            .unwrap();
        assert_eq!(read, (before..u64::from(n)).collect::<Vec<_>>(), "each entry is read once");
        assert_eq!(kept.seen, shown.head);
        jobs = SeenJobs::from_bytes(&jobs.to_bytes()).unwrap();
        // As it is kept between runs.
        assert_eq!(Followed::from_json(kept.to_json().as_bytes(), &keeper().key()).unwrap(), kept);
        assert_eq!(followed(&shown, None).await.unwrap(), kept);
    }
}

#[tokio::test]
async fn a_receipt_moves_the_head_and_the_entries_between_are_read_later() {
    let known = known().await;
    let shown = Shown::honest(7).with_receipt(6);
    let (proven, now) = receipt(&shown, &keeper().key(), &expected(6), Some(&known)).await.unwrap();
    assert_eq!((proven.inclusion.leaf, now.seen.head.size), (6, 7));
    assert_eq!(now.read, known.read);
    let later = followed(&Shown::honest(9), Some(&now)).await.unwrap();
    assert_eq!(later.read.unwrap().0.head.size, 9);
    // Without anything that was kept.
    let (_, first) = receipt(&shown, &keeper().key(), &expected(6), None).await.unwrap();
    assert_eq!(first, Followed { seen: shown.head, read: None });
}

/// The evidence of an error, which must convict.
fn convicted(error: &LogError, charge: &str) -> LogEvidence {
    let evidence = error.evidence().unwrap_or_else(|| panic!("no evidence: {error}"));
    assert_eq!(evidence.charge(), charge);
    evidence.verify(&keeper().key()).unwrap();
    assert!(error.convicts());
    assert_eq!(error.blame(), Blame::Coordinator);
    evidence.clone()
}

#[tokio::test]
async fn a_rewritten_entry_is_caught_and_shown_to_others() {
    for changed in 0..5usize {
        let mut entries: Vec<_> = (0..8).map(entry).collect();
        let ended = THEN + 10 * changed as u64;
        entries[changed] = receipt_of(77, ended).sign(&keeper()).encode();
        let error = followed(&Shown::of(entries, THEN + 200), Some(&known().await)).await.unwrap_err();
        let says = error.to_string();
        convicted(&error, "rewritten");
        let range = if changed < 4 { "entry 0 to 3" } else { "entry 4 to 4" };
        assert!(says.contains("log is rewritten") && says.contains(range), "{says}");
    }
}

#[tokio::test]
async fn without_what_was_read_rewriting_is_caught_too() {
    let mut known = known().await;
    known.read = None;
    let mut entries: Vec<_> = (0..8).map(entry).collect();
    entries.swap(1, 2);
    let error = followed(&Shown::of(entries, THEN + 200), Some(&known)).await.unwrap_err();
    assert!(matches!(error, LogError::Rewritten { from: 5, to: 8, .. }), "{error}");
}

#[tokio::test]
async fn a_fork_is_caught_and_shown_to_others() {
    let mut entries: Vec<_> = (0..5).map(entry).collect();
    entries[4] = receipt_of(99, THEN + 50).sign(&keeper()).encode();
    let error = followed(&Shown::of(entries, THEN + 46), Some(&known().await)).await.unwrap_err();
    convicted(&error, "forked");
    assert!(error.to_string().contains("two logs of 5 entries with different roots"), "{error}");
}

#[tokio::test]
async fn a_log_that_is_cut_off_is_caught_and_shown_to_others() {
    let shorter = Shown::of((0..3).map(entry).collect(), THEN + 300);
    let error = followed(&shorter, Some(&known().await)).await.unwrap_err();
    convicted(&error, "turned_back");
    // An old head, which was true once: hiding shows nothing to others.
    let error = followed(&Shown::honest(3), Some(&known().await)).await.unwrap_err();
    assert!(matches!(error, LogError::Stale { seen: 5, got: 3 }) && error.evidence().is_none(), "{error}");
    // It signs eight and serves six.
    let mut cut = Shown::honest(8);
    cut.entries.truncate(6);
    let error = followed(&cut, None).await.unwrap_err();
    assert!(matches!(error, LogError::Truncated { signed: 8, served: 6 }), "{error}");
}

#[tokio::test]
async fn backdating_is_caught() {
    // A head that is no later than the one before it.
    let early = Shown::of((0..8).map(entry).collect(), THEN + 45);
    convicted(&followed(&early, Some(&known().await)).await.unwrap_err(), "turned_back");
    // An entry that is earlier than the one before it, or than the head that was signed before it.
    let mut entries: Vec<_> = (0..8).map(entry).collect();
    entries[3] = receipt_of(3, THEN + 1).sign(&keeper()).encode();
    let error = followed(&Shown::of(entries, THEN + 200), None).await.unwrap_err();
    assert!(
        matches!(error, LogError::Backdated { index: 3, time, before } if time == THEN + 1 && before == THEN + 20),
        "{error}"
    );
    let late = |ended| {
        let mut entries: Vec<_> = (0..5).map(entry).collect();
        entries.push(receipt_of(5, ended).sign(&keeper()).encode());
        Shown::of(entries, THEN + 200)
    };
    assert!(followed(&late(THEN + 45), Some(&known().await)).await.is_ok());
    let error = followed(&late(THEN + 44), Some(&known().await)).await.unwrap_err();
    assert!(matches!(error, LogError::Backdated { index: 5, .. }), "{error}");
    // A head before its last entry.
    let error = followed(&late(THEN + 201), None).await.unwrap_err();
    assert!(matches!(error, LogError::Backdated { .. }), "{error}");
}

#[tokio::test]
async fn what_is_served_must_be_what_was_signed() {
    let mut other = Shown::honest(8);
    other.entries[6] = receipt_of(66, THEN + 60).sign(&keeper()).encode();
    let error = followed(&other, None).await.unwrap_err();
    assert!(matches!(error, LogError::NotServed { size: 8, .. }), "{error}");
    let mut forged = Shown::honest(8);
    forged.entries[6] = receipt_of(6, THEN + 60).sign(&node(3)).encode();
    assert!(matches!(followed(&forged, None).await.unwrap_err(), LogError::Forged { index: 6, .. }));
    let nonsense = Shown::of(vec![entry(0), b"nonsense".to_vec()], THEN + 100);
    assert!(matches!(followed(&nonsense, None).await.unwrap_err(), LogError::NoReceipt { index: 1, .. }));
    let twice =
        Shown::of(vec![entry(0), entry(1), receipt_of(0, THEN + 19).sign(&keeper()).encode()], THEN + 100);
    let error = followed(&twice, None).await.unwrap_err();
    assert!(matches!(error, LogError::Twice { index: 2, first: 0, .. }), "{error}");
    let mut stranger = Shown::honest(5);
    stranger.head = stranger.head.head.sign(&node(3));
    assert!(matches!(followed(&stranger, None).await.unwrap_err(), LogError::Head(_)));
}

#[tokio::test]
async fn a_receipt_of_another_job_or_of_another_story_is_refused() {
    let check = async |shown: Shown| receipt(&shown, &keeper().key(), &expected(2), None).await.unwrap_err();
    let error = check(Shown::honest(5).with_receipt(3)).await;
    assert!(matches!(error, LogError::OtherJob { .. }), "{error}");
    for (change, says) in [
        ((|r: &mut Receipt| r.circuit = Digest32([8; 32])) as fn(&mut Receipt), "circuit"),
        (|r| r.assembler = Assembler::Coordinator, "another assembler"),
        (|r| r.outcome = JobOutcome::Failed("cancelled".into()), "it says failed, and there is a proof"),
        (|r| r.seats[0].node = node(7).key(), "acknowledged"),
        (
            |r| {
                r.seats[0] = ReceiptSeat { place: 1, node: node(7).key(), outcome: SeatOutcome::Silent };
            },
            "has place 1, which was given to",
        ),
        (
            |r| {
                let other = Acknowledgement { package: [0; 32], ..acknowledgement(2, 1) };
                r.seats[0].outcome = SeatOutcome::Acknowledged(SignedAcknowledgement::sign(&node(1), other));
            },
            "node 1",
        ),
    ] {
        let mut told = receipt_of(2, THEN + 2);
        change(&mut told);
        let mut entries: Vec<_> = (0..5).map(entry).collect();
        entries[2] = told.sign(&keeper()).encode();
        let error = check(Shown::of(entries, THEN + 100).with_receipt(2)).await;
        assert!(error.to_string().contains(says), "{says:?} is not in {error}");
        assert_eq!(error.blame(), Blame::Coordinator);
    }
}

/// Two of three nodes are enough: which of them did the work the client knows.
#[tokio::test]
async fn a_receipt_must_name_the_nodes_whose_answers_came() {
    let dials = Dials::new(Handover::Quotient, 3, 1).unwrap();
    let told = |outcomes: [SeatOutcome; 3]| {
        let seats = (1..=3).zip(outcomes).map(|(place, outcome)| ReceiptSeat {
            place,
            node: node(place).key(),
            outcome,
        });
        Receipt { dials, seats: seats.collect(), ..receipt_of(2, THEN + 2) }
    };
    let acknowledged = |place| {
        SeatOutcome::Acknowledged(SignedAcknowledgement::sign(&node(place), acknowledgement(2, place)))
    };
    let expected = Expectation {
        dials,
        seats: (1..=3).map(|place| (place, node(place).key(), acknowledgement(2, place))).collect(),
        answered: vec![1, 3],
        ..expected(2)
    };
    let refused = SeatOutcome::Refused(tacit_wire::messages::RefusalCode::Busy);
    for silent in [SeatOutcome::Silent, refused.clone()] {
        expected.check(&told([acknowledged(1), silent, acknowledged(3)])).unwrap();
    }
    expected.check(&told([acknowledged(1), acknowledged(2), acknowledged(3)])).unwrap();
    for (outcomes, says) in [
        ([acknowledged(1), acknowledged(2), SeatOutcome::Silent], "it says silent of node 3"),
        ([refused, acknowledged(2), acknowledged(3)], "it says refused of node 1"),
    ] {
        let error = expected.check(&told(outcomes)).unwrap_err();
        assert!(error.to_string().contains(says) && error.convicts(), "{error}");
    }
    // Where the coordinator assembled, its client may have seen no answer: some must have come.
    let expected = Expectation { answered: vec![], ..expected };
    let few = told([acknowledged(1), SeatOutcome::Silent, SeatOutcome::Silent]);
    assert!(expected.check(&few).unwrap_err().to_string().contains("so few nodes acknowledged"));
}

#[tokio::test]
async fn a_second_receipt_is_noticed_in_a_later_run_and_an_accident_is_none() {
    let known = known().await;
    let mut entries: Vec<_> = (0..8).map(entry).collect();
    entries.push(receipt_of(2, THEN + 90).sign(&keeper()).encode());
    let shown = Shown::of(entries, THEN + 200);
    let error = followed(&shown, Some(&known)).await.unwrap_err();
    assert!(matches!(error, LogError::Twice { index: 8, first: 2, .. }) && error.convicts(), "{error}");
    // Whoever has lost what it remembered reads everything again.
    let mut none = SeenJobs::default();
    let again = follow(&shown, &keeper().key(), Some(&known), &mut none, |_, _| ()).await;
    assert!(matches!(again.unwrap_err(), LogError::Twice { index: 8, first: 2, .. }));
    // A later job that only looks like an earlier one.
    let mut alike = SeenJobs::default();
    [0u8, 1, 2, 3, 6].iter().for_each(|job| alike.push(&Digest32([*job; 32])));
    let honest = Shown::honest(8);
    follow(&honest, &keeper().key(), Some(&known), &mut alike, |_, _| ()).await.unwrap();
    // One that serves something else when it is asked again is caught at that.
    struct Wavers(Shown, std::sync::atomic::AtomicBool);
    impl LogSource for Wavers {
        async fn head(&self) -> Result<SignedTreeHead, ApiError> {
            self.0.head().await
        }
        async fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, ApiError> {
            self.0.consistency(from, to).await
        }
        async fn entries(&self, start: u64, count: u32) -> Result<Vec<Vec<u8>>, ApiError> {
            let mut entries = self.0.entries(start, count).await?;
            if start == 0 {
                entries[2] = entry(200);
                self.1.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            Ok(entries)
        }
        async fn receipt(&self, job: Digest32) -> Result<ProvenReceipt, ApiError> {
            self.0.receipt(job).await
        }
    }
    let wavers = Wavers(shown, false.into());
    let error = follow(&wavers, &keeper().key(), Some(&known), &mut seen(5), |_, _| ()).await.unwrap_err();
    assert!(matches!(error, LogError::NotServed { size: 9, .. }), "{error}");
    assert!(wavers.1.into_inner(), "it was asked again");
}

#[tokio::test]
async fn a_receipt_in_a_log_that_does_not_continue_is_refused() {
    let known = known().await;
    let mut entries: Vec<_> = (0..8).map(entry).collect();
    entries[0] = receipt_of(70, THEN).sign(&keeper()).encode();
    let rewritten = Shown::of(entries, THEN + 200).with_receipt(6);
    let error = receipt(&rewritten, &keeper().key(), &expected(6), Some(&known)).await.unwrap_err();
    convicted(&error, "rewritten");
    let stale = Shown::honest(4).with_receipt(2);
    let error = receipt(&stale, &keeper().key(), &expected(2), Some(&known)).await.unwrap_err();
    assert!(matches!(error, LogError::Stale { .. }), "{error}");
}

#[tokio::test]
async fn what_was_kept_is_not_believed_blindly_either() {
    let known = known().await;
    let log = keeper().key();
    let text = known.to_json();
    for (from, to) in
        [("\"version\": 1", "\"version\": 2"), ("\"size\": 5", "\"size\": 6"), ("peaks", "pikes")]
    {
        let error = Followed::from_json(text.replace(from, to).as_bytes(), &log).unwrap_err();
        assert!(matches!(error, LogError::Kept(_)) && !error.convicts(), "{error}");
    }
    assert!(Followed::from_json(text.as_bytes(), &node(1).key()).is_err(), "another coordinator's");
}
