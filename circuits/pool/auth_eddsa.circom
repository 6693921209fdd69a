pragma circom 2.2.0;

include "eddsa.circom";

// Tacit's form.
component main = AuthEddsa(1);
