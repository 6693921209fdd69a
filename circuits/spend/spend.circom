pragma circom 2.2.0;

include "../lib/bits.circom";
include "../lib/merkle.circom";
include "../lib/note.circom";

// A shielded spend. The statement, in words:
//
//     I own a note in the tree with this root. This nullifier spends it. Its amount is that of a new note, whose
//     commitment this is, plus this public amount, and none of the three reaches 2^64. The proof is for this
//     context (a hash of the recipient and whatever else it must not be replayed with).
//
// Sections are EIP-8182's. The pool there has two inputs, three outputs, a deeper tree and an authorisation beside
// this; a spend here is its kernel.
template Spend(DEPTH) {
    // Public.
    signal input root;
    signal input publicAmount;
    signal input context;
    signal output nullifier;
    signal output outputNoteBodyCommitment;

    // Private: the note that is spent.
    signal input ownerNullifierKey;
    signal input noteSecret;
    signal input amount;
    signal input leafIndex;
    signal input siblings[DEPTH];

    // Private: the note that is made. Its owner gave `outputOwnerCommitment` (section 7.3).
    signal input outputOwnerCommitment;
    signal input outputAmount;

    // Sections 7.2 to 7.5: the commitment of the note that is spent.
    signal keyHash <== OwnerNullifierKeyHash()(ownerNullifierKey);
    signal owner <== OwnerCommitment()(keyHash, noteSecret);
    signal body <== NativeNoteBodyCommitment()(owner, amount);
    signal commitment <== NoteCommitment()(body, leafIndex);

    // Section 3.4: it is leaf number `leafIndex` of the tree.
    //     leafIndex < 2^DEPTH        root = MerkleRoot(commitment, leafIndex, siblings)
    signal indexBits[DEPTH] <== ToBits(DEPTH)(leafIndex);
    signal treeRoot <== MerkleRoot(DEPTH)(commitment, indexBits, siblings);
    treeRoot === root;

    // Section 7.6: one note, one nullifier.
    nullifier <== Nullifier()(commitment, ownerNullifierKey);

    // Section 8.4: value is conserved, over the integers because nothing reaches 2^64.
    //     amount = outputAmount + publicAmount
    RangeCheck(64)(amount);
    RangeCheck(64)(outputAmount);
    RangeCheck(64)(publicAmount);
    amount === outputAmount + publicAmount;

    // Section 7.4: the body of the note that is made. Whoever inserts it adds its leaf index (section 7.5).
    outputNoteBodyCommitment <== NativeNoteBodyCommitment()(outputOwnerCommitment, outputAmount);

    // The context is public and nothing else reads it. The square puts it into a constraint, so that no proof can be
    // altered to carry another.
    signal contextSquared <== context * context;
}

component main {public [root, publicAmount, context]} = Spend(20);
