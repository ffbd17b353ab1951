//! Gradients by differences of the definition.

use std::collections::{HashMap, HashSet};

use relattn::Dropout;
use relattn_conformance::compare::largest;

use super::Made;
use super::place::Place;
use super::reference::{Case, Score, exact};

pub(crate) type Tensors = HashMap<&'static str, Made>;

/// What is added to a score, from the tensors of the input.
pub(crate) type Bias = fn(&Tensors, Score) -> f64;

/// An input with `dctx`, what is added to its scores, and what dropout leaves out.
pub(crate) struct Differences {
    pub(crate) tensors: Tensors,
    pub(crate) bias: Bias,
    pub(crate) dropout: Option<Dropout>,
}

impl Differences {
    /// Asserts that these devices write the gradients of q, k, v and of these tensors, and no others.
    pub(crate) fn agree(&self, devices: &[&str], options: &[&str], learned: &[&str]) {
        self.agree_beside(devices, options, learned, &[]);
    }

    /// The same where there are gradients beside these, which nobody looks at.
    pub(crate) fn agree_beside(
        &self,
        devices: &[&str],
        options: &[&str],
        learned: &[&str],
        others: &[&str],
    ) {
        let names: Vec<&str> = [&["q", "k", "v"], learned].concat();
        let all: HashSet<String> = ["ctx".into(), "lse".into()]
            .into_iter()
            .chain(names.iter().chain(others).map(|name| format!("d{name}")))
            .collect();
        let place = Place::new(&self.tensors);
        let options = [&["--backward"], options].concat();
        let expected: Vec<Vec<f64>> = names.iter().map(|name| self.of(name)).collect();
        for device in devices {
            let written = place.written(device, &options);
            assert_eq!(written.keys().cloned().collect::<HashSet<_>>(), all);
            for (name, expected) in names.iter().zip(&expected) {
                let found = &written[&format!("d{name}")];
                assert_eq!(
                    found.shape, self.tensors[name].shape,
                    "{options:?}: d{name}"
                );
                let what = format!("{options:?} on {device}: d{name}");
                close(&what, &found.values(), expected);
            }
        }
    }

    /// The gradient of the loss with respect to a tensor.
    fn of(&self, name: &str) -> Vec<f64> {
        let values = self.tensors[name].values();
        (0..values.len())
            .map(|n| {
                let step = values[n].abs().max(1.0) / 1024.0;
                let [(above, up), (below, down)] =
                    [step, -step].map(|step| self.moved(name, n, step));
                (up - down) / (above - below)
            })
            .collect()
    }

    /// A number moved by a step, as f32 has it, and the loss there.
    fn moved(&self, name: &str, n: usize, step: f64) -> (f64, f64) {
        let mut tensors = self.tensors.clone();
        let made = tensors.get_mut(name).expect("a tensor");
        let mut values = made.values();
        values[n] += step;
        *made = Made::numbers(&made.shape, &values);
        let at = made.values()[n];
        (at, self.loss(&tensors))
    }

    /// The output, rounded.
    pub(crate) fn ctx(&self) -> Vec<f32> {
        let ctx = self.ctx_of(&self.tensors);
        #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
        ctx.iter().map(|&value| value as f32).collect()
    }

    /// `Σ dctx · ctx`.
    fn loss(&self, tensors: &Tensors) -> f64 {
        let products = self.ctx_of(tensors).into_iter();
        let products = products.zip(tensors["dctx"].values());
        products.map(|(ctx, dctx)| ctx * dctx).sum()
    }

    fn ctx_of(&self, tensors: &Tensors) -> Vec<f64> {
        let bias = |score| (self.bias)(tensors, score);
        let case = Case {
            tensors,
            bias: &bias,
            visible: &|_| true,
        };
        let kept = |score: Score| {
            let score = score.map(|n| u32::try_from(n).expect("small"));
            self.dropout.map_or(1.0, |dropout| dropout.factor(score))
        };
        exact(&case, &kept)
    }
}

/// Up to a share of the largest number, which is not 0.
fn close(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let most = largest(expected.iter().copied());
    assert!(most > 1e-4, "{what}: nothing depends on it: {most:e}");
    let worst = largest(found.iter().zip(expected).map(|(x, y)| x - y)) / most;
    assert!(worst <= 1e-5, "{what}: {worst:e} of {most:e}");
}
