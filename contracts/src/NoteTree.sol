// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Poseidon2} from "./Poseidon2.sol";

/// @title The note commitment tree and its root history: EIP-8182 sections 3.4 and 5.2
/// @notice Append-only, depth 32, empty leaf 0.
///
/// @dev Storage is a node for each height: the last complete one, where it is a left child, which is the left sibling that
/// later leaves need. A batch writes those that it completes (one or two, not 32).
///
/// The EIP keeps the roots before the last 500 insertions in a ring buffer. Looking a root up there would read up to 500
/// words. Here each root is kept with the number of insertions that had been made when it arose. The root that arose at the
/// j-th insertion is pushed by the (j+1)-th, so with n insertions it is current or among the last 500 pushed exactly if
/// n - j <= 500; if a root arose more than once, the last time counts, as in the ring. test/NoteTree.t.sol compares both.
library NoteTree {
    uint256 internal constant DEPTH = 32;
    uint256 internal constant CAPACITY = 1 << DEPTH;
    uint256 internal constant ROOT_HISTORY_SIZE = 500;

    struct Tree {
        /// The root now.
        uint256 root;
        /// The index of the next leaf.
        uint64 nextLeafIndex;
        /// Insertions so far.
        uint64 insertions;
        /// One more than the number of insertions when the root last arose.
        mapping(uint256 root => uint256) arose;
        /// By height: the last complete node, if it is a left child.
        uint256[DEPTH] left;
    }

    /// @notice The tree has room for fewer leaves. Deploy another pool.
    error NoteTreeFull(uint256 nextLeafIndex);

    /// @notice Sets the empty tree's root.
    function start(Tree storage tree) internal {
        uint256 root = empty(Poseidon2.EMPTY, DEPTH);
        tree.root = root;
        tree.arose[root] = 1;
    }

    /// @notice Whether the root is the current one or among the last 500 pushed (section 5.4.1 step 3).
    function accepts(Tree storage tree, uint256 root) internal view returns (bool) {
        uint256 arose = tree.arose[root];
        return arose != 0 && tree.insertions + 1 - arose <= ROOT_HISTORY_SIZE;
    }

    /// @notice The index of the next leaf, if there is room for `count`.
    function reserve(Tree storage tree, uint256 count) internal view returns (uint256 first) {
        first = tree.nextLeafIndex;
        if (first + count > CAPACITY) revert NoteTreeFull(first);
    }

    /// @notice Inserts `count` leaves, at most three, at the index that `reserve` gave, as one insertion. The leaves' shared
    /// path is hashed once.
    /// @param poseidon2 As `Poseidon2.deploy` gave it.
    function insert(Tree storage tree, address poseidon2, uint256 first, uint256[4] memory nodes, uint256 count)
        internal
        returns (uint256 root)
    {
        unchecked {
            uint256 end = first + count;
            uint256 insertions = tree.insertions + 1;
            tree.nextLeafIndex = uint64(end);
            tree.insertions = uint64(insertions);

            bytes memory empties = Poseidon2.EMPTY;
            uint256 height = 0;
            // At each height, `nodes` are those that change: `count` of them, the first at index `first`.
            while (count > 1) {
                if (first & 1 == 1) {
                    (nodes[3], nodes[2], nodes[1], nodes[0]) = (nodes[2], nodes[1], nodes[0], tree.left[height]);
                    first--;
                    count++;
                }
                // The last complete node at this height has index end / 2^height - 1.
                uint256 complete = end >> height;
                if (complete & 1 == 1 && complete > first) tree.left[height] = nodes[complete - 1 - first];
                if (count & 1 == 1) nodes[count] = empty(empties, height);
                nodes[0] = Poseidon2.hash2(poseidon2, nodes[0], nodes[1]);
                if (count > 2) nodes[1] = Poseidon2.hash2(poseidon2, nodes[2], nodes[3]);
                count = (count + 1) >> 1;
                first >>= 1;
                height++;
            }
            root = nodes[0];
            for (; height < DEPTH; height++) {
                if (first & 1 == 1) {
                    root = Poseidon2.hash2(poseidon2, tree.left[height], root);
                } else {
                    if (end >> height == first + 1) tree.left[height] = root;
                    root = Poseidon2.hash2(poseidon2, root, empty(empties, height));
                }
                first >>= 1;
            }

            tree.root = root;
            tree.arose[root] = insertions + 1;
        }
    }

    /// The root of an empty tree of this height.
    function empty(bytes memory empties, uint256 height) private pure returns (uint256 node) {
        assembly ("memory-safe") {
            node := mload(add(add(empties, 32), mul(32, height)))
        }
    }
}
