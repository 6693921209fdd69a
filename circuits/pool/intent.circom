pragma circom 2.2.0;

include "../lib/poseidon2.circom";
include "../lib/domains.circom";

// What an authorisation is for: EIP-8182 sections 8.6, 8.7 and 8.9. BIND = 1 adds the pool's address and the policy's
// version (docs/src/pool.md).

// Section 8.9, arity 17:
//
//     transactionIntentDigest = poseidon(TRANSACTION_INTENT_DIGEST_DOMAIN, authVerifier, ..., executionChainId)
//
// in the order in which the inputs are declared here; BIND = 1 has `policyVersion, poolAddress` after them: arity 19.
template TransactionIntentDigest(BIND) {
    signal input authVerifier;
    signal input authorizingAddress;
    signal input operationKind;
    signal input tokenAddress;
    signal input recipientOwnerNullifierKeyHash;
    signal input amount;
    signal input feeNoteRecipientOwnerNullifierKeyHash;
    signal input feeAmount;
    signal input publicRecipientAddress;
    signal input executionConstraintsFlags;
    signal input lockedOutputBinding[3];
    signal input nonce;
    signal input validUntilSeconds;
    signal input executionChainId;
    signal output out;

    component hash = Poseidon2(17 + 2 * BIND);
    hash.in[0] <== domain_transaction_intent_digest();
    hash.in[1] <== authVerifier;
    hash.in[2] <== authorizingAddress;
    hash.in[3] <== operationKind;
    hash.in[4] <== tokenAddress;
    hash.in[5] <== recipientOwnerNullifierKeyHash;
    hash.in[6] <== amount;
    hash.in[7] <== feeNoteRecipientOwnerNullifierKeyHash;
    hash.in[8] <== feeAmount;
    hash.in[9] <== publicRecipientAddress;
    hash.in[10] <== executionConstraintsFlags;
    hash.in[11] <== lockedOutputBinding[0];
    hash.in[12] <== lockedOutputBinding[1];
    hash.in[13] <== lockedOutputBinding[2];
    hash.in[14] <== nonce;
    hash.in[15] <== validUntilSeconds;
    hash.in[16] <== executionChainId;
    if (BIND == 1) {
        signal input policyVersion;
        signal input poolAddress;
        hash.in[17] <== policyVersion;
        hash.in[18] <== poolAddress;
    }
    out <== hash.out;
}

// Section 8.7, arity 5; BIND = 1 has two more:
//
//     intentReplayId = poseidon(INTENT_REPLAY_ID_DOMAIN, ownerNullifierKey, authorizingAddress, executionChainId, nonce
//                               [, poolAddress, policyVersion])
template IntentReplayId(BIND) {
    signal input ownerNullifierKey;
    signal input authorizingAddress;
    signal input executionChainId;
    signal input nonce;
    signal output out;

    component hash = Poseidon2(5 + 2 * BIND);
    hash.in[0] <== domain_intent_replay_id();
    hash.in[1] <== ownerNullifierKey;
    hash.in[2] <== authorizingAddress;
    hash.in[3] <== executionChainId;
    hash.in[4] <== nonce;
    if (BIND == 1) {
        signal input poolAddress;
        signal input policyVersion;
        hash.in[5] <== poolAddress;
        hash.in[6] <== policyVersion;
    }
    out <== hash.out;
}

// Section 8.6:  outputBinding = poseidon(OUTPUT_BINDING_DOMAIN, noteBodyCommitment, outputNoteDataHash)
template OutputBinding() {
    signal input noteBodyCommitment;
    signal input outputNoteDataHash;
    signal output out;

    out <== Poseidon2(3)([domain_output_binding(), noteBodyCommitment, outputNoteDataHash]);
}
