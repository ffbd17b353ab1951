//! `relattn bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};
use serde::Serialize;

use super::DeviceArg;

#[derive(Args, Debug)]
#[command(after_help = "\
Every case is compared with the CPU's result before it is timed. Times are the device's own timestamps where it
offers them, else those of the wall clock from submission until the device is idle; contenders run in turn, round
after round, and the medians count. A forward pass counts 2 operations for each of two products, a backward pass
those of five; the roofline is the longer of operations at the measured rate of f32, or of cooperative matrices where
a kernel multiplies such, and compulsory bytes at the measured bandwidth.

With --json the records have, for each case and pass: ms, flops, bytes, gflops, gbps, peak_share (time at the
roofline over time), unfused_ms and speedup_vs_unfused (scores and bias in memory), no_bias_ms and bias_overhead
(time over that without a bias), cpu_ms and speedup_vs_cpu; null where there is nothing to compare with.

Exit status: 0 done, 1 the machine failed or a result is wrong, 2 bad input.")]
pub(crate) struct BenchArgs {
    /// T5's encoder alone, gradients of one length, fewer rounds
    #[arg(long)]
    pub(crate) quick: bool,
    /// Tokens of the sequences, multiples of 64 [default: 512, 1024, 2048, and without --quick 4096]
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = value_parser!(u32).range(64..=16_384))]
    pub(crate) query_len: Vec<u32>,
    /// How often each contender is timed [default: 11, with --quick fewer]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: Option<u32>,
    /// Only one direction
    #[arg(long, value_enum)]
    pub(crate) pass: Option<Pass>,
    #[command(flatten)]
    pub(crate) device: DeviceArg,
    /// Draw the share of the roofline that each case reaches
    #[arg(long, value_name = "FILE.png|FILE.svg")]
    pub(crate) chart: Option<PathBuf>,
    /// Print one JSON object instead of text, or write it into a file beside it
    #[arg(long, value_name = "FILE")]
    #[expect(
        clippy::option_option,
        reason = "clap's form of an option whose value is optional"
    )]
    pub(crate) json: Option<Option<PathBuf>>,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pass {
    /// The output
    Forward,
    /// The gradients, behind a forward pass that is not counted
    Backward,
}
