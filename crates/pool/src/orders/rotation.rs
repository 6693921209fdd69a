//! An owner says that an epoch ends.

use tacit_wire::codec::{DecodeError, Reader, Writer};

use super::signature::OrderKeyId;
use super::{Body, BoundKey, OrderError, Validity, read_place, write_place};
use crate::delivery::Place;
use crate::value::Address;

/// How many provers a notice can name.
pub const MAX_FORMER: usize = 256;

/// A notice of rotation: grants of earlier epochs hold no more. It takes effect in the pool by the owner's `setAuthPolicy` and
/// not by this notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationNotice {
    /// In which pool.
    pub place: Place,
    /// Counts the owner's notices.
    pub sequence: u64,
    /// The owner's address in the registry.
    pub authorizing_address: Address,
    /// The first epoch that goes on.
    pub epoch: u32,
    /// The registry's version of the policy from this epoch on.
    pub policy_version: u32,
    /// Who is asked to forget what it was given, in ascending order.
    pub former: Vec<OrderKeyId>,
    /// When it holds.
    pub validity: Validity,
}

impl Body for RotationNotice {
    const KIND: u8 = 3;
    const LABEL: &'static str = "tacit v1 pool rotation notice";
    type Signer = BoundKey;

    fn write(&self, writer: &mut Writer) {
        write_place(self.place, writer);
        writer.u64(self.sequence).raw(&self.authorizing_address.0).u32(self.epoch).u32(self.policy_version);
        writer.count(self.former.len());
        for prover in &self.former {
            writer.raw(&prover.0);
        }
        self.validity.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let place = read_place(reader)?;
        let sequence = reader.u64("sequence")?;
        let authorizing_address = Address(reader.array("authorizing address")?);
        let epoch = reader.u32("epoch")?;
        let policy_version = reader.u32("policy version")?;
        let mut former: Vec<OrderKeyId> = Vec::new();
        for _ in 0..reader.count("former provers", MAX_FORMER)? {
            let prover = OrderKeyId(reader.array("former prover")?);
            if former.last().is_some_and(|last| *last >= prover) {
                return Err(reader.invalid("former prover", "provers are not in ascending order"));
            }
            former.push(prover);
        }
        let validity = Validity::read(reader)?;
        Ok(Self { place, sequence, authorizing_address, epoch, policy_version, former, validity })
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
