// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ShieldedPoolBase} from "./ShieldedPoolBase.sol";

/// @title The shielded pool in Tacit's form: EIP-8182, and docs/src/pool.md with BIND = 1
/// @notice An intent is for this pool and for one version of a policy: a registry leaf carries the number of times that its
/// owner set the policy, and the pool's address is the twentieth public input of the pool proof, appended here.
contract ShieldedPool is ShieldedPoolBase {
    struct UserEntry {
        uint32 leafPosition;
        uint256 ownerNullifierKeyHash;
        uint256 noteSecretSeedHash;
        uint256 policySetCommitment;
        uint32 policyVersion;
    }

    event AuthPolicySet(
        address indexed user,
        uint256 ownerNullifierKeyHash,
        uint256 noteSecretSeedHash,
        uint256 policySetCommitment,
        uint256 leafPosition,
        uint256 leafValue,
        uint256 postUpdateAuthPolicyRoot,
        uint32 policyVersion
    );

    /// @param key The verifying key for 20 public inputs.
    constructor(bytes memory key) ShieldedPoolBase(key) {}

    /// @notice The registered state of an address; all zero if there is none.
    function getAuthPolicyEntry(address user) external view returns (bool registered, UserEntry memory entry) {
        Entry storage e = entries[user];
        entry = UserEntry(
            e.leafPosition, e.ownerNullifierKeyHash, e.noteSecretSeedHash, e.policySetCommitment, e.policyVersion
        );
        registered = entry.leafPosition != 0;
    }

    function binds() internal pure override returns (bool) {
        return true;
    }

    function emitAuthPolicySet(address user, Entry storage e, uint256 leafValue, uint256 root) internal override {
        emit AuthPolicySet(
            user,
            e.ownerNullifierKeyHash,
            e.noteSecretSeedHash,
            e.policySetCommitment,
            e.leafPosition,
            leafValue,
            root,
            e.policyVersion
        );
    }
}
