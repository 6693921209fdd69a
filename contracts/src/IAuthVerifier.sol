// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title What the pool asks whether a spend was authorised: EIP-8182 section 11.1
interface IAuthVerifier {
    /// @notice Whether `proof` shows that the owner of the blinded auth data authorised the digest.
    /// @param publicInputs abi.encode(blindedAuthCommitment, transactionIntentDigest), 64 bytes.
    /// @param proof In the verifier's own encoding.
    /// @dev The pool calls it by staticcall and takes anything but 32 bytes that decode to true as a refusal.
    function verifyAuth(bytes calldata publicInputs, bytes calldata proof) external returns (bool);
}
