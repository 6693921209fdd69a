// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {P, Poseidon2} from "../src/Poseidon2.sol";
import {SlowPoseidon2} from "./support/SlowPoseidon2.sol";
import {Test, vm} from "./support/Test.sol";

contract Poseidon2Test is Test {
    address private poseidon2;

    function setUp() public {
        poseidon2 = Poseidon2.deploy();
    }

    /// The EIP's "Test Cases": Poseidon2/BN254 parameter and vector assets load and verify.
    function test_the_eips_vectors() public view {
        string memory json = vm.readFile("test/vectors/poseidon2.json");
        vm.assertEq(vm.parseJsonUint(json, ".fieldModulus"), P);
        for (uint256 i = 0; i < 9; i++) {
            string memory entry = string.concat(".poseidonVectors[", vm.toString(i), "]");
            uint256[] memory inputs = vm.parseJsonUintArray(json, string.concat(entry, ".inputs"));
            uint256 output = vm.parseJsonUint(json, string.concat(entry, ".output"));
            vm.assertEq(SlowPoseidon2.hash(inputs), output);
            if (inputs.length <= 6) vm.assertEq(fast(inputs), output);
        }
    }

    /// The program's bounds are kept at the largest inputs too.
    function test_the_largest_inputs() public view {
        for (uint256 n = 0; n <= 6; n++) {
            for (uint256 chosen = 0; chosen < 1 << n; chosen++) {
                uint256[] memory inputs = new uint256[](n);
                for (uint256 j = 0; j < n; j++) {
                    inputs[j] = chosen >> j & 1 == 0 ? 0 : P - 1;
                }
                vm.assertEq(fast(inputs), SlowPoseidon2.hash(inputs));
            }
        }
    }

    function testFuzz_agrees_with_plain_Solidity(uint256 n, uint256[6] memory x) public view {
        n = bound(n, 0, 6);
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

    function test_each_arity_is_the_sponge() public view {
        vm.assertEq(Poseidon2.hash2(poseidon2, P - 1, 2), SlowPoseidon2.hash(list([P - 1, 2, 0, 0], 2)));
        vm.assertEq(Poseidon2.hash3(poseidon2, 1, P - 1, 3), SlowPoseidon2.hash(list([1, P - 1, 3, 0], 3)));
        vm.assertEq(Poseidon2.hash4(poseidon2, 1, 2, 3, P - 1), SlowPoseidon2.hash(list([1, 2, 3, P - 1], 4)));
    }

    function list(uint256[4] memory x, uint256 n) private pure returns (uint256[] memory out) {
        out = new uint256[](n);
        for (uint256 j = 0; j < n; j++) {
            out[j] = x[j];
        }
    }

    /// Seven words need three permutations, for which the program's stack has no room: it fails rather than give a wrong hash.
    function test_more_than_six_words_fail() public view {
        for (uint256 n = 7; n < 20; n++) {
            (bool done,) = poseidon2.staticcall{gas: 200_000}(new bytes(32 * n));
            vm.assertFalse(done);
        }
    }

    /// Short of gas, a hash reverts and never gives a value.
    function test_short_of_gas() public view {
        this.hash2{gas: 18_000}(1, 2);
        for (uint256 limit = 1000; limit < 12_600; limit += 97) {
            (bool done,) = address(this).staticcall{gas: limit}(abi.encodeCall(this.hash2, (1, 2)));
            vm.assertFalse(done);
        }
    }

    function hash2(uint256 a, uint256 b) external view returns (uint256) {
        return Poseidon2.hash2(poseidon2, a, b);
    }

    function test_gas() public {
        address at_ = poseidon2;
        uint256 h = Poseidon2.hash2(at_, 1, 2); // so that the address is warm
        uint256 before = gasleft();
        h = Poseidon2.hash2(at_, h, 2);
        uint256 used = before - gasleft();
        vm.snapshotValue("Poseidon2", "a Merkle node, with its call", used);
    }

    function fast(uint256[] memory x) internal view returns (uint256) {
        uint256[6] memory words;
        for (uint256 j = 0; j < x.length; j++) {
            words[j] = x[j];
        }
        return Poseidon2.hash(poseidon2, words, x.length);
    }
}
