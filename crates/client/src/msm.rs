//! A delegated, private multi-scalar multiplication: `sum v_k P_k` for a secret vector over bases that are registered with the network.
//!
//! Whatever commits by such sums (KZG, Pedersen, inner-product arguments) can have its commitments computed so, without a node that learns what is
//! committed to. `examples/kzg` does that for the polynomials of another proof system's crate.
//!
//! ```no_run
//! # async fn example(points: Vec<ark_bn254::G1Affine>, secret: Vec<ark_bn254::Fr>) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use tacit_algebra::Bn254;
//! use tacit_client::{Bases, Client, Network, Options, Silent};
//!
//! let client = Client::new(Network::load("network.toml".as_ref())?)?;
//! let bases = Bases::<Bn254>::new(points)?;
//! client.register_bases(&bases, Arc::new(Silent)).await?;
//! let summed = client.msm::<Bn254>(bases.id(), &secret, &Options::msm()?, Arc::new(Silent)).await?;
//! println!("{}", summed.sum);
//! # Ok(())
//! # }
//! ```
//!
//! Nodes answer with shares of the sum and of the same times a secret key, drawn for the deal. The client compares the two before it does anything else, so that
//! neither the result nor what happens next depends on a node's lies: any `t` of the nodes, together with the coordinator, learn nothing.

use std::sync::Arc;

use rand::rngs::StdRng;
use tacit_algebra::{Curve, CurveId, G1Affine, Groups};
use tacit_delegate::msm::{AssembledSum, MacKey, MsmAnswer};
use tacit_delegate::{
    AssembleError, Bases, BasesId, CircuitId, CircuitShape, DealHeader, Handover, Layout, Package,
    assemble_msm, deal_msm,
};
use tacit_wire::Digest32;
use tacit_wire::messages::Assembler;
use tacit_wire::status::{CircuitInfo, CircuitKind, JobProof};
use zeroize::Zeroizing;

use crate::api::Artefact;
use crate::client::{Client, DealtFor, Task};
use crate::committee::{Committee, Member};
use crate::dealing::{AssemblerKey, DealingError, What};
use crate::error::{AssemblerError, ClientError};
use crate::kept::{Finding, Signer};
use crate::network::Network;
use crate::options::Options;
use crate::progress::Progress;
use crate::waiting::{Contributors, Product};

/// A sum whose MAC is right, and how it came about.
#[derive(Debug, Clone)]
pub struct Summed<C: Curve> {
    /// `sum v_k P_k`. It is a function of the vector alone: publish it only where a commitment to the vector may be.
    pub sum: G1Affine<C>,
    /// The job.
    pub job: Digest32,
    /// Who got shares.
    pub members: Vec<Member>,
    /// Whose answers were at hand.
    pub answered: Vec<Member>,
    /// Whose answers do not agree with those that gave the sum.
    pub suspects: Vec<Member>,
    /// Nodes that contradicted themselves.
    pub findings: Vec<Finding>,
}

/// A vector that is to be multiplied. It is wiped when this is dropped.
struct Vector<C: Curve> {
    bases: BasesId,
    scalars: Zeroizing<Vec<<C as Groups>::Scalar>>,
}

/// A sum, checked with the MAC key of its deal.
struct Sum<C: Curve>(MacKey<<C as Groups>::Scalar>);

impl<C: Curve> Product for Sum<C> {
    type Curve = C;
    type Answer = MsmAnswer<C>;
    type Made = G1Affine<C>;
    type Done = Summed<C>;

    fn assemble(
        &self,
        header: &DealHeader<C::Scalar>,
        answers: &[MsmAnswer<C>],
    ) -> Result<(G1Affine<C>, Vec<u8>), AssembleError> {
        let AssembledSum { sum, suspects } = assemble_msm(&self.0, header, answers)?;
        Ok((sum, suspects))
    }

    fn check(&self, _: &DealHeader<C::Scalar>, _: &JobProof) -> Result<G1Affine<C>, ClientError> {
        Err(AssemblerError::Sum.into())
    }

    fn done(sum: G1Affine<C>, _: &DealHeader<C::Scalar>, who: Contributors) -> Summed<C> {
        let Contributors { job, members, answered, suspects, findings, .. } = who;
        Summed { sum, job, members, answered, suspects, findings }
    }
}

impl<C: Curve> Task for Vector<C> {
    type Product = Sum<C>;

    fn circuit(&self) -> CircuitId {
        self.bases.into()
    }

    /// The coordinator's word, which saves a deal that nodes would refuse; they check for themselves.
    fn check_registered(&self, known: &CircuitInfo) -> Result<(), ClientError> {
        let (bases, curve) = (self.bases, C::ID);
        if known.kind != CircuitKind::Bases || known.curve != CurveId::snarkjs_name(curve) {
            return Err(ClientError::NoBases { bases, curve });
        }
        if self.scalars.len() as u64 > known.n_wires {
            return Err(ClientError::TooFewBases { scalars: self.scalars.len(), bases: known.n_wires });
        }
        Ok(())
    }

    fn deal(
        self: &Arc<Self>,
        _: &Arc<Network>,
        committee: &Committee,
        assembler: AssemblerKey<'_>,
        options: &Options,
        rng: &mut StdRng,
        progress: &dyn Progress,
    ) -> Result<DealtFor<Sum<C>>, DealingError> {
        let shape = CircuitShape { id: self.circuit(), n_public: 0, n_private: self.scalars.len() };
        let what = What::<C> {
            circuit: self.circuit(),
            public: Vec::new(),
            secrets: self.scalars.len(),
            largest_package: Package::<C::Scalar>::largest(&Layout::msm(shape), options.dials),
        };
        let (dealt, sum, identity) =
            what.deal_to(committee, assembler, options, rng, progress, |terms, rng| {
                let dealt = deal_msm(terms, &self.scalars, rng)?;
                Ok((dealt.deal, Sum(dealt.key)))
            })?;
        Ok((dealt, sum, Box::new(Signer(identity))))
    }
}

impl Client {
    /// Registers bases. Nothing is sent if the coordinator has them already.
    ///
    /// # Errors
    /// [`ClientError::Api`].
    pub async fn register_bases<C: Curve>(
        &self,
        bases: &Bases<C>,
        progress: Arc<dyn Progress>,
    ) -> Result<(), ClientError> {
        let file = Artefact::Bytes(bases.encode().into());
        self.register_circuit(bases.id().into(), &file, None, progress).await
    }

    /// Delegates `sum scalars[k] * bases[k]` and waits for it; the vector may be shorter than the bases, which must be registered. The sum is released only once it
    /// agrees with its MAC. When too many nodes refuse for a reason that a fresh deal can mend, deals again, with everything fresh.
    ///
    /// The options' dials must have the handover `msm`, and the client assembles. The scalars are copied; the copy is wiped, wiping the caller's is the caller's affair.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn msm<C: Curve>(
        &self,
        bases: BasesId,
        scalars: &[<C as Groups>::Scalar],
        options: &Options,
        progress: Arc<dyn Progress>,
    ) -> Result<Summed<C>, ClientError> {
        let handover = options.dials.handover();
        if handover != Handover::Msm {
            return Err(DealingError::from(tacit_delegate::DealError::NotDealtSo { handover }).into());
        }
        if options.assembler == Assembler::Coordinator {
            return Err(AssemblerError::Sum.into());
        }
        let vector = Vector::<C> { bases, scalars: Zeroizing::new(scalars.to_vec()) };
        self.until_done(Arc::new(vector), None, options, progress).await
    }
}
