//! Keys from a seed phrase.

use tacit_pool::keys::SeedPhraseError;
use tacit_pool::wallet::Keys;
use tacit_pool::{SeedPhrase, WalletSeed};

use crate::common::*;

const ZERO: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

#[test]
fn the_seed_is_bip_39s() {
    // From BIP-39's vectors, passphrase TREZOR.
    let phrase = SeedPhrase::parse(ZERO).unwrap();
    assert_eq!(
        hex::encode(phrase.seed("TREZOR").expose()),
        "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04"
    );
    assert_eq!(phrase.words().as_str(), ZERO);
}

#[test]
fn a_fresh_phrase_has_24_words_and_reads_back() {
    let one = SeedPhrase::generate(&mut rng(1)).unwrap();
    assert_eq!(one.words().split(' ').count(), 24);
    let again = SeedPhrase::parse(&one.words()).unwrap();
    assert_eq!(one.seed("").expose(), again.seed("").expose());
    assert_ne!(one.seed("").expose(), one.seed("x").expose());
    assert_ne!(one.words(), SeedPhrase::generate(&mut rng(2)).unwrap().words());
}

#[test]
fn mistakes_are_named_without_the_words() {
    let cases = [
        ("abandon abandon", SeedPhraseError::WordCount(2)),
        (&ZERO.replacen("about", "abouts", 1) as &str, SeedPhraseError::UnknownWord(12)),
        (&ZERO.replacen("about", "abandon", 1), SeedPhraseError::Checksum),
    ];
    for (words, expected) in cases {
        let error = SeedPhrase::parse(words).unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.to_string().contains("abandon"));
    }
}

/// Every secret of every kind, account and number is its own.
#[test]
fn no_key_is_another() {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for seed in [seed(1), seed(2)] {
        for account in 0..2 {
            all.push(tacit_algebra::field::to_le(seed.owner_nullifier_key(account).expose()));
            for number in 0..2 {
                all.push(tacit_algebra::field::to_le(seed.note_secret_seed(account, number).expose()));
                all.push(tacit_algebra::field::to_le(seed.registration_blinder(account, number).expose()));
                all.push(seed.note_data_key(account, number).unwrap().to_seed().to_vec());
                all.push(tacit_algebra::field::to_le(
                    &seed.eddsa(account, number).unwrap().public().coordinates()[0],
                ));
                all.push(tacit_algebra::field::to_le(&seed.xmss(account, number, 1).unwrap().public().root));
            }
            all.push(seed.order_key(account).public().id().0.to_vec());
        }
    }
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}

/// What a wallet has must be found again by every later version.
#[test]
fn derivation_never_changes() {
    let seed = SeedPhrase::parse(ZERO).unwrap().seed("");
    let text = |x: &tacit_pool::SecretField| hex::encode(tacit_algebra::field::to_be(x.expose()));
    let got = [
        text(&seed.owner_nullifier_key(0)),
        text(&seed.note_secret_seed(0, 1)),
        text(&seed.registration_blinder(1, 2)),
        seed.note_data_key(0, 0).unwrap().id().to_string(),
        hex::encode(tacit_algebra::field::to_be(&seed.eddsa(0, 0).unwrap().public().auth_data())),
        hex::encode(tacit_algebra::field::to_be(&seed.xmss(0, 0, 4).unwrap().public().auth_data())),
        seed.order_key(0).public().id().to_string(),
    ];
    let path = workspace("tests/vectors/pool-keys.json");
    let text = serde_json::to_string_pretty(&got).unwrap() + "\n";
    if std::env::var_os("TACIT_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}

#[test]
fn nothing_secret_is_printed() {
    let seed: WalletSeed = seed(7);
    let keys = Keys::new(&seed, 0, 1).unwrap();
    let shown = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        seed,
        keys,
        seed.owner_nullifier_key(0),
        seed.eddsa(0, 0).unwrap(),
        seed.xmss(0, 0, 1).unwrap(),
        seed.order_key(0),
        SeedPhrase::parse(ZERO).unwrap(),
    );
    assert!(shown.contains("hidden") && !shown.contains("abandon"), "{shown}");
    let key = seed.owner_nullifier_key(0);
    for secret in [tacit_pool::value::field_text(key.expose()), hex::encode(seed.expose())] {
        assert!(!shown.contains(&secret));
    }
}
