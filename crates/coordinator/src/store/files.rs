//! Circuits' files in pieces, in a database that several coordinators share: no file system needs to be. With SQLite files
//! are in the data directory only.

use sqlx::Row as _;
use tacit_wire::Digest32;

use super::rows::signed;
use super::{Result, Store};

/// Bytes of every piece but a file's last.
pub const PIECE_BYTES: usize = 1 << 20;

impl Store {
    /// Stores a piece of the file with this digest.
    pub async fn put_piece(&self, file: &Digest32, piece: u64, bytes: &[u8], now: u64) -> Result<()> {
        sqlx::query(
            "INSERT INTO file_pieces (digest, piece, bytes, added_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (digest, piece) DO UPDATE SET added_at = excluded.added_at",
        )
        .bind(file.0.as_slice())
        .bind(signed(piece))
        .bind(bytes)
        .bind(signed(now))
        // The server's log is in order: the commit that registers the file makes its pieces durable with it.
        .execute(&self.light)
        .await?;
        Ok(())
    }

    /// A piece of the file with this digest.
    pub async fn piece(&self, file: &Digest32, piece: u64) -> Result<Option<Vec<u8>>> {
        let row = sqlx::query("SELECT bytes FROM file_pieces WHERE digest = $1 AND piece = $2")
            .bind(file.0.as_slice())
            .bind(signed(piece))
            .fetch_optional(&self.pool)
            .await?;
        row.map(|r| Ok(r.try_get("bytes")?)).transpose()
    }

    /// Removes pieces from before `time` that belong to no registered file: of uploads that broke off.
    pub async fn sweep_pieces(&self, time: u64) -> Result<u64> {
        if !self.is_shared() {
            return Ok(0);
        }
        let done = sqlx::query(
            "DELETE FROM file_pieces p WHERE p.added_at < $1
                    AND NOT EXISTS (SELECT 1 FROM circuits c WHERE c.file_digest = p.digest OR c.r1cs_digest = p.digest)",
        )
        .bind(signed(time))
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}
