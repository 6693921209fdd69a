//! The quotient as circom's keys want it, for `ark-groth16`, which has only libsnark's.
//!
//! The key holds the quotient's bases over the odd coset of the domain: what multiplies them are the values of
//! `A*B - C` there, with `C` the polynomial that has `A*B`'s values over the domain.

use ark_ff::PrimeField;
use ark_groth16::r1cs_to_qap::{LibsnarkReduction, R1CSToQAP, evaluate_constraint};
use ark_poly::EvaluationDomain;
use ark_relations::gr1cs::{ConstraintSystemRef, Matrix, SynthesisError};
use rayon::prelude::*;

/// circom's reduction.
pub struct CircomReduction;

impl R1CSToQAP for CircomReduction {
    fn instance_map_with_evaluation<F: PrimeField, D: EvaluationDomain<F>>(
        cs: ConstraintSystemRef<F>,
        t: &F,
    ) -> Result<(Vec<F>, Vec<F>, Vec<F>, F, usize, usize), SynthesisError> {
        LibsnarkReduction::instance_map_with_evaluation::<F, D>(cs, t)
    }

    fn witness_map_from_matrices<F: PrimeField, D: EvaluationDomain<F>>(
        matrices: &[Matrix<F>],
        num_inputs: usize,
        num_constraints: usize,
        assignment: &[F],
    ) -> Result<Vec<F>, SynthesisError> {
        let too_large = SynthesisError::PolynomialDegreeTooLarge;
        let [a, b, ..] = matrices else { return Err(SynthesisError::AssignmentMissing) };
        let domain = D::new(num_constraints + num_inputs).ok_or(too_large)?;
        let shift = F::get_root_of_unity(2 * domain.size() as u64).ok_or(too_large)?;
        let coset = domain.get_coset(shift).ok_or(too_large)?;

        let rows = |matrix: &Matrix<F>| -> Vec<F> {
            let mut values: Vec<F> =
                matrix.par_iter().map(|row| evaluate_constraint(row, assignment)).collect();
            values.resize(num_constraints, F::ZERO);
            values
        };
        let (mut a, mut b) = (rows(a), rows(b));
        a.extend(assignment.iter().take(num_inputs));
        for values in [&mut a, &mut b] {
            values.resize(domain.size(), F::ZERO);
        }
        let mut c: Vec<F> = a.par_iter().zip(&b).map(|(a, b)| *a * b).collect();
        for values in [&mut a, &mut b, &mut c] {
            domain.ifft_in_place(values);
            coset.fft_in_place(values);
        }
        a.par_iter_mut().zip(b).zip(c).for_each(|((a, b), c)| {
            *a *= b;
            *a -= c;
        });
        Ok(a)
    }

    fn h_query_scalars<F: PrimeField, D: EvaluationDomain<F>>(
        max_power: usize,
        t: F,
        zt: F,
        delta_inverse: F,
    ) -> Result<Vec<F>, SynthesisError> {
        LibsnarkReduction::h_query_scalars::<F, D>(max_power, t, zt, delta_inverse)
    }
}
