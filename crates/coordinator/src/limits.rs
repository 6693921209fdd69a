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
use tokio::sync::Semaphore;

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
const UPLOADS: usize = 4;

/// Streams of one job's events, at a time. Each costs a task and, at every change, two queries.
const STREAMS: usize = 1000;

/// Streams of all events, at a time. Each costs three queries a second.
const WATCHERS: usize = 16;

/// What clients have used up.
#[derive(Debug)]
pub struct Usage {
    requests: DefaultKeyedRateLimiter<Client>,
    connections: Arc<Mutex<HashMap<Client, usize>>>,
    connections_of_one: usize,
    /// Uploads of circuits.
    pub uploads: Semaphore,
    /// Streams of one job's events.
    pub streams: Arc<Semaphore>,
    /// Streams of all events.
    pub watchers: Arc<Semaphore>,
}

/// A connection that counts until this is dropped.
#[derive(Debug)]
pub struct Place {
    connections: Arc<Mutex<HashMap<Client, usize>>>,
    client: Client,
}

impl Usage {
    /// As the operator decided.
    pub fn new(limits: &Limits) -> Self {
        let positive = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(positive(limits.client_requests_per_second))
            .allow_burst(positive(limits.client_requests_burst));
        Self {
            requests: RateLimiter::keyed(quota),
            connections: Arc::default(),
            connections_of_one: limits.client_connections,
            uploads: Semaphore::new(UPLOADS),
            streams: Arc::new(Semaphore::new(STREAMS)),
            watchers: Arc::new(Semaphore::new(WATCHERS)),
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

    /// A place for one more connection from an address, `None` where it has too many.
    pub fn connection(&self, client: Client) -> Option<Place> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let n = connections.entry(client.clone()).or_insert(0);
        if *n >= self.connections_of_one {
            return None;
        }
        *n += 1;
        Some(Place { connections: Arc::clone(&self.connections), client })
    }

    /// Forgets clients that have sent nothing lately.
    pub fn tidy(&self) {
        self.requests.retain_recent();
        self.requests.shrink_to_fit();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(n) = connections.get_mut(&self.client) {
            *n -= 1;
            if *n == 0 {
                connections.remove(&self.client);
            }
        }
    }
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
        let places = [usage.connection(v6(1)).unwrap(), usage.connection(v6(2)).unwrap()];
        assert!(usage.connection(v6(3)).is_none(), "one network, one client");
        assert!(usage.connection(Client::address([1, 1, 1, 1].into())).is_some());
        drop(places);
        assert!(usage.connections.lock().unwrap().is_empty());
        assert!(usage.connection(v6(3)).is_some());
    }

    #[test]
    fn an_address_is_one_client_however_it_is_written() {
        let mapped: IpAddr = "::ffff:1.2.3.4".parse().unwrap();
        assert_eq!(Client::address(mapped), Client::address([1, 2, 3, 4].into()));
    }
}
