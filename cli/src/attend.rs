//! `relattn attend`: attention from one file into another.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::args::AttendArgs;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::figures;
use crate::job::Job;
use crate::output::{self, Written};
use crate::progress;

#[derive(Debug, Serialize)]
struct Summary {
    device: String,
    kernel: String,
    /// Why it is this kernel.
    reasons: Vec<String>,
    bias: Vec<String>,
    batch: u32,
    heads: u32,
    kv_heads: u32,
    queries: u32,
    keys: u32,
    head_dim: u32,
    key_mask: bool,
    seconds: f64,
    tensors: Vec<String>,
    output: String,
}

pub(crate) fn run(args: &AttendArgs) -> Result<(), Fault> {
    output::refuse_same(&args.input, &args.output)?;
    let job = Job::load(args)?;
    args.bias.note_unread();
    let mut engine = Engine::choose(&args.device.choice)?;
    if let Some(path) = &args.tune {
        let backward = job.backward.is_some();
        progress::during("tuning", || engine.tune(&job.problem, backward, path))?;
    }
    let start = Instant::now();
    let tensors = progress::during("computing", || compute(&job, &engine))?;
    let elapsed = start.elapsed();
    let summary = summary(args, &job, &engine, elapsed, &tensors)?;
    let file = output::safetensors(&args.output, &tensors)?;
    output::replace(&args.output, &file)?;
    if args.json {
        output::print_json(&summary);
    } else {
        output::print(&text(&summary));
    }
    Ok(())
}

/// The tensors to write.
pub(crate) fn compute(job: &Job, engine: &Engine) -> Result<Vec<Written>, Fault> {
    let (problem, inputs) = (&job.problem, job.inputs());
    let outputs = engine.forward(problem, &inputs)?;
    let gradients = match &job.backward {
        Some(backward) => {
            let found = engine.backward(problem, &inputs, &outputs, &backward.dctx)?;
            job.gradients(backward, found)?
        }
        None => Vec::new(),
    };
    let shape = problem.shape();
    let rows = [shape.batch, shape.heads, shape.q_len];
    let ctx = [&rows[..], &[problem.value_dim()]].concat();
    let mut tensors = vec![
        Written::new("ctx", &ctx, outputs.out),
        Written::new("lse", &rows, outputs.lse),
    ];
    tensors.extend(gradients);
    Ok(tensors)
}

fn summary(
    args: &AttendArgs,
    job: &Job,
    engine: &Engine,
    elapsed: Duration,
    tensors: &[Written],
) -> Result<Summary, Fault> {
    let shape = job.problem.shape();
    let mut kernel = engine.kernel(&job.problem)?;
    if job.backward.is_some() {
        let backward = engine.backward_kernels(&job.problem)?;
        kernel.names.extend(backward.names);
        kernel.reasons.extend(backward.reasons);
        let mut seen = Vec::new();
        kernel.reasons.retain(|reason| {
            let new = !seen.contains(reason);
            seen.push(reason.clone());
            new
        });
    }
    Ok(Summary {
        device: engine.label(),
        kernel: kernel.names.join(", "),
        reasons: kernel.reasons,
        bias: args.bias.names(),
        batch: shape.batch,
        heads: shape.heads,
        kv_heads: shape.kv_heads,
        queries: shape.q_len,
        keys: shape.k_len,
        head_dim: shape.head_dim,
        key_mask: job.masks.key_mask.is_some(),
        seconds: elapsed.as_secs_f64(),
        tensors: tensors.iter().map(|tensor| tensor.name.clone()).collect(),
        output: args.output.display().to_string(),
    })
}

fn text(summary: &Summary) -> String {
    let Summary {
        batch,
        heads,
        kv_heads,
        queries,
        keys,
        head_dim,
        tensors,
        ..
    } = summary;
    let tensors = match &tensors[..] {
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
        [] => String::new(),
    };
    let time = figures::time(Duration::from_secs_f64(summary.seconds));
    let mut lines = vec![
        ("device", summary.device.clone()),
        ("kernel", summary.kernel.clone()),
    ];
    let reasons = summary.reasons.iter();
    lines.extend(reasons.map(|reason| ("", reason.clone())));
    lines.extend([
        ("bias", summary.bias.join(" + ")),
        ("q", format!("[{batch}, {heads}, {queries}, {head_dim}]")),
        ("k, v", format!("[{batch}, {kv_heads}, {keys}, {head_dim}]")),
        ("time", format!("{time}, first run, transfers included")),
        ("wrote", format!("{tensors} to {}", summary.output)),
    ]);
    let lines = lines.iter();
    let lines: Vec<_> = lines
        .map(|(name, value)| format!("{name:<8}{value}"))
        .collect();
    lines.join("\n")
}
