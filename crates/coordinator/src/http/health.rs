//! Health, and the metrics' own listener: plain HTTP, on loopback unless told otherwise.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;

use super::openapi::Refusals;
use crate::error::ApiError;
use crate::service::Service;

/// How long the database may take to answer a check.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether this coordinator can be given work, and why not.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Readiness {
    /// Whether every check passed.
    ready: bool,
    /// The checks.
    checks: Checks,
}

/// What is checked.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Checks {
    /// The database answers.
    database: Check,
    /// The database has the schema of this program, or a later one.
    migrations: Check,
    /// This machine's clock and the database's agree.
    clock: Check,
    /// The coordinator is not shutting down.
    draining: Check,
}

/// One check.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Check {
    /// Whether it passed.
    ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl Check {
    fn of(problem: Option<&str>) -> Self {
        Self { ok: problem.is_none(), problem: problem.map(str::to_owned) }
    }
}

/// The process lives. Says nothing about anything else, so that a database that is down does not have it restarted.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "health",
    responses((status = OK, body = String), Refusals),
)]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether to send clients here.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    responses((status = OK, body = Readiness), (status = SERVICE_UNAVAILABLE, body = Readiness), Refusals),
)]
pub async fn readyz(State(service): State<Arc<Service>>) -> (StatusCode, Json<Readiness>) {
    let check = service.metrics.timed("check", service.store.schema_is_current());
    let schema = tokio::time::timeout(PATIENCE, check).await;
    let (database, migrations) = match schema {
        Ok(Ok(true)) => (None, None),
        Ok(Ok(false)) => (None, Some("the database's schema is older than this program; restart it")),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database does not answer");
            (Some("it fails; see the log"), Some("unknown"))
        }
        Err(_) => {
            service.metrics.database_failed();
            (Some("it does not answer"), Some("unknown"))
        }
    };
    let clock = service.time.is_off().then(|| {
        format!(
            "this machine's clock and the database's differ by {} s: no expired jobs are ended and no heads of the log signed",
            service.time.skew().unsigned_abs()
        )
    });
    let draining = service.shutdown.is_cancelled().then_some("this coordinator is shutting down");
    let ready = [database, migrations, clock.as_deref(), draining].iter().all(Option::is_none);
    let checks = Checks {
        database: Check::of(database),
        migrations: Check::of(migrations),
        clock: Check::of(clock.as_deref()),
        draining: Check::of(draining),
    };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, checks }))
}

/// Everything for Prometheus.
async fn metrics(State(service): State<Arc<Service>>) -> Result<Response, ApiError> {
    let count = service.metrics.timed("count_open", service.store.open_by_state());
    let open = tokio::time::timeout(PATIENCE, count).await;
    // Without the database the rest is worth all the more.
    if let (Ok(Ok(open)), Ok(nodes)) = (open, service.nodes().await) {
        service.metrics.now(&open, nodes.len(), nodes.iter().filter(|n| n.connected).count());
    }
    service.metrics.memory(service.intake.held(), service.outgo.held(), service.relay.held());
    service.metrics.clock_skew(service.time.skew());
    let text = service.metrics.text().map_err(|e| ApiError::internal("writing metrics", e))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Serves until shutdown, and until clients' requests have ended after it, so that a last scrape sees them.
pub async fn serve(service: Arc<Service>, listener: Option<TcpListener>, drained: impl Future<Output = ()>) {
    let Some(listener) = listener else { return drained.await };
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(service);
    let serving = async {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are not served any more");
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = serving => {}
        () = drained => {}
    }
}
