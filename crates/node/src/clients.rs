//! What each client has in hand here and what it took in the last hour, by the key that signs its deals.
//!
//! Keys are free, so that a quota for each is no defence against somebody who takes many; it keeps clients that go by one key from crowding out others. What
//! must hold whoever asks, is bounded for all together: offers in hand, memory, disk, cuts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tacit_wire::messages::{Refusal, RefusalCode};
use tacit_wire::{Blame, IdentityKey};

use crate::config::Limits;

/// What quotas are counted over, in seconds.
const WINDOW: u64 = 3600;
/// Clients that are remembered.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Default, Clone, Copy)]
struct Usage {
    in_hand: u16,
    since: u64,
    seconds: f64,
    cuts: u32,
}

#[derive(Debug, Default)]
struct All {
    of: HashMap<IdentityKey, Usage>,
    since: u64,
    cuts: u32,
}

/// Everybody's account.
#[derive(Debug)]
pub struct Clients {
    in_hand: u16,
    seconds: u64,
    cuts_of_one: u32,
    cuts: u32,
    all: Mutex<All>,
}

/// An offer in hand; dropped when it is no more.
#[derive(Debug)]
pub struct InHand {
    clients: Arc<Clients>,
    client: IdentityKey,
}

fn busy(text: String) -> Refusal {
    Refusal::new(RefusalCode::Busy, Blame::Nobody, text)
}

impl Clients {
    /// Nobody has anything.
    pub fn new(limits: &Limits) -> Self {
        let in_hand = match limits.client_offers {
            0 => limits.offers.saturating_sub(1).max(1),
            some => some,
        };
        let (seconds, cuts_of_one, cuts) = (limits.client_seconds, limits.client_cuts, limits.cuts);
        Self { in_hand, seconds, cuts_of_one, cuts, all: Mutex::default() }
    }

    fn with<T>(&self, client: &IdentityKey, now: u64, f: impl FnOnce(&mut Usage, &mut All) -> T) -> T {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |since: u64| now.abs_diff(since) >= WINDOW;
        if over(all.since) {
            (all.since, all.cuts) = (now, 0);
        }
        let mut usage = all.of.get(client).copied().unwrap_or(Usage { since: now, ..Usage::default() });
        if over(usage.since) {
            usage = Usage { in_hand: usage.in_hand, since: now, ..Usage::default() };
        }
        let result = f(&mut usage, &mut all);
        // Who has nothing and took nothing need not be remembered.
        if usage.in_hand == 0 && usage.seconds == 0.0 && usage.cuts == 0 {
            all.of.remove(client);
        } else {
            all.of.insert(*client, usage);
        }
        if all.of.len() > REMEMBERED {
            all.of.retain(|_, usage| usage.in_hand > 0 || !over(usage.since));
        }
        if all.of.len() > REMEMBERED {
            // Those who took least are forgotten first.
            let idle = all.of.iter().filter(|(_, usage)| usage.in_hand == 0);
            let least = idle.min_by(|a, b| a.1.seconds.total_cmp(&b.1.seconds)).map(|(key, _)| *key);
            least.and_then(|key| all.of.remove(&key));
        }
        result
    }

    /// Takes an offer of this client in hand, if its quotas allow it.
    pub fn take(self: &Arc<Self>, client: IdentityKey, now: u64) -> Result<InHand, Refusal> {
        self.with(&client, now, |usage, _| {
            if usage.in_hand >= self.in_hand {
                return Err(busy(format!("this client has {} offers in hand here", usage.in_hand)));
            }
            if self.seconds > 0 && usage.seconds >= self.seconds as f64 {
                return Err(busy(format!(
                    "this client's {} seconds of computing in an hour are used up",
                    self.seconds
                )));
            }
            usage.in_hand += 1;
            Ok(())
        })?;
        Ok(InHand { clients: Arc::clone(self), client })
    }

    /// Notes what was computed for a client.
    pub fn computed(&self, client: &IdentityKey, now: u64, seconds: f64) {
        self.with(client, now, |usage, _| usage.seconds += seconds);
    }

    /// Seconds of computing that a client had of late.
    pub fn served(&self, client: &IdentityKey) -> f64 {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.of.get(client).map_or(0.0, |usage| usage.seconds)
    }

    /// Lets a client have a key cut in a new way, if its quota and that of all allow it.
    pub fn cut(&self, client: &IdentityKey, now: u64) -> Result<(), Refusal> {
        self.with(client, now, |usage, all| {
            if usage.cuts >= self.cuts_of_one {
                return Err(busy(format!("this client had {} new slices cut in the last hour", usage.cuts)));
            }
            if all.cuts >= self.cuts {
                return Err(busy(format!("{} new slices were cut in the last hour", all.cuts)));
            }
            usage.cuts += 1;
            all.cuts += 1;
            Ok(())
        })
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        let now = {
            let all = self.clients.all.lock().unwrap_or_else(PoisonError::into_inner);
            all.of.get(&self.client).map_or(0, |usage| usage.since)
        };
        self.clients.with(&self.client, now, |usage, _| usage.in_hand = usage.in_hand.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn clients(limits: Limits) -> Arc<Clients> {
        Arc::new(Clients::new(&limits))
    }

    fn key(n: u16) -> IdentityKey {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&n.to_le_bytes());
        IdentityKey(key)
    }

    #[test]
    fn one_client_leaves_a_place_for_another() {
        let clients = clients(Limits { offers: 3, ..Limits::default() });
        let first = clients.take(key(1), 0).unwrap();
        let _second = clients.take(key(1), 0).unwrap();
        assert_eq!(clients.take(key(1), 0).unwrap_err().code, RefusalCode::Busy);
        let _other = clients.take(key(2), 0).unwrap();
        drop(first);
        clients.take(key(1), 0).unwrap();
    }

    #[test]
    fn quotas_are_those_of_an_hour() {
        let limits = Limits { client_seconds: 10, client_cuts: 2, cuts: 3, ..Limits::default() };
        let clients = clients(limits);
        clients.computed(&key(1), 1000, 10.5);
        assert_eq!(clients.take(key(1), 1000).unwrap_err().code, RefusalCode::Busy);
        clients.take(key(2), 1000).unwrap();
        clients.take(key(1), 1000 + WINDOW).unwrap();
        for who in [1, 1, 2] {
            clients.cut(&key(who), 5000).unwrap();
        }
        assert!(clients.cut(&key(1), 5000).unwrap_err().text.contains("this client"));
        assert!(clients.cut(&key(2), 5000).unwrap_err().text.contains("3 new slices"));
        clients.cut(&key(1), 5000 + WINDOW).unwrap();
    }

    #[test]
    fn many_keys_take_bounded_room() {
        let clients = clients(Limits::default());
        for n in 0..u16::MAX {
            clients.computed(&key(n), 7, 1.0);
            drop(clients.take(key(n), 7).unwrap());
        }
        assert!(clients.all.lock().unwrap().of.len() <= REMEMBERED);
    }
}
