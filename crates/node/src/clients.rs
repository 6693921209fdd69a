//! What each client has in hand here and what it took in the last hour, by the key that signs its deals.
//!
//! Keys are free, so that a quota for each is no defence against somebody who takes many; it keeps clients that go by one key from crowding out others. What
//! must hold whoever asks, is bounded for all together: offers in hand, memory, disk, and the bytes that fetching and cutting keys takes.

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
    cut: u64,
    fetched: u64,
}

impl Usage {
    /// Who has nothing and took nothing need not be remembered.
    fn is_nothing(&self) -> bool {
        self.in_hand == 0 && self.seconds == 0.0 && self.cut == 0 && self.fetched == 0
    }
}

#[derive(Debug, Default)]
struct All {
    of: HashMap<IdentityKey, Usage>,
    since: u64,
    cut: u64,
    fetched: u64,
}

/// Everybody's account.
#[derive(Debug)]
pub struct Clients {
    in_hand: u16,
    seconds: u64,
    cut: Quota,
    fetched: Quota,
    all: Mutex<All>,
}

/// Bytes in an hour; 0: any number.
#[derive(Debug, Clone, Copy)]
struct Quota {
    of_one: u64,
    of_all: u64,
}

impl Quota {
    /// Whether so many bytes more are too many for one client, or for all together.
    fn exceeded(self, of_one: u64, of_all: u64, more: u64) -> Option<&'static str> {
        let over = |taken: u64, limit: u64| limit > 0 && taken.saturating_add(more) > limit;
        if over(of_one, self.of_one) {
            Some("this client's")
        } else if over(of_all, self.of_all) {
            Some("all clients'")
        } else {
            None
        }
    }
}

/// An offer in hand; dropped when it is no more.
#[derive(Debug)]
pub struct InHand {
    clients: Arc<Clients>,
    client: IdentityKey,
}

/// A file that is being fetched for a client. What is not received by the time that this is dropped is given back.
#[derive(Debug)]
pub struct Fetching {
    clients: Arc<Clients>,
    client: IdentityKey,
    /// When the hours began that it counts in: the client's and everybody's.
    since: [u64; 2],
    missing: u64,
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
        let cut = Quota { of_one: limits.client_cut_bytes, of_all: limits.cut_bytes };
        let fetched = Quota { of_one: limits.client_fetch_bytes, of_all: limits.fetch_bytes };
        Self { in_hand, seconds: limits.client_seconds, cut, fetched, all: Mutex::default() }
    }

    fn with<T>(&self, client: &IdentityKey, now: u64, f: impl FnOnce(&mut Usage, &mut All) -> T) -> T {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |since: u64| now.abs_diff(since) >= WINDOW;
        if over(all.since) {
            (all.since, all.cut, all.fetched) = (now, 0, 0);
        }
        let mut usage = all.of.get(client).copied().unwrap_or(Usage { since: now, ..Usage::default() });
        if over(usage.since) {
            usage = Usage { in_hand: usage.in_hand, since: now, ..Usage::default() };
        }
        let result = f(&mut usage, &mut all);
        if usage.is_nothing() {
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

    /// Whether a key may be cut in a new way for a client. Only what was cut counts, and by its bytes: see [`Clients::has_cut`].
    pub fn may_cut(&self, client: &IdentityKey, now: u64) -> Result<(), Refusal> {
        self.with(client, now, |usage, all| match self.cut.exceeded(usage.cut, all.cut, 1) {
            Some(whose) => Err(busy(format!("{whose} bytes of keys to cut in an hour are used up"))),
            None => Ok(()),
        })
    }

    /// Notes that a key of so many bytes was cut in a new way for a client.
    pub fn has_cut(&self, client: &IdentityKey, now: u64, bytes: u64) {
        self.with(client, now, |usage, all| {
            usage.cut = usage.cut.saturating_add(bytes);
            all.cut = all.cut.saturating_add(bytes);
        });
    }

    /// Lets a file of so many bytes be fetched for a client, or of a size that is not known yet (0).
    pub fn fetch(self: &Arc<Self>, client: IdentityKey, now: u64, bytes: u64) -> Result<Fetching, Refusal> {
        let since = self.with(&client, now, |usage, all| {
            if self.fetched.of_one > 0 && bytes > self.fetched.of_one {
                let text = format!(
                    "fetching this takes {bytes} bytes, a client gets {} in an hour (limits.client_fetch_bytes)",
                    self.fetched.of_one
                );
                return Err(Refusal::new(RefusalCode::BeyondLimits, Blame::Nobody, text));
            }
            if let Some(whose) = self.fetched.exceeded(usage.fetched, all.fetched, bytes.max(1)) {
                return Err(busy(format!("{whose} bytes to fetch in an hour are used up")));
            }
            usage.fetched = usage.fetched.saturating_add(bytes);
            all.fetched = all.fetched.saturating_add(bytes);
            Ok([usage.since, all.since])
        })?;
        Ok(Fetching { clients: Arc::clone(self), client, since, missing: bytes })
    }
}

impl Fetching {
    /// So many bytes are here.
    pub fn received(&mut self, bytes: u64) {
        self.missing = self.missing.saturating_sub(bytes);
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        if self.missing == 0 {
            return;
        }
        let mut all = self.clients.all.lock().unwrap_or_else(PoisonError::into_inner);
        let [of_one, of_all] = self.since;
        if all.since == of_all {
            all.fetched = all.fetched.saturating_sub(self.missing);
        }
        if let Some(usage) = all.of.get_mut(&self.client).filter(|usage| usage.since == of_one) {
            usage.fetched = usage.fetched.saturating_sub(self.missing);
            if usage.is_nothing() {
                all.of.remove(&self.client);
            }
        }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        // Without the time: nobody's hour ends with an offer.
        let mut all = self.clients.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(usage) = all.of.get_mut(&self.client) {
            usage.in_hand = usage.in_hand.saturating_sub(1);
            if usage.is_nothing() {
                all.of.remove(&self.client);
            }
        }
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
        let limits = Limits { client_seconds: 10, ..Limits::default() };
        let clients = clients(limits);
        clients.computed(&key(1), 1000, 10.5);
        assert_eq!(clients.take(key(1), 1000).unwrap_err().code, RefusalCode::Busy);
        clients.take(key(2), 1000).unwrap();
        clients.take(key(1), 1000 + WINDOW).unwrap();
    }

    #[test]
    fn cuts_count_by_their_bytes_once_they_are_made() {
        let limits = Limits { client_cut_bytes: 100, cut_bytes: 150, ..Limits::default() };
        let clients = clients(limits);
        // Any number of small ones, and of those that failed.
        for _ in 0..50 {
            clients.may_cut(&key(1), 5000).unwrap();
            clients.has_cut(&key(1), 5000, 1);
            clients.may_cut(&key(3), 5000).unwrap();
        }
        clients.has_cut(&key(1), 5000, 50);
        assert!(clients.may_cut(&key(1), 5000).unwrap_err().text.contains("this client's"));
        clients.may_cut(&key(2), 5000).unwrap();
        clients.has_cut(&key(2), 5000, 50);
        assert!(clients.may_cut(&key(3), 5000).unwrap_err().text.contains("all clients'"));
        clients.may_cut(&key(1), 5000 + WINDOW).unwrap();
    }

    #[test]
    fn what_is_fetched_counts_and_what_did_not_come_does_not() {
        let limits = Limits { client_fetch_bytes: 100, fetch_bytes: 150, ..Limits::default() };
        let clients = clients(limits);
        assert_eq!(clients.fetch(key(1), 10, 101).unwrap_err().code, RefusalCode::BeyondLimits);
        let mut first = clients.fetch(key(1), 10, 80).unwrap();
        assert_eq!(clients.fetch(key(1), 10, 30).unwrap_err().code, RefusalCode::Busy);
        assert!(clients.fetch(key(2), 10, 80).unwrap_err().text.contains("all clients'"));
        first.received(20);
        drop(first);
        let mut second = clients.fetch(key(1), 10, 80).unwrap();
        second.received(80);
        drop(second);
        assert!(clients.fetch(key(1), 10, 0).unwrap_err().text.contains("this client's"));
        drop(clients.fetch(key(1), 10 + WINDOW, 100).unwrap());
    }

    #[test]
    fn an_offer_that_ends_ends_nobodys_hour() {
        let limits = Limits { cut_bytes: 10, ..Limits::default() };
        let clients = clients(limits);
        let old = clients.take(key(1), 1000).unwrap();
        clients.has_cut(&key(2), 1000 + WINDOW, 10);
        drop(old);
        assert!(clients.may_cut(&key(3), 1000 + WINDOW).is_err());
        assert!(!clients.all.lock().unwrap().of.contains_key(&key(1)));
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
