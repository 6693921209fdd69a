pragma circom 2.2.0;

include "../lib/bits.circom";
include "../lib/merkle.circom";
include "../lib/note.circom";
include "../lib/zero.circom";
include "intent.circom";
include "notes.circom";
include "policy.circom";

// EIP-8182's pool relation (sections 7 and 8). In words:
//
//     The owner of up to two notes in the tree with this root has a policy in the registry with this root. These are
//     the notes' nullifiers (or a phantom's). This digest is that of an intent for this verifier, under that policy;
//     and these are the notes that the intent asks for: what goes out is what came in, of one token.
//
// Who executes an intent chooses which notes to spend and what data to emit with outputs that are not locked. The
// intent determines everything else, so that this template has no witness for outputs: the owner, amount and token of
// section 8.5's outputs, and whether one is a dummy, are computed.
//
// BIND and ROTATE are docs/src/pool.md's; (0, 0) is the EIP's relation.
template PoolTransact(BIND, ROTATE) {
    assert(BIND == 0 || BIND == 1);
    assert(ROTATE == 0 || ROTATE == 1);

    // Public, in section 5.3's order.
    signal input noteCommitmentRoot;
    signal input nullifier0;
    signal input nullifier1;
    signal input noteBodyCommitment0;
    signal input noteBodyCommitment1;
    signal input noteBodyCommitment2;
    signal input publicAmountOut;
    signal input publicRecipientAddress;
    signal input publicTokenAddress;
    signal input intentReplayId;
    signal input validUntilSeconds;
    signal input executionChainId;
    signal input authPolicyRoot;
    signal input outputNoteDataHash0;
    signal input outputNoteDataHash1;
    signal input outputNoteDataHash2;
    signal input authVerifier;
    signal input blindedAuthCommitment;
    signal input transactionIntentDigest;

    // Private: the owner and the registry's leaf.
    signal input ownerNullifierKey;
    signal input noteSecretSeed;
    signal input authorizingAddress;
    signal input leafPosition;
    signal input authPolicySiblings[32];

    // Private: the policy and its place in the owner's set.
    signal input authDataCommitment;
    signal input registrationBlinder;
    signal input policyIndex;
    signal input policySetSiblings[8];
    signal input blindingFactor;

    // Private: the rest of the intent. `publicRecipientAddress` is the intent's and the public one; `operationKind`
    // follows.
    signal input tokenAddress;
    signal input recipientOwnerNullifierKeyHash;
    signal input amount;
    signal input feeNoteRecipientOwnerNullifierKeyHash;
    signal input feeAmount;
    signal input executionConstraintsFlags;
    signal input lockedOutputBinding[3];
    signal input nonce;

    // Private: the notes that are spent.
    signal input isPhantom[2];
    signal input inputAmount[2];
    signal input inputNoteSecret[2];
    signal input inputLeafIndex[2];
    signal input inputSiblings[2][32];

    // Section 7.1: addresses and amounts are what the chain takes them for. Amounts of inputs: InputNote; of outputs:
    // the change below.
    RangeCheck(160)(authorizingAddress);
    RangeCheck(160)(tokenAddress);
    RangeCheck(160)(publicRecipientAddress);
    RangeCheck(248)(amount);
    RangeCheck(248)(feeAmount);

    // Sections 7.2, 7.8 and 8.3: one key and one seed, by which the leaf is opened.
    signal ownerNullifierKeyHash <== OwnerNullifierKeyHash()(ownerNullifierKey);
    signal noteSecretSeedHash <== NoteSecretSeedHash()(noteSecretSeed);

    // Section 8.1, points 3 and 4: the policy is one of the owner's.
    //     policyCommitment != 0        policyIndex < 2^8
    //     policySetCommitment = MerkleRoot(policyCommitment, policyIndex, policySetSiblings)
    signal policyCommitment <== PolicyCommitment()(authVerifier, authDataCommitment, registrationBlinder);
    NonZero()(policyCommitment);
    signal policyIndexBits[8] <== ToBits(8)(policyIndex);
    signal policySetCommitment <== MerkleRoot(8)(policyCommitment, policyIndexBits, policySetSiblings);

    // What BIND adds, where it adds anything.
    component leaf = AuthPolicyLeaf(BIND);
    component replay = IntentReplayId(BIND);
    component digest = TransactionIntentDigest(BIND);
    if (BIND == 1) {
        signal input policyVersion; // private
        signal input poolAddress; // public, the last
        leaf.policyVersion <== policyVersion;
        replay.policyVersion <== policyVersion;
        replay.poolAddress <== poolAddress;
        digest.policyVersion <== policyVersion;
        digest.poolAddress <== poolAddress;
    }

    // Section 8.1, points 1 and 2: the registry has the owner's leaf.
    //     leafPosition < 2^32        authPolicyRoot = MerkleRoot(leaf, leafPosition, authPolicySiblings)
    leaf.user <== authorizingAddress;
    leaf.ownerNullifierKeyHash <== ownerNullifierKeyHash;
    leaf.noteSecretSeedHash <== noteSecretSeedHash;
    leaf.policySetCommitment <== policySetCommitment;
    signal leafPositionBits[32] <== ToBits(32)(leafPosition);
    signal registryRoot <== MerkleRoot(32)(leaf.out, leafPositionBits, authPolicySiblings);
    registryRoot === authPolicyRoot;

    // Section 8.1, point 5: the auth proof is about this policy's data.
    signal blinded <== BlindedAuthCommitment()(authDataCommitment, blindingFactor);
    blinded === blindedAuthCommitment;

    // Section 8.7.
    replay.ownerNullifierKey <== ownerNullifierKey;
    replay.authorizingAddress <== authorizingAddress;
    replay.executionChainId <== executionChainId;
    replay.nonce <== nonce;
    replay.out === intentReplayId;

    // Section 8.9: the mode.
    //     operationKind = isWithdrawal = [publicAmountOut != 0]
    signal noAmountOut <== IsZero()(publicAmountOut);
    signal isWithdrawal <== 1 - noAmountOut;

    // Section 8.9: the intent that was authorised.
    digest.authVerifier <== authVerifier;
    digest.authorizingAddress <== authorizingAddress;
    digest.operationKind <== isWithdrawal;
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
    digest.out === transactionIntentDigest;

    // Sections 8.5, 8.8 and 8.9: what is public in a withdrawal is what was authorised, and in a transfer nothing is.
    //     publicAmountOut = isWithdrawal * amount        publicTokenAddress = isWithdrawal * tokenAddress
    //     (1 - isWithdrawal) * publicRecipientAddress = 0
    publicAmountOut === isWithdrawal * amount;
    publicTokenAddress === isWithdrawal * tokenAddress;
    (1 - isWithdrawal) * publicRecipientAddress === 0;

    // Section 8.5: something is paid. (A withdrawal's amount is publicAmountOut; a transfer's is that of output 0,
    // which is real.)
    //     amount != 0
    NonZero()(amount);

    // Sections 8.5 and 8.9: a transfer has a recipient and a withdrawal has none. The dummies' owner is nobody's.
    //     [recipientOwnerNullifierKeyHash = 0] = isWithdrawal        recipientOwnerNullifierKeyHash != DUMMY
    signal noRecipient <== IsZero()(recipientOwnerNullifierKeyHash);
    noRecipient === isWithdrawal;
    NonZero()(recipientOwnerNullifierKeyHash - dummy_owner_nullifier_key_hash());

    // Sections 8.5 and 8.9: a fee has a recipient and no fee has none.
    //     [feeNoteRecipientOwnerNullifierKeyHash = 0] = [feeAmount = 0]
    //     feeNoteRecipientOwnerNullifierKeyHash != DUMMY
    signal noFee <== IsZero()(feeAmount);
    signal noFeeRecipient <== IsZero()(feeNoteRecipientOwnerNullifierKeyHash);
    noFeeRecipient === noFee;
    NonZero()(feeNoteRecipientOwnerNullifierKeyHash - dummy_owner_nullifier_key_hash());

    // Sections 8.2 and 8.8: the inputs, all of the intent's token. At least one is real.
    //     nullifier_i = InputNote_i        isPhantom_0 * isPhantom_1 = 0
    signal nullifier[2];
    for (var i = 0; i < 2; i++) {
        nullifier[i] <== InputNote(i, ROTATE)(
            noteCommitmentRoot, ownerNullifierKey, ownerNullifierKeyHash, noteSecretSeed, intentReplayId, tokenAddress,
            isPhantom[i], inputAmount[i], inputNoteSecret[i], inputLeafIndex[i], inputSiblings[i]);
    }
    nullifier[0] === nullifier0;
    nullifier[1] === nullifier1;
    isPhantom[0] * isPhantom[1] === 0;

    // Section 8.4: value is conserved, over the integers: either side is a sum of at most three numbers below 2^248.
    //     inputAmount_0 + inputAmount_1 = amount + feeAmount + change        0 <= change < 2^248
    signal change <== inputAmount[0] + inputAmount[1] - amount - feeAmount;
    RangeCheck(248)(change);
    signal noChange <== IsZero()(change);
    signal changeOwner <== Select()(noChange, ownerNullifierKeyHash, dummy_owner_nullifier_key_hash());

    // Section 8.5: the outputs. An output is a dummy exactly if its amount is 0; then its token is 0 and its owner
    // DUMMY.
    //
    //     slot    transfer: owner, amount       withdrawal: owner, amount
    //     0       recipient, amount             sender, change, or a dummy
    //     1       sender, change, or a dummy    a dummy
    //     2       fee recipient, feeAmount, or a dummy
    component made[3];
    made[0] = OutputNote(0);
    made[0].ownerNullifierKeyHash <== Select()(isWithdrawal, recipientOwnerNullifierKeyHash, changeOwner);
    made[0].amount <== Select()(isWithdrawal, amount, change);
    signal isDummy0 <== isWithdrawal * noChange;
    made[0].tokenAddress <== Select()(isDummy0, tokenAddress, 0);

    made[1] = OutputNote(1);
    made[1].ownerNullifierKeyHash <== Select()(isWithdrawal, changeOwner, dummy_owner_nullifier_key_hash());
    made[1].amount <== Select()(isWithdrawal, change, 0);
    signal isReal1 <== (1 - isWithdrawal) * (1 - noChange);
    made[1].tokenAddress <== isReal1 * tokenAddress;

    made[2] = OutputNote(2);
    made[2].ownerNullifierKeyHash <== Select()(
        noFee, feeNoteRecipientOwnerNullifierKeyHash, dummy_owner_nullifier_key_hash());
    made[2].amount <== feeAmount;
    made[2].tokenAddress <== Select()(noFee, tokenAddress, 0);

    // Section 8.10: no flag but the three locks; a locked output is the one that was authorised.
    //     executionConstraintsFlags < 2^3        lockedOutputBinding_i = lock_i * outputBinding_i
    signal lock[3] <== ToBits(3)(executionConstraintsFlags);
    var dataHashes[3] = [outputNoteDataHash0, outputNoteDataHash1, outputNoteDataHash2];
    var bodies[3] = [noteBodyCommitment0, noteBodyCommitment1, noteBodyCommitment2];
    for (var i = 0; i < 3; i++) {
        made[i].noteSecretSeed <== noteSecretSeed;
        made[i].intentReplayId <== intentReplayId;
        made[i].outputNoteDataHash <== dataHashes[i];
        made[i].noteBodyCommitment === bodies[i];
        lockedOutputBinding[i] === lock[i] * made[i].outputBinding;
    }
}
