//! Starts workers, one after the other or several at once, until all cases of a device have an outcome.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use relattn_conformance::outcome::{Outcome, Verdict};
use relattn_conformance::suite::Entry;

use super::targets::Target;
use super::worker::Message;
use crate::args::ConformArgs;
use crate::fault::Fault;

/// What a case may take; compiling a large kernel takes minutes on a software driver.
const PATIENCE: Duration = Duration::from_secs(900);
/// Processes that may end on a device before the rest of its cases count as failed.
const ENDS: usize = 20;
/// Cases that a process is given where several run at once: neighbours have kernels in common, and in the end few wait for one.
const STRETCH: usize = 40;

/// Appends the outcomes that are missing, and calls `keep` with all of them after each.
pub(super) fn run(
    args: &ConformArgs,
    target: &Target,
    entries: &[Entry],
    outcomes: &mut Vec<Outcome>,
    mut keep: impl FnMut(&[Outcome]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let cases = Cases {
        args,
        target,
        entries,
        ends: AtomicUsize::new(0),
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
    /// Processes that have ended before they had done theirs.
    ends: AtomicUsize,
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
            if self.ends.load(Ordering::Relaxed) >= ENDS {
                let reason = format!("not run: the process ended {ENDS} times before");
                outcomes.push(failed(entry, reason));
                keep(outcomes)?;
                continue;
            }
            let left = range.start + outcomes.len()..range.end;
            let worker = Worker::start(self.args, self.target, left)?;
            if let Some(reason) = worker.follow(self.target, entries.len(), outcomes, keep)? {
                self.ends.fetch_add(1, Ordering::Relaxed);
                if let Some(entry) = entries.get(outcomes.len()) {
                    outcomes.push(failed(entry, reason));
                    keep(outcomes)?;
                }
            }
        }
        Ok(())
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

struct Worker {
    child: Child,
    messages: Receiver<Message>,
    last_words: JoinHandle<String>,
}

impl Worker {
    fn start(args: &ConformArgs, target: &Target, cases: Range<usize>) -> Result<Self, Fault> {
        let failed = |source: std::io::Error| Fault::Worker {
            name: target.label(),
            reason: source.to_string(),
        };
        let mut command = Command::new(program(args).map_err(failed)?);
        command.args(arguments(args, target, cases));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let piped = || failed(std::io::Error::other("no pipe to it"));
        let messages = messages(child.stdout.take().ok_or_else(piped)?);
        let last_words = last_words(child.stderr.take().ok_or_else(piped)?);
        Ok(Self {
            child,
            messages,
            last_words,
        })
    }

    /// Takes outcomes until the process ends. Returns why it failed with cases left.
    fn follow(
        mut self,
        target: &Target,
        cases: usize,
        outcomes: &mut Vec<Outcome>,
        keep: &mut impl FnMut(&[Outcome]) -> Result<(), Fault>,
    ) -> Result<Option<String>, Fault> {
        let mut ready = false;
        let before = outcomes.len();
        loop {
            match self.messages.recv_timeout(PATIENCE) {
                Ok(Message::Ready) => ready = true,
                Ok(Message::Begun) => {}
                Ok(Message::Done(outcome)) => {
                    outcomes.push(*outcome);
                    keep(outcomes)?;
                }
                Err(RecvTimeoutError::Timeout) => {
                    // It may have ended by itself meanwhile.
                    let _ = self.child.kill();
                    let (seconds, (_, ended)) = (PATIENCE.as_secs(), self.end());
                    return Ok(Some(format!("no answer within {seconds} s; {ended}")));
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let (well, reason) = self.end();
        // A process leaves the rest to another after so many cases; one that did none would be started for ever.
        let over = outcomes.len() == cases || (well && outcomes.len() > before);
        match (ready, over) {
            (_, true) => Ok(None),
            (true, false) => Ok(Some(format!("the process ended: {reason}"))),
            (false, false) => Err(Fault::Worker {
                name: target.label(),
                reason,
            }),
        }
    }

    /// Whether the process ended well; how it ended, and what it said last.
    fn end(mut self) -> (bool, String) {
        let (well, status) = match self.child.wait() {
            Ok(status) => (status.success(), status.to_string()),
            Err(error) => (false, error.to_string()),
        };
        match self.last_words.join() {
            Ok(words) if !words.is_empty() => (well, format!("{status}: {words}")),
            _ => (well, status),
        }
    }
}

/// The program that the cases run in.
fn program(args: &ConformArgs) -> std::io::Result<PathBuf> {
    args.worker.clone().map_or_else(std::env::current_exe, Ok)
}

fn arguments(args: &ConformArgs, target: &Target, cases: Range<usize>) -> Vec<String> {
    let mut arguments = vec!["conform".into()];
    let mut option = |name: &str, value: String| arguments.push(format!("{name}={value}"));
    option("--backend", format!("{:?}", target.kind).to_lowercase());
    option("--work-on", target.number.to_string());
    option("--work-from", cases.start.to_string());
    option(
        "--work-cases",
        args.work.work_cases.min(cases.len()).to_string(),
    );
    if let Some(text) = &args.case {
        option("--case", text.clone());
    }
    if let Some(name) = &args.plant {
        option("--plant", name.clone());
    }
    if let Some(number) = args.work.abort_at {
        option("--abort-at", number.to_string());
    }
    arguments.extend(args.quick.then(|| "--quick".into()));
    arguments.extend(args.kernels.then(|| "--kernels".into()));
    arguments
}

/// What the worker tells; lines of somebody else, such as a driver, are passed over.
fn messages(stdout: ChildStdout) -> Receiver<Message> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let Ok(message) = serde_json::from_str(&line) else {
                continue;
            };
            if sender.send(message).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The last line of stderr, which has to be read lest the worker wait.
fn last_words(stderr: ChildStderr) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut last = String::new();
        let mut lines = BufReader::new(stderr).split(b'\n');
        while let Some(Ok(line)) = lines.next() {
            let line = String::from_utf8_lossy(&line).trim().to_owned();
            if !line.is_empty() {
                last = line;
            }
        }
        last
    })
}
