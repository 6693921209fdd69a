//! Whoever swaps, replays, forges or changes something is found out, and the right one is blamed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::*;
use tacit_wire::{
    Acknowledgement, Blame, CertificateError, Digest32, Identity, OpenError, PeerMisbehaved, Purpose,
    SealError, SealingKeyCertificate, SealingKeyPair, SealingPublicKey, SignedAcknowledgement,
    SignedAssignment, SignedResponse, Slot,
    envelope::{Recipient, open_package, open_response, seal_package, seal_response},
    identity::Label,
    seal,
};

const DEAL: [u8; 32] = [0xd0; 32];
const OTHER_DEAL: [u8; 32] = [0xd1; 32];
const PACKAGE: &[u8] = b"salt and shares";

struct Sent {
    signed: SignedAssignment,
    envelope: Vec<u8>,
    key: SealingKeyPair,
}

fn sent() -> Sent {
    let (signed, envelope) =
        seal_package(&client(), DEAL, Slot::index(2), &certificate(), PACKAGE, &mut rng(1)).unwrap();
    Sent { signed, envelope, key: node_sealing_key() }
}

impl Sent {
    fn recipient(&self) -> Recipient<'_> {
        Recipient { node: node().key(), key: &self.key, epoch: EPOCH }
    }

    fn open(&self) -> Result<Vec<u8>, PeerMisbehaved> {
        open_package(&self.signed, &client().key(), &DEAL, self.recipient(), &self.envelope)
            .map(|package| package.to_vec())
    }
}

#[test]
fn an_honest_envelope_opens() {
    assert_eq!(sent().open().unwrap(), PACKAGE);
}

#[test]
fn an_assignment_signed_by_another_client_is_refused() {
    let mut sent = sent();
    sent.signed = SignedAssignment::sign(&Identity::from_seed(&[9; 32]), sent.signed.assignment);
    let error = sent.open().unwrap_err();
    assert!(matches!(&error, PeerMisbehaved::ForgedAssignment(error) if error.key == client().key()));
    assert_eq!(error.culprits(), [Blame::Client, Blame::Coordinator]);
}

#[test]
fn a_swapped_envelope_is_the_coordinators_doing() {
    let mut sent = sent();
    sent.envelope[2000 % sent.signed.encode().len()] ^= 1;
    let error = sent.open().unwrap_err();
    assert!(matches!(error, PeerMisbehaved::SwappedEnvelope { .. }));
    assert_eq!(error.blame(), Blame::Coordinator);

    // An envelope of the same client for another index, under this assignment.
    let (_, other) =
        seal_package(&client(), DEAL, Slot::index(3), &certificate(), PACKAGE, &mut rng(2)).unwrap();
    sent.envelope = other;
    assert!(matches!(sent.open().unwrap_err(), PeerMisbehaved::SwappedEnvelope { .. }));
}

#[test]
fn an_envelope_for_another_deal_is_refused() {
    let sent = sent();
    let error = open_package(&sent.signed, &client().key(), &OTHER_DEAL, sent.recipient(), &sent.envelope)
        .unwrap_err();
    assert_eq!(error, PeerMisbehaved::WrongDeal { expected: Digest32(OTHER_DEAL), got: Digest32(DEAL) });
}

/// Bold rule: the deal feeds every envelope's associated data. Else a malicious client takes an honest client's
/// envelope, signs it for a deal of its own with other public inputs, and gets a second `C` under one mask.
#[test]
fn an_envelope_replayed_under_another_deal_by_another_client_does_not_open() {
    let sent = sent();
    let thief = Identity::from_seed(&[66; 32]);

    // Weakened: sealed without info and associated data, the replay works.
    let bare = seal::seal(sent.key.public(), b"", b"", PACKAGE, &mut rng(3)).unwrap();
    assert_eq!(*seal::open(&sent.key, b"", b"", &bare).unwrap(), PACKAGE);

    let mut seat = sent.signed.assignment.seat;
    seat.deal.0 = OTHER_DEAL;
    let signed = SignedAssignment::sign(&thief, seat.assign(&sent.envelope));
    let error =
        open_package(&signed, &thief.key(), &OTHER_DEAL, sent.recipient(), &sent.envelope).unwrap_err();
    assert_eq!(error, PeerMisbehaved::UnopenableEnvelope(OpenError::Authentication { key: sent.key.id() }));
    assert_eq!(error.blame(), Blame::Client);
}

/// The same for every other field of the seat: an envelope opens for one seat only.
#[test]
fn an_envelope_opens_for_its_own_seat_only() {
    let sent = sent();
    let honest = sent.signed.assignment.seat;
    for change in 0..3 {
        let mut seat = honest;
        match change {
            0 => seat.index = 3,
            1 => seat.group = 1,
            _ => seat.slice = 1,
        }
        let signed = SignedAssignment::sign(&client(), seat.assign(&sent.envelope));
        let error =
            open_package(&signed, &client().key(), &DEAL, sent.recipient(), &sent.envelope).unwrap_err();
        assert!(matches!(error, PeerMisbehaved::UnopenableEnvelope(_)), "change {change}: {error}");
    }
}

#[test]
fn an_assignment_for_another_node_key_or_epoch_is_refused() {
    let sent = sent();
    let open = |recipient| {
        open_package(&sent.signed, &client().key(), &DEAL, recipient, &sent.envelope).unwrap_err()
    };

    let other = Identity::from_seed(&[8; 32]).key();
    let error = open(Recipient { node: other, ..sent.recipient() });
    assert_eq!(error, PeerMisbehaved::WrongAddressee { expected: other, got: node().key() });
    assert_eq!(error.blame(), Blame::Coordinator);

    let newer = SealingKeyPair::from_seed(&[5; 32]).unwrap();
    let error = open(Recipient { key: &newer, ..sent.recipient() });
    assert!(matches!(error, PeerMisbehaved::UnknownSealingKey { .. }));
    assert_eq!(error.blame(), Blame::Nobody, "the key may have been rotated in between");

    let error = open(Recipient { epoch: EPOCH + 1, ..sent.recipient() });
    assert_eq!(error, PeerMisbehaved::WrongEpoch { expected: EPOCH + 1, got: EPOCH });
}

#[test]
fn garbage_that_the_client_signed_is_the_clients_doing() {
    let mut sent = sent();
    for garbage in [Vec::new(), vec![0; 10], vec![0; 4000]] {
        sent.signed = SignedAssignment::sign(&client(), sent.signed.assignment.seat.assign(&garbage));
        sent.envelope = garbage;
        let error = sent.open().unwrap_err();
        assert!(matches!(error, PeerMisbehaved::UnopenableEnvelope(_)));
        assert_eq!(error.blame(), Blame::Client);
    }
}

struct Answered {
    sent: Sent,
    acknowledgement: SignedAcknowledgement,
    sealed: Vec<u8>,
}

fn answered() -> Answered {
    let sent = sent();
    let acknowledgement = Acknowledgement::new(&sent.signed.assignment, PACKAGE);
    let sealed = seal_response(
        &node(),
        &sent.signed.assignment,
        &acknowledgement,
        b"three group elements",
        assembler_key().public(),
        &mut rng(4),
    )
    .unwrap();
    Answered { sent, acknowledgement: SignedAcknowledgement::sign(&node(), acknowledgement), sealed }
}

impl Answered {
    fn open(&self) -> Result<SignedResponse, PeerMisbehaved> {
        open_response(&assembler_key(), &self.sent.signed.assignment, &self.acknowledgement, &self.sealed)
    }
}

#[test]
fn an_honest_response_opens() {
    let answered = answered();
    assert_eq!(answered.open().unwrap().response, b"three group elements");
    answered.acknowledgement.verify_package(&answered.sent.signed.assignment, PACKAGE).unwrap();
}

#[test]
fn a_response_signed_by_the_wrong_key_is_refused() {
    let mut answered = answered();
    let assignment = answered.sent.signed.assignment;
    answered.sealed = seal_response(
        &Identity::from_seed(&[7; 32]),
        &assignment,
        &answered.acknowledgement.acknowledgement,
        b"three other elements",
        assembler_key().public(),
        &mut rng(5),
    )
    .unwrap();
    let error = answered.open().unwrap_err();
    assert!(matches!(&error, PeerMisbehaved::ForgedResponse(error) if error.key == node().key()));
    assert!(error.to_string().contains(&node().key().to_string()));
    assert_eq!(error.culprits(), [Blame::Node, Blame::Coordinator]);
}

#[test]
fn a_response_moved_to_another_index_or_deal_does_not_open() {
    let answered = answered();
    let mut seat = answered.sent.signed.assignment.seat;
    for change in 0..2 {
        match change {
            0 => seat.index = 3,
            _ => seat.deal.0 = OTHER_DEAL,
        }
        let moved = seat.assign(&answered.sent.envelope);
        let acknowledgement = SignedAcknowledgement::sign(&node(), Acknowledgement::new(&moved, PACKAGE));
        let error = open_response(&assembler_key(), &moved, &acknowledgement, &answered.sealed).unwrap_err();
        assert!(matches!(error, PeerMisbehaved::UnopenableResponse { .. }), "{error}");
    }
}

#[test]
fn an_acknowledgement_of_something_else_names_the_node() {
    let answered = answered();
    let assignment = answered.sent.signed.assignment;

    let error = answered.acknowledgement.verify_package(&assignment, b"another package").unwrap_err();
    assert_eq!(error, PeerMisbehaved::AcknowledgedAnotherPackage { node: node().key() });
    assert_eq!((error.blame(), error.culprit_identity()), (Blame::Node, Some(node().key())));

    let mut seat = assignment.seat;
    seat.index = 4;
    let other = seat.assign(&answered.sent.envelope);
    let error = answered.acknowledgement.verify(&other).unwrap_err();
    assert!(matches!(error, PeerMisbehaved::AcknowledgedAnotherAssignment { .. }));
    // An honest node's acknowledgement of another deal looks like this when the coordinator swaps it in: nobody is
    // named for certain.
    assert_eq!(error.culprits(), [Blame::Node, Blame::Coordinator]);
    assert_eq!((error.blame(), error.culprit_identity()), (Blame::Nobody, None));

    let forged = SignedAcknowledgement::sign(&client(), answered.acknowledgement.acknowledgement);
    let error = forged.verify(&assignment).unwrap_err();
    assert!(matches!(error, PeerMisbehaved::ForgedAcknowledgement(_)));
}

/// The salt keeps a coordinator from testing guesses about a package against its acknowledgement, and the digest
/// covers the associated data, so that one package in two seats has two digests.
#[test]
fn acknowledged_digests_differ_between_seats() {
    let sent = sent();
    let mut seat = sent.signed.assignment.seat;
    seat.index = 3;
    let other = seat.assign(&sent.envelope);
    let first = Acknowledgement::new(&sent.signed.assignment, PACKAGE);
    let second = Acknowledgement::new(&other, PACKAGE);
    assert_ne!(first.package, second.package);
    assert_ne!(first.assignment, second.assignment);
}

#[test]
fn a_signature_serves_one_purpose_only() {
    let labels = [Label::Assignment, Label::Acknowledgement, Label::Response, Label::Certificate];
    for made in labels {
        let signature = client().sign(made, b"message");
        for asked in labels {
            assert_eq!(client().key().verify(asked, b"message", &signature).is_ok(), made == asked);
        }
        assert!(client().key().verify(made, b"messagf", &signature).is_err());
        assert!(node().key().verify(made, b"message", &signature).is_err());
    }
}

#[test]
fn a_small_order_identity_verifies_nothing() {
    // The neutral element as key accepts the signature (neutral, 0) of any message unless verification is strict.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let key = tacit_wire::IdentityKey(neutral);
    assert!(key.verify(Label::Assignment, b"anything", &tacit_wire::Signature(signature)).is_err());
}

#[test]
fn certificates_bind_identity_purpose_and_time() {
    let certificate = certificate();
    let now = NOT_BEFORE + 1;
    certificate.verify_for(Purpose::NodeEnvelope, node().key(), now).unwrap();
    certificate.verify(NOT_BEFORE).unwrap();
    certificate.verify(EXPIRY).unwrap();

    let error = certificate.verify_for(Purpose::NodeEnvelope, client().key(), now).unwrap_err();
    assert_eq!(error, CertificateError::WrongIdentity { expected: client().key(), got: node().key() });
    assert!(error.to_string().contains(&node().key().to_string()));
    assert!(error.to_string().contains(&client().key().to_string()));
    assert!(matches!(
        certificate.verify_for(Purpose::Assembler, node().key(), now),
        Err(CertificateError::WrongPurpose { .. })
    ));
    assert!(matches!(certificate.verify(NOT_BEFORE - 1), Err(CertificateError::NotYetValid { .. })));
    assert!(matches!(certificate.verify(EXPIRY + 1), Err(CertificateError::Expired { .. })));

    let mut longer = certificate.clone();
    longer.expiry += 1;
    assert!(matches!(longer.verify(now), Err(CertificateError::Signature(_))));
    let mut swapped = certificate;
    let pair = SealingKeyPair::from_seed(&[1; 32]).unwrap();
    swapped.public_key = pair.public().clone();
    swapped.key_id = pair.id();
    assert!(matches!(swapped.verify(now), Err(CertificateError::Signature(_))));
}

#[test]
fn a_certificate_whose_key_id_is_not_its_keys_does_not_decode() {
    let mut bytes = certificate().encode();
    bytes[2 + 1 + 32] ^= 1;
    let error = SealingKeyCertificate::decode(&bytes).unwrap_err();
    assert!(error.to_string().contains("its hash is not the key id"), "{error}");
}

#[test]
fn nothing_secret_in_debug() {
    let identity = client();
    let pair = node_sealing_key();
    let text = format!("{identity:?} {pair:?}");
    assert!(!text.contains(&hex::encode(*identity.to_seed())));
    assert!(!text.contains(&hex::encode(*pair.to_seed())));
    assert!(text.contains(&identity.key().to_string()));
}

#[test]
fn identities_survive_pem() {
    let identity = client();
    let again = Identity::from_pkcs8_pem(&identity.to_pkcs8_pem().unwrap()).unwrap();
    assert_eq!(again.key(), identity.key());
    assert!(
        Identity::from_pkcs8_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").is_err()
    );
    // As `openssl genpkey -algorithm ed25519` writes it: RFC 8410, section 10.3.
    let openssl = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                   -----END PRIVATE KEY-----\n";
    let key = Identity::from_pkcs8_pem(openssl).unwrap().key();
    assert_eq!(key.to_string(), "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
}

#[test]
fn what_is_no_public_key_is_refused() {
    let key = node_sealing_key().public().as_bytes().to_vec();
    assert!(SealingPublicKey::from_bytes(&key).is_ok());
    for wrong in [&key[1..], &[key.as_slice(), &[0]].concat(), &[]] {
        assert_eq!(SealingPublicKey::from_bytes(wrong), Err(SealError::PublicKeyLength { got: wrong.len() }));
    }
    // ML-KEM coefficients that are not below q: FIPS 203 wants them refused.
    assert_eq!(SealingPublicKey::from_bytes(&vec![0xff; key.len()]), Err(SealError::PublicKey));
}

#[test]
fn a_truncated_or_changed_seal_does_not_open() {
    let key = node_sealing_key();
    let sealed = seal::seal(key.public(), b"info", b"aad", PACKAGE, &mut rng(6)).unwrap();
    assert_eq!(sealed.len(), PACKAGE.len() + seal::OVERHEAD_BYTES);
    for length in [0, 1, seal::ENCAPSULATION_BYTES, seal::OVERHEAD_BYTES - 1] {
        assert_eq!(
            seal::open(&key, b"info", b"aad", &sealed[..length]),
            Err(OpenError::TooShort { got: length })
        );
    }
    assert!(seal::open(&key, b"info", b"aad", &sealed[..sealed.len() - 1]).is_err());
    // ML-KEM part, X25519 part, ciphertext, tag.
    for at in [0, 1100, seal::ENCAPSULATION_BYTES, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(seal::open(&key, b"info", b"aad", &changed).is_err(), "byte {at}");
    }
    assert!(seal::open(&key, b"other", b"aad", &sealed).is_err());
    assert!(seal::open(&key, b"info", b"other", &sealed).is_err());
    let long = vec![0; seal::MAX_INFO_BYTES + 1];
    assert!(matches!(
        seal::seal(key.public(), &long, b"", b"", &mut rng(7)),
        Err(SealError::InfoTooLong { .. })
    ));
    assert!(matches!(seal::open(&key, &long, b"", &sealed), Err(OpenError::InfoTooLong { .. })));
}
