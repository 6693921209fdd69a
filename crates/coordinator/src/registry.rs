//! Which nodes there are, which are connected, and what each has in hand. All of it can be lost: a node says it again
//! when it connects, and what is still to be done is in the database.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tacit_wire::messages::{HeldSlice, Hello};
use tacit_wire::status::{DeliveryState, HexCertificate, NodeInfo};
use tacit_wire::{Digest32, IdentityKey, SealingKeyCertificate};
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
    announced: Option<Announced>,
    offered: HashSet<Digest32>,
    lost: HashSet<Digest32>,
}

#[derive(Debug, Clone)]
struct Session {
    number: u64,
    wake: Arc<Notify>,
    end: CancellationToken,
}

#[derive(Debug, Clone)]
struct Announced {
    certificate: SealingKeyCertificate,
    software: String,
    circuits: Vec<Digest32>,
    slices: Vec<HeldSlice>,
    bases_per_second: u64,
    capacity: u16,
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
        let entry = |n: &AllowedNode| Entry {
            allowed: n.clone(),
            session: None,
            announced: None,
            offered: HashSet::new(),
            lost: HashSet::new(),
        };
        Self {
            nodes: Mutex::new(nodes.iter().map(|n| (n.identity, entry(n))).collect()),
            order: nodes.iter().map(|n| n.identity).collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IdentityKey, Entry>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configured name of a node that may connect.
    pub fn name_of(&self, identity: &IdentityKey) -> Option<String> {
        self.lock().get(identity).map(|e| e.allowed.name.clone())
    }

    /// Takes a node's connection in; an older one of the same node is ended. `None` for a node that may not connect.
    pub fn join(self: &Arc<Self>, identity: IdentityKey, number: u64) -> Option<Seat> {
        let mut nodes = self.lock();
        let entry = nodes.get_mut(&identity)?;
        let session = Session { number, wake: Arc::new(Notify::new()), end: CancellationToken::new() };
        if let Some(older) = entry.session.replace(session.clone()) {
            older.end.cancel();
        }
        Some(Seat { registry: Arc::clone(self), identity, session })
    }

    /// Tells a node's session that there may be something to offer.
    pub fn wake(&self, identity: &IdentityKey) {
        if let Some(session) = self.lock().get(identity).and_then(|e| e.session.as_ref()) {
            session.wake.notify_one();
        }
    }

    /// The nodes as clients see them, in the order of the configuration.
    pub fn list(&self) -> Vec<NodeInfo> {
        let nodes = self.lock();
        let info = |e: &Entry| NodeInfo {
            identity: e.allowed.identity,
            sealing_key_certificate: e.announced.as_ref().map(|a| HexCertificate::from(&a.certificate)),
            connected: e.session.is_some() && e.announced.is_some(),
            software: e.announced.as_ref().map(|a| a.software.clone()).unwrap_or_default(),
            circuits: e.announced.as_ref().map(|a| a.circuits.clone()).unwrap_or_default(),
            slices: e.announced.as_ref().map(|a| a.slices.clone()).unwrap_or_default(),
            bases_per_second: e.announced.as_ref().map_or(0, |a| a.bases_per_second),
            capacity: e.announced.as_ref().map_or(0, |a| a.capacity),
            in_hand: u32::try_from(e.offered.len()).unwrap_or(u32::MAX),
        };
        self.order.iter().filter_map(|id| nodes.get(id)).map(info).collect()
    }

    /// How far a delivery is that its node has not replied to.
    pub fn delivery_state(&self, identity: &IdentityKey, deal: &Digest32) -> DeliveryState {
        match self.lock().get(identity) {
            Some(e) if e.offered.contains(deal) => DeliveryState::Offered,
            Some(e) if e.session.is_none() && e.lost.contains(deal) => DeliveryState::Lost,
            _ => DeliveryState::Waiting,
        }
    }

    /// Forgets a job that has ended.
    pub fn forget(&self, deal: &Digest32) {
        for entry in self.lock().values_mut() {
            entry.offered.remove(deal);
            entry.lost.remove(deal);
        }
    }
}

impl Seat {
    fn entry<T>(&self, f: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut nodes = self.registry.lock();
        let entry = nodes.get_mut(&self.identity)?;
        // A session that was replaced has no say any more.
        entry.session.as_ref().is_some_and(|s| s.number == self.session.number).then(|| f(entry))
    }

    /// Takes over what the node says of itself.
    pub fn announce(&self, hello: &Hello) {
        self.entry(|e| {
            e.announced = Some(Announced {
                certificate: hello.certificate.clone(),
                software: hello.software.clone(),
                circuits: hello.circuits.clone(),
                slices: hello.slices.clone(),
                bases_per_second: hello.bases_per_second,
                capacity: hello.capacity,
            });
        });
    }

    /// Waits until there may be something to offer.
    pub async fn woken(&self) {
        self.session.wake.notified().await;
    }

    /// Waits until another connection of the node has replaced this one.
    pub async fn replaced(&self) {
        self.session.end.cancelled().await;
    }

    /// Marks a deal as offered.
    pub fn offered(&self, deal: Digest32) {
        self.entry(|e| {
            e.lost.remove(&deal);
            e.offered.insert(deal);
        });
    }

    /// Marks a deal as offered no more; without a reply the node may still have it in hand.
    pub fn returned(&self, deal: Digest32, unanswered: bool) {
        self.entry(|e| {
            // A job that ended in the meantime was forgotten already.
            if e.offered.remove(&deal) && unanswered {
                e.lost.insert(deal);
            }
        });
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.entry(|e| {
            e.session = None;
            let Entry { lost, offered, .. } = e;
            lost.extend(offered.drain());
        });
    }
}
