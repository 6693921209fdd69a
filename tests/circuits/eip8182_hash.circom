pragma circom 2.2.0;

include "poseidon2.circom";

// Hashes of the first 1, 2, ..., 6, 17 and 116 inputs: the lengths of EIP-8182's vectors, but for the empty one.
template Hashes() {
    signal input in[116];
    signal output out[8];

    var LENGTHS[8] = [1, 2, 3, 4, 5, 6, 17, 116];
    component hash[8];
    for (var k = 0; k < 8; k++) {
        hash[k] = Poseidon2(LENGTHS[k]);
        for (var i = 0; i < LENGTHS[k]; i++) {
            hash[k].in[i] <== in[i];
        }
        out[k] <== hash[k].out;
    }
}

component main = Hashes();
