//! Gradient descent on the table of a bias.

use std::f32::consts::PI;

use relattn::plan::{BackwardOperands, Bound};
use relattn::{Context, Problem, Tensor, wgpu};

use super::adam::Adam;
use super::layer::{Layer, Sequences, whole};
use super::loss::SquaredError;
use super::memory::{Staging, room, upload};
use super::{Family, Random, Result};

/// What a layer is to learn, and from what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lesson<'a> {
    pub(crate) family: Family,
    /// With the bias of the family.
    pub(crate) problem: &'a Problem,
    pub(crate) sequences: &'a Sequences,
    /// What should come out.
    pub(crate) goal: &'a [f32],
    pub(crate) steps: u32,
}

/// What was learned.
#[derive(Clone, Debug)]
pub(crate) struct Fit {
    pub(crate) table: Vec<f32>,
    /// The mean squared error of each head, before the first step and after each.
    pub(crate) losses: Vec<Vec<f32>>,
}

impl Fit {
    /// The mean over the heads.
    pub(crate) fn loss(&self) -> Vec<f32> {
        self.losses.iter().map(|heads| mean(heads)).collect()
    }
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

/// Fits the table, and says after each step how large the loss was before it.
pub(crate) fn fit(
    context: &Context,
    lesson: &Lesson<'_>,
    random: &mut Random,
    mut progress: impl FnMut(f32),
) -> Result<Fit> {
    let Lesson {
        family, problem, ..
    } = *lesson;
    let heads = problem.shape().heads as usize;
    // Kernels of its own, which go when it is over: Mesa 22.3, where it plays a GPU, keeps some megabytes for each step that
    // runs until they do.
    let context = Context::new(context.device(), context.queue());
    let training = Training::new(&context, lesson)?;
    let mut table = family.initial(heads, random);
    let mut parameters = family.parameters(&table, heads);
    let mut adam = Adam::new(parameters.len());
    let mut losses = Vec::new();
    for step in 0..lesson.steps {
        let (errors, dtable) = training.pass(&table)?;
        let gradient = family.gradient(&dtable, &table, heads);
        // Half a wave of the cosine, down to nothing.
        let rate = family.rate * 0.5 * (1.0 + (PI * step as f32 / lesson.steps as f32).cos());
        adam.step(&mut parameters, &gradient, rate);
        table = family.table(&parameters, heads);
        progress(mean(&errors));
        losses.push(errors);
    }
    losses.push(training.pass(&table)?.0);
    Ok(Fit { table, losses })
}

/// Both passes and the loss between them, bound once.
#[derive(Debug)]
struct Training {
    layer: Layer,
    loss: SquaredError,
    backward: Bound,
    errors: Staging,
    dtable: Staging,
}

impl Training {
    fn new(context: &Context, lesson: &Lesson<'_>) -> Result<Self> {
        let problem = lesson.problem;
        let shape = problem.shape();
        let layer = Layer::new(context, problem, lesson.sequences)?;
        let written = |tensor| room(context, problem.elements(tensor));
        // The layer learns nothing but its bias, so that nobody reads the first three.
        let [dq, dk, dv, dtable, dout] = [
            Tensor::DQ,
            Tensor::DK,
            Tensor::DV,
            Tensor::DTable,
            Tensor::DOut,
        ]
        .map(written);
        let planes = shape.batch * shape.heads;
        let errors = room(context, planes.into());
        let goal = upload(context, lesson.goal);
        let loss = SquaredError::new(
            context,
            [planes, shape.batch],
            [layer.out(), &goal, &dout, &errors],
        )?;
        let backward = context.backward(problem)?;
        let workspace = room(context, backward.workspace_bytes() / 4);
        let backward = backward.bind(&BackwardOperands {
            forward: layer.operands(),
            dout: whole(&dout),
            dq: whole(&dq),
            dk: whole(&dk),
            dv: whole(&dv),
            dtable: Some(whole(&dtable)),
            dgate: None,
            dbias: None,
            accumulate: false,
            workspace: whole(&workspace),
        })?;
        Ok(Self {
            errors: Staging::new(context, &errors),
            dtable: Staging::new(context, &dtable),
            layer,
            loss,
            backward,
        })
    }

    /// The mean squared error of each head, and the gradient of the table.
    fn pass(&self, table: &[f32]) -> Result<(Vec<f32>, Vec<f32>)> {
        self.layer.set_table(table);
        let mut encoder: wgpu::CommandEncoder = self.layer.encoder();
        self.layer.record(&mut encoder);
        self.loss.record(&mut encoder);
        self.backward.encode(&mut encoder);
        self.errors.record(&mut encoder);
        self.dtable.record(&mut encoder);
        self.layer.submit(encoder);
        let heads = self.layer.problem.shape().heads as usize;
        let sums = self.errors.read()?;
        let numbers = self.layer.out().size() as f32 / 4.0 / heads as f32;
        let errors =
            (0..heads).map(|head| sums.iter().skip(head).step_by(heads).sum::<f32>() / numbers);
        Ok((errors.collect(), self.dtable.read()?))
    }
}
