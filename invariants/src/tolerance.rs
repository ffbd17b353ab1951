//! How far f32 may be from the definition, by the errors of its operations.

use relattn::cpu::{Exact, Outputs};
use relattn::{Bias, Kerple, Problem};

/// For data within ±1: sums of n terms lose at most n roundings of the sum of their magnitudes, and what a score is wrong by, a weight is
/// wrong by in proportion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tolerance {
    out: f64,
    lse: f64,
}

const EPSILON: f64 = f32::EPSILON as f64;
/// Past this nothing is said about the weights.
const USELESS: f64 = 0.02;

impl Tolerance {
    pub(crate) fn of(problem: &Problem) -> Self {
        let shape = problem.shape();
        let [features, keys] = [shape.head_dim, shape.k_len].map(f64::from);
        let product = f64::from(problem.scale()).abs() * features;
        let biases: f64 = problem.biases().map(|bias| magnitude(problem, bias)).sum();
        let score = EPSILON * (features + 16.0) * (product + biases);
        let kept = problem.dropout().map_or(1.0, |dropout| {
            1.0 / f64::from((1.0 - dropout.probability).max(1.0 / 65_536.0))
        });
        Self {
            out: 2.0 * kept * (2.0 * score + EPSILON * (keys + 16.0)),
            lse: 2.0 * (2.0 * score + EPSILON * (keys + 16.0)),
        }
    }

    pub(crate) fn check(self, exact: &Exact, found: &Outputs) {
        self.compare("out", self.out, &exact.out, &found.out);
        self.compare("lse", self.lse, &exact.lse, &found.lse);
    }

    fn compare(self, what: &str, allowed: f64, exact: &[f64], found: &[f32]) {
        assert_eq!(exact.len(), found.len(), "{what}");
        if self.out.is_nan() || self.out > USELESS {
            return;
        }
        for (n, (&exact, &found)) in exact.iter().zip(found).enumerate() {
            let error = (f64::from(found) - exact).abs();
            let allowed = allowed + EPSILON * exact.abs();
            let equal = f64::from(found) == exact || error <= allowed;
            assert!(
                equal,
                "{what}[{n}] is {found}, {exact} by the definition; {allowed:.1e} is allowed"
            );
        }
    }
}

/// The largest bias of a score, of [`relattn_conformance::data`].
fn magnitude(problem: &Problem, bias: Bias) -> f64 {
    let shape = problem.shape();
    let offset = f64::from(problem.query_offset()).abs();
    let distance = offset + f64::from(shape.q_len) + f64::from(shape.k_len);
    match bias {
        Bias::Alibi => 1.05 * distance,
        Bias::Kerple(Kerple::Log) => 1.05 * (1.0 + 1.05 * distance).ln(),
        Bias::Kerple(Kerple::Power) => 1.05 * distance.powf(1.05) * distance.ln().max(1.0),
        Bias::Sandwich { dimensions } => f64::from(shape.heads) * f64::from(dimensions) / 16.0,
        // Weights within 1.5, L at least 10 and c at least 0.15.
        Bias::Fire { width } => {
            let x = (1.0 + 0.35 * distance).ln() / 2.5_f64.ln();
            1.5 + f64::from(width) * 2.25 * (1.0 + x)
        }
        Bias::Indexed { matrices, .. } => f64::from(matrices),
        _ => 1.0,
    }
}
