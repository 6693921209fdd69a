pragma circom 2.2.0;

include "circomlib/circuits/eddsamimc.circom";

component main {public [Ax, Ay, M]} = EdDSAMiMCVerifier();
