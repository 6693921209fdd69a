// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Groth16} from "../Groth16.sol";
import {IAuthVerifier} from "../IAuthVerifier.sol";

/// @title Authorisation by an auth circuit's Groth16 proof: EIP-8182 sections 8.1 and 11
/// @notice For `auth_eddsa`, `auth_xmss` and any circuit with the public inputs [blindedAuthCommitment,
/// transactionIntentDigest]. A proof is 256 bytes, as the pool's.
/// @dev The digest contains this contract's address: the pool's circuit recomputes it with the public input `authVerifier`.
contract Groth16AuthVerifier is IAuthVerifier {
    address private immutable KEY;

    /// @param key The circuit's verifying key, as Groth16 describes it.
    constructor(bytes memory key) {
        Groth16.check(key, 2);
        KEY = Groth16.keep(key, 2);
    }

    /// @inheritdoc IAuthVerifier
    function verifyAuth(bytes calldata publicInputs, bytes calldata proof) external view returns (bool) {
        if (publicInputs.length != 64) return false;
        uint256[2] memory inputs;
        uint256 pointer;
        assembly ("memory-safe") {
            calldatacopy(inputs, publicInputs.offset, 64)
            pointer := inputs
        }
        return Groth16.verify(KEY, 2, pointer, proof);
    }
}
