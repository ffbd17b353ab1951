//! Position biases fitted on short, noisy sequences, and measured on longer ones.
//!
//! Each head has a teacher whose weight falls with the distance in a known way. Every family of biases is fitted to what the
//! teachers return, and compared with them at up to eight times the training length.

mod experiment;
mod pictures;
mod teachers;
#[path = "../training/mod.rs"]
mod training;

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Parser;
use experiment::{Experiment, Plan, Student};
use indicatif::{ProgressBar, ProgressStyle};
use teachers::TEACHERS;
use training::{Family, Result, open};

/// Fits position biases on short sequences, measures them on longer ones, and draws what comes out.
#[derive(Debug, Parser)]
struct Arguments {
    /// Steps of gradient descent for each family and amount of data [default: 200, with --quick 30]
    #[arg(long)]
    steps: Option<u32>,
    /// Folder for the pictures and the numbers
    #[arg(long, default_value = "target/extrapolate")]
    out: PathBuf,
    /// Fewer steps, lengths and amounts of data, and one head for each teacher
    #[arg(long)]
    quick: bool,
}

/// What came out.
#[derive(Debug)]
struct Results {
    plan: Plan,
    students: Vec<Student>,
    /// The errors of a layer without a bias, for each multiple and teacher.
    without: Vec<Vec<f32>>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut plan = if arguments.quick {
        Plan::quick()
    } else {
        Plan::full()
    };
    plan.steps = arguments.steps.unwrap_or(plan.steps);
    let (context, device) = open()?;
    println!("{device}: {} heads, {} steps", plan.heads(), plan.steps);
    let experiment = Experiment::new(&context, &plan)?;
    let mut families = plan.families().to_vec();
    families.extend(Plan::other_buckets());
    let bar = bar(&plan, families.len());
    let mut students = Vec::new();
    for family in families {
        bar.set_prefix(family.name);
        students.extend(experiment.students(family, |loss| {
            bar.set_message(format!("loss {loss:.1e}"));
            bar.inc(1);
        })?);
    }
    bar.finish_and_clear();
    let without = experiment.errors_without()?;
    let results = Results {
        plan: plan.clone(),
        students,
        without,
    };
    print!("{}", results.summary());
    results.save(&arguments.out)
}

fn bar(plan: &Plan, families: usize) -> ProgressBar {
    let fits = (families * plan.amounts.len()) as u64;
    let style = ProgressStyle::with_template("{prefix:>15} {bar:40} {percent:>3} % {msg}, {eta}");
    let bar = ProgressBar::new(fits * u64::from(plan.steps));
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Results {
    /// A line for each student: the error at each length, the mean over the teachers.
    fn summary(&self) -> String {
        let mean = |errors: &Vec<f32>| errors.iter().sum::<f32>() / errors.len() as f32;
        let row = |name: &str, sequences: &str, errors: &[Vec<f32>]| {
            let errors = errors.iter().map(mean);
            let errors: String = errors.map(|error| format!("{error:>7.2}")).collect();
            format!("{name:>15} {sequences:>9} {errors}\n")
        };
        let lengths = self.plan.multiples.iter();
        let lengths: String = lengths
            .map(|n| format!("{:>7}", n * self.plan.length))
            .collect();
        let mut text = format!("{:>15} {:>9} {lengths}\n", "error at length", "sequences");
        text += &row("no bias", "", &self.without);
        for student in &self.students {
            let sequences = student.sequences.to_string();
            text += &row(student.family.name, &sequences, &student.errors);
        }
        text
    }

    /// Every number.
    fn table(&self) -> Result<String> {
        let mut text = String::from("family,sequences,teacher,length,error\n");
        for student in &self.students {
            for (n, errors) in self.plan.multiples.iter().zip(&student.errors) {
                for (teacher, error) in TEACHERS.iter().zip(errors) {
                    let Family { name, .. } = student.family;
                    let (sequences, length) = (student.sequences, n * self.plan.length);
                    writeln!(
                        text,
                        "\"{name}\",{sequences},\"{}\",{length},{error}",
                        teacher.name
                    )?;
                }
            }
        }
        Ok(text)
    }

    fn save(&self, folder: &std::path::Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("errors.csv"), self.table()?)?;
        for (name, chart) in [
            ("extrapolation.png", pictures::by_length(self)),
            ("buckets.png", pictures::by_buckets(self)),
            ("biases.png", pictures::biases(self)?),
        ] {
            chart.save(&folder.join(name))?;
        }
        println!("pictures and numbers: {}", folder.display());
        Ok(())
    }
}
