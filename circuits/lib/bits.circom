pragma circom 2.2.0;

// The unique N-bit binary expansion, least significant bit first: proves 0 <= in < 2^N. N stays below the field's
// size by a margin, so that no value has a second expansion that wraps around the modulus.
//
//     bit_i * (bit_i - 1) = 0        in = sum of bit_i * 2^i
template ToBits(N) {
    assert(N >= 1 && N <= 252);
    signal input in;
    signal output bits[N];

    var sum = 0;
    for (var i = 0; i < N; i++) {
        bits[i] <-- (in >> i) & 1;
        bits[i] * (bits[i] - 1) === 0;
        sum += bits[i] * (1 << i);
    }
    sum === in;
}

// 0 <= in < 2^N.
template RangeCheck(N) {
    signal input in;

    component expansion = ToBits(N);
    expansion.in <== in;
}

// in is 0 or 1.
template Bit() {
    signal input in;

    in * (in - 1) === 0;
}

// The number with these bits is at most the constant MAX, which has N bits; the caller constrains the bits to be bits. As in
// section A.3.2.2 of the Zcash protocol specification (https://zips.z.cash/protocol/protocol.pdf): from the most
// significant bit down, `tied` says whether the number has a one wherever MAX has had one so far. While it has, it may
// have no one where MAX has a zero.
//
//     MAX's bit is 1:  tied' = tied * bit        MAX's bit is 0:  tied * bit = 0
template AtMost(N, MAX) {
    assert(((MAX >> (N - 1)) & 1) == 1);
    signal input bits[N];
    signal tied[N];

    // Below MAX's lowest zero nothing can be too large.
    var lowest = 0;
    while (lowest < N && ((MAX >> lowest) & 1) == 1) {
        lowest++;
    }
    tied[N - 1] <== bits[N - 1];
    for (var i = N - 2; i >= 0; i--) {
        if (i > lowest && ((MAX >> i) & 1) == 1) {
            tied[i] <== tied[i + 1] * bits[i];
        } else {
            tied[i] <== tied[i + 1];
            if (i >= lowest && ((MAX >> i) & 1) == 0) {
                tied[i + 1] * bits[i] === 0;
            }
        }
    }
}

// The 254 bits of the field element's representative below p. The topmost p mod 2^128 elements, one in 2^128, have no
// expansion here, and the others have one. (There are numbers of 254 bits from p upward, so that a small
// element would have a second expansion, were it not for the comparison. Leaving its lower half out saves 100
// constraints.)
//
//     bit_i * (bit_i - 1) = 0        in = sum of bit_i * 2^i (mod p)        sum of bit_i * 2^i < p - (p mod 2^128)
template ToBitsCanonical() {
    signal input in;
    signal output bits[254];

    var sum = 0;
    for (var i = 0; i < 254; i++) {
        bits[i] <-- (in >> i) & 1;
        bits[i] * (bits[i] - 1) === 0;
        sum += bits[i] * (1 << i);
    }
    sum === in;
    AtMost(254, (-1 \ (1 << 128)) * (1 << 128) - 1)(bits);
}
