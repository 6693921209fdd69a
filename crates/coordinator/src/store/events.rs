//! What one coordinator tells the others at a commit, over PostgreSQL's `NOTIFY`. It wakes those who wait; what happened
//! they read from the database.
//!
//! Each listens on a channel of its own, and whoever tells something looks up who the others are: nobody is woken by what it said itself.

use std::collections::VecDeque;
use std::str::FromStr as _;

use sqlx::postgres::PgListener;
use tacit_wire::{Digest32, IdentityKey};

use super::{Result, Store};

/// An expression that tells a message to all coordinators but one, and is how many they are; both are given as expressions.
macro_rules! tell_others {
    ($message:literal, $instance:literal) => {
        concat!(
            "(SELECT COUNT(pg_notify('tacit_' || c.id, ",
            $message,
            ")) FROM coordinators c WHERE c.id <> ",
            $instance,
            ")"
        )
    };
}
pub(super) use tell_others;

/// A query that tells some events to all coordinators but this one. An event is words and numbers.
pub(super) fn telling(events: &[Event], instance: &str) -> String {
    let tell = |message: String| format!(tell_others!("'{}'", "'{}'"), message, instance);
    format!("SELECT {}", Event::messages(events).into_iter().map(tell).collect::<Vec<_>>().join(", "))
}

/// A coordinator's channel, as [`tell_others`] names it.
fn channel(instance: &str) -> String {
    format!("tacit_{instance}")
}

/// Most bytes of a message. The server takes 7,999.
const MESSAGE_BYTES: usize = 7_000;

/// Between the events of a message.
const NEXT: char = ';';

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A job changed.
    Job(Digest32),
    /// A node has answered, and the job goes on.
    Answered(Digest32),
    /// There may be something to offer to a node.
    Work(IdentityKey),
    /// A node has a new connection, of this number.
    Connected(IdentityKey, i64),
    /// There may be something to assemble.
    Assemble,
    /// Assembler keys changed.
    Keys,
    /// A circuit was removed.
    Removed(Digest32),
}

impl Event {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Job(deal) => format!("job {deal}"),
            Self::Answered(deal) => format!("answered {deal}"),
            Self::Work(node) => format!("work {node}"),
            Self::Connected(node, connection) => format!("connected {node} {connection}"),
            Self::Assemble => "assemble".to_owned(),
            Self::Keys => "keys".to_owned(),
            Self::Removed(circuit) => format!("removed {circuit}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let event = match words.next()? {
            "job" => Self::Job(Digest32::from_str(words.next()?).ok()?),
            "answered" => Self::Answered(Digest32::from_str(words.next()?).ok()?),
            "work" => Self::Work(IdentityKey::from_str(words.next()?).ok()?),
            "connected" => {
                Self::Connected(IdentityKey::from_str(words.next()?).ok()?, words.next()?.parse().ok()?)
            }
            "assemble" => Self::Assemble,
            "keys" => Self::Keys,
            "removed" => Self::Removed(Digest32::from_str(words.next()?).ok()?),
            _ => return None,
        };
        words.next().is_none().then_some(event)
    }

    /// The messages that tell some events: words, numbers and semicolons.
    pub(super) fn messages(events: &[Self]) -> Vec<String> {
        let mut messages: Vec<String> = Vec::new();
        for event in events {
            let text = event.text();
            match messages.last_mut() {
                Some(last) if last.len() + text.len() < MESSAGE_BYTES => {
                    last.push(NEXT);
                    last.push_str(&text);
                }
                _ => messages.push(text),
            }
        }
        messages
    }
}

/// What the other coordinators tell.
#[derive(Debug)]
pub struct Listener {
    inner: PgListener,
    /// What the last message says beyond what was given out.
    rest: VecDeque<Event>,
}

/// What came of listening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Another coordinator says this.
    Event(Event),
    /// The connection broke and was made again: anything may have happened in between.
    Gap,
}

impl Store {
    /// Listens to the other coordinators; `None` with SQLite, where there are none.
    pub async fn listen(&self) -> Result<Option<Listener>> {
        let Some(options) = &self.postgres else { return Ok(None) };
        let pool =
            sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        let mut inner = PgListener::connect_with(&pool).await?;
        inner.listen(&channel(&self.instance)).await?;
        Ok(Some(Listener { inner, rest: VecDeque::new() }))
    }
}

impl Listener {
    /// The next thing that another coordinator says.
    pub async fn next(&mut self) -> Result<Heard> {
        loop {
            if let Some(event) = self.rest.pop_front() {
                return Ok(Heard::Event(event));
            }
            let Some(notification) = self.inner.try_recv().await? else { return Ok(Heard::Gap) };
            for text in notification.payload().split(NEXT) {
                match Event::parse(text) {
                    Some(event) => self.rest.push_back(event),
                    None => tracing::warn!(
                        "another program speaks on this coordinator's channel, or a newer coordinator"
                    ),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn events_are_read_as_they_were_told() {
        let (deal, node) = (Digest32([7; 32]), IdentityKey([9; 32]));
        let events = [
            Event::Job(deal),
            Event::Answered(deal),
            Event::Work(node),
            Event::Connected(node, 12),
            Event::Assemble,
            Event::Keys,
            Event::Removed(deal),
        ];
        for times in [1, 100] {
            let many = events.repeat(times);
            let messages = Event::messages(&many);
            assert!(
                messages.iter().all(|m| m.len() < 7_999) && messages.len() == times.div_ceil(18),
                "{}",
                messages.len()
            );
            let read: Vec<_> =
                messages.iter().flat_map(|m| m.split(NEXT)).map(|t| Event::parse(t).unwrap()).collect();
            assert_eq!(read, many);
        }
        assert!(Event::messages(&[]).is_empty());
        for wrong in ["", "job", "job x", "keys now", "connected 00 1"] {
            assert_eq!(Event::parse(wrong), None, "{wrong}");
        }
    }
}
