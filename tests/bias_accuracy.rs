//! A bias that is far from 0 makes every rounding of it felt, since a score that is off by e changes its weight by the factor exp(e). So
//! the table of a family holds what its formula gives in f64 to about the last place, whatever `fma`, `pow` and `exp2` of a device do.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::contexts;
use harness::compare::largest;
use harness::data::Data;
use harness::device;
use relattn::cpu::Oracle;
use relattn::{Bias, Context, Kerple, Problem, Shape};

/// Every query sees one key, and the product of both is 0: the log-sum-exp is the bias of an offset.
fn problem(bias: Bias) -> Problem {
    let shape = Shape {
        batch: 1,
        heads: 3,
        kv_heads: 1,
        q_len: 700,
        k_len: 1,
        head_dim: 8,
    };
    let builder = Problem::builder(shape).bias(bias);
    builder.build().expect("a valid problem")
}

/// Slopes, or exponents and factors of KERPLE, neither powers of two nor short.
fn data(problem: &Problem) -> Data {
    let mut data = Data::generate(problem, 3);
    data.q.fill(0.0);
    let parameters = [
        1.017_346_1,
        1.736_21,
        0.413_77,
        0.959_317,
        0.077_123,
        1.327_91,
    ];
    if let Some(table) = &mut data.table {
        let count = table.len();
        table.copy_from_slice(&parameters[..count]);
    }
    data
}

/// The largest relative error of a bias.
fn worst(context: &Context, problem: &Problem) -> f64 {
    let data = data(problem);
    let forward = context.forward(problem).expect("a kernel");
    let found = device::run(context, &forward, problem, &data).expect("whole guards");
    let exact = Oracle.exact(problem, &data.inputs()).expect("valid inputs");
    let relative = |(&found, &exact): (&f32, &f64)| match exact {
        0.0 => f64::from(found),
        _ => f64::from(found) / exact - 1.0,
    };
    largest(found.lse.iter().zip(&exact.lse).map(relative))
}

#[test]
fn a_bias_is_exact_to_about_the_last_place() {
    for (name, context) in contexts() {
        for bias in [
            Bias::Alibi,
            Bias::Kerple(Kerple::Power),
            Bias::Sandwich { dimensions: 10 },
        ] {
            // Half an ulp each for the table and for the log-sum-exp, and as much again for what a formula sums in f32.
            let allowed = 2.0 * f64::from(f32::EPSILON);
            let error = worst(&context, &problem(bias));
            assert!(
                error <= allowed,
                "{name}, {bias:?}: off by {error:.2e} of it; {allowed:.2e} is allowed"
            );
        }
    }
}
