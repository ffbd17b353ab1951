//! A constant for all buckets of a head leaves the output and every gradient alone, and is added to the log-sum-exp. In f32 that holds as
//! far as the results of both tables are exact: within the sum of what either may be wrong by.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::contexts;
use harness::compare::Reference;
use harness::data::Data;
use harness::gradients::GradientReference;
use harness::{backward, device};
use relattn::cpu::{Attention, AttentionGradient, Gradients, Outputs, Tiled};
use relattn::{Bias, Problem, RelativeBuckets, Shape};

/// A multiple of the step between the numbers of a table, so that adding it is exact.
const CONSTANT: f32 = 3.0;

fn problem() -> Problem {
    let shape = Shape {
        batch: 2,
        heads: 2,
        kv_heads: 2,
        q_len: 40,
        k_len: 50,
        head_dim: 8,
    };
    let builder = Problem::builder(shape).bias(Bias::Relative(RelativeBuckets::t5_encoder()));
    builder.build().expect("a valid problem")
}

/// The same numbers with either table.
fn both(problem: &Problem) -> [Data; 2] {
    let plain = Data::generate(problem, 3);
    let mut raised = plain.clone();
    let table = raised.table.as_mut().expect("a table");
    table.iter_mut().for_each(|value| *value += CONSTANT);
    [plain, raised]
}

fn assert_close(name: &str, [plain, raised]: [&[f32]; 2], rise: f32, allowed: f64) {
    assert_eq!(plain.len(), raised.len(), "{name}");
    for (n, (plain, raised)) in plain.iter().zip(raised).enumerate() {
        let error = (f64::from(*raised) - f64::from(*plain) - f64::from(rise)).abs();
        assert!(
            error <= allowed,
            "{name}[{n}] is {plain}, and {raised} with {CONSTANT} more in the table; {allowed:.2e} is allowed"
        );
    }
}

fn check(name: &str, pass: impl Fn(&Problem, &Data, &[f32]) -> (Outputs, Gradients)) {
    let problem = problem();
    let (both, dout) = (both(&problem), backward::dout(&problem, 5));
    let [plain, raised] = both.each_ref().map(|data| pass(&problem, data, &dout));
    let bounds = both
        .each_ref()
        .map(|data| Reference::new(&problem, &data.inputs()).bound());
    let [out, lse] = [0, 1].map(|n| bounds[0][n] + bounds[1][n]);
    assert_close(
        &format!("{name}: out"),
        [&plain.0.out, &raised.0.out],
        0.0,
        out,
    );
    assert_close(
        &format!("{name}: lse"),
        [&plain.0.lse, &raised.0.lse],
        CONSTANT,
        lse,
    );
    let references = both
        .each_ref()
        .map(|data| GradientReference::new(&problem, &data.inputs(), &dout));
    let (plain, raised) = (plain.1, raised.1);
    let dtable = |gradients: &Gradients| gradients.dtable.clone().expect("a table");
    for (gradient, values) in [
        ("dq", [&plain.dq, &raised.dq]),
        ("dk", [&plain.dk, &raised.dk]),
        ("dv", [&plain.dv, &raised.dv]),
        ("dtable", [&dtable(&plain), &dtable(&raised)]),
    ] {
        let allowed = references
            .iter()
            .map(|reference| reference.bound(gradient))
            .sum();
        assert_close(
            &format!("{name}: {gradient}"),
            values.map(|values| &values[..]),
            0.0,
            allowed,
        );
    }
}

#[test]
fn changes_nothing_on_the_cpu() {
    check("tiled", |problem, data, dout| {
        let outputs = Tiled
            .forward(problem, &data.inputs())
            .expect("valid inputs");
        let gradients = Tiled.backward(problem, &data.inputs(), &outputs, dout);
        (outputs, gradients.expect("valid inputs"))
    });
}

#[test]
fn changes_nothing_on_any_adapter() {
    for (adapter, context) in contexts() {
        check(&adapter, |problem, data, dout| {
            let forward = context.forward(problem).expect("a kernel");
            let gradient = context.backward(problem).expect("kernels");
            let outputs = device::run(&context, &forward, problem, data).expect("a result");
            let gradients = backward::run(&context, &gradient, problem, data, dout);
            (outputs, gradients.expect("a result"))
        });
    }
}
