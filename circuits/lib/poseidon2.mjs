// Poseidon2 and its sponge in plain JavaScript, reading the same constants as the circuits: for making examples.

import { readFileSync } from "node:fs";
import { join } from "node:path";

export const P = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001n;

/** The numbers that a generated circom file returns from the function of that name, in order. */
function numbers(file, name) {
    const text = readFileSync(file, "utf8");
    const body = text.slice(text.indexOf(`function ${name}()`));
    const value = body.slice(body.indexOf("return") + 6, body.indexOf(";"));
    return [...value.matchAll(/0x[0-9a-f]+|\d+/g)].map((m) => BigInt(m[0]));
}

/** `poseidon(...inputs)` and `domain(context)` of EIP-8182 sections 3.1 and 3.3. */
export function eip8182(circuits) {
    const constants = join(circuits, "lib", "poseidon2_constants.circom");
    const RC = numbers(constants, "poseidon2_round_constants");
    const D = numbers(constants, "poseidon2_internal_diagonal");
    const ME = numbers(constants, "poseidon2_external_matrix");

    const sbox = (x) => x ** 5n % P;
    const external = (s) => s.map((_, i) => s.reduce((sum, x, j) => sum + ME[4 * i + j] * x, 0n) % P);

    function permute(s) {
        let rc = 0;
        const full = () => {
            s = external(s.map((x) => sbox(x + RC[rc++])));
        };
        s = external(s);
        for (let r = 0; r < 4; r++) full();
        for (let r = 0; r < 56; r++) {
            s[0] = sbox(s[0] + RC[rc++]);
            const sum = s[0] + s[1] + s[2] + s[3];
            s = s.map((x, i) => (D[i] * x + sum) % P);
        }
        for (let r = 0; r < 4; r++) full();
        return s;
    }

    function poseidon(...inputs) {
        let s = [0n, 0n, 0n, BigInt(inputs.length) << 64n];
        for (let c = 0; c < Math.max(1, Math.ceil(inputs.length / 3)); c++) {
            s = permute(s.map((x, j) => (j < 3 ? (x + BigInt(inputs[3 * c + j] ?? 0n)) % P : x)));
        }
        return s[0];
    }

    const domain = (context) => numbers(join(circuits, "lib", "domains.circom"), `domain_${context}`)[0];
    return { poseidon, domain };
}
