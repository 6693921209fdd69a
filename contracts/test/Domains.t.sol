// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import "../src/Domains.sol";
import {P} from "../src/Poseidon2.sol";
import {SlowPoseidon2} from "./support/SlowPoseidon2.sol";
import {Test, vm} from "./support/Test.sol";

/// Section 3.1: every tag is the hash of its context.
contract DomainsTest is Test {
    function tag(string memory context) private pure returns (uint256) {
        return uint256(keccak256(bytes(context))) % P;
    }

    function test_the_eips_tags() public pure {
        vm.assertEq(NOTE_BODY_COMMITMENT_DOMAIN, tag("eip-8182.note_body_commitment"));
        vm.assertEq(NOTE_COMMITMENT_DOMAIN, tag("eip-8182.note_commitment"));
        vm.assertEq(AUTH_POLICY_DOMAIN, tag("eip-8182.auth_policy"));
        vm.assertEq(BLINDED_AUTH_COMMITMENT_DOMAIN, tag("eip-8182.blinded_auth_commitment"));
        vm.assertEq(OWNER_NULLIFIER_KEY_HASH_DOMAIN, tag("eip-8182.owner_nullifier_key_hash"));
    }

    function test_our_tags() public pure {
        vm.assertEq(AUTH_DATA_ECDSA_DOMAIN, tag("tacit.auth_data_ecdsa"));
    }

    function test_the_dummys_owner() public pure {
        uint256[] memory inputs = new uint256[](2);
        (inputs[0], inputs[1]) = (OWNER_NULLIFIER_KEY_HASH_DOMAIN, 0xdead);
        vm.assertEq(DUMMY_OWNER_NULLIFIER_KEY_HASH, SlowPoseidon2.hash(inputs));
    }
}
