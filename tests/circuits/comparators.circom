pragma circom 2.2.0;

include "circomlib/circuits/comparators.circom";
include "circomlib/circuits/mux1.circom";

// Sorts by compare-and-swap, odd and even places in turn; proves that `sorted` is what comes out.
template Sort(N, BITS) {
    signal input values[N];
    signal input sorted[N];

    component range[N];
    component less[N][N];
    component swap[N][N];
    signal row[N + 1][N];

    for (var i = 0; i < N; i++) {
        range[i] = Num2Bits(BITS);
        range[i].in <== values[i];
        row[0][i] <== values[i];
    }
    for (var r = 0; r < N; r++) {
        for (var i = r % 2; i + 1 < N; i += 2) {
            less[r][i] = LessThan(BITS);
            less[r][i].in[0] <== row[r][i + 1];
            less[r][i].in[1] <== row[r][i];
            swap[r][i] = MultiMux1(2);
            swap[r][i].c[0][0] <== row[r][i];
            swap[r][i].c[0][1] <== row[r][i + 1];
            swap[r][i].c[1][0] <== row[r][i + 1];
            swap[r][i].c[1][1] <== row[r][i];
            swap[r][i].s <== less[r][i].out;
            row[r + 1][i] <== swap[r][i].out[0];
            row[r + 1][i + 1] <== swap[r][i].out[1];
        }
        if (r % 2 == 1) {
            row[r + 1][0] <== row[r][0];
        }
        if ((N - r) % 2 == 1) {
            row[r + 1][N - 1] <== row[r][N - 1];
        }
    }
    for (var i = 0; i < N; i++) {
        row[N][i] === sorted[i];
    }
}

component main {public [sorted]} = Sort(8, 24);
