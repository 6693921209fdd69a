//! Binding and dialling.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use quinn::{
    ConnectionError, IdleTimeout, TransportConfig, VarInt,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use tacit_wire::{Blame, Identity, IdentityKey};

use crate::{
    connection::Connection,
    error::{NetError, close},
    handshake::{self, ALPN, Admission, RawKeyVerifier},
};

/// Timeouts and bounds of a connection. Deadlines of single messages are passed with each call.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
    /// A peer that was silent for this long is dead. The smaller of both sides' counts.
    pub idle_timeout: Duration,
    /// How often a quiet connection says that it is alive; well below `idle_timeout`.
    pub keep_alive: Duration,
    /// How many streams the peer may have open at once.
    pub max_streams: u32,
    /// How many bytes the peer may have in flight on one stream before it must wait for us to read.
    pub stream_window: u32,
    /// The same over all streams of a connection.
    pub connection_window: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(20),
            keep_alive: Duration::from_secs(5),
            max_streams: 64,
            stream_window: 4 << 20,
            connection_window: 16 << 20,
        }
    }
}

impl Settings {
    fn transport(&self) -> Result<Arc<TransportConfig>, NetError> {
        let idle = IdleTimeout::try_from(self.idle_timeout)
            .map_err(|error| NetError::Configuration(format!("idle timeout: {error}")))?;
        let mut transport = TransportConfig::default();
        transport
            .max_idle_timeout(Some(idle))
            .keep_alive_interval(Some(self.keep_alive))
            .max_concurrent_bidi_streams(VarInt::from_u32(self.max_streams))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .stream_receive_window(VarInt::from_u32(self.stream_window))
            .receive_window(VarInt::from_u32(self.connection_window))
            .send_window(u64::from(self.connection_window))
            // No unreliable datagrams in this protocol.
            .datagram_receive_buffer_size(None);
        Ok(Arc::new(transport))
    }
}

/// Where nodes dial in: the coordinator's end.
#[derive(Clone)]
pub struct Server {
    endpoint: quinn::Endpoint,
    admission: Arc<dyn Admission>,
    settings: Settings,
}

impl Server {
    /// Binds a UDP address. Must be called within a Tokio runtime.
    pub fn bind(
        address: SocketAddr,
        identity: &Identity,
        admission: impl Admission + 'static,
        settings: Settings,
    ) -> Result<Self, NetError> {
        let tls = handshake::server_config(identity, handshake::provider())?;
        Self::bind_with(address, tls, admission, settings)
    }

    pub(crate) fn bind_with(
        address: SocketAddr,
        tls: rustls::ServerConfig,
        admission: impl Admission + 'static,
        settings: Settings,
    ) -> Result<Self, NetError> {
        let tls =
            QuicServerConfig::try_from(tls).map_err(|error| NetError::Configuration(error.to_string()))?;
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
        config.transport_config(settings.transport()?);
        let endpoint =
            quinn::Endpoint::server(config, address).map_err(|source| NetError::Bind { address, source })?;
        Ok(Self { endpoint, admission: Arc::new(admission), settings })
    }

    /// The address that was bound, with the port that the system chose if it was asked to.
    pub fn local_address(&self) -> Result<SocketAddr, NetError> {
        self.endpoint.local_addr().map_err(|error| NetError::Configuration(error.to_string()))
    }

    /// The next node that dials; `None` once the server is closed. Spawn a task for [`Incoming::handshake`]: it takes
    /// as long as the node lets it.
    pub async fn accept(&self) -> Option<Incoming> {
        let incoming = self.endpoint.accept().await?;
        Some(Incoming {
            incoming,
            admission: self.admission.clone(),
            timeout: self.settings.handshake_timeout,
        })
    }

    /// Tells every node that it is over. [`wait_idle`](Self::wait_idle) lets that arrive.
    pub fn close(&self, reason: &str) {
        self.endpoint.close(VarInt::from_u32(close::DONE), reason.as_bytes());
    }

    /// Waits until every connection is gone.
    pub async fn wait_idle(&self) {
        self.endpoint.wait_idle().await;
    }
}

/// A node that dials and has not proven anything yet.
pub struct Incoming {
    incoming: quinn::Incoming,
    admission: Arc<dyn Admission>,
    timeout: Duration,
}

impl Incoming {
    /// Where it dials from.
    pub fn remote_address(&self) -> SocketAddr {
        self.incoming.remote_address()
    }

    /// Completes the handshake and asks the admission. A node that is not admitted is told so.
    pub async fn handshake(self) -> Result<Connection, NetError> {
        let address = self.incoming.remote_address();
        let connection = tokio::time::timeout(self.timeout, async { self.incoming.accept()?.await })
            .await
            .map_err(|_| NetError::Unreachable { address, waited: self.timeout })?
            .map_err(|reason| handshake_error(address, self.timeout, reason))?;
        let connection = Connection::new(connection, Blame::Node)?;
        let got = connection.peer_identity();
        if !self.admission.admits(&got) {
            let text = format!("node {got} is not admitted here");
            connection.close_with(close::NOT_ADMITTED, &text);
            return Err(NetError::NotAdmitted { address, got });
        }
        Ok(connection)
    }

    /// Sends it away without a handshake, as when there is no room.
    pub fn refuse(self) {
        self.incoming.refuse();
    }
}

/// The node's end: dials coordinators.
#[derive(Clone)]
pub struct Dialer {
    identity: Identity,
    settings: Settings,
}

impl Dialer {
    /// A dialler that shows this identity.
    pub fn new(identity: Identity, settings: Settings) -> Self {
        Self { identity, settings }
    }

    /// Dials `address`, where `expected` must answer; must be called within a Tokio runtime. Every connection has a
    /// socket of its own, from a port that the system chooses.
    ///
    /// A node that is not admitted learns it from the first thing that it does on the connection:
    /// [`NetError::Closed`] with code 1.
    pub async fn connect(&self, address: SocketAddr, expected: IdentityKey) -> Result<Connection, NetError> {
        let (tls, verifier) = handshake::client_config(&self.identity, expected, handshake::provider())?;
        self.connect_with(address, tls, expected, &verifier).await
    }

    pub(crate) async fn connect_with(
        &self,
        address: SocketAddr,
        tls: rustls::ClientConfig,
        expected: IdentityKey,
        verifier: &RawKeyVerifier,
    ) -> Result<Connection, NetError> {
        let local = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let endpoint =
            quinn::Endpoint::client(local).map_err(|source| NetError::Bind { address: local, source })?;
        let tls =
            QuicClientConfig::try_from(tls).map_err(|error| NetError::Configuration(error.to_string()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(tls));
        config.transport_config(self.settings.transport()?);
        // The name is neither sent nor checked: the identity is what is pinned.
        let connecting = endpoint
            .connect_with(config, address, "tacit.invalid")
            .map_err(|error| NetError::Configuration(error.to_string()))?;
        let waited = self.settings.handshake_timeout;
        let connection = tokio::time::timeout(waited, connecting)
            .await
            .map_err(|_| NetError::Unreachable { address, waited })?
            .map_err(|reason| dial_error(address, waited, expected, verifier, reason))?;
        Connection::new(connection, Blame::Coordinator)
    }
}

fn dial_error(
    address: SocketAddr,
    waited: Duration,
    expected: IdentityKey,
    verifier: &RawKeyVerifier,
    reason: ConnectionError,
) -> NetError {
    match verifier.refused() {
        Some(got) => NetError::WrongIdentity { address, expected, got },
        None => handshake_error(address, waited, reason),
    }
}

/// TLS alerts travel in QUIC as error codes `0x100 + alert`.
fn handshake_error(address: SocketAddr, waited: Duration, reason: ConnectionError) -> NetError {
    const HANDSHAKE_FAILURE: u64 = 0x100 + 40;
    const UNSUPPORTED_CERTIFICATE: u64 = 0x100 + 43;
    const PROTOCOL_VERSION: u64 = 0x100 + 70;
    const INSUFFICIENT_SECURITY: u64 = 0x100 + 71;
    const CERTIFICATE_REQUIRED: u64 = 0x100 + 116;
    const NO_APPLICATION_PROTOCOL: u64 = 0x100 + 120;

    let code = match &reason {
        ConnectionError::TransportError(error) => u64::from(error.code),
        ConnectionError::ConnectionClosed(frame) => u64::from(frame.error_code),
        ConnectionError::TimedOut => return NetError::Unreachable { address, waited },
        _ => return NetError::Handshake { address, reason },
    };
    match code {
        NO_APPLICATION_PROTOCOL => NetError::NoCommonProtocol { address, ours: ALPN },
        HANDSHAKE_FAILURE
        | UNSUPPORTED_CERTIFICATE
        | PROTOCOL_VERSION
        | INSUFFICIENT_SECURITY
        | CERTIFICATE_REQUIRED => NetError::NoCommonCryptography { address, reason: reason.to_string() },
        _ => NetError::Handshake { address, reason },
    }
}
