//! Biases fitted on short, noisy sequences, and measured on longer ones without noise.

use relattn::{Bias, Context, Direction, Mask, Problem, RelativeBuckets, Scale, Shape};

use crate::teachers::{TEACHERS, bias_and_table};
use crate::training::{Family, Layer, Lesson, Random, Result, Sequences, fit};

/// The deviation of queries and keys: small, so that position must do the work.
const SMALL: f32 = 0.3;
/// Features of a head.
const HEAD_DIM: u32 = 8;
/// Sequences that errors are measured on.
const TESTED: u32 = 8;
/// From where on T5's buckets are one, within the training length for every number of them.
const MAX_DISTANCE: u32 = 48;

/// How large the experiment is.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Tokens of a training sequence.
    pub(crate) length: u32,
    /// Lengths of the sequences that errors are measured on, in training lengths; the last is the longest.
    pub(crate) multiples: Vec<u32>,
    /// Training sequences.
    pub(crate) amounts: Vec<u32>,
    /// Heads for each teacher, with data of their own; errors are means over these.
    pub(crate) repeats: u32,
    pub(crate) steps: u32,
    /// The deviation of the noise of training targets, in root mean squares of what the teacher returns.
    pub(crate) noise: f32,
}

/// What a family learned from an amount of data.
#[derive(Clone, Debug)]
pub(crate) struct Student {
    pub(crate) family: Family,
    pub(crate) sequences: u32,
    pub(crate) table: Vec<f32>,
    /// For each multiple and teacher, the root mean square of the outputs' error divided by that of the outputs.
    pub(crate) errors: Vec<Vec<f32>>,
}

impl Plan {
    /// A few minutes on two cores that play a GPU.
    pub(crate) fn full() -> Self {
        Self {
            length: 64,
            multiples: vec![1, 2, 4, 8],
            amounts: vec![1, 4, 16],
            repeats: 3,
            steps: 200,
            noise: 1.0,
        }
    }

    /// Some seconds.
    pub(crate) fn quick() -> Self {
        Self {
            multiples: vec![1, 4],
            amounts: vec![1, 4],
            repeats: 1,
            steps: 30,
            ..Self::full()
        }
    }

    pub(crate) fn heads(&self) -> u32 {
        self.repeats * u32::try_from(TEACHERS.len()).unwrap_or(0)
    }

    /// The longest sequences.
    pub(crate) fn longest(&self) -> u32 {
        self.length * self.multiples.last().copied().unwrap_or(1)
    }

    /// T5's buckets in this number.
    pub(crate) const fn buckets(name: &'static str, num_buckets: u32) -> Family {
        let buckets = RelativeBuckets {
            num_buckets,
            max_distance: MAX_DISTANCE,
            direction: Direction::Causal,
        };
        Family::t5(name, buckets)
    }

    /// Every family; a bias for each offset has no end, and so parameters for offsets that no training sequence has.
    pub(crate) fn families(&self) -> [Family; 6] {
        [
            Self::buckets("T5, 32 buckets", 32),
            Family::per_offset(self.longest() - 1),
            Family::alibi(),
            Family::kerple_log(),
            Family::kerple_power(),
            // As far as the paper's: a quarter of the training length.
            Family::fire(self.length as f32 / 4.0),
        ]
    }

    /// T5 with fewer and more buckets.
    pub(crate) const fn other_buckets() -> [Family; 3] {
        [
            Self::buckets("T5, 8 buckets", 8),
            Self::buckets("T5, 16 buckets", 16),
            Self::buckets("T5, 64 buckets", 64),
        ]
    }

    /// `batch` sequences of this many keys, and as queries the last ones, as many as a training sequence has.
    fn problem(&self, bias: Bias, batch: u32, keys: u32) -> Result<Problem> {
        let heads = self.heads();
        let shape = Shape {
            batch,
            heads,
            kv_heads: heads,
            q_len: self.length,
            k_len: keys,
            head_dim: HEAD_DIM,
        };
        let builder = Problem::builder(shape)
            .scale(Scale::InverseSqrt)
            .mask(Mask::CAUSAL)
            .query_offset(i32::try_from(keys - self.length)?);
        Ok(builder.bias(bias).build()?)
    }
}

/// Sequences, and what the teachers make of them.
#[derive(Debug)]
struct Data {
    batch: u32,
    keys: u32,
    sequences: Sequences,
    outputs: Vec<f32>,
}

/// The data of an experiment.
#[derive(Debug)]
pub(crate) struct Experiment<'a> {
    context: &'a Context,
    plan: &'a Plan,
    training: Vec<Data>,
    tests: Vec<Data>,
}

impl<'a> Experiment<'a> {
    pub(crate) fn new(context: &'a Context, plan: &'a Plan) -> Result<Self> {
        let mut random = Random::new(1);
        let mut data = |batch, keys| Data::new(context, plan, [batch, keys], &mut random);
        let tests = plan.multiples.iter();
        let tests: Result<_> = tests.map(|n| data(TESTED, n * plan.length)).collect();
        let training = plan.amounts.iter();
        let training: Result<Vec<Data>> = training.map(|&n| data(n, plan.length)).collect();
        let mut training = training?;
        for data in &mut training {
            data.add_noise(plan, &mut random);
        }
        Ok(Self {
            context,
            plan,
            training,
            tests: tests?,
        })
    }

    /// Fits a family to each amount of data; `progress` is told of each step.
    pub(crate) fn students(
        &self,
        family: Family,
        mut progress: impl FnMut(f32),
    ) -> Result<Vec<Student>> {
        let student = |data| self.student(family, data, &mut progress);
        self.training.iter().map(student).collect()
    }

    fn student(
        &self,
        family: Family,
        data: &Data,
        progress: &mut impl FnMut(f32),
    ) -> Result<Student> {
        let problem = self.plan.problem(family.bias, data.batch, data.keys)?;
        let lesson = Lesson {
            family,
            problem: &problem,
            sequences: &data.sequences,
            goal: &data.outputs,
            steps: self.plan.steps,
        };
        let fit = fit(self.context, &lesson, &mut Random::new(2), progress)?;
        Ok(Student {
            family,
            sequences: data.batch,
            errors: self.errors(family.bias, &fit.table)?,
            table: fit.table,
        })
    }

    /// What a layer that knows nothing of positions gets wrong.
    pub(crate) fn errors_without(&self) -> Result<Vec<Vec<f32>>> {
        self.errors(Bias::Alibi, &vec![0.0; self.plan.heads() as usize])
    }

    fn errors(&self, bias: Bias, table: &[f32]) -> Result<Vec<Vec<f32>>> {
        let each = self.tests.iter().map(|data| {
            let found = data.run(self.context, self.plan, bias, table)?;
            Ok(relative_errors(self.plan, data, &found))
        });
        each.collect()
    }
}

impl Data {
    fn new(
        context: &Context,
        plan: &Plan,
        [batch, keys]: [u32; 2],
        random: &mut Random,
    ) -> Result<Self> {
        let (bias, table) = bias_and_table(plan.longest(), plan.repeats);
        let problem = plan.problem(bias, batch, keys)?;
        let mut data = Self {
            batch,
            keys,
            sequences: Sequences::random(&problem, SMALL, random),
            outputs: Vec::new(),
        };
        data.outputs = data.run(context, plan, bias, &table)?;
        Ok(data)
    }

    fn run(&self, context: &Context, plan: &Plan, bias: Bias, table: &[f32]) -> Result<Vec<f32>> {
        let problem = plan.problem(bias, self.batch, self.keys)?;
        let layer = Layer::new(context, &problem, &self.sequences)?;
        layer.set_table(table);
        layer.outputs()
    }

    /// In proportion to what each head returns.
    fn add_noise(&mut self, plan: &Plan, random: &mut Random) {
        let squares = squares(plan, self.outputs.iter().copied());
        let heads = plan.heads() as usize;
        let numbers = self.outputs.len() / heads;
        let planes = self.outputs.chunks_mut(numbers / self.batch as usize);
        for (n, plane) in planes.enumerate() {
            let deviation = plan.noise * (squares[n % heads] / numbers as f32).sqrt();
            plane
                .iter_mut()
                .for_each(|value| *value += deviation * random.normal());
        }
    }
}

/// The sum of squares of each head, of values `[B, H, Nq, D]`.
fn squares(plan: &Plan, values: impl IntoIterator<Item = f32>) -> Vec<f32> {
    let heads = plan.heads() as usize;
    let plane = (plan.length * HEAD_DIM) as usize;
    let mut sums = vec![0.0; heads];
    for (n, value) in values.into_iter().enumerate() {
        sums[n / plane % heads] += value * value;
    }
    sums
}

/// Of each teacher: the mean over its heads.
fn relative_errors(plan: &Plan, data: &Data, found: &[f32]) -> Vec<f32> {
    let right = &data.outputs;
    let differences = found.iter().zip(right).map(|(a, b)| a - b);
    let wrong = squares(plan, differences);
    let whole = squares(plan, right.iter().copied());
    let errors: Vec<f32> = wrong
        .iter()
        .zip(whole)
        .map(|(a, b)| (a / b).sqrt())
        .collect();
    let repeats = plan.repeats as usize;
    let mean = |heads: &[f32]| heads.iter().sum::<f32>() / repeats as f32;
    errors.chunks(repeats).map(mean).collect()
}
