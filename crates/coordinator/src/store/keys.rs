//! Assembler keys. What opens them is derived from the identity, and is not here.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::rows::{signed, unsigned};
use super::{Event, Kind, Result, Store, Write};

/// A sealed assembler key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its number.
    pub epoch: u64,
    /// Unix seconds; then it is destroyed.
    pub expiry: u64,
    /// The certificate, encoded.
    pub certificate: Vec<u8>,
    /// Nonce and ciphertext of its seed.
    pub sealed: Vec<u8>,
}

fn key_row(row: &AnyRow) -> Result<KeyRow> {
    Ok(KeyRow {
        epoch: unsigned(row.try_get("epoch")?)?,
        expiry: unsigned(row.try_get("expiry")?)?,
        certificate: row.try_get("certificate")?,
        sealed: row.try_get("sealed")?,
    })
}

const KEYS: &str = "SELECT epoch, expiry, certificate, sealed FROM assembler_keys ORDER BY epoch";

impl Store {
    /// All assembler keys, oldest first.
    pub async fn assembler_keys(&self) -> Result<Vec<KeyRow>> {
        sqlx::query(KEYS).fetch_all(&self.pool).await?.iter().map(key_row).collect()
    }

    /// Begins to change the keys: one coordinator does at a time.
    pub(crate) async fn write_keys(&self) -> Result<Write> {
        let mut tx = self.write().await?;
        if self.kind == Kind::Postgres {
            sqlx::query("SELECT 1 FROM network WHERE one = 1 FOR UPDATE").fetch_optional(&mut *tx).await?;
        }
        Ok(tx)
    }
}

impl Write {
    /// All assembler keys, oldest first.
    pub(crate) async fn assembler_keys(&mut self) -> Result<Vec<KeyRow>> {
        sqlx::query(KEYS).fetch_all(&mut **self).await?.iter().map(key_row).collect()
    }

    /// Destroys the keys that expired before `now`.
    pub(crate) async fn destroy_keys(&mut self, now: u64) -> Result<u64> {
        let done = sqlx::query("DELETE FROM assembler_keys WHERE expiry < $1")
            .bind(signed(now))
            .execute(&mut **self)
            .await?
            .rows_affected();
        if done != 0 {
            self.tell(Event::Keys);
        }
        Ok(done)
    }

    /// A number that no assembler key ever had.
    pub(crate) async fn next_epoch(&mut self) -> Result<u64> {
        let row = sqlx::query(
            "UPDATE network SET assembler_epoch = assembler_epoch + 1 WHERE one = 1 RETURNING assembler_epoch",
        )
        .fetch_one(&mut **self)
        .await?;
        unsigned(row.try_get("assembler_epoch")?)
    }

    /// Says that numbers up to this one are spent.
    pub(crate) async fn spend_epochs(&mut self, epoch: u64) -> Result<()> {
        sqlx::query("UPDATE network SET assembler_epoch = $1 WHERE one = 1 AND assembler_epoch < $1")
            .bind(signed(epoch))
            .execute(&mut **self)
            .await?;
        Ok(())
    }

    /// Stores a key.
    pub(crate) async fn insert_key(&mut self, key: &KeyRow) -> Result<()> {
        sqlx::query(
            "INSERT INTO assembler_keys (epoch, expiry, certificate, sealed) VALUES ($1, $2, $3, $4)
             ON CONFLICT (epoch) DO NOTHING",
        )
        .bind(signed(key.epoch))
        .bind(signed(key.expiry))
        .bind(key.certificate.as_slice())
        .bind(key.sealed.as_slice())
        .execute(&mut **self)
        .await?;
        self.tell(Event::Keys);
        Ok(())
    }
}
