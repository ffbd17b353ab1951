//! The bound that results are compared with allows what scores in f32 cannot be better than, however lucky the plain pass was that it
//! is taken from.

mod harness;

use harness::compare::Reference;
use harness::data::Data;
use harness::gradients::GradientReference;
use relattn::cpu::{Attention, AttentionGradient, Tiled};
use relattn::{Bias, Problem, Shape};

/// Keys so far from the queries that biases are of the size of 100.
fn far() -> Problem {
    let shape = Shape {
        batch: 1,
        heads: 2,
        kv_heads: 2,
        q_len: 17,
        k_len: 40,
        head_dim: 8,
    };
    let problem = Problem::builder(shape).bias(Bias::Alibi).query_offset(150);
    problem.build().expect("a valid problem")
}

fn both(problem: &Problem, seed: u32) -> Result<(), String> {
    let data = Data::generate(problem, seed);
    let inputs = data.inputs();
    let outputs = Tiled.forward(problem, &inputs).expect("valid inputs");
    Reference::new(problem, &inputs).check(&outputs)?;
    let dout = harness::backward::dout(problem, seed + 10);
    let gradients = Tiled.backward(problem, &inputs, &outputs, &dout);
    let reference = GradientReference::new(problem, &inputs, &dout);
    reference.check(&gradients.expect("valid inputs"))?;
    Ok(())
}

#[test]
fn scores_of_any_size_are_within_the_bound() {
    let problem = far();
    for seed in 1..400 {
        both(&problem, seed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}
