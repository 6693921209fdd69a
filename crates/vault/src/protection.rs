//! Secret files at rest: encrypted under a key of the directory, which a passphrase or a key file unlocks.
//!
//! ```text
//! passphrase --Argon2id--+
//!                        +--> unlocking key --XChaCha20-Poly1305--> the directory's key (32 random bytes, in the file `protection`)
//! key file --------------+                                               |
//!                                                      XChaCha20-Poly1305, name and purpose as associated data
//!                                                                        |
//!                                                                        v  each secret file
//! ```
//!
//! The passphrase is stretched once for each start. Changing it writes one file anew; the directory's key stays, so that whoever had the old passphrase *and* a
//! copy of the directory loses nothing by the change: a node that was taken is replaced, not locked again.
//!
//! The file `protection`:
//!
//! | bytes | field |
//! |---|---|
//! | 8 | `TACITPRO` |
//! | 1 | version: 1 |
//! | 1 | method: 1 passphrase, 2 key file |
//! | 4, 4, 4 | Argon2id's memory (KiB), passes, lanes; zeros for a key file |
//! | 16 | salt |
//! | 24 | nonce |
//! | 48 | the directory's key, sealed; everything before it is associated data |
//!
//! A protected secret file is `TACITSEC`, version (1 byte), nonce (24), ciphertext. Integers are little-endian.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use rand::rngs::SysRng;
use rand_core::TryRng;
use zeroize::Zeroizing;

use crate::VaultError;
use crate::dir::{
    LEFTOVER, MAX_SECRET, destroy_secret, read_secret, read_secret_up_to, replace_secret, sync_parent,
    write_secret,
};

/// In a data directory whose secret files are encrypted.
pub const PROTECTION_FILE: &str = "protection";
/// The shortest passphrase that is set, in bytes.
pub const SHORTEST_PASSPHRASE: usize = 12;

const MAGIC: &[u8; 8] = b"TACITPRO";
const SECRET_MAGIC: &[u8; 8] = b"TACITSEC";
const VERSION: u8 = 1;
const KEY: usize = 32;
const NONCE: usize = 24;
const SALT: usize = 16;
const HEAD: usize = 8 + 1 + 1 + 12 + SALT + NONCE;
const LABEL: &[u8] = b"tacit secret file, version 1";
/// The longest passphrase file, in bytes.
const LONGEST: u64 = 4096;

/// Argon2id's parameters: RFC 9106's second recommended option, with one lane because the crate computes them one after the other.
const STRETCH: Stretch = Stretch { memory: 64 * 1024, passes: 3, lanes: 1 };

#[derive(Clone, Copy, PartialEq, Eq)]
struct Stretch {
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl Stretch {
    /// What a file may ask for: no less than would be worth anything, no more than a machine that runs a node has (1 GiB).
    fn is_sane(self) -> bool {
        (8 * 1024..=1024 * 1024).contains(&self.memory)
            && (1..=64).contains(&self.passes)
            && (1..=16).contains(&self.lanes)
    }
}

/// What unlocks a directory's secret files.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Unlock {
    /// Nothing: they are not encrypted.
    #[default]
    Unencrypted,
    /// A passphrase.
    Passphrase(Zeroizing<Vec<u8>>),
    /// The content of a key file.
    KeyFile(Zeroizing<[u8; KEY]>),
}

impl fmt::Debug for Unlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method())
    }
}

impl Unlock {
    /// A passphrase as it was typed.
    pub fn passphrase(text: &[u8]) -> Self {
        Self::Passphrase(Zeroizing::new(text.to_vec()))
    }

    /// The passphrase in a file: everything but a line's end after it.
    ///
    /// # Errors
    /// When the file is missing, empty, too long, or open to others than its owner and group.
    pub fn from_passphrase_file(path: &Path) -> Result<Self, VaultError> {
        let content = read_outside(path, LONGEST + 1)?;
        if content.len() as u64 > LONGEST {
            let what = "a passphrase file has at most 4096 bytes; a key file (--key-file) holds a key of any strength in 32";
            return Err(VaultError::Damaged { path: path.to_owned(), what });
        }
        let mut text = content.as_slice();
        while let Some(rest) = text.strip_suffix(b"\n").or(text.strip_suffix(b"\r")) {
            text = rest;
        }
        if text.is_empty() {
            return Err(VaultError::Damaged { path: path.to_owned(), what: "it holds no passphrase" });
        }
        Ok(Self::passphrase(text))
    }

    /// The key in a file of 32 random bytes.
    ///
    /// # Errors
    /// When the file is missing, of another length, or open to others than its owner and group.
    pub fn from_key_file(path: &Path) -> Result<Self, VaultError> {
        let content = read_outside(path, KEY as u64 + 1)?;
        let key = <[u8; KEY]>::try_from(content.as_slice())
            .map_err(|_| VaultError::Damaged { path: path.to_owned(), what: "a key file has 32 bytes" })?;
        Ok(Self::KeyFile(Zeroizing::new(key)))
    }

    /// [`Unlock::from_key_file`] for a file outside of `data_dir` that is made (mode 0600) where it is missing.
    ///
    /// # Errors
    /// As there; when it would lie in the directory that it unlocks; when it cannot be written.
    pub fn from_new_key_file(path: &Path, data_dir: &Path) -> Result<Self, VaultError> {
        refuse_inside(path, data_dir)?;
        if path.exists() {
            return Self::from_key_file(path);
        }
        let mut key = Zeroizing::new([0; KEY]);
        random(key.as_mut_slice())?;
        write_secret(path, key.as_slice())?;
        Ok(Self::KeyFile(key))
    }

    /// From the files that a configuration names: a passphrase's, a key's, or neither.
    ///
    /// # Errors
    /// As [`Unlock::from_passphrase_file`] and [`Unlock::from_key_file`]; when both are named, or the file lies in the directory that it unlocks.
    pub fn from_files(
        passphrase_file: Option<&Path>,
        key_file: Option<&Path>,
        data_dir: &Path,
    ) -> Result<Self, VaultError> {
        match (passphrase_file, key_file) {
            (None, None) => Ok(Self::Unencrypted),
            (Some(path), None) => {
                refuse_inside(path, data_dir)?;
                Self::from_passphrase_file(path)
            }
            (None, Some(path)) => {
                refuse_inside(path, data_dir)?;
                Self::from_key_file(path)
            }
            (Some(_), Some(path)) => Err(VaultError::TwoUnlocks { path: path.to_owned() }),
        }
    }

    /// Whether there is something.
    pub fn is_some(&self) -> bool {
        !matches!(self, Self::Unencrypted)
    }

    /// In words.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Unencrypted => "unencrypted",
            Self::Passphrase(_) => "passphrase",
            Self::KeyFile(_) => "key file",
        }
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Unencrypted => 0,
            Self::Passphrase(_) => 1,
            Self::KeyFile(_) => 2,
        }
    }

    fn unlocking_key(&self, stretch: Stretch, salt: &[u8]) -> Result<Zeroizing<[u8; KEY]>, VaultError> {
        match self {
            Self::Unencrypted => Ok(Zeroizing::new([0; KEY])),
            Self::KeyFile(key) => Ok(key.clone()),
            Self::Passphrase(text) => {
                let failed = |e: argon2::Error| VaultError::Random(format!("Argon2id: {e}"));
                let params =
                    Params::new(stretch.memory, stretch.passes, stretch.lanes, Some(KEY)).map_err(failed)?;
                let mut key = Zeroizing::new([0; KEY]);
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(text, salt, key.as_mut_slice())
                    .map_err(failed)?;
                Ok(key)
            }
        }
    }
}

/// What a secret file holds.
pub struct Secret {
    content: Zeroizing<Vec<u8>>,
    in_the_clear: bool,
}

impl std::ops::Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.content
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Whether a file holds only what is left of one that was being destroyed.
pub(crate) fn is_destroyed(content: &[u8]) -> bool {
    content.iter().all(|byte| *byte == 0)
}

/// How the secret files of one directory are read and written.
#[derive(Clone, Default)]
pub struct Protection(Option<Zeroizing<[u8; KEY]>>);

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() { "Protection(on)" } else { "Protection(off)" })
    }
}

impl Protection {
    /// Secret files as they are.
    pub fn off() -> Self {
        Self::default()
    }

    /// Whether files are written encrypted.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Opens a directory's protection: off where there is none.
    ///
    /// # Errors
    /// [`VaultError::Locked`] and [`VaultError::WrongUnlock`] when `unlock` does not fit; when the file cannot be read.
    pub fn open(dir: &Path, unlock: &Unlock) -> Result<Self, VaultError> {
        let path = dir.join(PROTECTION_FILE);
        let Some(content) =
            read_secret(&path)?.filter(|content| content.is_empty() || !is_destroyed(content))
        else {
            return Ok(Self::off());
        };
        let damaged = |what| VaultError::Damaged { path: path.clone(), what };
        let (head, sealed) = content.split_first_chunk::<HEAD>().ok_or_else(|| damaged("it is cut off"))?;
        let mut rest: &[u8] = head;
        let mut take = |n: usize| {
            let (taken, left) = rest.split_at_checked(n).unwrap_or_default();
            rest = left;
            taken
        };
        if take(8) != MAGIC || take(1) != [VERSION] {
            return Err(damaged("it is not a protection of this version of the program"));
        }
        let needs = match take(1) {
            [1] => "passphrase",
            [2] => "key file",
            _ => return Err(damaged("it names no method that is known")),
        };
        if unlock.method() != needs {
            return Err(if unlock.is_some() {
                VaultError::WrongUnlock { path: dir.to_owned(), needs, given: unlock.method() }
            } else {
                VaultError::Locked { path: dir.to_owned(), needs }
            });
        }
        let mut number = || <[u8; 4]>::try_from(take(4)).map_or(0, u32::from_le_bytes);
        let stretch = Stretch { memory: number(), passes: number(), lanes: number() };
        if needs == "passphrase" && !stretch.is_sane() {
            return Err(damaged("its parameters for Argon2id are out of all bounds"));
        }
        let salt = take(SALT);
        let nonce = take(NONCE);
        let unlocking = unlock.unlocking_key(stretch, salt)?;
        let wrong = || VaultError::WrongUnlock { path: dir.to_owned(), needs, given: "another one" };
        let key = open_sealed(&unlocking, nonce, head, sealed).ok_or_else(wrong)?;
        let key = <[u8; KEY]>::try_from(key.as_slice()).map_err(|_| damaged("its key has another length"))?;
        Ok(Self(Some(Zeroizing::new(key))))
    }

    /// Turns protection on for a directory: a fresh key, unlocked by `unlock`. Files that are there are not touched.
    ///
    /// # Errors
    /// When a passphrase is too short, or the file cannot be written.
    pub fn create(dir: &Path, unlock: &Unlock) -> Result<Self, VaultError> {
        let mut key = Zeroizing::new([0; KEY]);
        random(key.as_mut_slice())?;
        let made = Self(Some(key));
        made.lock_with(dir, unlock)?;
        Ok(made)
    }

    /// Writes the directory's key anew, unlocked by `unlock`.
    ///
    /// # Errors
    /// As [`Protection::create`].
    pub fn lock_with(&self, dir: &Path, unlock: &Unlock) -> Result<(), VaultError> {
        let Some(key) = &self.0 else { return Ok(()) };
        let stretch = match unlock {
            Unlock::Unencrypted => return Ok(()),
            Unlock::Passphrase(text) if text.len() < SHORTEST_PASSPHRASE => {
                return Err(VaultError::ShortPassphrase { shortest: SHORTEST_PASSPHRASE });
            }
            Unlock::Passphrase(_) => STRETCH,
            Unlock::KeyFile(_) => Stretch { memory: 0, passes: 0, lanes: 0 },
        };
        let mut noise = [0; SALT + NONCE];
        random(&mut noise)?;
        let (salt, nonce) = noise.split_at(SALT);
        let mut out = Vec::with_capacity(HEAD + KEY + 16);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION, unlock.code()]);
        for number in [stretch.memory, stretch.passes, stretch.lanes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&noise);
        let unlocking = unlock.unlocking_key(stretch, salt)?;
        let sealed = seal(&unlocking, nonce, &out, key.as_slice())?;
        out.extend_from_slice(&sealed);
        // What the old passphrase opens is overwritten.
        replace_secret(&dir.join(PROTECTION_FILE), &out)
    }

    /// Reads a secret file; `None` where there is none. Nothing is written: a file in the clear in a protected directory (a crash came between turning
    /// protection on and writing it) is encrypted by [`Protection::keep`], once it turned out to be what it should be.
    ///
    /// # Errors
    /// When it cannot be read, was written under another name or for another purpose, or is encrypted and protection is off.
    pub fn read(&self, path: &Path, purpose: &str) -> Result<Option<Secret>, VaultError> {
        self.read_up_to(path, purpose, MAX_SECRET)
    }

    /// [`Protection::read`] of what is no key and may have `longest` bytes.
    ///
    /// # Errors
    /// As [`Protection::read`].
    pub fn read_up_to(&self, path: &Path, purpose: &str, longest: u64) -> Result<Option<Secret>, VaultError> {
        let Some(content) = read_secret_up_to(path, longest)? else { return Ok(None) };
        let damaged = |what| VaultError::Damaged { path: path.to_owned(), what };
        let Some(sealed) = content.strip_prefix(SECRET_MAGIC) else {
            return Ok(Some(Secret { content, in_the_clear: true }));
        };
        let Some(key) = &self.0 else {
            return Err(damaged("it is encrypted and the directory's file `protection` is gone"));
        };
        let sealed = sealed.strip_prefix(&[VERSION]).ok_or_else(|| damaged("it has another version"))?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or_else(|| damaged("it is cut off"))?;
        let opened = open_sealed(key, nonce, &associated(path, purpose), sealed);
        let opened = opened.map(|content| Secret { content, in_the_clear: false });
        opened.map(Some).ok_or_else(|| {
            damaged("it does not open under the directory's key: it is another file or was changed")
        })
    }

    /// Encrypts a file that was read, if it is in the clear and should not be. Only for what was parsed: a file that is not what it should be is left as it is,
    /// for its owner to look at.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, path: &Path, purpose: &str, secret: &Secret) -> Result<(), VaultError> {
        if !self.is_on() || !secret.in_the_clear {
            return Ok(());
        }
        tracing::warn!(file = %path.display(), "a secret file was in the clear; it is encrypted now");
        self.write(path, purpose, secret)
    }

    /// Writes a secret file so that a crash leaves the old content or the new one; what was in the clear before is overwritten (a best effort).
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path, purpose: &str, content: &[u8]) -> Result<(), VaultError> {
        let Some(key) = &self.0 else { return replace_secret(path, content) };
        let mut nonce = [0; NONCE];
        random(&mut nonce)?;
        let mut out = SECRET_MAGIC.to_vec();
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&seal(key, &nonce, &associated(path, purpose), content)?);
        replace_secret(path, &out)
    }
}

/// Whether this is the content of a secret file that is encrypted.
pub(crate) fn is_encrypted(content: &[u8]) -> bool {
    content.starts_with(SECRET_MAGIC)
}

/// Whether a directory's secret files are encrypted, and by what they are unlocked.
///
/// # Errors
/// When the file cannot be read.
pub fn method_of(dir: &Path) -> Result<Option<&'static str>, VaultError> {
    let path = dir.join(PROTECTION_FILE);
    Ok(read_secret(&path)?.filter(|content| content.is_empty() || !is_destroyed(content)).map(|content| {
        match content.get(9) {
            Some(1) => "passphrase",
            Some(2) => "key file",
            _ => "unknown",
        }
    }))
}

/// A file's name and what it is for: no other file can be put in its place.
fn associated(path: &Path, purpose: &str) -> Vec<u8> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let mut out = LABEL.to_vec();
    for part in [purpose.as_bytes(), name] {
        out.extend_from_slice(&(part.len() as u64).to_le_bytes());
        out.extend_from_slice(part);
    }
    out
}

fn seal(key: &[u8; KEY], nonce: &[u8], aad: &[u8], msg: &[u8]) -> Result<Vec<u8>, VaultError> {
    let failed = || VaultError::Random("a secret file cannot be sealed".to_owned());
    let nonce = XNonce::try_from(nonce).map_err(|_| failed())?;
    XChaCha20Poly1305::new(&Key::from(*key)).encrypt(&nonce, Payload { msg, aad }).map_err(|_| failed())
}

fn open_sealed(key: &[u8; KEY], nonce: &[u8], aad: &[u8], msg: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let nonce = XNonce::try_from(nonce).ok()?;
    let opened = XChaCha20Poly1305::new(&Key::from(*key)).decrypt(&nonce, Payload { msg, aad });
    opened.ok().map(Zeroizing::new)
}

fn random(out: &mut [u8]) -> Result<(), VaultError> {
    SysRng.try_fill_bytes(out).map_err(|e| VaultError::Random(e.to_string()))
}

/// Reads a passphrase or key that lies elsewhere. Its group may read it (so service managers hand out credentials), nobody else.
fn read_outside(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    use std::io::Read;
    let file = fs::File::open(path).map_err(|e| VaultError::io(path, e))?;
    let metadata = file.metadata().map_err(|e| VaultError::io(path, e))?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o027 != 0 {
        return Err(VaultError::Exposed { path: path.to_owned(), mode });
    }
    let mut content = Zeroizing::new(Vec::with_capacity(limit as usize));
    file.take(limit).read_to_end(&mut content).map_err(|e| VaultError::io(path, e))?;
    Ok(content)
}

/// Refuses a passphrase or key file beside what it unlocks: it would protect nothing.
///
/// # Errors
/// [`VaultError::KeyInside`].
pub fn refuse_inside(file: &Path, data_dir: &Path) -> Result<(), VaultError> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Where it lies, and where it points to.
    if real(parent).starts_with(real(data_dir)) || real(file).starts_with(real(data_dir)) {
        return Err(VaultError::KeyInside { path: file.to_owned() });
    }
    Ok(())
}

/// Protects the secret files of a directory otherwise than before: `files` are those that there are, with their purposes.
///
/// # Errors
/// When a file cannot be read or written. A crash leaves a directory that opens with the old or the new `unlock`.
pub fn change(
    dir: &Path,
    held: &Protection,
    unlock: &Unlock,
    files: &[(PathBuf, &str)],
) -> Result<Protection, VaultError> {
    if held.is_on() && unlock.is_some() {
        held.lock_with(dir, unlock)?;
        return Ok(held.clone());
    }
    let next = if unlock.is_some() { Protection::create(dir, unlock)? } else { Protection::off() };
    for (path, purpose) in files {
        // Read under the old protection: a file in the clear stays so until it is written here.
        if let Some(content) = held.read(path, purpose)? {
            next.write(path, purpose, &content)?;
        }
    }
    if !next.is_on() {
        remove(dir)?;
    }
    Ok(next)
}

/// Removes a directory's protection: it is there as it was or not at all, whenever a crash comes. What a crash leaves under the other name is destroyed by the next start.
fn remove(dir: &Path) -> Result<(), VaultError> {
    let path = dir.join(PROTECTION_FILE);
    let aside = path.with_extension(LEFTOVER);
    match fs::rename(&path, &aside) {
        Ok(()) => sync_parent(&path)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(VaultError::io(&path, e)),
    }
    destroy_secret(&aside)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const SECRET: &[u8] = b"thirty-two bytes of a secret key";

    fn passphrase(text: &str) -> Unlock {
        Unlock::passphrase(text.as_bytes())
    }

    fn holds(path: &Path, needle: &[u8]) -> bool {
        fs::read(path).unwrap().windows(needle.len()).any(|w| w == needle)
    }

    #[test]
    fn a_passphrase_unlocks_and_another_does_not() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        let file = dir.join("identity.pem");
        let right = passphrase("correct horse battery");
        let protection = Protection::create(dir, &right).unwrap();
        protection.write(&file, "identity", SECRET).unwrap();
        assert!(!holds(&file, &SECRET[..8]));

        let opened = Protection::open(dir, &right).unwrap();
        assert_eq!(&*opened.read(&file, "identity").unwrap().unwrap(), SECRET);
        assert!(matches!(Protection::open(dir, &Unlock::Unencrypted), Err(VaultError::Locked { .. })));
        for wrong in [passphrase("correct horse batterz"), Unlock::KeyFile(Zeroizing::new([7; 32]))] {
            let error = Protection::open(dir, &wrong).unwrap_err();
            assert!(matches!(error, VaultError::WrongUnlock { .. }), "{error}");
        }
        assert!(matches!(
            Protection::create(dir, &passphrase("short")),
            Err(VaultError::ShortPassphrase { .. })
        ));
        assert_eq!(method_of(dir).unwrap(), Some("passphrase"));

        // Another passphrase: the old one no longer opens, the file need not be written again.
        let next = Unlock::KeyFile(Zeroizing::new([9; 32]));
        change(dir, &opened, &next, &[]).unwrap();
        assert!(Protection::open(dir, &right).is_err());
        let opened = Protection::open(dir, &next).unwrap();
        assert_eq!(&*opened.read(&file, "identity").unwrap().unwrap(), SECRET);
    }

    #[test]
    fn a_file_opens_under_its_own_name_and_purpose_only_and_unchanged() {
        let root = tempfile::tempdir().unwrap();
        let (one, two) = (root.path().join("one.key"), root.path().join("two.key"));
        let protection = Protection::create(root.path(), &Unlock::KeyFile(Zeroizing::new([1; 32]))).unwrap();
        protection.write(&one, "sealing", SECRET).unwrap();
        fs::copy(&one, &two).unwrap();
        assert!(matches!(protection.read(&two, "sealing"), Err(VaultError::Damaged { .. })));
        assert!(matches!(protection.read(&one, "identity"), Err(VaultError::Damaged { .. })));
        let good = fs::read(&one).unwrap();
        for at in [0, 8, 9, 40, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&one, &bad).unwrap();
            // A file without the magic is one in the clear, which is taken as it is.
            if at > 0 {
                assert!(
                    matches!(protection.read(&one, "sealing"), Err(VaultError::Damaged { .. })),
                    "byte {at}"
                );
            }
        }
        fs::write(&one, &good).unwrap();
        assert!(matches!(Protection::off().read(&one, "sealing"), Err(VaultError::Damaged { .. })));
    }

    #[test]
    fn parameters_out_of_bounds_are_refused_before_memory_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let right = passphrase("correct horse battery");
        Protection::create(root.path(), &right).unwrap();
        let path = root.path().join(PROTECTION_FILE);
        let good = fs::read(&path).unwrap();
        for (at, number) in [(10, u32::MAX), (10, 8), (14, 0), (14, 1000), (18, 0), (18, 1000)] {
            let mut bad = good.clone();
            bad[at..at + 4].copy_from_slice(&number.to_le_bytes());
            fs::write(&path, bad).unwrap();
            assert!(matches!(Protection::open(root.path(), &right), Err(VaultError::Damaged { .. })));
        }
        for len in [0, 9, 50, good.len() - 1] {
            fs::write(&path, &good[..len]).unwrap();
            assert!(Protection::open(root.path(), &right).is_err());
        }
    }

    #[test]
    fn protection_is_turned_on_and_off_and_a_crash_in_between_loses_nothing() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        let file = dir.join("identity.pem");
        Protection::off().write(&file, "identity", SECRET).unwrap();
        let unlock = passphrase("correct horse battery");
        // The crash: protection is on, the file is in the clear. It is read and left as it is until somebody understood it.
        let on = Protection::create(dir, &unlock).unwrap();
        let read = on.read(&file, "identity").unwrap().unwrap();
        assert!(holds(&file, SECRET) && &*read == SECRET);
        on.keep(&file, "identity", &read).unwrap();
        assert!(!holds(&file, SECRET));
        let off = change(dir, &on, &Unlock::Unencrypted, &[(file.clone(), "identity")]).unwrap();
        assert!(!off.is_on() && holds(&file, SECRET));
        assert!(!Protection::open(dir, &Unlock::Unencrypted).unwrap().is_on());
        assert_eq!(fs::read_dir(dir).unwrap().count(), 1, "nothing of the protection is left");
        change(dir, &off, &unlock, &[(file.clone(), "identity")]).unwrap();
        assert!(!holds(&file, SECRET));
    }

    #[test]
    fn whenever_a_change_is_cut_off_the_old_or_the_new_unlock_opens() {
        let (old, new) = (passphrase("correct horse battery"), passphrase("another horse entirely"));
        let at = |dir: &Path| {
            let opens = |unlock: &Unlock| {
                let dir = crate::DataDir::open_with(dir, unlock).ok()?;
                let read = dir.protection().read(&dir.path().join("identity.pem"), "identity").ok()??;
                (*read == *SECRET).then_some(())
            };
            [&old, &new, &Unlock::Unencrypted].map(|unlock| opens(unlock).is_some())
        };
        let start = || {
            let root = tempfile::tempdir().unwrap();
            let dir = root.path().join("node");
            let mut data = crate::DataDir::open(&dir).unwrap();
            data.protect(&old).unwrap();
            data.protection().write(&dir.join("identity.pem"), "identity", SECRET).unwrap();
            (root, dir)
        };
        // Another passphrase: before it is in its place, and after.
        let (_root, dir) = start();
        let before = fs::read(dir.join(PROTECTION_FILE)).unwrap();
        let held = Protection::open(&dir, &old).unwrap();
        let link = dir.join("link");
        fs::hard_link(dir.join(PROTECTION_FILE), &link).unwrap();
        held.lock_with(&dir, &new).unwrap();
        assert!(is_destroyed(&fs::read(&link).unwrap()), "what the old passphrase opens is overwritten");
        let after = fs::read(dir.join(PROTECTION_FILE)).unwrap();
        assert_eq!(at(&dir), [false, true, false]);
        fs::write(dir.join(PROTECTION_FILE), &before).unwrap();
        for half in [&after[..0], &after[..40], &after[..]] {
            write_secret(&dir.join("protection.half"), half).unwrap();
            fs::rename(dir.join("protection.half"), dir.join("protection.new")).unwrap();
            assert_eq!(at(&dir), [true, false, false]);
            assert!(!dir.join("protection.new").exists());
        }
        // None any more: the files are in the clear, and the protection is in its place, beside it, overwritten, or gone.
        let (_root, dir) = start();
        let opened = Protection::open(&dir, &old).unwrap();
        let file = dir.join("identity.pem");
        let content = opened.read(&file, "identity").unwrap().unwrap();
        Protection::off().write(&file, "identity", &content).unwrap();
        assert_eq!(at(&dir), [true, false, false]);
        let path = dir.join(PROTECTION_FILE);
        fs::rename(&path, dir.join("protection.new")).unwrap();
        assert!(at(&dir)[2]);
        assert!(!dir.join("protection.new").exists());
        // As an earlier version left it.
        write_secret(&path, &[0; 130]).unwrap();
        assert!(at(&dir)[2] && method_of(&dir).unwrap().is_none());
    }

    #[test]
    fn key_files_are_made_outside_for_their_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        fs::create_dir(&data).unwrap();
        let path = root.path().join("node.key");
        let Unlock::KeyFile(made) = Unlock::from_new_key_file(&path, &data).unwrap() else { panic!() };
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let Unlock::KeyFile(again) = Unlock::from_new_key_file(&path, &data).unwrap() else { panic!() };
        assert_eq!(made, again);
        let inside = Unlock::from_new_key_file(&data.join("node.key"), &data);
        assert!(matches!(inside, Err(VaultError::KeyInside { .. })));
        assert!(matches!(
            Unlock::from_files(Some(&path), Some(&path), &data),
            Err(VaultError::TwoUnlocks { .. })
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Unlock::from_key_file(&path), Err(VaultError::Exposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, [0; 31]).unwrap();
        assert!(matches!(Unlock::from_key_file(&path), Err(VaultError::Damaged { .. })));
        fs::write(&path, "a passphrase\r\n").unwrap();
        let Unlock::Passphrase(text) = Unlock::from_passphrase_file(&path).unwrap() else { panic!() };
        assert_eq!(text.as_slice(), b"a passphrase");
        fs::write(&path, "\n").unwrap();
        assert!(Unlock::from_passphrase_file(&path).is_err());
        // As long as it may be, and longer: nothing is cut off.
        fs::write(&path, [b'x'; LONGEST as usize]).unwrap();
        let Unlock::Passphrase(text) = Unlock::from_passphrase_file(&path).unwrap() else { panic!() };
        assert_eq!(text.len(), 4096);
        fs::write(&path, [b'x'; LONGEST as usize + 1]).unwrap();
        assert!(matches!(Unlock::from_passphrase_file(&path), Err(VaultError::Damaged { .. })));
    }

    #[test]
    fn a_passphrase_beside_what_it_opens_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        fs::create_dir(&data).unwrap();
        let inside = data.join("passphrase");
        write_secret(&inside, b"correct horse battery").unwrap();
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&inside, &link).unwrap();
        for path in [&inside, &link] {
            let refused = Unlock::from_files(Some(path), None, &data);
            assert!(matches!(refused, Err(VaultError::KeyInside { .. })), "{refused:?}");
        }
        let outside = root.path().join("passphrase");
        fs::rename(&inside, &outside).unwrap();
        assert!(Unlock::from_files(Some(&outside), None, &data).unwrap().is_some());
    }
}
