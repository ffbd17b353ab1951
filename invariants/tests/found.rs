//! Numbers at the ends of their types, where there was an overflow, a wrong bucket, or work without end.

use relattn::cpu::{Attention, AttentionGradient, Inputs, Oracle, Tiled};
use relattn::{
    Bias, Direction, IndexFormat, Layout, Mask, Packed, Problem, ProblemError, RelativeBuckets,
    Shape, Tensor, alibi_slopes,
};

#[test]
fn the_oracle_has_a_bucket_for_every_offset() {
    for direction in [Direction::Bidirectional, Direction::Causal] {
        let buckets = RelativeBuckets {
            direction,
            ..RelativeBuckets::t5_encoder()
        };
        let thresholds = buckets.thresholds().expect("valid");
        for offset in [i64::MIN, i64::MIN + 1, i64::MAX] {
            let found = Oracle::bucket(&buckets, offset);
            assert_eq!(
                found,
                thresholds.bucket(offset),
                "{direction:?} at {offset}"
            );
        }
    }
}

/// ln(33435867 / 5) is within 1e-9 of where the next bucket begins.
#[test]
fn the_oracle_tells_distances_apart_that_logarithms_do_not() {
    let buckets = RelativeBuckets {
        num_buckets: 22,
        max_distance: 774_927_560,
        direction: Direction::Bidirectional,
    };
    for (offset, expected) in [(-33_435_867, 9), (-33_435_868, 10)] {
        assert_eq!(Oracle::bucket(&buckets, offset), expected, "{offset}");
    }
}

#[test]
fn rows_of_biases_that_no_problem_takes_do_not_overflow() {
    let indexed = Bias::Indexed {
        rows: 1 << 17,
        matrices: 1 << 17,
        each_sequence: false,
        format: IndexFormat::U32,
    };
    let per_offset = Bias::PerOffset {
        max_offset: u32::MAX,
    };
    let fire = Bias::Fire { width: u32::MAX };
    for bias in [indexed, per_offset, fire] {
        assert_eq!(bias.table_rows(), Some(u32::MAX), "{bias:?}");
    }
}

#[test]
fn rows_of_a_shape_that_no_problem_takes_do_not_overflow() {
    let shape = Shape {
        batch: u32::MAX,
        heads: u32::MAX,
        kv_heads: 1,
        q_len: u32::MAX,
        k_len: 1,
        head_dim: 1,
    };
    assert_eq!(shape.rows(), usize::MAX);
}

#[test]
fn slopes_of_few_heads() {
    assert!(alibi_slopes(0).is_empty());
    assert_eq!(alibi_slopes(1), [1.0 / 256.0]);
    assert_eq!(alibi_slopes(3), [1.0 / 16.0, 1.0 / 256.0, 0.25]);
}

/// Nothing is at the stride of a dimension of size 1.
#[test]
fn single_rows_have_gradients_whatever_their_stride() {
    let shape = Shape {
        batch: 1,
        heads: 1,
        kv_heads: 1,
        q_len: 1,
        k_len: 1,
        head_dim: 3,
    };
    let none = Layout::default();
    let gradients = |layouts: &[Tensor]| {
        let mut builder = Problem::builder(shape);
        for &tensor in layouts {
            builder = builder
                .layout(tensor, none)
                .expect("a tensor with a layout");
        }
        let problem = builder.build().expect("valid");
        let row = [1.0, 2.0, 3.0];
        let inputs = Inputs::new(&row, &row, &row);
        let outputs = Tiled.forward(&problem, &inputs).expect("valid inputs");
        Tiled
            .backward(&problem, &inputs, &outputs, &row)
            .expect("valid inputs")
    };
    let all = [Tensor::Q, Tensor::K, Tensor::V, Tensor::Out];
    assert_eq!(gradients(&all), gradients(&[]));
}

#[test]
fn so_many_sequences_that_their_starts_are_not_counted_are_refused() {
    let packed = |sequences| {
        let shape = Shape {
            batch: 1,
            heads: 1,
            kv_heads: 1,
            q_len: 1,
            k_len: 1,
            head_dim: 1,
        };
        let mask = Mask {
            packed: Some(Packed { sequences }),
            ..Mask::NONE
        };
        Problem::builder(shape).mask(mask).build()
    };
    let refused = ProblemError::TooLarge {
        tensor: Tensor::QueryStarts,
        elements: 1 << 32,
        maximum: u64::from(u32::MAX),
    };
    assert_eq!(packed(u32::MAX), Err(refused));
    assert!(packed(u32::MAX - 1).is_ok());
}
