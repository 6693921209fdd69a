//! What a client can show to others about a node, and what an arbiter makes of it.
//!
//! | charge | what is shown | why it is guilt |
//! |---|---|---|
//! | `wrong_response` | the package that the node acknowledged, and the response that it signed | the response is a function of the package and the header, and anybody can compute it |
//! | `contradicting_responses` | two responses that it signed for one acknowledgement | a node answers a deal and index identically ever after |
//! | `contradicting_acknowledgements` | two packages that it signed for under one assignment | an envelope opens to one package |
//!
//! An arbiter needs this and, for a wrong response, the circuit's proving key; it asks nobody. Who shows it cannot frame an honest node:
//! the node's signature covers its acknowledgement, that covers the assignment and the package, and those cover the deal's
//! header. Nor can the node deny: it signed. A package is opened for this by [`Custody::open`](tacit_delegate::Custody::open) alone, which keeps the rules about it.
//!
//! The arbiter sees one share: it must hold no other place of the deal.
//!
//! As a file it is JSON: `version` (1), `charge`, then in hexadecimal `header`, `assignment`, `acknowledgements`, `responses` and `package`, in the
//! encodings of [`crate::envelope`] and `tacit_delegate`.

use serde::{Deserialize, Serialize};
use tacit_algebra::{Curve, CurveId};
use tacit_delegate::{
    Acknowledgement, CircuitId, Culprit, DealHeader, EncodingError, KeyPart, NodeKey, Opened, Package,
    RespondError, Response, header, key_slice, respond,
};
use tacit_groth16::ProvingKey;
use zeroize::Zeroizing;

use crate::codec::DecodeError;
use crate::digest::Digest32;
use crate::envelope::{SignedAcknowledgement, SignedAssignment, SignedResponse};
use crate::identity::IdentityKey;
use crate::peer::PeerMisbehaved;

/// The only version of the file there is.
const VERSION: u32 = 1;

/// What a client shows about a node.
#[derive(Clone, PartialEq, Eq)]
pub struct Evidence {
    header: Vec<u8>,
    assignment: SignedAssignment,
    charge: Charge,
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Evidence({}, node {}, deal {})", self.charge(), self.node(), self.deal())
    }
}

#[derive(Clone, PartialEq, Eq)]
enum Charge {
    WrongResponse {
        acknowledgement: SignedAcknowledgement,
        response: SignedResponse,
        package: Zeroizing<Vec<u8>>,
    },
    ContradictingResponses {
        acknowledgement: SignedAcknowledgement,
        responses: [SignedResponse; 2],
    },
    ContradictingAcknowledgements {
        acknowledgements: [SignedAcknowledgement; 2],
    },
}

/// What an arbiter says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The node signed what it must not sign.
    Guilty {
        /// What.
        because: String,
    },
    /// The node's response is the one that its package gives: whoever shows this accuses it wrongly.
    Innocent,
    /// The client dealt what no node can answer.
    ClientAtFault {
        /// What is wrong with it.
        because: String,
    },
}

/// Why a file shows nothing about anybody: what should be signed is not, or does not belong together. Anyone can have made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoEvidence {
    /// Not such a file.
    #[error("not an evidence file: {0}")]
    Malformed(String),
    /// A part that does not decode.
    #[error("not an evidence file: {0}")]
    Decode(#[from] DecodeError),
    /// The header does not decode.
    #[error("the deal's header: {0}")]
    Header(EncodingError),
    /// A signature that does not verify, or a part that belongs to another one.
    #[error("this shows nothing: {0}")]
    Unsigned(#[from] PeerMisbehaved),
    /// The assignment is of another deal than the header.
    #[error("this shows nothing: the assignment is of deal {assignment}, the header of deal {header}")]
    OtherDeal {
        /// The assignment's deal.
        assignment: Digest32,
        /// The header's deal.
        header: Digest32,
    },
    /// The node acknowledged another package than the one shown.
    #[error("this shows nothing: the package is not the one that node {node} acknowledged")]
    OtherPackage {
        /// The node.
        node: IdentityKey,
    },
    /// The two things that should contradict each other are the same.
    #[error("this shows nothing: the two {what} are the same")]
    Same {
        /// Responses or acknowledgements.
        what: &'static str,
    },
}

/// Why an arbiter says nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError<E> {
    /// The file shows nothing.
    #[error(transparent)]
    NoEvidence(#[from] NoEvidence),
    /// The proving key cannot be had.
    #[error(transparent)]
    Key(E),
    /// The proving key is of another circuit.
    #[error(
        "the proving key is of circuit {key}, the deal is for circuit {deal}: give the zkey of that circuit"
    )]
    OtherCircuit {
        /// The key's circuit.
        key: CircuitId,
        /// The deal's circuit.
        deal: CircuitId,
    },
    /// The proving key cannot be computed with.
    #[error("the response cannot be recomputed: {0}")]
    Respond(RespondError),
}

impl Evidence {
    /// Of a response that is not what the opened package gives.
    pub fn wrong_response(
        header: Vec<u8>,
        assignment: SignedAssignment,
        acknowledgement: SignedAcknowledgement,
        response: SignedResponse,
        opened: Opened,
    ) -> Self {
        let package = opened.into_bytes();
        Self { header, assignment, charge: Charge::WrongResponse { acknowledgement, response, package } }
    }

    /// Of two responses for one acknowledgement.
    pub fn contradicting_responses(
        header: Vec<u8>,
        assignment: SignedAssignment,
        acknowledgement: SignedAcknowledgement,
        responses: [SignedResponse; 2],
    ) -> Self {
        Self { header, assignment, charge: Charge::ContradictingResponses { acknowledgement, responses } }
    }

    /// Of two acknowledgements for one assignment.
    pub fn contradicting_acknowledgements(
        header: Vec<u8>,
        assignment: SignedAssignment,
        acknowledgements: [SignedAcknowledgement; 2],
    ) -> Self {
        Self { header, assignment, charge: Charge::ContradictingAcknowledgements { acknowledgements } }
    }

    /// Whom it is about.
    pub fn node(&self) -> IdentityKey {
        self.assignment.node()
    }

    /// Which deal it is about, as the assignment says.
    pub fn deal(&self) -> Digest32 {
        self.assignment.deal()
    }

    /// What the node is charged with: the word in the file.
    pub fn charge(&self) -> &'static str {
        match self.charge {
            Charge::WrongResponse { .. } => "wrong_response",
            Charge::ContradictingResponses { .. } => "contradicting_responses",
            Charge::ContradictingAcknowledgements { .. } => "contradicting_acknowledgements",
        }
    }

    /// The deal's curve, which [`Evidence::audit`] is to be called with.
    ///
    /// # Errors
    /// [`NoEvidence::Header`].
    pub fn curve(&self) -> Result<CurveId, NoEvidence> {
        header::curve_of(&self.header).map_err(NoEvidence::Header)
    }

    /// Says who is at fault. `key` is asked for the proving key of a circuit, and only if the response has to be recomputed.
    ///
    /// # Errors
    /// [`AuditError`]: then nothing is known about anybody.
    pub fn audit<C: Curve, E>(
        &self,
        key: impl FnOnce(&CircuitId) -> Result<ProvingKey<C>, E>,
    ) -> Result<Verdict, AuditError<E>> {
        let header = self.verify::<C>()?;
        let guilty = |because: &str| Ok(Verdict::Guilty { because: because.to_owned() });
        let (response, package) = match &self.charge {
            Charge::ContradictingResponses { .. } => {
                return guilty("it signed two different responses for one package");
            }
            Charge::ContradictingAcknowledgements { .. } => {
                return guilty("it signed for two different packages under one assignment");
            }
            Charge::WrongResponse { response, package, .. } => (response, package),
        };
        let deal = header.terms.circuit;
        let key = key(&deal).map_err(AuditError::Key)?;
        if key.circuit_id != deal {
            return Err(AuditError::OtherCircuit { key: key.circuit_id, deal });
        }
        let at_fault =
            |because: &dyn std::fmt::Display| Verdict::ClientAtFault { because: because.to_string() };
        // As a node does it: with the slice of its group, which is cut once.
        let (dials, group) = (header.terms.dials, self.assignment.assignment.seat.group);
        let slice = match KeyPart::of(dials, group) {
            Some(KeyPart::Slice { group, groups }) => {
                Some(key_slice(&key, group, groups).map_err(|e| AuditError::Respond(e.into()))?)
            }
            _ => None,
        };
        let key = slice.as_ref().map_or(NodeKey::Whole(&key), NodeKey::Slice);
        let Some(counts) = key.share_counts(dials, group) else {
            return Ok(at_fault(&format!(
                "the deal has no seat in group {group} that is answered with a key"
            )));
        };
        let package = match Package::<C::Scalar>::decode_for(package, &counts, dials) {
            Ok(package) => package,
            Err(error) => return Ok(at_fault(&error)),
        };
        if self.assignment.place(dials) != Some(package.place) {
            return Ok(at_fault(&format!(
                "the package is for place {}, the assignment is not",
                package.place
            )));
        }
        let right = match respond(key, &header, &package) {
            Ok(right) => right,
            Err(error) if error.culprits().contains(&Culprit::Client) => return Ok(at_fault(&error)),
            Err(error) => return Err(AuditError::Respond(error)),
        };
        // A response has one encoding.
        if response.response == right.encode() {
            return Ok(Verdict::Innocent);
        }
        match Response::<C>::decode(&response.response) {
            Ok(_) => guilty("the response that it signed is not the one that its package gives"),
            Err(error) => guilty(&format!("it signed something that is no response: {error}")),
        }
    }

    /// Every signature, and that everything belongs together.
    fn verify<C: Curve>(&self) -> Result<DealHeader<C::Scalar>, NoEvidence> {
        let header = DealHeader::<C::Scalar>::decode(&self.header).map_err(NoEvidence::Header)?;
        self.assignment.verify(&IdentityKey(header.terms.client_key))?;
        let of_header = Digest32(header.deal_id().0);
        if self.deal() != of_header {
            return Err(NoEvidence::OtherDeal { assignment: self.deal(), header: of_header });
        }
        let assignment = &self.assignment.assignment;
        match &self.charge {
            Charge::WrongResponse { acknowledgement, response, package } => {
                acknowledgement.verify(assignment)?;
                if acknowledgement.acknowledgement != Acknowledgement::new(assignment, package) {
                    return Err(NoEvidence::OtherPackage { node: self.node() });
                }
                response.verify(assignment, &acknowledgement.acknowledgement)?;
            }
            Charge::ContradictingResponses { acknowledgement, responses: [one, other] } => {
                acknowledgement.verify(assignment)?;
                for response in [one, other] {
                    response.verify(assignment, &acknowledgement.acknowledgement)?;
                }
                if one.response == other.response {
                    return Err(NoEvidence::Same { what: "responses" });
                }
            }
            Charge::ContradictingAcknowledgements { acknowledgements: [one, other] } => {
                for acknowledgement in [one, other] {
                    acknowledgement.verify(assignment)?;
                }
                if one.acknowledgement == other.acknowledgement {
                    return Err(NoEvidence::Same { what: "acknowledgements" });
                }
            }
        }
        Ok(header)
    }

    /// The file.
    pub fn to_json(&self) -> String {
        let (acknowledgements, responses, package): (Vec<_>, Vec<_>, _) = match &self.charge {
            Charge::WrongResponse { acknowledgement, response, package } => {
                (vec![acknowledgement], vec![response], Some(package))
            }
            Charge::ContradictingResponses { acknowledgement, responses: [one, other] } => {
                (vec![acknowledgement], vec![one, other], None)
            }
            Charge::ContradictingAcknowledgements { acknowledgements: [one, other] } => {
                (vec![one, other], Vec::new(), None)
            }
        };
        let raw = Raw {
            version: VERSION,
            charge: self.charge().to_owned(),
            header: hex::encode(&self.header),
            assignment: hex::encode(self.assignment.encode()),
            acknowledgements: acknowledgements.iter().map(|a| hex::encode(a.encode())).collect(),
            responses: responses.iter().map(|r| hex::encode(r.encode())).collect(),
            package: package.map(hex::encode),
        };
        // A structure of strings and lists: there is nothing that could not be written.
        let mut text = serde_json::to_string_pretty(&raw).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads what [`Evidence::to_json`] wrote; verifies nothing.
    ///
    /// # Errors
    /// [`NoEvidence::Malformed`], [`NoEvidence::Decode`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, NoEvidence> {
        let raw: Raw = serde_json::from_slice(bytes).map_err(|e| NoEvidence::Malformed(e.to_string()))?;
        if raw.version != VERSION {
            let text = format!("version {} is not known, this program reads {VERSION}", raw.version);
            return Err(NoEvidence::Malformed(text));
        }
        let unhex = |what: &str, text: &str| {
            hex::decode(text).map_err(|e| NoEvidence::Malformed(format!("{what}: {e}")))
        };
        let header = unhex("header", &raw.header)?;
        let assignment = SignedAssignment::decode(&unhex("assignment", &raw.assignment)?)?;
        let acknowledgements = (raw.acknowledgements.iter())
            .map(|text| Ok(SignedAcknowledgement::decode(&unhex("acknowledgement", text)?)?))
            .collect::<Result<Vec<_>, NoEvidence>>()?;
        let responses = (raw.responses.iter())
            .map(|text| Ok(SignedResponse::decode(&unhex("response", text)?)?))
            .collect::<Result<Vec<_>, NoEvidence>>()?;
        let package = raw.package.map(|text| unhex("package", &text)).transpose()?;
        let charge = match (raw.charge.as_str(), &acknowledgements[..], &responses[..], package) {
            ("wrong_response", [acknowledgement], [response], Some(package)) => Charge::WrongResponse {
                acknowledgement: acknowledgement.clone(),
                response: response.clone(),
                package: Zeroizing::new(package),
            },
            ("contradicting_responses", [acknowledgement], [one, other], None) => {
                Charge::ContradictingResponses {
                    acknowledgement: acknowledgement.clone(),
                    responses: [one.clone(), other.clone()],
                }
            }
            ("contradicting_acknowledgements", [one, other], [], None) => {
                Charge::ContradictingAcknowledgements { acknowledgements: [one.clone(), other.clone()] }
            }
            (charge, ..) => {
                let text = format!(
                    "charge {charge:?} is not known, or not with so many acknowledgements, responses and packages"
                );
                return Err(NoEvidence::Malformed(text));
            }
        };
        Ok(Self { header, assignment, charge })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u32,
    charge: String,
    header: String,
    assignment: String,
    acknowledgements: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    responses: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    package: Option<String>,
}
