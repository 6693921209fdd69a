pragma circom 2.2.0;

include "eddsa.circom";

// EIP-8182's form.
component main = AuthEddsa(0);
