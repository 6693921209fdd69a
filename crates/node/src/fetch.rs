//! Files from the coordinator: each is fetched once, whoever waits for it, within bounds that are looked at before it is read.
//!
//! The first piece says how large the file is. Then, and not later, it must fit the client's quota, the memory that checking it takes, and the disk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tacit_net::NetError;
use tacit_wire::messages::{CircuitRequest, Refusal, RefusalCode};
use tacit_wire::{Blame, Digest32, Message};
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use crate::circuits::{Asker, Circuits, INCOMING, run};
use crate::clients::Fetching;
use crate::disk::Room;

const CHUNK_BYTES: usize = tacit_wire::frame::MessageType::CircuitChunk.limit();

/// A fetched file, and the disk for it and its prepared form; removed when dropped.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its size.
    pub(crate) bytes: u64,
    #[allow(dead_code, reason = "it is held, not read")]
    disk: Option<Room>,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What is being fetched, and what was fetched and is still in use.
#[derive(Debug, Default)]
pub(crate) struct Fetches(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    files: HashMap<Digest32, File>,
    /// Each file has a name of its own, so that the end of an earlier one does not remove a later one.
    count: u64,
}

#[derive(Debug)]
enum File {
    OnItsWay(watch::Receiver<Option<Outcome>>),
    Here(Weak<Incoming>),
}

#[derive(Debug, Clone)]
enum Outcome {
    Here(Arc<Incoming>),
    /// It cannot be had.
    Refused(Refusal),
    /// It cannot be had by who asked for it first: the next one asks for itself.
    NotForTheFirst,
}

/// What somebody who needs a file does.
enum Role<'a> {
    Use(Arc<Incoming>),
    Wait(watch::Receiver<Option<Outcome>>),
    Fetch(First<'a>),
}

/// Who fetches; nobody does when this is dropped.
struct First<'a> {
    fetches: &'a Fetches,
    id: Digest32,
    number: u64,
    tell: watch::Sender<Option<Outcome>>,
}

/// Why a file was not fetched.
enum Failed {
    /// Because of whose deal it was for.
    ForThisClient(Refusal),
    /// For whomever.
    ForAll(Refusal),
}

impl Fetches {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn role(&self, id: Digest32) -> Role<'_> {
        let mut state = self.state();
        match state.files.get(&id) {
            Some(File::OnItsWay(outcome)) => return Role::Wait(outcome.clone()),
            Some(File::Here(file)) => {
                if let Some(file) = file.upgrade() {
                    return Role::Use(file);
                }
            }
            None => {}
        }
        state.files.retain(|_, file| !matches!(file, File::Here(file) if file.strong_count() == 0));
        let (tell, outcome) = watch::channel(None);
        state.files.insert(id, File::OnItsWay(outcome));
        state.count += 1;
        Role::Fetch(First { fetches: self, id, number: state.count, tell })
    }
}

impl First<'_> {
    fn ended(self, outcome: Outcome) {
        if let Outcome::Here(file) = &outcome {
            self.fetches.state().files.insert(self.id, File::Here(Arc::downgrade(file)));
        }
        self.tell.send_replace(Some(outcome));
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        let mut state = self.fetches.state();
        if matches!(state.files.get(&self.id), Some(File::OnItsWay(_))) {
            state.files.remove(&self.id);
        }
    }
}

impl Circuits {
    /// A file by its id, from the coordinator. `needs` says how much memory it takes to check one of so many bytes.
    ///
    /// # Errors
    /// What to tell who offered.
    pub(crate) async fn fetched(
        self: &Arc<Self>,
        id: Digest32,
        asker: Asker<'_>,
        needs: fn(u64) -> u64,
    ) -> Result<Arc<Incoming>, Refusal> {
        loop {
            match self.fetches.role(id) {
                Role::Use(file) => return Ok(file),
                Role::Wait(mut outcome) => {
                    let outcome = outcome.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
                    match outcome {
                        Some(Outcome::Here(file)) => return Ok(file),
                        Some(Outcome::Refused(refusal)) => return Err(refusal),
                        Some(Outcome::NotForTheFirst) | None => {}
                    }
                }
                Role::Fetch(first) => {
                    let name = format!("{id}.{}", first.number);
                    let path = self.dir.join(INCOMING).join(name);
                    return match self.fetch(id, asker, path, needs).await {
                        Ok(file) => {
                            let file = Arc::new(file);
                            first.ended(Outcome::Here(Arc::clone(&file)));
                            Ok(file)
                        }
                        Err(Failed::ForThisClient(refusal)) => {
                            first.ended(Outcome::NotForTheFirst);
                            Err(refusal)
                        }
                        Err(Failed::ForAll(refusal)) => {
                            first.ended(Outcome::Refused(refusal.clone()));
                            Err(refusal)
                        }
                    };
                }
            }
        }
    }

    async fn fetch(
        self: &Arc<Self>,
        id: Digest32,
        asker: Asker<'_>,
        path: PathBuf,
        needs: fn(u64) -> u64,
    ) -> Result<Incoming, Failed> {
        // Whose quota is used up does not even ask how large it is.
        self.clients.fetch(asker.client, asker.now, 0).map_err(Failed::ForThisClient)?;
        let mut file = Incoming { path, bytes: 0, disk: None };
        match self.receive(id, asker, &mut file, needs).await {
            Ok(Ok(())) => {
                tracing::info!(circuit = %id, bytes = file.bytes, "circuit fetched");
                Ok(file)
            }
            Ok(Err(failed)) => Err(failed),
            Err(error) => {
                tracing::warn!(circuit = %id, %error, "a circuit could not be fetched");
                let text = "the circuit could not be fetched";
                Err(Failed::ForAll(Refusal::new(RefusalCode::Internal, Blame::Nobody, text)))
            }
        }
    }

    /// Whether a file of so many bytes may be read: the quota that it takes, and the disk for it and its prepared form, which is about as large.
    async fn admit_file(
        self: &Arc<Self>,
        asker: Asker<'_>,
        bytes: u64,
        needs: fn(u64) -> u64,
    ) -> Result<(Fetching, Room), Failed> {
        let takes = needs(bytes);
        if takes > self.memory.limit() {
            let text = format!(
                "checking the proving key takes {takes} bytes of memory, this node allows itself {} (limits.memory_bytes)",
                self.memory.limit()
            );
            return Err(Failed::ForAll(Refusal::new(RefusalCode::BeyondLimits, Blame::Nobody, text)));
        }
        let quota = self.clients.fetch(asker.client, asker.now, bytes).map_err(Failed::ForThisClient)?;
        let circuits = Arc::clone(self);
        let room = run(move || circuits.make_room(bytes.saturating_mul(2), None)).await;
        Ok((quota, room.and_then(|room| room).map_err(Failed::ForAll)?))
    }

    async fn receive(
        self: &Arc<Self>,
        id: Digest32,
        asker: Asker<'_>,
        incoming: &mut Incoming,
        needs: fn(u64) -> u64,
    ) -> Result<Result<(), Failed>, NetError> {
        let refused = |code, blame, text: String| Failed::ForAll(Refusal::new(code, blame, text));
        let unwritable = |error: std::io::Error| {
            tracing::error!(circuit = %id, %error, "a fetched circuit cannot be written");
            refused(RefusalCode::Internal, Blame::Node, "the circuit cannot be stored".to_owned())
        };
        let mut stream = asker.connection.open(self.patience).await?;
        stream.send(&CircuitRequest { circuit: id, offset: 0 }, self.patience).await?;
        stream.finish()?;
        let mut file = match create(&incoming.path).await {
            Ok(file) => file,
            Err(error) => return Ok(Err(unwritable(error))),
        };
        let mut admitted: Option<(u64, Fetching)> = None;
        loop {
            let received = incoming.bytes;
            let chunk = match stream.receive(CHUNK_BYTES, self.patience).await? {
                Some(Message::CircuitChunk(chunk)) => chunk,
                Some(Message::Refusal(refusal)) => return Ok(Err(Failed::ForAll(refusal))),
                Some(other) => return Err(stream.unexpected(&other, "a piece of a circuit")),
                None => {
                    let text = format!("the circuit ended after {received} bytes");
                    return Ok(Err(refused(RefusalCode::Internal, Blame::Coordinator, text)));
                }
            };
            // Room is made for what the first piece announces.
            let total = admitted.as_ref().map_or(chunk.total, |(total, _)| *total);
            let after = received.saturating_add(chunk.bytes.len() as u64);
            if chunk.offset != received
                || chunk.total != total
                || total > self.zkey_bytes
                || after > total
                || chunk.bytes.is_empty()
            {
                let text = format!(
                    "a piece of {} bytes at {} of {} came where {received} of {total} was due (at most {} bytes are accepted)",
                    chunk.bytes.len(),
                    chunk.offset,
                    chunk.total,
                    self.zkey_bytes
                );
                return Ok(Err(refused(RefusalCode::UnknownCircuit, Blame::Coordinator, text)));
            }
            let quota = match &mut admitted {
                Some((_, quota)) => quota,
                none => match self.admit_file(asker, total, needs).await {
                    Ok((quota, room)) => {
                        incoming.disk = Some(room);
                        &mut none.insert((total, quota)).1
                    }
                    Err(failed) => return Ok(Err(failed)),
                },
            };
            if let Err(error) = file.write_all(&chunk.bytes).await {
                return Ok(Err(unwritable(error)));
            }
            quota.received(chunk.bytes.len() as u64);
            incoming.bytes = after;
            if after == total {
                break;
            }
        }
        Ok(file.flush().await.map_err(unwritable))
    }
}

async fn create(path: &Path) -> std::io::Result<tokio::fs::File> {
    tokio::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path).await
}
