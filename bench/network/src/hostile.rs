//! A client that means harm, beside those that mean well: from an address of its own it does all at once what the limits of the coordinators are for, for as
//! long as it runs. What it got done is written down, so that a run in which it did nothing is noticed.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::{Deserialize, Serialize};
use tacit_client::Network;
use tacit_net::{CertificatePin, tls};
use tacit_wire::{MessageType, PROTOCOL_VERSION};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Outcome;

/// More than a coordinator of these runs takes for a job.
const GIANT: u64 = 1 << 40;
/// Streams of each kind on one connection.
const STREAMS: usize = 50;
/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The network's file
    #[arg(long)]
    network: PathBuf,
    /// The coordinators' addresses for nodes
    #[arg(long, value_delimiter = ',')]
    quic: Vec<SocketAddr>,
    /// Folder for what was done
    #[arg(long)]
    dir: PathBuf,
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mischief {
    /// Requests as fast as they go.
    Flood,
    /// Jobs that are announced far larger than is taken, or as large, and sent as fast as it goes.
    Giant,
    /// Uploads of a byte now and then.
    Slow,
    /// Frames that are none, circuits that are none, requests that are none.
    Malformed,
    /// Large answers and streams that are asked for and not read.
    Unread,
    /// Datagrams that are none of QUIC's, or only their beginning.
    Datagrams,
}

impl Mischief {
    /// How many of it at a time, for each coordinator.
    const fn at_once(self) -> usize {
        match self {
            Self::Flood => 8,
            Self::Giant | Self::Malformed => 4,
            Self::Slow | Self::Unread => 48,
            Self::Datagrams => 1,
        }
    }
}

/// How often each was got to.
pub type Done = BTreeMap<Mischief, u64>;

/// Reads what was done, of all its processes.
pub fn done(dir: &Path) -> Outcome<Done> {
    Ok(serde_json::from_slice(&fs::read(dir.join("done"))?)?)
}

struct Hostile {
    pin: CertificatePin,
    counts: BTreeMap<Mischief, AtomicU64>,
}

/// Runs until it is killed.
pub fn run(args: &Args) -> Outcome {
    let network = Network::load(&args.network)?;
    let addresses = network.coordinator.urls.iter().map(|url| {
        let address = url.trim_start_matches("https://").parse::<SocketAddr>();
        address.map_err(|e| format!("{url}: {e}").into())
    });
    let addresses = addresses.collect::<Outcome<Vec<_>>>()?;
    let pin = CertificatePin::Identity(tacit_wire::IdentityKey(network.coordinator.identity));
    let all = Mischief::value_variants();
    let hostile = Arc::new(Hostile { pin, counts: all.iter().map(|m| (*m, AtomicU64::new(0))).collect() });
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        for (number, https) in addresses.iter().enumerate() {
            let Some(quic) = args.quic.get(number) else { continue };
            for mischief in all {
                for seed in 0..mischief.at_once() {
                    let hostile = Arc::clone(&hostile);
                    let (mischief, https, quic) = (*mischief, *https, *quic);
                    let rng = StdRng::seed_from_u64(seed as u64);
                    tokio::spawn(async move { hostile.keep_at(mischief, https, quic, rng).await });
                }
            }
        }
        loop {
            sleep(Duration::from_millis(500)).await;
            hostile.write(&args.dir)?;
        }
    })
}

impl Hostile {
    /// In one rename: the process is killed at some point.
    fn write(&self, dir: &Path) -> Outcome {
        let counts: Done = self.counts.iter().map(|(m, n)| (*m, n.load(Ordering::Relaxed))).collect();
        fs::write(dir.join("done.new"), serde_json::to_vec(&counts)?)?;
        Ok(fs::rename(dir.join("done.new"), dir.join("done"))?)
    }

    async fn keep_at(&self, mischief: Mischief, https: SocketAddr, quic: SocketAddr, mut rng: StdRng) {
        loop {
            // It is to be cut off: how it ends says nothing.
            let _ = match mischief {
                Mischief::Flood => timeout(PATIENCE, self.flood(https)).await,
                Mischief::Giant => timeout(PATIENCE, self.giant(https, &mut rng)).await,
                Mischief::Slow => timeout(PATIENCE, self.slow(https)).await,
                Mischief::Malformed => timeout(PATIENCE, self.malformed(https, &mut rng)).await,
                Mischief::Unread if rng.random_bool(0.1) => {
                    timeout(PATIENCE, self.unread_streams(https)).await
                }
                Mischief::Unread => timeout(PATIENCE, self.unread(https, &mut rng)).await,
                Mischief::Datagrams => timeout(PATIENCE, self.datagrams(quic, &mut rng)).await,
            };
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// It is in effect.
    fn did(&self, mischief: Mischief) {
        if let Some(count) = self.counts.get(&mischief) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn connect(&self, address: SocketAddr) -> Result<TlsStream<TcpStream>, Cut> {
        let mut config = tls::client_config(&[self.pin]).map_err(|_| Cut)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = tacit_net::rustls::pki_types::ServerName::try_from("localhost").map_err(|_| Cut)?;
        let connecting = async {
            let tcp = TcpStream::connect(address).await?;
            TlsConnector::from(Arc::new(config)).connect(name, tcp).await
        };
        connecting.await.map_err(|_| Cut)
    }

    async fn flood(&self, address: SocketAddr) -> Result<(), Cut> {
        let mut stream = self.connect(address).await?;
        let mut piece = vec![0; 64 << 10];
        for path in ["/v1/network", "/v1/log/head", "/v1/jobs", "/v1/circuits", "/readyz", "/nothing"] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").repeat(50);
            stream.write_all(request.as_bytes()).await?;
            // Some of what comes: not to wait for its end is the point.
            let _ = stream.read(&mut piece).await?;
            self.did(Mischief::Flood);
        }
        Ok(())
    }

    async fn giant(&self, address: SocketAddr, rng: &mut StdRng) -> Result<(), Cut> {
        let announced = if rng.random_bool(0.5) { GIANT } else { crate::init::JOB_BYTES };
        let mut stream = self.post(address, "/v1/jobs", announced).await?;
        let mut piece = vec![0; 64 << 10];
        rng.fill(piece.as_mut_slice());
        let mut sent = 0;
        while sent < announced {
            stream.write_all(&piece).await?;
            if sent == 0 {
                self.did(Mischief::Giant);
            }
            sent += piece.len() as u64;
        }
        Ok(())
    }

    async fn slow(&self, address: SocketAddr) -> Result<(), Cut> {
        let mut stream = self.post(address, "/v1/jobs", crate::init::JOB_BYTES).await?;
        self.did(Mischief::Slow);
        loop {
            stream.write_all(b"x").await?;
            stream.flush().await?;
            sleep(Duration::from_millis(700)).await;
        }
    }

    async fn malformed(&self, address: SocketAddr, rng: &mut StdRng) -> Result<(), Cut> {
        let mut noise = vec![0; rng.random_range(1..20_000)];
        rng.fill(noise.as_mut_slice());
        let (path, body) = match rng.random_range(0..4) {
            0 => ("/v1/jobs".to_owned(), noise),
            // As if it were one.
            1 => ("/v1/jobs".to_owned(), frame(MessageType::SubmitJob, &noise)),
            2 => (format!("/v1/jobs/{}/cancel", "ab".repeat(32)), frame(MessageType::Cancel, &noise)),
            _ => (format!("/v1/jobs/{}/reassign", "ab".repeat(32)), frame(MessageType::Reassign, &noise)),
        };
        let mut stream = self.post(address, &path, body.len() as u64).await?;
        stream.write_all(&body).await?;
        let mut answer = vec![0; 4096];
        let _ = stream.read(&mut answer).await?;
        // And what is no HTTP.
        let mut stream = self.connect(address).await?;
        stream.write_all(&body).await?;
        let _ = stream.read(&mut answer).await?;
        self.did(Mischief::Malformed);
        Ok(())
    }

    async fn unread(&self, address: SocketAddr, rng: &mut StdRng) -> Result<(), Cut> {
        let mut stream = self.connect(address).await?;
        let path = ["/v1/log/entries?start=0", "/v1/openapi.json", "/v1/jobs", "/v1/events", "/"];
        let path = path.get(rng.random_range(0..path.len())).copied().unwrap_or("/");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").repeat(20);
        stream.write_all(request.as_bytes()).await?;
        self.did(Mischief::Unread);
        sleep(Duration::from_secs(20)).await;
        Ok(())
    }

    /// As many streams of one connection as there may be, of which hardly a byte is taken.
    async fn unread_streams(&self, address: SocketAddr) -> Result<(), Cut> {
        let tls = tls::client_config(&[self.pin]).map_err(|_| Cut)?;
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
        let client = client.http2_initial_stream_window_size(1024).build().map_err(|_| Cut)?;
        let mut asked = tokio::task::JoinSet::new();
        for path in ["/v1/log/entries?start=0", "/v1/openapi.json", "/v1/jobs", "/v1/events"] {
            for _ in 0..STREAMS {
                asked.spawn(client.get(format!("https://{address}{path}")).send());
            }
        }
        let mut held = Vec::new();
        let answers = async {
            while let Some(answer) = asked.join_next().await {
                held.extend(answer.ok().and_then(Result::ok));
            }
        };
        let _ = timeout(Duration::from_secs(20), answers).await;
        if !held.is_empty() {
            self.did(Mischief::Unread);
        }
        sleep(Duration::from_secs(10)).await;
        Ok(())
    }

    async fn datagrams(&self, address: SocketAddr, rng: &mut StdRng) -> Result<(), Cut> {
        let socket = UdpSocket::bind("0.0.0.0:0").await.map_err(|_| Cut)?;
        for _ in 0..500 {
            let mut datagram = vec![0; rng.random_range(1..1_400)];
            rng.fill(datagram.as_mut_slice());
            if let Some(first) = datagram.first_mut()
                && rng.random_bool(0.5)
            {
                // The long header of a first packet.
                *first |= 0xc0;
            }
            socket.send_to(&datagram, address).await?;
        }
        self.did(Mischief::Datagrams);
        sleep(Duration::from_millis(100)).await;
        Ok(())
    }

    /// The beginning of an upload.
    async fn post(
        &self,
        address: SocketAddr,
        path: &str,
        announced: u64,
    ) -> Result<TlsStream<TcpStream>, Cut> {
        let mut stream = self.connect(address).await?;
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {announced}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        Ok(stream)
    }
}

/// A frame's header with anything behind it.
fn frame(kind: MessageType, body: &[u8]) -> Vec<u8> {
    let mut bytes = PROTOCOL_VERSION.to_le_bytes().to_vec();
    bytes.extend_from_slice(&kind.code().to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A try was cut off, or came to no connection: at the bound of connections, or because the coordinator is down.
struct Cut;

impl From<std::io::Error> for Cut {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}
