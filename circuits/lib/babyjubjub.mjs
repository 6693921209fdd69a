// BabyJubjub (ERC-2494) and its EdDSA (docs/src/pool.md) in plain JavaScript, for worked examples. Not in constant
// time.

import { P } from "./poseidon2.mjs";

export const ORDER = 2736030358979909402780800718157159386076813972158567259200215660948447373041n;
export const BASE = [
    5299619240641551281634865583518297030282874472190772894086521144482721001553n,
    16950150798460657717958625567821834550301663161624707787222815936182638968203n,
];
export const NEUTRAL = [0n, 1n];
const a = 168700n;
const d = 168696n;

export const mod = (x, m = P) => ((x % m) + m) % m;

/** 1/x modulo p, by Euclid's algorithm. */
export function inverse(x) {
    let [r, s, u, v] = [P, mod(x), 0n, 1n];
    while (s !== 0n) {
        const q = r / s;
        [r, s, u, v] = [s, r - q * s, v, u - q * v];
    }
    if (r !== 1n) throw new Error("zero has no inverse");
    return mod(u);
}

export const onCurve = ([x, y]) => mod(a * x * x + y * y - 1n - d * x * x * y * y) === 0n;

export function add([x1, y1], [x2, y2]) {
    const t = mod(d * mod(x1 * x2) * mod(y1 * y2));
    return [mod((x1 * y2 + y1 * x2) * inverse(1n + t)), mod((y1 * y2 - a * x1 * x2) * inverse(1n - t))];
}

export function multiply(k, point) {
    let sum = NEUTRAL;
    for (const bit of k.toString(2)) {
        sum = add(sum, sum);
        if (bit === "1") sum = add(sum, point);
    }
    return sum;
}

export const publicKey = (secret) => multiply(secret, BASE);

const challenge = ({ poseidon, domain }, R, A, message) =>
    poseidon(domain("tacit_eddsa_challenge"), ...R, ...A, message);

/** A signature; `nonce` is secret, below the order, and never used for two messages. */
export function sign(hash, secret, nonce, message) {
    const A = publicKey(secret);
    const R = multiply(nonce, BASE);
    return { A, R, S: mod(nonce + challenge(hash, R, A, message) * secret, ORDER) };
}

export function verify(hash, { A, R, S }, message) {
    if (!onCurve(A) || !onCurve(R) || S >= ORDER || multiply(8n, A)[0] === 0n) return false;
    const right = add(R, multiply(challenge(hash, R, A, message), A));
    const [left8, right8] = [multiply(8n * S, BASE), multiply(8n, right)];
    return left8[0] === right8[0] && left8[1] === right8[1];
}
