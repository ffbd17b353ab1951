//! One case on one device.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use relattn::plan::{Algorithm, Backward, Candidate, Forward, choose, choose_backward};
use relattn::{Context, Error, Problem, shader};

use crate::compare::Reference;
use crate::data::Data;
use crate::gradients::GradientReference;
use crate::heat::Heat;
use crate::outcome::{Measured, Outcome, Verdict};
use crate::planted::Edit;
use crate::suite::{Entry, Work};
use crate::worst::Worst;
use crate::{backward, device, matrices, matrices_backward};

/// What was found of a case so far.
#[derive(Default)]
struct Trial {
    kernel: Option<String>,
    worst: Option<Worst>,
    heat: Option<Heat>,
    compile_seconds: f64,
    run_seconds: f64,
}

/// Runs a case. With an edit, the text of its kernels is changed where it has that text.
///
/// A panic is a failure of the case.
#[must_use]
pub fn run(context: &Context, entry: &Entry, edit: Option<Edit>) -> Outcome {
    let mut trial = Trial::default();
    let verdict = match supported(context, &entry.work) {
        Err(reason) => Verdict::Unsupported(reason.to_string()),
        Ok(()) => {
            let run = AssertUnwindSafe(|| trial.run(context, &entry.work, edit));
            match catch_unwind(run).unwrap_or_else(|panic| Err(in_words(&*panic))) {
                Ok(()) => Verdict::Passed,
                Err(reason) => Verdict::Failed {
                    reason,
                    heat: trial.heat.take(),
                },
            }
        }
    };
    Outcome {
        kernel: trial.kernel,
        worst: trial.worst.map(|worst| measured(&worst)),
        compile_seconds: trial.compile_seconds,
        run_seconds: trial.run_seconds,
        ..Outcome::without_run(entry, verdict)
    }
}

/// Whether a device can run a case, or why not. A backward pass needs a forward pass, which may bind more buffers.
pub fn supported(context: &Context, work: &Work) -> Result<(), Error> {
    let capabilities = context.capabilities();
    match work {
        Work::Buckets(_) => Ok(()),
        Work::Forward(problem, _) => choose(problem, &capabilities).map(|_| ()),
        Work::Matrices(problem, _) => matrices::candidate(problem, &capabilities).map(|_| ()),
        Work::Backward(problem, _) => {
            choose(problem, &capabilities)?;
            choose_backward(problem, &capabilities).map(|_| ())
        }
        Work::MatricesBackward(problem, _) => {
            choose(problem, &capabilities)?;
            matrices_backward::candidate(problem, &capabilities).map(|_| ())
        }
    }
}

impl Trial {
    fn run(&mut self, context: &Context, work: &Work, edit: Option<Edit>) -> Result<(), String> {
        match work {
            Work::Forward(problem, seed) => self.forward(context, problem, *seed, |problem| {
                compile(context, context.forward(problem)?, edit)
            }),
            Work::Matrices(problem, seed) => self.forward(context, problem, *seed, |problem| {
                compile(context, matrices::forward(context, problem)?, edit)
            }),
            Work::Backward(problem, seed) => self.backward(context, problem, *seed, |problem| {
                compile_backward(context, problem, None, edit)
            }),
            Work::MatricesBackward(problem, seed) => {
                self.backward(context, problem, *seed, |problem| {
                    let candidate = matrices_backward::candidate(problem, &context.capabilities())?;
                    compile_backward(context, problem, Some(candidate), edit)
                })
            }
            Work::Buckets(matrix) => {
                self.kernel = Some("bucket index".into());
                let start = Instant::now();
                let checked = matrix.check(context);
                self.run_seconds = start.elapsed().as_secs_f64() / 2.0;
                checked
            }
        }
    }

    fn forward(
        &mut self,
        context: &Context,
        problem: &Problem,
        seed: u32,
        compile: impl FnOnce(&Problem) -> Result<Forward, Error>,
    ) -> Result<(), String> {
        let start = Instant::now();
        let forward = compile(problem).map_err(|error| error.to_string())?;
        self.compile_seconds = start.elapsed().as_secs_f64();
        self.kernel = Some(name(forward.variant().algorithm));
        let data = Data::generate(problem, seed);
        let start = Instant::now();
        let found = device::run(context, &forward, problem, &data)?;
        self.run_seconds = start.elapsed().as_secs_f64() / 2.0;
        let reference = Reference::new(problem, &data.inputs());
        self.judge(reference.worst(&found)?, |worst| {
            reference.heat(problem, &found, worst)
        })
    }

    fn backward(
        &mut self,
        context: &Context,
        problem: &Problem,
        seed: u32,
        compile: impl FnOnce(&Problem) -> Result<Backward, Error>,
    ) -> Result<(), String> {
        let start = Instant::now();
        let compiled = compile(problem).map_err(|error| error.to_string())?;
        context
            .forward(problem)
            .map_err(|error| error.to_string())?;
        self.compile_seconds = start.elapsed().as_secs_f64();
        let [queries, _] = compiled.variants();
        self.kernel = Some(name(queries.scores.algorithm));
        let (data, dout) = (
            Data::generate(problem, seed),
            backward::dout(problem, seed + 10),
        );
        let start = Instant::now();
        let found = backward::run(context, &compiled, problem, &data, &dout)?;
        self.run_seconds = start.elapsed().as_secs_f64() / 2.0;
        let reference = GradientReference::new(problem, &data.inputs(), &dout);
        self.judge(reference.worst(&found)?, |worst| {
            reference.heat(problem, &found, worst)
        })
    }

    fn judge(
        &mut self,
        worst: Option<Worst>,
        heat: impl FnOnce(&Worst) -> Option<Heat>,
    ) -> Result<(), String> {
        self.worst = worst;
        match worst.filter(|worst| worst.share() > 1.0) {
            Some(worst) => {
                self.heat = heat(&worst);
                Err(worst.to_string())
            }
            None => Ok(()),
        }
    }
}

#[expect(
    unsafe_code,
    reason = "edits keep every index in range and every loop finite"
)]
fn compile(context: &Context, forward: Forward, edit: Option<Edit>) -> Result<Forward, Error> {
    let text = shader::link(forward.variant());
    match edit.filter(|edit| edit.applies(&text)) {
        Some(edit) => unsafe { context.with_text(forward, &edit.of(&text)) },
        None => Ok(forward),
    }
}

#[expect(
    unsafe_code,
    reason = "edits keep every index in range and every loop finite"
)]
fn compile_backward(
    context: &Context,
    problem: &Problem,
    candidate: Option<Candidate>,
    edit: Option<Edit>,
) -> Result<Backward, Error> {
    let edited = |text: String| match edit {
        Some(edit) => edit.of(&text),
        None => text,
    };
    unsafe { context.backward_with_texts(problem, candidate, edited) }
}

fn name(algorithm: Algorithm) -> String {
    format!("{algorithm:?}").to_lowercase()
}

fn measured(worst: &Worst) -> Measured {
    Measured {
        tensor: worst.tensor.into(),
        error: Some(worst.error()).filter(|error| error.is_finite()),
        allowed: worst.allowed,
    }
}

/// What a panic says.
fn in_words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}
