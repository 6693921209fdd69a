//! Ethereum's [JSON-RPC](https://ethereum.github.io/execution-apis/) over HTTP: one function for each request that this crate needs.
//!
//! A node is not trusted with the client's memory or patience: answers are read up to a limit, requests end, numbers and
//! lengths are checked, an answer belongs to its request. Whether what it says is true is decided elsewhere ([`mod@crate::follow`]).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alloy_primitives::U256;
use futures_util::StreamExt;
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use tacit_pool::Address;

/// The longest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 32 << 20;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request may take, unless [`Rpc::with_timeout`] says otherwise.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Waits before a request that failed on the way is made again.
const RETRIES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1500)];
/// Requests in one batch: providers refuse long ones.
const BATCH: usize = 50;
/// Characters that are shown of a node's own words.
const SHOWN: usize = 300;
/// How far below the head a block counts as final for a node that does not know the tag `finalized`: two epochs, which is
/// what finality takes on Ethereum when all is well.
pub const FINALITY_DEPTH: u64 = 64;

/// Why a node gave no answer that can be used. Says which method at which host; the rest of the URL, where keys are, is
/// never told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// The text is no URL of a node.
    #[error("the node's URL cannot be used: {0}. It begins with http:// or https:// and names a host")]
    Url(&'static str),
    /// TLS could not be set up.
    #[error("cannot set up TLS for the node: {0}")]
    Tls(String),
    /// No connection, or it broke, or it was too slow. Asking again may help.
    #[error("{method}: the node at {host} cannot be reached: {reason}")]
    Unreachable {
        /// The method.
        method: String,
        /// The host.
        host: Arc<str>,
        /// What happened.
        reason: String,
    },
    /// An HTTP status that is no answer.
    #[error("{method}: the node at {host} answered with HTTP status {status}")]
    Status {
        /// The method.
        method: String,
        /// The host.
        host: Arc<str>,
        /// The status.
        status: u16,
    },
    /// More than [`MAX_ANSWER`].
    #[error("{method}: the node at {host} answered with more than {MAX_ANSWER} bytes")]
    TooLarge {
        /// The method.
        method: String,
        /// The host.
        host: Arc<str>,
    },
    /// No valid answer to what was asked.
    #[error("{method}: the answer of the node at {host} is not valid: {reason}")]
    Malformed {
        /// The method.
        method: String,
        /// The host.
        host: Arc<str>,
        /// What is wrong with it.
        reason: String,
    },
    /// The node refused.
    #[error("{method}: the node at {host} refused: {message} ({code})")]
    Node {
        /// The method.
        method: String,
        /// The host.
        host: Arc<str>,
        /// JSON-RPC's error code.
        code: i64,
        /// The node's words, shortened.
        message: String,
        /// What a call that reverted returned, where the node says it.
        data: Option<Vec<u8>>,
    },
}

impl RpcError {
    /// Whether the same request may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            // Geth's and the providers' "limit exceeded".
            Self::Node { code, .. } => *code == -32005,
            Self::Url(_) | Self::Tls(_) | Self::TooLarge { .. } | Self::Malformed { .. } => false,
        }
    }

    /// Whether a call was carried out and failed, as far as nodes say that in the same way: what else a node refuses with may be its own trouble
    /// (a block or a part of the state that it does not have).
    pub fn is_of_execution(&self) -> bool {
        let Self::Node { code, message, data, .. } = self else { return false };
        let message = message.to_ascii_lowercase();
        // Geth's and anvil's words.
        let words =
            ["revert", "out of gas", "outofgas", "invalid opcode", "precompile", "invalid jump", "stack "];
        *code == 3 || data.is_some() || words.iter().any(|word| message.contains(word))
    }
}

/// A block as far as it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// The hash of the block before it.
    pub parent_hash: [u8; 32],
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Wei for a unit of gas (EIP-1559); `None` on a chain without.
    pub base_fee: Option<U256>,
}

/// The state at which something is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The newest block.
    Latest,
    /// The newest block and what waits in the node's pool.
    Pending,
    /// The block of this number.
    Number(u64),
    /// The block of this hash, if it is on the chain (EIP-1898).
    Hash([u8; 32]),
}

impl At {
    fn param(self) -> Value {
        match self {
            Self::Latest => json!("latest"),
            Self::Pending => json!("pending"),
            Self::Number(number) => json!(quantity(number)),
            Self::Hash(hash) => json!({ "blockHash": data(&hash), "requireCanonical": true }),
        }
    }
}

/// Whose logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocks {
    /// From one number to another, both included.
    Range(u64, u64),
    /// One block.
    Hash([u8; 32]),
}

/// What a contract logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The contract.
    pub address: Address,
    /// At most four words.
    pub topics: Vec<[u8; 32]>,
    /// The rest.
    pub data: Vec<u8>,
    /// The block's number.
    pub block: u64,
    /// The block's hash.
    pub block_hash: [u8; 32],
    /// Counts the block's logs.
    pub index: u64,
    /// The transaction's hash.
    pub transaction: [u8; 32],
}

/// A connection to a node. Cheap to clone.
#[derive(Clone)]
pub struct Rpc {
    http: reqwest::Client,
    url: Url,
    host: Arc<str>,
    next_id: Arc<AtomicU64>,
    timeout: Duration,
}

impl fmt::Debug for Rpc {
    /// Not the URL: keys of providers are in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rpc({})", self.host)
    }
}

type Result<T, E = RpcError> = std::result::Result<T, E>;

/// Requests of a batch as `(method, params)`.
type Request = (&'static str, Value);

#[derive(Deserialize)]
struct Answer {
    id: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Value,
}

/// Tells `"result": null` from no result.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Rpc {
    /// Prepares connections to a node; makes none. An https host is held to the certificates that this machine trusts.
    ///
    /// With `http://` nothing is encrypted and nobody proves to be the node: who is on the way reads every request (which pool, which
    /// addresses, which transactions, and that they come from here), any key in the URL, and can answer in the node's place, with all
    /// the lies of which a node is capable. It gets no secret keys, as these stay here, and nothing signed for another chain. That is for nodes on this
    /// machine or in a network of one's own; to any other take `https://`.
    ///
    /// # Errors
    /// [`RpcError::Url`], [`RpcError::Tls`].
    pub fn new(url: &str) -> Result<Self> {
        let url = Url::parse(url).map_err(|_| RpcError::Url("it is not a URL"))?;
        let name = url.host_str().ok_or(RpcError::Url("it names no host"))?;
        let host: Arc<str> = match url.port() {
            Some(port) => format!("{name}:{port}").into(),
            None => name.into(),
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| RpcError::Tls(error.to_string()))?;
        let tls = match url.scheme() {
            "https" => {
                use rustls_platform_verifier::BuilderVerifierExt as _;
                tls.with_platform_verifier().map_err(|error| RpcError::Tls(error.to_string()))?
            }
            // Never used: redirects are not followed.
            "http" => tls.with_root_certificates(rustls::RootCertStore::empty()),
            _ => return Err(RpcError::Url("it is neither http nor https")),
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.with_no_client_auth())
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("tacit/", env!("CARGO_PKG_VERSION")));
        if matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
            // A proxy elsewhere cannot reach this machine's loopback.
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| RpcError::Tls(chain(error)))?;
        Ok(Self { http, url, host, next_id: Arc::default(), timeout: REQUEST_TIMEOUT })
    }

    /// The same node, with another limit for the time that one request may take.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The host and port, without what may be secret in the URL.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// One request, for methods that have no function here (those of development nodes). Not repeated when it fails.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn request(&self, method: &str, params: Value) -> Result<Value> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let answer = self.post(method, &body).await?;
        let answer: Answer = serde_json::from_value(answer).map_err(|error| self.malformed(method, error))?;
        self.open(method, id, answer)
    }

    /// A request without effect, made again when it failed on the way.
    async fn read(&self, method: &str, params: Value) -> Result<Value> {
        let mut waits = RETRIES.iter();
        loop {
            let error = match self.request(method, params.clone()).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match waits.next() {
                Some(wait) if error.is_transient() => tokio::time::sleep(*wait).await,
                _ => return Err(error),
            }
        }
    }

    /// Many requests, as one message where the node takes it; answers in the order of the requests.
    async fn read_many(&self, requests: &[Request]) -> Result<Vec<Value>> {
        let mut answers = Vec::new();
        for batch in requests.chunks(BATCH) {
            match self.batch(batch).await {
                Ok(some) => answers.extend(some),
                // Some nodes take no batches, and one failure fails all.
                Err(_) => {
                    for (method, params) in batch {
                        answers.push(self.read(method, params.clone()).await?);
                    }
                }
            }
        }
        Ok(answers)
    }

    async fn batch(&self, batch: &[Request]) -> Result<Vec<Value>> {
        let method = "batch";
        let first = self.next_id.fetch_add(batch.len() as u64, Ordering::Relaxed);
        let body: Vec<_> = (first..)
            .zip(batch)
            .map(|(id, (method, params))| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .collect();
        let answer = self.post(method, &Value::Array(body)).await?;
        let answers: Vec<Answer> =
            serde_json::from_value(answer).map_err(|error| self.malformed(method, error))?;
        let mut by_id = BTreeMap::new();
        for answer in answers {
            let id = answer.id.as_ref().and_then(Value::as_u64);
            let id = id.ok_or_else(|| self.malformed(method, "an answer without an id"))?;
            by_id.insert(id, answer);
        }
        let taken = (first..).zip(batch).map(|(id, (method, _))| {
            let answer = by_id.remove(&id).ok_or_else(|| self.malformed(method, "no answer with its id"))?;
            self.open(method, id, answer)
        });
        taken.collect()
    }

    async fn post(&self, method: &str, body: &Value) -> Result<Value> {
        let unreachable = |reason: String| RpcError::Unreachable {
            method: method.to_owned(),
            host: self.host.clone(),
            reason: self.redacted(&reason),
        };
        let whole = async {
            let sent = self.http.post(self.url.clone()).json(body).send().await;
            let response = sent.map_err(|error| unreachable(chain(error)))?;
            let status = response.status();
            let mut stream = response.bytes_stream();
            let mut bytes = Vec::new();
            while let Some(piece) = stream.next().await {
                let piece = piece.map_err(|error| unreachable(chain(error)))?;
                if bytes.len() + piece.len() > MAX_ANSWER {
                    return Err(RpcError::TooLarge { method: method.to_owned(), host: self.host.clone() });
                }
                bytes.extend_from_slice(&piece);
            }
            let value = serde_json::from_slice::<Value>(&bytes);
            // Many nodes put an error of JSON-RPC under a status of HTTP: its words say more.
            let says = value.as_ref().is_ok_and(|value| value.is_array() || value.get("error").is_some());
            if status != StatusCode::OK && (!says || status == StatusCode::TOO_MANY_REQUESTS) {
                return Err(RpcError::Status {
                    method: method.to_owned(),
                    host: self.host.clone(),
                    status: status.as_u16(),
                });
            }
            value.map_err(|error| self.malformed(method, format!("not JSON ({error})")))
        };
        tokio::time::timeout(self.timeout, whole)
            .await
            .map_err(|_| unreachable(format!("no answer within {} s", self.timeout.as_secs())))?
    }

    fn open(&self, method: &str, id: u64, answer: Answer) -> Result<Value> {
        let known = answer.id.as_ref().and_then(Value::as_u64) == Some(id);
        if let Some(refusal) = answer.error {
            // A node that could not read the request does not know its id.
            if !known && answer.id.is_some_and(|id| !id.is_null()) {
                return Err(self.malformed(method, "it answers another request"));
            }
            return Err(RpcError::Node {
                method: method.to_owned(),
                host: self.host.clone(),
                code: refusal.code,
                message: self.redacted(&refusal.message),
                data: revert_data(&refusal.data),
            });
        }
        if !known {
            return Err(self.malformed(method, "it answers another request"));
        }
        answer.result.ok_or_else(|| self.malformed(method, "neither a result nor an error"))
    }

    /// A text from outside: shortened, without control characters, and without the URL's path and query, which hold keys.
    fn redacted(&self, text: &str) -> String {
        let mut text: String =
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(4 * SHOWN).collect();
        let path = self.url.path_segments().into_iter().flatten().map(str::to_owned);
        let query = self.url.query_pairs().flat_map(|(key, value)| [key.into_owned(), value.into_owned()]);
        let password = self.url.password().map(str::to_owned);
        for secret in path.chain(query).chain(password).filter(|part| part.len() >= 6) {
            text = text.replace(&secret, "…");
        }
        text.chars().take(SHOWN).collect()
    }

    /// An error of this node's: not a valid answer.
    pub(crate) fn malformed(&self, method: &str, reason: impl fmt::Display) -> RpcError {
        RpcError::Malformed {
            method: method.to_owned(),
            host: self.host.clone(),
            reason: self.redacted(&reason.to_string()),
        }
    }

    async fn read_quantity(&self, method: &str, params: Value) -> Result<U256> {
        let value = self.read(method, params).await?;
        word_of(&value).ok_or_else(|| self.malformed(method, "not a number"))
    }

    async fn read_u64(&self, method: &str, params: Value) -> Result<u64> {
        let value = self.read_quantity(method, params).await?;
        value.try_into().map_err(|_| self.malformed(method, "the number is too large"))
    }

    /// `eth_chainId`.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn chain_id(&self) -> Result<u64> {
        self.read_u64("eth_chainId", json!([])).await
    }

    /// The newest block.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn head(&self) -> Result<Header> {
        let method = "eth_getBlockByNumber";
        let value = self.read(method, json!(["latest", false])).await?;
        self.header(method, &value)?.ok_or_else(|| self.malformed(method, "there is no newest block"))
    }

    /// The number of the newest final block; where the node does not know one, [`FINALITY_DEPTH`] below `head`.
    ///
    /// # Errors
    /// [`RpcError`], but not when the node refuses the tag.
    pub async fn finalized(&self, head: &Header) -> Result<u64> {
        let method = "eth_getBlockByNumber";
        let fallback = head.number.saturating_sub(FINALITY_DEPTH);
        match self.read(method, json!(["finalized", false])).await {
            Ok(value) => {
                Ok(self.header(method, &value)?.map_or(fallback, |header| header.number.min(head.number)))
            }
            Err(RpcError::Node { .. }) => Ok(fallback),
            Err(error) => Err(error),
        }
    }

    /// The block of a number; `None` above the newest.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn block(&self, number: u64) -> Result<Option<Header>> {
        let method = "eth_getBlockByNumber";
        let value = self.read(method, json!([quantity(number), false])).await?;
        self.numbered(number, &value)
    }

    /// The blocks of these numbers, in this order.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn blocks(&self, numbers: &[u64]) -> Result<Vec<Option<Header>>> {
        let requests: Vec<Request> =
            numbers.iter().map(|n| ("eth_getBlockByNumber", json!([quantity(*n), false]))).collect();
        let values = self.read_many(&requests).await?;
        numbers.iter().zip(&values).map(|(number, value)| self.numbered(*number, value)).collect()
    }

    fn numbered(&self, number: u64, value: &Value) -> Result<Option<Header>> {
        let method = "eth_getBlockByNumber";
        let header = self.header(method, value)?;
        match header {
            Some(header) if header.number != number => Err(self.malformed(method, "it is another block")),
            header => Ok(header),
        }
    }

    fn header(&self, method: &str, value: &Value) -> Result<Option<Header>> {
        if value.is_null() {
            return Ok(None);
        }
        let bad = |field: &'static str| self.malformed(method, format_args!("{field} of a block"));
        Ok(Some(Header {
            number: u64_at(value, "number").ok_or_else(|| bad("number"))?,
            hash: bytes_at(value, "hash").ok_or_else(|| bad("hash"))?,
            parent_hash: bytes_at(value, "parentHash").ok_or_else(|| bad("parentHash"))?,
            timestamp: u64_at(value, "timestamp").ok_or_else(|| bad("timestamp"))?,
            base_fee: match value.get("baseFeePerGas") {
                None | Some(Value::Null) => None,
                Some(fee) => Some(word_of(fee).ok_or_else(|| bad("baseFeePerGas"))?),
            },
        }))
    }

    /// Wei that an address has.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn balance(&self, address: Address, at: At) -> Result<U256> {
        self.read_quantity("eth_getBalance", json!([data(&address.0), at.param()])).await
    }

    /// How many transactions an address has sent; with [`At::Pending`] with those that wait.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn nonce(&self, address: Address, at: At) -> Result<u64> {
        self.read_u64("eth_getTransactionCount", json!([data(&address.0), at.param()])).await
    }

    /// Whether there is a contract at the address.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn has_code(&self, address: Address, at: At) -> Result<bool> {
        let method = "eth_getCode";
        let value = self.read(method, json!([data(&address.0), at.param()])).await?;
        let code = bytes_of(&value).ok_or_else(|| self.malformed(method, "not bytes"))?;
        Ok(!code.is_empty())
    }

    /// What a call would return. A call that reverts is [`RpcError::Node`] with what it returned.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn call(&self, call: &CallParams<'_>, at: At) -> Result<Vec<u8>> {
        let method = "eth_call";
        let value = self.read(method, json!([call.param(), at.param()])).await?;
        bytes_of(&value).ok_or_else(|| self.malformed(method, "not bytes"))
    }

    /// The gas that a call needs at the newest block.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn estimate_gas(&self, call: &CallParams<'_>) -> Result<u64> {
        self.read_u64("eth_estimateGas", json!([call.param()])).await
    }

    /// What a contract logged, in order. Logs of other contracts, of other blocks than asked for, twice or out of order are an
    /// error.
    ///
    /// # Errors
    /// [`RpcError`]; also when there are more than the node tells at once.
    pub async fn logs(&self, address: Address, blocks: Blocks) -> Result<Vec<Log>> {
        let method = "eth_getLogs";
        let mut filter = json!({ "address": data(&address.0) });
        if let Some(filter) = filter.as_object_mut() {
            match blocks {
                Blocks::Range(from, to) => {
                    filter.insert("fromBlock".into(), quantity(from).into());
                    filter.insert("toBlock".into(), quantity(to).into());
                }
                Blocks::Hash(hash) => {
                    filter.insert("blockHash".into(), data(&hash).into());
                }
            }
        }
        let value = self.read(method, json!([filter])).await?;
        let Value::Array(values) = value else { return Err(self.malformed(method, "not a list")) };
        let mut logs: Vec<Log> = Vec::new();
        for value in &values {
            let log = log(value).map_err(|field| self.malformed(method, format_args!("{field} of a log")))?;
            let asked = match blocks {
                Blocks::Range(from, to) => (from..=to).contains(&log.block),
                Blocks::Hash(hash) => log.block_hash == hash,
            };
            if log.address != address || !asked {
                return Err(self.malformed(method, "a log that was not asked for"));
            }
            if logs.last().is_some_and(|last| (last.block, last.index) >= (log.block, log.index)) {
                return Err(self.malformed(method, "logs out of order"));
            }
            logs.push(log);
        }
        Ok(logs)
    }

    /// Gives a signed transaction to the node. One that it already has is no error: sending the same bytes again is safe.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn send_raw(&self, raw: &[u8]) -> Result<()> {
        let method = "eth_sendRawTransaction";
        match self.read(method, json!([data(raw)])).await {
            Ok(_) => Ok(()),
            Err(RpcError::Node { message, .. }) if is_known(&message) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The receipt of a transaction; `None` until it is in a block.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn receipt(&self, hash: &[u8; 32]) -> Result<Option<Receipt>> {
        let method = "eth_getTransactionReceipt";
        let value = self.read(method, json!([data(hash)])).await?;
        if value.is_null() {
            return Ok(None);
        }
        let bad = |field: &'static str| self.malformed(method, format_args!("{field} of a receipt"));
        if bytes_at(&value, "transactionHash") != Some(*hash) {
            return Err(bad("transactionHash"));
        }
        let success = match u64_at(&value, "status") {
            Some(0) => false,
            Some(1) => true,
            _ => return Err(bad("status")),
        };
        Ok(Some(Receipt {
            hash: *hash,
            block: u64_at(&value, "blockNumber").ok_or_else(|| bad("blockNumber"))?,
            block_hash: bytes_at(&value, "blockHash").ok_or_else(|| bad("blockHash"))?,
            gas_used: u64_at(&value, "gasUsed").ok_or_else(|| bad("gasUsed"))?,
            success,
            contract: match value.get("contractAddress") {
                None | Some(Value::Null) => None,
                Some(_) => {
                    Some(Address(bytes_at(&value, "contractAddress").ok_or_else(|| bad("contractAddress"))?))
                }
            },
        }))
    }

    /// The next block's base fee and what senders of the last blocks paid above it (the median of each block), in wei.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn fees(&self) -> Result<(U256, Vec<U256>)> {
        let method = "eth_feeHistory";
        let value = self.read(method, json!([quantity(5), "latest", [50]])).await?;
        let bad = |what: &'static str| self.malformed(method, what);
        let base = value.get("baseFeePerGas").and_then(Value::as_array).and_then(|fees| fees.last());
        let base = base.and_then(word_of).ok_or_else(|| bad("no base fee: the chain has no EIP-1559"))?;
        let rewards = value.get("reward").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let rewards = rewards
            .iter()
            .map(|block| block.get(0).and_then(word_of).ok_or_else(|| bad("a reward is no number")))
            .collect::<Result<_>>()?;
        Ok((base, rewards))
    }
}

/// A transaction's fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub hash: [u8; 32],
    /// The block's number.
    pub block: u64,
    /// The block's hash.
    pub block_hash: [u8; 32],
    /// Units of gas that it took.
    pub gas_used: u64,
    /// Whether it did not revert.
    pub success: bool,
    /// The contract that it created.
    pub contract: Option<Address>,
}

/// What a call is made with.
#[derive(Debug, Clone, Copy)]
pub struct CallParams<'a> {
    /// `msg.sender`; nobody's where it does not matter.
    pub from: Option<Address>,
    /// The contract; `None` creates one.
    pub to: Option<Address>,
    /// Wei.
    pub value: U256,
    /// Calldata.
    pub data: &'a [u8],
}

impl CallParams<'_> {
    fn param(&self) -> Value {
        let mut call = serde_json::Map::new();
        if let Some(from) = self.from {
            call.insert("from".into(), data(&from.0).into());
        }
        if let Some(to) = self.to {
            call.insert("to".into(), data(&to.0).into());
        }
        if !self.value.is_zero() {
            call.insert("value".into(), format!("{:#x}", self.value).into());
        }
        // `input` is the field's name now, `data` the one that every node knows.
        call.insert("data".into(), data(self.data).into());
        Value::Object(call)
    }
}

/// Whether a node that refuses a transaction says that it has it already.
fn is_known(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["already known", "already imported", "known transaction", "alreadyknown", "already exists"]
        .iter()
        .any(|words| message.contains(words))
}

/// What a call returned when it reverted: in `data`, or nested in it, as nodes differ.
fn revert_data(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => {
            let digits = text.strip_prefix("Reverted ").unwrap_or(text);
            hex::decode(digits.strip_prefix("0x")?).ok()
        }
        Value::Object(fields) => ["data", "result", "output"].iter().find_map(|key| {
            // One level is enough, and a deeper one from outside is not followed.
            fields.get(*key).filter(|inner| inner.is_string()).and_then(revert_data)
        }),
        _ => None,
    }
}

fn log(value: &Value) -> Result<Log, &'static str> {
    if value.get("removed").is_some_and(|removed| removed.as_bool() != Some(false)) {
        return Err("removed");
    }
    let topics = value.get("topics").and_then(Value::as_array).ok_or("topics")?;
    if topics.len() > 4 {
        return Err("topics");
    }
    Ok(Log {
        address: Address(bytes_at(value, "address").ok_or("address")?),
        topics: topics.iter().map(|t| array_of(t).ok_or("topics")).collect::<Result<_, _>>()?,
        data: value.get("data").and_then(bytes_of).ok_or("data")?,
        block: u64_at(value, "blockNumber").ok_or("blockNumber")?,
        block_hash: bytes_at(value, "blockHash").ok_or("blockHash")?,
        index: u64_at(value, "logIndex").ok_or("logIndex")?,
        transaction: bytes_at(value, "transactionHash").ok_or("transactionHash")?,
    })
}

/// A number as JSON-RPC has it.
pub(crate) fn quantity(n: u64) -> String {
    format!("{n:#x}")
}

/// Bytes as JSON-RPC has them.
pub(crate) fn data(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn word_of(value: &Value) -> Option<U256> {
    let digits = value.as_str()?.strip_prefix("0x")?;
    // `from_str_radix` would take underscores and an empty text.
    let valid = (1..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if valid { U256::from_str_radix(digits, 16).ok() } else { None }
}

fn u64_at(value: &Value, key: &str) -> Option<u64> {
    word_of(value.get(key)?)?.try_into().ok()
}

fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    hex::decode(value.as_str()?.strip_prefix("0x")?).ok()
}

fn array_of<const N: usize>(value: &Value) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(value.as_str()?.strip_prefix("0x")?, &mut bytes).ok()?;
    Some(bytes)
}

fn bytes_at<const N: usize>(value: &Value, key: &str) -> Option<[u8; N]> {
    array_of(value.get(key)?)
}

/// An error with its causes and without the URL.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
