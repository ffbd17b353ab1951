//! The opponent: attention in three passes over scores and bias in memory, each `[H, N, N]`.
//!
//! Lengths are multiples of the tiles and constants of the kernels where that is faster, so that it has no bounds to
//! check. The scores become the weights in place.

pub(crate) mod contender;

use relattn::wgpu;
use wgpu::util::DeviceExt;

const PRODUCT: &str = include_str!("product.wgsl");
const SCORES: &str = include_str!("scores.wgsl");
const SOFTMAX: &str = include_str!("softmax.wgsl");
const VALUES: &str = include_str!("values.wgsl");
const BIAS_MATRIX: &str = include_str!("bias_matrix.wgsl");

/// The tile of a matrix product; rows and columns of a thread in fours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile {
    pub(crate) tx: u32,
    pub(crate) ty: u32,
    pub(crate) rows4: u32,
    pub(crate) columns4: u32,
    pub(crate) chunk: u32,
}

/// The tiles of the two products, and the most threads of a row of the softmax.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiles {
    pub(crate) scores: Tile,
    pub(crate) values: Tile,
    pub(crate) softmax: u32,
}

/// The fastest on Mesa's software Vulkan of those tried; the README lists them.
pub(crate) const TILES: Tiles = Tiles {
    scores: Tile {
        tx: 8,
        ty: 8,
        rows4: 2,
        columns4: 2,
        chunk: 32,
    },
    values: Tile {
        tx: 8,
        ty: 8,
        rows4: 4,
        columns4: 2,
        chunk: 16,
    },
    softmax: 16,
};

impl Tile {
    const fn rows(&self) -> u32 {
        4 * self.rows4 * self.ty
    }

    const fn columns(&self) -> u32 {
        4 * self.columns4 * self.tx
    }

    fn prelude(&self, head_dim: u32) -> String {
        let Self {
            tx,
            ty,
            rows4,
            columns4,
            chunk,
        } = self;
        format!(
            "const TX = {tx}u;\nconst TY = {ty}u;\nconst ROWS4 = {rows4}u;\nconst COLUMNS4 = {columns4}u;\n\
             const CHUNK = {chunk}u;\nconst HEAD_DIM = {head_dim}u;\n{PRODUCT}"
        )
    }
}

/// The sizes of a run: one sequence, as many keys as queries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) heads: u32,
    pub(crate) n: u32,
    pub(crate) head_dim: u32,
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

/// A compiled kernel with its buffers.
#[derive(Debug)]
struct Step {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

/// The bound passes.
#[derive(Debug)]
pub(crate) struct Unfused {
    bias: Step,
    passes: [Step; 3],
}

impl Unfused {
    /// Compiles and binds; submits nothing.
    pub(crate) fn new(
        device: &wgpu::Device,
        sizes: Sizes,
        tiles: &Tiles,
        operands: &Operands<'_>,
    ) -> Self {
        let Sizes {
            heads, n, head_dim, ..
        } = sizes;
        for (size, tile) in [
            (n, tiles.scores.rows()),
            (n, tiles.scores.columns()),
            (n, tiles.values.rows()),
            (head_dim, tiles.values.columns()),
        ] {
            assert!(size.is_multiple_of(tile), "{size} is no multiple of {tile}");
        }
        let matrix = || square(device, sizes);
        let (scores, bias) = (matrix(), matrix());
        let params = params(device, sizes);
        let step = |label, text: &str, buffers: &[_], workgroups| {
            Step::new(device, label, text, buffers, workgroups)
        };
        let prelude = tiles.scores.prelude(head_dim);
        let threads = tiles.softmax.min(n / 4);
        Self {
            bias: step(
                "bias matrix",
                &format!("const N = {n}u;\nconst HEADS = {heads}u;\n{BIAS_MATRIX}"),
                &[(1, operands.buckets), (2, operands.table), (3, &bias)],
                [(n * n / 4).div_ceil(64), 1, 1],
            ),
            passes: [
                step(
                    "scores",
                    &(prelude + SCORES),
                    &[
                        (0, &params),
                        (1, operands.q),
                        (2, operands.k),
                        (3, &bias),
                        (4, &scores),
                    ],
                    [n / tiles.scores.columns(), n / tiles.scores.rows(), heads],
                ),
                step(
                    "softmax",
                    &format!("const N = {n}u;\nconst THREADS = {threads}u;\n{SOFTMAX}"),
                    &[(1, &scores)],
                    [1, n, heads],
                ),
                step(
                    "values",
                    &(tiles.values.prelude(head_dim) + VALUES),
                    &[
                        (0, &params),
                        (1, &scores),
                        (2, operands.v),
                        (3, operands.out),
                    ],
                    [
                        head_dim / tiles.values.columns(),
                        n / tiles.values.rows(),
                        heads,
                    ],
                ),
            ],
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

fn encode(encoder: &mut wgpu::CommandEncoder, steps: &[Step]) {
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    for step in steps {
        let [x, y, z] = step.workgroups;
        pass.set_pipeline(&step.pipeline);
        pass.set_bind_group(0, &step.group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

fn square(device: &wgpu::Device, sizes: Sizes) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("[H, N, N]"),
        size: 4 * u64::from(sizes.heads) * u64::from(sizes.n) * u64::from(sizes.n),
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    })
}

fn params(device: &wgpu::Device, sizes: Sizes) -> wgpu::Buffer {
    device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some("unfused params"),
        contents: bytemuck::cast_slice(&[sizes.n, sizes.scale.to_bits(), 0, 0]),
        usage: wgpu::BufferUsages::UNIFORM,
    })
}

impl Step {
    fn new(
        device: &wgpu::Device,
        label: &str,
        text: &str,
        buffers: &[(u32, &wgpu::Buffer)],
        workgroups: [u32; 3],
    ) -> Self {
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        };
        let checks = wgpu::ShaderRuntimeChecks::unchecked();
        #[expect(
            unsafe_code,
            reason = "the fused pass runs without checks too; whole tiles only, whose rows and columns lie in the buffers"
        )]
        let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        let entries: Vec<_> = buffers
            .iter()
            .map(|&(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(label),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        Self {
            pipeline,
            group,
            workgroups,
        }
    }
}
