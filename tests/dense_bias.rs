//! `cpu::dense_bias` as a dense bias gives what the biases give.

use relattn::cpu::{Attention, Inputs, Oracle, dense_bias};
use relattn::{Bias, Kerple, Layout, Mask, Problem, Shape};

fn values(count: usize, seed: f32) -> Vec<f32> {
    let next = |value: &mut f32, _| {
        *value = (*value * 3.7 + 0.11).fract();
        Some(*value)
    };
    (0..count).scan(seed, next).collect()
}

#[test]
fn a_dense_bias_does_what_a_gated_sum_does() {
    let shape = Shape {
        batch: 2,
        heads: 3,
        kv_heads: 3,
        q_len: 5,
        k_len: 7,
        head_dim: 4,
    };
    let builder = Problem::builder(shape).query_offset(3).mask(Mask::CAUSAL);
    let summed = builder.clone().gated(true);
    let summed = summed
        .add_bias(Bias::Kerple(Kerple::Log))
        .add_bias(Bias::Fire { width: 2 })
        .build()
        .expect("a valid problem");
    let (q, k, v) = (values(120, 0.3), values(168, 0.4), values(168, 0.5));
    let (table, gate) = (values(11 * 3, 0.6), values(30, 0.7));
    let inputs = Inputs {
        table: Some(&table),
        gate: Some(&gate),
        ..Inputs::new(&q, &k, &v)
    };
    let bias = dense_bias(&summed, &inputs).expect("valid inputs");
    let layout = Layout::dense_bias(&shape, true, true).expect("small");
    let dense = builder.bias(Bias::Dense(layout)).build();
    let dense = dense.expect("a valid problem");
    let given = Inputs {
        bias: Some(&bias),
        ..Inputs::new(&q, &k, &v)
    };
    let expected = Oracle.forward(&summed, &inputs).expect("valid inputs");
    let found = Oracle.forward(&dense, &given).expect("valid inputs");
    for (found, expected) in found.lse.iter().zip(&expected.lse) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    assert!(bias.iter().any(|value| value.abs() > 0.1));
    // A hidden score has a bias all the same.
    assert!(bias[6].abs() > 0.0);
}

#[test]
fn nothing_to_add_and_inputs_that_do_not_fit() {
    let shape = Shape {
        batch: 1,
        heads: 2,
        kv_heads: 1,
        q_len: 2,
        k_len: 0,
        head_dim: 1,
    };
    let problem = Problem::builder(shape).build().expect("a valid problem");
    let q = [0.0; 4];
    let inputs = Inputs::new(&q, &[], &[]);
    assert_eq!(dense_bias(&problem, &inputs), Ok(Vec::new()));
    assert!(dense_bias(&problem, &Inputs::new(&q[1..], &[], &[])).is_err());
}
