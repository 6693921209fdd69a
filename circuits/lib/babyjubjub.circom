pragma circom 2.2.0;

include "zero.circom";

// BabyJubjub, ERC-2494: the twisted Edwards curve  a x^2 + y^2 = 1 + d x^2 y^2  over BN254's scalar field, of order 8
// l.
//
// a is a square and d is none, so the addition law of Bernstein, Birkner, Joye, Lange and Peters
// (https://eprint.iacr.org/2008/013, section 6) holds for all points of the curve: no denominator below is ever zero
// for points on the curve, and every hint is thus the only value that its constraint admits.

function babyjubjub_a() {
    return 168700;
}

function babyjubjub_d() {
    return 168696;
}

// l, the order of the subgroup that `babyjubjub_base` generates.
function babyjubjub_order() {
    return 2736030358979909402780800718157159386076813972158567259200215660948447373041;
}

// ERC-2494's base point, 8 times its generator: `B8` in docs/src/pool.md.
function babyjubjub_base() {
    return [
        5299619240641551281634865583518297030282874472190772894086521144482721001553,
        16950150798460657717958625567821834550301663161624707787222815936182638968203
    ];
}

// The point is on the curve.
//
//     a x^2 + y^2 = 1 + d x^2 y^2
template OnCurve() {
    signal input p[2];

    signal x2 <== p[0] * p[0];
    signal y2 <== p[1] * p[1];
    babyjubjub_a() * x2 + y2 - 1 === babyjubjub_d() * x2 * y2;
}

// out = p + q, for points on the curve.
//
//     x3 = (x1 y2 + y1 x2) / (1 + d x1 x2 y1 y2)        y3 = (y1 y2 - a x1 x2) / (1 - d x1 x2 y1 y2)
//
// with  y1 y2 - a x1 x2 = (y1 - a x1) (x2 + y2) - y1 x2 + a x1 y2
template EdwardsAdd() {
    signal input p[2];
    signal input q[2];
    signal output out[2];
    var a = babyjubjub_a();
    var d = babyjubjub_d();

    signal x1y2 <== p[0] * q[1];
    signal y1x2 <== p[1] * q[0];
    signal cross <== (p[1] - a * p[0]) * (q[0] + q[1]);
    signal product <== x1y2 * y1x2;

    out[0] <-- (x1y2 + y1x2) / (1 + d * product);
    out[1] <-- (cross - y1x2 + a * x1y2) / (1 - d * product);
    (1 + d * product) * out[0] === x1y2 + y1x2;
    (1 - d * product) * out[1] === cross - y1x2 + a * x1y2;
}

// out = 2 p, for a point on the curve, whose equation replaces the denominators.
//
//     x3 = 2 x y / (a x^2 + y^2)        y3 = (y^2 - a x^2) / (2 - a x^2 - y^2)
template EdwardsDouble() {
    signal input p[2];
    signal output out[2];
    var a = babyjubjub_a();

    signal xy <== p[0] * p[1];
    signal x2 <== p[0] * p[0];
    signal y2 <== p[1] * p[1];

    out[0] <-- 2 * xy / (a * x2 + y2);
    out[1] <-- (y2 - a * x2) / (2 - a * x2 - y2);
    (a * x2 + y2) * out[0] === 2 * xy;
    (2 - a * x2 - y2) * out[1] === y2 - a * x2;
}

// out = 8 p.
template EdwardsTimes8() {
    signal input p[2];
    signal output out[2];

    signal p2[2] <== EdwardsDouble()(p);
    signal p4[2] <== EdwardsDouble()(p2);
    out <== EdwardsDouble()(p4);
}

// out = s * B + t * q, B being `babyjubjub_base` and q on the curve, for the bits of s and t, least significant first,
// by Straus's method: from the most significant bits down
//
//     accumulator = 2 * accumulator + summand        summand = s_i * B + t_i * q
//
// The summand is one of four points, chosen coordinate by coordinate:
//
//     inner = s_i * (sum - B - q + neutral)
//     summand = neutral + s_i * (B - neutral) + t_i * (q - neutral + inner)
//
// with sum = B + q, the sum of points; all else is arithmetic.
template EdwardsBaseAndPoint(S_BITS, T_BITS) {
    assert(S_BITS <= T_BITS);
    signal input s[S_BITS];
    signal input t[T_BITS];
    signal input q[2];
    signal output out[2];

    var base[2] = babyjubjub_base();
    var neutral[2] = [0, 1];
    signal sum[2] <== EdwardsAdd()(base, q);
    signal inner[S_BITS][2];
    signal summand[T_BITS][2];
    signal doubled[T_BITS - 1][2];
    signal accumulator[T_BITS][2];

    for (var i = T_BITS - 1; i >= 0; i--) {
        for (var c = 0; c < 2; c++) {
            if (i < S_BITS) {
                inner[i][c] <== s[i] * (sum[c] - base[c] - q[c] + neutral[c]);
                summand[i][c] <==
                    neutral[c] + s[i] * (base[c] - neutral[c]) + t[i] * (q[c] - neutral[c] + inner[i][c]);
            } else {
                summand[i][c] <== neutral[c] + t[i] * (q[c] - neutral[c]);
            }
        }
        if (i == T_BITS - 1) {
            accumulator[i] <== summand[i];
        } else {
            doubled[i] <== EdwardsDouble()(accumulator[i + 1]);
            accumulator[i] <== EdwardsAdd()(doubled[i], summand[i]);
        }
    }
    out <== accumulator[0];
}
