//! Every kernel accepted by Tint, in the dialect of browsers, and the quick conformance suite executed by Dawn: two cases of it, which
//! software drivers compile for a minute, and all with `--include-ignored`.
//!
//! A machine without Node.js, Dawn's package or a driver that Dawn takes lists what it lacks as ignored with the reason. Cases that a device
//! cannot run are counted and left out.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};
use relattn::Context;
use relattn::plan::KernelText;
use relattn::shader::Dialect;
use relattn_compilers::dawn::{self, process::Process};
use relattn_compilers::kernels;
use relattn_conformance::outcome::Verdict;
use relattn_conformance::suite::{Entry, Extent, suite};
use relattn_conformance::trial;

/// Cases that run anyway.
const SHORT: [&str; 2] = ["forward: tile edges", "backward: tile edges"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = acceptances();
    trials.extend(executions());
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Fails where it is run all the same.
fn ignored(kind: &str, reason: String) -> Trial {
    let name = format!("unsupported: {reason}");
    let trial = Trial::test(name, || Err(reason.into()));
    trial.with_kind(kind).with_ignored_flag(true)
}

fn acceptances() -> Vec<Trial> {
    let tint = match dawn::tint() {
        Ok(process) => Arc::new(process),
        Err(reason) => return vec![ignored("Tint", reason)],
    };
    let kernels = kernels::all()
        .expect("the kernels of the suite")
        .into_iter();
    kernels
        .map(|kernel| {
            let tint = tint.clone();
            let name = kernel.name.clone();
            Trial::test(name, move || accept(&tint, &kernel)).with_kind("Tint")
        })
        .collect()
}

fn accept(tint: &Process, kernel: &KernelText) -> Result<(), Failed> {
    Ok(tint.accept(&kernel.in_dialect(Dialect::Browser))?)
}

fn executions() -> Vec<Trial> {
    let adapters = match dawn::adapters() {
        Ok(adapters) => adapters,
        Err(reason) => return vec![ignored("Dawn", reason)],
    };
    let mut trials = Vec::new();
    for adapter in adapters {
        let context = match adapter.context {
            Ok(context) => context,
            Err(reason) => {
                trials.push(ignored(&adapter.name, reason));
                continue;
            }
        };
        // Its process does one thing at a time.
        let turn = Arc::new(Mutex::new(()));
        for entry in supported(&adapter.name, &context) {
            let (context, turn) = (context.clone(), turn.clone());
            let name = entry.name.clone();
            let run = move || {
                let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                execute(&context, &entry)
            };
            let long = !SHORT.contains(&&name[..]);
            let trial = Trial::test(name, run).with_kind(&adapter.name);
            trials.push(trial.with_ignored_flag(long));
        }
    }
    trials
}

/// The cases that a device can run.
fn supported(name: &str, context: &Context) -> Vec<Entry> {
    let mut entries = suite(Extent::Quick, None);
    let all = entries.len();
    entries.retain(|entry| trial::supported(context, &entry.work).is_ok());
    let left_out = all - entries.len();
    eprintln!("{name}: {left_out} of {all} cases are unsupported and left out");
    entries
}

fn execute(context: &Context, entry: &Entry) -> Result<(), Failed> {
    match trial::run(context, entry, None).verdict {
        Verdict::Passed => Ok(()),
        Verdict::Unsupported(reason) | Verdict::Failed { reason, .. } => Err(reason.into()),
    }
}
