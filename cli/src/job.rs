//! What `relattn attend` is asked to compute.

use relattn::cpu::{Gradients, Inputs};
use relattn::{Bias, Dropout, Mask, Problem, Scale, Shape, Window};

use crate::args::AttendArgs;
use crate::family::{Family, Parameters};
use crate::fault::Fault;
use crate::gradients::Backward;
use crate::masks::{self, Masks};
use crate::output::Written;
use crate::rope::Rotary;
use crate::tensors::{self, TensorFile};
use crate::wanted::{GATE, K, Q, V};

/// A problem with its data.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) problem: Problem,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    parameters: Parameters,
    gate: Option<Vec<f32>>,
    pub(crate) masks: Masks,
    rotary: Option<Rotary>,
    /// Where gradients are asked for.
    pub(crate) backward: Option<Backward>,
}

impl Job {
    pub(crate) fn load(args: &AttendArgs) -> Result<Self, Fault> {
        Self::of_bytes(args, &tensors::read(&args.input)?)
    }

    /// That of an input of these bytes.
    pub(crate) fn of_bytes(args: &AttendArgs, bytes: &[u8]) -> Result<Self, Fault> {
        let file = TensorFile::parse(&args.input, bytes)?;
        let (shape, value_dim) = sizes(&file)?;
        let rows = [shape.batch, shape.heads, shape.q_len];
        let keys = [shape.batch, shape.kv_heads, shape.k_len];
        let of = |rows: [u32; 3], features| [&rows[..], &[features]].concat();
        let (q, k, v) = (
            file.floats(Q, &of(rows, shape.head_dim))?,
            file.floats(K, &of(keys, shape.head_dim))?,
            file.floats(V, &of(keys, value_dim))?,
        );
        let family = Family::new(&args.bias, &file, &shape)?;
        let biases = family.biases()?;
        let problem = problem(args, &file, shape, value_dim, &biases)?;
        let gate = problem.gated().then(|| file.floats(GATE, &rows));
        let backward = args
            .backward
            .then(|| Backward::load(&file, &family, &biases, &problem));
        let mut job = Self {
            q,
            k,
            v,
            parameters: family.parameters(&biases)?,
            gate: gate.transpose()?,
            masks: Masks::load(&file, &shape)?,
            rotary: Rotary::chosen(&args.rope, &problem)?,
            backward: backward.transpose()?,
            problem,
        };
        job.inputs().validate(&job.problem)?;
        if let Some(rotary) = job.rotary {
            // The starts of a packed batch have been checked.
            rotary.rotate(&mut job.q, &mut job.k, job.masks.starts())?;
        }
        Ok(job)
    }

    /// The gradients of what the file has, as tensors for a file, from those of what the problem has.
    pub(crate) fn gradients(
        &self,
        backward: &Backward,
        mut gradients: Gradients,
    ) -> Result<Vec<Written>, Fault> {
        if let Some(rotary) = self.rotary {
            rotary.rotate_back(&mut gradients.dq, &mut gradients.dk, self.masks.starts())?;
        }
        Ok(backward.tensors(&self.problem, gradients))
    }

    pub(crate) fn inputs(&self) -> Inputs<'_> {
        self.masks.add_to(Inputs {
            table: self.parameters.table.as_deref(),
            gate: self.gate.as_deref(),
            indices: self.parameters.indices.as_deref(),
            bias: self.parameters.dense.as_deref(),
            ..Inputs::new(&self.q, &self.k, &self.v)
        })
    }
}

/// The shape of the problem, and the features of a row of v.
fn sizes(file: &TensorFile<'_>) -> Result<(Shape, u32), Fault> {
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
    Ok((shape, value_dim))
}

fn problem(
    args: &AttendArgs,
    file: &TensorFile<'_>,
    shape: Shape,
    value_dim: u32,
    biases: &[Bias],
) -> Result<Problem, Fault> {
    let builder = Problem::builder(shape)
        .value_dim(value_dim)
        .scale(Scale::Value(args.scale))
        .gated(file.has(GATE))
        .mask(Mask {
            causal: args.causal,
            window: window(args),
            ..masks::held(file, &shape)?
        })
        .query_offset(args.query_offset);
    let builder = match dropout(args)? {
        Some(dropout) => builder.dropout(dropout),
        None => builder,
    };
    let summed = biases
        .iter()
        .fold(builder, |builder, &bias| builder.add_bias(bias));
    Ok(summed.build()?)
}

/// A window where a side of it is given; the other reaches everything.
fn window(args: &AttendArgs) -> Option<Window> {
    let sides = [args.window_left, args.window_right];
    let [left, right] = sides.map(|side| side.unwrap_or(u32::MAX));
    let given = sides.iter().any(Option::is_some);
    given.then_some(Window { left, right })
}

fn dropout(args: &AttendArgs) -> Result<Option<Dropout>, Fault> {
    match (args.dropout, args.seed) {
        (Some(probability), seed) => Ok(Some(Dropout {
            probability,
            seed: seed.unwrap_or_default(),
        })),
        (None, Some(_)) => Err(Fault::Unasked {
            option: "--seed".into(),
            needed: "--dropout",
        }),
        (None, None) => Ok(None),
    }
}
