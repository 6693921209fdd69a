// Writes src/Poseidon2.sol, and what the tests compare it with: test/support/Poseidon2Constants.sol and
// test/vectors/poseidon2.json.
//
//   node contracts/tools/generate.mjs ASSETS
//
// ASSETS is the folder assets/eip-8182 of the ethereum/EIPs repository (CC0): Poseidon2's parameters and vectors.
// Run forge fmt afterwards.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const contracts = join(import.meta.dirname, "..");
const assets = process.argv[2];
if (!assets) {
    console.error("usage: node contracts/tools/generate.mjs ASSETS");
    process.exit(2);
}
const read = (name) => JSON.parse(readFileSync(join(assets, name), "utf8"));
const parameters = read("poseidon2_bn254_t4_rf8_rp56.json");
const vectors = read("poseidon2_vectors.json");

const shape = [
    parameters.curve,
    parameters.stateWidth,
    parameters.rate,
    parameters.fullRounds,
    parameters.partialRounds,
    parameters.sbox,
    JSON.stringify(parameters.externalMatrix.flat().map(Number)),
].join();
if (shape !== "bn254,4,3,8,56,x^5,[5,7,1,3,4,6,1,1,1,3,5,7,1,1,4,6]") {
    throw new Error(`other parameters than the code is written for: ${shape}`);
}
const prime = BigInt(parameters.fieldModulus);
const hex = (v) => {
    const n = BigInt(v);
    if (n < 0n || n >= prime) throw new Error(`${v} is not a canonical field element`);
    return `0x${n.toString(16).padStart(64, "0")}`;
};
const order = `0x${prime.toString(16).padStart(64, "0")}`;
const constants = parameters.roundConstants.map(hex);
const diagonal = parameters.internalDiagonal.map(hex);
if (constants.length !== 8 * 4 + 56) throw new Error("expected 88 round constants");

// --- the permutation, unrolled ---------------------------------------------------------------------------------------

const lines = [];
const emit = (line) => lines.push(line);
let next = 0;
const constant = () => constants[next++];

const sbox = (j) => {
    emit("{");
    emit(`    let y := mulmod(s${j}, s${j}, p)`);
    emit(`    s${j} := mulmod(mulmod(y, y, p), s${j}, p)`);
    emit("}");
};
// M_E, and the constants of the full round that follows, if one does.
const external = (followed) => {
    const [c0, c1, c2, c3] = followed ? [constant(), constant(), constant(), constant()] : [];
    emit("{");
    emit("    let x := add(s0, s1)");
    emit("    let y := add(s2, s3)");
    emit("    let u := add(add(s1, s1), y)");
    emit("    let v := add(add(s3, s3), x)");
    emit("    s1 := add(mulmod(4, x, p), u)");
    emit("    s3 := add(mulmod(4, y, p), v)");
    if (followed) {
        emit(`    s0 := add(addmod(v, s1, p), ${c0})`);
        emit(`    s2 := add(addmod(u, s3, p), ${c2})`);
        emit(`    s1 := addmod(s1, ${c1}, p)`);
        emit(`    s3 := addmod(s3, ${c3}, p)`);
    } else {
        emit("    s0 := addmod(v, s1, p)");
        emit("    s2 := addmod(u, s3, p)");
    }
    emit("}");
};
const full = (round, followed) => {
    emit(`// Full round ${round}.`);
    for (let j = 0; j < 4; j++) sbox(j);
    external(followed);
};
const partial = (round) => {
    emit(`// Partial round ${round}.`);
    emit("{");
    emit("    let y := mulmod(s0, s0, p)");
    emit("    let z := mulmod(mulmod(y, y, p), s0, p)");
    const sum = round === 0 ? "addmod(add(z, s2), addmod(s1, s3, p), p)" : "addmod(add(z, s1), add(s2, s3), p)";
    emit(`    let t := ${sum}`);
    for (const j of [1, 2, 3]) emit(`    s${j} := add(mulmod(s${j}, d${j}, p), t)`);
    emit(`    s0 := add(add(mulmod(z, d0, p), t), ${constant()})`);
    emit("}");
};

emit("// M_E before the first round.");
external(true);
for (let r = 0; r < 4; r++) full(r, r < 3);
emit(`s0 := add(s0, ${constant()})`);
for (let r = 0; r < 56; r++) partial(r);
for (const j of [1, 2, 3]) emit(`s${j} := add(s${j}, ${constant()})`);
for (let r = 4; r < 8; r++) full(r, r < 7);
if (next !== 88) throw new Error("not every constant was used once");
const body = lines.map((line) => `                ${line}`).join("\n");

// --- EMPTY[0..32] ----------------------------------------------------------------------------------------------------

const mod = (x) => ((x % prime) + prime) % prime;
const permute = (state) => {
    const c = constants.map(BigInt);
    const d = diagonal.map(BigInt);
    const m = parameters.externalMatrix.map((row) => row.map(BigInt));
    const ext = (s) => m.map((row) => mod(row.reduce((sum, v, j) => sum + v * s[j], 0n)));
    const pow5 = (x) => (((x * x) % prime) ** 2n * x) % prime;
    let s = ext(state);
    let k = 0;
    const fullRound = () => (s = ext(s.map((v) => pow5(mod(v + c[k++])))));
    for (let r = 0; r < 4; r++) fullRound();
    for (let r = 0; r < 56; r++) {
        s[0] = pow5(mod(s[0] + c[k++]));
        const sum = s.reduce((a, b) => a + b, 0n);
        s = s.map((v, j) => mod(v * d[j] + sum));
    }
    for (let r = 0; r < 4; r++) fullRound();
    return s;
};
const poseidon = (...inputs) => {
    let s = [0n, 0n, 0n, BigInt(inputs.length) << 64n];
    for (let i = 0; i < Math.max(inputs.length, 1); i += 3) {
        for (let j = 0; j < 3; j++) s[j] = mod(s[j] + (inputs[i + j] ?? 0n));
        s = permute(s);
    }
    return s[0];
};
for (const { inputs, output } of vectors.poseidonVectors) {
    if (poseidon(...inputs.map(BigInt)) !== BigInt(output)) throw new Error("the parameters do not give the vectors");
}
const empty = [0n];
for (let h = 0; h < 32; h++) empty.push(poseidon(empty[h], empty[h]));
const digits = (v) => hex(v).slice(2);

const notice = "// Generated by tools/generate.mjs from EIP-8182's assets; do not edit.";
writeFileSync(
    join(contracts, "src/Poseidon2.sol"),
    `// SPDX-License-Identifier: MIT OR Apache-2.0
${notice}
pragma solidity ^0.8.24;

// The order of BN254's scalar field: p in EIP-8182, R elsewhere.
uint256 constant P = ${order};

/// @title Poseidon2 over BN254's scalar field: EIP-8182 section 3.3
/// @notice t = 4, R_F = 8, R_P = 56, x^5, and the length-tagged sponge of rate 3. Inputs must be canonical (below P);
/// outputs are.
library Poseidon2 {
    /// poseidon(a, b): a Merkle tree's node (section 3.4).
    function hash2(uint256 a, uint256 b) internal pure returns (uint256) {
        return sponge(0, 0, a, b, 0, 2 << 64);
    }

    /// poseidon(a, b, c).
    function hash3(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        return sponge(0, 0, a, b, c, 3 << 64);
    }

    /// poseidon(a, b, c, d).
    function hash4(uint256 a, uint256 b, uint256 c, uint256 d) internal pure returns (uint256) {
        uint256[3] memory rest = [d, 0, 0];
        return sponge(addressOf(rest), addressOf(rest) + 96, a, b, c, 4 << 64);
    }

    /// poseidon(a, b, c, d, e).
    function hash5(uint256 a, uint256 b, uint256 c, uint256 d, uint256 e) internal pure returns (uint256) {
        uint256[3] memory rest = [d, e, 0];
        return sponge(addressOf(rest), addressOf(rest) + 96, a, b, c, 5 << 64);
    }

    /// poseidon(a, b, c, d, e, f).
    function hash6(uint256 a, uint256 b, uint256 c, uint256 d, uint256 e, uint256 f) internal pure returns (uint256) {
        uint256[3] memory rest = [d, e, f];
        return sponge(addressOf(rest), addressOf(rest) + 96, a, b, c, 6 << 64);
    }

    function addressOf(uint256[3] memory words) private pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := words
        }
    }

    /// @notice The sponge: permutes (s0, s1, s2, s3), then absorbs the words in memory from rest to end, three at a
    /// time, with a permutation after each three. Gives state element 0.
    /// @dev Every input is below P. Sums are reduced only where they would not fit in a word: 5 P < 2^256, so five
    /// canonical values can be added. mulmod and addmod take any words. Bounds, in multiples of P:
    ///
    ///   M_E             in 1 1 1 1. x = s0 + s1: 2. y = s2 + s3: 2. u = 2 s1 + y: 4. v = 2 s3 + x: 4.
    ///                   s1 = (4 x mod P) + u: 5. s3 = (4 y mod P) + v: 5. s0 and s2 come from addmod: 1.
    ///                   With the next round's constants: s0 and s2 are 2; s1 and s3, which would be 6, come from addmod.
    ///   full round      in at most 3. S-boxes end in mulmod: 1 1 1 1 into M_E.
    ///   partial round   the first has 2 5 1 5 in (s0 with its constant), the others 3 2 2 2. z: 1. The sum t is addmod of
    ///                   1 + 1 and a reduced 5 + 5, or of 1 + 2 and 2 + 2: 1. A product plus t: 2; with a constant: 3.
    ///   full round 4    has 3 3 3 3 in.
    ///   the end         s0 and s2 are canonical, s1 and s3 below 5; absorbing reduces the first three. The fourth, s3, is
    ///                   reduced for the next permutation.
    function sponge(uint256 rest, uint256 end, uint256 s0, uint256 s1, uint256 s2, uint256 s3)
        private
        pure
        returns (uint256 h)
    {
        assembly ("memory-safe") {
            // Solidity keeps the word at 0x60 zero, which the optimiser does not know: it would otherwise put these
            // values in place of their names, some 700 times 32 bytes.
            h := mload(0x60)
            let p := or(h, P)
            // The diagonal of the partial rounds' matrix, less one: M_I = diag(d) + (1 in every place).
            let d0 := or(h, ${diagonal[0]})
            let d1 := or(h, ${diagonal[1]})
            let d2 := or(h, ${diagonal[2]})
            let d3 := or(h, ${diagonal[3]})
            for {} 1 {} {
${body}
                if eq(rest, end) { break }
                s0 := addmod(s0, mload(rest), p)
                s1 := addmod(s1, mload(add(rest, 32)), p)
                s2 := addmod(s2, mload(add(rest, 64)), p)
                s3 := mod(s3, p)
                rest := add(rest, 96)
            }
            h := s0
        }
    }

    /// EMPTY[0..32] of section 3.4, 32 bytes each: the roots of the empty trees of each height.
    bytes internal constant EMPTY =
        hex"${empty.map(digits).join('"\n        hex"')}";
}
`,
);

writeFileSync(
    join(contracts, "test/support/Poseidon2Constants.sol"),
    `// SPDX-License-Identifier: MIT OR Apache-2.0
${notice}
pragma solidity ^0.8.24;

// The round constants in order of use, 32 bytes each: four for each of the first four full rounds, one for each partial
// round, four for each of the last four full rounds.
bytes constant ROUND_CONSTANTS =
    hex"${constants.map((v) => v.slice(2)).join('"\n    hex"')}";

// The diagonal of M_I, less one.
bytes constant INTERNAL_DIAGONAL =
    hex"${diagonal.map((v) => v.slice(2)).join('"\n    hex"')}";

// M_E, row by row.
bytes constant EXTERNAL_MATRIX = hex"${parameters.externalMatrix.flat().map((v) => Number(v).toString(16).padStart(2, "0")).join("")}";
`,
);
writeFileSync(join(contracts, "test/vectors/poseidon2.json"), JSON.stringify(vectors, null, 1) + "\n");
