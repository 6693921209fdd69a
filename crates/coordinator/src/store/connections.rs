//! Connections that go from one statement to the next.
//!
//! sqlx's pool asks a connection that is given back whether it is alive: a round trip more for each statement. Here a connection whose last
//! statement ended well is kept for the next one; whatever did not end well goes back to sqlx's pool, which [rolls it back](roll_back) or closes it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::Row as _;
use sqlx::pool::PoolConnection;
use sqlx::{
    Any, AnyConnection, AnyPool, Connection as _, Database, Describe, Either, Execute, Executor, SqlStr,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

type Statement = <Any as Database>::Statement;
type Row = <Any as Database>::Row;
type QueryResult = <Any as Database>::QueryResult;

/// For how long a connection is kept before sqlx's pool looks at it again, which ends those that are old.
const KEPT: Duration = Duration::from_secs(60);

/// A pool's connections.
#[derive(Clone)]
pub(super) struct Connections(Arc<Inner>);

struct Inner {
    pool: AnyPool,
    /// As many as the pool has connections: whoever has a turn gets one of those that rest, or finds a place in the pool.
    turns: Arc<Semaphore>,
    resting: Mutex<Resting>,
    /// One that rested for longer is asked whether it is alive.
    tested_after: Option<Duration>,
}

#[derive(Default)]
struct Resting {
    connections: Vec<Rested>,
    closed: bool,
}

struct Rested {
    connection: PoolConnection<Any>,
    /// Since it was taken from the pool.
    taken: Instant,
    since: Instant,
}

/// A connection for one use.
pub(super) struct Lent {
    connection: PoolConnection<Any>,
    taken: Instant,
    from: Arc<Inner>,
    _turn: OwnedSemaphorePermit,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.pool.fmt(f)
    }
}

impl Inner {
    fn resting(&self) -> MutexGuard<'_, Resting> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Those of a pool that nobody else uses.
    pub(super) fn new(pool: AnyPool, tested_after: Option<Duration>) -> Self {
        let most = usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX);
        let turns = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Inner { pool, turns, resting: Mutex::default(), tested_after }))
    }

    /// A connection, as soon as one is free.
    pub(super) async fn lend(&self) -> sqlx::Result<Lent> {
        let patience = self.0.pool.options().get_acquire_timeout();
        timeout(patience, self.lend_at_last()).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    async fn lend_at_last(&self) -> sqlx::Result<Lent> {
        let turn = Arc::clone(&self.0.turns).acquire_owned().await;
        let turn = turn.map_err(|_| sqlx::Error::PoolClosed)?;
        let from = Arc::clone(&self.0);
        loop {
            let Some(Rested { mut connection, taken, since }) = from.resting().connections.pop() else {
                break;
            };
            if taken.elapsed() >= KEPT {
                continue;
            }
            // One that is gone goes back, and is not given out again.
            if self.0.tested_after.is_none_or(|most| since.elapsed() <= most)
                || connection.ping().await.is_ok()
            {
                return Ok(Lent { connection, taken, from, _turn: turn });
            }
        }
        let connection = from.pool.acquire().await?;
        Ok(Lent { connection, taken: Instant::now(), from, _turn: turn })
    }

    /// Waits until every connection is closed.
    pub(super) async fn close(&self) {
        let rested = {
            let mut resting = self.0.resting();
            resting.closed = true;
            std::mem::take(&mut resting.connections)
        };
        drop(rested);
        self.0.pool.close().await;
    }
}

/// What a server's pool does with a connection that is given back: whatever transaction it is in ends.
///
/// # Errors
/// Where it must not be used any more.
pub(super) async fn roll_back_on_server(connection: &mut AnyConnection) -> sqlx::Result<bool> {
    // Outside of a transaction the server would warn. In one that failed it answers nothing. As one message: prepared, a statement begins after its transaction.
    let asked =
        connection.fetch_one("SELECT CASE WHEN now() = statement_timestamp() THEN 0 ELSE 1 END").await;
    match asked {
        Ok(row) if row.try_get::<i32, _>(0)? == 0 => Ok(true),
        Ok(_) | Err(sqlx::Error::Database(_)) => roll_back(connection).await,
        Err(error) => Err(error),
    }
}

/// The same, where nobody is warned.
///
/// # Errors
/// As [`roll_back_on_server`].
pub(super) async fn roll_back(connection: &mut AnyConnection) -> sqlx::Result<bool> {
    match connection.execute("ROLLBACK").await {
        Ok(_) => Ok(true),
        // SQLite says so where there is nothing to roll back.
        Err(sqlx::Error::Database(error)) => Ok(error.message().contains("no transaction is active")),
        Err(error) => Err(error),
    }
}

impl Lent {
    /// Its use ended well: the next one gets it as it is.
    pub(super) fn keep(self) {
        let Self { connection, taken, from, _turn } = self;
        let mut resting = from.resting();
        // Those that have rested longest are at the front, and few: as many as were needed at once.
        let old = resting.connections.iter().take_while(|rested| rested.taken.elapsed() >= KEPT).count();
        drop(resting.connections.drain(..old));
        if !resting.closed && taken.elapsed() < KEPT {
            resting.connections.push(Rested { connection, taken, since: Instant::now() });
        }
    }
}

impl Deref for Lent {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let resting = self.resting.get_mut().unwrap_or_else(PoisonError::into_inner);
        for Rested { connection, .. } in resting.connections.drain(..) {
            // Giving it back takes a runtime, which may have ended.
            drop(connection.detach());
        }
    }
}

/// One statement each.
impl<'c> Executor<'c> for &'c Connections {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<QueryResult, Row>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let rows = async move {
            let mut lent = self.lend().await?;
            let rows: Vec<_> = lent.fetch_many(query).try_collect().await?;
            lent.keep();
            Ok::<_, sqlx::Error>(stream::iter(rows).map(Ok))
        };
        stream::once(rows).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<Row>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        Box::pin(async move {
            // To its end: what comes after the row is not the next one's to hear.
            let mut lent = self.lend().await?;
            let rows: Vec<_> = lent.fetch_many(query).try_collect().await?;
            lent.keep();
            Ok(rows.into_iter().find_map(Either::right))
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [<Any as Database>::TypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<Statement>>
    where
        'c: 'e,
    {
        Box::pin(async move { self.lend().await?.prepare_with(sql, parameters).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Any>>>
    where
        'c: 'e,
    {
        Box::pin(async move { self.lend().await?.describe(sql).await })
    }
}
