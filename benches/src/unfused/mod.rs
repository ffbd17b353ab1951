//! The opponent: attention in three passes over scores and bias in memory, each `[H, N, N]`, and its gradients in seven more.
//!
//! Lengths are multiples of the tiles and constants of the kernels where that is faster, so that it has no bounds to
//! check. The scores become the weights in place.

pub mod backward;
pub mod contender;
mod kernels;
mod tile;

use relattn::wgpu;

use crate::step::{Step, encode};
use kernels::{Kernels, Square};
pub use tile::{TILES, Tiles};

const SCORES: &str = include_str!("scores.wgsl");
const SOFTMAX: &str = include_str!("softmax.wgsl");
const BIAS_MATRIX: &str = include_str!("bias_matrix.wgsl");

/// The sizes of a run: one sequence, as many keys as queries.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Of queries, keys and values.
    pub heads: u32,
    /// Queries, and keys; a multiple of the tiles.
    pub n: u32,
    /// Of queries, keys and values.
    pub head_dim: u32,
    /// Rows of the table.
    pub buckets: u32,
    /// Of the scores.
    pub scale: f32,
}

/// The caller's buffers; the baseline allocates scores and bias itself.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a> {
    /// `[H, N, D]`.
    pub q: &'a wgpu::Buffer,
    /// `[H, N, D]`.
    pub k: &'a wgpu::Buffer,
    /// `[H, N, D]`.
    pub v: &'a wgpu::Buffer,
    /// `[N, N]`, a word each.
    pub buckets: &'a wgpu::Buffer,
    /// `[buckets, H]`.
    pub table: &'a wgpu::Buffer,
    /// `[H, N, D]`, written.
    pub out: &'a wgpu::Buffer,
}

/// The bound passes of the forward direction.
#[derive(Debug)]
pub struct Unfused {
    bias: Step,
    passes: [Step; 3],
    /// `[H, N, N]`, what the softmax leaves.
    weights: wgpu::Buffer,
}

impl Unfused {
    /// Compiles and binds; submits nothing.
    #[must_use]
    pub fn new(
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
    pub fn encode_bias(&self, encoder: &mut wgpu::CommandEncoder) {
        encode(encoder, std::slice::from_ref(&self.bias));
    }

    /// Records scores, softmax and output; the bias matrix is there already.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
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
