//! Circuits and bases: what is known of them. Their files are the `circuits` module's.

use sqlx::Row as _;
use tacit_wire::Digest32;
use tacit_wire::status::CircuitKind;

use super::rows::{CircuitRow, Registration, Removal, circuit_row, digest, signed, unsigned};
use super::{CircuitShare, CircuitShares, Event, Kind, PIECE_BYTES, Result, Store, Write};

/// A circuit's columns as [`circuit_row`] reads them.
macro_rules! circuit_columns {
    () => {
        "id, kind, curve, n_wires, n_public, log_domain, zkey_bytes, r1cs_digest, r1cs_bytes, added_at, file_digest"
    };
}

impl Store {
    /// Adds a circuit of nobody's, without a bound; `false` where it is known already.
    pub async fn add_circuit(&self, c: &CircuitRow, verification_key: Option<&str>) -> Result<bool> {
        let all = CircuitShare { circuits: u64::MAX, bytes: u64::MAX };
        let unbounded = CircuitShares { all, of_one: None };
        let done = self.register_circuit(c, verification_key, None, unbounded).await?;
        Ok(done == Registration::New)
    }

    /// Registers a circuit for a key, if there is room.
    pub async fn register_circuit(
        &self,
        c: &CircuitRow,
        verification_key: Option<&str>,
        owner: Option<i64>,
        shares: CircuitShares,
    ) -> Result<Registration> {
        let mut tx = self.write().await?;
        self.lock_shares(&mut tx).await?;
        let known = sqlx::query("SELECT 1 FROM circuits WHERE id = $1 AND removed_at IS NULL")
            .bind(c.id.0.as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        if known.is_some() {
            return Ok(Registration::Known);
        }
        match excess(&mut tx, owner, shares, (1, c.zkey_bytes)).await? {
            Registration::New => {}
            refused => return Ok(refused),
        }
        if let Some(file) = &c.file
            && !has_pieces(&mut tx, file, c.zkey_bytes).await?
        {
            return Ok(Registration::Incomplete);
        }
        // One that was removed, and that ended jobs still name, begins anew.
        sqlx::query(
            "INSERT INTO circuits (id, curve, n_wires, n_public, log_domain, zkey_bytes, added_at, kind, file_digest, verification_key,
                                   owner)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (id) DO UPDATE SET curve = excluded.curve, n_wires = excluded.n_wires, n_public = excluded.n_public,
                 log_domain = excluded.log_domain, zkey_bytes = excluded.zkey_bytes, added_at = excluded.added_at,
                 kind = excluded.kind, file_digest = excluded.file_digest, verification_key = excluded.verification_key,
                 owner = excluded.owner, removed_at = NULL, r1cs_digest = NULL, r1cs_bytes = NULL",
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
        .bind(owner)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Registration::New)
    }

    /// Whether there is room for one more circuit of a key, of so many bytes: [`Registration::New`] if so. What decides is
    /// [`Store::register_circuit`]; this spares an upload.
    pub async fn room_for_circuit(
        &self,
        owner: Option<i64>,
        shares: CircuitShares,
        bytes: u64,
    ) -> Result<Registration> {
        let mut tx = self.write().await?;
        excess(&mut tx, owner, shares, (1, bytes)).await
    }

    /// Removes a circuit that no open job needs. `by` is the key that asks; `None` may remove any.
    pub async fn remove_circuit(&self, id: &Digest32, by: Option<i64>, now: u64) -> Result<Removal> {
        let mut tx = self.write().await?;
        // A job that comes in counts before this looks, or finds the circuit gone.
        self.lock_shares(&mut tx).await?;
        let row = sqlx::query(
            "SELECT owner, file_digest, r1cs_digest FROM circuits WHERE id = $1 AND removed_at IS NULL",
        )
        .bind(id.0.as_slice())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(Removal::Unknown) };
        if by.is_some() && row.try_get::<Option<i64>, _>("owner")? != by {
            return Ok(Removal::NotYours);
        }
        let open = sqlx::query("SELECT COUNT(*) FROM jobs WHERE circuit = $1 AND ended_at IS NULL")
            .bind(id.0.as_slice())
            .fetch_one(&mut *tx)
            .await?;
        let open = unsigned(open.try_get(0)?)?;
        if open > 0 {
            return Ok(Removal::Needed(open));
        }
        sqlx::query(
            "UPDATE circuits SET removed_at = $2, owner = NULL, verification_key = NULL, file_digest = NULL, r1cs_digest = NULL,
                    r1cs_bytes = NULL WHERE id = $1",
        )
        .bind(id.0.as_slice())
        .bind(signed(now))
        .execute(&mut *tx)
        .await?;
        // A job that is just coming in holds its circuit's row, and waits for this transaction.
        sqlx::query(match self.kind {
            Kind::Sqlite => {
                "DELETE FROM circuits WHERE removed_at IS NOT NULL
                        AND NOT EXISTS (SELECT 1 FROM jobs WHERE circuit = circuits.id)"
            }
            Kind::Postgres => {
                "DELETE FROM circuits WHERE id IN (SELECT id FROM circuits c WHERE removed_at IS NOT NULL
                        AND NOT EXISTS (SELECT 1 FROM jobs WHERE circuit = c.id) FOR UPDATE SKIP LOCKED)"
            }
        })
        .execute(&mut *tx)
        .await?;
        if self.is_shared() {
            for column in ["file_digest", "r1cs_digest"] {
                if let Some(digest) = row.try_get::<Option<Vec<u8>>, _>(column)? {
                    // Another circuit may have the same constraint system.
                    sqlx::query(
                        "DELETE FROM file_pieces WHERE digest = $1
                                AND NOT EXISTS (SELECT 1 FROM circuits WHERE file_digest = $1 OR r1cs_digest = $1)",
                    )
                    .bind(digest)
                    .execute(&mut *tx)
                    .await?;
                }
            }
        }
        tx.tell(Event::Removed(*id));
        tx.commit().await?;
        Ok(Removal::Done)
    }

    /// Records a circuit's constraint system. [`Registration::Known`] if there is one already: the first one stays.
    pub async fn set_r1cs(
        &self,
        id: &Digest32,
        digest: &Digest32,
        bytes: u64,
        shares: CircuitShares,
    ) -> Result<Registration> {
        let mut tx = self.write().await?;
        // Nobody removes pieces meanwhile.
        self.lock_shares(&mut tx).await?;
        let owner = sqlx::query(
            "SELECT owner FROM circuits WHERE id = $1 AND r1cs_digest IS NULL AND removed_at IS NULL",
        )
        .bind(id.0.as_slice())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(owner) = owner else { return Ok(Registration::Known) };
        // It counts for whoever registered the circuit.
        match excess(&mut tx, owner.try_get("owner")?, shares, (0, bytes)).await? {
            Registration::New => {}
            refused => return Ok(refused),
        }
        if !has_pieces(&mut tx, digest, bytes).await? {
            return Ok(Registration::Incomplete);
        }
        sqlx::query(
            "UPDATE circuits SET r1cs_digest = $2, r1cs_bytes = $3 WHERE id = $1 AND r1cs_digest IS NULL AND removed_at IS NULL",
        )
        .bind(id.0.as_slice())
        .bind(digest.0.as_slice())
        .bind(signed(bytes))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Registration::New)
    }

    /// One circuit.
    pub async fn circuit(&self, id: &Digest32) -> Result<Option<CircuitRow>> {
        sqlx::query(concat!(
            "SELECT ",
            circuit_columns!(),
            " FROM circuits WHERE id = $1 AND removed_at IS NULL"
        ))
        .bind(id.0.as_slice())
        .fetch_optional(&self.pool)
        .await?
        .as_ref()
        .map(circuit_row)
        .transpose()
    }

    /// The circuit of a deal, and the digest of what was submitted under the deal's name.
    pub async fn circuit_for(
        &self,
        id: &Digest32,
        deal: &Digest32,
    ) -> Result<Option<(CircuitRow, Option<Digest32>)>> {
        let row = sqlx::query(concat!(
            "SELECT ",
            circuit_columns!(),
            ", (SELECT submission FROM jobs WHERE deal = $2) AS submission
             FROM circuits WHERE id = $1 AND removed_at IS NULL"
        ))
        .bind(id.0.as_slice())
        .bind(deal.0.as_slice())
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let known = row.try_get::<Option<Vec<u8>>, _>("submission")?.is_some();
        Ok(Some((circuit_row(&row)?, known.then(|| digest(&row, "submission")).transpose()?)))
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
        let rows = sqlx::query(concat!(
            "SELECT ",
            circuit_columns!(),
            " FROM circuits WHERE removed_at IS NULL ORDER BY added_at, id"
        ))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(circuit_row).collect()
    }
}

/// Whether all pieces of a file are in the database, where coordinators share them.
async fn has_pieces(tx: &mut Write, file: &Digest32, bytes: u64) -> Result<bool> {
    if !tx.is_shared() {
        return Ok(true);
    }
    let row = sqlx::query("SELECT COUNT(*) FROM file_pieces WHERE digest = $1")
        .bind(file.0.as_slice())
        .fetch_one(&mut **tx)
        .await?;
    Ok(unsigned(row.try_get(0)?)? >= bytes.div_ceil(PIECE_BYTES as u64))
}

/// Whether there is room for so many more, of so many bytes.
async fn excess(
    tx: &mut Write,
    owner: Option<i64>,
    shares: CircuitShares,
    (circuits, bytes): (u64, u64),
) -> Result<Registration> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS n, COUNT(CASE WHEN owner = $1 THEN 1 END) AS own,
                CAST(COALESCE(SUM(zkey_bytes + COALESCE(r1cs_bytes, 0)), 0) AS BIGINT) AS bytes,
                CAST(COALESCE(SUM(CASE WHEN owner = $1 THEN zkey_bytes + COALESCE(r1cs_bytes, 0) END), 0) AS BIGINT) AS own_bytes
         FROM circuits WHERE removed_at IS NULL",
    )
    .bind(owner)
    .fetch_one(&mut **tx)
    .await?;
    let is_over = |number: &str, size: &str, most: CircuitShare| -> Result<bool> {
        let (n, has) = (unsigned(row.try_get(number)?)?, unsigned(row.try_get(size)?)?);
        Ok(n.saturating_add(circuits) > most.circuits || has.saturating_add(bytes) > most.bytes)
    };
    if is_over("n", "bytes", shares.all)? {
        return Ok(Registration::Full);
    }
    match shares.of_one {
        Some(most) if owner.is_some() && is_over("own", "own_bytes", most)? => Ok(Registration::Share),
        _ => Ok(Registration::New),
    }
}
