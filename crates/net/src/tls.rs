//! HTTPS between clients and coordinators.
//!
//! TLS 1.3 only. Our client offers the hybrid X25519MLKEM768 and nothing else; the server also takes plain X25519 from
//! browsers that do not have it yet (what travels here is sealed with X-Wing besides). A coordinator's certificate is
//! self-signed by its identity, and programs pin it; browsers, which take no Ed25519, get another one.

use std::{fmt, str::FromStr, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{
        CryptoProvider, SupportedKxGroup, WebPkiSupportedAlgorithms,
        aws_lc_rs::{self, cipher_suite, kx_group},
        verify_tls13_signature,
    },
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime, pem::PemObject},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use tacit_wire::{Identity, IdentityKey};
use zeroize::Zeroize;

use crate::{
    error::NetError,
    handshake::{identity_of, private_key},
};

/// What a client knows of a coordinator's certificate beforehand: `ed25519:HEX` or `sha256:HEX` when written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificatePin {
    /// The certificate's key is this identity.
    Identity(IdentityKey),
    /// The SHA-256 of the certificate's `SubjectPublicKeyInfo`, as RFC 7469 counts it.
    Spki([u8; 32]),
}

impl CertificatePin {
    /// The SHA-256 pin of a certificate in DER.
    pub fn of_certificate(certificate: &[u8]) -> Result<Self, NetError> {
        spki_of(&CertificateDer::from(certificate))
            .map(|spki| Self::Spki(Sha256::digest(&spki).into()))
            .map_err(|error| NetError::Configuration(error.to_string()))
    }

    fn matches(&self, spki: &[u8]) -> bool {
        match self {
            Self::Identity(expected) => identity_of(spki).as_ref() == Some(expected),
            Self::Spki(expected) => Sha256::digest(spki).as_slice() == expected.as_slice(),
        }
    }
}

impl fmt::Display for CertificatePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(identity) => write!(f, "ed25519:{identity}"),
            Self::Spki(digest) => write!(f, "sha256:{}", hex::encode(digest)),
        }
    }
}

/// A text that is no pin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a certificate pin: {got:?}; write ed25519: or sha256: and 64 hexadecimal digits")]
pub struct PinError {
    /// The text.
    pub got: String,
}

impl FromStr for CertificatePin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let bytes = |digits: &str| digits.parse::<IdentityKey>().ok();
        text.strip_prefix("ed25519:")
            .and_then(bytes)
            .map(Self::Identity)
            .or_else(|| {
                text.strip_prefix("sha256:").and_then(bytes).map(|IdentityKey(digest)| Self::Spki(digest))
            })
            .ok_or_else(|| PinError { got: text.chars().take(100).collect() })
    }
}

fn provider(groups: &[&'static dyn SupportedKxGroup]) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
        ],
        kx_groups: groups.to_vec(),
        ..aws_lc_rs::default_provider()
    })
}

/// What a server takes.
const SERVER_GROUPS: &[&dyn SupportedKxGroup] = &[kx_group::X25519MLKEM768, kx_group::X25519];
/// What a client of ours offers.
const CLIENT_GROUPS: &[&dyn SupportedKxGroup] = &[kx_group::X25519MLKEM768];

fn alpn() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}

fn configuration(error: impl ToString) -> NetError {
    NetError::Configuration(error.to_string())
}

fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, NetError> {
    let mut config = ServerConfig::builder_with_provider(provider(SERVER_GROUPS))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(configuration)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(configuration)?;
    config.alpn_protocols = alpn();
    Ok(Arc::new(config))
}

/// The coordinator's side with a certificate that its identity signs for itself. Pin
/// [`CertificatePin::Identity`]`(identity.key())`.
///
/// `names` are the DNS names and IP addresses that the certificate lists; pinning clients do not look at them.
pub fn server_config(identity: &Identity, names: &[String]) -> Result<Arc<ServerConfig>, NetError> {
    server(vec![own_certificate(identity, names)?], private_key(identity)?)
}

/// [`server_config`] with a second certificate, for clients that take none that Ed25519 signs: browsers. `brought` is a
/// certificate chain and key in PEM; without it the second one is made here, signed by itself and different after each
/// start, so that a browser warns.
///
/// A client that offers Ed25519 gets the identity's certificate, whatever was brought: pins stay what they are.
///
/// # Errors
/// When a certificate or key cannot be used.
pub fn server_config_for_browsers(
    identity: &Identity,
    names: &[String],
    brought: Option<(&[u8], &[u8])>,
) -> Result<Arc<ServerConfig>, NetError> {
    let own = own_certificate(identity, names)?;
    let (chain, key) = match brought {
        Some((chain, key)) => {
            (read_chain(chain)?, PrivateKeyDer::from_pem_slice(key).map_err(configuration)?)
        }
        None => {
            let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(configuration)?;
            let certificate = parameters(names)?.self_signed(&pair).map_err(configuration)?;
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pair.serialize_der()));
            (vec![certificate.der().clone()], key)
        }
    };
    let provider = provider(SERVER_GROUPS);
    let certified =
        |chain, key| CertifiedKey::from_der(chain, key, &provider).map(Arc::new).map_err(configuration);
    let resolver =
        ByScheme { ed25519: certified(vec![own], private_key(identity)?)?, other: certified(chain, key)? };
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(configuration)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = alpn();
    Ok(Arc::new(config))
}

/// Chooses by what the client can verify.
#[derive(Debug)]
struct ByScheme {
    ed25519: Arc<CertifiedKey>,
    other: Arc<CertifiedKey>,
}

impl ResolvesServerCert for ByScheme {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let ed25519 = hello.signature_schemes().contains(&SignatureScheme::ED25519);
        Some(Arc::clone(if ed25519 { &self.ed25519 } else { &self.other }))
    }
}

fn read_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, NetError> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(configuration)?;
    if chain.is_empty() {
        return Err(configuration("the certificate file holds no certificate"));
    }
    Ok(chain)
}

fn parameters(names: &[String]) -> Result<rcgen::CertificateParams, NetError> {
    let mut parameters = rcgen::CertificateParams::new(names).map_err(configuration)?;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "tacit coordinator");
    Ok(parameters)
}

/// The certificate that an identity signs for itself.
fn own_certificate(identity: &Identity, names: &[String]) -> Result<CertificateDer<'static>, NetError> {
    let der = identity.to_pkcs8_der().map_err(configuration)?;
    let pkcs8 = PrivatePkcs8KeyDer::from(der.as_slice());
    let mut pair =
        rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &rcgen::PKCS_ED25519).map_err(configuration)?;
    let certificate = parameters(names)?.self_signed(&pair).map_err(configuration);
    pair.zeroize();
    Ok(certificate?.der().clone())
}

/// The coordinator's side with a certificate chain and key of its operator's, in PEM.
pub fn server_config_from_pem(chain: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, NetError> {
    let chain = read_chain(chain)?;
    server(chain, PrivateKeyDer::from_pem_slice(key).map_err(configuration)?)
}

/// The client's side: accepts a certificate whose key matches one of `pins`, whatever name it bears.
///
/// For reqwest: `Client::builder().use_preconfigured_tls(config)`.
pub fn client_config(pins: &[CertificatePin]) -> Result<ClientConfig, NetError> {
    let mut config = ClientConfig::builder_with_provider(provider(CLIENT_GROUPS))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(configuration)?
        .dangerous()
        .with_custom_certificate_verifier(verifier(pins))
        .with_no_client_auth();
    config.alpn_protocols = alpn();
    Ok(config)
}

pub(crate) fn verifier(pins: &[CertificatePin]) -> Arc<dyn ServerCertVerifier> {
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    Arc::new(PinVerifier { algorithms, pins: pins.to_vec() })
}

fn spki_of(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, Error> {
    Ok(ParsedCertificate::try_from(certificate)?.subject_public_key_info().to_vec())
}

#[derive(Debug)]
struct PinVerifier {
    algorithms: WebPkiSupportedAlgorithms,
    pins: Vec<CertificatePin>,
}

/// The certificate matches no pin. Found in the chain of sources of what the HTTP client reports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the coordinator's certificate has key {got}, pinned is {}", list(expected))]
pub struct PinMismatch {
    /// What is pinned.
    pub expected: Vec<CertificatePin>,
    /// What the certificate has: an identity where its key is Ed25519.
    pub got: CertificatePin,
}

fn list(pins: &[CertificatePin]) -> String {
    pins.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let spki = spki_of(end_entity)?;
        if self.pins.iter().any(|pin| pin.matches(&spki)) {
            return Ok(ServerCertVerified::assertion());
        }
        let got = identity_of(&spki)
            .map(CertificatePin::Identity)
            .unwrap_or_else(|| CertificatePin::Spki(Sha256::digest(&spki).into()));
        let mismatch = PinMismatch { expected: self.pins.clone(), got };
        Err(CertificateError::Other(rustls::OtherError(Arc::new(mismatch))).into())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
