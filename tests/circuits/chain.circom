pragma circom 2.2.0;

// Fills a domain of 2^10 to the last row: 1021 constraints and the rows of one, `out` and `seed`.
template Chain(N) {
    signal input seed;
    signal input step;
    signal output out;

    signal x[N + 1];
    x[0] <== seed;
    for (var i = 0; i < N; i++) {
        x[i + 1] <== x[i] * x[i] + step;
    }
    out <== x[N];
}

component main {public [seed]} = Chain(1021);
