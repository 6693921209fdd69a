//! The log: a leaf for each job that ended, written in the transaction that ends it; the tree over the leaves; the signed heads.
//!
//! Order: whoever appends or signs takes the row of `log_state` first and keeps it until the commit, whichever coordinator it is. It takes the job's row before
//! that, and no other after: nobody waits in a circle. So leaves have no gaps, and two heads of one size have one root.

use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::any::AnyRow;
use tacit_delegate::header;
use tacit_log::{Frontier, NodeId, SignedTreeHead, TreeHead, leaf_hash};
use tacit_wire::frame::Body as _;
use tacit_wire::messages::{Answer, Assembler};
use tacit_wire::receipt::MAX_RECEIPT_SEATS;
use tacit_wire::status::{ErrorBody, RefusalInfo};
use tacit_wire::{
    Digest32, Identity, IdentityKey, JobOutcome, Receipt, ReceiptSeat, SeatOutcome, Signature, SignedReceipt,
};

use super::rows::{JobState, SeatState, digest, signed, small, unsigned};
use super::{Result, Store, StoreError, Write};

/// What the log holds now.
struct State {
    frontier: Frontier,
    /// No entry and no head is later. What comes is no earlier.
    last_time: u64,
}

impl Store {
    /// How many entries there are.
    pub async fn log_size(&self) -> Result<u64> {
        let row = sqlx::query("SELECT size FROM log_state WHERE id = 1").fetch_one(&self.pool).await?;
        unsigned(row.try_get("size")?)
    }

    /// The newest head that was signed.
    pub async fn log_head(&self, log: IdentityKey) -> Result<Option<SignedTreeHead>> {
        let row =
            sqlx::query("SELECT size, root, signed_at, signature FROM log_heads ORDER BY size DESC LIMIT 1")
                .fetch_optional(&self.pool)
                .await?;
        row.as_ref().map(|row| head_row(row, log)).transpose()
    }

    /// Signs what the log holds now, unless that was done; returns the newest head. A head is later than the one before it, whatever the clock
    /// says, and no earlier than its entries.
    pub async fn sign_log_head(&self, keeper: &Identity, now: u64) -> Result<SignedTreeHead> {
        let log = keeper.key();
        let mut tx = self.write().await?;
        let State { frontier, last_time } = lock(&mut tx).await?;
        let newest =
            sqlx::query("SELECT size, root, signed_at, signature FROM log_heads ORDER BY size DESC LIMIT 1")
                .fetch_optional(&mut *tx)
                .await?;
        let newest = newest.as_ref().map(|row| head_row(row, log)).transpose()?;
        let later = match newest {
            Some(head) if head.head.size == frontier.size() => return Ok(head),
            Some(head) => head.head.timestamp.saturating_add(1),
            None => 0,
        };
        let timestamp = tx.log_time(now).max(last_time).max(later);
        let head = TreeHead { log, size: frontier.size(), root: frontier.root(), timestamp }.sign(keeper);
        sqlx::query("INSERT INTO log_heads (size, root, signed_at, signature) VALUES ($1, $2, $3, $4)")
            .bind(signed(head.head.size))
            .bind(head.head.root.0.as_slice())
            .bind(signed(timestamp))
            .bind(head.signature.0.as_slice())
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE log_state SET last_time = $1 WHERE id = 1")
            .bind(signed(timestamp))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(head)
    }

    /// The hashes of these subtrees; those that are not complete are left out.
    pub async fn log_subtrees(&self, nodes: &[NodeId]) -> Result<HashMap<NodeId, Digest32>> {
        let mut by_position = HashMap::with_capacity(nodes.len());
        for node in nodes {
            if let Some(position) = node.position() {
                by_position.insert(signed(position), *node);
            }
        }
        if by_position.is_empty() {
            return Ok(HashMap::new());
        }
        let places: Vec<String> = (1..=by_position.len()).map(|i| format!("${i}")).collect();
        // Only the numbers of the placeholders are put together here.
        let sql = format!("SELECT position, hash FROM log_nodes WHERE position IN ({})", places.join(", "));
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for position in by_position.keys() {
            query = query.bind(*position);
        }
        let mut found = HashMap::with_capacity(nodes.len());
        for row in query.fetch_all(&self.pool).await? {
            if let Some(node) = by_position.get(&row.try_get::<i64, _>("position")?) {
                found.insert(*node, digest(&row, "hash")?);
            }
        }
        Ok(found)
    }

    /// Entries from `start` on, at most so many.
    pub async fn log_entries(&self, start: u64, count: u32) -> Result<Vec<Vec<u8>>> {
        let rows = sqlx::query("SELECT entry FROM log_leaves WHERE idx >= $1 ORDER BY idx LIMIT $2")
            .bind(signed(start))
            .bind(i64::from(count))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| Ok(row.try_get("entry")?)).collect()
    }

    /// A job's entry and its index.
    pub async fn log_entry_of(&self, deal: &Digest32) -> Result<Option<(u64, Vec<u8>)>> {
        let row = sqlx::query("SELECT idx, entry FROM log_leaves WHERE deal = $1")
            .bind(deal.0.as_slice())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| Ok((unsigned(row.try_get("idx")?)?, row.try_get("entry")?))).transpose()
    }
}

/// Takes the log for this transaction.
async fn lock(tx: &mut Write) -> Result<State> {
    // A write that changes nothing locks the row on every database.
    let row = sqlx::query("UPDATE log_state SET size = size WHERE id = 1 RETURNING size, peaks, last_time")
        .fetch_one(&mut **tx)
        .await?;
    let bytes: Vec<u8> = row.try_get("peaks")?;
    let (peaks, rest) = bytes.as_chunks::<32>();
    let peaks = peaks.iter().map(|peak| Digest32(*peak)).collect();
    let frontier = Frontier::from_parts(unsigned(row.try_get("size")?)?, peaks);
    match frontier {
        Ok(frontier) if rest.is_empty() => {
            Ok(State { frontier, last_time: unsigned(row.try_get("last_time")?)? })
        }
        _ => Err(StoreError::Damaged("the log's state")),
    }
}

/// Writes the entry of a job that has ended in this transaction. A job has one, whatever happens to it afterwards: one that was forgotten and
/// submitted again gets no second.
pub(super) async fn append(tx: &mut Write, deal: &Digest32, now: u64) -> Result<()> {
    let keeper = tx.keeper.clone().ok_or(StoreError::NoKeeper)?;
    let mut receipt = receipt_of(tx, deal, &keeper).await?;
    let State { mut frontier, last_time } = lock(tx).await?;
    receipt.ended = tx.log_time(now).max(last_time);
    // By the database's clock alone, which may have been ahead.
    receipt.accepted = receipt.accepted.min(receipt.ended);
    let time = receipt.ended;
    let entry = receipt.sign(&keeper).encode();
    debug_assert!(SignedReceipt::decode(&entry).is_ok(), "a receipt that nobody can read");
    let index = frontier.size();
    let nodes = frontier.append(leaf_hash(&entry));
    let peaks: Vec<u8> = frontier.peaks().iter().flat_map(|peak| peak.0).collect();
    let places = |first: usize| (0..nodes.len()).map(move |i| [first + 2 * i, first + 2 * i + 1]);
    // Only the numbers of the placeholders are put together here. Nodes and state come with the leaf, or not at all.
    let sql = if tx.is_shared() {
        let rows: Vec<_> =
            places(7).map(|[p, h]| format!("(CAST(${p} AS BIGINT), CAST(${h} AS BYTEA))")).collect();
        format!(
            "WITH leaf AS (INSERT INTO log_leaves (idx, deal, entry) VALUES ($1, $2, $3) ON CONFLICT (deal) DO NOTHING RETURNING idx),
                  nodes AS (INSERT INTO log_nodes (position, hash) SELECT n.position, n.hash FROM leaf, (VALUES {}) AS n (position, hash))
             UPDATE log_state SET size = $4, peaks = $5, last_time = $6 FROM leaf WHERE id = 1",
            rows.join(", ")
        )
    } else {
        let mut sql =
            "INSERT INTO log_leaves (idx, deal, entry) VALUES ($1, $2, $3) ON CONFLICT (deal) DO NOTHING"
                .to_owned();
        let came = "EXISTS (SELECT 1 FROM log_leaves WHERE idx = $1)";
        for [p, h] in places(7) {
            sql += &format!("; INSERT INTO log_nodes (position, hash) SELECT ${p}, ${h} WHERE {came}");
        }
        sql + &format!("; UPDATE log_state SET size = $4, peaks = $5, last_time = $6 WHERE id = 1 AND {came}")
    };
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(signed(index))
        .bind(deal.0.as_slice())
        .bind(entry.as_slice())
        .bind(signed(frontier.size()))
        .bind(peaks)
        .bind(signed(time));
    for (node, hash) in &nodes {
        let position = node.position().ok_or(StoreError::Damaged("the log's size"))?;
        query = query.bind(signed(position)).bind(hash.0.as_slice());
    }
    query.execute(&mut **tx).await?;
    Ok(())
}

/// How a job ended, by its rows.
async fn receipt_of(tx: &mut Write, deal: &Digest32, keeper: &Identity) -> Result<Receipt> {
    // Those that have a place now come first, by place, and then those that had one.
    let rows = sqlx::query(
        "SELECT SUBSTR(j.header, 1, 512) AS header, j.circuit, j.assembler, j.state AS job_state, j.failure, j.created_at,
                h.idx, h.node, a.state, a.answer, a.refusal
         FROM jobs j JOIN holders h ON h.deal = j.deal
                LEFT JOIN assignments a ON a.deal = h.deal AND a.idx = h.idx AND a.node = h.node
         WHERE j.deal = $1 ORDER BY CASE WHEN a.deal IS NULL THEN 1 ELSE 0 END, h.idx, h.node LIMIT $2",
    )
    .bind(deal.0.as_slice())
    .bind(signed(MAX_RECEIPT_SEATS as u64))
    .fetch_all(&mut **tx)
    .await?;
    let job = rows.first().ok_or(StoreError::Damaged("a job's committee"))?;
    let job_header: Vec<u8> = job.try_get("header")?;
    let damaged = |_| StoreError::Damaged("a job's header");
    let coordinator_assembles = small(job, "assembler")? == 1;
    let outcome = match JobState::from_code(job.try_get("job_state")?)? {
        JobState::Done if coordinator_assembles => JobOutcome::Proved,
        JobState::Done => JobOutcome::Answered,
        JobState::Expired => JobOutcome::Expired,
        _ => {
            let failure: Option<String> = job.try_get("failure")?;
            let body = failure.and_then(|json| serde_json::from_str::<ErrorBody>(&json).ok());
            JobOutcome::failed(&body.map_or_else(String::new, |body| body.code))
        }
    };
    let seats = rows.iter().map(seat_of).collect::<Result<_>>()?;
    let accepted = unsigned(job.try_get("created_at")?)?;
    Ok(Receipt {
        coordinator: keeper.key(),
        job: *deal,
        circuit: digest(job, "circuit")?,
        curve: header::curve_of(&job_header).map_err(damaged)?,
        dials: header::dials_of(&job_header).map_err(damaged)?,
        assembler: if coordinator_assembles { Assembler::Coordinator } else { Assembler::Client },
        accepted,
        ended: accepted,
        outcome,
        seats,
    })
}

fn seat_of(row: &AnyRow) -> Result<ReceiptSeat> {
    let state: Option<i64> = row.try_get("state")?;
    let outcome = match state.map(SeatState::from_code).transpose()? {
        None => SeatOutcome::Replaced,
        Some(SeatState::Waiting) => SeatOutcome::Silent,
        Some(SeatState::Answered) => {
            let answer: Option<Vec<u8>> = row.try_get("answer")?;
            let answer = Answer::from_body(answer.as_deref().unwrap_or_default());
            SeatOutcome::Acknowledged(answer.map_err(|_| StoreError::Damaged("an answer"))?.acknowledgement)
        }
        Some(SeatState::Refused) => {
            let refusal: Option<String> = row.try_get("refusal")?;
            let refusal = serde_json::from_str::<RefusalInfo>(refusal.as_deref().unwrap_or_default());
            SeatOutcome::Refused(refusal.map_err(|_| StoreError::Damaged("a refusal"))?.code)
        }
    };
    Ok(ReceiptSeat { place: small(row, "idx")?, node: IdentityKey(digest(row, "node")?.0), outcome })
}

fn head_row(row: &AnyRow, log: IdentityKey) -> Result<SignedTreeHead> {
    let signature: Vec<u8> = row.try_get("signature")?;
    let signature = <[u8; 64]>::try_from(signature).map_err(|_| StoreError::Damaged("a tree head"))?;
    Ok(SignedTreeHead {
        head: TreeHead {
            log,
            size: unsigned(row.try_get("size")?)?,
            root: digest(row, "root")?,
            timestamp: unsigned(row.try_get("signed_at")?)?,
        },
        signature: Signature(signature),
    })
}
