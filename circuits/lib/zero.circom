pragma circom 2.2.0;

// Whether in is zero. `inverse` is a hint, but not one with a choice: it is 1/in, or 0 for 0.
//
//     in * inverse = 1 - out        in * out = 0        out * inverse = 0
//
// in = 0: the first makes out = 1, the third inverse = 0. in != 0: the second makes out = 0, the first inverse = 1/in.
template IsZero() {
    signal input in;
    signal output out;

    signal inverse <-- in != 0 ? 1 / in : 0;
    out <== 1 - in * inverse;
    in * out === 0;
    out * inverse === 0;
}

// in != 0.
//
//     in * inverse = 1
template NonZero() {
    signal input in;

    signal inverse <-- in != 0 ? 1 / in : 0;
    in * inverse === 1;
}

// one if the bit is 1, zero if it is 0. The caller constrains the bit to be a bit.
//
//     out = zero + bit * (one - zero)
template Select() {
    signal input bit;
    signal input zero;
    signal input one;
    signal output out;

    out <== zero + bit * (one - zero);
}
