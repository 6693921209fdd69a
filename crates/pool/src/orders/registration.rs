//! A prover says where it is.

use tacit_wire::SealingPublicKey;
use tacit_wire::codec::{DecodeError, Reader, Writer};
use tacit_wire::seal::PUBLIC_KEY_BYTES;

use super::{Body, OrderError, OrderKeyId, Validity, read_place, write_place};
use crate::delivery::{Place, ReceivingAddress};
use crate::value::{Address, Amount};

/// The longest endpoint, in bytes.
pub const MAX_ENDPOINT_BYTES: usize = 256;
/// How many tokens a prover can name fees for.
pub const MAX_FEES: usize = 64;

/// A prover's registration. A later one (by `sequence`) replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProverRegistration {
    /// For which pool it proves.
    pub place: Place,
    /// Counts its registrations.
    pub sequence: u64,
    /// Where it listens: an `https://` URL.
    pub endpoint: String,
    /// What owners seal witness data to.
    pub sealing_key: SealingPublicKey,
    /// Where fee notes go.
    pub fee_address: ReceivingAddress,
    /// What it asks for one `transact`, by token.
    pub fees: Vec<(Address, Amount)>,
    /// When it holds.
    pub validity: Validity,
}

impl Body for ProverRegistration {
    const KIND: u8 = 1;
    const LABEL: &'static str = "tacit v1 pool prover registration";
    type Signer = OrderKeyId;

    fn write(&self, writer: &mut Writer) {
        write_place(self.place, writer);
        writer.u64(self.sequence).text(&self.endpoint, MAX_ENDPOINT_BYTES);
        writer.raw(self.sealing_key.as_bytes()).bytes(&self.fee_address.encode()).count(self.fees.len());
        for (token, amount) in &self.fees {
            writer.raw(&token.0).raw(&amount.to_be_bytes());
        }
        self.validity.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let place = read_place(reader)?;
        let sequence = reader.u64("sequence")?;
        let endpoint = reader.text("endpoint", MAX_ENDPOINT_BYTES)?;
        if !endpoint.starts_with("https://") {
            return Err(reader.invalid("endpoint", "not an https:// URL"));
        }
        let key: [u8; PUBLIC_KEY_BYTES] = reader.array("sealing key")?;
        let sealing_key =
            SealingPublicKey::from_bytes(&key).map_err(|error| reader.invalid("sealing key", error))?;
        let address = reader.bytes("fee address", 2 * PUBLIC_KEY_BYTES)?;
        let fee_address =
            ReceivingAddress::decode(address).map_err(|error| reader.invalid("fee address", error))?;
        let mut fees: Vec<(Address, Amount)> = Vec::new();
        for _ in 0..reader.count("fees", MAX_FEES)? {
            let token = Address(reader.array("token")?);
            // In order, so that no token is named twice and a list has one encoding.
            if fees.last().is_some_and(|(last, _)| *last >= token) {
                return Err(reader.invalid("token", "tokens are not in ascending order"));
            }
            fees.push((token, Amount::from_be_bytes(&reader.array("fee")?)));
        }
        let validity = Validity::read(reader)?;
        Ok(Self { place, sequence, endpoint, sealing_key, fee_address, fees, validity })
    }

    fn signed_by(&self, prover: &OrderKeyId) -> Result<OrderKeyId, OrderError> {
        Ok(*prover)
    }

    fn place(&self) -> Place {
        self.place
    }

    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn validity(&self) -> Validity {
        self.validity
    }
}
