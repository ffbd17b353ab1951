//! The catalogue and the recorded runs on every adapter: one test for each pair.
//!
//! An adapter that cannot be tested is listed as ignored with the reason; it never counts as passed.

mod harness;

use std::process::ExitCode;

use harness::adapters::adapters;
use harness::catalogue::{Case, catalogue};
use harness::compare::Reference;
use harness::data::Data;
use harness::trials::{in_turn, trials_of};
use harness::{Recorded, T5_CASES};
use libtest_mimic::{Arguments, Failed};
use relattn::plan::choose;
use relattn::{Context, Problem};

/// A problem with its data, and the output that was recorded of it.
struct Run {
    problem: Problem,
    data: Data,
    ctx: Option<Vec<f32>>,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let supported =
        |context: &Context, run: &Run| choose(&run.problem, &context.capabilities()).map(|_| ());
    let adapters = adapters();
    let trials = adapters.iter().map(|adapter| {
        let trials = trials_of(adapter, runs(), supported, check);
        trials.into_iter()
    });
    libtest_mimic::run(&arguments, in_turn(trials.collect())).exit_code()
}

fn runs() -> Vec<(String, Run)> {
    let generated = catalogue().into_iter().map(|Case { name, problem }| {
        let run = Run {
            data: Data::generate(&problem, 7),
            problem,
            ctx: None,
        };
        (name.to_owned(), run)
    });
    let recorded = T5_CASES
        .iter()
        .map(|name| ((*name).to_owned(), Recorded::t5(name)))
        .chain([("all-mpnet-base-v2 layer 5".to_owned(), Recorded::mpnet())])
        .map(|(name, recorded)| {
            let run = Run {
                problem: recorded.problem,
                data: recorded.data,
                ctx: Some(recorded.ctx),
            };
            (name, run)
        });
    generated.chain(recorded).collect()
}

fn check(context: &Context, Run { problem, data, ctx }: &Run) -> Result<(), Failed> {
    let forward = context.forward(problem)?;
    let found = harness::device::run(context, &forward, problem, data)?;
    let reference = Reference::new(problem, &data.inputs());
    reference.check(&found)?;
    if let Some(expected) = ctx {
        let found: Vec<f64> = found.out.iter().map(|&value| f64::from(value)).collect();
        let error = harness::largest_error(&found, expected);
        let allowed = reference.bound()[0] + harness::recorded::ROUNDING;
        if error.is_nan() || error > allowed {
            return Err(
                format!("{error:.2e} from the recorded output, {allowed:.2e} is allowed").into(),
            );
        }
    }
    Ok(())
}
