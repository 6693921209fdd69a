//! `auth_eddsa` against forgers.

use num_bigint::BigUint;

use super::auth::{Auth, expanding_to, is_comparison, plus_order};
use super::babyjubjub::{ORDER, Point, add, base, multiply};
use super::*;

fn order() -> BigUint {
    ORDER.parse().unwrap()
}

fn challenge(r: Point, a: Point, message: Fr) -> Fr {
    poseidon(&[domain("tacit.eddsa_challenge"), r[0], r[1], a[0], a[1], message])
}

struct Signature {
    a: Point,
    r: Point,
    s: BigUint,
}

impl Signature {
    fn inputs(&self) -> (Point, Point, [Fr; 1]) {
        (self.a, self.r, [Fr::from(self.s.clone())])
    }
}

fn sign(secret: &BigUint, nonce: u32, message: Fr, integer: impl Fn(Fr) -> BigUint) -> Signature {
    let (a, r) = (multiply(secret, base()), multiply(&BigUint::from(nonce), base()));
    let s = (BigUint::from(nonce) + integer(challenge(r, a, message)) * secret) % order();
    Signature { a, r, s }
}

fn broken(auth: &Auth, signature: &Signature) -> usize {
    let (a, r, s) = signature.inputs();
    auth.broken_by(&[("A", &a), ("R", &r), ("S", &s)]).len()
}

/// The curve is the one that circomlib has: its key of a secret, and twice that.
#[test]
fn keys_are_circomlibs() {
    if !has_circom() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let compile = workspace().join("tests/circuits/compile.sh");
    run(Command::new(compile).arg(directory.path()).arg("babyjubjub.bn128"));
    let program = std::fs::read(directory.path().join("babyjubjub.bn128.wasm")).unwrap();
    let circomlib = WitnessCalculator::new(&program).unwrap();
    for secret in [BigUint::from(1u8), BigUint::from(0x0123_4567_89ab_cdefu64), order() - 1u8, order() >> 1] {
        let inputs = Inputs(vec![("secret".to_owned(), vec![Fr::from(secret.clone())])]);
        let witness = circomlib.calculate(&inputs, None).unwrap();
        let key = multiply(&secret, base());
        assert_eq!(witness[1..5], [key, add(key, key)].concat());
    }
    assert_eq!(multiply(&order(), base()), [Fr::zero(), Fr::one()]);
}

#[test]
fn a_signature_is_of_its_message_by_its_key() {
    let auth = Auth::of("auth_eddsa", "transfer_fee");
    let secret = BigUint::from(0x0123_4567_89ab_cdefu64);
    let good = || sign(&secret, 99, auth.message, BigUint::from);
    assert_eq!(broken(&auth, &good()), 0);
    // Any key has its own commitment; the pool compares it.
    let negated = |[x, y]: Point| [-x, y];
    let bad = [
        ("the message", sign(&secret, 99, auth.message + Fr::one(), BigUint::from)),
        ("the key", Signature { a: multiply(&BigUint::from(5u8), base()), ..good() }),
        ("the key's sign", Signature { a: negated(good().a), ..good() }),
        ("the point", Signature { r: multiply(&BigUint::from(98u8), base()), ..good() }),
        ("the point's sign", Signature { r: negated(good().r), ..good() }),
        ("the scalar", Signature { s: good().s + 1u8, ..good() }),
        ("the scalar's sign", Signature { s: order() - good().s, ..good() }),
        ("a key off the curve", Signature { a: [Fr::one(), Fr::one()], ..good() }),
        ("a point off the curve", Signature { r: [Fr::one(), Fr::one()], ..good() }),
    ];
    for (what, signature) in bad {
        assert!(broken(&auth, &signature) > 0, "{what}");
    }
    // Everything that is signed.
    for (name, _) in INTENT.iter().chain(&BOUND) {
        assert!(!auth.broken_by(&[(name, &[Fr::from(77u64)])]).is_empty(), "{name}");
    }
}

#[test]
fn only_the_least_scalar_will_do() {
    let auth = Auth::of("auth_eddsa", "transfer_fee");
    let large = (1..).map(|nonce| sign(&BigUint::from(3u8), nonce, auth.message, BigUint::from));
    let mut signature = large.into_iter().find(|s| (&s.s + order()).bits() <= 251).unwrap();
    assert_eq!(broken(&auth, &signature), 0);
    signature.s += order();
    let (a, r, s) = signature.inputs();
    let broken = auth.broken_by(&[("A", &a), ("R", &r), ("S", &s)]);
    assert!(!broken.is_empty() && broken.iter().all(|i| is_comparison(&auth.circuit, *i)));
}

/// By a key of small order everybody signs everything.
#[test]
fn a_key_of_small_order_is_none() {
    let auth = Auth::of("auth_eddsa", "transfer_fee");
    let neutral = [Fr::zero(), Fr::one()];
    let two = [Fr::zero(), -Fr::one()];
    // Of order 4: y = 0, a x^2 = 1.
    let four = [Fr::from(168_700u64).inverse().unwrap().sqrt().unwrap(), Fr::zero()];
    for a in [neutral, two, four] {
        assert_eq!(multiply(&BigUint::from(4u8), a), neutral);
        let nonce = BigUint::from(1234u32);
        assert_eq!(broken(&auth, &Signature { a, r: multiply(&nonce, base()), s: nonce }), 1);
    }
    // A point of small order in an honest key or signature does no harm: the equation has the cofactor.
    let good = sign(&BigUint::from(7u8), 5, auth.message, BigUint::from);
    let r = add(good.r, four);
    let s = (BigUint::from(5u8) + BigUint::from(challenge(r, good.a, auth.message)) * 7u8) % order();
    assert_eq!(broken(&auth, &Signature { r, s, ..good }), 0);
}

/// The challenge plus the order has 254 bits too, and another remainder modulo l: a second equation to solve, were it
/// not for the comparison.
#[test]
fn the_challenge_has_one_expansion() {
    let auth = Auth::of("auth_eddsa", "transfer_fee");
    let secret = BigUint::from(11u8);
    let a = multiply(&secret, base());
    let (nonce, second) = (1u32..)
        .find_map(|nonce| {
            let r = multiply(&BigUint::from(nonce), base());
            Some((nonce, plus_order(challenge(r, a, auth.message))?))
        })
        .unwrap();
    let signature = sign(&secret, nonce, auth.message, |_| second.clone());
    assert!(broken(&auth, &signature) > 0);
    let (a, r, s) = signature.inputs();
    let inputs = auth.with(&[("A", &a), ("R", &r), ("S", &s)]);
    let witness = expanding_to(&auth.circuit, &inputs, &second);
    // All holds but the comparison.
    let broken = auth.circuit.violated(&witness);
    assert!(!broken.is_empty() && broken.iter().all(|i| is_comparison(&auth.circuit, *i)));
    // The same way gives the honest witness, if the number is the right one.
    let honest = sign(&secret, nonce, auth.message, BigUint::from);
    let number = BigUint::from(challenge(honest.r, honest.a, auth.message));
    let (a, r, s) = honest.inputs();
    let witness = expanding_to(&auth.circuit, &auth.with(&[("A", &a), ("R", &r), ("S", &s)]), &number);
    assert_eq!(auth.circuit.violated(&witness).len(), 0);
}
