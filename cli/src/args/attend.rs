//! `relattn attend`.

use std::path::PathBuf;

use clap::Args;

use super::{BiasArgs, DeviceArg, RopeArgs};

#[derive(Args, Debug)]
#[command(after_help = "\
Tensors of IN, little-endian f32 unless noted:
  q                [B, H, Nq, D]      queries, D at most 256
  k                [B, Hkv, Nk, D]    keys; Hkv divides H
  v                [B, Hkv, Nk, Dv]   values, Dv at most 256
  table            [num_buckets, H]   for --bias t5
                   [2R + 1, H]        for --bias offset; row R is offset 0
                   [rows, H]          for --bias index; [M · rows, H] with M matrices
  index            [Nq, Nk], [B, Nq, Nk] or [M, B or 1, Nq, Nk] integers
                                      for --bias index: rows of the table; past it the bias is 0
  slopes           [H]                for --bias alibi, optional: else the paper's
  p, a             [H]                for --bias kerple-log and kerple-power; finite, the a of the
                                      former not below 0, the p of the latter above it
  mlp.0.weight     [W, 1] or [W]      for --bias fire, W at most 256
  mlp.0.bias       [W]                for --bias fire
  mlp.2.weight     [H, W]             for --bias fire
  mlp.2.bias       [H]                for --bias fire
  c                [] or [1]          for --bias fire, optional: else 0.1
  init_L           [] or [1]          for --bias fire, optional: else 512
  L_multiplier     [] or [1]          for --bias fire, optional: else 1
  bias             [B or 1, H or 1, Nq, Nk]   for --bias dense
  gate             [B, H, Nq]         optional; multiplies t5, offset, alibi, kerple-log,
                                      kerple-power and sandwich, and needs one of them
  dctx             [B, H, Nq, Dv]     for --backward: the gradient of ctx
  key_mask         [B, Nk] u8 or bool   optional; 0 hides a key
  mask             [B or 1, H or 1, Nq, Nk] u8 or bool   optional; 0 hides a key from a query
  key_lengths      [B] integers       optional; hides the keys from there on
  query_lengths    [B] integers       optional; rows from there on see no key
  query_documents  [B, Nq] integers   optional, with key_documents: hides the keys of another
  key_documents    [B, Nk] integers   optional, with query_documents
  query_starts     [S + 1] integers   optional, with key_starts and B = 1: S sequences, one
                                      behind the other, whose positions begin anew
  key_starts       [S + 1] integers   optional, with query_starts; they rise from 0 to Nq and Nk

Integers are signed or not, of 8 to 64 bits, and from 0 to 2^32 - 1. Where two biases of a sum would
read one name, each has one of its own, which may be used alone too: t5_table, offset_table and
index_table for table; kerple_log_p, kerple_power_p, kerple_log_a and kerple_power_a for p and a.

Tensors of OUT, f32:
  ctx       [B, H, Nq, Dv]     softmax(scale · q kᵀ + bias) v; zeros where no key is visible
  lse       [B, H, Nq]         log-sum-exp of each row; -inf where no key is visible
and with --backward the gradients of the loss whose gradient of ctx is dctx: of each tensor that was
read, in its shape, by its name with a d before it:
  dq, dk, dv                   of q, k and v as IN has them, before any rotation; dk and dv are the
                               sums over the query heads that share a head of k and v
  dtable    [rows, H]          of t5, offset and index; dt5_table and so on where that is the name
  dslopes, dp, da   [H]        of alibi, kerple-log and kerple-power
  dmlp.0.weight, dmlp.0.bias, dmlp.2.weight, dmlp.2.bias, dc, dinit_L, dL_multiplier
                               of fire; what all heads share is the sum over the heads
  dgate     [B, H, Nq]         of gate
  dbias     as bias            of dense, summed over the batch and the heads that share it
Where IN lacks slopes, c, init_L or L_multiplier, the gradient at the default is written all the same.

Exit status: 0 done, 1 the machine failed, 2 bad input; OUT is written only on 0.")]
pub(crate) struct AttendArgs {
    /// The safetensors file to read
    #[arg(value_name = "IN.safetensors")]
    pub(crate) input: PathBuf,
    /// The safetensors file to write; replaced whole or not at all
    #[arg(short, long, value_name = "OUT.safetensors")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) bias: BiasArgs,
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
    /// Read dctx, the gradient of ctx, and write the gradients of the tensors that were read too
    #[arg(long)]
    pub(crate) backward: bool,
    /// Leave out each weight with probability P, from 0 to below 1, and divide the others by 1 - P; the same weights on
    /// every device
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    pub(crate) dropout: Option<f32>,
    /// The seed of --dropout [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) rope: RopeArgs,
    #[command(flatten)]
    pub(crate) device: DeviceArg,
    /// Time the kernels that the device could take for such a problem, unless FILE has the times; take the fastest, and
    /// keep the times in FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) tune: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
