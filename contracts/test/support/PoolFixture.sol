// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Eip8182ShieldedPool} from "../../src/Eip8182ShieldedPool.sol";
import {IShieldedPool} from "../../src/IShieldedPool.sol";
import {P, Poseidon2} from "../../src/Poseidon2.sol";
import {ShieldedPool} from "../../src/ShieldedPool.sol";
import {MockAuthVerifier, MockToken} from "./Mocks.sol";
import {Test, vm} from "./Test.sol";
import {TestKey} from "./TestKey.sol";

/// Either form of the pool behind a key whose trapdoor is known: any public inputs can be "proved".
abstract contract PoolFixture is Test {
    IShieldedPool internal pool;
    MockAuthVerifier internal verifier;
    MockToken internal token;
    address internal poseidon2; // for what the tests hash
    uint256 private nonce;

    function strict() internal pure virtual returns (bool);

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        vm.roll(1000);
        uint256 n = strict() ? 19 : 20;
        pool = strict()
            ? IShieldedPool(new Eip8182ShieldedPool(TestKey.make(n)))
            : IShieldedPool(new ShieldedPool(TestKey.make(n)));
        verifier = new MockAuthVerifier();
        token = new MockToken();
        poseidon2 = Poseidon2.deploy();
    }

    /// A transfer that the pool accepts.
    function transferInputs() internal returns (IShieldedPool.PublicInputs memory i) {
        (i.noteCommitmentRoot, i.authPolicyRoot) = pool.getCurrentRoots();
        i.nullifier0 = fresh();
        i.nullifier1 = fresh();
        i.noteBodyCommitment0 = fresh();
        i.noteBodyCommitment1 = fresh();
        i.noteBodyCommitment2 = fresh();
        i.intentReplayId = fresh();
        i.validUntilSeconds = block.timestamp + 1000;
        i.executionChainId = block.chainid;
        i.outputNoteDataHash0 = uint256(keccak256(noteData(0))) % P;
        i.outputNoteDataHash1 = uint256(keccak256(noteData(1))) % P;
        i.outputNoteDataHash2 = uint256(keccak256(noteData(2))) % P;
        i.authVerifier = uint160(address(verifier));
        i.blindedAuthCommitment = fresh();
        i.transactionIntentDigest = fresh();
    }

    function withdrawalInputs(address asset, address to, uint256 amount)
        internal
        returns (IShieldedPool.PublicInputs memory i)
    {
        i = transferInputs();
        i.publicTokenAddress = uint160(asset);
        i.publicRecipientAddress = uint160(to);
        i.publicAmountOut = amount;
    }

    /// Lengths with and without padding.
    function noteData(uint256 output) internal pure returns (bytes memory) {
        if (output == 0) return "";
        if (output == 1) return "thirty-two bytes of this output.";
        return "seventy bytes, which is neither nothing nor a multiple of a word: 7890";
    }

    function fresh() internal returns (uint256) {
        return uint256(keccak256(abi.encode("fresh", nonce++))) % P;
    }

    function prove(IShieldedPool.PublicInputs memory i) internal view returns (bytes memory) {
        return TestKey.prove(vector(i), 7);
    }

    function vector(IShieldedPool.PublicInputs memory i) internal view returns (uint256[] memory inputs) {
        bytes memory words = abi.encode(i);
        inputs = new uint256[](strict() ? 19 : 20);
        for (uint256 k = 0; k < 19; k++) {
            assembly ("memory-safe") {
                mstore(add(inputs, mul(32, add(k, 1))), mload(add(words, mul(32, add(k, 1)))))
            }
        }
        if (!strict()) inputs[19] = uint160(address(pool));
    }

    /// The call, so that tests can expect its revert.
    function submit(IShieldedPool.PublicInputs memory i) internal {
        submit(prove(i), "yes", i);
    }

    function submit(bytes memory proof, bytes memory authProof, IShieldedPool.PublicInputs memory i) internal {
        // A precompile that fails takes all the gas that it is given.
        pool.transact{gas: 3_000_000}(proof, authProof, i, noteData(0), noteData(1), noteData(2));
    }

    /// Expects this error.
    function refused(IShieldedPool.PublicInputs memory i, bytes memory error_) internal {
        bytes memory proof = prove(i);
        vm.expectRevert(error_);
        submit(proof, "yes", i);
    }

    function deposit(uint256 amount) internal {
        vm.deal(address(this), amount);
        pool.deposit{value: amount}(address(0), amount, fresh(), "");
    }

    function noteRoot() internal view returns (uint256 root) {
        (root,) = pool.getCurrentRoots();
    }

    function policyRoot() internal view returns (uint256 root) {
        (, root) = pool.getCurrentRoots();
    }
}
