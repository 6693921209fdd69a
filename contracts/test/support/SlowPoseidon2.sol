// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {P} from "../../src/Poseidon2.sol";
import {EXTERNAL_MATRIX, INTERNAL_DIAGONAL, ROUND_CONSTANTS} from "./Poseidon2Constants.sol";

/// Poseidon2 as EIP-8182 section 3.3 writes it, to compare with: loops, plain Solidity, every sum reduced.
library SlowPoseidon2 {
    function hash(uint256[] memory inputs) internal pure returns (uint256) {
        uint256[4] memory s;
        s[3] = inputs.length << 64;
        uint256 chunks = inputs.length == 0 ? 1 : (inputs.length + 2) / 3;
        for (uint256 c = 0; c < chunks; c++) {
            for (uint256 j = 0; j < 3 && 3 * c + j < inputs.length; j++) {
                s[j] = addmod(s[j], inputs[3 * c + j], P);
            }
            s = permute(s);
        }
        return s[0];
    }

    function permute(uint256[4] memory s) internal pure returns (uint256[4] memory) {
        bytes memory constants = ROUND_CONSTANTS;
        uint256 next = 0;
        s = external_(s);
        for (uint256 round = 0; round < 64; round++) {
            if (round < 4 || round >= 60) {
                for (uint256 j = 0; j < 4; j++) {
                    s[j] = pow5(addmod(s[j], word(constants, next++), P));
                }
                s = external_(s);
            } else {
                s[0] = pow5(addmod(s[0], word(constants, next++), P));
                s = internal_(s);
            }
        }
        return s;
    }

    function pow5(uint256 x) private pure returns (uint256) {
        return mulmod(mulmod(mulmod(x, x, P), mulmod(x, x, P), P), x, P);
    }

    function external_(uint256[4] memory s) private pure returns (uint256[4] memory out) {
        bytes memory matrix = EXTERNAL_MATRIX;
        for (uint256 i = 0; i < 4; i++) {
            for (uint256 j = 0; j < 4; j++) {
                out[i] = addmod(out[i], mulmod(uint8(matrix[4 * i + j]), s[j], P), P);
            }
        }
    }

    function internal_(uint256[4] memory s) private pure returns (uint256[4] memory out) {
        bytes memory diagonal = INTERNAL_DIAGONAL;
        uint256 sum = addmod(addmod(s[0], s[1], P), addmod(s[2], s[3], P), P);
        for (uint256 i = 0; i < 4; i++) {
            out[i] = addmod(sum, mulmod(word(diagonal, i), s[i], P), P);
        }
    }

    function word(bytes memory words, uint256 i) private pure returns (uint256 w) {
        assembly ("memory-safe") {
            w := mload(add(add(words, 32), mul(i, 32)))
        }
    }
}
