//! `relattn attend`: attention from one file into another.

use std::time::{Duration, Instant};

use relattn::cpu::{Inputs, Outputs};
use relattn::{Mask, Problem, Scale, Shape, Window};
use serde::Serialize;

use crate::args::AttendArgs;
use crate::engine::Engine;
use crate::family::{Family, Parameters};
use crate::fault::Fault;
use crate::figures;
use crate::masks::{self, Masks};
use crate::output::{self, Written};
use crate::progress;
use crate::rope;
use crate::tensors::{self, TensorFile};
use crate::wanted::{GATE, K, Q, V};

/// A problem with its data.
#[derive(Debug)]
struct Job {
    problem: Problem,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    parameters: Parameters,
    gate: Option<Vec<f32>>,
    masks: Masks,
}

#[derive(Debug, Serialize)]
struct Summary {
    device: String,
    kernel: String,
    bias: Vec<String>,
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
    let kv = [batch, kv_heads, k_len, head_dim];
    let (q, k, v) = (
        file.floats(Q, &[batch, heads, q_len, head_dim])?,
        file.floats(K, &kv)?,
        file.floats(V, &[batch, kv_heads, k_len, value_dim])?,
    );
    let family = Family::new(&args.bias, &file, &shape)?;
    let biases = family.biases()?;
    let builder = Problem::builder(shape)
        .value_dim(value_dim)
        .scale(Scale::Value(args.scale))
        .gated(file.has(GATE))
        .mask(Mask {
            causal: args.causal,
            window: window(args),
            ..masks::held(&file, &shape)?
        })
        .query_offset(args.query_offset);
    let summed = biases
        .iter()
        .fold(builder, |builder, &bias| builder.add_bias(bias));
    let problem = summed.build()?;
    let gate = problem
        .gated()
        .then(|| file.floats(GATE, &[batch, heads, q_len]));
    let mut job = Job {
        problem,
        q,
        k,
        v,
        parameters: family.parameters(&biases)?,
        gate: gate.transpose()?,
        masks: Masks::load(&file, &shape)?,
    };
    job.inputs().validate(&job.problem)?;
    job.rotate(args)?;
    Ok(job)
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
        self.masks.add_to(Inputs {
            table: self.parameters.table.as_deref(),
            gate: self.gate.as_deref(),
            indices: self.parameters.indices.as_deref(),
            bias: self.parameters.dense.as_deref(),
            ..Inputs::new(&self.q, &self.k, &self.v)
        })
    }

    /// Rotates q and k where that is asked for; the starts of a packed batch have been checked.
    fn rotate(&mut self, args: &AttendArgs) -> Result<(), Fault> {
        let shape = *self.problem.shape();
        let Some(rope) = rope::chosen(&args.rope, shape.head_dim)? else {
            return Ok(());
        };
        let starts = self
            .masks
            .starts()
            .map(|pair| pair.each_ref().map(Vec::as_slice));
        let [queries, keys] = [0, 1].map(|n| starts.map(|starts| starts[n]));
        let q = [shape.batch, shape.heads, shape.q_len, shape.head_dim];
        let k = [shape.batch, shape.kv_heads, shape.k_len, shape.head_dim];
        rope::rotate(rope, &mut self.q, q, args.query_offset, queries)?;
        rope::rotate(rope, &mut self.k, k, 0, keys)
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
        bias: args.bias.names(),
        batch: shape.batch,
        heads: shape.heads,
        kv_heads: shape.kv_heads,
        queries: shape.q_len,
        keys: shape.k_len,
        head_dim: shape.head_dim,
        key_mask: job.masks.key_mask.is_some(),
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
        ("bias", summary.bias.join(" + ")),
        ("q", format!("[{batch}, {heads}, {queries}, {head_dim}]")),
        ("k, v", format!("[{batch}, {kv_heads}, {keys}, {head_dim}]")),
        ("time", format!("{time}, first run, transfers included")),
        ("wrote", format!("ctx and lse to {}", summary.output)),
    ]
    .map(|(name, value)| format!("{name:<8}{value}"))
    .join("\n")
}
