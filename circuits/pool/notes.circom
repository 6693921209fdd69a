pragma circom 2.2.0;

include "../lib/bits.circom";
include "../lib/merkle.circom";
include "../lib/note.circom";
include "../lib/zero.circom";
include "intent.circom";

// The pool's input and output slots: EIP-8182 sections 8.2 and 8.5.

// Input slot INDEX: a note of the owner's in the tree with this root, or a phantom of no value. The nullifier of
// either.
template InputNote(INDEX, ROTATE) {
    // Common to both slots.
    signal input noteCommitmentRoot;
    signal input ownerNullifierKey;
    signal input ownerNullifierKeyHash;
    signal input noteSecretSeed;
    signal input intentReplayId;
    signal input tokenAddress;

    // This slot's.
    signal input isPhantom;
    signal input amount;
    signal input noteSecret;
    signal input leafIndex;
    signal input siblings[32];
    signal output nullifier;

    // Section 8.2: a flag is a flag; section 7.1: an amount is an amount; a phantom has none.
    //     isPhantom * (isPhantom - 1) = 0        0 <= amount < 2^248        isPhantom * amount = 0
    Bit()(isPhantom);
    RangeCheck(248)(amount);
    isPhantom * amount === 0;

    // Sections 7.3 to 7.5: the commitment of the note.
    signal owner <== OwnerCommitment()(ownerNullifierKeyHash, noteSecret);
    signal body <== NoteBodyCommitment()(owner, amount, tokenAddress);
    signal commitment <== NoteCommitment()(body, leafIndex);

    // Section 3.4: a note that is no phantom is leaf number `leafIndex` of the tree.
    //     leafIndex < 2^32        root = MerkleRoot(commitment, leafIndex, siblings)
    //     (1 - isPhantom) * (root - noteCommitmentRoot) = 0
    signal indexBits[32] <== ToBits(32)(leafIndex);
    signal root <== MerkleRoot(32)(commitment, indexBits, siblings);
    (1 - isPhantom) * (root - noteCommitmentRoot) === 0;

    // Sections 7.6 and 7.7.
    //     nullifier = isPhantom ? phantomNullifier : realNullifier
    signal real;
    signal phantom;
    if (ROTATE == 1) {
        real <== RotatingNullifier()(commitment, ownerNullifierKey, noteSecret);
        phantom <== RotatingPhantomNullifier()(ownerNullifierKey, intentReplayId, INDEX, noteSecretSeed);
    } else {
        real <== Nullifier()(commitment, ownerNullifierKey);
        phantom <== PhantomNullifier()(ownerNullifierKey, intentReplayId, INDEX);
    }
    nullifier <== Select()(isPhantom, real, phantom);
}

// Output slot INDEX: section 8.5's derivation of the secret, sections 7.3 and 7.4, and section 8.6.
template OutputNote(INDEX) {
    signal input noteSecretSeed;
    signal input intentReplayId;
    signal input ownerNullifierKeyHash;
    signal input amount;
    signal input tokenAddress;
    signal input outputNoteDataHash;
    signal output noteBodyCommitment;
    signal output outputBinding;

    signal noteSecret <== TransactNoteSecret()(noteSecretSeed, intentReplayId, INDEX);
    signal owner <== OwnerCommitment()(ownerNullifierKeyHash, noteSecret);
    noteBodyCommitment <== NoteBodyCommitment()(owner, amount, tokenAddress);
    outputBinding <== OutputBinding()(noteBodyCommitment, outputNoteDataHash);
}
