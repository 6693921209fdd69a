pragma circom 2.2.0;

include "circomlib/circuits/sha256/sha256.circom";

// Two blocks of padded input.
component main {public [in]} = Sha256(512);
