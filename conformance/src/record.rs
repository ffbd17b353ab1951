//! The outcomes of a run, adapter by adapter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::machine;
use crate::outcome::{Outcome, Verdict};

/// Names of failed cases that a summary has at most.
const NAMED: usize = 20;

/// A run on a machine.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Record {
    /// The version of relattn.
    pub version: String,
    /// The commit that it was built from.
    pub commit: String,
    /// The operating system.
    pub os: String,
    /// The processor, on which software drivers run.
    pub processor: String,
    /// `full`, `quick`, or which cases were chosen.
    pub extent: String,
    /// Every device that was asked for.
    pub adapters: Vec<Summary>,
}

impl Record {
    /// Of this machine and this build.
    #[must_use]
    pub fn new(extent: String, adapters: Vec<Summary>) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: machine::COMMIT.into(),
            os: machine::os(),
            processor: machine::processor(),
            extent,
            adapters,
        }
    }
}

/// What became of the cases on a device.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Summary {
    /// The adapter, and the features of the device.
    pub name: String,
    /// The backend of wgpu.
    pub backend: String,
    /// The driver and its version.
    pub driver: String,
    /// Cases within the tolerance.
    pub passed: usize,
    /// Cases that are wrong.
    pub failed: usize,
    /// Cases that the device cannot run.
    pub unsupported: usize,
    /// Why not, and how many cases for each reason.
    pub unsupported_reasons: BTreeMap<String, usize>,
    /// Why there is no device, where there is none; then there are no cases either.
    pub unusable: Option<String>,
    /// The absolute error of the worst case, which is the one with the largest share of what is allowed; nothing where there are no
    /// numbers, or where it is not finite.
    pub worst_error: Option<f64>,
    /// What is allowed there; nothing where it is not finite.
    pub worst_allowed: Option<f64>,
    /// The worst case.
    pub worst_case: Option<String>,
    /// The first failed cases, with what is wrong.
    pub failures: BTreeMap<String, String>,
    /// Kernels by how they share out their work, and how many cases each ran.
    pub kernels: BTreeMap<String, usize>,
    /// Seconds of compiling and running.
    pub seconds: f64,
}

impl Summary {
    /// Of the outcomes on a device.
    #[must_use]
    pub fn of([name, backend, driver]: [String; 3], outcomes: &[Outcome]) -> Self {
        let mut summary = Self {
            name,
            backend,
            driver,
            ..Self::default()
        };
        let mut share = 0.0;
        for outcome in outcomes {
            summary.count(outcome);
            if let Some(worst) = outcome.worst.as_ref().filter(|worst| worst.share() > share) {
                share = worst.share();
                summary.worst_error = worst.error;
                summary.worst_allowed = Some(worst.allowed).filter(|allowed| allowed.is_finite());
                summary.worst_case = Some(outcome.case.clone());
            }
        }
        summary.seconds = (summary.seconds * 10.0).round() / 10.0;
        summary
    }

    fn count(&mut self, outcome: &Outcome) {
        match &outcome.verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Unsupported(reason) => {
                self.unsupported += 1;
                *self.unsupported_reasons.entry(reason.clone()).or_default() += 1;
            }
            Verdict::Failed { reason, .. } => {
                self.failed += 1;
                if self.failures.len() < NAMED {
                    self.failures.insert(outcome.case.clone(), reason.clone());
                }
            }
        }
        if let Some(kernel) = &outcome.kernel {
            *self.kernels.entry(kernel.clone()).or_default() += 1;
        }
        self.seconds += outcome.compile_seconds + 2.0 * outcome.run_seconds;
    }

    /// Cases that were looked at.
    #[must_use]
    pub const fn cases(&self) -> usize {
        self.passed + self.failed + self.unsupported
    }

    /// The worst error as a share of what is allowed.
    #[must_use]
    pub fn worst_share(&self) -> Option<f64> {
        match (self.worst_error, self.worst_allowed) {
            (Some(error), Some(allowed)) if error > 0.0 => Some(error / allowed),
            (Some(_), Some(_)) => Some(0.0),
            _ => self.worst_case.as_ref().map(|_| f64::INFINITY),
        }
    }
}

impl Record {
    /// Whether nothing failed, and something passed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let failed = self.adapters.iter().any(|adapter| adapter.failed > 0);
        !failed && self.adapters.iter().any(|adapter| adapter.passed > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Measured;
    use crate::suite::{Extent, suite};

    fn outcome(error: Option<f64>, verdict: Verdict) -> Outcome {
        let entry = &suite(Extent::Quick, Some("forward: tile edges"))[0];
        let worst = Measured {
            tensor: "out".into(),
            error,
            allowed: 2.0,
        };
        Outcome {
            worst: Some(worst),
            ..Outcome::without_run(entry, verdict)
        }
    }

    #[test]
    fn the_worst_is_what_is_not_finite() {
        let failed = Verdict::Failed {
            reason: "wrong".into(),
            heat: None,
        };
        let outcomes = [
            outcome(Some(1.0), Verdict::Passed),
            outcome(None, failed),
            outcome(Some(9.0), Verdict::Passed),
        ];
        let summary = Summary::of(["a", "b", "c"].map(String::from), &outcomes);
        assert_eq!((summary.passed, summary.failed), (2, 1));
        assert_eq!(
            (summary.worst_error, summary.worst_share()),
            (None, Some(f64::INFINITY))
        );
        let summary = Summary::of(["a", "b", "c"].map(String::from), &outcomes[..1]);
        assert_eq!(
            (summary.worst_error, summary.worst_share()),
            (Some(1.0), Some(0.5))
        );
    }

    #[test]
    fn nothing_is_within_a_tolerance_that_is_not_finite() {
        let mut outcomes = [Some(1.0), Some(0.5)].map(|error| outcome(error, Verdict::Passed));
        if let Some(worst) = &mut outcomes[1].worst {
            worst.allowed = f64::INFINITY;
        }
        let summary = Summary::of(["a", "b", "c"].map(String::from), &outcomes);
        assert_eq!(
            (summary.worst_allowed, summary.worst_share()),
            (None, Some(f64::INFINITY))
        );
    }
}
