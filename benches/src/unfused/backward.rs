//! The baseline's gradients, from the weights that its forward pass leaves in memory.

use relattn::wgpu;

use super::kernels::{Kernels, Square};
use super::{Operands, Sizes, Tiles, Unfused};
use crate::step::{Step, encode};

const DELTA: &str = include_str!("delta.wgsl");
const SCORE_GRADIENTS: &str = include_str!("score_gradients.wgsl");
const TABLE_PARTS: &str = include_str!("table_parts.wgsl");
const TABLE_SUM: &str = include_str!("table_sum.wgsl");

/// The rows of a part of the table's gradient; divides every length that the tiles divide.
const PART: u32 = 32;

/// The gradient of the output, and where those of the inputs go.
#[derive(Clone, Copy, Debug)]
pub struct Gradients<'a> {
    /// `[H, N, D]`.
    pub dout: &'a wgpu::Buffer,
    /// `[H, N, D]`, written.
    pub dq: &'a wgpu::Buffer,
    /// `[H, N, D]`, written.
    pub dk: &'a wgpu::Buffer,
    /// `[H, N, D]`, written.
    pub dv: &'a wgpu::Buffer,
    /// `[buckets, H]`, written.
    pub dtable: &'a wgpu::Buffer,
}

/// The bound passes of both directions.
#[derive(Debug)]
pub struct Training {
    forward: Unfused,
    passes: [Step; 7],
}

impl Training {
    /// Compiles and binds; submits nothing.
    #[must_use]
    pub fn new(
        device: &wgpu::Device,
        sizes: Sizes,
        tiles: &Tiles,
        operands: &Operands<'_>,
        gradients: &Gradients<'_>,
    ) -> Self {
        let forward = Unfused::new(device, sizes, tiles, operands);
        let kernels = Kernels {
            device,
            sizes,
            tiles,
        };
        let passes = passes(&kernels, &forward.weights, operands, gradients);
        Self { forward, passes }
    }

    /// Records the gathering of the bias matrix.
    pub fn encode_bias(&self, encoder: &mut wgpu::CommandEncoder) {
        self.forward.encode_bias(encoder);
    }

    /// Records the forward pass alone; the bias matrix is there already.
    pub fn encode_forward(&self, encoder: &mut wgpu::CommandEncoder) {
        self.forward.encode(encoder);
    }

    /// Records the gradients; the weights and the output are there already, and stay.
    pub fn encode_backward(&self, encoder: &mut wgpu::CommandEncoder) {
        encode(encoder, &self.passes);
    }

    /// Records both directions; the bias matrix is there already.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        self.encode_forward(encoder);
        self.encode_backward(encoder);
    }
}

fn passes(
    kernels: &Kernels<'_>,
    weights: &wgpu::Buffer,
    operands: &Operands<'_>,
    gradients: &Gradients<'_>,
) -> [Step; 7] {
    let Sizes {
        heads, n, scale, ..
    } = kernels.sizes;
    let dout = gradients.dout;
    let delta = kernels.floats(u64::from(heads * n));
    let dscores = kernels.square();
    let [parts, sum] = table(kernels, operands.buckets, &dscores, gradients.dtable);
    let values = |label, way, scale, buffers| kernels.values(label, way, scale, buffers);
    let (straight, transposed) = (Square::Straight, Square::Transposed);
    [
        values("dv", transposed, 1.0, [weights, dout, gradients.dv]),
        kernels.plain(
            "delta",
            DELTA,
            &[(1, operands.out), (2, dout), (3, &delta)],
            [(heads * n).div_ceil(64), 1, 1],
        ),
        kernels.features(
            "dscores",
            SCORE_GRADIENTS,
            1.0,
            &[
                (1, dout),
                (2, operands.v),
                (3, weights),
                (4, &delta),
                (5, &dscores),
            ],
        ),
        values("dq", straight, scale, [&dscores, operands.k, gradients.dq]),
        values(
            "dk",
            transposed,
            scale,
            [&dscores, operands.q, gradients.dk],
        ),
        parts,
        sum,
    ]
}

/// The gradient of the table in two passes, whose order of summation does not vary.
fn table(
    kernels: &Kernels<'_>,
    buckets: &wgpu::Buffer,
    dscores: &wgpu::Buffer,
    dtable: &wgpu::Buffer,
) -> [Step; 2] {
    let Sizes {
        heads,
        n,
        buckets: count,
        ..
    } = kernels.sizes;
    let sizes = format!("const PART = {PART}u;\nconst BUCKETS = {count}u;\n");
    let parts = kernels.floats(u64::from(n / PART * count * heads));
    [
        kernels.plain(
            "parts of dtable",
            &(sizes.clone() + TABLE_PARTS),
            &[(1, buckets), (2, dscores), (3, &parts)],
            [n / PART, heads, 1],
        ),
        kernels.plain(
            "dtable",
            &(sizes + TABLE_SUM),
            &[(1, &parts), (2, dtable)],
            [(count * heads).div_ceil(64), 1, 1],
        ),
    ]
}
