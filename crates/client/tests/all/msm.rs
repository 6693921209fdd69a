//! Sums by a network: what another crate commits with, what is refused before anything is dealt, and lying nodes.

use std::sync::Arc;
use std::time::Duration;

use ark_bn254::Fr;
use ark_ff::UniformRand;
use ark_poly::Polynomial;
use ark_std::rand::SeedableRng;
use ark_std::rand::rngs::StdRng;
use tacit_algebra::{Bls12_381, Bn254, Group, Groups};
use tacit_client::{
    Artefact, Assembler, AssemblerError, Bases, BasesId, Client, ClientError, Event, Handover, Options,
    Prepared, Silent, WitnessError,
};
use tacit_delegate::AssembleError;
use tacit_wire::messages::Outcome;
use tacit_wire::status::CircuitKind;

use crate::circuit::{Circuit, Recorder};
use crate::hostile::{Hostile, Play, Setting};
use crate::network::World;

#[path = "../../examples/kzg/commit.rs"]
mod kzg;

type G1 = <Bn254 as Groups>::G1;

fn bases(count: u64) -> Bases<Bn254> {
    let scalars: Vec<Fr> = (0..count).map(|k| Fr::from(k * k + 5)).collect();
    Bases::new(G1::multiples(&G1::generator(), &scalars)).unwrap()
}

fn vector(count: u64) -> Vec<Fr> {
    (0..count).map(|k| -Fr::from(k + 1)).collect()
}

fn options(n: u8, t: u8) -> Options {
    let mut options = Options::with_dials(Handover::Msm, n, t).unwrap();
    options.expiry = Duration::from_secs(120);
    options
}

/// For jobs of which nothing more comes.
fn impatient(n: u8, t: u8) -> Options {
    let mut options = options(n, t);
    (options.timeout, options.grace) = (Some(Duration::from_secs(20)), Duration::from_secs(1));
    options
}

/// Bit by bit what `ark-poly-commit` computes itself; and its verifier accepts an opening none of whose group elements was computed here.
#[tokio::test(flavor = "multi_thread")]
async fn another_crates_commitments_and_openings() {
    let world = World::start(3, 3).await;
    let client = world.client();
    let size = 40;
    let mut rng = StdRng::seed_from_u64(7);
    let params = kzg::Kzg::setup(size - 1, false, &mut rng).unwrap();
    let srs = kzg::Srs::new(&params, size).unwrap();
    let delegate = kzg::Delegate::new(&client, &srs, options(3, 1)).await.unwrap();
    for degree in [size - 1, 11] {
        let mut twin = rng.clone();
        let (polynomial, hiding) = kzg::secrets(degree + 1, &mut rng);
        let commitment = delegate.commit(&polynomial, &hiding).await.unwrap();
        let point = Fr::rand(&mut rng);
        let proof = delegate.open(&polynomial, point, &hiding).await.unwrap();

        // The crate's own commitment draws the same polynomials from a generator in the same state.
        assert_eq!(kzg::secrets(degree + 1, &mut twin.clone()).0, polynomial);
        for _ in 0..=degree {
            Fr::rand(&mut twin);
        }
        let bound = Some(kzg::HIDING_BOUND);
        let (local, _) = kzg::Kzg::commit(&srs.powers, &polynomial, bound, Some(&mut twin)).unwrap();
        assert_eq!(commitment, local);
        assert_eq!(proof, kzg::Kzg::open(&srs.powers, &polynomial, point, &hiding).unwrap());

        let value = polynomial.evaluate(&point);
        assert!(kzg::Kzg::check(&srs.vk, &commitment, point, value, &proof).unwrap());
        assert!(!kzg::Kzg::check(&srs.vk, &commitment, point, value + Fr::from(1u64), &proof).unwrap());
    }
}

/// Also with a vector that is shorter than the bases, with all nodes but one colluding, and after a node lost or damaged its file.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_sums_and_the_caller_sees_every_phase() {
    let mut world = World::start(3, 3).await;
    let client = world.client();
    let bases = bases(9);
    client.register_bases(&bases, Arc::new(Silent)).await.unwrap();
    let known = client.api().circuit(bases.id().into()).await.unwrap().unwrap();
    assert_eq!((known.kind, known.n_wires, known.n_public), (CircuitKind::Bases, 9, 0));
    assert_eq!(known.bytes, bases.encode().len() as u64);
    assert!(!known.has_r1cs);

    let seen = Recorder::default();
    for (count, t) in [(9, 1), (4, 2)] {
        let v = vector(count);
        let summed = client.msm::<Bn254>(bases.id(), &v, &options(3, t), seen.shared()).await.unwrap();
        assert_eq!(summed.sum, G1::msm(&bases.points()[..v.len()], &v).to_affine());
        assert_eq!((summed.members.len(), summed.suspects.len()), (3, 0));
        assert!(summed.answered.len() > usize::from(t));
    }
    let events = seen.events();
    let at = |what: &str, which: &dyn Fn(&Event) -> bool| {
        events.iter().position(which).unwrap_or_else(|| panic!("no event {what} in {events:#?}"))
    };
    let order = [
        at("ready", &|e| matches!(e, Event::CircuitReady { .. })),
        at("committee", &|e| matches!(e, Event::CommitteeChosen { threshold: 1, .. })),
        at("dealt", &|e| matches!(e, Event::Dealt { private_wires: 9, .. })),
        at("submitted", &|e| matches!(e, Event::Submitted { .. })),
        at("answered", &|e| matches!(e, Event::Answered { .. })),
        at("verified", &|e| matches!(e, Event::Verified { .. })),
    ];
    assert!(order.is_sorted(), "{order:?}");

    // Each node keeps the file. One whose file is damaged notices when it starts again, and fetches it once more.
    let file = |i: u8| world.node_folder(i).join("circuits").join(format!("{}.bases", bases.id()));
    for i in 1..=3 {
        assert_eq!(std::fs::read(file(i)).unwrap(), bases.encode(), "node {i}");
    }
    let damaged = file(1);
    let mut bytes = bases.encode();
    bytes[30] ^= 1;
    std::fs::write(&damaged, &bytes).unwrap();
    world.restart_node(1).await;
    let v = vector(9);
    let summed = client.msm::<Bn254>(bases.id(), &v, &options(3, 2), Arc::new(Silent)).await.unwrap();
    assert_eq!(summed.sum, G1::msm(bases.points(), &v).to_affine());
    assert_eq!(std::fs::read(&damaged).unwrap(), bases.encode());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_that_is_gone_changes_nothing() {
    let mut world = World::start(4, 4).await;
    let client = world.client();
    let bases = bases(3);
    client.register_bases(&bases, Arc::new(Silent)).await.unwrap();
    world.kill_node(2);
    let summed = client.msm::<Bn254>(bases.id(), &vector(3), &options(3, 1), Arc::new(Silent)).await.unwrap();
    assert_eq!(summed.sum, G1::msm(bases.points(), &vector(3)).to_affine());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_summed_is_refused_before_anything_is_dealt() {
    let world = World::start(3, 3).await;
    let client = world.client();
    let bases = bases(3);
    let seen = Recorder::default();
    let fails = async |id: BasesId, v: &[Fr], options: &Options| {
        client.msm::<Bn254>(id, v, options, seen.shared()).await.unwrap_err()
    };
    let error = fails(bases.id(), &vector(3), &options(3, 1)).await;
    assert!(matches!(error, ClientError::UnknownCircuit { .. }), "{error}");
    client.register_bases(&bases, Arc::new(Silent)).await.unwrap();
    let error = fails(bases.id(), &vector(4), &options(3, 1)).await;
    assert!(matches!(error, ClientError::TooFewBases { scalars: 4, bases: 3 }), "{error}");
    let error = fails(bases.id(), &[], &options(3, 1)).await;
    assert!(error.to_string().contains("the vector has 0 scalars"), "{error}");
    let mut wrong = options(3, 1);
    wrong.assembler = Assembler::Coordinator;
    let error = fails(bases.id(), &vector(3), &wrong).await;
    assert!(matches!(error, ClientError::Assembler(AssemblerError::Sum)), "{error}");
    let proof = Options::with_dials(Handover::Quotient, 3, 1).unwrap();
    let error = fails(bases.id(), &vector(3), &proof).await;
    assert!(error.to_string().contains("the handover `quotient`"), "{error}");
    // Bases of another curve, and a circuit.
    let other =
        client.msm::<Bls12_381>(bases.id(), &[1u64.into()], &options(3, 1), seen.shared()).await.unwrap_err();
    assert!(matches!(other, ClientError::NoBases { .. }), "{other}");
    let circuit = Circuit::tiny();
    let zkey = Artefact::from(circuit.zkey.as_path());
    client.register_circuit(circuit.key.circuit_id, &zkey, None, Arc::new(Silent)).await.unwrap();
    let error = fails(BasesId(circuit.key.circuit_id.0), &vector(3), &options(3, 1)).await;
    assert!(matches!(error, ClientError::NoBases { .. }), "{error}");
    assert_eq!(seen.count(|e| matches!(e, Event::Dealt { .. })), 0);
    // A witness is not handed over so.
    let error = Prepared::new(&circuit.key, &circuit.witness, None, Handover::Msm).unwrap_err();
    assert_eq!(error, WitnessError::Handover { handover: Handover::Msm });

    // What is no file of bases, or one under another name, is not registered, and no constraint system belongs to one.
    let put = async |id: BasesId, bytes: Vec<u8>| {
        let artefact = Artefact::Bytes(bytes.into());
        client.register_circuit(id.into(), &artefact, None, Arc::new(Silent)).await.unwrap_err().to_string()
    };
    let mut off = bases.encode();
    off[24] ^= 1;
    let error = put(BasesId([1; 32]), off).await;
    assert!(error.contains("malformed_bases") && error.contains("base 0"), "{error}");
    let error = put(BasesId([1; 32]), bases.encode()).await;
    assert!(error.contains("circuit_id_mismatch"), "{error}");
    let r1cs = Artefact::from(circuit.r1cs_file.as_path());
    let error = client.api().put_r1cs(bases.id().into(), &r1cs, |_, _| ()).await.unwrap_err().to_string();
    assert!(error.contains("no constraint system belongs to them"), "{error}");
}

async fn lied_to(
    script: impl Fn(&Play) -> Vec<tacit_wire::messages::JobAnswers> + Send + Sync + 'static,
    options: Options,
) -> Result<tacit_client::Summed<Bn254>, ClientError> {
    let bases = bases(3);
    let hostile = Hostile::start(&Circuit::tiny(), Setting::with_bases(bases.clone(), script)).await;
    let client: Client = hostile.client();
    client.msm(bases.id(), &vector(3), &options, Arc::new(Silent)).await
}

/// An answer whose sum is moved, and nothing else.
fn moved(p: &Play, index: u8) -> Outcome {
    let mut response = p.response(index);
    let (x, y) = (response.len() - 128, response.len() - 64);
    let sum: Vec<u8> = response[y..].to_vec();
    // Its MAC's point in the place of the sum: in the group, and wrong.
    response[x..y].copy_from_slice(&sum);
    p.signed(index, &p.node(index).identity, &p.package(index), &response)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_is_outvoted_and_suspected() {
    let script = |p: &Play| vec![p.all_but([(2, moved(p, 2))])];
    let summed = lied_to(script, options(4, 1)).await.unwrap();
    assert_eq!(summed.sum, G1::msm(bases(3).points(), &vector(3)).to_affine());
    assert_eq!(summed.suspects.iter().map(|m| m.index).collect::<Vec<_>>(), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_spare_answer_a_lie_is_caught_and_nothing_is_released() {
    let script = |p: &Play| vec![p.all_but([(2, moved(p, 2)), (3, Outcome::Pending), (4, Outcome::Pending)])];
    let error = lied_to(script, impatient(4, 1)).await.unwrap_err();
    let ClientError::NotAssembled { error: AssembleError::NoAuthenticSum { answered, silent, .. }, .. } =
        &error
    else {
        panic!("{error}")
    };
    assert_eq!((&answered[..], &silent[..]), (&[1, 2][..], &[3, 4][..]));
    assert!(error.culprits().is_empty());

    // The answers of a proof are none of a sum.
    let garbage =
        |p: &Play| vec![p.all_but([(2, p.signed(2, &p.node(2).identity, &p.package(2), b"\x01\0\x05"))])];
    let summed = lied_to(garbage, options(4, 1)).await.unwrap();
    assert!(summed.answered.iter().all(|m| m.index != 2));
}
