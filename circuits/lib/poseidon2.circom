pragma circom 2.2.0;

include "poseidon2_constants.circom";

// Poseidon2 over BN254's scalar field with EIP-8182's parameters: the permutation (https://eprint.iacr.org/2023/323)
// as the length-tagged sponge of EIP-8182 section 3.3.
//
// Only S-boxes multiply. The state is held in `var`s as linear combinations of wires, so that linear layers cost
// nothing, whatever the compiler simplifies (--O1 is enough): 264 constraints for the 88 S-boxes of a permutation
// and 18 that keep its matrices sparse.

// The partial rounds' state is written to wires of its own once in so many rounds. Without this every S-box reads a
// combination of all earlier ones, and the constraint matrices have three times as many entries.
function poseidon2_rounds_per_flush() {
    return 8;
}

// poseidon(x_1, ..., x_N), N >= 1. Section 3.3:
//
//     state = [0, 0, 0, N << 64]
//     for each chunk of three inputs, the last one padded with zeros:
//         state_j = state_j + chunk_j (j = 0, 1, 2);  state = Poseidon2(state)
//     out = state_0
//
// and Poseidon2 is (section 6 of the paper): M_E, four full rounds, 56 partial rounds, four full rounds.
template Poseidon2(N) {
    assert(N >= 1);
    signal input in[N];
    signal output out;

    var RC[88] = poseidon2_round_constants();
    var D[4] = poseidon2_internal_diagonal();
    var ME[4][4] = poseidon2_external_matrix();
    var FLUSH = poseidon2_rounds_per_flush();
    var CHUNKS = (N + 2) \ 3;

    // Powers of each S-box's input, by chunk and S-box: 16 of the first four full rounds, 56, 16.
    signal x2[CHUNKS][88];
    signal x4[CHUNKS][88];
    signal x5[CHUNKS][88];
    signal flushed[CHUNKS][(56 - 1) \ FLUSH][3];

    var s[4] = [0, 0, 0, N * (1 << 64)]; // the state
    var t[4]; // the state, a layer later
    var x; // an S-box's input

    for (var c = 0; c < CHUNKS; c++) {
        for (var j = 0; j < 3; j++) {
            if (3 * c + j < N) {
                s[j] += in[3 * c + j];
            }
        }

        // s = M_E * s
        for (var i = 0; i < 4; i++) {
            t[i] = ME[i][0] * s[0] + ME[i][1] * s[1] + ME[i][2] * s[2] + ME[i][3] * s[3];
        }
        s = t;

        for (var k = 0; k < 88; k++) {
            // Full rounds have an S-box for each element, partial rounds one for the first.
            var partial = k >= 16 && k < 72;
            var i = partial ? 0 : k % 4;

            if (partial && k > 16 && k % FLUSH == 0) {
                for (var j = 0; j < 3; j++) {
                    flushed[c][(k - 16) \ FLUSH - 1][j] <== s[j + 1];
                    s[j + 1] = flushed[c][(k - 16) \ FLUSH - 1][j];
                }
            }

            // The S-box:  s_i = (s_i + rc)^5
            //     x2 = x * x        x4 = x2 * x2        x5 = x4 * x
            x = s[i] + RC[k];
            x2[c][k] <== x * x;
            x4[c][k] <== x2[c][k] * x2[c][k];
            x5[c][k] <== x4[c][k] * x;
            s[i] = x5[c][k];

            if (partial) {
                // s = M_I * s:  (M_I * s)_j = D_j * s_j + (s_0 + s_1 + s_2 + s_3)
                var sum = s[0] + s[1] + s[2] + s[3];
                for (var j = 0; j < 4; j++) {
                    s[j] = D[j] * s[j] + sum;
                }
            } else if (i == 3) {
                // s = M_E * s
                for (var j = 0; j < 4; j++) {
                    t[j] = ME[j][0] * s[0] + ME[j][1] * s[1] + ME[j][2] * s[2] + ME[j][3] * s[3];
                }
                s = t;
            }
        }
    }
    out <== s[0];
}
