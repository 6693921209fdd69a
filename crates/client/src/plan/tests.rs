#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Mutex;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tacit_algebra::{Bls12_381, Bn254, Check, Group, Groups, Point, field};
use tacit_circom::Zkey;
use tacit_delegate::{CircuitShape, Layout};
use tacit_groth16::{CircuitId, ProvingKey};

use super::device::Sum;
use super::*;
use crate::committee::tests::{setting, wanted};
use crate::{AssemblerKey, Committee, Event, Options, Prepared};

type Circuit = super::Circuit<Bn254>;

/// A key of made-up points: what is sent, and for how much work it is, follows from the number of wires and of finite bases.
fn key<C: Curve>(n_public: usize, n_wires: usize, log_domain: u32, every: [usize; 2]) -> ProvingKey<C> {
    let file = format!(
        "{}/../circom/tests/fixtures/{}/final.zkey",
        env!("CARGO_MANIFEST_DIR"),
        C::ID.snarkjs_name()
    );
    let zkey = Zkey::<C>::read(&std::fs::read(file).unwrap(), Check::Full).unwrap();
    let mut key = ProvingKey::from_zkey(zkey).unwrap();
    let (g1, g2) = (C::G1::generator().to_affine(), C::G2::generator().to_affine());
    fn sparse<P: Point>(point: P, n: usize, every: usize) -> Vec<P> {
        (0..n).map(|i| if i % every == 0 { point } else { P::identity() }).collect()
    }
    (key.n_public, key.n_wires, key.log_domain) = (n_public, n_wires, log_domain);
    key.a_query = sparse(g1, n_wires, every[0]);
    key.b_g1_query = sparse(g1, n_wires, every[1]);
    key.b_g2_query = sparse(g2, n_wires, every[1]);
    key.l_query = vec![g1; n_wires - n_public - 1];
    key.h_query = vec![g1; 1 << log_domain];
    (key.a, key.b) = Default::default();
    key
}

/// Measured nowhere.
fn device() -> Device {
    let work = |micros: f64| Work { cpu: 2e-6 * micros, wall: 1e-6 * micros };
    Device {
        in_g1: Sum { terms: 1 << 13, work: work(8_000.0) },
        in_g2: Sum { terms: 1 << 12, work: work(10_000.0) },
        quotient: work(5_000.0),
        expanded: work(0.3),
        term: work(0.02),
        byte: work(0.003),
        envelope: work(100.0),
        check: work(2_000.0),
        witness: None,
        bases_per_second: 1_000_000,
    }
}

/// About the bundled circuit.
fn spend() -> Circuit {
    Circuit::of(&key(5, 8_000, 13, [2, 3]))
}

fn dials(handover: Handover, n: u8, t: u8, groups: u8) -> Dials {
    Dials::new(handover, n, t).unwrap().with_groups(groups).unwrap()
}

fn planned(nodes: &Nodes, wish: &Wish) -> Result<Plan, PlanError> {
    plan(&spend(), &device(), nodes, Line::ASSUMED, wish)
}

/// Like this device.
fn alike(n: usize) -> Nodes {
    Nodes::of_claims(&vec![1_000_000; n], 1_000_000)
}

/// What a real deal for this key sends, and its largest envelope.
fn really_sent<C: Curve>(key: &ProvingKey<C>, dials: Dials) -> (usize, usize) {
    let mut rng = StdRng::seed_from_u64(1);
    let mut witness: Vec<<C as Groups>::Scalar> = (0..key.n_wires).map(|_| field::random(&mut rng)).collect();
    witness[0] = 1u64.into();
    let prepared = Prepared::new(key, &witness, None, dials.handover()).unwrap();
    let (network, info) = setting(dials.seats());
    let committee = Committee::accept(&network, &info.nodes, wanted(dials.seats())).unwrap();
    let options = Options { dials, ..Options::standard().unwrap() };
    let largest = Mutex::new(0);
    let watch = |event| {
        if let Event::Sealed { envelope_bytes, .. } = event {
            let mut largest = largest.lock().unwrap();
            *largest = envelope_bytes.max(*largest);
        }
    };
    let dealt = prepared.deal(&committee, AssemblerKey::Fresh, &options, &mut rng, &watch).unwrap();
    (dealt.frame.len(), largest.into_inner().unwrap())
}

fn bytes_are_exact<C: Curve>() {
    for (n_public, n_wires, log_domain, every) in [
        (1, 3, 1, [1, 1]),
        (0, 40, 6, [2, 3]),
        (7, 100, 7, [1, 5]),
        (60, 64, 4, [3, 1]),
        (2, 700, 9, [500, 200]),
    ] {
        let key = key::<C>(n_public, n_wires, log_domain, every);
        let circuit = super::Circuit::of(&key);
        for dials in [
            dials(Handover::Witness, 3, 1, 1),
            dials(Handover::Witness, 5, 2, 1),
            dials(Handover::Witness, 16, 7, 1),
            dials(Handover::Quotient, 2, 1, 1),
            dials(Handover::Quotient, 4, 1, 1),
            dials(Handover::Quotient, 7, 6, 1),
            dials(Handover::Quotient, 2, 1, 2),
            dials(Handover::Quotient, 3, 1, 4),
            dials(Handover::Quotient, 2, 1, 8),
        ] {
            let job = circuit.job(dials);
            assert_eq!(
                (job.frame, job.largest_envelope),
                really_sent(&key, dials),
                "{n_wires} wires, {dials:?}"
            );
        }
    }
}

#[test]
fn bytes_are_those_of_a_real_deal_on_bn254() {
    bytes_are_exact::<Bn254>();
}

#[test]
fn bytes_are_those_of_a_real_deal_on_bls12_381() {
    bytes_are_exact::<Bls12_381>();
}

/// Every row's bytes, too, and its other exact columns.
#[test]
fn rows_say_what_the_dials_say() {
    let key = key::<Bn254>(2, 50, 6, [2, 3]);
    let circuit = Circuit::of(&key);
    let plan = plan(&circuit, &device(), &Nodes::assumed(), Line::ASSUMED, &Wish::default()).unwrap();
    assert!(plan.rows.len() > 20);
    for row in &plan.rows {
        assert_eq!(row.upload_bytes, really_sent(&key, row.dials).0);
        let needed = match row.dials.handover() {
            Handover::Quotient => row.dials.threshold() + 1,
            _ => 2 * row.dials.threshold() + 1,
        };
        assert_eq!(row.must_collude(), row.dials.threshold() + 1);
        assert_eq!(row.may_drop(), row.dials.nodes() - needed);
    }
    let mut settings: Vec<Dials> = plan.rows.iter().map(|row| row.dials).collect();
    settings.dedup();
    assert_eq!(settings.len(), plan.rows.len(), "no setting twice");
    assert_eq!(plan.rows[plan.recommended.row], plan.recommended.setting);
}

#[test]
fn costs_grow_with_what_they_are_for() {
    let (circuit, device) = (spend(), device());
    let row = |device: &Device, line, dials: Dials| {
        let wish = Wish {
            committee: Some(dials.nodes()),
            threshold: Some(dials.threshold()),
            groups: Some(dials.groups()),
            handover: Some(dials.handover()),
            ..Wish::default()
        };
        let plan = plan(&circuit, device, &alike(16), line, &wish).unwrap();
        assert_eq!(plan.rows.len(), 1);
        (plan.rows[0], plan.local)
    };
    let of = |dials| row(&device, Line::ASSUMED, dials).0;
    let witness = |n, t| of(dials(Handover::Witness, n, t, 1));
    let quotient = |n, t, groups| of(dials(Handover::Quotient, n, t, groups));
    // Nodes without a seed are what is sent; seeds are what is expanded.
    assert!(witness(4, 1).upload_bytes > witness(3, 1).upload_bytes);
    assert!(quotient(4, 3, 1).upload_bytes < quotient(4, 2, 1).upload_bytes);
    assert!(quotient(4, 2, 1).upload_bytes < quotient(4, 1, 1).upload_bytes);
    assert!(quotient(7, 6, 1).client.cpu > quotient(2, 1, 1).client.cpu);
    // The client computes the quotient, or the nodes do.
    assert!(quotient(3, 1, 1).client.cpu > witness(3, 1).client.cpu + device.quotient.cpu);
    // Groups divide the nodes' work and nothing else.
    assert!(quotient(2, 1, 2).nodes < 0.7 * quotient(2, 1, 1).nodes);
    assert!(quotient(2, 1, 4).nodes < 0.7 * quotient(2, 1, 2).nodes);
    let overhead = quotient(2, 1, 2).upload_bytes - quotient(2, 1, 1).upload_bytes;
    assert!((1..6_000).contains(&overhead), "{overhead}");
    // A slower line, a slower device, a witness to calculate.
    let dials = dials(Handover::Witness, 4, 1, 1);
    let (base, local) = row(&device, Line::ASSUMED, dials);
    let (slow, _) = row(&device, Line::of_mbit(1.0), dials);
    assert!(
        (slow.upload - 10.0 * base.upload).abs() < 1e-9
            && slow.client == base.client
            && slow.nodes == base.nodes
    );
    let calculated = Device { witness: Some(Work { cpu: 1.0, wall: 0.5 }), ..device };
    let (with_witness, local_with_witness) = row(&calculated, Line::ASSUMED, dials);
    assert!((with_witness.latency() - base.latency() - 0.5).abs() < 1e-9);
    assert!((local_with_witness.cpu - local.cpu - 1.0).abs() < 1e-9);
    assert!(
        (base.latency() - (base.client.wall + base.upload + base.nodes + base.round_trips)).abs() < 1e-12
    );
}

#[test]
fn a_faster_network_is_quicker_and_a_slower_one_slower() {
    let latency = |claim: u64| {
        let plan = planned(&Nodes::of_claims(&[claim; 8], 1_000_000), &Wish::default()).unwrap();
        plan.rows.iter().map(Row::latency).collect::<Vec<_>>()
    };
    let (slow, alike, fast) = (latency(250_000), latency(1_000_000), latency(4_000_000));
    for ((slow, alike), fast) in slow.iter().zip(&alike).zip(&fast) {
        assert!(slow > alike && alike > fast);
    }
}

#[test]
fn a_network_too_small_for_anything_is_said_to_be_so() {
    for n in [0, 1] {
        let error = planned(&alike(n), &Wish::default()).unwrap_err();
        assert_eq!(error, PlanError::TooFewNodes { eligible: n, needed: 2 });
    }
    let two = planned(&alike(2), &Wish::default()).unwrap();
    assert_eq!(
        two.rows.iter().map(|row| row.dials).collect::<Vec<_>>(),
        [dials(Handover::Quotient, 2, 1, 1)]
    );
    assert!(two.recommended.to_string().contains("only one"), "{}", two.recommended);
    let four = Wish { committee: Some(4), ..Wish::default() };
    assert_eq!(planned(&alike(3), &four).unwrap_err(), PlanError::TooFewNodes { eligible: 3, needed: 4 });
    let groups = Wish { groups: Some(4), ..Wish::default() };
    assert_eq!(planned(&alike(7), &groups).unwrap_err(), PlanError::TooFewNodes { eligible: 7, needed: 8 });
}

#[test]
fn what_is_said_of_the_dials_is_kept_to() {
    let wishes = [
        Wish { committee: Some(6), ..Wish::default() },
        Wish { threshold: Some(3), ..Wish::default() },
        Wish { threshold: Some(2), groups: Some(2), ..Wish::default() },
        Wish { groups: Some(3), ..Wish::default() },
        Wish { handover: Some(Handover::Witness), ..Wish::default() },
        Wish { handover: Some(Handover::Quotient), committee: Some(16), ..Wish::default() },
        Wish { privacy: Privacy::AllButOne, ..Wish::default() },
        Wish { privacy: Privacy::AllButOne, groups: Some(2), ..Wish::default() },
        Wish { committee: Some(5), threshold: Some(2), groups: Some(1), ..Wish::default() },
    ];
    for wish in wishes {
        let plan = planned(&alike(16), &wish).unwrap();
        for Row { dials, .. } in &plan.rows {
            assert!(wish.committee.is_none_or(|n| n == dials.nodes()), "{wish:?} {dials:?}");
            assert!(wish.threshold.is_none_or(|t| t == dials.threshold()), "{wish:?} {dials:?}");
            assert!(wish.groups.is_none_or(|groups| groups == dials.groups()), "{wish:?} {dials:?}");
            assert!(wish.handover.is_none_or(|handover| handover == dials.handover()), "{wish:?} {dials:?}");
            let private =
                dials.threshold() + 1 == dials.nodes() && dials.groups() == wish.groups.unwrap_or(1);
            assert!(wish.privacy == Privacy::One || private, "{wish:?} {dials:?}");
            assert!(dials.seats() <= 16);
        }
    }
    // With a threshold alone: a committee that just has it, and one with a spare node.
    let three = planned(&alike(16), &wishes[1]).unwrap();
    let of = |handover| -> Vec<u8> {
        let rows =
            three.rows.iter().filter(|row| row.dials.handover() == handover && row.dials.groups() == 1);
        rows.map(|row| row.dials.nodes()).collect()
    };
    assert_eq!((of(Handover::Witness), of(Handover::Quotient)), (vec![7, 8], vec![4, 5]));
}

#[test]
fn what_contradicts_itself_is_said_to() {
    let impossible = |wish: Wish| match planned(&alike(16), &wish).unwrap_err() {
        PlanError::Impossible { why } => why,
        other => panic!("{other}"),
    };
    let all_but_one = Wish { privacy: Privacy::AllButOne, ..Wish::default() };
    assert_eq!(impossible(Wish { handover: Some(Handover::Witness), ..all_but_one }), None);
    assert_eq!(impossible(Wish { committee: Some(4), threshold: Some(2), ..all_but_one }), None);
    let too_many = Wish { committee: Some(4), threshold: Some(4), ..Wish::default() };
    assert!(matches!(impossible(too_many), Some(DialsError::Threshold { n: 4, t: 4, .. })));
    for n in [0, 1, 17, 255] {
        let committee = Wish { committee: Some(n), ..Wish::default() };
        assert!(matches!(impossible(committee), Some(DialsError::Committee { .. })), "{n}");
    }
    for t in [16, 255] {
        assert_eq!(impossible(Wish { threshold: Some(t), ..Wish::default() }), None);
    }
    assert!(matches!(
        impossible(Wish { threshold: Some(0), ..Wish::default() }),
        Some(DialsError::Threshold { t: 0, .. })
    ));
    let groups = Wish { groups: Some(0), ..Wish::default() };
    assert!(matches!(impossible(groups), Some(DialsError::Groups { groups: 0, .. })));
    let sliced_witness = Wish { groups: Some(2), handover: Some(Handover::Witness), ..Wish::default() };
    assert!(matches!(impossible(sliced_witness), Some(DialsError::Groups { .. })));
}

#[test]
fn absurd_claims_change_no_advice() {
    let honest = planned(&alike(6), &Wish::default()).unwrap();
    for absurd in [0, 1, 999, 10_000_000_001, u64::MAX] {
        for liars in [1, 3, 6] {
            let mut claims = [1_000_000; 6];
            claims[..liars].fill(absurd);
            let got = planned(&Nodes::of_claims(&claims, 1_000_000), &Wish::default()).unwrap();
            assert_eq!(got.rows.len(), honest.rows.len());
            for (got, honest) in got.rows.iter().zip(&honest.rows) {
                assert!((got.latency() - honest.latency()).abs() < 1e-6, "{absurd} by {liars}: {got:?}");
            }
            assert_eq!(got.recommended.setting.dials, honest.recommended.setting.dials);
        }
    }
    // The largest boast that is believed makes nodes free, and no more than that.
    let boasts = planned(&Nodes::of_claims(&[nodes::FASTEST; 6], 1_000_000), &Wish::default()).unwrap();
    assert!(boasts.rows.iter().all(|row| row.nodes >= 0.0 && row.latency() >= row.client.wall + row.upload));
    // A device that measured nothing, and a line that carries nothing.
    let nothing = Device::default();
    let line = Line { bytes_per_second: 0.0, round_trip: 0.0 };
    let plan =
        plan(&spend(), &nothing, &Nodes::of_claims(&[u64::MAX; 6], 0), line, &Wish::default()).unwrap();
    assert!(plan.rows.iter().all(|row| row.latency().is_finite()));
}

/// A row with these dials and this latency, whatever the circuit.
fn row(dials: Dials, latency: f64, upload_bytes: usize) -> Row {
    Row { dials, client: Work::default(), upload_bytes, upload: latency, nodes: 0.0, round_trips: 0.0 }
}

#[test]
fn the_rule_prefers_spare_nodes_then_speed_then_a_larger_threshold_then_fewer_bytes() {
    let quotient = |n, t| dials(Handover::Quotient, n, t, 1);
    let slow_local = Work { cpu: 100.0, wall: 100.0 };
    let choose = |rows: &[Row]| recommend::recommend(rows, slow_local).unwrap();

    // A spare node, even if it takes longer.
    let rows = [row(quotient(2, 1), 1.0, 10), row(quotient(3, 1), 5.0, 10), row(quotient(3, 2), 0.1, 10)];
    let choice = choose(&rows);
    assert_eq!((choice.row, choice.left), (1, [3, 1, 1]));
    assert!(choice.to_string().contains("it alone has a spare node"), "{choice}");
    // Of those with one, the quickest.
    let rows = [row(quotient(3, 1), 5.0, 10), row(quotient(4, 2), 3.0, 10), row(quotient(4, 1), 3.4, 1)];
    let choice = choose(&rows);
    assert_eq!((choice.row, choice.left), (1, [3, 3, 1]));
    assert!(choice.to_string().contains("expected to be the quickest"), "{choice}");
    // Within a tenth: the larger threshold, although it is a little slower and sends more.
    let rows = [row(quotient(3, 1), 1.0, 10), row(quotient(5, 3), 1.09, 20), row(quotient(4, 2), 1.05, 5)];
    let choice = choose(&rows);
    assert_eq!((choice.row, choice.left), (1, [3, 3, 3]));
    assert!(choice.to_string().contains("3 are expected to be about equally quick"), "{choice}");
    // Then fewer bytes, then fewer nodes.
    let rows = [row(quotient(4, 1), 1.0, 20), row(quotient(3, 1), 1.0, 10), row(quotient(5, 1), 1.0, 10)];
    assert_eq!(choose(&rows).row, 1);
    // No spare anywhere.
    let rows = [row(quotient(3, 2), 2.0, 10), row(quotient(2, 1), 1.0, 10)];
    let choice = choose(&rows);
    assert_eq!(choice.row, 1);
    assert!(choice.to_string().contains("none has a spare node"), "{choice}");

    assert!(!choice.local_is_quicker);
    let quick_local = Work { cpu: 0.5, wall: 0.25 };
    assert!(recommend::recommend(&rows, quick_local).unwrap().local_is_quicker);
    assert_eq!(recommend::recommend(&[], quick_local), None);
}

#[test]
fn the_rule_on_networks_of_several_sizes() {
    let chosen = |nodes: usize, privacy| {
        let wish = Wish { privacy, ..Wish::default() };
        planned(&alike(nodes), &wish).unwrap().recommended.setting
    };
    // A spare node as soon as there is one.
    assert_eq!(chosen(2, Privacy::One).may_drop(), 0);
    for n in 3..=16 {
        assert!(chosen(n, Privacy::One).may_drop() > 0, "{n} nodes");
        let private = chosen(n, Privacy::AllButOne);
        assert_eq!((private.may_drop(), private.dials.threshold() + 1), (0, private.dials.nodes()));
    }
}

#[test]
fn what_is_too_large_for_an_envelope_is_not_recommended() {
    // Packages with the handover `witness` would have 288 MB; half of what is dealt with `quotient` fits.
    let shape = CircuitShape { id: CircuitId([0; 32]), n_public: 1, n_private: 9_000_000 };
    let circuit = |shape: CircuitShape| Circuit {
        witness: Layout::witness(shape),
        quotient: Layout::quotient(shape, 1, vec![0], vec![0]),
        in_a: 1,
        in_b: 1,
        domain: 1,
        curve: PhantomData,
    };
    let wish = Wish { committee: Some(3), threshold: Some(1), ..Wish::default() };
    let plan_of = |shape| plan(&circuit(shape), &device(), &alike(16), Line::ASSUMED, &wish);
    let rows = plan_of(shape).unwrap().rows;
    assert!(!rows.is_empty() && rows.iter().all(|row| row.dials.groups() > 1), "{rows:?}");
    let error = plan_of(CircuitShape { n_private: 40_000_000, ..shape }).unwrap_err();
    assert!(matches!(error, PlanError::TooLarge { bytes } if bytes > 1 << 30), "{error}");
}

#[test]
fn a_device_is_measured_by_the_clock_that_is_given() {
    fn measured<C: Curve>(step: Duration) -> Device {
        let readings = Cell::new(0u32);
        let clock = || {
            readings.set(readings.get() + 1);
            Reading { cpu: step * 2 * readings.get(), wall: step * readings.get() }
        };
        let key = key::<C>(2, 50, 6, [2, 3]);
        Device::measure(&key, &clock, &mut StdRng::seed_from_u64(2)).unwrap()
    }
    for device in
        [measured::<Bn254>(Duration::from_millis(3)), measured::<Bls12_381>(Duration::from_millis(3))]
    {
        // Between two readings, one before and one after, there is always one step of the clock.
        let step = Work { cpu: 0.006, wall: 0.003 };
        assert_eq!((device.in_g1.terms, device.in_g2.terms), (64, 17));
        for work in [device.in_g1.work, device.in_g2.work, device.quotient, device.envelope, device.check] {
            assert!((work.cpu - step.cpu).abs() < 1e-12 && (work.wall - step.wall).abs() < 1e-12, "{work:?}");
        }
        // Deals to many and to few took the same, so nothing is left for what they differ in.
        assert!(device.term.wall.abs() < 1e-15 && device.byte.wall.abs() < 1e-15);
        assert!((device.expanded.wall - 0.003 / 4096.0).abs() < 1e-15);
        assert_eq!(device.bases_per_second, 8192 * 1000 / 3);
    }
    let frozen = measured::<Bn254>(Duration::ZERO);
    assert_eq!(frozen.bases_per_second, 0);
    let plan = plan(&spend(), &frozen, &alike(4), Line::ASSUMED, &Wish::default()).unwrap();
    assert!(plan.rows.iter().all(|row| row.latency().is_finite()));
}
