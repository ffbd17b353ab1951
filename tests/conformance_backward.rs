//! The gradients of the catalogue and of the recorded runs on every adapter: one test for each pair.
//!
//! An adapter whose kernels are those of another one before it runs every second case: they differ in the driver alone.
//! The cases that it leaves out, an adapter that cannot be tested, and a problem that has no backward pass there are listed as ignored
//! with the reason; they never count as passed.

mod harness;

use std::process::ExitCode;

use harness::adapters::{Adapter, adapters};
use harness::backward::dout;
use harness::catalogue::{Case, catalogue};
use harness::data::Data;
use harness::gradients::GradientReference;
use harness::recorded::RecordedGradients;
use harness::trials::{every_second, in_turn, trials_of};
use harness::{Recorded, T5_CASES, largest_error};
use libtest_mimic::{Arguments, Failed, Trial};
use relattn::plan::{Algorithm, choose, choose_backward};
use relattn::{Context, Error, Problem};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut seen = Vec::new();
    let mut trials = Vec::new();
    // Kept to the end, so that devices are given back by this thread, and before the process exits.
    let adapters = adapters();
    for adapter in &adapters {
        let kernels = kernels_of(adapter);
        let all = trials_of(adapter, runs(), supported, check);
        let chosen = match seen.iter().find(|(_, seen)| *seen == kernels) {
            Some((other, _)) => {
                every_second(adapter, all, &format!("{other} runs the same kernel"))
            }
            None => all,
        };
        seen.push((&adapter.name, kernels));
        trials.push(chosen.into_iter());
    }
    trials.push(vec![Trial::test("head dimensions", usual_head_dims)].into_iter());
    libtest_mimic::run(&arguments, in_turn(trials)).exit_code()
}

/// The head dimensions that models have are among the cases.
fn usual_head_dims() -> Result<(), Failed> {
    let runs = runs();
    for head_dim in [32, 64, 80, 96, 128] {
        let mut dims = runs.iter().map(|(_, run)| run.problem.shape().head_dim);
        if !dims.any(|found| found == head_dim) {
            return Err(format!("no case has head_dim {head_dim}").into());
        }
    }
    Ok(())
}

/// Which kernel an adapter has for many rows.
fn kernels_of(adapter: &Adapter) -> Option<Algorithm> {
    let context = adapter.context.as_ref().ok()?;
    let cases = catalogue();
    let [queries, _] = choose_backward(&cases.first()?.problem, &context.capabilities()).ok()?;
    Some(queries.scores.algorithm)
}

/// A backward pass needs a forward pass, which may bind more buffers.
fn supported(context: &Context, run: &Run) -> Result<(), Error> {
    let capabilities = context.capabilities();
    choose(&run.problem, &capabilities)?;
    choose_backward(&run.problem, &capabilities)?;
    Ok(())
}

/// A problem with its data, and the gradients that were recorded of it.
struct Run {
    problem: Problem,
    data: Data,
    dout: Vec<f32>,
    recorded: Option<RecordedGradients>,
}

fn runs() -> Vec<(String, Run)> {
    let generated = catalogue()
        .into_iter()
        .filter(|case| !FORWARD_ONLY.contains(&case.name))
        .map(|Case { name, problem }| {
            let run = Run {
                data: Data::generate(&problem, 7),
                dout: dout(&problem, 17),
                problem,
                recorded: None,
            };
            (name.to_owned(), run)
        });
    let recorded = T5_CASES.iter().map(|name| {
        let (run, recorded) = (Recorded::t5(name), RecordedGradients::t5(name));
        let run = Run {
            problem: run.problem,
            data: run.data,
            dout: recorded.dctx.clone(),
            recorded: Some(recorded),
        };
        ((*name).to_owned(), run)
    });
    generated.chain(recorded).collect()
}

/// Cases of the forward kernel for few rows, which gradients do not have, and masks and splits whose likes are among the others.
const FORWARD_ONLY: [&str; 16] = [
    "one row, several parts",
    "two rows, several parts, causal",
    "five rows, padding",
    "sixteen rows",
    "few rows without keys",
    "few rows, head_dim 130",
    "few rows, head_dim 256",
    "few rows, window, ALiBi",
    "dropout, one row, several parts",
    "dropout, five rows, padding",
    "dropout of nothing",
    "window into the first key of a tile",
    "window that reaches everything",
    "window beyond the keys",
    "bits shared by heads",
    "bits shared by all, window",
];

fn check(context: &Context, run: &Run) -> Result<(), Failed> {
    let problem = &run.problem;
    let backward = context.backward(problem)?;
    let found = harness::backward::run(context, &backward, problem, &run.data, &run.dout)?;
    let reference = GradientReference::new(problem, &run.data.inputs(), &run.dout);
    reference.check(&found)?;
    let Some(recorded) = &run.recorded else {
        return Ok(());
    };
    let dtable = found.dtable.as_ref().expect("a table");
    let found = [&found.dq, &found.dk, &found.dv, dtable];
    for ((tensor, expected), found) in recorded.gradients.iter().zip(found) {
        let found: Vec<f64> = found.iter().map(|&value| value.into()).collect();
        let (error, allowed) = (largest_error(&found, expected), reference.bound(tensor));
        if error.is_nan() || error > allowed {
            let message =
                format!("{tensor}: {error:.2e} from the record, {allowed:.2e} is allowed");
            return Err(message.into());
        }
    }
    Ok(())
}
