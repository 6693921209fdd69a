//! The coordinator's HTTPS API, version 1, from the client's side: one function for each request.
//!
//! Every answer is read up to a limit, so that a coordinator cannot fill the client's memory. Connections go only to
//! the pinned certificate; redirects are not followed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tacit_groth16::CircuitId;
use tacit_log::{ConsistencyProof, ProvenReceipt, SignedTreeHead};
use tacit_wire::messages::{CONTENT_TYPE, Cancel, JobAnswers, Reassign};
use tacit_wire::status::{CircuitInfo, Contradictions, ErrorBody, JobProof, JobStatus, NetworkInfo};
use tacit_wire::{Blame, Body, Digest32, FrameError, MessageType};

use thiserror::Error;

use crate::api_key::ApiKey;
use crate::network::Network;

/// The longest JSON body that is read.
const MAX_JSON: usize = 16 << 20;
/// The longest constraint system that is read.
const MAX_R1CS: usize = 2 << 30;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an ordinary request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long nothing may arrive while bytes should flow.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes per piece of an upload; progress is told after each.
const PIECE: usize = 256 << 10;

/// Why a request gave nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApiError {
    /// No connection, or it broke, or it was too slow. Asking again may help.
    #[error("the coordinator at {url} cannot be reached: {reason}")]
    Unreachable {
        /// The URL.
        url: String,
        /// What happened.
        reason: String,
    },
    /// Whoever answered at the URL is not the pinned coordinator.
    #[error(
        "whoever answers at {url} does not show the certificate that network.toml pins: {reason}. Either the \
         coordinator made itself a new certificate (ask its operator for the pin), or somebody stands in between"
    )]
    Pin {
        /// The URL.
        url: String,
        /// What the handshake said.
        reason: String,
    },
    /// The coordinator refused.
    #[error("the coordinator refused to {what}: {} ({})", .body.message, .body.code)]
    Refused {
        /// What was asked of it.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// Its reason.
        body: ErrorBody,
    },
    /// The coordinator's answer is no answer to what was asked.
    #[error("the coordinator's answer to the request to {what} is not valid: {reason}")]
    Malformed {
        /// What was asked of it.
        what: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The coordinator speaks another version of the protocol.
    #[error("the coordinator speaks protocol version {got}, this program {expected}: update the older one")]
    Version {
        /// The coordinator's version.
        got: u16,
        /// Ours.
        expected: u16,
    },
    /// A file to upload cannot be read.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is an API key that cannot be used.
    #[error("{0}")]
    Key(String),
    /// The client's own TLS set-up failed.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

impl ApiError {
    /// Whether the same request may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            Self::Pin { .. }
            | Self::Malformed { .. }
            | Self::Version { .. }
            | Self::File { .. }
            | Self::Key(_)
            | Self::Tls(_) => false,
        }
    }

    /// Whether the coordinator says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Refused { body, .. } => body.blame,
            Self::Malformed { .. } => Blame::Coordinator,
            Self::File { .. } | Self::Key(_) | Self::Tls(_) => Blame::Client,
            // The network between, the coordinator, or an outdated pin: it cannot be told.
            Self::Unreachable { .. } | Self::Pin { .. } | Self::Version { .. } => Blame::Nobody,
        }
    }
}

/// A file to upload.
#[derive(Debug, Clone)]
pub enum Artefact {
    /// Read from disk while it is sent.
    File(PathBuf),
    /// Already in memory.
    Bytes(Bytes),
}

impl From<PathBuf> for Artefact {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&std::path::Path> for Artefact {
    fn from(path: &std::path::Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<Vec<u8>> for Artefact {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// A job's status with the number of the change that it shows; hand the number back to wait for the next change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Polled {
    /// Counts the changes of the job.
    #[serde(default)]
    pub version: u64,
    /// The status.
    #[serde(flatten)]
    pub status: JobStatus,
    /// What the nodes said at that moment: a `JobAnswers` frame in hexadecimal digits, where it came with it.
    #[serde(default)]
    brought: Option<String>,
}

impl Polled {
    /// What the nodes said, where it came with the status.
    ///
    /// # Errors
    /// [`ApiError::Malformed`].
    pub fn brought(&self) -> Result<Option<JobAnswers>> {
        let what = "show the job";
        let Some(digits) = &self.brought else { return Ok(None) };
        let frame = hex::decode(digits).map_err(|error| malformed(what, error))?;
        JobAnswers::from_frame(&frame, MessageType::JobAnswers.limit())
            .map(Some)
            .map_err(|error| malformed(what, error))
    }
}

/// A connection to the coordinator of a network.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    urls: Arc<[String]>,
    /// The URL that answered last.
    current: Arc<AtomicUsize>,
}

type Result<T, E = ApiError> = std::result::Result<T, E>;

impl Api {
    /// Prepares connections; makes none.
    ///
    /// # Errors
    /// When TLS cannot be set up, or the API key cannot be read: see [`ApiKey::find`].
    pub fn new(network: &Network) -> Result<Self> {
        let tls = tacit_net::tls::client_config(&[network.coordinator.pin()])
            .map_err(|e| ApiError::Tls(e.to_string()))?;
        let key = ApiKey::find(network.coordinator.api_key_file.as_deref()).map_err(ApiError::Key)?;
        let mut headers = HeaderMap::new();
        if let Some(value) = key.and_then(|key| key.header()) {
            // Connections go to the pinned coordinator only, and redirects are not followed: nobody else gets it.
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = reqwest::Client::builder()
            .default_headers(headers)
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .user_agent(concat!("tacit-client/", env!("CARGO_PKG_VERSION")));
        // A proxy elsewhere cannot reach this machine's loopback.
        if network.coordinator.urls.iter().all(|u| is_loopback(u)) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|e| ApiError::Tls(chain(&e)))?;
        Ok(Self { http, urls: network.coordinator.urls.clone().into(), current: Arc::default() })
    }

    /// What the coordinator says about itself and its nodes. Nothing in it is trusted: see
    /// [`crate::committee::Committee`].
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn network(&self) -> Result<NetworkInfo> {
        let info: NetworkInfo = self.get_json("list its nodes", "/v1/network").await?;
        if info.protocol_version != tacit_wire::PROTOCOL_VERSION {
            return Err(ApiError::Version {
                got: info.protocol_version,
                expected: tacit_wire::PROTOCOL_VERSION,
            });
        }
        Ok(info)
    }

    /// Sends bytes that the coordinator drops, at most 1 MiB: what a caller times to know how fast its line is.
    ///
    /// # Errors
    /// See [`ApiError`]; a coordinator of an earlier version does not know the request.
    pub async fn line(&self, bytes: Bytes) -> Result<()> {
        self.send("measure the line", Method::POST, "/v1/line", |r| r.body(bytes.clone())).await.map(|_| ())
    }

    /// The registered circuits.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn circuits(&self) -> Result<Vec<CircuitInfo>> {
        self.get_json("list its circuits", "/v1/circuits").await
    }

    /// One circuit; `None` when the coordinator does not know it.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn circuit(&self, id: CircuitId) -> Result<Option<CircuitInfo>> {
        not_found_is_none(self.get_json("show a circuit", &format!("/v1/circuits/{id}")).await)
    }

    /// Registers a circuit by its proving key; `progress` gets bytes sent and bytes in all.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn put_circuit(
        &self,
        id: CircuitId,
        zkey: &Artefact,
        progress: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Result<()> {
        self.upload("register the circuit", &format!("/v1/circuits/{id}"), zkey, Arc::new(progress)).await
    }

    /// Has the coordinator forget a circuit that no open job needs.
    ///
    /// # Errors
    /// See [`ApiError`]; when jobs need it, another key registered it, or there is none.
    pub async fn remove_circuit(&self, id: CircuitId) -> Result<()> {
        let path = format!("/v1/circuits/{id}");
        self.send("forget the circuit", Method::DELETE, &path, |r| r).await.map(|_| ())
    }

    /// Adds the constraint system to a registered circuit.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn put_r1cs(
        &self,
        id: CircuitId,
        r1cs: &Artefact,
        progress: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Result<()> {
        let path = format!("/v1/circuits/{id}/r1cs");
        self.upload("register the constraint system", &path, r1cs, Arc::new(progress)).await
    }

    /// The constraint system that was registered with a circuit, if one was. It serves to explain a
    /// proof that failed. Do not let it decide whether to deal unless its digest is known from elsewhere: whoever
    /// registered it would learn from that decision whether the witness satisfies whatever it says.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn r1cs(&self, id: CircuitId) -> Result<Option<Vec<u8>>> {
        let what = "send the constraint system";
        let answer = async {
            let response = self.send(what, Method::GET, &format!("/v1/circuits/{id}/r1cs"), |r| r).await?;
            read(what, response, MAX_R1CS).await
        };
        not_found_is_none(answer.await)
    }

    /// Submits a job: the bytes of a [`SubmitJob`](tacit_wire::messages::SubmitJob) frame. Submitting the same bytes again changes nothing.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn submit(&self, frame: Bytes) -> Result<Polled> {
        self.post("take the job", "/v1/jobs", frame).await
    }

    /// Another node takes a place of a job.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn reassign(&self, job: Digest32, reassign: &Reassign) -> Result<Polled> {
        self.post("replace a node", &format!("/v1/jobs/{job}/reassign"), reassign.to_frame().into()).await
    }

    /// Nothing more is needed of a job.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn cancel(&self, cancel: &Cancel) -> Result<Polled> {
        let path = format!("/v1/jobs/{}/cancel", cancel.deal);
        self.post("end the job", &path, cancel.to_frame().into()).await
    }

    async fn post(&self, what: &'static str, path: &str, frame: Bytes) -> Result<Polled> {
        // The transfer itself is bounded by READ_TIMEOUT without progress and by the caller's deadline.
        let response = self
            .send(what, Method::POST, path, |r| {
                r.header(reqwest::header::CONTENT_TYPE, CONTENT_TYPE)
                    .timeout(Duration::from_secs(3600))
                    .body(frame.clone())
            })
            .await?;
        json(what, response).await
    }

    /// The jobs that the coordinator keeps.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn jobs(&self) -> Result<Vec<JobStatus>> {
        self.get_json("list its jobs", "/v1/jobs").await
    }

    /// A job's status at once.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn job(&self, job: Digest32) -> Result<Polled> {
        self.get_json("show the job", &format!("/v1/jobs/{job}")).await
    }

    /// A job's status as soon as it differs from version `seen`, or after `wait` in any case; what is no more than an answer counts once there are
    /// `answers` of them. With the answers, where they are small.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn poll(&self, job: Digest32, seen: u64, answers: usize, wait: Duration) -> Result<Polled> {
        let what = "show the job";
        let path = format!("/v1/jobs/{job}?wait={}&seen={seen}&answers={answers}&bring=true", wait.as_secs());
        let response = self.send(what, Method::GET, &path, |r| r.timeout(wait + REQUEST_TIMEOUT)).await?;
        json(what, response).await
    }

    /// What the nodes said so far.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn answers(&self, job: Digest32) -> Result<JobAnswers> {
        let what = "send the answers";
        let response = self.send(what, Method::GET, &format!("/v1/jobs/{job}/answers"), |r| r).await?;
        let limit = MessageType::JobAnswers.limit();
        let frame = read(what, response, limit.saturating_add(tacit_wire::frame::HEADER_BYTES)).await?;
        JobAnswers::from_frame(&frame, limit).map_err(|e: FrameError| malformed(what, e))
    }

    /// Nodes that gave two different answers. **Not verified here.**
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn contradictions(&self, job: Digest32) -> Result<Contradictions> {
        self.get_json("send the contradictions", &format!("/v1/jobs/{job}/contradictions")).await
    }

    /// The proof that the coordinator assembled. **Not verified here.**
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn proof(&self, job: Digest32) -> Result<JobProof> {
        self.get_json("send the proof", &format!("/v1/jobs/{job}/proof")).await
    }

    /// The newest head of the coordinator's log. **Not verified here**: see [`crate::log`].
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn log_head(&self) -> Result<SignedTreeHead> {
        self.get_json("show its log's head", "/v1/log/head").await
    }

    /// That its log only grew from one size to another. **Not verified here.**
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn log_consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof> {
        let path = format!("/v1/log/proof/consistency?from={from}&to={to}");
        self.get_json("prove that its log only grew", &path).await
    }

    /// Entries of its log from one on, at most so many; the coordinator may send fewer. **Not verified here.**
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn log_entries(&self, start: u64, count: u32) -> Result<Vec<Vec<u8>>> {
        #[derive(Deserialize)]
        struct Entry {
            entry: String,
        }
        #[derive(Deserialize)]
        struct Entries {
            entries: Vec<Entry>,
        }
        let what = "list its log";
        let path = format!("/v1/log/entries?start={start}&count={count}");
        let Entries { entries } = self.get_json(what, &path).await?;
        let unhex = |e: Entry| hex::decode(e.entry).map_err(|e| malformed(what, e));
        entries.into_iter().take(count as usize).map(unhex).collect()
    }

    /// A job's receipt, once the job has ended. **Not verified here.**
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn receipt(&self, job: Digest32) -> Result<ProvenReceipt> {
        let what = "send the receipt";
        let response = self.send(what, Method::GET, &format!("/v1/jobs/{job}/receipt"), |r| r).await?;
        ProvenReceipt::from_json(&read(what, response, MAX_JSON).await?).map_err(|e| malformed(what, e))
    }

    async fn get_json<T: DeserializeOwned>(&self, what: &'static str, path: &str) -> Result<T> {
        json(what, self.send(what, Method::GET, path, |r| r).await?).await
    }

    /// Sends to the URL that answered last, then to the others; a refusal is an answer.
    async fn send(
        &self,
        what: &'static str,
        method: Method,
        path: &str,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response> {
        let start = self.current.load(Ordering::Relaxed);
        let mut failed = None;
        for turn in 0..self.urls.len() {
            let at = (start + turn) % self.urls.len();
            let Some(base) = self.urls.get(at) else { continue };
            let request = self.http.request(method.clone(), format!("{base}{path}")).timeout(REQUEST_TIMEOUT);
            match with(request).send().await {
                Ok(response) => {
                    self.current.store(at, Ordering::Relaxed);
                    return accepted(what, response).await;
                }
                Err(error) => {
                    let error = transport(base, &error);
                    // A wrong certificate says more than a URL that is down.
                    if !matches!(failed, Some(ApiError::Pin { .. })) {
                        failed = Some(error);
                    }
                }
            }
        }
        Err(failed.unwrap_or_else(|| ApiError::Tls("network.toml names no URL".to_owned())))
    }

    async fn upload(
        &self,
        what: &'static str,
        path: &str,
        artefact: &Artefact,
        progress: Arc<dyn Fn(u64, u64) + Send + Sync>,
    ) -> Result<()> {
        let total = match artefact {
            Artefact::Bytes(bytes) => bytes.len() as u64,
            Artefact::File(file) => tokio::fs::metadata(file)
                .await
                .map_err(|source| ApiError::File { path: file.clone(), source })?
                .len(),
        };
        let start = self.current.load(Ordering::Relaxed);
        let mut failed = None;
        for turn in 0..self.urls.len() {
            let at = (start + turn) % self.urls.len();
            let Some(base) = self.urls.get(at) else { continue };
            // Opened again for every URL; a file that cannot be read is told as such.
            let body = body(artefact, total, Arc::clone(&progress)).await?;
            let sent = self
                .http
                .put(format!("{base}{path}"))
                .header(reqwest::header::CONTENT_TYPE, "application/octet-stream")
                .header(reqwest::header::CONTENT_LENGTH, total)
                .timeout(Duration::from_secs(24 * 3600))
                .body(body)
                .send()
                .await;
            match sent {
                Ok(response) => {
                    self.current.store(at, Ordering::Relaxed);
                    return accepted(what, response).await.map(|_| ());
                }
                Err(error) => failed = Some(transport(base, &error)),
            }
        }
        Err(failed.unwrap_or_else(|| ApiError::Tls("network.toml names no URL".to_owned())))
    }
}

/// A body that tells how far it is.
async fn body(
    artefact: &Artefact,
    total: u64,
    progress: Arc<dyn Fn(u64, u64) + Send + Sync>,
) -> Result<reqwest::Body> {
    let sent = AtomicU64::new(0);
    let tell = move |piece: usize| {
        let before = sent.fetch_add(piece as u64, Ordering::Relaxed);
        progress(before + piece as u64, total);
    };
    Ok(match artefact {
        Artefact::Bytes(bytes) => {
            let bytes = bytes.clone();
            let pieces = (0..bytes.len()).step_by(PIECE).map(move |at| {
                let piece = bytes.slice(at..bytes.len().min(at + PIECE));
                tell(piece.len());
                Ok::<_, std::io::Error>(piece)
            });
            reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))
        }
        Artefact::File(path) => {
            let file = tokio::fs::File::open(path)
                .await
                .map_err(|source| ApiError::File { path: path.clone(), source })?;
            let pieces = tokio_util::io::ReaderStream::with_capacity(file, PIECE).map(move |piece| {
                if let Ok(piece) = &piece {
                    tell(piece.len());
                }
                piece
            });
            reqwest::Body::wrap_stream(pieces)
        }
    })
}

async fn accepted(what: &'static str, response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let bytes = read(what, response, MAX_JSON).await.unwrap_or_default();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| ErrorBody {
        code: format!("http_{}", status.as_u16()),
        message: status.canonical_reason().unwrap_or("no reason given").to_owned(),
        blame: if status.is_server_error() || status == StatusCode::NOT_FOUND {
            Blame::Coordinator
        } else {
            Blame::Nobody
        },
    });
    Err(ApiError::Refused { what, status: status.as_u16(), body: printable(body) })
}

/// The same error without control characters, and not endless: it goes to a terminal or a log.
pub(crate) fn printable(body: ErrorBody) -> ErrorBody {
    let clean = |text: String, longest: usize| -> String {
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(longest).collect()
    };
    ErrorBody { code: clean(body.code, 64), message: clean(body.message, 2000), blame: body.blame }
}

async fn json<T: DeserializeOwned>(what: &'static str, response: Response) -> Result<T> {
    serde_json::from_slice(&read(what, response, MAX_JSON).await?).map_err(|e| malformed(what, e))
}

async fn read(what: &'static str, response: Response, limit: usize) -> Result<Vec<u8>> {
    let url = response.url().to_string();
    let mut out = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|e| transport(&url, &e))?;
        if out.len() + piece.len() > limit {
            return Err(malformed(what, format!("it is longer than {limit} bytes")));
        }
        out.extend_from_slice(&piece);
    }
    Ok(out)
}

fn malformed(what: &'static str, reason: impl ToString) -> ApiError {
    ApiError::Malformed { what, reason: reason.to_string() }
}

fn not_found_is_none<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn transport(url: &str, error: &reqwest::Error) -> ApiError {
    let reason = chain(error);
    let url = url.to_owned();
    if is_certificate_error(error) {
        ApiError::Pin { url, reason }
    } else {
        ApiError::Unreachable { url, reason }
    }
}

/// Whether the TLS handshake failed on the server's certificate.
fn is_certificate_error(error: &reqwest::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(rustls::Error::InvalidCertificate(_)) = inner.downcast_ref() {
            return true;
        }
        source = match inner.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|e| e as &(dyn std::error::Error + 'static)),
            None => inner.source(),
        };
    }
    false
}

/// An error with its sources, which for transports hold the news.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}

fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback()),
        None => false,
    }
}
