// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Groth16} from "../src/Groth16.sol";
import {P} from "../src/Poseidon2.sol";
import {Eip8182ShieldedPool} from "../src/Eip8182ShieldedPool.sol";
import {IShieldedPool} from "../src/IShieldedPool.sol";
import {ShieldedPool} from "../src/ShieldedPool.sol";
import {EcdsaAuthVerifier} from "../src/auth/EcdsaAuthVerifier.sol";
import {Groth16AuthVerifier} from "../src/auth/Groth16AuthVerifier.sol";
import {AUTH_DATA_ECDSA_DOMAIN, BLINDED_AUTH_COMMITMENT_DOMAIN} from "../src/Domains.sol";
import {SlowPoseidon2} from "./support/SlowPoseidon2.sol";
import {Test, vm} from "./support/Test.sol";
import {TestKey} from "./support/TestKey.sol";

contract Groth16Test is Test {
    uint256 private constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;

    function deploy(bytes memory key) external returns (Groth16AuthVerifier) {
        return new Groth16AuthVerifier(key);
    }

    // --- keys --------------------------------------------------------------------------------------------------------

    function test_development_keys_are_for_local_chains() public {
        bytes memory key = TestKey.make(Groth16.DEVELOPMENT, 2);
        bytes memory poolKey = TestKey.make(Groth16.DEVELOPMENT, 20);
        bytes memory eipKey = TestKey.make(Groth16.DEVELOPMENT, 19);
        uint256[2] memory local = [uint256(31337), 1337];
        for (uint256 k = 0; k < 2; k++) {
            vm.chainId(local[k]);
            new Groth16AuthVerifier(key);
            new ShieldedPool(poolKey);
            new Eip8182ShieldedPool(eipKey);
        }
        uint256[4] memory public_ = [uint256(1), 10, 11155111, 31338];
        for (uint256 k = 0; k < 4; k++) {
            vm.chainId(public_[k]);
            bytes memory refusal = abi.encodeWithSelector(Groth16.DevelopmentKeyOnPublicChain.selector, public_[k]);
            vm.expectRevert(refusal);
            new Groth16AuthVerifier(key);
            vm.expectRevert(refusal);
            new ShieldedPool(poolKey);
            vm.expectRevert(refusal);
            new Eip8182ShieldedPool(eipKey);
        }
    }

    function test_ceremony_keys_are_for_any_chain() public {
        vm.chainId(1);
        new Groth16AuthVerifier(TestKey.make(Groth16.CEREMONY, 2));
        new ShieldedPool(TestKey.make(Groth16.CEREMONY, 20));
        new Eip8182ShieldedPool(TestKey.make(Groth16.CEREMONY, 19));
    }

    /// Two of a ceremony's points that are the same up to their sign, or untouched by any contribution. For development it is all one:
    /// of such a key the trapdoor is known anyway.
    function test_ceremony_keys_are_finished() public {
        // beta, gamma, delta; the first row is what is good.
        bytes[3][7] memory rows = [
            [TestKey.H3, TestKey.H, TestKey.H2],
            [TestKey.H2, TestKey.H2, TestKey.H3],
            [TestKey.H2, TestKey.H3, TestKey.H2],
            [TestKey.H3, TestKey.H2, TestKey.H2],
            [TestKey.H2, TestKey.H, TestKey.H],
            [TestKey.H, TestKey.H2, TestKey.H3],
            [TestKey.H3, TestKey.H2, TestKey.H]
        ];
        for (uint256 row = 0; row < 7; row++) {
            for (uint256 signs = 0; signs < 8; signs++) {
                bytes memory key = TestKey.make(Groth16.CEREMONY, 2);
                for (uint256 k = 0; k < 3; k++) {
                    place(key, 3 + 4 * k, rows[row][k], signs >> k & 1 == 1);
                }
                (bool done, bytes memory why) = attempt(key);
                vm.assertEq(done, row == 0);
                if (!done) vm.assertEq(why, abi.encodeWithSelector(Groth16.VerifyingKeyUnfinished.selector));
                set(key, 0, uint256(Groth16.DEVELOPMENT));
                (done,) = attempt(key);
                vm.assertTrue(done);
            }
        }
    }

    /// With delta = gamma anyone makes proofs, of anything: here from the key alone.
    function test_what_an_unfinished_key_allows() public {
        bytes memory key = TestKey.make(2);
        place(key, 11, TestKey.H, false);
        Groth16AuthVerifier verifier = new Groth16AuthVerifier(key);
        // A = alpha, B = beta, C = -(IC_0 + 5 IC_1 + 6 IC_2).
        uint256 sum = addmod(addmod(TestKey.ic(0), mulmod(5, TestKey.ic(1), P), P), mulmod(6, TestKey.ic(2), P), P);
        bytes memory proof = abi.encodePacked(TestKey.mul(TestKey.ALPHA), TestKey.H3, TestKey.mul(P - sum));
        vm.assertTrue(verifier.verifyAuth(abi.encode(5, 6), proof));
    }

    function place(bytes memory key, uint256 word, bytes memory point, bool opposite) private pure {
        uint256[4] memory words = abi.decode(point, (uint256[4]));
        for (uint256 k = 0; k < 4; k++) {
            set(key, word + k, opposite && k > 1 ? Q - words[k] : words[k]);
        }
    }

    /// Intents have 32 bits for it: whatever is deposited elsewhere could never be withdrawn.
    function test_no_pool_where_the_chain_id_is_too_long() public {
        bytes memory key = TestKey.make(Groth16.CEREMONY, 20);
        vm.chainId((1 << 32) - 1);
        new ShieldedPool(key);
        vm.chainId(1 << 32);
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.ChainIdOutOfRange.selector, 1 << 32));
        new ShieldedPool(key);
    }

    function test_keys_of_unknown_kind() public {
        bytes memory key = TestKey.make("tacit-groth16-key-v2", 2);
        vm.expectRevert(
            abi.encodeWithSelector(Groth16.VerifyingKeyOfUnknownKind.selector, bytes32("tacit-groth16-key-v2"))
        );
        new Groth16AuthVerifier(key);
    }

    function test_keys_for_another_circuit() public {
        vm.expectRevert(abi.encodeWithSelector(Groth16.VerifyingKeyLength.selector, 672, 0));
        new Groth16AuthVerifier("");
        bytes memory key = TestKey.make(3);
        vm.expectRevert(abi.encodeWithSelector(Groth16.VerifyingKeyLength.selector, 672, 736));
        new Groth16AuthVerifier(key);
        key = TestKey.make(19);
        vm.expectRevert(abi.encodeWithSelector(Groth16.VerifyingKeyLength.selector, 1824, 1760));
        new ShieldedPool(key);
    }

    /// Every word of a key's points, changed or not canonical; and neutral points where none may be.
    function test_keys_with_bad_points() public {
        bytes memory key = TestKey.make(2);
        for (uint256 word = 1; word < 21; word++) {
            uint256[2] memory deltas = [uint256(1), Q];
            for (uint256 d = 0; d < 2; d++) {
                (bool done, bytes memory why) = attempt(changed(key, word, deltas[d]));
                vm.assertFalse(done);
                vm.assertEq(why, abi.encodeWithSelector(Groth16.VerifyingKeyPoint.selector, pointOf(word)));
            }
        }
        uint256[4] memory starts = [uint256(1), 3, 7, 11];
        uint256[4] memory lengths = [uint256(2), 4, 4, 4];
        for (uint256 k = 0; k < 4; k++) {
            bytes memory neutral = bytes.concat(key);
            for (uint256 j = 0; j < lengths[k]; j++) {
                set(neutral, starts[k] + j, 0);
            }
            (bool done, bytes memory why) = attempt(neutral);
            vm.assertFalse(done);
            vm.assertEq(why, abi.encodeWithSelector(Groth16.VerifyingKeyPoint.selector, 32 * starts[k]));
        }
        // An input that no proof depends on has the neutral point.
        set(key, 17, 0);
        set(key, 18, 0);
        (bool accepted,) = attempt(key);
        vm.assertTrue(accepted);
    }

    function attempt(bytes memory key) private returns (bool, bytes memory) {
        return address(this).call{gas: 5_000_000}(abi.encodeCall(this.deploy, (key)));
    }

    function pointOf(uint256 word) private pure returns (uint256) {
        if (word < 3) return 32;
        if (word < 15) return 96 + (word - 3) / 4 * 128;
        return 480 + (word - 15) / 2 * 64;
    }

    function changed(bytes memory data, uint256 word, uint256 by) private pure returns (bytes memory out) {
        out = bytes.concat(data);
        assembly ("memory-safe") {
            let at_ := add(add(out, 32), mul(32, word))
            mstore(at_, add(mload(at_), by))
        }
    }

    function set(bytes memory data, uint256 word, uint256 value) private pure {
        assembly ("memory-safe") {
            mstore(add(add(data, 32), mul(32, word)), value)
        }
    }

    // --- Groth16 as auth verifier --------------------------------------------------------------------------------------

    function proved(uint256 a, uint256 b) private view returns (bytes memory) {
        uint256[] memory inputs = new uint256[](2);
        (inputs[0], inputs[1]) = (a, b);
        return TestKey.prove(inputs, 9);
    }

    function testFuzz_groth16_auth(uint256 a, uint256 b) public {
        (a, b) = (a % P, b % P);
        Groth16AuthVerifier verifier = new Groth16AuthVerifier(TestKey.make(2));
        bytes memory proof = proved(a, b);
        vm.assertTrue(verifier.verifyAuth(abi.encode(a, b), proof));
        vm.assertFalse(verifier.verifyAuth(abi.encode(a, (b + 1) % P), proof));
        vm.assertFalse(verifier.verifyAuth(abi.encode((a + 1) % P, b), proof));
        if (a != b) vm.assertFalse(verifier.verifyAuth(abi.encode(b, a), proof));
        vm.assertFalse(verifier.verifyAuth(abi.encode(a + P, b), proof));
        vm.assertFalse(verifier.verifyAuth(abi.encode(a, b + P), proof));
        vm.assertFalse(verifier.verifyAuth(abi.encodePacked(a, b, uint8(0)), proof));
        vm.assertFalse(verifier.verifyAuth("", proof));
        vm.assertFalse(verifier.verifyAuth(abi.encode(a, b), abi.encodePacked(proof, proof)));
        vm.assertFalse(verifier.verifyAuth(abi.encode(a, b), ""));
    }

    /// forge-config: default.fuzz.runs = 16
    function testFuzz_garbage_is_refused_without_a_revert(bytes calldata garbage) public {
        Groth16AuthVerifier groth16 = new Groth16AuthVerifier(TestKey.make(2));
        EcdsaAuthVerifier ecdsa = new EcdsaAuthVerifier();
        bytes memory long = bytes.concat(garbage, new bytes(256));
        assembly ("memory-safe") {
            mstore(long, 256)
        }
        vm.assertFalse(groth16.verifyAuth{gas: 3_000_000}(abi.encode(1, 2), garbage));
        vm.assertFalse(groth16.verifyAuth{gas: 3_000_000}(abi.encode(1, 2), long));
        assembly ("memory-safe") {
            mstore(long, 128)
        }
        vm.assertFalse(ecdsa.verifyAuth(abi.encode(1, 2), garbage));
        vm.assertFalse(ecdsa.verifyAuth(abi.encode(1, 2), long));
        vm.assertFalse(ecdsa.verifyAuth(garbage, long));
    }

    // --- ECDSA as auth verifier ----------------------------------------------------------------------------------------

    function poseidon(uint256[3] memory x, uint256 n) private pure returns (uint256) {
        uint256[] memory inputs = new uint256[](n);
        for (uint256 k = 0; k < n; k++) {
            inputs[k] = x[k];
        }
        return SlowPoseidon2.hash(inputs);
    }

    function blinded(address signer, uint256 blindingFactor) private pure returns (uint256) {
        uint256 data = poseidon([AUTH_DATA_ECDSA_DOMAIN, uint160(signer), 0], 2);
        return poseidon([BLINDED_AUTH_COMMITMENT_DOMAIN, data, blindingFactor], 3);
    }

    struct Signed {
        uint256 commitment;
        uint256 digest;
        uint256 blinding;
        bytes32 hash;
        bytes32 r;
        bytes32 s;
        uint256 v;
    }

    function sign(EcdsaAuthVerifier verifier, uint256 secret, uint256 digest, uint256 blinding)
        private
        view
        returns (Signed memory x)
    {
        (x.digest, x.blinding) = (digest, blinding);
        x.commitment = blinded(vm.addr(secret), blinding);
        // EIP-712, spelled out.
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Tacit shielded pool"),
                keccak256("1"),
                block.chainid,
                verifier
            )
        );
        bytes32 message = keccak256(
            abi.encode(
                keccak256("Authorization(uint256 transactionIntentDigest,uint256 blindingFactor)"), digest, blinding
            )
        );
        x.hash = keccak256(abi.encodePacked("\x19\x01", domain, message));
        (x.v, x.r, x.s) = vm.sign(secret, x.hash);
    }

    function proofOf(Signed memory x) private pure returns (bytes memory) {
        return abi.encode(x.blinding, x.r, x.s, x.v);
    }

    function testFuzz_ecdsa_auth(uint256 secret, uint256 digest, uint256 blinding) public {
        secret = bound(secret, 1, 1 << 250);
        EcdsaAuthVerifier verifier = new EcdsaAuthVerifier();
        Signed memory x = sign(verifier, secret, digest % P, blinding % P);
        vm.assertEq(x.hash, verifier.authorizationHash(x.digest, x.blinding));

        bytes memory inputs = abi.encode(x.commitment, x.digest);
        bytes memory proof = proofOf(x);
        vm.assertTrue(verifier.verifyAuth(inputs, proof));
        // Another digest, commitment, blinding factor; aliases of field elements; other lengths.
        vm.assertFalse(verifier.verifyAuth(abi.encode(x.commitment, x.digest ^ 1), proof));
        vm.assertFalse(verifier.verifyAuth(abi.encode(x.commitment ^ 1, x.digest), proof));
        vm.assertFalse(verifier.verifyAuth(abi.encode(x.commitment, x.digest + P), proof));
        vm.assertFalse(verifier.verifyAuth(abi.encode(x.commitment + P, x.digest), proof));
        vm.assertFalse(verifier.verifyAuth(abi.encode(x.commitment, x.digest, 0), proof));
        vm.assertFalse(verifier.verifyAuth(inputs, bytes.concat(proof, hex"00")));
        x.blinding ^= 1;
        vm.assertFalse(verifier.verifyAuth(inputs, proofOf(x)));
        x.blinding = (x.blinding ^ 1) + P;
        vm.assertFalse(verifier.verifyAuth(inputs, proofOf(x)));
        x.blinding -= P;
        // Other values of v.
        x.v += 256;
        vm.assertFalse(verifier.verifyAuth(inputs, proofOf(x)));
        x.v -= 256 + 27;
        vm.assertFalse(verifier.verifyAuth(inputs, proofOf(x)));
        // The other signature that ecrecover takes.
        x.v = 28 - x.v;
        x.s = bytes32(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141 - uint256(x.s));
        vm.assertEq(ecrecover(x.hash, uint8(x.v), x.r, x.s), vm.addr(secret));
        vm.assertFalse(verifier.verifyAuth(inputs, proofOf(x)));
    }

    /// ecrecover gives 0 for a signature that is none: address 0 must not be a signer.
    function test_ecdsa_of_nobody() public {
        EcdsaAuthVerifier verifier = new EcdsaAuthVerifier();
        bytes memory inputs = abi.encode(blinded(address(0), 5), 6);
        vm.assertFalse(verifier.verifyAuth(inputs, abi.encode(5, 0, 0, 27)));
        vm.assertFalse(verifier.verifyAuth(inputs, abi.encode(5, 1, 0, 28)));
    }

    /// A signature for one verifier or chain is none for another.
    function test_ecdsa_domains() public {
        EcdsaAuthVerifier one = new EcdsaAuthVerifier();
        EcdsaAuthVerifier two = new EcdsaAuthVerifier();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(42, one.authorizationHash(6, 5));
        bytes memory inputs = abi.encode(blinded(vm.addr(42), 5), 6);
        vm.assertTrue(one.verifyAuth(inputs, abi.encode(5, r, s, v)));
        vm.assertFalse(two.verifyAuth(inputs, abi.encode(5, r, s, v)));
        vm.chainId(1);
        vm.assertFalse(one.verifyAuth(inputs, abi.encode(5, r, s, v)));
    }
}
