//! Combining shares: interpolation in the field and "in the exponent", and whether shares agree with one another.

use ark_ff::PrimeField;
use tacit_algebra::Group;

use crate::lagrange;
use crate::shape::SharingError;

/// `f(x)` for the polynomial of lowest degree through the given shares (node's index, value).
///
/// # Errors
/// As [`lagrange::coefficients_at`].
pub fn in_field<F: PrimeField>(x: F, shares: &[(u8, F)]) -> Result<F, SharingError> {
    let points: Vec<u8> = shares.iter().map(|(i, _)| *i).collect();
    let coefficients = lagrange::coefficients_at(x, &points)?;
    Ok(coefficients.iter().zip(shares).map(|(l, (_, v))| *l * v).sum())
}

/// The same where the values are group elements.
///
/// # Errors
/// As [`lagrange::coefficients_at`].
pub fn in_group<F: PrimeField, G: Group<F>>(x: F, shares: &[(u8, G)]) -> Result<G, SharingError> {
    let points: Vec<u8> = shares.iter().map(|(i, _)| *i).collect();
    let coefficients = lagrange::coefficients_at(x, &points)?;
    Ok(coefficients.iter().zip(shares).map(|(l, (_, v))| v.scale(l)).sum())
}

/// The indices whose values lie off the polynomial of degree `degree` through the first `degree + 1` shares, in the
/// order given. Empty when all agree. Whoever is off is not thereby wrong: the first ones may be.
///
/// # Errors
/// [`SharingError::Count`] for fewer than `degree + 1` shares, else as [`lagrange::coefficients_at`].
pub fn disagreeing<F: PrimeField, G: Group<F>>(
    degree: u8,
    shares: &[(u8, G)],
) -> Result<Vec<u8>, SharingError> {
    let needed = usize::from(degree) + 1;
    let points: Vec<u8> = shares.iter().map(|(i, _)| *i).collect();
    lagrange::check_points::<F>(&points)?;
    let Some((base, rest)) = shares.split_at_checked(needed) else {
        return Err(SharingError::Count { expected: needed, got: shares.len() });
    };
    let mut off = Vec::new();
    for (index, value) in rest {
        if in_group(F::from(*index), base)? != *value {
            off.push(*index);
        }
    }
    Ok(off)
}

/// [`disagreeing`] for values in the field.
///
/// # Errors
/// As [`disagreeing`].
pub fn disagreeing_in_field<F: PrimeField>(degree: u8, shares: &[(u8, F)]) -> Result<Vec<u8>, SharingError> {
    let needed = usize::from(degree) + 1;
    let points: Vec<u8> = shares.iter().map(|(i, _)| *i).collect();
    lagrange::check_points::<F>(&points)?;
    let Some((base, rest)) = shares.split_at_checked(needed) else {
        return Err(SharingError::Count { expected: needed, got: shares.len() });
    };
    let mut off = Vec::new();
    for (index, value) in rest {
        if in_field(F::from(*index), base)? != *value {
            off.push(*index);
        }
    }
    Ok(off)
}
