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
