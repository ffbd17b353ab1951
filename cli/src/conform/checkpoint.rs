//! The outcomes of a run that may be interrupted, in a file: a line that says which run it is, and one for each case.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use relattn_conformance::machine;
use relattn_conformance::outcome::Outcome;
use serde::{Deserialize, Serialize};

use super::extent;
use crate::args::ConformArgs;
use crate::fault::Fault;

/// The outcomes of each device, in the order of the cases, and the file that they are kept in.
pub(super) struct Checkpoint {
    kept: HashMap<String, Vec<Outcome>>,
    file: Option<(PathBuf, File)>,
}

/// Which run it is.
#[derive(Deserialize, Serialize)]
struct Run {
    run: String,
}

/// A case on a device.
#[derive(Deserialize, Serialize)]
struct Line {
    device: String,
    outcome: Outcome,
}

impl Checkpoint {
    /// Reads the file of --resume where there is one, and begins it where there is none.
    pub(super) fn open(args: &ConformArgs) -> Result<Self, Fault> {
        let Some(path) = &args.resume else {
            return Ok(Self {
                kept: HashMap::new(),
                file: None,
            });
        };
        let run = format!(
            "relattn {} at {}, {}",
            env!("CARGO_PKG_VERSION"),
            machine::COMMIT,
            extent(args)
        );
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => {
                return Err(Fault::Read {
                    path: path.clone(),
                    source,
                });
            }
        };
        let kept = whole_lines(path, &text, &run)?;
        let file = rewrite(path, &run, &kept).map_err(|source| Fault::Write {
            path: path.clone(),
            source,
        })?;
        let mut outcomes: HashMap<String, Vec<Outcome>> = HashMap::new();
        for Line { device, outcome } in kept {
            outcomes.entry(device).or_default().push(outcome);
        }
        Ok(Self {
            kept: outcomes,
            file: Some((path.clone(), file)),
        })
    }

    /// The outcomes that a run before has left.
    pub(super) fn outcomes(&mut self, device: &str) -> Vec<Outcome> {
        self.kept.remove(device).unwrap_or_default()
    }

    /// Keeps the last of these outcomes.
    pub(super) fn keep(&mut self, device: &str, outcomes: &[Outcome]) -> Result<(), Fault> {
        let (Some((path, file)), Some(last)) = (&mut self.file, outcomes.last()) else {
            return Ok(());
        };
        let line = Line {
            device: device.to_owned(),
            outcome: last.clone(),
        };
        append(file, &line).map_err(|source| Fault::Write {
            path: path.clone(),
            source,
        })
    }
}

/// The cases of a file of this run. The last line may be half written.
fn whole_lines(path: &Path, text: &str, run: &str) -> Result<Vec<Line>, Fault> {
    let mut lines = text.lines();
    let Some(first) = lines.next() else {
        return Ok(Vec::new());
    };
    let found =
        serde_json::from_str::<Run>(first).map_or_else(|_| "no run".into(), |found| found.run);
    if found != run {
        return Err(Fault::OtherRun {
            path: path.to_owned(),
            found,
            needed: run.to_owned(),
        });
    }
    Ok(lines
        .map_while(|line| serde_json::from_str(line).ok())
        .collect())
}

/// A file of these lines, to which others can be appended.
fn rewrite(path: &Path, run: &str, kept: &[Line]) -> io::Result<File> {
    let mut file = File::create(path)?;
    append(
        &mut file,
        &Run {
            run: run.to_owned(),
        },
    )?;
    for line in kept {
        append(&mut file, line)?;
    }
    Ok(file)
}

/// In one write, so that an interruption leaves whole lines but for the last.
fn append(file: &mut File, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line).map_err(io::Error::other)?;
    text.push(b'\n');
    file.write_all(&text)
}
