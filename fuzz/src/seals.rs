//! Certificates, signed assignments, acknowledgements, responses, envelopes: what decodes has one encoding, and
//! nothing forged is taken.

use tacit_wire::envelope::{SignedAcknowledgement, SignedAssignment, SignedResponse};
use tacit_wire::{IdentityKey, SealingKeyCertificate, SealingPublicKey};

/// The target.
pub fn run(data: &[u8]) {
    if let Ok(key) = SealingPublicKey::from_bytes(data) {
        assert_eq!(key.as_bytes().as_slice(), data);
    }
    if let Ok(certificate) = SealingKeyCertificate::decode(data) {
        assert_eq!(certificate.encode(), data);
        let _ = certificate.verify(0);
    }
    if let Ok(signed) = SignedAssignment::decode(data) {
        assert_eq!(signed.encode(), data);
        assert!(signed.verify_envelope(&IdentityKey([1; 32]), data).is_err());
    }
    if let Ok(acknowledgement) = SignedAcknowledgement::decode(data) {
        assert_eq!(acknowledgement.encode(), data);
    }
    match SignedResponse::decode(data) {
        Ok(response) => assert_eq!(response.encode(), data),
        Err(error) => drop(error.to_string()),
    }
}
