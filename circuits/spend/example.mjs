// A worked example of the spend relation: what goes in, what comes out, and the values between.

import { eip8182 } from "../lib/poseidon2.mjs";

const DEPTH = 20;

export function exampleSpend(circuits) {
    const { poseidon, domain } = eip8182(circuits);
    const body = (owner, amount) => poseidon(domain("note_body_commitment"), owner, amount, 0n);
    const owner = (key, secret) =>
        poseidon(domain("owner_commitment"), poseidon(domain("owner_nullifier_key_hash"), key), secret);

    // The note that is spent, leaf 5 of a tree whose leaves 0 to 4 stand for other people's notes.
    const ownerNullifierKey = 0x1234567890abcdefn;
    const noteSecret = 0xfedcba0987654321n;
    const amount = 1_000_000n;
    const leafIndex = 5n;
    const noteBodyCommitment = body(owner(ownerNullifierKey, noteSecret), amount);
    const noteCommitment = poseidon(domain("note_commitment"), noteBodyCommitment, leafIndex);

    // The tree: empty leaves are 0, empty nodes follow EMPTY[i + 1] = poseidon(EMPTY[i], EMPTY[i]).
    let level = [101n, 102n, 103n, 104n, 105n, noteCommitment];
    let empty = 0n;
    let index = Number(leafIndex);
    const siblings = [];
    for (let h = 0; h < DEPTH; h++) {
        siblings.push(level[index ^ 1] ?? empty);
        const above = [];
        for (let i = 0; i < level.length; i += 2) above.push(poseidon(level[i], level[i + 1] ?? empty));
        empty = poseidon(empty, empty);
        level = above;
        index >>= 1;
    }
    const root = level[0];

    // The note that is made, for somebody else, and what leaves the pool.
    const outputOwnerCommitment = owner(0xabcdefn, 0x13579bdfn);
    const outputAmount = 750_000n;
    const publicAmount = 250_000n;
    const context = 0x00c0ffee00c0ffee00c0ffee00c0ffee00c0ffeen;

    const nullifier = poseidon(domain("nullifier"), noteCommitment, ownerNullifierKey);
    const outputNoteBodyCommitment = body(outputOwnerCommitment, outputAmount);

    const text = (v) => (Array.isArray(v) ? v.map(text) : v.toString());
    const texts = (o) => Object.fromEntries(Object.entries(o).map(([k, v]) => [k, text(v)]));
    return {
        input: texts({
            root,
            publicAmount,
            context,
            ownerNullifierKey,
            noteSecret,
            amount,
            leafIndex,
            siblings,
            outputOwnerCommitment,
            outputAmount,
        }),
        between: texts({ noteBodyCommitment, noteCommitment }),
        // In the order of the proof's public signals.
        public: texts({ nullifier, outputNoteBodyCommitment, root, publicAmount, context }),
    };
}
