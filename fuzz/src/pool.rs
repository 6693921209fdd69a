//! What comes to a wallet or prover of the shielded pool from outside: orders, receiving addresses, intents, note data, and its own file. What is
//! read is what is written, and nothing panics.

use std::sync::LazyLock;

use tacit_pool::delivery::{self, Place};
use tacit_pool::orders::{
    Body, DelegationGrant, KeyBinding, ProverRegistration, RotationNotice, Signed, Validity,
};
use tacit_pool::wallet::Keys;
use tacit_pool::{Address, Amount, Intent, IntentFields, ReceivingAddress, Rules, Wallet, WalletSeed};

pub(crate) const PLACE: Place = Place { chain_id: 1, pool: Address::ZERO };

static KEYS: LazyLock<Keys> =
    LazyLock::new(|| Keys::new(&WalletSeed::from_bytes(&[1; 64]), PLACE, 0).expect("keys"));

/// The target: a byte that says what, then that.
pub fn run(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    let text = std::str::from_utf8(data).unwrap_or_default();
    match kind {
        0 => {
            if let Some(order) = order::<ProverRegistration>(data) {
                let Validity { from, .. } = order.body.validity();
                let _ = order.verify(&order.key.id(), order.body.place(), order.body.sequence(), from);
            }
        }
        1 => drop(order::<DelegationGrant>(data)),
        2 => drop(order::<RotationNotice>(data)),
        3 => {
            if let Ok(address) = ReceivingAddress::decode(data) {
                assert_eq!(address.encode(), data);
            }
            if let Ok(address) = ReceivingAddress::parse(text, &PLACE) {
                assert_eq!(address.to_text(&PLACE), text.trim());
            }
        }
        4 => {
            if let Ok(address) = text.parse::<Address>() {
                assert_eq!(Address::from_field(&address.to_field()), Ok(address));
            }
            if let Ok(amount) = text.parse::<Amount>() {
                assert_eq!(amount.to_string(), text);
            }
        }
        5 => intent(data),
        6 => {
            for key in KEYS.readers() {
                assert_eq!(delivery::open(PLACE, key, data), None, "nobody sealed this");
            }
        }
        7 => wallet(data),
        _ => {
            if let Ok(binding) = KeyBinding::decode(data) {
                assert_eq!(binding.encode(), data);
                let _ = binding.verify(binding.authorizing_address, binding.place, 0, binding.validity.from);
            }
        }
    }
}

fn order<B: Body>(data: &[u8]) -> Option<Signed<B>> {
    let order = Signed::<B>::decode(data).ok()?;
    assert_eq!(order.encode(), data);
    Some(order)
}

fn intent(data: &[u8]) {
    let Ok(fields) = serde_json::from_slice::<IntentFields>(data) else { return };
    let again = serde_json::to_vec(&fields).expect("JSON");
    assert_eq!(serde_json::from_slice::<IntentFields>(&again).expect("what was written"), fields);
    if let Ok(intent) = Intent::try_from(fields) {
        assert_ne!(intent.digest(Rules::EIP), intent.digest(Rules::TACIT));
        assert!(intent.total() >= intent.fields().amount);
    }
}

/// A stored wallet that is taken works.
fn wallet(data: &[u8]) {
    let Ok(mut wallet) = Wallet::decode(data) else { return };
    let bytes = wallet.encode().expect("a stored form");
    assert!(Wallet::decode(&bytes).is_ok_and(|again| again == wallet));
    drop((wallet.balances(), wallet.epochs_done(), wallet.note_root(), wallet.registry_path()));
    let anchors: Vec<u64> = wallet.anchors().map(|anchor| anchor.number).collect();
    for number in anchors {
        let _ = wallet.rewind(number);
        let _ = wallet.note_root();
    }
}
