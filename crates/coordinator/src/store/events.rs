//! What one coordinator tells the others at a commit, over PostgreSQL's `NOTIFY`. It wakes those who wait; what happened
//! they read from the database.

use std::str::FromStr as _;

use sqlx::postgres::PgListener;
use tacit_wire::{Digest32, IdentityKey};

use super::{Result, Store};

/// Its name among the server's channels; every database has its own.
pub(super) const CHANNEL: &str = "tacit";

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    fn text(&self) -> String {
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

    /// An expression that tells it at the commit.
    pub(super) fn notification(&self, instance: &str) -> String {
        format!("pg_notify('{CHANNEL}', '{}')", self.message(instance).replace('\'', ""))
    }

    /// The message of an event: who tells it, and what.
    pub(super) fn message(&self, instance: &str) -> String {
        format!("{instance} {}", self.text())
    }
}

/// What the other coordinators tell.
#[derive(Debug)]
pub struct Listener {
    inner: PgListener,
    instance: String,
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
        inner.listen(CHANNEL).await?;
        Ok(Some(Listener { inner, instance: self.instance.clone() }))
    }
}

impl Listener {
    /// The next thing that another coordinator says.
    pub async fn next(&mut self) -> Result<Heard> {
        loop {
            let Some(notification) = self.inner.try_recv().await? else { return Ok(Heard::Gap) };
            let Some((instance, text)) = notification.payload().split_once(' ') else { continue };
            if instance == self.instance {
                continue;
            }
            match Event::parse(text) {
                Some(event) => return Ok(Heard::Event(event)),
                None => tracing::warn!(
                    "another program speaks on this database's channel, or a newer coordinator"
                ),
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
        for event in [
            Event::Job(deal),
            Event::Answered(deal),
            Event::Work(node),
            Event::Connected(node, 12),
            Event::Assemble,
            Event::Keys,
            Event::Removed(deal),
        ] {
            let message = event.message("abc");
            let (instance, text) = message.split_once(' ').unwrap();
            assert_eq!((instance, Event::parse(text)), ("abc", Some(event)));
        }
        for wrong in ["", "job", "job x", "keys now", "connected 00 1"] {
            assert_eq!(Event::parse(wrong), None, "{wrong}");
        }
    }
}
