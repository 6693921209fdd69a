// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IShieldedPool} from "../src/IShieldedPool.sol";
import {ShieldedPool} from "../src/ShieldedPool.sol";
import {EcdsaAuthVerifier} from "../src/auth/EcdsaAuthVerifier.sol";
import {Groth16AuthVerifier} from "../src/auth/Groth16AuthVerifier.sol";
import {DemoToken} from "../src/demo/DemoToken.sol";
import {Test, vm} from "./support/Test.sol";

/// Real keys, real proofs of the circuits in circuits/pool: a registration, two deposits, a private transfer of both notes
/// authorised by EdDSA, a withdrawal of some of its change authorised by ECDSA. tools/end_to_end.mjs makes the vector.
/// forge-config: default.isolate = true
contract EndToEndTest is Test {
    string private json;
    ShieldedPool private pool;
    EcdsaAuthVerifier private ecdsa;

    // Signs for the policy with the ECDSA verifier.
    uint256 private constant SECRET = 0xa11ce;

    function setUp() public {
        vm.warp(1_800_000_000);
        json = vm.readFile("test/vectors/end_to_end.json");
        address deployer = vm.parseJsonAddress(json, ".deployer");
        bytes memory eddsaKey = vm.parseJsonBytes(json, ".eddsaKey");
        bytes memory poolKey = vm.parseJsonBytes(json, ".poolKey");
        vm.startPrank(deployer);
        Groth16AuthVerifier eddsa = new Groth16AuthVerifier(eddsaKey);
        ecdsa = new EcdsaAuthVerifier();
        pool = new ShieldedPool(poolKey);
        vm.stopPrank();
        // The proofs are bound to these.
        vm.assertEq(address(eddsa), vm.parseJsonAddress(json, ".eddsaVerifier"));
        vm.assertEq(address(ecdsa), vm.parseJsonAddress(json, ".ecdsaVerifier"));
        vm.assertEq(address(pool), vm.parseJsonAddress(json, ".pool"));
    }

    function number(string memory key) private view returns (uint256) {
        return vm.parseJsonUint(json, key);
    }

    function register() private {
        (uint256 a, uint256 b, uint256 c) =
            (number(".ownerNullifierKeyHash"), number(".noteSecretSeedHash"), number(".policySetCommitment"));
        vm.prank(vm.parseJsonAddress(json, ".user"));
        pool.setAuthPolicy(a, b, c);
        measured("setAuthPolicy, first call");
        (, uint256 root) = pool.getCurrentRoots();
        vm.assertEq(root, number(".authPolicyRoot"));
    }

    function deposit(string memory entry) private {
        uint256 amount = number(string.concat(entry, ".amount"));
        uint256 ownerCommitment = number(string.concat(entry, ".ownerCommitment"));
        vm.deal(address(this), amount);
        pool.deposit{value: amount}(address(0), amount, ownerCommitment, new bytes(160));
    }

    struct Call {
        bytes poolProof;
        bytes authProof;
        IShieldedPool.PublicInputs inputs;
        bytes[3] noteData;
    }

    function load(string memory entry) private view returns (Call memory c) {
        c.poolProof = vm.parseJsonBytes(json, string.concat(entry, ".poolProof"));
        c.authProof = vm.parseJsonBytes(json, string.concat(entry, ".authProof"));
        c.inputs =
            abi.decode(vm.parseJsonBytes(json, string.concat(entry, ".publicInputs")), (IShieldedPool.PublicInputs));
        for (uint256 k = 0; k < 3; k++) {
            c.noteData[k] = vm.parseJsonBytes(json, string.concat(entry, ".noteData[", vm.toString(k), "]"));
        }
    }

    function submit(Call memory c) private {
        pool.transact(c.poolProof, c.authProof, c.inputs, c.noteData[0], c.noteData[1], c.noteData[2]);
    }

    function measured(string memory name) private {
        vm.snapshotGasLastCall("Transactions", name);
    }

    function test_everything() public {
        register();
        deposit(".deposits[0]");
        measured("deposit of ETH, first");
        deposit(".deposits[1]");
        measured("deposit of ETH, second");

        Call memory transfer = load(".transfer");
        submit(transfer);
        measured("transact: transfer, EdDSA, 3 x 160 bytes of note data");
        checkRoot(".transfer.rootAfter");

        Call memory withdrawal = load(".withdrawal");
        uint256 blinding = number(".withdrawal.blindingFactor");
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(SECRET, ecdsa.authorizationHash(withdrawal.inputs.transactionIntentDigest, blinding));
        withdrawal.authProof = abi.encode(blinding, r, s, v);
        submit(withdrawal);
        measured("transact: withdrawal of ETH, ECDSA, 3 x 160 bytes of note data");
        checkRoot(".withdrawal.rootAfter");
        vm.assertEq(address(0xbeef).balance, 0.5 ether);
        vm.assertEq(address(pool).balance, 4.5 ether);

        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.NullifierSpent.selector, transfer.inputs.nullifier0));
        submit(transfer);
    }

    function checkRoot(string memory entry) private view {
        (uint256 root,) = pool.getCurrentRoots();
        vm.assertEq(root, number(entry));
    }

    function test_token_deposit() public {
        DemoToken token = new DemoToken();
        token.mint(address(this), 100);
        token.approve(address(pool), 100);
        deposit(".deposits[0]");
        pool.deposit(address(token), 60, 7, new bytes(160));
        measured("deposit of a token, the pool's first of it");
        pool.deposit(address(token), 40, 8, new bytes(160));
        measured("deposit of a token, a later one");
        vm.assertEq(token.balanceOf(address(pool)), 100);
    }

    /// A prover that changes any field of what was proved gets nothing accepted.
    function test_no_public_input_can_be_changed() public {
        register();
        deposit(".deposits[0]");
        deposit(".deposits[1]");
        Call memory transfer = load(".transfer");
        for (uint256 field = 0; field < 19; field++) {
            IShieldedPool.PublicInputs memory changed =
                abi.decode(abi.encode(transfer.inputs), (IShieldedPool.PublicInputs));
            assembly ("memory-safe") {
                let word := add(changed, mul(32, field))
                mstore(word, xor(mload(word), 1))
            }
            vm.expectRevert();
            pool.transact{gas: 3_000_000}(
                transfer.poolProof,
                transfer.authProof,
                changed,
                transfer.noteData[0],
                transfer.noteData[1],
                transfer.noteData[2]
            );
        }
        // Nor can the other proof be put in place of one.
        vm.expectRevert(IShieldedPool.PoolProofInvalid.selector);
        pool.transact{gas: 3_000_000}(
            transfer.authProof,
            transfer.authProof,
            transfer.inputs,
            transfer.noteData[0],
            transfer.noteData[1],
            transfer.noteData[2]
        );
        submit(transfer);
    }

    /// An intent signed under a policy that was replaced dies when its root leaves the window.
    function test_an_old_policys_intent_dies() public {
        vm.roll(100);
        register();
        deposit(".deposits[0]");
        deposit(".deposits[1]");
        Call memory transfer = load(".transfer");
        vm.roll(101);
        vm.prank(vm.parseJsonAddress(json, ".user"));
        pool.setAuthPolicy(number(".ownerNullifierKeyHash"), number(".noteSecretSeedHash"), 0);
        vm.roll(166);
        vm.expectRevert(
            abi.encodeWithSelector(IShieldedPool.AuthPolicyRootNotAccepted.selector, number(".authPolicyRoot"))
        );
        submit(transfer);
    }
}
