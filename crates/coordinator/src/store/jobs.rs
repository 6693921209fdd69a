//! Submissions, and how jobs are read.

use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::any::AnyRow;
use tacit_wire::{Digest32, IdentityKey};

use super::rows::{
    AnswerRow, Answered, Insertion, JobRow, JobState, NewJob, SeatRow, SeatState, digest, job_row, seat_row,
    signed, small, unsigned,
};
use super::{Event, Excess, Result, Shares, Store, Write, shares};

/// A job's columns as [`job_row`] reads them, with its header and its proof as they are given.
macro_rules! job_columns {
    ($header:expr, $proof:expr) => {
        concat!(
            "j.deal, ",
            $header,
            " AS header, j.circuit, j.n, j.t, j.needed, j.handover, j.assembler, j.state, j.version, j.failure, ",
            $proof,
            " AS proof, j.expiry, j.created_at, j.ended_at, j.owner"
        )
    };
}

/// What of a header has the curve and the dials.
macro_rules! head {
    () => {
        "SUBSTR(j.header, 1, 512)"
    };
}

/// A seat's columns as [`seat_row`] reads them.
macro_rules! seat_columns {
    () => {
        "a.idx, a.node, a.envelope_bytes, a.state AS seat_state, COALESCE(LENGTH(a.answer), 0) AS answer_bytes, a.refusal,
         a.answered_at, CASE WHEN a.contradiction IS NULL THEN 0 ELSE 1 END AS contradicted,
         CASE WHEN h.deal IS NULL THEN 0 WHEN h.lost = 0 THEN 1 ELSE 2 END AS in_hand,
         CASE WHEN p.coordinator IS NULL THEN 0 ELSE 1 END AS connected"
    };
}

/// Where they come from.
macro_rules! seats {
    () => {
        "assignments a LEFT JOIN in_hand h ON h.deal = a.deal AND h.idx = a.idx AND h.node = a.node
                       LEFT JOIN presence p ON p.node = a.node"
    };
}

impl Store {
    /// Stores a job with its envelopes, unless the deal is known or there is no room.
    pub async fn insert_job(&self, job: &NewJob, now: u64, shares: impl Into<Shares>) -> Result<Insertion> {
        let shares = shares.into();
        let mut tx = self.write().await?;
        let bytes = shares::bytes_of(job);
        // Where there is no room in any case, nothing is written. What decides is the look at the end, where others may write meanwhile.
        // Of two that submit one deal at two coordinators, the second waits here for the first's commit.
        let inserted = sqlx::query(concat!(
            "INSERT INTO jobs
             (deal, submission, header, circuit, n, t, needed, handover, assembler, state, version, expiry, created_at, owner,
              envelope_bytes)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $12, $13, $14 FROM (",
            shares::counted!("$13"),
            ") c WHERE c.jobs < $15 AND c.bytes <= $16 AND ($13 IS NULL OR (c.own_jobs < $17 AND c.own_bytes <= $18))
             ON CONFLICT (deal) DO NOTHING"
        ))
        .bind(job.deal.0.as_slice())
        .bind(job.submission.0.as_slice())
        .bind(job.header.as_slice())
        .bind(job.circuit.0.as_slice())
        .bind(i64::from(job.n))
        .bind(i64::from(job.t))
        .bind(i64::from(job.needed))
        .bind(job.handover.as_str())
        .bind(i64::from(job.coordinator_assembles))
        .bind(JobState::Open as i64)
        .bind(signed(job.expiry))
        .bind(signed(now))
        .bind(job.owner)
        .bind(signed(bytes))
        .bind(signed(shares.jobs))
        .bind(signed(shares.bytes).saturating_sub(signed(bytes)))
        .bind(signed(shares.jobs_of_one))
        .bind(signed(shares.bytes_of_one).saturating_sub(signed(bytes)))
        .execute(&mut *tx)
        .await;
        let inserted = match inserted {
            // Removed since it was looked up.
            Err(sqlx::Error::Database(e)) if e.is_foreign_key_violation() => return Ok(Insertion::NoCircuit),
            inserted => inserted?,
        };
        if inserted.rows_affected() == 0 {
            let known = sqlx::query("SELECT submission FROM jobs WHERE deal = $1")
                .bind(job.deal.0.as_slice())
                .fetch_optional(&mut *tx)
                .await?;
            return Ok(match known {
                Some(known) if digest(&known, "submission")? == job.submission => Insertion::Same,
                Some(_) => Insertion::Conflict,
                // There may be room again by now: then it is as well to try again.
                None => {
                    let counted = shares::count(&mut tx, job.owner, &job.circuit).await?;
                    Insertion::Full(counted.excess(job.owner, &shares, 1, bytes).unwrap_or(Excess::Jobs))
                }
            });
        }
        insert_seats(&mut tx, job, now).await?;
        for seat in &job.seats {
            tx.tell(Event::Work(seat.node));
        }
        // With this job among them.
        let counted = shares::count(&mut tx, job.owner, &job.circuit).await?;
        if let Some(excess) = counted.excess(job.owner, &shares, 0, 0) {
            return Ok(Insertion::Full(excess));
        }
        if !counted.has_circuit {
            return Ok(Insertion::NoCircuit);
        }
        tx.commit().await?;
        Ok(Insertion::New)
    }

    /// One job with its whole header, which may have megabytes: not for those who wait.
    pub async fn job(&self, deal: &Digest32) -> Result<Option<JobRow>> {
        self.job_by(
            deal,
            concat!("SELECT ", job_columns!("j.header", "j.proof"), " FROM jobs j WHERE j.deal = $1"),
        )
        .await
    }

    /// One job without its header beyond the dials.
    pub async fn job_head(&self, deal: &Digest32) -> Result<Option<JobRow>> {
        self.job_by(
            deal,
            concat!("SELECT ", job_columns!(head!(), "j.proof"), " FROM jobs j WHERE j.deal = $1"),
        )
        .await
    }

    async fn job_by(&self, deal: &Digest32, query: &'static str) -> Result<Option<JobRow>> {
        let row = sqlx::query(query).bind(deal.0.as_slice()).fetch_optional(&self.pool).await?;
        row.as_ref().map(job_row).transpose()
    }

    /// One job and its committee, by index, as they were at one moment: neither its header beyond the dials nor its proof, envelopes or answers are read.
    pub async fn job_with_seats(&self, deal: &Digest32) -> Result<Option<(JobRow, Vec<SeatRow>)>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            job_columns!(head!(), "NULL"),
            ", ",
            seat_columns!(),
            " FROM ",
            seats!(),
            " JOIN jobs j ON j.deal = a.deal WHERE a.deal = $1 ORDER BY a.idx"
        ))
        .bind(deal.0.as_slice())
        .fetch_all(&self.pool)
        .await?;
        let Some(first) = rows.first() else { return Ok(None) };
        Ok(Some((job_row(first)?, rows.iter().map(seat_row).collect::<Result<_>>()?)))
    }

    /// The newest jobs, newest first, with their committees: neither headers beyond the dials nor proofs, envelopes or answers are read.
    /// Only those of `owner`, if there is one.
    pub async fn jobs(&self, limit: u32, owner: Option<i64>) -> Result<Vec<(JobRow, Vec<SeatRow>)>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            job_columns!(head!(), "NULL"),
            " FROM jobs j WHERE $2 = 0 OR j.owner = $3 ORDER BY j.created_at DESC, j.deal LIMIT $1"
        ))
        .bind(i64::from(limit))
        .bind(i64::from(owner.is_some()))
        .bind(owner.unwrap_or(0))
        .fetch_all(&self.pool)
        .await?;
        let jobs: Vec<JobRow> = rows.iter().map(job_row).collect::<Result<_>>()?;
        let rows = sqlx::query(concat!(
            "SELECT a.deal, ",
            seat_columns!(),
            " FROM ",
            seats!(),
            " JOIN (SELECT deal FROM jobs WHERE $2 = 0 OR owner = $3 ORDER BY created_at DESC, deal LIMIT $1) j ON j.deal = a.deal
             ORDER BY a.deal, a.idx"
        ))
        .bind(i64::from(limit))
        .bind(i64::from(owner.is_some()))
        .bind(owner.unwrap_or(0))
        .fetch_all(&self.pool)
        .await?;
        let mut committees: HashMap<Digest32, Vec<SeatRow>> = HashMap::new();
        for row in &rows {
            committees.entry(digest(row, "deal")?).or_default().push(seat_row(row)?);
        }
        // A job that came in between the two queries has no committee here: it is in the next listing.
        Ok(jobs
            .into_iter()
            .filter_map(|job| committees.remove(&job.deal).map(|seats| (job, seats)))
            .collect())
    }

    /// A job's committee, by index, without what its nodes answered.
    pub async fn seats(&self, deal: &Digest32) -> Result<Vec<SeatRow>> {
        Ok(self.job_with_seats(deal).await?.map_or_else(Vec::new, |(_, seats)| seats))
    }

    /// [`Store::job_with_seats`] with what the nodes answered, by index, of the same moment; without where that has more bytes than `most` together.
    pub async fn job_with_answers(&self, deal: &Digest32, most: u64) -> Result<Option<Answered>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            job_columns!(head!(), "NULL"),
            ", ",
            seat_columns!(),
            ", CASE WHEN a.state = 1 AND s.bytes <= $2 THEN a.assignment END AS assignment,
               CASE WHEN a.state = 1 AND s.bytes <= $2 THEN a.answer END AS answer FROM ",
            seats!(),
            " JOIN jobs j ON j.deal = a.deal
              JOIN (SELECT COALESCE(SUM(LENGTH(answer)), 0) AS bytes FROM assignments WHERE deal = $1) s ON 1 = 1
              WHERE a.deal = $1 ORDER BY a.idx"
        ))
        .bind(deal.0.as_slice())
        .bind(signed(most))
        .fetch_all(&self.pool)
        .await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let mut all = Answered { job: job_row(first)?, seats: Vec::new(), answers: Vec::new() };
        for row in &rows {
            let seat = seat_row(row)?;
            if let (Some(assignment), Some(answer)) = (row.try_get("assignment")?, row.try_get("answer")?) {
                all.answers.push(AnswerRow { index: seat.index, assignment, answer });
            }
            all.seats.push(seat);
        }
        Ok(Some(all))
    }

    /// The answers of nodes that gave two, by index: the one that counts with the other.
    pub async fn contradictions(&self, deal: &Digest32) -> Result<Vec<(AnswerRow, IdentityKey, Vec<u8>)>> {
        let rows = sqlx::query(
            "SELECT idx, node, assignment, answer, contradiction FROM assignments
             WHERE deal = $1 AND state = 1 AND answer IS NOT NULL AND contradiction IS NOT NULL ORDER BY idx",
        )
        .bind(deal.0.as_slice())
        .fetch_all(&self.pool)
        .await?;
        let contradiction = |row: &AnyRow| {
            let first = AnswerRow {
                index: small(row, "idx")?,
                assignment: row.try_get("assignment")?,
                answer: row.try_get("answer")?,
            };
            Ok((first, IdentityKey(digest(row, "node")?.0), row.try_get("contradiction")?))
        };
        rows.iter().map(contradiction).collect()
    }

    /// How many jobs have not ended.
    pub async fn count_open(&self) -> Result<u64> {
        let row =
            sqlx::query("SELECT COUNT(*) FROM jobs WHERE ended_at IS NULL").fetch_one(&self.pool).await?;
        unsigned(row.try_get(0)?)
    }

    /// How many envelopes are stored: none of them belongs to a job that has ended.
    pub async fn count_envelopes(&self) -> Result<u64> {
        let row = sqlx::query("SELECT COUNT(*) FROM assignments WHERE envelope IS NOT NULL")
            .fetch_one(&self.pool)
            .await?;
        unsigned(row.try_get(0)?)
    }
}

/// A new job's seats, and that their nodes have, or had, a place; from then on nobody else counts shares.
async fn insert_seats(tx: &mut Write, job: &NewJob, now: u64) -> Result<()> {
    let (before, after) = if tx.is_shared() {
        (
            "WITH seats AS (",
            // And then what `Store::lock_shares` does.
            " RETURNING deal, node, idx),
              places AS (INSERT INTO holders (deal, node, idx, offered) SELECT deal, node, idx, 0 FROM seats RETURNING idx)
              SELECT 1 FROM network WHERE one = 1 AND (SELECT COUNT(*) FROM places) > 0 FOR NO KEY UPDATE",
        )
    } else {
        (
            "",
            "; INSERT INTO holders (deal, node, idx, offered) SELECT deal, node, idx, 0 FROM assignments WHERE deal = $1",
        )
    };
    // Only the numbers of the placeholders are put together here.
    let mut sql = format!(
        "{before}INSERT INTO assignments (deal, state, created_at, idx, node, assignment, envelope, envelope_bytes) VALUES "
    );
    for at in 0..job.seats.len() {
        let [a, b, c, d, e] = [4, 5, 6, 7, 8].map(|place| place + 5 * at);
        sql += &format!("{}($1, $2, $3, ${a}, ${b}, ${c}, ${d}, ${e})", if at == 0 { "" } else { ", " });
    }
    sql += after;
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(job.deal.0.as_slice())
        .bind(SeatState::Waiting as i64)
        .bind(signed(now));
    for seat in &job.seats {
        query = query
            .bind(i64::from(seat.index))
            .bind(seat.node.0.as_slice())
            .bind(seat.assignment.as_slice())
            .bind(seat.envelope.as_slice())
            .bind(signed(seat.envelope.len() as u64));
    }
    query.execute(&mut **tx).await?;
    Ok(())
}
