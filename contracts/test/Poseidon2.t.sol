// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {P, Poseidon2} from "../src/Poseidon2.sol";
import {SlowPoseidon2} from "./support/SlowPoseidon2.sol";
import {Test, vm} from "./support/Test.sol";

contract Poseidon2Test is Test {
    /// The EIP's "Test Cases": Poseidon2/BN254 parameter and vector assets load and verify.
    function test_the_eips_vectors() public view {
        string memory json = vm.readFile("test/vectors/poseidon2.json");
        vm.assertEq(vm.parseJsonUint(json, ".fieldModulus"), P);
        for (uint256 i = 0; i < 9; i++) {
            string memory entry = string.concat(".poseidonVectors[", vm.toString(i), "]");
            uint256[] memory inputs = vm.parseJsonUintArray(json, string.concat(entry, ".inputs"));
            uint256 output = vm.parseJsonUint(json, string.concat(entry, ".output"));
            vm.assertEq(SlowPoseidon2.hash(inputs), output);
            if (inputs.length >= 2 && inputs.length <= 6) vm.assertEq(fast(inputs), output);
        }
    }

    /// Every bound of `sponge`'s comment is met at the largest inputs too.
    function test_the_largest_inputs() public pure {
        for (uint256 n = 2; n <= 6; n++) {
            for (uint256 chosen = 0; chosen < 1 << n; chosen++) {
                uint256[] memory inputs = new uint256[](n);
                for (uint256 j = 0; j < n; j++) {
                    inputs[j] = chosen >> j & 1 == 0 ? 0 : P - 1;
                }
                vm.assertEq(fast(inputs), SlowPoseidon2.hash(inputs));
            }
        }
    }

    function testFuzz_agrees_with_plain_Solidity(uint256 n, uint256[6] memory x) public pure {
        n = bound(n, 2, 6);
        uint256[] memory inputs = new uint256[](n);
        for (uint256 j = 0; j < n; j++) {
            // Small distances from either end more often than chance has it.
            inputs[j] = x[j] % 4 == 0 ? P - 1 - (x[j] >> 4) % 1000 : x[j] % P;
        }
        vm.assertEq(fast(inputs), SlowPoseidon2.hash(inputs));
    }

    function test_the_roots_of_empty_trees() public pure {
        bytes memory table = Poseidon2.EMPTY;
        vm.assertEq(table.length, 33 * 32);
        uint256 expected = 0;
        for (uint256 h = 0; h <= 32; h++) {
            uint256 entry;
            assembly ("memory-safe") {
                entry := mload(add(add(table, 32), mul(h, 32)))
            }
            vm.assertEq(entry, expected);
            uint256[] memory pair = new uint256[](2);
            (pair[0], pair[1]) = (expected, expected);
            expected = SlowPoseidon2.hash(pair);
        }
    }

    function test_gas() public {
        // Twice, so that what is measured is neither cold nor the memory's first use.
        (uint256 a, uint256 b) = (vm.parseJsonUint("{\"a\": 1}", ".a"), 2);
        uint256 before = gasleft();
        a = Poseidon2.hash2(a, b);
        b = Poseidon2.hash2(a, b);
        uint256 used = (before - gasleft()) / 2;
        vm.assertTrue(a != b);
        vm.snapshotValue("Tacit", "Poseidon2.hash2", used);
    }

    function fast(uint256[] memory x) internal pure returns (uint256) {
        if (x.length == 2) return Poseidon2.hash2(x[0], x[1]);
        if (x.length == 3) return Poseidon2.hash3(x[0], x[1], x[2]);
        if (x.length == 4) return Poseidon2.hash4(x[0], x[1], x[2], x[3]);
        if (x.length == 5) return Poseidon2.hash5(x[0], x[1], x[2], x[3], x[4]);
        return Poseidon2.hash6(x[0], x[1], x[2], x[3], x[4], x[5]);
    }
}
