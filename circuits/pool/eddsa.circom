pragma circom 2.2.0;

include "../lib/domains.circom";
include "../lib/eddsa.circom";
include "../lib/poseidon2.circom";
include "authorization.circom";
include "intent.circom";
include "policy.circom";

// An authorisation by EdDSA: EIP-8182 section 8.1's auth relation, docs/src/pool.md's method. In words:
//
//     The key to which this blinded commitment commits has signed this intent, together with the blinding.
template AuthEddsa(BIND) {
    assert(BIND == 0 || BIND == 1);

    // Public, in section 8.1's order.
    signal output blindedAuthCommitment;
    signal output transactionIntentDigest;

    // Private: the intent, section 8.9.
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
    signal input blindingFactor;

    // Private: the public key and the signature.
    signal input A[2];
    signal input R[2];
    signal input S;

    // Section 8.9. The fields are not checked here: the pool's circuit, which has the same digest, does.
    component digest = TransactionIntentDigest(BIND);
    digest.authVerifier <== authVerifier;
    digest.authorizingAddress <== authorizingAddress;
    digest.operationKind <== operationKind;
    digest.tokenAddress <== tokenAddress;
    digest.recipientOwnerNullifierKeyHash <== recipientOwnerNullifierKeyHash;
    digest.amount <== amount;
    digest.feeNoteRecipientOwnerNullifierKeyHash <== feeNoteRecipientOwnerNullifierKeyHash;
    digest.feeAmount <== feeAmount;
    digest.publicRecipientAddress <== publicRecipientAddress;
    digest.executionConstraintsFlags <== executionConstraintsFlags;
    digest.lockedOutputBinding <== lockedOutputBinding;
    digest.nonce <== nonce;
    digest.validUntilSeconds <== validUntilSeconds;
    digest.executionChainId <== executionChainId;
    if (BIND == 1) {
        signal input policyVersion;
        signal input poolAddress;
        digest.policyVersion <== policyVersion;
        digest.poolAddress <== poolAddress;
    }
    transactionIntentDigest <== digest.out;

    // The key's commitment, blinded.
    //     authDataCommitment = poseidon(AUTH_DATA_EDDSA_DOMAIN, A.x, A.y)
    signal authDataCommitment <== Poseidon2(3)([domain_tacit_auth_data_eddsa(), A[0], A[1]]);
    blindedAuthCommitment <== BlindedAuthCommitment()(authDataCommitment, blindingFactor);

    // The signature.
    signal message <== AuthMessage()(transactionIntentDigest, blindingFactor);
    EddsaVerify()(A, R, S, message);
}
