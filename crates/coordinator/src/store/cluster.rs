//! What coordinators that share a database tell one another: who lives, where nodes are connected, who offers what.
//!
//! It can be lost: nodes and coordinators say it again. Its commits therefore do not wait for the disk, but for [`Store::claim`]'s.
//!
//! **Who changes several rows at once** takes them in the order of their keys, and in PostgreSQL changes those rows alone
//! that it took so: what comes in between is not waited for out of turn. Otherwise two that do so wait for one another.

use std::collections::HashSet;

use sqlx::Row as _;
use sqlx::any::AnyRow;
use tacit_wire::{Digest32, IdentityKey};

use super::rows::{OfferRow, digest, signed, small, unsigned};
use super::{Event, Kind, Result, Store, Write};

/// Where and how a node was last seen.
#[derive(Debug, Clone)]
pub struct PresenceRow {
    /// Which node.
    pub node: IdentityKey,
    /// Whether it is connected, to whichever coordinator.
    pub connected: bool,
    /// Its last `Hello`, as it sent it.
    pub hello: Vec<u8>,
    /// Offers that it has in hand.
    pub in_hand: u64,
}

/// What became of a session's wish for work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Some places are the session's now.
    Places {
        /// Which it is to offer, until it gives them back.
        places: Vec<Place>,
        /// Whether nothing else waits for the node but what rests.
        all: bool,
    },
    /// A newer connection of the node counts.
    Superseded,
}

/// A place that a session has in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The job.
    pub deal: Digest32,
    /// The place in its deal.
    pub index: u8,
    /// Bytes of its envelope and of the deal's header, which go to the node together.
    pub offer_bytes: u64,
    /// When the deal expires, in Unix seconds.
    pub expiry: u64,
    /// What to offer, where the question brought it along: on a server, of the first place, if it is small.
    pub offer: Option<OfferRow>,
}

/// Bytes up to which an offer is brought along.
macro_rules! small_bytes {
    () => {
        "32768"
    };
}

/// Places that wait for the node $1 at the time $2, oldest first, at most $3, and that no later connection of it than $5 has.
macro_rules! waiting {
    () => {
        "SELECT a.deal, a.idx, a.created_at, a.envelope_bytes + LENGTH(j.header) AS offer_bytes, j.expiry,
                CASE WHEN h.node <> a.node THEN 1 ELSE 0 END AS others
         FROM assignments a JOIN jobs j ON j.deal = a.deal LEFT JOIN in_hand h ON h.deal = a.deal AND h.idx = a.idx
         WHERE a.node = $1 AND a.state = 0 AND a.envelope IS NOT NULL AND j.ended_at IS NULL AND j.expiry >= $2
               AND (h.deal IS NULL OR h.lost = 1 OR h.node <> a.node OR h.connection <= $5)
         ORDER BY a.created_at, a.deal, a.idx LIMIT $3"
    };
}

/// Puts the place `first` into the hand of the node $1, for its connection $5 to the coordinator $4.
macro_rules! take {
    ($first:literal) => {
        concat!(
            "INSERT INTO in_hand (deal, idx, node, coordinator, connection, lost) SELECT first.deal, first.idx, $1, $4, $5, 0 ",
            $first,
            " ON CONFLICT (deal, idx) DO UPDATE SET node = excluded.node, coordinator = excluded.coordinator,
                                                    connection = excluded.connection, lost = 0
              WHERE in_hand.lost = 1 OR in_hand.node <> excluded.node OR in_hand.connection <= excluded.connection"
        )
    };
}

impl Store {
    /// What this process calls itself to the others: drawn when the database was opened.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Makes the database this identity's, if it is nobody's yet; returns whose it is.
    pub async fn adopt(&self, identity: &IdentityKey) -> Result<IdentityKey> {
        sqlx::query("INSERT INTO network (one, identity, assembler_epoch) VALUES (1, $1, 0) ON CONFLICT (one) DO NOTHING")
            .bind(identity.0.as_slice())
            .execute(&self.pool)
            .await?;
        let row = sqlx::query("SELECT identity FROM network WHERE one = 1").fetch_one(&self.pool).await?;
        Ok(IdentityKey(digest(&row, "identity")?.0))
    }

    /// Begins a transaction whose commit does not wait for the disk.
    async fn write_lightly(&self) -> Result<Write> {
        self.begin(&self.light).await
    }

    /// Milliseconds by the database's clock, which is the same for all that share it.
    async fn now(&self, tx: &mut Write) -> Result<i64> {
        let row = match self.kind {
            Kind::Sqlite => {
                sqlx::query("SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS now")
            }
            Kind::Postgres => {
                sqlx::query("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now")
            }
        }
        .fetch_one(&mut **tx)
        .await?;
        Ok(row.try_get("now")?)
    }

    /// The database's time in Unix seconds, where several share it; it counts for all of them.
    pub async fn time(&self) -> Result<Option<u64>> {
        if self.kind == Kind::Sqlite {
            return Ok(None);
        }
        let mut tx = self.write_lightly().await?;
        let now = self.now(&mut tx).await?;
        tx.commit().await?;
        Ok(Some(unsigned(now / 1000)?))
    }

    /// Says that this process lives. Returns whether the others thought so too (if not, they have given away what it had), and
    /// the database's time in Unix seconds.
    pub async fn beat(&self) -> Result<(bool, u64)> {
        let mut tx = self.write_lightly().await?;
        let now = self.now(&mut tx).await?;
        let known = sqlx::query("UPDATE coordinators SET seen_at = $2 WHERE id = $1")
            .bind(self.instance.as_str())
            .bind(now)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        if known == 0 {
            sqlx::query("INSERT INTO coordinators (id, seen_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING")
                .bind(self.instance.as_str())
                .bind(now)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok((known != 0, unsigned(now / 1000)?))
    }

    /// Takes what coordinators had that were not seen for this long; with SQLite, what any other had. Returns how many.
    pub async fn bury(&self, unseen: std::time::Duration) -> Result<usize> {
        let mut tx = self.write_lightly().await?;
        let oldest = match self.kind {
            // The data directory is locked: whoever was here is gone.
            Kind::Sqlite => i64::MAX,
            Kind::Postgres => {
                self.now(&mut tx).await? - i64::try_from(unseen.as_millis()).unwrap_or(i64::MAX / 2)
            }
        };
        let dead = sqlx::query("SELECT id FROM coordinators WHERE seen_at < $1 AND id <> $2 ORDER BY id")
            .bind(oldest)
            .bind(self.instance.as_str())
            .fetch_all(&mut *tx)
            .await?;
        for row in &dead {
            self.bury_one(&mut tx, &row.try_get::<String, _>("id")?).await?;
        }
        tx.commit().await?;
        Ok(dead.len())
    }

    /// Says that this process ends, or that one with this name has ended.
    pub async fn retire(&self, instance: &str) -> Result<()> {
        let mut tx = self.write_lightly().await?;
        self.bury_one(&mut tx, instance).await?;
        tx.tell(Event::Assemble);
        tx.commit().await
    }

    /// A node is connected here and has said hello. Whatever it had in hand on earlier connections is free again. Returns
    /// the number of its connection.
    pub async fn arrive(&self, node: &IdentityKey, hello: &[u8]) -> Result<i64> {
        let mut tx = self.write_lightly().await?;
        let row = sqlx::query(
            "INSERT INTO presence (node, connection, coordinator, hello) VALUES ($1, 1, $2, $3)
             ON CONFLICT (node) DO UPDATE SET connection = presence.connection + 1, coordinator = excluded.coordinator,
                                              hello = excluded.hello
             RETURNING connection",
        )
        .bind(node.0.as_slice())
        .bind(self.instance.as_str())
        .bind(hello)
        .fetch_one(&mut *tx)
        .await?;
        let connection = row.try_get("connection")?;
        sqlx::query(match self.kind {
            Kind::Sqlite => {
                "UPDATE holders SET offered = 1 WHERE node = $1 AND offered = 0
                        AND deal IN (SELECT deal FROM in_hand WHERE node = $1);
                 DELETE FROM in_hand WHERE node = $1"
            }
            Kind::Postgres => {
                "WITH locked AS (SELECT deal, idx FROM in_hand WHERE node = $1 ORDER BY deal, idx FOR UPDATE),
                 gone AS (DELETE FROM in_hand h USING locked l WHERE h.deal = l.deal AND h.idx = l.idx RETURNING h.deal)
                 UPDATE holders o SET offered = 1 FROM gone g WHERE o.deal = g.deal AND o.node = $1 AND o.offered = 0"
            }
        })
        .bind(node.0.as_slice())
        .execute(&mut *tx)
        .await?;
        tx.tell(Event::Connected(*node, connection));
        tx.commit().await?;
        Ok(connection)
    }

    /// A node says more of itself on a connection.
    pub async fn announce(&self, node: &IdentityKey, connection: i64, hello: &[u8]) -> Result<()> {
        sqlx::query("UPDATE presence SET hello = $3 WHERE node = $1 AND connection = $2")
            .bind(node.0.as_slice())
            .bind(connection)
            .bind(hello)
            .execute(&self.light)
            .await?;
        Ok(())
    }

    /// A node's connection has ended; what it had in hand is lost until it comes back.
    pub async fn depart(&self, node: &IdentityKey, connection: i64) -> Result<()> {
        let mut tx = self.write_lightly().await?;
        sqlx::query("UPDATE presence SET coordinator = NULL WHERE node = $1 AND connection = $2")
            .bind(node.0.as_slice())
            .bind(connection)
            .execute(&mut *tx)
            .await?;
        sqlx::query(match self.kind {
            Kind::Sqlite => "UPDATE in_hand SET lost = 1 WHERE node = $1 AND connection = $2",
            Kind::Postgres => {
                "WITH locked AS (SELECT deal, idx FROM in_hand WHERE node = $1 AND connection = $2 ORDER BY deal, idx FOR UPDATE)
                 UPDATE in_hand h SET lost = 1 FROM locked l WHERE h.deal = l.deal AND h.idx = l.idx"
            }
        })
        .bind(node.0.as_slice())
        .bind(connection)
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// Every node that ever said hello.
    pub async fn presences(&self) -> Result<Vec<PresenceRow>> {
        let rows = sqlx::query(
            "SELECT p.node, CASE WHEN p.coordinator IS NULL THEN 0 ELSE 1 END AS connected, p.hello,
                    (SELECT COUNT(*) FROM in_hand h WHERE h.node = p.node AND h.lost = 0) AS in_hand
             FROM presence p",
        )
        .fetch_all(&self.pool)
        .await?;
        let presence = |row: &AnyRow| {
            Ok(PresenceRow {
                node: IdentityKey(digest(row, "node")?.0),
                connected: small(row, "connected")? != 0,
                hello: row.try_get("hello")?,
                in_hand: unsigned(row.try_get("in_hand")?)?,
            })
        };
        rows.iter().map(presence).collect()
    }

    /// Takes up to `limit` places that wait for this node and that no later connection of it has, oldest first. Places of
    /// `resting` jobs stay where they are: those that the session has in hand must be among them, because what it once claimed and could not give
    /// back it may claim again.
    ///
    /// That a place is taken is on disk before it is offered: whatever becomes of the offer, the node may have seen the package.
    pub async fn claim(
        &self,
        node: &IdentityKey,
        connection: i64,
        now: u64,
        limit: usize,
        resting: &HashSet<Digest32>,
    ) -> Result<Claimed> {
        // Nothing is asked for where there is no room, for then the question takes nothing.
        if limit == 0 {
            return Ok(Claimed::Places { places: Vec::new(), all: false });
        }
        let most = limit.saturating_add(resting.len()).saturating_add(1);
        // On a server the first place is taken by the question itself: most often there is one. What it brings along is the node's to see from then on, which is
        // noted: a reassignment that is committed in between sees neither, and nothing is read again before the offer.
        let query = match self.kind {
            Kind::Sqlite => concat!(
                "SELECT w.deal, w.idx, w.offer_bytes, w.expiry, w.others, 0 AS taken, $6 AS resting FROM presence p LEFT JOIN (",
                waiting!(),
                ") w ON 1 = 1 WHERE p.node = $1 AND p.coordinator = $4 AND p.connection = $5 ORDER BY w.created_at, w.deal, w.idx"
            ),
            Kind::Postgres => concat!(
                "WITH waiting AS (",
                waiting!(),
                "), mine AS (SELECT 1 FROM presence WHERE node = $1 AND coordinator = $4 AND connection = $5),
                 first AS (SELECT f.deal, f.idx FROM
                                  (SELECT w.deal, w.idx, w.others FROM waiting w, mine
                                   WHERE NOT (encode(w.deal, 'hex') = ANY (string_to_array($6, ' ')))
                                   ORDER BY w.created_at, w.deal, w.idx LIMIT 1) f
                           WHERE f.others = 0),
                 taken AS (",
                take!("FROM first"),
                " RETURNING deal, idx),
                 noted AS (UPDATE holders o SET offered = 1 FROM taken t JOIN waiting w ON w.deal = t.deal AND w.idx = t.idx
                           WHERE w.offer_bytes <= ",
                small_bytes!(),
                " AND o.deal = t.deal AND o.node = $1 AND o.offered = 0)
                 SELECT w.deal, w.idx, w.offer_bytes, w.expiry, w.others, CASE WHEN t.deal IS NULL THEN 0 ELSE 1 END AS taken,
                        j.header, a.assignment, a.envelope
                 FROM mine LEFT JOIN waiting w ON TRUE LEFT JOIN taken t ON t.deal = w.deal AND t.idx = w.idx
                      LEFT JOIN assignments a ON a.deal = t.deal AND a.idx = t.idx AND w.offer_bytes <= ",
                small_bytes!(),
                " LEFT JOIN jobs j ON j.deal = a.deal
                 ORDER BY w.created_at, w.deal, w.idx"
            ),
        };
        let names: Vec<_> = resting.iter().map(ToString::to_string).collect();
        // A row of nothing says that this is the node's connection, and that nothing waits.
        let rows = sqlx::query(query)
            .bind(node.0.as_slice())
            .bind(signed(now))
            .bind(signed(most as u64))
            .bind(self.instance.as_str())
            .bind(connection)
            .bind(names.join(" "))
            .fetch_all(&self.pool)
            .await?;
        if rows.is_empty() {
            return Ok(Claimed::Superseded);
        }
        let mut places = Vec::new();
        let mut all = true;
        for row in &rows {
            if row.try_get::<Option<i64>, _>("idx")?.is_none() {
                break;
            }
            let (deal, index) = (digest(row, "deal")?, small(row, "idx")?);
            if resting.contains(&deal) {
                continue;
            }
            if places.len() >= limit {
                all = false;
                break;
            }
            let by_question = small(row, "taken")? != 0;
            if by_question || self.take(row, (&deal, index), node, connection).await? {
                let offer_bytes = unsigned(row.try_get("offer_bytes")?)?;
                let expiry = unsigned(row.try_get("expiry")?)?;
                let offer = if by_question { brought(row)? } else { None };
                places.push(Place { deal, index, offer_bytes, expiry, offer });
            }
        }
        Ok(Claimed::Places { places, all })
    }

    /// Takes a place for a node's connection, unless a later one has it.
    ///
    /// Each by itself, so that nobody waits for locks in a circle, and only for the node's current connection: since the place was read all may have
    /// changed. What an earlier connection took after a later one came is the later one's.
    async fn take(
        &self,
        row: &AnyRow,
        (deal, index): (&Digest32, u8),
        node: &IdentityKey,
        connection: i64,
    ) -> Result<bool> {
        if small(row, "others")? != 0 {
            self.note_offered(deal, index).await?;
        }
        let taken = sqlx::query(take!(
            "FROM (SELECT $2 AS deal, $3 AS idx) first
             WHERE EXISTS (SELECT 1 FROM presence WHERE node = $1 AND coordinator = $4 AND connection = $5)"
        ))
        .bind(node.0.as_slice())
        .bind(deal.0.as_slice())
        .bind(i64::from(index))
        .bind(self.instance.as_str())
        .bind(connection)
        .execute(&self.pool)
        .await?;
        Ok(taken.rows_affected() == 1)
    }

    /// Whoever has a place in hand that is another node's by now may have seen its package.
    async fn note_offered(&self, deal: &Digest32, index: u8) -> Result<()> {
        sqlx::query(
            "UPDATE holders SET offered = 1 WHERE deal = $1 AND offered = 0
                    AND node IN (SELECT node FROM in_hand WHERE deal = $1 AND idx = $2)",
        )
        .bind(deal.0.as_slice())
        .bind(i64::from(index))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Gives a claimed place back. Without a reply the node may still have it in hand.
    pub async fn release(
        &self,
        deal: &Digest32,
        node: &IdentityKey,
        connection: i64,
        unanswered: bool,
    ) -> Result<()> {
        let query = match (unanswered, self.kind) {
            (true, _) => "UPDATE in_hand SET lost = 1 WHERE deal = $1 AND node = $2 AND connection = $3",
            (false, Kind::Sqlite) => {
                "UPDATE holders SET offered = 1 WHERE deal = $1 AND node = $2 AND offered = 0;
                 DELETE FROM in_hand WHERE deal = $1 AND node = $2 AND connection = $3"
            }
            (false, Kind::Postgres) => {
                "WITH gone AS (DELETE FROM in_hand WHERE deal = $1 AND node = $2 AND connection = $3 RETURNING deal)
                 UPDATE holders o SET offered = 1 FROM gone g WHERE o.deal = g.deal AND o.node = $2 AND o.offered = 0"
            }
        };
        sqlx::query(query)
            .bind(deal.0.as_slice())
            .bind(node.0.as_slice())
            .bind(connection)
            .execute(&self.light)
            .await?;
        Ok(())
    }

    /// Takes up to `limit` jobs to assemble, for `lease`: those with enough answers that nobody is at, and that were not tried
    /// with these answers.
    pub async fn take_to_assemble(&self, limit: usize, lease: std::time::Duration) -> Result<Vec<Digest32>> {
        let mut tx = self.write_lightly().await?;
        let now = self.now(&mut tx).await?;
        let rows = sqlx::query(
            "SELECT j.deal FROM jobs j LEFT JOIN assembling s ON s.deal = j.deal
             WHERE j.ended_at IS NULL AND j.assembler = 1 AND j.state = 1
                   AND (s.deal IS NULL OR (s.coordinator IS NULL AND s.tried < j.version)
                        OR (s.coordinator IS NOT NULL AND s.until < $1))
             ORDER BY j.created_at, j.deal LIMIT $2",
        )
        .bind(now)
        .bind(signed(limit as u64))
        .fetch_all(&mut *tx)
        .await?;
        // Rows of several jobs are taken in the order of their names, as everywhere.
        let mut due = rows.iter().map(|row| digest(row, "deal")).collect::<Result<Vec<_>>>()?;
        due.sort_unstable();
        let until = now.saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
        let mut taken = Vec::new();
        for deal in due {
            let done = sqlx::query(
                "INSERT INTO assembling (deal, coordinator, until, tried) VALUES ($1, $2, $3, 0)
                 ON CONFLICT (deal) DO UPDATE SET coordinator = excluded.coordinator, until = excluded.until
                 WHERE assembling.coordinator IS NULL OR assembling.until < $4",
            )
            .bind(deal.0.as_slice())
            .bind(self.instance.as_str())
            .bind(until)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            if done.rows_affected() == 1 {
                taken.push(deal);
            }
        }
        tx.commit().await?;
        Ok(taken)
    }

    /// Gives a job back that was tried at this version of it: the next answer makes it worth another try.
    pub async fn assembled(&self, deal: &Digest32, tried: u64) -> Result<()> {
        sqlx::query(
            "UPDATE assembling SET coordinator = NULL, tried = $3 WHERE deal = $1 AND coordinator = $2",
        )
        .bind(deal.0.as_slice())
        .bind(self.instance.as_str())
        .bind(signed(tried))
        .execute(&self.light)
        .await?;
        Ok(())
    }

    /// What a coordinator had is free again. First nodes, then offers: as a node that arrives or departs takes them.
    async fn bury_one(&self, tx: &mut Write, instance: &str) -> Result<()> {
        let queries = match self.kind {
            Kind::Sqlite => [
                "UPDATE presence SET coordinator = NULL WHERE coordinator = $1",
                "UPDATE in_hand SET lost = 1 WHERE coordinator = $1",
                "UPDATE assembling SET coordinator = NULL WHERE coordinator = $1",
                "DELETE FROM coordinators WHERE id = $1",
            ],
            Kind::Postgres => [
                "WITH locked AS (SELECT node FROM presence WHERE coordinator = $1 ORDER BY node FOR UPDATE)
                 UPDATE presence p SET coordinator = NULL FROM locked l WHERE p.node = l.node",
                "WITH locked AS (SELECT deal, idx FROM in_hand WHERE coordinator = $1 ORDER BY deal, idx FOR UPDATE)
                 UPDATE in_hand h SET lost = 1 FROM locked l WHERE h.deal = l.deal AND h.idx = l.idx",
                "WITH locked AS (SELECT deal FROM assembling WHERE coordinator = $1 ORDER BY deal FOR UPDATE)
                 UPDATE assembling a SET coordinator = NULL FROM locked l WHERE a.deal = l.deal",
                "DELETE FROM coordinators WHERE id = $1",
            ],
        };
        for query in queries {
            sqlx::query(query).bind(instance).execute(&mut **tx).await?;
        }
        Ok(())
    }
}

/// What a question brought along with the place that it took.
fn brought(row: &AnyRow) -> Result<Option<OfferRow>> {
    let (header, assignment, envelope) =
        (row.try_get("header")?, row.try_get("assignment")?, row.try_get("envelope")?);
    Ok(match (header, assignment, envelope) {
        (Some(header), Some(assignment), Some(envelope)) => Some(OfferRow { header, assignment, envelope }),
        _ => None,
    })
}
