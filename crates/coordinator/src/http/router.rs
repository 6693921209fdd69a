//! The routes, each with its description.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Router, middleware};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{
    auth, circuits, contradictions, dashboard, disclosure, events, health, jobs, log, memory, network, nodes,
    observe, openapi, unknown_method, unknown_path,
};
use crate::service::Service;

/// For whoever asks: nothing in these is anybody's.
fn public() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(openapi::show))
        .routes(routes!(log::head))
        .routes(routes!(log::inclusion))
        .routes(routes!(log::consistency))
        .routes(routes!(log::entries))
        .routes(routes!(log::receipt))
}

/// For who has a key, where keys are needed.
fn guarded() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .routes(routes!(network::info))
        .routes(routes!(network::line))
        .routes(routes!(circuits::list))
        .routes(routes!(circuits::show, circuits::put, circuits::remove))
        .routes(routes!(circuits::show_r1cs, circuits::put_r1cs))
        .routes(routes!(jobs::list, jobs::submit))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::reassign))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::answers))
        .routes(routes!(jobs::proof))
        .routes(routes!(contradictions::show))
        .routes(routes!(events::job))
        .routes(routes!(disclosure::show))
        .routes(routes!(nodes::list))
        .routes(routes!(events::all))
}

/// What the API is, as `/v1/openapi.json` has it.
pub fn description() -> OpenApi {
    let mut api = public().merge(guarded()).into_openapi();
    openapi::complete(&mut api);
    api
}

/// The routes.
pub fn router(service: Arc<Service>) -> Router {
    let (public, _) = public().split_for_parts();
    let (guarded, _) = guarded().split_for_parts();
    // Inside, so that what a key costs is counted for the key.
    let guarded = guarded
        .layer(middleware::from_fn_with_state(Arc::clone(&service), memory::reserve))
        .layer(middleware::from_fn_with_state(Arc::clone(&service), auth::authenticate));
    // Pages for people are no part of the API.
    public
        .route("/", get(dashboard::page))
        .route("/dashboard/{file}", get(dashboard::asset))
        .layer(middleware::from_fn_with_state(Arc::clone(&service), memory::reserve))
        .merge(guarded)
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        // Every handler that reads a body has a limit of its own.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Arc::clone(&service), auth::limit))
        .layer(middleware::from_fn_with_state(Arc::clone(&service), observe::observe))
        .with_state(service)
}
