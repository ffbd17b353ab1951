//! Starts workers one after the other until all cases of a device have an outcome.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
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

/// Appends the outcomes that are missing, and calls `keep` with all of them after each.
pub(super) fn run(
    args: &ConformArgs,
    target: &Target,
    entries: &[Entry],
    outcomes: &mut Vec<Outcome>,
    mut keep: impl FnMut(&[Outcome]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut ends = 0;
    while let Some(entry) = entries.get(outcomes.len()) {
        if ends == ENDS {
            outcomes.push(failed(
                entry,
                format!("not run: the process ended {ENDS} times before"),
            ));
            keep(outcomes)?;
            continue;
        }
        let worker = Worker::start(args, target, outcomes.len())?;
        if let Some(reason) = worker.follow(target, entries.len(), outcomes, &mut keep)? {
            ends += 1;
            if let Some(entry) = entries.get(outcomes.len()) {
                outcomes.push(failed(entry, reason));
                keep(outcomes)?;
            }
        }
    }
    Ok(())
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
    fn start(args: &ConformArgs, target: &Target, first: usize) -> Result<Self, Fault> {
        let failed = |source: std::io::Error| Fault::Worker {
            name: target.label(),
            reason: source.to_string(),
        };
        let mut command = Command::new(program(args).map_err(failed)?);
        command.args(arguments(args, target, first));
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

fn arguments(args: &ConformArgs, target: &Target, first: usize) -> Vec<String> {
    let mut arguments = vec!["conform".into()];
    let mut option = |name: &str, value: String| arguments.push(format!("{name}={value}"));
    option("--backend", format!("{:?}", target.kind).to_lowercase());
    option("--work-on", target.number.to_string());
    option("--work-from", first.to_string());
    option("--work-cases", args.work.work_cases.to_string());
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
