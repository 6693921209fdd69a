//! The delegation protocol's encodings: what decodes has one encoding. Codes at the front tell them apart.

use tacit_algebra::{Bls12_381, Bn254, CurveId, Groups};
use tacit_delegate::{
    Acknowledgement, Assignment, CircuitId, CircuitShape, DealHeader, Dials, Handover, Layout, Package,
    Record, Response, header, msm::MsmResponse,
};

fn curve<G: Groups>(data: &[u8]) {
    if let Ok(header) = DealHeader::<G::Scalar>::decode(data) {
        assert_eq!(header.encode(), data);
        let _ = (header.deal_id(), header.check_expiry(0));
    }
    let Ok(dials) = Dials::new(Handover::Witness, 16, 1) else { return };
    for n_private in [0, 1, 2, 5] {
        let circuit = CircuitShape { id: CircuitId([0; 32]), n_public: 0, n_private };
        if let Ok(package) = Package::<G::Scalar>::decode(data, &Layout::witness(circuit), dials) {
            assert_eq!(package.encode().as_slice(), data);
        }
    }
    let Ok(dials) = Dials::new(Handover::Msm, 16, 15) else { return };
    for bases in [1, 2, u32::MAX as usize] {
        let circuit = CircuitShape { id: CircuitId([0; 32]), n_public: 0, n_private: bases };
        if let Ok(package) = Package::<G::Scalar>::decode(data, &Layout::msm(circuit), dials) {
            assert_eq!(package.encode().as_slice(), data);
        }
    }
    if let Ok(response) = MsmResponse::<G>::decode(data) {
        assert_eq!(response.encode(), data);
    }
    match Response::<G>::decode(data) {
        Ok(response) => assert_eq!(response.encode(), data),
        Err(error) => {
            let _ = error.to_string();
        }
    }
}

/// The target.
pub fn run(data: &[u8]) {
    if let Ok(assignment) = Assignment::decode(data) {
        assert_eq!(assignment.encode(), data);
    }
    if let Ok(acknowledgement) = Acknowledgement::decode(data) {
        assert_eq!(acknowledgement.encode(), data);
    }
    if let Ok(record) = Record::decode(data) {
        assert_eq!(record.encode(), data);
    }
    match header::curve_of(data) {
        Ok(CurveId::Bn254) => curve::<Bn254>(data),
        Ok(CurveId::Bls12_381) => curve::<Bls12_381>(data),
        Err(_) => {
            curve::<Bn254>(data);
            curve::<Bls12_381>(data);
        }
    }
}
