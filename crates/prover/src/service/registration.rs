//! The service's own registration: signed anew when something in it has changed or half of its time is over, and else the same bytes.

use std::path::Path;

use tacit_pool::orders::registration::{MAX_ENDPOINT_BYTES, MAX_FEES};
use tacit_pool::orders::{ProverRegistration, Signed};
use tacit_vault::dir;

use super::config::{ServiceConfig, ServiceKeys};
use super::error::StartError;

/// How far wallets' clocks may be behind.
const SKEW: u64 = 300;

/// A registration and its bytes.
#[derive(Debug, Clone)]
pub struct Current {
    /// What it says.
    pub body: ProverRegistration,
    /// As wallets get it.
    pub bytes: Vec<u8>,
}

impl Current {
    /// That which is on disk where it still holds, else a new one, which is on disk when this returns. Sequence numbers go by the clock, so that a
    /// service whose disk was lost does not begin again with numbers that wallets have seen.
    ///
    /// # Errors
    /// When it cannot be signed, read or written.
    pub fn renew(
        path: &Path,
        config: &ServiceConfig,
        keys: &ServiceKeys,
        now: u64,
    ) -> Result<Self, StartError> {
        check(config)?;
        let kept = dir::read_secret(path)?.map(|bytes| Signed::<ProverRegistration>::decode(&bytes));
        let kept = kept.transpose().ok().flatten();
        let lifetime = config.registration.as_secs().max(2);
        let mut body = ProverRegistration {
            place: config.place,
            sequence: 0,
            endpoint: config.endpoint.clone(),
            sealing_key: keys.sealing.public().clone(),
            fee_address: keys.fee_address.clone(),
            fees: config.fees.clone(),
            validity: tacit_pool::orders::Validity {
                from: now.saturating_sub(SKEW),
                until: now.saturating_add(lifetime),
            },
        };
        let mut last = 0;
        if let Some(kept) = kept.filter(|kept| kept.key.id() == keys.order_key.public().id()) {
            last = kept.body.sequence;
            let same =
                ProverRegistration { sequence: 0, validity: body.validity, ..kept.body.clone() } == body;
            let fresh = now >= kept.body.validity.from && now + lifetime / 2 <= kept.body.validity.until;
            if same && fresh {
                return Ok(Self { bytes: kept.encode(), body: kept.body });
            }
        }
        body.sequence = now.max(last.saturating_add(1));
        let signed = Signed::sign(body, &keys.order_key).map_err(|_| StartError::Sign)?;
        let bytes = signed.encode();
        dir::write_secret(path, &bytes)?;
        Ok(Self { body: signed.body, bytes })
    }
}

/// What could be signed and would not be read.
fn check(config: &ServiceConfig) -> Result<(), StartError> {
    let endpoint = &config.endpoint;
    if !endpoint.starts_with("https://") || endpoint.len() > MAX_ENDPOINT_BYTES {
        return Err(StartError::Endpoint(endpoint.clone()));
    }
    let ascending = config.fees.is_sorted_by(|(one, _), (other, _)| one < other);
    if config.fees.len() > MAX_FEES || !ascending {
        return Err(StartError::Fees);
    }
    Ok(())
}
