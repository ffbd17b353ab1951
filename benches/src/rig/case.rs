//! The problem that is measured: a T5 encoder's shape, and what the result has to be.

use relattn::cpu::{Attention, Inputs, Oracle, Tiled};
use relattn::{Bias, Problem, RelativeBuckets, Scale, Shape};
use relattn_conformance::compare::largest;

use super::generator::values;

/// Of queries, keys and values.
pub const HEADS: u32 = 8;
/// Of queries, keys and values.
pub const HEAD_DIM: u32 = 64;
/// 1 / √D.
pub const SCALE: f32 = 0.125;
/// 32 buckets to distance 128, both directions.
pub const T5: Bias = Bias::Relative(RelativeBuckets::t5_encoder());

/// The greatest difference between two f32 results of these sizes.
const TOLERANCE: f32 = 5e-6;

/// The data of one length.
#[derive(Clone, Debug)]
pub struct Case {
    /// Queries, and keys.
    pub n: u32,
    /// `[H, N, D]`.
    pub q: Vec<f32>,
    /// `[H, N, D]`.
    pub k: Vec<f32>,
    /// `[H, N, D]`.
    pub v: Vec<f32>,
    /// `[32, H]`.
    pub table: Vec<f32>,
}

impl Case {
    /// Numbers that are neither symmetric nor zero.
    #[must_use]
    pub fn new(n: u32) -> Self {
        let count = (HEADS * n * HEAD_DIM) as usize;
        Self {
            n,
            q: values(count, 1),
            k: values(count, 2),
            v: values(count, 3),
            table: values((32 * HEADS) as usize, 4),
        }
    }

    /// The problem with this bias.
    #[must_use]
    pub fn problem(&self, bias: Bias) -> Problem {
        problem(self.n, self.n, 0, bias)
    }

    /// The tensors under this bias.
    #[must_use]
    pub fn inputs(&self, bias: Bias) -> Inputs<'_> {
        Inputs {
            table: (bias != Bias::None).then_some(&self.table),
            ..Inputs::new(&self.q, &self.k, &self.v)
        }
    }

    /// `cpu::Tiled`'s output, itself compared with the oracle in a few rows of each head.
    #[must_use]
    pub fn expected(&self, bias: Bias) -> Vec<f32> {
        let out = Tiled
            .forward(&self.problem(bias), &self.inputs(bias))
            .expect("valid inputs")
            .out;
        for first in [0, self.n / 2 - 1, self.n - 2] {
            assert_close(
                "cpu::Tiled",
                &self.rows(&out, first),
                &self.oracle(bias, first),
            );
        }
        out
    }

    /// The oracle's output in two query rows of each head.
    fn oracle(&self, bias: Bias, first: u32) -> Vec<f32> {
        let offset = i32::try_from(first).expect("a small length");
        let q = self.rows(&self.q, first);
        let inputs = Inputs {
            q: &q,
            ..self.inputs(bias)
        };
        let problem = problem(2, self.n, offset, bias);
        Oracle.forward(&problem, &inputs).expect("valid inputs").out
    }

    /// Two rows of each head of q or the output.
    fn rows(&self, tensor: &[f32], first: u32) -> Vec<f32> {
        let heads = tensor.chunks_exact((self.n * HEAD_DIM) as usize);
        let rows = heads.flat_map(|head| {
            let start = (first * HEAD_DIM) as usize;
            &head[start..start + 2 * HEAD_DIM as usize]
        });
        rows.copied().collect()
    }
}

/// A problem of the benchmarks' shape.
#[must_use]
pub fn problem(q_len: u32, k_len: u32, query_offset: i32, bias: Bias) -> Problem {
    let shape = Shape {
        batch: 1,
        heads: HEADS,
        kv_heads: HEADS,
        q_len,
        k_len,
        head_dim: HEAD_DIM,
    };
    Problem::builder(shape)
        .scale(Scale::Value(SCALE))
        .bias(bias)
        .query_offset(query_offset)
        .build()
        .expect("a valid problem")
}

/// Panics where two results differ by more than f32 explains at these sizes.
pub fn assert_close(name: &str, found: &[f32], expected: &[f32]) {
    assert_within(TOLERANCE, name, found, expected);
}

/// Panics where two results differ by more than this.
pub fn assert_within(tolerance: f32, name: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let pairs = found.iter().zip(expected);
    let worst = largest(pairs.map(|(found, expected)| f64::from(found - expected)));
    assert!(worst <= tolerance.into(), "{name} is wrong by {worst}");
}
