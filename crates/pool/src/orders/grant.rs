//! An owner lets a prover have its witness data.

use tacit_wire::codec::{DecodeError, Reader, Writer};

use super::signature::OrderKeyId;
use super::{Body, BoundKey, OrderError, Validity, read_place, write_place};
use crate::delivery::Place;
use crate::value::Address;

/// A grant. It says whose requests a prover takes and what it may keep until when; it moves no money, because every
/// transaction needs an intent of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationGrant {
    /// In which pool.
    pub place: Place,
    /// Counts the owner's grants.
    pub sequence: u64,
    /// The owner's address in the registry.
    pub authorizing_address: Address,
    /// To whom.
    pub prover: OrderKeyId,
    /// The rotation epoch whose secrets the prover gets to see.
    pub epoch: u32,
    /// When it holds.
    pub validity: Validity,
}

impl Body for DelegationGrant {
    const KIND: u8 = 2;
    const LABEL: &'static str = "tacit v1 pool delegation grant";
    type Signer = BoundKey;

    fn write(&self, writer: &mut Writer) {
        write_place(self.place, writer);
        writer.u64(self.sequence).raw(&self.authorizing_address.0).raw(&self.prover.0).u32(self.epoch);
        self.validity.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            place: read_place(reader)?,
            sequence: reader.u64("sequence")?,
            authorizing_address: Address(reader.array("authorizing address")?),
            prover: OrderKeyId(reader.array("prover")?),
            epoch: reader.u32("epoch")?,
            validity: Validity::read(reader)?,
        })
    }

    fn signed_by(&self, owner: &BoundKey) -> Result<OrderKeyId, OrderError> {
        owner.key_of(self.authorizing_address)
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
