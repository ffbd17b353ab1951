//! The gradients of the catalogue and of the recorded runs on every adapter: one test for each pair.
//!
//! An adapter whose kernels are those of another one before it runs every second case: they differ in the driver alone.
//! An adapter that cannot be tested, and a problem that has no backward pass there, are listed as ignored with the reason; they never
//! count as passed.

mod harness;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use harness::adapters::{Adapter, adapters, in_turn};
use harness::backward::dout;
use harness::catalogue::{Case, catalogue};
use harness::data::Data;
use harness::gradients::GradientReference;
use harness::recorded::RecordedGradients;
use harness::{Recorded, T5_CASES, largest_error};
use libtest_mimic::{Arguments, Failed, Trial};
use relattn::plan::{Algorithm, choose, choose_backward};
use relattn::{Context, Problem};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut seen = Vec::new();
    let mut trials = Vec::new();
    for adapter in adapters() {
        let kernels = kernels_of(&adapter);
        let step = if seen.contains(&kernels) { 2 } else { 1 };
        seen.push(kernels);
        trials.push(trials_of(&adapter).into_iter().step_by(step));
    }
    libtest_mimic::run(&arguments, in_turn(trials)).exit_code()
}

/// Which kernel an adapter has for many rows.
fn kernels_of(adapter: &Adapter) -> Option<Algorithm> {
    let context = adapter.context.as_ref().ok()?;
    let cases = catalogue();
    let [queries, _] = choose_backward(&cases.first()?.problem, &context.capabilities()).ok()?;
    Some(queries.scores.algorithm)
}

fn trials_of(adapter: &Adapter) -> Vec<Trial> {
    let context = match &adapter.context {
        Ok(context) => context.clone(),
        Err(reason) => {
            let name = format!("unsupported: {reason}");
            let trial = Trial::test(name, || Ok(())).with_ignored_flag(true);
            return vec![trial.with_kind(&adapter.name)];
        }
    };
    // An OpenGL context is one thread's at a time, and wgpu gives up on waiting for it after a second: less than a compilation
    // may take.
    let turn = adapter.one_at_a_time.then(|| Arc::new(Mutex::new(())));
    let trial = |run: Run| {
        let name = run.name.clone();
        let capabilities = context.capabilities();
        // A backward pass needs a forward pass, which may bind more buffers.
        let forward = choose(&run.problem, &capabilities);
        let both = forward.and_then(|_| choose_backward(&run.problem, &capabilities));
        if let Err(reason) = both {
            let name = format!("{name}: unsupported: {reason}");
            let trial = Trial::test(name, || Ok(())).with_ignored_flag(true);
            return trial.with_kind(&adapter.name);
        }
        let (context, turn) = (context.clone(), turn.clone());
        Trial::test(name, move || {
            let _turn = turn
                .as_ref()
                .map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
            check(&context, &run)
        })
        .with_kind(&adapter.name)
    };
    let generated = catalogue()
        .into_iter()
        .filter(|case| !FORWARD_ONLY.contains(&case.name))
        .map(|Case { name, problem }| Run {
            name: name.to_owned(),
            data: Data::generate(&problem, 7),
            dout: dout(&problem, 17),
            problem,
            recorded: None,
        });
    let recorded = T5_CASES.iter().map(|name| {
        let (run, recorded) = (Recorded::t5(name), RecordedGradients::t5(name));
        Run {
            name: (*name).to_owned(),
            problem: run.problem,
            data: run.data,
            dout: recorded.dctx.clone(),
            recorded: Some(recorded),
        }
    });
    generated.chain(recorded).map(trial).collect()
}

/// A problem with its data, and the gradients that were recorded of it.
struct Run {
    name: String,
    problem: Problem,
    data: Data,
    dout: Vec<f32>,
    recorded: Option<RecordedGradients>,
}

/// Cases of the forward kernel for few rows, which gradients do not have, and masks and splits whose likes are among the others.
const FORWARD_ONLY: [&str; 17] = [
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
    "decoding block, padding",
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
        if error > allowed {
            let message =
                format!("{tensor}: {error:.2e} from the record, {allowed:.2e} is allowed");
            return Err(message.into());
        }
    }
    Ok(())
}
