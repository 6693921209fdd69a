//! Connections of clients: TLS, limits, shutdown.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::limits::Client;
use crate::outgo::{self, Carried, Pace, Parcel};
use crate::service::Service;

/// How long requests in progress may take to end when the coordinator shuts down.
const DRAIN: Duration = Duration::from_secs(5);

/// Requests that one connection may have in progress.
const STREAMS: u32 = 64;

/// The longest head of a request, in bytes.
const HEAD_BYTES: u32 = 32 << 10;

/// Bytes of a response that wait for a client to read them.
const SEND_BYTES: usize = 64 << 10;

/// Bytes of a response that are handed to its connection at once: the next ones when those are under way.
const PIECE_BYTES: usize = 16 << 10;

/// Answers of one connection before those that are delivered are forgotten.
const PARCELS: usize = 2 * STREAMS as usize;

/// Whom a connection comes from.
#[derive(Debug, Clone)]
pub struct Peer(pub Client);

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
            (Ok(place), Ok((stream, address))) => {
                let client = Client::address(address.ip());
                let Ok(own) = service.usage.connections.take(std::slice::from_ref(&client)) else {
                    service.metrics.cut("connections_of_one_client");
                    tracing::debug!(%address, "a client has too many connections");
                    continue;
                };
                let (service, acceptor, router) = (Arc::clone(&service), acceptor.clone(), router.clone());
                connections.spawn(async move {
                    connection(&service, &acceptor, router, stream, address, client).await;
                    drop((place, own));
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

async fn connection(
    service: &Service,
    acceptor: &TlsAcceptor,
    router: Router,
    stream: TcpStream,
    address: SocketAddr,
    client: Client,
) {
    let limits = &service.config.limits;
    let (time, idle) = (Duration::from_secs(limits.peer_seconds), Duration::from_secs(limits.idle_seconds));
    let _ = stream.set_nodelay(true);
    let _counted = service.metrics.connection();
    let stream = match tokio::time::timeout(time, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%address, %error, "a client's handshake failed"),
        Err(_) => {
            service.metrics.cut("handshake");
            return tracing::debug!(%address, "a client's handshake took too long");
        }
    };
    // The handshake says which version of HTTP comes: nothing is read, or waited for, to find out.
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice());
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(time).max_buf_size(HEAD_BYTES as usize);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_BYTES)
        .max_send_buf_size(SEND_BYTES)
        .keep_alive_interval(time)
        .keep_alive_timeout(time);
    let server = if http2 { server.http2_only() } else { server.http1_only() };
    let activity = Arc::new(Activity::new(service.outgo.pace()));
    let requests = {
        let (activity, client) = (Arc::clone(&activity), client.clone());
        hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
            activity.request(router.clone(), request, client.clone())
        })
    };
    let connection = server.serve_connection(TokioIo::new(stream), requests);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = activity.ceased(time, idle) => {
            service.metrics.cut("idle");
            return tracing::debug!(%address, "a client's connection did nothing for too long");
        }
        () = activity.stuck() => {
            service.metrics.cut("slow_reader");
            return tracing::debug!(%address, "a client does not take what it asked for");
        }
        () = service.shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%address, %error, "a client's connection ended badly");
    }
}

/// When something last happened on a connection.
#[derive(Debug)]
struct Activity {
    last: Mutex<Instant>,
    /// Requests that this program works on: a client that waits for these does not idle.
    working: AtomicUsize,
    any: AtomicBool,
    /// Answers that are on their way.
    parcels: Mutex<Vec<Weak<Parcel>>>,
    pace: Pace,
}

impl Activity {
    fn new(pace: Pace) -> Self {
        Self {
            last: Mutex::new(Instant::now()),
            working: AtomicUsize::new(0),
            any: AtomicBool::new(false),
            parcels: Mutex::default(),
            pace,
        }
    }

    fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn request(
        self: &Arc<Self>,
        router: Router,
        request: Request<hyper::body::Incoming>,
        client: Client,
    ) -> impl Future<Output = Result<Response<Body>, std::convert::Infallible>> + Send + use<> {
        let activity = Arc::clone(self);
        async move {
            activity.any.store(true, Ordering::Relaxed);
            let working = Working::new(&activity);
            let mut request = request.map(|body| activity.watch(Body::new(body)));
            request.extensions_mut().insert(Peer(client));
            let response = router.oneshot(request).await;
            drop(working);
            response.map(|r| activity.send(r))
        }
    }

    fn watch(self: &Arc<Self>, body: Body) -> Body {
        Body::new(Watched { body, activity: Arc::clone(self) })
    }

    /// Sends an answer in pieces, whose memory is held until each is written.
    fn send(self: &Arc<Self>, mut response: Response<Body>) -> Response<Body> {
        let carried = response.extensions_mut().remove::<Carried>().unwrap_or_default();
        let parcel = Arc::new(Parcel::new(self.pace, carried, Instant::now()));
        let mut parcels = self.parcels.lock().unwrap_or_else(PoisonError::into_inner);
        if parcels.len() >= PARCELS {
            parcels.retain(|p| p.strong_count() > 0);
        }
        parcels.push(Arc::downgrade(&parcel));
        drop(parcels);
        response
            .map(|body| Body::new(Pieces { body, activity: Arc::clone(self), parcel, left: Bytes::new() }))
    }

    /// Returns once an answer is taken too slowly.
    async fn stuck(&self) {
        loop {
            tokio::time::sleep(self.pace.look()).await;
            let now = Instant::now();
            let parcels = self.parcels.lock().unwrap_or_else(PoisonError::into_inner);
            if parcels.iter().filter_map(Weak::upgrade).any(|p| p.is_late(now)) {
                return;
            }
        }
    }

    /// Returns once nothing was begun in `first`, or nothing has moved for `idle`.
    async fn ceased(&self, first: Duration, idle: Duration) {
        loop {
            let patience = if self.any.load(Ordering::Relaxed) { idle } else { first };
            let until = *self.last.lock().unwrap_or_else(PoisonError::into_inner) + patience;
            if until > Instant::now() {
                sleep_until(until).await;
            } else if self.working.load(Ordering::Relaxed) > 0 {
                // The handler has time limits of its own for all that a client does.
                sleep_until(Instant::now() + patience).await;
            } else {
                return;
            }
        }
    }
}

/// A request that is being worked on, until this is dropped.
struct Working(Arc<Activity>);

impl Working {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.touch();
        activity.working.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.touch();
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body whose pieces are signs of life.
struct Watched {
    body: Body,
    activity: Arc<Activity>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            self.activity.touch();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// A response's body in pieces. The next one is made when the last is under way.
struct Pieces {
    body: Body,
    activity: Arc<Activity>,
    parcel: Arc<Parcel>,
    /// What came of the body and is not handed out yet.
    left: Bytes,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        self.parcel.taken(Instant::now());
        while self.left.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.left = outgo::bytes_of(&self.parcel, bytes),
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        self.activity.touch();
        let bytes = self.left.len().min(PIECE_BYTES);
        let piece = self.left.split_to(bytes);
        self.parcel.offer(bytes, Instant::now());
        Poll::Ready(Some(Ok(http_body::Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        let (left, of_body) = (self.left.len() as u64, self.body.size_hint());
        let mut hint = http_body::SizeHint::new();
        hint.set_lower(of_body.lower().saturating_add(left));
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper.saturating_add(left));
        }
        hint
    }
}
