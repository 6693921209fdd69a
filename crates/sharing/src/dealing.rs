//! Dealing: from a secret and free values to the shares that follow from them.

use ark_ff::PrimeField;

use crate::lagrange;
use crate::shape::{Shape, SharingError};

/// The linear map that completes a sharing: given the secret `f(0)` and the shares `f(1), .., f(d)`, which are free
/// (uniform for a fresh sharing), it gives the shares `f(d+1), .., f(n)`. Its coefficients are computed once and
/// serve every secret of a deal.
///
/// With the secret 0 it deals a sharing of zero of degree `d`: a mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension<F> {
    shape: Shape,
    /// One row for each node `d+1..=n`: the coefficient of the secret, then of the first `d` shares.
    rows: Vec<Vec<F>>,
}

impl<F: PrimeField> Extension<F> {
    /// The map for a layout.
    ///
    /// # Errors
    /// [`SharingError::SmallField`] when the layout was checked for a larger field than `F`.
    pub fn new(shape: Shape) -> Result<Self, SharingError> {
        let shape = Shape::new::<F>(shape.nodes(), shape.degree())?;
        let given: Vec<F> = (0..=shape.degree()).map(F::from).collect();
        let rows = (shape.degree()..shape.nodes())
            .map(|before| lagrange::basis_at(F::from(before) + F::ONE, &given))
            .collect();
        Ok(Self { shape, rows })
    }

    /// The layout.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The shares of nodes `d+1..=n`, in order, each handed to `give`; `first` are those of nodes `1..=d`.
    ///
    /// # Errors
    /// [`SharingError::Count`] unless `first` has `d` values.
    pub fn each(&self, secret: F, first: &[F], mut give: impl FnMut(usize, F)) -> Result<(), SharingError> {
        let expected = usize::from(self.shape.degree());
        if first.len() != expected {
            return Err(SharingError::Count { expected, got: first.len() });
        }
        for (row_index, row) in self.rows.iter().enumerate() {
            if let Some((of_secret, of_shares)) = row.split_first() {
                let shares: F = of_shares.iter().zip(first).map(|(l, v)| *l * v).sum();
                give(row_index, *of_secret * secret + shares);
            }
        }
        Ok(())
    }

    /// [`Extension::each`], collected.
    ///
    /// # Errors
    /// As [`Extension::each`].
    pub fn rest(&self, secret: F, first: &[F]) -> Result<Vec<F>, SharingError> {
        let mut out = Vec::with_capacity(self.rows.len());
        self.each(secret, first, |_, share| out.push(share))?;
        Ok(out)
    }
}
