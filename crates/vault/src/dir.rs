//! A service's directory: for its owner only, and for one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::protection::{Protection, Unlock};
use crate::{VaultError, identity, keyring, protection};

/// The largest secret file that is read: keys are far smaller.
pub(crate) const MAX_SECRET: u64 = 1 << 16;

/// The extension of a secret file that is not yet in its place, or is being removed.
pub(crate) const LEFTOVER: &str = "new";
/// In a directory that a process has opened, locked by it.
const LOCK_FILE: &str = "lock";

/// An opened data directory. It is locked until this is dropped, so that two processes never answer with the same keys.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    protection: Protection,
    _lock: File,
}

impl DataDir {
    /// Opens a directory whose secret files are not encrypted, creating it (mode 0700) where it is missing.
    ///
    /// # Errors
    /// When it cannot be created, when others than its owner can enter it, when another process holds it, or when its secret files are encrypted.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        Self::open_with(path, &Unlock::Unencrypted)
    }

    /// Opens the directory with what unlocks its secret files. A directory that is not encrypted stays so: see [`DataDir::protect`].
    ///
    /// # Errors
    /// As [`DataDir::open`]; when `unlock` does not fit.
    pub fn open_with(path: &Path, unlock: &Unlock) -> Result<Self, VaultError> {
        create_private(path)?;
        let lock_path = path.join(LOCK_FILE);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|e| VaultError::io(&lock_path, e))?;
        match lock.try_lock() {
            Ok(()) => {
                destroy_leftovers(path)?;
                Ok(Self { path: path.to_owned(), protection: Protection::open(path, unlock)?, _lock: lock })
            }
            Err(TryLockError::WouldBlock) => Err(VaultError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(e)) => Err(VaultError::io(&lock_path, e)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How its secret files are read and written.
    pub fn protection(&self) -> &Protection {
        &self.protection
    }

    /// Encrypts the secret files under `unlock`, or under nothing, from now on; those that are there are written again.
    ///
    /// # Errors
    /// When a passphrase is too short, or a file cannot be read or written.
    pub fn protect(&mut self, unlock: &Unlock) -> Result<(), VaultError> {
        let mut files = vec![(self.path.join(identity::IDENTITY_FILE), identity::PURPOSE)];
        for ring in [keyring::NODE, keyring::ASSEMBLER] {
            let dir = self.path.join(ring);
            if dir.exists() {
                files.extend(keyring::files(&dir)?.into_iter().map(|path| (path, keyring::PURPOSE)));
            }
        }
        self.protection = protection::change(&self.path, &self.protection, unlock, &files)?;
        Ok(())
    }

    /// A directory inside it, created (mode 0700) where it is missing.
    ///
    /// # Errors
    /// As [`DataDir::open`].
    pub fn subdir(&self, name: &str) -> Result<PathBuf, VaultError> {
        let path = self.path.join(name);
        create_private(&path)?;
        Ok(path)
    }
}

/// Whether a process has a directory open. Nothing is created.
///
/// # Errors
/// When its lock cannot be looked at.
pub fn is_in_use(path: &Path) -> Result<bool, VaultError> {
    let lock_path = path.join(LOCK_FILE);
    let lock = match File::open(&lock_path) {
        Ok(lock) => lock,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(VaultError::io(&lock_path, e)),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(VaultError::io(&lock_path, e)),
    }
}

/// Destroys what a crash left of secret files that were being written or removed.
fn destroy_leftovers(path: &Path) -> Result<(), VaultError> {
    for name in [identity::IDENTITY_FILE, protection::PROTECTION_FILE] {
        destroy_secret(&path.join(name).with_extension(LEFTOVER))?;
    }
    for ring in [keyring::NODE, keyring::ASSEMBLER] {
        let dir = path.join(ring);
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(VaultError::io(&dir, e)),
        };
        for entry in entries {
            let file = entry.map_err(|e| VaultError::io(&dir, e))?.path();
            if file.extension().is_some_and(|extension| extension == LEFTOVER) {
                destroy_secret(&file)?;
            }
        }
    }
    Ok(())
}

/// Creates a directory for its owner only, or checks that an existing one is.
///
/// # Errors
/// When it cannot be created or others can enter it.
pub fn create_private(path: &Path) -> Result<(), VaultError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| VaultError::io(path, e))?;
    refuse_exposed(path, &fs::metadata(path).map_err(|e| VaultError::io(path, e))?)
}

/// Writes a secret file (mode 0600) so that a crash leaves the old content or the new one, on disk when this returns.
///
/// # Errors
/// When the file cannot be written.
pub fn write_secret(path: &Path, content: &[u8]) -> Result<(), VaultError> {
    let temporary = path.with_extension(LEFTOVER);
    let failed = |e| VaultError::io(path, e);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(failed)?;
    // The mode above holds for a new file only: a leftover might have another.
    file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)?;
    sync_parent(path)
}

/// [`write_secret`], after which the old content is overwritten: a best effort, as in [`destroy_secret`].
///
/// # Errors
/// When the file cannot be written.
pub fn replace_secret(path: &Path, content: &[u8]) -> Result<(), VaultError> {
    let old = OpenOptions::new().write(true).open(path);
    write_secret(path, content)?;
    if let Ok(mut old) = old {
        let failed = |e| VaultError::io(path, e);
        let len = old.metadata().map_err(failed)?.len().min(MAX_SECRET);
        old.write_all(&vec![0; len as usize]).map_err(failed)?;
        old.sync_all().map_err(failed)?;
    }
    Ok(())
}

/// Reads a secret file; `None` where there is none.
///
/// # Errors
/// When it cannot be read, is implausibly large, or others than its owner can read it.
pub fn read_secret(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
    read_secret_up_to(path, MAX_SECRET)
}

/// [`read_secret`] of what is no key and may have `longest` bytes.
///
/// # Errors
/// As [`read_secret`].
pub fn read_secret_up_to(path: &Path, longest: u64) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(VaultError::io(path, e)),
    };
    let metadata = file.metadata().map_err(|e| VaultError::io(path, e))?;
    refuse_exposed(path, &metadata)?;
    if metadata.len() > longest {
        return Err(VaultError::Damaged { path: path.to_owned(), what: "it is far larger than it can be" });
    }
    // Full capacity at once, and one byte more to see the end: a growing buffer would leave copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
    file.take(metadata.len()).read_to_end(&mut content).map_err(|e| VaultError::io(path, e))?;
    Ok(Some(content))
}

/// Overwrites and removes a secret file. Overwriting is a best effort: copy-on-write file systems and flash keep old
/// blocks.
///
/// # Errors
/// When the file is there and cannot be removed.
pub fn destroy_secret(path: &Path) -> Result<(), VaultError> {
    let failed = |e| VaultError::io(path, e);
    match OpenOptions::new().write(true).open(path) {
        Ok(mut file) => {
            let len = file.metadata().map_err(failed)?.len().min(MAX_SECRET);
            file.write_all(&vec![0; len as usize]).map_err(failed)?;
            file.sync_all().map_err(failed)?;
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed(e)),
    }
    fs::remove_file(path).map_err(failed)?;
    sync_parent(path)
}

/// Makes a rename or removal in a file's directory durable.
///
/// # Errors
/// When the directory cannot be opened or synced.
pub fn sync_parent(path: &Path) -> Result<(), VaultError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    // Of a bare name it is empty.
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    File::open(parent).and_then(|d| d.sync_all()).map_err(|e| VaultError::io(parent, e))
}

fn refuse_exposed(path: &Path, metadata: &fs::Metadata) -> Result<(), VaultError> {
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(VaultError::Exposed { path: path.to_owned(), mode }) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_directory_serves_one_process_and_its_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("node");
        let dir = DataDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        assert!(matches!(DataDir::open(&path), Err(VaultError::InUse { .. })));
        drop(dir);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(DataDir::open(&path), Err(VaultError::Exposed { mode: 0o750, .. })));
    }

    #[test]
    fn whether_a_directory_is_in_use_is_seen_without_a_trace() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("node");
        assert!(!is_in_use(&path).unwrap() && !path.exists());
        let dir = DataDir::open(&path).unwrap();
        assert!(is_in_use(&path).unwrap());
        drop(dir);
        assert!(!is_in_use(&path).unwrap());
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn what_a_crash_left_of_secret_files_is_gone_after_the_next_start() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("node");
        let rings = [keyring::NODE, keyring::ASSEMBLER].map(|ring| path.join(ring));
        create_private(&path).unwrap();
        let mut left = vec![path.join("identity.new"), path.join("protection.new")];
        for ring in &rings {
            create_private(ring).unwrap();
            left.push(ring.join("ab.new"));
        }
        // Another name holds them too, as a copy-on-write file system might: they are overwritten, not only unlinked.
        let links: Vec<PathBuf> = (0..left.len()).map(|i| root.path().join(i.to_string())).collect();
        for (file, link) in left.iter().zip(&links) {
            fs::write(file, b"half of a secret").unwrap();
            fs::hard_link(file, link).unwrap();
        }
        fs::write(path.join("mine.new"), b"not ours").unwrap();
        DataDir::open(&path).unwrap();
        for (file, link) in left.iter().zip(&links) {
            assert!(!file.exists(), "{}", file.display());
            assert!(fs::read(link).unwrap().iter().all(|byte| *byte == 0));
        }
        assert!(path.join("mine.new").exists());
    }

    #[test]
    fn secrets_are_private_and_replaced_as_a_whole() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("identity.key");
        assert!(read_secret(&path).unwrap().is_none());
        write_secret(&path, b"one").unwrap();
        write_secret(&path, b"two").unwrap();
        assert_eq!(read_secret(&path).unwrap().unwrap().as_slice(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_secret(&path), Err(VaultError::Exposed { .. })));
        destroy_secret(&path).unwrap();
        destroy_secret(&path).unwrap();
        assert!(read_secret(&path).unwrap().is_none());
    }
}
