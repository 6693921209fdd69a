//! Which notes to spend.

use crate::note::Note;
use crate::value::{Address, Amount};

/// Why no notes were chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoinError {
    /// There is not enough.
    #[error("{needed} is needed, {have} can be spent now")]
    Insufficient {
        /// Amount and fee.
        needed: Amount,
        /// Of all spendable notes.
        have: Amount,
    },
    /// There is enough, in more than two notes.
    #[error(
        "no two notes hold {needed} (the two largest hold {largest}): send the smaller ones to yourself first"
    )]
    Fragmented {
        /// Amount and fee.
        needed: Amount,
        /// The two largest notes together.
        largest: Amount,
    },
}

/// The one or two notes of a token that hold `needed` with the least change; two rather than one where the change is the
/// same, which leaves fewer notes behind. The chain sees two nullifiers either way.
///
/// # Errors
/// [`CoinError`].
pub fn choose<'a>(
    notes: impl IntoIterator<Item = &'a Note>,
    token: Address,
    needed: Amount,
) -> Result<Vec<&'a Note>, CoinError> {
    let mut notes: Vec<&Note> = notes.into_iter().filter(|note| note.body.token == token).collect();
    notes.sort_by_key(|note| (note.body.amount, note.leaf_index));
    let single =
        notes.iter().find(|note| note.body.amount >= needed).map(|note| (note.body.amount, vec![*note]));
    // Two pointers: for each lower note the least upper one that is enough.
    let mut pair: Option<(Amount, Vec<&Note>)> = None;
    let mut rest = notes.as_slice();
    while let [low, .., high] = rest {
        // A sum of 2^248 or more is more than any single note: not chosen.
        match low.body.amount.checked_add(high.body.amount) {
            Some(sum) if sum < needed => rest = rest.get(1..).unwrap_or_default(),
            sum => {
                if let Some(sum) = sum.filter(|sum| pair.as_ref().is_none_or(|(best, _)| sum < best)) {
                    pair = Some((sum, vec![*low, *high]));
                }
                rest = rest.split_last().map(|(_, rest)| rest).unwrap_or_default();
            }
        }
    }
    let best = match (single, pair) {
        (Some((one, single)), Some((two, pair))) => Some(if two <= one { pair } else { single }),
        (single, pair) => pair.or(single).map(|(_, notes)| notes),
    };
    best.ok_or_else(|| {
        let sum =
            |notes: &[&Note]| Amount::sum(notes.iter().map(|note| note.body.amount)).unwrap_or(Amount::MAX);
        let have = sum(&notes);
        if have < needed {
            CoinError::Insufficient { needed, have }
        } else {
            let two = notes.len().saturating_sub(2);
            CoinError::Fragmented { needed, largest: sum(notes.get(two..).unwrap_or_default()) }
        }
    })
}
