pragma circom 2.2.0;

include "transact.circom";

// EIP-8182's form: 19 public inputs.
component main {public [
    noteCommitmentRoot, nullifier0, nullifier1, noteBodyCommitment0, noteBodyCommitment1, noteBodyCommitment2,
    publicAmountOut, publicRecipientAddress, publicTokenAddress, intentReplayId, validUntilSeconds, executionChainId,
    authPolicyRoot, outputNoteDataHash0, outputNoteDataHash1, outputNoteDataHash2, authVerifier, blindedAuthCommitment,
    transactionIntentDigest
]} = PoolTransact(0, 0);
