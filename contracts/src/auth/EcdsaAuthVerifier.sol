// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AUTH_DATA_ECDSA_DOMAIN, BLINDED_AUTH_COMMITMENT_DOMAIN} from "../Domains.sol";
import {IAuthVerifier} from "../IAuthVerifier.sol";
import {P, Poseidon2} from "../Poseidon2.sol";

/// @title Authorisation by an Ethereum key's signature: docs/src/pool.md, "ECDSA"
/// @notice For wallets that have nothing but a secp256k1 key. Costs no auth proof and reveals the signer.
/// @dev authDataCommitment = poseidon(AUTH_DATA_ECDSA_DOMAIN, uint160(signer)). The signature is over EIP-712 data, whose
/// domain binds the chain and this contract.
contract EcdsaAuthVerifier is IAuthVerifier {
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME = keccak256("Tacit shielded pool");
    bytes32 private constant VERSION = keccak256("1");
    bytes32 private constant AUTHORIZATION_TYPE =
        keccak256("Authorization(uint256 transactionIntentDigest,uint256 blindingFactor)");

    // Half of secp256k1's order: of s and order - s only the lower one is taken.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    address private immutable POSEIDON2;

    constructor() {
        POSEIDON2 = Poseidon2.deploy();
    }

    /// @inheritdoc IAuthVerifier
    /// @param proof abi.encode(uint256 blindingFactor, uint256 r, uint256 s, uint256 v), 128 bytes; v is 27 or 28.
    function verifyAuth(bytes calldata publicInputs, bytes calldata proof) external view returns (bool) {
        if (publicInputs.length != 64 || proof.length != 128) return false;
        (uint256 blindedAuthCommitment, uint256 digest) = abi.decode(publicInputs, (uint256, uint256));
        (uint256 blindingFactor, uint256 r, uint256 s, uint256 v) =
            abi.decode(proof, (uint256, uint256, uint256, uint256));
        if (digest >= P || blindingFactor >= P || s > HALF_ORDER || (v != 27 && v != 28)) return false;

        // forge-lint: disable-next-line(unsafe-typecast)
        address signer = ecrecover(authorizationHash(digest, blindingFactor), uint8(v), bytes32(r), bytes32(s));
        if (signer == address(0)) return false;
        uint256 authDataCommitment = Poseidon2.hash2(POSEIDON2, AUTH_DATA_ECDSA_DOMAIN, uint160(signer));
        return blindedAuthCommitment
            == Poseidon2.hash3(POSEIDON2, BLINDED_AUTH_COMMITMENT_DOMAIN, authDataCommitment, blindingFactor);
    }

    /// @notice What the wallet signs: the EIP-712 hash of Authorization(transactionIntentDigest, blindingFactor).
    function authorizationHash(uint256 transactionIntentDigest, uint256 blindingFactor) public view returns (bytes32) {
        bytes32 domain = keccak256(abi.encode(DOMAIN_TYPE, NAME, VERSION, block.chainid, address(this)));
        bytes32 message = keccak256(abi.encode(AUTHORIZATION_TYPE, transactionIntentDigest, blindingFactor));
        return keccak256(abi.encodePacked(hex"1901", domain, message));
    }
}
