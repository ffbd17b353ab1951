//! The oracle against Hugging Face's T5, a real model's layer, and planted errors.

mod harness;

use harness::recorded::ROUNDING;
use harness::{Recorded, T5_CASES, largest_error};
use relattn::cpu::{Attention, Inputs, Oracle};
use relattn::{
    Bias, InputError, Kerple, Mask, Problem, ProblemError, Scale, Shape, Tensor, alibi_slopes,
};

#[test]
fn equals_hugging_face() {
    for name in T5_CASES {
        let case = Recorded::t5(name);
        let exact = Oracle
            .exact(&case.problem, &case.inputs())
            .expect("valid inputs");
        let error = largest_error(&exact.out, &case.ctx);
        assert!(error <= ROUNDING, "{name}: error {error:e}");
    }
}

#[test]
fn equals_the_real_model() {
    let case = Recorded::mpnet();
    let exact = Oracle
        .exact(&case.problem, &case.inputs())
        .expect("valid inputs");
    let error = largest_error(&exact.out, &case.ctx);
    assert!(error <= ROUNDING, "error {error:e}");
}

#[test]
fn notices_a_single_wrong_table_entry() {
    for name in T5_CASES {
        let mut case = Recorded::t5(name);
        case.data.table.as_mut().expect("a table")[0] += 1e-2;
        let exact = Oracle
            .exact(&case.problem, &case.inputs())
            .expect("valid inputs");
        let error = largest_error(&exact.out, &case.ctx);
        assert!(error > 10.0 * ROUNDING, "{name}: error {error:e}");
    }
}

#[test]
fn a_row_without_keys_is_zero() {
    let shape = Shape {
        batch: 1,
        heads: 1,
        kv_heads: 1,
        q_len: 2,
        k_len: 2,
        head_dim: 1,
    };
    let problem = Problem::builder(shape)
        .mask(Mask::CAUSAL)
        .query_offset(-1)
        .build()
        .expect("valid");
    let inputs = Inputs::new(&[1.0, 1.0], &[1.0, 2.0], &[3.0, 4.0]);
    let outputs = Oracle.forward(&problem, &inputs).expect("valid inputs");
    assert_eq!(outputs.out, [0.0, 3.0]);
    assert_eq!(outputs.lse, [f32::NEG_INFINITY, 1.0]);
}

#[test]
fn bad_input_is_named() {
    let shape = Shape {
        batch: 1,
        heads: 2,
        kv_heads: 1,
        q_len: 1,
        k_len: 1,
        head_dim: 1,
    };
    let problem = Problem::builder(shape).build().expect("valid");
    let inputs = Inputs::new(&[0.0; 3], &[0.0], &[0.0]);
    assert_eq!(
        Oracle.forward(&problem, &inputs),
        Err(InputError::Length {
            tensor: Tensor::Q,
            found: 3,
            expected: 2
        })
    );
    let inputs = Inputs {
        q: &[0.0; 2],
        table: Some(&[0.0]),
        ..inputs
    };
    assert_eq!(
        Oracle.forward(&problem, &inputs),
        Err(InputError::Unused {
            tensor: Tensor::Table
        })
    );
    let build = |shape| Problem::builder(shape).build().map(|_| ());
    assert_eq!(
        build(Shape {
            heads: 3,
            kv_heads: 2,
            ..shape
        }),
        Err(ProblemError::HeadGroups {
            heads: 3,
            kv_heads: 2
        })
    );
    assert_eq!(
        build(Shape {
            heads: 0,
            kv_heads: 2,
            ..shape
        }),
        Err(ProblemError::HeadGroups {
            heads: 0,
            kv_heads: 2
        })
    );
    assert!(matches!(
        build(Shape {
            head_dim: 257,
            ..shape
        }),
        Err(ProblemError::HeadDim { .. })
    ));
    assert!(matches!(
        build(Shape {
            batch: u32::MAX,
            ..shape
        }),
        Err(ProblemError::TooLarge { .. })
    ));
    let scale = Problem::builder(shape)
        .scale(Scale::Value(f32::NAN))
        .build();
    assert!(matches!(scale, Err(ProblemError::Scale { .. })));
}

/// The bias of each key of one query at position `query_offset`, read off the log-sum-exp: the query is 0, and all keys but
/// one are hidden.
fn biases(bias: Bias, heads: u32, query_offset: i32, table: Option<&[f32]>) -> Vec<f32> {
    const KEYS: u32 = 12;
    let shape = Shape {
        batch: 1,
        heads,
        kv_heads: heads,
        q_len: 1,
        k_len: KEYS,
        head_dim: 1,
    };
    let problem = Problem::builder(shape)
        .bias(bias)
        .mask(Mask {
            keys: true,
            ..Mask::NONE
        })
        .query_offset(query_offset)
        .build()
        .expect("valid");
    let (q, k) = (
        vec![0.0; heads as usize],
        vec![0.0; (heads * KEYS) as usize],
    );
    let of_key = |j: u32| {
        let mask: Vec<u8> = (0..KEYS).map(|key| u8::from(key == j)).collect();
        let inputs = Inputs {
            table,
            key_mask: Some(&mask),
            ..Inputs::new(&q, &k, &k)
        };
        Oracle.forward(&problem, &inputs).expect("valid inputs").lse
    };
    (0..KEYS).flat_map(of_key).collect()
}

fn close(found: f32, expected: f32) {
    assert!(
        (found - expected).abs() <= 1e-6 * expected.abs().max(1.0),
        "{found}, {expected} is right"
    );
}

#[test]
fn slopes_are_those_of_the_paper() {
    // Section 3 of Press et al.: 1/2, 1/4, … 1/256 for 8 heads, and 1/√2, 1/2, 1/(2√2), … 1/256 for 16.
    let eight: Vec<f32> = (1..=8).map(|n| 0.5_f32.powi(n)).collect();
    assert_eq!(alibi_slopes(8), eight);
    for (n, slope) in (1_i16..).zip(alibi_slopes(16)) {
        close(slope, 0.5_f32.powf(f32::from(n) / 2.0));
    }
    // Other numbers take every second slope of the next power of two behind those of the last.
    let twelve = alibi_slopes(12);
    assert_eq!(twelve[..8], eight);
    for (n, slope) in [1_i16, 3, 5, 7].into_iter().zip(&twelve[8..]) {
        close(*slope, 0.5_f32.powf(f32::from(n) / 2.0));
    }
    assert!(alibi_slopes(0).is_empty());
}

#[test]
fn families_have_their_closed_forms() {
    // Key j is at offset j − 4.
    let alibi = biases(Bias::Alibi, 2, 4, Some(&[0.5, 0.25]));
    assert_eq!(alibi[..2], [-2.0, -1.0]);
    assert_eq!(alibi[8..12], [0.0, 0.0, -0.5, -0.25]);
    let e = std::f32::consts::E;
    // p = 3 and a = (e − 1) / 2: at distance 2 the logarithm is that of e.
    let log = biases(
        Bias::Kerple(Kerple::Log),
        1,
        4,
        Some(&[3.0, (e - 1.0) / 2.0]),
    );
    close(log[2], -3.0);
    close(log[4], 0.0);
    close(log[6], -3.0);
    // p = 1.5, a = 2: 4^1.5 is 8.
    let power = biases(Bias::Kerple(Kerple::Power), 1, 4, Some(&[1.5, 2.0]));
    close(power[0], -16.0);
    close(power[4], 0.0);
    close(power[8], -16.0);
    // Every angle is 0 at offset 0, so that all dimensions / 2 cosines are 1; with 2 dimensions the frequency is 1.
    let wide = biases(Bias::Sandwich { dimensions: 128 }, 4, 4, None);
    close(wide[16], 64.0 * 4.0 / 8.0);
    close(wide[19], 64.0 * 4.0 / 32.0);
    let narrow = biases(Bias::Sandwich { dimensions: 2 }, 8, 4, None);
    close(narrow[5 * 8], 1.0_f32.cos());
    close(narrow[2 * 8 + 1], 2.0_f32.cos() / 2.0);
    let table = [10.0, 20.0, 30.0, 40.0, 50.0];
    let clipped = biases(Bias::PerOffset { max_offset: 2 }, 1, 4, Some(&table));
    assert_eq!(clipped[..4], [10.0, 10.0, 10.0, 20.0]);
    assert_eq!(clipped[4..8], [30.0, 40.0, 50.0, 50.0]);
}
