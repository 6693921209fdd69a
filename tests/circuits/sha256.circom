pragma circom 2.2.0;

include "circomlib/circuits/sha256/sha256.circom";

// One block of padded input.
component main = Sha256(440);
