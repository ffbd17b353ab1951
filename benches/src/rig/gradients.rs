//! What the gradients of a case have to be: by the formulas in f64, which are themselves held to differences of the oracle's output.

use rayon::prelude::*;
use relattn::Bias;
use relattn::cpu::Oracle;
use relattn_conformance::compare::largest;

use super::case::{Case, HEAD_DIM, HEADS, SCALE};
use super::generator::values;

const DIM: usize = HEAD_DIM as usize;

/// The greatest difference of two gradients, as a part of the tensor's greatest number.
const TOLERANCE: f64 = 1e-5;

/// The gradients of `Σ out ∘ dout`, each laid out as what it is the gradient of.
#[derive(Clone, Debug, Default)]
pub struct Gradients {
    /// `[H, N, D]`.
    pub dq: Vec<f64>,
    /// `[H, N, D]`.
    pub dk: Vec<f64>,
    /// `[H, N, D]`.
    pub dv: Vec<f64>,
    /// `[buckets, H]`; without a bias zeros.
    pub dtable: Vec<f64>,
}

/// The gradient of the output that goes with a case.
#[must_use]
pub fn dout(case: &Case) -> Vec<f32> {
    values(case.q.len(), 5)
}

/// The gradients of a case with T5's bias or none.
#[must_use]
pub fn gradients(case: &Case, bias: Bias, dout: &[f32]) -> Gradients {
    let heads: Vec<Gradients> = (0..HEADS as usize)
        .into_par_iter()
        .map(|head| Head::new(case, bias, dout, head).gradients())
        .collect();
    let mut all = Gradients {
        dtable: vec![0.0; case.table.len()],
        ..Gradients::default()
    };
    for (number, head) in heads.iter().enumerate() {
        all.dq.extend(&head.dq);
        all.dk.extend(&head.dk);
        all.dv.extend(&head.dv);
        for (bucket, &sum) in head.dtable.iter().enumerate() {
            all.dtable[bucket * heads.len() + number] = sum;
        }
    }
    all
}

/// A head's rows, and its bias with its bucket by `j − i + N − 1`.
struct Head {
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    dout: Vec<f64>,
    bias: Vec<(usize, f64)>,
    buckets: usize,
}

impl Head {
    fn new(case: &Case, bias: Bias, dout: &[f32], head: usize) -> Self {
        let length = case.n as usize * DIM;
        let rows = |tensor: &[f32]| -> Vec<f64> {
            let rows = &tensor[head * length..][..length];
            rows.iter().copied().map(f64::from).collect()
        };
        let problem = case.problem(bias);
        let number = |offset| {
            let bucket = problem.thresholds().map(|all| all.bucket(offset) as usize);
            bucket.map_or((0, 0.0), |bucket| {
                let number = case.table[bucket * HEADS as usize + head];
                (bucket, f64::from(number))
            })
        };
        let n = i64::from(case.n);
        Self {
            q: rows(&case.q),
            k: rows(&case.k),
            v: rows(&case.v),
            dout: rows(dout),
            bias: (1 - n..n).map(number).collect(),
            buckets: problem.table_rows() as usize,
        }
    }

    /// A row of scores at a time.
    fn gradients(&self) -> Gradients {
        let zeros = || vec![0.0; self.q.len()];
        let mut sums = Gradients {
            dq: zeros(),
            dk: zeros(),
            dv: zeros(),
            dtable: vec![0.0; self.buckets],
        };
        for i in 0..self.q.len() / DIM {
            self.add_row(i, &mut sums);
        }
        sums
    }

    fn add_row(&self, i: usize, sums: &mut Gradients) {
        let n = self.q.len() / DIM;
        let (q, dout) = (row(&self.q, i), row(&self.dout, i));
        let bias = &self.bias[n - 1 - i..][..n];
        let weights = self.weights(q, bias);
        let dweights: Vec<f64> = (0..n).map(|j| dot(dout, row(&self.v, j))).collect();
        // The same as the sum of out ∘ dout over the features.
        let delta = dot(&weights, &dweights);
        for j in 0..n {
            let dscore = weights[j] * (dweights[j] - delta);
            let scaled = f64::from(SCALE) * dscore;
            add(row_mut(&mut sums.dv, j), weights[j], dout);
            add(row_mut(&mut sums.dq, i), scaled, row(&self.k, j));
            add(row_mut(&mut sums.dk, j), scaled, q);
            if let Some(sum) = sums.dtable.get_mut(bias[j].0) {
                *sum += dscore;
            }
        }
    }

    fn weights(&self, q: &[f64], bias: &[(usize, f64)]) -> Vec<f64> {
        let scores = self.k.chunks_exact(DIM).zip(bias);
        let scores = scores.map(|(k, (_, bias))| f64::from(SCALE) * dot(q, k) + bias);
        let mut weights: Vec<f64> = scores.collect();
        let top = weights.iter().copied().fold(f64::MIN, f64::max);
        for weight in &mut weights {
            *weight = (*weight - top).exp();
        }
        let total: f64 = weights.iter().sum();
        for weight in &mut weights {
            *weight /= total;
        }
        weights
    }
}

fn row(tensor: &[f64], number: usize) -> &[f64] {
    &tensor[number * DIM..][..DIM]
}

fn row_mut(tensor: &mut [f64], number: usize) -> &mut [f64] {
    &mut tensor[number * DIM..][..DIM]
}

fn add(sums: &mut [f64], factor: f64, row: &[f64]) {
    for (sum, x) in sums.iter_mut().zip(row) {
        *sum += factor * x;
    }
}

/// In eight sums, which a compiler may keep in vectors; of lengths that eight divides.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

/// Panics where gradients in f32 differ from these by more than f32 explains.
pub fn assert_gradient(name: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let differences = found.iter().zip(expected);
    let differences = differences.map(|(&found, expected)| f64::from(found) - expected);
    let worst = largest(differences) / largest(expected.iter().copied());
    assert!(
        worst <= TOLERANCE,
        "{name} is wrong by {worst} of its greatest number"
    );
}

/// Panics where these gradients do not say how the oracle's output changes with each input.
pub fn assert_slopes(case: &Case, bias: Bias, dout: &[f32], gradients: &Gradients) {
    type Field = fn(&mut Case) -> &mut Vec<f32>;
    let inputs: [(&str, Field, &[f64]); 4] = [
        ("dq", |case| &mut case.q, &gradients.dq),
        ("dk", |case| &mut case.k, &gradients.dk),
        ("dv", |case| &mut case.v, &gradients.dv),
        ("dtable", |case| &mut case.table, &gradients.dtable),
    ];
    for (seed, (name, field, gradient)) in (6..).zip(inputs) {
        let moved = |step: f32| {
            let mut case = case.clone();
            let direction = values(gradient.len(), seed);
            for (x, along) in field(&mut case).iter_mut().zip(direction) {
                *x += step * along;
            }
            case
        };
        let (mut before, mut after) = (moved(-1e-3), moved(1e-3));
        let found = loss(&after, bias, dout) - loss(&before, bias, dout);
        let steps = field(&mut after).iter().zip(field(&mut before).iter());
        let steps = steps.map(|(&after, &before)| f64::from(after) - f64::from(before));
        let expected: f64 = steps.zip(gradient).map(|(step, slope)| step * slope).sum();
        assert!(
            (found - expected).abs() <= 1e-5 * found.abs(),
            "{name} says {expected}, the oracle {found}"
        );
    }
}

/// What the gradients are of, in f64.
fn loss(case: &Case, bias: Bias, dout: &[f32]) -> f64 {
    let exact = Oracle.exact(&case.problem(bias), &case.inputs(bias));
    let out = exact.expect("valid inputs").out;
    let products = out
        .iter()
        .zip(dout)
        .map(|(out, &dout)| out * f64::from(dout));
    products.sum()
}
