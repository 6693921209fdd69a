//! Memory for what clients are sent, and how slowly they may take it.
//!
//! An answer takes its memory before it is made and holds it until the last byte is written to its connection, wherever
//! in this program the bytes are at that time: a client that asks and does not read waits for memory of its own, and
//! others do not. A connection on which an answer waits for too long is closed, with every answer on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::time::Instant;

use crate::access::Access;
use crate::config::Limits;
use crate::error::ApiError;
use crate::limits::{Client, Place};
use crate::memory::{Budget, Held, Share};

/// One client's part of the memory: a quarter.
const CLIENTS: usize = 4;

/// The part of those without a key where keys are needed, all together: a quarter. They read the log, and that this coordinator lives.
const STRANGERS: usize = 4;

/// Memory for answers.
#[derive(Debug)]
pub struct Outgo {
    budget: Budget<Client>,
    /// Of addresses, where clients have keys: anybody has as many addresses as it takes.
    strangers: Option<Budget<Client>>,
    pace: Pace,
}

/// What a client may have of the memory, and of which part.
#[derive(Debug)]
pub struct Account<'a> {
    budget: &'a Budget<Client>,
    share: Share,
}

/// How slowly an answer may be taken.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    bytes_per_second: u64,
    /// For one piece; and for how long it may be slower.
    silence: Duration,
}

/// What goes with an answer until its last byte is written: its memory, and its place among the client's requests.
#[derive(Debug, Clone, Default)]
pub struct Carried {
    _held: Option<Arc<Held>>,
    _place: Option<Arc<Place>>,
}

impl Carried {
    /// Memory, and no place yet.
    pub fn memory(held: Held) -> Self {
        Self { _held: Some(Arc::new(held)), _place: None }
    }

    /// With a place.
    #[must_use]
    pub fn with_place(self, place: Place) -> Self {
        Self { _place: Some(Arc::new(place)), ..self }
    }
}

impl Outgo {
    /// As the operator decided.
    pub fn new(limits: &Limits, access: Access) -> Self {
        let part = |bytes: usize| Budget::new(bytes, bytes / CLIENTS);
        let strangers = match access {
            Access::Open => 0,
            Access::Keys => limits.answer_bytes / STRANGERS,
        };
        Self {
            budget: part(limits.answer_bytes - strangers),
            strangers: (access == Access::Keys).then(|| part(strangers)),
            pace: Pace::new(limits),
        }
    }

    /// Bytes held now.
    pub fn held(&self) -> usize {
        self.budget.held() + self.strangers.as_ref().map_or(0, Budget::held)
    }

    /// A client's share.
    pub fn account(&self, client: &Client) -> Account<'_> {
        let budget = match (client, &self.strangers) {
            (Client::Address(_), Some(strangers)) => strangers,
            _ => &self.budget,
        };
        Account { budget, share: budget.share(client) }
    }

    /// Takes memory for an answer, or more of it.
    ///
    /// # Errors
    /// When the client has too many answers that it did not take, or all of them have.
    pub async fn grow(&self, held: &mut Held, account: &Account<'_>, bytes: usize) -> Result<(), ApiError> {
        account.budget.grow(held, &account.share, bytes, self.pace.silence).await.map_err(|_| {
            ApiError::full(
                "too many answers wait for their clients to take them; take those that you asked for, or try again later",
            )
        })
    }

    /// How slowly an answer may be taken.
    pub fn pace(&self) -> Pace {
        self.pace
    }
}

impl Pace {
    /// As the operator decided.
    pub fn new(limits: &Limits) -> Self {
        Self {
            bytes_per_second: limits.answer_bytes_per_second,
            silence: Duration::from_secs(limits.peer_seconds),
        }
    }

    /// How often to look whether somebody is too slow.
    pub fn look(&self) -> Duration {
        (self.silence / 4).max(Duration::from_millis(50))
    }
}

/// An answer on its way: how much of it was taken, and since when the next piece waits.
#[derive(Debug)]
pub struct Parcel {
    pace: Pace,
    way: Mutex<Way>,
    _carried: Carried,
}

#[derive(Debug)]
struct Way {
    /// The piece that is out, and since when.
    out: Option<(usize, Instant)>,
    /// How long pieces were out. The clock stands still while this program makes the next one.
    time: Duration,
    taken: u64,
}

impl Parcel {
    /// An answer of which nothing was taken. Its first piece waits for the client as well: one that leaves no room for any
    /// byte is never asked for more.
    pub fn new(pace: Pace, carried: Carried, now: Instant) -> Self {
        let way = Way { out: Some((0, now)), time: Duration::ZERO, taken: 0 };
        Self { pace, way: Mutex::new(way), _carried: carried }
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A piece of so many bytes waits for the client.
    pub fn offer(&self, bytes: usize, now: Instant) {
        self.way().out = Some((bytes, now));
    }

    /// The client took what was out.
    pub fn taken(&self, now: Instant) {
        let mut way = self.way();
        if let Some((bytes, since)) = way.out.take() {
            way.time += now.saturating_duration_since(since);
            way.taken += bytes as u64;
        }
    }

    /// Whether the client takes it too slowly.
    pub fn is_late(&self, now: Instant) -> bool {
        let way = self.way();
        let Some((_, since)) = way.out else { return false };
        let waited = now.saturating_duration_since(since);
        let slower = (way.time + waited).saturating_sub(self.pace.silence).as_secs();
        waited > self.pace.silence || way.taken < self.pace.bytes_per_second.saturating_mul(slower)
    }
}

/// Bytes of an answer: as long as one of them is anywhere, the parcel is on its way.
pub fn bytes_of(parcel: &Arc<Parcel>, bytes: Bytes) -> Bytes {
    struct Owned {
        bytes: Bytes,
        _parcel: Arc<Parcel>,
    }
    impl AsRef<[u8]> for Owned {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    Bytes::from_owner(Owned { bytes, _parcel: Arc::clone(parcel) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parcel(bytes_per_second: u64, now: Instant) -> Parcel {
        Parcel::new(Pace { bytes_per_second, silence: Duration::from_secs(10) }, Carried::default(), now)
    }

    #[test]
    fn a_piece_that_nobody_takes_is_late() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let parcel = parcel(0, begin);
        assert!(parcel.is_late(at(11)), "it leaves no room for the first byte");
        parcel.taken(at(11));
        // What this program has not made yet is nobody's fault.
        assert!(!parcel.is_late(at(100)));
        parcel.offer(100, at(100));
        assert!(!parcel.is_late(at(110)));
        assert!(parcel.is_late(at(111)));
        parcel.taken(at(111));
        assert!(!parcel.is_late(at(1000)));
    }

    #[test]
    fn a_trickle_is_late_as_well() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let parcel = parcel(100, begin);
        // 250 bytes in the first ten seconds, and then 25 a second where 100 are asked for.
        let late = (0u64..100).find(|i| {
            parcel.offer(50, at(2 * i));
            let late = parcel.is_late(at(2 * i + 2));
            parcel.taken(at(2 * i + 2));
            late
        });
        assert_eq!(late, Some(6));
    }

    #[tokio::test]
    async fn memory_is_held_for_as_long_as_there_are_bytes() {
        let limits = Limits { answer_bytes: 1 << 20, peer_seconds: 0, ..Limits::default() };
        let outgo = Outgo::new(&limits, Access::Open);
        let (one, other) = (Client::Key(1), Client::Key(2));
        let mut held = Held::default();
        outgo.grow(&mut held, &outgo.account(&one), 1 << 18).await.unwrap();
        let carried = Carried::memory(held);
        let parcel = Arc::new(Parcel::new(outgo.pace(), carried, Instant::now()));
        let mut bytes = bytes_of(&parcel, Bytes::from(vec![1; 1 << 18]));
        drop(parcel);
        let piece = bytes.split_to(10);
        drop(bytes);
        assert_eq!(outgo.held(), 1 << 18);
        let refused = outgo.grow(&mut Held::default(), &outgo.account(&one), 1).await.unwrap_err();
        assert_eq!(refused.body.code, "full");
        outgo.grow(&mut Held::default(), &outgo.account(&other), 1).await.unwrap();
        drop(piece);
        assert_eq!(outgo.held(), 0);
    }

    #[tokio::test]
    async fn addresses_without_a_key_leave_room_for_keys() {
        let limits = Limits { answer_bytes: 1 << 20, peer_seconds: 0, ..Limits::default() };
        for (access, room) in [(Access::Keys, 1 << 18), (Access::Open, 1 << 20)] {
            let outgo = Outgo::new(&limits, access);
            let mut all = Vec::new();
            for n in 1..=8 {
                let mut held = Held::default();
                let client = Client::address([127, 0, 0, n].into());
                let _ = outgo.grow(&mut held, &outgo.account(&client), 1 << 20).await;
                all.push(held);
            }
            assert_eq!(outgo.held(), room, "{access:?}");
            let mut held = Held::default();
            let key = outgo.grow(&mut held, &outgo.account(&Client::Key(1)), 1 << 20).await;
            assert_eq!(key.is_ok(), access == Access::Keys);
            assert_eq!(outgo.held(), if key.is_ok() { room + (3 << 18) / 4 } else { room });
        }
    }
}
