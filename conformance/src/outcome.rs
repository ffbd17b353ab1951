//! What became of a case.

use serde::{Deserialize, Deserializer, Serialize};

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
    /// What is allowed; in JSON nothing where it is not finite.
    #[serde(deserialize_with = "or_not_a_number")]
    pub allowed: f64,
}

/// JSON has no number that is not finite.
fn or_not_a_number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

impl Measured {
    /// The error as a share of what is allowed; infinite where the error is not finite, or no number is allowed, or every one.
    #[must_use]
    pub fn share(&self) -> f64 {
        match self.error {
            Some(0.0) => 0.0,
            Some(error) if self.allowed.is_finite() => error / self.allowed,
            _ => f64::INFINITY,
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

    /// Whether it is of this case.
    #[must_use]
    pub fn is_of(&self, entry: &Entry) -> bool {
        self.case == entry.name && self.pass == entry.work.pass()
    }

    /// Makes it a failure for this reason, after one that it is for already.
    pub fn fail(&mut self, reason: String) {
        self.verdict = match std::mem::replace(&mut self.verdict, Verdict::Passed) {
            Verdict::Failed {
                reason: before,
                heat,
            } => Verdict::Failed {
                reason: format!("{before}; {reason}"),
                heat,
            },
            Verdict::Passed | Verdict::Unsupported(_) => Verdict::Failed { reason, heat: None },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{Extent, suite};

    #[test]
    fn a_line_of_json_is_read_back_whatever_the_numbers() {
        let entry = &suite(Extent::Quick, Some("forward: tile edges"))[0];
        for allowed in [f64::NAN, f64::INFINITY] {
            let worst = Measured {
                tensor: "out".into(),
                error: Some(1.0),
                allowed,
            };
            let outcome = Outcome {
                worst: Some(worst),
                ..Outcome::without_run(entry, Verdict::Passed)
            };
            let line = serde_json::to_string(&outcome).expect("JSON");
            let read: Outcome = serde_json::from_str(&line).expect("an outcome");
            assert!(read.is_of(entry));
            let shares = [outcome, read].map(|outcome| outcome.worst.map(|worst| worst.share()));
            assert_eq!(shares, [Some(f64::INFINITY); 2]);
        }
    }

    #[test]
    fn a_failure_keeps_its_reason_beside_another() {
        let entry = &suite(Extent::Quick, Some("forward: tile edges"))[0];
        let mut outcome = Outcome::without_run(entry, Verdict::Passed);
        for (reason, whole) in [("wrong", "wrong"), ("ended", "wrong; ended")] {
            outcome.fail(reason.into());
            let Verdict::Failed { reason, .. } = &outcome.verdict else {
                panic!("{outcome:?}");
            };
            assert_eq!(reason, whole);
        }
    }
}
