// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ShieldedPoolBase} from "./ShieldedPoolBase.sol";

/// @title The shielded pool in the EIP's own form: EIP-8182, docs/src/pool.md with BIND = 0
/// @notice 19 public inputs; registry leaves of section 6.1. Meant for comparison and for a system contract: intents are not
/// bound to one of several pools on a chain.
contract Eip8182ShieldedPool is ShieldedPoolBase {
    struct UserEntry {
        uint32 leafPosition;
        uint256 ownerNullifierKeyHash;
        uint256 noteSecretSeedHash;
        uint256 policySetCommitment;
    }

    event AuthPolicySet(
        address indexed user,
        uint256 ownerNullifierKeyHash,
        uint256 noteSecretSeedHash,
        uint256 policySetCommitment,
        uint256 leafPosition,
        uint256 leafValue,
        uint256 postUpdateAuthPolicyRoot
    );

    /// @param key The verifying key for 19 public inputs.
    constructor(bytes memory key) ShieldedPoolBase(key) {}

    /// @notice The registered state of an address; all zero if there is none.
    function getAuthPolicyEntry(address user) external view returns (bool registered, UserEntry memory entry) {
        Entry storage e = entries[user];
        entry = UserEntry(e.leafPosition, e.ownerNullifierKeyHash, e.noteSecretSeedHash, e.policySetCommitment);
        registered = entry.leafPosition != 0;
    }

    function binds() internal pure override returns (bool) {
        return false;
    }

    function emitAuthPolicySet(address user, Entry storage e, uint256 leafValue, uint256 root) internal override {
        emit AuthPolicySet(
            user, e.ownerNullifierKeyHash, e.noteSecretSeedHash, e.policySetCommitment, e.leafPosition, leafValue, root
        );
    }
}
