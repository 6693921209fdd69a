//! Memory for what clients send, and how slowly they may send it.
//!
//! A submission takes memory for the bytes that have arrived, not for those that its client announces: an announcement
//! costs nothing. What one client holds is bounded by the largest job, what all of them hold by twice that. An upload
//! that waits for memory while it holds some gives up soon, so that two of them cannot wait for each other.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use tacit_wire::Blame;
use tokio::time::{Instant, timeout_at};

use crate::config::Limits;
use crate::error::ApiError;
use crate::limits::Client;
use crate::memory::{Budget, Held, Share};

/// What is taken before anything has arrived.
const FIRST: usize = 64 << 10;

/// How long an upload that holds memory waits for more of it.
const FOR_MORE: Duration = Duration::from_secs(10);

/// For how long an upload may be slower than the slowest that is accepted.
const GRACE: Duration = Duration::from_secs(10);

/// Memory for submissions that are being received or checked.
#[derive(Debug)]
pub struct Intake {
    budget: Budget<Client>,
    pace: Pace,
    for_more: Duration,
}

/// How slowly a body may arrive.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    bytes_per_second: u64,
    /// For how long it may be slower.
    grace: Duration,
    /// For one piece.
    silence: Duration,
    /// For all of it.
    whole: Duration,
}

impl Pace {
    /// As the operator decided.
    pub fn new(limits: &Limits) -> Self {
        Self {
            bytes_per_second: limits.upload_bytes_per_second,
            grace: GRACE,
            silence: Duration::from_secs(limits.peer_seconds),
            whole: Duration::from_secs(limits.upload_seconds),
        }
    }

    /// The body's pieces, for as long as they come fast enough.
    pub fn keep(
        self,
        body: Body,
        what: &'static str,
    ) -> impl Stream<Item = Result<Bytes, ApiError>> + Unpin + Send {
        let state = (body.into_data_stream(), 0u64, Duration::ZERO, false);
        Box::pin(futures_util::stream::unfold(
            state,
            move |(mut pieces, mut bytes, mut time, over)| async move {
                if over {
                    return None;
                }
                let asked = Instant::now();
                let left = self.whole.saturating_sub(time).min(self.silence);
                let piece = timeout_at(asked + left, pieces.next()).await;
                // The clock stands still while this program is busy with the last piece.
                time += asked.elapsed();
                let piece = match piece {
                    Ok(None) => return None,
                    Ok(Some(Ok(piece))) => {
                        bytes += piece.len() as u64;
                        let least =
                            self.bytes_per_second.saturating_mul(time.saturating_sub(self.grace).as_secs());
                        if bytes < least { Err(self.too_slow(what)) } else { Ok(piece) }
                    }
                    Ok(Some(Err(e))) => {
                        Err(ApiError::bad_request("broken_body", format!("the upload broke off: {e}")))
                    }
                    Err(_) => Err(self.too_slow(what)),
                };
                let over = piece.is_err();
                Some((piece, (pieces, bytes, time, over)))
            },
        ))
    }

    fn too_slow(&self, what: &str) -> ApiError {
        let message = format!(
            "{what} came too slowly: at least {} bytes a second, no pause over {} s, all of it within {} s",
            self.bytes_per_second,
            self.silence.as_secs(),
            self.whole.as_secs()
        );
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", Blame::Client, message)
    }
}

impl Intake {
    /// Room for two submissions of the largest size, one of them from one client.
    pub fn new(limits: &Limits) -> Self {
        let share = limits.job_bytes.saturating_add(FIRST);
        Self {
            budget: Budget::new(share.saturating_mul(2), share),
            pace: Pace::new(limits),
            for_more: FOR_MORE,
        }
    }

    /// Bytes held now.
    pub fn held(&self) -> usize {
        self.budget.held()
    }

    /// How slowly a body may arrive.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Receives a body of at most `claimed` bytes. The memory is the caller's until it drops the reservation.
    ///
    /// # Errors
    /// When the body breaks off, comes too slowly, is longer, or there is no memory for it.
    pub async fn receive(
        &self,
        client: &Client,
        body: Body,
        claimed: usize,
        what: &'static str,
    ) -> Result<(Held, Bytes), ApiError> {
        let share = self.budget.share(client);
        let mut held = Held::default();
        let mut bytes = BytesMut::new();
        let mut pieces = self.pace.keep(body, what);
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            let length = bytes.len().saturating_add(piece.len());
            if length > claimed {
                return Err(ApiError::bad_request(
                    "broken_body",
                    format!("{what} is longer than its Content-Length"),
                ));
            }
            if length > bytes.capacity() {
                let room = length.max(2 * bytes.capacity()).max(FIRST).min(claimed);
                self.take(&mut held, &share, room).await?;
                bytes.reserve(room - bytes.len());
            }
            bytes.extend_from_slice(&piece);
        }
        if bytes.len() < claimed {
            return Err(ApiError::bad_request(
                "broken_body",
                format!("{what} is shorter than its Content-Length"),
            ));
        }
        Ok((held, bytes.freeze()))
    }

    /// Enlarges what is held to `bytes`.
    async fn take(&self, held: &mut Held, share: &Share, bytes: usize) -> Result<(), ApiError> {
        // Who holds nothing is in nobody's way and may queue.
        let patience = if held.is_empty() { self.pace.whole } else { self.for_more };
        self.budget.grow(held, share, bytes, patience).await.map_err(|_| {
            ApiError::full("too much is being uploaded at the moment; try again in a few seconds")
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    /// A job of a mebibyte at most.
    fn intake() -> Intake {
        let mut intake = Intake::new(&Limits { job_bytes: 1 << 20, ..Limits::default() });
        intake.for_more = SHORT;
        intake
    }

    fn pieces(n: usize, bytes: usize) -> Body {
        Body::from_stream(futures_util::stream::iter(
            (0..n).map(move |_| Ok::<_, std::io::Error>(Bytes::from(vec![7; bytes]))),
        ))
    }

    fn stuck() -> Body {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))]);
        Body::from_stream(first.chain(futures_util::stream::pending()))
    }

    fn client(n: u8) -> Client {
        Client::address([127, 0, 0, n].into())
    }

    #[tokio::test]
    async fn memory_is_held_for_what_arrived_and_given_back() {
        let intake = intake();
        let (held, bytes) = intake.receive(&client(1), pieces(100, 1000), 100_000, "it").await.unwrap();
        assert_eq!((bytes.len(), intake.held()), (100_000, 25 * 4096));
        drop(held);
        assert_eq!(intake.held(), 0);
        for claimed in [19, 21] {
            let refused = intake.receive(&client(1), pieces(2, 10), claimed, "it").await.unwrap_err();
            assert_eq!(refused.body.code, "broken_body");
        }
        assert_eq!(intake.held(), 0);
    }

    #[tokio::test]
    async fn a_claim_takes_nothing_from_others() {
        let mut intake = intake();
        intake.pace.silence = SHORT;
        let stuck = (0..8).map(|n| {
            let intake = &intake;
            async move { intake.receive(&client(n), stuck(), 1 << 20, "it").await.map(|_| ()) }
        });
        let honest = async {
            let (held, bytes) =
                intake.receive(&client(100), pieces(16, 1 << 16), 1 << 20, "it").await.unwrap();
            assert_eq!(bytes.len(), 1 << 20);
            assert!(intake.held() <= (1 << 20) + 8 * FIRST);
            drop(held);
        };
        let (stuck, ()) = tokio::join!(futures_util::future::join_all(stuck), honest);
        for stuck in stuck {
            assert_eq!(stuck.unwrap_err().body.code, "too_slow");
        }
    }

    #[tokio::test]
    async fn one_client_leaves_room_for_another() {
        let mut intake = intake();
        intake.pace.whole = Duration::from_secs(5);
        let (_first, _) = intake.receive(&client(1), pieces(16, 1 << 16), 1 << 20, "it").await.unwrap();
        // It gets its first 64 KiB, and no more.
        let second = intake.receive(&client(1), pieces(16, 1 << 16), 1 << 20, "it").await;
        assert_eq!(second.unwrap_err().body.code, "full");
        intake.receive(&client(2), pieces(16, 1 << 16), 1 << 20, "it").await.unwrap();
    }

    #[tokio::test]
    async fn a_trickle_is_cut_off() {
        let mut intake = intake();
        (intake.pace.grace, intake.pace.bytes_per_second) = (SHORT, 1_000_000);
        let trickle = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(SHORT).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(&[0; 100])), ()))
        });
        let cut = intake.receive(&client(1), Body::from_stream(trickle), 1 << 20, "it").await;
        assert_eq!(cut.unwrap_err().body.code, "too_slow");
    }
}
