pragma circom 2.2.0;

include "poseidon2.circom";
include "domains.circom";

// Notes as EIP-8182 section 7 commits to them.

// Section 7.2:  ownerNullifierKeyHash = poseidon(OWNER_NULLIFIER_KEY_HASH_DOMAIN, ownerNullifierKey)
template OwnerNullifierKeyHash() {
    signal input ownerNullifierKey;
    signal output out;

    out <== Poseidon2(2)([domain_owner_nullifier_key_hash(), ownerNullifierKey]);
}

// Section 7.3:  ownerCommitment = poseidon(OWNER_COMMITMENT_DOMAIN, ownerNullifierKeyHash, noteSecret)
template OwnerCommitment() {
    signal input ownerNullifierKeyHash;
    signal input noteSecret;
    signal output out;

    out <== Poseidon2(3)([domain_owner_commitment(), ownerNullifierKeyHash, noteSecret]);
}

// Section 7.4:  noteBodyCommitment = poseidon(NOTE_BODY_COMMITMENT_DOMAIN, ownerCommitment, amount, tokenAddress)
template NoteBodyCommitment() {
    signal input ownerCommitment;
    signal input amount;
    signal input tokenAddress;
    signal output out;

    out <== Poseidon2(4)([domain_note_body_commitment(), ownerCommitment, amount, tokenAddress]);
}

// Section 7.4 for the chain's native asset: tokenAddress = 0
template NativeNoteBodyCommitment() {
    signal input ownerCommitment;
    signal input amount;
    signal output out;

    out <== Poseidon2(4)([domain_note_body_commitment(), ownerCommitment, amount, 0]);
}

// Section 7.5:  noteCommitment = poseidon(NOTE_COMMITMENT_DOMAIN, noteBodyCommitment, leafIndex)
template NoteCommitment() {
    signal input noteBodyCommitment;
    signal input leafIndex;
    signal output out;

    out <== Poseidon2(3)([domain_note_commitment(), noteBodyCommitment, leafIndex]);
}

// Section 7.6:  nullifier = poseidon(NULLIFIER_DOMAIN, noteCommitment, ownerNullifierKey)
template Nullifier() {
    signal input noteCommitment;
    signal input ownerNullifierKey;
    signal output out;

    out <== Poseidon2(3)([domain_nullifier(), noteCommitment, ownerNullifierKey]);
}

// The nullifier of Tacit's rotating form (docs/src/pool.md): who lacks the note's secret cannot compute it.
//
//     nullifier = poseidon(NULLIFIER_DOMAIN, noteCommitment, ownerNullifierKey, noteSecret)
template RotatingNullifier() {
    signal input noteCommitment;
    signal input ownerNullifierKey;
    signal input noteSecret;
    signal output out;

    out <== Poseidon2(4)([domain_nullifier(), noteCommitment, ownerNullifierKey, noteSecret]);
}

// Section 7.7:  phantomNullifier = poseidon(PHANTOM_NULLIFIER_DOMAIN, ownerNullifierKey, intentReplayId, inputIndex)
template PhantomNullifier() {
    signal input ownerNullifierKey;
    signal input intentReplayId;
    signal input inputIndex;
    signal output out;

    out <== Poseidon2(4)([domain_phantom_nullifier(), ownerNullifierKey, intentReplayId, inputIndex]);
}

// The same in the rotating form: who lacks the current seed cannot compute it.
//
//     phantomNullifier =
//         poseidon(PHANTOM_NULLIFIER_DOMAIN, ownerNullifierKey, intentReplayId, inputIndex, noteSecretSeed)
template RotatingPhantomNullifier() {
    signal input ownerNullifierKey;
    signal input intentReplayId;
    signal input inputIndex;
    signal input noteSecretSeed;
    signal output out;

    out <== Poseidon2(5)(
        [domain_phantom_nullifier(), ownerNullifierKey, intentReplayId, inputIndex, noteSecretSeed]);
}

// Section 7.8:  noteSecretSeedHash = poseidon(NOTE_SECRET_SEED_DOMAIN, noteSecretSeed)
template NoteSecretSeedHash() {
    signal input noteSecretSeed;
    signal output out;

    out <== Poseidon2(2)([domain_note_secret_seed(), noteSecretSeed]);
}

// Section 7.9:  noteSecret = poseidon(TRANSACT_NOTE_SECRET_DOMAIN, noteSecretSeed, intentReplayId, outputIndex)
template TransactNoteSecret() {
    signal input noteSecretSeed;
    signal input intentReplayId;
    signal input outputIndex;
    signal output out;

    out <== Poseidon2(4)([domain_transact_note_secret(), noteSecretSeed, intentReplayId, outputIndex]);
}
