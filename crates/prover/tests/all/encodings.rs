//! One value, one encoding, and nothing else is read.

use proptest::prelude::*;
use std::sync::LazyLock;
use tacit_pool::value::field_text;
use tacit_pool::{Address, Rules};
use tacit_prover::proved::{Proved, from_evm};
use tacit_prover::sealed::{Envelope, EnvelopeError, MAX_ENVELOPE_BYTES, Recipient};
use tacit_prover::signals;
use tacit_prover::statement::MAX_NOTE_DATA_BYTES;
use tacit_prover::status::SpendStatus;
use tacit_prover::{Auth, AuthCircuit, Request, Task, Work};
use tacit_wire::SealingKeyPair;

use crate::common::{place, rng, workspace};
use crate::scene::{Scene, order_key};

/// Bytes of a statement before the note data.
const HEAD: usize = 1 + 4 + 20 + 19 * 32;
const NOTE_DATA: usize = 3 * (4 + tacit_pool::delivery::NOTE_DATA_BYTES);

fn relay(scene: &Scene) -> Task {
    let proved = Proved { pool_proof: [7; 256], auth_proof: vec![8; 128] };
    Task::Relay { statement: scene.usual().statement().clone(), proved }
}

static WORK: LazyLock<Vec<u8>> = LazyLock::new(|| Scene::new().usual().encode().to_vec());

#[test]
fn work_comes_back_as_it_was() {
    let scene = Scene::new();
    let prepared = scene.prepare(&scene.payment(), 9);
    let ecdsa = Work::ready(prepared.transaction(), vec![5; 128]).unwrap();
    for work in [scene.sign(&prepared), ecdsa] {
        let bytes = work.encode();
        let again = Work::decode(&bytes).unwrap();
        assert_eq!(again, work);
        assert_eq!(again.encode(), bytes);
        // What the circuit gets is what the wallet would have given it.
        let theirs = prepared.transaction().pool_inputs();
        let ours = again.pool_inputs();
        assert_eq!(ours.0.len(), theirs.iter().count());
        for (name, values) in theirs.iter() {
            assert_eq!(ours.get(name).unwrap(), values, "{name}");
        }
        let key = field_text(scene.alice.keys.owner_nullifier_key().expose());
        assert!(!format!("{work:?}").contains(key.as_str()));
    }
    assert!(Work::ready(prepared.transaction(), vec![0; 4097]).is_err());
}

#[test]
fn the_bytes_are_those_of_the_page() {
    let bytes = &*WORK;
    let private: usize = signals::pool_private(Rules::TACIT).iter().map(|(_, count)| count).sum();
    let auth: usize = signals::auth(AuthCircuit::Eddsa, Rules::TACIT).iter().map(|(_, count)| count).sum();
    assert_eq!(bytes.len(), 1 + HEAD + NOTE_DATA + 32 * private + 1 + 32 * auth);
    assert_eq!(bytes[..2], [1, 3], "version and rules");
    let xmss: usize = signals::auth(AuthCircuit::Xmss, Rules::TACIT).iter().map(|(_, count)| count).sum();
    let longest = 1 + HEAD + 3 * (4 + MAX_NOTE_DATA_BYTES) + 32 * (private + xmss) + 1;
    assert!(longest + 33 + 9 + tacit_wire::seal::OVERHEAD_BYTES < MAX_ENVELOPE_BYTES);
    let page = std::fs::read_to_string(workspace("docs/src/provers.md")).unwrap();
    for (name, values) in [("pool", private), ("eddsa", auth), ("xmss", xmss)] {
        assert!(page.contains(&values.to_string()), "{name} has {values} values");
    }
}

/// The signals are the circuits': every form's examples name the same inputs.
#[test]
fn signals_are_those_of_the_circuits() {
    let names = |name: &str, title: &str| -> Vec<String> {
        let text = std::fs::read(workspace(&format!("circuits/pool/examples/{name}.json"))).unwrap();
        let examples: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let example = examples.as_object().unwrap().values().next().expect(title).clone();
        let mut names: Vec<String> = example["input"].as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let ours = |signals: Vec<signals::Signal>| {
        let mut names: Vec<String> = signals.into_iter().map(|(name, _)| name.to_owned()).collect();
        names.sort();
        names
    };
    for (end, rules) in [("", Rules::TACIT), ("_eip8182", Rules::EIP)] {
        for (name, circuit) in [("auth_eddsa", AuthCircuit::Eddsa), ("auth_xmss", AuthCircuit::Xmss)] {
            assert_eq!(
                names(&format!("{name}{end}"), name),
                ours(signals::auth(circuit, rules)),
                "{name}{end}"
            );
        }
        let public = Scene::new().usual().statement().public_inputs().named(rules);
        let mut all: Vec<signals::Signal> = public.into_iter().map(|(name, _)| (name, 1)).collect();
        all.extend(signals::pool_private(rules));
        assert_eq!(names(&format!("pool_transact{end}"), "pool"), ours(all), "{end}");
    }
}

#[test]
fn what_cannot_be_is_refused_where_it_stands() {
    let good = &*WORK;
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Work::decode(&bytes).unwrap_err().to_string()
    };
    assert!(refused(&|b| b[0] = 2).contains("version"));
    assert!(refused(&|b| b[1] = 4).contains("rules"));
    assert!(refused(&|b| b[2] ^= 1).contains("chain"), "another chain than the public inputs'");
    assert!(refused(&|b| b[26..58].fill(0xff)).contains("public input"), "not a field element");
    // publicAmountOut and authVerifier have ranges of their own.
    assert!(refused(&|b| b[26 + 6 * 32] = 1).contains("publicAmountOut"));
    assert!(refused(&|b| b[26 + 16 * 32 + 5] = 1).contains("authVerifier"));
    assert!(refused(&|b| b[26 + 10 * 32 + 20] = 1).contains("validUntilSeconds"));
    let data = 1 + HEAD;
    assert!(refused(&|b| b[data + 100] ^= 1).contains("note data of output 0"));
    assert!(refused(&|b| b[data + 2] = 1).contains("at most 2048"));
    let private = data + NOTE_DATA;
    let shown = refused(&|b| b[private..private + 32].fill(0xff));
    assert!(shown.contains("ownerNullifierKey") && !shown.contains("ffff"), "{shown}");
    let auth = private + 32 * 131;
    assert!(matches!(Work::decode(good).unwrap().auth(), Auth::Circuit { .. }));
    assert_eq!((good[auth], good.len()), (1, auth + 1 + 32 * 24));
    assert!(refused(&|b| b[auth] = 9).contains("authorisation"));
    assert!(refused(&|b| b.push(0)).contains("follow the end"));
    for length in 0..good.len() {
        assert!(Work::decode(&good[..length]).is_err(), "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is read is what would be written.
    #[test]
    fn nothing_has_two_encodings(at in any::<prop::sample::Index>(), value in any::<u8>(), length in 0usize..4) {
        let mut bytes = WORK.clone();
        let at = at.index(bytes.len());
        bytes[at] = value;
        bytes.truncate(bytes.len() - length);
        if let Ok(work) = Work::decode(&bytes) {
            prop_assert_eq!(work.encode().to_vec(), bytes);
        }
    }

    #[test]
    fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Request::decode(&bytes).is_err());
        let _ = Envelope::read(&bytes);
        let _ = SpendStatus::decode(&bytes);
    }
}

#[test]
fn a_request_opens_for_its_prover_place_and_registration_only() {
    let scene = Scene::new();
    let (rng, key) = (&mut rng(3), SealingKeyPair::generate(&mut rng(4)).unwrap());
    let to = Recipient { place: place(), prover: order_key().public().id(), sequence: 12 };
    for task in [Task::Prove(scene.usual()), relay(&scene)] {
        let request = Request::new(task, rng);
        let bytes = request.seal(key.public(), &to, rng).unwrap();
        assert!(bytes.len() < MAX_ENVELOPE_BYTES);
        let envelope = Envelope::read(&bytes).unwrap();
        assert_eq!(envelope.sequence, 12);
        assert!(envelope.open(&key, to.place, to.prover).unwrap() == request);
        let closed = |error| assert!(matches!(error, Err(EnvelopeError::Open(_))));
        let elsewhere = tacit_pool::delivery::Place { pool: Address([1; 20]), ..to.place };
        closed(envelope.open(&key, elsewhere, to.prover).map(drop));
        closed(envelope.open(&key, to.place, tacit_pool::orders::OrderKeyId([0; 32])).map(drop));
        let other = SealingKeyPair::generate(rng).unwrap();
        closed(envelope.open(&other, to.place, to.prover).map(drop));
        // The sequence, the encapsulation, the ciphertext, the tag.
        for at in [1, 8, 9, 500, 1130, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            closed(Envelope::read(&changed).unwrap().open(&key, to.place, to.prover).map(drop));
        }
        assert!(Envelope::read(&[2; 40]).is_err() && Envelope::read(&bytes[..8]).is_err());
    }
}

#[test]
fn a_request_is_no_other_task() {
    let scene = Scene::new();
    let request = Request::new(relay(&scene), &mut rng(1));
    let bytes = request.encode();
    assert!(Request::decode(&bytes).unwrap() == request);
    for code in [0, 1, 3] {
        let mut changed = bytes.to_vec();
        changed[32] = code;
        assert!(Request::decode(&changed).is_err());
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert!(Request::decode(&longer).is_err());
    assert!(from_evm(&[7; 256]).is_err(), "not points");
    assert!(!format!("{request:?}").contains("nullifier"));
}

#[test]
fn the_page_has_every_code() {
    let page = std::fs::read_to_string(workspace("docs/src/provers.md")).unwrap();
    for code in tacit_prover::service::Code::ALL {
        let blame = format!("{:?}", code.blame()).to_lowercase();
        let row = format!("| `{}` | {} | {blame} |", code.name(), code.status().as_u16());
        assert!(page.contains(&row), "{row}");
    }
}

/// What the fuzz target begins with is read, except for the envelope, which nobody sealed.
#[test]
fn fuzzing_begins_with_what_is_read() {
    for (name, kind) in [
        ("work-eddsa", 0),
        ("work-xmss", 0),
        ("work-eip8182", 0),
        ("prove", 1),
        ("relay", 1),
        ("envelope", 2),
        ("status", 3),
    ] {
        let seed = std::fs::read(workspace(&format!("fuzz/seeds/prover/{name}"))).unwrap();
        let (first, bytes) = seed.split_first().unwrap();
        assert_eq!(*first, kind);
        let read = match kind {
            0 => Work::decode(bytes).is_ok(),
            1 => Request::decode(bytes).is_ok(),
            2 => Envelope::read(bytes).is_ok(),
            _ => SpendStatus::decode(bytes).is_ok(),
        };
        assert!(read, "{name}");
    }
}
