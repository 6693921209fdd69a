//! Note data and receiving addresses.

use proptest::prelude::*;
use tacit_pool::delivery::{
    AddressTextError, MEMO_BYTES, NOTE_DATA_BYTES, Place, memo, memo_text, note_data_hash, open, seal_dummy,
    seal_note,
};
use tacit_pool::{Address, NoteBody, ReceivingAddress, Rules, SecretField};

use crate::common::*;

fn note(person: &Person) -> NoteBody {
    NoteBody {
        owner_nullifier_key_hash: *person.keys.owner(),
        note_secret: SecretField::new(fr(77)),
        amount: amount(12),
        token: TOKEN,
    }
}

#[test]
fn its_owner_opens_it_and_nobody_else() {
    let (alice, bob) = (Person::new(Rules::TACIT, 1), Person::new(Rules::TACIT, 2));
    let address = alice.address();
    let words = memo("for the cake").unwrap();
    let data = seal_note(place(), &address.key, &note(&alice), &words, &mut rng(1)).unwrap();
    let key = |person: &Person| person.keys.readers().next().unwrap().clone();
    let opened = open(place(), &key(&alice), &data).unwrap();
    assert_eq!(memo_text(&opened.memo), "for the cake");
    let body = note(&alice);
    let commitment = tacit_pool::note::note_commitment(&body.commitment(), 9);
    assert_eq!(opened.clone().note(alice.keys.owner(), &commitment, 9).unwrap().body, body);
    // Another leaf, another commitment, another owner: no payment.
    assert_eq!(opened.clone().note(alice.keys.owner(), &commitment, 8), None);
    assert_eq!(opened.clone().note(alice.keys.owner(), &fr(1), 9), None);
    assert_eq!(opened.note(bob.keys.owner(), &commitment, 9), None);
    assert_eq!(open(place(), &key(&bob), &data), None);
    for other in [Place { chain_id: 1, ..place() }, Place { pool: TOKEN, ..place() }] {
        assert_eq!(open(other, &key(&alice), &data), None, "sealed for another pool");
    }
}

#[test]
fn notes_and_dummies_have_one_shape() {
    let alice = Person::new(Rules::TACIT, 1);
    let address = alice.address();
    let mut rng = rng(3);
    let real = seal_note(place(), &address.key, &note(&alice), &[0; MEMO_BYTES], &mut rng).unwrap();
    let dummy = seal_dummy(place(), &mut rng).unwrap();
    assert_eq!((real.len(), dummy.len()), (NOTE_DATA_BYTES, NOTE_DATA_BYTES));
    assert_eq!(real[0], dummy[0]);
    // An X25519 share is below 2^255 - 19: random bytes in its place would show that there is no key.
    // X-Wing: ML-KEM's ciphertext (1088), then X25519's share.
    for _ in 0..16 {
        let dummy = seal_dummy(place(), &mut rng).unwrap();
        assert_eq!(dummy[1 + 1088 + 31] & 0x80, 0);
    }
    let key = alice.keys.readers().next().unwrap();
    assert_eq!(open(place(), key, &dummy), None);
    assert_ne!(note_data_hash(&real), note_data_hash(&dummy));
}

#[test]
fn memos_are_shown_without_surprises() {
    assert_eq!(memo(&"x".repeat(MEMO_BYTES + 1)), None);
    assert_eq!(memo_text(&memo("a\u{1b}[2Jb\n").unwrap()), "a[2Jb");
    assert_eq!(memo_text(&memo("").unwrap()), "");
    assert_eq!(memo_text(&[0xff; MEMO_BYTES]).chars().count(), MEMO_BYTES);
}

#[test]
fn a_receiving_address_reads_back_and_notices_mistakes() {
    let address = Person::new(Rules::TACIT, 1).address();
    let text = address.to_text(&place());
    assert!(text.starts_with("tacit1"));
    let read = |text: &str| ReceivingAddress::parse(text, &place());
    assert_eq!(read(&format!("  {text}\n")), Ok(address.clone()));
    for at in [6, 40, 100, 1000, text.len() - 1] {
        let mut typo = text.clone();
        let digit = if &text[at..=at] == "0" { "1" } else { "0" };
        typo.replace_range(at..=at, digit);
        assert_eq!(read(&typo), Err(AddressTextError::Checksum(place())), "{at}");
    }
    for bad in ["", "tacit1", "tacit10", "btc1ff", &text.to_uppercase()] {
        assert!(matches!(read(bad), Err(AddressTextError::Form(_))), "{bad}");
    }
    assert!(read(&text[..text.len() - 2]).is_err());
    // What is well formed and confirmed, and not an address.
    let mut hasher = blake3::Hasher::new_derive_key("tacit v1 pool receiving address");
    let sum = hasher.update(&place().encode()).update(&[1, 2]).finalize();
    let nothing = format!("tacit10102{}", hex::encode(&sum.as_bytes()[..8]));
    assert!(matches!(read(&nothing), Err(AddressTextError::Decode(_))));
    let mut bytes = address.encode();
    bytes[0] = 2;
    assert!(ReceivingAddress::decode(&bytes).is_err(), "another version");
    let mut bytes = address.encode();
    bytes[1..33].fill(0);
    assert!(ReceivingAddress::decode(&bytes).unwrap_err().to_string().contains("nobody"));
    bytes[1..33].fill(0xff);
    assert!(ReceivingAddress::decode(&bytes).is_err(), "an owner that is not canonical");
}

/// Money sent to an address of another pool may be lost: the same owner and key, written for one place, are nothing in another.
#[test]
fn a_receiving_address_is_of_one_pool() {
    let address = Person::new(Rules::TACIT, 1).address();
    for other in [Place { chain_id: 1, ..place() }, Place { pool: TOKEN, ..place() }] {
        let error = ReceivingAddress::parse(&address.to_text(&other), &place()).unwrap_err();
        assert_eq!(error, AddressTextError::Checksum(place()));
        let said = error.to_string();
        assert!(said.contains(&place().to_string()) && said.contains("another pool or chain"), "{said}");
        assert_eq!(ReceivingAddress::parse(&address.to_text(&other), &other), Ok(address.clone()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_note_data_does_not_open(at in 0usize..NOTE_DATA_BYTES, bit in 0u8..8, cut in 0usize..NOTE_DATA_BYTES) {
        let alice = Person::new(Rules::TACIT, 1);
        let key = alice.keys.readers().next().unwrap();
        let mut data = seal_note(place(), key.public(), &note(&alice), &[0; MEMO_BYTES], &mut rng(1)).unwrap();
        prop_assert!(open(place(), key, &data).is_some());
        prop_assert_eq!(open(place(), key, &data[..cut]), None);
        data[at] ^= 1 << bit;
        prop_assert_eq!(open(place(), key, &data), None);
    }

    #[test]
    fn any_bytes_are_an_address_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..1400), text in "tacit1[0-9a-f]{0,40}|.{0,20}") {
        if let Ok(address) = ReceivingAddress::decode(&bytes) {
            prop_assert_eq!(address.encode(), bytes);
        }
        prop_assert!(ReceivingAddress::parse(&text, &place()).is_err());
    }
}

#[test]
fn ether_is_the_zero_token() {
    assert_eq!(Address::ZERO.to_field(), fr(0));
}
