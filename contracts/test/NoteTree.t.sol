// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {NoteTree} from "../src/NoteTree.sol";
import {P, Poseidon2} from "../src/Poseidon2.sol";
import {NaiveTree} from "./support/NaiveTree.sol";
import {Test, vm} from "./support/Test.sol";

contract NoteTreeTest is Test {
    using NoteTree for NoteTree.Tree;

    NoteTree.Tree private tree;
    address private poseidon2;
    uint256[] private leaves;

    // The ring buffer of section 5.2, as written there.
    uint256[500] private ring;
    uint256 private pushed;

    function setUp() public {
        poseidon2 = Poseidon2.deploy();
        tree.start();
    }

    function insert(uint256 count, uint256 seed) private returns (uint256 root) {
        uint256[4] memory batch;
        for (uint256 i = 0; i < count; i++) {
            batch[i] = uint256(keccak256(abi.encode(seed, i))) % P;
            leaves.push(batch[i]);
        }
        ring[pushed++ % 500] = tree.root;
        return tree.insert(poseidon2, tree.reserve(count), batch, count);
    }

    function ringAccepts(uint256 root) private view returns (bool) {
        if (root == tree.root) return true;
        for (uint256 i = 0; i < 500 && i < pushed; i++) {
            if (ring[i] == root) return true;
        }
        return false;
    }

    function test_the_empty_tree() public view {
        vm.assertEq(tree.root, NaiveTree.root(poseidon2, leaves));
        vm.assertTrue(tree.accepts(tree.root));
        vm.assertFalse(tree.accepts(0));
        vm.assertFalse(tree.accepts(1));
    }

    /// Every alignment of batches against subtrees, up to height 5.
    function test_batches_in_every_position() public {
        for (uint256 i = 0; i < 40; i++) {
            uint256 root = insert(i % 7 == 0 || i % 7 == 3 ? 1 : 3, i);
            vm.assertEq(root, NaiveTree.root(poseidon2, leaves));
            vm.assertEq(root, tree.root);
        }
    }

    /// forge-config: default.fuzz.runs = 20
    function testFuzz_the_root_is_the_naive_one(uint256 batches) public {
        for (uint256 i = 0; i < 24; i++) {
            insert(batches >> (2 * i) & 3 == 0 ? 1 : batches >> (2 * i) & 3, batches);
        }
        vm.assertEq(tree.root, NaiveTree.root(poseidon2, leaves));
    }

    /// The boundary: a root is accepted while 500 further insertions have not pushed it out.
    function test_the_500th_root_and_the_501st() public {
        uint256 old = insert(1, 0);
        for (uint256 i = 1; i <= 500; i++) {
            insert(1, i);
        }
        vm.assertTrue(tree.accepts(old), "the oldest in the buffer");
        vm.assertTrue(ringAccepts(old));
        insert(1, 501);
        vm.assertFalse(tree.accepts(old), "pushed out");
        vm.assertFalse(ringAccepts(old));
    }

    /// The ring and the mapping agree about every root that ever was, also where a root comes back.
    /// forge-config: default.fuzz.runs = 12
    function testFuzz_the_history_is_the_ring(uint256 seed) public {
        uint256[] memory seen = new uint256[](620);
        for (uint256 i = 0; i < seen.length; i++) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            // Roots are made up here, so that they can come back; a tree's would not.
            uint256 root = dice % 5 == 0 && i > 0 ? seen[dice / 5 % i] : dice;
            ring[pushed++ % 500] = tree.root;
            tree.insertions++;
            tree.root = root;
            tree.arose[root] = tree.insertions + 1;
            seen[i] = root;
        }
        // All around the boundary, and some elsewhere.
        for (uint256 i = 0; i < seen.length; i += i > 110 && i < 125 ? 1 : 9) {
            vm.assertEq(tree.accepts(seen[i]), ringAccepts(seen[i]));
        }
        vm.assertFalse(tree.accepts(uint256(keccak256(abi.encode(seed, "never")))));
    }

    function test_capacity() public {
        tree.nextLeafIndex = type(uint32).max - 2; // room for three
        vm.assertEq(tree.reserve(3), type(uint32).max - 2);
        tree.nextLeafIndex = type(uint32).max - 1; // for two
        vm.assertEq(tree.reserve(1), type(uint32).max - 1);
        vm.expectRevert(abi.encodeWithSelector(NoteTree.NoteTreeFull.selector, type(uint32).max - 1));
        this.reserve(3);
        tree.nextLeafIndex = 1 << 32;
        vm.expectRevert(abi.encodeWithSelector(NoteTree.NoteTreeFull.selector, 1 << 32));
        this.reserve(1);
    }

    function reserve(uint256 count) external view returns (uint256) {
        return tree.reserve(count);
    }

    /// The last three leaves of a full tree: every node on their path is complete.
    function test_the_last_leaves() public {
        tree.nextLeafIndex = type(uint32).max - 2;
        uint256[4] memory batch = [uint256(1), 2, 3, 0];
        tree.insert(poseidon2, tree.reserve(3), batch, 3);
        vm.assertEq(tree.nextLeafIndex, 1 << 32);
        vm.assertTrue(tree.accepts(tree.root));
    }
}
