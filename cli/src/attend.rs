//! `relattn attend`: attention from one file into another.

use std::time::{Duration, Instant};

use relattn::cpu::{Inputs, Outputs};
use relattn::{Mask, Problem, Scale, Shape, Window};
use serde::Serialize;

use crate::args::AttendArgs;
use crate::engine::Engine;
use crate::family::{self, Parameters};
use crate::fault::Fault;
use crate::figures;
use crate::output::{self, Written};
use crate::progress;
use crate::tensors::{self, K, KEY_LENGTHS, KEY_MASK, Q, TensorFile, V};

/// A problem with its data.
#[derive(Debug)]
struct Job {
    problem: Problem,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    parameters: Parameters,
    key_mask: Option<Vec<u8>>,
    key_lengths: Option<Vec<u32>>,
}

#[derive(Debug, Serialize)]
struct Summary {
    device: String,
    kernel: String,
    batch: u32,
    heads: u32,
    kv_heads: u32,
    queries: u32,
    keys: u32,
    head_dim: u32,
    key_mask: bool,
    seconds: f64,
    output: String,
}

pub(crate) fn run(args: &AttendArgs) -> Result<(), Fault> {
    output::refuse_same(&args.input, &args.output)?;
    let job = load(args)?;
    let engine = Engine::choose(&args.device.choice)?;
    let start = Instant::now();
    let result = progress::during("computing", || engine.forward(&job.problem, &job.inputs()))?;
    let elapsed = start.elapsed();
    let summary = summary(args, &job, &engine, elapsed)?;
    write(args, &job.problem, &result)?;
    if args.json {
        output::print_json(&summary);
    } else {
        output::print(&text(&summary));
    }
    Ok(())
}

fn load(args: &AttendArgs) -> Result<Job, Fault> {
    let bytes = tensors::read(&args.input)?;
    let file = TensorFile::parse(&args.input, &bytes)?;
    let [batch, heads, q_len, head_dim] = file.sizes(Q)?;
    let [_, kv_heads, k_len, _] = file.sizes(K)?;
    let [.., value_dim] = file.sizes::<4>(V)?;
    let shape = Shape {
        batch,
        heads,
        kv_heads,
        q_len,
        k_len,
        head_dim,
    };
    let (has_mask, has_lengths) = (file.has(KEY_MASK), file.has(KEY_LENGTHS));
    let kv = [batch, kv_heads, k_len, head_dim];
    let (q, k, v) = (
        file.floats(Q, &[batch, heads, q_len, head_dim])?,
        file.floats(K, &kv)?,
        file.floats(V, &[batch, kv_heads, k_len, value_dim])?,
    );
    let problem = Problem::builder(shape)
        .value_dim(value_dim)
        .scale(Scale::Value(args.scale))
        .bias(family::bias(args, &file, &shape)?)
        .mask(Mask {
            causal: args.causal,
            keys: has_mask,
            key_lengths: has_lengths,
            window: window(args),
            ..Mask::NONE
        })
        .query_offset(args.query_offset)
        .build()?;
    let parameters = Parameters::load(&file, &problem)?;
    let key_mask = has_mask.then(|| file.bytes(KEY_MASK, &[batch, k_len]));
    let key_lengths = has_lengths.then(|| file.indices(KEY_LENGTHS, &[batch]));
    Ok(Job {
        problem,
        q,
        k,
        v,
        parameters,
        key_mask: key_mask.transpose()?,
        key_lengths: key_lengths.transpose()?,
    })
}

/// A window where a side of it is given; the other reaches everything.
fn window(args: &AttendArgs) -> Option<Window> {
    let sides = [args.window_left, args.window_right];
    let [left, right] = sides.map(|side| side.unwrap_or(u32::MAX));
    let given = sides.iter().any(Option::is_some);
    given.then_some(Window { left, right })
}

impl Job {
    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            table: self.parameters.table.as_deref(),
            indices: self.parameters.indices.as_deref(),
            bias: self.parameters.dense.as_deref(),
            key_mask: self.key_mask.as_deref(),
            key_lengths: self.key_lengths.as_deref(),
            ..Inputs::new(&self.q, &self.k, &self.v)
        }
    }
}

fn write(args: &AttendArgs, problem: &Problem, result: &Outputs) -> Result<(), Fault> {
    let shape = problem.shape();
    let rows = [shape.batch, shape.heads, shape.q_len];
    let ctx = [shape.batch, shape.heads, shape.q_len, problem.value_dim()];
    let file = output::safetensors(
        &args.output,
        &[
            Written {
                name: "ctx",
                sizes: &ctx,
                values: &result.out,
            },
            Written {
                name: "lse",
                sizes: &rows,
                values: &result.lse,
            },
        ],
    )?;
    output::replace(&args.output, &file)
}

fn summary(
    args: &AttendArgs,
    job: &Job,
    engine: &Engine,
    elapsed: Duration,
) -> Result<Summary, Fault> {
    let shape = job.problem.shape();
    Ok(Summary {
        device: engine.label(),
        kernel: engine.kernel(&job.problem)?,
        batch: shape.batch,
        heads: shape.heads,
        kv_heads: shape.kv_heads,
        queries: shape.q_len,
        keys: shape.k_len,
        head_dim: shape.head_dim,
        key_mask: job.key_mask.is_some(),
        seconds: elapsed.as_secs_f64(),
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
        ..
    } = summary;
    let time = figures::time(Duration::from_secs_f64(summary.seconds));
    [
        ("device", summary.device.clone()),
        ("kernel", summary.kernel.clone()),
        ("q", format!("[{batch}, {heads}, {queries}, {head_dim}]")),
        ("k, v", format!("[{batch}, {kv_heads}, {keys}, {head_dim}]")),
        ("time", format!("{time}, first run, transfers included")),
        ("wrote", format!("ctx and lse to {}", summary.output)),
    ]
    .map(|(name, value)| format!("{name:<8}{value}"))
    .join("\n")
}
