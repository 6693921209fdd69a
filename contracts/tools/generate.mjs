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

// --- the sponge as an EVM program ------------------------------------------------------------------------------------
//
// Solidity's compilers spend a fifth of the permutation's gas on keeping the stack tidy. Here each value gets a name and stays
// where it was computed; values that are no longer needed stay too, some 400 in a permutation, out of the 1024 that a frame
// has. Constants are pushed where DUP does not reach them, which costs the same.
//
// Sums are reduced only where they would not fit in a word: 5 p < 2^256, so five canonical values can be added. MULMOD and
// ADDMOD take any words. Bounds, in multiples of p:
//
//   M_E             in 1 1 1 1. x = s0 + s1: 2. y = s2 + s3: 2. u = 2 s1 + y: 4. v = 2 s3 + x: 4.
//                   e = (4 x mod p) + u: 5. f = (4 y mod p) + v: 5. Out: v + e, e, u + f, f, where sums are by ADDMOD: 1 5 1 5.
//   full round      the constant is added to what came from ADDMOD by ADD: 2; to e and f by ADDMOD: 1. S-boxes end in MULMOD:
//                   1 1 1 1 into M_E.
//   partial round   the first has 2 5 1 5 in (s0 with its constant), the others 3 2 2 2. z, the S-box: 1. The sum t is ADDMOD
//                   of z + s2 (2) and ADDMOD of the 5s, or of z + s1 (3) and s2 + s3 (4): 1. A product plus t: 2; with a
//                   constant: 3.
//   full round 4    in 3 2 2 2; with constants 3 3 3 3.
//   absorbing       by ADDMOD: 1; s3 by MOD: 1.

const OPCODES = {
    ADD: [0x01, 2, 1],
    MOD: [0x06, 2, 1],
    ADDMOD: [0x08, 3, 1],
    MULMOD: [0x09, 3, 1],
    LT: [0x10, 2, 1],
    SHL: [0x1b, 2, 1],
    CALLDATALOAD: [0x35, 1, 1],
    CALLDATASIZE: [0x36, 0, 1],
    MLOAD: [0x51, 1, 1],
    MSTORE: [0x52, 2, 0],
    JUMP: [0x56, 1, 0],
    JUMPI: [0x57, 2, 0],
    JUMPDEST: [0x5b, 0, 0],
    RETURN: [0xf3, 2, 0],
};
const PUSH0 = 0x5f;
const DUP1 = 0x80;

const code = [];
/** What is on the stack, by name; the top is last. */
let stack = [];
const op = (mnemonic, result = "") => {
    const [byte, takes, gives] = OPCODES[mnemonic];
    if (stack.length < takes) throw new Error(`${mnemonic}: the stack is short`);
    code.push(byte);
    stack.length -= takes;
    if (gives) stack.push(result);
    return result;
};
const push = (value, name = "", bytes = 0) => {
    let digits = value === 0n ? "" : value.toString(16);
    digits = digits.padStart(Math.max(2 * bytes, digits.length + (digits.length % 2)), "0");
    code.push(PUSH0 + digits.length / 2, ...Buffer.from(digits, "hex"));
    stack.push(name);
};
const reach = (name) => stack.length - stack.lastIndexOf(name);
const dup = (name) => {
    if (!stack.includes(name) || reach(name) > 16) throw new Error(`${name} is out of reach`);
    code.push(DUP1 + reach(name) - 1);
    stack.push(name);
};
const LASTING = { p: prime, ...Object.fromEntries(diagonal.map((d, i) => [`d${i}`, BigInt(d)])) };
const lasting = (name) => (stack.includes(name) && reach(name) <= 16 ? dup(name) : push(LASTING[name], name));
let names = 0;
const fresh = (letter) => `${letter}.${names++}`;
let used = 0;
const constant = () => push(BigInt(constants[used++]), "", 32);

const sum = (a, b, name) => (dup(a), dup(b), op("ADD", name));
const sumModP = (a, b, name) => (lasting("p"), dup(a), dup(b), op("ADDMOD", name));

/** The S-box of x, which is on top with p beneath. */
const sbox = (x) => {
    lasting("p");
    lasting("p");
    dup(x);
    dup(x);
    const y = op("MULMOD", fresh("y"));
    dup(y);
    op("MULMOD");
    return op("MULMOD", fresh("z"));
};
/** M_E up to its last two sums: its output is v + e, e, u + f, f. */
const external = ([a, b, c, d]) => {
    const [x, y, u, v, e, f] = ["x", "y", "u", "v", "e", "f"].map(fresh);
    sum(a, b, x);
    sum(c, d, y);
    (dup(y), sum(b, b), op("ADD", u));
    (dup(x), sum(d, d), op("ADD", v));
    (dup(u), lasting("p"), dup(x), push(4n), op("MULMOD"), op("ADD", e));
    (dup(v), lasting("p"), dup(y), push(4n), op("MULMOD"), op("ADD", f));
    return { u, v, e, f };
};
/** The S-boxes of a full round on what M_E gave. */
const sboxes = ({ u, v, e, f }) => {
    push(prime, "p");
    return [0, 1, 2, 3].map((lane) => {
        const x = fresh("x");
        lasting("p");
        if (lane === 0) (sumModP(v, e), constant(), op("ADD", x));
        if (lane === 1) (lasting("p"), dup(e), constant(), op("ADDMOD", x));
        if (lane === 2) (sumModP(u, f), constant(), op("ADD", x));
        if (lane === 3) (lasting("p"), dup(f), constant(), op("ADDMOD", x));
        return sbox(x);
    });
};

// Memory: word 1 is the offset of the chunk after the one that is being permuted. The capacity is N << 64 = 32 N << 59.
(push(96n), push(32n), op("MSTORE"));
(op("CALLDATASIZE"), push(59n), op("SHL", "d"));
(push(64n), op("CALLDATALOAD", "c"));
(push(32n), op("CALLDATALOAD", "b"));
(push(0n), op("CALLDATALOAD", "a"));
const start = code.length;
op("JUMPDEST");

let state = external(["a", "b", "c", "d"]);
for (let r = 0; r < 4; r++) state = external(sboxes(state));

let others = [state.e, sumModP(state.u, state.f, fresh("s")), state.f];
lasting("p");
(sumModP(state.v, state.e), constant());
let first = op("ADD", fresh("x"));
for (let r = 0; r < 56; r++) {
    const z = sbox(first);
    const [s1, s2, s3] = others;
    lasting("p");
    if (r === 0) (sum(z, s2), sumModP(s1, s3));
    else (sum(z, s1), sum(s2, s3));
    const t = op("ADDMOD", fresh("t"));
    others = others.map((s, i) => (lasting("p"), lasting(`d${i + 1}`), dup(s), op("MULMOD"), dup(t), op("ADD", fresh("s"))));
    // A copy that the next rounds can reach makes the program shorter, for a little gas.
    if (r % 3 === 2) push(prime, "p");
    lasting("p");
    (lasting("p"), lasting("d0"), dup(z), op("MULMOD"), dup(t), op("ADD"), constant());
    first = op("ADD", fresh("x"));
}
const after = [sbox(first), ...others.map((s) => (lasting("p"), dup(s), constant(), sbox(op("ADD", fresh("x")))))];
state = external(after);
for (let r = 5; r < 8; r++) state = external(sboxes(state));
if (used !== 88) throw new Error("not every constant was used once");
const s0 = sumModP(state.v, state.e, "s0");

const nextOffset = () => (push(32n), op("MLOAD"));
(op("CALLDATASIZE"), nextOffset(), op("LT"));
const more = code.length + 1;
(push(0n, "", 2), op("JUMPI"));
(push(0n), op("MSTORE"), push(32n), push(0n), op("RETURN"));

code[more] = code.length >> 8;
code[more + 1] = code.length & 0xff;
stack.push(s0);
op("JUMPDEST");
const input = (word) => (push(BigInt(32 * word)), nextOffset(), op("ADD"), op("CALLDATALOAD"));
(lasting("p"), dup(state.f), op("MOD", "d"));
(lasting("p"), sumModP(state.u, state.f), input(2), op("ADDMOD", "c"));
(lasting("p"), dup(state.e), input(1), op("ADDMOD", "b"));
(lasting("p"), dup(s0), input(0), op("ADDMOD", "a"));
(nextOffset(), push(96n), op("ADD"), push(32n), op("MSTORE"));
(push(BigInt(start), "", 2), op("JUMP"));

const program = Buffer.from(code).toString("hex");

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
pragma solidity ^0.8.28;

// The order of BN254's scalar field: p in EIP-8182, R elsewhere.
uint256 constant P = ${order};

/// @title Poseidon2 over BN254's scalar field: EIP-8182 section 3.3
/// @notice t = 4, R_F = 8, R_P = 56, x^5, and the length-tagged sponge of rate 3. Inputs must be canonical (below P); outputs
/// are.
/// @dev The sponge is an EVM program of its own, assembled by tools/generate.mjs, which says how and gives the bounds; a
/// contract that hashes deploys it in its constructor. Called with N words, it returns poseidon of them (N up to 6: its stack
/// holds two permutations). It neither reads nor writes state.
library Poseidon2 {
    /// @notice The program was not deployed: give the deployment more gas.
    error Poseidon2NotDeployed();

    /// @notice Deploys the program and gives its address, which the other functions take.
    function deploy() internal returns (address at_) {
        // PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN: gives the code that follows.
        bytes memory creation =
            abi.encodePacked(hex"61", uint16(PROGRAM.length), hex"80600a3d393df3", PROGRAM);
        assembly ("memory-safe") {
            at_ := create(0, add(creation, 32), mload(creation))
        }
        if (at_ == address(0)) revert Poseidon2NotDeployed();
    }

    // The program fails only for want of gas, and then so must its caller.

    /// poseidon(a, b): a Merkle tree's node (section 3.4).
    function hash2(address at_, uint256 a, uint256 b) internal view returns (uint256 h) {
        assembly ("memory-safe") {
            mstore(0, a)
            mstore(32, b)
            if iszero(staticcall(gas(), at_, 0, 64, 0, 32)) { revert(0, 0) }
            h := mload(0)
        }
    }

    /// poseidon(a, b, c).
    function hash3(address at_, uint256 a, uint256 b, uint256 c) internal view returns (uint256) {
        return hash(at_, [a, b, c, 0, 0, 0], 3);
    }

    /// poseidon(a, b, c, d).
    function hash4(address at_, uint256 a, uint256 b, uint256 c, uint256 d) internal view returns (uint256) {
        return hash(at_, [a, b, c, d, 0, 0], 4);
    }

    /// poseidon of the first n words.
    function hash(address at_, uint256[6] memory words, uint256 n) internal view returns (uint256 h) {
        assembly ("memory-safe") {
            if iszero(staticcall(gas(), at_, words, mul(32, n), 0, 32)) { revert(0, 0) }
            h := mload(0)
        }
    }

    bytes private constant PROGRAM =
        hex"${program.match(/.{1,96}/g).join('"\n        hex"')}";

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
