//! The bound that results are compared with allows what scores in f32 cannot be better than, however lucky the plain pass was that it
//! is taken from.

mod harness;

use harness::compare::{Reference, largest};
use harness::data::Data;
use harness::gradients::GradientReference;
use relattn::cpu::{Attention, AttentionGradient, Outputs, Tiled};
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

#[test]
fn what_is_no_number_is_the_largest_wherever_it_is() {
    let values = [1.0, -3.0, 2.0];
    assert!(largest(values.into_iter()).to_bits() == 3_f64.to_bits());
    for at in 0..values.len() {
        for nan in [f64::NAN, -f64::NAN] {
            let mut values = values;
            values[at] = nan;
            assert!(largest(values.into_iter()).is_nan(), "{values:?}");
        }
    }
}

/// Products that f32 does not hold: the plain pass has no number that a bound could be taken from.
#[test]
fn without_a_bound_everything_is_refused() {
    let problem = far();
    let mut data = Data::generate(&problem, 3);
    data.q.iter_mut().for_each(|x| *x *= 1e30);
    data.k.iter_mut().for_each(|x| *x *= 1e30);
    let reference = Reference::new(&problem, &data.inputs());
    let zeros = |count| vec![0.0; count];
    let outputs = Outputs {
        out: zeros(2 * 17 * 8),
        lse: zeros(2 * 17),
    };
    let refused = reference.check(&outputs);
    assert!(refused.is_err(), "{refused:?} of {:?}", reference.bound());
}
