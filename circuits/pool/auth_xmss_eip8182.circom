pragma circom 2.2.0;

include "xmss.circom";

// EIP-8182's form.
component main = AuthXmss(0, 10);
