pragma circom 2.2.0;

include "circomlib/circuits/mimcsponge.circom";

component main {public [k]} = MiMCSponge(3, 220, 2);
