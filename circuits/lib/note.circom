pragma circom 2.2.0;

include "poseidon2.circom";
include "domains.circom";

// Notes as EIP-8182 section 7 commits to them, for the chain's native asset (tokenAddress = 0).

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
