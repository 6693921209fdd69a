// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title What both forms of the pool share of EIP-8182 section 5.3, and the pool's errors
/// @notice `getAuthPolicyEntry` and the event `AuthPolicySet` differ: see ShieldedPool.sol.
interface IShieldedPool {
    /// @notice The pool proof's public inputs, in this order (section 9).
    struct PublicInputs {
        uint256 noteCommitmentRoot;
        uint256 nullifier0;
        uint256 nullifier1;
        uint256 noteBodyCommitment0;
        uint256 noteBodyCommitment1;
        uint256 noteBodyCommitment2;
        uint256 publicAmountOut;
        uint256 publicRecipientAddress;
        uint256 publicTokenAddress;
        uint256 intentReplayId;
        uint256 validUntilSeconds;
        uint256 executionChainId;
        uint256 authPolicyRoot;
        uint256 outputNoteDataHash0;
        uint256 outputNoteDataHash1;
        uint256 outputNoteDataHash2;
        uint256 authVerifier;
        uint256 blindedAuthCommitment;
        uint256 transactionIntentDigest;
    }

    event ShieldedPoolTransact(
        uint256 indexed nullifier0,
        uint256 indexed nullifier1,
        uint256 indexed intentReplayId,
        address authVerifier,
        uint256 noteCommitment0,
        uint256 noteCommitment1,
        uint256 noteCommitment2,
        uint256 leafIndex0,
        uint256 postInsertionCommitmentRoot,
        bytes outputNoteData0,
        bytes outputNoteData1,
        bytes outputNoteData2
    );

    event ShieldedPoolDeposit(
        address indexed depositor,
        uint256 noteCommitment,
        uint256 leafIndex,
        uint256 amount,
        uint256 tokenAddress,
        uint256 postInsertionCommitmentRoot,
        bytes outputNoteData
    );

    /// @notice The pool is in the middle of a deposit or transact: call it from outside of that.
    error Reentered();
    /// @notice Intents have 32 bits for a chain's id: this chain cannot have a pool.
    error ChainIdOutOfRange(uint256 chainId);

    // transact, in the order of section 5.4.1

    /// @notice The intent is for another chain. Sign it for this one.
    error WrongChain(uint256 executionChainId, uint256 chainId);
    /// @notice The intent's time is over. Sign a new one.
    error IntentExpired(uint256 validUntilSeconds, uint256 timestamp);
    /// @notice The intent runs too long from now. Submit within the last 24 hours before it expires.
    error IntentTooEarly(uint256 validUntilSeconds, uint256 latest);
    /// @notice 500 insertions have passed since this root, or it never was one. Prove again against a current root.
    error NoteCommitmentRootNotAccepted(uint256 root);
    /// @notice The root left the window of 64 blocks, or it never was one. Prove again against a current root.
    error AuthPolicyRootNotAccepted(uint256 root);
    /// @notice Both inputs have one nullifier.
    error NullifiersEqual(uint256 nullifier);
    /// @notice Amounts are below 2^248.
    error AmountOutOfRange(uint256 amount);
    /// @notice Addresses are below 2^160.
    error NotAnAddress(uint256 value);
    /// @notice Times and chain ids are below 2^32.
    error NotAUint32(uint256 value);
    /// @notice The intent names no auth verifier.
    error AuthVerifierZero();
    /// @notice The public input (counted from 0) is not below the field's order. Reduce it.
    error PublicInputNotCanonical(uint256 index);
    /// @notice A pool proof is 256 bytes: A, B, C as EIP-196 and EIP-197 encode points.
    error PoolProofLength(uint256 length);
    /// @notice The pool proof does not hold for these public inputs (or its points are not canonical, or gas ran out).
    error PoolProofInvalid();
    /// @notice The auth verifier has no code, reverted, or did not answer with 32 bytes that decode to true.
    error AuthProofInvalid(address authVerifier);
    /// @notice A note of this transaction was spent before.
    error NullifierSpent(uint256 nullifier);
    /// @notice The intent, or another with its nonce, was executed before.
    error IntentReplayed(uint256 intentReplayId);
    /// @notice The note data (0, 1 or 2) is not what was proved.
    error OutputNoteDataMismatch(uint256 output);
    /// @notice A withdrawal needs a recipient.
    error RecipientZero();
    /// @notice A transfer (publicAmountOut = 0) has no public recipient and no public token.
    error TransferWithPublicFields();
    /// @notice The recipient did not take the ETH, or the pool is short of it.
    error EthTransferFailed(address recipient, uint256 amount);
    /// @notice The token's transfer failed or answered with something else than nothing or true.
    error TokenTransferFailed(address token);
    /// @notice A note commitment is zero.
    error NoteCommitmentZero();

    // deposit, section 5.4.2

    /// @notice A deposit of nothing.
    error AmountZero();
    /// @notice The owner commitment is zero or not below the field's order.
    error OwnerCommitmentInvalid(uint256 ownerCommitment);
    /// @notice Send exactly `expected` wei: the amount for ETH, nothing for a token.
    error WrongValue(uint256 expected, uint256 got);
    /// @notice The token's balanceOf failed or did not answer with 32 bytes.
    error TokenBalanceFailed(address token);
    /// @notice The pool received another amount. Tokens that charge a fee cannot be deposited.
    error TokenAmountMismatch(uint256 expected, uint256 balanceBefore, uint256 balanceAfter);

    // setAuthPolicy, section 5.3

    /// @notice An argument is not below the field's order, or zero where it must not be.
    error AuthPolicyFieldInvalid(uint256 value);
    /// @notice The owner nullifier key hash is that of dummy notes.
    error OwnerNullifierKeyHashReserved();
    /// @notice Another address registered this owner nullifier key hash. Register with a key of your own.
    error OwnerNullifierKeyHashTaken(address owner);
    /// @notice The owner nullifier key hash of an address is permanent. Register from a fresh address and move the notes.
    error OwnerNullifierKeyHashChanged(uint256 registered);
    /// @notice The leaf is zero. Choose another seed.
    error LeafZero();
    /// @notice This address has set its policy 2^32 - 1 times. Register from a fresh address and move the notes.
    error PolicyVersionExhausted();

    /// @notice Spends notes: verifies the pool proof and the auth proof, marks nullifiers and replay id, moves public assets,
    /// inserts three notes. Section 5.4.1.
    /// @param poolProof 256 bytes (A, B, C).
    /// @param authProof In the auth verifier's encoding.
    function transact(
        bytes calldata poolProof,
        bytes calldata authProof,
        PublicInputs calldata publicInputs,
        bytes calldata outputNoteData0,
        bytes calldata outputNoteData1,
        bytes calldata outputNoteData2
    ) external;

    /// @notice Takes ETH (token 0) or a token and inserts one note. Section 5.4.2.
    function deposit(address token, uint256 amount, uint256 ownerCommitment, bytes calldata outputNoteData)
        external
        payable;

    /// @notice Registers the caller or replaces its policies. Section 5.3.
    function setAuthPolicy(uint256 ownerNullifierKeyHash, uint256 noteSecretSeedHash, uint256 policySetCommitment)
        external
        returns (uint256 leafPosition);

    function getCurrentRoots() external view returns (uint256 noteCommitmentRoot, uint256 authPolicyRoot);
    function isAcceptedNoteCommitmentRoot(uint256 root) external view returns (bool);
    function isAcceptedAuthPolicyRoot(uint256 root) external view returns (bool);
    function isNullifierSpent(uint256 nullifier) external view returns (bool);
    function isIntentReplayIdUsed(uint256 intentReplayId) external view returns (bool);
}
