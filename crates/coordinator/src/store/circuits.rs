//! Circuits and bases: what is known of them. Their files are the `circuits` module's.

use sqlx::Row as _;
use tacit_wire::Digest32;
use tacit_wire::status::CircuitKind;

use super::rows::{CircuitRow, circuit_row, signed, unsigned};
use super::{Result, Store};

impl Store {
    /// Adds a circuit; `false` where it is known already.
    pub async fn add_circuit(&self, c: &CircuitRow, verification_key: Option<&str>) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO circuits (id, curve, n_wires, n_public, log_domain, zkey_bytes, added_at, kind, file_digest, verification_key)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING",
        )
        .bind(c.id.0.as_slice())
        .bind(i64::from(c.curve))
        .bind(signed(c.n_wires))
        .bind(signed(c.n_public))
        .bind(i64::from(c.log_domain))
        .bind(signed(c.zkey_bytes))
        .bind(signed(c.added_at))
        .bind(i64::from(c.kind == CircuitKind::Bases))
        .bind(c.file.as_ref().map(|d| d.0.as_slice()))
        .bind(verification_key)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Records a circuit's constraint system. Returns the digest that is recorded now: the first one stays.
    pub async fn set_r1cs(&self, id: &Digest32, digest: &Digest32, bytes: u64) -> Result<Option<Digest32>> {
        sqlx::query(
            "UPDATE circuits SET r1cs_digest = $2, r1cs_bytes = $3 WHERE id = $1 AND r1cs_digest IS NULL",
        )
        .bind(id.0.as_slice())
        .bind(digest.0.as_slice())
        .bind(signed(bytes))
        .execute(&self.pool)
        .await?;
        Ok(self.circuit(id).await?.and_then(|c| c.r1cs).map(|(digest, _)| digest))
    }

    /// One circuit.
    pub async fn circuit(&self, id: &Digest32) -> Result<Option<CircuitRow>> {
        sqlx::query("SELECT id, kind, curve, n_wires, n_public, log_domain, zkey_bytes, r1cs_digest, r1cs_bytes, added_at,
                    file_digest
             FROM circuits WHERE id = $1")
            .bind(id.0.as_slice())
            .fetch_optional(&self.pool)
            .await?
            .as_ref()
            .map(circuit_row)
            .transpose()
    }

    /// A circuit's verification key in snarkjs's JSON, where it was stored with it.
    pub async fn verification_key(&self, id: &Digest32) -> Result<Option<String>> {
        let row = sqlx::query("SELECT verification_key FROM circuits WHERE id = $1")
            .bind(id.0.as_slice())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|r| r.try_get("verification_key")).transpose()?.flatten())
    }

    /// All circuits, oldest first.
    pub async fn circuits(&self) -> Result<Vec<CircuitRow>> {
        let rows = sqlx::query(
            "SELECT id, kind, curve, n_wires, n_public, log_domain, zkey_bytes, r1cs_digest, r1cs_bytes, added_at,
                    file_digest
             FROM circuits ORDER BY added_at, id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(circuit_row).collect()
    }

    /// How many circuits there are.
    pub async fn count_circuits(&self) -> Result<u64> {
        let row = sqlx::query("SELECT COUNT(*) FROM circuits").fetch_one(&self.pool).await?;
        unsigned(row.try_get(0)?)
    }
}
