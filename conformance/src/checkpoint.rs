//! The outcomes of a run that may be interrupted, in a file: a line that says which run it is, and one for each case.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::machine;
use crate::outcome::Outcome;
use crate::suite::Entry;

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
    /// It has outcomes of other cases, of another build or of another driver.
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
    kept: HashMap<String, Vec<Line>>,
    /// Of the devices that were taken up.
    drivers: HashMap<String, String>,
    file: Option<(PathBuf, File)>,
}

/// Which run it is.
#[derive(Deserialize, Serialize)]
struct Run {
    run: String,
}

/// A case on a device.
#[derive(Debug, Deserialize, Serialize)]
struct Line {
    device: String,
    #[serde(default)]
    driver: String,
    outcome: Outcome,
}

impl Checkpoint {
    /// Reads the file where there is one, and begins it where there is none; keeps nothing without a path. `extent` says which cases are
    /// run.
    pub fn open(path: Option<&Path>, extent: &str) -> Result<Self, CheckpointError> {
        let Some(path) = path else {
            return Ok(Self {
                kept: HashMap::new(),
                drivers: HashMap::new(),
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
        let mut lines: HashMap<String, Vec<Line>> = HashMap::new();
        for line in kept {
            lines.entry(line.device.clone()).or_default().push(line);
        }
        Ok(Self {
            kept: lines,
            drivers: HashMap::new(),
            file: Some((path.to_owned(), file)),
        })
    }

    /// Takes up a device that is to run these cases: the outcomes that a run before has left, refused where they are of another driver
    /// or not of the first of the cases.
    pub fn resume(
        &mut self,
        device: &str,
        driver: &str,
        cases: &[Entry],
    ) -> Result<Vec<Outcome>, CheckpointError> {
        let lines = self.kept.get(device).map_or(&[][..], Vec::as_slice);
        for (number, line) in lines.iter().enumerate() {
            line.check(driver, cases.get(number))
                .map_err(|[found, needed]| self.other(found, needed))?;
        }
        self.drivers.insert(device.to_owned(), driver.to_owned());
        let lines = self.kept.remove(device).unwrap_or_default();
        Ok(lines.into_iter().map(|line| line.outcome).collect())
    }

    fn other(&self, found: String, needed: String) -> CheckpointError {
        let path = self.file.as_ref().map(|(path, _)| path.clone());
        CheckpointError::OtherRun {
            path: path.unwrap_or_default(),
            found,
            needed,
        }
    }

    /// Keeps the last of these outcomes.
    pub fn keep(&mut self, device: &str, outcomes: &[Outcome]) -> Result<(), CheckpointError> {
        let (Some((path, file)), Some(last)) = (&mut self.file, outcomes.last()) else {
            return Ok(());
        };
        let line = Line {
            device: device.to_owned(),
            driver: self.drivers.get(device).cloned().unwrap_or_default(),
            outcome: last.clone(),
        };
        append(file, &line).map_err(|source| CheckpointError::Write {
            path: path.clone(),
            source,
        })
    }
}

impl Line {
    /// What it says and what is needed instead, unless it is of this driver and of the case that is due.
    fn check(&self, driver: &str, due: Option<&Entry>) -> Result<(), [String; 2]> {
        let Self {
            device,
            driver: kept,
            outcome,
        } = self;
        if kept != driver {
            return Err([
                format!("{device} has the driver {kept:?}"),
                format!("{driver:?}"),
            ]);
        }
        if due.is_some_and(|entry| outcome.is_of(entry)) {
            return Ok(());
        }
        let due = due.map_or_else(
            || "nothing more".into(),
            |entry| format!("{:?}", entry.name),
        );
        Err([format!("{device} ran {:?}", outcome.case), due])
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Verdict;
    use crate::suite::{Extent, suite};

    const DEVICE: &str = "vulkan/a GPU";

    /// A run of these cases that has left an outcome of each.
    fn left(path: &Path, cases: &[Entry]) {
        let mut checkpoint = Checkpoint::open(Some(path), "quick").expect("a file");
        let mut outcomes = checkpoint.resume(DEVICE, "old", cases).expect("a device");
        for entry in cases {
            outcomes.push(Outcome::without_run(entry, Verdict::Passed));
            checkpoint.keep(DEVICE, &outcomes).expect("written");
        }
    }

    /// What another run makes of them.
    fn resumed(path: &Path, driver: &str, cases: &[Entry]) -> Result<usize, String> {
        let mut checkpoint = Checkpoint::open(Some(path), "quick").expect("a file");
        let outcomes = checkpoint.resume(DEVICE, driver, cases);
        let count = outcomes.map(|outcomes| outcomes.len());
        count.map_err(|error| error.to_string())
    }

    #[test]
    fn outcomes_are_of_their_driver_and_of_the_cases_in_order() {
        let cases = suite(Extent::Quick, Some("forward: "));
        let cases = &cases[..3];
        let file = std::env::temp_dir().join(format!("relattn-{}.jsonl", std::process::id()));
        left(&file, &cases[..2]);
        assert_eq!(resumed(&file, "old", cases), Ok(2));
        let refused = |driver: &str, cases: &[Entry], words: [&str; 2]| {
            let reason = resumed(&file, driver, cases).expect_err("refused");
            for word in words {
                assert!(reason.contains(word), "no {word:?} in {reason:?}");
            }
        };
        refused("new", cases, ["\"old\"", "\"new\""]);
        refused("old", &cases[1..], [&cases[0].name, &cases[1].name]);
        refused("old", &cases[..1], [&cases[1].name, "nothing more"]);
        // Nothing of it is lost.
        assert_eq!(resumed(&file, "old", cases), Ok(2));
        fs::remove_file(file).expect("removed");
    }
}
