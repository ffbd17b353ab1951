//! The bias of an attention layer, learned from what the layer returns, with nothing but relattn on the GPU.
//!
//! A teacher has a table that nobody sees; a student of the same family finds it by gradient descent from the outputs alone.

mod picture;
mod teachers;
#[path = "../training/mod.rs"]
mod training;

use std::path::PathBuf;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use relattn::{Context, Mask, Problem, Scale, Shape};
use teachers::Subject;
use training::{Fit, Layer, Lesson, Random, Result, Sequences, by_offset, centred, fit, open};

/// Learns bias tables from the outputs of attention, and draws them beside the teachers'.
#[derive(Debug, Parser)]
struct Arguments {
    /// Steps of gradient descent for each family [default: 600, with --quick 60]
    #[arg(long)]
    steps: Option<u32>,
    /// Folder for the pictures
    #[arg(long, default_value = "target/learn_bias")]
    out: PathBuf,
    /// Short sequences and few steps
    #[arg(long)]
    quick: bool,
}

/// Heads of the layer, each with a bias of its own.
const HEADS: u32 = 4;
/// The deviation of queries and keys: small, so that position matters.
const SMALL: f32 = 0.5;

/// A student beside its teacher.
#[derive(Debug)]
struct Learned {
    name: &'static str,
    offsets: Vec<f32>,
    /// The centred bias of each head.
    teacher: Vec<Vec<f32>>,
    student: Vec<Vec<f32>>,
    loss: Vec<f32>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (length, steps) = if arguments.quick {
        (48, 60)
    } else {
        (128, 600)
    };
    let steps = arguments.steps.unwrap_or(steps);
    let (context, device) = open()?;
    println!("{device}: {HEADS} heads, {length} tokens, {steps} steps");
    let mut all = Vec::new();
    for subject in teachers::subjects(length) {
        let learned = learn(&context, &subject, length, steps)?;
        println!("{}", learned.summary());
        all.push(learned);
    }
    std::fs::create_dir_all(&arguments.out)?;
    let [biases, losses] = ["biases.png", "losses.png"].map(|name| arguments.out.join(name));
    picture::biases(&all).save(&biases)?;
    picture::losses(&all).save(&losses)?;
    println!("{}, {}", biases.display(), losses.display());
    Ok(())
}

fn problem(subject: &Subject, length: u32) -> Result<Problem> {
    let shape = Shape {
        batch: 2,
        heads: HEADS,
        kv_heads: HEADS,
        q_len: length,
        k_len: length,
        head_dim: 16,
    };
    let mask = if subject.causal {
        Mask::CAUSAL
    } else {
        Mask::NONE
    };
    let builder = Problem::builder(shape).scale(Scale::InverseSqrt).mask(mask);
    Ok(builder.bias(subject.family.bias).build()?)
}

fn learn(context: &Context, subject: &Subject, length: u32, steps: u32) -> Result<Learned> {
    let problem = problem(subject, length)?;
    let mut random = Random::new(1);
    let sequences = Sequences::random(&problem, SMALL, &mut random);
    let teacher = Layer::new(context, &problem, &sequences)?;
    teacher.set_table(&subject.table);
    let goal = teacher.outputs()?;
    let lesson = Lesson {
        family: subject.family,
        problem: &problem,
        sequences: &sequences,
        goal: &goal,
        steps,
    };
    let bar = bar(subject.family.name, steps);
    let fit = fit(context, &lesson, &mut random, |loss| {
        bar.set_message(format!("loss {loss:.1e}"));
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    Learned::new(subject, &fit, length)
}

fn bar(name: &'static str, steps: u32) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>12} {bar:40} {pos}/{len} {msg}, {eta}");
    let bar = ProgressBar::new(steps.into()).with_prefix(name);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Learned {
    /// As the query in the last place sees it and, where nothing hides later keys, as far in the other direction.
    fn new(subject: &Subject, fit: &Fit, length: u32) -> Result<Self> {
        let last = length - 1;
        let keys = if subject.causal {
            length
        } else {
            2 * length - 1
        };
        let curves = |table: &[f32]| -> Result<Vec<Vec<f32>>> {
            let biases = by_offset(subject.family.bias, table, HEADS, [last, keys])?;
            Ok(biases.iter().map(|bias| centred(bias, |_| 1.0)).collect())
        };
        Ok(Self {
            name: subject.family.name,
            offsets: (0..keys).map(|key| key as f32 - last as f32).collect(),
            teacher: curves(&subject.table)?,
            student: curves(&fit.table)?,
            loss: fit.loss(),
        })
    }

    /// The largest difference of the centred biases, and the largest bias.
    fn error(&self) -> (f32, f32) {
        let largest =
            |values: &mut dyn Iterator<Item = f32>| values.map(f32::abs).fold(0.0, f32::max);
        let (teacher, student) = (self.teacher.iter().flatten(), self.student.iter().flatten());
        let differences = teacher.clone().zip(student).map(|(a, b)| a - b);
        (
            largest(&mut { differences }),
            largest(&mut teacher.copied()),
        )
    }

    fn summary(&self) -> String {
        let (error, bias) = self.error();
        let [first, last] =
            [self.loss.first(), self.loss.last()].map(|loss| loss.copied().unwrap_or(f32::NAN));
        format!(
            "{:>12}: loss {first:.1e} to {last:.1e}; the bias is wrong by at most {error:.1e}, the largest being {bias:.1}",
            self.name
        )
    }
}
