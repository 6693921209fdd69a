// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Poseidon2} from "./Poseidon2.sol";

/// @title The auth-policy registry's tree and root history: EIP-8182 sections 3.4, 5.2.1 and 6
/// @notice Depth 32, empty leaf 0, leaves at positions that are given out in order from 1 on.
///
/// @dev A node is stored when it may be read as somebody's sibling: if its subtree is complete, or if it is a right child.
/// A left child that is not complete has no sibling yet; the position that completes it stores it. So the first call of
/// the thousandth user writes some ten nodes, not 32.
///
/// The EIP keeps W + 1 pairs (root, block) in a ring buffer and accepts a root found there with block.number - block <= W.
/// A pair is overwritten W + 1 blocks after its own at the earliest, when it is no longer accepted. So it is enough to keep
/// for each root the last block that began with it and changed the tree. test/AuthRegistry.t.sol compares both.
library AuthRegistry {
    uint256 internal constant DEPTH = 32;
    uint256 internal constant ROOT_HISTORY_BLOCKS = 64;

    struct Registry {
        /// The root now.
        uint256 root;
        /// The position of the next new user; 0 is nobody's.
        uint64 nextLeafPosition;
        /// One more than the block of the last change, 0 before the first.
        uint64 lastChange;
        /// One more than the last block that began with this root and changed the tree.
        mapping(uint256 root => uint256) replaced;
        /// By height << 32 | index.
        mapping(uint256 => uint256) nodes;
    }

    /// @notice All 2^32 - 1 positions are taken. Deploy another pool.
    error AuthRegistryFull();

    /// @notice Sets the empty tree's root.
    function start(Registry storage registry) internal {
        registry.root = empty(Poseidon2.EMPTY, DEPTH);
        registry.nextLeafPosition = 1;
    }

    /// @notice Whether the root is the current one or in the window of section 5.2.1.
    function accepts(Registry storage registry, uint256 root) internal view returns (bool) {
        if (root == 0) return false;
        if (root == registry.root) return true;
        uint256 replaced = registry.replaced[root];
        return replaced != 0 && block.number + 1 - replaced <= ROOT_HISTORY_BLOCKS;
    }

    /// @notice Takes the next position.
    function allocate(Registry storage registry) internal returns (uint256 position) {
        position = registry.nextLeafPosition;
        if (position >= 1 << DEPTH) revert AuthRegistryFull();
        registry.nextLeafPosition = uint64(position + 1);
    }

    /// @notice Writes a leaf at a position that was allocated; records the root before this block's first change.
    /// @param poseidon2 As `Poseidon2.deploy` gave it.
    function write(Registry storage registry, address poseidon2, uint256 position, uint256 leaf)
        internal
        returns (uint256 root)
    {
        unchecked {
            if (registry.lastChange != block.number + 1) {
                registry.replaced[registry.root] = block.number + 1;
                registry.lastChange = uint64(block.number + 1);
            }

            bytes memory empties = Poseidon2.EMPTY;
            uint256 next = registry.nextLeafPosition;
            root = leaf;
            for (uint256 height = 0; height < DEPTH; height++) {
                uint256 key = height << 32 | position;
                if (position & 1 == 1) {
                    registry.nodes[key] = root;
                    root = Poseidon2.hash2(poseidon2, registry.nodes[key - 1], root);
                } else {
                    // Complete if every position below it has been given out; then the right sibling may be there too.
                    bool complete = (position + 1) << height <= next;
                    if (complete) registry.nodes[key] = root;
                    bool sibling = complete && (position + 1) << height < next;
                    root = Poseidon2.hash2(poseidon2, root, sibling ? registry.nodes[key + 1] : empty(empties, height));
                }
                position >>= 1;
            }
            registry.root = root;
        }
    }

    /// The root of an empty tree of this height.
    function empty(bytes memory empties, uint256 height) private pure returns (uint256 node) {
        assembly ("memory-safe") {
            node := mload(add(add(empties, 32), mul(32, height)))
        }
    }
}
