pragma circom 2.2.0;

include "bits.circom";
include "domains.circom";
include "poseidon2.circom";
include "zero.circom";

// A stateful hash-based signature after RFC 8391 with Poseidon2 and a target-sum encoding
// (https://eprint.iacr.org/2025/055): circuits/pool/README.md, "XMSS".

// Chains of a one-time key, each of one step; and how many of them a signature has walked.
function xmss_chains() {
    return 128;
}

function xmss_target_sum() {
    return 64;
}

// The codeword of a message under one-time key `index`: 128 bits, of which 64 are ones.
//
//     digest = poseidon(XMSS_MESSAGE_DOMAIN, randomizer, root, index, message)
//     codeword_i = bit i of digest (i < 128)        sum of codeword_i = 64
//
// The bits are those of the digest's one representative below p: else a second digest, digest + p, would do as well.
template XmssCodeword() {
    signal input root;
    signal input index;
    signal input randomizer;
    signal input message;
    signal output codeword[xmss_chains()];

    signal digest <== Poseidon2(5)([domain_tacit_xmss_message(), randomizer, root, index, message]);
    signal bits[254] <== ToBitsCanonical()(digest);
    var sum = 0;
    for (var i = 0; i < xmss_chains(); i++) {
        codeword[i] <== bits[i];
        sum += bits[i];
    }
    sum === xmss_target_sum();
}

// The leaf of one-time key `index`, from the chains' values that a signature of this codeword reveals.
//
//     end_i = codeword_i ? chains_i : poseidon(XMSS_CHAIN_DOMAIN + 2^8 * index + i, publicSeed, chains_i)
//     leaf = poseidon(XMSS_LEAF_DOMAIN + index, publicSeed, end_0, ..., end_127)
template XmssLeaf() {
    signal input publicSeed;
    signal input index;
    signal input codeword[xmss_chains()];
    signal input chains[xmss_chains()];
    signal output out;

    signal step[xmss_chains()];
    component leaf = Poseidon2(2 + xmss_chains());
    leaf.in[0] <== domain_tacit_xmss_leaf() + index;
    leaf.in[1] <== publicSeed;
    for (var i = 0; i < xmss_chains(); i++) {
        step[i] <== Poseidon2(3)([domain_tacit_xmss_chain() + 256 * index + i, publicSeed, chains[i]]);
        leaf.in[2 + i] <== Select()(codeword[i], step[i], chains[i]);
    }
    out <== leaf.out;
}

// The root of the tree of one-time keys. The node of height h + 1 above leaf `index` is the (index >> (h + 1))-th of
// its level.
//
//     node' = poseidon(XMSS_NODE_DOMAIN + 2^32 * (h + 1) + (index >> (h + 1)), left, right)
template XmssRoot(HEIGHT) {
    signal input leaf;
    signal input indexBits[HEIGHT];
    signal input siblings[HEIGHT];
    signal output root;

    signal node[HEIGHT + 1];
    signal left[HEIGHT];
    node[0] <== leaf;
    for (var h = 0; h < HEIGHT; h++) {
        var place = 0;
        for (var i = h + 1; i < HEIGHT; i++) {
            place += indexBits[i] * (1 << (i - h - 1));
        }
        left[h] <== Select()(indexBits[h], node[h], siblings[h]);
        node[h + 1] <== Poseidon2(3)(
            [domain_tacit_xmss_node() + (1 << 32) * (h + 1) + place, left[h], node[h] + siblings[h] - left[h]]);
    }
    root <== node[HEIGHT];
}

// (index, randomizer, chains, siblings) is a signature of the message by the public key (root, publicSeed).
template XmssVerify(HEIGHT) {
    signal input root;
    signal input publicSeed;
    signal input index;
    signal input randomizer;
    signal input chains[xmss_chains()];
    signal input siblings[HEIGHT];
    signal input message;

    //     index < 2^HEIGHT
    signal indexBits[HEIGHT] <== ToBits(HEIGHT)(index);
    signal codeword[xmss_chains()] <== XmssCodeword()(root, index, randomizer, message);
    signal leaf <== XmssLeaf()(publicSeed, index, codeword, chains);
    signal computed <== XmssRoot(HEIGHT)(leaf, indexBits, siblings);
    computed === root;
}
