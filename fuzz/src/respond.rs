//! A node's whole path from foreign bytes to an answer: header, package, response. Nothing panics, and what a node
//! computes decodes.

use std::sync::LazyLock;

use tacit_algebra::{Bn254, Check};
use tacit_circom::Zkey;
use tacit_delegate::{DealHeader, Layout, Package, Response, respond};
use tacit_groth16::ProvingKey;

static KEY: LazyLock<ProvingKey<Bn254>> = LazyLock::new(|| {
    let zkey = include_bytes!("../../crates/circom/tests/fixtures/bn128/final.zkey");
    ProvingKey::from_zkey(Zkey::read(zkey, Check::Full).expect("a zkey")).expect("a key")
});

/// The target.
pub fn run(data: &[u8]) {
    // Length of the header, header, package.
    let Some((len, rest)) = data.split_first_chunk() else { return };
    let Some((header, package)) = rest.split_at_checked(u16::from_le_bytes(*len).into()) else { return };
    let Ok(mut header) = DealHeader::decode(header) else { return };
    let Ok(mut package) =
        Package::decode(package, &Layout::of(&*KEY, header.terms.dials.handover()), header.terms.dials)
    else {
        return;
    };
    // What the fuzzer cannot guess.
    header.terms.circuit = KEY.circuit_id;
    package.deal = header.deal_id();
    match respond(&*KEY, &header, &package) {
        Ok(response) => assert_eq!(Response::decode(&response.encode()), Ok(response)),
        Err(error) => drop((error.to_string(), error.culprits())),
    }
}
