pragma circom 2.2.0;

include "poseidon2.circom";

// The root of a Merkle tree, from a leaf and its path: EIP-8182 section 3.4.
//
// `indexBits` is the leaf's index, least significant bit first: bit h says whether the node of height h is a left
// (0) or a right (1) child. `siblings` go from the leaf's level upward. The caller constrains the bits to be bits.
//
//     left  = node + bit * (sibling - node)
//     right = node + sibling - left
//     node' = poseidon(left, right)
template MerkleRoot(DEPTH) {
    signal input leaf;
    signal input indexBits[DEPTH];
    signal input siblings[DEPTH];
    signal output root;

    signal node[DEPTH + 1];
    signal left[DEPTH];
    component hash[DEPTH];

    node[0] <== leaf;
    for (var h = 0; h < DEPTH; h++) {
        left[h] <== node[h] + indexBits[h] * (siblings[h] - node[h]);
        hash[h] = Poseidon2(2);
        hash[h].in[0] <== left[h];
        hash[h].in[1] <== node[h] + siblings[h] - left[h];
        node[h + 1] <== hash[h].out;
    }
    root <== node[DEPTH];
}
