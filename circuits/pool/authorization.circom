pragma circom 2.2.0;

include "../lib/domains.circom";
include "../lib/poseidon2.circom";

// What is signed, whatever the method: docs/src/pool.md, "Authorisation".
//
//     message = poseidon(AUTH_MESSAGE_DOMAIN, transactionIntentDigest, blindingFactor)
template AuthMessage() {
    signal input transactionIntentDigest;
    signal input blindingFactor;
    signal output out;

    out <== Poseidon2(3)([domain_tacit_auth_message(), transactionIntentDigest, blindingFactor]);
}
