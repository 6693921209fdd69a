// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {P} from "./Poseidon2.sol";

/// @title Groth16 over BN254: EIP-8182 section 5.5
/// @notice A verifying key is given to a contract's constructor as bytes:
///
///     kind (32) alpha (64) beta (128) gamma (128) delta (128) IC_0 .. IC_n (64 each)
///
/// with points as EIP-196 and EIP-197 encode them (in G2 the imaginary part first). `tacit zkey export contractkey` writes
/// it. `kind` says where the key comes from: CEREMONY, or DEVELOPMENT, of which one party knows the trapdoor and can prove
/// anything. A development key is refused on any chain but 31337 and 1337, which local nodes use.
///
/// @dev The checked key is kept as the code of a contract of its own, laid out so that one EXTCODECOPY gives the input of
/// the pairing precompile with holes for what a proof brings. With alpha, gamma and delta negated there, a proof is good if
///
///     e(A, B) e(-alpha, beta) e(IC_0 + sum x_i IC_i, -gamma) e(C, -delta) = 1.
library Groth16 {
    /// @notice The kind of a key from a ceremony whose contributions were verified.
    bytes32 internal constant CEREMONY = "tacit-groth16-key-v1-ceremony";
    /// @notice The kind of a key whose trapdoor one party knew.
    bytes32 internal constant DEVELOPMENT = "tacit-groth16-key-v1-development";

    // The order of the field of coordinates.
    uint256 private constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;

    // The generator of G2, its first coordinate.
    uint256 private constant H_X1 = 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2;
    uint256 private constant H_X0 = 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed;

    uint256 private constant ALPHA = 32;
    uint256 private constant BETA = 96;
    uint256 private constant GAMMA = 224;
    uint256 private constant DELTA = 352;
    uint256 private constant IC = 480;

    // Offsets in the kept key, after its first byte, and in the buffer into which it is copied.
    uint256 private constant SUM = 0; // IC_0, then the sum so far
    uint256 private constant PRODUCT = 64; // x_i IC_i
    uint256 private constant PAIRS = 128; // (A, B) (-alpha, beta) (sum, -gamma) (C, -delta)
    uint256 private constant POINTS = 896; // IC_1 ..

    /// @notice The key begins with neither CEREMONY nor DEVELOPMENT. Export it with `tacit zkey export contractkey`.
    error VerifyingKeyOfUnknownKind(bytes32 kind);
    /// @notice This key was made by one party for development. Deploy with a key from a ceremony.
    error DevelopmentKeyOnPublicChain(uint256 chainId);
    /// @notice The key is for another number of public inputs than the contract checks.
    error VerifyingKeyLength(uint256 expected, uint256 got);
    /// @notice The point at this offset of the key is not on the curve or in the group, not canonical, or neutral.
    error VerifyingKeyPoint(uint256 offset);
    /// @notice This key calls itself a ceremony's, and two of beta, gamma and delta are equal or opposite, or beta or delta is the
    /// generator, as before the first contribution: anyone can forge proofs. Deploy with the key of a finished ceremony.
    error VerifyingKeyUnfinished();
    /// @notice The contract that keeps the key was not created: give the deployment more gas.
    error VerifyingKeyNotKept();

    /// @notice Reverts unless the key is sound for n public inputs and may be used on this chain.
    function check(bytes memory key, uint256 n) internal view {
        uint256 expected = IC + 64 * (n + 1);
        if (key.length != expected) revert VerifyingKeyLength(expected, key.length);
        bytes32 kind = bytes32(word(key, 0));
        if (kind == DEVELOPMENT) {
            if (block.chainid != 31337 && block.chainid != 1337) revert DevelopmentKeyOnPublicChain(block.chainid);
        } else if (kind != CEREMONY) {
            revert VerifyingKeyOfUnknownKind(kind);
        }
        checkG1(key, ALPHA);
        checkG2(key, BETA);
        checkG2(key, GAMMA);
        checkG2(key, DELTA);
        for (uint256 i = 0; i <= n; i++) {
            checkG1(key, IC + 64 * i);
        }
        if (kind == CEREMONY) checkFinished(key);
    }

    /// @notice Fixes public input i (counted from 0): IC_0 += value IC_{i+1}. Afterwards the key expects the input less
    /// the value: 0 if it is the value, and zeros cost nothing.
    function fix(bytes memory key, uint256 i, uint256 value) internal view {
        assembly ("memory-safe") {
            let ic0 := add(key, add(32, IC))
            let point := add(ic0, mul(64, add(i, 1)))
            let buffer := mload(0x40)
            mcopy(buffer, point, 64)
            mstore(add(buffer, 64), value)
            let done := staticcall(gas(), 7, buffer, 96, add(buffer, 64), 64)
            mcopy(buffer, ic0, 64)
            done := and(done, staticcall(gas(), 6, buffer, 128, ic0, 64))
            // Points were checked, so the precompiles can only have run out of gas.
            if iszero(done) { revert(0, 0) }
        }
    }

    /// @notice Keeps a checked key without its inputs from n on, and gives the address to `verify` with.
    function keep(bytes memory key, uint256 n) internal returns (address kept) {
        uint256 length = 1 + POINTS + 64 * n;
        bytes memory creation = new bytes(10 + length);
        assembly ("memory-safe") {
            function negate(y) {
                mstore(y, mod(sub(Q, mload(y)), Q))
            }
            // PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN: gives the code that follows,
            // whose first byte is STOP.
            mstore(add(creation, 32), or(shl(176, 0x61000080600a3d393df3), shl(232, length)))
            let source := add(key, 32)
            let target := add(creation, 43)
            mcopy(add(target, SUM), add(source, IC), 64)
            let pairs := add(target, PAIRS)
            mcopy(add(pairs, 192), add(source, ALPHA), 192)
            negate(add(pairs, 224))
            mcopy(add(pairs, 448), add(source, GAMMA), 128)
            negate(add(pairs, 512))
            negate(add(pairs, 544))
            mcopy(add(pairs, 640), add(source, DELTA), 128)
            negate(add(pairs, 704))
            negate(add(pairs, 736))
            mcopy(add(target, POINTS), add(source, add(IC, 64)), mul(64, n))
            kept := create(0, add(creation, 32), mload(creation))
        }
        if (kept == address(0)) revert VerifyingKeyNotKept();
    }

    /// @notice Whether the proof holds for the inputs. Never reverts (short of gas it gives false).
    /// @param kept The key, as `keep` gave it.
    /// @param inputs n words at this place in memory.
    /// @param proof A (64), B (128), C (64) as EIP-196 and EIP-197 encode points. The precompiles refuse coordinates that are
    /// not canonical, points off the curve and, for B, outside the group.
    function verify(address kept, uint256 n, uint256 inputs, bytes calldata proof) internal view returns (bool holds) {
        if (proof.length != 256) return false;
        assembly ("memory-safe") {
            // Memory past what is allocated, given back at the end of this block.
            let buffer := mload(0x40)
            let pairs := add(buffer, PAIRS)
            extcodecopy(kept, buffer, 1, add(POINTS, mul(64, n)))

            // From the last input on: a scalar is written behind its point, over the next point.
            holds := 1
            let product := add(buffer, PRODUCT)
            let point := add(add(buffer, POINTS), mul(64, n))
            for { let input := add(inputs, mul(32, n)) } gt(input, inputs) {} {
                input := sub(input, 32)
                point := sub(point, 64)
                let x := mload(input)
                if x {
                    holds := and(holds, lt(x, P))
                    mstore(add(point, 64), x)
                    holds := and(holds, staticcall(gas(), 7, point, 96, product, 64))
                    holds := and(holds, staticcall(gas(), 6, buffer, 128, buffer, 64))
                }
            }

            calldatacopy(pairs, proof.offset, 192)
            mcopy(add(pairs, 384), buffer, 64)
            calldatacopy(add(pairs, 576), add(proof.offset, 192), 64)
            // Where there is no such precompile, the call succeeds and returns nothing.
            mstore(0, 0)
            holds := and(holds, staticcall(gas(), 8, pairs, 768, 0, 32))
            holds := and(holds, eq(mload(0), 1))
        }
    }

    function word(bytes memory key, uint256 offset) private pure returns (uint256 w) {
        assembly ("memory-safe") {
            w := mload(add(add(key, 32), offset))
        }
    }

    // e(0, 0) is 1: the pairing precompile accepts it exactly if both points are good.
    function checkG1(bytes memory key, uint256 offset) private view {
        if (word(key, offset) | word(key, offset + 32) == 0 && offset < IC) revert VerifyingKeyPoint(offset);
        uint256[6] memory pair;
        pair[0] = word(key, offset);
        pair[1] = word(key, offset + 32);
        if (!paired(pair)) revert VerifyingKeyPoint(offset);
    }

    function checkG2(bytes memory key, uint256 offset) private view {
        uint256[6] memory pair;
        uint256 bits = 0;
        for (uint256 i = 0; i < 4; i++) {
            pair[2 + i] = word(key, offset + 32 * i);
            bits |= pair[2 + i];
        }
        if (bits == 0 || !paired(pair)) revert VerifyingKeyPoint(offset);
    }

    // If delta = gamma, then A = alpha, B = beta and C = -(the sum of the inputs' points) is a proof of anything; with any other two of the
    // three, or opposite ones, one finds the like. A point and its opposite have the same first coordinate.
    function checkFinished(bytes memory key) private pure {
        (bytes32 beta, bytes32 gamma, bytes32 delta) = (xOf(key, BETA), xOf(key, GAMMA), xOf(key, DELTA));
        bytes32 generator = keccak256(abi.encode(H_X1, H_X0));
        if (beta == gamma || beta == delta || gamma == delta || beta == generator || delta == generator) {
            revert VerifyingKeyUnfinished();
        }
    }

    function xOf(bytes memory key, uint256 offset) private pure returns (bytes32 x) {
        assembly ("memory-safe") {
            x := keccak256(add(add(key, 32), offset), 64)
        }
    }

    function paired(uint256[6] memory pair) private view returns (bool good) {
        assembly ("memory-safe") {
            mstore(0, 0)
            good := staticcall(gas(), 8, pair, 192, 0, 32)
            good := and(good, mload(0))
        }
    }
}
