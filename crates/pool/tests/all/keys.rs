//! Keys from a seed phrase.

use tacit_algebra::field::to_le;
use tacit_pool::events::Block;
use tacit_pool::keys::SeedPhraseError;
use tacit_pool::wallet::{Keys, RegistrationError, WalletError};
use tacit_pool::xmss::StoredKey;
use tacit_pool::{Place, Rules, SeedPhrase, WalletSeed};

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

fn elsewhere() -> [Place; 3] {
    [place(), Place { chain_id: 1, ..place() }, Place { pool: TOKEN, ..place() }]
}

/// Every secret of every kind, place, account and number is its own.
#[test]
fn no_key_is_another() {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for seed in [seed(1), seed(2)] {
        for (place, account) in elsewhere().into_iter().flat_map(|place| [(place, 0), (place, 1)]) {
            all.push(to_le(seed.owner_nullifier_key(place, account).expose()));
            for number in 0..2 {
                all.push(to_le(seed.note_secret_seed(place, account, number).expose()));
                all.push(seed.note_data_key(place, account, number).unwrap().to_seed().to_vec());
                all.push(to_le(&seed.eddsa(place, account, number).unwrap().public().coordinates()[0]));
            }
            all.push(seed.order_key(place, account).public().id().0.to_vec());
        }
    }
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}

/// What somebody sees of an owner in one pool is nowhere in another, under the same phrase and account.
#[test]
fn two_pools_under_one_phrase_share_nothing() {
    let seed = seed(1);
    let [here, chain, pool] = elsewhere().map(|place| {
        let keys = Keys::new(&seed, place, 0).unwrap();
        let readers: Vec<_> = keys.readers().map(|key| key.public().as_bytes().to_vec()).collect();
        (
            *keys.owner(),
            keys.note_secret_seed_hash(0),
            keys.eddsa(0).unwrap().public().auth_data(),
            readers,
            keys.order_key().public().id(),
        )
    });
    for (one, other) in [(&here, &chain), (&here, &pool), (&chain, &pool)] {
        assert!(
            one.0 != other.0 && one.1 != other.1 && one.2 != other.2 && one.3 != other.3 && one.4 != other.4
        );
    }
    // And the keys of one place do nothing to the wallet of another.
    let mut alice = Person::new(Rules::TACIT, 1);
    let mut keys = Keys::new(&seed, elsewhere()[2], 0).unwrap();
    let block = Block { number: 1, hash: [1; 32], timestamp: NOON, events: Vec::new() };
    assert_eq!(alice.wallet.apply(&block, &mut keys), Err(WalletError::Keys));
    assert_eq!(alice.wallet.receiving_address(&keys), Err(RegistrationError::Keys.into()));
}

/// What a wallet has must be found again by every later version.
#[test]
fn derivation_never_changes() {
    let seed = SeedPhrase::parse(ZERO).unwrap().seed("");
    let text = |x: &tacit_pool::SecretField| hex::encode(tacit_algebra::field::to_be(x.expose()));
    let got = [
        text(&seed.owner_nullifier_key(place(), 0)),
        text(&seed.note_secret_seed(place(), 0, 1)),
        seed.note_data_key(place(), 0, 0).unwrap().id().to_string(),
        hex::encode(tacit_algebra::field::to_be(&seed.eddsa(place(), 0, 0).unwrap().public().auth_data())),
        seed.order_key(place(), 0).public().id().to_string(),
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
    let keys = Keys::new(&seed, place(), 0).unwrap();
    let xmss = StoredKey::generate(1, &mut rng(1)).unwrap();
    let shown = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        seed,
        keys,
        keys.owner_nullifier_key(),
        keys.eddsa(0).unwrap(),
        xmss,
        xmss.signing_key().unwrap(),
        keys.order_key(),
        SeedPhrase::parse(ZERO).unwrap(),
    );
    assert!(shown.contains("hidden") && !shown.contains("abandon"), "{shown}");
    let key = tacit_pool::value::field_text(keys.owner_nullifier_key().expose());
    let stored: serde_json::Value = serde_json::to_value(&xmss).unwrap();
    for secret in [key.as_str(), &hex::encode(seed.expose()), stored["seed"].as_str().unwrap()] {
        assert!(!shown.contains(secret));
    }
}
