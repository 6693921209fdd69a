//! What tells how the database and the jobs in it are.

use sqlx::Row as _;

use super::{JobState, MIGRATIONS, Result, Store, small, unsigned};
use crate::metrics::OpenJobs;

impl Store {
    /// Whether the database answers and has every migration that this program knows.
    pub async fn schema_is_current(&self) -> Result<bool> {
        let newest = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0);
        let row = sqlx::query("SELECT COUNT(*) FROM _sqlx_migrations WHERE success AND version = $1")
            .bind(newest)
            .fetch_one(&self.pool)
            .await?;
        Ok(unsigned(row.try_get(0)?)? == 1)
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
