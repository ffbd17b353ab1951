//! The tolerance of gradients, from what a plain f32 backward pass gets wrong on the same data.

use relattn::cpu::{ExactGradients, Gradients, Inputs, Oracle};
use relattn::{Problem, Tensor};

use super::compare::{largest, naive};
use super::heat::{Heat, Strided, heat};
use super::naive_gradients::{naive_gradients, spread};
use super::worst::{Worst, difference};

/// What gradients are compared with.
#[derive(Clone, Debug)]
pub struct GradientReference {
    tensors: Vec<Expected>,
}

/// One of the gradients.
#[derive(Clone, Debug)]
struct Expected {
    tensor: Tensor,
    name: &'static str,
    exact: Vec<f64>,
    bound: f64,
    /// The elements that belong to no gap of the layout, where there are gaps.
    written: Option<Vec<bool>>,
}

impl GradientReference {
    /// The f64 gradients, and for each tensor the bound `2 · (|naive − exact| + ulp · |exact|)`, with its spread for `|exact|` where
    /// that is larger, and of `|naive − exact|` at least what the rounding of scores and of the log-sum-exp makes of it. The output that the naive pass
    /// reads is rounded to the type of the problem: that is an ulp of this type in every gradient, also of those that are f32
    /// themselves.
    pub fn new(problem: &Problem, inputs: &Inputs<'_>, dout: &[f32]) -> Self {
        let exact = Oracle.exact_gradients(problem, inputs, dout);
        let exact = named_exact(exact.expect("valid inputs"));
        let outputs = naive(problem, inputs);
        let naive = naive_gradients(problem, inputs, &outputs, dout);
        let spread = spread(problem, inputs, &outputs, dout);
        let rounding = [
            outputs.rounding_backward(),
            problem.dtype().epsilon().into(),
        ];
        let tensors = exact
            .into_iter()
            .zip(named(&naive).into_iter().zip(named(&spread)));
        Self {
            tensors: tensors
                .map(|((tensor, exact), ((name, naive), (_, spread)))| Expected {
                    tensor,
                    name,
                    bound: bound(&exact, naive, spread, rounding),
                    exact,
                    written: written(problem, tensor),
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

    /// The error of gradients as a share of the bound, or where it is worst.
    pub fn check(&self, found: &Gradients) -> Result<f64, String> {
        match self.worst(found)? {
            Some(worst) if worst.share() > 1.0 => Err(worst.to_string()),
            worst => Ok(worst.map_or(0.0, |worst| worst.share())),
        }
    }

    /// Where gradients are worst, by their share of the bound; nothing where they have no elements.
    pub fn worst(&self, found: &Gradients) -> Result<Option<Worst>, String> {
        let found = named(found);
        let lengths = |&(name, values): &(&'static str, &[f32])| (name, values.len());
        let given: Vec<_> = found.iter().map(lengths).collect();
        let expected = self.tensors.iter();
        let expected: Vec<_> = expected.map(|one| (one.name, one.exact.len())).collect();
        if given != expected {
            return Err(format!("gradients are {given:?}; {expected:?} are right"));
        }
        let all = self
            .tensors
            .iter()
            .zip(found)
            .filter_map(|(one, (_, found))| {
                Worst::of(
                    one.name,
                    (found, one.bound),
                    &one.exact,
                    one.written.as_deref(),
                )
            });
        Ok(all.reduce(Worst::or))
    }

    /// The errors around the worst one.
    #[must_use]
    pub fn heat(&self, problem: &Problem, found: &Gradients, worst: &Worst) -> Option<Heat> {
        let mut all = self.tensors.iter().zip(named(found));
        let (one, (_, found)) = all.find(|(one, _)| one.name == worst.tensor)?;
        heat(problem, one.tensor, worst, (found, &one.exact))
    }
}

/// From what the rounding of scores and of the log-sum-exp makes of a gradient and an ulp, both as shares.
fn bound(exact: &[f64], naive: &[f32], spread: &[f32], [rounding, ulp]: [f64; 2]) -> f64 {
    let spread = spread.iter().copied().map(f64::from);
    let magnitude = largest(exact.iter().copied().chain(spread));
    let errors = exact.iter().zip(naive).map(|(&e, &n)| difference(n, e));
    let error = largest(errors.chain([rounding * magnitude]));
    2.0 * (error + ulp * magnitude)
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
    let strided = Strided::of(problem, tensor)?;
    Some(strided.written(problem.shape().batch, super::elements(problem, tensor)))
}
