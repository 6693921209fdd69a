// EIP-8182's formulas (sections 7 and 8) and docs/src/pool.md's additions in plain JavaScript, independently of the
// circuits. `rules` is { bind, rotate }, each 0 or 1.

import { eip8182 } from "../lib/poseidon2.mjs";

export const INTENT = [
    "authVerifier",
    "authorizingAddress",
    "operationKind",
    "tokenAddress",
    "recipientOwnerNullifierKeyHash",
    "amount",
    "feeNoteRecipientOwnerNullifierKeyHash",
    "feeAmount",
    "publicRecipientAddress",
    "executionConstraintsFlags",
    "lockedOutputBinding",
    "nonce",
    "validUntilSeconds",
    "executionChainId",
];

export function poolModel(circuits, { bind, rotate }) {
    const hash = eip8182(circuits);
    const { poseidon, domain } = hash;
    const bound = (...values) => (bind ? values : []);

    const keyHash = (key) => poseidon(domain("owner_nullifier_key_hash"), key);
    const ownerCommitment = (owner, secret) => poseidon(domain("owner_commitment"), owner, secret);
    const noteBody = (owner, secret, amount, token) =>
        poseidon(domain("note_body_commitment"), ownerCommitment(owner, secret), amount, token);

    return {
        hash,
        DUMMY: keyHash(0xdeadn),
        keyHash,
        seedHash: (seed) => poseidon(domain("note_secret_seed"), seed),
        noteBody,
        noteCommitment: (body, leafIndex) => poseidon(domain("note_commitment"), body, leafIndex),
        nullifier: (commitment, key, secret) =>
            poseidon(domain("nullifier"), commitment, key, ...(rotate ? [secret] : [])),
        phantomNullifier: (key, replayId, slot, seed) =>
            poseidon(domain("phantom_nullifier"), key, replayId, slot, ...(rotate ? [seed] : [])),
        noteSecret: (seed, replayId, slot) => poseidon(domain("transact_note_secret"), seed, replayId, slot),
        outputBinding: (body, dataHash) => poseidon(domain("output_binding"), body, dataHash),
        policyCommitment: (verifier, data, blinder) => poseidon(domain("policy_commitment"), verifier, data, blinder),
        leaf: (user, owner, seedHash, policySet, version) =>
            poseidon(domain("auth_policy"), user, owner, seedHash, policySet, ...bound(version)),
        blinded: (data, blinding) => poseidon(domain("blinded_auth_commitment"), data, blinding),
        replayId: (key, i) =>
            poseidon(
                domain("intent_replay_id"),
                key,
                i.authorizingAddress,
                i.executionChainId,
                i.nonce,
                ...bound(i.poolAddress, i.policyVersion),
            ),
        digest: (i) =>
            poseidon(
                domain("transaction_intent_digest"),
                ...INTENT.flatMap((name) => i[name]),
                ...bound(i.policyVersion, i.poolAddress),
            ),
        message: (digest, blinding) => poseidon(domain("tacit_auth_message"), digest, blinding),
    };
}

/** A sparse Merkle tree of section 3.4. `leaves` maps indices to values; the others are 0. */
export function sparseTree({ poseidon }, depth, leaves) {
    const levels = [new Map(leaves)];
    const empty = [0n];
    const at = (h, i) => levels[h].get(i) ?? empty[h];
    for (let h = 0; h < depth; h++) {
        const above = new Map();
        for (const i of levels[h].keys()) {
            const parent = i >> 1n;
            if (!above.has(parent)) above.set(parent, poseidon(at(h, 2n * parent), at(h, 2n * parent + 1n)));
        }
        empty.push(poseidon(empty[h], empty[h]));
        levels.push(above);
    }
    return {
        root: at(depth, 0n),
        siblings: (index) => Array.from({ length: depth }, (_, h) => at(h, (index >> BigInt(h)) ^ 1n)),
    };
}
