//! Sealing keys over time: one current, older ones until they expire, none after that.
//!
//! A key is replaced when half of its life is over, so that a certificate fetched now serves for at least the other
//! half, and destroyed when it expires: from then on nobody opens what was sealed to it. It is also destroyed at once
//! when the directory or the database beside it turns out to be a copy, because the database may have forgotten answers that
//! were already given.
//!
//! How a copy shows: the file `stamp` names its own inode and that of the database, which a copied file does not keep; and every [`Run`] of the service has a
//! number and a random name, in the stamp and in the database, so that one of the two from another time does not fit the other.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use tacit_wire::{Identity, Purpose, SealingKeyCertificate, SealingKeyId, SealingKeyPair};
use zeroize::Zeroizing;

use crate::dir::{create_private, destroy_secret, read_secret, sync_parent, write_secret};
use crate::protection::Secret;
use crate::{DataDir, Protection, VaultError};

const SEED_BYTES: usize = 32;
const EXTENSION: &str = "key";
/// Holds its own inode number and the highest epoch ever issued.
const STAMP_FILE: &str = "stamp";
/// What the files are for, in their protection.
pub(crate) const PURPOSE: &str = "sealing key";
/// The folder of a node's sealing keys.
pub const NODE: &str = "sealing";
/// The folder of a coordinator's assembler keys.
pub const ASSEMBLER: &str = "assembler";
/// A certificate is valid from a little before it was made, for peers whose clocks are behind.
const CLOCK_ALLOWANCE: u64 = 600;

/// A sealing key with the certificate that vouches for it.
#[derive(Debug, Clone)]
pub struct HeldKey {
    /// The key.
    pub pair: SealingKeyPair,
    /// Its certificate.
    pub certificate: SealingKeyCertificate,
}

/// The sealing keys of one identity for one purpose.
#[derive(Debug)]
pub struct KeyRing {
    dir: PathBuf,
    protection: Protection,
    purpose: Purpose,
    keys: Vec<HeldKey>,
    stamp: Stamp,
}

/// One run of a service, from start to stop: a number that only grows, and a random name. In the stamp of its keys and in its database.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Counted from 1; 0 where there was none.
    pub number: u64,
    /// Random, so that two copies that both ran on do not agree.
    pub name: u128,
}

/// What [`KeyRing::maintain`] did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Maintenance {
    /// Keys that are gone for good, with everything sealed to them.
    pub destroyed: Vec<SealingKeyId>,
    /// The key that was made.
    pub created: Option<SealingKeyId>,
}

impl KeyRing {
    /// Loads the keys in a folder of a data directory: see [`NODE`], [`ASSEMBLER`].
    ///
    /// # Errors
    /// As [`KeyRing::open`].
    pub fn open_in(
        dir: &DataDir,
        name: &str,
        purpose: Purpose,
        identity: &Identity,
    ) -> Result<Self, VaultError> {
        Self::open(&dir.path().join(name), dir.protection(), purpose, identity)
    }

    /// Loads the keys of a directory, creating it where it is missing. Destroys them if the directory is a copy (its
    /// files' inodes changed); a copy of the whole block device is not noticed.
    ///
    /// # Errors
    /// When a file cannot be read, is damaged, is another identity's or readable by others.
    pub fn open(
        dir: &Path,
        protection: &Protection,
        purpose: Purpose,
        identity: &Identity,
    ) -> Result<Self, VaultError> {
        create_private(dir)?;
        let (dir, protection) = (dir.to_owned(), protection.clone());
        let mut ring = Self { dir, protection, purpose, keys: Vec::new(), stamp: Stamp::default() };
        let mut copied = false;
        if let Some(stamp) = ring.read_stamp()? {
            ring.stamp = stamp;
            copied = stamp.inode != ring.stamp_inode()?;
        }
        for path in files(&ring.dir)? {
            if is_destroyed(&path)? {
                // A crash came between overwriting and removing it.
                destroy_secret(&path)?;
                continue;
            }
            let (key, secret) = read_key(&path, &ring.protection, purpose, identity)?;
            ring.protection.keep(&path, PURPOSE, &secret)?;
            ring.stamp.last_epoch = ring.stamp.last_epoch.max(key.certificate.epoch);
            ring.keys.push(key);
        }
        if copied {
            tracing::warn!(directory = %ring.dir.display(), "restored from a copy: its sealing keys are destroyed");
            ring.destroy_where(|_| true)?;
            ring.write_stamp()?;
        }
        ring.keys.sort_by_key(|k| k.certificate.epoch);
        Ok(ring)
    }

    /// Begins a run of the service. `recorded` is the run that its database names last, `database` the database's inode. Where these do not fit what is
    /// known here, one of the two is from another time, and the keys are destroyed. Returns the run that the database must name before [`KeyRing::settle`].
    ///
    /// # Errors
    /// When a file cannot be written or removed.
    pub fn begin_run<R: CryptoRng + ?Sized>(
        &mut self,
        recorded: Run,
        database: u64,
        rng: &mut R,
    ) -> Result<Run, VaultError> {
        let Stamp { run, before, database: known, .. } = self.stamp;
        // The run before counts only if a crash came between the two records of a beginning.
        let same_time = recorded == run || (before != run && recorded == before);
        let same_file = known == 0 || known == database;
        if !(same_time && same_file) {
            tracing::warn!(
                directory = %self.dir.display(),
                "the records beside these sealing keys are from another time: the keys are destroyed"
            );
            self.destroy_where(|_| true)?;
        }
        let mut name = [0; 16];
        rng.fill_bytes(&mut name);
        let number = run.number.max(recorded.number).saturating_add(1);
        let next = Run { number, name: u128::from_le_bytes(name) };
        self.stamp = Stamp { run: next, before: recorded, database, ..self.stamp };
        self.write_stamp()?;
        Ok(next)
    }

    /// The database names the run that was begun.
    ///
    /// # Errors
    /// When the stamp cannot be written.
    pub fn settle(&mut self) -> Result<(), VaultError> {
        self.stamp.before = self.stamp.run;
        self.write_stamp()
    }

    /// Destroys expired keys, and makes a new one when there is none or the newest has lived half of `lifetime`
    /// (seconds). `now` is Unix time.
    ///
    /// # Errors
    /// When a file cannot be written or removed.
    pub fn maintain<R: CryptoRng + ?Sized>(
        &mut self,
        identity: &Identity,
        now: u64,
        lifetime: u64,
        rng: &mut R,
    ) -> Result<Maintenance, VaultError> {
        // A key that was made for a longer life than is wanted now does not outlive the shorter one.
        let made = |k: &HeldKey| k.certificate.not_before.saturating_add(CLOCK_ALLOWANCE);
        let end = |k: &HeldKey| k.certificate.expiry.min(made(k).saturating_add(lifetime));
        let mut done = Maintenance { destroyed: self.destroy_where(|k| end(k) < now)?, created: None };
        // A key from a clock that was ahead is valid for nobody yet.
        let fresh_enough =
            |k: &HeldKey| k.certificate.not_before <= now && end(k).saturating_sub(now) > lifetime / 2;
        if self.keys.last().is_some_and(fresh_enough) {
            return Ok(done);
        }
        let epoch = self.stamp.last_epoch.saturating_add(1);
        let (not_before, expiry) = (now.saturating_sub(CLOCK_ALLOWANCE), now.saturating_add(lifetime));
        let (pair, certificate) =
            SealingKeyCertificate::generate(identity, self.purpose, epoch, not_before, expiry, rng)
                .map_err(|e| VaultError::Random(e.to_string()))?;
        let mut content =
            Zeroizing::new(Vec::with_capacity(SEED_BYTES + tacit_wire::certificate::CERTIFICATE_BYTES));
        content.extend_from_slice(pair.to_seed().as_slice());
        content.extend_from_slice(&certificate.encode());
        // The epoch is spent before the key exists: a crash in between skips a number, never reuses one.
        self.stamp.last_epoch = epoch;
        self.write_stamp()?;
        self.protection.write(&self.path_of(&pair.id()), PURPOSE, &content)?;
        done.created = Some(pair.id());
        self.keys.push(HeldKey { pair, certificate });
        Ok(done)
    }

    /// The newest key; `None` before the first [`KeyRing::maintain`].
    pub fn current(&self) -> Option<&HeldKey> {
        self.keys.last()
    }

    /// A key by its name, if it still exists.
    pub fn get(&self, id: &SealingKeyId) -> Option<&HeldKey> {
        self.keys.iter().find(|k| k.pair.id() == *id)
    }

    /// All keys, oldest first.
    pub fn keys(&self) -> &[HeldKey] {
        &self.keys
    }

    fn destroy_where(
        &mut self,
        condemned: impl Fn(&HeldKey) -> bool,
    ) -> Result<Vec<SealingKeyId>, VaultError> {
        let mut destroyed = Vec::new();
        while let Some(at) = self.keys.iter().position(&condemned) {
            let Some(id) = self.keys.get(at).map(|key| key.pair.id()) else { break };
            // It is gone only when its file is: else the next time tries again.
            destroy_secret(&self.path_of(&id))?;
            self.keys.remove(at);
            destroyed.push(id);
        }
        Ok(destroyed)
    }

    fn path_of(&self, id: &SealingKeyId) -> PathBuf {
        self.dir.join(format!("{id}.{EXTENSION}"))
    }

    fn read_stamp(&self) -> Result<Option<Stamp>, VaultError> {
        let path = self.dir.join(STAMP_FILE);
        let Some(content) = read_secret(&path)? else { return Ok(None) };
        let damaged = VaultError::Damaged { path, what: "it is not a stamp of this program" };
        std::str::from_utf8(&content).ok().and_then(Stamp::read).map(Some).ok_or(damaged)
    }

    fn stamp_inode(&self) -> Result<u64, VaultError> {
        let path = self.dir.join(STAMP_FILE);
        Ok(fs::metadata(&path).map_err(|e| VaultError::io(&path, e))?.ino())
    }

    /// Written in place (it is one short line) so that the file keeps the inode that it names.
    fn write_stamp(&mut self) -> Result<(), VaultError> {
        let path = self.dir.join(STAMP_FILE);
        if !path.exists() {
            write_secret(&path, Stamp::default().line().as_bytes())?;
        }
        self.stamp.inode = self.stamp_inode()?;
        let line = self.stamp.line();
        fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|mut f| {
                std::io::Write::write_all(&mut f, line.as_bytes())?;
                f.sync_all()
            })
            .map_err(|e| VaultError::io(&path, e))?;
        sync_parent(&path)
    }
}

/// What the stamp says. All zeros but for the first two in the form of earlier versions, which had no more.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// Its own.
    inode: u64,
    last_epoch: u64,
    /// The database's; 0 where there is none.
    database: u64,
    /// The last run that was begun here.
    run: Run,
    /// The one that the database named then; the same once it names this one.
    before: Run,
}

impl Stamp {
    /// One line of a fixed length, so that a new one covers an old one. (An older form's is shorter.)
    fn line(&self) -> String {
        let Self { inode, last_epoch, database, run, before } = self;
        format!(
            "{inode:020} {last_epoch:020} {database:020} {:020} {:039} {:020} {:039}\n",
            run.number, run.name, before.number, before.name
        )
    }

    fn read(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |word: &&str| word.parse::<u64>().ok();
        let run =
            |number: &str, name: &str| Some(Run { number: number.parse().ok()?, name: name.parse().ok()? });
        match words.as_slice() {
            [inode, epoch] => {
                Some(Self { inode: number(inode)?, last_epoch: number(epoch)?, ..Self::default() })
            }
            [inode, epoch, database, n1, a1, n2, a2] => Some(Self {
                inode: number(inode)?,
                last_epoch: number(epoch)?,
                database: number(database)?,
                run: run(n1, a1)?,
                before: run(n2, a2)?,
            }),
            _ => None,
        }
    }
}

/// Reads the keys in a folder of a directory that is not opened, oldest first. Nothing is written, destroyed or made.
///
/// # Errors
/// When a file cannot be read, is damaged, is another identity's or readable by others.
pub fn look(
    dir: &Path,
    protection: &Protection,
    purpose: Purpose,
    identity: &Identity,
) -> Result<Vec<HeldKey>, VaultError> {
    let mut keys = Vec::new();
    for path in files(dir)? {
        if !is_destroyed(&path)? {
            keys.push(read_key(&path, protection, purpose, identity)?.0);
        }
    }
    keys.sort_by_key(|key| key.certificate.epoch);
    Ok(keys)
}

/// The files of the keys in a directory.
pub(crate) fn files(dir: &Path) -> Result<Vec<PathBuf>, VaultError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| VaultError::io(dir, e))? {
        let path = entry.map_err(|e| VaultError::io(dir, e))?.path();
        if path.extension().is_some_and(|e| e == EXTENSION) {
            files.push(path);
        }
    }
    Ok(files)
}

/// Whether a file was overwritten by [`destroy_secret`] and not removed.
fn is_destroyed(path: &Path) -> Result<bool, VaultError> {
    Ok(read_secret(path)?.is_some_and(|content| crate::protection::is_destroyed(&content)))
}

fn read_key(
    path: &Path,
    protection: &Protection,
    purpose: Purpose,
    identity: &Identity,
) -> Result<(HeldKey, Secret), VaultError> {
    let damaged = |what| VaultError::Damaged { path: path.to_owned(), what };
    let content = protection.read(path, PURPOSE)?.ok_or_else(|| damaged("it vanished while it was read"))?;
    let (seed, certificate) =
        content.split_first_chunk::<SEED_BYTES>().ok_or_else(|| damaged("it is shorter than a key"))?;
    let pair = SealingKeyPair::from_seed(seed).map_err(|_| damaged("it holds no sealing key"))?;
    let certificate =
        SealingKeyCertificate::decode(certificate).map_err(|_| damaged("its certificate does not decode"))?;
    if certificate.key_id != pair.id() || certificate.purpose != purpose {
        return Err(damaged("its certificate is for another key"));
    }
    // The time is checked by `maintain`, which destroys what has expired.
    certificate
        .verify_for(purpose, identity.key(), certificate.not_before)
        .map_err(|_| damaged("its certificate is not signed by this identity"))?;
    Ok((HeldKey { pair, certificate }, content))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::identity::system_rng;

    const LIFE: u64 = 1000;

    fn open(dir: &Path, identity: &Identity) -> KeyRing {
        KeyRing::open(dir, &Protection::off(), Purpose::NodeEnvelope, identity).unwrap()
    }

    #[test]
    fn keys_rotate_at_half_life_and_die_at_expiry() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("sealing");
        let mut rng = system_rng().unwrap();
        let identity = Identity::generate(&mut rng);
        let mut ring = open(&dir, &identity);
        let first = ring.maintain(&identity, 10_000, LIFE, &mut rng).unwrap().created.unwrap();
        assert_eq!(ring.maintain(&identity, 10_499, LIFE, &mut rng).unwrap(), Maintenance::default());
        let second = ring.maintain(&identity, 10_500, LIFE, &mut rng).unwrap().created.unwrap();
        assert!(ring.get(&first).is_some());
        assert_eq!(ring.current().unwrap().certificate.epoch, 2);
        drop(ring);

        let mut ring = open(&dir, &identity);
        assert_eq!(ring.keys().len(), 2);
        assert_eq!(ring.current().unwrap().pair.id(), second);
        assert_eq!(ring.maintain(&identity, 11_001, LIFE, &mut rng).unwrap().destroyed, [first]);
        assert!(!ring.path_of(&first).exists());
        let other = Identity::generate(&mut rng);
        assert!(matches!(
            KeyRing::open(&dir, &Protection::off(), Purpose::NodeEnvelope, &other),
            Err(VaultError::Damaged { .. })
        ));
    }

    #[test]
    fn a_key_whose_destruction_a_crash_cut_off_is_destroyed_by_the_next_start() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("sealing");
        let mut rng = system_rng().unwrap();
        let identity = Identity::generate(&mut rng);
        let mut ring = open(&dir, &identity);
        let first = ring.maintain(&identity, 10_000, LIFE, &mut rng).unwrap().created.unwrap();
        let second = ring.maintain(&identity, 10_500, LIFE, &mut rng).unwrap().created.unwrap();
        // Overwritten and not removed.
        let path = ring.path_of(&first);
        let length = fs::read(&path).unwrap().len();
        fs::write(&path, vec![0; length]).unwrap();
        drop(ring);
        assert_eq!(look(&dir, &Protection::off(), Purpose::NodeEnvelope, &identity).unwrap().len(), 1);
        assert!(path.exists(), "looking removes nothing");
        let ring = open(&dir, &identity);
        assert_eq!(ring.keys().iter().map(|key| key.pair.id()).collect::<Vec<_>>(), [second]);
        assert!(!path.exists());
    }

    #[test]
    fn a_key_that_cannot_be_destroyed_is_kept_in_mind() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("sealing");
        let mut rng = system_rng().unwrap();
        let identity = Identity::generate(&mut rng);
        let mut ring = open(&dir, &identity);
        let first = ring.maintain(&identity, 10_000, LIFE, &mut rng).unwrap().created.unwrap();
        // Something that cannot be overwritten stands in its place.
        let path = ring.path_of(&first);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(ring.maintain(&identity, 11_001, LIFE, &mut rng).is_err());
        assert!(ring.get(&first).is_some());
        fs::remove_dir(&path).unwrap();
        assert_eq!(ring.maintain(&identity, 11_001, LIFE, &mut rng).unwrap().destroyed, [first]);
    }

    #[test]
    fn a_key_from_a_clock_that_was_ahead_is_replaced_at_once() {
        let root = tempfile::tempdir().unwrap();
        let mut rng = system_rng().unwrap();
        let identity = Identity::generate(&mut rng);
        let mut ring = open(&root.path().join("sealing"), &identity);
        let ahead = ring.maintain(&identity, 50_000, LIFE, &mut rng).unwrap().created.unwrap();
        // The clock was put right: nobody would take that key's certificate yet.
        let now = ring.maintain(&identity, 10_000, LIFE, &mut rng).unwrap().created.unwrap();
        assert_eq!(ring.current().unwrap().pair.id(), now);
        assert!(ring.current().unwrap().certificate.not_before <= 10_000);
        assert!(ring.get(&ahead).is_some(), "what was sealed to it can still be opened");
        assert_eq!(ring.maintain(&identity, 10_001, LIFE, &mut rng).unwrap().created, None);
    }

    #[test]
    fn a_file_in_the_clear_is_encrypted_once_it_was_understood_and_no_earlier() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("node");
        let mut rng = system_rng().unwrap();
        let mut dir = DataDir::open(&path).unwrap();
        let identity = crate::identity::load_or_create(&dir).unwrap();
        let ring = |dir: &DataDir| KeyRing::open_in(dir, NODE, Purpose::NodeEnvelope, &identity);
        ring(&dir).unwrap().maintain(&identity, 10_000, LIFE, &mut rng).unwrap();
        let pem = path.join(crate::identity::IDENTITY_FILE);
        let [key] = files(&path.join(NODE)).unwrap().try_into().unwrap();
        let clear = [fs::read(&pem).unwrap(), fs::read(&key).unwrap()];
        dir.protect(&crate::Unlock::passphrase(b"correct horse battery")).unwrap();
        // What is no key is left as it is.
        for (file, noise) in [(&pem, &b"not a key"[..]), (&key, &[7; 2000])] {
            let sealed = fs::read(file).unwrap();
            fs::write(file, noise).unwrap();
            assert!(crate::identity::load(&dir).is_err() || ring(&dir).is_err());
            assert_eq!(fs::read(file).unwrap(), noise);
            fs::write(file, sealed).unwrap();
        }
        // Keys in the clear are taken and encrypted.
        for (file, content) in [&pem, &key].iter().zip(&clear) {
            fs::write(file, content).unwrap();
        }
        assert_eq!(crate::identity::load(&dir).unwrap().key(), identity.key());
        assert_eq!(ring(&dir).unwrap().keys().len(), 1);
        for file in [&pem, &key] {
            assert!(fs::read(file).unwrap().starts_with(b"TACITSEC"));
        }
    }

    #[test]
    fn a_restored_copy_loses_its_keys_but_not_its_epoch() {
        let root = tempfile::tempdir().unwrap();
        let (dir, copy) = (root.path().join("sealing"), root.path().join("copy"));
        let mut rng = system_rng().unwrap();
        let identity = Identity::generate(&mut rng);
        open(&dir, &identity).maintain(&identity, 10_000, LIFE, &mut rng).unwrap();
        create_private(&copy).unwrap();
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
        }
        let mut ring = open(&copy, &identity);
        assert!(ring.keys().is_empty());
        ring.maintain(&identity, 10_000, LIFE, &mut rng).unwrap();
        assert_eq!(ring.current().unwrap().certificate.epoch, 2);
        drop(ring);
        assert_eq!(open(&copy, &identity).keys().len(), 1);
        assert_eq!(open(&dir, &identity).keys().len(), 1);
    }

    #[test]
    fn a_shorter_life_holds_for_keys_that_were_made_for_a_longer_one() {
        let root = tempfile::tempdir().unwrap();
        let mut rng = system_rng().unwrap();
        let identity = Identity::generate(&mut rng);
        let mut ring = open(&root.path().join("sealing"), &identity);
        let long = ring.maintain(&identity, 10_000, LIFE, &mut rng).unwrap().created.unwrap();
        let next = ring.maintain(&identity, 10_060, LIFE / 10, &mut rng).unwrap();
        assert!(next.destroyed.is_empty() && next.created.is_some());
        assert_eq!(ring.maintain(&identity, 10_101, LIFE / 10, &mut rng).unwrap().destroyed, [long]);
    }

    #[test]
    fn keys_and_records_from_different_times_do_not_go_on_together() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("sealing");
        let mut rng = system_rng().unwrap();
        let identity = Identity::generate(&mut rng);
        let filled = |ring: &mut KeyRing, rng: &mut _| {
            ring.maintain(&identity, 10_000, LIFE, rng).unwrap();
            ring.keys().len() == 1
        };
        let begin = |recorded: Run, database: u64, rng: &mut _| {
            let mut ring = open(&dir, &identity);
            let next = ring.begin_run(recorded, database, rng).unwrap();
            (ring, next)
        };
        let mut ring = open(&dir, &identity);
        assert!(filled(&mut ring, &mut rng));
        // A directory of an earlier version, whose database names no run either.
        let (mut ring, first) = begin(Run::default(), 7, &mut rng);
        assert_eq!((ring.keys().len(), first.number), (1, 1));
        // A crash before the database named it, one after that, and none.
        drop(ring);
        let (ring2, again) = begin(Run::default(), 7, &mut rng);
        ring = ring2;
        assert_eq!((ring.keys().len(), again.number), (1, 2));
        let (mut ring, third) = begin(again, 7, &mut rng);
        assert_eq!(ring.keys().len(), 1);
        ring.settle().unwrap();
        // Once it is settled, the database of the run before is a copy from then.
        let (mut ring, fourth) = begin(again, 7, &mut rng);
        assert!(ring.keys().is_empty());
        assert!(fourth.number > third.number);
        // Another file, even one that names the right run; a database that knows of nothing; one that is ahead of the keys.
        for (recorded, database) in
            [(None, 8), (Some(Run::default()), 7), (Some(Run { number: 99, name: 1 }), 7)]
        {
            ring.settle().unwrap();
            assert!(filled(&mut ring, &mut rng));
            let known = ring.stamp.database;
            let recorded = recorded.unwrap_or(ring.stamp.run);
            let database = if database == 8 { known + 1 } else { known };
            let (next, _) = begin(recorded, database, &mut rng);
            assert!(next.keys().is_empty(), "{recorded:?} {database}");
            ring = next;
        }
    }

    #[test]
    fn protected_keys_are_not_in_the_clear_and_open_again() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("node");
        let mut rng = system_rng().unwrap();
        let unlock = crate::Unlock::passphrase(b"correct horse battery");
        let mut dir = DataDir::open(&path).unwrap();
        let identity = crate::identity::load_or_create(&dir).unwrap();
        let ring = |dir: &DataDir| KeyRing::open_in(dir, NODE, Purpose::NodeEnvelope, &identity).unwrap();
        let mut keys = ring(&dir);
        keys.maintain(&identity, 10_000, LIFE, &mut rng).unwrap();
        let seed = keys.current().unwrap().pair.to_seed();
        let on_disk = || {
            let files = files(&path.join(NODE)).unwrap().into_iter().chain([path.join("identity.pem")]);
            files.flat_map(|file| fs::read(file).unwrap()).collect::<Vec<u8>>()
        };
        let shows = |bytes: &[u8]| {
            bytes.windows(32).any(|w| w == seed.as_slice()) || bytes.windows(11).any(|w| w == b"PRIVATE KEY")
        };
        assert!(shows(&on_disk()));
        dir.protect(&unlock).unwrap();
        assert!(!shows(&on_disk()));
        // What is made from now on is encrypted too.
        let mut keys = ring(&dir);
        keys.maintain(&identity, 10_600, LIFE, &mut rng).unwrap();
        let seeds: Vec<_> = keys.keys().iter().map(|k| k.pair.to_seed()).collect();
        assert_eq!(seeds.len(), 2);
        assert!(seeds.iter().all(|s| !on_disk().windows(32).any(|w| w == s.as_slice())));
        drop(dir);
        assert!(matches!(DataDir::open(&path), Err(VaultError::Locked { .. })));
        let dir = DataDir::open_with(&path, &unlock).unwrap();
        assert_eq!(crate::identity::load(&dir).unwrap().key(), identity.key());
        assert_eq!(ring(&dir).keys().len(), 2);
    }
}
