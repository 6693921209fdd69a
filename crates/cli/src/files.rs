//! Reading and writing the files that verbs name.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};

/// Reads a whole file.
pub fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|e| unreadable(path, &e))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::NotFound => Failure::new(format!("{}: there is no such file", path.display())),
        std::io::ErrorKind::IsADirectory => {
            Failure::new(format!("{}: this is a folder, a file is needed", path.display()))
        }
        _ => Failure::new(format!("{}: cannot be read: {error}", path.display())),
    }
}

/// Reads at most so many bytes from a file's start, to see what it is.
pub fn read_start(path: &Path, len: u64) -> Outcome<Vec<u8>> {
    let mut start = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(len).read_to_end(&mut start));
    read.map_err(|e| unreadable(path, &e))?;
    Ok(start)
}

/// Reads a text file.
pub fn read_text(path: &Path) -> Outcome<String> {
    String::from_utf8(read(path)?).map_err(|e| {
        Failure::new(format!("{}: not UTF-8 text at byte {}", path.display(), e.utf8_error().valid_up_to()))
    })
}

/// Reads a short text file that holds a secret: its owner alone may have access.
pub fn read_secret_text(path: &Path) -> Outcome<Zeroizing<String>> {
    let missing = || Failure::new(format!("{}: there is no such file", path.display()));
    let bytes = tacit_vault::dir::read_secret(path)?.ok_or_else(missing)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::new(format!("{}: not UTF-8 text", path.display())))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Who may read a file that a verb writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever the user's umask lets.
    Shared,
    /// The user alone: it holds a secret.
    Private,
}

/// Writes a whole file or nothing: a temporary file beside it, flushed to disk, then renamed.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Outcome {
    let failed = |e: std::io::Error| Failure::new(format!("{}: cannot be written: {e}", path.display()));
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    // A pipe or device (/dev/stdout) is written in place.
    if fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        return fs::OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut f| f.write_all(bytes))
            .map_err(failed);
    }
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    if access == Access::Shared {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.prefix(".tacit-").tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}
