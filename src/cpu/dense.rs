//! The bias of every score, as a tensor.

use rayon::prelude::*;

use super::{Inputs, oracle};
use crate::{InputError, Problem};

/// What is added to the scores, `[B, H, Nq, Nk]`: the sum of the biases with their gate, by the formulas in f64 and rounded, also
/// where the mask hides the score. As a [`crate::Bias::Dense`] it would do the same.
///
/// This is for looking at a bias: no pass needs such a tensor.
///
/// # Errors
/// Inputs that do not fit the problem.
pub fn dense_bias(problem: &Problem, inputs: &Inputs<'_>) -> Result<Vec<f32>, InputError> {
    inputs.validate(problem)?;
    let shape = problem.shape();
    let [heads, q_len, k_len] = [shape.heads, shape.q_len, shape.k_len].map(|size| size as usize);
    let mut values = vec![0.0; shape.rows() * k_len];
    values
        .par_chunks_mut(k_len.max(1))
        .enumerate()
        .for_each(|(row, values)| {
            let [batch, head, i] = [row / q_len / heads, row / q_len % heads, row % q_len];
            for (j, value) in values.iter_mut().enumerate() {
                let exact = oracle::bias(problem, inputs, [batch, head, i, j]);
                #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
                let rounded = exact as f32;
                *value = rounded;
            }
        });
    Ok(values)
}
