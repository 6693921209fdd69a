//! The identity a service is known by, kept as one secret file.

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use tacit_wire::Identity;

use crate::protection::Secret;
use crate::{DataDir, Protection, Unlock, VaultError, protection};

/// PKCS#8 PEM where it is not encrypted, so that other tools can read and make it.
pub const IDENTITY_FILE: &str = "identity.pem";

/// What the file is for, in its protection.
pub(crate) const PURPOSE: &str = "identity";

/// A generator seeded by the operating system.
///
/// # Errors
/// When the system gives no randomness.
pub fn system_rng() -> Result<StdRng, VaultError> {
    StdRng::try_from_rng(&mut SysRng).map_err(|e| VaultError::Random(e.to_string()))
}

/// Loads the identity.
///
/// # Errors
/// [`VaultError::NotInitialised`] where there is none; when the file cannot be read, is no key, or is readable by
/// others.
pub fn load(dir: &DataDir) -> Result<Identity, VaultError> {
    let path = dir.path().join(IDENTITY_FILE);
    read(dir, &path)?.ok_or_else(|| VaultError::NotInitialised { path: dir.path().to_owned() })
}

/// Reads the identity of a directory that is not opened. Nothing is written.
///
/// # Errors
/// As [`load`].
pub fn look(dir: &Path, protection: &Protection) -> Result<Identity, VaultError> {
    let path = dir.join(IDENTITY_FILE);
    let secret = protection.read(&path, PURPOSE)?;
    let identity = secret.map(|secret| parse(&path, &secret)).transpose()?;
    identity.ok_or_else(|| VaultError::NotInitialised { path: dir.to_owned() })
}

/// Loads the identity, making one where there is none.
///
/// # Errors
/// As [`load`]; when the new one cannot be written.
pub fn load_or_create(dir: &DataDir) -> Result<Identity, VaultError> {
    let path = dir.path().join(IDENTITY_FILE);
    if let Some(identity) = read(dir, &path)? {
        return Ok(identity);
    }
    let identity = Identity::generate(&mut system_rng()?);
    write(dir, &path, &identity)?;
    Ok(identity)
}

/// Whether there is one.
pub fn exists(dir: &DataDir) -> bool {
    dir.path().join(IDENTITY_FILE).exists()
}

/// Takes another service's identity over from its file, unless the directory has one; returns the file's. One that is encrypted has that directory's file
/// `protection` beside it, which `unlock` opens.
///
/// # Errors
/// As [`load`], of either file; when it is encrypted and does not open.
pub fn import(dir: &DataDir, file: &Path, unlock: &Unlock) -> Result<Identity, VaultError> {
    let missing = || VaultError::Damaged { path: file.to_owned(), what: "there is no such file" };
    let content = crate::dir::read_secret(file)?.ok_or_else(missing)?;
    let given = if protection::is_encrypted(&content) {
        parse(file, &decrypt_copy(file, unlock)?.ok_or_else(missing)?)?
    } else {
        parse(file, &content)?
    };
    let path = dir.path().join(IDENTITY_FILE);
    if read(dir, &path)?.is_none() {
        write(dir, &path, &given)?;
    }
    Ok(given)
}

fn decrypt_copy(file: &Path, unlock: &Unlock) -> Result<Option<Secret>, VaultError> {
    let encrypted = |missing| VaultError::EncryptedCopy { path: file.to_owned(), missing };
    if file.file_name() != Some(IDENTITY_FILE.as_ref()) {
        return Err(encrypted("it opens under the name `identity.pem` alone: call it that"));
    }
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let protection = Protection::open(folder, unlock)?;
    if !protection.is_on() {
        return Err(encrypted("copy the file `protection` from the same folder and put it beside this one"));
    }
    protection.read(file, PURPOSE)
}

fn write(dir: &DataDir, path: &Path, identity: &Identity) -> Result<(), VaultError> {
    let what = "the identity does not encode";
    let pem = identity.to_pkcs8_pem().map_err(|_| VaultError::Damaged { path: path.to_owned(), what })?;
    dir.protection().write(path, PURPOSE, pem.as_bytes())
}

fn read(dir: &DataDir, path: &Path) -> Result<Option<Identity>, VaultError> {
    let Some(secret) = dir.protection().read(path, PURPOSE)? else { return Ok(None) };
    let identity = parse(path, &secret)?;
    dir.protection().keep(path, PURPOSE, &secret)?;
    Ok(Some(identity))
}

fn parse(path: &Path, content: &[u8]) -> Result<Identity, VaultError> {
    let damaged = |what| VaultError::Damaged { path: path.to_owned(), what };
    let pem = std::str::from_utf8(content).map_err(|_| damaged("it is not a PEM file"))?;
    Identity::from_pkcs8_pem(pem).map_err(|_| damaged("it is not an Ed25519 key in PKCS#8 PEM"))
}
