//! `relattn conform`: every case on every adapter.

mod machine;
mod page;
mod process;
mod soak;
mod supervisor;
mod table;
mod targets;
mod worker;

use std::sync::atomic::AtomicBool;

use indicatif::{ProgressBar, ProgressStyle};
use relattn::Checks;
use relattn_conformance::adapters::checks;
use relattn_conformance::checkpoint::Checkpoint;
use relattn_conformance::outcome::Outcome;
use relattn_conformance::planted::Edit;
use relattn_conformance::record::{Record, Summary};
use relattn_conformance::suite::{Entry, Extent, suite};

use crate::args::ConformArgs;
use crate::fault::Fault;
use crate::output;

use targets::Target;

pub(crate) fn run(args: &ConformArgs) -> Result<(), Fault> {
    if let Some(minutes) = args.soak {
        return soak::run(args, minutes);
    }
    let entries = entries(args)?;
    if args.list {
        let names: Vec<&str> = entries.iter().map(|entry| &entry.name[..]).collect();
        output::print(&names.join("\n"));
        return Ok(());
    }
    let edit = args.plant.as_deref().map(planted).transpose()?;
    if let Some(number) = args.work.work_on {
        return worker::run(args, number, &entries, edit);
    }
    args.html.as_deref().map_or(Ok(()), output::writable)?;
    let results = conduct(args, &entries)?;
    report(args, &results)
}

/// What was found on a device.
struct Found {
    target: Target,
    outcomes: Vec<Outcome>,
}

impl Found {
    fn summary(&self) -> Summary {
        let Target {
            name,
            backend,
            driver,
            unusable,
            ..
        } = &self.target;
        let summary = Summary::of([name, backend, driver].map(Clone::clone), &self.outcomes);
        Summary {
            unusable: unusable.clone(),
            ..summary
        }
    }
}

fn entries(args: &ConformArgs) -> Result<Vec<Entry>, Fault> {
    let entries = suite(
        Extent::of_options(args.quick, args.kernels),
        args.case.as_deref(),
    );
    match &args.case {
        Some(text) if entries.is_empty() => Err(Fault::NoCase { text: text.clone() }),
        _ => Ok(entries),
    }
}

fn planted(name: &str) -> Result<Edit, Fault> {
    Edit::named(name).ok_or_else(|| Fault::NotPlanted {
        name: name.to_owned(),
    })
}

/// All cases on all devices, as far as a run before has not got.
fn conduct(args: &ConformArgs, entries: &[Entry]) -> Result<Vec<Found>, Fault> {
    let targets = targets::of(args)?;
    let mut checkpoint = Checkpoint::open(args.resume.as_deref(), &extent(args))?;
    let mut results = Vec::new();
    // All of them, so that none is refused after hours with another.
    for target in targets {
        let outcomes = checkpoint.resume(&target.label(), &target.driver, entries)?;
        results.push(Found { target, outcomes });
    }
    let ready = AtomicBool::new(false);
    for Found { target, outcomes } in &mut results {
        if target.unusable.is_none() {
            let bar = bar(target, entries.len());
            supervisor::run(args, target, entries, &ready, outcomes, |outcomes| {
                bar.set_position(outcomes.len() as u64);
                bar.set_message(
                    outcomes
                        .iter()
                        .filter(|outcome| outcome.failed())
                        .count()
                        .to_string(),
                );
                Ok(checkpoint.keep(&target.label(), outcomes)?)
            })?;
            bar.finish_and_clear();
        }
    }
    Ok(results)
}

/// Nothing shows where stderr is not a terminal.
fn bar(target: &Target, cases: usize) -> ProgressBar {
    let bar = ProgressBar::new(cases as u64).with_prefix(target.label());
    let style = ProgressStyle::with_template(
        "  {prefix} {wide_bar} {pos} of {len}, {msg} failed, {elapsed}, {eta} left",
    );
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn report(args: &ConformArgs, results: &[Found]) -> Result<(), Fault> {
    let adapters = results.iter().map(Found::summary).collect();
    let record = Record::new(extent(args), adapters);
    if args.json {
        output::print_json(&record);
    } else {
        output::print(&table::of(&record));
    }
    if let Some(path) = &args.html {
        output::replace(path, page::of(&record, results).as_bytes())?;
    }
    let failed = record.adapters.iter().map(|adapter| adapter.failed).sum();
    if failed > 0 {
        let cases = record.adapters.iter().map(Summary::cases).sum();
        return Err(Fault::Nonconforming { failed, cases });
    }
    if record.is_clean() {
        Ok(())
    } else {
        Err(Fault::NothingProved)
    }
}

/// Which cases were asked for.
fn extent(args: &ConformArgs) -> String {
    let extent = Extent::of_options(args.quick, args.kernels).name();
    let case = args
        .case
        .as_ref()
        .map(|text| format!(", cases with {text:?}"));
    let planted = args
        .plant
        .as_ref()
        .map(|name| format!(", with the planted error {name:?}"));
    let checked = (checks() == Checks::All).then(|| ", with all checks".to_owned());
    [Some(extent.to_owned()), case, planted, checked]
        .into_iter()
        .flatten()
        .collect()
}
