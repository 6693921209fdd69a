//! Envelopes on their way to nodes: memory for them, how slowly a node may take one, and how long an offer rests that a node
//! did not take.

use std::time::Duration;

use rand::{Rng, RngExt as _};
use tacit_wire::IdentityKey;

use crate::config::Limits;
use crate::memory::{Budget, Held, NoRoom};

/// One node's part of the memory: half.
const NODES: usize = 2;

/// The longest rest, before chance has its say.
const LONGEST: Duration = Duration::from_secs(60);

/// The shortest, where little time is left.
const SHORTEST: Duration = Duration::from_millis(100);

/// Memory for envelopes on their way.
#[derive(Debug)]
pub struct Relay {
    budget: Budget<IdentityKey>,
    bytes_per_second: u64,
    silence: Duration,
}

impl Relay {
    /// As the operator decided.
    pub fn new(limits: &Limits) -> Self {
        Self {
            budget: Budget::new(limits.relay_bytes, limits.relay_bytes / NODES),
            bytes_per_second: limits.relay_bytes_per_second.max(1),
            silence: Duration::from_secs(limits.peer_seconds),
        }
    }

    /// Bytes held now.
    pub fn held(&self) -> usize {
        self.budget.held()
    }

    /// Memory for an envelope of so many bytes, while it is read and made an offer of: that is twice as much.
    ///
    /// # Errors
    /// When there was none for so long.
    pub async fn room(&self, node: &IdentityKey, bytes: u64, patience: Duration) -> Result<Held, NoRoom> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_mul(2);
        let mut held = Held::default();
        self.budget.grow(&mut held, &self.budget.share(node), bytes, patience).await?;
        Ok(held)
    }

    /// In what time a node must have taken an offer of so many bytes. It may wait itself before it reads: for memory of its own.
    pub fn time_for(&self, bytes: usize) -> Duration {
        2 * self.silence + Duration::from_secs(bytes as u64 / self.bytes_per_second)
    }
}

/// How long an offer rests after its node did not take it for the `tries`-th time, counted from 0: `first`, and twice as long each
/// time, give or take a quarter, so that nodes are not asked in step. Never more than half of the time that is left to the deal.
pub fn rest(first: Duration, tries: u32, left: Duration, rng: &mut impl Rng) -> Duration {
    let rest = first.saturating_mul(2u32.saturating_pow(tries.min(16))).min(LONGEST.max(first));
    rest.mul_f64(rng.random_range(0.75..1.25)).min(left / 2).max(SHORTEST)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn rests_double_and_differ_and_end_before_the_deal_does() {
        let mut rng = StdRng::seed_from_u64(7);
        let hour = 3600 * SECOND;
        let mut before = Duration::ZERO;
        for tries in 0..6 {
            let rests: Vec<_> = (0..100).map(|_| rest(SECOND, tries, hour, &mut rng)).collect();
            let (least, most) = (*rests.iter().min().unwrap(), *rests.iter().max().unwrap());
            let due = SECOND * 2u32.pow(tries);
            assert!(least >= due.mul_f64(0.75) && most < due.mul_f64(1.25), "{tries}: {least:?} to {most:?}");
            assert!(most > least.mul_f64(1.2), "{tries}: in step");
            assert!(least > before);
            before = least;
        }
        assert!(rest(SECOND, u32::MAX, hour, &mut rng) <= LONGEST.mul_f64(1.25));
        for left in [10, 3, 1] {
            assert!(rest(SECOND, 20, left * SECOND, &mut rng) <= left * SECOND / 2);
        }
        assert_eq!(rest(SECOND, 20, Duration::ZERO, &mut rng), SHORTEST);
    }

    #[tokio::test]
    async fn one_node_has_half_and_an_envelope_counts_twice() {
        let relay = Relay::new(&Limits {
            relay_bytes: 1 << 20,
            relay_bytes_per_second: 1000,
            peer_seconds: 3,
            ..Limits::default()
        });
        let (one, other) = (IdentityKey([1; 32]), IdentityKey([2; 32]));
        let held = relay.room(&one, 1 << 18, SECOND).await.unwrap();
        assert_eq!(relay.held(), 1 << 19);
        assert!(relay.room(&one, 1, Duration::ZERO).await.is_err());
        drop(relay.room(&other, 1 << 18, SECOND).await.unwrap());
        drop(held);
        assert_eq!(relay.held(), 0);
        assert_eq!(relay.time_for(10_000), 16 * SECOND);
    }
}
