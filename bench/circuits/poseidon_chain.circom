pragma circom 2.2.0;

include "circomlib/circuits/poseidon.circom";

// N of circomlib's two-input Poseidons, each over the last one's output: `x[i+1] = Poseidon(x[i], salt)`.
//
// Compiled with --O1 a link costs 517 constraints: 243 that multiply and 274 that the compiler leaves linear. A domain
// of 2^k takes (2^k - 3) / 517 links beside the rows of the constant one and of `out`: 31 for 2^14, 126 for 2^16.
template PoseidonChain(N) {
    signal input seed;
    signal input salt;
    signal output out;

    component hash[N];
    signal x[N + 1];
    x[0] <== seed;
    for (var i = 0; i < N; i++) {
        hash[i] = Poseidon(2);
        hash[i].inputs[0] <== x[i];
        hash[i].inputs[1] <== salt;
        x[i + 1] <== hash[i].out;
    }
    out <== x[N];
}
