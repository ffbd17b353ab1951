//! The fastest kernel of a class of problems, found by trying: [`Context::tune`] and [`Context::tune_backward`].

mod class;
#[cfg(feature = "tuning-file")]
mod file;
mod rounds;
mod scratch;
mod store;

use std::fmt;
use std::time::Duration;

use class::{Pass, class};
use scratch::{Scratch, count, reduced, values};
use store::Fastest;

#[cfg(feature = "tuning-file")]
pub use file::{TuningFile, TuningFileError};
pub(crate) use store::Tuning;

use crate::cpu::Attention;
use crate::plan::{
    Backward, BackwardVariant, Candidate, Timing, Wanted, candidates, candidates_backward, choose,
    choose_backward,
};
use crate::run::{BackwardBuffers, ForwardBuffers, OnDevice};
use crate::watch::watched;
use crate::{Context, Error, Problem, Tensor};

/// What share of the rules' time another candidate may take at most: less of a gain is noise.
const GAIN: f64 = 0.97;

/// How long each candidate took, and which of them is used from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct TuningReport {
    /// The class of problems that was tuned.
    pub class: String,
    /// What is used from now on.
    pub fastest: Candidate,
    /// What the rules choose.
    pub ruled: Candidate,
    /// The time of one pass by each candidate, in the order of [`candidates`]. Where a problem would take long, it is that of a part of it.
    pub times: Vec<(Candidate, Duration)>,
}

impl Context {
    /// Remembers what is tuned in a file, and uses what it has for this device: records of another adapter, driver or version of this
    /// crate are passed over. Clones that are made from now on share it.
    #[cfg(feature = "tuning-file")]
    #[must_use]
    pub fn with_tuning(mut self, file: TuningFile) -> Self {
        let tuning = Tuning::with_file(self.device(), &self.capabilities(), file);
        self.tuning = std::sync::Arc::new(tuning);
        self
    }

    /// Times every kernel that can compute the forward pass of a problem on this device, [`candidates`], and uses the fastest for all
    /// problems of its class from now on, in this context and its clones: problems with the same type, widths, biases and masks, and
    /// with lengths and heads that round up to the same powers of two.
    ///
    /// Blocks, for seconds where kernels are yet to be compiled, and for one on a GPU, whose clock has to rise. Allocates tensors of the
    /// problem's sizes for the time being, or of a part of it where it would take long. What the rules choose is kept unless another takes
    /// less than 0.97 of its time. Without this call the choice depends on the problem and the device's [`crate::Capabilities`] alone;
    /// different kernels round differently.
    ///
    /// # Errors
    /// A problem that the device cannot hold, a device that is out of memory or lost, a file that cannot be written.
    pub fn tune(&self, problem: &Problem) -> Result<TuningReport, Error> {
        watched(self.device(), || self.try_forward(problem))
    }

    fn try_forward(&self, problem: &Problem) -> Result<TuningReport, Error> {
        let capabilities = self.capabilities();
        let ruled = choose(problem, &capabilities)?;
        let ruled = Candidate::chosen(problem, &ruled, &capabilities);
        let candidates = candidates(problem, &capabilities);
        let part = reduced(problem, &capabilities);
        let scratch = Scratch::new(&part);
        let buffers = ForwardBuffers::new(self.device(), &part, &scratch.inputs())?;
        let mut passes = Vec::new();
        for &candidate in &candidates {
            let forward = self.forward_by(&part, candidate)?;
            forward.check_limits()?;
            passes.push(buffers.bind(&forward)?);
        }
        let times = rounds::times(self, &passes)?;
        let times = candidates.into_iter().zip(times).collect();
        self.settle(self.class(Pass::Forward, problem), ruled, times)
    }

    /// The same of the backward pass, [`candidates_backward`], with every gradient that the problem has.
    ///
    /// # Errors
    /// As [`Self::tune`], and a problem that has no backward pass.
    pub fn tune_backward(&self, problem: &Problem) -> Result<TuningReport, Error> {
        watched(self.device(), || self.try_backward(problem))
    }

    fn try_backward(&self, problem: &Problem) -> Result<TuningReport, Error> {
        let capabilities = self.capabilities();
        let [ruled, _] = choose_backward(problem, &capabilities)?;
        let ruled = Candidate::chosen(problem, &ruled.scores, &capabilities);
        let candidates = candidates_backward(problem, &capabilities);
        let part = reduced(problem, &capabilities);
        let mut backward = Vec::new();
        for &candidate in &candidates {
            let pass = self.backward_by(&part, candidate)?;
            pass.check_limits()?;
            backward.push(pass);
        }
        let buffers = self.backward_buffers(&part, &backward)?;
        let passes = backward.iter().map(|pass| buffers.bind(pass));
        let passes = passes.collect::<Result<Vec<_>, _>>()?;
        let times = rounds::times(self, &passes)?;
        let times = candidates.into_iter().zip(times).collect();
        self.settle(self.class(Pass::Backward, problem), ruled, times)
    }

    /// Buffers that serve all of these passes.
    fn backward_buffers(
        &self,
        part: &Problem,
        passes: &[Backward],
    ) -> Result<BackwardBuffers, Error> {
        let scratch = Scratch::new(part);
        let results = OnDevice::new(self.clone()).forward(part, &scratch.inputs())?;
        let dout = values(count(part, Tensor::DOut));
        let workspace = passes.iter().map(Backward::workspace_bytes).max();
        BackwardBuffers::new(
            self.device(),
            part,
            &scratch.inputs(),
            &results,
            &dout,
            workspace.unwrap_or_default(),
        )
    }

    fn class(&self, pass: Pass, problem: &Problem) -> String {
        class(pass, problem, self.checks(), self.capabilities().matrices)
    }

    fn settle(
        &self,
        class: String,
        ruled: Candidate,
        times: Vec<(Candidate, Duration)>,
    ) -> Result<TuningReport, Error> {
        let (fastest, timing) = fastest(ruled, &times);
        self.tuning.keep(class.clone(), (fastest, timing))?;
        Ok(TuningReport {
            class,
            fastest,
            ruled,
            times,
        })
    }

    pub(crate) fn tuned_forward(&self, problem: &Problem) -> Option<Fastest> {
        let class = || self.class(Pass::Forward, problem);
        let (candidate, timing) = self.tuning.find(class)?;
        candidate.check(problem, &self.capabilities()).ok()?;
        Some((candidate, timing))
    }

    pub(crate) fn tuned_backward(
        &self,
        problem: &Problem,
        wanted: Wanted,
    ) -> Option<([BackwardVariant; 2], Timing)> {
        let class = || self.class(Pass::Backward, problem);
        let (candidate, timing) = self.tuning.find(class)?;
        let variants = candidate.backward(problem, wanted, &self.capabilities());
        Some((variants.ok()?, timing))
    }
}

/// What the rules choose, unless another is clearly faster.
fn fastest(ruled: Candidate, times: &[(Candidate, Duration)]) -> Fastest {
    let of_ruled = times.iter().find(|(candidate, _)| *candidate == ruled);
    let ruled_time = of_ruled.map_or(Duration::MAX, |&(_, time)| time);
    let first = times.iter().min_by_key(|(_, time)| *time);
    let (candidate, time) = match first {
        Some(&(candidate, time)) if time < ruled_time.mul_f64(GAIN) => (candidate, time),
        _ => (ruled, ruled_time),
    };
    let timing = Timing {
        fastest: time,
        ruled: ruled_time,
    };
    (candidate, timing)
}

/// A line for each candidate, fastest first.
impl fmt::Display for TuningReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.class)?;
        let mut times = self.times.clone();
        times.sort_by_key(|(_, time)| *time);
        for (candidate, time) in times {
            let ms = 1e3 * time.as_secs_f64();
            let note = match (candidate == self.fastest, candidate == self.ruled) {
                (true, _) => "  used",
                (false, true) => "  by the rules",
                (false, false) => "",
            };
            write!(f, "\n{ms:>10.3} ms  {candidate}{note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Candidate, Duration, fastest};
    use crate::plan::Algorithm;

    fn candidate(rows: u32) -> Candidate {
        Candidate {
            algorithm: Algorithm::Fragments,
            rows,
            splits: 1,
        }
    }

    #[test]
    fn rules_yield_to_what_is_clearly_faster() {
        let us = Duration::from_micros;
        let times = |other| [(candidate(8), us(1000)), (candidate(4), us(other))];
        for (other, rows) in [(969, 4), (971, 8), (2000, 8)] {
            let (found, timing) = fastest(candidate(8), &times(other));
            assert_eq!(found, candidate(rows), "{other}");
            assert_eq!(timing.ruled, us(1000));
        }
    }
}
