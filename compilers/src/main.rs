//! `microsoft`: every kernel through DXC and FXC under Wine. `dawn`: the conformance suite on a device that Dawn plays.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use relattn_compilers::microsoft::{Compiler, Outcome, Workshop};
use relattn_compilers::{dawn, kernels};
use relattn_conformance::checkpoint::Checkpoint;
use relattn_conformance::outcome::Verdict;
use relattn_conformance::record::{Record, Summary};
use relattn_conformance::suite::{Extent, suite};
use relattn_conformance::trial;

#[derive(Parser)]
#[command(about = "Every kernel through other shader compilers")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Compiles with DXC and FXC under Wine what naga writes for DirectX 12
    Microsoft {
        /// Only kernels whose name contains this
        #[arg(long, default_value = "")]
        only: String,
        /// Seconds that a compiler gets for a kernel
        #[arg(long, default_value_t = 300)]
        seconds: u64,
        /// Only this compiler
        #[arg(long, ignore_case = true)]
        compiler: Option<Compiler>,
    },
    /// Runs the conformance suite through Tint and Dawn
    Dawn {
        /// Only cases whose name contains this
        #[arg(long)]
        case: Option<String>,
        /// A sample
        #[arg(long)]
        quick: bool,
        /// One case for each kernel
        #[arg(long, conflicts_with = "quick")]
        kernels: bool,
        /// Keep every outcome in this file, and go on after those that an interrupted run of the same cases has left there
        #[arg(long)]
        resume: Option<PathBuf>,
        /// Write a record for `CONFORMANCE.md`
        #[arg(long)]
        record: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let clean = match Arguments::parse().task {
        Task::Microsoft {
            only,
            seconds,
            compiler,
        } => microsoft(&only, Duration::from_secs(seconds), compiler),
        Task::Dawn {
            case,
            quick,
            kernels,
            resume,
            record,
        } => {
            let extent = Extent::of_options(quick, kernels);
            conform(
                case.as_deref(),
                extent,
                resume.as_deref(),
                record.as_deref(),
            )
        }
    };
    match clean {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A line for each kernel and compiler, and a sum; whether all were accepted.
fn microsoft(only: &str, allowed: Duration, which: Option<Compiler>) -> Result<bool, String> {
    let workshop = Workshop::open()?;
    let kernels = kernels::all().map_err(|error| error.to_string())?;
    let mut clean = true;
    for compiler in Compiler::ALL {
        if which.is_some_and(|which| which != compiler) {
            continue;
        }
        let name = format!("{compiler:?}").to_uppercase();
        let mut counts = [0; 4];
        for kernel in kernels.iter().filter(|kernel| kernel.name.contains(only)) {
            let label = format!("{name}: {}", kernel.name);
            if let Some(reason) = compiler.target().unsupported(kernel) {
                println!("{label}: unsupported: {reason}");
                counts[0] += 1;
                continue;
            }
            match workshop.compile(compiler, kernel, allowed)? {
                Outcome::Accepted { bytes, took } => {
                    println!("{label}: {bytes} bytes after {:.1} s", took.as_secs_f64());
                    counts[1] += 1;
                }
                Outcome::Refused(said) => {
                    println!("{label}: refused: {said}");
                    counts[2] += 1;
                }
                Outcome::Unfinished => {
                    println!("{label}: not done after {} s", allowed.as_secs());
                    counts[3] += 1;
                }
            }
        }
        let [unsupported, accepted, refused, unfinished] = counts;
        println!(
            "{name}: {accepted} accepted, {refused} refused, {unfinished} not done in time, {unsupported} unsupported"
        );
        clean &= refused + unfinished == 0 && accepted > 0;
    }
    Ok(clean)
}

/// The suite on each of Dawn's devices; whether all that is supported passed.
fn conform(
    case: Option<&str>,
    extent: Extent,
    resume: Option<&Path>,
    record: Option<&Path>,
) -> Result<bool, String> {
    let name = case.map_or_else(
        || extent.name().into(),
        |case| format!("{}, cases with {case:?}", extent.name()),
    );
    let entries = suite(extent, case);
    let mut checkpoint = Checkpoint::open(resume, &name).map_err(|error| error.to_string())?;
    let mut summaries = Vec::new();
    for adapter in dawn::adapters()? {
        let context = adapter.context?;
        let resumed = checkpoint.resume(&adapter.name, &adapter.info.driver_info, &entries);
        let mut outcomes = resumed.map_err(|error| error.to_string())?;
        for entry in entries.iter().skip(outcomes.len()) {
            let outcome = trial::run(&context, entry, None);
            if let Verdict::Failed { reason, .. } = &outcome.verdict {
                println!("{}: {}: {reason}", adapter.name, entry.name);
            }
            outcomes.push(outcome);
            let kept = checkpoint.keep(&adapter.name, &outcomes);
            kept.map_err(|error| error.to_string())?;
        }
        let info = [adapter.name, "webgpu".into(), adapter.info.driver_info];
        summaries.push(Summary::of(info, &outcomes));
    }
    let clean = |one: &Summary| one.failed == 0 && one.passed > 0;
    let clean = summaries.iter().all(clean) && !summaries.is_empty();
    let found = Record::new(name, summaries);
    let found = serde_json::to_string_pretty(&found).map_err(|error| error.to_string())? + "\n";
    print!("{found}");
    if let Some(path) = record {
        let written = std::fs::write(path, &found);
        written.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(clean)
}
