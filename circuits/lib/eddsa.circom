pragma circom 2.2.0;

include "babyjubjub.circom";
include "bits.circom";
include "domains.circom";
include "poseidon2.circom";
include "zero.circom";

// (R, S) is a signature of the message by the public key A: docs/src/pool.md, "EdDSA". After RFC 8032 section 5.1.7,
// with the cofactor, over BabyJubjub and with Poseidon2.
//
//     h = poseidon(EDDSA_CHALLENGE_DOMAIN, R.x, R.y, A.x, A.y, message)
//     8 * (S * B8 - h * A - R) = 0
template EddsaVerify() {
    signal input A[2];
    signal input R[2];
    signal input S;
    signal input message;

    // The points are points, and the key is one that signs: 8 A is in the subgroup of prime order, where the neutral
    // element is the one point with x = 0.
    //     (8 A).x != 0
    OnCurve()(A);
    OnCurve()(R);
    signal eightA[2] <== EdwardsTimes8()(A);
    NonZero()(eightA[0]);

    // One S for each class modulo l:  S <= l - 1
    signal sBits[251] <== ToBits(251)(S);
    AtMost(251, babyjubjub_order() - 1)(sBits);

    // The challenge as the integer below p that it is.
    signal h <== Poseidon2(6)([domain_tacit_eddsa_challenge(), R[0], R[1], A[0], A[1], message]);
    signal hBits[254] <== ToBitsCanonical()(h);

    // S * B8 + h * (-A) + (-R), times 8, is neutral.
    signal combined[2] <== EdwardsBaseAndPoint(251, 254)(sBits, hBits, [-A[0], A[1]]);
    signal difference[2] <== EdwardsAdd()(combined, [-R[0], R[1]]);
    signal eightfold[2] <== EdwardsTimes8()(difference);
    eightfold[0] === 0;
    eightfold[1] === 1;
}
