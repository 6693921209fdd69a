//! Budgets of memory: so much for all together, so much of it for one.
//!
//! Memory is taken before it is used and given back when what holds it is dropped. Whoever waits, waits in a queue.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// One unit of memory, in bytes.
const UNIT: usize = 4096;

/// Memory for one purpose.
#[derive(Debug)]
pub struct Budget<K> {
    all: Arc<Semaphore>,
    all_units: usize,
    /// Those that have something here.
    shares: Mutex<HashMap<K, Share>>,
    share_units: usize,
}

/// What one may have of a budget.
pub type Share = Arc<Semaphore>;

/// Memory that is given back when this is dropped.
#[derive(Debug, Default)]
pub struct Held {
    all: Option<OwnedSemaphorePermit>,
    share: Option<OwnedSemaphorePermit>,
}

/// There was no memory for as long as somebody was ready to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

impl<K: Clone + Eq + Hash> Budget<K> {
    /// So many bytes, of which one may have `share`.
    pub fn new(all: usize, share: usize) -> Self {
        let bounded =
            |bytes: usize| units(bytes).clamp(1, (Semaphore::MAX_PERMITS / 2).min(u32::MAX as usize));
        let (all_units, share_units) = (bounded(all), bounded(share.min(all)));
        Self { all: Arc::new(Semaphore::new(all_units)), all_units, shares: Mutex::default(), share_units }
    }

    /// Bytes held now.
    pub fn held(&self) -> usize {
        self.all_units.saturating_sub(self.all.available_permits()) * UNIT
    }

    /// The share of one of those that use this.
    pub fn share(&self, who: &K) -> Share {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever has nothing here any more leaves no trace.
        if shares.len() >= 64 && shares.len().is_power_of_two() {
            shares.retain(|_, share| Arc::strong_count(share) > 1);
        }
        Arc::clone(shares.entry(who.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.share_units))))
    }

    /// Enlarges what is held to `bytes`, or to the whole share where that is less.
    ///
    /// # Errors
    /// When there was no room for so long.
    pub async fn grow(
        &self,
        held: &mut Held,
        share: &Share,
        bytes: usize,
        patience: Duration,
    ) -> Result<(), NoRoom> {
        let wanted = units(bytes).min(self.share_units);
        let Some(more) = wanted.checked_sub(held.units()).filter(|more| *more > 0) else { return Ok(()) };
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let taken = timeout(patience, async {
            let share = Arc::clone(share).acquire_many_owned(more).await?;
            Ok::<_, AcquireError>((share, Arc::clone(&self.all).acquire_many_owned(more).await?))
        });
        // A budget is never closed.
        let (share, all) = taken.await.map_err(|_| NoRoom)?.map_err(|_| NoRoom)?;
        match (&mut held.share, &mut held.all) {
            (Some(a), Some(b)) => {
                a.merge(share);
                b.merge(all);
            }
            _ => (held.share, held.all) = (Some(share), Some(all)),
        }
        Ok(())
    }
}

impl Held {
    fn units(&self) -> usize {
        self.all.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.units() == 0
    }

    /// Gives back what is beyond `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        let surplus = self.units().saturating_sub(units(bytes));
        for permit in [&mut self.all, &mut self.share].into_iter().flatten() {
            drop(permit.split(surplus));
        }
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn what_is_taken_is_counted_and_given_back() {
        let budget = Budget::new(10 * UNIT, 4 * UNIT);
        let mut held = Held::default();
        budget.grow(&mut held, &budget.share(&1), UNIT + 1, SHORT).await.unwrap();
        assert_eq!(budget.held(), 2 * UNIT);
        budget.grow(&mut held, &budget.share(&1), 3 * UNIT, SHORT).await.unwrap();
        budget.grow(&mut held, &budget.share(&1), UNIT, SHORT).await.unwrap();
        assert_eq!(budget.held(), 3 * UNIT);
        held.shrink(UNIT);
        assert_eq!(budget.held(), UNIT);
        drop(held);
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test]
    async fn nobody_has_more_than_a_share() {
        let budget = Budget::new(10 * UNIT, 4 * UNIT);
        let (mut one, mut two, mut other) = (Held::default(), Held::default(), Held::default());
        // What is larger than the share takes all of it.
        budget.grow(&mut one, &budget.share(&1), 100 * UNIT, SHORT).await.unwrap();
        assert_eq!(budget.held(), 4 * UNIT);
        assert_eq!(budget.grow(&mut two, &budget.share(&1), 1, SHORT).await, Err(NoRoom));
        budget.grow(&mut other, &budget.share(&2), 4 * UNIT, SHORT).await.unwrap();
        drop(one);
        budget.grow(&mut two, &budget.share(&1), 1, SHORT).await.unwrap();
    }
}
