//! The tiled CPU form against the recorded runs and, over random shapes, against the oracle.

mod harness;

use harness::catalogue::catalogue;
use harness::compare::Reference;
use harness::data::Data;
use harness::{Recorded, T5_CASES, elements, largest_error};
use proptest::prelude::*;
use relattn::cpu::{Attention, Inputs, Oracle, Tiled};
use relattn::{Bias, Direction, Mask, Problem, RelativeBuckets, Shape, Tensor};

#[test]
fn equals_the_recorded_runs() {
    for case in T5_CASES
        .map(Recorded::t5)
        .iter()
        .chain([&Recorded::mpnet()])
    {
        let found = Tiled
            .forward(&case.problem, &case.inputs())
            .expect("valid inputs");
        let found: Vec<f64> = found.out.iter().map(|&value| f64::from(value)).collect();
        let error = largest_error(&found, &case.ctx);
        assert!(error <= 4e-6, "{:?}: {error:e}", case.problem.shape());
    }
}

#[test]
fn every_case_of_the_catalogue() {
    for case in catalogue() {
        let data = Data::generate(&case.problem, 7);
        let found = Tiled.forward(&case.problem, &data.inputs());
        let found = found.unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let checked = Reference::new(&case.problem, &data.inputs()).check(&found);
        checked.unwrap_or_else(|error| panic!("{}: {error}", case.name));
    }
}

proptest! {
    #[test]
    fn equals_the_oracle(
        (batch, kv_heads, group) in (1..3_u32, 1..3_u32, 1..3_u32),
        (q_len, k_len, head_dim) in (0..150_u32, 0..150_u32, 1..70_u32),
        (causal, keys, bidirectional) in any::<(bool, bool, bool)>(),
        query_offset in -160..160_i32,
        seed in any::<u32>(),
    ) {
        let shape = Shape { batch, heads: kv_heads * group, kv_heads, q_len, k_len, head_dim };
        let direction = if bidirectional { Direction::Bidirectional } else { Direction::Causal };
        let buckets = RelativeBuckets { num_buckets: 32, max_distance: 128, direction };
        let problem = Problem::builder(shape)
            .bias(Bias::Relative(buckets))
            .mask(Mask { causal, keys, ..Mask::NONE })
            .query_offset(query_offset)
            .build()
            .expect("valid");
        let mut state = seed;
        let mut values = |count: usize| -> Vec<f32> {
            (0..count)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    f32::from(u16::try_from(state >> 16).expect("16 bits")) / 32_768.0 - 1.0
                })
                .collect()
        };
        let (q, k) = (values(elements(&problem, Tensor::Q)), values(elements(&problem, Tensor::K)));
        let (v, table) = (values(elements(&problem, Tensor::K)), values(32 * shape.heads as usize));
        let mask: Vec<u8> = values(batch as usize * k_len as usize)
            .into_iter()
            .map(|value| u8::from(value > -0.5))
            .collect();
        let inputs = Inputs { table: Some(&table), key_mask: keys.then_some(&mask), ..Inputs::new(&q, &k, &v) };
        let exact = Oracle.forward(&problem, &inputs).expect("valid inputs");
        let found = Tiled.forward(&problem, &inputs).expect("valid inputs");
        let pairs = found.out.iter().zip(&exact.out).chain(found.lse.iter().zip(&exact.lse));
        for (&found, &exact) in pairs {
            prop_assert!(found == exact || (found - exact).abs() <= 2e-6, "{found} instead of {exact}");
        }
    }
}
