//! The coordinator's sealing keys for answers that it is to assemble. They open responses that clients had sealed to it,
//! and no share.
//!
//! They are in the database, so that every coordinator of it can assemble what any of them accepted, sealed with
//! XChaCha20-Poly1305 under a key that BLAKE3 derives from the identity's secret. A key is replaced when half of its life is
//! over and deleted when it expires.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::Rng as _;
use tacit_vault::{DataDir, HeldKey, KeyRing, identity::system_rng, keyring};
use tacit_wire::{Identity, Purpose, SealingKeyCertificate, SealingKeyId, SealingKeyPair};
use zeroize::Zeroizing;

use crate::error::CoordinatorError;
use crate::store::{KeyRow, Store, StoreError};

/// Separates this use of the identity's secret from every other.
const CONTEXT: &str = "tacit v1 coordinator: assembler keys at rest";
/// A certificate is valid from a little before it was made, for peers whose clocks are behind.
const CLOCK_ALLOWANCE: u64 = 600;
/// How long a key lives, in seconds.
const LIFETIME: u64 = 30 * 24 * 3600;
const NONCE_BYTES: usize = 24;

/// The keys, opened.
#[derive(Debug, Default)]
pub struct AssemblerKeys(Mutex<Vec<HeldKey>>);

impl AssemblerKeys {
    fn lock(&self) -> MutexGuard<'_, Vec<HeldKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The certificate of the newest key.
    pub fn certificate(&self) -> Option<SealingKeyCertificate> {
        self.lock().last().map(|k| k.certificate.clone())
    }

    /// The key with these public bytes, and the second after which it is destroyed.
    pub fn find(&self, public: &[u8]) -> Option<(SealingKeyPair, u64)> {
        let keys = self.lock();
        let held = keys.iter().find(|k| k.pair.public().as_bytes().as_slice() == public)?;
        Some((held.pair.clone(), held.certificate.expiry))
    }

    /// Takes over what the database has.
    ///
    /// # Errors
    /// When it cannot be read, or a key is not this identity's.
    pub async fn reload(&self, store: &Store, identity: &Identity) -> Result<(), CoordinatorError> {
        let rows = store.assembler_keys().await?;
        let keys = rows.iter().map(|row| open(row, identity)).collect::<Result<Vec<_>, _>>()?;
        *self.lock() = keys;
        Ok(())
    }

    /// Destroys expired keys, and makes a new one when the newest has lived half of its life: one coordinator does, and the
    /// others learn of it. Returns the new one's name.
    ///
    /// # Errors
    /// When the database or the system's randomness fails.
    pub async fn maintain(
        &self,
        store: &Store,
        identity: &Identity,
        now: u64,
    ) -> Result<Option<SealingKeyId>, CoordinatorError> {
        let mut tx = store.write_keys().await?;
        let destroyed = tx.destroy_keys(now).await?;
        let newest = tx.assembler_keys().await?.last().map_or(0, |k| k.expiry);
        let mut created = None;
        if newest.saturating_sub(now) <= LIFETIME / 2 {
            let epoch = tx.next_epoch().await?;
            let mut rng = system_rng()?;
            let (pair, certificate) = SealingKeyCertificate::generate(
                identity,
                Purpose::Assembler,
                epoch,
                now.saturating_sub(CLOCK_ALLOWANCE),
                now.saturating_add(LIFETIME),
                &mut rng,
            )
            .map_err(|e| tacit_vault::VaultError::Random(e.to_string()))?;
            created = Some(pair.id());
            tx.insert_key(&seal(&HeldKey { pair, certificate }, identity)?).await?;
        }
        if destroyed != 0 || created.is_some() {
            tx.commit().await?;
        } else {
            drop(tx);
        }
        self.reload(store, identity).await?;
        Ok(created)
    }

    /// Takes over the keys that an earlier version kept as files, and destroys the files.
    ///
    /// # Errors
    /// When a file or the database fails.
    pub async fn import(
        store: &Store,
        identity: &Identity,
        data_dir: &DataDir,
    ) -> Result<(), CoordinatorError> {
        let dir = data_dir.path().join(keyring::ASSEMBLER);
        if !dir.exists() {
            return Ok(());
        }
        let ring = KeyRing::open_in(data_dir, keyring::ASSEMBLER, Purpose::Assembler, identity)?;
        let mut tx = store.write_keys().await?;
        for key in ring.keys() {
            tx.spend_epochs(key.certificate.epoch).await?;
            tx.insert_key(&seal(key, identity)?).await?;
        }
        tx.commit().await?;
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            tacit_vault::dir::destroy_secret(&entry.path())?;
        }
        let _ = std::fs::remove_dir(&dir);
        Ok(())
    }
}

fn cipher(identity: &Identity) -> XChaCha20Poly1305 {
    let key = Zeroizing::new(blake3::derive_key(CONTEXT, identity.to_seed().as_slice()));
    XChaCha20Poly1305::new((&*key).into())
}

fn seal(key: &HeldKey, identity: &Identity) -> Result<KeyRow, CoordinatorError> {
    let certificate = key.certificate.encode().to_vec();
    let mut nonce = [0; NONCE_BYTES];
    system_rng()?.fill_bytes(&mut nonce);
    let seed = key.pair.to_seed();
    let payload = Payload { msg: seed.as_slice(), aad: &certificate };
    let sealed = cipher(identity)
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| StoreError::Damaged("a new assembler key"))?;
    Ok(KeyRow {
        epoch: key.certificate.epoch,
        expiry: key.certificate.expiry,
        certificate,
        sealed: [nonce.as_slice(), &sealed].concat(),
    })
}

fn open(row: &KeyRow, identity: &Identity) -> Result<HeldKey, CoordinatorError> {
    let damaged = || StoreError::Damaged("an assembler key (it is not sealed by this identity)");
    let (nonce, sealed) = row.sealed.split_first_chunk::<NONCE_BYTES>().ok_or_else(damaged)?;
    let payload = Payload { msg: sealed, aad: &row.certificate };
    let seed =
        Zeroizing::new(cipher(identity).decrypt(&XNonce::from(*nonce), payload).map_err(|_| damaged())?);
    let seed = <&[u8; 32]>::try_from(seed.as_slice()).map_err(|_| damaged())?;
    let pair = SealingKeyPair::from_seed(seed).map_err(|_| damaged())?;
    let certificate = SealingKeyCertificate::decode(&row.certificate).map_err(|_| damaged())?;
    if certificate.key_id != pair.id() {
        return Err(damaged().into());
    }
    Ok(HeldKey { pair, certificate })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;
    use crate::store::Database;

    async fn store(dir: &Path) -> Store {
        let store = Store::open(&Database::Sqlite(dir.join("coordinator.sqlite"))).await.unwrap();
        store.adopt(&tacit_wire::IdentityKey([1; 32])).await.unwrap();
        store
    }

    #[tokio::test]
    async fn keys_rotate_at_half_life_die_at_expiry_and_open_to_their_identity_only() {
        let root = tempfile::tempdir().unwrap();
        let store = store(root.path()).await;
        let identity = Identity::generate(&mut system_rng().unwrap());
        let keys = AssemblerKeys::default();
        let first = keys.maintain(&store, &identity, 10_000).await.unwrap().unwrap();
        assert_eq!(keys.maintain(&store, &identity, 10_000 + LIFETIME / 2 - 1).await.unwrap(), None);
        assert!(keys.maintain(&store, &identity, 10_000 + LIFETIME / 2).await.unwrap().is_some());
        assert_eq!(keys.certificate().unwrap().epoch, 2);

        // Another coordinator has them all, and the secrets are not there to read.
        let other = AssemblerKeys::default();
        other.reload(&store, &identity).await.unwrap();
        let public = keys.lock()[0].pair.public().as_bytes().to_vec();
        let (pair, until) = other.find(&public).unwrap();
        assert_eq!((pair.id(), until), (first, 10_000 + LIFETIME));
        for row in store.assembler_keys().await.unwrap() {
            assert!(!row.sealed.windows(32).any(|w| w == pair.to_seed().as_slice()));
        }
        let stranger = Identity::generate(&mut system_rng().unwrap());
        assert!(other.reload(&store, &stranger).await.is_err());

        keys.maintain(&store, &identity, 10_001 + LIFETIME).await.unwrap();
        assert!(keys.find(&public).is_none());
        assert_eq!(keys.certificate().unwrap().epoch, 3);
        // When all are gone, numbers go on.
        let far = 10_000 + 10 * LIFETIME;
        keys.maintain(&store, &identity, far).await.unwrap();
        assert_eq!(keys.lock().len(), 1);
        assert_eq!(keys.certificate().unwrap().epoch, 4);
    }

    #[tokio::test]
    async fn keys_that_were_files_are_taken_over() {
        let root = tempfile::tempdir().unwrap();
        let store = store(root.path()).await;
        let mut rng = system_rng().unwrap();
        let identity = Identity::generate(&mut rng);
        let data_dir = DataDir::open(&root.path().join("data")).unwrap();
        let dir = data_dir.path().join("assembler");
        let mut ring =
            KeyRing::open_in(&data_dir, keyring::ASSEMBLER, Purpose::Assembler, &identity).unwrap();
        let old = ring.maintain(&identity, 10_000, LIFETIME, &mut rng).unwrap().created.unwrap();
        drop(ring);
        AssemblerKeys::import(&store, &identity, &data_dir).await.unwrap();
        assert!(!dir.exists());
        let keys = AssemblerKeys::default();
        assert_eq!(keys.maintain(&store, &identity, 10_001).await.unwrap(), None);
        assert_eq!(keys.certificate().unwrap().key_id, old);
    }
}
