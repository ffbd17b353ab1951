//! The outcomes of a run that may be interrupted, in a file: a line that says which run it is, and one for each case.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::machine;
use crate::outcome::Outcome;

/// Why a file does not keep the outcomes of a run.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("{path}: cannot be written: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It has outcomes of other cases or of another build.
    #[error("{path} is of another run: it says {found}; {needed} is needed")]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// The run that it is of.
        found: String,
        /// The run that was to go on.
        needed: String,
    },
}

/// The outcomes of each device, in the order of the cases, and the file that they are kept in.
#[derive(Debug)]
pub struct Checkpoint {
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
    /// Reads the file where there is one, and begins it where there is none; keeps nothing without a path. `extent` says which cases are
    /// run.
    pub fn open(path: Option<&Path>, extent: &str) -> Result<Self, CheckpointError> {
        let Some(path) = path else {
            return Ok(Self {
                kept: HashMap::new(),
                file: None,
            });
        };
        let run = format!(
            "relattn {} at {}, {extent}",
            env!("CARGO_PKG_VERSION"),
            machine::COMMIT,
        );
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => {
                return Err(CheckpointError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let kept = whole_lines(path, &text, &run)?;
        let file = rewrite(path, &run, &kept).map_err(|source| CheckpointError::Write {
            path: path.to_owned(),
            source,
        })?;
        let mut outcomes: HashMap<String, Vec<Outcome>> = HashMap::new();
        for Line { device, outcome } in kept {
            outcomes.entry(device).or_default().push(outcome);
        }
        Ok(Self {
            kept: outcomes,
            file: Some((path.to_owned(), file)),
        })
    }

    /// The outcomes that a run before has left.
    pub fn outcomes(&mut self, device: &str) -> Vec<Outcome> {
        self.kept.remove(device).unwrap_or_default()
    }

    /// Keeps the last of these outcomes.
    pub fn keep(&mut self, device: &str, outcomes: &[Outcome]) -> Result<(), CheckpointError> {
        let (Some((path, file)), Some(last)) = (&mut self.file, outcomes.last()) else {
            return Ok(());
        };
        let line = Line {
            device: device.to_owned(),
            outcome: last.clone(),
        };
        append(file, &line).map_err(|source| CheckpointError::Write {
            path: path.clone(),
            source,
        })
    }
}

/// The cases of a file of this run. The last line may be half written.
fn whole_lines(path: &Path, text: &str, run: &str) -> Result<Vec<Line>, CheckpointError> {
    let mut lines = text.lines();
    let Some(first) = lines.next() else {
        return Ok(Vec::new());
    };
    let found =
        serde_json::from_str::<Run>(first).map_or_else(|_| "no run".into(), |found| found.run);
    if found != run {
        return Err(CheckpointError::OtherRun {
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
