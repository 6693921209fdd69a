//! The hash against EIP-8182's vectors, and its domain tags.

use tacit_algebra::field;
use tacit_pool::hash::{Domain, keccak_mod_p, poseidon, tagged};

use crate::common::*;

fn field_of(hex_text: &serde_json::Value) -> tacit_pool::Fr {
    let bytes = hex::decode(hex_text.as_str().unwrap().strip_prefix("0x").unwrap()).unwrap();
    field::read_be(&bytes).unwrap()
}

#[test]
fn the_hash_is_that_of_the_eips_vectors() {
    let text = std::fs::read(workspace("tests/vectors/eip8182-poseidon2.json")).unwrap();
    let vectors: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let vectors = vectors["poseidonVectors"].as_array().unwrap();
    assert!(vectors.len() >= 9, "{}", vectors.len());
    for vector in vectors {
        let inputs: Vec<_> = vector["inputs"].as_array().unwrap().iter().map(field_of).collect();
        assert_eq!(poseidon(&inputs), field_of(&vector["output"]), "{} inputs", inputs.len());
    }
}

#[test]
fn a_tag_is_the_first_input() {
    for domain in Domain::ALL {
        for n in 0..7 {
            let rest: Vec<_> = (0..n).map(fr).collect();
            let mut all = vec![domain.tag()];
            all.extend(&rest);
            assert_eq!(tagged(*domain, &rest), poseidon(&all));
        }
    }
}

#[test]
fn tags_are_those_of_the_compiled_circuits() {
    // circuits/spend/README.md has the tags of the circuit that is built from circuits/lib.
    let page = std::fs::read_to_string(workspace("circuits/spend/README.md")).unwrap();
    for domain in [Domain::OwnerNullifierKeyHash, Domain::NoteBodyCommitment, Domain::Nullifier] {
        let name = domain.context().strip_prefix("eip-8182.").unwrap();
        let tag = hex::encode(field::to_be(&domain.tag()));
        assert!(page.contains(&format!("| `{name}` | `0x{tag}` |")), "{name}");
    }
    let mut tags: Vec<_> = Domain::ALL.iter().map(|domain| domain.tag()).collect();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), Domain::ALL.len(), "every context has a tag of its own");
    assert_eq!(Domain::AuthMessage.tag(), keccak_mod_p(b"tacit.auth_message"));
}
