// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Groth16} from "../../src/Groth16.sol";
import {P} from "../../src/Poseidon2.sol";

/// A Groth16 key whose trapdoor is known, and what that allows: proofs for any public inputs, which the real verifier takes.
/// This is how the tests reach the pool's logic without a mock of its verifier, and why development keys are refused on
/// public chains.
///
/// With G, H the groups' generators: alpha = a G, beta = gamma = delta = H, IC_i = k_i G. For A = r G and B = H the equation
/// e(A, B) = e(alpha, beta) e(L, gamma) e(C, delta) reads r = a + L + c in the exponent, so C = (r - a - L) G holds.
library TestKey {
    bytes internal constant G = abi.encode(1, 2);
    bytes internal constant H = abi.encode(
        0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2,
        0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
        0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b,
        0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa
    );
    uint256 private constant ALPHA = 12345;

    function make(bytes32 kind, uint256 n) internal view returns (bytes memory key) {
        key = abi.encodePacked(kind, mul(ALPHA), H, H, H);
        for (uint256 i = 0; i <= n; i++) {
            key = abi.encodePacked(key, mul(ic(i)));
        }
    }

    function make(uint256 n) internal view returns (bytes memory) {
        return make(Groth16.DEVELOPMENT, n);
    }

    function prove(uint256[] memory inputs, uint256 r) internal view returns (bytes memory) {
        uint256 sum = ic(0);
        for (uint256 i = 0; i < inputs.length; i++) {
            sum = addmod(sum, mulmod(inputs[i], ic(i + 1), P), P);
        }
        r %= P;
        uint256 c = addmod(r, P - addmod(ALPHA, sum, P), P);
        return abi.encodePacked(mul(r), H, mul(c));
    }

    function ic(uint256 i) private pure returns (uint256) {
        return uint256(keccak256(abi.encode("IC", i))) % P;
    }

    /// scalar G
    function mul(uint256 scalar) internal view returns (bytes memory point) {
        bool good;
        (good, point) = address(7).staticcall(abi.encodePacked(G, scalar));
        require(good && point.length == 64);
    }
}
