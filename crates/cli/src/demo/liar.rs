//! A node that lies, for the demo: it takes over the identity of one of the network's nodes, speaks the protocol as that would, and
//! signs answers that are off by one point. The product's node has no way to do this.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tacit_algebra::{Bn254, Group, Groups, Point};
use tacit_delegate::{Acknowledgement, DealHeader, Layout, Package, respond};
use tacit_groth16::ProvingKey;
use tacit_net::{Connection, Dialer, Settings};
use tacit_vault::{DataDir, HeldKey, KeyRing, identity, keyring};
use tacit_wire::envelope::{Recipient, open_package, seal_response};
use tacit_wire::messages::{Answer, Hello, Offer};
use tacit_wire::{
    Identity, IdentityKey, Message, MessageType, PROTOCOL_VERSION, Purpose, SealingPublicKey,
    SignedAcknowledgement,
};

use crate::failure::{Failure, Outcome};

type G1 = <Bn254 as Groups>::G1;

/// For everything that its coordinator does.
const PATIENCE: Duration = Duration::from_secs(30);

/// The liar.
pub struct Liar {
    identity: Identity,
    sealing: HeldKey,
    key: Arc<ProvingKey<Bn254>>,
    _dir: DataDir,
}

impl Liar {
    /// With the keys of the node that lives in this folder and does not run.
    pub fn new(folder: &Path, key: Arc<ProvingKey<Bn254>>) -> Outcome<Self> {
        let dir = DataDir::open(folder)?;
        let identity = identity::load(&dir)?;
        let keys = KeyRing::open_in(&dir, keyring::NODE, Purpose::NodeEnvelope, &identity)?;
        let sealing = keys.current().cloned().ok_or_else(|| Failure::new("the node has no sealing key"))?;
        Ok(Self { identity, sealing, key, _dir: dir })
    }

    /// Connects, and answers every offer wrongly for as long as the returned task is polled.
    pub async fn connect(
        self,
        coordinator: std::net::SocketAddr,
        coordinator_identity: IdentityKey,
    ) -> Outcome<impl Future<Output = ()> + Send> {
        let dialer = Dialer::new(self.identity.clone(), Settings::default());
        let connection = dialer.connect(coordinator, coordinator_identity).await?;
        let hello = Hello {
            versions: vec![PROTOCOL_VERSION],
            software: tacit_node::SOFTWARE.to_owned(),
            certificate: self.sealing.certificate.clone(),
            circuits: Vec::new(),
            slices: Vec::new(),
            capacity: 4,
            bases_per_second: 0,
        };
        match connection.request(&hello, MessageType::Refusal.limit(), PATIENCE).await? {
            Message::Welcome(_) => Ok(self.serve(connection)),
            other => Err(Failure::new(format!("the coordinator said {:?} to the liar", other.kind()))),
        }
    }

    async fn serve(self, connection: Connection) {
        while let Ok(mut stream) = connection.accept().await {
            let Ok(Some(Message::Offer(offer))) = stream.receive(MessageType::Offer.limit(), PATIENCE).await
            else {
                continue;
            };
            match self.lie(&offer) {
                Ok(answer) => {
                    let _ = stream.send(&answer, PATIENCE).await;
                    let _ = stream.finish();
                    let _ = stream.delivered(PATIENCE).await;
                }
                Err(error) => tracing::error!(%error, "the liar cannot even lie"),
            }
        }
    }

    /// Opens and acknowledges as an honest node does; adds the generator to the first point of its response.
    fn lie(&self, offer: &Offer) -> Outcome<Answer> {
        let header = DealHeader::<<Bn254 as Groups>::Scalar>::decode(&offer.header)?;
        let node = self.identity.key();
        let recipient = Recipient { node, key: &self.sealing.pair, epoch: self.sealing.certificate.epoch };
        let client = IdentityKey(header.terms.client_key);
        let bytes =
            open_package(&offer.assignment, &client, &header.deal_id().0, recipient, &offer.envelope)?;
        let dials = header.terms.dials;
        let package = Package::decode(&bytes, &Layout::of(&*self.key, dials.handover()), dials)?;
        let right = respond(&*self.key, &header, &package)?;
        let mut shifted = Vec::new();
        (G1::from_affine(right.a()) + G1::generator()).to_affine().write_be(&mut shifted);
        let mut response = right.encode();
        // After version and message code.
        if let Some(a) = response.get_mut(3..3 + shifted.len()) {
            a.copy_from_slice(&shifted);
        }
        let assignment = &offer.assignment.assignment;
        let acknowledgement = Acknowledgement::new(assignment, &bytes);
        let assembler = SealingPublicKey::from_bytes(&header.terms.assembler_key)?;
        let sealed = seal_response(
            &self.identity,
            assignment,
            &acknowledgement,
            &response,
            &assembler,
            &mut identity::system_rng()?,
        )?;
        Ok(Answer {
            acknowledgement: SignedAcknowledgement::sign(&self.identity, acknowledgement),
            response: sealed,
        })
    }
}
