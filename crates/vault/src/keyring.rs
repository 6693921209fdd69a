//! Sealing keys over time: one current, older ones until they expire, none after that.
//!
//! A key is replaced when half of its life is over, so that a certificate fetched now serves for at least the other
//! half, and destroyed when it expires: from then on nobody opens what was sealed to it. It is also destroyed at once
//! when the directory turns out to be a copy, because the database beside it may have forgotten answers that were
//! already given.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use tacit_wire::{Identity, Purpose, SealingKeyCertificate, SealingKeyId, SealingKeyPair};
use zeroize::Zeroizing;

use crate::VaultError;
use crate::dir::{create_private, destroy_secret, read_secret, sync_parent, write_secret};

const SEED_BYTES: usize = 32;
const EXTENSION: &str = "key";
/// Holds its own inode number and the highest epoch ever issued.
const STAMP_FILE: &str = "stamp";
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
    purpose: Purpose,
    keys: Vec<HeldKey>,
    last_epoch: u64,
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
    /// Loads the keys of a directory, creating it where it is missing. Destroys them if the directory is a copy (its
    /// files' inodes changed); a copy of the whole block device is not noticed.
    ///
    /// # Errors
    /// When a file cannot be read, is damaged, is another identity's or readable by others.
    pub fn open(dir: &Path, purpose: Purpose, identity: &Identity) -> Result<Self, VaultError> {
        create_private(dir)?;
        let mut ring = Self { dir: dir.to_owned(), purpose, keys: Vec::new(), last_epoch: 0 };
        let mut copied = false;
        if let Some(stamp) = ring.read_stamp()? {
            ring.last_epoch = stamp.last_epoch;
            copied = stamp.copied;
        }
        for entry in fs::read_dir(dir).map_err(|e| VaultError::io(dir, e))? {
            let path = entry.map_err(|e| VaultError::io(dir, e))?.path();
            if path.extension().is_none_or(|e| e != EXTENSION) {
                continue;
            }
            let key = read_key(&path, purpose, identity)?;
            ring.last_epoch = ring.last_epoch.max(key.certificate.epoch);
            ring.keys.push(key);
        }
        if copied {
            tracing::warn!(directory = %dir.display(), "restored from a copy: its sealing keys are destroyed");
            ring.destroy_where(|_| true)?;
            ring.write_stamp()?;
        }
        ring.keys.sort_by_key(|k| k.certificate.epoch);
        Ok(ring)
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
        let mut done =
            Maintenance { destroyed: self.destroy_where(|k| k.certificate.expiry < now)?, created: None };
        let fresh_enough = |k: &HeldKey| k.certificate.expiry.saturating_sub(now) > lifetime / 2;
        if self.keys.last().is_some_and(fresh_enough) {
            return Ok(done);
        }
        let epoch = self.last_epoch.saturating_add(1);
        let (not_before, expiry) = (now.saturating_sub(CLOCK_ALLOWANCE), now.saturating_add(lifetime));
        let (pair, certificate) =
            SealingKeyCertificate::generate(identity, self.purpose, epoch, not_before, expiry, rng)
                .map_err(|e| VaultError::Random(e.to_string()))?;
        let mut content =
            Zeroizing::new(Vec::with_capacity(SEED_BYTES + tacit_wire::certificate::CERTIFICATE_BYTES));
        content.extend_from_slice(pair.to_seed().as_slice());
        content.extend_from_slice(&certificate.encode());
        // The epoch is spent before the key exists: a crash in between skips a number, never reuses one.
        self.last_epoch = epoch;
        self.write_stamp()?;
        write_secret(&self.path_of(&pair.id()), &content)?;
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
            let id = self.keys.remove(at).pair.id();
            destroy_secret(&self.path_of(&id))?;
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
        let damaged =
            || VaultError::Damaged { path: path.clone(), what: "it is not a stamp of this program" };
        let mut numbers = std::str::from_utf8(&content)
            .ok()
            .into_iter()
            .flat_map(str::split_whitespace)
            .map(str::parse::<u64>);
        let (Some(Ok(inode)), Some(Ok(last_epoch))) = (numbers.next(), numbers.next()) else {
            return Err(damaged());
        };
        let actual = fs::metadata(&path).map_err(|e| VaultError::io(&path, e))?.ino();
        Ok(Some(Stamp { last_epoch, copied: actual != inode }))
    }

    /// Written in place (it is one short line) so that the file keeps the inode that it names.
    fn write_stamp(&self) -> Result<(), VaultError> {
        let path = self.dir.join(STAMP_FILE);
        if !path.exists() {
            write_secret(&path, b"0 0")?;
        }
        let inode = fs::metadata(&path).map_err(|e| VaultError::io(&path, e))?.ino();
        // Equal lengths overwrite one another completely.
        let line = format!("{inode:020} {:020}\n", self.last_epoch);
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

struct Stamp {
    last_epoch: u64,
    copied: bool,
}

fn read_key(path: &Path, purpose: Purpose, identity: &Identity) -> Result<HeldKey, VaultError> {
    let damaged = |what| VaultError::Damaged { path: path.to_owned(), what };
    let content = read_secret(path)?.ok_or_else(|| damaged("it vanished while it was read"))?;
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
    Ok(HeldKey { pair, certificate })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::identity::system_rng;

    const LIFE: u64 = 1000;

    fn open(dir: &Path, identity: &Identity) -> KeyRing {
        KeyRing::open(dir, Purpose::NodeEnvelope, identity).unwrap()
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
            KeyRing::open(&dir, Purpose::NodeEnvelope, &other),
            Err(VaultError::Damaged { .. })
        ));
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
}
