//! What nodes are offered, what they reply, and who replaces whom.

use sqlx::Row as _;
use sqlx::any::AnyRow;
use tacit_delegate::header;
use tacit_wire::{Digest32, IdentityKey};

use super::housekeeping::set_state;
use super::rows::{
    JobState, NewSeat, OfferRow, Reassigned, Recorded, Reply, SeatState, digest, signed, small, unsigned,
};
use super::{Event, Excess, Kind, Result, Shares, Store, StoreError, shares};

/// Places of seats by state.
struct Tally {
    answered: Vec<u8>,
    waiting: Vec<u8>,
}

impl Store {
    /// What to offer to a node; `None` once the job has ended, the node has spoken, or the place is another's.
    pub async fn offer(&self, deal: &Digest32, index: u8, node: &IdentityKey) -> Result<Option<OfferRow>> {
        let row = sqlx::query(
            "SELECT j.header, j.expiry, a.assignment, a.envelope FROM assignments a JOIN jobs j ON j.deal = a.deal
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
                expiry: unsigned(r.try_get("expiry")?)?,
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
        let mut tx = self.write_job(deal).await?;
        let rows = sqlx::query(
            "SELECT a.idx, a.state, CASE WHEN a.node = $2 THEN 1 ELSE 0 END AS replies,
                    CASE WHEN a.node = $2 THEN a.answer END AS answer, j.state AS job_state,
                    SUBSTR(j.header, 1, 512) AS header, j.assembler
             FROM assignments a JOIN jobs j ON j.deal = a.deal WHERE a.deal = $1",
        )
        .bind(deal.0.as_slice())
        .bind(node.0.as_slice())
        .fetch_all(&mut *tx)
        .await?;
        let mut replies = None;
        for row in &rows {
            if small(row, "replies")? != 0 {
                replies = Some(row);
            }
        }
        let Some(row) = replies else { return Ok(Recorded::Unwanted) };
        let index: i64 = row.try_get("idx")?;
        let seat = SeatState::from_code(row.try_get("state")?)?;
        let job_state = JobState::from_code(row.try_get("job_state")?)?;
        let first: Option<Vec<u8>> = row.try_get("answer")?;
        let assembler = small(row, "assembler")?;
        let job_header: Vec<u8> = row.try_get("header")?;
        let dials = header::dials_of(&job_header).map_err(|_| StoreError::Damaged("a job's header"))?;
        match (&reply, seat, first) {
            (Reply::Answer(answer), SeatState::Answered, Some(first)) if first == **answer => {
                return Ok(Recorded::Same);
            }
            (Reply::Answer(answer), SeatState::Answered, Some(_)) => {
                // Two are enough to show it: the first that contradicts stays.
                let done = sqlx::query(
                    "UPDATE assignments SET contradiction = $3 WHERE deal = $1 AND idx = $2 AND contradiction IS NULL",
                )
                .bind(deal.0.as_slice())
                .bind(index)
                .bind(*answer)
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
            (_, SeatState::Waiting, _) if !job_state.has_ended() => {}
            // A refusal does not take back an answer, and nothing changes a job that has ended.
            _ => return Ok(Recorded::Unwanted),
        }
        let (seat_state, answer, refusal) = match reply {
            Reply::Answer(bytes) => (SeatState::Answered, Some(bytes), None),
            Reply::Refusal(reason) => (SeatState::Refused, None, Some(reason)),
        };
        sqlx::query(match self.kind {
            Kind::Sqlite => {
                "UPDATE assignments SET state = $3, answer = $4, refusal = $5, answered_at = $6 WHERE deal = $1 AND idx = $2;
                 DELETE FROM in_hand WHERE deal = $1 AND idx = $2 AND node = $7"
            }
            Kind::Postgres => {
                "WITH gone AS (DELETE FROM in_hand WHERE deal = $1 AND idx = $2 AND node = $7)
                 UPDATE assignments SET state = $3, answer = $4, refusal = $5, answered_at = $6 WHERE deal = $1 AND idx = $2"
            }
        })
        .bind(deal.0.as_slice())
        .bind(index)
        .bind(seat_state as i64)
        .bind(answer)
        .bind(refusal)
        .bind(signed(now))
        .bind(node.0.as_slice())
        .execute(&mut *tx)
        .await?;
        let tally = tally(&rows, index, seat_state)?;
        let possible = tally.answered.iter().chain(&tally.waiting).copied();
        // A client that assembles can still give the packages of nodes that refused to others; for one that went away nobody will.
        let state = if assembler != 0 && !dials.suffice(possible) {
            JobState::Failed
        } else if !dials.suffice(tally.answered.iter().copied()) {
            JobState::Open
        } else if !tally.waiting.is_empty() || assembler != 0 {
            JobState::Ready
        } else {
            JobState::Done
        };
        set_state(&mut tx, deal, state, (state == JobState::Failed).then_some(not_enough), None, now).await?;
        // As the service tells those who wait here.
        if !state.has_ended() {
            let answered = seat_state == SeatState::Answered;
            tx.tell(if answered { Event::Answered(*deal) } else { Event::Job(*deal) });
        }
        tx.commit().await?;
        let assemble = assembler != 0 && state == JobState::Ready;
        let [answered, waiting] =
            [&tally.answered, &tally.waiting].map(|places| u8::try_from(places.len()).unwrap_or(u8::MAX));
        Ok(Recorded::New { state, answered, waiting, assemble })
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

/// Of the seats as they were read, but for this one's new state.
fn tally(rows: &[AnyRow], index: i64, state: SeatState) -> Result<Tally> {
    let mut tally = Tally { answered: Vec::new(), waiting: Vec::new() };
    for row in rows {
        let place = small(row, "idx")?;
        let now =
            if i64::from(place) == index { state } else { SeatState::from_code(row.try_get("state")?)? };
        match now {
            SeatState::Answered => tally.answered.push(place),
            SeatState::Waiting => tally.waiting.push(place),
            SeatState::Refused => {}
        }
    }
    Ok(tally)
}
