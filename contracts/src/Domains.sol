// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

// Domain tags, uint256(keccak256(context)) mod P; test/Domains.t.sol computes them.

// EIP-8182 section 3.1, the context after "eip-8182.":
// note_body_commitment
uint256 constant NOTE_BODY_COMMITMENT_DOMAIN = 0x18fe5d3a340e273bf669641ea1b02a6e06ee26a7f2faab34ca32cabafd76f835;
// note_commitment
uint256 constant NOTE_COMMITMENT_DOMAIN = 0x2840292ccf56a25bdbc9899cc5a0150a2bb92a4d08d404dfc40fc4af2d76f482;
// auth_policy
uint256 constant AUTH_POLICY_DOMAIN = 0x10889234306ea7fe15a4c741a161607dc68946d1bcdaeff145a702b7ccc324f0;
// blinded_auth_commitment
uint256 constant BLINDED_AUTH_COMMITMENT_DOMAIN = 0x01ac1b6e68a2cf201a1b3f42b84534157b3f9478f09da56544edf188313af7ea;
// owner_nullifier_key_hash
uint256 constant OWNER_NULLIFIER_KEY_HASH_DOMAIN = 0x2b72bae19689b25ae2f37d40775684feaabf05abd7511431c627043c3fb7910a;

// Tacit's own (docs/src/pool.md), the context after "tacit.":
// auth_data_ecdsa
uint256 constant AUTH_DATA_ECDSA_DOMAIN = 0x3053d8576218358f2f4e5b375e824062781102ca96b190a595b83ec1814922e3;

// DUMMY_OWNER_NULLIFIER_KEY_HASH of EIP-8182 section 3.2: poseidon(OWNER_NULLIFIER_KEY_HASH_DOMAIN, 0xdead).
uint256 constant DUMMY_OWNER_NULLIFIER_KEY_HASH = 0x1acae1a924566aa6d5a4654ee23aa55eb48390b2b67e763466f7baba92ce3b98;
