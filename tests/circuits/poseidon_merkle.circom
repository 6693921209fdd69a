pragma circom 2.2.0;

include "circomlib/circuits/poseidon.circom";
include "circomlib/circuits/switcher.circom";

// The root over a leaf of a Merkle tree of circomlib's Poseidon.
template MerkleRoot(DEPTH) {
    signal input leaf;
    signal input right[DEPTH];
    signal input siblings[DEPTH];
    signal output root;

    component order[DEPTH];
    component hash[DEPTH];
    signal node[DEPTH + 1];
    node[0] <== leaf;
    for (var h = 0; h < DEPTH; h++) {
        right[h] * (right[h] - 1) === 0;
        order[h] = Switcher();
        order[h].sel <== right[h];
        order[h].L <== node[h];
        order[h].R <== siblings[h];
        hash[h] = Poseidon(2);
        hash[h].inputs[0] <== order[h].outL;
        hash[h].inputs[1] <== order[h].outR;
        node[h + 1] <== hash[h].out;
    }
    root <== node[DEPTH];
}

component main = MerkleRoot(16);
