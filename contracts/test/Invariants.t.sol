// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AUTH_POLICY_DOMAIN, NOTE_BODY_COMMITMENT_DOMAIN, NOTE_COMMITMENT_DOMAIN} from "../src/Domains.sol";
import {IShieldedPool} from "../src/IShieldedPool.sol";
import {P, Poseidon2} from "../src/Poseidon2.sol";
import {NaiveTree} from "./support/NaiveTree.sol";
import {PoolFixture} from "./support/PoolFixture.sol";
import {vm} from "./support/Test.sol";

/// A pool under random sequences of calls, beside a model of it that is as plain as the EIP's text: leaves in a list, roots in
/// ring buffers that are searched from end to end, money as sums.
abstract contract Handler is PoolFixture {
    uint256[] private leaves;
    uint256[] private policies; // by position
    mapping(address => uint256) private positionOf;
    mapping(address => uint256) private versionOf;

    // Money.
    uint256 private ethHeld;
    uint256 private tokenHeld;

    // What was spent, and everything seen so far that a hostile prover could try again.
    IShieldedPool.PublicInputs[] private done;
    mapping(uint256 => uint256) private timesSpent;
    mapping(uint256 => uint256) private timesReplayed;

    // The EIP's ring buffers.
    uint256[500] private noteRing;
    uint256 private pushes;
    uint256[65] private policyRing;
    uint256[65] private policyRingBlock;
    uint256[] private seenNoteRoots;
    uint256[] private seenPolicyRoots;

    uint256 private blockNow;
    uint256 private timeNow;

    constructor() {
        setUp();
        policies.push(0);
        (blockNow, timeNow) = (block.number, block.timestamp);
        see();
    }

    function see() private {
        (uint256 note, uint256 policy) = pool.getCurrentRoots();
        seenNoteRoots.push(note);
        seenPolicyRoots.push(policy);
    }

    /// What forge does not keep between calls.
    modifier step() {
        vm.roll(blockNow);
        vm.warp(timeNow);
        _;
        see();
    }

    function pushNoteRoot() private {
        noteRing[pushes++ % 500] = noteRoot();
    }

    // --- calls ---------------------------------------------------------------------------------------------------

    function time(uint256 blocks) external step {
        blockNow += blocks % 4 == 0 ? blocks / 4 % 40 : blocks % 4 - 1;
        timeNow += 12;
    }

    function depositEth(uint256 amount, uint256 owner) external step {
        amount = bound(amount, 1, 1 << 90);
        pushNoteRoot();
        vm.deal(address(this), amount);
        pool.deposit{value: amount}(address(0), amount, owner % (P - 1) + 1, "e");
        ethHeld += amount;
        addDeposit(0, amount, owner);
    }

    function depositToken(uint256 amount, uint256 owner) external step {
        amount = bound(amount, 1, 1 << 90);
        pushNoteRoot();
        token.mint(address(this), amount);
        pool.deposit(address(token), amount, owner % (P - 1) + 1, "");
        tokenHeld += amount;
        addDeposit(uint160(address(token)), amount, owner);
    }

    function addDeposit(uint256 asset, uint256 amount, uint256 owner) private {
        uint256 body = Poseidon2.hash4(poseidon2, NOTE_BODY_COMMITMENT_DOMAIN, owner % (P - 1) + 1, amount, asset);
        leaves.push(Poseidon2.hash3(poseidon2, NOTE_COMMITMENT_DOMAIN, body, leaves.length));
    }

    function transfer() external step {
        spend(transferInputs());
    }

    function withdraw(uint256 amount, bool ether_) external step {
        uint256 held = ether_ ? ethHeld : tokenHeld;
        if (held == 0) return;
        amount = bound(amount, 1, held);
        address asset = ether_ ? address(0) : address(token);
        address to = address(uint160(0xfeed0000 + done.length));
        spend(withdrawalInputs(asset, to, amount));
        if (ether_) ethHeld -= amount;
        else tokenHeld -= amount;
    }

    function spend(IShieldedPool.PublicInputs memory i) private {
        pushNoteRoot();
        submit(i);
        remember(i);
    }

    function remember(IShieldedPool.PublicInputs memory i) private {
        leaves.push(Poseidon2.hash3(poseidon2, NOTE_COMMITMENT_DOMAIN, i.noteBodyCommitment0, leaves.length));
        leaves.push(Poseidon2.hash3(poseidon2, NOTE_COMMITMENT_DOMAIN, i.noteBodyCommitment1, leaves.length));
        leaves.push(Poseidon2.hash3(poseidon2, NOTE_COMMITMENT_DOMAIN, i.noteBodyCommitment2, leaves.length));
        timesSpent[i.nullifier0]++;
        timesSpent[i.nullifier1]++;
        timesReplayed[i.intentReplayId]++;
        done.push(i);
    }

    /// With a nullifier, replay id or everything of an earlier transaction. Counted if it goes through.
    function cheat(uint256 seed) external step {
        if (done.length == 0) return;
        IShieldedPool.PublicInputs memory old = done[seed % done.length];
        IShieldedPool.PublicInputs memory i = transferInputs();
        uint256 kind = seed >> 128 & 7;
        if (kind == 0) i.nullifier0 = old.nullifier0;
        else if (kind == 1) i.nullifier0 = old.nullifier1;
        else if (kind == 2) i.nullifier1 = old.nullifier0;
        else if (kind == 3) i.nullifier1 = i.nullifier0;
        else if (kind == 4) i.intentReplayId = old.intentReplayId;
        else if (kind == 5) i = old;
        else if (kind == 6) i.nullifier0 = old.nullifier0 + P;
        else i.intentReplayId = old.intentReplayId + P;
        bytes memory data =
            abi.encodeCall(pool.transact, (prove(i), bytes("yes"), i, noteData(0), noteData(1), noteData(2)));
        pushNoteRoot();
        (bool accepted,) = address(pool).call{gas: 3_000_000}(data);
        if (accepted) remember(i);
        else pushes--;
    }

    /// A proof for another transaction, or a wrong one. The pool must refuse.
    function forge(uint256 seed) external step {
        IShieldedPool.PublicInputs memory i = transferInputs();
        bytes memory proof = prove(i);
        if (seed & 1 == 0) i.noteBodyCommitment0 ^= 1;
        else proof[seed % 256] ^= 0x01;
        bytes memory data =
            abi.encodeCall(pool.transact, (proof, bytes("yes"), i, noteData(0), noteData(1), noteData(2)));
        (bool accepted,) = address(pool).call{gas: 3_000_000}(data);
        vm.assertFalse(accepted);
    }

    function register(uint256 who, uint256 seed, uint256 policy) external step {
        address user = address(uint160(0xc0de0000 + who % 6));
        (seed, policy) = (seed % (P - 1) + 1, policy % P);
        uint256 slot = block.number % 65;
        if (policyRingBlock[slot] != block.number) {
            (policyRing[slot], policyRingBlock[slot]) = (policyRoot(), block.number);
        }
        vm.prank(user);
        uint256 position = pool.setAuthPolicy(uint160(user), seed, policy);
        if (positionOf[user] == 0) {
            positionOf[user] = policies.length;
            policies.push(0);
        }
        vm.assertEq(position, positionOf[user]);
        uint256 version = ++versionOf[user];
        uint256[6] memory leaf = [AUTH_POLICY_DOMAIN, uint160(user), uint160(user), seed, policy, version];
        policies[position] = Poseidon2.hash(poseidon2, leaf, strict() ? 5 : 6);
    }

    // --- what must hold ----------------------------------------------------------------------------------------------

    function check() external {
        vm.roll(blockNow);
        vm.warp(timeNow);
        // Value is conserved: what came in and did not go out is there, of each asset.
        vm.assertEq(address(pool).balance, ethHeld);
        vm.assertEq(token.balanceOf(address(pool)), tokenHeld);
        // Nothing was spent or executed twice, and the pool remembers all of it.
        for (uint256 k = 0; k < done.length; k++) {
            vm.assertEq(timesSpent[done[k].nullifier0], 1);
            vm.assertEq(timesSpent[done[k].nullifier1], 1);
            vm.assertEq(timesReplayed[done[k].intentReplayId], 1);
            vm.assertTrue(pool.isNullifierSpent(done[k].nullifier0));
            vm.assertTrue(pool.isNullifierSpent(done[k].nullifier1));
            vm.assertTrue(pool.isIntentReplayIdUsed(done[k].intentReplayId));
        }
        // The roots are those of the leaves.
        vm.assertEq(noteRoot(), NaiveTree.root(poseidon2, leaves));
        vm.assertEq(policyRoot(), NaiveTree.root(poseidon2, policies));
        // The windows are the rings'.
        for (uint256 k = 0; k < seenNoteRoots.length; k++) {
            vm.assertEq(pool.isAcceptedNoteCommitmentRoot(seenNoteRoots[k]), noteRingAccepts(seenNoteRoots[k]));
            vm.assertEq(pool.isAcceptedAuthPolicyRoot(seenPolicyRoots[k]), policyRingAccepts(seenPolicyRoots[k]));
        }
    }

    function noteRingAccepts(uint256 root) private view returns (bool) {
        for (uint256 k = 0; k < pushes && k < 500; k++) {
            if (noteRing[k] == root) return true;
        }
        return root == noteRoot();
    }

    function policyRingAccepts(uint256 root) private view returns (bool) {
        for (uint256 k = 0; k < 65; k++) {
            if (policyRingBlock[k] != 0 && policyRing[k] == root && block.number - policyRingBlock[k] <= 64) {
                return true;
            }
        }
        return root == policyRoot();
    }
}

contract ShieldedPoolHandler is Handler {
    function strict() internal pure override returns (bool) {
        return false;
    }
}

contract Eip8182ShieldedPoolHandler is Handler {
    function strict() internal pure override returns (bool) {
        return true;
    }
}

abstract contract Invariants {
    bool public constant IS_TEST = true;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Handler internal handler;

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// Only the calls, not the invariant itself nor what the fixture has.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](8);
        selectors[0] = Handler.time.selector;
        selectors[1] = Handler.depositEth.selector;
        selectors[2] = Handler.depositToken.selector;
        selectors[3] = Handler.transfer.selector;
        selectors[4] = Handler.withdraw.selector;
        selectors[5] = Handler.cheat.selector;
        selectors[6] = Handler.forge.selector;
        selectors[7] = Handler.register.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function invariant_the_pool_is_its_model() external {
        handler.check();
    }
}

contract ShieldedPoolInvariants is Invariants {
    function setUp() external {
        handler = new ShieldedPoolHandler();
    }
}

contract Eip8182ShieldedPoolInvariants is Invariants {
    function setUp() external {
        handler = new Eip8182ShieldedPoolHandler();
    }
}
