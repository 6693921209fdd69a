//! Lagrange coefficients: with them a polynomial's value anywhere is a linear combination of its values at the nodes.

use ark_ff::PrimeField;

use crate::shape::{MAX_NODES, Shape, SharingError};

/// The coefficients `l_j` with `f(x) = sum l_j f(points[j])` for every polynomial `f` of degree below
/// `points.len()`. Points are nodes' indices.
///
/// # Errors
/// [`SharingError::Index`] for index 0 or above [`MAX_NODES`], [`SharingError::Duplicate`],
/// [`SharingError::SmallField`], [`SharingError::Count`] when there is no point.
pub fn coefficients_at<F: PrimeField>(x: F, points: &[u8]) -> Result<Vec<F>, SharingError> {
    check_points::<F>(points)?;
    let xs: Vec<F> = points.iter().map(|i| F::from(*i)).collect();
    Ok(basis_at(x, &xs))
}

/// [`coefficients_at`] zero, where the secret is.
///
/// # Errors
/// As [`coefficients_at`].
pub fn coefficients_at_zero<F: PrimeField>(points: &[u8]) -> Result<Vec<F>, SharingError> {
    coefficients_at(F::ZERO, points)
}

/// Indices that are nodes', each once, distinct in the field.
pub(crate) fn check_points<F: PrimeField>(points: &[u8]) -> Result<(), SharingError> {
    let mut seen = [false; MAX_NODES as usize + 1];
    if points.is_empty() {
        return Err(SharingError::Count { expected: 1, got: 0 });
    }
    for &index in points {
        Shape::new::<F>(index, 0).map_err(|e| match e {
            SharingError::SmallField { n } => SharingError::SmallField { n },
            _ => SharingError::Index { index },
        })?;
        match seen.get_mut(usize::from(index)) {
            Some(s) if !*s => *s = true,
            _ => return Err(SharingError::Duplicate { index }),
        }
    }
    Ok(())
}

/// The Lagrange basis of distinct field elements, at `x`.
pub(crate) fn basis_at<F: PrimeField>(x: F, xs: &[F]) -> Vec<F> {
    xs.iter()
        .enumerate()
        .map(|(j, xj)| {
            let mut numerator = F::ONE;
            let mut denominator = F::ONE;
            for (m, xm) in xs.iter().enumerate() {
                if m != j {
                    numerator *= x - xm;
                    denominator *= *xj - xm;
                }
            }
            // Distinct points: the denominator is not zero.
            denominator.inverse().map_or(F::ZERO, |inverse| numerator * inverse)
        })
        .collect()
}
