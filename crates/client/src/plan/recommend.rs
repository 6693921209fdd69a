//! Which setting to take.
//!
//! 1. Only settings that are as private as was wished, that keep to what was asked for, and that the network can seat.
//! 2. Of these, where there are any, only those with a spare node (in each group): a node that fails then costs nothing.
//! 3. Of these, the ones that are expected to take no more than a tenth longer than the quickest: estimates are not better.
//! 4. Of these, the one with the largest threshold; then the one with the fewest bytes; then the one with the fewest nodes.
//!
//! The proof made here is no setting of the dials, so the rule does not choose it. Whether it would be quicker is said beside.

use std::cmp::Reverse;
use std::fmt;

use crate::plan::Row;
use crate::plan::device::Work;

/// By how much an estimate may be longer than the least and still count as the same.
const SAME: f64 = 1.1;

/// A setting and why it was taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recommendation {
    /// Its place in [`Plan::rows`](crate::plan::Plan::rows).
    pub row: usize,
    /// The row itself.
    pub setting: Row,
    /// Settings that were left after each step but the last: those that were possible, those with a spare node if there are any, those that
    /// are about as quick.
    pub left: [usize; 3],
    /// Whether the proof made here is expected to be quicker.
    pub local_is_quicker: bool,
}

/// By the rule; `None` where there are no settings.
pub(crate) fn recommend(rows: &[Row], local: Work) -> Option<Recommendation> {
    let mut left: Vec<(usize, &Row)> = rows.iter().enumerate().collect();
    let possible = left.len();
    if left.iter().any(|(_, row)| row.may_drop() > 0) {
        left.retain(|(_, row)| row.may_drop() > 0);
    }
    let with_spare = left.len();
    let least = left.iter().map(|(_, row)| row.latency()).min_by(f64::total_cmp)?;
    left.retain(|(_, row)| row.latency() <= least * SAME);
    let quick = left.len();
    let (row, setting) = left
        .into_iter()
        .min_by_key(|(_, row)| (Reverse(row.dials.threshold()), row.upload_bytes, row.dials.seats()))?;
    Some(Recommendation {
        row,
        setting: *setting,
        left: [possible, with_spare, quick],
        local_is_quicker: local.wall < setting.latency(),
    })
}

impl fmt::Display for Recommendation {
    /// Why, in one sentence without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [possible, with_spare, quick] = self.left;
        let settings = |n: usize| if n == 1 { "1 setting".to_owned() } else { format!("{n} settings") };
        write!(f, "of {} that {} possible, ", settings(possible), if possible == 1 { "is" } else { "are" })?;
        match (self.setting.may_drop() > 0, with_spare) {
            (true, 1) => f.write_str("it alone has a spare node")?,
            (true, n) => write!(f, "{n} have a spare node; among them ")?,
            (false, 1) => f.write_str("it is the only one, and has no spare node")?,
            (false, _) => f.write_str("none has a spare node; among them ")?,
        }
        match (with_spare, quick) {
            (1, _) => Ok(()),
            (_, 1) => f.write_str("it is expected to be the quickest"),
            (_, n) => write!(
                f,
                "{n} are expected to be about equally quick, and of those it has the largest threshold, then the fewest bytes to send"
            ),
        }
    }
}
