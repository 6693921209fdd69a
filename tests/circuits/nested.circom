pragma circom 2.2.0;

// Small, with something of everything that a witness calculator meets: signals of several dimensions, a removed
// input, a bus, an array of buses, hints, branches, functions, assertions in nested templates, log().

bus Point() {
    signal x;
    signal y[2];
}

function weight(i) {
    if (i % 2 == 0) {
        return i + 1;
    }
    return 3 * i;
}

template Inverse() {
    signal input in;
    signal output out;

    assert(in != 7);
    out <-- in == 0 ? 0 : 1 / in;
    in * out === 1;
}

template Nested() {
    signal input scalar;
    signal input grid[2][3];
    signal input unused;
    input Point() point;
    input Point() points[2];
    signal output sum;
    signal output inverse;

    log("scalar is", scalar);
    var total = 0;
    for (var i = 0; i < 2; i++) {
        for (var j = 0; j < 3; j++) {
            total += weight(3 * i + j) * grid[i][j];
        }
        total += points[i].x - points[i].y[0] + points[i].y[1];
    }
    signal product <== point.x * point.y[0];
    sum <== total * scalar + product - point.y[1];
    inverse <== Inverse()(scalar);
}

component main {public [scalar]} = Nested();
