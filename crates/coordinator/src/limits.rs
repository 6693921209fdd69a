//! What one client may cost: requests in a second, connections and uploads at a time.
//!
//! A client is its API key, or where it has none its address (of IPv6 the first 64 bits: who has one of those addresses
//! has all of them).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use governor::clock::Clock as _;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tacit_wire::Blame;

use crate::config::Limits;
use crate::error::ApiError;

/// Whom requests are counted for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Client {
    /// The holder of an API key, by the key's id.
    Key(i64),
    /// Somebody at an address.
    Address(IpAddr),
}

impl Client {
    /// Whoever is at an address.
    pub fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 => v4,
        })
    }
}

/// Uploads of circuits that are on disk and not checked yet, at a time: each can be as large as `limits.zkey_bytes`.
const UPLOADS: usize = 8;

/// The same of one client.
const UPLOADS_OF_ONE: usize = 2;

/// Streams of one job's events, at a time. Each costs a task and, at every change, two queries.
const STREAMS: usize = 1000;

/// Streams of all events, at a time. Each costs three queries a second.
const WATCHERS: usize = 16;

/// The same of one client.
const WATCHERS_OF_ONE: usize = 4;

/// Something of which there are so many places at a time, and so many of them for one client.
#[derive(Debug, Clone)]
pub struct Places {
    taken: Arc<Mutex<Taken>>,
    all: usize,
    of_one: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<Client, usize>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// All are taken.
    Full,
    /// The client has its share.
    Share,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Place {
    taken: Arc<Mutex<Taken>>,
    clients: Vec<Client>,
}

impl Places {
    fn new(all: usize, of_one: usize) -> Self {
        Self { taken: Arc::default(), all, of_one }
    }

    /// A place, which counts for each of these.
    ///
    /// # Errors
    /// When there is none.
    pub fn take(&self, clients: &[Client]) -> Result<Place, NoPlace> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.all {
            return Err(NoPlace::Full);
        }
        if clients.iter().any(|c| taken.by.get(c).is_some_and(|n| *n >= self.of_one)) || self.of_one == 0 {
            return Err(NoPlace::Share);
        }
        taken.all += 1;
        for client in clients {
            *taken.by.entry(client.clone()).or_insert(0) += 1;
        }
        Ok(Place { taken: Arc::clone(&self.taken), clients: clients.to_vec() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        for client in &self.clients {
            if let Some(n) = taken.by.get_mut(client) {
                *n = n.saturating_sub(1);
                if *n == 0 {
                    taken.by.remove(client);
                }
            }
        }
    }
}

/// What clients have used up.
#[derive(Debug)]
pub struct Usage {
    requests: DefaultKeyedRateLimiter<Client>,
    /// Connections.
    pub connections: Places,
    /// Requests in progress.
    pub in_progress: Places,
    /// Uploads of circuits.
    pub uploads: Places,
    /// Streams of one job's events.
    pub streams: Places,
    /// Streams of all events.
    pub watchers: Places,
}

impl Usage {
    /// As the operator decided.
    pub fn new(limits: &Limits) -> Self {
        let positive = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(positive(limits.client_requests_per_second))
            .allow_burst(positive(limits.client_requests_burst));
        Self {
            requests: RateLimiter::keyed(quota),
            // How many there are of all clients together, the listener knows.
            connections: Places::new(usize::MAX, limits.client_connections),
            in_progress: Places::new(usize::MAX, limits.client_requests_at_once),
            uploads: Places::new(UPLOADS, UPLOADS_OF_ONE),
            streams: Places::new(STREAMS, limits.client_streams),
            watchers: Places::new(WATCHERS, WATCHERS_OF_ONE.min(limits.client_streams)),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// When the client has sent too many lately.
    pub fn request(&self, client: &Client) -> Result<(), ApiError> {
        self.requests.check_key(client).map_err(|early| {
            let wait = early.wait_time_from(governor::clock::DefaultClock::default().now());
            let seconds = wait.as_secs() + 1;
            let message = format!("too many requests of one client; try again in {seconds} s");
            let mut refusal =
                ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", Blame::Client, message);
            refusal.retry_after = Some(Duration::from_secs(seconds));
            refusal
        })
    }

    /// Counts a request in progress until the place is given back.
    ///
    /// # Errors
    /// When the client has too many.
    pub fn begin(&self, client: &Client) -> Result<Place, ApiError> {
        self.in_progress.take(std::slice::from_ref(client)).map_err(|_| {
            too_many(
                "too_many_requests",
                "too many requests of one client are in progress; wait until some of them are answered",
            )
        })
    }

    /// Forgets clients that have sent nothing lately.
    pub fn tidy(&self) {
        self.requests.retain_recent();
        self.requests.shrink_to_fit();
    }
}

/// A refusal of what a client has, or does, too much of at the moment.
pub fn too_many(code: &'static str, message: &str) -> ApiError {
    let mut refusal = ApiError::new(StatusCode::TOO_MANY_REQUESTS, code, Blame::Client, message);
    refusal.retry_after = Some(Duration::from_secs(1));
    refusal
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_flood_is_refused_and_others_are_not() {
        let limits = Limits { client_requests_per_second: 1, client_requests_burst: 5, ..Limits::default() };
        let usage = Usage::new(&limits);
        let (one, other) = (Client::address([1, 2, 3, 4].into()), Client::Key(7));
        assert_eq!((0..50).filter(|_| usage.request(&one).is_ok()).count(), 5);
        let refusal = usage.request(&one).unwrap_err();
        assert_eq!(refusal.body.code, "too_many_requests");
        assert!(refusal.retry_after.unwrap() <= Duration::from_secs(2));
        usage.request(&other).unwrap();
    }

    #[test]
    fn connections_of_one_client_are_counted_and_forgotten() {
        let usage = Usage::new(&Limits { client_connections: 2, ..Limits::default() });
        let v6 = |last: u16| Client::address(Ipv6Addr::new(1, 2, 3, 4, 0, 0, 0, last).into());
        let connection = |client: Client| usage.connections.take(&[client]);
        let places = [connection(v6(1)).unwrap(), connection(v6(2)).unwrap()];
        assert_eq!(connection(v6(3)).unwrap_err(), NoPlace::Share, "one network, one client");
        assert!(connection(Client::address([1, 1, 1, 1].into())).is_ok());
        drop(places);
        assert!(usage.connections.taken.lock().unwrap().by.is_empty());
        assert!(connection(v6(3)).is_ok());
    }

    #[test]
    fn a_place_counts_for_a_key_and_for_its_address() {
        let places = Places::new(3, 2);
        let address = Client::address([1, 2, 3, 4].into());
        let one = places.take(&[Client::Key(1), address.clone()]).unwrap();
        let _two = places.take(&[Client::Key(2), address.clone()]).unwrap();
        assert_eq!(places.take(&[Client::Key(3), address.clone()]).unwrap_err(), NoPlace::Share);
        let _three = places.take(&[Client::Key(1)]).unwrap();
        assert_eq!(places.take(&[Client::Key(4)]).unwrap_err(), NoPlace::Full);
        drop(one);
        assert!(places.take(&[Client::Key(3), address]).is_ok());
    }

    #[test]
    fn an_address_is_one_client_however_it_is_written() {
        let mapped: IpAddr = "::ffff:1.2.3.4".parse().unwrap();
        assert_eq!(Client::address(mapped), Client::address([1, 2, 3, 4].into()));
    }
}
