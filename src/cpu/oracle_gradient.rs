//! The gradients of attention, in f64 and straight from the formula: what other gradients are checked against.

use rayon::prelude::*;

use super::gradients::{length, validate, validate_inputs};
use super::oracle::{factor, kv_head, scores};
use super::oracle_parameters::{biases_by_offset, for_each_parameter};
use super::{AttentionGradient, Gradients, Inputs, Oracle, Outputs};
use crate::{InputError, Layout, Problem, Tensor};

/// What the oracle returns before rounding to f32; the fields are those of [`Gradients`].
#[derive(Clone, Debug, PartialEq)]
pub struct ExactGradients {
    /// Of q, `[B, H, Nq, D]` in its layout, whose gaps are 0.
    pub dq: Vec<f64>,
    /// Of k, `[B, Hkv, Nk, D]` in its layout.
    pub dk: Vec<f64>,
    /// Of v, `[B, Hkv, Nk, Dv]` in its layout.
    pub dv: Vec<f64>,
    /// Of the parameters of the biases, `[rows, H]`, where there are any.
    pub dtable: Option<Vec<f64>>,
    /// Of the gate, `[B, H, Nq]`, where there is one.
    pub dgate: Option<Vec<f64>>,
    /// Of the dense bias, with its strides, where there is one.
    pub dbias: Option<Vec<f64>>,
}

impl Oracle {
    /// The gradients in f64, of the loss whose gradient with respect to the output is `dout`, in the layout of the output.
    ///
    /// Where a maximum has equal arguments its derivative is that of `PyTorch`: half of each for FIRE's `max(L, p)`, and none of a unit
    /// at 0.
    ///
    /// # Errors
    /// Inputs or a gradient that do not fit the problem, and [`InputError::NoBackward`] for a paged cache.
    pub fn exact_gradients(
        &self,
        problem: &Problem,
        inputs: &Inputs<'_>,
        dout: &[f32],
    ) -> Result<ExactGradients, InputError> {
        validate_inputs(problem, inputs, dout)?;
        let [batch, heads] = [problem.shape().batch, problem.shape().heads].map(|n| n as usize);
        let parts: Vec<Part> = (0..batch * heads)
            .into_par_iter()
            .map(|n| Part::new(problem, inputs, dout, [n / heads, n % heads]))
            .collect();
        let mut sum = ExactGradients::zero(problem);
        for (n, part) in parts.iter().enumerate() {
            sum.add(problem, [n / heads, n % heads], part);
        }
        Ok(sum)
    }
}

impl AttentionGradient for Oracle {
    fn backward(
        &self,
        problem: &Problem,
        inputs: &Inputs<'_>,
        outputs: &Outputs,
        dout: &[f32],
    ) -> Result<Gradients, InputError> {
        validate(problem, inputs, outputs, dout)?;
        let exact = self.exact_gradients(problem, inputs, dout)?;
        Ok(Gradients {
            dq: rounded(&exact.dq),
            dk: rounded(&exact.dk),
            dv: rounded(&exact.dv),
            dtable: exact.dtable.as_deref().map(rounded),
            dgate: exact.dgate.as_deref().map(rounded),
            dbias: exact.dbias.as_deref().map(rounded),
        })
    }
}

fn rounded(values: &[f64]) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
    values.iter().map(|&value| value as f32).collect()
}

/// What one head of one sequence contributes, without gaps.
struct Part {
    /// `[Nq, D]`.
    dq: Vec<f64>,
    /// `[Nk, D]`.
    dk: Vec<f64>,
    /// `[Nk, Dv]`.
    dv: Vec<f64>,
    /// `[rows]`.
    dtable: Vec<f64>,
    /// `[Nq]`.
    dgate: Vec<f64>,
    /// `[Nq, Nk]`, where there is a dense bias.
    dbias: Option<Vec<f64>>,
}

/// A key that a query sees.
struct Seen {
    j: usize,
    weight: f64,
    /// What dropout multiplies the weight by.
    factor: f64,
    /// The gradient of the weight.
    dweight: f64,
}

impl Part {
    fn new(problem: &Problem, inputs: &Inputs<'_>, dout: &[f32], place: [usize; 2]) -> Self {
        let shape = problem.shape();
        let [q_len, k_len, d] = [shape.q_len, shape.k_len, shape.head_dim].map(|n| n as usize);
        let dense = problem.dense().is_some();
        let mut part = Self {
            dq: vec![0.0; q_len * d],
            dk: vec![0.0; k_len * d],
            dv: vec![0.0; k_len * problem.value_dim() as usize],
            dtable: vec![0.0; problem.table_rows() as usize],
            dgate: vec![0.0; q_len],
            dbias: dense.then(|| vec![0.0; q_len * k_len]),
        };
        let [b, head] = place;
        for i in 0..q_len {
            part.add_query(problem, inputs, dout, [b, head, i]);
        }
        part
    }

    fn add_query(
        &mut self,
        problem: &Problem,
        inputs: &Inputs<'_>,
        dout: &[f32],
        [b, head, i]: [usize; 3],
    ) {
        let (d, dv) = (
            problem.shape().head_dim as usize,
            problem.value_dim() as usize,
        );
        let [q, k, _, out] = problem.layouts();
        let query = &inputs.q[q.start(b, head, i)..][..d];
        let dout = &dout[out.start(b, head, i)..][..dv];
        let seen = seen(problem, inputs, dout, [b, head, i]);
        let delta: f64 = seen.iter().map(|seen| seen.weight * seen.dweight).sum();
        for seen in &seen {
            let j = seen.j;
            let dscore = seen.weight * (seen.dweight - delta);
            let dproduct = f64::from(problem.scale()) * dscore;
            let key = &inputs.k[k.start(b, kv_head(problem, head), j)..][..d];
            add_scaled(&mut self.dq[i * d..][..d], dproduct, key);
            add_scaled(&mut self.dk[j * d..][..d], dproduct, query);
            add_scaled(
                &mut self.dv[j * dv..][..dv],
                seen.factor * seen.weight,
                dout,
            );
            self.add_score(problem, inputs, [b, head, i, j], dscore);
        }
    }

    /// Adds the gradient of a score to those of everything that its bias is made of.
    fn add_score(
        &mut self,
        problem: &Problem,
        inputs: &Inputs<'_>,
        place: [usize; 4],
        dscore: f64,
    ) {
        let [_, _, i, j] = place;
        for_each_parameter(problem, inputs, place, |row, derivative| {
            self.dtable[row] += dscore * derivative;
        });
        if problem.gated() {
            self.dgate[i] += dscore * biases_by_offset(problem, inputs, place);
        }
        if let Some(dbias) = &mut self.dbias {
            dbias[i * problem.shape().k_len as usize + j] = dscore;
        }
    }
}

/// The keys that a query sees, with their weights and the gradients of those.
fn seen(
    problem: &Problem,
    inputs: &Inputs<'_>,
    dout: &[f32],
    [b, head, i]: [usize; 3],
) -> Vec<Seen> {
    let [_, _, v, _] = problem.layouts();
    let scores = scores(problem, inputs, [b, head, i]);
    let only_scores = scores.iter().map(|&(_, score)| score);
    let maximum = only_scores.clone().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = only_scores.map(|score| (score - maximum).exp()).sum();
    let seen = scores.iter().map(|&(j, score)| {
        let factor = factor(problem, [b, head, i, j]);
        let value = &inputs.v[v.start(b, kv_head(problem, head), j)..];
        let product = dout.iter().zip(value);
        Seen {
            j,
            weight: (score - maximum).exp() / sum,
            factor,
            // A value that is left out may be infinite.
            dweight: if factor == 0.0 {
                0.0
            } else {
                factor
                    * product
                        .map(|(&o, &v)| f64::from(o) * f64::from(v))
                        .sum::<f64>()
            },
        }
    });
    seen.collect()
}

fn add_scaled(sum: &mut [f64], factor: f64, values: &[f32]) {
    for (sum, &value) in sum.iter_mut().zip(values) {
        *sum += factor * f64::from(value);
    }
}

impl ExactGradients {
    fn zero(problem: &Problem) -> Self {
        let zeros = |tensor| vec![0.0; length(problem, tensor)];
        let optional = |tensor| problem.uses(tensor).then(|| zeros(tensor));
        Self {
            dq: zeros(Tensor::DQ),
            dk: zeros(Tensor::DK),
            dv: zeros(Tensor::DV),
            dtable: optional(Tensor::DTable),
            dgate: optional(Tensor::DGate),
            dbias: optional(Tensor::DBias),
        }
    }

    fn add(&mut self, problem: &Problem, [b, head]: [usize; 2], part: &Part) {
        let [q, k, v, _] = problem.layouts();
        let [heads, q_len, k_len, d] = {
            let shape = problem.shape();
            [shape.heads, shape.q_len, shape.k_len, shape.head_dim].map(|n| n as usize)
        };
        let of_keys = [b, kv_head(problem, head)];
        add_rows(&mut self.dq, q, [b, head], &part.dq, d);
        add_rows(&mut self.dk, k, of_keys, &part.dk, d);
        let dv = problem.value_dim() as usize;
        add_rows(&mut self.dv, v, of_keys, &part.dv, dv);
        for (row, value) in part.dtable.iter().enumerate() {
            if let Some(dtable) = &mut self.dtable {
                dtable[row * heads + head] += value;
            }
        }
        if let Some(dgate) = &mut self.dgate {
            dgate[(b * heads + head) * q_len..][..q_len].copy_from_slice(&part.dgate);
        }
        if let (Some(sum), Some(layout), Some(dbias)) =
            (&mut self.dbias, problem.dense(), &part.dbias)
        {
            add_rows(sum, layout, [b, head], dbias, k_len);
        }
    }
}

/// Adds rows to where a layout has them.
fn add_rows(sum: &mut [f64], layout: Layout, [b, head]: [usize; 2], rows: &[f64], width: usize) {
    for (row, values) in rows.chunks_exact(width.max(1)).enumerate() {
        let sum = &mut sum[layout.start(b, head, row)..];
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += value;
        }
    }
}
