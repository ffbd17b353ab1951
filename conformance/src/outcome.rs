//! What became of a case.

use serde::{Deserialize, Serialize};

use crate::heat::Heat;
use crate::suite::Entry;

/// What became of a case, as it is kept in a line of JSON.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Outcome {
    /// The name of the case.
    pub case: String,
    /// `forward`, `backward` or `buckets`.
    pub pass: String,
    /// The family of the bias.
    pub family: String,
    /// The type of the tensors.
    pub dtype: String,
    /// How the kernel shares out its work; nothing where there is none.
    pub kernel: Option<String>,
    /// Passed, failed, or why not run.
    pub verdict: Verdict,
    /// Where the result is worst; nothing where there is no number to compare.
    pub worst: Option<Measured>,
    /// Seconds that compiling took, or finding what is compiled.
    pub compile_seconds: f64,
    /// Seconds of a run: upload, dispatches, and reading back.
    pub run_seconds: f64,
}

/// The verdict on a case.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within the tolerance, nothing else touched, the same bits again.
    Passed,
    /// What is wrong, and where.
    Failed {
        /// In words.
        reason: String,
        /// In colors.
        heat: Option<Heat>,
    },
    /// Why the device cannot run it.
    Unsupported(String),
}

/// The error of an element.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Measured {
    /// Its tensor.
    pub tensor: String,
    /// Its absolute error; nothing where it is not finite.
    pub error: Option<f64>,
    /// What is allowed.
    pub allowed: f64,
}

impl Measured {
    /// The error as a share of what is allowed.
    #[must_use]
    pub fn share(&self) -> f64 {
        match self.error {
            Some(0.0) => 0.0,
            Some(error) => error / self.allowed,
            None => f64::INFINITY,
        }
    }
}

impl Outcome {
    /// Of a case that did not get as far as a kernel.
    #[must_use]
    pub fn without_run(entry: &Entry, verdict: Verdict) -> Self {
        Self {
            case: entry.name.clone(),
            pass: entry.work.pass().into(),
            family: entry.work.family().into(),
            dtype: entry.work.dtype().into(),
            kernel: None,
            verdict,
            worst: None,
            compile_seconds: 0.0,
            run_seconds: 0.0,
        }
    }

    /// Whether it counts as a failure.
    #[must_use]
    pub const fn failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed { .. })
    }
}
