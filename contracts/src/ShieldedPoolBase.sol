// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AuthRegistry} from "./AuthRegistry.sol";
import {
    AUTH_POLICY_DOMAIN,
    DUMMY_OWNER_NULLIFIER_KEY_HASH,
    NOTE_BODY_COMMITMENT_DOMAIN,
    NOTE_COMMITMENT_DOMAIN
} from "./Domains.sol";
import {Groth16} from "./Groth16.sol";
import {IAuthVerifier} from "./IAuthVerifier.sol";
import {IShieldedPool} from "./IShieldedPool.sol";
import {NoteTree} from "./NoteTree.sol";
import {P, Poseidon2} from "./Poseidon2.sol";
import {Token} from "./Token.sol";

/// @title EIP-8182's shielded pool, except for what its two forms differ in
/// @notice Section numbers are the EIP's. There is no owner, no upgrade, no pause. ETH that arrives otherwise than by a
/// deposit (by selfdestruct, say) belongs to nobody.
abstract contract ShieldedPoolBase is IShieldedPool {
    using NoteTree for NoteTree.Tree;
    using AuthRegistry for AuthRegistry.Registry;

    /// An address's registration (section 5.3).
    struct Entry {
        uint32 leafPosition;
        /// How often the policy was set; 0 in the EIP's form, which has no versions.
        uint32 policyVersion;
        uint256 ownerNullifierKeyHash;
        uint256 noteSecretSeedHash;
        uint256 policySetCommitment;
    }

    uint256 private constant MAX_INTENT_LIFETIME = 86400;

    // Positions in PublicInputs.
    uint256 private constant INPUTS = 19;
    uint256 private constant EXECUTION_CHAIN_ID = 11;
    // In Tacit's form this pool's address follows them.
    uint256 private constant POOL_ADDRESS = 19;

    // The pool proof's key (section 5.5), in which the pool's address and this chain id are already added up: an input that is
    // the same in every transaction costs nothing.
    address private immutable KEY;
    uint256 private immutable KEY_CHAIN_ID;
    address private immutable POSEIDON2;

    NoteTree.Tree private notes;
    AuthRegistry.Registry private registry;
    mapping(uint256 nullifier => bool) private nullifierSpent;
    mapping(uint256 intentReplayId => bool) private replayIdUsed;
    mapping(address user => Entry) internal entries;
    mapping(uint256 ownerNullifierKeyHash => address) private ownerOf;
    bool private transient entered;

    modifier nonReentrant() {
        if (entered) revert Reentered();
        entered = true;
        _;
        entered = false;
    }

    /// @param key The pool circuit's verifying key, as Groth16 describes it.
    constructor(bytes memory key) {
        // Section 5.4.1, step 6: no transact could ever name such a chain, and what was deposited would stay for ever.
        if (block.chainid >= 1 << 32) revert ChainIdOutOfRange(block.chainid);
        Groth16.check(key, INPUTS + (binds() ? 1 : 0));
        if (binds()) Groth16.fix(key, POOL_ADDRESS, uint160(address(this)));
        Groth16.fix(key, EXECUTION_CHAIN_ID, block.chainid);
        KEY = Groth16.keep(key, INPUTS);
        KEY_CHAIN_ID = block.chainid;
        POSEIDON2 = Poseidon2.deploy();
        notes.start();
        registry.start();
    }

    // --- the switch --------------------------------------------------------------------------------------------------

    /// Whether intents are bound to the pool's address and the policy's version (docs/src/pool.md, BIND).
    function binds() internal pure virtual returns (bool);

    function emitAuthPolicySet(address user, Entry storage entry, uint256 leafValue, uint256 root) internal virtual;

    // --- section 5.4.1 -----------------------------------------------------------------------------------------------

    /// @inheritdoc IShieldedPool
    function transact(
        bytes calldata poolProof,
        bytes calldata authProof,
        PublicInputs calldata publicInputs,
        bytes calldata outputNoteData0,
        bytes calldata outputNoteData1,
        bytes calldata outputNoteData2
    ) external nonReentrant {
        checkPublicInputs(publicInputs); // steps 1 to 6
        verifyPoolProof(poolProof, publicInputs); // step 7
        verifyAuthProof(authProof, publicInputs); // step 8
        spend(publicInputs); // steps 9 and 10
        // Step 11.
        checkNoteData(outputNoteData0, publicInputs.outputNoteDataHash0, 0);
        checkNoteData(outputNoteData1, publicInputs.outputNoteDataHash1, 1);
        checkNoteData(outputNoteData2, publicInputs.outputNoteDataHash2, 2);
        payOut(publicInputs); // step 12
        // Step 13.
        uint256[6] memory logged = insertOutputs(publicInputs);
        emitTransact(publicInputs, logged, outputNoteData0, outputNoteData1, outputNoteData2);
    }

    function checkPublicInputs(PublicInputs calldata i) private view {
        // Step 1.
        if (i.executionChainId != block.chainid) revert WrongChain(i.executionChainId, block.chainid);
        // Step 2. The block's time is positive, so is then the intent's.
        if (block.timestamp > i.validUntilSeconds || i.validUntilSeconds == 0) {
            revert IntentExpired(i.validUntilSeconds, block.timestamp);
        }
        uint256 latest = block.timestamp + MAX_INTENT_LIFETIME;
        if (i.validUntilSeconds > latest) revert IntentTooEarly(i.validUntilSeconds, latest);
        // Step 3.
        if (!notes.accepts(i.noteCommitmentRoot)) revert NoteCommitmentRootNotAccepted(i.noteCommitmentRoot);
        // Step 4.
        if (!registry.accepts(i.authPolicyRoot)) revert AuthPolicyRootNotAccepted(i.authPolicyRoot);
        // Step 5.
        if (i.nullifier0 == i.nullifier1) revert NullifiersEqual(i.nullifier0);
        // Step 6.
        if (i.publicAmountOut >= 1 << 248) revert AmountOutOfRange(i.publicAmountOut);
        if (i.publicRecipientAddress >= 1 << 160) revert NotAnAddress(i.publicRecipientAddress);
        if (i.publicTokenAddress >= 1 << 160) revert NotAnAddress(i.publicTokenAddress);
        if (i.authVerifier >= 1 << 160) revert NotAnAddress(i.authVerifier);
        if (i.validUntilSeconds >= 1 << 32) revert NotAUint32(i.validUntilSeconds);
        if (i.executionChainId >= 1 << 32) revert NotAUint32(i.executionChainId);
        if (i.authVerifier == 0) revert AuthVerifierZero();
    }

    function verifyPoolProof(bytes calldata proof, PublicInputs calldata publicInputs) private view {
        uint256[INPUTS] memory inputs;
        uint256 pointer;
        assembly ("memory-safe") {
            calldatacopy(inputs, publicInputs, mul(32, INPUTS))
            pointer := inputs
        }
        // Zero unless the chain has been given another id since the deployment (step 1 keeps the id below P).
        inputs[EXECUTION_CHAIN_ID] = addmod(block.chainid, P - KEY_CHAIN_ID % P, P);
        if (Groth16.verify(KEY, INPUTS, pointer, proof)) return;

        for (uint256 i = 0; i < INPUTS; i++) {
            if (inputs[i] >= P) revert PublicInputNotCanonical(i);
        }
        if (proof.length != 256) revert PoolProofLength(proof.length);
        revert PoolProofInvalid();
    }

    function verifyAuthProof(bytes calldata proof, PublicInputs calldata i) private view {
        bytes memory data = abi.encodeCall(
            IAuthVerifier.verifyAuth, (abi.encode(i.blindedAuthCommitment, i.transactionIntentDigest), proof)
        );
        address verifier = address(uint160(i.authVerifier));
        bool accepted;
        // Whatever the verifier returns, one word of it is copied.
        assembly ("memory-safe") {
            mstore(0, 0)
            accepted := staticcall(gas(), verifier, add(data, 32), mload(data), 0, 32)
            accepted := and(accepted, and(eq(returndatasize(), 32), eq(mload(0), 1)))
        }
        if (!accepted || verifier.code.length == 0) revert AuthProofInvalid(verifier);
    }

    function spend(PublicInputs calldata i) private {
        // Step 9.
        if (nullifierSpent[i.nullifier0]) revert NullifierSpent(i.nullifier0);
        if (nullifierSpent[i.nullifier1]) revert NullifierSpent(i.nullifier1);
        nullifierSpent[i.nullifier0] = true;
        nullifierSpent[i.nullifier1] = true;
        // Step 10.
        if (replayIdUsed[i.intentReplayId]) revert IntentReplayed(i.intentReplayId);
        replayIdUsed[i.intentReplayId] = true;
    }

    function checkNoteData(bytes calldata data, uint256 hash, uint256 output) private pure {
        if (uint256(keccak256(data)) % P != hash) revert OutputNoteDataMismatch(output);
    }

    function payOut(PublicInputs calldata i) private {
        uint256 amount = i.publicAmountOut;
        address recipient = address(uint160(i.publicRecipientAddress));
        address token = address(uint160(i.publicTokenAddress));
        if (amount == 0) {
            if (recipient != address(0) || token != address(0)) revert TransferWithPublicFields();
            return;
        }
        if (recipient == address(0)) revert RecipientZero();
        if (token == address(0)) {
            bool sent;
            assembly ("memory-safe") {
                sent := call(gas(), recipient, amount, 0, 0, 0, 0)
            }
            if (!sent) revert EthTransferFailed(recipient, amount);
        } else {
            Token.send(token, recipient, amount);
        }
    }

    /// Gives authVerifier, the three final commitments, leafIndex0 and the root: the event's first words.
    function insertOutputs(PublicInputs calldata i) private returns (uint256[6] memory logged) {
        uint256 first = notes.reserve(3);
        uint256[4] memory leaves;
        leaves[0] = noteCommitment(i.noteBodyCommitment0, first);
        leaves[1] = noteCommitment(i.noteBodyCommitment1, first + 1);
        leaves[2] = noteCommitment(i.noteBodyCommitment2, first + 2);
        (logged[0], logged[1], logged[2]) = (i.authVerifier, leaves[0], leaves[1]);
        (logged[3], logged[4]) = (leaves[2], first);
        logged[5] = notes.insert(POSEIDON2, first, leaves, 3);
    }

    /// The final note commitment (section 7.5).
    function noteCommitment(uint256 noteBodyCommitment, uint256 leafIndex) private view returns (uint256 commitment) {
        commitment = Poseidon2.hash3(POSEIDON2, NOTE_COMMITMENT_DOMAIN, noteBodyCommitment, leafIndex);
        if (commitment == 0) revert NoteCommitmentZero();
    }

    /// As `emit ShieldedPoolTransact(...)`, which has more arguments than the stack has room for.
    function emitTransact(
        PublicInputs calldata i,
        uint256[6] memory logged,
        bytes calldata data0,
        bytes calldata data1,
        bytes calldata data2
    ) private {
        bytes32 topic = ShieldedPoolTransact.selector;
        assembly ("memory-safe") {
            // Appends length and content at `tail`, padded with zeros; gives the new tail.
            function append(tail, offset, length) -> end {
                mstore(tail, length)
                end := add(add(tail, 32), and(add(length, 31), not(31)))
                // First zeros over the last word, which the content may then cover.
                if length { mstore(sub(end, 32), 0) }
                calldatacopy(add(tail, 32), offset, length)
            }
            let begin := mload(0x40)
            mcopy(begin, logged, 192)
            let tail := add(begin, 288)
            mstore(add(begin, 192), sub(tail, begin))
            tail := append(tail, data0.offset, data0.length)
            mstore(add(begin, 224), sub(tail, begin))
            tail := append(tail, data1.offset, data1.length)
            mstore(add(begin, 256), sub(tail, begin))
            tail := append(tail, data2.offset, data2.length)
            // nullifier0, nullifier1 and intentReplayId are fields 1, 2 and 9.
            log4(
                begin,
                sub(tail, begin),
                topic,
                calldataload(add(i, 32)),
                calldataload(add(i, 64)),
                calldataload(add(i, 288))
            )
        }
    }

    // --- section 5.4.2 -----------------------------------------------------------------------------------------------

    /// @inheritdoc IShieldedPool
    function deposit(address token, uint256 amount, uint256 ownerCommitment, bytes calldata outputNoteData)
        external
        payable
        nonReentrant
    {
        // Step 1.
        if (amount == 0) revert AmountZero();
        if (amount >= 1 << 248) revert AmountOutOfRange(amount);
        if (ownerCommitment == 0 || ownerCommitment >= P) revert OwnerCommitmentInvalid(ownerCommitment);
        // Step 2.
        uint256 value = token == address(0) ? amount : 0;
        if (msg.value != value) revert WrongValue(value, msg.value);
        if (token != address(0)) Token.receiveFrom(token, msg.sender, amount);
        // Step 3.
        uint256 leafIndex = notes.reserve(1);
        // Step 4.
        uint256[4] memory leaves;
        leaves[0] = noteCommitment(
            Poseidon2.hash4(POSEIDON2, NOTE_BODY_COMMITMENT_DOMAIN, ownerCommitment, amount, uint160(token)), leafIndex
        );
        uint256 commitment = leaves[0];
        // Steps 5 and 6.
        uint256 root = notes.insert(POSEIDON2, leafIndex, leaves, 1);
        emit ShieldedPoolDeposit(msg.sender, commitment, leafIndex, amount, uint160(token), root, outputNoteData);
    }

    // --- section 5.3: registration -----------------------------------------------------------------------------------

    /// @inheritdoc IShieldedPool
    function setAuthPolicy(uint256 ownerNullifierKeyHash, uint256 noteSecretSeedHash, uint256 policySetCommitment)
        external
        returns (uint256 leafPosition)
    {
        if (ownerNullifierKeyHash >= P || ownerNullifierKeyHash == 0) {
            revert AuthPolicyFieldInvalid(ownerNullifierKeyHash);
        }
        if (noteSecretSeedHash >= P || noteSecretSeedHash == 0) revert AuthPolicyFieldInvalid(noteSecretSeedHash);
        if (policySetCommitment >= P) revert AuthPolicyFieldInvalid(policySetCommitment);
        if (ownerNullifierKeyHash == DUMMY_OWNER_NULLIFIER_KEY_HASH) revert OwnerNullifierKeyHashReserved();

        Entry storage entry = entries[msg.sender];
        leafPosition = entry.leafPosition;
        if (leafPosition == 0) {
            address owner = ownerOf[ownerNullifierKeyHash];
            if (owner != address(0)) revert OwnerNullifierKeyHashTaken(owner);
            leafPosition = registry.allocate();
            entry.leafPosition = uint32(leafPosition);
            entry.ownerNullifierKeyHash = ownerNullifierKeyHash;
            ownerOf[ownerNullifierKeyHash] = msg.sender;
        } else if (entry.ownerNullifierKeyHash != ownerNullifierKeyHash) {
            revert OwnerNullifierKeyHashChanged(entry.ownerNullifierKeyHash);
        }
        entry.noteSecretSeedHash = noteSecretSeedHash;
        entry.policySetCommitment = policySetCommitment;

        uint256[6] memory leaf = [
            AUTH_POLICY_DOMAIN, uint160(msg.sender), ownerNullifierKeyHash, noteSecretSeedHash, policySetCommitment, 0
        ];
        if (binds()) {
            if (entry.policyVersion == type(uint32).max) revert PolicyVersionExhausted();
            leaf[5] = ++entry.policyVersion;
        }
        uint256 leafValue = Poseidon2.hash(POSEIDON2, leaf, binds() ? 6 : 5);
        if (leafValue == 0) revert LeafZero();
        uint256 root = registry.write(POSEIDON2, leafPosition, leafValue);
        emitAuthPolicySet(msg.sender, entry, leafValue, root);
    }

    // --- section 5.3: reading ----------------------------------------------------------------------------------------

    /// @inheritdoc IShieldedPool
    function getCurrentRoots() external view returns (uint256 noteCommitmentRoot, uint256 authPolicyRoot) {
        return (notes.root, registry.root);
    }

    /// @inheritdoc IShieldedPool
    function isAcceptedNoteCommitmentRoot(uint256 root) external view returns (bool) {
        return notes.accepts(root);
    }

    /// @inheritdoc IShieldedPool
    function isAcceptedAuthPolicyRoot(uint256 root) external view returns (bool) {
        return registry.accepts(root);
    }

    /// @inheritdoc IShieldedPool
    function isNullifierSpent(uint256 nullifier) external view returns (bool) {
        return nullifierSpent[nullifier];
    }

    /// @inheritdoc IShieldedPool
    function isIntentReplayIdUsed(uint256 intentReplayId) external view returns (bool) {
        return replayIdUsed[intentReplayId];
    }
}
