//! The real circuits: proofs, and what a prover who holds everything can change of them.

use std::cell::RefCell;

use tacit_circom::Inputs;
use tacit_pool::value::field_text;
use tacit_pool::wallet::spend::Recipient;
use tacit_pool::{Address, Fr};
use tacit_prover::local::{self, ProveError, Step};
use tacit_prover::proved::{evm_proof, from_evm};
use tacit_prover::{AuthCircuit, CircuitKind, PoolCircuits, Work};

use crate::circuits;
use crate::common::{amount, fr, rng};
use crate::scene::Scene;

const POOL: CircuitKind = CircuitKind::Pool;
const EDDSA: CircuitKind = CircuitKind::Auth(AuthCircuit::Eddsa);

/// Both proofs, as a verifier sees them: bytes, and what is public.
fn verify(circuits: &PoolCircuits, work: &Work, proved: &tacit_prover::Proved) {
    let statement = work.statement();
    let pool = from_evm(&proved.pool_proof).unwrap();
    circuits.load(POOL).unwrap().verify(&statement.pool_publics(), &pool).unwrap();
    let auth = from_evm(proved.auth_proof.as_slice().try_into().unwrap()).unwrap();
    circuits.load(EDDSA).unwrap().verify(&statement.auth_publics(), &auth).unwrap();
    assert_eq!(evm_proof(&pool), proved.pool_proof);
}

#[test]
fn a_signed_intent_is_proved_here_and_nothing_of_it_can_be_changed() {
    let (scene, circuits) = (Scene::new(), circuits::real());
    let work = scene.usual();
    let steps = RefCell::new(Vec::new());
    let proved = local::prove(&circuits, &work, &mut rng(1), &|step| steps.borrow_mut().push(step)).unwrap();
    verify(&circuits, &work, &proved);
    assert_eq!(
        steps.into_inner(),
        [EDDSA, POOL]
            .map(|kind| [Step::Loading(kind), Step::Proving(kind), Step::Proved(kind)])
            .as_flattened()
    );

    // The proofs with any other public input: none verifies.
    let pool = circuits.load(POOL).unwrap();
    let proof = from_evm(&proved.pool_proof).unwrap();
    let publics = work.statement().pool_publics();
    for at in 0..publics.len() {
        let mut changed = publics.clone();
        changed[at] += fr(1);
        pool.verify(&changed, &proof).unwrap_err();
    }
    let auth = circuits.load(EDDSA).unwrap();
    let proof = from_evm(proved.auth_proof.as_slice().try_into().unwrap()).unwrap();
    let [blinded, digest] = work.statement().auth_publics();
    auth.verify(&[blinded + fr(1), digest], &proof).unwrap_err();
    auth.verify(&[blinded, digest + fr(1)], &proof).unwrap_err();

    // A prover that holds the whole witness and changes one value of it: there is no witness.
    let inputs = work.pool_inputs();
    for (name, values) in &inputs.0 {
        let mut changed = Inputs(inputs.0.clone());
        let at = values.len() - 1;
        changed.0.iter_mut().find(|(known, _)| known == name).unwrap().1[at] += fr(1);
        let refused = pool.witness(&changed);
        assert!(refused.is_err(), "{name}");
        let (told, value) = (format!("{:?}", refused.unwrap_err()), field_text(&values[at]));
        assert!(value.len() < 12 || !told.contains(value.as_str()), "{name} is told");
    }
    let (_, inputs) = work.auth().inputs().unwrap();
    for (name, values) in &inputs.0 {
        let mut changed = Inputs(inputs.0.clone());
        changed.0.iter_mut().find(|(known, _)| known == name).unwrap().1[values.len() - 1] += fr(1);
        // Another intent or blinding is not what was signed.
        assert!(auth.witness(&changed).is_err(), "{name}");
    }
}

/// Honest parts of different intents do not fit together.
#[test]
fn an_authorisation_of_another_intent_is_not_taken() {
    let (scene, circuits) = (Scene::new(), circuits::real());
    let mut other = scene.payment();
    other.recipient = Recipient::Public(Address([0xcc; 20]));
    other.amount = amount(4);
    let (prepared, other) = (scene.prepare(&scene.payment(), 9), scene.work(&other, 10));
    let ready = Work::ready(prepared.transaction(), Vec::new()).unwrap();
    // The one's statement and witness, the other's signed intent.
    let (mut spliced, other) = (ready.encode().to_vec(), other.encode());
    spliced.truncate(spliced.len() - 5);
    spliced.extend_from_slice(&other[spliced.len()..]);
    let spliced = Work::decode(&spliced).unwrap();
    let error = local::prove(&circuits, &spliced, &mut rng(1), &|_| {}).unwrap_err();
    assert!(matches!(error, ProveError::OtherStatement(EDDSA)) && error.is_of_work(), "{error}");
}

#[test]
fn circuits_of_another_form_or_kind_are_noticed() {
    let scene = Scene::new();
    let work = scene.usual();
    let eip = PoolCircuits::in_folder(tacit_pool::Rules::EIP, "/nowhere".as_ref(), None);
    let prove = |circuits: &PoolCircuits| local::prove(circuits, &work, &mut rng(1), &|_| {}).unwrap_err();
    assert!(matches!(prove(&eip), ProveError::Rules { .. }));
    let message = prove(&circuits::unread()).to_string();
    assert!(message.contains("/nowhere/auth_eddsa.wasm"), "{message}");
    // The authorisation's files under the pool's name.
    let mixed = PoolCircuits::new(tacit_pool::Rules::TACIT, [(POOL, circuits::files(EDDSA))], None);
    let message = mixed.load(POOL).unwrap_err().to_string();
    assert!(message.contains("expected 20") && message.contains("is 2"), "{message}");
    let missing = prove(&mixed);
    assert!(missing.to_string().contains("auth_eddsa is not configured") && !missing.is_of_work());
    let _: Vec<Fr> = work.statement().pool_publics();
}
