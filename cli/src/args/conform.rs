//! `relattn conform`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};
use relattn::wgpu::Backends;

/// Options of the cases, for which a soak has no use; clap asks for no --soak beside any that it conflicts with, hence also for --seed.
const OF_CASES: [&str; 8] = [
    "case", "list", "resume", "html", "quick", "kernels", "jobs", "plant",
];

#[derive(Args, Debug)]
#[command(after_help = "\
A case passes if every element is within the tolerance that its data give, poison and guard words around the outputs are
untouched, and a second run gives the same bits. Cases that a device cannot run are counted as unsupported, with the reason.

Each adapter is tried as a device without features and with WebGPU's default limits, and as one with all that the kernels
make use of. Cases run in a process of their own; where the driver ends it, the case at hand, or the last one where none is,
has failed and the next one runs in a new process.

Exit status: 0 nothing failed, 1 something failed or nothing passed, 2 bad input.")]
pub(crate) struct ConformArgs {
    /// Only adapters of this backend
    #[arg(long, value_enum)]
    pub(crate) backend: Option<BackendKind>,
    /// Only adapters whose `backend/name` contains NAME, whatever the case (see `relattn devices`)
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// A sample of the cases; where shaders compile slowly and are not cached, still minutes
    #[arg(long)]
    pub(crate) quick: bool,
    /// One case for each kernel, where shaders compile slowly and --quick leaves too much out
    #[arg(long, conflicts_with = "quick")]
    pub(crate) kernels: bool,
    /// Only cases whose name contains NAME
    #[arg(long = "case", value_name = "NAME")]
    pub(crate) case: Option<String>,
    /// Print the names of the cases, and run none
    #[arg(long)]
    pub(crate) list: bool,
    /// Processes at once; where a GPU's driver compiles on one thread, as many as the processor has
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) jobs: NonZeroUsize,
    /// Keep every outcome in FILE, and go on after those that an interrupted run of the same cases, build and drivers has left there
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// Write a page with tables, charts, and maps of the errors of failed cases
    #[arg(long, value_name = "FILE.html")]
    pub(crate) html: Option<PathBuf>,
    /// Instead of the cases, run random problems from several threads on one device for MINUTES once their kernels are compiled, each checked
    #[arg(long, value_name = "MINUTES", value_parser = minutes, conflicts_with_all = OF_CASES)]
    pub(crate) soak: Option<f64>,
    /// The seed of --soak
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = value_parser!(u64), requires = "soak", conflicts_with_all = OF_CASES)]
    pub(crate) seed: u64,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// The program that runs the cases, where this one cannot start itself by its name [default: this program]
    #[arg(
        long,
        value_name = "PROGRAM",
        env = "RELATTN_WORKER",
        hide_short_help = true
    )]
    pub(crate) worker: Option<PathBuf>,
    /// Plant an error of the test suite in the kernels
    #[arg(long, value_name = "NAME", hide = true)]
    pub(crate) plant: Option<String>,
    #[command(flatten)]
    pub(crate) work: WorkerArgs,
}

/// How the process that runs the cases is started.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct WorkerArgs {
    /// Run the cases on the device of this number among those of --backend
    #[arg(long, hide = true, requires = "backend", requires = "work_name")]
    pub(crate) work_on: Option<usize>,
    /// The name that this device must have, and its place on the bus where that is known
    #[arg(long, hide = true)]
    pub(crate) work_name: Option<String>,
    /// The case to begin with
    #[arg(long, hide = true, default_value_t = 0)]
    pub(crate) work_from: usize,
    /// The cases of a process, after which another goes on, so that what a driver may keep of each does not fill the memory
    #[arg(long, hide = true, default_value_t = 256)]
    pub(crate) work_cases: usize,
    /// End as a driver that crashes would, at the case of this number
    #[arg(long, hide = true)]
    pub(crate) abort_at: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendKind {
    Vulkan,
    Metal,
    Dx12,
    Gl,
}

impl From<BackendKind> for Backends {
    fn from(kind: BackendKind) -> Self {
        match kind {
            BackendKind::Vulkan => Self::VULKAN,
            BackendKind::Metal => Self::METAL,
            BackendKind::Dx12 => Self::DX12,
            BackendKind::Gl => Self::GL,
        }
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes > 0.0 && minutes <= 100_000.0 => Ok(minutes),
        _ => Err("a number of minutes above 0, at most 100000, is allowed".into()),
    }
}
