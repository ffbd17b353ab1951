//! `relattn inspect`.

use std::path::PathBuf;

use clap::Args;

use super::{BiasArgs, DeviceArg};

#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(crate) bias: BiasArgs,
    /// Rows of the matrix [default: those of `index` or `bias` in the file, else 256]
    #[arg(long, value_name = "N")]
    pub(crate) queries: Option<u32>,
    /// Columns of the matrix [default: those of `index` or `bias` in the file, else 256]
    #[arg(long, value_name = "N")]
    pub(crate) keys: Option<u32>,
    /// Heads of a bias [default: those of its tensors in the file, else 8]
    #[arg(long, value_name = "H", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) heads: Option<u32>,
    /// The position of query row 0
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_hyphen_values = true
    )]
    pub(crate) query_offset: i32,
    /// Take the tensors of the bias from this file, by the names of `relattn attend`; the first sequence is shown, without
    /// a gate. For t5 with 32 bidirectional buckets the default is the table of all-mpnet-base-v2; alibi,
    /// sandwich and none need none
    #[arg(long, alias = "tensors", value_name = "FILE.safetensors")]
    pub(crate) table: Option<PathBuf>,
    /// Draw the bias of each head, and the buckets of t5
    #[arg(long, value_name = "FILE.png")]
    pub(crate) png: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: DeviceArg,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
