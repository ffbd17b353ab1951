//! Sizes beside a size of 0 may be any: what is made for them is not as long as they are.

use peak_alloc::PeakAlloc;
use relattn::cpu::{Attention, AttentionGradient, Inputs, Tiled, rotated, rotated_exact};
use relattn::{Bias, Problem, Rope, Rotation, Shape, Tensor};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Megabytes that the test's own process may take; without the checks it is thousands.
const MOST: f32 = 64.0;

fn assert_little_memory() {
    let peak = MEMORY.peak_usage_as_mb();
    assert!(peak < MOST, "{peak} MB");
}

/// 2³⁰ rows of no head, and none of 2³² − 1 sequences.
#[test]
fn nothing_to_turn_takes_no_angles() {
    for [batch, heads, rows] in [[1, 0, 1 << 30], [u32::MAX, u32::MAX, 0]] {
        let builder = Rotation::builder(Rope::new(4), [batch, heads, rows, 4]);
        let rotation = builder.build().expect("valid");
        assert_eq!(rotated(&rotation, &[]), Ok(Vec::new()));
        assert_eq!(rotated_exact(&rotation, &[]), Ok(Vec::new()));
    }
    assert_little_memory();
}

/// 2³⁰ numbers in a table of biases, for no query.
#[test]
fn nothing_to_compute_makes_no_table_of_biases() {
    let shape = Shape {
        batch: 0,
        heads: 1,
        kv_heads: 1,
        q_len: 1,
        k_len: 1 << 29,
        head_dim: 4,
    };
    let problem = Problem::builder(shape)
        .bias(Bias::Alibi)
        .build()
        .expect("valid");
    let inputs = Inputs {
        table: Some(&[0.5]),
        ..Inputs::new(&[], &[], &[])
    };
    let outputs = Tiled.forward(&problem, &inputs).expect("valid inputs");
    assert_eq!((&outputs.out[..], &outputs.lse[..]), (&[][..], &[][..]));
    let gradients = Tiled
        .backward(&problem, &inputs, &outputs, &[])
        .expect("valid inputs");
    assert_eq!(gradients.dtable.as_deref(), Some(&[0.0][..]));
    assert_eq!(gradients.dk.len() as u64, problem.elements(Tensor::K));
    assert_little_memory();
}
