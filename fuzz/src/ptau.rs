//! `.ptau`: the index, and every range of points that a reader may ask for.

use tacit_algebra::{Bls12_381, Bn254, Check, Curve, CurveId, Point};
use tacit_circom::ptau::{self, Points, Ptau};

fn points<P: Point, E>(points: Result<Points<'_, P>, E>) {
    let Ok(points) = points else { return };
    let _ = points.read(0..points.len().min(2), Check::Full);
    let _ = points.read(points.len()..u64::MAX, Check::Trusted);
    let _ = points.read_all(Check::Trusted);
}

fn read<C: Curve>(data: &[u8]) {
    let Ok(powers) = Ptau::<C>::open(data) else { return };
    points(powers.tau_g1());
    points(powers.tau_g2());
    points(powers.alpha_tau_g1());
    points(powers.beta_tau_g1());
    let _ = powers.beta_g2(Check::Full);
    for log_size in [0, 1, powers.power(), powers.power().saturating_add(1), u32::MAX] {
        points(powers.lagrange_tau_g1(log_size));
        points(powers.lagrange_tau_g2(log_size));
        points(powers.lagrange_alpha_tau_g1(log_size));
        points(powers.lagrange_beta_tau_g1(log_size));
    }
}

/// The target.
pub fn run(data: &[u8]) {
    match ptau::curve_of(data) {
        Ok(CurveId::Bn254) => read::<Bn254>(data),
        Ok(CurveId::Bls12_381) => read::<Bls12_381>(data),
        Err(_) => {}
    }
}
