//! What nodes are offered, what they reply, and who replaces whom.

use sqlx::Row as _;
use sqlx::any::AnyRow;
use sqlx::{Any, Executor};
use tacit_delegate::header;
use tacit_wire::{Digest32, IdentityKey};

use super::events::tell_others;
use super::housekeeping::set_state;
use super::rows::{
    JobState, NewSeat, OfferRow, Reassigned, Recorded, Reply, SeatState, digest, signed, small, unsigned,
};
use super::{Event, Excess, Kind, Result, Shares, Store, StoreError, Write, shares};

impl Store {
    /// What to offer to a node; `None` once the job has ended, the node has spoken, or the place is another's.
    pub async fn offer(&self, deal: &Digest32, index: u8, node: &IdentityKey) -> Result<Option<OfferRow>> {
        let row = sqlx::query(
            "SELECT j.header, a.assignment, a.envelope FROM assignments a JOIN jobs j ON j.deal = a.deal
             WHERE a.deal = $1 AND a.idx = $2 AND a.node = $3 AND a.state = 0 AND a.envelope IS NOT NULL
                   AND j.ended_at IS NULL",
        )
        .bind(deal.0.as_slice())
        .bind(i64::from(index))
        .bind(node.0.as_slice())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|r| {
            Ok(OfferRow {
                header: r.try_get("header")?,
                assignment: r.try_get("assignment")?,
                envelope: r.try_get("envelope")?,
            })
        })
        .transpose()
    }

    /// Stores what a node said; counts; ends the job where nothing more can come.
    ///
    /// A job that this coordinator assembles does not end here by having every answer: see [`Store::finish`].
    pub async fn record(
        &self,
        deal: &Digest32,
        node: &IdentityKey,
        reply: Reply<'_>,
        now: u64,
        not_enough: &str,
    ) -> Result<Recorded> {
        if self.kind == Kind::Postgres {
            // What is decided without a lock is done if the job is what it was, which its version says: fewer round trips.
            match Verdict::of(&read_places(&self.pool, deal, node).await?, &reply)? {
                Verdict::Nothing(recorded) => return Ok(recorded),
                Verdict::Change(change) if change.state.has_ended() => {
                    let mut tx = self.write().await?;
                    if reseat(&mut tx, deal, node, &reply, now, &change).await? {
                        return self.conclude(tx, deal, change, now, not_enough).await;
                    }
                }
                Verdict::Change(change) => {
                    if self.change_unless_changed(deal, node, &reply, now, &change).await? {
                        return Ok(change.recorded());
                    }
                }
                Verdict::Contradiction { .. } => {}
            }
        }
        let mut tx = self.write_job(deal).await?;
        let change = match Verdict::of(&read_places(&mut *tx, deal, node).await?, &reply)? {
            Verdict::Nothing(recorded) => return Ok(recorded),
            Verdict::Contradiction { index, answer } => {
                // Two are enough to show it: the first that contradicts stays.
                let done = sqlx::query(
                    "UPDATE assignments SET contradiction = $3 WHERE deal = $1 AND idx = $2 AND contradiction IS NULL",
                )
                .bind(deal.0.as_slice())
                .bind(index)
                .bind(answer)
                .execute(&mut *tx)
                .await?;
                if done.rows_affected() == 1 {
                    sqlx::query("UPDATE jobs SET version = version + 1 WHERE deal = $1")
                        .bind(deal.0.as_slice())
                        .execute(&mut *tx)
                        .await?;
                    tx.tell(Event::Job(*deal));
                    tx.commit().await?;
                }
                return Ok(Recorded::Contradiction);
            }
            Verdict::Change(change) => change,
        };
        reseat(&mut tx, deal, node, &reply, now, &change).await?;
        self.conclude(tx, deal, change, now, not_enough).await
    }

    /// What comes of a reply for the job.
    async fn conclude(
        &self,
        mut tx: Write,
        deal: &Digest32,
        change: Change,
        now: u64,
        not_enough: &str,
    ) -> Result<Recorded> {
        let failure = (change.state == JobState::Failed).then_some(not_enough);
        set_state(&mut tx, deal, change.state, failure, None, now).await?;
        if !change.state.has_ended() {
            tx.tell(change.event(deal));
        }
        tx.commit().await?;
        Ok(change.recorded())
    }

    /// Makes a change after which the job goes on, if the job is what it was when that was decided: its version says so. Returns whether it did.
    async fn change_unless_changed(
        &self,
        deal: &Digest32,
        node: &IdentityKey,
        reply: &Reply<'_>,
        now: u64,
        change: &Change,
    ) -> Result<bool> {
        let (answer, refusal) = reply.parts();
        let done = sqlx::query(concat!(
            "WITH job AS (UPDATE jobs SET state = $3, version = version + 1
                          WHERE deal = $1 AND version = $4 AND ended_at IS NULL RETURNING deal),
                  gone AS (DELETE FROM in_hand h USING job j WHERE h.deal = j.deal AND h.idx = $2 AND h.node = $5),
                  seat AS (UPDATE assignments a SET state = $6, answer = $7, refusal = $8, answered_at = $9
                           FROM job j WHERE a.deal = j.deal AND a.idx = $2)
             SELECT ",
            tell_others!("$10", "$11"),
            " FROM job"
        ))
        .bind(deal.0.as_slice())
        .bind(change.index)
        .bind(change.state as i64)
        .bind(change.version)
        .bind(node.0.as_slice())
        .bind(change.seat as i64)
        .bind(answer)
        .bind(refusal)
        .bind(signed(now))
        .bind(change.event(deal).text())
        .bind(self.instance.as_str())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives a place of an open job to another node, unless its node has answered or there is no room for an envelope that is larger
    /// than the one before.
    pub async fn reassign(
        &self,
        deal: &Digest32,
        new: &NewSeat,
        now: u64,
        most: impl Into<Shares>,
    ) -> Result<Reassigned> {
        let mut tx = self.write_job(deal).await?;
        let seat = sqlx::query(
            "SELECT a.node, a.assignment, a.state, a.envelope_bytes, j.expiry, j.ended_at, j.owner
             FROM assignments a JOIN jobs j ON j.deal = a.deal WHERE a.deal = $1 AND a.idx = $2",
        )
        .bind(deal.0.as_slice())
        .bind(i64::from(new.index))
        .fetch_optional(&mut *tx)
        .await?;
        let Some(seat) = seat else { return Ok(Reassigned::Unknown) };
        let before = IdentityKey(digest(&seat, "node")?.0);
        if seat.try_get::<Vec<u8>, _>("assignment")? == new.assignment {
            return Ok(Reassigned::Same);
        }
        let over = unsigned(seat.try_get("expiry")?)? < now;
        if over || seat.try_get::<Option<i64>, _>("ended_at")?.is_some() {
            return Ok(Reassigned::Ended);
        }
        if SeatState::from_code(seat.try_get("state")?)? == SeatState::Answered {
            return Ok(Reassigned::Answered);
        }
        let holds = sqlx::query("SELECT idx FROM holders WHERE deal = $1 AND node = $2")
            .bind(deal.0.as_slice())
            .bind(new.node.0.as_slice())
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = holds {
            return Ok(Reassigned::HasPlace(small(&row, "idx")?));
        }
        sqlx::query(
            "UPDATE assignments SET node = $3, assignment = $4, envelope = $5, envelope_bytes = $6, state = $7,
                    answer = NULL, contradiction = NULL, refusal = NULL, answered_at = NULL
             WHERE deal = $1 AND idx = $2",
        )
        .bind(deal.0.as_slice())
        .bind(i64::from(new.index))
        .bind(new.node.0.as_slice())
        .bind(new.assignment.as_slice())
        .bind(new.envelope.as_slice())
        .bind(signed(new.envelope.len() as u64))
        .bind(SeatState::Waiting as i64)
        .execute(&mut *tx)
        .await?;
        // Whoever replied, or may have the package in hand, has seen it: nothing will say so any more when the place is another's.
        sqlx::query(
            "UPDATE holders SET offered = 1 WHERE deal = $1 AND node = $2 AND offered = 0
                    AND ($4 <> 0 OR EXISTS (SELECT 1 FROM in_hand h WHERE h.deal = $1 AND h.idx = $3 AND h.node = $2))",
        )
        .bind(deal.0.as_slice())
        .bind(before.0.as_slice())
        .bind(i64::from(new.index))
        .bind(seat.try_get::<i64, _>("state")?)
        .execute(&mut *tx)
        .await?;
        sqlx::query("INSERT INTO holders (deal, node, idx, offered) VALUES ($1, $2, $3, 0)")
            .bind(deal.0.as_slice())
            .bind(new.node.0.as_slice())
            .bind(i64::from(new.index))
            .execute(&mut *tx)
            .await?;
        let more = signed(new.envelope.len() as u64).saturating_sub(seat.try_get("envelope_bytes")?);
        sqlx::query(
            "UPDATE jobs SET version = version + 1, envelope_bytes = envelope_bytes + $2 WHERE deal = $1",
        )
        .bind(deal.0.as_slice())
        .bind(more)
        .execute(&mut *tx)
        .await?;
        tx.tell(Event::Job(*deal));
        tx.tell(Event::Work(new.node));
        if more > 0 {
            self.lock_shares(&mut tx).await?;
            let (owner, most): (_, Shares) = (seat.try_get("owner")?, most.into());
            let counted = shares::count(&mut tx, owner, &Digest32([0; 32])).await?;
            match counted.excess(owner, &most, 0, 0) {
                // No job came.
                None | Some(Excess::Jobs | Excess::JobsOfOne) => {}
                Some(excess) => return Ok(Reassigned::Full(excess)),
            }
        }
        tx.commit().await?;
        Ok(Reassigned::Done(before))
    }

    /// Whether this node's word about a place is still wanted.
    pub async fn is_wanted(&self, deal: &Digest32, index: u8, node: &IdentityKey) -> Result<bool> {
        let row = sqlx::query(
            "SELECT 1 FROM assignments a JOIN jobs j ON j.deal = a.deal
             WHERE a.deal = $1 AND a.idx = $2 AND a.node = $3 AND a.state = 0 AND j.ended_at IS NULL",
        )
        .bind(deal.0.as_slice())
        .bind(i64::from(index))
        .bind(node.0.as_slice())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.is_some())
    }
}

/// A job's places, as a reply is judged by.
async fn read_places(
    executor: impl Executor<'_, Database = Any>,
    deal: &Digest32,
    node: &IdentityKey,
) -> Result<Vec<AnyRow>> {
    let rows = sqlx::query(
        "SELECT a.idx, a.state, CASE WHEN a.node = $2 THEN 1 ELSE 0 END AS replies,
                CASE WHEN a.node = $2 THEN a.answer END AS answer, j.state AS job_state, j.version,
                SUBSTR(j.header, 1, 512) AS header, j.assembler
         FROM assignments a JOIN jobs j ON j.deal = a.deal WHERE a.deal = $1",
    )
    .bind(deal.0.as_slice())
    .bind(node.0.as_slice())
    .fetch_all(executor)
    .await?;
    Ok(rows)
}

/// What comes of a reply for the place: its node has nothing in hand any more. On a server this takes the job's row, and does nothing where the job is not what it was;
/// returns whether it did.
async fn reseat(
    tx: &mut Write,
    deal: &Digest32,
    node: &IdentityKey,
    reply: &Reply<'_>,
    now: u64,
    change: &Change,
) -> Result<bool> {
    let (answer, refusal) = reply.parts();
    let query = if tx.is_shared() {
        "WITH job AS (SELECT deal FROM jobs WHERE deal = $1 AND version = $8 AND ended_at IS NULL FOR NO KEY UPDATE),
              gone AS (DELETE FROM in_hand h USING job j WHERE h.deal = j.deal AND h.idx = $2 AND h.node = $7)
         UPDATE assignments a SET state = $3, answer = $4, refusal = $5, answered_at = $6
         FROM job j WHERE a.deal = j.deal AND a.idx = $2"
    } else {
        "DELETE FROM in_hand WHERE deal = $1 AND idx = $2 AND node = $7;
         UPDATE assignments SET state = $3, answer = $4, refusal = $5, answered_at = $6 WHERE deal = $1 AND idx = $2
                AND EXISTS (SELECT 1 FROM jobs WHERE deal = $1 AND version = $8)"
    };
    let done = sqlx::query(query)
        .bind(deal.0.as_slice())
        .bind(change.index)
        .bind(change.seat as i64)
        .bind(answer)
        .bind(refusal)
        .bind(signed(now))
        .bind(node.0.as_slice())
        .bind(change.version)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// What a reply does to a job.
enum Verdict<'a> {
    Nothing(Recorded),
    /// The node has answered otherwise before.
    Contradiction {
        index: i64,
        answer: &'a [u8],
    },
    Change(Change),
}

/// A reply that counts.
struct Change {
    /// The place.
    index: i64,
    seat: SeatState,
    /// The job's state after it.
    state: JobState,
    /// The job's version before it.
    version: i64,
    answered: u8,
    waiting: u8,
    assemble: bool,
}

impl<'a> Verdict<'a> {
    /// By the places as [`read_places`] reads them.
    fn of(rows: &[AnyRow], reply: &Reply<'a>) -> Result<Self> {
        let mut replies = None;
        for row in rows {
            if small(row, "replies")? != 0 {
                replies = Some(row);
            }
        }
        let Some(row) = replies else { return Ok(Self::Nothing(Recorded::Unwanted)) };
        let index: i64 = row.try_get("idx")?;
        let first: Option<Vec<u8>> = row.try_get("answer")?;
        let job_state = JobState::from_code(row.try_get("job_state")?)?;
        match (reply, SeatState::from_code(row.try_get("state")?)?, first) {
            (Reply::Answer(answer), SeatState::Answered, Some(first)) => {
                return Ok(if first == **answer {
                    Self::Nothing(Recorded::Same)
                } else {
                    Self::Contradiction { index, answer }
                });
            }
            (_, SeatState::Waiting, _) if !job_state.has_ended() => {}
            // A refusal does not take back an answer, and nothing changes a job that has ended.
            _ => return Ok(Self::Nothing(Recorded::Unwanted)),
        }
        let seat = match reply {
            Reply::Answer(_) => SeatState::Answered,
            Reply::Refusal(_) => SeatState::Refused,
        };
        let (mut answered, mut waiting) = (Vec::new(), Vec::new());
        for row in rows {
            let place = small(row, "idx")?;
            let replied = i64::from(place) == index;
            match if replied { seat } else { SeatState::from_code(row.try_get("state")?)? } {
                SeatState::Answered => answered.push(place),
                SeatState::Waiting => waiting.push(place),
                SeatState::Refused => {}
            }
        }
        let coordinator_assembles = small(row, "assembler")? != 0;
        let job_header: Vec<u8> = row.try_get("header")?;
        let dials = header::dials_of(&job_header).map_err(|_| StoreError::Damaged("a job's header"))?;
        // A client that assembles can still give the packages of nodes that refused to others; for one that went away nobody will.
        let state = if coordinator_assembles && !dials.suffice(answered.iter().chain(&waiting).copied()) {
            JobState::Failed
        } else if !dials.suffice(answered.iter().copied()) {
            JobState::Open
        } else if !waiting.is_empty() || coordinator_assembles {
            JobState::Ready
        } else {
            JobState::Done
        };
        let [answered, waiting] =
            [answered, waiting].map(|places| u8::try_from(places.len()).unwrap_or(u8::MAX));
        let assemble = coordinator_assembles && state == JobState::Ready;
        let version = row.try_get("version")?;
        Ok(Self::Change(Change { index, seat, state, version, answered, waiting, assemble }))
    }
}

impl Change {
    fn recorded(&self) -> Recorded {
        let Self { state, answered, waiting, assemble, .. } = *self;
        Recorded::New { state, answered, waiting, assemble }
    }

    /// As the service tells those who wait here, where the job goes on.
    fn event(&self, deal: &Digest32) -> Event {
        if self.seat == SeatState::Answered { Event::Answered(*deal) } else { Event::Job(*deal) }
    }
}
