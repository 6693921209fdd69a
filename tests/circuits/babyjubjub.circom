pragma circom 2.2.0;

include "circomlib/circuits/babyjub.circom";

// The public key of a secret, and twice it.
template Keys() {
    signal input secret;
    signal output key[2];
    signal output twice[2];

    component owner = BabyPbk();
    owner.in <== secret;
    key <== [owner.Ax, owner.Ay];

    component sum = BabyAdd();
    sum.x1 <== key[0];
    sum.y1 <== key[1];
    sum.x2 <== key[0];
    sum.y2 <== key[1];
    twice <== [sum.xout, sum.yout];
}

component main = Keys();
