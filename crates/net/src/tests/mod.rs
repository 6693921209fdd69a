//! Real sockets on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod handshakes;
mod https;
mod streams;

use std::{net::SocketAddr, time::Duration};

use tacit_wire::Identity;

use crate::{AnyIdentity, Connection, Dialer, Server, Settings};

/// Long enough for a slow machine, short enough for a test that waits for it.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

fn coordinator() -> Identity {
    Identity::from_seed(&[1; 32])
}

fn node() -> Identity {
    Identity::from_seed(&[2; 32])
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn patient() -> Settings {
    Settings { handshake_timeout: LONG, ..Settings::default() }
}

/// The coordinator's and the node's end of one connection, and what keeps them alive.
struct Pair {
    coordinator: Connection,
    node: Connection,
    _server: Server,
}

async fn pair_with(settings: Settings) -> Pair {
    let server = Server::bind(loopback(), &coordinator(), AnyIdentity, settings.clone()).unwrap();
    let address = server.local_address().unwrap();
    let dialer = Dialer::new(node(), settings);
    let (node, coordinator) = tokio::join!(dialer.connect(address, coordinator().key()), async {
        server.accept().await.unwrap().handshake().await
    });
    Pair { coordinator: coordinator.unwrap(), node: node.unwrap(), _server: server }
}

async fn pair() -> Pair {
    pair_with(patient()).await
}
