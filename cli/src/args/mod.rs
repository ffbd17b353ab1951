//! What may be written on the command line.

mod attend;
mod bench;
mod bias;
mod conform;
mod inspect;
mod rope;

use std::convert::Infallible;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, value_parser};

pub(crate) use attend::AttendArgs;
pub(crate) use bench::{BenchArgs, Pass};
pub(crate) use bias::{BiasArgs, BiasKind};
pub(crate) use conform::{BackendKind, ConformArgs};
pub(crate) use inspect::InspectArgs;
pub(crate) use rope::{PairingKind, RopeArgs, ScalingKind};

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
    /// Prove the kernels on every adapter of this machine
    Conform(ConformArgs),
    /// List every adapter that wgpu finds
    Devices(DevicesArgs),
    /// Measure what the device can do at best, and how much of it each pass reaches
    Bench(BenchArgs),
    /// Show the buckets of T5 or the numbers of another bias, as text and as a picture
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
pub(crate) struct DevicesArgs {
    /// Print a JSON array instead of text
    #[arg(long)]
    pub(crate) json: bool,
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
