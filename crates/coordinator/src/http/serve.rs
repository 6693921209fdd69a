//! Connections of clients: TLS, limits, shutdown.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::service::Service;

/// How long requests in progress may take to end when the coordinator shuts down.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves until shutdown. Dropping the future drops every connection.
pub async fn serve(service: Arc<Service>, listener: TcpListener, tls: Arc<rustls::ServerConfig>) {
    let router = super::router(Arc::clone(&service));
    let acceptor = TlsAcceptor::from(tls);
    let places = Arc::new(Semaphore::new(service.config.limits.http_connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = service.shutdown.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = async {
                // A place first: without one, further clients wait in the system's queue.
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (Ok(place), Ok((stream, _))) => {
                let (service, acceptor, router) = (Arc::clone(&service), acceptor.clone(), router.clone());
                connections.spawn(async move {
                    connection(&service, &acceptor, router, stream).await;
                    drop(place);
                });
            }
            (Err(_), _) => break,
            (_, Err(error)) => {
                // Out of file descriptors, most likely: others give theirs back soon.
                tracing::warn!(%error, "cannot accept a client");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("some clients' requests were cut off");
    }
}

async fn connection(service: &Service, acceptor: &TlsAcceptor, router: Router, stream: TcpStream) {
    let time = Duration::from_secs(service.config.limits.peer_seconds);
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(time, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a client's handshake failed"),
        Err(_) => return tracing::debug!("a client's handshake took too long"),
    };
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(time);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(32 << 10)
        .keep_alive_interval(time)
        .keep_alive_timeout(time);
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = service.shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client's connection ended badly");
    }
}
