// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Poseidon2} from "../../src/Poseidon2.sol";

/// The root of the tree of depth 32 with these first leaves, level by level (EIP-8182 section 3.4).
library NaiveTree {
    function root(address poseidon2, uint256[] memory leaves) internal view returns (uint256) {
        uint256 count = leaves.length;
        uint256[] memory nodes = new uint256[](count + 1);
        for (uint256 i = 0; i < count; i++) {
            nodes[i] = leaves[i];
        }
        uint256 empty = 0;
        for (uint256 height = 0; height < 32; height++) {
            if (count & 1 == 1) nodes[count++] = empty;
            count >>= 1;
            for (uint256 i = 0; i < count; i++) {
                nodes[i] = Poseidon2.hash2(poseidon2, nodes[2 * i], nodes[2 * i + 1]);
            }
            empty = Poseidon2.hash2(poseidon2, empty, empty);
        }
        return count == 0 ? empty : nodes[0];
    }
}
