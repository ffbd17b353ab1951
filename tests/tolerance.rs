//! The bound that results are compared with allows what scores in f32 cannot be better than, however lucky the plain pass was that it
//! is taken from.

mod harness;

use harness::compare::Reference;
use harness::data::Data;
use relattn::cpu::{Attention, Tiled};
use relattn::{Bias, Problem, Shape};

/// Keys so far from the queries that biases are of the size of 100.
fn far() -> Problem {
    let shape = Shape {
        batch: 1,
        heads: 2,
        kv_heads: 2,
        q_len: 17,
        k_len: 40,
        head_dim: 12,
    };
    let problem = Problem::builder(shape).bias(Bias::Alibi).query_offset(150);
    problem.build().expect("a valid problem")
}

#[test]
fn scores_of_any_size_are_within_the_bound() {
    let problem = far();
    for seed in 1..600 {
        let data = Data::generate(&problem, seed);
        let found = Tiled::default().forward(&problem, &data.inputs());
        let share = Reference::new(&problem, &data.inputs()).check(&found.expect("valid inputs"));
        share.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}
