//! What comes to a prover service from wallets, and to a wallet from a service: work, requests, envelopes, statuses. What is read is what is
//! written, and nothing panics. (Registrations are orders: see [`crate::pool`].)

use std::sync::LazyLock;

use tacit_pool::Address;
use tacit_pool::delivery::Place;
use tacit_pool::orders::OrderKeyId;
use tacit_prover::sealed::Envelope;
use tacit_prover::status::SpendStatus;
use tacit_prover::{Request, Work};
use tacit_wire::SealingKeyPair;

static KEY: LazyLock<SealingKeyPair> = LazyLock::new(|| SealingKeyPair::from_seed(&[1; 32]).expect("a key"));

/// The target: a byte that says what, then that.
pub fn run(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    match kind {
        0 => {
            if let Ok(work) = Work::decode(data) {
                assert_eq!(work.encode().as_slice(), data);
                assert!(work.pool_inputs().0.iter().all(|(_, values)| !values.is_empty()));
                let _ = tacit_prover::check::check(&work);
            }
        }
        1 => {
            if let Ok(request) = Request::decode(data) {
                assert_eq!(request.encode().as_slice(), data);
            }
        }
        2 => {
            if let Ok(envelope) = Envelope::read(data) {
                let place = Place { chain_id: 1, pool: Address::ZERO };
                assert!(envelope.open(&KEY, place, OrderKeyId([0; 32])).is_err(), "nobody sealed this");
            }
        }
        _ => {
            if let Ok(status) = SpendStatus::decode(data) {
                let again = serde_json::to_vec(&status).expect("JSON");
                assert_eq!(SpendStatus::decode(&again).expect("what was written"), status);
            }
        }
    }
}
