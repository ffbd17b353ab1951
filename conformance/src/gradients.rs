//! The tolerance of gradients, from what a plain f32 backward pass gets wrong on the same data.

use relattn::cpu::{ExactGradients, Gradients, Inputs, Oracle};
use relattn::{Bias, Layout, Problem, Tensor};

use super::compare::{difference, largest};
use super::naive_gradients::{naive_gradients, spread};

/// What gradients are compared with.
#[derive(Clone, Debug)]
pub struct GradientReference {
    tensors: Vec<Expected>,
}

/// One of the gradients.
#[derive(Clone, Debug)]
struct Expected {
    name: &'static str,
    exact: Vec<f64>,
    bound: f64,
    /// The elements that belong to no gap of the layout, where there are gaps.
    written: Option<Vec<bool>>,
}

impl GradientReference {
    /// The f64 gradients, and for each tensor the bound `2 · (|naive − exact| + ulp · |exact|)`, with its [`spread`] for the last where
    /// that is larger. The output that the naive pass reads is rounded to the type of the problem.
    pub fn new(problem: &Problem, inputs: &Inputs<'_>, dout: &[f32]) -> Self {
        let exact = Oracle.exact_gradients(problem, inputs, dout);
        let exact = named_exact(exact.expect("valid inputs"));
        let naive = naive_gradients(problem, inputs, dout);
        let spread = spread(problem, inputs, dout);
        let tensors = exact
            .into_iter()
            .zip(named(&naive).into_iter().zip(named(&spread)));
        Self {
            tensors: tensors
                .map(|((tensor, exact), ((name, naive), (_, spread)))| {
                    let epsilon = match tensor {
                        Tensor::DQ | Tensor::DK | Tensor::DV => problem.dtype().epsilon(),
                        _ => f32::EPSILON,
                    };
                    Expected {
                        name,
                        bound: bound(&exact, naive, spread, epsilon),
                        exact,
                        written: written(problem, tensor),
                    }
                })
                .collect(),
        }
    }

    /// What is allowed for a gradient, by its name: `dq`, `dtable` and so on.
    pub fn bound(&self, name: &str) -> f64 {
        let mut tensors = self.tensors.iter();
        let found = tensors.find(|expected| expected.name == name);
        found.expect("a gradient of this name").bound
    }

    /// The error of gradients as a share of the bound, or where it is worst or not finite.
    pub fn check(&self, found: &Gradients) -> Result<f64, String> {
        let found = named(found);
        let names = |names: &mut dyn Iterator<Item = &'static str>| names.collect::<Vec<_>>();
        let expected = names(&mut self.tensors.iter().map(|expected| expected.name));
        let given = names(&mut found.iter().map(|&(name, _)| name));
        if given != expected {
            return Err(format!("gradients are {given:?}; {expected:?} are right"));
        }
        let mut share: f64 = 0.0;
        for (expected, (_, values)) in self.tensors.iter().zip(found) {
            share = share.max(expected.check(values)?);
        }
        Ok(share)
    }
}

impl Expected {
    fn check(&self, found: &[f32]) -> Result<f64, String> {
        let (name, bound) = (self.name, self.bound);
        if found.len() != self.exact.len() {
            return Err(format!(
                "{name} has {} elements; {} are right",
                found.len(),
                self.exact.len()
            ));
        }
        let mut worst = (0.0, 0);
        for (n, (&found, &exact)) in found.iter().zip(&self.exact).enumerate() {
            if self.written.as_ref().is_some_and(|written| !written[n]) {
                continue;
            }
            let error = difference(found, exact);
            if error.is_nan() {
                return Err(format!("{name}[{n}] is {found}, {exact} is right"));
            }
            if error > worst.0 {
                worst = (error, n);
            }
        }
        let (error, n) = worst;
        if error > bound {
            let (found, exact) = (found[n], self.exact[n]);
            return Err(format!(
                "{name}[{n}] is {found}, {exact} is right: error {error:.2e}, allowed {bound:.2e}"
            ));
        }
        Ok(if bound > 0.0 { error / bound } else { 0.0 })
    }
}

fn bound(exact: &[f64], naive: &[f32], spread: &[f32], epsilon: f32) -> f64 {
    let error = largest(exact.iter().zip(naive).map(|(&e, &n)| difference(n, e)));
    let spread = spread.iter().copied().map(f64::from);
    let magnitude = largest(exact.iter().copied().chain(spread).map(f64::abs));
    2.0 * (error + f64::from(epsilon) * magnitude)
}

fn named(gradients: &Gradients) -> Vec<(&'static str, &[f32])> {
    let optional = [
        ("dtable", &gradients.dtable),
        ("dgate", &gradients.dgate),
        ("dbias", &gradients.dbias),
    ];
    [
        ("dq", &gradients.dq),
        ("dk", &gradients.dk),
        ("dv", &gradients.dv),
    ]
    .into_iter()
    .map(|(name, values)| (name, &values[..]))
    .chain(
        optional
            .into_iter()
            .filter_map(|(name, values)| Some((name, values.as_deref()?))),
    )
    .collect()
}

fn named_exact(exact: ExactGradients) -> Vec<(Tensor, Vec<f64>)> {
    let optional = [
        (Tensor::DTable, exact.dtable),
        (Tensor::DGate, exact.dgate),
        (Tensor::DBias, exact.dbias),
    ];
    [
        (Tensor::DQ, exact.dq),
        (Tensor::DK, exact.dk),
        (Tensor::DV, exact.dv),
    ]
    .into_iter()
    .chain(
        optional
            .into_iter()
            .filter_map(|(tensor, values)| Some((tensor, values?))),
    )
    .collect()
}

/// Which elements of a gradient with a layout a pass writes.
fn written(problem: &Problem, tensor: Tensor) -> Option<Vec<bool>> {
    let shape = problem.shape();
    let (layout, heads, rows, features) = match tensor {
        Tensor::DQ => (
            problem.layout(Tensor::Q),
            shape.heads,
            shape.q_len,
            shape.head_dim,
        ),
        Tensor::DK => (
            problem.layout(Tensor::K),
            shape.kv_heads,
            shape.k_len,
            shape.head_dim,
        ),
        Tensor::DV => (
            problem.layout(Tensor::V),
            shape.kv_heads,
            shape.k_len,
            problem.value_dim(),
        ),
        Tensor::DBias => (dense(problem), shape.heads, shape.q_len, shape.k_len),
        _ => return None,
    };
    let layout = layout?;
    let mut written = vec![false; super::elements(problem, tensor)];
    for b in 0..shape.batch as usize {
        for head in 0..heads as usize {
            for row in 0..rows as usize {
                written[layout.start(b, head, row)..][..features as usize].fill(true);
            }
        }
    }
    Some(written)
}

fn dense(problem: &Problem) -> Option<Layout> {
    problem.biases().find_map(|bias| match bias {
        Bias::Dense(layout) => Some(layout),
        _ => None,
    })
}
