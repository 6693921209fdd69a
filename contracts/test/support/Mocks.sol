// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAuthVerifier} from "../../src/IAuthVerifier.sol";

/// Accepts the proof "yes" and misbehaves on request.
contract MockAuthVerifier is IAuthVerifier {
    function verifyAuth(bytes calldata publicInputs, bytes calldata proof) external returns (bool) {
        require(publicInputs.length == 64, "public inputs");
        bytes32 wish = keccak256(proof);
        if (wish == keccak256("revert")) revert("no");
        if (wish == keccak256("nothing")) give(0, 0);
        if (wish == keccak256("31 bytes")) give(31, 1 << 8);
        if (wish == keccak256("33 bytes")) give(33, 1);
        if (wish == keccak256("two")) give(32, 2);
        if (wish == keccak256("bomb")) give(1 << 20, 1);
        if (wish == keccak256("write")) {
            assembly {
                tstore(0, 1)
            }
        }
        return wish == keccak256("yes");
    }

    function give(uint256 size, uint256 value) private pure {
        assembly {
            let p := mload(0x40)
            mstore(p, value)
            return(p, size)
        }
    }
}

/// A plain token.
contract MockToken {
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external virtual returns (bool) {
        move(msg.sender, to, amount, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external virtual returns (bool) {
        move(from, to, amount, amount);
        return true;
    }

    function move(address from, address to, uint256 taken, uint256 given) internal {
        balanceOf[from] -= taken;
        balanceOf[to] += given;
    }
}

/// Gives less than it takes.
contract FeeToken is MockToken {
    function transferFrom(address from, address to, uint256 amount) external override returns (bool) {
        move(from, to, amount, amount - 1);
        return true;
    }
}

/// Moves what it should and returns, for transfer and transferFrom, what it is told.
contract OddToken is MockToken {
    bytes public answer;
    bool public reverts;

    function setAnswer(bytes calldata value, bool revert_) external {
        answer = value;
        reverts = revert_;
    }

    function transfer(address to, uint256 amount) external override returns (bool) {
        move(msg.sender, to, amount, amount);
        give();
    }

    function transferFrom(address from, address to, uint256 amount) external override returns (bool) {
        move(from, to, amount, amount);
        give();
    }

    function give() private view {
        bytes memory data = answer;
        bool fail = reverts;
        assembly {
            if fail { revert(add(data, 32), mload(data)) }
            return(add(data, 32), mload(data))
        }
    }
}

/// Its balanceOf answers with this many bytes, or reverts.
contract OddBalance {
    uint256 public size;

    constructor(uint256 size_) {
        size = size_;
    }

    function balanceOf(address) external view {
        uint256 n = size;
        assembly {
            if eq(n, 1) { revert(0, 0) }
            return(0, n)
        }
    }

    function transferFrom(address, address, uint256) external pure returns (bool) {
        return true;
    }
}

/// Calls the pool with given calldata whenever it is called or paid, and remembers how that ended.
contract Reenterer is MockToken {
    address public pool;
    bytes public data;
    bool public tried;
    bool public entered;
    bytes public answer;

    function arm(address pool_, bytes calldata data_) external {
        (pool, data) = (pool_, data_);
    }

    function attack() private {
        if (tried || data.length == 0) return;
        tried = true;
        (entered, answer) = pool.call(data);
    }

    function transfer(address to, uint256 amount) external override returns (bool) {
        attack();
        move(msg.sender, to, amount, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external override returns (bool) {
        attack();
        move(from, to, amount, amount);
        return true;
    }

    receive() external payable {
        attack();
    }
}

/// Refuses ETH, or answers with a lot.
contract OddRecipient {
    bool public immutable BOMB;

    constructor(bool bomb) {
        BOMB = bomb;
    }

    receive() external payable {
        bool bomb = BOMB;
        assembly {
            if bomb { return(0, 1000000) }
            revert(0, 1000000)
        }
    }
}
