//! Everything that ends the program early, with its exit status.

use std::io;
use std::path::PathBuf;

use relattn::{InputError, ProblemError, Tensor};
use relattn_conformance::checkpoint::CheckpointError;
use safetensors::{Dtype, SafeTensorError};
use thiserror::Error;

use crate::allowed::Allowed;

/// Why nothing, or nothing more, was computed; each message is one line.
#[derive(Debug, Error)]
pub(crate) enum Fault {
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}: not a whole safetensors file: {source}")]
    Malformed {
        path: PathBuf,
        source: SafeTensorError,
    },
    #[error("{path}: no tensor {name} {form}; the file has {found}")]
    Absent {
        path: PathBuf,
        name: &'static str,
        form: &'static str,
        found: String,
    },
    #[error(
        "{path}: tensor {name} is {found}; {name} {form} must be {}",
        either(allowed)
    )]
    Dtype {
        path: PathBuf,
        name: &'static str,
        form: &'static str,
        found: Dtype,
        allowed: Vec<Dtype>,
    },
    #[error(
        "{path}: tensor {name} holds {found}; integers from 0 to {} are allowed",
        u32::MAX
    )]
    Integer {
        path: PathBuf,
        name: &'static str,
        found: i128,
    },
    #[error("{path}: tensor {name} holds {found} for head {head}; {allowed} are allowed")]
    Parameter {
        path: PathBuf,
        name: &'static str,
        head: usize,
        found: f32,
        allowed: Allowed,
    },
    #[error("{path}: tensor {name} has shape {found:?}; {form} is needed")]
    Rank {
        path: PathBuf,
        name: &'static str,
        form: &'static str,
        found: Vec<usize>,
    },
    #[error("{path}: tensor {name} has shape {found:?}; {needed:?} is needed, {form}")]
    Shape {
        path: PathBuf,
        name: &'static str,
        form: &'static str,
        found: Vec<usize>,
        needed: Vec<usize>,
    },
    #[error(
        "{path}: tensor {name} has shape {found:?}; a dimension may be at most {}",
        u32::MAX
    )]
    Dimension {
        path: PathBuf,
        name: &'static str,
        found: Vec<usize>,
    },
    #[error(
        "{path}: tensor {name} could be that of {kinds}; {allowed} are the names that tell them apart"
    )]
    SharedName {
        path: PathBuf,
        name: &'static str,
        kinds: String,
        allowed: String,
    },
    #[error(
        "{path}: tensor {name} has {rows} rows; a multiple of {matrices} is needed, as many for each matrix of index"
    )]
    IndexRows {
        path: PathBuf,
        name: &'static str,
        rows: u32,
        matrices: u32,
    },
    #[error("alibi has default slopes for at most {maximum} heads; there are {heads}: give slopes")]
    DefaultSlopes { heads: u32, maximum: u32 },
    #[error("--bias has {kind} twice; each kind may be there once")]
    RepeatedBias { kind: String },
    #[error("--bias has none beside {other}; none stands alone")]
    NoneInSum { other: String },
    #[error("{option} is given; it needs {needed}")]
    Unasked {
        option: String,
        needed: &'static str,
    },
    #[error("{path} is the input too; name another file to write")]
    SameFile { path: PathBuf },
    #[error("{path}: cannot be written: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Problem(#[from] ProblemError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Device(#[from] relattn::Error),
    #[error("{tensor} takes {needed} bytes; the device binds at most {maximum}: use --device cpu")]
    TensorTooLarge {
        tensor: Tensor,
        needed: u64,
        maximum: u64,
    },
    #[error(
        "{tensor} takes {needed} bytes; a buffer of the device holds at most {maximum}: use --device cpu"
    )]
    BufferTooLarge {
        tensor: Tensor,
        needed: u64,
        maximum: u64,
    },
    #[error(
        "the offset table of the bias, 2 · {radius} + 1 numbers a head, takes {bytes} bytes; at most {maximum} are allowed here: lower --max-distance"
    )]
    OffsetTable {
        radius: u32,
        bytes: u64,
        maximum: u64,
    },
    #[error("no device {name:?}; there are {}", known.join(", "))]
    UnknownDevice { name: String, known: Vec<String> },
    #[error("{name} cannot be used: {reason}")]
    UnusableDevice { name: String, reason: String },
    #[error("--device oracle is not for this command: {reason}")]
    OracleRefused { reason: &'static str },
    #[error("an empty matrix of {queries} x {keys}; --queries and --keys must be at least 1")]
    EmptyMatrix { queries: u32, keys: u32 },
    #[error(
        "the bias has {numbers} numbers; at most {maximum} are shown: lower --queries, --keys or --heads"
    )]
    TooManyNumbers { numbers: u128, maximum: u64 },
    #[error("bench needs an adapter, with which it compares the CPU; wgpu finds none here")]
    NothingToMeasure,
    #[error(
        "--device {choice} is not for this command: bench compares an adapter with the CPU anyway"
    )]
    NotAnAdapter { choice: &'static str },
    #[error("--query-len is {found}; multiples of {unit} up to 16384 are allowed")]
    QueryLength { found: u32, unit: u32 },
    #[error("{path}: a chart is written as .png or .svg")]
    ChartKind { path: PathBuf },
    #[error("the chart cannot be drawn: {reason}")]
    Chart { reason: String },
    #[error("{name} failed: {message}")]
    Gpu { name: String, message: String },
    #[error("the picture cannot be encoded: {0}")]
    Picture(#[from] png::EncodingError),
    #[error("no case whose name contains {text:?}; `relattn conform --list` has them all")]
    NoCase { text: String },
    #[error("no adapter of wgpu {asked}; there are {}", known.join(", "))]
    NoAdapter { asked: String, known: Vec<String> },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("no case was run on {name}: {reason}")]
    Worker { name: String, reason: String },
    #[error("device {number} is {found}; {needed} is needed")]
    OtherDevice {
        number: usize,
        found: String,
        needed: String,
    },
    #[error("no planted error {name:?}")]
    NotPlanted { name: String },
    #[error("{failed} of {cases} cases failed")]
    Nonconforming { failed: usize, cases: usize },
    #[error("nothing was proved: no case passed on any adapter")]
    NothingProved,
    #[error("{name}: {what}")]
    Soak { name: String, what: String },
    #[error("{what}: {found:.1e}; at most {allowed:.1e} is expected")]
    Disagreement {
        what: String,
        found: f64,
        allowed: f64,
    },
}

impl Fault {
    /// 2 for what the caller can put right, 1 for what the machine did.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Gpu { .. }
            | Self::Picture(_)
            | Self::Chart { .. }
            | Self::Disagreement { .. }
            | Self::Worker { .. }
            | Self::OtherDevice { .. }
            | Self::Nonconforming { .. }
            | Self::NothingProved
            | Self::Soak { .. }
            | Self::Device(
                relattn::Error::DeviceLost
                | relattn::Error::OutOfMemory
                | relattn::Error::NotMapped
                | relattn::Error::Refused { .. },
            ) => 1,
            _ => 2,
        }
    }

    /// The message without line breaks, which a driver's or a parser's text may have.
    pub(crate) fn line(&self) -> String {
        let text = self.to_string();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn either(dtypes: &[Dtype]) -> String {
    let names: Vec<String> = dtypes.iter().map(Dtype::to_string).collect();
    match &names[..] {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}
