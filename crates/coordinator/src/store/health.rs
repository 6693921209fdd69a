//! What tells how the database and the jobs in it are.

use std::collections::HashMap;

use sqlx::Row as _;
use tacit_wire::{Digest32, IdentityKey};

use super::connect::newest_migration;
use super::rows::{JobState, digest, small, unsigned};
use super::{Result, Store};
use crate::metrics::OpenJobs;

/// A node that has, or had, a place of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Which.
    pub node: IdentityKey,
    /// Its place in the deal.
    pub place: u8,
    /// Whether it was ever sent the package, or may have been.
    pub offered: bool,
}

impl Store {
    /// Whether the database answers and has every migration that this program knows.
    pub async fn schema_is_current(&self) -> Result<bool> {
        let row = sqlx::query("SELECT COUNT(*) FROM _sqlx_migrations WHERE success AND version = $1")
            .bind(newest_migration(self.kind))
            .fetch_one(&self.pool)
            .await?;
        Ok(unsigned(row.try_get(0)?)? == 1)
    }

    /// How many places of open jobs each node has not replied to.
    pub async fn waiting_by_node(&self) -> Result<HashMap<IdentityKey, u64>> {
        let rows = sqlx::query(
            "SELECT a.node, COUNT(*) AS places FROM assignments a JOIN jobs j ON j.deal = a.deal
             WHERE a.state = 0 AND j.ended_at IS NULL GROUP BY a.node",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok((IdentityKey(digest(row, "node")?.0), unsigned(row.try_get("places")?)?)))
            .collect()
    }

    /// Every node that has, or had, a place of a job.
    pub async fn holders(&self, deal: &Digest32) -> Result<Vec<Holder>> {
        // While an offer is out, that it is says so; when it is not any more, that was noted.
        let rows = sqlx::query(
            "SELECT o.node, o.idx, CASE WHEN h.deal IS NULL THEN o.offered ELSE 1 END AS offered
             FROM holders o LEFT JOIN in_hand h ON h.deal = o.deal AND h.idx = o.idx AND h.node = o.node
             WHERE o.deal = $1 ORDER BY o.idx, o.node",
        )
        .bind(deal.0.as_slice())
        .fetch_all(&self.pool)
        .await?;
        let holder = |row| {
            Ok(Holder {
                node: IdentityKey(digest(row, "node")?.0),
                place: small(row, "idx")?,
                offered: small(row, "offered")? != 0,
            })
        };
        rows.iter().map(holder).collect()
    }

    /// How many jobs have not ended, by how far they are, handover and assembler.
    pub async fn open_by_state(&self) -> Result<Vec<OpenJobs>> {
        let rows = sqlx::query(
            "SELECT state, handover, assembler, COUNT(*) AS jobs FROM jobs WHERE ended_at IS NULL
             GROUP BY state, handover, assembler",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(OpenJobs {
                    state: JobState::from_code(row.try_get("state")?)?,
                    handover: row.try_get("handover")?,
                    coordinator_assembles: small(row, "assembler")? == 1,
                    count: unsigned(row.try_get("jobs")?)?,
                })
            })
            .collect()
    }
}
