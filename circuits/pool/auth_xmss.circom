pragma circom 2.2.0;

include "xmss.circom";

// Tacit's form.
component main = AuthXmss(1, 10);
