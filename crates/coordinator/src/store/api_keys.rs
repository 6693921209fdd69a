//! API keys, and what requests with an idempotency key gave.

use sqlx::Row as _;
use sqlx::any::AnyRow;
use tacit_wire::Digest32;

use super::rows::{digest, signed, unsigned};
use super::{Result, Store, StoreError};
use crate::access::{KeyInfo, Role};

/// What is known of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It was not used before.
    New,
    /// It was used with the same contents, and nothing is recorded of how that ended.
    Unfinished,
    /// It was used with the same contents; status and body of the response.
    Answered(u16, String),
    /// It was used with other contents.
    Other,
}

impl Store {
    /// Adds a key; `false` where the name is taken.
    pub async fn add_key(&self, name: &str, role: Role, digest: &[u8; 32], now: u64) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO api_keys (name, role, digest, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(name)
        .bind(role as i64)
        .bind(digest.as_slice())
        .bind(signed(now))
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// All keys, oldest first.
    pub async fn keys(&self) -> Result<Vec<KeyInfo>> {
        let rows = sqlx::query("SELECT id, name, role, created_at, revoked_at FROM api_keys ORDER BY id")
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(key_row).collect()
    }

    /// Revokes a key; `false` where there is none, or it was revoked before.
    pub async fn revoke_key(&self, name: &str, now: u64) -> Result<bool> {
        let done = sqlx::query("UPDATE api_keys SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL")
            .bind(name)
            .bind(signed(now))
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The key with this digest, unless it was revoked.
    pub async fn key(&self, digest: &[u8; 32]) -> Result<Option<KeyInfo>> {
        sqlx::query(
            "SELECT id, name, role, created_at, revoked_at FROM api_keys WHERE digest = $1 AND revoked_at IS NULL",
        )
        .bind(digest.as_slice())
        .fetch_optional(&self.pool)
        .await?
        .as_ref()
        .map(key_row)
        .transpose()
    }

    /// Whether a key that was one still is.
    pub async fn key_holds(&self, id: i64) -> Result<bool> {
        let row = sqlx::query("SELECT 1 FROM api_keys WHERE id = $1 AND revoked_at IS NULL")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.is_some())
    }

    /// Binds an idempotency key of `scope` (a client) to the contents of a request, unless it is bound already.
    pub async fn claim_key(&self, scope: &str, key: &str, contents: &Digest32, now: u64) -> Result<Claim> {
        let done = sqlx::query(
            "INSERT INTO idempotency_keys (scope, name, contents, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
        )
        .bind(scope)
        .bind(key)
        .bind(contents.0.as_slice())
        .bind(signed(now))
        .execute(&self.pool)
        .await?;
        if done.rows_affected() == 1 {
            return Ok(Claim::New);
        }
        // Forgotten in between: as good as new.
        Ok(self.claimed(scope, key, contents).await?.unwrap_or(Claim::New))
    }

    /// What is known of an idempotency key, without binding it.
    pub async fn claimed(&self, scope: &str, key: &str, contents: &Digest32) -> Result<Option<Claim>> {
        let row =
            sqlx::query("SELECT contents, status, body FROM idempotency_keys WHERE scope = $1 AND name = $2")
                .bind(scope)
                .bind(key)
                .fetch_optional(&self.pool)
                .await?;
        let Some(row) = row else { return Ok(None) };
        if digest(&row, "contents")? != *contents {
            return Ok(Some(Claim::Other));
        }
        let status: Option<i64> = row.try_get("status")?;
        let Some(status) = status else { return Ok(Some(Claim::Unfinished)) };
        let status = u16::try_from(status).map_err(|_| StoreError::Damaged("a status"))?;
        Ok(Some(Claim::Answered(status, row.try_get("body")?)))
    }

    /// Records the response to a request with an idempotency key; the first one stays.
    pub async fn answered(&self, scope: &str, key: &str, status: u16, body: &str) -> Result<()> {
        sqlx::query(
            "UPDATE idempotency_keys SET status = $3, body = $4 WHERE scope = $1 AND name = $2 AND status IS NULL",
        )
        .bind(scope)
        .bind(key)
        .bind(i64::from(status))
        .bind(body)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets idempotency keys from before a time.
    pub async fn forget_claims(&self, before: u64) -> Result<u64> {
        let done = sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1")
            .bind(signed(before))
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }
}

fn key_row(row: &AnyRow) -> Result<KeyInfo> {
    Ok(KeyInfo {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        role: Role::from_code(row.try_get("role")?).ok_or(StoreError::Damaged("a key's role"))?,
        created: unsigned(row.try_get("created_at")?)?,
        revoked: row.try_get::<Option<i64>, _>("revoked_at")?.map(unsigned).transpose()?,
    })
}
