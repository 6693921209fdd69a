//! Nullifiers: sections 7.6 and 7.7, and what `ROTATE` adds to them.

use crate::hash::{Domain, Fr, tagged};
use crate::note::Note;
use crate::rules::Rules;

/// Section 7.6: the public mark of a spent note. `ROTATE` adds the note's secret.
pub fn nullifier(rules: Rules, note: &Note, owner_nullifier_key: &Fr) -> Fr {
    let mut inputs = vec![note.commitment(), *owner_nullifier_key];
    if rules.rotate {
        inputs.push(*note.body.note_secret.expose());
    }
    hashed(Domain::Nullifier, inputs)
}

/// Section 7.7: the mark of input slot `input_index` where no note is spent. `ROTATE` adds the seed.
pub fn phantom_nullifier(
    rules: Rules,
    owner_nullifier_key: &Fr,
    intent_replay_id: &Fr,
    input_index: u8,
    note_secret_seed: &Fr,
) -> Fr {
    let mut inputs = vec![*owner_nullifier_key, *intent_replay_id, Fr::from(input_index)];
    if rules.rotate {
        inputs.push(*note_secret_seed);
    }
    hashed(Domain::PhantomNullifier, inputs)
}

fn hashed(domain: Domain, mut inputs: Vec<Fr>) -> Fr {
    let hash = tagged(domain, &inputs);
    zeroize::Zeroize::zeroize(&mut inputs);
    hash
}
