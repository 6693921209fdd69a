//! Connections: so many at a time, each with time for a request's head and with an age at which it ends.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::Desk;
use super::http::{self, Peer};

/// The longest head of a request, in bytes.
const HEAD_BYTES: usize = 16 << 10;
/// How long the last request of an old connection may take: longer than any does.
const LAST: Duration = Duration::from_secs(120);
/// How long requests in progress may take to end when the service does.
const DRAIN: Duration = Duration::from_secs(5);

pub(super) async fn serve(desk: Arc<Desk>, listener: TcpListener) {
    let router = http::router(Arc::clone(&desk));
    let places = Arc::new(Semaphore::new(desk.config.connections.max(1)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = desk.shutdown.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = async {
                // A place first: without one, further clients wait in the system's queue.
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (Ok(place), Ok((stream, address))) => {
                let (desk, router) = (Arc::clone(&desk), router.clone());
                connections.spawn(async move {
                    connection(&desk, router, stream, Peer(address.ip())).await;
                    drop(place);
                });
            }
            (Err(_), _) => break,
            (_, Err(error)) => {
                // Out of file descriptors, most likely: others give theirs back soon.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, drained).await;
}

async fn connection(desk: &Desk, router: Router, stream: TcpStream, peer: Peer) {
    let _ = stream.set_nodelay(true);
    let requests = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(desk.config.idle).max_buf_size(HEAD_BYTES);
    let connection = server.serve_connection(TokioIo::new(stream), requests);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = desk.shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        // What is being answered, such as a request that waits for a change, is answered.
        () = tokio::time::sleep(desk.config.connection_life) => {
            connection.as_mut().graceful_shutdown();
            let Ok(ended) = tokio::time::timeout(LAST, connection).await else {
                return tracing::debug!("a connection's last request took too long");
            };
            ended
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

pub(super) async fn serve_metrics(desk: Arc<Desk>, listener: Option<TcpListener>) {
    let Some(listener) = listener else { return };
    let shutdown = desk.shutdown.clone();
    let served = axum::serve(listener, http::metrics_router(desk))
        .with_graceful_shutdown(async move { shutdown.cancelled().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "metrics are not served any more");
    }
}
