//! From wire values to the quotient.
//!
//! circom's Groth16 evaluates `A w`, `B w` and their product over the domain, moves all three to the odd coset, and
//! takes `a b - c` there: the quotient's bases in the key already carry the division by the vanishing polynomial
//! (which is the constant -2 on that coset).
//!
//! Every step but one is linear, and that one is a product: on degree-`t` shares of the wires the result is a
//! degree-`2t` sharing of the quotient. This is why one function serves the local prover and a node.

use tacit_algebra::{Domain, Groups};
use zeroize::Zeroize;

use crate::key::ProvingKey;

/// The quotient over the odd coset, one value for each point of the domain, from all wires' values (or shares;
/// public wires then have their plain value, which is its own degree-0 sharing).
pub fn quotient<G: Groups>(
    key: &ProvingKey<G>,
    domain: &Domain<G::Scalar>,
    wires: &[G::Scalar],
) -> Vec<G::Scalar> {
    let rows = domain.size();
    let (mut a, mut b) = rayon::join(|| key.a.mul(wires, rows), || key.b.mul(wires, rows));
    let mut c: Vec<_> = a.iter().zip(&b).map(|(a, b)| *a * b).collect();
    let coset = domain.odd_coset();
    rayon::join(
        || coset.move_in_place(&mut a),
        || rayon::join(|| coset.move_in_place(&mut b), || coset.move_in_place(&mut c)),
    );
    coset.product_minus(&mut a, &b, &c);
    b.zeroize();
    c.zeroize();
    a
}
