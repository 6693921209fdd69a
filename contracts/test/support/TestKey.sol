// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Groth16} from "../../src/Groth16.sol";
import {P} from "../../src/Poseidon2.sol";

/// A Groth16 key whose trapdoor is known, and what that allows: proofs for any public inputs, which the real verifier takes.
/// This is how the tests reach the pool's logic without a mock of its verifier, and why development keys are refused on
/// public chains.
///
/// With G, H the groups' generators: alpha = a G, beta = 3 H, gamma = H, delta = 2 H, IC_i = k_i G. For A = r G and B = H the equation
/// e(A, B) = e(alpha, beta) e(L, gamma) e(C, delta) reads r = 3 a + L + 2 c in the exponent, so C = (r - 3 a - L) / 2 G holds.
library TestKey {
    bytes internal constant G = abi.encode(1, 2);
    bytes internal constant H = abi.encode(
        0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2,
        0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
        0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b,
        0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa
    );
    bytes internal constant H2 = abi.encode(
        0x203e205db4f19b37b60121b83a7333706db86431c6d835849957ed8c3928ad79,
        0x27dc7234fd11d3e8c36c59277c3e6f149d5cd3cfa9a62aee49f8130962b4b3b9,
        0x195e8aa5b7827463722b8c153931579d3505566b4edf48d498e185f0509de152,
        0x04bb53b8977e5f92a0bc372742c4830944a59b4fe6b1c0466e2a6dad122b5d2e
    );
    bytes internal constant H3 = abi.encode(
        0x1014772f57bb9742735191cd5dcfe4ebbc04156b6878a0a7c9824f32ffb66e85,
        0x06064e784db10e9051e52826e192715e8d7e478cb09a5e0012defa0694fbc7f5,
        0x021e2335f3354bb7922ffcc2f38d3323dd9453ac49b55441452aeaca147711b2,
        0x058e1d5681b5b9e0074b0f9c8d2c68a069b920d74521e79765036d57666c5597
    );
    uint256 internal constant ALPHA = 12345;

    function make(bytes32 kind, uint256 n) internal view returns (bytes memory key) {
        key = abi.encodePacked(kind, mul(ALPHA), H3, H, H2);
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
        uint256 c = mulmod(addmod(r, P - addmod(3 * ALPHA, sum, P), P), (P + 1) / 2, P);
        return abi.encodePacked(mul(r), H, mul(c));
    }

    function ic(uint256 i) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("IC", i))) % P;
    }

    /// scalar G
    function mul(uint256 scalar) internal view returns (bytes memory point) {
        bool good;
        (good, point) = address(7).staticcall(abi.encodePacked(G, scalar));
        require(good && point.length == 64);
    }
}
