//! Which nodes there may be, and which are connected to this process. All of it can be lost: a node connects again, and
//! what is to be done, and who does it, is in the database.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tacit_wire::IdentityKey;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::AllowedNode;

/// The nodes that may connect.
#[derive(Debug)]
pub struct Registry {
    nodes: Mutex<HashMap<IdentityKey, Entry>>,
    /// In the order of the configuration.
    order: Vec<IdentityKey>,
}

#[derive(Debug)]
struct Entry {
    allowed: AllowedNode,
    session: Option<Session>,
}

#[derive(Debug, Clone)]
struct Session {
    number: u64,
    /// The number of the connection among all of the node's, wherever; 0 before its hello.
    connection: Arc<AtomicI64>,
    wake: Arc<Notify>,
    end: CancellationToken,
}

/// A connection's place in the registry; leaving it is dropping it.
#[derive(Debug)]
pub struct Seat {
    registry: Arc<Registry>,
    /// Whose connection.
    pub identity: IdentityKey,
    session: Session,
}

impl Registry {
    /// A registry in which nobody is connected.
    pub fn new(nodes: &[AllowedNode]) -> Self {
        let entry = |n: &AllowedNode| Entry { allowed: n.clone(), session: None };
        Self {
            nodes: Mutex::new(nodes.iter().map(|n| (n.identity, entry(n))).collect()),
            order: nodes.iter().map(|n| n.identity).collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IdentityKey, Entry>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The nodes that may connect, in the order of the configuration.
    pub fn identities(&self) -> &[IdentityKey] {
        &self.order
    }

    /// The configured name of a node that may connect.
    pub fn name_of(&self, identity: &IdentityKey) -> Option<String> {
        self.lock().get(identity).map(|e| e.allowed.name.clone())
    }

    /// Takes a node's connection in; an older one of the same node is ended. `None` for a node that may not connect.
    pub fn join(self: &Arc<Self>, identity: IdentityKey, number: u64) -> Option<Seat> {
        let mut nodes = self.lock();
        let entry = nodes.get_mut(&identity)?;
        let session = Session {
            number,
            connection: Arc::default(),
            wake: Arc::new(Notify::new()),
            end: CancellationToken::new(),
        };
        if let Some(older) = entry.session.replace(session.clone()) {
            older.end.cancel();
        }
        Some(Seat { registry: Arc::clone(self), identity, session })
    }

    /// Tells a node's session, if it is here, that there may be something to offer.
    pub fn wake(&self, identity: &IdentityKey) {
        if let Some(session) = self.lock().get(identity).and_then(|e| e.session.as_ref()) {
            session.wake.notify_one();
        }
    }

    /// Tells every session that there may be something to offer.
    pub fn wake_all(&self) {
        for session in self.lock().values().filter_map(|e| e.session.as_ref()) {
            session.wake.notify_one();
        }
    }

    /// Ends a node's session here, if its connection is older than this one.
    pub fn supersede(&self, identity: &IdentityKey, connection: i64) {
        if let Some(session) = self.lock().get(identity).and_then(|e| e.session.as_ref())
            && (1..connection).contains(&session.connection.load(Ordering::Relaxed))
        {
            session.end.cancel();
        }
    }

    /// Ends every session: their nodes dial again.
    pub fn end_all(&self) {
        for session in self.lock().values().filter_map(|e| e.session.as_ref()) {
            session.end.cancel();
        }
    }
}

impl Seat {
    /// The number of the connection among all of the node's; 0 before its hello.
    pub fn connection(&self) -> i64 {
        self.session.connection.load(Ordering::Relaxed)
    }

    /// Notes the connection's number.
    pub fn connected(&self, connection: i64) {
        self.session.connection.store(connection, Ordering::Relaxed);
    }

    /// Waits until there may be something to offer.
    pub async fn woken(&self) {
        self.session.wake.notified().await;
    }

    /// Waits until another connection of the node has replaced this one.
    pub async fn replaced(&self) {
        self.session.end.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(entry) = self.registry.lock().get_mut(&self.identity)
            // A session that was replaced has no say any more.
            && entry.session.as_ref().is_some_and(|s| s.number == self.session.number)
        {
            entry.session = None;
        }
    }
}
