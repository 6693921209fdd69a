//! From a curve named in a file to code generic over curves.

/// Runs `$body` with `$curve` standing for the curve type that a [`tacit_algebra::CurveId`] names.
macro_rules! with_curve {
    ($id:expr, $curve:ident => $body:expr) => {
        match $id {
            tacit_algebra::CurveId::Bn254 => {
                type $curve = tacit_algebra::Bn254;
                $body
            }
            tacit_algebra::CurveId::Bls12_381 => {
                type $curve = tacit_algebra::Bls12_381;
                $body
            }
        }
    };
}

pub(crate) use with_curve;
