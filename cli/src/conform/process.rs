//! A process that runs cases of a device: what it tells, and how it ends.

use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use relattn_conformance::outcome::Outcome;
use relattn_conformance::suite::Entry;

use super::worker::Message;
use crate::fault::Fault;

/// What a case may take; compiling a large kernel takes minutes on a software driver.
const PATIENCE: Duration = Duration::from_secs(900);

/// How a process has ended.
pub(super) enum End {
    /// Well, or after all of its cases.
    Over,
    /// After a case that was not its last.
    Between,
    /// At the case that is due, for this reason.
    Within(String),
    /// Before its device was there, for this reason.
    Unready(String),
}

pub(super) struct Process {
    child: Child,
    messages: Receiver<Message>,
    last_words: JoinHandle<String>,
}

impl Process {
    pub(super) fn start(program: PathBuf, arguments: &[String]) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let no_pipe = || io::Error::other("no pipe to it");
        let messages = messages(child.stdout.take().ok_or_else(no_pipe)?);
        let last_words = last_words(child.stderr.take().ok_or_else(no_pipe)?);
        Ok(Self {
            child,
            messages,
            last_words,
        })
    }

    /// Adds the outcomes of these cases until the process ends; sets `ready` once it has its device.
    pub(super) fn follow(
        mut self,
        cases: &[Entry],
        ready: &AtomicBool,
        mut add: impl FnMut(Outcome) -> Result<(), Fault>,
    ) -> Result<End, Fault> {
        let mut told = Told::default();
        let cut = loop {
            match self.messages.recv_timeout(PATIENCE) {
                Ok(message) => {
                    ready.store(true, Ordering::Relaxed);
                    match told.hear(message, cases) {
                        Ok(outcome) => outcome.map_or(Ok(()), &mut add)?,
                        Err(reason) => break Some(reason),
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    break Some(format!("no answer within {} s", PATIENCE.as_secs()));
                }
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        if cut.is_some() {
            // It may have ended by itself meanwhile.
            let _ = self.child.kill();
        }
        let (well, status) = self.end();
        let how = match &cut {
            Some(reason) => format!("{reason}; {status}"),
            None => status,
        };
        let end = told.end(well && cut.is_none(), &how, cases.len());
        told.last.map_or(Ok(()), add)?;
        Ok(end)
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

/// What a process has told so far.
#[derive(Default)]
struct Told {
    ready: bool,
    /// Whether it is at a case.
    begun: bool,
    /// Cases that are over.
    done: usize,
    /// The last of them, which is not kept before another begins: it fails where the process ends badly after it.
    last: Option<Outcome>,
}

impl Told {
    /// The outcome that can be kept now; why the process is not to be followed any longer.
    fn hear(&mut self, message: Message, cases: &[Entry]) -> Result<Option<Outcome>, String> {
        self.ready = true;
        self.begun = !matches!(message, Message::Ready);
        let Message::Done(outcome) = message else {
            return Ok(self.last.take());
        };
        let due = cases.get(self.done);
        if !due.is_some_and(|due| outcome.is_of(due)) {
            let due = due.map_or("nothing", |due| &due.name);
            return Err(format!(
                "it told of {:?} where {due:?} was due",
                outcome.case
            ));
        }
        self.begun = false;
        self.done += 1;
        Ok(self.last.replace(*outcome))
    }

    /// How the process has ended that was to run so many cases.
    fn end(&mut self, well: bool, how: &str, cases: usize) -> End {
        if !self.ready {
            return End::Unready(format!(
                "the process ended before its device was there: {how}"
            ));
        }
        match &mut self.last {
            // A process leaves the rest to another after so many cases; one that did none would be started for ever.
            Some(_) if !self.begun && well => End::Over,
            Some(last) if !self.begun => {
                let all = self.done == cases;
                let after = if all { "its cases" } else { "this case" };
                last.fail(format!("the process ended after {after}: {how}"));
                if all { End::Over } else { End::Between }
            }
            _ => End::Within(format!("the process ended: {how}")),
        }
    }
}

/// What the worker tells; lines of somebody else, such as a driver, are passed over.
fn messages(stdout: ChildStdout) -> Receiver<Message> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let Ok(message) = serde_json::from_slice(&line) else {
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
