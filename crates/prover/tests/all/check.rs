//! What a service asks of a witness before it takes work on is what the circuits ask.

use tacit_algebra::field;
use tacit_pool::nullifier::phantom_nullifier;
use tacit_pool::tree::DEPTH;
use tacit_pool::wallet::credentials::{Credential, Held};
use tacit_pool::wallet::spend::Recipient;
use tacit_pool::xmss::{self, StoredKey};
use tacit_pool::{Address, Fr, Policy, Rules};
use tacit_prover::check::{CheckError, check};
use tacit_prover::signals::{self, VALUE_BYTES};
use tacit_prover::{AuthCircuit, CircuitKind, Work};

use crate::circuits;
use crate::common::{TOKEN, VERIFIER, amount, funded, rng};
use crate::scene::Scene;

/// Where the public inputs and the private values are in encoded work.
const PUBLIC: usize = 1 + 1 + 4 + 20;
const PRIVATE: usize = PUBLIC + 19 * VALUE_BYTES + 3 * (4 + tacit_pool::delivery::NOTE_DATA_BYTES);

/// A payment of one note: the second slot is a phantom.
fn of_one_note(scene: &Scene) -> Work {
    let mut payment = scene.payment();
    payment.amount = amount(3);
    scene.work(&payment, 9)
}

/// The place of a private signal's value.
fn place(name: &str, at: usize) -> usize {
    let signals = signals::pool_private(Rules::TACIT);
    let before: usize = signals.iter().take_while(|(known, _)| *known != name).map(|(_, count)| count).sum();
    PRIVATE + VALUE_BYTES * (before + at)
}

/// Work with other values at these places.
fn with(work: &Work, values: &[(usize, Fr)]) -> Work {
    let mut bytes = work.encode().to_vec();
    for (place, value) in values {
        bytes[*place..place + VALUE_BYTES].copy_from_slice(&field::to_be(value));
    }
    Work::decode(&bytes).unwrap()
}

/// With the last bit of each value changed, one after the other, as far as that is work at all.
fn changed(work: &Work) -> impl Iterator<Item = (usize, Work)> {
    let bytes = work.encode().to_vec();
    let public = (0..19).map(|i| PUBLIC + VALUE_BYTES * i);
    let pool = signals::pool_private(Rules::TACIT).iter().map(|(_, count)| count).sum::<usize>();
    let auth = signals::auth(AuthCircuit::Eddsa, Rules::TACIT).iter().map(|(_, count)| count).sum::<usize>();
    let private = (0..pool).map(|i| PRIVATE + VALUE_BYTES * i);
    let signed = (0..auth).map(move |i| PRIVATE + VALUE_BYTES * (pool + i) + 1);
    public.chain(private).chain(signed).filter_map(move |place| {
        let mut changed = bytes.clone();
        changed[place + VALUE_BYTES - 1] ^= 1;
        Work::decode(&changed).ok().map(|work| (place, work))
    })
}

#[test]
fn what_wallets_make_can_be_proved() {
    for rules in Rules::ALL {
        let (chain, alice, bob) = funded(rules);
        let scene = Scene { chain, alice, bob };
        let usual = scene.payment();
        let mut no_fee = scene.payment();
        no_fee.fee = None;
        let mut token = scene.payment();
        (token.token, token.amount) = (TOKEN, amount(98));
        let mut withdrawal = scene.payment();
        withdrawal.recipient = Recipient::Public(Address([0xcc; 20]));
        let mut everything = withdrawal.clone();
        everything.amount = amount(10);
        for payment in [usual, no_fee, token, withdrawal, everything] {
            assert_eq!(check(&scene.work(&payment, 9)), Ok(()), "{rules:?}");
        }
        assert_eq!(check(&of_one_note(&scene)), Ok(()), "{rules:?}");
    }
}

/// The usual payment, under a policy with an XMSS key.
fn by_xmss() -> Work {
    let mut scene = Scene::new();
    let mut key = StoredKey::generate(xmss::HEIGHT, &mut rng(60)).unwrap();
    let policy = Policy::new(VERIFIER, key.public().auth_data(), &mut rng(61));
    let held = Held { slot: 3, policy, credential: Credential::Eddsa { number: 0 } };
    scene.chain.register(&mut scene.alice, 0, vec![held]);
    scene.chain.mine(&mut [&mut scene.alice, &mut scene.bob]);
    let prepared = scene.prepare(&scene.payment(), 9);
    let index = key.reserve().unwrap().durable(|| Ok::<_, ()>(())).unwrap();
    let signing = key.signing_key().unwrap();
    let signature = signing.sign(index, prepared.message()).unwrap();
    Work::xmss(prepared.transaction(), signing.public(), &signature).unwrap()
}

#[test]
fn nothing_of_a_witness_can_be_changed() {
    let usual = Scene::new().usual();
    let mut tried = 0;
    for (place, work) in changed(&usual) {
        let error = check(&work).expect_err("something else can be proved").to_string();
        let digits = error.chars().filter(char::is_ascii_digit).count();
        assert!(digits < 6, "a value is told at {place}: {error}");
        tried += 1;
    }
    // All but the hashes of note data and the chain, which no statement has changed.
    assert_eq!(tried, 19 - 4 + 131 + 24);
}

#[test]
fn nothing_of_an_xmss_signature_can_be_changed() {
    let work = by_xmss();
    assert_eq!(check(&work), Ok(()));
    let signals = signals::auth(AuthCircuit::Xmss, Rules::TACIT);
    let values = signals.iter().map(|(_, count)| count).sum::<usize>();
    for i in 0..values {
        let mut changed = work.encode().to_vec();
        let at = changed.len() - 1 - VALUE_BYTES * i;
        changed[at] ^= 1;
        assert!(check(&Work::decode(&changed).unwrap()).is_err(), "{i} from the end");
    }
}

#[test]
fn errors_say_what_does_not_hold_and_no_value() {
    let scene = Scene::new();
    let usual = scene.usual();
    let fails = |name: &str, at, value| check(&with(&usual, &[(place(name, at), value)])).unwrap_err();
    let (one, many) = (Fr::from(1u64), -Fr::from(1u64));
    assert_eq!(fails("amount", 0, many), CheckError::Range("amount"));
    assert_eq!(fails("leafPosition", 0, many), CheckError::Range("leafPosition"));
    assert_eq!(fails("policyIndex", 0, Fr::from(256u64)), CheckError::Range("policyIndex"));
    assert_eq!(fails("isPhantom", 0, Fr::from(2u64)), CheckError::Range("isPhantom"));
    assert!(matches!(fails("isPhantom", 0, one), CheckError::Witness(_)));
    assert!(matches!(fails("amount", 0, Fr::from(1000u64)), CheckError::Witness(_)));
    assert!(matches!(fails("executionConstraintsFlags", 0, Fr::from(8u64)), CheckError::Intent(_)));
    assert_eq!(fails("authPolicySiblings", 7, one), CheckError::Public("authPolicyRoot"));
    assert_eq!(
        fails("inputSiblings", 7, one).to_string(),
        "the witness does not hold: a note's path leads to another root"
    );
    // Of one path only, in the same way: another root for all.
    let scene_of_one = of_one_note(&scene);
    let other = with(&scene_of_one, &[(place("inputSiblings", 7), one)]);
    assert_eq!(check(&other), Err(CheckError::Public("noteCommitmentRoot")));
}

/// The wallet's phantom is in the second slot; the circuit takes it in the first.
fn phantom_first(scene: &Scene) -> Work {
    let work = of_one_note(scene);
    let inputs = work.pool_inputs();
    let value = |name: &str, at: usize| inputs.get(name).unwrap()[at];
    let mut values = Vec::new();
    for (name, size) in [
        ("isPhantom", 1),
        ("inputAmount", 1),
        ("inputNoteSecret", 1),
        ("inputLeafIndex", 1),
        ("inputSiblings", DEPTH),
    ] {
        for i in 0..size {
            values.push((place(name, i), value(name, size + i)));
            values.push((place(name, size + i), value(name, i)));
        }
    }
    let public = work.statement().public_inputs();
    let (key, seed) = (value("ownerNullifierKey", 0), value("noteSecretSeed", 0));
    let phantom = phantom_nullifier(Rules::TACIT, &key, &public.intent_replay_id, 0, &seed);
    values.push((PUBLIC + VALUE_BYTES, phantom));
    values.push((PUBLIC + 2 * VALUE_BYTES, public.nullifiers[0]));
    with(&work, &values)
}

/// Both verdicts on many a witness, most of which do not hold.
#[test]
fn heavy_the_circuits_say_the_same() {
    let (scene, circuits) = (Scene::new(), circuits::real());
    let pool = circuits.load(CircuitKind::Pool).unwrap();
    let auth = circuits.load(AuthCircuit::Eddsa).unwrap();
    let provable = |work: &Work| {
        let (_, inputs) = work.auth().inputs().unwrap();
        let publics =
            |kind: &tacit_prover::circuits::Loaded, inputs| kind.witness(inputs).map(|w| kind.publics(&w));
        publics(&auth, &inputs).is_ok_and(|publics| publics == work.statement().auth_publics())
            && publics(&pool, &work.pool_inputs()).is_ok()
    };
    let first = phantom_first(&scene);
    assert!(check(&first).is_ok() && provable(&first));
    let mut verdicts = [0, 0];
    for work in [of_one_note(&scene), first] {
        // Every fifth value: all of them are tried without the circuits, and in `proving` with them.
        for (place, work) in changed(&work).step_by(5) {
            let ours = check(&work).is_ok();
            assert_eq!(ours, provable(&work), "at {place}");
            verdicts[usize::from(ours)] += 1;
        }
    }
    let [refused, taken] = verdicts;
    // What a phantom has in the place of a note's path and secret does not matter.
    assert!(refused > 30 && taken > 8, "{verdicts:?}");
}
