//! The gradients of the catalogue and of the recorded runs on every adapter: one test for each pair.
//!
//! An adapter that cannot be tested, and a problem that has no backward pass there, are listed as ignored with the reason; they never
//! count as passed.

mod harness;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use harness::adapters::{Adapter, adapters};
use harness::backward::{dout, run};
use harness::catalogue::{Case, catalogue};
use harness::data::Data;
use harness::gradients::GradientReference;
use libtest_mimic::{Arguments, Failed, Trial};
use relattn::{Context, Problem};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = adapters().iter().flat_map(trials_of).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
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
    let trial = |Case { name, problem }: Case| {
        let capabilities = context.capabilities();
        if let Err(reason) = relattn::plan::choose_backward(&problem, &capabilities) {
            let name = format!("{name}: unsupported: {reason}");
            let trial = Trial::test(name, || Ok(())).with_ignored_flag(true);
            return trial.with_kind(&adapter.name);
        }
        let (context, turn) = (context.clone(), turn.clone());
        Trial::test(name, move || {
            let _turn = turn
                .as_ref()
                .map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
            check(&context, &problem)
        })
        .with_kind(&adapter.name)
    };
    catalogue().into_iter().map(trial).collect()
}

fn check(context: &Context, problem: &Problem) -> Result<(), Failed> {
    let (data, dout) = (Data::generate(problem, 7), dout(problem, 17));
    let backward = context.backward(problem)?;
    let found = run(context, &backward, problem, &data, &dout)?;
    GradientReference::new(problem, &data.inputs(), &dout).check(&found)?;
    Ok(())
}
