// Writes test/vectors/end_to_end.json: registration, two deposits, a private transfer authorised by EdDSA and a withdrawal
// authorised by ECDSA, with the verifying keys of development setups and real proofs of the circuits in circuits/pool, for
// test/EndToEnd.t.sol.
//
//   node contracts/tools/end_to_end.mjs TACIT WORK
//
// TACIT is the built binary, WORK a folder for proving keys (some 60 MB, made where missing).

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const contracts = join(import.meta.dirname, "..");
const [tacit, work, circuitsArgument] = process.argv.slice(2);
if (!tacit || !work) {
    console.error("usage: node contracts/tools/end_to_end.mjs TACIT WORK");
    process.exit(2);
}
const circuits = resolve(circuitsArgument ?? join(contracts, "../circuits"));
const { poolModel, sparseTree } = await import(join(circuits, "pool/model.mjs"));
const { publicKey, sign } = await import(join(circuits, "lib/babyjubjub.mjs"));
// solc's own Keccak.
const modules = process.env.TACIT_NODE_MODULES ?? join(contracts, "../tests/node_modules");
const { keccak256 } = createRequire(`${modules}/`)("js-sha3");
mkdirSync(work, { recursive: true });

const model = poolModel(circuits, { bind: 1, rotate: 1 });
const { poseidon, domain, prime } = model.hash;
const P = prime ?? 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001n;
const word = (v) => BigInt(v).toString(16).padStart(64, "0");
const random = (name) => poseidon(0x8182n, BigInt(`0x${Buffer.from(name).toString("hex")}`));
const texts = (v) =>
    Array.isArray(v)
        ? v.map(texts)
        : typeof v === "object"
          ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, texts(x)]))
          : v.toString();

// --- who and where ---------------------------------------------------------------------------------------------------

const DEPLOYER = "00000000000000000000000000000000000dead1";
const created = (nonce) => {
    const rlp = Buffer.from(`d694${DEPLOYER}${nonce === 0 ? "80" : nonce.toString(16).padStart(2, "0")}`, "hex");
    return BigInt(`0x${keccak256(rlp).slice(24)}`);
};
const eddsaVerifier = created(0);
const ecdsaVerifier = created(1);
const poolAddress = created(2);
const CHAIN = 31337n;
const VALID_UNTIL = 1_800_003_600n;
const ETHER = 10n ** 18n;

const alice = 0xa11cen;
const key = random("owner nullifier key");
const owner = model.keyHash(key);
const seed = random("note secret seed");
const blinder = random("registration blinder");
const eddsaSecret = random("eddsa secret") >> 8n;
// The address of the private key 0xa11ce, which the test signs with.
const ecdsaSigner = BigInt(process.env.SIGNER ?? "0xe05fcC23807536bEe418f142D19fa0d21BB0cfF7");
const methods = {
    eddsa: {
        authVerifier: eddsaVerifier,
        authDataCommitment: poseidon(domain("tacit_auth_data_eddsa"), ...publicKey(eddsaSecret)),
        policyIndex: 3n,
    },
    ecdsa: {
        authVerifier: ecdsaVerifier,
        authDataCommitment: poseidon(BigInt(`0x${keccak256("tacit.auth_data_ecdsa")}`) % P, ecdsaSigner),
        policyIndex: 200n,
    },
};
const policies = sparseTree(
    model.hash,
    8,
    Object.values(methods).map((m) => [
        m.policyIndex,
        model.policyCommitment(m.authVerifier, m.authDataCommitment, blinder),
    ]),
);
const policyVersion = 1n;
const leafPosition = 1n;
const registry = sparseTree(model.hash, 32, [
    [leafPosition, model.leaf(alice, owner, model.seedHash(seed), policies.root, policyVersion)],
]);

// --- the notes -------------------------------------------------------------------------------------------------------

const leaves = [];
const deposits = [3n * ETHER, 2n * ETHER].map((amount, i) => {
    const secret = random(`deposit ${i}`);
    const note = { amount, secret, leafIndex: BigInt(i) };
    leaves.push([note.leafIndex, model.noteCommitment(model.noteBody(owner, secret, amount, 0n), note.leafIndex)]);
    return { note, ownerCommitment: poseidon(domain("owner_commitment"), owner, secret) };
});

// --- keys and proofs -------------------------------------------------------------------------------------------------

const run = (...args) => execFileSync(tacit, [...args, "--quiet"], { stdio: ["ignore", "ignore", "inherit"] });
const at = (name) => join(work, name);
const circuit = (name) => {
    const file = (extension) => join(circuits, "pool", `${name}.${extension}`);
    const zkey = at(`${name}.zkey`);
    if (!existsSync(zkey)) run("groth16", "setup", "--dev", file("r1cs"), zkey);
    run("zkey", "export", "contractkey", zkey, at(`${name}.hex`));
    return {
        key: readFileSync(at(`${name}.hex`), "utf8").trim(),
        prove(input, publics) {
            writeFileSync(at("input.json"), JSON.stringify(texts(input)));
            run("groth16", "fullprove", at("input.json"), file("wasm"), zkey, at("proof.json"), at("public.json"));
            const got = JSON.parse(readFileSync(at("public.json"), "utf8")).map(BigInt);
            if (got.join() !== Object.values(publics).join()) throw new Error(`${name}: other public signals`);
            const { pi_a: a, pi_b: b, pi_c: c } = JSON.parse(readFileSync(at("proof.json"), "utf8"));
            // EIP-197: the imaginary part first.
            return `0x${[a[0], a[1], b[0][1], b[0][0], b[1][1], b[1][0], c[0], c[1]].map(word).join("")}`;
        },
    };
};
const poolCircuit = circuit("pool_transact");
const eddsaCircuit = circuit("auth_eddsa");

function transact({ method, amount, fee, withdraw, to, inputs, nonce, noteData }) {
    const { authVerifier, authDataCommitment, policyIndex } = methods[method];
    const intent = {
        authVerifier,
        authorizingAddress: alice,
        operationKind: withdraw ? 1n : 0n,
        tokenAddress: 0n,
        recipientOwnerNullifierKeyHash: withdraw ? 0n : to,
        amount,
        feeNoteRecipientOwnerNullifierKeyHash: fee > 0n ? model.keyHash(random("fee recipient")) : 0n,
        feeAmount: fee,
        publicRecipientAddress: withdraw ? to : 0n,
        executionConstraintsFlags: 0n,
        lockedOutputBinding: [0n, 0n, 0n],
        nonce,
        validUntilSeconds: VALID_UNTIL,
        executionChainId: CHAIN,
        policyVersion,
        poolAddress,
    };
    const replayId = model.replayId(key, intent);
    const tree = sparseTree(model.hash, 32, leaves);
    const notes = inputs.map((n, slot) => n ?? { phantom: true, amount: 0n, secret: 0n, leafIndex: 0n, slot });
    const rest = notes.reduce((sum, n) => sum + n.amount, 0n) - amount - fee;
    const dummy = [model.DUMMY, 0n];
    const change = rest > 0n ? [owner, rest] : dummy;
    const feeNote = fee > 0n ? [intent.feeNoteRecipientOwnerNullifierKeyHash, fee] : dummy;
    const outputs = withdraw ? [change, dummy, feeNote] : [[to, amount], change, feeNote];
    const secrets = outputs.map((_, slot) => model.noteSecret(seed, replayId, BigInt(slot)));
    const bodies = outputs.map(([who, value], slot) => model.noteBody(who, secrets[slot], value, 0n));
    const hashes = noteData.map((data) => BigInt(`0x${keccak256(Buffer.from(data.slice(2), "hex"))}`) % P);
    const nullifiers = notes.map((n, slot) =>
        n.phantom
            ? model.phantomNullifier(key, replayId, BigInt(slot), seed)
            : model.nullifier(leaves[Number(n.leafIndex)][1], key, n.secret),
    );
    const blindingFactor = random(`blinding ${nonce}`);
    const publics = {
        noteCommitmentRoot: tree.root,
        nullifier0: nullifiers[0],
        nullifier1: nullifiers[1],
        noteBodyCommitment0: bodies[0],
        noteBodyCommitment1: bodies[1],
        noteBodyCommitment2: bodies[2],
        publicAmountOut: withdraw ? amount : 0n,
        publicRecipientAddress: intent.publicRecipientAddress,
        publicTokenAddress: 0n,
        intentReplayId: replayId,
        validUntilSeconds: VALID_UNTIL,
        executionChainId: CHAIN,
        authPolicyRoot: registry.root,
        outputNoteDataHash0: hashes[0],
        outputNoteDataHash1: hashes[1],
        outputNoteDataHash2: hashes[2],
        authVerifier,
        blindedAuthCommitment: model.blinded(authDataCommitment, blindingFactor),
        transactionIntentDigest: model.digest(intent),
        poolAddress,
    };
    const poolProof = poolCircuit.prove(
        {
            ...publics,
            ownerNullifierKey: key,
            noteSecretSeed: seed,
            authorizingAddress: alice,
            policyVersion,
            leafPosition,
            authPolicySiblings: registry.siblings(leafPosition),
            authDataCommitment,
            registrationBlinder: blinder,
            policyIndex,
            policySetSiblings: policies.siblings(policyIndex),
            blindingFactor,
            tokenAddress: 0n,
            recipientOwnerNullifierKeyHash: intent.recipientOwnerNullifierKeyHash,
            amount,
            feeNoteRecipientOwnerNullifierKeyHash: intent.feeNoteRecipientOwnerNullifierKeyHash,
            feeAmount: fee,
            executionConstraintsFlags: 0n,
            lockedOutputBinding: intent.lockedOutputBinding,
            nonce,
            isPhantom: notes.map((n) => (n.phantom ? 1n : 0n)),
            inputAmount: notes.map((n) => n.amount),
            inputNoteSecret: notes.map((n) => n.secret),
            inputLeafIndex: notes.map((n) => n.leafIndex),
            inputSiblings: notes.map((n) => tree.siblings(n.leafIndex)),
        },
        publics,
    );
    let authProof = "0x";
    if (method === "eddsa") {
        const message = model.message(publics.transactionIntentDigest, blindingFactor);
        const credential = sign(model.hash, eddsaSecret, random(`eddsa nonce ${nonce}`) >> 8n, message);
        const { blindedAuthCommitment, transactionIntentDigest } = publics;
        authProof = eddsaCircuit.prove(
            { ...intent, blindingFactor, ...credential },
            { blindedAuthCommitment, transactionIntentDigest },
        );
    }
    const first = BigInt(leaves.length);
    const made = bodies.map((body, slot) => {
        const leafIndex = first + BigInt(slot);
        leaves.push([leafIndex, model.noteCommitment(body, leafIndex)]);
        return { amount: outputs[slot][1], secret: secrets[slot], leafIndex };
    });
    const { poolAddress: _, ...struct } = publics;
    const told = {
        poolProof,
        authProof,
        blindingFactor: `0x${word(blindingFactor)}`,
        publicInputs: `0x${Object.values(struct).map(word).join("")}`,
        noteData,
        rootAfter: `0x${word(sparseTree(model.hash, 32, leaves).root)}`,
    };
    return { told, made };
}

const data = (slot) => `0x${`0${slot + 1}`.repeat(160)}`;
const transfer = transact({
    method: "eddsa",
    amount: 4n * ETHER,
    fee: ETHER / 10n,
    withdraw: false,
    to: model.keyHash(random("bob")),
    inputs: deposits.map((d) => d.note),
    nonce: random("nonce 1"),
    noteData: [0, 1, 2].map(data),
});
const withdrawal = transact({
    method: "ecdsa",
    amount: ETHER / 2n,
    fee: 0n,
    withdraw: true,
    to: 0xbeefn,
    inputs: [transfer.made[1], null],
    nonce: random("nonce 2"),
    noteData: [0, 1, 2].map(data),
});

const hex = (v, digits = 64) => `0x${v.toString(16).padStart(digits, "0")}`;
writeFileSync(
    join(contracts, "test/vectors/end_to_end.json"),
    JSON.stringify(
        {
            deployer: `0x${DEPLOYER}`,
            eddsaVerifier: hex(eddsaVerifier, 40),
            ecdsaVerifier: hex(ecdsaVerifier, 40),
            pool: hex(poolAddress, 40),
            poolKey: poolCircuit.key,
            eddsaKey: eddsaCircuit.key,
            user: hex(alice, 40),
            ownerNullifierKeyHash: hex(owner),
            noteSecretSeedHash: hex(model.seedHash(seed)),
            policySetCommitment: hex(policies.root),
            authPolicyRoot: hex(registry.root),
            deposits: deposits.map((d) => ({ amount: hex(d.note.amount), ownerCommitment: hex(d.ownerCommitment) })),
            transfer: transfer.told,
            withdrawal: withdrawal.told,
        },
        null,
        1,
    ) + "\n",
);
