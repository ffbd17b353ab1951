//! The oracle against Hugging Face's T5, a real model's layer, and planted errors.

mod harness;

use harness::recorded::ROUNDING;
use harness::{Recorded, T5_CASES, largest_error};
use relattn::cpu::{Attention, Inputs, Oracle};
use relattn::{InputError, Mask, Problem, ProblemError, Scale, Shape, Tensor};

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
    let inputs = Inputs {
        q: &[1.0, 1.0],
        k: &[1.0, 2.0],
        v: &[3.0, 4.0],
        table: None,
        indices: None,
        bias: None,
        key_lengths: None,
        key_mask: None,
    };
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
    let inputs = Inputs {
        q: &[0.0; 3],
        k: &[0.0],
        v: &[0.0],
        table: None,
        indices: None,
        bias: None,
        key_lengths: None,
        key_mask: None,
    };
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
