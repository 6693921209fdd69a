//! PostgreSQL in tests: a database for each, dropped after it; and the tests in which the database matters, over it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tacit_coordinator::DatabaseUrl;

use crate::{access, api, contradictions, events, faults, long_polls, proofs, replacements, seeing, shares};

const DEFAULT_SERVER: &str = "postgres://postgres@127.0.0.1/postgres";

thread_local! {
    /// The database of the networks that this thread makes; SQLite where there is none.
    static SERVER: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
    static TEXT: RefCell<Option<String>> = const { RefCell::new(None) };
    static CURRENT: RefCell<Option<DatabaseUrl>> = const { RefCell::new(None) };
}

/// The database that a test's coordinators are to use.
pub fn current() -> Option<DatabaseUrl> {
    CURRENT.with_borrow(Clone::clone)
}

/// Its URL as text.
pub fn current_text() -> String {
    TEXT.with_borrow(Clone::clone).unwrap()
}

/// Changes a setting of the test's database, for connections to come.
pub async fn alter_current(setting: &str) {
    let (name, server) = SERVER.with_borrow(Clone::clone).unwrap();
    let mut connection = PgConnection::connect(&server).await.unwrap();
    connection.execute(AssertSqlSafe(format!("ALTER DATABASE {name} {setting}"))).await.unwrap();
}

/// Ends every connection to the test's database, as a server that is restarted does.
pub async fn drop_connections() {
    let (name, server) = SERVER.with_borrow(Clone::clone).unwrap();
    let mut connection = PgConnection::connect(&server).await.unwrap();
    let all = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    connection.execute(AssertSqlSafe(all)).await.unwrap();
}

/// Runs a test with a database of its own; skips it, and says so, where there is no server.
pub fn with_postgres(test: impl FnOnce()) {
    let server = std::env::var("TACIT_TEST_POSTGRES").unwrap_or_else(|_| DEFAULT_SERVER.to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options: PgConnectOptions = server.parse().unwrap();
    let connect =
        async { tokio::time::timeout(Duration::from_secs(10), PgConnection::connect_with(&options)).await };
    let mut connection = match runtime.block_on(connect) {
        Ok(Ok(connection)) => connection,
        problem => {
            let required = std::env::var("TACIT_REQUIRE_POSTGRES").is_ok_and(|v| v == "1");
            assert!(!required, "PostgreSQL is required and does not answer: {problem:?}");
            eprintln!("skipped: no PostgreSQL answers at TACIT_TEST_POSTGRES or {DEFAULT_SERVER}");
            return;
        }
    };
    let name = format!("tacit_test_{:016x}", rand::random::<u64>());
    runtime.block_on(connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}")))).unwrap();
    let (base, query) = server.split_once('?').map_or((server.as_str(), ""), |(base, query)| (base, query));
    let host = base.rsplit_once('/').map_or(base, |(host, _)| host);
    let url = format!("{host}/{name}?{query}").trim_end_matches('?').to_owned();
    CURRENT.set(Some(url.parse().unwrap()));
    TEXT.set(Some(url));
    SERVER.set(Some((name.clone(), server.clone())));
    let outcome = catch_unwind(AssertUnwindSafe(test));
    CURRENT.set(None);
    // What the test killed may still hold connections.
    let dropped =
        runtime.block_on(connection.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))));
    match outcome {
        Ok(()) => drop(dropped.unwrap()),
        Err(panic) => resume_unwind(panic),
    }
}

/// Tests of other files, over PostgreSQL.
macro_rules! over_postgres {
    ($($name:ident: $test:path),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                with_postgres(|| $test());
            }
        )*
    };
}

over_postgres! {
    a_job_is_its_keys: access::a_job_is_its_keys_and_the_operators,
    a_request_sent_again: access::a_request_sent_again_gives_the_first_response_again,
    a_job_tells_its_changes: events::a_job_tells_its_changes_until_it_ends,
    who_saw_what: events::who_saw_what_follows_the_job,
    two_answers_of_a_node: contradictions::two_answers_of_a_node_are_shown_with_what_they_prove,
    who_declined_saw: events::a_node_that_declined_counts_as_having_seen_its_package,
    a_job_in_the_metrics: seeing::a_proved_job_shows_in_the_metrics,
    a_deal_is_one_job: api::a_deal_is_one_job,
    circuits_are_checked_and_named_by_their_content: api::circuits_are_checked_and_named_by_their_content,
    a_constraint_system_is_kept_and_served: api::a_constraint_system_is_kept_and_served,
    more_than_the_limits_is_refused: api::more_than_the_limits_is_refused,
    what_is_not_there_is_said_not_to_be: api::what_is_not_there_is_said_not_to_be,
    a_node_killed_in_the_middle_of_a_job: faults::a_node_killed_in_the_middle_of_a_job,
    too_many_refusals_fail_a_job: faults::too_many_refusals_fail_a_job_unless_its_client_can_replace_nodes,
    four_nodes_make_a_proof: proofs::four_nodes_make_a_proof_that_the_client_assembles,
    the_coordinator_assembles: proofs::the_coordinator_assembles_when_it_is_asked_to,
    a_wrong_witness_blames_no_node: proofs::a_wrong_witness_blames_no_node,
    a_coordinator_that_was_killed_goes_on: proofs::a_coordinator_that_was_killed_goes_on_where_it_was,
    told_of_answers: long_polls::whoever_waits_for_answers_is_told_when_there_are_enough,
    another_node_takes_the_place: replacements::another_node_takes_the_place_of_one_that_refused,
    a_replacement_breaks_no_rule: replacements::a_replacement_must_be_the_clients_and_break_no_rule,
    open_jobs_of_one_key: shares::one_key_cannot_take_every_open_job,
    envelopes_of_one_key: shares::one_key_cannot_fill_the_room_for_envelopes,
    circuits_are_shared_out: shares::circuits_are_shared_out_and_can_be_removed,
    streams_end_with_their_key: shares::streams_end_with_their_key,
    a_job_that_needs_nothing_more_ends: replacements::a_job_that_needs_nothing_more_ends_for_everybody,
}
