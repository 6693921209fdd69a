//! The wallet's side of a prover service.
//!
//! The service is pinned by the id of its order key. What it says about a transaction is for people to look at: whether one
//! is in a block, the wallet sees on the chain.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use rand_core::CryptoRng;
use reqwest::{Response, StatusCode};
use tacit_pool::delivery::Place;
use tacit_pool::orders::{OrderError, OrderKeyId, ProverRegistration, Signed};
use tacit_pool::{Address, Amount};
use tacit_wire::{DecodeError, SealError};

use crate::sealed::{Recipient, Request, RequestId, Task};
use crate::status::{Phase, Problem, SpendStatus, StatusError};

/// The longest answer that is read, in bytes: a registration has up to 12 KiB.
const MAX_ANSWER: usize = 64 << 10;
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a request may take that does not wait for anything.
const REQUEST: Duration = Duration::from_secs(25);
/// How long the service is asked to wait for a change.
const WAIT: u64 = 25;
/// For so long a service may be silent while its answer is waited for.
const SILENCE: Duration = Duration::from_secs(60);
/// How often a request that failed on the way is tried, where that is safe.
const TRIES: u32 = 4;

/// Why a service gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Not a URL to go to.
    #[error("{0:?} is not a prover's URL: https://, or http:// on this machine")]
    Url(String),
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// No connection, or it broke, or it was too slow.
    #[error("the prover at {host} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        host: String,
        /// What happened.
        reason: String,
    },
    /// The service refused.
    #[error("the prover refused: {0}")]
    Refused(Problem),
    /// An answer that is none.
    #[error(transparent)]
    Malformed(#[from] StatusError),
    /// A registration that cannot be read.
    #[error("the prover's registration is not valid: {0}")]
    Registration(#[from] DecodeError),
    /// A registration that is not to be followed.
    #[error("the prover's registration is not to be followed: {0}")]
    Order(#[from] OrderError),
    /// Nothing is registered for the token.
    #[error("the prover takes no fee in the token {0}")]
    Token(Address),
    /// Not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It took too long.
    #[error("the prover has not ended the request {0} in time; ask again, or look at the chain")]
    TimedOut(RequestId),
}

impl ClientError {
    /// Whether the same may go well a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(problem) => matches!(
                problem.code.as_str(),
                "too_many_requests" | "busy" | "queue_full" | "draining" | "chain_unreachable" | "incomplete"
            ),
            _ => false,
        }
    }
}

/// What a registration asks for one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// Nothing: no fee note is needed.
    Free,
    /// At least so much of the token, in a note to the registration's fee address.
    Fee(Amount),
}

/// The fee that a registration names for a token.
///
/// # Errors
/// [`ClientError::Token`] where it takes fees, and none in this one.
pub fn quote(registration: &ProverRegistration, token: Address) -> Result<Quote, ClientError> {
    let fees = &registration.fees;
    if fees.is_empty() || fees.iter().any(|(_, fee)| fee.is_zero()) {
        return Ok(Quote::Free);
    }
    let fee = fees.iter().find(|(known, _)| *known == token);
    fee.map(|(_, fee)| Quote::Fee(*fee)).ok_or(ClientError::Token(token))
}

/// A prover service, as a wallet sees it.
#[derive(Debug)]
pub struct ProverClient {
    http: reqwest::Client,
    base: String,
    host: String,
    place: Place,
    prover: OrderKeyId,
    /// The newest registration that was seen, by its sequence number.
    seen: Mutex<u64>,
}

impl ProverClient {
    /// Prepares connections; makes none. `seen` is the sequence number of the newest registration that the wallet remembers, or 0.
    ///
    /// # Errors
    /// [`ClientError::Url`], [`ClientError::Tls`].
    pub fn new(url: &str, prover: OrderKeyId, place: Place, seen: u64) -> Result<Self, ClientError> {
        let parsed = reqwest::Url::parse(url).map_err(|_| ClientError::Url(url.to_owned()))?;
        let host = parsed.host_str().unwrap_or_default().to_owned();
        let loopback = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
        let fit = match parsed.scheme() {
            "https" => true,
            "http" => loopback,
            _ => false,
        };
        if !fit || host.is_empty() || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(ClientError::Url(url.to_owned()));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let failed = |error: rustls::Error| ClientError::Tls(error.to_string());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(rustls_platform_verifier::BuilderVerifierExt::with_platform_verifier)
            .map_err(failed)?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.with_no_client_auth())
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .user_agent(concat!("tacit-prover/", env!("CARGO_PKG_VERSION")));
        if loopback {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| ClientError::Tls(error.to_string()))?;
        let base = url.trim_end_matches('/').to_owned();
        Ok(Self { http, base, host, place, prover, seen: Mutex::new(seen) })
    }

    /// By which id the service is pinned.
    pub fn prover(&self) -> OrderKeyId {
        self.prover
    }

    /// The sequence number of the newest registration that was seen: for the wallet to remember.
    pub fn seen(&self) -> u64 {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches the registration and verifies it: both signatures by the pinned key, the place, the time, and that it is no older one
    /// than was seen.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn registration(&self, now: u64) -> Result<ProverRegistration, ClientError> {
        let bytes = self.again(|| self.http.get(self.url("/v1/registration")).timeout(REQUEST)).await?;
        let signed = Signed::<ProverRegistration>::decode(&bytes)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let registration = signed.verify(&self.prover, self.place, *seen, now)?;
        *seen = registration.sequence;
        Ok(registration.clone())
    }

    /// Seals a task to the registration's key: the request's id, and the envelope for [`Self::submit`]. Keep both until it has ended.
    ///
    /// # Errors
    /// [`ClientError::Seal`].
    pub fn seal<R: CryptoRng + ?Sized>(
        &self,
        registration: &ProverRegistration,
        task: Task,
        rng: &mut R,
    ) -> Result<(RequestId, Vec<u8>), ClientError> {
        let request = Request::new(task, rng);
        let to = Recipient { place: self.place, prover: self.prover, sequence: registration.sequence };
        Ok((request.id, request.seal(&registration.sealing_key, &to, rng)?))
    }

    /// Hands an envelope in, again where that failed on the way: the same envelope twice is one request.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit(&self, envelope: Vec<u8>) -> Result<SpendStatus, ClientError> {
        let envelope = Bytes::from(envelope);
        let post = || self.http.post(self.url("/v1/spends")).timeout(REQUEST).body(envelope.clone());
        Ok(SpendStatus::decode(&self.again(post).await?)?)
    }

    /// How far a request is. With `seen`, as soon as it is at another phase, or after half a minute.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self, id: RequestId, seen: Option<Phase>) -> Result<SpendStatus, ClientError> {
        let path = match seen {
            Some(seen) => format!("/v1/spends/{id}?wait={WAIT}&seen={seen}"),
            None => format!("/v1/spends/{id}"),
        };
        let get = || self.http.get(self.url(&path)).timeout(Duration::from_secs(WAIT + 5));
        let status = SpendStatus::decode(&self.again(get).await?)?;
        if status.id == id {
            Ok(status)
        } else {
            Err(StatusError(format!("it is about {}, not about {id}", status.id)).into())
        }
    }

    /// Waits until a request has ended, and tells each phase. What the service says is not to be believed: look at the chain. One that does not answer at all for
    /// a minute is not waited for any longer.
    ///
    /// # Errors
    /// [`ClientError`]; a request that failed is no error here, its status says why.
    pub async fn wait(
        &self,
        id: RequestId,
        timeout: Duration,
        progress: &(dyn Fn(&SpendStatus) + Send + Sync),
    ) -> Result<SpendStatus, ClientError> {
        let until = tokio::time::Instant::now() + timeout;
        let (mut seen, mut heard) = (None, tokio::time::Instant::now());
        loop {
            let asked = tokio::time::timeout_at(until, self.status(id, seen)).await;
            match asked.map_err(|_| ClientError::TimedOut(id))? {
                Ok(status) => {
                    heard = tokio::time::Instant::now();
                    if seen != Some(status.phase) {
                        progress(&status);
                    } else {
                        // A service that does not wait is not asked all the time.
                        tokio::time::sleep(Duration::from_millis(500)).await;
                    }
                    seen = Some(status.phase);
                    if status.phase.is_end() {
                        return Ok(status);
                    }
                }
                Err(error) => {
                    if !error.is_transient() || heard.elapsed() >= SILENCE {
                        return Err(error);
                    }
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
            }
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends until an answer comes or it was tried often, or for long, enough. Only for what may come twice.
    async fn again(&self, request: impl Fn() -> reqwest::RequestBuilder) -> Result<Vec<u8>, ClientError> {
        let nothing = || self.unreachable(format!("no answer for {} s", SILENCE.as_secs()));
        tokio::time::timeout(SILENCE, self.try_often(request)).await.map_err(|_| nothing())?
    }

    async fn try_often(&self, request: impl Fn() -> reqwest::RequestBuilder) -> Result<Vec<u8>, ClientError> {
        let mut tried = 1;
        loop {
            let answer = match request().send().await {
                Ok(response) => read(response).await.map_err(|reason| self.unreachable(reason)),
                Err(error) => Err(self.unreachable(chain(&error.without_url()))),
            };
            match answer {
                Ok((StatusCode::OK | StatusCode::ACCEPTED, body)) => return Ok(body),
                Ok((_, body)) => return Err(refused(&body)),
                Err(error) if tried >= TRIES => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(250 << tried)).await,
            }
            tried += 1;
        }
    }

    fn unreachable(&self, reason: String) -> ClientError {
        ClientError::Unreachable { host: self.host.clone(), reason }
    }
}

/// Reads an answer up to the limit.
async fn read(response: Response) -> Result<(StatusCode, Vec<u8>), String> {
    let status = response.status();
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| chain(&error.without_url()))?;
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(format!("its answer is longer than {MAX_ANSWER} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok((status, body))
}

fn refused(body: &[u8]) -> ClientError {
    match Problem::decode(body) {
        Ok(problem) => ClientError::Refused(problem),
        Err(error) => error.into(),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
