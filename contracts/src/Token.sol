// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IShieldedPool} from "./IShieldedPool.sol";

interface IERC20 {
    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// @title ERC-20 calls as EIP-8182 section 5.4.1 has them
/// @dev At most one word of what a token returns is copied, whatever its length.
library Token {
    /// @notice Takes exactly `amount` from `from` (section 5.4.2 step 2).
    function receiveFrom(address token, address from, uint256 amount) internal {
        uint256 beforehand = balance(token);
        succeed(token, abi.encodeCall(IERC20.transferFrom, (from, address(this), amount)));
        uint256 afterwards = balance(token);
        if (afterwards < beforehand || afterwards - beforehand != amount) {
            revert IShieldedPool.TokenAmountMismatch(amount, beforehand, afterwards);
        }
    }

    /// @notice Gives `amount` to `to`.
    function send(address token, address to, uint256 amount) internal {
        succeed(token, abi.encodeCall(IERC20.transfer, (to, amount)));
    }

    /// Must not revert, and must return exactly 32 bytes.
    function balance(address token) private view returns (uint256 held) {
        bytes memory data = abi.encodeCall(IERC20.balanceOf, (address(this)));
        bool good;
        assembly ("memory-safe") {
            good := staticcall(gas(), token, add(data, 32), mload(data), 0, 32)
            good := and(good, eq(returndatasize(), 32))
            held := mload(0)
        }
        if (!good) revert IShieldedPool.TokenBalanceFailed(token);
    }

    /// Must not revert, and must return nothing from an account with code, or 32 bytes that decode to true.
    function succeed(address token, bytes memory data) private {
        bool good;
        assembly ("memory-safe") {
            good := call(gas(), token, 0, add(data, 32), mload(data), 0, 32)
            switch returndatasize()
            case 0 { good := and(good, gt(extcodesize(token), 0)) }
            case 32 { good := and(good, eq(mload(0), 1)) }
            default { good := 0 }
        }
        if (!good) revert IShieldedPool.TokenTransferFailed(token);
    }
}
