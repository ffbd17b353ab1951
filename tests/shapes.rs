//! Random lengths, heads and offsets on every adapter, against the oracle. Few kernels serve them all, since lengths, strides and
//! offsets are no part of one.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::contexts;
use harness::compare::Reference;
use harness::data::Data;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use relattn::{Bias, Context, Mask, Problem, RelativeBuckets, Shape, Window};

/// A problem whose kernel is one of four: with and without a window and key lengths, encoder and decoder.
fn problems() -> impl Strategy<Value = Problem> {
    let sizes = (1..3_u32, 1..3_u32, 1..3_u32, 0..140_u32, 0..140_u32);
    let window = (0..90_u32, 0..90_u32);
    (sizes, any::<[bool; 2]>(), window, -220..220_i32).prop_map(
        |((batch, kv_heads, group, q_len, k_len), [causal, limited], (left, right), offset)| {
            let shape = Shape {
                batch,
                heads: kv_heads * group,
                kv_heads,
                q_len,
                k_len,
                head_dim: 12,
            };
            let buckets = if causal {
                RelativeBuckets::t5_decoder()
            } else {
                RelativeBuckets::t5_encoder()
            };
            Problem::builder(shape)
                .bias(Bias::Relative(buckets))
                .mask(Mask {
                    causal,
                    key_lengths: limited,
                    window: limited.then_some(Window { left, right }),
                    ..Mask::NONE
                })
                .query_offset(offset)
                .build()
                .expect("valid")
        },
    )
}

fn check(context: &Context, problem: &Problem, seed: u32) -> Result<(), String> {
    let data = Data::generate(problem, seed);
    let forward = context
        .forward(problem)
        .map_err(|error| error.to_string())?;
    let found = harness::device::run(context, &forward, problem, &data)?;
    let reference = Reference::new(problem, &data.inputs());
    reference.check(&found).map(|_| ())
}

/// Positions are as far from the keys as they may be, and no sum of them with a window leaves 32 bits.
#[test]
fn a_window_without_end_hides_nothing_from_the_farthest_queries() {
    let shape = Shape {
        batch: 1,
        heads: 1,
        kv_heads: 1,
        q_len: 20,
        k_len: 40,
        head_dim: 12,
    };
    let endless = Window {
        left: u32::MAX,
        right: u32::MAX,
    };
    let mask = Mask {
        window: Some(endless),
        ..Mask::NONE
    };
    let builder = Problem::builder(shape).mask(mask);
    let problem = builder.query_offset((1 << 30) - 1 - 20).build();
    let problem = problem.expect("valid");
    for (adapter, context) in contexts() {
        check(&context, &problem, 1).unwrap_or_else(|error| panic!("{adapter}: {error}"));
    }
}

#[test]
fn random_problems_equal_the_oracle() {
    for (adapter, context) in contexts() {
        let config = Config {
            cases: 24,
            failure_persistence: None,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(&(problems(), 1..1000_u32), |(problem, seed)| {
            check(&context, &problem, seed)
                .map_err(|error| TestCaseError::fail(format!("{:?}: {error}", problem.shape())))
        });
        outcome.unwrap_or_else(|error| panic!("{adapter}: {error}"));
    }
}
