//! True proofs with other public inputs, encodings, note data, verifiers and points.

use ark_bn254::{Fq2, G2Affine};
use tacit_algebra::Point;
use tacit_chain::U256;

use crate::attempts::{Attempts, Honest};
use crate::fields::{THIEF, YES};
use crate::forge::{RULES, number, order};

/// What the contract says of a public input that is one more than was proved, and of one to which the field's order is added: a check of
/// its range where it has one, else the proof.
fn errors(name: &str) -> [&'static str; 2] {
    const PROOF: &str = "PoolProofInvalid";
    match name {
        "noteCommitmentRoot" => ["NoteCommitmentRootNotAccepted"; 2],
        "authPolicyRoot" => ["AuthPolicyRootNotAccepted"; 2],
        "executionChainId" => ["WrongChain"; 2],
        "validUntilSeconds" => [PROOF, "IntentTooEarly"],
        "publicAmountOut" => [PROOF, "AmountOutOfRange"],
        "publicRecipientAddress" | "publicTokenAddress" | "authVerifier" => [PROOF, "NotAnAddress"],
        _ => [PROOF, "PublicInputNotCanonical"],
    }
}

pub async fn try_all(attempts: &mut Attempts, payment: &Honest, withdrawal: &Honest) {
    for (honest, kind) in [(payment, "payment"), (withdrawal, "withdrawal")] {
        let forged = honest.forged();
        let (pool_proof, auth_proof) = (&honest.proved.pool_proof, &honest.proved.auth_proof);
        let names = honest.work.statement().public_inputs().named(RULES);
        assert_eq!(names.len(), 20);
        // The twentieth is the pool's own address, which is not an argument.
        for (i, (name, _)) in names[..19].iter().enumerate() {
            let [changed, not_canonical] = errors(name);
            for (add, error, how) in
                [(U256::from(1), changed, "plus one"), (order(), not_canonical, "plus the field's order")]
            {
                let mut words = forged.words();
                words[i] += add;
                let call = forged.call(pool_proof, auth_proof, &words);
                attempts.refused(&format!("{kind}: {name} {how}"), &call, error).await;
            }
        }
        // By whoever hands it in.
        for (i, value, what) in [(7, THIEF, "another recipient"), (16, YES, "another auth verifier")] {
            let mut words = forged.words();
            words[i] = number(&value.to_field());
            let call = forged.call(pool_proof, auth_proof, &words);
            attempts.refused(&format!("{kind}: {what}"), &call, "PoolProofInvalid").await;
        }
        for output in 0..3 {
            let mut other = forged.clone();
            other.note_data[output][100] ^= 1;
            let call = other.call(pool_proof, auth_proof, &forged.words());
            attempts.refused(&format!("{kind}: note data {output}"), &call, "OutputNoteDataMismatch").await;
        }
        let mut other = forged.clone();
        other.note_data.swap(0, 1);
        let call = other.call(pool_proof, auth_proof, &forged.words());
        attempts.refused(&format!("{kind}: note data exchanged"), &call, "OutputNoteDataMismatch").await;
    }
    let (one, other) = (payment.forged(), withdrawal);
    let call = one.call(&other.proved.pool_proof, &payment.proved.auth_proof, &one.words());
    attempts.refused("another transaction's pool proof", &call, "PoolProofInvalid").await;
    let call = one.call(&payment.proved.pool_proof, &other.proved.auth_proof, &one.words());
    attempts.refused("another transaction's auth proof", &call, "AuthProofInvalid").await;
    points(attempts, payment).await;
}

/// Points that are not in their groups, not canonical, neutral, or another's.
async fn points(attempts: &mut Attempts, honest: &Honest) {
    let forged = honest.forged();
    let words = forged.words();
    for (at, what) in [(0, "A"), (64, "B"), (192, "C")] {
        let size = if what == "B" { 128 } else { 64 };
        let is = at..at + size;
        for (how, make) in [
            ("neutral", neutral as fn(&mut [u8])),
            ("off the curve", off_the_curve),
            ("not canonical", not_canonical),
            ("opposite", opposite),
        ] {
            for pool in [true, false] {
                let (mut pool_proof, mut auth_proof) =
                    (honest.proved.pool_proof.to_vec(), honest.proved.auth_proof.clone());
                let proof = if pool { &mut pool_proof } else { &mut auth_proof };
                make(&mut proof[is.clone()]);
                let (whose, error) =
                    if pool { ("pool", "PoolProofInvalid") } else { ("auth", "AuthProofInvalid") };
                let call = forged.call(&pool_proof, &auth_proof, &words);
                attempts.refused(&format!("{whose} proof: {what} {how}"), &call, error).await;
            }
        }
    }
    // On the twist and not in the group: BN254's twist has a cofactor, and few of its points are in.
    let mut proof = honest.proved.pool_proof.to_vec();
    proof[64..192].copy_from_slice(&outside_the_group());
    let call = forged.call(&proof, &honest.proved.auth_proof, &words);
    attempts.refused("pool proof: B outside the group", &call, "PoolProofInvalid").await;
    let call = forged.call(&[0; 256], &honest.proved.auth_proof, &words);
    attempts.refused("pool proof: zeros", &call, "PoolProofInvalid").await;
    let call = forged.call(&honest.proved.pool_proof, &[0; 256], &words);
    attempts.refused("auth proof: zeros", &call, "AuthProofInvalid").await;
    for proof in [&[][..], &honest.proved.pool_proof[..255], &[&honest.proved.pool_proof[..], &[0]].concat()]
    {
        let what = format!("of {} bytes", proof.len());
        let call = forged.call(proof, &honest.proved.auth_proof, &words);
        attempts.refused(&format!("pool proof {what}"), &call, "PoolProofLength").await;
        let call = forged.call(&honest.proved.pool_proof, proof, &words);
        attempts.refused(&format!("auth proof {what}"), &call, "AuthProofInvalid").await;
    }
}

fn neutral(point: &mut [u8]) {
    point.fill(0);
}

fn off_the_curve(point: &mut [u8]) {
    let last = point.len() - 1;
    point[last] ^= 1;
}

/// The order of the field of coordinates.
fn coordinates() -> U256 {
    U256::from_str_radix("21888242871839275222246405745257275088696311157297823662689037894645226208583", 10)
        .unwrap()
}

fn not_canonical(point: &mut [u8]) {
    let x = U256::from_be_slice(&point[..32]) + coordinates();
    point[..32].copy_from_slice(&x.to_be_bytes::<32>());
}

fn opposite(point: &mut [u8]) {
    let half = point.len() / 2;
    for y in point[half..].chunks_mut(32) {
        let negated = coordinates() - U256::from_be_slice(y);
        y.copy_from_slice(&negated.to_be_bytes::<32>());
    }
}

/// On the twist's curve, whose order is not prime.
fn outside_the_group() -> Vec<u8> {
    let on_the_curve = (1u64..)
        .find_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::new(x.into(), 0u64.into()), true))
        .unwrap();
    assert!(on_the_curve.is_on_curve() && !on_the_curve.is_in_correct_subgroup_assuming_on_curve());
    let mut bytes = Vec::new();
    on_the_curve.write_be(&mut bytes);
    bytes
}
