//! Group elements and field elements: what decodes has one encoding, and the checks hold.

use tacit_algebra::{Bls12_381, Bn254, Check, G1Affine, G2Affine, Groups, Point, field};

fn point<P: Point>(data: &[u8]) {
    let Some(data) = data.get(..P::LEN) else { return };
    if let Ok(point) = P::read_be(data) {
        let mut again = Vec::new();
        point.write_be(&mut again);
        assert_eq!(again, data);
    }
    if let Ok(point) = P::read_montgomery_le(data, Check::Full) {
        let mut again = Vec::new();
        point.write_montgomery_le(&mut again);
        assert_eq!(again, data);
        // Through the other encoding, whose reader checks everything.
        let mut canonical = Vec::new();
        point.write_be(&mut canonical);
        assert_eq!(P::read_be(&canonical), Ok(point));
    }
}

fn curve<G: Groups>(data: &[u8]) {
    point::<G1Affine<G>>(data);
    point::<G2Affine<G>>(data);
    if let Some(scalar) = data.get(..32)
        && let Ok(x) = field::read_le::<G::Scalar>(scalar)
    {
        assert_eq!(field::to_le(&x), scalar);
    }
}

/// The target.
pub fn run(data: &[u8]) {
    curve::<Bn254>(data);
    curve::<Bls12_381>(data);
}
