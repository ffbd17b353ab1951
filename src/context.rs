//! Pipelines over the caller's device.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::plan::{
    Algorithm, Backward, BackwardPipelines, BucketIndex, Budget, Family, Forward, GradientFamily,
    Kernel, Merge, RopeVariant, RotaryEmbedding, TablePipelines, Wanted, choose,
    choose_backward_of,
};
use crate::{Capabilities, Error, IndexFormat, Problem, Rotation, Thresholds};

/// The caller's device, and the kernels compiled for it so far.
#[derive(Clone, Debug)]
pub struct Context {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipelines: Arc<Mutex<HashMap<Kernel, wgpu::ComputePipeline>>>,
}

impl Context {
    /// Clones the handles; creates nothing on the device.
    #[must_use]
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        Self {
            device: device.clone(),
            queue: queue.clone(),
            pipelines: Arc::default(),
        }
    }

    /// The device.
    #[must_use]
    pub const fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// The queue.
    #[must_use]
    pub const fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// What the device offers.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        Capabilities::of(&self.device)
    }

    /// Compiles the forward pass of a problem, or reuses a kernel: another length, stride or offset compiles nothing.
    ///
    /// # Errors
    /// A device that offers less than every kernel needs.
    pub fn forward(&self, problem: &Problem) -> Result<Forward, Error> {
        let capabilities = self.capabilities();
        let variant = choose(problem, &capabilities)?;
        let decodes = variant.algorithm == Algorithm::Decode;
        let merge = Kernel::DecodeMerge {
            dtype: variant.dtype,
            value_dim: variant.value_dim,
        };
        Ok(Forward {
            device: self.device.clone(),
            problem: problem.clone(),
            variant,
            pipeline: self.pipeline(Kernel::Forward(variant)),
            tables: self.table_pipelines(problem),
            merge_pipeline: decodes.then(|| self.pipeline(merge)),
            splits: Forward::splits_of(problem, &variant, &capabilities),
            budget: Budget::default(),
        })
    }

    /// Compiles the backward pass of a problem, with every gradient that it has.
    ///
    /// # Errors
    /// As [`Self::backward_of`].
    pub fn backward(&self, problem: &Problem) -> Result<Backward, Error> {
        self.backward_of(problem, Wanted::all(problem))
    }

    /// Compiles the backward pass of a problem, or reuses its kernels, with some gradients of the bias alone.
    ///
    /// # Errors
    /// A paged cache; a gradient that the problem does not have; a device that offers less than every kernel needs.
    pub fn backward_of(&self, problem: &Problem, wanted: Wanted) -> Result<Backward, Error> {
        self.assemble_backward(problem, wanted, |kernel| self.pipeline(kernel))
    }

    /// The backward pass with every kernel's text changed, for tests that plant errors: the bindings stay as they are.
    ///
    /// # Errors
    /// As [`Self::backward`].
    ///
    /// # Safety
    /// The texts are compiled without checks: their indices must stay in range, and their loops must end.
    #[doc(hidden)]
    #[expect(
        unsafe_code,
        reason = "only the caller knows the texts; ours are safe by the argument at the compilation"
    )]
    pub unsafe fn backward_with_texts(
        &self,
        problem: &Problem,
        edit: impl Fn(String) -> String,
    ) -> Result<Backward, Error> {
        self.assemble_backward(problem, Wanted::all(problem), |kernel| {
            let text = kernel.text();
            let edited = edit(text.clone());
            if edited == text {
                self.pipeline(kernel)
            } else {
                self.compile(kernel, &edited)
            }
        })
    }

    fn assemble_backward(
        &self,
        problem: &Problem,
        wanted: Wanted,
        pipeline: impl Fn(Kernel) -> wgpu::ComputePipeline,
    ) -> Result<Backward, Error> {
        wanted.check(problem)?;
        let [queries, keys] = choose_backward_of(problem, wanted, &self.capabilities())?;
        let statistics = Kernel::BackwardStatistics {
            dtype: problem.dtype(),
            value_dim: problem.value_dim(),
        };
        let families = problem.biases().filter_map(GradientFamily::of);
        let gradients = queries.gradients;
        Ok(Backward {
            device: self.device.clone(),
            problem: problem.clone(),
            wanted,
            queries,
            keys,
            pipelines: BackwardPipelines {
                tables: self.table_pipelines(problem),
                statistics: pipeline(statistics),
                queries: pipeline(Kernel::Backward(queries)),
                keys: pipeline(Kernel::Backward(keys)),
                partial_sums: pipeline(Kernel::PartialSums),
                offset_gradients: families
                    .map(|family| pipeline(Kernel::OffsetGradient(family)))
                    .collect(),
                index_gradient: gradients.index.then(|| pipeline(Kernel::IndexGradient)),
                fire_gradient: gradients.fire.then(|| pipeline(Kernel::FireGradient)),
                clear_dbias: wanted.bias.then(|| pipeline(Kernel::ClearDbias)),
                copy_words: pipeline(Kernel::CopyWords),
            },
            budget: Budget::default(),
        })
    }

    /// The forward pass of a problem with another shader text, which has the bindings of the linked one: for tests that
    /// plant errors.
    ///
    /// # Errors
    /// As [`Self::forward`].
    ///
    /// # Safety
    /// The text is compiled without checks: its indices must stay in range, and its loops must end.
    #[doc(hidden)]
    #[expect(
        unsafe_code,
        reason = "only the caller knows the text; ours is safe by the argument at the compilation"
    )]
    pub unsafe fn forward_with_text(
        &self,
        problem: &Problem,
        text: &str,
    ) -> Result<Forward, Error> {
        let forward = self.forward(problem)?;
        let kernel = Kernel::Forward(*forward.variant());
        Ok(Forward {
            pipeline: self.compile(kernel, text),
            ..forward
        })
    }

    /// Compiles the bucket-index matrix `[q_len, k_len]`, or reuses its kernel.
    #[must_use]
    pub fn bucket_index(
        &self,
        thresholds: &Thresholds,
        [q_len, k_len]: [u32; 2],
        query_offset: i32,
        format: IndexFormat,
    ) -> BucketIndex {
        BucketIndex {
            device: self.device.clone(),
            pipeline: self.pipeline(Kernel::BucketIndex(format)),
            thresholds: thresholds.clone(),
            format,
            q_len,
            k_len,
            query_offset,
        }
    }

    /// Compiles the merge of attention over parts of the keys, or reuses its kernel: `parts` results of `rows` rows, those of
    /// `[B, H, Nq]`, with `value_dim` features.
    #[must_use]
    pub fn merge(&self, parts: u32, rows: u32, value_dim: u32) -> Merge {
        Merge {
            device: self.device.clone(),
            pipeline: self.pipeline(Kernel::Merge),
            parts,
            rows,
            value_dim,
        }
    }

    /// Compiles a rotation, or reuses its kernels: other sizes, strides, frequencies or positions compile nothing.
    #[must_use]
    pub fn rope(&self, rotation: &Rotation) -> RotaryEmbedding {
        let pipeline = |in_place| self.pipeline(Kernel::Rope(RopeVariant::of(rotation, in_place)));
        RotaryEmbedding {
            device: self.device.clone(),
            rotation: rotation.clone(),
            pipeline: pipeline(false),
            in_place_pipeline: pipeline(true),
        }
    }

    pub(crate) fn table_pipelines(&self, problem: &Problem) -> TablePipelines {
        let families = problem.biases().filter_map(Family::of);
        TablePipelines {
            offset: families
                .map(|family| self.pipeline(Kernel::OffsetTable(family)))
                .collect(),
            fire: problem.fire().map(|_| self.pipeline(Kernel::FireTable)),
        }
    }

    pub(crate) fn pipeline(&self, kernel: Kernel) -> wgpu::ComputePipeline {
        let mut pipelines = self
            .pipelines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pipelines
            .entry(kernel)
            .or_insert_with(|| self.compile(kernel, &kernel.text()))
            .clone()
    }

    fn layout(&self, label: &str, kernel: Kernel) -> wgpu::PipelineLayout {
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
        let group = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(label),
                entries: &entries,
            });
        self.device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(label),
                bind_group_layouts: &[Some(&group)],
                immediate_size: 0,
            })
    }

    fn compile(&self, kernel: Kernel, text: &str) -> wgpu::ComputePipeline {
        let label = kernel.label();
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(&label),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        };
        let checks = wgpu::ShaderRuntimeChecks::unchecked();
        #[expect(
            unsafe_code,
            reason = "checks keep drivers from unrolling, and are not needed. Loops count to a constant, or to a length of at \
                      most 2^30 in the uniforms. Private and workgroup arrays are indexed by such counters and by numbers \
                      of an invocation, modulo their size. Buffers are indexed by rows within the lengths, features within \
                      the head and clamped offsets, for which `bind` has checked that the bound range is large enough; an \
                      index, a length, a start or a block that comes from a buffer is compared with what there is before \
                      it is used"
        )]
        let module = unsafe { self.device.create_shader_module_trusted(descriptor, checks) };
        self.device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&label),
                layout: Some(&self.layout(&label, kernel)),
                module: &module,
                entry_point: None,
                compilation_options: wgpu::PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: None,
            })
    }
}
