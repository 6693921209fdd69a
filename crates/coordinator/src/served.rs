//! Which database the coordinator of a data directory serves: a file that names it, without its password.
//!
//! The database is named by the environment where its password must not stand in a file. A command that is run without that environment would otherwise find,
//! or make, an SQLite database in the directory: keys would be added where nobody looks for them, and a coordinator would sign a second history of its log.

use std::path::Path;

use crate::error::CoordinatorError;
use crate::store::Database;

/// In the data directory.
const FILE: &str = "database";

/// The text of the file. SQLite's is in the directory, wherever that is moved.
fn name(database: &Database) -> String {
    match database {
        Database::Sqlite(_) => "SQLite in this folder".to_owned(),
        Database::Postgres(url) => url.to_string(),
    }
}

/// Keeps which database is served.
///
/// # Errors
/// When the file cannot be written.
pub fn remember(data_dir: &Path, database: &Database) -> Result<(), CoordinatorError> {
    Ok(tacit_vault::dir::write_secret(&data_dir.join(FILE), format!("{}\n", name(database)).as_bytes())?)
}

/// Whether it is the database that was served before, where one was.
///
/// # Errors
/// [`CoordinatorError::OtherDatabase`]; when the file cannot be read.
pub fn check(data_dir: &Path, database: &Database) -> Result<(), CoordinatorError> {
    let Some(content) = tacit_vault::dir::read_secret(&data_dir.join(FILE))? else { return Ok(()) };
    let served = String::from_utf8_lossy(&content).trim().to_owned();
    let given = name(database);
    if served == given {
        return Ok(());
    }
    Err(CoordinatorError::OtherDatabase { path: data_dir.to_owned(), served, given })
}
