//! Who is let in, and with which cryptography.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    ServerConfig, SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms,
        aws_lc_rs::{self, cipher_suite, kx_group},
        verify_tls13_signature_with_raw_key,
    },
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
    },
    server::{
        AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};
use tacit_wire::{Identity, IdentityKey};

use crate::error::NetError;

/// The application protocol. Another version is another name, so that peers find out in the handshake.
pub const ALPN: &str = "tacit/1";

/// An Ed25519 `SubjectPublicKeyInfo` is this and then the 32 bytes of the key (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Says which nodes may connect.
pub trait Admission: Send + Sync {
    /// Whether the holder of this identity may connect.
    fn admits(&self, node: &IdentityKey) -> bool;
}

impl<F: Fn(&IdentityKey) -> bool + Send + Sync> Admission for F {
    fn admits(&self, node: &IdentityKey) -> bool {
        self(node)
    }
}

impl Admission for BTreeSet<IdentityKey> {
    fn admits(&self, node: &IdentityKey) -> bool {
        self.contains(node)
    }
}

impl Admission for HashSet<IdentityKey> {
    fn admits(&self, node: &IdentityKey) -> bool {
        self.contains(node)
    }
}

/// Admits whoever proves an identity.
#[derive(Debug, Clone, Copy)]
pub struct AnyIdentity;

impl Admission for AnyIdentity {
    fn admits(&self, _: &IdentityKey) -> bool {
        true
    }
}

/// The key of a raw public key, if it is Ed25519.
pub(crate) fn identity_of(spki: &[u8]) -> Option<IdentityKey> {
    let key = spki.strip_prefix(SPKI_PREFIX.as_slice())?;
    key.try_into().ok().map(IdentityKey)
}

/// TLS 1.3 suites and X25519MLKEM768 alone.
pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            // QUIC protects its first packets with this one, under keys that everybody knows.
            cipher_suite::TLS13_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768],
        ..aws_lc_rs::default_provider()
    }
}

fn configuration(error: impl ToString) -> NetError {
    NetError::Configuration(error.to_string())
}

pub(crate) fn private_key(identity: &Identity) -> Result<PrivateKeyDer<'static>, NetError> {
    let der = identity.to_pkcs8_der().map_err(configuration)?;
    Ok(PrivatePkcs8KeyDer::from(der.to_vec()).into())
}

fn raw_key(identity: &Identity, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, NetError> {
    let key = provider.key_provider.load_private_key(private_key(identity)?).map_err(configuration)?;
    let spki = [SPKI_PREFIX.as_slice(), &identity.key().0].concat();
    Ok(Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], key)))
}

/// The coordinator's side. Every node that proves an identity passes: admission comes right after the handshake, so
/// that a node that is refused can be told why.
pub(crate) fn server_config(identity: &Identity, provider: CryptoProvider) -> Result<ServerConfig, NetError> {
    let key = raw_key(identity, &provider)?;
    let verifier = RawKeyVerifier::new(&provider, None);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(configuration)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)));
    config.alpn_protocols = vec![ALPN.into()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

/// The node's side, and the slot in which the verifier leaves an identity that it refused.
pub(crate) fn client_config(
    identity: &Identity,
    expected: IdentityKey,
    provider: CryptoProvider,
) -> Result<(ClientConfig, Arc<RawKeyVerifier>), NetError> {
    let key = raw_key(identity, &provider)?;
    let verifier = RawKeyVerifier::new(&provider, Some(expected));
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(configuration)?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(key)));
    config.alpn_protocols = vec![ALPN.into()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.enable_sni = false;
    Ok((config, verifier))
}

/// Accepts raw Ed25519 keys: the expected one, or any. rustls has the peer sign the handshake with it.
#[derive(Debug)]
pub(crate) struct RawKeyVerifier {
    algorithms: WebPkiSupportedAlgorithms,
    expected: Option<IdentityKey>,
    refused: Mutex<Option<IdentityKey>>,
}

impl RawKeyVerifier {
    fn new(provider: &CryptoProvider, expected: Option<IdentityKey>) -> Arc<Self> {
        Arc::new(Self {
            algorithms: provider.signature_verification_algorithms,
            expected,
            refused: Mutex::new(None),
        })
    }

    /// The identity that was shown in place of the expected one.
    pub(crate) fn refused(&self) -> Option<IdentityKey> {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, key: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
        let got = identity_of(key).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if !others.is_empty() {
            return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
        }
        match self.expected {
            Some(expected) if expected != got => {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(got);
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(()),
        }
    }

    fn verify_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &spki, signature, &self.algorithms)
    }
}

fn no_tls12() -> Error {
    Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered)
}

impl ServerCertVerifier for RawKeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for RawKeyVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
