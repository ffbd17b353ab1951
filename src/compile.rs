//! From WGSL to a pipeline, with or without run-time checks: the one place where shaders are trusted.
//!
//! # Safety
//!
//! Without checks a shader that reads or writes out of range, or whose loop never ends, is undefined behaviour. Every kernel of
//! this crate keeps to the following, so that [`Checks::None`] is sound; a new slot or entry has to keep to it too.
//!
//! Indices are in range, by kind:
//!
//! - *Private and workgroup arrays*: counters that end at a constant no larger than the array, and numbers of an invocation, below its
//!   size or modulo it.
//! - *Matrices*: whole ones, at constants and at blocks of rows that are compared with how many there are, in workgroup arrays made up of them.
//!   Every invocation of a subgroup has the same block, and workgroups are multiples of the largest subgroup, so that none is missing.
//! - *Rows of q, k, v, dO, a dense bias, bits, indices, documents*: `min(i, q_len − 1)` and `min(j, k_len − 1)`; by matrices,
//!   where rows of a head follow each other, a place that is not behind that of its last row, counted from where the bound range begins, and as
//!   whole a multiple of two or four numbers. Nothing is dispatched where there are no rows, and no tile of keys is met or read ahead where there
//!   are no keys. `bind` refuses a buffer that is shorter than its tensor; a dispatch binds the range that holds every row of its chunk (`plan/split.rs`), and its uniforms subtract where that begins.
//! - *Features*: a constant below the head's width, or `min(d, width − 1)` where the width fills no whole vector. Read as whole vec4, widths
//!   and strides are multiples of four numbers (`plan/variant.rs`), and so is where a range that is bound begins and how long it is.
//! - *Outputs and gradients*: as rows, and written only below `row_limit()` or `key_row_limit()` and below the head's width. They and the
//!   log-sum-exp, then as long as there are rows, are read by a dispatch behind the first of a pass alone.
//! - *The table by offset*: `clamp(offset, −R, R) + R` of the `2R + 1` numbers of the workgroup's head.
//! - *Tables by index*: an index is compared with the rows of its table first, and one past them adds 0.
//! - *Lengths and starts*: cut off at what there is, starts also at each other, so that no sequence ends before it begins. Which
//!   sequence a workgroup has comes from a binary search over as many as there are.
//! - *Blocks of a paged cache*: at most the last of the pool; the table of blocks has one for every key.
//! - *Sums of the rows of a table*: a range of them for each row that `row_gradient` runs over (`plan/backward/ranges.rs`), cut off at the radius.
//! - *FIRE's segments*: from a binary search over as many breakpoints as there are, which no number leaves, NaN included.
//! - *The workspace*: sections one behind the other (`plan/backward/workspace.rs`). `bind` refuses a shorter buffer, and a dispatch has no
//!   more workgroups than there is room for what they leave behind.
//!
//! Loops count to a constant, halve a number, or step by tiles through rows or keys, of which there are at most 2³⁰, so that no counter
//! wraps. Divisors are constants, or sizes that are at least 1. Workgroup memory is written before a barrier and read behind it; what is
//! read unwritten, such as features past the head, reaches no output. `Bound::set_position` compares a position with the problem before it
//! writes it. So whoever changes lengths, indices, starts or blocks on the device changes what is computed, and not what is addressed.

use crate::plan::Kernel;
use crate::shader::Dialect;

/// What is checked while a kernel runs.
///
/// Results are the same. [`Self::All`] costs time, and on some drivers much, because it keeps them from unrolling loops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Checks {
    /// Nothing: every index of this crate's shaders is in range, and every loop ends. `src/compile.rs` says why, for each kind of index.
    #[default]
    None,
    /// Indices are kept in range, loops counted, and workgroup memory zeroed, as WebGPU demands for shaders of strangers.
    All,
}

/// Compiles a text with the bindings of a kernel.
pub(crate) fn compile(
    device: &wgpu::Device,
    cache: Option<&wgpu::PipelineCache>,
    checks: Checks,
    kernel: Kernel,
    text: &str,
) -> wgpu::ComputePipeline {
    let label = kernel.label();
    let dialect = Dialect::of(device);
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(&label),
        source: wgpu::ShaderSource::Wgsl(dialect.translate(text, kernel.uses_subgroups())),
    };
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(&label),
        layout: Some(&layout(device, &label, kernel)),
        module: &module(device, checks, descriptor),
        entry_point: None,
        compilation_options: wgpu::PipelineCompilationOptions {
            zero_initialize_workgroup_memory: checks == Checks::All,
            ..Default::default()
        },
        cache,
    })
}

fn module(
    device: &wgpu::Device,
    checks: Checks,
    descriptor: wgpu::ShaderModuleDescriptor<'_>,
) -> wgpu::ShaderModule {
    match checks {
        Checks::All => device.create_shader_module(descriptor),
        #[expect(
            unsafe_code,
            reason = "the texts are this crate's, by the argument above, or those of a caller of an unsafe function"
        )]
        Checks::None => unsafe {
            let unchecked = wgpu::ShaderRuntimeChecks::unchecked();
            device.create_shader_module_trusted(descriptor, unchecked)
        },
    }
}

fn layout(device: &wgpu::Device, label: &str, kernel: Kernel) -> wgpu::PipelineLayout {
    let uniforms = kernel.uniforms().iter();
    let uniforms = uniforms.map(|&number| (number, wgpu::BufferBindingType::Uniform));
    let storage = kernel
        .bindings()
        .into_iter()
        .map(|(number, read_only)| (number, wgpu::BufferBindingType::Storage { read_only }));
    let entries: Vec<_> = uniforms
        .chain(storage)
        .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty,
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    let group = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(label),
        entries: &entries,
    });
    device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(label),
        bind_group_layouts: &[Some(&group)],
        immediate_size: 0,
    })
}
