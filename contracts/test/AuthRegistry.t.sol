// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AuthRegistry} from "../src/AuthRegistry.sol";
import {P, Poseidon2} from "../src/Poseidon2.sol";
import {NaiveTree} from "./support/NaiveTree.sol";
import {Test, vm} from "./support/Test.sol";

contract AuthRegistryTest is Test {
    using AuthRegistry for AuthRegistry.Registry;

    AuthRegistry.Registry private registry;
    address private poseidon2;
    uint256[] private leaves;

    // The ring of section 5.2.1, as written there.
    struct Pair {
        uint256 root;
        uint256 blockNumber;
    }

    Pair[65] private ring;
    uint256 private rootNow;

    function setUp() public {
        vm.roll(1000);
        poseidon2 = Poseidon2.deploy();
        registry.start();
        leaves.push(0); // position 0 is nobody's
        rootNow = registry.root;
    }

    function set(uint256 position, uint256 leaf) private returns (uint256 root) {
        leaves[position] = leaf;
        snapshot();
        root = registry.write(poseidon2, position, leaf);
        rootNow = root;
    }

    function add(uint256 leaf) private returns (uint256 root) {
        leaves.push(0);
        uint256 position = registry.allocate();
        vm.assertEq(position, leaves.length - 1);
        return set(position, leaf);
    }

    function snapshot() private {
        Pair storage pair = ring[block.number % 65];
        if (pair.blockNumber != block.number) (pair.root, pair.blockNumber) = (rootNow, block.number);
    }

    function ringAccepts(uint256 root) private view returns (bool) {
        if (root == 0) return false;
        if (root == rootNow) return true;
        for (uint256 i = 0; i < 65; i++) {
            if (ring[i].root == root && block.number - ring[i].blockNumber <= 64) return true;
        }
        return false;
    }

    function test_the_empty_tree() public view {
        uint256[] memory none;
        vm.assertEq(registry.root, NaiveTree.root(poseidon2, none));
        vm.assertTrue(registry.accepts(registry.root));
        vm.assertFalse(registry.accepts(0));
    }

    function test_positions_begin_at_one() public {
        vm.assertEq(add(5), NaiveTree.root(poseidon2, leaves));
        vm.assertEq(leaves.length, 2);
    }

    /// Every order of first calls and updates leaves the root that the leaves have.
    /// forge-config: default.fuzz.runs = 16
    function testFuzz_the_root_is_the_naive_one(uint256 seed) public {
        for (uint256 i = 0; i < 24; i++) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            uint256 root =
                leaves.length == 1 || dice % 3 > 0 ? add(dice % P) : set(1 + dice / 3 % (leaves.length - 1), dice % P);
            vm.assertEq(root, NaiveTree.root(poseidon2, leaves));
        }
    }

    function test_updates_at_every_position_of_every_size() public {
        for (uint256 size = 1; size <= 9; size++) {
            add(size);
            for (uint256 position = 1; position <= size; position++) {
                set(position, 100 * size + position);
            }
            vm.assertEq(registry.root, NaiveTree.root(poseidon2, leaves));
        }
    }

    function test_the_64th_block_and_the_65th() public {
        uint256 before = registry.root;
        add(1);
        vm.roll(1064);
        vm.assertTrue(registry.accepts(before), "64 blocks after the change");
        vm.roll(1065);
        vm.assertFalse(registry.accepts(before), "65 blocks after");
        vm.assertTrue(registry.accepts(registry.root));
    }

    /// The extra slot: a change exactly W blocks later does not overwrite what is still accepted.
    function test_a_change_64_blocks_later_keeps_the_root() public {
        uint256 before = registry.root;
        add(1);
        vm.roll(1064);
        add(2);
        vm.assertTrue(registry.accepts(before));
        vm.roll(1065);
        add(3);
        vm.assertFalse(registry.accepts(before));
    }

    function test_roots_within_a_block_are_not_kept() public {
        uint256 start = registry.root;
        uint256 first = add(1);
        vm.assertTrue(registry.accepts(first), "current");
        uint256 second = add(2);
        vm.assertFalse(registry.accepts(first), "replaced within its block");
        vm.assertTrue(registry.accepts(start), "the block began with it");
        vm.assertTrue(registry.accepts(second));
        vm.roll(1001);
        add(3);
        vm.assertTrue(registry.accepts(second), "the next block began with it");
        vm.assertFalse(registry.accepts(first));
    }

    /// A -> B -> A: the later snapshot of A counts.
    function test_a_root_that_comes_back() public {
        add(1);
        uint256 a = registry.root;
        vm.roll(1001);
        set(1, 2);
        vm.roll(1002);
        set(1, 1);
        vm.assertEq(registry.root, a);
        vm.roll(1040);
        set(1, 2);
        vm.roll(1104);
        vm.assertTrue(registry.accepts(a));
        vm.roll(1105);
        vm.assertFalse(registry.accepts(a));
    }

    /// Ring and mapping agree about every root at every block.
    /// forge-config: default.fuzz.runs = 12
    function testFuzz_the_history_is_the_ring(uint256 seed) public {
        uint256[] memory seen = new uint256[](60);
        uint256 number = 1000;
        for (uint256 i = 0; i < seen.length; i++) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            // Blocks without a change, blocks with several, long pauses.
            number += dice % 3 == 0 ? 0 : dice % 7 == 0 ? 60 + dice % 8 : dice % 5;
            vm.roll(number);
            // Few different leaves, so that roots come back.
            seen[i] = leaves.length < 4 ? add(1 + dice % 2) : set(1 + dice / 8 % 3, 1 + dice / 32 % 2);
            if (dice % 11 == 0) {
                number += dice / 64 % 70;
                vm.roll(number);
            }
            for (uint256 k = i < 12 ? 0 : i - 12; k <= i; k++) {
                vm.assertEq(registry.accepts(seen[k]), ringAccepts(seen[k]));
            }
        }
    }

    function test_capacity() public {
        registry.nextLeafPosition = type(uint32).max;
        vm.assertEq(this.allocate(), type(uint32).max);
        vm.expectRevert(AuthRegistry.AuthRegistryFull.selector);
        this.allocate();
    }

    function allocate() external returns (uint256) {
        return registry.allocate();
    }
}
