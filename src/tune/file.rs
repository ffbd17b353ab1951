//! What was tuned, in a file that outlives the process.
//!
//! One JSON object: `format`, the number of this layout, and `records`, each the fastest candidate of a class of problems on a device. A record
//! of another adapter, driver, or version of this crate is kept and passed over.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::class::DeviceKey;
use super::store::Fastest;
use crate::plan::{Algorithm, Candidate, Timing};

/// The layout that this version reads and writes.
const FORMAT: u32 = 1;

/// A file of what was tuned.
///
/// It is replaced whole, so that no reader ever finds half a file. What another process has written meanwhile is read before; of two that
/// write at the same instant the later one wins, and the other's class is tuned again some day.
#[derive(Clone, Debug)]
pub struct TuningFile {
    path: PathBuf,
    records: Vec<Record>,
}

/// Why a file of what was tuned cannot be used; nothing was written to it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TuningFileError {
    /// It is there, and cannot be read.
    #[error("{path}: cannot be read: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Its contents are something else.
    #[error("{path}: not a tuning file: {reason}; delete it, or name another")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// Another version of this crate has written it in another layout.
    #[error("{path}: has format {found}; {FORMAT} is known here: delete it, or name another")]
    Format {
        /// The file.
        path: PathBuf,
        /// The number that it has.
        found: u32,
    },
    /// It cannot be replaced; what was tuned is remembered in memory.
    #[error("{path}: cannot be written: {reason}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

/// The fastest candidate of a class on a device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    device: DeviceKey,
    class: String,
    algorithm: String,
    rows: u32,
    splits: u32,
    fastest_ns: u64,
    ruled_ns: u64,
}

#[derive(Deserialize)]
struct Header {
    format: u32,
}

#[derive(Deserialize, Serialize)]
struct Contents {
    format: u32,
    records: Vec<Record>,
}

impl TuningFile {
    /// Reads a file; one that does not exist is made when something is tuned.
    ///
    /// # Errors
    /// A file that cannot be read, is none of these, or has another format.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, TuningFileError> {
        let path = path.into();
        let records = read(&path)?;
        Ok(Self { path, records })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The fastest candidates of a device by class. An algorithm that this version does not have is passed over.
    pub(super) fn of(&self, device: &DeviceKey) -> impl Iterator<Item = (String, Fastest)> {
        let own = self
            .records
            .iter()
            .filter(|record| record.device == *device);
        own.filter_map(|record| Some((record.class.clone(), record.fastest()?)))
    }

    /// Puts a record among those that the file has by now, in place of one of the same class and device.
    pub(super) fn put(&mut self, record: Record) -> Result<(), TuningFileError> {
        self.records = read(&self.path)?;
        let same = |old: &Record| old.device == record.device && old.class == record.class;
        self.records.retain(|old| !same(old));
        self.records.push(record);
        self.write().map_err(|error| TuningFileError::Write {
            path: self.path.clone(),
            reason: error.to_string(),
        })
    }

    /// Into a new file beside it, which then takes its place.
    fn write(&self) -> io::Result<()> {
        let contents = Contents {
            format: FORMAT,
            records: self.records.clone(),
        };
        let folder = self
            .path
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        serde_json::to_writer_pretty(&mut file, &contents)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<Record>, TuningFileError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(TuningFileError::Read {
                path: path.into(),
                reason: error.to_string(),
            });
        }
    };
    let corrupt = |error: serde_json::Error| TuningFileError::Corrupt {
        path: path.into(),
        reason: error.to_string(),
    };
    let Header { format } = serde_json::from_str(&text).map_err(corrupt)?;
    if format != FORMAT {
        return Err(TuningFileError::Format {
            path: path.into(),
            found: format,
        });
    }
    let contents: Contents = serde_json::from_str(&text).map_err(corrupt)?;
    Ok(contents.records)
}

impl Record {
    pub(super) fn new(device: &DeviceKey, class: String, (candidate, timing): Fastest) -> Self {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            device: device.clone(),
            class,
            algorithm: candidate.algorithm.to_string(),
            rows: candidate.rows,
            splits: candidate.splits,
            fastest_ns: nanoseconds(timing.fastest),
            ruled_ns: nanoseconds(timing.ruled),
        }
    }

    fn fastest(&self) -> Option<Fastest> {
        let candidate = Candidate {
            algorithm: Algorithm::named(&self.algorithm)?,
            rows: self.rows,
            splits: self.splits,
        };
        let timing = Timing {
            fastest: Duration::from_nanos(self.fastest_ns),
            ruled: Duration::from_nanos(self.ruled_ns),
        };
        Some((candidate, timing))
    }
}
