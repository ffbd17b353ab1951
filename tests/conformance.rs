//! The catalogue and the recorded runs on every adapter: one test for each pair.
//!
//! An adapter that cannot be tested is listed as ignored with the reason; it never counts as passed.

mod harness;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use harness::adapters::{Adapter, adapters, in_turn};
use harness::catalogue::{Case, catalogue};
use harness::compare::Reference;
use harness::data::Data;
use harness::{Recorded, T5_CASES};
use libtest_mimic::{Arguments, Failed, Trial};
use relattn::Context;
use relattn::plan::choose;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let adapters = adapters();
    let trials = adapters
        .iter()
        .map(|adapter| trials_of(adapter).into_iter());
    libtest_mimic::run(&arguments, in_turn(trials.collect())).exit_code()
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
    let generated = catalogue().into_iter().map(|Case { name, problem }| {
        let data = Data::generate(&problem, 7);
        (name.to_owned(), problem, data, None)
    });
    let recorded = T5_CASES
        .iter()
        .map(|name| ((*name).to_owned(), Recorded::t5(name)))
        .chain([("all-mpnet-base-v2 layer 5".to_owned(), Recorded::mpnet())])
        .map(|(name, run)| (name, run.problem, run.data, Some(run.ctx)));
    generated
        .chain(recorded)
        .map(|(name, problem, data, expected)| {
            if let Err(reason) = choose(&problem, &context.capabilities()) {
                let name = format!("{name}: unsupported: {reason}");
                let trial = Trial::test(name, || Ok(())).with_ignored_flag(true);
                return trial.with_kind(&adapter.name);
            }
            let (context, turn) = (context.clone(), turn.clone());
            let kind = Arc::<str>::from(&*adapter.name);
            Trial::test(name, move || {
                let _turn = turn
                    .as_ref()
                    .map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
                check(&context, &problem, &data, expected.as_deref())
            })
            .with_kind(&*kind)
        })
        .collect()
}

fn check(
    context: &Context,
    problem: &relattn::Problem,
    data: &Data,
    expected: Option<&[f32]>,
) -> Result<(), Failed> {
    let forward = context.forward(problem)?;
    let found = harness::device::run(context, &forward, problem, data)?;
    let reference = Reference::new(problem, &data.inputs());
    reference.check(&found)?;
    if let Some(expected) = expected {
        let found: Vec<f64> = found.out.iter().map(|&value| f64::from(value)).collect();
        let error = harness::largest_error(&found, expected);
        let allowed = reference.bound()[0] + harness::recorded::ROUNDING;
        if error > allowed {
            return Err(
                format!("{error:.2e} from the recorded output, {allowed:.2e} is allowed").into(),
            );
        }
    }
    Ok(())
}
