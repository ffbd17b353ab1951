//! The opponent: attention in three passes over scores and bias in memory, each `[H, N, N]`, and its gradients in seven more.
//!
//! Lengths are multiples of the tiles and constants of the kernels where that is faster, so that it has no bounds to
//! check. The scores become the weights in place.

#![allow(
    dead_code,
    reason = "each benchmark uses a part, and each is a crate of its own"
)]

pub(crate) mod backward;
pub(crate) mod contender;
mod kernels;
mod step;
mod tile;

use relattn::wgpu;

use kernels::{Kernels, Square};
use step::{Step, encode};
pub(crate) use tile::{TILES, Tiles};

const SCORES: &str = include_str!("scores.wgsl");
const SOFTMAX: &str = include_str!("softmax.wgsl");
const BIAS_MATRIX: &str = include_str!("bias_matrix.wgsl");

/// The sizes of a run: one sequence, as many keys as queries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) heads: u32,
    pub(crate) n: u32,
    pub(crate) head_dim: u32,
    /// Rows of the table.
    pub(crate) buckets: u32,
    pub(crate) scale: f32,
}

/// The caller's buffers; the baseline allocates scores and bias itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operands<'a> {
    pub(crate) q: &'a wgpu::Buffer,
    pub(crate) k: &'a wgpu::Buffer,
    pub(crate) v: &'a wgpu::Buffer,
    /// `[N, N]`, a word each.
    pub(crate) buckets: &'a wgpu::Buffer,
    pub(crate) table: &'a wgpu::Buffer,
    pub(crate) out: &'a wgpu::Buffer,
}

/// The bound passes of the forward direction.
#[derive(Debug)]
pub(crate) struct Unfused {
    bias: Step,
    passes: [Step; 3],
    /// `[H, N, N]`, what the softmax leaves.
    weights: wgpu::Buffer,
}

impl Unfused {
    /// Compiles and binds; submits nothing.
    pub(crate) fn new(
        device: &wgpu::Device,
        sizes: Sizes,
        tiles: &Tiles,
        operands: &Operands<'_>,
    ) -> Self {
        let kernels = Kernels {
            device,
            sizes,
            tiles,
        };
        let n = sizes.n;
        let (scores, bias) = (kernels.square(), kernels.square());
        Self {
            bias: kernels.plain(
                "bias matrix",
                BIAS_MATRIX,
                &[(1, operands.buckets), (2, operands.table), (3, &bias)],
                [(n * n / 4).div_ceil(64), 1, 1],
            ),
            passes: passes(&kernels, operands, &bias, &scores),
            weights: scores,
        }
    }

    /// Records the gathering of the bias matrix.
    pub(crate) fn encode_bias(&self, encoder: &mut wgpu::CommandEncoder) {
        encode(encoder, std::slice::from_ref(&self.bias));
    }

    /// Records scores, softmax and output; the bias matrix is there already.
    pub(crate) fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        encode(encoder, &self.passes);
    }
}

fn passes(
    kernels: &Kernels<'_>,
    operands: &Operands<'_>,
    bias: &wgpu::Buffer,
    scores: &wgpu::Buffer,
) -> [Step; 3] {
    let Sizes {
        heads, n, scale, ..
    } = kernels.sizes;
    let Operands { q, k, v, out, .. } = *operands;
    let threads = kernels.tiles.softmax.min(n / 4);
    [
        kernels.features(
            "scores",
            SCORES,
            scale,
            &[(1, q), (2, k), (3, bias), (4, scores)],
        ),
        kernels.plain(
            "softmax",
            &format!("const THREADS = {threads}u;\n{SOFTMAX}"),
            &[(1, scores)],
            [1, n, heads],
        ),
        kernels.values("values", Square::Straight, 1.0, [scores, v, out]),
    ]
}
