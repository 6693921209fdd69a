//! The TLS of the HTTP API, without sockets.

use std::sync::Arc;

use rustls::{
    ClientConnection, NamedGroup, ServerConfig, ServerConnection,
    crypto::{
        CryptoProvider,
        aws_lc_rs::{self, kx_group},
    },
    pki_types::ServerName,
};

use super::*;
use crate::tls::{self, CertificatePin, PinMismatch};

fn shake(
    client: rustls::ClientConfig,
    server: Arc<ServerConfig>,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let mut client =
        ClientConnection::new(Arc::new(client), ServerName::try_from("127.0.0.1").unwrap()).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut unread = wire.as_slice();
        while !unread.is_empty() {
            server.read_tls(&mut unread).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut unread = wire.as_slice();
        while !unread.is_empty() {
            client.read_tls(&mut unread).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

fn server() -> Arc<ServerConfig> {
    tls::server_config(&coordinator(), &["localhost".into(), "127.0.0.1".into()]).unwrap()
}

fn pin() -> CertificatePin {
    CertificatePin::Identity(coordinator().key())
}

#[test]
fn the_pinned_identity_is_accepted_with_the_hybrid_group() {
    let (client, server) = shake(tls::client_config(&[pin()]).unwrap(), server()).unwrap();
    assert_eq!(client.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
    assert_eq!(server.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
    assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(client.alpn_protocol(), Some(b"h2".as_slice()));
}

#[test]
fn another_identity_is_refused_naming_both_keys() {
    let expected = CertificatePin::Identity(node().key());
    let error = shake(tls::client_config(&[expected]).unwrap(), server()).unwrap_err();
    let rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) = &error else {
        panic!("{error}");
    };
    assert_eq!(
        other.0.downcast_ref::<PinMismatch>(),
        Some(&PinMismatch { expected: vec![expected], got: pin() })
    );
    let text = error.to_string();
    assert!(
        text.contains(&node().key().to_string()) || format!("{error:?}").contains(&node().key().to_string())
    );
}

#[test]
fn no_pin_accepts_nothing() {
    assert!(shake(tls::client_config(&[]).unwrap(), server()).is_err());
}

/// An operator's own certificate, here ECDSA as browsers want it, pinned by the hash of its key.
#[test]
fn an_operators_certificate_is_pinned_by_its_key() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(["coordinator.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let server =
        tls::server_config_from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let pin = CertificatePin::of_certificate(certificate.der()).unwrap();
    assert!(matches!(pin, CertificatePin::Spki(_)));
    shake(tls::client_config(&[self::pin(), pin]).unwrap(), server.clone()).unwrap();
    shake(tls::client_config(&[self::pin()]).unwrap(), server).unwrap_err();

    assert!(tls::server_config_from_pem(b"", key.serialize_pem().as_bytes()).is_err());
    assert!(tls::server_config_from_pem(certificate.pem().as_bytes(), b"").is_err());
}

/// A browser that does not have the hybrid yet.
#[test]
fn plain_x25519_is_served() {
    let provider = CryptoProvider { kx_groups: vec![kx_group::X25519], ..aws_lc_rs::default_provider() };
    let client = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(tls::verifier(&[pin()]))
        .with_no_client_auth();
    let (client, _server) = shake(client, server()).unwrap();
    assert_eq!(client.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519);
}

#[test]
fn pins_are_written_and_read() {
    for pin in [pin(), CertificatePin::Spki([0xab; 32])] {
        assert_eq!(pin.to_string().parse(), Ok(pin));
    }
    for bad in ["", "sha256:", "sha256:zz", "md5:00", &"0".repeat(64)] {
        assert!(bad.parse::<CertificatePin>().is_err(), "{bad}");
    }
}
