//! Starts workers, one after the other or several at once, until all cases of a device have an outcome.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use relattn_conformance::outcome::{Outcome, Verdict};
use relattn_conformance::suite::Entry;

use super::process::{End, Process};
use super::targets::Target;
use crate::args::ConformArgs;
use crate::fault::Fault;

/// Processes that may end on a device before the rest of its cases count as failed.
const ENDS: usize = 20;
/// Those that may end in cases drawn for one choice, which have a kernel in common: the rest of these would say nothing new, and keep others
/// from being run.
const ENDS_OF_CHOICE: usize = 3;
/// Cases that a process is given where several run at once: neighbours have kernels in common, and in the end few wait for one.
const STRETCH: usize = 40;

/// Appends the outcomes that are missing, and calls `keep` with all of them after each. `ready` is whether a process of this run has had
/// its device.
pub(super) fn run(
    args: &ConformArgs,
    target: &Target,
    entries: &[Entry],
    ready: &AtomicBool,
    outcomes: &mut Vec<Outcome>,
    mut keep: impl FnMut(&[Outcome]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let cases = Cases {
        args,
        target,
        entries,
        ready,
        ends: Mutex::default(),
    };
    match args.jobs.get() {
        1 => cases.run(0..entries.len(), outcomes, &mut keep),
        jobs => cases.run_at_once(jobs, outcomes, &mut keep),
    }
}

/// The cases of a device.
struct Cases<'a> {
    args: &'a ConformArgs,
    target: &'a Target,
    entries: &'a [Entry],
    ready: &'a AtomicBool,
    ends: Mutex<Ends>,
}

/// Processes that have ended before they had done theirs.
#[derive(Default)]
struct Ends {
    all: usize,
    by_choice: HashMap<String, usize>,
}

impl Ends {
    /// Why a case is not run.
    fn forbid(&self, entry: &Entry) -> Option<String> {
        let of_choice = self.by_choice.get(entry.choice());
        if of_choice.is_some_and(|&ends| ends >= ENDS_OF_CHOICE) {
            return Some(format!(
                "not run: the process ended in {ENDS_OF_CHOICE} cases like it"
            ));
        }
        (self.all >= ENDS).then(|| format!("not run: the process ended {ENDS} times before"))
    }
}

impl Cases<'_> {
    /// Appends the outcomes of a range that are missing, in one process after the other.
    fn run(
        &self,
        range: Range<usize>,
        outcomes: &mut Vec<Outcome>,
        keep: &mut impl FnMut(&[Outcome]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let entries = &self.entries[range.clone()];
        while let Some(entry) = entries.get(outcomes.len()) {
            let forbidden = self.ends().forbid(entry);
            if let Some(reason) = forbidden {
                outcomes.push(failed(entry, reason));
                keep(outcomes)?;
                continue;
            }
            let left = range.start + outcomes.len()..range.end;
            let reason = self.run_process(left, outcomes, keep)?;
            if let (Some(reason), Some(entry)) = (reason, entries.get(outcomes.len())) {
                let choice = entry.choice().to_owned();
                *self.ends().by_choice.entry(choice).or_default() += 1;
                outcomes.push(failed(entry, reason));
                keep(outcomes)?;
            }
        }
        Ok(())
    }

    /// Appends what a process finds of these cases. Returns why the next one has failed.
    fn run_process(
        &self,
        mut cases: Range<usize>,
        outcomes: &mut Vec<Outcome>,
        keep: &mut impl FnMut(&[Outcome]) -> Result<(), Fault>,
    ) -> Result<Option<String>, Fault> {
        cases.end = cases
            .end
            .min(cases.start.saturating_add(self.args.work.work_cases));
        let arguments = arguments(self.args, self.target, &cases);
        let started = program(self.args).and_then(|program| Process::start(program, &arguments));
        let end = match started {
            Ok(process) => process.follow(&self.entries[cases], self.ready, |outcome| {
                outcomes.push(outcome);
                keep(outcomes)
            })?,
            Err(error) => End::Unready(format!("the process cannot be started: {error}")),
        };
        let reason = match end {
            End::Over => return Ok(None),
            End::Between => None,
            End::Within(reason) => Some(reason),
            // The device was there: what was found of it, and of others, is to be reported.
            End::Unready(reason) if self.ready.load(Ordering::Relaxed) => Some(reason),
            End::Unready(reason) => {
                return Err(Fault::Worker {
                    name: self.target.label(),
                    reason,
                });
            }
        };
        self.ends().all += 1;
        Ok(reason)
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for all that are missing, in several processes at once. Outcomes are appended in the order of the cases, as soon as all
    /// before them are there.
    fn run_at_once(
        &self,
        jobs: usize,
        outcomes: &mut Vec<Outcome>,
        keep: &mut impl FnMut(&[Outcome]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let next = AtomicUsize::new(outcomes.len());
        let (sender, receiver) = channel();
        thread::scope(|scope| {
            for _ in 0..jobs {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    while let Some(range) = self.take(next) {
                        let (first, mut found) = (range.start, Vec::new());
                        let result = self.run(range, &mut found, &mut |_| Ok(()));
                        if sender.send((first, result.map(|()| found))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let mut waiting = BTreeMap::new();
            for (first, result) in receiver {
                waiting.insert(first, result?);
                while let Some(found) = waiting.remove(&outcomes.len()) {
                    for outcome in found {
                        outcomes.push(outcome);
                        keep(outcomes)?;
                    }
                }
            }
            Ok(())
        })
    }

    /// The next cases that nobody has.
    fn take(&self, next: &AtomicUsize) -> Option<Range<usize>> {
        let cases = self.args.work.work_cases.clamp(1, STRETCH);
        let first = next.fetch_add(cases, Ordering::Relaxed);
        let end = (first + cases).min(self.entries.len());
        (first < end).then_some(first..end)
    }
}

fn failed(entry: &Entry, reason: String) -> Outcome {
    Outcome::without_run(entry, Verdict::Failed { reason, heat: None })
}

/// The program that the cases run in.
fn program(args: &ConformArgs) -> io::Result<PathBuf> {
    args.worker.clone().map_or_else(std::env::current_exe, Ok)
}

fn arguments(args: &ConformArgs, target: &Target, cases: &Range<usize>) -> Vec<String> {
    let mut arguments = vec!["conform".into()];
    let mut option = |name: &str, value: String| arguments.push(format!("{name}={value}"));
    option("--backend", format!("{:?}", target.kind).to_lowercase());
    option("--work-on", target.number.to_string());
    option("--work-name", target.identity.clone());
    option("--work-from", cases.start.to_string());
    option("--work-cases", cases.len().to_string());
    if let Some(text) = &args.case {
        option("--case", text.clone());
    }
    if let Some(name) = &args.plant {
        option("--plant", name.clone());
    }
    for number in &args.work.abort_at {
        option("--abort-at", number.to_string());
    }
    arguments.extend(args.quick.then(|| "--quick".into()));
    arguments.extend(args.kernels.then(|| "--kernels".into()));
    arguments
}
