//! What may be written on the command line.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use relattn::{Direction, RelativeBuckets};

/// Fused attention with T5 relative position bias, on any GPU that wgpu reaches.
///
/// Without a command it runs the demo: a layer of a real model and a long sequence on this machine, compared with the
/// definition in f64.
#[derive(Debug, Parser)]
#[command(name = "relattn", version, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a real model's layer and a long sequence, and compare them with the definition [the default]
    Demo(DemoArgs),
    /// Compute attention from a safetensors file into another
    Attend(AttendArgs),
    /// List every adapter that wgpu finds
    Devices(DevicesArgs),
    /// Show the buckets of a configuration, as text and as a picture
    Inspect(InspectArgs),
}

impl Default for Command {
    fn default() -> Self {
        Self::Demo(DemoArgs::default())
    }
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Tokens of the long sequence
    #[arg(long, value_name = "N", default_value_t = DemoArgs::LENGTH, value_parser = value_parser!(u32).range(48..=65_536))]
    pub(crate) length: u32,
    #[command(flatten)]
    pub(crate) device: DeviceArg,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

impl DemoArgs {
    const LENGTH: u32 = 4096;
}

impl Default for DemoArgs {
    fn default() -> Self {
        Self {
            length: Self::LENGTH,
            device: DeviceArg::default(),
            json: false,
        }
    }
}

#[derive(Args, Debug)]
#[command(after_help = "\
Tensors of IN, little-endian f32 unless noted:
  q            [B, H, Nq, D]      queries, D at most 256
  k            [B, Hkv, Nk, D]    keys; Hkv divides H
  v            [B, Hkv, Nk, Dv]   values, Dv at most 256
  table        [num_buckets, H]   for --bias t5
               [2R + 1, H]        for --bias offset; row R is offset 0
               [rows, H]          for --bias index
  index        [Nq, Nk] or [B, Nq, Nk] u8, u32, i32   rows of the table; past it the bias is 0
  slopes       [H]                for --bias alibi, optional: else the paper's
  p, a         [H]                for --bias kerple-log and kerple-power
  bias         [B or 1, H or 1, Nq, Nk]   for --bias dense
  key_mask     [B, Nk] u8         optional; 0 hides a key
  key_lengths  [B] u32 or i32     optional; hides the keys from there on

Tensors of OUT, f32:
  ctx       [B, H, Nq, Dv]     softmax(scale · q kᵀ + bias) v; zeros where no key is visible
  lse       [B, H, Nq]         log-sum-exp of each row; -inf where no key is visible

Exit status: 0 done, 1 the machine failed, 2 bad input; OUT is written only on 0.")]
pub(crate) struct AttendArgs {
    /// The safetensors file to read
    #[arg(value_name = "IN.safetensors")]
    pub(crate) input: PathBuf,
    /// The safetensors file to write; replaced whole or not at all
    #[arg(short, long, value_name = "OUT.safetensors")]
    pub(crate) output: PathBuf,
    /// What is added to the scores
    #[arg(long, value_enum, default_value_t = BiasKind::T5)]
    pub(crate) bias: BiasKind,
    #[command(flatten)]
    pub(crate) buckets: BucketArgs,
    /// The last offset with a number of its own, for --bias offset
    #[arg(long, value_name = "R", default_value_t = 128)]
    pub(crate) max_offset: u32,
    /// The width of the embeddings, for --bias sandwich
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub(crate) dimensions: u32,
    /// The factor of q kᵀ; the bias is added after it. T5 uses 1, most others 1/√D
    #[arg(long, default_value_t = 1.0, allow_hyphen_values = true)]
    pub(crate) scale: f32,
    /// Hide keys after the query
    #[arg(long)]
    pub(crate) causal: bool,
    /// Hide keys more than N positions before the query
    #[arg(long, value_name = "N")]
    pub(crate) window_left: Option<u32>,
    /// Hide keys more than N positions after the query
    #[arg(long, value_name = "N")]
    pub(crate) window_right: Option<u32>,
    /// The position of query row 0; for a decoding step Nk - Nq
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_hyphen_values = true
    )]
    pub(crate) query_offset: i32,
    #[command(flatten)]
    pub(crate) device: DeviceArg,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DevicesArgs {
    /// Print a JSON array instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(crate) buckets: BucketArgs,
    /// Rows of the bucket matrix
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) queries: u32,
    /// Columns of the bucket matrix
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) keys: u32,
    /// The position of query row 0
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_hyphen_values = true
    )]
    pub(crate) query_offset: i32,
    /// Take the bias from tensor `table [num_buckets, H]` f32 of this file; with 32 bidirectional buckets the default is
    /// the table of all-mpnet-base-v2
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) table: Option<PathBuf>,
    /// Draw the buckets, and the bias of each head where there is a table
    #[arg(long, value_name = "FILE.png")]
    pub(crate) png: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: DeviceArg,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// T5's buckets.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct BucketArgs {
    /// Whether keys after the query have buckets of their own
    #[arg(long, value_enum, default_value_t = DirectionKind::Bidirectional)]
    pub(crate) direction: DirectionKind,
    /// Rows of the learned table
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub(crate) num_buckets: u32,
    /// The distance at which the formula reaches the last bucket
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub(crate) max_distance: u32,
}

impl From<BucketArgs> for RelativeBuckets {
    fn from(args: BucketArgs) -> Self {
        Self {
            num_buckets: args.num_buckets,
            max_distance: args.max_distance,
            direction: match args.direction {
                DirectionKind::Bidirectional => Direction::Bidirectional,
                DirectionKind::Causal => Direction::Causal,
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BiasKind {
    /// T5's relative position bias, table[bucket(offset)]
    T5,
    /// A number for each offset up to --max-offset, shared beyond
    Offset,
    /// -slope · |offset|
    Alibi,
    /// -p · ln(1 + a · |offset|)
    KerpleLog,
    /// -a · |offset|^p
    KerplePower,
    /// Inner products of sinusoidal embeddings of --dimensions
    Sandwich,
    /// table[index]
    Index,
    /// A number for each score
    Dense,
    /// No bias
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DirectionKind {
    /// Half of the buckets for keys after the query (encoders)
    Bidirectional,
    /// All buckets for keys at or before the query (decoders)
    Causal,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DeviceArg {
    /// auto: the best adapter, or the CPU where there is none; cpu: f32, tile by tile; oracle: f64 by the formula, slow;
    /// NAME: the first adapter whose `backend/name` contains it, whatever the case (see `relattn devices`)
    #[arg(
        long = "device",
        value_name = "auto|cpu|oracle|NAME",
        default_value = "auto"
    )]
    pub(crate) choice: DeviceChoice,
}

/// Where to compute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    #[default]
    Auto,
    Cpu,
    Oracle,
    Named(String),
}

impl FromStr for DeviceChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "oracle" => Self::Oracle,
            name => Self::Named(name.to_owned()),
        })
    }
}
