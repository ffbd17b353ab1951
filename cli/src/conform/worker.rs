//! The process that runs the cases of a device, and what it tells.

use std::io::{self, Write};

use relattn_conformance::outcome::Outcome;
use relattn_conformance::planted::Edit;
use relattn_conformance::suite::Entry;
use relattn_conformance::trial;
use serde::{Deserialize, Serialize};

use super::targets;
use crate::args::ConformArgs;
use crate::fault::Fault;

/// A line of the worker's stdout.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// The device is there.
    Ready,
    /// A case begins.
    Begun,
    /// A case is over.
    Done(Box<Outcome>),
}

/// Runs the cases of this process from a number on, telling of each before and after.
pub(super) fn run(
    args: &ConformArgs,
    number: usize,
    entries: &[Entry],
    edit: Option<Edit>,
) -> Result<(), Fault> {
    let missing = |needed| Fault::Unasked {
        option: "--work-on".into(),
        needed,
    };
    let backend = args.backend.ok_or_else(|| missing("--backend"))?;
    let name = args.work.work_name.as_ref();
    let name = name.ok_or_else(|| missing("--work-name"))?;
    let adapter = targets::device(backend, number, name)?;
    let context = adapter.context.map_err(|reason| Fault::UnusableDevice {
        name: adapter.name,
        reason,
    })?;
    tell(&Message::Ready)?;
    let mine = entries.iter().enumerate().skip(args.work.work_from);
    for (number, entry) in mine.take(args.work.work_cases) {
        tell(&Message::Begun)?;
        if args.work.abort_at.contains(&number) {
            std::process::abort();
        }
        tell(&Message::Done(Box::new(trial::run(&context, entry, edit))))?;
    }
    Ok(())
}

/// Begins a line, since a driver may have left one unfinished.
fn tell(message: &Message) -> Result<(), Fault> {
    let written = serde_json::to_string(message)
        .map_err(io::Error::other)
        .and_then(|line| {
            let mut out = io::stdout().lock();
            out.write_all(format!("\n{line}\n").as_bytes())?;
            out.flush()
        });
    written.map_err(|source| Fault::Write {
        path: "stdout".into(),
        source,
    })
}
