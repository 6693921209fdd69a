pragma circom 2.2.0;

include "../lib/poseidon2.circom";
include "../lib/domains.circom";

// The registry of authorisation policies: EIP-8182 section 6.1.

// policyCommitment = poseidon(POLICY_COMMITMENT_DOMAIN, authVerifier, authDataCommitment, registrationBlinder)
template PolicyCommitment() {
    signal input authVerifier;
    signal input authDataCommitment;
    signal input registrationBlinder;
    signal output out;

    out <== Poseidon2(4)([domain_policy_commitment(), authVerifier, authDataCommitment, registrationBlinder]);
}

// The registry's leaf; BIND = 1 has the policy's version as its last input:
//
//     leaf = poseidon(AUTH_POLICY_DOMAIN, user, ownerNullifierKeyHash, noteSecretSeedHash, policySetCommitment
//                     [, policyVersion])
template AuthPolicyLeaf(BIND) {
    signal input user;
    signal input ownerNullifierKeyHash;
    signal input noteSecretSeedHash;
    signal input policySetCommitment;
    signal output out;

    component hash = Poseidon2(5 + BIND);
    hash.in[0] <== domain_auth_policy();
    hash.in[1] <== user;
    hash.in[2] <== ownerNullifierKeyHash;
    hash.in[3] <== noteSecretSeedHash;
    hash.in[4] <== policySetCommitment;
    if (BIND == 1) {
        signal input policyVersion;
        hash.in[5] <== policyVersion;
    }
    out <== hash.out;
}

// blindedAuthCommitment = poseidon(BLINDED_AUTH_COMMITMENT_DOMAIN, authDataCommitment, blindingFactor)
template BlindedAuthCommitment() {
    signal input authDataCommitment;
    signal input blindingFactor;
    signal output out;

    out <== Poseidon2(3)([domain_blinded_auth_commitment(), authDataCommitment, blindingFactor]);
}
