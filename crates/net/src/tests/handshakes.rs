//! Who gets a connection, and with which cryptography.

use std::{collections::BTreeSet, net::UdpSocket};

use rustls::{
    NamedGroup,
    crypto::{CryptoProvider, aws_lc_rs::kx_group},
};
use tacit_wire::{Blame, Identity, IdentityKey};

use super::*;
use crate::{NetError, error::close, handshake};

fn with_groups(groups: &[&'static dyn rustls::crypto::SupportedKxGroup]) -> CryptoProvider {
    CryptoProvider { kx_groups: groups.to_vec(), ..handshake::provider() }
}

/// Dials with a TLS configuration of one's own; returns what both sides say.
async fn dial(
    server: &Server,
    tls: rustls::ClientConfig,
) -> (Result<Connection, NetError>, Result<Connection, NetError>) {
    let dialer = Dialer::new(node(), patient());
    let expected = coordinator().key();
    let (_, verifier) = handshake::client_config(&node(), expected, handshake::provider()).unwrap();
    let address = server.local_address().unwrap();
    tokio::join!(dialer.connect_with(address, tls, expected, &verifier), async {
        server.accept().await.unwrap().handshake().await
    })
}

fn server() -> Server {
    Server::bind(loopback(), &coordinator(), AnyIdentity, patient()).unwrap()
}

fn client_tls(provider: CryptoProvider) -> rustls::ClientConfig {
    handshake::client_config(&node(), coordinator().key(), provider).unwrap().0
}

#[tokio::test]
async fn both_sides_prove_their_identity_and_agree_on_the_hybrid_group() {
    let pair = pair().await;
    assert_eq!(pair.node.peer_identity(), coordinator().key());
    assert_eq!(pair.node.peer_role(), Blame::Coordinator);
    assert_eq!(pair.coordinator.peer_identity(), node().key());
    assert_eq!(pair.coordinator.peer_role(), Blame::Node);
    // Read off the connections, not off the configuration.
    assert_eq!(pair.node.negotiated_group(), NamedGroup::X25519MLKEM768);
    assert_eq!(pair.coordinator.negotiated_group(), NamedGroup::X25519MLKEM768);
}

/// That `negotiated_group` reports what happened: the same endpoints with another group report the other group.
#[tokio::test]
async fn the_reported_group_is_the_negotiated_one() {
    let provider = || with_groups(&[kx_group::SECP256R1MLKEM768]);
    let tls = handshake::server_config(&coordinator(), provider()).unwrap();
    let server = Server::bind_with(loopback(), tls, AnyIdentity, patient()).unwrap();
    let (node, coordinator) = dial(&server, client_tls(provider())).await;
    assert_eq!(node.unwrap().negotiated_group(), NamedGroup::secp256r1MLKEM768);
    assert_eq!(coordinator.unwrap().negotiated_group(), NamedGroup::secp256r1MLKEM768);
}

#[tokio::test]
async fn a_node_that_offers_only_x25519_is_refused() {
    let (node, coordinator) = dial(&server(), client_tls(with_groups(&[kx_group::X25519]))).await;
    assert!(matches!(node.unwrap_err(), NetError::NoCommonCryptography { .. }));
    let error = coordinator.unwrap_err();
    assert!(matches!(error, NetError::NoCommonCryptography { .. }), "{error}");
    assert!(error.to_string().contains("X25519MLKEM768"), "{error}");
}

#[tokio::test]
async fn a_coordinator_that_offers_only_x25519_is_refused() {
    let tls = handshake::server_config(&coordinator(), with_groups(&[kx_group::X25519])).unwrap();
    let server = Server::bind_with(loopback(), tls, AnyIdentity, patient()).unwrap();
    let (node, coordinator) = dial(&server, client_tls(handshake::provider())).await;
    assert!(matches!(node.unwrap_err(), NetError::NoCommonCryptography { .. }));
    assert!(coordinator.is_err());
}

#[tokio::test]
async fn a_node_that_prefers_x25519_ends_up_with_the_hybrid() {
    let provider = with_groups(&[kx_group::X25519, kx_group::X25519MLKEM768]);
    let (node, _coordinator) = dial(&server(), client_tls(provider)).await;
    assert_eq!(node.unwrap().negotiated_group(), NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn another_coordinator_is_refused_naming_both_keys() {
    let server = server();
    let address = server.local_address().unwrap();
    let expected = Identity::from_seed(&[9; 32]).key();
    let dialer = Dialer::new(node(), patient());
    let (node, at_server) = tokio::join!(dialer.connect(address, expected), async {
        server.accept().await.unwrap().handshake().await
    });
    assert!(at_server.is_err(), "the coordinator must not learn who dialled, let alone get a connection");
    let error = node.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&expected.to_string()) && text.contains(&coordinator().key().to_string()),
        "{text}"
    );
    match error {
        NetError::WrongIdentity { expected: e, got, .. } => {
            assert_eq!((e, got), (expected, coordinator().key()))
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_node_that_is_not_on_the_list_is_told_so() {
    let listed: BTreeSet<IdentityKey> = [Identity::from_seed(&[3; 32]).key()].into();
    let server = Server::bind(loopback(), &coordinator(), listed, patient()).unwrap();
    let address = server.local_address().unwrap();
    let dialer = Dialer::new(node(), patient());
    let (connected, at_server) = tokio::join!(dialer.connect(address, coordinator().key()), async {
        server.accept().await.unwrap().handshake().await
    });
    match at_server.unwrap_err() {
        NetError::NotAdmitted { got, .. } => assert_eq!(got, node().key()),
        other => panic!("{other}"),
    }
    let error = match connected {
        Ok(connection) => connection.closed().await,
        Err(error) => error,
    };
    match &error {
        NetError::Closed { code, text, peer, .. } => {
            assert_eq!(*code, u64::from(close::NOT_ADMITTED));
            assert_eq!(*peer, coordinator().key());
            assert!(text.contains(&node().key().to_string()), "{text}");
        }
        // The refusal may overtake the end of the handshake.
        NetError::Handshake { reason, .. } => {
            assert!(reason.to_string().contains("not admitted"), "{reason}")
        }
        other => panic!("{other}"),
    }
    assert!(!error.is_transient() || matches!(error, NetError::Handshake { .. }));
}

#[tokio::test]
async fn another_version_of_the_protocol_is_told_apart() {
    let mut tls = client_tls(handshake::provider());
    tls.alpn_protocols = vec![b"tacit/2".to_vec()];
    let (node, coordinator) = dial(&server(), tls).await;
    assert!(matches!(node.unwrap_err(), NetError::NoCommonProtocol { ours: "tacit/1", .. }));
    assert!(matches!(coordinator.unwrap_err(), NetError::NoCommonProtocol { .. }));
}

#[tokio::test]
async fn a_peer_without_alpn_is_refused() {
    let mut tls = client_tls(handshake::provider());
    tls.alpn_protocols = Vec::new();
    let (node, coordinator) = dial(&server(), tls).await;
    assert!(node.is_err() && coordinator.is_err());
}

/// A peer without a raw key, and one with an X.509 certificate in its place.
#[tokio::test]
async fn a_node_that_proves_no_identity_is_refused() {
    let (_, verifier) =
        handshake::client_config(&node(), coordinator().key(), handshake::provider()).unwrap();
    let builder = || {
        rustls::ClientConfig::builder_with_provider(handshake::provider().into())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone())
    };
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let certificate = rcgen::CertificateParams::new(["node".to_owned()]).unwrap().self_signed(&key).unwrap();
    let der = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let configs = [
        builder().with_no_client_auth(),
        builder().with_client_auth_cert(vec![certificate.der().clone()], der.into()).unwrap(),
    ];
    for mut tls in configs {
        tls.alpn_protocols = vec![handshake::ALPN.into()];
        let (node, coordinator) = dial(&server(), tls).await;
        assert!(coordinator.is_err());
        // The node may have finished its side before the coordinator looked.
        if let Ok(connection) = node {
            assert!(matches!(connection.closed().await, NetError::Lost { .. } | NetError::Closed { .. }));
        }
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let silent = UdpSocket::bind(loopback()).unwrap();
    let dialer = Dialer::new(node(), Settings { handshake_timeout: SHORT, ..Settings::default() });
    let error = dialer.connect(silent.local_addr().unwrap(), coordinator().key()).await.unwrap_err();
    assert!(matches!(error, NetError::Unreachable { waited: SHORT, .. }), "{error}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let first = server();
    let address = first.local_address().unwrap();
    let error = Server::bind(address, &coordinator(), AnyIdentity, patient()).err().unwrap();
    assert!(matches!(error, NetError::Bind { .. }));
    assert!(error.to_string().contains(&address.to_string()));
}
