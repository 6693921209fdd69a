// Worked examples of the pool's circuits: what goes in and what is public, by the formulas of model.mjs. The auth
// examples authorise the intents of the pool examples of the same name.

import { publicKey, sign, verify } from "../lib/babyjubjub.mjs";
import { xmssKey, xmssSign } from "../lib/xmss.mjs";
import { poolModel, sparseTree } from "./model.mjs";

export const EIP = { bind: 0, rotate: 0 };
export const TACIT = { bind: 1, rotate: 1 };

const TOKEN = 0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48n;
const ETHER = 10n ** 18n;

// Notes by what is theirs; slots in order, null for a phantom.
const SCENARIOS = {
    // Two notes in, a payment and change out.
    transfer_two_inputs: { method: "eddsa", token: TOKEN, amount: 700n, inputs: [500n, 450n] },
    // One note in, all of it paid: the second input is a phantom, outputs 1 and 2 are dummies. Authorised by XMSS.
    transfer_phantom: { method: "xmss", token: 0n, amount: ETHER, inputs: [ETHER, null] },
    // One note in, of the largest amount, some of it out of the pool, the rest to the sender.
    withdrawal_change: { method: "eddsa", token: 0n, amount: ETHER, inputs: [(1n << 248n) - 1n, null], withdraw: true },
    // A fee note; the first slot is the phantom.
    transfer_fee: { method: "eddsa", token: TOKEN, amount: 1n, fee: 2n, inputs: [null, 10n] },
    // Everything locked: a withdrawal of all there is, less a fee.
    withdrawal_locked: {
        method: "xmss",
        token: TOKEN,
        amount: 40n,
        fee: 2n,
        inputs: [20n, 22n],
        withdraw: true,
        lock: 7n,
    },
};

/** The circuits' examples in one form: `{ pool_transact, auth_eddsa, auth_xmss }`, each by name of the scenario. */
export function poolExamples(circuits, rules) {
    const model = poolModel(circuits, rules);
    const examples = { pool_transact: {}, auth_eddsa: {}, auth_xmss: {} };
    for (const [place, [name, scenario]] of Object.entries(SCENARIOS).entries()) {
        const { transact, auth } = example(model, rules, scenario, BigInt(place + 1));
        examples.pool_transact[name] = texts(transact);
        examples[`auth_${scenario.method}`][name] = texts(auth);
    }
    return examples;
}

function example(model, rules, scenario, salt) {
    const { hash } = model;
    const { poseidon, domain } = hash;
    // Stands for a random field element, another one for each name and scenario.
    const random = (name) => poseidon(salt, BigInt(`0x${Buffer.from(name).toString("hex")}`));
    const { token, amount, fee = 0n, withdraw = false, lock = 0n } = scenario;

    // The owner, and a policy for each method.
    const ownerNullifierKey = random("owner nullifier key");
    const owner = model.keyHash(ownerNullifierKey);
    const noteSecretSeed = random("note secret seed");
    const authorizingAddress = random("address") >> 96n;
    const registrationBlinder = random("blinder");
    const eddsaSecret = random("eddsa secret") >> 8n;
    const xmss = {
        publicSeed: random("public seed"),
        index: 5n + 100n * salt,
        starts: Array.from({ length: 128 }, (_, i) => random(`start ${i}`)),
        // Nodes of a tree that nobody has built: whatever they are, a root belongs to them.
        siblings: Array.from({ length: 10 }, (_, h) => random(`node ${h}`)),
    };
    const methods = {
        eddsa: {
            authVerifier: 0xedd5an + (salt << 140n),
            authDataCommitment: poseidon(domain("tacit_auth_data_eddsa"), ...publicKey(eddsaSecret)),
            policyIndex: 3n,
        },
        xmss: {
            authVerifier: 0x3355n + (salt << 140n),
            authDataCommitment: poseidon(domain("tacit_auth_data_xmss"), xmssKey(hash, xmss).root, xmss.publicSeed),
            policyIndex: 200n,
        },
    };
    const policies = sparseTree(
        hash,
        8,
        Object.values(methods).map((m) => [
            m.policyIndex,
            model.policyCommitment(m.authVerifier, m.authDataCommitment, registrationBlinder),
        ]),
    );
    const { authVerifier, authDataCommitment, policyIndex } = methods[scenario.method];

    // The registry, with somebody else's leaf beside the owner's.
    const policyVersion = 2n;
    const leafPosition = 41n;
    const leaf = model.leaf(authorizingAddress, owner, model.seedHash(noteSecretSeed), policies.root, policyVersion);
    const registry = sparseTree(hash, 32, [
        [leafPosition, leaf],
        [40n, random("leaf")],
    ]);

    // The notes that are spent, and somebody else's. A phantom's note is anything.
    const notes = scenario.inputs.map((value, slot) => {
        const secret = random(`secret ${slot}`);
        const leafIndex = 6n + BigInt(slot);
        const body = model.noteBody(owner, secret, value ?? 0n, token);
        const commitment = model.noteCommitment(body, leafIndex);
        return { phantom: value === null, amount: value ?? 0n, secret, leafIndex, commitment };
    });
    const tree = sparseTree(hash, 32, [
        [5n, random("other note")],
        ...notes.filter((n) => !n.phantom).map((n) => [n.leafIndex, n.commitment]),
    ]);

    // The intent, but for the locks.
    const recipient = model.keyHash(random("recipient"));
    const intent = {
        authVerifier,
        authorizingAddress,
        operationKind: withdraw ? 1n : 0n,
        tokenAddress: token,
        recipientOwnerNullifierKeyHash: withdraw ? 0n : recipient,
        amount,
        feeNoteRecipientOwnerNullifierKeyHash: fee > 0n ? model.keyHash(random("fee recipient")) : 0n,
        feeAmount: fee,
        publicRecipientAddress: withdraw ? random("recipient address") >> 96n : 0n,
        executionConstraintsFlags: lock,
        lockedOutputBinding: [0n, 0n, 0n],
        nonce: random("nonce"),
        validUntilSeconds: 1_800_000_000n,
        executionChainId: 1n,
        ...(rules.bind ? { policyVersion, poolAddress: 0x9001n + (salt << 128n) } : {}),
    };
    const replayId = model.replayId(ownerNullifierKey, intent);

    // Section 8.5: the outputs.
    const dummy = [model.DUMMY, 0n, 0n];
    const sum = notes.reduce((total, note) => total + note.amount, 0n);
    const rest = sum - amount - fee;
    const change = rest > 0n ? [owner, rest, token] : dummy;
    const feeNote = fee > 0n ? [intent.feeNoteRecipientOwnerNullifierKeyHash, fee, token] : dummy;
    const outputs = withdraw ? [change, dummy, feeNote] : [[recipient, amount, token], change, feeNote];
    const bodies = outputs.map(([to, value, of], slot) =>
        model.noteBody(to, model.noteSecret(noteSecretSeed, replayId, BigInt(slot)), value, of),
    );
    const dataHashes = [0, 1, 2].map((slot) => random(`note data ${slot}`));
    intent.lockedOutputBinding = bodies.map((body, slot) =>
        (lock >> BigInt(slot)) & 1n ? model.outputBinding(body, dataHashes[slot]) : 0n,
    );

    const blindingFactor = random("blinding");
    const nullifiers = notes.map((note, slot) =>
        note.phantom
            ? model.phantomNullifier(ownerNullifierKey, replayId, BigInt(slot), noteSecretSeed)
            : model.nullifier(note.commitment, ownerNullifierKey, note.secret),
    );
    const publics = {
        noteCommitmentRoot: tree.root,
        nullifier0: nullifiers[0],
        nullifier1: nullifiers[1],
        noteBodyCommitment0: bodies[0],
        noteBodyCommitment1: bodies[1],
        noteBodyCommitment2: bodies[2],
        publicAmountOut: withdraw ? amount : 0n,
        publicRecipientAddress: intent.publicRecipientAddress,
        publicTokenAddress: withdraw ? token : 0n,
        intentReplayId: replayId,
        validUntilSeconds: intent.validUntilSeconds,
        executionChainId: intent.executionChainId,
        authPolicyRoot: registry.root,
        outputNoteDataHash0: dataHashes[0],
        outputNoteDataHash1: dataHashes[1],
        outputNoteDataHash2: dataHashes[2],
        authVerifier,
        blindedAuthCommitment: model.blinded(authDataCommitment, blindingFactor),
        transactionIntentDigest: model.digest(intent),
        ...(rules.bind ? { poolAddress: intent.poolAddress } : {}),
    };
    const input = {
        ...publics,
        ownerNullifierKey,
        noteSecretSeed,
        authorizingAddress,
        ...(rules.bind ? { policyVersion } : {}),
        leafPosition,
        authPolicySiblings: registry.siblings(leafPosition),
        authDataCommitment,
        registrationBlinder,
        policyIndex,
        policySetSiblings: policies.siblings(policyIndex),
        blindingFactor,
        tokenAddress: token,
        recipientOwnerNullifierKeyHash: intent.recipientOwnerNullifierKeyHash,
        amount,
        feeNoteRecipientOwnerNullifierKeyHash: intent.feeNoteRecipientOwnerNullifierKeyHash,
        feeAmount: fee,
        executionConstraintsFlags: lock,
        lockedOutputBinding: intent.lockedOutputBinding,
        nonce: intent.nonce,
        isPhantom: notes.map((note) => (note.phantom ? 1n : 0n)),
        inputAmount: notes.map((note) => note.amount),
        inputNoteSecret: notes.map((note) => note.secret),
        inputLeafIndex: notes.map((note) => note.leafIndex),
        inputSiblings: notes.map((note) => tree.siblings(note.leafIndex)),
    };

    // The authorisation.
    const message = model.message(publics.transactionIntentDigest, blindingFactor);
    let credential;
    if (scenario.method === "eddsa") {
        credential = sign(hash, eddsaSecret, random("eddsa nonce") >> 8n, message);
        if (!verify(hash, credential, message)) throw new Error("the signature that was made is none");
    } else {
        credential = xmssSign(hash, xmss, random("randomizer"), message);
    }
    const { blindedAuthCommitment, transactionIntentDigest } = publics;
    return {
        transact: { input, public: publics },
        auth: {
            input: { ...intent, blindingFactor, ...credential },
            public: { blindedAuthCommitment, transactionIntentDigest },
        },
    };
}

/** Numbers as decimal text, in arrays and objects of any depth. */
function texts(value) {
    if (Array.isArray(value)) return value.map(texts);
    if (typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, texts(v)]));
    return value.toString();
}
