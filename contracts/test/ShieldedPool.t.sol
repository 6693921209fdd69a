// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {
    AUTH_POLICY_DOMAIN,
    DUMMY_OWNER_NULLIFIER_KEY_HASH,
    NOTE_BODY_COMMITMENT_DOMAIN,
    NOTE_COMMITMENT_DOMAIN
} from "../src/Domains.sol";
import {Eip8182ShieldedPool} from "../src/Eip8182ShieldedPool.sol";
import {IShieldedPool} from "../src/IShieldedPool.sol";
import {AuthRegistry} from "../src/AuthRegistry.sol";
import {NoteTree} from "../src/NoteTree.sol";
import {P} from "../src/Poseidon2.sol";
import {ShieldedPool} from "../src/ShieldedPool.sol";
import {FeeToken, OddBalance, OddRecipient, OddToken, Reenterer} from "./support/Mocks.sol";
import {NaiveTree} from "./support/NaiveTree.sol";
import {PoolFixture} from "./support/PoolFixture.sol";
import {SlowPoseidon2} from "./support/SlowPoseidon2.sol";
import {Vm, vm} from "./support/Test.sol";
import {TestKey} from "./support/TestKey.sol";

/// EIP-8182's "Test Cases" as far as they concern the contract, for both forms of the pool. Every error that a step can
/// give is seen here; the order of steps is that of section 5.4.
abstract contract PoolTest is PoolFixture {
    receive() external payable {}

    function poseidon(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        uint256[] memory x = new uint256[](3);
        (x[0], x[1], x[2]) = (a, b, c);
        return SlowPoseidon2.hash(x);
    }

    // --- transact ------------------------------------------------------------------------------------------------

    function test_transfer() public {
        deposit(1 ether);
        IShieldedPool.PublicInputs memory i = transferInputs();
        bytes memory proof = prove(i);
        vm.recordLogs();
        submit(proof, "yes", i);
        checkTransact(i, 1, noteData(0), noteData(1), noteData(2));

        vm.assertTrue(pool.isNullifierSpent(i.nullifier0));
        vm.assertTrue(pool.isNullifierSpent(i.nullifier1));
        vm.assertTrue(pool.isIntentReplayIdUsed(i.intentReplayId));
        vm.assertFalse(pool.isNullifierSpent(i.intentReplayId));
        vm.assertTrue(pool.isAcceptedNoteCommitmentRoot(i.noteCommitmentRoot), "the root before is in the history");
        vm.assertEq(address(pool).balance, 1 ether);
    }

    /// The event, word by word.
    function checkTransact(
        IShieldedPool.PublicInputs memory i,
        uint256 first,
        bytes memory a,
        bytes memory b,
        bytes memory c
    ) internal {
        uint256[6] memory words;
        words[0] = uint160(address(verifier));
        words[1] = poseidon(NOTE_COMMITMENT_DOMAIN, i.noteBodyCommitment0, first);
        words[2] = poseidon(NOTE_COMMITMENT_DOMAIN, i.noteBodyCommitment1, first + 1);
        words[3] = poseidon(NOTE_COMMITMENT_DOMAIN, i.noteBodyCommitment2, first + 2);
        words[4] = first;
        words[5] = noteRoot();
        uint256[3] memory topics = [i.nullifier0, i.nullifier1, i.intentReplayId];
        vm.assertEq(lastLog(IShieldedPool.ShieldedPoolTransact.selector, topics, 3), abi.encode(words, a, b, c));
    }

    function test_several_insertions_give_the_naive_root() public {
        uint256[] memory leaves = new uint256[](0);
        for (uint256 k = 0; k < 5; k++) {
            IShieldedPool.PublicInputs memory i = transferInputs();
            submit(i);
            leaves = push(leaves, poseidon(NOTE_COMMITMENT_DOMAIN, i.noteBodyCommitment0, leaves.length));
            leaves = push(leaves, poseidon(NOTE_COMMITMENT_DOMAIN, i.noteBodyCommitment1, leaves.length));
            leaves = push(leaves, poseidon(NOTE_COMMITMENT_DOMAIN, i.noteBodyCommitment2, leaves.length));
            vm.assertEq(noteRoot(), NaiveTree.root(poseidon2, leaves));
        }
    }

    function test_step_1_chain() public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        i.executionChainId = block.chainid + 1;
        refused(i, abi.encodeWithSelector(IShieldedPool.WrongChain.selector, block.chainid + 1, block.chainid));
        i.executionChainId = block.chainid + P;
        refused(i, abi.encodeWithSelector(IShieldedPool.WrongChain.selector, block.chainid + P, block.chainid));
    }

    function test_step_2_times() public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        i.validUntilSeconds = 0;
        refused(i, abi.encodeWithSelector(IShieldedPool.IntentExpired.selector, 0, block.timestamp));
        i.validUntilSeconds = block.timestamp - 1;
        refused(i, abi.encodeWithSelector(IShieldedPool.IntentExpired.selector, block.timestamp - 1, block.timestamp));
        i.validUntilSeconds = block.timestamp + 86401;
        refused(
            i,
            abi.encodeWithSelector(
                IShieldedPool.IntentTooEarly.selector, block.timestamp + 86401, block.timestamp + 86400
            )
        );
        i.validUntilSeconds = block.timestamp;
        submit(i);
        i = transferInputs();
        i.validUntilSeconds = block.timestamp + 86400;
        submit(i);
    }

    function test_step_2_at_time_zero() public {
        vm.warp(0);
        IShieldedPool.PublicInputs memory i = transferInputs();
        i.validUntilSeconds = 0;
        refused(i, abi.encodeWithSelector(IShieldedPool.IntentExpired.selector, 0, 0));
    }

    function test_step_3_note_roots() public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        uint256[3] memory bad = [uint256(0), 1, i.noteCommitmentRoot + P];
        for (uint256 k = 0; k < 3; k++) {
            i.noteCommitmentRoot = bad[k];
            refused(i, abi.encodeWithSelector(IShieldedPool.NoteCommitmentRootNotAccepted.selector, bad[k]));
        }
    }

    function test_step_3_an_old_root_is_accepted() public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        deposit(1);
        deposit(1);
        vm.assertTrue(i.noteCommitmentRoot != noteRoot());
        submit(i);
    }

    function test_step_4_policy_roots() public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        uint256[3] memory bad = [uint256(0), 1, i.authPolicyRoot + P];
        for (uint256 k = 0; k < 3; k++) {
            i.authPolicyRoot = bad[k];
            refused(i, abi.encodeWithSelector(IShieldedPool.AuthPolicyRootNotAccepted.selector, bad[k]));
        }
    }

    /// "Auth-method rotation": against the prior policies until the window has passed.
    function test_step_4_the_window() public {
        pool.setAuthPolicy(11, 12, 13);
        vm.roll(2000);
        IShieldedPool.PublicInputs memory early = transferInputs();
        IShieldedPool.PublicInputs memory late = transferInputs();
        pool.setAuthPolicy(11, 12, 14);
        vm.roll(2064);
        submit(early);
        vm.roll(2065);
        refused(late, abi.encodeWithSelector(IShieldedPool.AuthPolicyRootNotAccepted.selector, late.authPolicyRoot));
    }

    function test_step_5_equal_nullifiers() public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        i.nullifier1 = i.nullifier0;
        refused(i, abi.encodeWithSelector(IShieldedPool.NullifiersEqual.selector, i.nullifier0));
    }

    function test_step_6_ranges() public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        i.publicAmountOut = 1 << 248;
        refused(i, abi.encodeWithSelector(IShieldedPool.AmountOutOfRange.selector, 1 << 248));
        i = transferInputs();
        i.publicRecipientAddress = 1 << 160;
        refused(i, abi.encodeWithSelector(IShieldedPool.NotAnAddress.selector, 1 << 160));
        i = transferInputs();
        i.publicTokenAddress = 1 << 160;
        refused(i, abi.encodeWithSelector(IShieldedPool.NotAnAddress.selector, 1 << 160));
        i = transferInputs();
        i.authVerifier += 1 << 160;
        refused(i, abi.encodeWithSelector(IShieldedPool.NotAnAddress.selector, i.authVerifier));
        i = transferInputs();
        i.authVerifier = 0;
        refused(i, abi.encodeWithSelector(IShieldedPool.AuthVerifierZero.selector));
    }

    function test_step_6_times_and_chain_ids_have_32_bits() public {
        vm.warp((1 << 32) - 10);
        IShieldedPool.PublicInputs memory i = transferInputs();
        i.validUntilSeconds = 1 << 32;
        refused(i, abi.encodeWithSelector(IShieldedPool.NotAUint32.selector, 1 << 32));
        i.validUntilSeconds = (1 << 32) - 1;
        submit(i);
        vm.chainId(1 << 32);
        i = transferInputs();
        i.validUntilSeconds = (1 << 32) - 1;
        refused(i, abi.encodeWithSelector(IShieldedPool.NotAUint32.selector, 1 << 32));
    }

    /// Every public input is in the proof: changing one by one unit makes it invalid, adding P is not canonical.
    function test_step_7_every_public_input_counts() public {
        deposit(10);
        for (uint256 k = 0; k < 19; k++) {
            // Steps 1 to 6 see through these before the proof does, except to another accepted value.
            if (k == 0 || k == 11 || k == 12) continue;
            IShieldedPool.PublicInputs memory i = withdrawalInputs(address(0), address(this), 2);
            bytes memory proof = prove(i);
            change(i, k, 1);
            vm.expectRevert(IShieldedPool.PoolProofInvalid.selector);
            submit(proof, "yes", i);
            if (k == 6 || k == 7 || k == 8 || k == 10 || k == 16) continue; // bounded far below P
            change(i, k, P - 1);
            vm.expectRevert(abi.encodeWithSelector(IShieldedPool.PublicInputNotCanonical.selector, k));
            submit(proof, "yes", i);
        }
        // Another accepted root of each kind.
        IShieldedPool.PublicInputs memory j = transferInputs();
        bytes memory old = prove(j);
        deposit(1);
        j.noteCommitmentRoot = noteRoot();
        vm.expectRevert(IShieldedPool.PoolProofInvalid.selector);
        submit(old, "yes", j);
        j = transferInputs();
        old = prove(j);
        pool.setAuthPolicy(1, 1, 1);
        j.authPolicyRoot = policyRoot();
        vm.expectRevert(IShieldedPool.PoolProofInvalid.selector);
        submit(old, "yes", j);
    }

    /// A chain that takes another id: the key was prepared for the first one.
    function test_step_7_after_a_change_of_the_chains_id() public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        bytes memory proof = prove(i);
        vm.chainId(77);
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.WrongChain.selector, 31337, 77));
        submit(proof, "yes", i);
        i.executionChainId = 77;
        vm.expectRevert(IShieldedPool.PoolProofInvalid.selector);
        submit(proof, "yes", i);
        submit(i);
        vm.chainId(2); // below the first
        submit(transferInputs());
    }

    function test_step_7_malformed_proofs() public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        bytes memory proof = prove(i);
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.PoolProofLength.selector, 0));
        submit("", "yes", i);
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.PoolProofLength.selector, 257));
        submit(abi.encodePacked(proof, uint8(0)), "yes", i);
        vm.expectRevert(IShieldedPool.PoolProofInvalid.selector);
        submit(new bytes(256), "yes", i);
        // Each coordinate: another value (off the curve), and the same value not canonical.
        uint256 q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
        for (uint256 k = 0; k < 8; k++) {
            uint256[2] memory deltas = [uint256(1), q];
            for (uint256 d = 0; d < 2; d++) {
                bytes memory bad = bytes.concat(proof);
                assembly ("memory-safe") {
                    let word := add(add(bad, 32), mul(32, k))
                    mstore(word, add(mload(word), mload(add(deltas, mul(32, d)))))
                }
                vm.expectRevert(IShieldedPool.PoolProofInvalid.selector);
                submit(bad, "yes", i);
            }
        }
        submit(proof, "yes", i);
    }

    function test_step_8_auth_verifiers_that_refuse() public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        bytes memory proof = prove(i);
        string[8] memory wishes = ["no", "", "revert", "nothing", "31 bytes", "33 bytes", "two", "write"];
        for (uint256 k = 0; k < 8; k++) {
            vm.expectRevert(abi.encodeWithSelector(IShieldedPool.AuthProofInvalid.selector, verifier));
            submit(proof, bytes(wishes[k]), i);
        }
        submit(proof, "yes", i);
    }

    function test_step_8_a_long_answer_is_not_copied() public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        bytes memory proof = prove(i);
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.AuthProofInvalid.selector, verifier));
        submit(proof, "bomb", i);
        (,, uint64 memory_,,) = vm.lastCallGas();
        vm.assertLt(memory_, 10_000_000);
    }

    /// No code, and precompiles, which answer without having code.
    function test_step_8_auth_verifiers_without_code() public {
        for (uint160 k = 1; k <= 10; k++) {
            IShieldedPool.PublicInputs memory i = transferInputs();
            i.authVerifier = k;
            refused(i, abi.encodeWithSelector(IShieldedPool.AuthProofInvalid.selector, address(k)));
        }
        IShieldedPool.PublicInputs memory j = transferInputs();
        j.authVerifier = uint160(address(0xdeadbeef));
        refused(j, abi.encodeWithSelector(IShieldedPool.AuthProofInvalid.selector, address(0xdeadbeef)));
    }

    function test_step_9_spent_nullifiers() public {
        IShieldedPool.PublicInputs memory first = transferInputs();
        submit(first);
        IShieldedPool.PublicInputs memory i = transferInputs();
        i.nullifier0 = first.nullifier1;
        refused(i, abi.encodeWithSelector(IShieldedPool.NullifierSpent.selector, first.nullifier1));
        i = transferInputs();
        i.nullifier1 = first.nullifier0;
        refused(i, abi.encodeWithSelector(IShieldedPool.NullifierSpent.selector, first.nullifier0));
    }

    function test_step_10_replays() public {
        IShieldedPool.PublicInputs memory first = transferInputs();
        submit(first);
        IShieldedPool.PublicInputs memory i = transferInputs();
        i.intentReplayId = first.intentReplayId;
        refused(i, abi.encodeWithSelector(IShieldedPool.IntentReplayed.selector, first.intentReplayId));
        refused(first, abi.encodeWithSelector(IShieldedPool.NullifierSpent.selector, first.nullifier0));
    }

    function test_step_11_note_data() public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        bytes memory proof = prove(i);
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.OutputNoteDataMismatch.selector, 0));
        pool.transact(proof, "yes", i, "x", noteData(1), noteData(2));
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.OutputNoteDataMismatch.selector, 1));
        pool.transact(proof, "yes", i, noteData(0), noteData(2), noteData(2));
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.OutputNoteDataMismatch.selector, 2));
        pool.transact(proof, "yes", i, noteData(0), noteData(1), "");
        i = transferInputs();
        i.outputNoteDataHash1 = uint256(keccak256(noteData(1))); // not reduced
        if (i.outputNoteDataHash1 >= P) {
            refused(i, abi.encodeWithSelector(IShieldedPool.PublicInputNotCanonical.selector, 14));
        }
    }

    function testFuzz_the_event_has_any_note_data(bytes calldata a, bytes calldata b, bytes calldata c) public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        i.outputNoteDataHash0 = uint256(keccak256(a)) % P;
        i.outputNoteDataHash1 = uint256(keccak256(b)) % P;
        i.outputNoteDataHash2 = uint256(keccak256(c)) % P;
        bytes memory proof = prove(i);
        vm.recordLogs();
        pool.transact(proof, "yes", i, a, b, c);
        checkTransact(i, 0, a, b, c);
    }

    function test_step_12_eth_withdrawal() public {
        deposit(5 ether);
        address to = address(0xbeef);
        submit(withdrawalInputs(address(0), to, 2 ether));
        vm.assertEq(to.balance, 2 ether);
        vm.assertEq(address(pool).balance, 3 ether);
        IShieldedPool.PublicInputs memory i = withdrawalInputs(address(0), to, 3 ether + 1);
        refused(i, abi.encodeWithSelector(IShieldedPool.EthTransferFailed.selector, to, 3 ether + 1));
        vm.assertFalse(pool.isNullifierSpent(i.nullifier0));
    }

    function test_step_12_token_withdrawal() public {
        token.mint(address(this), 100);
        pool.deposit(address(token), 100, 5, "");
        submit(withdrawalInputs(address(token), address(0xbeef), 60));
        vm.assertEq(token.balanceOf(address(0xbeef)), 60);
        vm.assertEq(token.balanceOf(address(pool)), 40);
        refused(
            withdrawalInputs(address(token), address(0xbeef), 41),
            abi.encodeWithSelector(IShieldedPool.TokenTransferFailed.selector, token)
        );
    }

    function test_step_12_branches() public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        i.publicRecipientAddress = 1;
        refused(i, abi.encodeWithSelector(IShieldedPool.TransferWithPublicFields.selector));
        i = transferInputs();
        i.publicTokenAddress = uint160(address(token));
        refused(i, abi.encodeWithSelector(IShieldedPool.TransferWithPublicFields.selector));
        i = withdrawalInputs(address(token), address(0), 1);
        refused(i, abi.encodeWithSelector(IShieldedPool.RecipientZero.selector));
    }

    function test_step_12_recipients_that_refuse_or_answer_at_length() public {
        deposit(2);
        OddRecipient no = new OddRecipient(false);
        refused(
            withdrawalInputs(address(0), address(no), 1),
            abi.encodeWithSelector(IShieldedPool.EthTransferFailed.selector, no, 1)
        );
        OddRecipient bomb = new OddRecipient(true);
        submit(withdrawalInputs(address(0), address(bomb), 1));
        vm.assertEq(address(bomb).balance, 1);
    }

    /// The pool refuses itself: it takes no plain ETH.
    function test_step_12_withdrawal_to_the_pool() public {
        deposit(2);
        refused(
            withdrawalInputs(address(0), address(pool), 1),
            abi.encodeWithSelector(IShieldedPool.EthTransferFailed.selector, pool, 1)
        );
    }

    function test_transact_takes_no_ether() public {
        IShieldedPool.PublicInputs memory i = transferInputs();
        bytes memory data =
            abi.encodeCall(pool.transact, (prove(i), bytes("yes"), i, noteData(0), noteData(1), noteData(2)));
        vm.deal(address(this), 1);
        (bool done,) = address(pool).call{value: 1}(data);
        vm.assertFalse(done);
        (done,) = address(pool).call(data);
        vm.assertTrue(done);
    }

    function test_the_pool_takes_no_plain_ether_and_ignores_what_is_forced_on_it() public {
        vm.deal(address(this), 1);
        (bool done,) = address(pool).call{value: 1}("");
        vm.assertFalse(done);
        vm.deal(address(pool), 5); // as selfdestruct or a block's reward would
        (uint256 root,) = pool.getCurrentRoots();
        vm.assertEq(root, noteRoot());
        deposit(1);
        vm.assertEq(address(pool).balance, 6);
    }

    // --- reentrancy ----------------------------------------------------------------------------------------------

    function test_reentering_from_a_token() public {
        Reenterer evil = new Reenterer();
        evil.mint(address(this), 10);
        evil.arm(address(pool), abi.encodeCall(pool.deposit, (address(evil), 1, 5, "")));
        pool.deposit(address(evil), 10, 5, "");
        reentryFailed(evil);
    }

    function test_reentering_from_a_withdrawal() public {
        deposit(10);
        Reenterer evil = new Reenterer();
        IShieldedPool.PublicInputs memory inner = withdrawalInputs(address(0), address(evil), 1);
        evil.arm(
            address(pool),
            abi.encodeCall(pool.transact, (prove(inner), bytes("yes"), inner, noteData(0), noteData(1), noteData(2)))
        );
        IShieldedPool.PublicInputs memory i = withdrawalInputs(address(0), address(evil), 1);
        submit(i);
        reentryFailed(evil);
        vm.assertFalse(pool.isNullifierSpent(inner.nullifier0));
        // Afterwards it works.
        submit(inner);
        vm.assertEq(address(evil).balance, 2);
    }

    /// Registering in between is harmless and allowed: it shares no state with what is going on.
    function test_registering_during_a_withdrawal() public {
        deposit(10);
        Reenterer wallet = new Reenterer();
        wallet.arm(address(pool), abi.encodeCall(pool.setAuthPolicy, (11, 12, 13)));
        submit(withdrawalInputs(address(0), address(wallet), 1));
        vm.assertTrue(wallet.entered());
    }

    function reentryFailed(Reenterer evil) internal view {
        vm.assertTrue(evil.tried());
        vm.assertFalse(evil.entered());
        vm.assertEq(evil.answer(), abi.encodeWithSelector(IShieldedPool.Reentered.selector));
    }

    // --- deposit -------------------------------------------------------------------------------------------------

    function test_eth_deposit() public {
        vm.deal(address(this), 3 ether);
        vm.recordLogs();
        pool.deposit{value: 3 ether}(address(0), 3 ether, 77, "hello");
        checkDeposit(address(0), 3 ether, 77, "hello");
        vm.assertEq(address(pool).balance, 3 ether);
    }

    function test_token_deposit() public {
        token.mint(address(this), 50);
        vm.recordLogs();
        pool.deposit(address(token), 50, 78, "");
        checkDeposit(address(token), 50, 78, "");
        vm.assertEq(token.balanceOf(address(pool)), 50);
    }

    function testFuzz_deposits(uint256 amount, uint256 owner, bytes calldata data) public {
        amount = bound(amount, 1, (1 << 248) - 1);
        owner = bound(owner, 1, P - 1);
        vm.deal(address(this), amount);
        vm.recordLogs();
        pool.deposit{value: amount}(address(0), amount, owner, data);
        checkDeposit(address(0), amount, owner, data);
    }

    /// The first deposit of a pool.
    function checkDeposit(address asset, uint256 amount, uint256 owner, bytes memory noteData_) internal {
        uint256[] memory body = new uint256[](4);
        (body[0], body[1], body[2], body[3]) = (NOTE_BODY_COMMITMENT_DOMAIN, owner, amount, uint160(asset));
        uint256[] memory leaves = new uint256[](1);
        leaves[0] = poseidon(NOTE_COMMITMENT_DOMAIN, SlowPoseidon2.hash(body), 0);
        vm.assertEq(noteRoot(), NaiveTree.root(poseidon2, leaves));
        uint256[3] memory topics = [uint256(uint160(address(this))), 0, 0];
        vm.assertEq(
            lastLog(IShieldedPool.ShieldedPoolDeposit.selector, topics, 1),
            abi.encode(leaves[0], 0, amount, uint160(asset), noteRoot(), noteData_)
        );
    }

    function test_deposit_ranges() public {
        vm.expectRevert(IShieldedPool.AmountZero.selector);
        pool.deposit(address(0), 0, 1, "");
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.AmountOutOfRange.selector, 1 << 248));
        pool.deposit(address(token), 1 << 248, 1, "");
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.OwnerCommitmentInvalid.selector, 0));
        pool.deposit(address(0), 1, 0, "");
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.OwnerCommitmentInvalid.selector, P));
        pool.deposit(address(0), 1, P, "");
    }

    function test_deposit_values() public {
        vm.deal(address(this), 10);
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.WrongValue.selector, 5, 4));
        pool.deposit{value: 4}(address(0), 5, 1, "");
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.WrongValue.selector, 5, 6));
        pool.deposit{value: 6}(address(0), 5, 1, "");
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.WrongValue.selector, 0, 1));
        pool.deposit{value: 1}(address(token), 1, 1, "");
    }

    function test_deposits_of_tokens_that_charge() public {
        FeeToken fee = new FeeToken();
        fee.mint(address(this), 10);
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.TokenAmountMismatch.selector, 10, 0, 9));
        pool.deposit(address(fee), 10, 1, "");
    }

    /// The EIP's rules for what transferFrom returns, and a long answer.
    function test_answers_of_transferFrom() public {
        OddToken odd = new OddToken();
        odd.mint(address(this), 1000);
        bytes[6] memory bad =
            [abi.encode(0), abi.encode(2), bytes(hex"01"), new bytes(31), abi.encode(1, 1), new bytes(100000)];
        for (uint256 k = 0; k < bad.length; k++) {
            odd.setAnswer(bad[k], false);
            vm.expectRevert(abi.encodeWithSelector(IShieldedPool.TokenTransferFailed.selector, odd));
            pool.deposit(address(odd), 10, 1, "");
        }
        odd.setAnswer(abi.encode(1), true);
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.TokenTransferFailed.selector, odd));
        pool.deposit(address(odd), 10, 1, "");
        odd.setAnswer("", false);
        pool.deposit(address(odd), 10, 1, "");
        odd.setAnswer(abi.encode(1), false);
        pool.deposit(address(odd), 10, 1, "");
        // The same for transfer.
        for (uint256 k = 0; k < bad.length; k++) {
            odd.setAnswer(bad[k], false);
            refused(
                withdrawalInputs(address(odd), address(1), 1),
                abi.encodeWithSelector(IShieldedPool.TokenTransferFailed.selector, odd)
            );
        }
        odd.setAnswer("", false);
        submit(withdrawalInputs(address(odd), address(1), 1));
    }

    function test_answers_of_balanceOf() public {
        uint256[4] memory sizes = [uint256(0), 1, 64, 100000];
        for (uint256 k = 0; k < 4; k++) {
            OddBalance odd = new OddBalance(sizes[k]);
            vm.expectRevert(abi.encodeWithSelector(IShieldedPool.TokenBalanceFailed.selector, odd));
            pool.deposit(address(odd), 10, 1, "");
        }
    }

    function test_tokens_without_code() public {
        for (uint160 k = 1; k <= 10; k++) {
            (bool done,) = address(pool).call{gas: 3_000_000}(abi.encodeCall(pool.deposit, (address(k), 1, 1, "")));
            vm.assertFalse(done);
            (done,) = address(pool).call(abi.encodeCall(pool.deposit, (address(k + 0xabcdef), 1, 1, "")));
            vm.assertFalse(done);
        }
        // Withdrawal of a token that is not there: transfer "succeeds" and returns nothing.
        refused(
            withdrawalInputs(address(0xabcdef), address(1), 1),
            abi.encodeWithSelector(IShieldedPool.TokenTransferFailed.selector, address(0xabcdef))
        );
    }

    // --- setAuthPolicy -------------------------------------------------------------------------------------------

    function leaf(address user, uint256 a, uint256 b, uint256 c, uint256 version) internal pure returns (uint256) {
        uint256[] memory x = new uint256[](strict() ? 5 : 6);
        (x[0], x[1], x[2], x[3], x[4]) = (AUTH_POLICY_DOMAIN, uint160(user), a, b, c);
        if (!strict()) x[5] = version;
        return SlowPoseidon2.hash(x);
    }

    function test_registration_and_rotation() public {
        address alice = address(0xa11ce);
        address bob = address(0xb0b);
        uint256[] memory leaves = new uint256[](3);

        vm.recordLogs();
        vm.prank(alice);
        vm.assertEq(pool.setAuthPolicy(11, 12, 13), 1);
        leaves[1] = leaf(alice, 11, 12, 13, 1);
        checkPolicySet(alice, [uint256(11), 12, 13, 1], 1, leaves);

        vm.prank(bob);
        vm.assertEq(pool.setAuthPolicy(21, 22, 0), 2);
        leaves[2] = leaf(bob, 21, 22, 0, 1);
        checkPolicySet(bob, [uint256(21), 22, 0, 2], 1, leaves);

        vm.roll(block.number + 1);
        uint256 before = policyRoot();
        vm.prank(alice);
        vm.assertEq(pool.setAuthPolicy(11, 14, 15), 1);
        leaves[1] = leaf(alice, 11, 14, 15, 2);
        checkPolicySet(alice, [uint256(11), 14, 15, 1], 2, leaves);
        vm.assertTrue(pool.isAcceptedAuthPolicyRoot(before));

        // Same values: permitted, recorded, emitted. In Tacit's form the version still rises.
        vm.prank(alice);
        pool.setAuthPolicy(11, 14, 15);
        leaves[1] = leaf(alice, 11, 14, 15, 3);
        checkPolicySet(alice, [uint256(11), 14, 15, 1], 3, leaves);
    }

    function checkPolicySet(address user, uint256[4] memory fields, uint256 version, uint256[] memory leaves)
        internal
        virtual;

    function test_registration_reserved_and_not_canonical() public {
        uint256[2] memory bad = [0, P];
        for (uint256 k = 0; k < 2; k++) {
            vm.expectRevert(abi.encodeWithSelector(IShieldedPool.AuthPolicyFieldInvalid.selector, bad[k]));
            pool.setAuthPolicy(bad[k], 1, 1);
            vm.expectRevert(abi.encodeWithSelector(IShieldedPool.AuthPolicyFieldInvalid.selector, bad[k]));
            pool.setAuthPolicy(1, bad[k], 1);
        }
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.AuthPolicyFieldInvalid.selector, P));
        pool.setAuthPolicy(1, 1, P);
        vm.expectRevert(IShieldedPool.OwnerNullifierKeyHashReserved.selector);
        pool.setAuthPolicy(DUMMY_OWNER_NULLIFIER_KEY_HASH, 1, 1);
        pool.setAuthPolicy(P - 1, P - 1, P - 1);
    }

    function test_an_owner_nullifier_key_hash_is_permanent_and_unique() public {
        pool.setAuthPolicy(11, 12, 13);
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.OwnerNullifierKeyHashChanged.selector, 11));
        pool.setAuthPolicy(99, 12, 13);
        vm.prank(address(1));
        vm.expectRevert(abi.encodeWithSelector(IShieldedPool.OwnerNullifierKeyHashTaken.selector, this));
        pool.setAuthPolicy(11, 12, 13);
    }

    // --- where counters end --------------------------------------------------------------------------------------

    // Places in storage; the tests see by what follows that they are these.
    bytes32 private constant NOTE_COUNTERS = bytes32(uint256(1)); // nextLeafIndex, insertions << 64
    bytes32 private constant REGISTRY_COUNTERS = bytes32(uint256(36)); // nextLeafPosition, lastChange << 64
    uint256 internal constant ENTRIES = 41;

    function test_the_note_tree_is_full() public {
        vm.store(address(pool), NOTE_COUNTERS, bytes32(uint256(type(uint32).max - 1))); // room for two
        refused(transferInputs(), abi.encodeWithSelector(NoteTree.NoteTreeFull.selector, type(uint32).max - 1));
        deposit(1);
        deposit(1);
        vm.deal(address(this), 1);
        vm.expectRevert(abi.encodeWithSelector(NoteTree.NoteTreeFull.selector, 1 << 32));
        pool.deposit{value: 1}(address(0), 1, 1, "");
    }

    function test_the_registry_is_full() public {
        pool.setAuthPolicy(11, 12, 13);
        vm.store(address(pool), REGISTRY_COUNTERS, bytes32(uint256(type(uint32).max)));
        vm.prank(address(1));
        vm.assertEq(pool.setAuthPolicy(21, 22, 23), type(uint32).max);
        vm.prank(address(2));
        vm.expectRevert(AuthRegistry.AuthRegistryFull.selector);
        pool.setAuthPolicy(31, 32, 33);
        // Who is in can still change policies.
        vm.assertEq(pool.setAuthPolicy(11, 12, 14), 1);
    }

    // --- tools ---------------------------------------------------------------------------------------------------

    /// The last log since recordLogs, with these topics; gives its data.
    function lastLog(bytes32 selector, uint256[3] memory topics, uint256 count) internal returns (bytes memory) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        Vm.Log memory log = logs[logs.length - 1];
        vm.assertEq(log.emitter, address(pool));
        vm.assertEq(log.topics.length, count + 1);
        vm.assertEq(log.topics[0], selector);
        for (uint256 k = 0; k < count; k++) {
            vm.assertEq(uint256(log.topics[k + 1]), topics[k]);
        }
        return log.data;
    }

    function change(IShieldedPool.PublicInputs memory i, uint256 field, uint256 by) internal pure {
        assembly ("memory-safe") {
            let word := add(i, mul(32, field))
            mstore(word, add(mload(word), by))
        }
    }

    function push(uint256[] memory xs, uint256 x) internal pure returns (uint256[] memory out) {
        out = new uint256[](xs.length + 1);
        for (uint256 k = 0; k < xs.length; k++) {
            out[k] = xs[k];
        }
        out[xs.length] = x;
    }
}

contract ShieldedPoolTest is PoolTest {
    function strict() internal pure override returns (bool) {
        return false;
    }

    function checkPolicySet(address user, uint256[4] memory fields, uint256 version, uint256[] memory leaves)
        internal
        override
    {
        vm.assertEq(policyRoot(), NaiveTree.root(poseidon2, leaves));
        bytes memory data = lastLog(ShieldedPool.AuthPolicySet.selector, [uint256(uint160(user)), 0, 0], 1);
        vm.assertEq(
            data, abi.encode(fields[0], fields[1], fields[2], fields[3], leaves[fields[3]], policyRoot(), version)
        );
        (bool registered, ShieldedPool.UserEntry memory entry) = ShieldedPool(address(pool)).getAuthPolicyEntry(user);
        vm.assertTrue(registered);
        vm.assertEq(abi.encode(entry), abi.encode(fields[3], fields[0], fields[1], fields[2], version));
        (registered, entry) = ShieldedPool(address(pool)).getAuthPolicyEntry(address(0x1234));
        vm.assertFalse(registered);
        vm.assertEq(abi.encode(entry), new bytes(160));
        vm.recordLogs();
    }

    function test_policy_versions_end() public {
        pool.setAuthPolicy(11, 12, 13);
        bytes32 slot = keccak256(abi.encode(this, ENTRIES)); // leafPosition, policyVersion << 32
        vm.assertEq(uint256(vm.load(address(pool), slot)), 1 << 32 | 1);
        vm.store(address(pool), slot, bytes32((uint256(type(uint32).max) - 1) << 32 | 1));
        pool.setAuthPolicy(11, 12, 13);
        vm.expectRevert(IShieldedPool.PolicyVersionExhausted.selector);
        pool.setAuthPolicy(11, 12, 13);
    }

    /// The twentieth public input: a proof for one pool is none for another.
    function test_a_proof_is_for_one_pool() public {
        ShieldedPool other = new ShieldedPool(TestKey.make(20));
        IShieldedPool.PublicInputs memory i = transferInputs();
        bytes memory proof = prove(i);
        vm.expectRevert(IShieldedPool.PoolProofInvalid.selector);
        other.transact(proof, "yes", i, noteData(0), noteData(1), noteData(2));
        submit(proof, "yes", i);
    }
}

contract Eip8182ShieldedPoolTest is PoolTest {
    function strict() internal pure override returns (bool) {
        return true;
    }

    function checkPolicySet(address user, uint256[4] memory fields, uint256, uint256[] memory leaves)
        internal
        override
    {
        vm.assertEq(policyRoot(), NaiveTree.root(poseidon2, leaves));
        bytes memory data = lastLog(Eip8182ShieldedPool.AuthPolicySet.selector, [uint256(uint160(user)), 0, 0], 1);
        vm.assertEq(data, abi.encode(fields[0], fields[1], fields[2], fields[3], leaves[fields[3]], policyRoot()));
        Eip8182ShieldedPool eip = Eip8182ShieldedPool(address(pool));
        (bool registered, Eip8182ShieldedPool.UserEntry memory entry) = eip.getAuthPolicyEntry(user);
        vm.assertTrue(registered);
        vm.assertEq(abi.encode(entry), abi.encode(fields[3], fields[0], fields[1], fields[2]));
        (registered, entry) = eip.getAuthPolicyEntry(address(0x1234));
        vm.assertFalse(registered);
        vm.assertEq(abi.encode(entry), new bytes(128));
        vm.recordLogs();
    }

    /// Section 5.3's signatures, as the EIP writes them.
    function test_the_eips_interface() public pure {
        string memory inputs =
            "(uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256,uint256)";
        selector(IShieldedPool.transact.selector, string.concat("transact(bytes,bytes,", inputs, ",bytes,bytes,bytes)"));
        selector(IShieldedPool.deposit.selector, "deposit(address,uint256,uint256,bytes)");
        selector(IShieldedPool.setAuthPolicy.selector, "setAuthPolicy(uint256,uint256,uint256)");
        selector(IShieldedPool.getCurrentRoots.selector, "getCurrentRoots()");
        selector(IShieldedPool.isAcceptedNoteCommitmentRoot.selector, "isAcceptedNoteCommitmentRoot(uint256)");
        selector(IShieldedPool.isAcceptedAuthPolicyRoot.selector, "isAcceptedAuthPolicyRoot(uint256)");
        selector(IShieldedPool.isNullifierSpent.selector, "isNullifierSpent(uint256)");
        selector(IShieldedPool.isIntentReplayIdUsed.selector, "isIntentReplayIdUsed(uint256)");
        selector(Eip8182ShieldedPool.getAuthPolicyEntry.selector, "getAuthPolicyEntry(address)");
        vm.assertEq(
            Eip8182ShieldedPool.AuthPolicySet.selector,
            keccak256("AuthPolicySet(address,uint256,uint256,uint256,uint256,uint256,uint256)")
        );
        vm.assertEq(
            IShieldedPool.ShieldedPoolDeposit.selector,
            keccak256("ShieldedPoolDeposit(address,uint256,uint256,uint256,uint256,uint256,bytes)")
        );
        vm.assertEq(
            IShieldedPool.ShieldedPoolTransact.selector,
            keccak256(
                "ShieldedPoolTransact(uint256,uint256,uint256,address,uint256,uint256,uint256,uint256,uint256,bytes,bytes,bytes)"
            )
        );
    }

    function selector(bytes4 got, string memory signature) private pure {
        vm.assertEq(bytes32(got), bytes32(bytes4(keccak256(bytes(signature)))));
    }
}
