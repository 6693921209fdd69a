//! How fast nodes say they are, and how long the last answer that is needed takes.
//!
//! A speed is a claim that nobody has checked. It serves for advice and decides nothing about who is seated. A claim outside
//! of what any machine does is no claim; a node without one is taken to be like the median of the others.

use tacit_delegate::Dials;

/// The slowest claim that is believed, in bases per second: a tenth of what a small single-board computer does.
pub const SLOWEST: u64 = 1_000;
/// The fastest claim that is believed: some hundred times what a large server does.
pub const FASTEST: u64 = 10_000_000_000;

/// A claim, if a machine can be like that.
pub fn plausible(claim: u64) -> Option<u64> {
    (SLOWEST..=FASTEST).contains(&claim).then_some(claim)
}

/// The nodes that a committee may be drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Nodes {
    /// For each node, the fastest first, how many times as long as this device it takes. `None`: as many nodes as it takes, all like
    /// this device.
    times: Option<Vec<f64>>,
}

impl Nodes {
    /// As many as needed, each as fast as this device: for advice without a network.
    pub fn assumed() -> Self {
        Self { times: None }
    }

    /// Nodes by their claims, seen from a device with a speed of `own`, all in bases per second.
    pub fn of_claims(claims: &[u64], own: u64) -> Self {
        let mut believed: Vec<u64> = claims.iter().copied().filter_map(plausible).collect();
        believed.sort_unstable();
        let own = plausible(own).or(believed.get(believed.len() / 2).copied()).unwrap_or(SLOWEST);
        let median = believed.get(believed.len() / 2).copied().unwrap_or(own);
        let times = |claim: &u64| own as f64 / plausible(*claim).unwrap_or(median) as f64;
        let mut times: Vec<f64> = claims.iter().map(times).collect();
        times.sort_by(f64::total_cmp);
        Self { times: Some(times) }
    }

    /// How many there are; `None`: enough.
    pub fn count(&self) -> Option<usize> {
        self.times.as_ref().map(Vec::len)
    }

    /// How many times as long as this device's own work the last answer that is needed is expected to take; `None` if there are
    /// fewer nodes than seats.
    ///
    /// The client draws its committee at random. So with one group this is the expectation of the time of the `needed`-th
    /// fastest among `n` nodes drawn from all; with several it is that of the slowest group, as if each were drawn by itself.
    pub(crate) fn last_needed(&self, dials: Dials) -> Option<f64> {
        let Some(times) = &self.times else { return Some(1.0) };
        let all = times.len();
        if all < usize::from(dials.seats()) {
            return None;
        }
        let (n, needed) = (usize::from(dials.nodes()), usize::from(dials.answers_needed()));
        let ways = choose(all, n);
        let mut expected = 0.0;
        let mut before = 0.0;
        for (time, rank) in times.iter().zip(1usize..) {
            // The probability that enough of each group are among the `rank` fastest of all nodes.
            let enough: f64 = (needed..=n).map(|k| choose(rank, k) * choose(all - rank, n - k)).sum();
            let so_far = (enough / ways).min(1.0).powi(i32::from(dials.groups()));
            expected += time * (so_far - before);
            before = so_far;
        }
        Some(expected)
    }
}

/// The number of subsets with `k` elements.
fn choose(of: usize, k: usize) -> f64 {
    if k > of { 0.0 } else { (0..k).map(|i| (of - i) as f64 / (k - i) as f64).product() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use tacit_delegate::Handover;

    use super::*;

    #[test]
    fn subsets_are_counted() {
        for (of, k, ways) in
            [(5, 2, 10.0), (5, 0, 1.0), (5, 5, 1.0), (4, 5, 0.0), (0, 0, 1.0), (16, 8, 12_870.0)]
        {
            assert!((choose(of, k) - ways).abs() < 1e-9 * f64::max(ways, 1.0), "{of} over {k}");
        }
        assert!(choose(100_000, 16).is_finite());
    }

    fn dials(handover: Handover, n: u8, t: u8) -> Dials {
        Dials::new(handover, n, t).expect("possible dials")
    }

    /// The expectation by enumerating every committee.
    fn enumerated(times: &[f64], n: u32, needed: usize) -> f64 {
        let committees = (0u32..1 << times.len()).filter(|set| set.count_ones() == n);
        let (mut sum, mut count) = (0.0, 0.0);
        for set in committees {
            let seated = times.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).map(|(_, time)| *time);
            // They are in ascending order.
            sum += seated.collect::<Vec<_>>()[needed - 1];
            count += 1.0;
        }
        sum / count
    }

    #[test]
    fn one_group_is_waited_for_as_long_as_over_all_committees() {
        let claims = [1_000_000, 2_000_000, 500_000, 4_000_000, 250_000, 1_000_000, 30_000];
        let nodes = Nodes::of_claims(&claims, 1_000_000);
        let times = nodes.times.clone().expect("known nodes");
        for (handover, n, t) in [
            (Handover::Witness, 3, 1),
            (Handover::Witness, 4, 1),
            (Handover::Witness, 7, 2),
            (Handover::Quotient, 2, 1),
            (Handover::Quotient, 6, 2),
        ] {
            let dials = dials(handover, n, t);
            let expected = enumerated(&times, n.into(), dials.answers_needed().into());
            let got = nodes.last_needed(dials).expect("enough nodes");
            assert!(
                (got - expected).abs() < 1e-9 * expected,
                "{handover} {n} {t}: {got}, {expected} expected"
            );
        }
    }

    #[test]
    fn spare_nodes_shorten_the_wait_and_groups_lengthen_it() {
        let nodes = Nodes::of_claims(&[1 << 20, 1 << 19, 1 << 18, 1 << 17, 1 << 16, 1 << 15], 1 << 20);
        let wait = |n, t, groups| {
            let dials = dials(Handover::Quotient, n, t).with_groups(groups).expect("possible groups");
            nodes.last_needed(dials).expect("enough nodes")
        };
        assert!(wait(3, 1, 1) < wait(2, 1, 1));
        assert!(wait(4, 1, 1) < wait(3, 1, 1));
        assert!(wait(4, 3, 1) > wait(4, 2, 1));
        assert!(wait(2, 1, 2) > wait(2, 1, 1) && wait(2, 1, 3) > wait(2, 1, 2));
        let seven = dials(Handover::Quotient, 7, 1);
        assert_eq!(nodes.last_needed(seven), None, "six nodes seat no seven");
    }

    #[test]
    fn absurd_claims_count_as_none() {
        let wait = |claims: &[u64], own| {
            Nodes::of_claims(claims, own).last_needed(dials(Handover::Quotient, 2, 1)).expect("enough nodes")
        };
        let honest = wait(&[1_000_000; 4], 1_000_000);
        assert!((honest - 1.0).abs() < 1e-9);
        for absurd in [0, 1, SLOWEST - 1, FASTEST + 1, u64::MAX] {
            let got = wait(&[absurd, 1_000_000, 1_000_000, 1_000_000], 1_000_000);
            assert!((got - honest).abs() < 1e-9, "{absurd} changed the wait to {got}");
            // Where nobody says anything sensible, or this device's clock stands still, all are taken to be alike.
            assert!((wait(&[absurd; 3], 1_000_000) - 1.0).abs() < 1e-9);
            assert!(wait(&[1_000_000; 3], absurd).is_finite());
            assert!((wait(&[absurd; 3], absurd) - 1.0).abs() < 1e-9);
        }
    }
}
