//! The seal against vectors that others published.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Given, read_vectors, unhex};
use hpke::{Deserializable, Kem, Serializable, kem::XWing};
use tacit_wire::{
    OpenError, SealingKeyPair, SealingPublicKey,
    seal::{self, AEAD_ID, ENCAPSULATION_BYTES, KDF_ID, KEM_ID},
};

#[test]
fn xwing_vectors_of_the_draft() {
    let file = read_vectors("xwing");
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 3);
    for vector in vectors {
        let secret_bytes: [u8; 32] = unhex(&vector["secret_key"]).try_into().unwrap();
        let public_bytes = unhex(&vector["public_key"]);

        let pair = SealingKeyPair::from_seed(&secret_bytes).unwrap();
        assert_eq!(pair.public().as_bytes().as_slice(), public_bytes, "key generation");

        let public = <XWing as Kem>::PublicKey::from_bytes(&public_bytes).unwrap();
        let randomness = unhex(&vector["encapsulation_randomness"]);
        let (secret, encapsulation) = XWing::encap_with_rng(&public, None, &mut Given(&randomness)).unwrap();
        assert_eq!(encapsulation.to_bytes().as_slice(), unhex(&vector["ciphertext"]), "encapsulation");
        assert_eq!(secret.0.as_slice(), unhex(&vector["shared_secret"]), "encapsulated secret");

        let private = <XWing as Kem>::PrivateKey::from_bytes(&secret_bytes).unwrap();
        let ciphertext = <XWing as Kem>::EncappedKey::from_bytes(&unhex(&vector["ciphertext"])).unwrap();
        let secret = XWing::decap(&private, None, &ciphertext).unwrap();
        assert_eq!(secret.0.as_slice(), unhex(&vector["shared_secret"]), "decapsulated secret");
    }
}

#[test]
fn hpke_vectors_of_the_working_group() {
    let file = read_vectors("hpke-xwing");
    assert_eq!(
        [file["kem_id"].as_u64(), file["kdf_id"].as_u64(), file["aead_id"].as_u64()],
        [KEM_ID, KDF_ID, AEAD_ID].map(|id| Some(id.into())),
        "the suite of the vectors is the suite of the seal"
    );
    for vector in file["vectors"].as_array().unwrap() {
        let field = |name: &str| unhex(&vector[name]);

        let (secret, public) = XWing::derive_keypair(&field("key_material"));
        assert_eq!(secret.to_bytes().as_slice(), field("secret_key"));
        assert_eq!(public.to_bytes().as_slice(), field("public_key"));

        let public = SealingPublicKey::from_bytes(&field("public_key")).unwrap();
        let randomness = field("encapsulation_randomness");
        let sealed =
            seal::seal(&public, &field("info"), &field("aad"), &field("plaintext"), &mut Given(&randomness))
                .unwrap();
        let (encapsulation, ciphertext) = sealed.split_at(ENCAPSULATION_BYTES);
        assert_eq!(encapsulation, field("encapsulation"));
        assert_eq!(ciphertext, field("ciphertext"));

        let pair = SealingKeyPair::from_seed(&field("secret_key").try_into().unwrap()).unwrap();
        let opened = seal::open(&pair, &field("info"), &field("aad"), &sealed).unwrap();
        assert_eq!(*opened, field("plaintext"));
        assert_eq!(
            seal::open(&pair, &field("info"), b"other", &sealed),
            Err(OpenError::Authentication { key: pair.id() })
        );
    }
}
